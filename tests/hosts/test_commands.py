"""The functions as commands: cron, a shell, Railway, a container."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest

from core.models import Tier
from tests.hosts import hosting
from tests.hosts.hosting import clean_environment, hosted, run_command

NOWHERE = "postgresql://nobody@127.0.0.1:1/nothing"
FUNCTIONS = ("collect", "analyze", "api", "stripe_webhook")


def outcome(done: subprocess.CompletedProcess[str]) -> dict[str, Any]:
    """The one line that a job writes to stdout."""
    (line,) = done.stdout.splitlines()
    said: dict[str, Any] = json.loads(line)
    return said


@pytest.mark.long
def test_the_jobs_run_one_after_another_as_cron_would_run_them(
    job_environment: dict[str, str], database_url: str, tmp_path: Path
) -> None:
    commands = [["collect"], ["collect", "settle"], ["collect", "upkeep"], ["analyze"], ["analyze", "digest"]]
    for command in commands:
        done = run_command(command, job_environment, tmp_path)
        assert done.returncode == 0, done.stderr
        assert outcome(done)["job"] == command[-1]
        assert outcome(done)["status"] == "ok"
    assert {job for job, status in hosting.runs(database_url) if status == "ok"} == {c[-1] for c in commands}
    assert hosting.rows(database_url, "SELECT count(*) > 0 FROM market_snapshots") == [(True,)]
    assert hosting.rows(database_url, "SELECT count(*) FROM job_leases") == [(0,)]


def test_a_job_that_is_running_elsewhere_says_so_and_exits_0(
    job_environment: dict[str, str], database_url: str, tmp_path: Path
) -> None:
    hosting.hold_lease(database_url, "collect")
    done = run_command(["collect"], job_environment, tmp_path)
    assert done.returncode == 0
    assert outcome(done) == {
        "job": "collect",
        "status": "overlap",
        "detail": "collect: another run is under way",
    }
    assert hosting.runs(database_url) == []
    assert hosting.rows(database_url, "SELECT holder FROM job_leases") == [("another run",)]


def test_a_failed_job_exits_1_says_why_and_is_recorded(
    job_environment: dict[str, str], database_url: str, tmp_path: Path
) -> None:
    away = {"KALSHI_BASE_URL": "http://127.0.0.1:1", "POLYMARKET_GAMMA_URL": "http://127.0.0.1:1"}
    done = run_command(["collect"], job_environment | away | {"HTTP_ATTEMPTS": "1"}, tmp_path)
    assert done.returncode == 1
    assert done.stdout == ""
    assert done.stderr.splitlines()[-1].startswith("collect: no venue could be read: ")
    assert "Traceback" not in done.stderr
    assert hosting.runs(database_url) == [("collect", "failed")]


@pytest.mark.parametrize("function", ["collect", "analyze"])
def test_a_job_without_its_database_exits_1_in_one_line(function: str, tmp_path: Path) -> None:
    done = run_command([function], clean_environment(DATABASE_URL=NOWHERE), tmp_path)
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    assert line.startswith(f"{function}: database: ")


def test_a_job_of_another_function_exits_1_and_names_those_of_this_one(tmp_path: Path) -> None:
    done = run_command(["collect", "digest"], clean_environment(DATABASE_URL=NOWHERE), tmp_path)
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    assert "backfill, collect, settle, upkeep" in line


@pytest.mark.parametrize(
    ("function", "said"),
    [
        ("stripe_webhook", "settle: no job 'settle' here; this function runs: reconcile"),
        ("api", "no job 'settle' here; this function serves HTTP and takes no arguments"),
    ],
)
def test_a_server_told_to_run_a_job_of_another_refuses_and_serves_nothing(
    function: str, said: str, tmp_path: Path
) -> None:
    environment = clean_environment(DATABASE_URL=NOWHERE) | hosting.API | hosting.STRIPE
    done = run_command([function, "settle"], environment, tmp_path)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == f"{said}\n"


@pytest.mark.parametrize("function", FUNCTIONS)
@pytest.mark.parametrize(
    ("variable", "value"), [("DATABASE_URL", ""), ("DATABASE_URL", "mysql://u:hunter2@h/db"), ("LOG_LEVEL", "LOUD")]
)
def test_a_wrong_setting_exits_2_and_is_named_in_one_line(
    function: str, variable: str, value: str, tmp_path: Path
) -> None:
    sound = clean_environment(DATABASE_URL=NOWHERE) | hosting.API | hosting.STRIPE
    done = run_command([function], sound | {variable: value}, tmp_path)
    assert done.returncode == 2
    assert done.stdout == ""
    (line,) = done.stderr.splitlines()
    assert line.startswith(f"environment: {variable}: ")
    assert "hunter2" not in line


@pytest.mark.parametrize(
    ("function", "variables"), [("api", hosting.API), ("stripe_webhook", hosting.STRIPE)], ids=["api", "stripe_webhook"]
)
def test_every_missing_setting_of_a_server_is_named_at_once(
    function: str, variables: dict[str, str], tmp_path: Path
) -> None:
    done = run_command([function], clean_environment(), tmp_path)
    assert (done.returncode, done.stdout) == (2, "")
    (line,) = done.stderr.splitlines()
    assert all(f"{name}: " in line for name in ("DATABASE_URL", *variables))


def test_a_job_told_to_stop_gives_its_lease_back_and_is_recorded(
    job_environment: dict[str, str], database_url: str, tmp_path: Path
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as mute:  # takes a call and never answers
        mute.settimeout(60)
        url = f"http://127.0.0.1:{mute.getsockname()[1]}"
        process = subprocess.Popen(
            [sys.executable, "-m", "collect"],
            env=job_environment | {"KALSHI_BASE_URL": url, "POLYMARKET_GAMMA_URL": url},
            cwd=tmp_path,
            stderr=subprocess.PIPE,
            text=True,
        )
        try:
            with mute.accept()[0]:  # its record is written and its work begun: what was still between them is over
                process.send_signal(signal.SIGTERM)
                _, said = process.communicate(timeout=60)
        finally:
            process.kill()
            process.wait()
    assert process.returncode == 1
    assert said.splitlines()[-1] == "collect: stopped before its end"
    assert hosting.runs(database_url) == [("collect", "failed")]
    assert hosting.rows(database_url, "SELECT count(*) FROM job_leases") == [(0,)]


def test_the_api_serves_on_its_port_until_it_is_told_to_stop(database_url: str, tmp_path: Path) -> None:
    headers = hosting.tokens(database_url)
    environment = clean_environment(DATABASE_URL=database_url) | hosting.API
    with hosted(lambda *_: [sys.executable, "-m", "api"], environment, tmp_path) as server:
        with httpx.Client(base_url=server.url, timeout=60) as http:
            assert http.get("/health").json() == {"status": "ok"}
            insights = "/api/v1/insights/ai"
            assert http.get(insights).status_code == 401
            assert http.get(insights, headers={"authorization": headers[Tier.FREE]}).status_code == 403
            assert http.get(insights, headers={"authorization": headers[Tier.PRO]}).json()["refresh"] == "real-time"
        assert server.stopped() == 0
        assert "Traceback" not in server.said()


def test_what_is_under_way_when_the_api_is_told_to_stop_is_answered_first(database_url: str, tmp_path: Path) -> None:
    headers = {"authorization": hosting.tokens(database_url)[Tier.PRO]}
    environment = clean_environment(DATABASE_URL=database_url) | hosting.API
    with (
        hosted(lambda *_: [sys.executable, "-m", "api"], environment, tmp_path) as server,
        psycopg.connect(database_url) as holder,
        ThreadPoolExecutor(1) as clients,
    ):
        holder.execute("LOCK TABLE markets IN ACCESS EXCLUSIVE MODE")
        asked = clients.submit(httpx.get, f"{server.url}/api/v1/markets", headers=headers, timeout=60)
        waiting = "SELECT count(*) FROM pg_locks WHERE NOT granted AND pg_backend_pid() = ANY(pg_blocking_pids(pid))"
        while holder.execute(waiting).fetchone() == (0,):
            time.sleep(0.01)
        server.process.terminate()
        time.sleep(1)  # it has heard of it by then
        holder.rollback()
        assert asked.result().status_code == 200
        assert server.process.wait(60) == 0
        assert "Traceback" not in server.said()


def test_a_server_that_listens_on_all_addresses_takes_ipv6_and_ipv4(tmp_path: Path) -> None:
    environment = clean_environment(DATABASE_URL=NOWHERE, HOST="::") | hosting.API
    with hosted(lambda *_: [sys.executable, "-m", "api"], environment, tmp_path) as server:
        port = server.url.rsplit(":", 1)[1]
        for address in ("127.0.0.1", "[::1]"):
            assert httpx.get(f"http://{address}:{port}/health/live", timeout=60).status_code == 200


def test_the_webhook_serves_on_its_port_until_it_is_told_to_stop(database_url: str, tmp_path: Path) -> None:
    webhook = [sys.executable, "-m", "stripe_webhook"]
    with hosting.paying(database_url) as payer:
        body = payer.subscribe("premium")
        environment = clean_environment(DATABASE_URL=database_url) | payer.environment
        with hosted(lambda *_: webhook, environment, tmp_path) as server:

            def send(signed: str) -> httpx.Response:
                url = f"{server.url}/stripe/webhook"
                return httpx.post(url, content=body, headers={"stripe-signature": signed}, timeout=60)

            assert send(hosting.signature(body, "whsec_of_somebody_else")).status_code == 400
            assert hosting.tier_of_free_user(database_url) == "free"
            assert send(hosting.signature(body)).json() == {"status": "handled"}
            assert send(hosting.signature(body)).json() == {"status": "handled before"}
            assert hosting.tier_of_free_user(database_url) == "premium"
            assert server.stopped() == 0
            assert "Traceback" not in server.said()


def test_a_job_that_loses_its_cancellation_ends_all_the_same(tmp_path: Path) -> None:
    program = """
import asyncio, signal, sys
from core import runtime
runtime._STOP_WITHIN_S = 0.5
signal.signal(signal.SIGTERM, runtime._stop)

async def deaf():
    print("ready", flush=True)
    while True:
        try:
            await asyncio.sleep(3_600)
        except asyncio.CancelledError:
            pass

asyncio.run(deaf())
"""
    command = [sys.executable, "-c", program]
    with subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        process.send_signal(signal.SIGTERM)
        _, said = process.communicate(timeout=60)
    assert process.returncode == 3
    assert said.endswith("told to stop, and did not\n")
