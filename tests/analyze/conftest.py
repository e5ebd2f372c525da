"""Venues and analyst over HTTP, and a database that one collect and one backfill of the generated world have filled."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import httpx
import pytest

from collect import backfill, sweep
from core import db
from core.cache import make_cache
from core.runtime import JOBS, Run
from core.settings import AnalyzeSettings
from local import postgres
from local.groq import make_app as make_groq
from local.replay import make_app as make_venues
from local.world import GeneratedWorld
from tests.analyze.queueing import Groq, Queue, analyst, aws, queues
from tests.conftest import served

KEY = "gsk_a_secret_of_the_operator"
NOW = datetime(2026, 11, 22, 13, 5, tzinfo=UTC)

MakeRun = Callable[..., Awaitable[Run[AnalyzeSettings]]]


class Outside:
    """The addresses of what is not ours, and the handles to make it fail."""

    def __init__(self, venues: str, groq: str) -> None:
        self.venues = venues
        self.groq = groq

    def settings(self) -> dict[str, Any]:
        return {
            "kalshi_base_url": f"{self.venues}/kalshi/trade-api/v2",
            "polymarket_gamma_url": f"{self.venues}/polymarket/gamma",
            "polymarket_clob_url": f"{self.venues}/polymarket/clob",
            "kalshi_requests_per_s": 1_000,
            "polymarket_requests_per_s": 1_000,
            "http_attempts": 1,
            "groq_base_url": self.groq,
            "groq_api_key": KEY,
        }

    def plan_groq(self, **plan: Any) -> None:
        assert httpx.post(f"{self.groq}/control", json=plan).status_code == 200

    def plan_venues(self, **plan: Any) -> None:
        assert httpx.post(f"{self.venues}/control", json=plan).status_code == 200

    def calls(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = httpx.get(f"{self.groq}/control/calls").json()["calls"]
        return found


@pytest.fixture(scope="session")
def venues() -> Iterator[str]:
    with served(make_venues(GeneratedWorld(1, 160), lambda: NOW)) as url:
        yield url


@pytest.fixture
def outside(venues: str) -> Iterator[Outside]:
    with served(make_groq(api_key=KEY)) as groq:
        outside = Outside(venues, groq)
        yield outside
    outside.plan_venues(venue="all", down=False, latency_s=0, garbage=0, truncate=0, orderbook_401=False)


@pytest.fixture(scope="session")
def collected(postgres_dsn: str, template: str, venues: str) -> Iterator[str]:
    """The name of a database to copy: the world as it was ten minutes before NOW, with its past."""
    name = f"collected_{uuid4().hex[:12]}"
    url = postgres.create_database(postgres_dsn, name, template)

    async def fill() -> None:
        settings = AnalyzeSettings(database_url=url, **Outside(venues, "").settings())
        pool = await db.make_pool(settings)
        at = NOW - timedelta(minutes=10)
        for job, work in (("collect", sweep.run), ("backfill", backfill.run)):
            await work(Run(JOBS[job], settings, pool, make_cache(settings), lambda: at, at))
        await pool.close()

    asyncio.run(fill())
    yield name
    postgres.drop_database(postgres_dsn, name)


@pytest.fixture
def database_url(request: pytest.FixtureRequest, postgres_dsn: str, template: str) -> Iterator[str]:
    """This test's own database: the collected world for those that use `collected`, else empty."""
    source = request.getfixturevalue("collected") if "collected" in request.fixturenames else template
    name = f"test_{uuid4().hex}"
    yield postgres.create_database(postgres_dsn, name, source)
    postgres.drop_database(postgres_dsn, name)


@pytest.fixture
def groq() -> Iterator[Groq]:
    with analyst() as groq:
        yield groq


@pytest.fixture
def queue(monkeypatch: pytest.MonkeyPatch) -> Iterator[Queue]:
    with queues() as queue:
        for name, value in aws(queue.endpoint).items():
            monkeypatch.setenv(name, value)
        yield queue


async def rows(run: Run[AnalyzeSettings], query: str, *arguments: object) -> list[dict[str, Any]]:
    async with run.transaction() as connection:
        return [dict(row) for row in await connection.fetch(query, *arguments)]
