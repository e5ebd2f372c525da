"""What explaining does with single markets: closed ones, what it stores of an answer, what it sends."""

from __future__ import annotations

import json
import time
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from analyze import explaining
from core.models import OpenMarket, Pattern
from tests.analyze.conftest import NOW, MakeRun, Outside, rows
from tests.api.rows import insert_market
from tests.core.agent.making import as_claims

PATTERN = Pattern("kalshi", "KXTEST", None, "Politics", "price_jump", 80.0, {"move_1h_cents": -6.0})
MARKET = OpenMarket(
    platform="kalshi",
    market_id="KXTEST",
    event_id=None,
    title="Will the treaty be signed?",
    category="Politics",
    close_time=NOW + timedelta(hours=48),
    yes_token=None,
    mutually_exclusive=False,
    price=Decimal("0.40"),
    yes_price=Decimal("0.41"),
    no_price=Decimal("0.61"),
    volume=Decimal(50_000),
    volume_24h=Decimal(12_345),
    quoted_at=NOW - timedelta(minutes=4),
    fee_rate=Decimal("0.07"),
    fee_exponent=Decimal(1),
    yes_label="Signed",
    no_label="Not signed",
)
EVERY = [f"E{number}" for number in range(1, 13)]
FAIR = {("kalshi", "KXTEST"): Decimal("0.46")}


def answer(**change: Any) -> str:
    values = {
        "recommendation": "GOOD_BET",
        "confidence_score": 65,
        "win_probability": 0.46,
        "one_liner": "Buy YES at 41¢: the other venue puts the same bet at 46¢.",
        "reasoning": "An edge of 3.3¢ is left after fees.",
        "risk_factors": ["The other venue may be late."],
        "suggested_position": "YES",
        "edge_explanation": "The price fell 6¢ in the last hour, and the other venue did not follow.",
        "time_sensitivity": "WEEKS",
    }
    return json.dumps(as_claims(values | change, EVERY))


async def explain(run: Any, market: OpenMarket = MARKET) -> dict[str, Any]:
    async with run.transaction() as connection:
        told = {"rules": "Rules.", "yes_label": market.yes_label, "no_label": market.no_label}
        await insert_market(connection, market.market_id, market.title, platform=market.platform, **told)
        await connection.execute(
            """
            INSERT INTO market_books (platform, market_id, read_at, top_only, yes_asks, no_asks)
            VALUES ($1, $2, $3, false, '[["0.41", "500"], ["0.48", "900"]]', '[["0.61", "100"]]')
            """,
            market.platform,
            market.market_id,
            NOW,
        )
    return await explaining.explain(run, [PATTERN], [market], FAIR, {})


@pytest.mark.parametrize("closed", [timedelta(0), timedelta(seconds=1), timedelta(days=400)])
async def test_a_market_past_its_close_is_counted_and_not_asked_about(
    make_run: MakeRun, outside: Outside, closed: timedelta
) -> None:
    run = await make_run("analyze", NOW, **outside.settings())
    said = await explain(run, replace(MARKET, close_time=NOW - closed))
    assert said == {"published": 0, "not_published": {"its market has closed": 1}}
    assert outside.calls() == []
    assert await rows(run, "SELECT FROM ai_insights") == []


async def test_a_market_that_closes_while_the_analyst_thinks_is_withheld_at_its_cost(
    make_run: MakeRun, outside: Outside
) -> None:
    outside.plan_groq(answers=[answer()])
    run = await make_run("analyze", NOW, **outside.settings())
    times = iter([NOW, NOW + timedelta(minutes=2)])
    said = await explain(
        replace(run, clock=lambda: next(times)), replace(MARKET, close_time=NOW + timedelta(minutes=1))
    )
    assert said == {"published": 0, "not_published": {"its market has closed": 1}}
    (withheld,) = await rows(run, "SELECT * FROM withheld_insights")
    assert withheld["cost_usd"] > 0


@pytest.mark.parametrize(
    ("close_time", "expires_at"),
    [
        (NOW + timedelta(minutes=5), NOW + timedelta(minutes=5)),
        (NOW + timedelta(days=30), NOW + timedelta(days=3)),
        (None, NOW + timedelta(days=3)),
    ],
)
async def test_an_insight_never_outlives_its_market(
    make_run: MakeRun, outside: Outside, close_time: datetime | None, expires_at: datetime
) -> None:
    outside.plan_groq(answers=[answer()])
    run = await make_run("analyze", NOW, **outside.settings())
    assert (await explain(run, replace(MARKET, close_time=close_time)))["published"] == 1
    (insight,) = await rows(run, "SELECT * FROM ai_insights")
    assert insight["expires_at"] == expires_at


