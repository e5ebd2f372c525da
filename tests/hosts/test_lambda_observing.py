"""What a function leaves behind on Lambda: lines of JSON with the invocation's id, metrics, and no secret."""

from __future__ import annotations

import json
from typing import Any

from tests.hosts import hosting
from tests.hosts.on_lambda import Container, Deploy, needs_emulator

pytestmark = needs_emulator


def lines(container: Container) -> list[dict[str, Any]]:
    """What it wrote that is JSON."""
    return [json.loads(line) for line in container.server.said().splitlines() if line.startswith("{")]


def metrics(container: Container) -> list[tuple[str, str | None]]:
    """(metric, job) of each record in CloudWatch's embedded format."""
    return [
        (metric["Name"], line.get("job"))
        for line in lines(container)
        if "_aws" in line
        for group in line["_aws"]["CloudWatchMetrics"]
        for metric in group["Metrics"]
        if group["Namespace"] == "OddWons"
    ]


def test_a_job_that_ends_well_is_counted_by_its_name(deploy: Deploy, job_environment: dict[str, str]) -> None:
    with deploy("collect", job_environment) as container:
        container.invoke({"job": "settle"})
        assert ("JobOk", "settle") in metrics(container)
        assert "ColdStart" in {name for name, _ in metrics(container)}


def test_a_job_that_runs_elsewhere_or_fails_is_not_counted_as_well(
    deploy: Deploy, job_environment: dict[str, str], database_url: str
) -> None:
    hosting.hold_lease(database_url, "settle")
    with deploy("collect", job_environment) as container:
        container.invoke({"job": "settle"})
        container.invoke({"job": "nonsense"})
        counted = metrics(container)
    assert {name for name, _ in counted} == {"ColdStart", "JobOverlap", "JobFailed"}


def test_each_line_says_which_invocation_it_is_of(deploy: Deploy, job_environment: dict[str, str]) -> None:
    with deploy("collect", job_environment | {"LOG_LEVEL": "DEBUG"}) as container:
        container.invoke({"job": "nonsense"})
        (failed,) = [line for line in lines(container) if line.get("message") == "job failed"]
    assert failed["function_request_id"]
    assert failed["service"] == "oddwons-collect"
    assert failed["job"] == "nonsense"
    assert "no job 'nonsense' here" in failed["exception"]


def test_an_error_that_names_a_secret_reaches_neither_the_log_nor_the_caller(
    deploy: Deploy, job_environment: dict[str, str]
) -> None:
    secret = "hunter2-of-the-tests"
    url = f"postgresql://someone:{secret}@127.0.0.1:1/nothing"
    with deploy("collect", job_environment | {"DATABASE_URL": url}) as container:
        away = container.invoke({"job": "settle"})
        unknown = container.invoke({"job": f"a job called {secret}"})
        said = container.server.said()
    assert away["errorType"] == "DatabaseDown"
    assert "[hidden]" in unknown["errorMessage"]
    assert secret not in json.dumps([away, unknown]) + said
