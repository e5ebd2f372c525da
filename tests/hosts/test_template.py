"""What AWS is told agrees with what the code says of itself."""

from __future__ import annotations

import json
from typing import Any

import pytest

from aws.secrets import secret_names
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
    secret = set(secret_names(SETTINGS[function]))
    assert given - {"SECRETS_PATH", "SECRETS_FROM"} <= variables(SETTINGS[function]) - secret
    assert given | secret >= required(SETTINGS[function])


@pytest.mark.parametrize("function", FUNCTIONS)
def test_a_function_may_read_the_secrets_that_it_asks_for_and_do_nothing_else(function: str) -> None:
    (policy,) = properties(function)["Policies"]
    parameters, secrets, *others = policy["Statement"]
    for statement, action, form in (
        (parameters, "ssm:GetParameters", "ssm:{}:parameter${{SecretsPath}}/{}"),
        (secrets, "secretsmanager:GetSecretValue", "secretsmanager:{}:secret:${{SecretsPath}}/{}-??????"),
    ):
        assert (statement["Effect"], statement["Action"]) == ("Allow", action)
        named = [
            "arn:${AWS::Partition}:" + form.format("${AWS::Region}:${AWS::AccountId}", name)
            for name in secret_names(SETTINGS[function])
        ]
        assert [resource["Fn::Sub"] for resource in statement["Resource"]] == named
    if function == "analyze":
        (queue,) = others
        assert queue["Resource"] == {"Fn::GetAtt": ["Candidates", "Arn"]}
        assert all(action.startswith("sqs:") for action in queue["Action"])
    else:
        assert others == []


def test_candidates_are_tried_again_no_two_workers_get_one_at_once_and_what_fails_is_kept_and_told() -> None:
    resources = read_template()["Resources"]
    queue, mapping = resources["Candidates"]["Properties"], resources["CandidatesToAnalyze"]["Properties"]
    assert queue["VisibilityTimeout"] >= properties("analyze")["Timeout"]
    assert queue["RedrivePolicy"]["deadLetterTargetArn"] == {"Fn::GetAtt": ["DeadCandidates", "Arn"]}
    # What is thrown away because it is old never reaches the queue for what failed.
    assert queue["MessageRetentionPeriod"] > queue["RedrivePolicy"]["maxReceiveCount"] * queue["VisibilityTimeout"]
    assert mapping["FunctionResponseTypes"] == ["ReportBatchItemFailures"]
    assert mapping["ScalingConfig"] == {"MaximumConcurrency": {"Ref": "AnalyzeWorkers"}}
    watched = {
        json.dumps(resource["Properties"]["Dimensions"][0]["Value"])
        for resource in resources.values()
        if resource["Type"] == "AWS::CloudWatch::Alarm" and resource["Properties"]["Namespace"] == "AWS/SQS"
    }
    queues = [name for name, resource in resources.items() if resource["Type"] == "AWS::SQS::Queue"]
    assert watched == {json.dumps({"Fn::GetAtt": [name, "QueueName"]}) for name in queues}


@pytest.mark.parametrize("function", FUNCTIONS)
def test_a_schedule_tries_again_and_what_is_lost_is_kept(function: str) -> None:
    kept = {"Fn::GetAtt": ["DeadLetters", "Arn"]}
    for event in properties(function)["Events"].values():
        if event["Type"] == "ScheduleV2":
            assert event["Properties"]["RetryPolicy"]["MaximumRetryAttempts"] > 0
            assert event["Properties"]["DeadLetterConfig"] == {"Arn": kept}
    shared = read_template()["Globals"]["Function"]
    assert shared["DeadLetterQueue"] == {"Type": "SQS", "TargetArn": kept}
    assert shared["Tracing"] == "Active"


def test_every_job_that_is_missed_every_function_that_fails_and_lost_runs_raise_an_alarm() -> None:
    alarms = [
        resource["Properties"]
        for resource in read_template()["Resources"].values()
        if resource["Type"] == "AWS::CloudWatch::Alarm"
    ]
    assert all("Alarms" in json.dumps(alarm["AlarmActions"]) for alarm in alarms)
    missed = {alarm["Dimensions"][0]["Value"]: alarm for alarm in alarms if alarm["MetricName"] == "JobOk"}
    assert set(missed) == {job.name for job in implemented()}
    assert {alarm["TreatMissingData"] for alarm in missed.values()} == {"breaching"}
    failing = {json.dumps(alarm["Dimensions"][0]["Value"]) for alarm in alarms if alarm["MetricName"] == "Errors"}
    assert failing == {json.dumps({"Ref": logical_id}) for logical_id in FUNCTIONS.values()}
    assert {"ApproximateNumberOfMessagesVisible", "5xx"} <= {alarm["MetricName"] for alarm in alarms}


def test_logs_and_lost_runs_are_kept_for_a_bounded_time() -> None:
    resources = read_template()["Resources"]
    assert resources["Logs"]["Properties"]["RetentionInDays"] == {"Ref": "LogDays"}
    assert resources["DeadLetters"]["Properties"]["MessageRetentionPeriod"] <= 14 * 86_400


def test_no_parameter_of_the_stack_is_a_secret() -> None:
    secret = {name.replace("_", "").lower() for settings in SETTINGS.values() for name in secret_names(settings)}
    assert secret & {name.lower() for name in read_template()["Parameters"]} == set()


@pytest.mark.parametrize("function", FUNCTIONS)
def test_a_handler_is_the_one_of_its_own_package(function: str) -> None:
    assert properties(function)["Handler"] == f"{function}.handler.handler"
    assert (properties(function)["Runtime"], properties(function)["Architectures"]) == (
        "python3.13",
        [{"Ref": "Architecture"}],
    )
