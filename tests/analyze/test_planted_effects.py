"""The base-rates job over stored history of generated worlds: what is planted after jumps is found with its sign, and
where nothing is planted nothing is proved. The worlds are judged once, by seeds of no other use."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Iterator, Sequence
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest

from analyze import base_rates
from collect import backfill, sweep
from core import db
from core.cache import make_cache
from core.detect.rates import MIN_COUNT
from core.runtime import JOBS, Run
from core.settings import AnalyzeSettings
from local import postgres
from local.replay import make_app
from local.world import Effects, GeneratedWorld
from tests.conftest import NOW, served

pytestmark = [pytest.mark.long, pytest.mark.timeout(1_200)]

Rows = Sequence[dict[str, Any]]


@pytest.fixture
def database(postgres_dsn: str, template: str) -> Iterator[Any]:
    """Makes empty databases, and drops them all at the end."""
    names: list[str] = []

    def make() -> str:
        names.append(f"effects_{uuid4().hex[:12]}")
        return postgres.create_database(postgres_dsn, names[-1], template)

    yield make
    for name in names:
        postgres.drop_database(postgres_dsn, name)


async def measured(url: str, world: GeneratedWorld) -> Rows:
    """What the job stores of a world that was collected once, and whose past was backfilled."""
    with served(make_app(world, lambda: NOW)) as venues:
        settings = AnalyzeSettings(
            database_url=url,
            kalshi_base_url=f"{venues}/kalshi/trade-api/v2",
            polymarket_gamma_url=f"{venues}/polymarket/gamma",
            polymarket_clob_url=f"{venues}/polymarket/clob",
            kalshi_requests_per_s=1_000,
            polymarket_requests_per_s=1_000,
        )
        pool = await db.make_pool(settings)
        at = NOW - timedelta(minutes=10)
        for job, work in (("collect", sweep.run), ("backfill", backfill.run), ("base-rates", base_rates.run)):
            now = NOW if job == "base-rates" else at
            await work(Run(JOBS[job], settings, pool, make_cache(settings), lambda now=now: now, now))
        async with pool.acquire() as connection:
            found = await connection.fetch("SELECT * FROM base_rates ORDER BY detector, category, band, horizon")
        await pool.close()
    return [dict(row) for row in found]
