"""The analyst on opportunities: asked once for each wording of the rules, never milder than code, silent when wrong."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from random import Random
from typing import Any

import pytest

from analyze import judging
from core.agent.crossvenue import Bundle, gather_bundle
from core.queries import serving
from core.runtime import Run
from core.settings import AnalyzeSettings
from tests.analyze.conftest import NOW, MakeRun, Outside, rows
from tests.analyze.opportunities import numbered_bundle, publish, row_of
from tests.core.agent.corpus.bundles import BUNDLE_KINDS, good_bundle_answer

SEED = "a morning in December"
OF_A_KIND = 3


def by_edge(bundles: Sequence[Bundle]) -> list[Bundle]:
    """In the order in which the analyst is asked."""
    return sorted(bundles, key=lambda bundle: -bundle.edge_pct)


async def judged(run: Run[AnalyzeSettings], bundles: Sequence[Bundle]) -> dict[str, Any]:
    return await judging.judge(run, await publish(run, bundles), None)


async def served(run: Run[AnalyzeSettings]) -> list[dict[str, Any]]:
    async with run.transaction() as connection:
        return await serving.arbitrage_alive(connection, NOW)


def one_bundle(**change: Any) -> Bundle:
    return replace(numbered_bundle(Random(SEED), 1), settlement_risk="SAFE", quoted_at=NOW, **change)


def answer_on(bundle: Bundle, **change: Any) -> str:
    return json.dumps(good_bundle_answer(Random(SEED), bundle) | {"settlement_risk": "SAFE"} | change)


async def test_of_a_hostile_analysts_texts_on_opportunities_none_is_served(make_run: MakeRun, outside: Outside) -> None:
    random, kinds = Random(SEED), sorted(BUNDLE_KINDS) * OF_A_KIND
    bundles = by_edge([numbered_bundle(random, number) for number in range(len(kinds))])
    answers = []
    for kind, bundle in zip(kinds, bundles, strict=True):
        raw = ""
        while not raw.strip():  # an empty answer is no plan of the stand-in's
            raw = BUNDLE_KINDS[kind](random, bundle, good_bundle_answer(random, bundle))
        answers += [raw, raw]  # what is asked to mend it says it again
    outside.plan_groq(answers=answers)
    run = await make_run("analyze", NOW, **outside.settings(), ai_concurrency=1, ai_bundles_per_run=1_000)
    said = await judged(run, bundles)
    assert said["analysed"] == 0
    assert sum(said["not_analysed"].values()) == len(bundles)
    assert set(said["not_analysed"]) <= {"not grounded", "no valid answer"}
    assert await rows(run, "SELECT FROM bundle_analyses") == []
    assert {one["analysis"] for one in await served(run)} == {None}
    withheld = await rows(run, "SELECT reason, detail FROM withheld_insights")
    assert len(withheld) == len(bundles)
    assert {row["reason"] for row in withheld} <= {"bundle: not grounded", "bundle: no valid answer"}
    assert all(row["detail"] for row in withheld)


async def test_a_good_analysts_texts_on_opportunities_are_served_as_they_were_written(
    make_run: MakeRun, outside: Outside
) -> None:
    random = Random(f"{SEED} good")
    bundles = by_edge([numbered_bundle(random, number) for number in range(30)])
    answers = [good_bundle_answer(random, bundle) for bundle in bundles]
    outside.plan_groq(answers=[json.dumps(answer) for answer in answers])
    run = await make_run("analyze", NOW, **outside.settings(), ai_concurrency=1, ai_bundles_per_run=1_000)
    said = await judged(run, bundles)
    assert said == {"analysed": 30, "not_analysed": {}}, await rows(run, "SELECT detail FROM withheld_insights")
    found = {one["kalshi_market"]: one for one in await served(run)}
    for bundle, answer in zip(bundles, answers, strict=True):
        analysis = found[bundle.market_of("kalshi")]["analysis"]
        assert analysis["description"] == answer["description"]["text"]
        assert analysis["risks"] == [risk["text"] for risk in answer["risks"]]
        assert analysis["model"].startswith("stand-in:")


async def test_the_stand_ins_own_answers_pass_the_wall(make_run: MakeRun, outside: Outside) -> None:
    random = Random(f"{SEED} stand-in")
    run = await make_run("analyze", NOW, **outside.settings(), ai_bundles_per_run=1_000)
    said = await judged(run, [numbered_bundle(random, number) for number in range(20)])
    assert said == {"analysed": 20, "not_analysed": {}}, await rows(run, "SELECT detail FROM withheld_insights")


@pytest.mark.parametrize(
    ("ours", "said", "served_risk"), [("SAFE", "CAUTION", "CAUTION"), ("CAUTION", "CAUTION", "CAUTION")]
)
async def test_a_verdict_makes_the_settlement_risk_stricter(
    make_run: MakeRun, outside: Outside, ours: str, said: str, served_risk: str
) -> None:
    bundle = replace(one_bundle(), settlement_risk=ours)
    outside.plan_groq(answers=[answer_on(bundle, settlement_risk=said)])
    run = await make_run("analyze", NOW, **outside.settings())
    assert (await judged(run, [bundle]))["analysed"] == 1
    (one,) = await served(run)
    assert (one["settlement_risk"], one["analysis"]["settlement_risk"]) == (served_risk, said)


async def test_a_milder_verdict_is_withheld_and_changes_nothing(make_run: MakeRun, outside: Outside) -> None:
    bundle = replace(one_bundle(), settlement_risk="CAUTION")
    outside.plan_groq(answers=[answer_on(bundle)] * 2)
    run = await make_run("analyze", NOW, **outside.settings())
    assert (await judged(run, [bundle]))["not_analysed"] == {"not grounded": 1}
    (one,) = await served(run)
    assert (one["settlement_risk"], one["analysis"]) == ("CAUTION", None)


async def test_a_verdict_from_before_code_grew_stricter_makes_nothing_milder(
    make_run: MakeRun, outside: Outside
) -> None:
    bundle = one_bundle()
    outside.plan_groq(answers=[answer_on(bundle)])
    run = await make_run("analyze", NOW, **outside.settings())
    assert (await judged(run, [bundle]))["analysed"] == 1
    assert [one["settlement_risk"] for one in await served(run)] == ["SAFE"]
    await publish(run, [replace(bundle, settlement_risk="CAUTION", quoted_at=NOW - timedelta(seconds=1))])
    assert [one["settlement_risk"] for one in await served(run)] == ["CAUTION"]


async def test_what_the_analyst_reads_as_different_is_withdrawn_and_not_published_again(
    make_run: MakeRun, outside: Outside
) -> None:
    bundle = one_bundle()
    outside.plan_groq(answers=[answer_on(bundle, settlement_risk="BLOCK")])
    run = await make_run("analyze", NOW, **outside.settings())
    assert (await judged(run, [bundle]))["analysed"] == 1
    assert await served(run) == []
    (life,) = await rows(run, "SELECT ended_because FROM arbitrage_lives")
    assert life["ended_because"] == "the analyst reads their rules as settling differently"
    allowed, forbidden = await judging.recall(run, [row_of(replace(bundle, quoted_at=NOW - timedelta(seconds=1)))])
    assert (allowed, forbidden) == ([], 1)


async def test_the_same_rules_are_judged_once_whatever_prices_and_sides_do(make_run: MakeRun, outside: Outside) -> None:
    bundle = one_bundle()
    run = await make_run("analyze", NOW, **outside.settings())
    assert (await judged(run, [bundle]))["analysed"] == 1
    first, second = bundle.legs
    dearer = replace(bundle, cost_usd=bundle.cost_usd + 1, quoted_at=NOW - timedelta(seconds=1))
    turned = replace(dearer, legs=(replace(first, side="NO"), replace(second, side="YES")))
    assert await judged(run, [dearer]) == {"analysed": 0}
    assert await judged(run, [replace(turned, quoted_at=NOW - timedelta(seconds=2))]) == {"analysed": 0}
    assert len(outside.calls()) == 1


@pytest.mark.parametrize(("said", "served_risks"), [("BLOCK", []), ("CAUTION", ["CAUTION", "CAUTION"])])
async def test_a_verdict_is_of_all_opportunities_of_the_same_rules_and_the_widest_is_asked_about(
    make_run: MakeRun, outside: Outside, said: str, served_risks: list[str]
) -> None:
    wide = one_bundle()
    first, second = wide.legs
    turned = (replace(first, side=second.side), replace(second, side=first.side))
    narrow = replace(wide, legs=turned, cost_usd=wide.cost_usd + wide.net_usd / 2)
    outside.plan_groq(answers=[answer_on(wide, settlement_risk=said)])
    run = await make_run("analyze", NOW, **outside.settings())
    assert await judged(run, [wide, narrow]) == {"analysed": 1, "not_analysed": {}}
    assert [one["settlement_risk"] for one in await served(run)] == served_risks


async def test_texts_of_an_earlier_quote_that_are_not_true_of_this_one_are_not_served(
    make_run: MakeRun, outside: Outside
) -> None:
    bundle = one_bundle()
    by_name = {fact.name: fact.id for fact in gather_bundle(bundle, NOW)}
    described = f"Both legs cost ${bundle.cost_usd} with fees."
    outside.plan_groq(
        answers=[
            answer_on(
                bundle,
                description={"text": described, "evidence_ids": [by_name["bundle_cost_usd"]]},
                risks=[{"text": "The two venues may settle differently.", "evidence_ids": []}],
            )
        ]
    )
    run = await make_run("analyze", NOW, **outside.settings())
    assert (await judged(run, [bundle]))["analysed"] == 1
    assert [one["analysis"]["description"] for one in await served(run)] == [described]
    dearer = replace(bundle, cost_usd=bundle.cost_usd * 2, payout_usd=bundle.payout_usd * 3)
    await publish(run, [replace(dearer, quoted_at=NOW - timedelta(seconds=1))])
    (analysis,) = [one["analysis"] for one in await served(run)]
    assert analysis["description"] is None
    assert analysis["risks"] == ["The two venues may settle differently."]


@pytest.mark.parametrize("leg", [0, 1])
async def test_rules_that_changed_anywhere_are_judged_again(make_run: MakeRun, outside: Outside, leg: int) -> None:
    bundle = one_bundle()
    long = [replace(each, rules=each.rules + " More." * 2_000) for each in bundle.legs]
    changed = [
        replace(each, rules=each.rules + (" But not if void." if n == leg else "")) for n, each in enumerate(long)
    ]
    run = await make_run("analyze", NOW, **outside.settings())
    assert (await judged(run, [replace(bundle, legs=tuple(long))]))["analysed"] == 1
    later = replace(bundle, legs=tuple(changed), quoted_at=NOW - timedelta(seconds=1))
    assert (await judged(run, [later]))["analysed"] == 1
    assert len(await rows(run, "SELECT FROM bundle_analyses")) == 2


async def test_what_was_withheld_is_asked_again_only_after_a_day(make_run: MakeRun, outside: Outside) -> None:
    bundle = one_bundle()
    outside.plan_groq(answers=["{}"] * 2)
    run = await make_run("analyze", NOW, **outside.settings())
    assert (await judged(run, [bundle]))["not_analysed"] == {"no valid answer": 1}
    assert (await judged(run, [bundle]))["not_analysed"] == {"withheld in the last day": 1}
    assert len(outside.calls()) == 2
    tomorrow = await make_run("analyze", NOW + timedelta(hours=25), **outside.settings())
    later = replace(bundle, quoted_at=NOW + timedelta(hours=25), settles_at=NOW + timedelta(days=9))
    assert (await judged(tomorrow, [later]))["analysed"] == 1


async def test_a_run_explains_the_widest_and_leaves_the_rest(make_run: MakeRun, outside: Outside) -> None:
    bundles = by_edge([numbered_bundle(Random(f"{SEED} {n}"), n) for n in range(5)])
    run = await make_run("analyze", NOW, **outside.settings(), ai_bundles_per_run=2)
    said = await judged(run, bundles)
    assert said == {"analysed": 2, "not_analysed": {"too many for one run": 3}}
    made = await rows(run, "SELECT kalshi_market_id FROM arbitrage_opportunities WHERE analysis IS NOT NULL")
    assert {row["kalshi_market_id"] for row in made} == {bundle.market_of("kalshi") for bundle in bundles[:2]}


async def test_a_bundle_whose_call_is_too_large_leaves_the_others_theirs(make_run: MakeRun, outside: Outside) -> None:
    wide, narrow = by_edge([numbered_bundle(Random(f"{SEED} {n}"), n) for n in range(2)])
    wide = replace(wide, legs=tuple(replace(leg, rules="However, " * 400) for leg in wide.legs))
    settings: dict[str, Any] = outside.settings() | {"ai_concurrency": 1}
    shown = await publish(await make_run("analyze", NOW, **settings), [wide, narrow])
    large, small = (sum(len(told["content"].encode()) for told in one.messages) for one in shown)
    assert large > small + 4_000
    # The schema and the chat's own tokens are less than the difference.
    run = await make_run("analyze", NOW, **settings, ai_tokens_per_minute=large + 4_096)
    assert await judging.judge(run, shown, None) == {
        "analysed": 1,
        "not_analysed": {"AI_TOKENS_PER_MINUTE is less than one call may use": 1},
    }


@pytest.mark.parametrize(
    ("plan", "change", "expected"),
    [
        ({"fail": [500] * 9}, {"ai_attempts": 1}, "left for the next run"),
        ({"fail": [{"status": 429, "retry_after": 90}] * 9}, {"ai_busy_attempts": 1}, "left for the next run"),
        ({"fail": [401] * 9}, {}, "left for the next run"),
        ({"latency_ms": 5_000}, {"ai_timeout_s": 0.05}, "left for the next run"),
        ({}, {"groq_api_key": "gsk_wrong"}, "left for the next run"),
        ({}, {"groq_api_key": None}, "left for the next run"),
        ({}, {"ai_budget_usd_per_day": 0}, "daily budget spent"),
        ({}, {"ai_budget_usd_per_run": 0}, "the run's budget is spent"),
    ],
)
async def test_without_the_analyst_opportunities_stand_as_code_found_them(
    make_run: MakeRun, outside: Outside, plan: dict[str, Any], change: dict[str, Any], expected: str
) -> None:
    outside.plan_groq(**plan)
    run = await make_run("analyze", NOW, **outside.settings() | change)
    said = await judged(run, [one_bundle()])
    assert (said["analysed"], said["not_analysed"]) == (0, {expected: 1})
    assert ("error" in said) == (expected == "left for the next run")
    assert [(one["settlement_risk"], one["analysis"]) for one in await served(run)] == [("SAFE", None)]


async def test_with_ai_switched_off_nobody_is_asked_and_old_verdicts_still_hold(
    make_run: MakeRun, outside: Outside
) -> None:
    bundle = one_bundle()
    outside.plan_groq(answers=[answer_on(bundle, settlement_risk="CAUTION")])
    await judged(await make_run("analyze", NOW, **outside.settings()), [bundle])
    off = await make_run("analyze", NOW, **outside.settings(), ai_analysis_enabled=False)
    again = replace(bundle, quoted_at=NOW - timedelta(seconds=1))
    assert await judged(off, [again]) == {"analysed": 0, "note": "AI_ANALYSIS_ENABLED is false"}
    assert [one["settlement_risk"] for one in await served(off)] == ["CAUTION"]
    assert len(outside.calls()) == 1


async def test_who_reads_the_past_hour_does_not_see_what_was_analysed_since(
    make_run: MakeRun, outside: Outside
) -> None:
    run = await make_run("analyze", NOW, **outside.settings())
    await judged(replace(run, clock=lambda: NOW + timedelta(minutes=2)), [one_bundle()])
    async with run.transaction() as connection:
        told = [await serving.arbitrage_alive(connection, NOW + timedelta(minutes=m)) for m in (1, 2)]
    assert [one["analysis"] is None for (one,) in told] == [True, False]
