"""Writing and reading snapshots, on a database with a month of hourly history of 500 markets."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import count

import asyncpg
from pydantic import SecretStr

from bench.result import Result, at_most, median_ms
from core import db
from core.models import Market, MarketStatus, Outcome, Quote, Terms
from core.queries import collecting
from core.settings import Settings
from local import postgres
from local.kit import DATA, Kit

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
MARKETS, HOURS = 500, 720


@asynccontextmanager
async def database() -> AsyncIterator[db.Connection]:
    folder = DATA / "bench"
    with Kit(folder) as kit:
        server = postgres.start(folder / "postgres")
        postgres.drop_database(server, "bench")
        kit.environment["DATABASE_URL"] = url = postgres.create_database(server, "bench")
        kit.command(["-m", "alembic", "upgrade", "head"])
        pool = await db.make_pool(Settings(database_url=SecretStr(url)))
        async with pool.acquire() as connection:
            await _fill(connection)
            yield connection
        await pool.close()


async def _fill(connection: db.Connection) -> None:
    await connection.execute(
        """
        INSERT INTO market_snapshots (time, market_id, platform, price, volume, yes_price, no_price)
        SELECT $1::timestamptz - make_interval(hours => h), 'M' || m, 'kalshi', 0.5, 1000000 - h, 0.51, 0.51
        FROM generate_series(1, $2::int) m, generate_series(1, $3::int) h
        """,
        NOW,
        MARKETS,
        HOURS,
        timeout=120,
    )
    await connection.execute("VACUUM ANALYZE market_snapshots")


def _market(number: int, price: Decimal) -> Market:
    terms = Terms("kalshi", f"M{number}", None, f"Market {number}", "", None, "Yes", "No", "", None, None, None, None,
                  None, number, {})  # fmt: skip
    quote = Quote(price, price, 1 - price, price, Decimal(number), None, None, None)
    return Market(terms, MarketStatus.OPEN, quote, Outcome(None, None, None))


async def run() -> list[Result]:
    async with database() as connection:
        first = [_market(number, Decimal("0.5")) for number in range(1_000)]
        async with connection.transaction():
            await collecting.stage(connection, first)
            await collecting.upsert_terms(connection, first, NOW)
        turn = count(1)

        async def insert() -> None:
            number = next(turn)
            price = Decimal(number % 90 + 5) / 100
            changed = [replace(m, quote=replace(m.quote, price=price)) for m in first]
            async with connection.transaction():
                await collecting.stage(connection, changed)
                await collecting.insert_changed_snapshots(connection, NOW + timedelta(seconds=number), 3_600)

        await connection.execute("CREATE TEMP TABLE bare (LIKE market_snapshots INCLUDING DEFAULTS)")
        rows = [(NOW, f"M{n}", "kalshi", Decimal("0.5"), Decimal(n)) for n in range(1_000)]

        async def copy() -> None:
            await connection.copy_records_to_table(
                "bare", records=rows, columns=["time", "market_id", "platform", "price", "volume"]
            )

        async def latest() -> asyncpg.Record | None:
            return await connection.fetchrow(
                "SELECT price, time FROM market_latest WHERE platform = 'kalshi' AND market_id = 'M7'"
            )

        async def history() -> list[asyncpg.Record]:
            return await connection.fetch(
                "SELECT time, price FROM market_snapshots WHERE platform = 'kalshi' AND market_id = 'M7' AND time > $1",
                NOW - timedelta(hours=24),
            )

        async def nothing() -> None:
            await connection.fetchval("SELECT 1")

        inserted, copied = await median_ms(insert, 15), await median_ms(copy, 15)
        trip = await median_ms(nothing, 50)
        return [
            at_most("insert_1000_ms", inserted, "ms", f"bare COPY of 1,000 rows {copied:.1f} ms", 50),
            at_most("latest_price_ms", await median_ms(latest, 50), "ms", f"SELECT 1 {trip:.2f} ms", 5),
            at_most("history_24h_ms", await median_ms(history, 50), "ms", f"SELECT 1 {trip:.2f} ms", 10),
        ]
