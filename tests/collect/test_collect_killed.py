"""`python -m collect`, killed with SIGKILL at any moment: the next run, a quarter of an hour later, makes it good."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

import asyncpg
import numpy as np
import pytest

from analyze.detecting import HOURS, read_history
from core import db
from core.queries.open_markets import open_markets
from core.settings import Settings
from local.world import GeneratedWorld
from tests.collect.killing import Content, Copies, content, finished, killed, killed_when
from tests.conftest import NOW
from tests.core.wire import Replay, replaying

KILLS = 30
LATENCIES_S = {"kalshi": 0.02, "polymarket": 0.15}  # so that one venue is stored while the other is being read
THIRD = NOW.replace(minute=30)
SECOND, FIRST = THIRD - timedelta(minutes=15), THIRD - timedelta(hours=1)

# What the venues said last; when that was first noticed, and the body it was in, depends on which run did.
LAST = {
    "markets": "SELECT to_jsonb(m) - 'number' - 'search' - 'first_seen_at' - 'terms_seen_at' - 'status_seen_at' "
    "- 'missing_since' - 'raw_data' FROM markets m",
    "events": "SELECT to_jsonb(e) FROM events e",
    "fees": "SELECT to_jsonb(f) - 'read_at' FROM series_fees f",
    "latest": "SELECT to_jsonb(l) - 'time' - 'volume_24h' - 'liquidity' FROM market_latest l",
    "sweeps": "SELECT to_jsonb(v) - 'controlled_at' - 'controlled_markets' FROM venue_sweeps v",
}


@pytest.fixture(scope="module")
def venues() -> Iterator[Replay]:
    with replaying(GeneratedWorld(1, 400)) as replay:
        for venue, latency_s in LATENCIES_S.items():
            replay.fail(venue, latency_s=latency_s)
        yield replay


@pytest.fixture
def copies(postgres_dsn: str, database_url: str, venues: Replay) -> Iterator[Copies]:
    """Of a database after one whole run."""
    run("finished", database_url, venues, FIRST)
    with Copies(postgres_dsn, urlsplit(database_url).path.removeprefix("/")) as copies:
        yield copies


def run(how: str, url: str, venues: Replay, at: datetime, after_s: float = 0) -> bool:
    venues.now = at
    if how == "finished":
        finished("collect", url, given(venues, at))
        return False
    return killed("collect", url, given(venues, at), after_s)


def given(venues: Replay, at: datetime) -> dict[str, Any]:
    return venues.settings | {"clock_start": at.isoformat(), "clock_speed": 0, "lease_ttl_s": 5}


@pytest.mark.long
@pytest.mark.timeout(600)
def test_after_a_kill_at_any_moment_the_next_run_leaves_what_the_venues_say_without_duplicate_or_gap(
    copies: Copies, venues: Replay, request: pytest.FixtureRequest
) -> None:
    undisturbed = copies.make()
    run("finished", undisturbed, venues, SECOND)
    began = time.monotonic()
    run("finished", undisturbed, venues, THIRD)
    lasted_s = time.monotonic() - began
    expected = content(undisturbed, LAST)
    draw = random.Random(request.node.nodeid)
    kills = 0
    for _ in range(3 * KILLS):
        url = copies.make()
        if not run("killed", url, venues, SECOND, (kills + draw.random()) / KILLS * lasted_s):
            continue  # it was done before its time
        kills += 1
        check_next_run(url, venues, expected)
        if kills == KILLS:
            break
    assert kills == KILLS


@pytest.mark.long
def test_after_a_kill_with_one_venue_stored_and_the_other_not_the_next_run_makes_it_good(
    copies: Copies, venues: Replay
) -> None:
    undisturbed, url = copies.make(), copies.make()
    for at in (SECOND, THIRD):
        run("finished", undisturbed, venues, at)
    venues.now = SECOND
    venues.fail("polymarket", latency_s=5)
    try:
        killed_when("collect", url, given(venues, SECOND), lambda: asyncio.run(snapshots_at(url, SECOND)) > 0)
    finally:
        venues.fail("polymarket", latency_s=LATENCIES_S["polymarket"])
    assert 0 < asyncio.run(snapshots_at(url, SECOND)) < asyncio.run(snapshots_at(undisturbed, SECOND))
    check_next_run(url, venues, content(undisturbed, LAST))


def check_next_run(url: str, venues: Replay, expected: Content) -> None:
    run("finished", url, venues, THIRD)
    healed = content(url, LAST)
    for name, rows in expected.items():
        assert healed[name] == rows, name
    asyncio.run(check_history(url))


async def snapshots_at(url: str, at: datetime) -> int:
    connection = await asyncpg.connect(url)
    try:
        count: int = await connection.fetchval("SELECT count(*) FROM market_snapshots WHERE time = $1", at)
        return count
    finally:
        await connection.close()


async def check_history(url: str) -> None:
    """The compact history says what the snapshots say, whichever run stored them; none is missing from both."""
    pool = await db.make_pool(Settings(database_url=url))
    try:
        async with pool.acquire() as connection, connection.transaction():
            markets = await open_markets(connection, THIRD, 3_600)
            past = await read_history(connection, markets, THIRD, 10)
            rows = await connection.fetch(
                "SELECT platform, market_id, sum(gained)::float8 AS gained FROM ("
                " SELECT *, volume - lag(volume) OVER (PARTITION BY platform, market_id ORDER BY time) AS gained"
                " FROM market_snapshots) AS steps GROUP BY 1, 2 HAVING min(time) = $1",
                FIRST,
            )
    finally:
        await pool.close()
    gained = {(row["platform"], row["market_id"]): row["gained"] for row in rows}
    compared = 0
    for row, market in enumerate(markets):
        assert past.price[row, HOURS - 1] == pytest.approx(float(market.price or np.nan), nan_ok=True)
        if gained.get(past.keys[row]) and np.isfinite(past.traded[row, HOURS - 1]):
            assert past.traded[row, HOURS - 1] == pytest.approx(gained[past.keys[row]], rel=1e-3)
            compared += 1
    assert compared > 50
