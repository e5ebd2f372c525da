"""The candle views against the same candles computed in plain Python from every snapshot that there ever was.

On plain PostgreSQL and on TimescaleDB under both of its licences, where that is found (tests/storages.py).
"""

from __future__ import annotations

import asyncio
import json
from collections import defaultdict
from collections.abc import Iterator
from datetime import datetime, timedelta
from decimal import Decimal
from itertools import pairwise
from typing import Any, NamedTuple

import asyncpg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from core import db
from core.queries import snapshot_storage, upkeeping
from tests import storages
from tests.conftest import NOW


class Snapshot(NamedTuple):
    market_id: str
    time: datetime
    price: Decimal | None
    volume: Decimal | None


START = NOW.replace(hour=0, minute=0)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
MARKETS = {"A": "kalshi", "B": "polymarket", "C": "kalshi"}
PRICES = st.none() | st.sampled_from([Decimal(n) / 1000 for n in (1, 400, 400, 400, 999)])
# Mostly growing by chance or standing still, with gaps and resets.
VOLUMES = st.none() | st.sampled_from([Decimal(n) / 4 for n in (0, 40, 40, 40, 41, 10_000)])
SNAPSHOTS = st.lists(
    st.builds(
        Snapshot,
        st.sampled_from(list(MARKETS)),
        st.integers(0, 3 * 24 * 6).map(lambda tens: START + tens * timedelta(minutes=10)),
        PRICES,
        VOLUMES,
    ),
    max_size=25,
)
Candles = dict[tuple[str, datetime], tuple[Decimal | None, ...]]


on_tables = storages.on("table", "hypertable")

# What can happen, in any order: snapshots arrive, in time or late; upkeep goes some of its chunks and is killed, or
# TimescaleDB's policies run.
STEPS = st.one_of(
    st.tuples(st.just("insert"), SNAPSHOTS),
    st.tuples(st.just("close"), st.integers(0, 4)),
    st.tuples(st.just("materialise"), st.integers(1, 4)),
    st.tuples(st.just("late"), st.integers(1, 3)),
    st.tuples(st.just("delete"), st.integers(0, 4 * 24).map(lambda hours: START + hours * HOUR)),
    st.tuples(st.just("upkeep"), st.integers(1, 4)),
    st.tuples(st.just("pack"), st.integers(0, 4)),
)


def expected(snapshots: list[Snapshot], period: timedelta) -> Candles:
    buckets: dict[tuple[str, datetime], list[Snapshot]] = defaultdict(list)
    gains: dict[tuple[str, datetime], list[Decimal]] = defaultdict(list)
    ordered = sorted(snapshots, key=lambda snapshot: snapshot[:2])
    for snapshot in ordered:
        buckets[snapshot.market_id, bucket(snapshot.time, period)].append(snapshot)
    for before, after in pairwise(ordered):
        known = before.volume is not None and after.volume is not None and before.market_id == after.market_id
        if known and after.volume >= before.volume:  # type: ignore[operator]
            gains[after.market_id, bucket(after.time, period)].append(after.volume - before.volume)  # type: ignore[operator]
    candles: Candles = {}
    for key, inside in buckets.items():
        prices = [snapshot.price for snapshot in inside if snapshot.price is not None]
        ohlc = (prices[0], max(prices), min(prices), prices[-1]) if prices else (None,) * 4
        candles[key] = (*ohlc, sum(gains[key], Decimal(0)) if gains[key] else None)
    return candles


def bucket(time: datetime, period: timedelta) -> datetime:
    return time - (time - START) % period


async def told(connection: Any, view: str) -> Candles:
    rows = await connection.fetch(f"SELECT market_id, bucket, open, high, low, close, volume FROM {view}")
    candles = {(row["market_id"], row["bucket"]): tuple(row)[2:] for row in rows}
    assert len(candles) == len(rows), "a bucket is told once"
    return candles


async def insert(connection: Any, snapshots: list[Snapshot]) -> None:
    """In one statement, as jobs do; COPY past a trigger tells TimescaleDB 2.29 nothing (decisions/0020)."""
    await connection.execute(
        "INSERT INTO market_snapshots (time, market_id, platform, price, volume) SELECT * FROM "
        "unnest($1::timestamptz[], $2::text[], $3::text[], $4::numeric[], $5::numeric[])",
        [s.time for s in snapshots],
        [s.market_id for s in snapshots],
        [MARKETS[s.market_id] for s in snapshots],
        [s.price for s in snapshots],
        [s.volume for s in snapshots],
    )


