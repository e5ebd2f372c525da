"""Writing and reading snapshots through the product's queries, on plain PostgreSQL with twenty million of them.

A week of quarter-hourly snapshots of 30,000 of 100,000 open markets, and the candles of the ninety days before.
`BENCH_SNAPSHOTS` makes it smaller.
"""

from __future__ import annotations

import os
from datetime import timedelta
from decimal import Decimal
from itertools import count, cycle

from bench.database import NOW, PRICES, database, make_market, store
from bench.result import Result, at_most, median_ms
from core import db
from core.queries import search

SNAPSHOTS = int(os.environ.get("BENCH_SNAPSHOTS", "20160000"))
BATCH, WEEK, DAYS, OPEN = 1_000, 672, 90, 100_000
QUARTER, DAY = timedelta(minutes=15), timedelta(days=1)
MIDNIGHT = NOW.replace(hour=0)
_AT_ONCE = 500  # markets in a statement of the filling
_WORDS = (
    "bitcoin ethereum fed rate election senate governor inflation payrolls hurricane temperature rain oscars grammys "
    "playoffs champion final goals points touchdown launch starship merger earnings tariff treaty ceasefire court "
    "verdict nominee approval debate turnout december january march summer winter month quarter year above below"
)


async def run() -> list[Result]:
    async with database() as connection:
        return await measure(connection, SNAPSHOTS // WEEK, OPEN)


async def measure(connection: db.Connection, busy: int, open_: int) -> list[Result]:
    """`busy` of the `open_` markets have snapshots every quarter of an hour."""
    await _fill(connection, busy, open_)
    stored = f"{busy * WEEK:,} snapshots of {busy:,} markets"
    return [await _insert(connection, stored), *await _read(connection, busy, stored)]


async def _fill(connection: db.Connection, busy: int, open_: int) -> None:
    await store(connection, [make_market(number, PRICES[0]) for number in range(BATCH)], NOW - QUARTER, new=True)
    await connection.execute("DELETE FROM market_snapshots")
    columns = await connection.fetchval(
        "SELECT string_agg(column_name, ', ') FROM information_schema.columns WHERE table_name = 'markets' "
        "AND is_generated = 'NEVER' AND is_identity = 'NO' AND column_name NOT IN ('market_id', 'title')"
    )
    words = "(ARRAY['{}'])[1 + abs(hashtext($1 || '{{}}' || n)) % {}]".format(
        _WORDS.replace(" ", "','"), len(_WORDS.split())
    )
    title = " || ' ' || ".join(words.format(place).replace("$1", "'w'") for place in "abcd")
    await connection.execute(
        f"INSERT INTO markets ({columns}, market_id, title) SELECT {columns}, 'M' || n, 'Will ' || {title} || ' ' || n "  # noqa: S608
        f"FROM markets CROSS JOIN generate_series({BATCH}, {open_ - 1}) AS n WHERE market_id = 'M0'",
        timeout=3_600,
    )
    await connection.execute("ALTER TABLE market_snapshots DISABLE TRIGGER market_snapshots_late")
    for first in range(0, busy, _AT_ONCE):
        await connection.execute(
            """
            INSERT INTO market_snapshots (time, market_id, platform, price, volume, yes_price, no_price, last_price)
            SELECT $1::timestamptz - step * interval '15 minutes', 'M' || n, 'kalshi', (step % 90 + 5) / 100.0,
                   1e6 - step, (step % 90 + 5) / 100.0, (95 - step % 90) / 100.0, (step % 90 + 5) / 100.0
            FROM generate_series($2::int, $3::int) AS n CROSS JOIN generate_series(1, $4::int) AS step
            """,
            NOW,
            first,
            min(first + _AT_ONCE, busy) - 1,
            WEEK,
            timeout=3_600,
        )
    await connection.execute("ALTER TABLE market_snapshots ENABLE TRIGGER market_snapshots_late")
    await connection.execute(
        """
        INSERT INTO candle_days (number, day, open, high, low, close, volume, counter)
        SELECT m.number, $1::date - age, 0.4, 0.6, 0.3, 0.5, 100, 1e6 - age
        FROM markets m CROSS JOIN generate_series(1, $2::int) AS age
        WHERE substr(m.market_id, 2)::int < $3
        """,
        MIDNIGHT.date(),
        DAYS,
        busy,
        timeout=3_600,
    )
    await connection.execute(
        "UPDATE candle_progress SET done_day = $1::date, logged_day = $1::date, raw_day = $1::date - 7", MIDNIGHT.date()
    )
    await connection.execute("VACUUM ANALYZE", timeout=3_600)


async def _insert(connection: db.Connection, stored: str) -> Result:
    runs = zip(count(1), cycle([[make_market(n, price) for n in range(BATCH)] for price in PRICES[::-1]]))

    async def insert() -> None:
        seconds, changed = next(runs)
        changes = await store(connection, changed, NOW + timedelta(seconds=seconds), new=False)
        assert len(changes) == BATCH

    await connection.execute("CREATE TEMP TABLE bare (LIKE market_snapshots INCLUDING DEFAULTS)")
    rows = [(NOW, f"M{number}", "kalshi", Decimal("0.5"), Decimal(number)) for number in range(BATCH)]

    async def copy() -> None:
        await connection.copy_records_to_table(
            "bare", records=rows, columns=["time", "market_id", "platform", "price", "volume"]
        )

    inserted, copied = await median_ms(insert, 15), await median_ms(copy, 15)
    return at_most("insert_1000_ms", inserted, "ms", f"{stored}; bare COPY of {BATCH:,} rows {copied:.1f} ms", 50)


async def _read(connection: db.Connection, busy: int, stored: str) -> list[Result]:
    """Of one market each, and never the same twice in a row: latest price, a day, ninety days; then a search."""
    ids = cycle([f"M{number}" for number in range(0, busy, max(1, busy // 199))])

    async def latest() -> None:
        row = await search.market(connection, "kalshi", "M7")
        assert row is not None
        assert row["price"] is not None

    async def day() -> None:
        asked = search.history(connection, "kalshi", next(ids), "snapshot", NOW - DAY, NOW, 1_000)
        assert len(await asked) == 96

    async def days() -> None:
        asked = search.history(connection, "kalshi", next(ids), "day", MIDNIGHT - DAYS * DAY, NOW, 1_000)
        assert len(await asked) >= DAYS

    async def found() -> None:
        assert await search.markets_matching(
            connection, "bitcoin december", platform=None, category=None, ended=False, after=None, limit=50
        )

    async def nothing() -> None:
        await db.ping(connection)

    against = f"{stored}; SELECT 1 {await median_ms(nothing, 50):.2f} ms"
    return [
        at_most("latest_price_ms", await median_ms(latest, 50), "ms", against, 5),
        at_most("history_24h_ms", await median_ms(day, 50), "ms", against, 10),
        at_most("history_90d_ms", await median_ms(days, 50), "ms", against, 20),
        at_most("search_ms", await median_ms(found, 50), "ms", against, 20),
    ]
