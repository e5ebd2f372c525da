"""Secrets on Lambda come out of SSM's Parameter Store: those that the function's settings name."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import boto3
import httpx
import pytest
from moto.server import ThreadedMotoServer

from tests.hosts import hosting
from tests.hosts.hosting import clean_environment
from tests.hosts.on_lambda import Deploy, needs_emulator

pytestmark = needs_emulator
PATH = "/oddwons/tests"


@pytest.fixture
def aws() -> Iterator[str]:
    server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    httpx.post("http://{}:{}/moto-api/reset".format(*server.get_host_and_port())).raise_for_status()
    yield "http://{}:{}".format(*server.get_host_and_port())
    server.stop()


@pytest.fixture
def store(aws: str) -> Any:
    return boto3.client("ssm", "eu-west-1", endpoint_url=aws, aws_access_key_id="x", aws_secret_access_key="x")


def environment(aws: str, **more: str) -> dict[str, str]:
    return clean_environment(SECRETS_PATH=PATH, AWS_ENDPOINT_URL_SSM=aws, **more)


def put(store: Any, **secrets: str) -> None:
    for name, value in secrets.items():
        store.put_parameter(Name=f"{PATH}/{name}", Value=value, Type="SecureString")


def test_a_function_serves_with_secrets_out_of_the_store(
    deploy: Deploy, aws: str, store: Any, database_url: str
) -> None:
    put(store, DATABASE_URL=database_url, **hosting.API)
    with deploy("api", environment(aws)) as container:
        assert container.request("GET", "/health")["statusCode"] == 200


def test_the_store_wins_over_the_environment(deploy: Deploy, aws: str, store: Any, database_url: str) -> None:
    put(store, DATABASE_URL=database_url, **hosting.API)
    elsewhere = "postgresql://nobody@127.0.0.1:1/nothing"
    with deploy("api", environment(aws, DATABASE_URL=elsewhere)) as container:
        assert container.request("GET", "/health")["statusCode"] == 200


def test_a_secret_that_is_not_stored_is_a_missing_setting(deploy: Deploy, aws: str, store: Any) -> None:
    put(store, **hosting.API)
    with deploy("api", environment(aws)) as container:
        container.post({})
        assert "environment: DATABASE_URL: Field required\n" in container.server.said(), container.server.said()


def test_a_store_that_does_not_answer_ends_the_start_in_one_line(deploy: Deploy) -> None:
    with deploy("api", environment("http://127.0.0.1:1")) as container:
        container.post({})
        said = container.server.said()
    assert f"SECRETS_PATH {PATH}: " in said
    assert "Traceback" not in said
    assert "Runtime exited with error: exit status 2" in said
