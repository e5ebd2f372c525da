"""`python -m collect settle|backfill`, killed with SIGKILL at any moment: the next run heals all of it."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Iterator
from datetime import timedelta
from typing import Any
from urllib.parse import urlsplit

import pytest

from collect import sweep
from core import db
from core.cache import make_cache
from core.runtime import JOBS, Run
from core.settings import CollectSettings
from local.world import GeneratedWorld
from tests.collect.killing import Copies, content, finished, killed
from tests.conftest import NOW
from tests.core.wire import Replay, replaying

KILLS, IN_A_ROW = 30, 3  # of each job, and before one whole run at most
COLLECTED_AT = NOW - timedelta(days=2)
# Markets and the venues' latency: enough that most moments fall into the work and not into the start of Python.
PLANS = {"settle": (1_200, 0.05), "backfill": (160, 0.01)}
BACKFILL = {"backfill_days": 3, "backfill_settled_days": 3, "backfill_settled_per_day": 15}
SMALL = {"backfill_settled_min_volume": 100}

# Everything that must be the same whatever happened on the way. A market's number is what was free at the time.
COMPARED = {
    "markets": "SELECT to_jsonb(m) - 'number' - 'search' FROM markets m",
    "events": "SELECT to_jsonb(e) FROM events e",
    "snapshots": "SELECT to_jsonb(s) FROM market_snapshots s",
    "latest": "SELECT to_jsonb(l) FROM market_latest l",
    "outcome_changes": "SELECT to_jsonb(c) - 'id' FROM outcome_changes c",
    "history": "SELECT jsonb_build_array(platform, ended_at, span, markets) FROM history_columns",
    "backfills": "SELECT to_jsonb(b) FROM backfills b",
    "days": "SELECT to_jsonb(d) FROM backfilled_days d",
    "reads": "SELECT to_jsonb(r) FROM settled_reads r",
    "rereads": "SELECT to_jsonb(r) FROM outcome_rereads r",
}


@pytest.fixture
def venues(job: str) -> Iterator[Replay]:
    with replaying(GeneratedWorld(1, PLANS[job][0])) as replay:
        yield replay


@pytest.fixture
def databases(postgres_dsn: str, database_url: str, venues: Replay) -> Iterator[Copies]:
    """After two collect runs, of which the second closed some of what the first showed."""

    async def collect() -> None:
        for at in (COLLECTED_AT, COLLECTED_AT + timedelta(minutes=15)):
            venues.now = at
            settings = CollectSettings(database_url=database_url, **venues.settings)
            pool, cache = await db.make_pool(settings), make_cache(settings)
            await sweep.run(Run(JOBS["collect"], settings, pool, cache, lambda at=at: at, at))  # type: ignore[misc]
            await cache.close()
            await pool.close()

    asyncio.run(collect())
    venues.now = NOW
    with Copies(postgres_dsn, urlsplit(database_url).path.removeprefix("/")) as copies:
        yield copies


def given(venues: Replay) -> dict[str, Any]:
    clock = {"clock_start": NOW.isoformat(), "clock_speed": 0, "lease_ttl_s": 5}
    return venues.settings | BACKFILL | SMALL | clock


@pytest.mark.long
@pytest.mark.timeout(600)
@pytest.mark.parametrize("job", PLANS)
def test_after_a_kill_at_any_moment_one_whole_run_makes_the_database_as_if_nothing_had_happened(
    job: str, databases: Copies, venues: Replay, request: pytest.FixtureRequest
) -> None:
    venues.fail(latency_s=PLANS[job][1])
    undisturbed = databases.make()
    before = content(undisturbed, COMPARED)
    start = time.monotonic()
    finished(job, undisturbed, given(venues))
    lasted_s = time.monotonic() - start
    expected = content(undisturbed, COMPARED)
    assert expected["markets"] != before["markets"], "there was something to do"
    draw = random.Random(request.node.nodeid)
    moments = [(number + draw.random()) / KILLS * lasted_s for number in range(KILLS)]
    draw.shuffle(moments)
    midway = 0
    while moments:
        url = databases.make()
        for again in range(IN_A_ROW):
            if not moments or not killed(job, url, given(venues), moments[-1]):
                moments = moments if again else [0.8 * moment for moment in moments]  # the machine is faster by now
                break  # it was done before its time
            moments.pop()
            midway += before != content(url, COMPARED) != expected
        finished(job, url, given(venues))
        healed = content(url, COMPARED)
        assert {name: len(rows) for name, rows in healed.items()} == {n: len(rows) for n, rows in expected.items()}
        assert healed == expected
    assert midway >= KILLS // 5, "some moments fell between two transactions"
