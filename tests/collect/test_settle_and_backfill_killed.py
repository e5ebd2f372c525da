"""`python -m collect settle|backfill`, killed with SIGKILL at any moment: the next run heals all of it."""

from __future__ import annotations

import asyncio
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import timedelta
from typing import Any
from urllib.parse import urlsplit
from uuid import uuid4

import asyncpg
import psycopg
import pytest

from collect import sweep
from core import db
from core.cache import make_cache
from core.runtime import JOBS, Run
from core.settings import CollectSettings
from local import postgres
from local.world import GeneratedWorld
from tests.conftest import NOW, ROOT
from tests.core.wire import Replay, replaying

KILLS, IN_A_ROW = 15, 3  # of each job, and before one whole run at most
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
Content = dict[str, list[str]]


@pytest.fixture
def venues(job: str) -> Iterator[Replay]:
    with replaying(GeneratedWorld(1, PLANS[job][0])) as replay:
        yield replay


class Databases:
    """Copies of one database that was filled by a collect run."""

    def __init__(self, server: str, filled: str) -> None:
        self.server, self.filled = server, filled
        self.made: list[str] = []

    def copy(self) -> str:
        name = f"killed_{uuid4().hex}"
        self.made.append(name)
        return postgres.create_database(self.server, name, self.filled)


@pytest.fixture
def databases(postgres_dsn: str, database_url: str, venues: Replay) -> Iterator[Databases]:
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
    databases = Databases(postgres_dsn, urlsplit(database_url).path.removeprefix("/"))
    yield databases
    for name in databases.made:
        postgres.drop_database(postgres_dsn, name)


def started(job: str, url: str, venues: Replay) -> subprocess.Popen[bytes]:
    given: dict[str, Any] = venues.settings | BACKFILL | SMALL | {
        "database_url": url, "clock_start": NOW.isoformat(), "clock_speed": 0, "lease_ttl_s": 5,
    }  # fmt: skip
    environment = {"PATH": os.environ["PATH"], "PYTHONDONTWRITEBYTECODE": "1"}
    environment |= {name.upper(): str(value) for name, value in given.items()}
    return subprocess.Popen(
        [sys.executable, "-m", "collect", job],
        cwd=ROOT,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )


def finished(job: str, url: str, venues: Replay) -> None:
    process = started(job, url, venues)
    said, complaints = process.communicate(timeout=120)
    assert process.returncode == 0, complaints
    assert b'"status": "ok"' in said


def killed(job: str, url: str, venues: Replay, after_s: float) -> bool:
    """Whether it was alive until then. Its lease runs out as it would in time."""
    process = started(job, url, venues)
    time.sleep(after_s)
    process.send_signal(signal.SIGKILL)
    process.communicate(timeout=30)
    with psycopg.connect(url) as connection:
        connection.execute("UPDATE job_leases SET expires_at = now() - interval '1 second'")
    return process.returncode == -signal.SIGKILL


def content(url: str) -> Content:
    async def fetch() -> Content:
        connection = await asyncpg.connect(url)
        try:
            return {name: sorted([row[0] for row in await connection.fetch(sql)]) for name, sql in COMPARED.items()}
        finally:
            await connection.close()

    return asyncio.run(fetch())


@pytest.mark.long
@pytest.mark.timeout(600)
@pytest.mark.parametrize("job", PLANS)
def test_after_a_kill_at_any_moment_one_whole_run_makes_the_database_as_if_nothing_had_happened(
    job: str, databases: Databases, venues: Replay, request: pytest.FixtureRequest
) -> None:
    venues.fail(latency_s=PLANS[job][1])
    undisturbed = databases.copy()
    before = content(undisturbed)
    start = time.monotonic()
    finished(job, undisturbed, venues)
    lasted_s = time.monotonic() - start
    expected = content(undisturbed)
    assert expected["markets"] != before["markets"], "there was something to do"
    draw = random.Random(request.node.nodeid)
    moments = [(number + draw.random()) / KILLS * lasted_s for number in range(KILLS)]
    draw.shuffle(moments)
    midway = 0
    while moments:
        url = databases.copy()
        for again in range(IN_A_ROW):
            if not moments or not killed(job, url, venues, moments[-1]):
                moments = moments if again else [0.8 * moment for moment in moments]  # the machine is faster by now
                break  # it was done before its time
            moments.pop()
            midway += before != content(url) != expected
        finished(job, url, venues)
        healed = content(url)
        assert {name: len(rows) for name, rows in healed.items()} == {n: len(rows) for n, rows in expected.items()}
        assert healed == expected
    assert midway >= KILLS // 5, "some moments fell between two transactions"
