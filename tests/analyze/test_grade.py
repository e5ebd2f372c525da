"""From published insights to outcomes to the next insight's numbers, in a real database, without a look ahead."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from analyze import costs, explaining, grade
from core.agent.grading import Entry, held_cents
from core.models import OpenMarket, Pattern
from core.queries import grading
from core.runtime import Run
from core.settings import AnalyzeSettings
from tests.analyze.conftest import NOW, MakeRun, Outside, rows
from tests.analyze.test_explaining import EVERY, MARKET, PATTERN
from tests.api.rows import insert_market
from tests.core.agent.making import as_claims

MODEL = "stand-in:openai/gpt-oss-20b"  # as it calls itself: what it says never counts for the real one
HOUR = timedelta(hours=1)
EVENTS = 40


def knowing(number: int, position: str = "WAIT") -> str:
    """An answer that knows: 95% where YES will win, 5% where it will not."""
    return json.dumps(
        as_claims(
            {
                "recommendation": "CAUTION",
                "confidence_score": 30,
                "win_probability": 0.95 if wins(number) else 0.05,
                "one_liner": "No real edge.",
                "reasoning": "The facts show none.",
                "risk_factors": ["The facts may not be all there is."],
                "suggested_position": position,
                "edge_explanation": "It misses nothing.",
                "time_sensitivity": "HOURS",
            },
            EVERY[:1],
        )
    )


def wins(number: int) -> bool:
    return number % 5 < 2


def numbered(number: int) -> tuple[Pattern, OpenMarket]:
    market = replace(MARKET, market_id=f"KX-{number}", event_id=f"KX-EVENT-{number}")
    return replace(PATTERN, market_id=market.market_id), market


async def publish(run: Run[AnalyzeSettings], outside: Outside, numbers: range, position: str = "WAIT") -> None:
    """Each asked for by itself: which answer is whose is then known."""
    for number in numbers:
        pattern, market = numbered(number)
        told = {name: getattr(market, name) for name in ("event_id", "yes_label", "no_label", "close_time")}
        async with run.transaction() as connection:
            await insert_market(connection, market.market_id, market.title, rules="Rules.", **told)
        outside.plan_groq(answers=[knowing(number, position)])
        said = await explaining.explain(run, [pattern], [market], {}, {})
        assert said == {"published": 1, "not_published": {}}


async def settle(run: Run[AnalyzeSettings], numbers: range, at: datetime, *, turned: bool = False) -> None:
    for number in numbers:
        won = wins(number) != turned
        await rows(
            run,
            "UPDATE markets SET status = 'final', result = $2, payout = $3, settled_at = $4, status_seen_at = $4 "
            "WHERE market_id = $1",
            f"KX-{number}",
            "yes" if won else "no",
            Decimal(won),
            at,
        )


@pytest.fixture
async def published(make_run: MakeRun, outside: Outside) -> Run[AnalyzeSettings]:
    run = await make_run("analyze", NOW, **outside.settings())
    await publish(run, outside, range(EVENTS))
    return run


async def insight_of(run: Run[AnalyzeSettings], number: int) -> dict[str, Any]:
    (insight,) = await rows(run, "SELECT * FROM ai_insights WHERE market_id = $1", f"KX-{number}")
    return insight


async def test_what_settled_teaches_the_next_run_what_the_models_number_is_worth(
    make_run: MakeRun, outside: Outside, published: Run[AnalyzeSettings]
) -> None:
    first = await insight_of(published, 0)
    assert first["win_probability"] == Decimal("0.40")
    assert "unproven" in first["win_probability_basis"]
    assert "(n = 0 events)" in first["win_probability_basis"]
    await settle(published, range(EVENTS), NOW + 2 * HOUR)
    said = await grade.run(await make_run("grade", NOW + 3 * HOUR))
    assert said["graded"] == {"outcomes": EVENTS, "sales": 0}
    assert (said["models"][MODEL]["events"], said["models"][MODEL]["proved"]) == (EVENTS, True)

    later = await make_run("analyze", NOW + 3 * HOUR + timedelta(minutes=10), **outside.settings())
    await publish(later, outside, range(EVENTS, EVENTS + 1))
    calibrated = await insight_of(later, EVENTS)
    assert wins(EVENTS)
    assert Decimal("0.40") < calibrated["win_probability"] < Decimal("0.95")
    assert calibrated["win_probability_basis"].startswith(f"calibrated on {EVENTS} events (95%: ")
    assert calibrated["raw_win_probability"] == Decimal("0.95")


async def test_too_few_outcomes_move_nothing_and_say_how_many_there_are(make_run: MakeRun, outside: Outside) -> None:
    run = await make_run("analyze", NOW, **outside.settings())
    await publish(run, outside, range(5))
    await settle(run, range(5), NOW + 2 * HOUR)
    await grade.run(await make_run("grade", NOW + 3 * HOUR))
    later = await make_run("analyze", NOW + 4 * HOUR, **outside.settings())
    await publish(later, outside, range(5, 6))
    insight = await insight_of(later, 5)
    assert insight["win_probability"] == Decimal("0.40")
    assert "unproven" in insight["win_probability_basis"]
    assert "(n = 5 events)" in insight["win_probability_basis"]


async def test_a_second_run_grades_nothing_again(make_run: MakeRun, published: Run[AnalyzeSettings]) -> None:
    await settle(published, range(EVENTS), NOW + 2 * HOUR)
    small = {"grade_batch": 7}
    assert (await grade.run(await make_run("grade", NOW + 3 * HOUR, **small)))["graded"]["outcomes"] == EVENTS
    assert (await grade.run(await make_run("grade", NOW + 4 * HOUR, **small)))["graded"]["outcomes"] == 0
    assert len(await rows(published, "SELECT FROM insight_grades")) == EVENTS


async def test_changing_the_future_changes_nothing_that_was_known_before(
    make_run: MakeRun, outside: Outside, published: Run[AnalyzeSettings]
) -> None:
    await settle(published, range(EVENTS - 5), NOW + 2 * HOUR)
    then = NOW + 3 * HOUR
    run = await make_run("grade", then)
    await grade.run(run)

    async def known() -> tuple[Any, Any]:
        async with run.transaction() as connection:
            graded = (await grading.graded_by(connection, then, NOW - 24 * HOUR))[MODEL]
            return grade.calibration_of(graded, run.settings), await grading.calibrations(connection, then)

    before = await known()
    assert before[0] == before[1][MODEL]
    await settle(published, range(EVENTS - 5), NOW + 4 * HOUR, turned=True)  # the venue replaces every outcome
    await settle(published, range(EVENTS - 5, EVENTS), NOW + 4 * HOUR)
    await publish(await make_run("analyze", NOW + 4 * HOUR, **outside.settings()), outside, range(EVENTS, EVENTS + 3))
    await settle(published, range(EVENTS, EVENTS + 3), NOW + 5 * HOUR)
    assert await known() == before  # settled, and not graded yet
    said = await grade.run(await make_run("grade", NOW + 6 * HOUR))
    assert said["graded"]["outcomes"] == EVENTS + 3
    assert (said["models"][MODEL]["events"], said["models"][MODEL]["proved"]) == (EVENTS + 3, False)
    assert await known() == before


async def test_an_outcome_that_the_venue_takes_back_counts_no_more(
    make_run: MakeRun, published: Run[AnalyzeSettings]
) -> None:
    await settle(published, range(EVENTS), NOW + 2 * HOUR)
    await grade.run(await make_run("grade", NOW + 3 * HOUR))
    taken_back = "UPDATE markets SET status = 'disputed', payout = NULL, result = NULL WHERE market_id = 'KX-0'"
    await rows(published, taken_back)
    said = await grade.run(await make_run("grade", NOW + 4 * HOUR))
    assert (said["graded"]["outcomes"], said["models"][MODEL]["events"]) == (1, EVENTS - 1)


async def test_markets_of_one_event_are_one_witness(make_run: MakeRun, published: Run[AnalyzeSettings]) -> None:
    await rows(published, "UPDATE markets SET event_id = 'KX-ALL'")
    await settle(published, range(EVENTS), NOW + 2 * HOUR)
    said = await grade.run(await make_run("grade", NOW + 3 * HOUR))
    assert (said["models"][MODEL]["events"], said["models"][MODEL]["proved"]) == (1, False)


async def test_a_bet_is_graded_at_its_ask_and_fee_held_to_the_end_and_sold_when_its_time_was_up(
    make_run: MakeRun, published: Run[AnalyzeSettings]
) -> None:
    bought = "UPDATE ai_insights SET suggested_position = 'YES' WHERE market_id IN ('KX-0', 'KX-1', 'KX-2')"
    await rows(published, bought)
    expires_at = (await insight_of(published, 0))["expires_at"]
    assert expires_at == NOW + 6 * HOUR
    for market_id, age in (("KX-0", HOUR), ("KX-1", 2 * HOUR), ("KX-0", -HOUR)):
        await rows(
            published,
            "INSERT INTO market_snapshots (time, market_id, platform, price, yes_price, no_price) "
            "VALUES ($1, $2, 'kalshi', 0.5, 0.56, $3)",
            expires_at - age,
            market_id,
            Decimal("0.45") if age > timedelta(0) else Decimal("0.01"),
        )
    assert (await grade.run(await make_run("grade", expires_at - HOUR)))["graded"] == {"outcomes": 0, "sales": 0}
    assert (await grade.run(await make_run("grade", expires_at)))["graded"] == {"outcomes": 0, "sales": 3}
    sales = await rows(
        published,
        "SELECT i.market_id, g.net_cents, g.why FROM insight_grades g JOIN ai_insights i ON i.id = g.insight_id "
        "ORDER BY i.market_id",
    )
    assert [tuple(sale.values()) for sale in sales] == [
        ("KX-0", Decimal("10.5742"), ""),
        ("KX-1", None, "no price when its time was up"),
        ("KX-2", None, "no price when its time was up"),
    ]
    await settle(published, range(3), expires_at + HOUR)
    await grade.run(await make_run("grade", expires_at + 2 * HOUR))
    held = await rows(
        published,
        "SELECT g.net_cents FROM insight_grades g JOIN ai_insights i ON i.id = g.insight_id "
        "WHERE g.kind = 'outcome' ORDER BY i.market_id",
    )
    assert MARKET.yes_price is not None
    entry = Entry("YES", MARKET.yes_price, MARKET.no_price, MARKET.fee_rate, MARKET.fee_exponent)
    assert [one["net_cents"] for one in held] == [held_cents(entry, Decimal(payout)) for payout in (1, 1, 0)]


async def test_a_bet_that_is_withdrawn_is_sold_then_and_not_again_when_its_time_is_up(
    make_run: MakeRun, published: Run[AnalyzeSettings]
) -> None:
    await rows(published, "UPDATE ai_insights SET suggested_position = 'YES' WHERE market_id IN ('KX-0', 'KX-1')")
    for number, status in ((0, "superseded"), (1, "closed")):
        told = "UPDATE ai_insights SET status = $2, ended_at = $3 WHERE market_id = $1"
        await rows(published, told, f"KX-{number}", status, NOW + 2 * HOUR)
    for hours, no_price in ((1.5, "0.45"), (2.5, "0.01"), (5.5, "0.02")):
        await rows(
            published,
            "INSERT INTO market_snapshots (time, market_id, platform, price, yes_price, no_price) "
            "VALUES ($1, 'KX-0', 'kalshi', 0.5, 0.56, $2)",
            NOW + hours * HOUR,
            Decimal(no_price),
        )
    graded = [(await grade.run(await make_run("grade", NOW + hours * HOUR)))["graded"]["sales"] for hours in (1, 2, 3)]
    assert graded == [0, 1, 0]
    (sale,) = await rows(published, "SELECT net_cents FROM insight_grades")
    assert sale["net_cents"] == Decimal("10.5742")
    assert (await grade.run(await make_run("grade", NOW + 6 * HOUR)))["graded"]["sales"] == 1, "of the closed one"
    assert len(await rows(published, "SELECT FROM insight_grades WHERE net_cents IS NOT NULL")) == 1


async def test_a_bet_whose_market_ended_within_its_time_is_not_sold(
    make_run: MakeRun, published: Run[AnalyzeSettings]
) -> None:
    await rows(published, "UPDATE ai_insights SET suggested_position = 'YES'")
    await settle(published, range(10), NOW + HOUR)
    await rows(published, "UPDATE markets SET close_time = $1 WHERE payout IS NULL", NOW + 2 * HOUR)
    assert (await grade.run(await make_run("grade", NOW + 9 * HOUR)))["graded"] == {"outcomes": 10, "sales": 0}


async def test_how_often_the_model_repeats_the_price_is_stored_and_reported(
    make_run: MakeRun, published: Run[AnalyzeSettings]
) -> None:
    await rows(published, "UPDATE ai_insights SET raw_win_probability = 0.409 WHERE market_id = 'KX-1'")
    await rows(published, "UPDATE ai_insights SET raw_win_probability = 0.411 WHERE market_id = 'KX-2'")
    await rows(published, "UPDATE ai_insights SET raw_win_probability = NULL WHERE market_id = 'KX-3'")
    run = await make_run("grade", NOW + HOUR)
    await grade.run(run)
    (stored,) = await rows(run, "SELECT model, published, silent, parroted, events, proved FROM calibrations")
    assert tuple(stored.values()) == (MODEL, EVENTS, 1, 1, 0, False)
    told = await costs.costs(run.settings, 1, NOW + HOUR)
    assert f"{MODEL}: 1 of {EVENTS - 1} numbers repeat the market's price (3%), 1 insights without a number" in told
    assert "unproven: 0 events settled" in told


async def test_nothing_published_is_nothing_to_grade(make_run: MakeRun) -> None:
    run = await make_run("grade", NOW)
    assert await grade.run(run) == {"graded": {"outcomes": 0, "sales": 0}, "models": {}}
    assert len((await costs.costs(run.settings, 1, NOW)).splitlines()) == 2
