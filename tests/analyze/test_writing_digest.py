"""The digest in the analyst's words: served where it passes the wall, else the rules' own, which says why."""

from __future__ import annotations

import json
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta
from random import Random
from typing import Any

import pytest

from analyze import digest, writing_digest
from core.agent.digests import Day, pack_day
from core.queries import bundle_analyses, serving
from core.runtime import Run
from core.settings import AnalyzeSettings
from tests.analyze.conftest import NOW, MakeRun, Outside, rows
from tests.analyze.opportunities import publish
from tests.api.rows import insert_market
from tests.core.agent.corpus.days import DAY_KINDS, make_day

SEED = "a morning in December"
MINUTE = timedelta(minutes=1)
RULES = "rules (no AI)"


async def store(run: Run[AnalyzeSettings], day: Day) -> dict[str, str]:
    """The day's insights and opportunities as published. Returns the opportunities' ids by the day's own."""
    async with run.transaction() as connection:
        for number, item in enumerate(day.items):
            told, subject = item.told, item.subject
            labels = {"yes_label": subject.yes_label, "no_label": subject.no_label}
            await insert_market(connection, subject.market_id, subject.title, platform=subject.platform, **labels)
            await connection.execute(
                """
                INSERT INTO ai_insights (platform, market_id, market_title, pattern_type, pattern_score,
                    ai_recommendation, confidence_score, confidence_basis, one_liner, reasoning, risk_factors,
                    suggested_position, edge_explanation, time_sensitivity, net_edge_cents, evidence, evidence_digest,
                    answer, model, prompt_version, prompt_tokens, cached_tokens, completion_tokens, cost_usd,
                    created_at, expires_at)
                VALUES ($1, $2, $3, 'price_jump', 80, $4, $5, 'unproven', $6, $7, '[]', $8, $9, 'DAYS', $10, $11, 1,
                    '{}', 'm', 'v', 0, 0, 0, 0, $12, $13)
                """,
                subject.platform,
                subject.market_id,
                subject.title,
                item.recommendation,
                item.confidence,
                told["one_liner"],
                told["reasoning"],
                item.position,
                told["edge_explanation"],
                None if item.edge_cents is None else round(item.edge_cents, 4),
                [fact.as_json() | {"id": fact.id.partition(".")[2]} for fact in item.facts],
                NOW - (number + 1) * MINUTE,
                NOW + timedelta(days=1),
            )
    bundles = [
        replace(
            one.bundle,
            legs=tuple(replace(leg, market_id=f"{leg.market_id}-{one.opportunity_id}") for leg in one.bundle.legs),
        )
        for one in day.bundles
    ]
    await publish(run, bundles)
    stored = {
        row["polymarket_market_id"]: row["id"]
        for row in await rows(run, "SELECT id::text, polymarket_market_id FROM arbitrage_opportunities")
    }
    return {
        one.opportunity_id: stored[bundle.market_of("polymarket") or ""]
        for one, bundle in zip(day.bundles, bundles, strict=True)
    }


async def served(run: Run[AnalyzeSettings]) -> dict[str, Any]:
    async with run.transaction() as connection:
        found = await serving.latest_digest(connection, NOW)
    assert found is not None
    return found


def prefixes(answer: dict[str, Any], ids: dict[str, str], shown: dict[str, Any]) -> str:
    """The answer, which cites by the places of its own making, in those of what the analyst was shown."""
    raw = json.dumps(answer)
    markets = [one["market_id"] for one in shown["insights"]]
    for place in range(1, 8):
        raw = raw.replace(f'"M{place}.', f'"m{place}.').replace(f'"B{place}.', f'"b{place}.')
    for place in range(1, 8):
        if f"MARKET-{place}" in markets:
            raw = raw.replace(f'"m{place}.', f'"M{markets.index(f"MARKET-{place}") + 1}.')
    opportunities = [one["opportunity_id"] for one in shown["opportunities"]]
    for n, (own, stored_id) in enumerate(ids.items(), 1):
        raw = raw.replace(f'"{own}"', f'"{stored_id}"')
        raw = raw.replace(f'"b{n}.', f'"B{opportunities.index(stored_id) + 1}.')
    return raw


