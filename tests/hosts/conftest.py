"""Venues that every host reads, and the environment that jobs are given."""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import pytest

from local.replay import make_app
from local.world import GeneratedWorld
from tests.conftest import NOW, served
from tests.hosts.hosting import clean_environment
from tests.hosts.on_lambda import Deploy, deployed


def reading(address: str) -> dict[str, str]:
    return {
        "KALSHI_BASE_URL": f"{address}/kalshi/trade-api/v2",
        "POLYMARKET_GAMMA_URL": f"{address}/polymarket/gamma",
        "POLYMARKET_CLOB_URL": f"{address}/polymarket/clob",
        "KALSHI_REQUESTS_PER_S": "1000",
        "POLYMARKET_REQUESTS_PER_S": "1000",
    }


@pytest.fixture(scope="session")
def venues() -> Iterator[dict[str, str]]:
    """Settings that point at a small replayed world."""
    with served(make_app(GeneratedWorld(1, 1), lambda: NOW)) as address:
        yield reading(address)


@pytest.fixture
def mute_venues() -> Iterator[dict[str, str]]:
    """Settings that point at venues which take a request and never answer."""
    with served(make_app(GeneratedWorld(1, 1), lambda: NOW)) as address:
        httpx.post(f"{address}/control", json={"venue": "all", "hang": 1}).raise_for_status()
        yield reading(address)


@pytest.fixture
def job_environment(database_url: str, venues: dict[str, str]) -> dict[str, str]:
    clock = {"CLOCK_START": NOW.isoformat(), "CLOCK_SPEED": "0"}
    return clean_environment(DATABASE_URL=database_url, AI_ANALYSIS_ENABLED="false") | clock | venues


@pytest.fixture
def deploy() -> Deploy:
    """deploy(function, environment): its built artefact and the layer in a container."""
    return deployed
