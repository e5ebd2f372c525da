"""Bundles of related bets: proposed by prices, proved by terms, priced from books, kept by the world's outcomes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import orjson
import pytest

from analyze import pipeline, related
from core.arbitrage.wording import Wording
from core.models import Market, OpenMarket, Platform
from core.venues import kalshi, polymarket
from local.world import GeneratedWorld
from tests.analyze.conftest import NOW, MakeRun, Outside, rows

Key = tuple[Platform, str]


def market(
    market_id: str, title: str, yes: str, no: str, *, platform: Platform = "kalshi", exclusive: bool = False
) -> OpenMarket:
    return OpenMarket(
        platform, market_id, "E", title, None, NOW + timedelta(days=30), None, exclusive, None, Decimal(yes),
        Decimal(no), None, None, NOW, Decimal(0), Decimal(1), fee_read_at=NOW,
    )  # fmt: skip


def pair(relation: str = "identity", risk: str = "CAUTION", **given: Any) -> dict[str, Any]:
    return {
        "kalshi_market_id": "K",
        "polymarket_market_id": "P20",
        "relation": relation,
        "same_side": relation != "complement",
        "confidence": Decimal("0.64"),
        "settlement_risk": risk,
        "reasons": ["only Kalshi has a death clause: “If he dies …”"],
    } | given


def legs(found: related.Proposed) -> set[str]:
    return {f"{leg.market_id} {leg.side}" for leg in found.plan.legs}


RAIN = [
    market("P10", "Rain above 10 mm?", "0.30", "0.72", platform="polymarket"),
    market("P20", "Rain above 20 mm?", "0.45", "0.57", platform="polymarket"),
    market("P30", "Rain above 30 mm?", "0.40", "0.62", platform="polymarket"),
]
RAIN_RULES: dict[Key, Wording] = {
    ("polymarket", f"P{mm}"): Wording(f"If rainfall is above {mm} mm, Yes.", NOW, NOW) for mm in (10, 20, 30)
}


def test_a_wider_bet_that_costs_less_is_bought_against_the_narrower_one() -> None:
    (found, *_) = sorted(related.propose(RAIN, []), key=lambda each: each.cost)
    assert legs(found) == {"P20 NO", "P10 YES"}
    assert found.plan.kind == "RELATED_MARKET"
    assert related.proved(found, RAIN_RULES).refused is None


def test_what_the_terms_do_not_prove_is_refused_with_the_reason() -> None:
    (found, *_) = sorted(related.propose(RAIN, []), key=lambda each: each.cost)
    other = RAIN_RULES | {("polymarket", "P10"): Wording("If rainfall in Oslo is above 10 mm, Yes.")}
    assert related.proved(found, other).refused == "the rules differ in more than the threshold"
    assert related.proved(found, {}).refused == "one of them gives no rules text"


def test_a_market_of_the_other_venue_takes_the_place_of_its_twin_on_the_ladder() -> None:
    twin = market("K", "Will it rain above 20 mm?", "0.50", "0.52")
    found = related.propose([*RAIN, twin], [pair()])
    across = {frozenset(legs(each)): each for each in found if each.pair}
    assert set(across) == {frozenset({"K NO", "P10 YES"})}
    (each,) = across.values()
    candidate = related.proved(each, RAIN_RULES | {("kalshi", "K"): Wording("Something else altogether.", NOW, NOW)})
    assert (candidate.refused, candidate.risk, candidate.confidence) == (None, "CAUTION", Decimal(64))
    assert "both venues settle alike" in candidate.ways[0].because
    assert any("death clause" in reason for reason in candidate.reasons)


@pytest.mark.parametrize("relation", ["complement", "subset", "overlap"])
def test_only_the_same_bet_takes_anothers_place(relation: str) -> None:
    twin = market("K", "Will it rain above 20 mm?", "0.10", "0.10")
    assert not [each for each in related.propose([*RAIN, twin], [pair(relation)]) if each.pair]


def test_a_pair_whose_rules_differ_is_no_more_than_a_near_miss() -> None:
    twin = market("K", "Will it rain above 20 mm?", "0.40", "0.52")
    blocked = [each for each in related.propose([*RAIN, twin], [pair(risk="BLOCK")]) if each.pair]
    assert blocked
    for each in blocked:
        assert "death clause" in (related.proved(each, RAIN_RULES).refused or "")


def test_outcomes_of_an_exclusive_list_are_bought_all_no_and_all_yes_only_when_it_is_proved_whole() -> None:
    names = [market(name, f"Will {name} win?", "0.40", "0.45", exclusive=True) for name in ("Ann", "Bob")]
    found = {each.basis: each for each in related.propose(names, [])}
    terms: dict[Key, Wording] = {("kalshi", name): Wording("If so, Yes.", unsettled=2) for name in ("Ann", "Bob")}
    assert related.proved(found["all NO"], terms).refused is None
    refused = related.proved(found["all YES"], terms).refused
    assert refused == "nothing proves that one of these outcomes must win"
    whole: dict[Key, Wording] = {
        key: Wording("Exactly one outcome of this event resolves to Yes.", unsettled=2) for key in terms
    }
    assert related.proved(found["all YES"], whole).refused is None
    priced: dict[Key, Wording] = {key: Wording("Voided at the last traded price.", unsettled=2) for key in terms}
    assert related.proved(found["all NO"], priced).refused == "one of them may be settled by a price of the moment"


def test_all_no_of_three_is_refused_where_a_void_list_would_pay_half_for_each() -> None:
    names = [market(name, f"Will {name} win?", "0.40", "0.45", exclusive=True) for name in ("Ann", "Bob", "Cyd")]
    against = next(each for each in related.propose(names, []) if each.basis == "all NO")
    assert len(against.plan.legs) == 3
    rules = "If so, Yes. If the race is cancelled, this resolves 50-50."
    terms: dict[Key, Wording] = {("kalshi", each.market_id): Wording(rules) for each in names}
    assert "void" in (related.proved(against, terms).refused or "")
    assert related.proved(against, dict.fromkeys(terms, Wording("If so, Yes."))).refused is None


def test_markets_that_do_not_exclude_each_other_are_no_list() -> None:
    assert related.propose([market(name, f"Will {name} visit?", "0.3", "0.3") for name in ("Ann", "Bob")], []) == []


# In the generated world


def parsed(world: GeneratedWorld, now: datetime) -> Iterator[tuple[Market, OpenMarket, bool]]:
    """Each open market as stored, as analysis sees it, and how it will end."""
    ours, other = world.kalshi, world.polymarket
    venues: list[tuple[Any, Any, Any]] = [
        (kalshi, ours.event_answers(ours.event_rows(now), now, True), ours.listing(now).market_of),
        (polymarket, other.event_answers(other.event_rows(now), now), other.listing(now).of_condition),
    ]
    for venue, answers, sources in venues:
        page = venue.parse_page({"events": orjson.loads(orjson.dumps(answers))})
        exclusive = {event.event_id for event in page.events if event.mutually_exclusive}
        for each in page.markets:
            if each.status != "open":
                continue
            terms, seat = each.terms, sources[each.market_id].source
            seen = OpenMarket(
                terms.platform, terms.market_id, terms.event_id, terms.title, None, terms.close_time, None,
                terms.event_id in exclusive, None, each.quote.yes_price, each.quote.no_price, None, None, now,
                Decimal(0), Decimal(1), 0, terms.yes_label, terms.no_label, now,
            )  # fmt: skip
            yield each, seen, bool(seat.rnd.outcomes[seat.j])


@pytest.mark.parametrize("days", [0, 9, 23])
def test_no_proved_bundle_of_the_world_pays_less_than_promised_at_any_price(days: int) -> None:
    now = NOW + timedelta(days=days)
    told = list(parsed(GeneratedWorld(3, 1_600), now))
    came_true = {(seen.platform, seen.market_id): won for _, seen, won in told}
    terms: dict[Key, Wording] = {
        (each.platform, each.market_id): Wording(each.terms.rules, each.terms.open_time) for each, _, _ in told
    }
    cheap = [replace(seen, yes_price=Decimal("0.3"), no_price=Decimal("0.3")) for _, seen, _ in told]
    found = [related.proved(each, terms) for each in related.propose(cheap, [])]
    proved = [way for candidate in found if candidate.refused is None for way in candidate.ways]
    assert len(proved) > 100
    assert {way.kind for way in proved} == {"HEDGE", "RELATED_MARKET", "TEMPORAL"}
    for way in proved:
        assert way.payout(came_true) >= way.pays, way


@pytest.fixture
async def published(make_run: MakeRun, outside: Outside, collected: str) -> list[dict[str, Any]]:
    run = await make_run("analyze", NOW, **outside.settings(), ai_analysis_enabled=False)
    await pipeline.run(run)
    return await rows(run, "SELECT * FROM arbitrage_opportunities")


async def test_in_the_worlds_own_outcome_each_published_bundle_pays_at_least_what_was_promised(
    published: list[dict[str, Any]],
) -> None:
    came_true = {(seen.platform, seen.market_id): won for _, seen, won in parsed(GeneratedWorld(1, 160), NOW)}
    assert len({row["opportunity_type"] for row in published}) >= 3
    for row in published:
        won = sum(came_true[leg["platform"], leg["market_id"]] == (leg["side"] == "YES") for leg in row["legs"])
        assert won * row["shares"] - row["cost_usd"] >= row["net_edge_usd"] > 0, row["description"]
        assert " if " in row["description"]
        assert " if " in row["execution_steps"][-1]


async def test_a_bundle_of_one_venue_names_no_market_of_the_other(published: list[dict[str, Any]]) -> None:
    for row in published:
        venues = {leg["platform"] for leg in row["legs"]}
        assert (row["kalshi_market_id"] is not None) == ("kalshi" in venues)
        assert (row["polymarket_market_id"] is not None) == ("polymarket" in venues)
        assert len({leg["shares"] for leg in row["legs"]}) == 1, "equal shares on each leg"


@pytest.mark.usefixtures("collected")
@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE events SET exhaustive = false",
        "UPDATE markets SET rules = replace(rules, 'Exactly one', 'Any') WHERE platform = 'kalshi'",
        "UPDATE markets SET status = 'paused' WHERE market_id LIKE '%-3ANYO' AND status = 'open'",
    ],
)
async def test_a_list_that_is_not_proved_whole_is_never_bought_all_yes(
    make_run: MakeRun, outside: Outside, statement: str
) -> None:
    run = await make_run("analyze", NOW, **outside.settings(), ai_analysis_enabled=False)
    async with run.transaction() as connection:
        await connection.execute(statement)
    await pipeline.run(run)
    sold = await rows(run, "SELECT bundle_key FROM arbitrage_opportunities WHERE bundle_key LIKE '%all YES'")
    assert sold == []
    missed = await rows(run, "SELECT lacks, reason FROM arbitrage_near_misses WHERE bundle_key LIKE '%all YES'")
    assert "rules" in {row["lacks"] for row in missed}


@pytest.mark.usefixtures("collected")
async def test_rules_that_differ_between_the_venues_make_a_near_miss_that_quotes_the_clause(
    make_run: MakeRun, outside: Outside
) -> None:
    run = await make_run("analyze", NOW, **outside.settings(), ai_analysis_enabled=False)
    async with run.transaction() as connection:
        await connection.execute("UPDATE markets SET rules = 'Void if anyone dies.' WHERE platform = 'kalshi'")
    await pipeline.run(run)
    missed = await rows(run, "SELECT * FROM arbitrage_near_misses WHERE opportunity_type = 'CROSS_PLATFORM'")
    assert any(row["lacks"] == "rules" and "Void if anyone dies" in row["reason"] for row in missed)
    assert not await rows(run, "SELECT 1 FROM arbitrage_opportunities WHERE opportunity_type = 'CROSS_PLATFORM'")
