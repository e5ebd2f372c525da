"""The generated world as the replay serves it at one moment, asked without a network."""

from datetime import UTC, datetime
from functools import cache
from typing import Any

import httpx

from local.world import GeneratedWorld

NOW = datetime(2026, 11, 22, 12, 7, tzinfo=UTC)
KALSHI, GAMMA = "/kalshi/trade-api/v2", "/polymarket/gamma"


@cache
def world() -> GeneratedWorld:
    return GeneratedWorld(1, 400)


async def body(http: httpx.AsyncClient, path: str) -> Any:
    response = await http.get(path)
    assert response.status_code == 200, response.text
    return response.json()