async def clear(connection: Any) -> None:
    storage = await connection.fetchval("SELECT storage FROM candle_progress")
    if storage == "aggregates":
        await connection.execute("TRUNCATE hourly_aggregate; TRUNCATE daily_aggregate")
    await connection.execute("TRUNCATE market_snapshots, market_latest, candle_days, candle_hours, candle_late")
    await connection.execute("DELETE FROM candle_progress")
    await connection.execute("INSERT INTO candle_progress (storage) VALUES ($1)", storage)
    await connection.executemany(
        """
        INSERT INTO markets (platform, market_id, title, rules, yes_label, no_label, url, status, terms_digest,
            raw_data, first_seen_at, terms_seen_at, status_seen_at)
        VALUES ($2, $1, '', '', '', '', '', 'open', 0, '{}', now(), now(), now()) ON CONFLICT DO NOTHING
        """,
        list(MARKETS.items()),
    )


class World:
    """What happens to the database, and every snapshot that it was given."""

    def __init__(self, connection: Any) -> None:
        self.connection = connection
        self.given: dict[tuple[str, datetime], Snapshot] = {}

    async def take(self, step: str, value: Any) -> None:
        async with self.connection.transaction():
            await getattr(self, step)(value)

    async def insert(self, snapshots: list[Snapshot]) -> None:
        """But not into days whose snapshots were deleted: what becomes of those is another test's matter."""
        raw_day = await self.connection.fetchval("SELECT raw_day FROM candle_progress")
        fresh = {s[:2]: s for s in snapshots if s[:2] not in self.given and s.time.date() >= raw_day}
        self.given |= fresh
        await insert(self.connection, list(fresh.values()))
        await self.connection.execute(
            "INSERT INTO market_latest AS l (platform, market_id, time) "
            "SELECT platform, market_id, max(time) FROM market_snapshots WHERE market_id <> 'C' GROUP BY 1, 2 "
            "ON CONFLICT (platform, market_id) DO UPDATE SET time = greatest(l.time, excluded.time)"
        )

    async def close(self, days: int) -> None:
        await upkeeping.close_days(self.connection, (START + days * DAY).date(), 10)

    async def materialise(self, most: int) -> None:
        await upkeeping.materialise(self.connection, most, 10)

    async def late(self, most: int) -> None:
        """Upkeep comes to these when nothing is left to materialise."""
        if await upkeeping.materialise(self.connection, 10, 10) == 0:
            await upkeeping.materialise_late(self.connection, "table", most, 10)

    async def delete(self, before: datetime) -> None:
        until = await upkeeping.release_snapshots(self.connection, before, 10)
        if until is not None:
            await self.drop(until)

    async def drop(self, until: datetime) -> None:
        await upkeeping.delete_old_snapshots(self.connection, START, until, 10)

    async def upkeep(self, days: int) -> None:
        await self.materialise(10)
        await self.close(days)
        await self.materialise(10)
        await self.late(10)

    async def pack(self, days: int) -> None:
        """A plain table has no columns."""


class HypertableWorld(World):
    async def drop(self, until: datetime) -> None:
        await snapshot_storage.drop_snapshots(self.connection, until, 10)


class AggregatesWorld(HypertableWorld):
    """What upkeep does elsewhere, policies do here: a refresh is no part of a transaction."""

    async def take(self, step: str, value: Any) -> None:
        await getattr(self, step)(value)

    async def close(self, days: int) -> None:
        await self.refresh("hourly_aggregate", START + days * DAY + HOUR, HOUR)

    async def materialise(self, most: int) -> None:
        await self.refresh("daily_aggregate", START + most * DAY, DAY)

    async def late(self, most: int) -> None:
        async with self.connection.transaction():
            await upkeeping.materialise_late(self.connection, "aggregates", most, 10)
        await self.connection.execute("CALL refresh_late(0, '{}')")

    async def upkeep(self, days: int) -> None:
        await self.close(days)
        await self.materialise(days)
        await self.late(10)

    async def refresh(self, aggregate: str, until: datetime, bucket: timedelta) -> None:
        """As its policy would, which looks back to where snapshots are whole."""
        raw_day = await self.connection.fetchval("SELECT greatest(raw_day, $1) FROM candle_progress", START.date())
        since = datetime.combine(raw_day, START.timetz())
        if until - since >= bucket:
            await self.connection.execute(
                f"CALL refresh_continuous_aggregate('{aggregate}', '{since}'::timestamptz, '{until}'::timestamptz)"
            )

    async def pack(self, days: int) -> None:
        chunks = await self.connection.fetch(
            "SELECT show_chunks('market_snapshots', older_than => $1::timestamptz)::text AS name", START + days * DAY
        )
        for chunk in chunks:
            await self.connection.execute(f"CALL convert_to_columnstore('{chunk['name']}', if_not_columnstore => true)")


