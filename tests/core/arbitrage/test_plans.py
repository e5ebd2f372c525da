"""What a plan promises is paid in every outcome that its relation allows, whichever way the relation runs."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.arbitrage.plans import Claim, all_no, all_yes, implied, of_pair
from core.models import OpenMarket

NOW = datetime(2026, 11, 22, 13, 5, tzinfo=UTC)
K, P = ("kalshi", "K"), ("polymarket", "P")

# Which outcomes (Kalshi's YES, Polymarket's YES) a relation between YES and YES allows.
ALLOWED: dict[str, Callable[[bool, bool], bool]] = {
    "identity": lambda k, p: k == p,
    "subset": lambda k, p: k or not p,
    "superset": lambda k, p: p or not k,
    "disjoint": lambda k, p: not (k and p),
    "overlap": lambda k, p: True,
    "none": lambda k, p: True,
}


def market(market_id: str, no_price: str | None, yes_price: str | None = "0.5") -> OpenMarket:
    def price(told: str | None) -> Decimal | None:
        return None if told is None else Decimal(told)

    return OpenMarket(
        "polymarket", market_id, "E", market_id, None, None, None, True, None, price(yes_price), price(no_price), None,
        None, NOW, Decimal(0), Decimal(1),
    )  # fmt: skip


@given(st.sampled_from([*ALLOWED, "complement"]), st.booleans(), st.booleans(), st.booleans())
def test_an_inverted_polarity_is_never_shown(relation: str, same_side: bool, k: bool, p: bool) -> None:
    """Whatever is bought pays its dollar in every outcome that the judged relation allows, with its polarity."""
    claimed = "identity" if relation == "complement" else relation
    if not ALLOWED[claimed](k, p == same_side):
        return
    for plan in of_pair(relation, same_side, "K", "P"):
        assert plan.payout({("kalshi", "K"): k, ("polymarket", "P"): p}) >= plan.pays == 1


@pytest.mark.parametrize("same_side", [True, False])
def test_a_polarity_inverted_by_mistake_would_lose_everything_in_some_outcome(same_side: bool) -> None:
    relation = "identity" if same_side else "complement"
    mistaken = of_pair("complement" if same_side else "identity", not same_side, "K", "P")
    assert mistaken
    real = [(k, p) for k, p in product((True, False), repeat=2) if (k == p) == same_side]
    for plan in mistaken:
        assert 0 in [plan.payout({("kalshi", "K"): k, ("polymarket", "P"): p}) for k, p in real]
    for plan in of_pair(relation, same_side, "K", "P"):
        assert {plan.payout({("kalshi", "K"): k, ("polymarket", "P"): p}) for k, p in real} == {1}


@pytest.mark.parametrize(("relation", "same_side"), [("identity", False), ("complement", True), ("disjoint", False)])
def test_a_relation_that_contradicts_its_polarity_is_not_bought(relation: str, same_side: bool) -> None:
    assert of_pair(relation, same_side, "K", "P") == ()


def test_the_same_bet_is_bought_as_opposite_sides_and_a_complement_as_the_same_side() -> None:
    def sides(relation: str, same_side: bool) -> set[str]:
        return {"+".join(leg.side for leg in plan.legs) for plan in of_pair(relation, same_side, "K", "P")}

    assert sides("identity", True) == {"YES+NO", "NO+YES"}
    assert sides("complement", False) == {"YES+YES", "NO+NO"}
    assert sides("subset", True) == {"YES+NO"}
    assert sides("superset", True) == {"NO+YES"}
    assert sides("disjoint", True) == {"NO+NO"}
    assert sides("overlap", True) == sides("none", True) == set()


@given(st.booleans(), st.booleans(), st.booleans(), st.booleans())
def test_an_implication_pays_a_dollar_wherever_it_holds(narrow: bool, wide: bool, a_yes: bool, b_yes: bool) -> None:
    a, b = Claim("kalshi", "A", a_yes), Claim("kalshi", "B", b_yes)
    plan = implied("TEMPORAL", a, b, "it is so")
    paid = plan.payout({("kalshi", "A"): narrow == a_yes, ("kalshi", "B"): wide == b_yes})
    assert (paid >= 1) == (wide or not narrow)


@given(st.lists(st.decimals("0.02", "0.98", places=2), min_size=2, max_size=7), st.integers(-1, 6))
def test_all_no_pays_all_but_one_whoever_wins_and_if_nobody_listed_does(asks: list[Decimal], winner: int) -> None:
    markets = [market(f"M{n}", str(ask)) for n, ask in enumerate(asks)]
    plan = all_no("E", markets)
    assert plan is not None
    outcome = {(m.platform, m.market_id): n == winner for n, m in enumerate(markets)}
    assert plan.payout(outcome) >= plan.pays == len(plan.legs) - 1


def test_of_all_no_only_the_outcomes_that_make_the_money_work_are_bought() -> None:
    plan = all_no("E", [market("long shot", "0.99"), market("a", "0.40"), market("b", "0.45"), market("no bid", None)])
    assert plan is not None
    assert [leg.market_id for leg in plan.legs] == ["a", "b"]
    assert plan.pays == 1
    assert all_no("E", [market("a", "0.40"), market("no bid", None)]) is None


@given(st.integers(0, 4))
def test_all_yes_pays_one_dollar_when_exactly_one_wins(winner: int) -> None:
    markets = [market(f"M{n}", "0.5") for n in range(5)]
    outcome = {(m.platform, m.market_id): n == winner for n, m in enumerate(markets)}
    assert all_yes("E", markets, "one of them wins").payout(outcome) == 1


def test_a_bundle_has_the_same_name_whichever_leg_is_told_first() -> None:
    a, b = Claim("kalshi", "A"), Claim("polymarket", "B")
    assert implied("TEMPORAL", a, b, "").key == implied("TEMPORAL", b.denied, a.denied, "").key
