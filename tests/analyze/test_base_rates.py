"""The base-rates job: what it replays, what it does not do twice, and what a run of the pipeline makes of it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import numpy as np
import pytest

from analyze import base_rates, pipeline
from analyze.jobs import WORK
from core.detect.detectors import OVER_TIME
from core.detect.longshots import SettledRates
from core.detect.rates import VERSION
from core.detect.rates_settled import BANDS, HORIZONS_H
from core.queries import rates
from core.queries.settled_rates import insert_settled_rates, latest_settled_rates
from core.runtime import Run, run_job
from core.settings import AnalyzeSettings
from tests.analyze.conftest import NOW, MakeRun, Outside, rows
from tests.core.agent.making import make_rate

pytestmark = pytest.mark.usefixtures("collected")

MOMENTS = "SELECT * FROM rate_moments ORDER BY at, number, detector"


async def test_a_run_in_pieces_stores_what_one_run_stores(
    make_run: MakeRun, outside: Outside, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = await make_run("base-rates", NOW)
    summary = await base_rates.run(run)
    whole = await rows(run, MOMENTS)
    assert summary["moments"]["kept"] == summary["moments"]["found"] == len(whole) > 0
    assert (summary["hours_left"], summary["version"]) == (0, VERSION)

    again = await base_rates.run(run)
    assert (again["hours_replayed"], again["moments"]["found"]) == (0, 0)
    assert await rows(run, MOMENTS) == whole

    async with run.transaction() as connection:
        await connection.execute("TRUNCATE rate_moments, rate_progress")
    monkeypatch.setattr(base_rates, "CHUNK_H", 17)
    early = await make_run("base-rates", NOW - timedelta(hours=50))
    first = await base_rates.run(early)
    second = await base_rates.run(run)
    assert first["hours_replayed"] + second["hours_replayed"] == summary["hours_replayed"]
    assert await rows(run, MOMENTS) == whole


async def test_out_of_time_a_run_measures_what_it_has_and_leaves_the_rest(
    make_run: MakeRun, outside: Outside, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(base_rates, "_REPLAYING", 0.0)
    run = await make_run("base-rates", NOW)
    summary = await base_rates.run(run)
    assert summary["hours_replayed"] == 0
    assert summary["hours_left"] > 0


async def test_rates_are_stored_with_their_time_and_version(make_run: MakeRun, outside: Outside) -> None:
    run = await make_run("base-rates", NOW)
    summary = await base_rates.run(run)
    stored = await rows(run, "SELECT * FROM base_rates")
    assert len(stored) == sum(summary["cells"].values()) > 0
    assert {(row["version"], row["as_of"]) for row in stored} == {(VERSION, NOW)}
    assert all(row["low"] <= row["rate"] <= row["high"] for row in stored)
    assert {row["verdict"] for row in stored if row["effective"] < 30} == {"unproven"}
    # the end of a market that was backfilled, as it was told then, is in no venue's history
    assert "settlement" not in {row["horizon"] for row in stored}


async def test_what_a_venues_history_lacks_is_in_no_cell(make_run: MakeRun, outside: Outside) -> None:
    run = await make_run("base-rates", NOW)
    await base_rates.run(run)
    spoken = {row["detector"] for row in await rows(run, "SELECT DISTINCT detector FROM base_rates")}
    assert "sum_mismatch" not in spoken  # no quotes
    known = await rows(
        run,
        "SELECT DISTINCT m.platform FROM rate_moments r JOIN markets m USING (number) WHERE detector = 'volume_spike'",
    )
    assert [row["platform"] for row in known] == ["kalshi"]  # no volume of Polymarket


async def test_the_job_runs_by_its_name(outside: Outside, database_url: str, make_run: MakeRun) -> None:
    settings = AnalyzeSettings(database_url=database_url, clock_start=NOW, clock_speed=0)
    summary = await run_job("base-rates", WORK, settings)
    (record,) = await rows(await make_run("analyze", NOW), "SELECT * FROM job_runs")
    assert record["summary"] == summary


async def stored(run: Run[AnalyzeSettings], change: Mapping[str, Any], cells: list[tuple[str, str, int]]) -> None:
    found = [make_rate(detector=d, category=c, band=b, **change) for d, c, b in dict.fromkeys(cells)]
    async with run.transaction() as connection:
        await rates.insert_rates(connection, found, run.now - timedelta(hours=1))


async def every_cell(run: Run[AnalyzeSettings]) -> list[tuple[str, str, int]]:
    others = ("sum_mismatch", "ladder_by_threshold", "ladder_by_date", "favourite_longshot", "cross_venue_gap")
    detectors = [*(detector.__name__ for detector in OVER_TIME), *others]
    found = await rows(
        run,
        """
        SELECT category FROM events UNION SELECT category FROM markets UNION SELECT category FROM series_fees
        UNION SELECT ''
        """,
    )
    return [(one, row["category"] or "", band) for one in detectors for row in found for band in range(5)]


async def test_the_analyst_is_told_what_was_measured_and_that_it_is_unproven(
    make_run: MakeRun, outside: Outside
) -> None:
    first = await make_run(
        "analyze", NOW - timedelta(minutes=15), **outside.settings(), analyze_max_insights=0, ai_bundles_per_run=0
    )
    await pipeline.run(first)
    await stored(first, {"n": 12, "why": "fewer than 30 independent setups"}, await every_cell(first))
    run = await make_run("analyze", NOW, **outside.settings(), analyze_max_insights=5, ai_bundles_per_run=0)
    summary = await pipeline.run(run)
    assert summary["base_rates"] == (first.now - timedelta(hours=1)).isoformat()
    insights = await rows(run, "SELECT evidence FROM ai_insights")
    assert insights
    for insight in insights:
        told = {fact["name"]: fact["value"] for fact in insight["evidence"]}
        assert told["setups"] == "12"
        assert (told["setup_low_pct"], told["setup_high_pct"]) == ("44", "63")
    for call in outside.calls():
        assert '"verdict":"unproven"' in call["messages"][1]["content"]


@pytest.mark.parametrize("proved", [True, False])
async def test_a_run_speaks_of_longshots_by_what_was_proved_of_such_prices(
    make_run: MakeRun, outside: Outside, proved: bool
) -> None:
    shape = 1, len(HORIZONS_H) - 1, len(BANDS) - 1
    parts = np.full(shape, -0.04), np.full(shape, 0.002), np.full(shape, 250.0), np.full(shape, proved)
    run = await make_run("analyze", NOW, **outside.settings(), analyze_max_insights=0, ai_bundles_per_run=0)
    async with run.transaction() as connection:
        told = SettledRates(("",), np.array(HORIZONS_H), np.array(BANDS), *parts)
        await insert_settled_rates(connection, told, run.now - timedelta(hours=1))
    await pipeline.run(run)
    found = await rows(run, "SELECT score, numbers FROM patterns WHERE detector = 'favourite_longshot'")
    assert bool(found) == proved
    assert all(row["numbers"]["settled_events"] == 250 for row in found)


async def test_rates_of_the_future_are_not_read(make_run: MakeRun, outside: Outside) -> None:
    run = await make_run("analyze", NOW)
    async with run.transaction() as connection:
        await rates.insert_rates(connection, [make_rate()], NOW + timedelta(hours=1))
        assert await rates.latest_rates(connection, NOW) is None
        found = await rates.latest_rates(connection, NOW + timedelta(hours=2))
    assert found == (NOW + timedelta(hours=1), {("price_jump", "Politics", 2): (make_rate(),)})


async def test_what_an_earlier_version_measured_is_not_served_and_its_history_is_replayed_anew(
    make_run: MakeRun, outside: Outside
) -> None:
    run = await make_run("base-rates", NOW)
    before = await base_rates.run(run)
    async with run.transaction() as connection:
        for table in ("base_rates", "settled_rates", "rate_moments", "rate_progress"):
            await connection.execute(f"UPDATE {table} SET version = {VERSION - 1}")
        assert await rates.latest_rates(connection, NOW) is None
        assert await latest_settled_rates(connection, NOW) is None
    again = await base_rates.run(run)
    assert again["hours_replayed"] == before["hours_replayed"] > 0
    assert again["moments"]["kept"] == before["moments"]["kept"]


async def test_a_proved_disadvantage_keeps_patterns_from_the_analyst(make_run: MakeRun, outside: Outside) -> None:
    first = await make_run(
        "analyze", NOW - timedelta(minutes=15), **outside.settings(), analyze_max_insights=0, ai_bundles_per_run=0
    )
    before = await pipeline.run(first)
    worse: dict[str, Any] = {"verdict": "adverse", "why": "", "lift_move": -0.9}
    jumps = [cell for cell in await every_cell(first) if cell[0] == "price_jump"]
    await stored(first, worse, jumps)
    assert jumps
    summary = await pipeline.run(
        await make_run("analyze", NOW, **outside.settings(), analyze_max_insights=0, ai_bundles_per_run=0)
    )
    assert summary["funnel"]["scored"] < before["funnel"]["scored"]
    later = await rows(first, "SELECT detector FROM patterns WHERE detected_at = $1", NOW)
    assert "price_jump" not in {row["detector"] for row in later}


async def test_the_funnel_of_each_run_is_stored_and_adds_up(make_run: MakeRun, outside: Outside) -> None:
    old = await make_run("analyze", NOW - timedelta(days=91), **outside.settings())
    await pipeline.run(old)
    run = await make_run("analyze", NOW, **outside.settings(), analyze_max_insights=4)
    summary = await pipeline.run(run)
    (funnel,) = await rows(run, "SELECT * FROM analysis_funnels")
    assert funnel.pop("at") == NOW
    assert funnel == summary["funnel"]
    assert funnel["markets"] >= funnel["scored"] >= funnel["selected"] == 4
    assert funnel["selected"] >= funnel["analyzed"] >= funnel["published"]
    before_the_analyst = sum(
        funnel["dropped"].get(reason, 0)
        for reason in (
            "insight still alive",
            "market already selected",
            "event already selected",
            "no room in this run",
        )
    )
    assert funnel["scored"] == funnel["selected"] + before_the_analyst
    assert funnel["detected"] == funnel["scored"] + funnel["dropped"].get("score below threshold", 0)


async def test_a_pattern_that_stood_stays_until_it_is_clearly_below_the_threshold(
    make_run: MakeRun, outside: Outside
) -> None:
    quiet = outside.settings() | {"ai_analysis_enabled": False}
    run = await make_run("analyze", NOW - timedelta(minutes=15), **quiet, analyze_score_threshold=50)
    stood = (await pipeline.run(run))["funnel"]["scored"]
    raised = await make_run("analyze", NOW, **quiet, analyze_score_threshold=70, analyze_score_margin=20)
    kept = (await pipeline.run(raised))["funnel"]["scored"]
    strict = await make_run(
        "analyze", NOW + timedelta(minutes=1), **quiet, analyze_score_threshold=70, analyze_score_margin=0
    )
    left = (await pipeline.run(strict))["funnel"]["scored"]
    assert left < kept <= stood + left
