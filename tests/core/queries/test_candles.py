"""The candle views against the same candles computed in plain Python."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from datetime import datetime, timedelta
from decimal import Decimal
from itertools import pairwise
from typing import NamedTuple

import asyncpg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.conftest import NOW


class Snapshot(NamedTuple):
    market_id: str
    time: datetime
    price: Decimal | None
    volume: Decimal | None


START = NOW.replace(hour=0, minute=0)
SNAPSHOTS = st.lists(
    st.builds(
        Snapshot,
        st.sampled_from(["A", "B"]),
        st.integers(0, 3 * 24 * 60).map(lambda minutes: START + timedelta(minutes=minutes)),
        st.none() | st.integers(1, 999).map(lambda n: Decimal(n) / 1000),
        # Mostly growing by chance, with gaps and resets.
        st.none() | st.integers(0, 10_000).map(lambda n: Decimal(n) / 4),
    ),
    max_size=40,
    unique_by=lambda snapshot: (snapshot.market_id, snapshot.time),
)
Candles = dict[tuple[str, datetime], tuple[Decimal | None, ...]]


def expected(snapshots: list[Snapshot], period: timedelta) -> Candles:
    buckets: dict[tuple[str, datetime], list[Snapshot]] = defaultdict(list)
    gains: dict[tuple[str, datetime], list[Decimal]] = defaultdict(list)
    ordered = sorted(snapshots)
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


async def stored(url: str, snapshots: list[Snapshot], view: str) -> Candles:
    connection = await asyncpg.connect(url)
    try:
        await connection.execute("TRUNCATE market_snapshots")
        records = [(s.time, s.market_id, "kalshi", s.price, s.volume) for s in snapshots]
        columns = ["time", "market_id", "platform", "price", "volume"]
        await connection.copy_records_to_table("market_snapshots", records=records, columns=columns)
        rows = await connection.fetch(f"SELECT market_id, bucket, open, high, low, close, volume FROM {view}")
    finally:
        await connection.close()
    return {(row["market_id"], row["bucket"]): tuple(row)[2:] for row in rows}


@pytest.mark.parametrize(("view", "period"), [("candles_hourly", 1), ("candles_daily", 24)])
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow], deadline=None)
@given(snapshots=SNAPSHOTS)
def test_candles_are_what_plain_arithmetic_says(
    database_url: str, view: str, period: int, snapshots: list[Snapshot]
) -> None:
    found = asyncio.run(stored(database_url, snapshots, view))
    assert found == expected(snapshots, timedelta(hours=period))


async def test_a_counter_that_was_reset_adds_nothing_and_goes_on(database_url: str) -> None:
    volumes = ["100", "150", "20", "25", None, "40", "45"]
    snapshots = [
        Snapshot("A", START + timedelta(minutes=5 * n), Decimal("0.5"), v and Decimal(v))  # type: ignore[arg-type]
        for n, v in enumerate(volumes)
    ]
    found = await stored(database_url, snapshots, "candles_hourly")
    assert found["A", START][-1] == 50 + 5 + 5
