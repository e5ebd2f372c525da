"""What the operator is told, and which jobs count as missed."""

from __future__ import annotations

import asyncio
import json
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import get_args

import pytest

from core import db
from core.detect.selection import Funnel
from core.queries import rates, spending, status
from core.runtime import JOBS
from core.settings import Settings
from core.status import missed_jobs
from tests import storages
from tests.conftest import NOW
from tests.core.making import make_market
from tests.core.storing import store
from tests.hosts.hosting import clean_environment, run_command
from tests.hosts.schedule import implemented

SETTINGS = Settings(database_url="postgresql://x@h/x")


async def began(connection: db.Connection, job: str, ago: timedelta, status: str = "ok", error: str = "") -> None:
    await connection.execute(
        "INSERT INTO job_runs (id, job, holder, started_at, began_at, status, error) "
        "VALUES (gen_random_uuid(), $1, 'home:1:a', 'epoch', clock_timestamp() - $2::interval, $3, nullif($4, ''))",
        job,
        ago,
        status,
        error,
    )


async def all_began(connection: db.Connection) -> None:
    for name in SETTINGS.jobs_watched:
        await began(connection, name, timedelta(minutes=1))


def test_every_job_that_runs_by_the_clock_is_watched() -> None:
    assert set(SETTINGS.jobs_watched) == {job.name for job in implemented()}


async def test_nothing_is_missed_while_all_ran_just_now(connection: db.Connection) -> None:
    await all_began(connection)
    assert await missed_jobs(connection, SETTINGS) == []


async def test_before_the_first_run_everything_is_missed(connection: db.Connection) -> None:
    assert await missed_jobs(connection, SETTINGS) == list(SETTINGS.jobs_watched)


async def test_a_new_installation_is_given_time_for_its_daily_jobs(connection: db.Connection) -> None:
    await began(connection, "collect", timedelta(minutes=1))
    assert await missed_jobs(connection, SETTINGS) == []


@pytest.mark.parametrize("name", SETTINGS.jobs_watched)
async def test_a_job_that_stopped_is_missed_after_its_time_its_deadline_and_a_grace(
    connection: db.Connection, name: str
) -> None:
    await all_began(connection)
    await connection.execute("DELETE FROM job_runs WHERE job = $1", name)
    period = {"*/": timedelta(minutes=15), "5,": timedelta(minutes=15)}
    cron = JOBS[name].cron or ""
    period_of = period.get(cron[:2]) or (timedelta(hours=1) if cron.split()[1] == "*" else timedelta(days=1))
    grace = timedelta(seconds=SETTINGS.missed_after_s + (JOBS[name].deadline_s or 0) + 61)
    await began(connection, name, grace + period_of)
    assert await missed_jobs(connection, SETTINGS) == [name]


async def test_runs_that_fail_do_not_count(connection: db.Connection) -> None:
    await all_began(connection)
    await connection.execute("UPDATE job_runs SET began_at = began_at - interval '2 days' WHERE job = 'settle'")
    await began(connection, "settle", timedelta(minutes=1), "failed")
    assert await missed_jobs(connection, SETTINGS) == ["settle"]


def test_the_command_tells_all_of_it_and_exits_1_while_a_job_is_missed(database_url: str, tmp_path: Path) -> None:
    environment = clean_environment(DATABASE_URL=database_url)
    done = run_command(["core.status"], environment, tmp_path)
    told = json.loads(done.stdout)
    assert done.returncode == 1
    assert told["missed"] == list(SETTINGS.jobs_watched)

    async def ran() -> None:
        pool = await db.make_pool(Settings(database_url=database_url))
        async with pool.acquire() as connection:
            await all_began(connection)
            await began(connection, "collect", timedelta(0), "failed", "no venue could be read")
        await pool.close()

    asyncio.run(ran())
    done = run_command(["core.status"], environment, tmp_path)
    told = json.loads(done.stdout)
    assert (done.returncode, told["missed"]) == (0, [])
    assert told["jobs"]["collect"]["error"] == "no venue could be read"
    assert told["jobs"]["collect"]["host"] == "home"
    assert told["lag_s"]["newest_price"] is None
    assert told["tables"]["markets"]["bytes"] > 0
    assert told["funnel"] is None
    assert told["cache"]["answers"] is False
    assert float(told["spent_usd_today"]) == 0


async def test_what_the_analyst_cost_is_that_of_every_part_with_what_is_only_reserved(
    connection: db.Connection,
) -> None:
    def wanted(part: spending.Part, at: datetime = NOW) -> spending.Wanted:
        return spending.Wanted(at, "a run", part, "kalshi", "KXM", "a model", "1", 1, Decimal("0.25"), 1_000)

    for part in get_args(spending.Part):
        answered = await spending.insert_call(connection, wanted(part))
        await spending.mark_call(connection, answered, "answered", Decimal("0.01"), (1, 0, 1))
    await spending.insert_call(connection, wanted("bundles"))
    await spending.insert_call(connection, wanted("insights", NOW - timedelta(microseconds=1)))
    assert await status.spent_since(connection, NOW) == Decimal("0.30")


async def test_the_last_runs_funnel_is_told(connection: db.Connection) -> None:
    assert await status.last_funnel(connection) is None
    for minutes, published in ((0, 3), (15, 4)):
        funnel = Funnel(100, 20, 10, 5, 5, published, {"score below threshold": 10})
        await rates.insert_funnel(connection, NOW + timedelta(minutes=minutes), funnel, NOW)
    told = await status.last_funnel(connection)
    assert told is not None
    assert (told["at"], told["published"], told["dropped"]) == (
        NOW + timedelta(minutes=15),
        4,
        {"score below threshold": 10},
    )


@storages.on(*storages.ALL)
async def test_snapshots_count_however_they_are_stored(connection: db.Connection, pool: db.Pool) -> None:
    await store(pool, *(make_market(f"M-{n}") for n in range(200)), now=NOW)
    await connection.execute("ANALYZE market_snapshots")
    told = (await status.stored(connection))["market_snapshots"]
    assert told["rows"] == 200
    assert told["bytes"] > 10_000


def test_the_command_says_in_one_line_that_the_database_is_away(tmp_path: Path) -> None:
    away = clean_environment(DATABASE_URL="postgresql://nobody:hunter2@127.0.0.1:1/nothing")
    done = run_command(["core.status"], away, tmp_path)
    assert (done.returncode, done.stdout) == (1, "")
    (line,) = done.stderr.splitlines()
    assert line.startswith("status: database: ")