async def test_the_models_own_numbers_are_kept_for_grading_and_the_markets_are_served_as_unproven(
    make_run: MakeRun, outside: Outside
) -> None:
    outside.plan_groq(answers=[answer()])
    run = await make_run("analyze", NOW, **outside.settings())
    assert (await explain(run))["published"] == 1
    (insight,) = await rows(run, "SELECT * FROM ai_insights")
    assert (insight["raw_win_probability"], insight["raw_confidence_score"]) == (Decimal("0.46"), 65)
    assert (insight["win_probability"], insight["win_baseline"]) == (MARKET.price, MARKET.price)
    assert insight["confidence_score"] == 40
    told = "unproven: the market's price; the model's own number is not calibrated yet (n = 0 events)"
    assert (insight["win_probability_basis"], insight["confidence_basis"]) == (told, told)


async def test_the_labels_and_the_age_of_the_quote_are_sent(make_run: MakeRun, outside: Outside) -> None:
    outside.plan_groq(answers=[answer()])
    await explain(await make_run("analyze", NOW, **outside.settings()))
    (call,) = outside.calls()
    sent = json.loads(call["messages"][1]["content"].splitlines()[1])
    assert (sent["market"]["yes_means"], sent["market"]["no_means"]) == ("Signed", "Not signed")
    assert {"name": "quote_age_minutes", "value": "4", "unit": "minutes"}.items() <= sent["facts"][-1].items()


async def test_a_number_told_of_the_wrong_side_is_withheld_for_its_reason(make_run: MakeRun, outside: Outside) -> None:
    outside.plan_groq(answers=[answer(one_liner="Buy YES: the price of NO is 41¢.")] * 2)
    run = await make_run("analyze", NOW, **outside.settings())
    assert await explain(run) == {"published": 0, "not_published": {"not grounded": 1}}
    (withheld,) = await rows(run, "SELECT * FROM withheld_insights")
    assert withheld["detail"] == "ungrounded number 41¢: the YES ask is told as no"


async def test_an_answer_with_faults_may_be_repaired_once_with_their_list(make_run: MakeRun, outside: Outside) -> None:
    outside.plan_groq(answers=[answer(one_liner="Buy YES: the price of NO is 41¢."), answer()])
    run = await make_run("analyze", NOW, **outside.settings())
    assert await explain(run) == {"published": 1, "not_published": {}}
    first, second = outside.calls()
    assert second["messages"][:2] == first["messages"], "the beginning is cached"
    assert [message["role"] for message in second["messages"][2:]] == ["assistant", "user"]
    assert "the YES ask is told as no" in second["messages"][3]["content"]
    (insight,) = await rows(run, "SELECT * FROM ai_insights")
    calls = await rows(run, "SELECT * FROM ai_calls ORDER BY prompt_tokens")
    assert [call["outcome"] for call in calls] == ["answered", "published"]
    assert insight["cost_usd"] == sum(call["cost_usd"] for call in calls)
    assert insight["prompt_tokens"] == sum(call["prompt_tokens"] for call in calls)


@pytest.mark.parametrize("broken", ["", "no JSON", "{}", "\\ud800", "x" * 20_000])
async def test_an_answer_that_cannot_be_read_may_be_repaired_too(
    make_run: MakeRun, outside: Outside, broken: str
) -> None:
    outside.plan_groq(answers=[broken, answer()])
    run = await make_run("analyze", NOW, **outside.settings(), ai_max_completion_tokens=8_192)
    assert await explain(run) == {"published": 1, "not_published": {}}


async def test_the_same_evidence_is_not_analysed_twice(make_run: MakeRun, outside: Outside) -> None:
    outside.plan_groq(answers=[answer()])
    run = await make_run("analyze", NOW, **outside.settings())
    assert (await explain(run))["published"] == 1
    async with run.transaction() as connection:
        await connection.execute("UPDATE ai_insights SET status = 'expired'")
    later = replace(run, now=NOW + timedelta(minutes=30))
    assert (await explaining.explain(later, [PATTERN], [MARKET], FAIR, {}))["published"] == 1
    assert len(outside.calls()) == 1
    first, second = await rows(run, "SELECT * FROM ai_insights ORDER BY created_at")
    assert (second["one_liner"], second["cost_usd"]) == (first["one_liner"], 0)


