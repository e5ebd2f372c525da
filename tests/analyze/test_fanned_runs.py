"""Whole runs with a queue and workers: what subscribers see and the operator counts is what a run alone would tell."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest

from analyze import fanning, pipeline
from core import db
from core.cache import make_cache
from core.queries.rates import open_funnels
from core.runtime import JOBS, Run
from core.settings import AnalyzeSettings
from local import postgres
from tests.analyze.conftest import NOW, MakeRun, Outside, rows
from tests.analyze.queueing import Queue, work

pytestmark = pytest.mark.usefixtures("collected")

FUNNELS = "SELECT markets, detected, scored, selected, analyzed, published, dropped FROM analysis_funnels ORDER BY at"
INSIGHTS = """
SELECT platform, market_id, pattern_type, ai_recommendation, one_liner, reasoning, suggested_position, evidence
FROM ai_insights ORDER BY platform, market_id
"""
DEEP = "SELECT platform, market_id FROM analyses WHERE user_id IS NULL ORDER BY platform, market_id"


@pytest.fixture
def another_database(postgres_dsn: str, collected: str) -> Iterator[str]:
    name = f"test_{uuid4().hex}"
    yield postgres.create_database(postgres_dsn, name, collected)
    postgres.drop_database(postgres_dsn, name)


def settings_of(outside: Outside, queue: Queue, **more: Any) -> dict[str, Any]:
    frozen = {"clock_start": NOW, "clock_speed": 0, "analyze_queue_url": queue.url}
    return outside.settings() | frozen | {"ai_deep_per_run": 3, "ai_bundles_per_run": 0} | more


async def told(run: Run[AnalyzeSettings]) -> dict[str, Any]:
    return {query: await rows(run, query) for query in (FUNNELS, INSIGHTS, DEEP)}


async def later(run: Run[AnalyzeSettings], minutes: int) -> Run[AnalyzeSettings]:
    """A run that finds the venues just read, and nothing changed."""
    at = run.now + timedelta(minutes=minutes)
    await rows(run, "UPDATE venue_sweeps SET swept_at = $1", at)
    return replace(run, now=at, clock=lambda: at)


async def test_with_workers_the_funnel_the_insights_and_the_deep_analyses_are_those_of_a_run_alone(
    make_run: MakeRun, database_url: str, another_database: str, outside: Outside, queue: Queue
) -> None:
    settings = settings_of(outside, queue)
    chosen = AnalyzeSettings(database_url=another_database, **settings)
    pool = await db.make_pool(chosen)
    alone = Run(JOBS["analyze"], chosen, pool, make_cache(chosen), lambda: NOW, NOW)
    await pipeline.run(alone)
    expected = await told(alone)
    await pool.close()

    run = await make_run("analyze", NOW, **settings)
    said = await fanning.run(run)
    bodies = queue.taken()
    assert len(bodies) == said["insights"]["not_published"]["with the workers"] == said["funnel"]["selected"] > 3
    assert await rows(run, DEEP) == [], "the best are not known yet"
    assert await work(bodies[:2], database_url, settings) == {}
    (midway,) = await rows(run, FUNNELS)
    assert midway["dropped"]["with the workers"] == len(bodies)
    assert await work(bodies[2:], database_url, settings) == {}
    assert await told(run) == expected
    assert len(expected[DEEP]) == 3
    assert await work(bodies, database_url, settings) == {}
    assert await told(run) == expected, "counted once"


async def test_workers_that_are_done_before_the_run_leave_its_books_to_the_run(
    make_run: MakeRun, database_url: str, outside: Outside, queue: Queue
) -> None:
    settings = settings_of(outside, queue)
    run = await make_run("analyze", NOW, **settings)

    async def hand_over_and_wait(*given: Any) -> dict[str, Any]:
        said = await fanning.hand_over(*given)
        assert await work(queue.taken(), database_url, settings) == {}
        return said

    await pipeline.run(run, explain=hand_over_and_wait)
    async with run.transaction() as connection:
        assert await open_funnels(connection, pipeline.WITH_WORKERS) == [NOW]
    await fanning._close(run, NOW)
    (funnel,) = await rows(run, FUNNELS)
    assert funnel["published"] == len(await rows(run, INSIGHTS)) > 0
    assert len(await rows(run, DEEP)) == 3


async def test_what_waits_in_the_queue_is_not_selected_again_and_given_up_when_it_is_too_old(
    make_run: MakeRun, database_url: str, outside: Outside, queue: Queue
) -> None:
    settings = settings_of(outside, queue, max_quote_age_s=1_500)
    first = await make_run("analyze", NOW, **settings)
    selected = (await fanning.run(first))["funnel"]["selected"]
    soon = await later(first, 15)
    again = (await fanning.run(soon))["funnel"]
    assert again["dropped"]["still with the workers"] >= selected > 0
    handed = await rows(soon, "SELECT platform, market_id FROM analysis_tasks")
    assert len(handed) == len({tuple(row.values()) for row in handed}), "no market twice"

    late = await later(first, 30)
    await fanning.run(late)
    (books, *_) = await rows(late, FUNNELS)
    assert (books["published"], books["dropped"]["its quote is too old"]) == (0, selected)
    assert "with the workers" not in books["dropped"]


async def test_a_market_that_has_an_insight_meanwhile_is_not_counted_as_asked_about(
    make_run: MakeRun, database_url: str, outside: Outside, queue: Queue
) -> None:
    settings = settings_of(outside, queue)
    run = await make_run("analyze", NOW, **settings)
    selected = (await fanning.run(run))["funnel"]["selected"]
    bodies = queue.taken()
    assert await work(bodies, database_url, settings) == {}
    published = len(await rows(run, INSIGHTS))
    await rows(run, "UPDATE analysis_tasks SET ended_at = NULL, outcome = NULL, free_at = now()")
    await rows(run, "UPDATE analysis_funnels SET dropped = jsonb_build_object('with the workers', 1)")
    asked = len(outside.calls())
    assert await work(bodies, database_url, settings) == {}
    (funnel,) = await rows(run, FUNNELS)
    assert len(outside.calls()) == asked
    assert funnel["dropped"]["insight still alive"] == published > 0
    assert (funnel["analyzed"], funnel["published"]) == (0, 0)
    assert sum(funnel["dropped"].values()) == selected


async def test_a_queue_that_is_away_keeps_nobody_from_asking_about_opportunities(
    make_run: MakeRun, outside: Outside, queue: Queue
) -> None:
    none = f"{queue.endpoint}/123456789012/none"
    run = await make_run("analyze", NOW, **settings_of(outside, queue, analyze_queue_url=none, ai_bundles_per_run=20))
    said = await fanning.run(run)
    assert set(said["insights"]["not_published"]) == {"left for the next run"}
    assert said["arbitrage"]["published"] > 0
    assert said["bundles"]["analysed"] > 0
