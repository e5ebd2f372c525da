"""What Railway is told agrees with what the code says of itself."""

from __future__ import annotations

import importlib.util
from typing import Any

import pytest
from railway_sdk import create_railway_context

from aws.secrets import secret_names
from tests.conftest import ROOT
from tests.hosts.schedule import SETTINGS, implemented, required, variables


def services_in(environment: str) -> dict[str, dict[str, Any]]:
    """The graph that Railway's own SDK makes of .railway/railway.py, by service."""
    spec = importlib.util.spec_from_file_location("railway_services", ROOT / ".railway" / "railway.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    graph = module.main(create_railway_context(environment=environment)).to_graph()
    return {node["name"]: node for node in graph["resources"]}


@pytest.fixture(scope="module")
def services() -> dict[str, dict[str, Any]]:
    return services_in("production")


def test_staging_is_production_but_for_its_name_its_replicas_and_the_analysts_bill(
    services: dict[str, dict[str, Any]],
) -> None:
    staging = services_in("staging")
    assert set(staging) == set(services)
    assert staging["api"]["variables"]["ENVIRONMENT"] != services["api"]["variables"]["ENVIRONMENT"]
    assert staging["api"]["deploy"]["numReplicas"] == 1
    assert (
        staging["analyze"]["variables"]["AI_ANALYSIS_ENABLED"]
        != services["analyze"]["variables"]["AI_ANALYSIS_ENABLED"]
    )


def test_every_job_is_a_service_that_starts_at_its_time_and_is_not_restarted(
    services: dict[str, dict[str, Any]],
) -> None:
    scheduled = {name: node["deploy"] for name, node in services.items() if "cronSchedule" in node.get("deploy", {})}
    assert scheduled == {
        job.name: {
            "startCommand": f"python -m {job.function} {job.name}",
            "cronSchedule": job.cron,
            "restartPolicyType": "NEVER",
        }
        for job in implemented()
    }


def test_the_api_has_two_replicas_a_health_check_and_migrates_before_it_is_deployed(
    services: dict[str, dict[str, Any]],
) -> None:
    deploy = services["api"]["deploy"]
    assert deploy["numReplicas"] == 2
    assert deploy["healthcheckPath"] == "/health"
    assert deploy["preDeployCommand"] == ["alembic upgrade head"]
    assert [name for name, node in services.items() if "preDeployCommand" in node.get("deploy", {})] == ["api"]


def test_every_service_is_built_from_the_one_dockerfile(services: dict[str, dict[str, Any]]) -> None:
    ours = [node for node in services.values() if node["type"] == "service"]
    assert {(node["build"]["builder"], node["build"]["dockerfilePath"]) for node in ours} == {
        ("DOCKERFILE", "railway/Dockerfile")
    }
    assert (ROOT / "railway" / "Dockerfile").is_file()


def test_every_variable_of_a_service_is_one_that_it_reads_and_none_it_needs_is_missing(
    services: dict[str, dict[str, Any]],
) -> None:
    for name, node in services.items():
        if node["type"] == "service":
            function = node["deploy"]["startCommand"].split()[2]
            given = set(node["variables"])
            assert given <= variables(SETTINGS[function]), name
            assert given >= required(SETTINGS[function]), name


def test_every_secret_is_a_value_that_railway_keeps_or_a_reference_within_it(
    services: dict[str, dict[str, Any]],
) -> None:
    for name, node in services.items():
        if node["type"] == "service":
            secret = set(secret_names(SETTINGS[node["deploy"]["startCommand"].split()[2]]))
            for variable in secret & set(node["variables"]):
                value = node["variables"][variable]
                assert isinstance(value, dict), (name, variable)
                assert value["type"] != "literal", (name, variable)


def test_the_readme_tells_of_every_service() -> None:
    text = (ROOT / "railway" / "README.md").read_text()
    assert [name for name in services_in("production") if f"`{name}`" not in text] == []