WORLDS = {"table": World, "hypertable": HypertableWorld, "aggregates": AggregatesWorld}


@storages.on(*storages.ALL)
@pytest.mark.timeout(600)
@settings(
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow], deadline=None, max_examples=100
)
@given(steps=st.lists(STEPS, min_size=1, max_size=10))
def test_candles_are_what_plain_arithmetic_says_whatever_upkeep_did(
    database_url: str, storage: storages.Storage, steps: list[tuple[str, Any]]
) -> None:
    async def check() -> None:
        connection = await asyncpg.connect(database_url)
        try:
            await clear(connection)
            world = WORLDS[storage](connection)
            for step, value in [*steps, ("upkeep", 4), ("delete", START + 4 * DAY)]:
                await world.take(step, value)
                snapshots = list(world.given.values())
                assert await told(connection, "candles_hourly") == expected(snapshots, HOUR), (step, value)
                assert await told(connection, "candles_daily") == expected(snapshots, DAY), (step, value)
        finally:
            await connection.close()

    asyncio.run(check())


FLAT = (Decimal("0.5"),) * 4


@pytest.fixture
async def cleared(connection: db.Connection) -> db.Connection:
    await clear(connection)
    return connection


@pytest.fixture
def world(cleared: db.Connection, storage: storages.Storage) -> World:
    return WORLDS[storage](cleared)


def half(minutes: int, volume: str | None, market_id: str = "A", price: str = "0.5") -> Snapshot:
    return Snapshot(market_id, START + timedelta(minutes=minutes), Decimal(price), volume and Decimal(volume))  # type: ignore[arg-type]


@storages.on(*storages.ALL)
async def test_a_counter_that_was_reset_adds_nothing_and_goes_on(world: World) -> None:
    volumes = ["100", "150", "20", "25", None, "40", "45"]
    await world.insert([half(5 * n, volume) for n, volume in enumerate(volumes)])
    assert (await told(world.connection, "candles_hourly"))["A", START][-1] == 50 + 5 + 5


@on_tables
async def test_quiet_hours_are_not_stored_and_told_all_the_same(world: World) -> None:
    moves = {0: ("10", "0.5"), 5: ("10", "0.5"), 7 * 60: ("14", "0.6")}
    quiet = {
        60 * hour: ("10" if hour < 7 else "14", "0.5" if hour < 7 else "0.6") for hour in range(1, 24) if hour != 7
    }
    snapshots = [
        half(minutes, volume, price=price) for minutes, (volume, price) in (moves | quiet).items() if minutes != 1_200
    ]
    await world.insert(snapshots)
    await world.take("upkeep", 1)
    assert await told(world.connection, "candles_hourly") == expected(snapshots, HOUR)
    row = await world.connection.fetchrow("SELECT seen, kept, prices, volumes FROM candle_hours")
    assert row["seen"] == 2**24 - 1 - (1 << 20), "the hour without a snapshot is no quiet one"
    assert row["kept"] == (1 << 0) | (1 << 7)
    assert row["prices"] == [[500_000] * 4, [600_000] * 4]
    assert row["volumes"] == [0, 4]


@on_tables
async def test_candles_outlive_their_snapshots_and_their_counters_go_on(world: World) -> None:
    snapshots = [half(10, "10"), half(20, "15"), half(24 * 60 + 5, "40")]
    await world.insert(snapshots[:2])
    await world.take("upkeep", 1)
    await world.take("delete", START + DAY)
    assert await world.connection.fetchval("SELECT count(*) FROM market_snapshots") == 0
    await world.insert(snapshots[2:])
    candles = await told(world.connection, "candles_hourly")
    assert candles == expected(snapshots, HOUR)
    assert candles["A", START + DAY][-1] == 25, "what was traded since the deleted snapshot"


