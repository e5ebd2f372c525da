"""The upkeep job over days of snapshots: candles, retention, the disk budget."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from collect import upkeep
from core import db
from core.queries import billing, signing_in
from core.queries.snapshot_storage import AGGREGATED_DAYS
from tests import storages
from tests.api.rows import insert_insight
from tests.collect.conftest import MakeRun
from tests.conftest import NOW
from tests.core.making import make_market
from tests.core.storing import store

DAY = timedelta(days=1)
MIDNIGHT = NOW.replace(hour=0, minute=0)
NIGHT = NOW.replace(hour=3, minute=10)
DAYS, MARKETS, ENDED = 10, 300, 100  # the first of them ended yesterday


@pytest.fixture
async def filled(pool: db.Pool, storage: storages.Storage) -> None:
    """Ten days, of each market a snapshot an hour; aggregates hold all but the last."""
    await pool.execute(
        """
        INSERT INTO markets (platform, market_id, title, rules, yes_label, no_label, url, status, terms_digest,
            raw_data, first_seen_at, terms_seen_at, status_seen_at)
        SELECT 'kalshi', 'KXMARKET-' || n, 'Market ' || n, repeat('rules ', 50), 'Yes', 'No', '', 'open', 0,
            jsonb_build_object('rules', repeat('rules ', 50)), $1::timestamptz, $1, $1
        FROM generate_series(1, $2::int) n
        """,
        NOW - DAYS * DAY,
        MARKETS,
    )
    await pool.execute(
        """
        INSERT INTO market_snapshots (time, platform, market_id, price, yes_price, no_price, volume)
        SELECT $1::timestamptz - make_interval(hours => h), platform, market_id, 0.001 * (h % 500), 0.5, 0.5, 10000 - h
        FROM markets CROSS JOIN generate_series($2::int, 0, -1) h
        """,
        NIGHT.replace(minute=0),
        DAYS * 24,
        timeout=60,
    )
    await pool.execute(
        "UPDATE markets SET status = 'final', payout = 1, status_seen_at = $1 WHERE number <= $2", NIGHT - DAY, ENDED
    )
    await pool.execute(
        "INSERT INTO market_latest (platform, market_id, time) "
        "SELECT platform, market_id, max(time) FROM market_snapshots GROUP BY 1, 2"
    )
    await pool.execute(
        "DELETE FROM market_snapshots s USING markets m WHERE m.platform = s.platform AND m.market_id = s.market_id "
        "AND m.number <= $1 AND s.time > $2",
        ENDED,
        NIGHT - DAY,
    )
    await storages.aggregate(pool, storage, MIDNIGHT - (DAYS + 1) * DAY, MIDNIGHT)


def oldest_kept(storage: storages.Storage, days: int) -> datetime:
    """Of so many days to be kept: of a table the hour, of a hypertable the whole day."""
    return MIDNIGHT - days * DAY if storage != "table" else NIGHT.replace(minute=0) - days * DAY + timedelta(hours=1)


async def candles(pool: db.Pool) -> list[Any]:
    return await pool.fetch("SELECT * FROM candles_hourly ORDER BY market_id, bucket", timeout=60)


async def oldest(pool: db.Pool, *, ended: bool = False) -> Any:
    return await pool.fetchval(
        "SELECT min(time) FROM market_snapshots JOIN markets USING (platform, market_id) WHERE (status = 'final') = $1",
        ended,
    )


@pytest.mark.usefixtures("filled")
async def test_a_night_makes_candles_and_drops_what_is_too_old(
    make_run: MakeRun, pool: db.Pool, storage: storages.Storage
) -> None:
    before, first = await candles(pool), await oldest(pool)
    said = await upkeep.run(await make_run("upkeep", NIGHT, retention_days=7))
    made = 0 if storage == "aggregates" else MARKETS  # those were made by its policies
    assert said["candles"] == {"left": 0, "markets": made, "late": 0}
    assert await candles(pool) == before
    kept = oldest_kept(storage, 7)
    assert await oldest(pool) == kept
    assert said["snapshots_deleted"] == MARKETS * ((kept - first) // timedelta(hours=1)) > 0
    assert said["ended"] == {}, "two days are not over"
    again = await upkeep.run(await make_run("upkeep", NIGHT, retention_days=7))
    assert (again["candles"]["markets"], again["snapshots_deleted"], again["ended"]) == (0, 0, {})
    assert await candles(pool) == before


@pytest.mark.usefixtures("filled")
async def test_markets_that_ended_are_trimmed_and_later_forgotten_but_for_those_with_an_insight(
    make_run: MakeRun, pool: db.Pool, storage: storages.Storage
) -> None:
    async with pool.acquire() as connection:
        await insert_insight(connection, "graded later")
    await pool.execute("UPDATE markets SET status = 'final', payout = 0, status_seen_at = $1 WHERE number > 300", NIGHT)
    said = await upkeep.run(await make_run("upkeep", NIGHT + 2 * DAY))
    if storage == "aggregates":  # a refresh would take their candles with them: they go with their days, as all do
        assert said["ended"] == {"trimmed": ENDED}
        assert await oldest(pool, ended=True) == oldest_kept(storage, 5)
    else:
        assert said["ended"] == {"trimmed": ENDED, "snapshots": ENDED * (9 * 24 + 1)}
        assert await oldest(pool, ended=True) is None
    assert await pool.fetchval("SELECT count(*) FROM candles_hourly") == len(await candles(pool)) > 0
    said = await upkeep.run(await make_run("upkeep", NIGHT + 40 * DAY))
    rest = {"snapshots": ENDED * (4 * 24 + 4)} if storage == "aggregates" else {}
    assert said["ended"] == {"final": ENDED} | rest
    left = await pool.fetch("SELECT payout, count(*) FROM markets GROUP BY payout ORDER BY payout NULLS LAST")
    assert [tuple(row) for row in left] == [(0, 1), (None, MARKETS - ENDED)]


async def test_what_is_over_of_accounts_and_billing_is_forgotten_by_the_settings(
    make_run: MakeRun, pool: db.Pool
) -> None:
    ago = datetime.now(UTC) - 10 * DAY
    async with pool.acquire() as connection:
        await signing_in.register(connection, "a@example.com", "hash", ago)
        await billing.insert_event(connection, "evt_1", "invoice.paid", "cus_1", ago, ago, {"a": 1})
        await billing.mark_event_handled(connection, "evt_1", ago)
    for days, aged in ((11, {}), (9, {"stripe_events": 1, "users": 1})):
        said = await upkeep.run(await make_run("upkeep", NIGHT, stripe_event_days=days, unverified_days=days))
        assert said["aged"] == aged


@pytest.mark.usefixtures("filled")
async def test_the_size_is_told_by_table(make_run: MakeRun, pool: db.Pool) -> None:
    size = (await upkeep.run(await make_run("upkeep", NIGHT, retention_days=30)))["size"]
    files = await pool.fetchval("SELECT pg_database_size(current_database())")
    assert size["database_mb"] == pytest.approx(files / 1e6, abs=0.1)
    told = size["tables"]["market_snapshots"]
    rows, allocated, live = told["rows"], told["mb"], told["live_mb"]
    assert rows == await pool.fetchval("SELECT count(*) FROM market_snapshots")
    assert 0.9 * allocated < live <= allocated
    assert size["day_mb"] == pytest.approx(live / rows * (MARKETS - ENDED) * 24, rel=0.05)
    assert size["live_mb"] < size["database_mb"]


async def run_with_budget(make_run: MakeRun, mb: float, **settings: Any) -> dict[str, Any]:
    settings = {"retention_days": 9, "ended_retention_days": 9, "disk_budget_gb": mb / 1e3} | settings
    return await upkeep.run(await make_run("upkeep", NIGHT, **settings))


@storages.on("table")  # elsewhere whole days go, and their files with them: see the test after this
@pytest.mark.usefixtures("filled")
async def test_a_budget_is_held_by_ended_markets_first_then_by_the_oldest_days(
    make_run: MakeRun, pool: db.Pool, caplog: pytest.LogCaptureFixture
) -> None:
    size = (await run_with_budget(make_run, 0))["size"]
    needed, snapshots = size["live_mb"] + size["day_mb"], size["tables"]["market_snapshots"]["live_mb"]
    assert (await run_with_budget(make_run, needed + 1))["budget"] == {
        "gb": (needed + 1) / 1e3,
        "kept_days": 9,
        "held": False,
    }
    assert await oldest(pool, ended=True) == await oldest(pool) < NIGHT - 8 * DAY

    said = await run_with_budget(make_run, needed - 0.2 * snapshots)
    assert said["budget"]["trimmed"] == ENDED
    assert (said["budget"]["kept_days"], await oldest(pool, ended=True)) == (9, None)
    assert await oldest(pool) < NIGHT - 8 * DAY, "a third was enough"

    caplog.clear()
    said = await run_with_budget(make_run, needed - 0.6 * snapshots)
    kept = said["budget"]["kept_days"]
    assert 3 < kept < 9
    assert NIGHT - kept * DAY <= await oldest(pool) <= NIGHT - (kept - 1) * DAY
    assert said["size"]["live_mb"] + said["size"]["day_mb"] <= needed - 0.6 * snapshots
    # The files stay as large as they were, and that is told.
    assert said["budget"]["held"] is False
    assert [record.getMessage() for record in caplog.records if record.levelno == logging.ERROR] == [
        "the database's files are above the budget: only VACUUM FULL returns their free space"
    ]
    await pool.execute("VACUUM FULL market_snapshots", timeout=60)
    caplog.clear()
    said = await run_with_budget(make_run, needed - 0.6 * snapshots)
    assert said["budget"] == {"gb": said["budget"]["gb"], "kept_days": 9, "held": True}
    assert [record for record in caplog.records if record.levelno == logging.ERROR] == []


@storages.on("aggregates")
@pytest.mark.usefixtures("filled")
async def test_where_days_are_chunks_a_budget_is_held_by_the_oldest_and_their_files_go(
    make_run: MakeRun, pool: db.Pool, storage: storages.Storage, caplog: pytest.LogCaptureFixture
) -> None:
    size = (await run_with_budget(make_run, 0))["size"]
    needed, snapshots = size["live_mb"] + size["day_mb"], size["tables"]["market_snapshots"]["live_mb"]
    before = await candles(pool)
    budget = needed - 0.3 * snapshots
    said = await run_with_budget(make_run, budget)
    assert 3 < said["budget"]["kept_days"] < 9
    assert await oldest(pool) == oldest_kept(storage, said["budget"]["kept_days"])
    assert said["budget"]["held"] is True
    assert said["size"]["database_mb"] <= budget
    assert await candles(pool) == before
    assert [record for record in caplog.records if record.levelno == logging.ERROR] == []


@pytest.mark.usefixtures("filled")
@pytest.mark.parametrize("least", [5, 2])
async def test_a_budget_that_cannot_be_held_is_an_error_and_never_cuts_below_the_minimum(
    make_run: MakeRun, pool: db.Pool, caplog: pytest.LogCaptureFixture, storage: storages.Storage, least: int
) -> None:
    before = await candles(pool)
    said = await run_with_budget(make_run, 0.001, retention_min_days=least)
    kept = max(least, AGGREGATED_DAYS) if storage == "aggregates" else least
    assert (said["budget"]["kept_days"], said["budget"]["held"]) == (kept, False)
    assert await oldest(pool) == oldest_kept(storage, kept)
    errors = [record for record in caplog.records if record.levelno == logging.ERROR]
    assert [record.getMessage() for record in errors] == ["the disk budget cannot be held"]
    assert await candles(pool) == before, "no candle pays for it"


@pytest.mark.usefixtures("filled")
async def test_freed_space_is_used_again(make_run: MakeRun, pool: db.Pool) -> None:
    """Ten days more at the same rate: the files do not grow by what was deleted before."""
    sizes = []
    for day in range(10):
        await upkeep.run(await make_run("upkeep", NIGHT + day * DAY, retention_days=5, ended_retention_days=1))
        sizes.append(await pool.fetchval("SELECT pg_total_relation_size('market_snapshots')"))
        await pool.execute(
            """
            INSERT INTO market_snapshots (time, platform, market_id, price, yes_price, no_price, volume)
            SELECT $1::timestamptz + make_interval(hours => h), platform, market_id, 0.5, 0.5, 0.5, 20000
            FROM markets CROSS JOIN generate_series(1, 24) h WHERE status = 'open'
            """,
            NIGHT + day * DAY,
        )
    assert sizes[-1] <= 1.05 * sizes[0]


@pytest.mark.usefixtures("filled")
async def test_collecting_and_backfilling_go_on_meanwhile(
    make_run: MakeRun, pool: db.Pool, storage: storages.Storage
) -> None:
    """In turns, without a deadlock; and what they stored in between is in the candles."""
    markets = [make_market(f"KXMARKET-{n}", volume="20000") for n in range(90, 190)]  # of them ended: 11
    over = asyncio.Event()

    async def collect() -> int:
        turn = 0
        while not over.is_set():
            turn += 1
            await asyncio.sleep(0.02)
            volume = Decimal(20_000 + turn)
            moved = [replace(market, quote=replace(market.quote, volume=volume)) for market in markets]
            await store(pool, *moved, now=NIGHT + timedelta(seconds=turn))
        return turn

    async def backfill() -> int:
        """Late by a day, half of it by three weeks: older than any snapshot."""
        turn = 0
        while not over.is_set():
            turn += 1
            await asyncio.sleep(0.02)
            async with pool.acquire() as connection, connection.transaction():
                await connection.execute(
                    "INSERT INTO market_snapshots (platform, market_id, time, price) "
                    "SELECT platform, market_id, $1::timestamptz - make_interval(days => 20 * (number % 2)), 0.9 "
                    "FROM markets WHERE number > $2 ON CONFLICT DO NOTHING",
                    NIGHT - DAY - timedelta(seconds=turn),
                    MARKETS - 20,
                )
        return turn

    others = [asyncio.create_task(collect()), asyncio.create_task(backfill())]
    for _ in range(3):
        await upkeep.run(await make_run("upkeep", NIGHT, ended_retention_days=1, disk_budget_gb=0.001))
    over.set()
    assert all(turns > 3 for turns in await asyncio.gather(*others))
    before = await candles(pool)
    assert await pool.fetchval("SELECT count(*) FROM candle_late") > 0
    await upkeep.run(await make_run("upkeep", NIGHT))
    if storage == "aggregates":
        await pool.execute("CALL refresh_late(0, '{}')", timeout=60)  # as its job would
    assert await pool.fetchval("SELECT count(*) FROM candle_late") == 0
    assert await candles(pool) == before
    # of days that were dropped aggregates tell what they told
    assert sum(candle["high"] == Decimal("0.9") for candle in before) >= (10 if storage == "aggregates" else 20)


async def test_a_table_that_cannot_be_vacuumed_now_is_left_to_the_server(
    make_run: MakeRun, pool: db.Pool, caplog: pytest.LogCaptureFixture
) -> None:
    async with pool.acquire() as other, other.transaction():
        await other.execute("LOCK digests IN SHARE UPDATE EXCLUSIVE MODE")
        said = await upkeep.run(await make_run("upkeep", NIGHT, database_bulk_timeout_s=0.5))
    assert said["size"]["database_mb"] > 0
    assert [record.table for record in caplog.records if record.levelno == logging.WARNING] == ["digests"]  # type: ignore[attr-defined]
