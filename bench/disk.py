"""What a market costs on disk: a simulated day stored by the product's own queries, then nights of upkeep.

`python -m bench.disk [markets]` prints the table of docs/storage.md.
"""

from __future__ import annotations

import asyncio
import sys
import time
from dataclasses import dataclass, replace
from datetime import timedelta
from decimal import Decimal

import numpy as np
import numpy.typing as npt
from pydantic import SecretStr

from bench.collecting import QUARTER, START, collector, venues
from bench.database import store
from bench.result import Result
from collect import history, upkeep
from core import db
from core.cache import make_cache
from core.models import PLATFORMS, Event, Market, MarketStatus, Outcome, Platform
from core.queries import collecting
from core.runtime import JOBS, Run
from core.settings import CollectSettings
from core.venues.contract import VENUES
from core.venues.lines import open_lines
from local import postgres

MARKETS = 20_000
CYCLES = 96
CHANGED = 0.15  # of the markets in a cycle, the busiest far more often than the others
BATCH = 2_000
ENDED = 0.2
CENT = Decimal("0.01")
DAY = timedelta(days=1)
MIDNIGHT = START.replace(hour=0)
NIGHT = MIDNIGHT + DAY + timedelta(hours=3, minutes=10)
# What an installation of today's size holds: markets that are open, and those that settle a day.
OPEN, SETTLING = 100_000, 70_000
GROWING = ("market_snapshots", "candle_hours", "candle_days", "history_columns")
STANDING = ("markets", "events", "market_latest")

NOWHERE = SecretStr("postgresql://nowhere")

Floats = npt.NDArray[np.float64]
Sizes = dict[str, tuple[int, int]]  # table -> bytes of rows (with TOAST), bytes of indexes


@dataclass(slots=True)
class Venue:
    """What a venue lists, and how its quotes move."""

    platform: Platform
    markets: list[Market]
    events: list[Event]

    def move(self, rng: np.random.Generator, chance: Floats) -> None:
        """All that change have traded, two of three at another price, a cent away."""
        for row in np.flatnonzero(rng.random(len(self.markets)) < chance):
            market = self.markets[row]
            quote, step = market.quote, CENT * int(rng.integers(-1, 2))
            moved = replace(
                quote,
                price=_shifted(quote.price, step),
                yes_price=_shifted(quote.yes_price, step),
                no_price=_shifted(quote.no_price, -step),
                last_price=_shifted(quote.last_price, step),
                volume=(quote.volume or Decimal(0)) + CENT * int(rng.integers(1, 50_000)),
            )
            self.markets[row] = replace(market, quote=moved)


def _shifted(price: Decimal | None, step: Decimal) -> Decimal | None:
    return None if price is None else min(max(price + step, CENT), 1 - CENT)


@dataclass(slots=True)
class Measured:
    """Bytes after a day and the night's upkeep; `wal` of both; `ended` of the rows of as many markets that ended."""

    markets: int
    snapshots: int
    tables: Sizes
    raw: int
    wal: int
    upkeep_s: float
    ended_markets: int
    ended: int

    def per_market(self, *tables: str) -> float:
        return sum(sum(self.tables[table]) for table in tables) / self.markets

    def says(self, *tables: str) -> str:
        parts = (f"{table} {self.per_market(table):,.0f}" for table in tables)
        return f"{self.markets:,} markets, {self.snapshots / self.markets:.1f} snapshots each: {', '.join(parts)}"

    def standing_gb(self, settings: CollectSettings) -> float:
        """At most, in the long run, of an installation of today's size whose open markets are open for ever."""
        day = {table: self.per_market(table) for table in GROWING}
        ages = {
            "market_snapshots": settings.retention_days,
            "candle_hours": settings.hourly_candle_days,
            "candle_days": settings.daily_candle_days,
            "history_columns": settings.history_days,
        }
        open_bytes = OPEN * (self.per_market(*STANDING) + sum(day[table] * days for table, days in ages.items()))
        whole = SETTLING * settings.ended_retention_days * self.per_market(*STANDING)
        trimmed = self.ended / self.ended_markets + day["candle_days"] + day["candle_hours"]
        return (open_bytes + whole + SETTLING * settings.ended_market_days * trimmed) / 1e9


async def run() -> list[Result]:
    found = await measure(MARKETS)

    def entry(name: str, value: float, unit: str, against: str) -> Result:
        return Result(name, round(value, 1), unit, against, None, None)

    standing = f"{OPEN:,} open, {SETTLING:,} settling a day, ages as the settings have them"
    return [
        entry("disk_bytes_per_market_day", found.per_market(*GROWING), "bytes", found.says(*GROWING)),
        entry("disk_bytes_per_market", found.per_market(*STANDING), "bytes", found.says(*STANDING)),
        entry("disk_bytes_per_ended_market", found.ended / found.ended_markets, "bytes", "trimmed, with its indexes"),
        entry("disk_wal_bytes_per_market_day", found.wal / found.markets, "bytes", f"upkeep {found.upkeep_s:.1f} s"),
        entry("disk_gb_100k", found.standing_gb(CollectSettings(database_url=NOWHERE)), "GB", standing),
    ]


async def measure(markets: int) -> Measured:
    with venues(markets) as bench:
        server = bench.kit.environment["DATABASE_URL"]
        postgres.drop_database(server, "disk")
        url = postgres.create_database(server, "disk")
        bench.kit.command(["-m", "alembic", "upgrade", "head"], {"DATABASE_URL": url})
        async with collector(bench) as given:
            settings = given.model_copy(update={"database_url": SecretStr(url)})
            pool, cache = await db.make_pool(settings), make_cache(settings)
            found = await _measured(Run(JOBS["upkeep"], settings, pool, cache, lambda: MIDNIGHT, MIDNIGHT))
            await cache.close()
            await pool.close()
        postgres.drop_database(server, "disk")
    return found


