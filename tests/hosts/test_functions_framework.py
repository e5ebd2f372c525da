"""The functions as Google Cloud Run runs them, under functions-framework."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from contextlib import AbstractContextManager
from pathlib import Path

import httpx
import pytest

from core.models import Tier
from tests.conftest import ROOT
from tests.hosts import hosting
from tests.hosts.hosting import Hosted, clean_environment, hosted, run_command

FUNCTIONS: dict[str, list[str]] = {"collect": [], "analyze": [], "api": ["--asgi"], "stripe_webhook": ["--asgi"]}


def command(function: str, *flags: str) -> list[str]:
    source = str(ROOT / "functions" / function / "cloud_run.py")
    return ["functions_framework", "--source", source, "--target", "http", "--host", "127.0.0.1", *flags]


def serve(function: str, environment: Mapping[str, str], folder: Path, *flags: str) -> AbstractContextManager[Hosted]:
    return hosted(lambda *_: [sys.executable, "-m", *command(function, *flags)], environment, folder)


@pytest.mark.long
def test_jobs_run_by_their_names_again_and_again(job_environment: dict[str, str], tmp_path: Path) -> None:
    for function, jobs in (("collect", ("collect", "collect", "settle")), ("analyze", ("analyze", "digest"))):
        with serve(function, job_environment, tmp_path) as server:
            for job in jobs:
                answer = httpx.post(f"{server.url}/?job={job}", timeout=120)
                assert answer.status_code == 200, server.said()
                assert (answer.json()["job"], answer.json()["status"]) == (job, "ok")


def test_a_failed_job_is_a_500_for_the_scheduler(job_environment: dict[str, str], tmp_path: Path) -> None:
    with serve("collect", job_environment, tmp_path) as server:
        answer = httpx.post(f"{server.url}/?job=digest", timeout=60)
    assert answer.status_code == 500
    assert "UnknownJob: no job 'digest' here" in server.said()


@pytest.mark.parametrize(("function", "flags"), FUNCTIONS.items())
@pytest.mark.parametrize(
    ("url", "fault"), [("", "Field required"), ("mysql://u:hunter2@h/db", "must start with postgresql://")]
)
def test_a_wrong_setting_ends_it_at_start_and_is_all_it_says(
    function: str, flags: list[str], url: str, fault: str, tmp_path: Path
) -> None:
    environment = clean_environment(DATABASE_URL=url) | hosting.API | hosting.STRIPE
    done = run_command(command(function, *flags), environment, tmp_path)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.splitlines() == [f"environment: DATABASE_URL: {fault}"]


def test_the_api_answers_in_asgi_mode(database_url: str, tmp_path: Path) -> None:
    headers = hosting.tokens(database_url)
    environment = clean_environment(DATABASE_URL=database_url) | hosting.API
    with serve("api", environment, tmp_path, "--asgi") as server:
        with httpx.Client(base_url=server.url, timeout=60) as http:
            assert http.get("/health").json() == {"status": "ok"}
            insights = "/api/v1/insights/ai"
            assert http.get(insights).status_code == 401
            assert http.get(insights, headers={"authorization": headers[Tier.FREE]}).status_code == 403
            assert http.get(insights, headers={"authorization": headers[Tier.PRO]}).json()["refresh"] == "real-time"
            assert http.get("/nothing/here").headers["content-type"] == "application/problem+json"


def test_the_webhook_answers_in_asgi_mode(database_url: str, tmp_path: Path) -> None:
    with hosting.paying(database_url) as payer:
        body = payer.subscribe("pro")
        environment = clean_environment(DATABASE_URL=database_url) | payer.environment
        with serve("stripe_webhook", environment, tmp_path, "--asgi") as server:
            url = f"{server.url}/stripe/webhook"
            assert httpx.post(url, content=body, timeout=60).status_code == 400
            headers = {"stripe-signature": hosting.signature(body)}
            assert httpx.post(url, content=body, headers=headers, timeout=60).json() == {"status": "handled"}
    assert hosting.tier_of_free_user(database_url) == "pro"
