"""Writing and reading snapshots, on a database with a month of hourly history of 500 markets."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from itertools import count, cycle

from bench.database import HOUR, NOW, PRICES, database, make_market, store
from bench.result import Result, at_most, median_ms
from core import db
from core.detect.columns import make_column
from core.queries import history as columns

BATCH, MARKETS, HOURS = 1_000, 500, 720


async def run() -> list[Result]:
    async with database() as connection:
        return await measure(connection, MARKETS, HOURS)


async def measure(connection: db.Connection, markets: int, hours: int) -> list[Result]:
    await _live(connection, markets, hours)
    return [await _insert(connection), *await _read(connection)]


async def _live(connection: db.Connection, markets: int, hours: int) -> None:
    """A collect run an hour over the first `markets`; in the one at NOW there are BATCH of them."""
    batches = [[make_market(number, price) for number in range(markets)] for price in PRICES]
    for age in range(hours, 0, -1):
        at = NOW - age * HOUR
        changes = await store(connection, batches[age % 2], at, new=age == hours)
        await columns.insert_columns(connection, "kalshi", [make_column(at, HOUR, changes)])
    changes = await store(connection, [make_market(number, PRICES[0]) for number in range(BATCH)], NOW, new=True)
    await columns.insert_columns(connection, "kalshi", [make_column(NOW, HOUR, changes)])
    await connection.execute("VACUUM ANALYZE", timeout=600)


async def _insert(connection: db.Connection) -> Result:
    runs = zip(count(1), cycle([[make_market(n, price) for n in range(BATCH)] for price in PRICES[::-1]]))

    async def insert() -> None:
        seconds, changed = next(runs)
        await store(connection, changed, NOW + timedelta(seconds=seconds), new=False)

    await connection.execute("CREATE TEMP TABLE bare (LIKE market_snapshots INCLUDING DEFAULTS)")
    rows = [(NOW, f"M{number}", "kalshi", Decimal("0.5"), Decimal(number)) for number in range(BATCH)]

    async def copy() -> None:
        await connection.copy_records_to_table(
            "bare", records=rows, columns=["time", "market_id", "platform", "price", "volume"]
        )

    inserted, copied = await median_ms(insert, 15), await median_ms(copy, 15)
    return at_most("insert_1000_ms", inserted, "ms", f"bare COPY of {BATCH:,} rows {copied:.1f} ms", 50)


async def _read(connection: db.Connection) -> list[Result]:
    """The latest price of one market, then a day of all of them."""

    async def latest() -> None:
        price = await connection.fetchval(
            "SELECT price FROM market_latest WHERE platform = $1 AND market_id = $2", "kalshi", "M7"
        )
        assert price is not None

    async def day() -> None:
        assert len(await columns.columns_between(connection, "kalshi", NOW - 24 * HOUR, NOW, 60)) == 24

    async def nothing() -> None:
        await db.ping(connection)

    floor = f"SELECT 1 {await median_ms(nothing, 50):.2f} ms"
    return [
        at_most("latest_price_ms", await median_ms(latest, 50), "ms", f"one market; {floor}", 5),
        at_most("history_24h_ms", await median_ms(day, 50), "ms", f"a venue's markets together; {floor}", 10),
    ]
