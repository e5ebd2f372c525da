"""Secrets on Lambda come out of SSM's Parameter Store or Secrets Manager: those that the function's settings name."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, cast

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


class Store:
    """Either of the two, with a key and a region of the tests."""

    def __init__(self, kind: str, endpoint: str) -> None:
        self.kind = kind
        self.client: Any = boto3.client(
            cast("Any", kind), "eu-west-1", endpoint_url=endpoint, aws_access_key_id="x", aws_secret_access_key="x"
        )

    def put(self, **secrets: str) -> None:
        for name, value in secrets.items():
            if self.kind == "ssm":
                self.client.put_parameter(Name=f"{PATH}/{name}", Value=value, Type="SecureString")
            else:
                self.client.create_secret(Name=f"{PATH}/{name}", SecretString=value)


@pytest.fixture(params=["ssm", "secretsmanager"])
def store(request: pytest.FixtureRequest, aws: str) -> Store:
    return Store(request.param, aws)


def environment(store: str, aws: str, **more: str) -> dict[str, str]:
    address = {f"AWS_ENDPOINT_URL_{'SSM' if store == 'ssm' else 'SECRETS_MANAGER'}": aws}
    return clean_environment(SECRETS_PATH=PATH, SECRETS_FROM=store, **address, **more)


def test_a_function_serves_with_secrets_out_of_the_store(
    deploy: Deploy, aws: str, store: Store, database_url: str
) -> None:
    store.put(DATABASE_URL=database_url, **hosting.API)
    with deploy("api", environment(store.kind, aws)) as container:
        assert container.request("GET", "/health")["statusCode"] == 200


def test_the_store_wins_over_the_environment(deploy: Deploy, aws: str, store: Store, database_url: str) -> None:
    store.put(DATABASE_URL=database_url, **hosting.API)
    elsewhere = "postgresql://nobody@127.0.0.1:1/nothing"
    with deploy("api", environment(store.kind, aws, DATABASE_URL=elsewhere)) as container:
        assert container.request("GET", "/health")["statusCode"] == 200


def test_a_secret_that_is_not_stored_is_a_missing_setting(deploy: Deploy, aws: str, store: Store) -> None:
    store.put(**hosting.API)
    with deploy("api", environment(store.kind, aws)) as container:
        container.post({})
        assert "environment: DATABASE_URL: Field required\n" in container.server.said(), container.server.said()


@pytest.mark.parametrize("kind", ["ssm", "secretsmanager"])
def test_a_store_that_does_not_answer_ends_the_start_in_one_line(deploy: Deploy, kind: str) -> None:
    with deploy("api", environment(kind, "http://127.0.0.1:1")) as container:
        container.post({})
        said = container.server.said()
    assert f"SECRETS_PATH {PATH}: " in said
    assert "Traceback" not in said
    assert "Runtime exited with error: exit status 2" in said
