"""A collect run while the venues misbehave in every way the replay knows: counted, survived, nothing wrong stored."""

from __future__ import annotations

from typing import Any, cast

import pytest

from collect import sweep
from core.models import PLATFORMS, Quote
from core.venues.contract import VENUES
from core.venues.lines import open_lines
from local.replay_faults import EVENT_FAULTS, ROW_FAULTS
from tests.collect.conftest import QUARTER, MakeRun
from tests.core.wire import Replay, collect_settings

ANSWER_FAULTS: dict[str, Any] = {"rate_500": 0.05, "rate_429": 0.05, "hang": 0.05, "garbage": 0.05, "truncate": 0.05}
PATIENCE = {"http_timeout_s": 0.4, "http_attempts": 8}
# Of what the venues said soundly, in a run before: whatever is stored after spoiled ones must be unknown or within.
TERMS = "SELECT platform, market_id, title, rules, open_time, close_time FROM markets"
WRONG = """
SELECT count(*) FROM market_snapshots WHERE NOT (
    coalesce(price BETWEEN 0 AND 1, true) AND coalesce(yes_price BETWEEN 0 AND 1, true)
    AND coalesce(no_price BETWEEN 0 AND 1, true) AND coalesce(last_price BETWEEN 0 AND 1, true)
    AND coalesce(volume >= 0 AND volume < 1e15, true) AND price IS DISTINCT FROM 'NaN'
    AND volume IS DISTINCT FROM 'NaN')
"""


@pytest.fixture
def patient(make_run: MakeRun, replay: Replay) -> Any:
    async def run() -> dict[str, Any]:
        settings = replay.settings | PATIENCE | {"control_sweep_every_s": 0}
        return await sweep.run(await make_run("collect", replay.now, **settings))

    return run


@pytest.mark.long
@pytest.mark.parametrize("seed", [11, 12])
async def test_with_answers_failing_in_five_ways_every_market_is_stored(
    patient: Any, replay: Replay, pool: Any, seed: int
) -> None:
    replay.fail(**(ANSWER_FAULTS | {"seed": seed}))
    for _ in range(2):
        summary = await patient()
        for platform in PLATFORMS:
            said = {key: summary[platform].get(key) for key in ("error", "control_error", "skipped", "doubts")}
            assert said == {"error": None, "control_error": None, "skipped": {}, "doubts": {}}
            assert summary[platform]["markets"] == replay.inventory()[platform]["listed"]
        replay.now += QUARTER
    doubled = "SELECT count(*) - count(DISTINCT (platform, market_id, time)) FROM market_snapshots"
    assert await pool.fetchval(doubled) == 0


async def quotes(replay: Replay) -> dict[tuple[str, str], Quote]:
    """What the sound venues say at this moment, in either listing."""
    told: dict[tuple[str, str], Quote] = {}
    async with open_lines(collect_settings(**replay.settings)) as lines:
        for platform in PLATFORMS:
            for sweeping in (VENUES[platform].sweep, VENUES[platform].control_sweep):
                async for page in sweeping(lines[platform].listing, 100):
                    told |= {(platform, market.market_id): market.quote for market in page.markets}
    return told


@pytest.mark.parametrize("fault", [*ROW_FAULTS, *EVENT_FAULTS])
async def test_a_fault_in_every_twentieth_row_is_counted_and_stores_nothing_wrong(
    patient: Any, replay: Replay, pool: Any, fault: str
) -> None:
    await patient()
    sound = {(row["platform"], row["market_id"]): row for row in await pool.fetch(TERMS)}
    replay.now += QUARTER
    replay.fail(seed=3, **cast("Any", {fault: 0.05}))
    summary = await patient()
    stored = {(row["platform"], row["market_id"]): row for row in await pool.fetch(TERMS)}
    told = replay.faults()
    assert sum(told[venue]["done"].get(fault, 0) for venue in PLATFORMS) > 0
    assert all("error" not in summary[platform] for platform in PLATFORMS)
    assert stored.keys() >= sound.keys()
    assert await pool.fetchval(WRONG) == 0
    for row in stored.values():
        assert len(row["title"]) <= 1_000
        assert len(row["rules"]) <= 20_000
        assert all(time is None or time.year > 1 for time in (row["open_time"], row["close_time"]))
    replay.fail(reset=True)
    said = await quotes(replay)
    for row in await pool.fetch("SELECT * FROM market_snapshots WHERE time = $1", replay.now):
        key = (row["platform"], row["market_id"])
        if key not in said and key[1].startswith("gamma-"):
            continue  # a row that lost its condition goes by its number until it is listed well
        for name in ("yes_price", "no_price", "last_price", "volume"):
            assert row[name] in (None, getattr(said[key], name)), (key, name)
    heaviest = await pool.fetchval("SELECT max(length(raw_data::text)) FROM markets")
    assert heaviest < 100_000, "a megabyte in one field is not kept"


SAID = {
    "duplicate_id": "listed twice",
    "price_out_of_range": "outside 0 to 1",
    "nan": "not a number",
    "infinity": "not a number",
    "forty_digits": "out of range",
}


@pytest.mark.parametrize("fault", SAID)
async def test_what_cannot_be_used_is_told_by_its_reason(patient: Any, replay: Replay, fault: str) -> None:
    replay.fail(seed=5, **cast("Any", {fault: 0.2}))
    summary = await patient()
    for platform in PLATFORMS:
        told = summary[platform]["skipped"] | summary[platform]["doubts"]
        assert any(SAID[fault] in reason and count > 0 for reason, count in told.items()), told


async def test_all_faults_at_once_cost_neither_the_run_nor_a_market_that_was_sound(
    patient: Any, replay: Replay, pool: Any
) -> None:
    await patient()
    before = await pool.fetchval("SELECT count(*) FROM markets WHERE listed AND missing_since IS NULL")
    replay.now += QUARTER
    replay.fail(seed=9, **cast("Any", dict.fromkeys(ROW_FAULTS, 0.02)))
    await patient()
    replay.fail(reset=True)
    replay.now += QUARTER
    summary = await patient()
    assert await pool.fetchval(WRONG) == 0
    healed = await pool.fetchval("SELECT count(*) FROM markets WHERE listed AND missing_since IS NULL")
    listed = sum(replay.inventory()[platform]["listed"] for platform in PLATFORMS)
    assert sum(summary[platform]["markets"] for platform in PLATFORMS) == listed
    assert healed == listed
    assert before > 0
