"""A week of collecting on a fast clock, with faults: no gap, no duplicate, outcomes right, disk and memory bounded."""

from __future__ import annotations

import gc
import logging
import multiprocessing
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

import httpx
import psutil
import pytest
import stamina

from analyze.detecting import read_history
from collect import settle, sweep, upkeep
from core.queries.open_markets import open_markets
from core.runtime import JOBS, Run
from core.settings import CollectSettings
from local.kit import free_port
from local.replay import make_app, serve
from local.world import GeneratedWorld
from tests.collect.conftest import QUARTER, MakeRun
from tests.conftest import NOW
from tests.core.wire import Replay

pytestmark = [pytest.mark.week, pytest.mark.timeout(3_000)]

START = NOW.replace(hour=0, minute=0)
CYCLES = 672
FAULTS: dict[str, Any] = {"rate_500": 0.01, "rate_429": 0.01, "garbage": 0.01, "truncate": 0.01, "hang": 0.005}
DOWN = {"kalshi": range(200, 208), "polymarket": range(400, 403)}  # one venue away for two hours, the other for less


@dataclass
class Elsewhere(Replay):
    """Venues in a process of their own: what they keep in mind is not our memory."""

    clock: Any = None

    def __setattr__(self, name: str, value: Any) -> None:
        if name == "now" and getattr(self, "clock", None) is not None:
            self.clock.value = value.timestamp()
        super().__setattr__(name, value)


def run_venues(clock: Any, port: int) -> None:
    serve(make_app(GeneratedWorld(3, 5_000), lambda: datetime.fromtimestamp(clock.value, UTC)), port)


@pytest.fixture
def replay() -> Iterator[Replay]:
    processes = multiprocessing.get_context("spawn")
    clock, port = processes.Value("d", START.timestamp()), free_port()
    venues = processes.Process(target=run_venues, args=(clock, port), daemon=True)
    venues.start()
    replay = Elsewhere(f"http://127.0.0.1:{port}", START, clock)
    for attempt in stamina.retry_context(on=httpx.TransportError, attempts=None, timeout=60):
        with attempt:
            replay.inventory()
    yield replay
    venues.terminate()
    venues.join(30)


async def test_a_week_leaves_no_gap_no_duplicate_and_a_bounded_database(
    make_run: MakeRun, replay: Replay, pool: Any
) -> None:
    one = await make_run("collect", START, **(replay.settings | {"http_timeout_s": 2, "http_attempts": 5}))

    def at(job: str) -> Run[CollectSettings]:
        return replace(one, job=JOBS[job], now=replay.now, clock=lambda: replay.now)

    logging.disable(logging.CRITICAL)  # pytest keeps every record until the test's end: that is not our memory
    memory, sizes, unread = [], [], Counter[str]()
    lost: dict[str, list[datetime]] = {"kalshi": [], "polymarket": []}
    for cycle in range(CYCLES):
        replay.now = START + cycle * QUARTER
        replay.fail("all", **FAULTS, seed=cycle)
        for venue, when in DOWN.items():
            replay.fail(venue, down=cycle in when)
        summary = await sweep.run(at("collect"))
        for venue, times in lost.items():
            if "error" in summary[venue]:
                times.append(replay.now)
                unread[f"{venue} {'down' if cycle in DOWN[venue] else 'unlucky'}"] += 1
        if cycle % 4 == 1:
            await settle.run(at("settle"))
        if cycle % 96 == 13:
            await upkeep.run(at("upkeep"))
        if cycle % 96 == 95:
            gc.collect()
            memory.append(psutil.Process().memory_info().rss / 1e6)
            sizes.append(await pool.fetchval("SELECT pg_database_size(current_database())") / 1e6)
    logging.disable(logging.NOTSET)
    print(f"unread {dict(unread)}, memory MB {memory}, database MB {sizes}")

    assert unread["kalshi unlucky"] + unread["polymarket unlucky"] <= CYCLES / 100
    await check_no_gap(pool, lost)
    await check_outcomes(pool, replay)
    await check_history(at("collect"))
    assert memory[-1] < 1.1 * memory[0]
    growth = [later - earlier for earlier, later in pairwise(sizes)]
    assert growth[-1] < 1.2 * growth[1], "a day costs what a day costs"


async def check_no_gap(pool: Any, lost: dict[str, list[datetime]]) -> None:
    """Between two snapshots of an open market lie 75 minutes at most, but for times at which its venue was not read."""
    gaps = await pool.fetch(
        """
        SELECT platform, before, time FROM (
            SELECT platform, time, lag(time) OVER (PARTITION BY platform, market_id ORDER BY time) AS before
            FROM market_snapshots
        ) AS steps WHERE time - before > interval '75 minutes'
        """
    )
    unexplained = [
        gap for gap in gaps if not any(gap["before"] < moment <= gap["time"] for moment in lost[gap["platform"]])
    ]
    assert unexplained == []
    for platform, times in lost.items():
        rows = await pool.fetch("SELECT DISTINCT time FROM market_snapshots WHERE platform = $1", platform)
        assert {row["time"] for row in rows} >= {START + cycle * QUARTER for cycle in range(CYCLES)} - set(times)


async def check_outcomes(pool: Any, replay: Replay) -> None:
    """What closed an hour ago or more is final, with the payout that the venue gave it."""
    open_still = await pool.fetch(
        "SELECT market_id, status, close_time FROM markets WHERE close_time < $1 AND status = 'open'",
        replay.now - timedelta(hours=2),
    )
    assert open_still == []
    final = await pool.fetchval("SELECT count(*) FROM markets WHERE status = 'final'")
    wrong = await pool.fetchval("SELECT count(*) FROM markets WHERE status = 'final' AND payout IS NULL")
    assert final > 1_000
    assert wrong == 0


async def check_history(run: Run[CollectSettings]) -> None:
    """The compact history says of each hour's end what the snapshots say."""
    async with run.transaction() as connection:
        markets = await open_markets(connection, run.now, 3_600)
        past = await read_history(connection, markets, run.now, 60)
        wrong = compared = 0
        for age in (0, 5, 20):
            rows = await connection.fetch(
                """
                SELECT DISTINCT ON (s.platform, s.market_id) s.platform, s.market_id, s.price::float8
                FROM (SELECT platform, max(ended_at) AS at FROM history_columns WHERE ended_at <= $1 GROUP BY 1) AS last
                JOIN market_snapshots s ON s.platform = last.platform AND s.time <= last.at
                    AND s.time > last.at - interval '75 minutes'
                ORDER BY s.platform, s.market_id, s.time DESC
                """,
                run.now - timedelta(hours=age),
            )
            stored = {(row["platform"], row["market_id"]): row["price"] for row in rows}
            for row, key in enumerate(past.keys):
                if stored.get(key) is not None:
                    compared += 1
                    said = past.price[row, past.price.shape[1] - 1 - age]
                    wrong += not abs(said - stored[key]) <= 1e-9  # NaN is wrong too
    assert compared > 5_000
    assert wrong == 0
