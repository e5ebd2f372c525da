"""The API over ASGI, with a clock to turn, a user of each tier, a real cache and a database to take away."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import httpx
import psycopg
import pytest
from fastapi import FastAPI
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict
from redis import Redis

from api.app import make_app
from api.credentials import make_token
from core import db
from core.models import Tier
from core.queries import accounts
from core.settings import ApiSettings
from local import upstash
from tests.conftest import NOW, ClientOf, served

SECRET = "a secret of thirty-two characters or more"
REST_TOKEN = "token-of-the-tests"
INSIGHTS = "/api/v1/insights/ai"


@dataclass(slots=True)
class Clock:
    now: datetime = NOW

    def __call__(self) -> datetime:
        return self.now


@dataclass(slots=True)
class Api:
    """One replica. `get` asks as a user of the tier."""

    app: FastAPI
    http: httpx.AsyncClient
    clock: Clock
    pool: db.Pool
    users: dict[Tier, str] = field(default_factory=dict)

    async def user(self, tier: Tier) -> str:
        if tier not in self.users:
            async with self.pool.acquire() as connection:
                self.users[tier] = await accounts.upsert_user(connection, f"{tier}@example.com", tier, NOW)
        return self.users[tier]

    async def signed_in(self, tier: Tier) -> dict[str, str]:
        return {"authorization": f"Bearer {make_token(await self.user(tier), SECRET, time.time(), 30)}"}

    async def get(self, tier: Tier, path: str = INSIGHTS, **query: str) -> httpx.Response:
        return await self.http.get(path, params=query, headers=await self.signed_in(tier))

    async def body(self, tier: Tier, **query: str) -> dict[str, Any]:
        answer = await self.get(tier, **query)
        assert answer.status_code == 200, answer.text
        body: dict[str, Any] = answer.json()
        return body

    async def titles(self, tier: Tier, **query: str) -> list[str]:
        return [insight["market_title"] for insight in (await self.body(tier, **query))["insights"]]


MakeApi = Callable[..., Awaitable[Api]]


@pytest.fixture(scope="session")
def rest_url(valkey_url: str) -> Iterator[str]:
    with served(upstash.make_app(valkey_url, REST_TOKEN)) as url:
        yield url


@pytest.fixture
def valkey(valkey_url: str) -> Iterator[Redis]:
    """The cache's own server, empty."""
    with Redis.from_url(valkey_url, decode_responses=True) as client:
        client.flushall()
        yield client


@pytest.fixture
async def make_api(database_url: str, rest_url: str, valkey: Redis, pool: db.Pool, client_of: ClientOf) -> MakeApi:
    """make_api(clock=None, **settings): a replica with the cache; give upstash_redis_rest_url=None for none."""

    async def make(clock: Clock | None = None, **overrides: Any) -> Api:
        settings: dict[str, Any] = {
            "database_url": database_url,
            "jwt_secret": SECRET,
            "upstash_redis_rest_url": rest_url,
            "upstash_redis_rest_token": REST_TOKEN,
            "cache_timeout_s": 10,
            "ready_s": 0,
        }
        clock = clock or Clock()
        app = make_app(ApiSettings(**(settings | overrides)), clock)
        return Api(app, await client_of(app), clock, pool)

    return make


@pytest.fixture
async def api(make_api: MakeApi) -> Api:
    return await make_api()


@contextmanager
def database_away(postgres_dsn: str, database_url: str) -> Iterator[None]:
    """Inside, the database has no connections and cannot be found."""
    name = str(conninfo_to_dict(database_url)["dbname"])

    def rename(old: str, new: str) -> None:
        with psycopg.connect(postgres_dsn, autocommit=True) as connection:
            connection.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", [old])
            connection.execute(sql.SQL("ALTER DATABASE {} RENAME TO {}").format(*map(sql.Identifier, (old, new))))

    rename(name, f"{name}_away")
    yield
    rename(f"{name}_away", name)


@asynccontextmanager
async def publication(pool: db.Pool, api: Api) -> AsyncIterator[db.Connection]:
    """What an analyze run does: writes in a transaction, then drops the groups."""
    async with pool.acquire() as connection, connection.transaction():
        yield connection
    await api.app.state.resources.cache.drop("insights", "arbitrage")
