"""Servers to talk to: the venue replay with its faults, and one that answers what a test tells it to."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from functools import cache
from typing import Any

import httpx
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from core.settings import CollectSettings
from local.replay import World, make_app
from local.world import GeneratedWorld
from tests.conftest import NOW, served

Answer = Callable[[Request], Response] | Callable[[Request], Awaitable[Response]]


@cache
def small_world() -> GeneratedWorld:
    return GeneratedWorld(1, 120)


@dataclass
class Replay:
    """Both venues over HTTP. `now` can be moved; `fail` sets faults, `heal` takes them back."""

    address: str = ""
    now: datetime = NOW

    def fail(self, venue: str = "all", **faults: object) -> None:
        httpx.post(f"{self.address}/control", json={"venue": venue, **faults}).raise_for_status()

    def heal(self) -> None:
        self.fail(down=False, rate_429=0, latency_s=0, garbage=0, truncate=0, hang=0, orderbook_401=False)

    def faults(self) -> dict[str, Any]:
        """What each venue was told to do wrong, and under `done` how often it did."""
        body: dict[str, Any] = httpx.get(f"{self.address}/control").json()
        return body

    def inventory(self) -> dict[str, Any]:
        body: dict[str, Any] = httpx.get(f"{self.address}/control/inventory").json()
        return body

    @property
    def settings(self) -> dict[str, Any]:
        return venue_settings(f"{self.address}/kalshi/trade-api/v2", f"{self.address}/polymarket")


def venue_settings(kalshi: str, polymarket: str) -> dict[str, Any]:
    return {
        "kalshi_base_url": kalshi,
        "polymarket_gamma_url": f"{polymarket}/gamma",
        "polymarket_clob_url": f"{polymarket}/clob",
        "kalshi_requests_per_s": 1_000,
        "polymarket_requests_per_s": 1_000,
        "http_attempts": 2,
        "http_timeout_s": 5,
    }


@contextmanager
def replaying(world: World) -> Iterator[Replay]:
    replay = Replay()
    with served(make_app(world, lambda: replay.now)) as replay.address:
        yield replay


@dataclass
class Told:
    """A server that answers with `answer(request)`, at every path, and remembers what it was asked."""

    answer: Answer
    address: str = ""
    asked: list[str] = field(default_factory=list)

    @property
    def settings(self) -> dict[str, Any]:
        return venue_settings(f"{self.address}/kalshi", f"{self.address}/polymarket")


@contextmanager
def telling(answer: Answer) -> Iterator[Told]:
    told = Told(answer)

    async def endpoint(request: Request) -> Response:
        told.asked.append(f"{request.scope['raw_path'].decode()}?{request.url.query}")
        said = told.answer(request)
        return said if isinstance(said, Response) else await said

    app = Starlette(routes=[Route("/{path:path}", endpoint, methods=["GET", "POST"])])
    with served(app) as told.address:
        yield told


def bodies_in_turn(*bodies: Any) -> Callable[[Request], Response]:
    """Each request gets the next body; the last one is repeated for ever."""
    left = list(bodies)

    def answer(_: Request) -> Response:
        body = left.pop(0) if len(left) > 1 else left[0]
        return body if isinstance(body, Response) else JSONResponse(body)

    return answer


def collect_settings(**settings: Any) -> CollectSettings:
    return CollectSettings(**({"database_url": "postgresql://nobody@localhost/none"} | settings))
