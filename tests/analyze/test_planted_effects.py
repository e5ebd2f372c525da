"""The base-rates job over stored history of generated worlds: what is planted after jumps is found with its sign, and
where nothing is planted nothing is proved. The worlds are judged once, by seeds of no other use."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta
from typing import Any
from uuid import uuid4

import numpy as np
import pytest

from analyze import base_rates
from bench.recall import seeds
from collect import backfill, sweep
from core import db
from core.cache import make_cache
from core.detect.rates import MIN_COUNT, Rate, measure
from core.detect.rates_moments import Moments, joined
from core.detect.rates_replay import hours_since_1970
from core.queries import rates
from core.runtime import JOBS, Run
from core.settings import AnalyzeSettings
from local import postgres
from local.replay import make_app
from local.world import Effects, GeneratedWorld
from tests.conftest import NOW, served

JUDGED = "oddwons effects 2026-11-26"
WORLDS = 3
pytestmark = [pytest.mark.long, pytest.mark.timeout(1_200)]

@pytest.fixture
def database(postgres_dsn: str, template: str) -> Iterator[Callable[[], str]]:
    """Makes empty databases, and drops them all at the end."""
    names: list[str] = []

    def make() -> str:
        names.append(f"effects_{uuid4().hex[:12]}")
        return postgres.create_database(postgres_dsn, names[-1], template)

    yield make
    for name in names:
        postgres.drop_database(postgres_dsn, name)


async def stored(url: str, world: GeneratedWorld) -> tuple[list[dict[str, Any]], Moments]:
    """The rates and the moments that the job stores of a world that was collected once, its past backfilled."""
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
        for job, work in (("collect", sweep.run), ("backfill", backfill.run)):
            await work(Run(JOBS[job], settings, pool, make_cache(settings), lambda: at, at))
        await base_rates.run(Run(JOBS["base-rates"], settings, pool, make_cache(settings), lambda: NOW, NOW))
        async with pool.acquire() as connection:
            found = [dict(row) for row in await connection.fetch("SELECT * FROM base_rates")]
            moments = await rates.read_moments(connection, NOW - timedelta(days=60), 60)
        await pool.close()
    return found, moments


async def worlds(database: Callable[[], str], effects: Effects, markets: int) -> tuple[list[list[dict[str, Any]]], list[Rate]]:
    """The job's cells of each world, and the cells of all their moments together: one has too few of most."""
    told, parts = [], []
    for number, seed in zip(range(WORLDS), seeds(JUDGED), strict=False):
        found, moments = await stored(database(), GeneratedWorld(seed % 2**31, markets, effects))
        told.append(found)
        cluster = np.array([f"{number} {name}" for name in moments.cluster], dtype=object)
        parts.append(replace(moments, cluster=cluster))
    return told, measure(joined(parts), hours_since_1970(NOW))


@pytest.mark.parametrize("share", [1.0, -1.0])
async def test_what_was_planted_after_jumps_is_found_with_its_sign(database: Callable[[], str], share: float) -> None:
    """A jump is taken back within 6 hours, or comes twice. price_jump takes the side against the move."""
    _, cells = await worlds(database, Effects(jump_reversion=share), 4_000)
    after = [c for c in cells if c.detector == "price_jump" and c.horizon in ("6h", "24h") and c.effective >= MIN_COUNT]
    told = [c.lift_move * share > 0 for c in after if c.lift_move is not None]
    proved = [c for c in cells if c.detector == "price_jump" and c.verdict != "unproven"]
    print(share, len(told), sum(told), [(c.category, c.band, c.horizon, c.n, c.verdict) for c in cells if c.verdict != "unproven"], [(c.detector, c.category, c.band, c.horizon, c.n, c.rate, c.lift_move) for c in after])
    assert len(told) >= 5
    assert np.mean(told) >= 0.9
    assert proved
    assert {c.verdict for c in proved} <= ({"edge", "lift"} if share > 0 else {"adverse"})


async def test_where_nothing_was_planted_intervals_hold_the_truth_and_nothing_is_proved(
    database: Callable[[], str],
) -> None:
    """The truth of a cell is its rate over all worlds, of each of which it is a part."""
    told, cells = await worlds(database, Effects(), 2_000)
    truth = {(c.detector, c.category, c.band, c.horizon): c.rate for c in cells}
    inside = [
        row["low"] <= truth[row["detector"], row["category"], row["band"], row["horizon"]] <= row["high"]
        for found in told
        for row in found
        if row["n"] >= 10
    ]
    print(len(inside), np.mean(inside), [(c.detector, c.category, c.verdict) for c in cells if c.verdict != "unproven"], [r["verdict"] for f in told for r in f if r["verdict"] != "unproven"])
    assert len(inside) >= 100
    assert np.mean(inside) >= 0.94
    assert not [row for found in told for row in found if row["verdict"] != "unproven"]
    assert not [cell for cell in cells if cell.verdict != "unproven"]
