"""`python -m collect`, as cron runs it: one line of JSON, an exit code, and no secret anywhere."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from typing import Any

import asyncpg
import pytest

from tests.conftest import ROOT
from tests.core.wire import Replay

SECRET = "hunter2hunter2hunter2hunter2hunter2"


def command(*arguments: str, **environment: object) -> subprocess.CompletedProcess[str]:
    with started(*arguments, **environment) as process:
        stdout, stderr = process.communicate(timeout=120)
    return subprocess.CompletedProcess(process.args, process.returncode, stdout, stderr)


def started(*arguments: str, **environment: object) -> subprocess.Popen[str]:
    given = {name.upper(): str(value) for name, value in environment.items() if value is not None}
    kept = {"PATH": os.environ["PATH"], "JWT_SECRET": SECRET, "GROQ_API_KEY": SECRET}
    return subprocess.Popen(
        [sys.executable, "-m", "collect", *arguments],
        cwd=ROOT, env=kept | given, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip


def venues(replay: Replay) -> dict[str, Any]:
    clock = {"clock_start": replay.now.isoformat(), "clock_speed": 0}
    return replay.settings | clock


def run_rows(url: str) -> list[tuple[str, str, str | None]]:
    async def fetch() -> list[tuple[str, str, str | None]]:
        connection = await asyncpg.connect(url)
        try:
            rows = await connection.fetch("SELECT job, status, error FROM job_runs ORDER BY started_at")
            return [(row["job"], row["status"], row["error"]) for row in rows]
        finally:
            await connection.close()

    return asyncio.run(fetch())


def test_a_good_run_prints_its_summary_and_exits_with_0(database_url: str, replay: Replay) -> None:
    done = command(database_url=database_url, **venues(replay))
    assert done.returncode == 0, done.stderr
    (line,) = done.stdout.splitlines()
    outcome = json.loads(line)
    assert (outcome["job"], outcome["status"]) == ("collect", "ok")
    assert outcome["summary"]["kalshi"]["markets"] == replay.inventory()["kalshi"]["listed"]
    assert run_rows(database_url) == [("collect", "ok", None)]


def test_both_venues_down_exits_with_1_and_says_which(database_url: str, replay: Replay) -> None:
    replay.fail(down=True)
    done = command(database_url=database_url, **(venues(replay) | {"http_attempts": 1}))
    assert done.returncode == 1
    assert done.stdout == ""
    assert done.stderr.splitlines()[-1].startswith("collect: no venue could be read: kalshi: ")
    ((job, status, error),) = run_rows(database_url)
    assert (job, status) == ("collect", "failed")
    assert error is not None
    assert error.startswith("JobFailed: no venue could be read")


def test_a_run_beside_another_exits_with_0_and_says_so(database_url: str, replay: Replay) -> None:
    async def take() -> None:
        connection = await asyncpg.connect(database_url)
        await connection.execute("INSERT INTO job_leases VALUES ('collect', 'other', now() + interval '1 hour')")
        await connection.close()

    asyncio.run(take())
    done = command(database_url=database_url, **venues(replay))
    assert done.returncode == 0
    assert json.loads(done.stdout) == {
        "job": "collect", "status": "overlap", "detail": "collect: another run is under way",
    }  # fmt: skip
    assert run_rows(database_url) == []


def test_of_two_runs_at_once_the_second_says_so_and_the_first_goes_on(database_url: str, replay: Replay) -> None:
    replay.fail(latency_s=0.7)
    with started(database_url=database_url, **venues(replay)) as first:
        while not run_rows(database_url):
            assert first.poll() is None
        second = command(database_url=database_url, **venues(replay))
        assert first.poll() is None, "the first run must outlast the second"
        stdout, stderr = first.communicate(timeout=120)
    assert (second.returncode, json.loads(second.stdout)["status"]) == (0, "overlap")
    assert first.returncode == 0, stderr
    assert json.loads(stdout)["summary"]["kalshi"]["markets"] == replay.inventory()["kalshi"]["listed"]
    assert run_rows(database_url) == [("collect", "ok", None)]


def test_an_unknown_job_exits_with_1_and_names_those_that_are() -> None:
    done = command("colect", database_url="postgresql://u@127.0.0.1:1/db")
    assert done.returncode == 1
    assert done.stderr == "colect: no job 'colect' here; this function runs: backfill, collect, settle, upkeep\n"


def test_a_missing_setting_exits_with_2_and_one_line() -> None:
    done = command()
    assert (done.returncode, done.stderr) == (2, "environment: DATABASE_URL: Field required\n")


@pytest.mark.parametrize(
    "url",
    [
        f"postgresql://u:{SECRET}@127.0.0.1:1/db", f"postgresql://u:{SECRET}@no-such-host.invalid/db",
        f"postgresql://u:a/{SECRET}@127.0.0.1/db", f"postgresql://u:{SECRET}@127.0.0.1:x/db", f"mysql://u:{SECRET}@h/db",
    ],
)  # fmt: skip
def test_no_secret_is_told_however_it_fails(url: str) -> None:
    done = command(
        database_url=url, redis_url=f"redis://:{SECRET}@127.0.0.1:1/0", upstash_redis_rest_token=SECRET,
        log_level="DEBUG", database_connect_timeout_s=2,
    )  # fmt: skip
    assert done.returncode in (1, 2)
    assert done.stderr.strip()
    assert "Traceback" not in done.stderr
    assert SECRET not in done.stdout + done.stderr


@pytest.mark.parametrize("cache", ["rest", "redis"])
def test_no_secret_is_told_by_a_run_with_a_broken_cache_at_the_highest_log_level(
    database_url: str, replay: Replay, cache: str
) -> None:
    broken: dict[str, object] = {"redis_url": f"redis://:{SECRET}@127.0.0.1:1/0"}
    if cache == "rest":
        broken = {"upstash_redis_rest_url": replay.address, "upstash_redis_rest_token": SECRET}
    done = command(database_url=database_url, log_level="DEBUG", **(venues(replay) | broken))
    assert done.returncode == 0, done.stderr[-2_000:]
    assert json.loads(done.stdout)["summary"]["prices_cached"] is False
    assert "cache unavailable" in done.stderr
    assert SECRET not in done.stdout + done.stderr


def test_upkeep_and_settle_are_named_by_an_argument(database_url: str, replay: Replay) -> None:
    for name in ("upkeep", "settle"):
        done = command(name, database_url=database_url, **venues(replay))
        assert done.returncode == 0, done.stderr
        assert json.loads(done.stdout)["job"] == name