async def as_shown(run: Run[AnalyzeSettings], ids: dict[str, str], answer: dict[str, Any]) -> str:
    async with run.transaction() as connection:
        insights = sorted(await serving.insights_alive(connection, NOW), key=digest.rank)
        arbitrage = await bundle_analyses.alive(connection, NOW, digest.PICKS)
    shown = dict(pack_day(writing_digest.day_of(run, insights, arbitrage)))
    return prefixes(answer, ids, shown)


async def of_a_day(
    make_run: MakeRun, outside: Outside, random: Random, **settings: Any
) -> tuple[Any, dict[str, Any], Any]:
    day, answer = make_day(random)
    run = await make_run("digest", NOW, **outside.settings() | settings)
    ids = await store(run, day)
    return run, answer, ids


@pytest.mark.parametrize("number", range(6))
async def test_a_good_digest_is_served_as_it_was_written(make_run: MakeRun, outside: Outside, number: int) -> None:
    run, answer, ids = await of_a_day(make_run, outside, Random(f"{SEED} {number}"))
    outside.plan_groq(answers=[await as_shown(run, ids, answer)])
    said = await digest.run(run)
    assert "without_ai" not in said, await rows(run, "SELECT detail FROM withheld_insights")
    found = await served(run)
    assert found["model"].startswith("stand-in:")
    assert found["without_ai"] is None
    assert [pick["one_liner"] for pick in found["top_picks"]] == [p["one_liner"]["text"] for p in answer["top_picks"]]
    assert found["market_sentiment"] == answer["market_sentiment"]["text"]
    assert [one["reason"] for one in found["avoid_list"]] == [one["reason"]["text"] for one in answer["avoid_list"]]
    by_rules = await rows(run, "SELECT id FROM ai_insights")
    assert len(found["insight_ids"]) == min(5, len(by_rules))
    (call,) = await rows(run, "SELECT part, outcome, cost_usd FROM ai_calls")
    assert (call["part"], call["outcome"]) == ("digest", "published")


@pytest.mark.parametrize("kind", sorted(DAY_KINDS))
async def test_a_hostile_analysts_digest_is_withheld_and_the_rules_one_says_so(
    make_run: MakeRun, outside: Outside, kind: str
) -> None:
    random, raw = Random(f"{SEED} {kind}"), None
    while not raw:
        day, good = make_day(random)
        raw = DAY_KINDS[kind](random, day, good)
    run = await make_run("digest", NOW, **outside.settings())
    ids = await store(run, day)
    with suppress(ValueError):  # what is broken stays as it is
        raw = await as_shown(run, ids, json.loads(raw))
    outside.plan_groq(answers=[raw, raw])
    said = await digest.run(run)
    assert said["by"] == RULES
    found = await served(run)
    assert found["model"] == RULES
    assert found["without_ai"] in {
        "what the analyst wrote was withheld: not grounded",
        "what the analyst wrote was withheld: no valid answer",
    }
    (withheld,) = await rows(run, "SELECT reason, detail, cost_usd FROM withheld_insights")
    assert withheld["reason"] in {"digest: not grounded", "digest: no valid answer"}
    assert withheld["detail"]
    insights = {
        row["market_id"]: row["one_liner"] for row in await rows(run, "SELECT market_id, one_liner FROM ai_insights")
    }
    assert all(pick["one_liner"] == insights[pick["market_id"]] for pick in found["top_picks"])


