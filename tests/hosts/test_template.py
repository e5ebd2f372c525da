"""What AWS is told agrees with what the code says of itself."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.hosts.schedule import SETTINGS, implemented, required, variables
from tests.hosts.template import FUNCTIONS, read_template

LONGEST_LAMBDA_S = 900


def properties(function: str) -> dict[str, Any]:
    found: dict[str, Any] = read_template()["Resources"][FUNCTIONS[function]]["Properties"]
    return found


def as_unix_cron(expression: str) -> str:
    """`cron(0/15 * * * ? *)` -> `*/15 * * * *`; only for expressions that name no day of the week and no year."""
    minute, hour, day, month, weekday, year = expression.removeprefix("cron(").removesuffix(")").split()
    assert (weekday, year) == ("?", "*")
    return " ".join((minute.replace("0/", "*/") if minute.startswith("0/") else minute, hour, day, month, "*"))


def test_every_job_is_scheduled_at_its_time_in_its_function() -> None:
    scheduled = {
        (
            function,
            json.loads(event["Properties"]["Input"])["job"],
            as_unix_cron(event["Properties"]["ScheduleExpression"]),
        )
        for function in FUNCTIONS
        for event in properties(function)["Events"].values()
        if event["Type"] == "ScheduleV2"
    }
    assert scheduled == {(job.function, job.name, job.cron) for job in implemented()}


def test_every_schedule_is_in_utc() -> None:
    zones = [
        event["Properties"].get("ScheduleExpressionTimezone")
        for function in FUNCTIONS
        for event in properties(function)["Events"].values()
        if event["Type"] == "ScheduleV2"
    ]
    assert set(zones) == {"UTC"}


@pytest.mark.parametrize("function", FUNCTIONS)
def test_no_function_may_run_longer_than_the_longest_of_its_jobs(function: str) -> None:
    """A job with a shorter deadline keeps it by itself."""
    deadlines = [job.deadline_s for job in implemented() if job.function == function and job.deadline_s]
    assert properties(function)["Timeout"] <= min(LONGEST_LAMBDA_S, max(deadlines, default=LONGEST_LAMBDA_S))


@pytest.mark.parametrize("function", FUNCTIONS)
def test_every_variable_of_a_function_is_one_that_it_reads_and_none_it_needs_is_missing(function: str) -> None:
    shared = read_template()["Globals"]["Function"]["Environment"]["Variables"]
    given = set(shared) | set(properties(function)["Environment"]["Variables"])
    assert given <= variables(SETTINGS[function])
    assert given >= required(SETTINGS[function])


@pytest.mark.parametrize("function", FUNCTIONS)
def test_a_handler_is_the_one_of_its_own_package(function: str) -> None:
    assert properties(function)["Handler"] == f"{function}.handler.handler"
    assert (properties(function)["Runtime"], properties(function)["Architectures"]) == ("python3.13", ["arm64"])
