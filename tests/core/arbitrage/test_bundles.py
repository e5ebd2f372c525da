"""A bundle pays the same in every outcome, and at least what was promised."""

from __future__ import annotations

from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from core.arbitrage.bundles import Leg, best_bundle, priced
from core.arbitrage.fees import CENT, rounded_up, taker_fee_usd
from core.models import Level

levels = st.lists(
    st.builds(Level, st.decimals("0.01", "0.99", places=3), st.decimals("0.5", "5000", places=2)), max_size=6
).map(lambda found: tuple(sorted(found, key=lambda level: level.price)))
rates = st.sampled_from([Decimal(0), Decimal("0.035"), Decimal("0.05"), Decimal("0.07")])
kalshi_legs = st.builds(Leg, levels, rates, st.just(Decimal(1)), st.just(CENT))
polymarket_legs = st.builds(Leg, levels, rates, st.just(Decimal(1)), st.just(Decimal("0.00001")))


def leg(*asks: tuple[str, str], rate: str = "0") -> Leg:
    found = tuple(Level(Decimal(price), Decimal(size)) for price, size in asks)
    return Leg(found, Decimal(rate), Decimal(1), CENT)


def paid(side: Leg, shares: Decimal) -> Decimal:
    """What a taker pays for `shares` of one leg, computed the long way."""
    cost, fee = Decimal(0), Decimal(0)
    for level in side.asks:
        taken = min(level.size, shares)
        cost, fee = cost + taken * level.price, fee + taker_fee_usd(taken, level.price, side.fee_rate)
        shares -= taken
    assert shares == 0
    return cost + rounded_up(fee, side.fee_step)


@given(kalshi_legs, polymarket_legs)
def test_in_every_outcome_a_bundle_pays_at_least_what_was_promised(first: Leg, second: Leg) -> None:
    bundle = best_bundle(first, second)
    if bundle is None:
        return
    out_of_pocket = paid(first, bundle.shares) + paid(second, bundle.shares)
    assert out_of_pocket == bundle.cost_usd
    for first_wins in (True, False):
        payout = bundle.shares * first_wins + bundle.shares * (not first_wins)
        assert payout - out_of_pocket == bundle.net_edge_usd > 0


@given(kalshi_legs, polymarket_legs)
def test_shares_are_whole_and_never_more_than_either_book_holds(first: Leg, second: Leg) -> None:
    bundle = best_bundle(first, second)
    if bundle is not None:
        assert bundle.shares == bundle.shares.to_integral_value()
        for side in (first, second):
            assert bundle.shares <= sum(level.size for level in side.asks)


@given(kalshi_legs, polymarket_legs)
def test_the_worst_price_named_as_limit_fills_every_share(first: Leg, second: Leg) -> None:
    bundle = best_bundle(first, second)
    if bundle is not None:
        for side, limit in zip((first, second), bundle.worst_prices, strict=True):
            assert sum(level.size for level in side.asks if level.price <= limit) >= bundle.shares


def test_equal_dollars_on_both_legs_would_lose_and_equal_shares_do_not() -> None:
    cheap, dear = leg(("0.20", "1000")), leg(("0.70", "1000"))
    bundle = best_bundle(cheap, dear)
    assert bundle is not None
    assert bundle.net_edge_usd == Decimal("0.10") * bundle.shares
    dollars = Decimal(100)
    dear_shares = dollars / Decimal("0.70")
    assert dear_shares - 2 * dollars < 0, "when the dear leg wins, equal dollars lose"


def test_mid_prices_that_cross_are_no_bundle_when_asks_do_not() -> None:
    yes_book, no_book = leg(("0.52", "100")), leg(("0.50", "100"))
    mids = Decimal("0.49") + Decimal("0.48")
    assert mids < 1
    assert best_bundle(yes_book, no_book) is None


def test_fees_can_eat_the_whole_edge() -> None:
    assert best_bundle(leg(("0.49", "100")), leg(("0.49", "100"))) is not None
    assert best_bundle(leg(("0.49", "100"), rate="0.07"), leg(("0.49", "100"), rate="0.05")) is None


def test_the_walk_stops_where_the_next_share_no_longer_pays() -> None:
    bundle = best_bundle(leg(("0.40", "10"), ("0.55", "1000")), leg(("0.50", "500")))
    assert bundle is not None
    assert bundle.shares == 10


def test_an_empty_book_is_no_bundle() -> None:
    assert best_bundle(leg(), leg(("0.10", "5"))) is None
    assert priced(leg(), leg(("0.10", "5")), Decimal(1)) is None