@pytest.mark.parametrize("number", range(6))
async def test_the_stand_ins_own_digest_passes_the_wall(make_run: MakeRun, outside: Outside, number: int) -> None:
    run, _, _ = await of_a_day(make_run, outside, Random(f"{SEED} stand-in {number}"))
    said = await digest.run(run)
    assert said["by"].startswith("stand-in:"), await rows(run, "SELECT detail FROM withheld_insights")


@pytest.mark.parametrize(
    ("plan", "change", "why"),
    [
        ({"fail": [500] * 9}, {"ai_attempts": 1}, "the analyst was away"),
        ({"fail": [{"status": 429, "retry_after": 90}] * 9}, {"ai_busy_attempts": 1}, "the analyst was away"),
        ({"fail": [401] * 9}, {}, "the analyst was away"),
        ({"latency_ms": 5_000}, {"ai_timeout_s": 0.05}, "the analyst was away"),
        ({}, {"groq_api_key": "gsk_wrong"}, "the analyst was away"),
        ({}, {"groq_api_key": None}, "the analyst was away"),
        ({}, {"ai_analysis_enabled": False}, "AI analysis is switched off"),
        ({}, {"ai_budget_usd_per_day": 0}, "daily budget spent"),
    ],
)
async def test_without_the_analyst_the_rules_write_the_digest_and_it_says_why(
    make_run: MakeRun, outside: Outside, plan: dict[str, Any], change: dict[str, Any], why: str
) -> None:
    outside.plan_groq(**plan)
    run, _, _ = await of_a_day(make_run, outside, Random(SEED), **change)
    assert (await digest.run(run))["without_ai"] == why
    found = await served(run)
    assert (found["model"], found["without_ai"]) == (RULES, why)
    assert len(found["top_picks"]) + len(found["avoid_list"]) > 0


async def test_numbers_and_names_of_a_digest_are_the_rows_not_the_answers(make_run: MakeRun, outside: Outside) -> None:
    random = Random(f"{SEED} with bundles")
    day, answer = make_day(random)
    while not (day.bundles and answer["top_picks"]):
        day, answer = make_day(random)
    run = await make_run("digest", NOW, **outside.settings())
    ids = await store(run, day)
    answer["arbitrage_opportunities"][0]["potential_edge"] += 0.04
    outside.plan_groq(answers=[await as_shown(run, ids, answer)])
    assert (await digest.run(run))["by"].startswith("stand-in:")
    found = await served(run)
    alive = await rows(run, "SELECT * FROM arbitrage_opportunities")
    assert {one["potential_edge"] for one in found["arbitrage_opportunities"]} <= {
        f"{row['edge_percentage']}%" for row in alive
    }
    for told in found["arbitrage_opportunities"]:
        assert any(told["description"].startswith(f"{row['description']} – ") for row in alive), "it names the bet"


@pytest.mark.parametrize(
    "told",
    [
        "2 arbitrage opportunities are alive.",
        "Arbitrage between the venues is rich today.",
        "Opportunities abound on both venues.",
        "Some bundles pay more than they cost.",
    ],
)
async def test_the_sentiment_that_everyone_reads_tells_nothing_of_opportunities(
    make_run: MakeRun, outside: Outside, told: str
) -> None:
    run, answer, ids = await of_a_day(make_run, outside, Random(f"{SEED} 1"))
    answer["market_sentiment"] = {"text": told, "evidence_ids": ["D1"]}
    raw = await as_shown(run, ids, answer)
    outside.plan_groq(answers=[raw, raw])
    assert (await digest.run(run))["by"] == RULES


async def test_a_digest_without_picks_is_withheld_where_there_are_some(make_run: MakeRun, outside: Outside) -> None:
    random = Random(SEED)
    day, answer = make_day(random)
    while not answer["top_picks"]:
        day, answer = make_day(random)
    run = await make_run("digest", NOW, **outside.settings())
    raw = await as_shown(run, await store(run, day), answer | {"top_picks": []})
    outside.plan_groq(answers=[raw, raw])
    assert (await digest.run(run))["by"] == RULES
