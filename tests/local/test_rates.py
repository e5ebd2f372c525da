"""The replay command: a table and a chart of stored history, and one clear line where there is none."""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree
from datetime import timedelta

import pytest

from collect import backfill, sweep
from core import db
from core.cache import make_cache
from core.detect.rates_moments import CONTROL
from core.runtime import JOBS, Run
from core.settings import AnalyzeSettings
from local.kit import KitError
from local.rates import replayed, show
from local.rates_chart import chart
from local.replay import make_app
from local.world import GeneratedWorld
from tests.conftest import NOW, served
from tests.core.agent.making import make_rate


def texts(svg: str) -> list[str]:
    return [node.text or "" for node in ElementTree.fromstring(svg).iter("{http://www.w3.org/2000/svg}text")]


def test_the_chart_shows_each_cell_with_its_verdict_the_proved_first() -> None:
    cells = [make_rate(n=n, category=f"<{n}> & co") for n in (50, 90)]
    told = texts(chart([*cells, make_rate(n=40, verdict="edge", why="", category="Crypto")]))
    names = [text for text in told if "price_jump" in text]
    assert names == [f"price_jump · {name} · 30–70¢ · 24h" for name in ("Crypto", "<90> & co", "<50> & co")]
    assert "n 40 · edge" in told


def test_a_chart_without_any_cell_says_why() -> None:
    assert "No cell has 30 independent setups yet: unproven" in texts(chart([make_rate(effective=3.0)]))


@pytest.fixture
async def filled(database_url: str) -> str:
    with served(make_app(GeneratedWorld(3, 80), lambda: NOW)) as url:
        settings = AnalyzeSettings(
            database_url=database_url,
            kalshi_base_url=f"{url}/kalshi/trade-api/v2",
            polymarket_gamma_url=f"{url}/polymarket/gamma",
            polymarket_clob_url=f"{url}/polymarket/clob",
            kalshi_requests_per_s=1_000,
            polymarket_requests_per_s=1_000,
        )
        pool = await db.make_pool(settings)
        at = NOW - timedelta(minutes=10)
        for job, work in (("collect", sweep.run), ("backfill", backfill.run)):
            await work(Run(JOBS[job], settings, pool, make_cache(settings), lambda: at, at))
        await pool.close()
    return database_url


async def test_stored_history_becomes_a_table_and_nothing_is_stored(
    filled: str, capsys: pytest.CaptureFixture[str]
) -> None:
    measured, moments = await replayed(filled, NOW, 29)
    assert measured
    assert (moments.detector == CONTROL).any()
    show(measured, moments, everything=True)
    told = capsys.readouterr().out
    assert "price_jump" in told
    assert "unproven" in told
    pool = await db.make_pool(AnalyzeSettings(database_url=filled))
    async with pool.acquire() as connection:
        assert await connection.fetchval("SELECT count(*) FROM rate_moments") == 0
        assert await connection.fetchval("SELECT count(*) FROM base_rates") == 0
    await pool.close()


async def test_without_history_one_line_says_so(database_url: str) -> None:
    with pytest.raises(KitError, match="no history in this database yet"):
        await replayed(database_url, NOW, 29)
