"""What changed since the last run is matched: planted pairs are found, look-alikes never priced, verdicts kept."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from analyze.matching import match_changed
from core.runtime import Run
from core.settings import AnalyzeSettings
from local.world import GeneratedWorld
from local.world_truth import truth
from tests.analyze.conftest import NOW, MakeRun, rows

pytestmark = pytest.mark.usefixtures("collected")


async def pairs(run: Run[AnalyzeSettings]) -> dict[tuple[str, str], dict[str, Any]]:
    stored = await rows(run, "SELECT * FROM pairs")
    return {(row["kalshi_market_id"], row["polymarket_market_id"]): row for row in stored}


def planted(name: str) -> dict[tuple[str, str], dict[str, Any]]:
    said = truth(GeneratedWorld(1, 160), NOW - timedelta(minutes=10), NOW)[name]
    return {(bet["kalshi"], bet["polymarket"]): bet for bet in said}


async def test_no_look_alike_is_priced_and_no_polarity_is_inverted(make_run: MakeRun) -> None:
    run = await make_run("analyze", NOW)
    await match_changed(run)
    found, bets, look_alikes = await pairs(run), planted("pairs"), planted("look_alikes")
    priced = {key: row for key, row in found.items() if row["may_be_priced"]}
    assert len(priced) >= 6
    assert not priced.keys() & look_alikes.keys()
    assert priced.keys() <= bets.keys()
    for key, row in priced.items():
        assert row["same_side"] == (bets[key]["polarity"] == "same")
        assert row["found_by"].startswith("both say ")


async def test_a_second_run_has_nothing_to_do_and_a_changed_text_is_judged_again(make_run: MakeRun) -> None:
    run = await make_run("analyze", NOW)
    first = await match_changed(run)
    assert first["changed"] > first["kept"] > 0
    before = await pairs(run)
    assert (await match_changed(run)) == {"changed": 0, "candidates": 0, "judged": 0, "kept": 0}
    one = next(key for key, row in before.items() if row["may_be_priced"])
    async with run.transaction() as connection:
        await connection.execute(
            "UPDATE markets SET title = 'Will comets fall?', terms_digest = terms_digest + 1 WHERE market_id = $1",
            one[0],
        )
    later = await make_run("analyze", NOW + timedelta(minutes=15))
    assert (await match_changed(later))["changed"] == 1
    after = await pairs(later)
    assert (after[one]["relation"], after[one]["may_be_priced"]) == ("none", False)
    assert {key: row["decided_at"] for key, row in after.items() if key[0] != one[0]} == {
        key: row["decided_at"] for key, row in before.items() if key[0] != one[0]
    }


async def test_matching_one_by_one_finds_what_matching_all_at_once_finds(
    make_run: MakeRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("analyze.matching.MANY", 0)
    run = await make_run("analyze", NOW)
    await match_changed(run)
    in_memory = {key for key, row in (await pairs(run)).items() if row["may_be_priced"]}
    monkeypatch.undo()
    async with run.transaction() as connection:
        await connection.execute("DELETE FROM pairs")
        await connection.execute("UPDATE markets SET terms_digest = terms_digest + 1")
    await match_changed(run)
    assert {key for key, row in (await pairs(run)).items() if row["may_be_priced"]} == in_memory
