"""How a job runs: alone, within its time, on the record, and with words for the one who started it."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from core import runtime
from core.errors import DatabaseDown, JobFailed, JobOverlap, UnknownJob
from core.models import Platform
from core.runtime import JOBS, Run, Summary, Work, make_clock, run_job
from core.settings import Settings
from tests.conftest import ROOT

DESIGN = Path(ROOT).parent / "shared" / "design.md"


def settings_of(url: str, **changes: Any) -> Settings:
    given: dict[str, Any] = {"database_url": url, "lease_ttl_s": 60, "database_connect_timeout_s": 5} | changes
    return Settings(**given)


def work_of(work: Work[Settings], name: str = "collect") -> Mapping[str, Work[Settings]]:
    return {name: work}


async def done(run: Run[Settings]) -> Summary:
    return {"stored": 3}


async def rows(url: str, statement: str = "SELECT * FROM job_runs ORDER BY started_at") -> list[dict[str, Any]]:
    connection = await asyncpg.connect(url)
    try:
        return [dict(row) for row in await connection.fetch(statement)]
    finally:
        await connection.close()


async def execute(url: str, statement: str) -> None:
    connection = await asyncpg.connect(url)
    await connection.execute(statement)
    await connection.close()


# The table


@pytest.mark.skipif(not DESIGN.is_file(), reason="the design is not here")
def test_the_jobs_are_those_of_the_design() -> None:
    minutes = {"–": None} | {f"{n} min": 60 * n for n in range(1, 100)}
    stated = {}
    for line in DESIGN.read_text().splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if line.startswith("|") and len(cells) == 4 and cells[3] in minutes:
            stated[cells[0].split(" (")[0]] = (cells[1], cells[2], minutes[cells[3]])
    assert stated.keys() == JOBS.keys()
    for name, (when, function, deadline_s) in stated.items():
        job = JOBS[name]
        assert (job.function, job.deadline_s) == (function, deadline_s), name
        assert job.cron == cron_of(when), name


def cron_of(when: str) -> str | None:
    """The cron line that the design's words mean."""
    if when.startswith("by hand"):
        return None
    if every := re.fullmatch(r"(?:every )?(?:\*/)?(\d+)(?: min.*)?", when):
        return f"*/{every[1]} * * * *"
    if daily := re.fullmatch(r"(\d\d):(\d\d)", when):
        return f"{int(daily[2])} {int(daily[1])} * * *"
    return ",".join(str(int(minute)) for minute in re.findall(r":(\d\d)", when)) + " * * * *"


def test_every_platform_has_a_venue_and_every_job_a_function_folder() -> None:
    from core.venues.contract import VENUES

    platforms: set[Platform] = {"kalshi", "polymarket"}
    assert VENUES.keys() == platforms
    assert all((ROOT / "functions" / job.function / "__main__.py").is_file() for job in JOBS.values())


async def test_an_unknown_job_is_told_what_there_is_and_touches_nothing() -> None:
    nowhere = settings_of("postgresql://nobody@127.0.0.1:1/none")
    for name in ("colect", "analyze", ""):
        with pytest.raises(UnknownJob, match=f"no job '{name}' here; this function runs: collect, settle"):
            await run_job(name, {"settle": done, "collect": done}, nowhere)


# The record


async def test_a_good_run_is_on_the_record(database_url: str) -> None:
    assert await run_job("collect", work_of(done), settings_of(database_url)) == {"stored": 3}
    (row,) = await rows(database_url)
    assert (row["job"], row["status"], row["error"]) == ("collect", "ok", None)
    assert '"stored"' in row["summary"]
    assert row["seconds"] >= 0
    assert await rows(database_url, "SELECT * FROM job_leases") == []


async def test_a_failed_run_says_why_and_gives_its_lease_back(database_url: str) -> None:
    async def fail(run: Run[Settings]) -> Summary:
        raise JobFailed("no venue could be read: \x00 and \ud800")

    with pytest.raises(JobFailed, match="no venue"):
        await run_job("collect", work_of(fail), settings_of(database_url))
    (row,) = await rows(database_url)
    assert row["status"] == "failed"
    assert row["error"] == "JobFailed: no venue could be read: \ufffd and \ufffd"
    assert await run_job("collect", work_of(done), settings_of(database_url)) == {"stored": 3}


