"""Snapshots that move into TimescaleDB with all that was told of them, and the policies that it then has."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import asyncpg
import pytest

from core import db
from core.queries import snapshot_storage, upkeeping
from local import postgres
from tests import storages
from tests.conftest import migrate
from tests.core.making import make_market
from tests.core.queries import test_candles as candles
from tests.core.queries.test_candles import DAY, HOUR, START, Snapshot, half
from tests.core.storing import store

on_timescale = storages.on("hypertable", "aggregates")


@pytest.fixture
def without_extension(postgres_dsn: str) -> Iterator[str]:
    """A migrated database whose extension was not installed."""
    name = f"test_{uuid4().hex}"
    url = postgres.create_database(postgres_dsn, name)
    migrate(url)
    yield url
    postgres.drop_database(postgres_dsn, name)


@pytest.fixture
async def plain(without_extension: str) -> AsyncIterator[Any]:
    connection = await asyncpg.connect(without_extension)
    await candles.clear(connection)
    yield connection
    await connection.close()


async def check(world: candles.World) -> None:
    given: list[Snapshot] = list(world.given.values())
    assert await candles.told(world.connection, "candles_hourly") == candles.expected(given, HOUR)
    assert await candles.told(world.connection, "candles_daily") == candles.expected(given, DAY)


@on_timescale
async def test_an_extension_that_is_installed_later_takes_over_and_no_candle_changes(
    plain: Any, storage: storages.Storage
) -> None:
    before = candles.World(plain)
    assert await plain.fetchval("SELECT use_timescale()") == "table"
    await before.insert([half(10, "10"), half(24 * 60 - 5, "15"), half(24 * 60 + 5, "40"), half(30, "3", "B")])
    await before.upkeep(1)
    await before.delete(START + DAY)
    await before.insert([half(26 * 60, "50"), half(26 * 60, "4", "B")])
    await check(before)

    await plain.execute("CREATE EXTENSION timescaledb")
    assert await plain.fetchval("SELECT use_timescale()") == storage
    after = candles.WORLDS[storage](plain)
    after.given = before.given
    await check(after)
    assert await plain.fetchval("SELECT use_timescale()") == storage, "and once more it has nothing to do"
    for step, value in (("upkeep", 2), ("insert", [half(25 * 60, "45"), half(50 * 60, "1")]), ("upkeep", 4)):
        await after.take(step, value)
        await check(after)


@on_timescale
async def test_late_snapshots_as_jobs_store_them_are_refreshed(pool: db.Pool, storage: storages.Storage) -> None:
    async with pool.acquire() as connection:
        await candles.clear(connection)
        world = candles.WORLDS[storage](connection)
        for minutes in (0, 50 * 60):
            await store(pool, make_market("A", yes="0.5", volume=str(minutes)), now=START + timedelta(minutes=minutes))
        await world.take("upkeep", 2)
        await connection.execute("DELETE FROM market_latest")
        await store(pool, make_market("A", yes="0.4", volume="100"), now=START + HOUR)
        late = await candles.told(connection, "candles_hourly")
        assert ("A", START + HOUR) in late
        await world.take("upkeep", 2)
        assert await connection.fetchval("SELECT count(*) FROM candle_late") == 0
        assert await candles.told(connection, "candles_hourly") == late


@storages.on("aggregates")
async def test_a_snapshot_of_a_dropped_day_changes_no_candle(pool: db.Pool) -> None:
    """Where tables would make one if the day had none: a refresh would take the others of that day away."""
    async with pool.acquire() as connection:
        await candles.clear(connection)
        world = candles.AggregatesWorld(connection)
        for step, value in (("insert", [half(0, "1"), half(3000, "2")]), ("upkeep", 3), ("delete", START + DAY)):
            await world.take(step, value)
        before = await candles.told(connection, "candles_hourly")
        await candles.insert(connection, [half(70, "1", price="0.9"), half(10, "1", "B")])
        await world.take("upkeep", 3)
        assert await candles.told(connection, "candles_hourly") == before


async def ages(connection: db.Connection) -> dict[str, timedelta]:
    rows = await connection.fetch(
        """
        SELECT hypertable_name || ' ' || key AS name, value::interval AS age
        FROM timescaledb_information.jobs, jsonb_each_text(config) WHERE job_id >= 1000
            AND key IN ('drop_after', 'start_offset', 'compress_after')
        """
    )
    return {row["name"]: row["age"] for row in rows}


@storages.on("aggregates")
async def test_policies_follow_the_settings_and_refresh_nothing_that_was_dropped(pool: db.Pool) -> None:
    async with pool.acquire() as connection:
        usual = {
            "market_snapshots drop_after": 8 * DAY, "market_snapshots compress_after": 7 * DAY,
            "hourly_aggregate start_offset": 8 * DAY, "hourly_aggregate compress_after": 9 * DAY,
            "hourly_aggregate drop_after": 30 * DAY,
            "daily_aggregate start_offset": 8 * DAY, "daily_aggregate drop_after": 365 * DAY,
        }  # fmt: skip
        assert await ages(connection) == usual
        await snapshot_storage.set_ages(connection, 30, 5, 60, 400)
        assert await ages(connection) == {
            "market_snapshots drop_after": 31 * DAY, "market_snapshots compress_after": 5 * DAY,
            "hourly_aggregate start_offset": 31 * DAY, "hourly_aggregate compress_after": 32 * DAY,
            "hourly_aggregate drop_after": 60 * DAY,
            "daily_aggregate start_offset": 31 * DAY, "daily_aggregate drop_after": 400 * DAY,
        }  # fmt: skip
        await connection.execute("UPDATE candle_progress SET raw_day = current_date - 5")
        await snapshot_storage.set_ages(connection, 30, 5, 60, 400)
        assert (await ages(connection))["daily_aggregate start_offset"] == 5 * DAY


@storages.on("aggregates")
async def test_the_policies_themselves_run_and_readers_see_no_difference(pool: db.Pool) -> None:
    """By the database's clock, as they will: packed, refreshed and dropped at their ages."""
    today = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    async with pool.acquire() as connection:
        await candles.clear(connection)
        await connection.execute(
            """
            INSERT INTO market_snapshots (time, platform, market_id, price, volume)
            SELECT $1::timestamptz - make_interval(hours => h), 'kalshi', 'A', (h % 7) / 10.0, (1000 - h) / 2
            FROM generate_series(1, 14 * 24) h
            """,
            today,
        )
        await snapshot_storage.set_ages(connection, 14, 7, 30, 365)
        told = [await candles.told(connection, view) for view in ("candles_hourly", "candles_daily")]
        jobs = await connection.fetch(
            "SELECT job_id FROM timescaledb_information.jobs WHERE job_id >= 1000 AND hypertable_name IS NOT NULL "
            "ORDER BY proc_name <> 'policy_refresh_continuous_aggregate', job_id"
        )
        for job in jobs:
            await connection.execute(f"CALL run_job({job['job_id']})")
        assert await connection.fetchval(
            "SELECT count(*) FROM timescaledb_information.chunks "
            "WHERE hypertable_name = 'market_snapshots' AND is_compressed"
        ) in (6, 7)
        assert [await candles.told(connection, view) for view in ("candles_hourly", "candles_daily")] == told
        async with connection.transaction():
            until = await upkeeping.release_snapshots(connection, today - 10 * DAY, 10)
            assert until == today - 10 * DAY
            await snapshot_storage.set_ages(connection, 10, 7, 30, 365)
            assert await snapshot_storage.drop_snapshots(connection, until, 10) == 4 * 24
        for job in jobs:
            await connection.execute(f"CALL run_job({job['job_id']})")
        assert [await candles.told(connection, view) for view in ("candles_hourly", "candles_daily")] == told