async def _measured(one: Run[CollectSettings]) -> Measured:
    listed = await listing(one.settings)
    async with one.transaction() as connection:
        before = await _wal(connection)
    await live(one, listed, np.random.default_rng(1))
    began = time.perf_counter()
    await upkeep.run(replace(one, now=NIGHT))
    upkeep_s = time.perf_counter() - began
    async with one.transaction() as connection:
        sizes, raw, after = await _sizes(connection), await _raw(connection), await _wal(connection)
        snapshots = await connection.fetchval("SELECT count(*) FROM market_snapshots", timeout=600)
    ended_markets, ended = await _end(one, listed)
    count = sum(len(venue.markets) for venue in listed)
    return Measured(count, snapshots, sizes, raw, after - before, upkeep_s, ended_markets, ended)


async def listing(settings: CollectSettings) -> list[Venue]:
    """The open markets as the venues list them."""
    found = [Venue(platform, [], []) for platform in PLATFORMS]
    async with open_lines(settings) as lines:
        for venue in found:
            async for page in VENUES[venue.platform].sweep(lines[venue.platform].listing, settings.collect_max_pages):
                venue.markets += [market for market in page.markets if market.status == "open"]
                venue.events += page.events
    return found


async def live(one: Run[CollectSettings], listed: list[Venue], rng: np.random.Generator, days: int = 1) -> None:
    """Days of collect runs, of which the first finds every market new."""
    chances = [_chances(len(venue.markets), rng) for venue in listed]
    for cycle in range(days * CYCLES):
        run = replace(one, now=MIDNIGHT + cycle * QUARTER)
        for venue, chance in zip(listed, chances, strict=True):
            if cycle:
                venue.move(rng, chance)
            else:
                async with run.transaction() as connection:
                    await collecting.upsert_events(connection, venue.events)
            changes = []
            for first in range(0, len(venue.markets), BATCH):
                async with db.acquire(run.pool, 5) as connection:
                    batch = venue.markets[first : first + BATCH]
                    changes += await store(connection, batch, run.now, new=cycle == 0)
            await history.append(run, venue.platform, changes)


def _chances(markets: int, rng: np.random.Generator) -> Floats:
    chance: Floats = np.minimum(1, rng.pareto(1.1, markets) + 0.01)
    scaled: Floats = np.minimum(1, chance * CHANGED / chance.mean())
    return scaled


async def _sizes(connection: db.Connection) -> Sizes:
    rows = await connection.fetch(
        "SELECT relname, pg_table_size(oid) AS rows, pg_indexes_size(oid) AS indexes FROM pg_class "
        "WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace"
    )
    return {row["relname"]: (row["rows"], row["indexes"]) for row in rows}


async def _raw(connection: db.Connection) -> int:
    size: int = await connection.fetchval(
        "SELECT sum(pg_column_size(raw_data)) + pg_relation_size('markets_raw') FROM markets", timeout=600
    )
    return size


async def _wal(connection: db.Connection) -> int:
    written: int = await connection.fetchval("SELECT (pg_current_wal_lsn() - '0/0')::bigint")
    return written


async def _end(one: Run[CollectSettings], listed: list[Venue]) -> tuple[int, int]:
    """(how many markets ended and were trimmed, the bytes of a table that holds nothing but these)."""
    for venue in listed:
        over = [
            replace(market, status=MarketStatus.FINAL, outcome=Outcome("yes", Decimal(1), NIGHT))
            for market in venue.markets[:: round(1 / ENDED)]
        ]
        async with replace(one, now=NIGHT).transaction() as connection:
            await collecting.stage(connection, over)
            await collecting.mark_staged_statuses(connection, NIGHT, listed=False)
    days = one.settings.ended_retention_days + 1
    said = await upkeep.run(replace(one, now=NIGHT + days * DAY))
    async with db.acquire(one.pool, 5) as connection:
        await connection.execute("DELETE FROM markets WHERE trimmed_at IS NULL", timeout=600)
        await connection.execute("VACUUM FULL markets", timeout=600)
        rows, indexes = (await _sizes(connection))["markets"]
    return said["ended"]["trimmed"], rows + indexes


def table(found: Measured) -> str:
    lines = ["| table | rows, bytes a market | indexes, bytes a market |", "|---|---:|---:|"]
    for name in (*GROWING, *STANDING):
        rows, indexes = (size / found.markets for size in found.tables[name])
        lines.append(f"| `{name}` | {rows:,.0f} | {indexes:,.0f} |")
    return "\n".join(lines)


def main(arguments: list[str]) -> None:
    found = asyncio.run(measure(int(arguments[0]) if arguments else MARKETS))
    settings = CollectSettings(database_url=NOWHERE)
    sys.stdout.write(
        f"{table(found)}\n\n{found.markets:,} markets, {found.snapshots:,} snapshots, "
        f"raw answer {found.raw / found.markets:,.0f} bytes a market with its index, "
        f"ended market {found.ended / found.ended_markets:,.0f}, WAL {found.wal / found.markets:,.0f} a market, "
        f"upkeep {found.upkeep_s:.1f} s, in the long run {found.standing_gb(settings):.1f} GB\n"
    )


if __name__ == "__main__":
    main(sys.argv[1:])