async def test_a_bug_is_on_the_record_and_stays_what_it_was(database_url: str) -> None:
    async def divide(run: Run[Settings]) -> Summary:
        return {"n": 1 / 0}

    with pytest.raises(ZeroDivisionError):
        await run_job("collect", work_of(divide), settings_of(database_url))
    assert [row["error"] for row in await rows(database_url)] == ["ZeroDivisionError: division by zero"]


async def test_a_run_that_takes_too_long_is_ended_and_recorded(database_url: str) -> None:
    cleaned: list[str] = []

    async def dawdle(run: Run[Settings]) -> Summary:
        try:
            await asyncio.sleep(600)
        finally:
            cleaned.append("up")
        return {}

    with pytest.raises(JobFailed, match="deadline of 1 s passed"):
        await run_job("collect", work_of(dawdle), settings_of(database_url), 11.5)
    assert [row["error"] for row in await rows(database_url)] == ["deadline of 1 s passed"]
    assert cleaned == ["up"]


async def test_a_timeout_inside_the_work_is_not_called_the_deadline(database_url: str) -> None:
    async def wait(run: Run[Settings]) -> Summary:
        async with asyncio.timeout(0):
            await asyncio.sleep(60)
        return {}

    with pytest.raises(TimeoutError):
        await run_job("backfill", work_of(wait, "backfill"), settings_of(database_url))
    assert [row["error"] for row in await rows(database_url)] == ["TimeoutError: "]


async def test_a_database_that_is_away_is_a_failed_run(database_url: str) -> None:
    with pytest.raises(DatabaseDown):
        await run_job("collect", work_of(done), settings_of("postgresql://u@127.0.0.1:1/db"))


