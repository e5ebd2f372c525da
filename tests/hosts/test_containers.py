"""docker-compose.yml and Cloud Run's files agree with the code."""

from __future__ import annotations

import re
from typing import Any

import pytest
from samcli.yamlhelper import yaml_parse

from tests.conftest import ROOT
from tests.hosts.schedule import SETTINGS, implemented, required, variables


def read(name: str) -> dict[str, Any]:
    content: dict[str, Any] = yaml_parse((ROOT / name).read_text())
    return content


@pytest.fixture(scope="module")
def services() -> dict[str, Any]:
    found: dict[str, Any] = read("docker-compose.yml")["services"]
    return found


def test_compose_starts_every_job_of_its_functions_by_the_clock(services: dict[str, Any]) -> None:
    command = services["jobs"]["command"]
    assert command[:3] == ["python", "-m", "core.crond"]
    assert set(command[3:]) == {job.name for job in implemented() if job.function in ("collect", "analyze")}


@pytest.mark.parametrize(("service", "function"), [("api", "api"), ("jobs", "analyze")])
def test_compose_gives_a_service_what_it_needs_and_nothing_it_does_not_read(
    services: dict[str, Any], service: str, function: str
) -> None:
    given = set(services[service]["environment"])
    assert required(SETTINGS[function]) <= given <= variables(SETTINGS[function])


def test_nothing_of_ours_starts_before_the_database_is_migrated(services: dict[str, Any]) -> None:
    assert services["migrate"]["depends_on"] == {"database": {"condition": "service_healthy"}}
    for name in ("api", "jobs"):
        assert services[name]["depends_on"]["migrate"] == {"condition": "service_completed_successfully"}
    assert {"database", "cache", "api"} <= {name for name, said in services.items() if "healthcheck" in said}


def test_compose_holds_no_secret_and_refuses_to_start_without_one(services: dict[str, Any]) -> None:
    assert services["database"]["environment"]["POSTGRES_PASSWORD"] == "${POSTGRES_PASSWORD:?is needed}"
    assert services["api"]["environment"]["JWT_SECRET"] == "${JWT_SECRET:?is needed}"


@pytest.mark.parametrize(("file", "function"), [("api", "api"), ("job", "analyze")])
def test_cloud_run_gives_what_is_needed_and_nothing_that_is_not_read(file: str, function: str) -> None:
    template = read(f"cloudrun/{file}.yaml")["spec"]["template"]["spec"]
    (container,) = template.get("template", {}).get("spec", template)["containers"]
    given = {entry["name"] for entry in container["env"]}
    assert required(SETTINGS[function]) <= given <= variables(SETTINGS[function])


def test_cloud_runs_table_has_every_job_at_its_time() -> None:
    found = re.findall(r"^\| ([\w-]+) \| (\w+) \| `(.*)` \|$", (ROOT / "cloudrun/README.md").read_text(), re.MULTILINE)
    assert set(found) == {(job.name, job.function, job.cron) for job in implemented()}


def test_a_job_of_cloud_run_is_not_ended_before_its_own_deadline() -> None:
    task = read("cloudrun/job.yaml")["spec"]["template"]["spec"]["template"]["spec"]
    assert task["timeoutSeconds"] > max(job.deadline_s for job in implemented() if job.deadline_s) + 30
    assert task["maxRetries"] == 0
