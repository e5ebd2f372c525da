"""The functions as AWS Lambda runs them: built as template.yaml says, under Lambda's own runtime interface."""

from __future__ import annotations

import base64
from typing import Any

import pytest

from core.models import Tier
from tests.hosts import hosting
from tests.hosts.hosting import clean_environment
from tests.hosts.on_lambda import Deploy, needs_emulator
from tests.hosts.template import FUNCTIONS

pytestmark = needs_emulator


def test_a_schedule_runs_collect_twice_in_the_same_container(
    deploy: Deploy, job_environment: dict[str, str], database_url: str
) -> None:
    with deploy("collect", job_environment) as container:
        cold = container.invoke({"job": "collect"})
        warm = container.invoke({"job": "collect"})
    assert (cold["status"], warm["status"]) == ("ok", "ok"), (cold, warm)
    assert cold["summary"]["kalshi"]["snapshots"] > 0
    holders = hosting.rows(database_url, "SELECT split_part(holder, ':', 2) FROM job_runs WHERE status = 'ok'")
    assert len(holders) == 2
    assert len(set(holders)) == 1


@pytest.mark.long
def test_every_job_of_a_function_runs_by_its_name_in_one_container(
    deploy: Deploy, job_environment: dict[str, str]
) -> None:
    for function, jobs in (("collect", ("settle", "upkeep")), ("analyze", ("analyze", "digest", "analyze"))):
        with deploy(function, job_environment) as container:
            for job in jobs:
                answer = container.invoke({"job": job})
                assert (answer.get("job"), answer.get("status")) == (job, "ok"), answer


def test_a_job_that_is_running_elsewhere_is_no_error_for_lambda(
    deploy: Deploy, job_environment: dict[str, str], database_url: str
) -> None:
    hosting.hold_lease(database_url, "settle")
    with deploy("collect", job_environment) as container:
        assert container.invoke({"job": "settle"})["status"] == "overlap"


def test_a_job_ends_before_lambda_would_end_it_and_is_recorded(
    deploy: Deploy, job_environment: dict[str, str], mute_venues: dict[str, str], database_url: str
) -> None:
    with deploy("collect", job_environment | mute_venues, timeout_s=12) as container:
        answer = container.invoke({"job": "collect"})
    assert answer["errorType"] == "JobFailed"
    assert answer["errorMessage"].endswith("deadline of 1 s passed")
    assert hosting.runs(database_url) == [("collect", "failed")]


def test_an_unknown_job_is_an_error_that_names_the_known_ones(deploy: Deploy, job_environment: dict[str, str]) -> None:
    with deploy("collect", job_environment) as container:
        answer = container.invoke({"job": "digest"})
    assert answer["errorType"] == "UnknownJob"
    assert "backfill, collect, settle, upkeep" in answer["errorMessage"]


@pytest.mark.parametrize("function", FUNCTIONS)
@pytest.mark.parametrize(
    ("url", "fault"), [("", "Field required"), ("mysql://u:hunter2@h/db", "must start with postgresql://")]
)
def test_a_wrong_setting_fails_the_start_and_is_the_one_line_in_the_log(
    deploy: Deploy, function: str, url: str, fault: str
) -> None:
    with deploy(function, clean_environment(DATABASE_URL=url) | hosting.API | hosting.STRIPE) as container:
        assert container.post({}).status_code == 502
        said = container.server.said().splitlines()
    ours = [line for line in said if " (rapid) " not in line and not line.startswith("START RequestId: ")]
    assert ours == [f"environment: DATABASE_URL: {fault}"]
    assert any("Runtime exited with error: exit status 2" in line for line in said)
    assert not any("hunter2" in line for line in said)


def test_the_api_answers_an_http_api_cold_and_warm(deploy: Deploy, database_url: str) -> None:
    headers = hosting.tokens(database_url)
    insights = "/api/v1/insights/ai"
    with deploy("api", clean_environment(DATABASE_URL=database_url) | hosting.API) as container:
        for _ in range(2):
            health = container.request("GET", "/health")
            assert (health["statusCode"], health["body"]) == (200, '{"status":"ok"}')
        assert container.request("GET", insights)["statusCode"] == 401
        assert container.request("GET", insights, headers={"authorization": headers[Tier.FREE]})["statusCode"] == 403
        answer = container.request("GET", insights, headers={"authorization": headers[Tier.PRO]})
        assert answer["statusCode"] == 200
        assert '"refresh":"real-time"' in answer["body"]
        assert container.request("GET", "/")["headers"]["content-type"].startswith("text/html")


def test_a_browsers_preflight_is_answered_through_an_http_api(deploy: Deploy) -> None:
    page = "https://app.example"
    environment = clean_environment(DATABASE_URL="postgresql://nobody@127.0.0.1:1/nothing", CORS_ORIGINS=page)
    asked = {"origin": page, "access-control-request-method": "GET", "access-control-request-headers": "authorization"}
    with deploy("api", environment | hosting.API) as container:
        answer = container.request("OPTIONS", "/api/v1/insights/ai", headers=asked)
    assert answer["statusCode"] == 200
    assert answer["headers"]["access-control-allow-origin"] == page


def test_the_webhook_takes_signed_bodies_plain_and_in_base64(deploy: Deploy, database_url: str) -> None:
    with (
        hosting.paying(database_url) as payer,
        deploy("stripe_webhook", clean_environment(DATABASE_URL=database_url) | payer.environment) as container,
    ):

        def send(body: bytes, signed: str, **how: Any) -> dict[str, Any]:
            text = base64.b64encode(body).decode() if how else body.decode()
            headers = {"stripe-signature": signed, "content-type": "application/json"}
            return container.request("POST", "/stripe/webhook", headers=headers, body=text, **how)

        plain = payer.subscribe("premium")
        assert send(plain, hosting.signature(b"{}"))["statusCode"] == 400
        assert send(plain, hosting.signature(plain))["body"] == '{"status":"handled"}'
        assert hosting.tier_of_free_user(database_url) == "premium"
        encoded = payer.subscribe("pro")
        assert send(encoded, hosting.signature(encoded), is_base64=True)["body"] == '{"status":"handled"}'
        assert hosting.tier_of_free_user(database_url) == "pro"