async def test_the_works_own_failure_is_told_when_its_end_cannot_be_recorded(
    database_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    async def fail(run: Run[Settings]) -> Summary:
        await refuse_connections(database_url)
        raise JobFailed("the reason")

    with pytest.raises(JobFailed, match="the reason"):
        await run_job("collect", work_of(fail), settings_of(database_url))
    assert "the run's end was not recorded" in caplog.text


async def refuse_connections(url: str) -> None:
    """Ends this database's connections and lets no new ones in."""
    name = url.split("?")[0].rsplit("/", 1)[1]
    connection = await asyncpg.connect(url.replace(f"/{name}", "/postgres"))
    await connection.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS false")
    await connection.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = $1", name)
    await connection.close()


# The lease


async def test_a_second_run_beside_the_first_does_nothing_and_says_so(database_url: str) -> None:
    started, finish = asyncio.Event(), asyncio.Event()

    async def hold(run: Run[Settings]) -> Summary:
        started.set()
        await finish.wait()
        return {"first": True}

    first = asyncio.create_task(run_job("collect", work_of(hold), settings_of(database_url)))
    await started.wait()
    with pytest.raises(JobOverlap, match="collect: another run is under way"):
        await run_job("collect", work_of(done), settings_of(database_url))
    assert await run_job("settle", work_of(done, "settle"), settings_of(database_url)) == {"stored": 3}
    finish.set()
    assert await first == {"first": True}
    assert sorted(row["job"] for row in await rows(database_url)) == ["collect", "settle"], "no row for no run"


async def test_the_lease_of_a_dead_run_is_taken_over_once_its_time_is_up(database_url: str) -> None:
    await execute(database_url, "INSERT INTO job_leases VALUES ('collect', 'dead', now() + interval '1 hour')")
    with pytest.raises(JobOverlap):
        await run_job("collect", work_of(done), settings_of(database_url))
    await execute(database_url, "UPDATE job_leases SET expires_at = now() - interval '1 s'")
    assert await run_job("collect", work_of(done), settings_of(database_url)) == {"stored": 3}


async def test_a_lease_is_kept_for_as_long_as_the_work_takes(database_url: str) -> None:
    async def outlast(run: Run[Settings]) -> Summary:
        (before,) = await rows(database_url, "SELECT expires_at FROM job_leases")
        while True:
            (now,) = await rows(database_url, "SELECT expires_at FROM job_leases")
            if now["expires_at"] > before["expires_at"] + timedelta(seconds=0.5):
                return {"renewed": True}
            await asyncio.sleep(0.05)

    assert await run_job("collect", work_of(outlast), settings_of(database_url, lease_ttl_s=1)) == {"renewed": True}


async def test_a_lost_lease_ends_the_work(database_url: str) -> None:
    async def robbed(run: Run[Settings]) -> Summary:
        await execute(database_url, "UPDATE job_leases SET holder = 'thief', expires_at = now() + interval '1 hour'")
        await asyncio.sleep(600)
        return {}

    with pytest.raises(JobFailed, match="lease was lost"):
        await run_job("collect", work_of(robbed), settings_of(database_url, lease_ttl_s=1))
    assert [row["status"] for row in await rows(database_url)] == ["failed"]
    assert [row["holder"] for row in await rows(database_url, "SELECT * FROM job_leases")] == ["thief"]


async def test_a_database_briefly_away_does_not_cost_the_lease(
    database_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    async def shaken(run: Run[Settings]) -> Summary:
        name = database_url.split("?")[0].rsplit("/", 1)[1]
        others = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = $1 AND pid <> pg_backend_pid()"
        connection = await asyncpg.connect(database_url)
        await connection.execute("BEGIN")
        await connection.execute("LOCK TABLE job_leases")  # the next renewal waits for this
        waiting = "SELECT count(*) FROM pg_locks WHERE NOT granted AND relation = 'job_leases'::regclass"
        while not await connection.fetchval(waiting):  # noqa: ASYNC110
            await asyncio.sleep(0.01)
        await connection.execute(others, name)
        await connection.execute("ROLLBACK")
        (before,) = await rows(database_url, "SELECT expires_at FROM job_leases")
        while (await rows(database_url, "SELECT expires_at FROM job_leases"))[0] == before:  # noqa: ASYNC110
            await asyncio.sleep(0.05)
        await connection.close()
        return {"survived": True}

    settings = settings_of(database_url, lease_ttl_s=3)
    assert await run_job("collect", work_of(shaken), settings) == {"survived": True}
    assert "lease not renewed" in caplog.text


async def test_a_lease_that_cannot_be_renewed_in_its_time_ends_the_work(database_url: str) -> None:
    async def cut_off(run: Run[Settings]) -> Summary:
        await refuse_connections(database_url)
        await asyncio.sleep(600)
        return {}

    with pytest.raises(JobFailed, match="lease was lost"):
        await run_job("collect", work_of(cut_off), settings_of(database_url, lease_ttl_s=1))


# The clock


def test_the_clock_is_real_unless_it_is_simulated() -> None:
    url = "postgresql://u@h/db"
    assert abs(make_clock(settings_of(url))() - datetime.now(UTC)) < timedelta(minutes=1)
    start = datetime(2030, 1, 1, tzinfo=UTC)
    clock = make_clock(settings_of(url, clock_start=start, clock_origin=time.time(), clock_speed=0))
    assert clock() == start


async def test_a_run_and_its_record_go_by_the_simulated_clock(database_url: str) -> None:
    start = datetime(2030, 1, 1, tzinfo=UTC)

    async def look(run: Run[Settings]) -> Summary:
        return {"now": run.now, "later": run.clock()}

    settings = settings_of(database_url, clock_start=start, clock_origin=time.time(), clock_speed=0)
    assert await run_job("collect", work_of(look), settings) == {"now": start, "later": start}
    (row,) = await rows(database_url)
    assert (row["started_at"], row["ended_at"]) == (start, start)


async def test_a_cancellation_that_the_work_loses_once_is_given_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runtime, "_AGAIN_S", 0.01)
    lost = 0

    async def deaf() -> dict[str, Any]:
        nonlocal lost
        while lost < 2:
            try:
                await asyncio.sleep(60)
            except asyncio.CancelledError:
                lost += 1
        await asyncio.sleep(60)
        return {}

    task = asyncio.create_task(runtime._cancellable(deaf()))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert lost == 2