@on_tables
async def test_a_late_snapshot_changes_no_candle_whose_snapshots_are_gone_but_makes_one_where_there_is_none(
    world: World,
) -> None:
    b = [half(0, "10", "B"), half(3 * 24 * 60, "20", "B")]
    await world.insert([half(0, "10"), half(30, "12"), *b])
    await world.take("upkeep", 4)
    before = await told(world.connection, "candles_hourly")
    await world.take("delete", START + 2 * DAY)
    await insert(world.connection, [half(15, "11", price="0.9"), half(24 * 60, "14", "B", price="0.7")])
    new = {("B", START + DAY): (*(Decimal("0.7"),) * 4, Decimal(4)), ("B", START + 3 * DAY): (*FLAT, Decimal(6))}
    for _ in ("at once", "after the next upkeep", "when it is deleted"):
        assert await told(world.connection, "candles_hourly") == before | new
        await world.take("upkeep", 4)
        await world.take("delete", START + 2 * DAY)
    assert await world.connection.fetchval("SELECT count(*) FROM market_snapshots") == 1


@on_tables
async def test_a_late_snapshot_of_a_trimmed_market_changes_none_of_its_candles(world: World) -> None:
    await world.insert([half(0, "10"), half(30, "12")])
    await world.take("upkeep", 1)
    before = await told(world.connection, "candles_hourly")
    await world.connection.execute("DELETE FROM market_snapshots")
    await world.connection.execute("UPDATE markets SET trimmed_at = now()")
    await insert(world.connection, [half(15, "11", price="0.9")])
    assert await told(world.connection, "candles_hourly") == before
    await world.take("upkeep", 1)
    assert await told(world.connection, "candles_hourly") == before


@on_tables
async def test_a_snapshot_that_is_still_being_stored_when_its_day_is_closed_is_waited_for(
    world: World, pool: db.Pool
) -> None:
    async with pool.acquire() as other:
        storing = other.transaction()
        await storing.start()
        await insert(other, [half(10, "1")])
        closing = asyncio.create_task(world.take("close", 1))
        await asyncio.sleep(0.3)
        assert not closing.done()
        await storing.commit()
        await closing
    assert await world.connection.fetchval("SELECT count(*) FROM candle_late") == 0
    await world.take("materialise", 10)
    assert await world.connection.fetchval("SELECT count(*) FROM candle_days") == 1


@on_tables
async def test_one_markets_candles_are_found_without_reading_those_of_others(world: World) -> None:
    """Of 2,000 markets with a snapshot an hour for three days, the last of which is not materialised."""
    await world.connection.execute(
        """
        INSERT INTO markets (platform, market_id, title, rules, yes_label, no_label, url, status, terms_digest,
            raw_data, first_seen_at, terms_seen_at, status_seen_at)
        SELECT 'kalshi', 'M' || n, '', '', '', '', '', 'open', 0, '{}', now(), now(), now()
        FROM generate_series(1, 2000) n;
        INSERT INTO market_snapshots (time, platform, market_id, price, volume)
        SELECT timestamptz '2026-11-22 00:10Z' + make_interval(hours => h), 'kalshi', 'M' || n, (n + h) % 2 * 0.5, h
        FROM generate_series(0, 71) h, generate_series(1, 2000) n;
        """
    )
    await world.close(2)
    assert await upkeeping.materialise(world.connection, 10_000, 60) == 2_003
    await world.connection.execute("ANALYZE")
    for view, candles in (("candles_hourly", 48), ("candles_daily", 2)):
        plan = await world.connection.fetchval(
            f"EXPLAIN (FORMAT JSON, ANALYZE) SELECT * FROM {view} WHERE platform = 'kalshi' AND market_id = 'M7' "
            "AND bucket >= '2026-11-23' AND bucket < '2026-11-25'"
        )
        (top,) = json.loads(plan)
        assert top["Plan"]["Actual Rows"] == candles
        read = dict.fromkeys(("market_snapshots", "markets", "candle_hours", "candle_days"), 0)
        for table, kind, rows in scans_of(top["Plan"]):
            read[table] = read.get(table, 0) + rows
            assert kind != "Seq Scan" or table in ("candle_late", "candle_progress"), (table, kind)
        assert read["market_snapshots"] == 24, "the tail"
        assert read["candle_hours"] + read["candle_days"] <= 5
        assert read["markets"] <= 3


def scans_of(plan: dict[str, Any]) -> Iterator[tuple[str, str, int]]:
    """(table, node, rows that it read, kept or not)."""
    if "Relation Name" in plan:
        rows = plan["Actual Rows"] + plan.get("Rows Removed by Filter", 0)
        yield plan["Relation Name"], plan["Node Type"], rows * plan["Actual Loops"]
    for below in plan.get("Plans", ()):
        yield from scans_of(below)