async def test_what_was_said_of_the_same_evidence_is_asked_anew_when_it_is_no_longer_so(
    make_run: MakeRun, outside: Outside
) -> None:
    outside.plan_groq(
        answers=[
            answer(risk_factors=["Prices are 4 minutes old."], evidence_ids=[f"E{number}" for number in range(1, 12)])
        ]
    )
    run = await make_run("analyze", NOW, **outside.settings())
    assert (await explain(run))["published"] == 1
    async with run.transaction() as connection:
        await connection.execute("UPDATE ai_insights SET status = 'expired'")
    outside.plan_groq(answers=[answer()])
    later = replace(run, now=NOW + timedelta(minutes=30))
    assert (await explaining.explain(later, [PATTERN], [MARKET], FAIR, {}))["published"] == 1
    assert len(outside.calls()) == 2


async def test_evidence_whose_answers_were_withheld_is_left_until_it_changes(
    make_run: MakeRun, outside: Outside
) -> None:
    outside.plan_groq(answers=[answer(one_liner="A 99.7% chance!")] * 2)
    run = await make_run("analyze", NOW, **outside.settings())
    assert (await explain(run))["not_published"] == {"not grounded": 1}
    later = replace(run, now=NOW + timedelta(minutes=15))
    said = await explaining.explain(later, [PATTERN], [MARKET], FAIR, {})
    assert said["not_published"] == {"the same evidence was analysed before": 1}
    assert len(outside.calls()) == 2
    moved = replace(MARKET, yes_price=Decimal("0.42"))
    assert "analysed before" not in str(await explaining.explain(later, [PATTERN], [moved], FAIR, {}))
    assert len(outside.calls()) > 2


async def test_what_a_killed_run_was_answered_is_asked_once_more_stored_once_and_counted_twice(
    make_run: MakeRun, outside: Outside
) -> None:
    outside.plan_groq(answers=[answer(), answer()])
    run = await make_run("analyze", NOW, **outside.settings())
    await explain(run)
    async with run.transaction() as connection:  # as a kill between the answer and its storing leaves it
        await connection.execute("DELETE FROM ai_insights")
        await connection.execute("UPDATE ai_calls SET outcome = 'answered'")
    later = replace(run, now=NOW + timedelta(minutes=15))
    assert (await explaining.explain(later, [PATTERN], [MARKET], FAIR, {}))["published"] == 1
    assert len(outside.calls()) == 2
    (insight,) = await rows(run, "SELECT * FROM ai_insights")
    (spent,) = await rows(run, "SELECT sum(cost_usd) AS usd, count(*) AS calls FROM ai_calls")
    assert (spent["calls"], spent["usd"] > insight["cost_usd"]) == (2, True)


async def test_a_run_near_its_deadline_begins_no_call_and_leaves_the_rest(make_run: MakeRun, outside: Outside) -> None:
    run = await make_run("analyze", NOW, **outside.settings())
    said = await explain(replace(run, until=time.monotonic() + 40))
    assert said["not_published"] == {"left for the next run": 1}
    assert outside.calls() == []
    outside.plan_groq(answers=[answer()])
    late = replace(run, until=time.monotonic() + 80)
    assert (await explaining.explain(late, [PATTERN], [MARKET], FAIR, {}))["published"] == 1


async def test_a_pause_that_outlasts_the_run_is_kept_for_the_next_ones(make_run: MakeRun, outside: Outside) -> None:
    outside.plan_groq(fail=[{"status": 429, "retry_after": 7_200}])
    run = await make_run("analyze", NOW, **outside.settings())
    said = await explain(run)
    assert said["not_published"] == {"left for the next run": 1}
    for minutes, asked in ((15, 1), (119, 1), (121, 2)):
        at = NOW + timedelta(minutes=minutes)
        later = replace(run, now=at, clock=lambda at=at: at)  # type: ignore[misc]
        said = await explaining.explain(later, [PATTERN], [MARKET], FAIR, {})
        assert len(outside.calls()) == asked
    assert "error" not in said


@pytest.mark.parametrize(
    ("side", "change", "fair", "is_over"),
    [
        ("YES", {}, "0.46", False),
        ("YES", {"yes_price": Decimal("0.45")}, "0.46", True),  # the fee eats the cent
        ("YES", {}, "0.30", True),
        ("YES", {}, None, True),
        ("YES", {"yes_price": None}, "0.46", True),
        ("YES", {"fee_rate": None}, "0.46", True),
        ("NO", {}, "0.30", False),
        ("NO", {}, "0.46", True),
    ],
)
def test_a_bet_stands_as_long_as_its_side_is_worth_its_ask_and_fee(
    side: str, change: dict[str, Any], fair: str | None, is_over: bool
) -> None:
    bets = [("one", "kalshi", "KXTEST", side), ("other", "kalshi", "not current", side)]
    worth = {} if fair is None else {("kalshi", "KXTEST"): Decimal(fair)}
    over = explaining.outdated(bets, [replace(MARKET, **change)], worth)
    assert over == ({"one": ("kalshi", "KXTEST")} if is_over else {})
