"""A bundle pays the same in every outcome, and at least what was promised."""

from __future__ import annotations

from decimal import Decimal

from hypothesis import given, settings
from hypothesis import strategies as st

from core.arbitrage.bundles import LEAST_GAIN_USD, Leg, best_bundle, clearing_price, cost_of_one, for_budget, priced
from core.arbitrage.fees import KALSHI_ROUNDING, POLYMARKET_ROUNDING, FeeRule, Rounding, order_fee_usd
from core.models import Level

ONE = Decimal(1)

levels = st.lists(
    st.builds(Level, st.decimals("0.01", "0.99", places=3), st.decimals("0.5", "5000", places=2)), max_size=6
).map(lambda found: tuple(sorted(found, key=lambda level: level.price)))
thin = st.lists(
    st.builds(Level, st.decimals("0.2", "0.55", places=3), st.decimals("0.5", "40", places=1)), max_size=4
).map(lambda found: tuple(sorted(found, key=lambda level: level.price)))
rates = st.sampled_from([Decimal(0), Decimal("0.035"), Decimal("0.05"), Decimal("0.07")])


def rules(rounding: Rounding) -> st.SearchStrategy[FeeRule]:
    return st.builds(FeeRule, rates, st.sampled_from([ONE, Decimal(2)]), st.just(rounding))


any_rule = st.one_of(rules(KALSHI_ROUNDING), rules(POLYMARKET_ROUNDING))
kalshi_legs = st.builds(Leg, levels, rules(KALSHI_ROUNDING))
polymarket_legs = st.builds(Leg, levels, rules(POLYMARKET_ROUNDING))
thin_legs = st.lists(st.builds(Leg, thin, any_rule), min_size=2, max_size=3)


def leg(*asks: tuple[str, str], rate: str = "0") -> Leg:
    found = tuple(Level(Decimal(price), Decimal(size)) for price, size in asks)
    return Leg(found, FeeRule(Decimal(rate), ONE, KALSHI_ROUNDING))


def trades(side: Leg, shares: Decimal, at_once: Decimal | None = None) -> list[tuple[Decimal, Decimal]]:
    """The trades of an order for `shares`: a level each, or in parts of `at_once` contracts."""
    found: list[tuple[Decimal, Decimal]] = []
    for level in side.asks:
        left = min(level.size, shares)
        shares -= left
        while left > 0:
            part = left if at_once is None else min(at_once, left)
            found.append((part, level.price))
            left -= part
    assert shares == 0
    return found


def paid(side: Leg, shares: Decimal, at_once: Decimal | None = None) -> Decimal:
    """What a taker pays for `shares` of one leg by the venue's own rules, computed the long way."""
    filled = trades(side, shares, at_once)
    return sum(size * price for size, price in filled) + order_fee_usd(filled, side.fee)


@given(kalshi_legs, polymarket_legs)
def test_in_every_outcome_a_bundle_pays_at_least_what_was_promised(first: Leg, second: Leg) -> None:
    bundle = best_bundle([first, second])
    if bundle is None:
        return
    out_of_pocket = paid(first, bundle.shares) + paid(second, bundle.shares)
    assert out_of_pocket <= bundle.cost_usd
    for first_wins in (True, False):
        payout = bundle.shares * first_wins + bundle.shares * (not first_wins)
        assert payout - out_of_pocket >= bundle.net_edge_usd > 0


def test_levels_of_fractions_are_trades_of_their_own_and_each_is_rounded() -> None:
    halves = (Level(Decimal("0.010"), Decimal("0.50")),) * 2
    fee = FeeRule(Decimal("0.035"), ONE, POLYMARKET_ROUNDING)
    legs = [Leg(halves, FeeRule(Decimal(0), ONE, KALSHI_ROUNDING)), Leg(halves, fee)]
    bundle = best_bundle(legs)
    assert bundle is not None
    assert sum((paid(leg, bundle.shares) for leg in legs), Decimal(0)) <= bundle.cost_usd


@settings(max_examples=50)
@given(thin_legs, st.sampled_from([ONE, Decimal(3)]))
def test_however_an_order_is_split_into_trades_of_whole_contracts_it_costs_no_more(
    legs: list[Leg], at_once: Decimal
) -> None:
    bundle = best_bundle(legs, Decimal(len(legs) - 1))
    if bundle is not None and all(level.size == level.size // 1 for side in legs for level in side.asks):
        assert sum(paid(side, bundle.shares, at_once) for side in legs) <= bundle.cost_usd


@given(st.one_of(st.tuples(kalshi_legs, polymarket_legs), st.tuples(polymarket_legs, kalshi_legs, kalshi_legs)))
def test_shares_are_whole_and_never_more_than_any_book_holds(legs: tuple[Leg, ...]) -> None:
    bundle = best_bundle(legs, Decimal(len(legs) - 1))
    if bundle is not None:
        assert bundle.shares == bundle.shares.to_integral_value()
        for side in legs:
            assert bundle.shares <= sum(level.size for level in side.asks)


@given(kalshi_legs, polymarket_legs)
def test_the_worst_price_named_as_limit_fills_every_share(first: Leg, second: Leg) -> None:
    bundle = best_bundle([first, second])
    if bundle is not None:
        for side, fill in zip((first, second), bundle.fills, strict=True):
            assert sum(level.size for level in side.asks if level.price <= fill.worst_price) >= bundle.shares


@settings(max_examples=200)
@given(thin_legs)
def test_after_rounding_no_smaller_order_earns_more_than_the_most_that_still_pays(legs: list[Leg]) -> None:
    pays = Decimal(len(legs) - 1)
    best = best_bundle(legs, pays)
    most = int(min(sum((level.size for level in side.asks), Decimal(0)) for side in legs))
    every = [bundle for n in range(1, most + 1) if (bundle := priced(legs, Decimal(n), pays)) is not None]
    if best is None:
        # Only what adds less than is worth an order was left.
        assert all(bundle.net_edge_usd <= bundle.shares * len(legs) * LEAST_GAIN_USD for bundle in every)
        return
    assert best.net_edge_usd > 0
    assert all(bundle.net_edge_usd <= best.net_edge_usd for bundle in every if bundle.shares <= best.shares)
    gain = len(legs) * LEAST_GAIN_USD
    slack = sum((side.fee.rounding.order_step for side in legs), Decimal(0))
    for bundle in every:
        if bundle.shares > best.shares:
            extra = bundle.net_edge_usd - best.net_edge_usd
            assert extra <= slack + gain * (bundle.shares - best.shares)


@given(kalshi_legs, polymarket_legs, st.decimals("1", "2000", places=0))
def test_a_budget_buys_the_most_that_it_can_pay_for(first: Leg, second: Leg, budget: Decimal) -> None:
    most = best_bundle([first, second])
    if most is None:
        return
    bundle = for_budget([first, second], most, budget)
    one_more = priced([first, second], (bundle.shares if bundle else Decimal(0)) + 1)
    assert bundle is None or (bundle.cost_usd <= budget and bundle.shares <= most.shares)
    assert bundle == most or one_more is None or one_more.cost_usd > budget


def test_equal_dollars_on_both_legs_would_lose_and_equal_shares_do_not() -> None:
    cheap, dear = leg(("0.20", "1000")), leg(("0.70", "1000"))
    bundle = best_bundle([cheap, dear])
    assert bundle is not None
    assert bundle.net_edge_usd == Decimal("0.10") * bundle.shares
    dollars = Decimal(100)
    dear_shares = dollars / Decimal("0.70")
    assert dear_shares - 2 * dollars < 0, "when the dear leg wins, equal dollars lose"


@given(levels.filter(bool), levels.filter(bool))
def test_equal_dollars_are_never_what_is_shown(first: tuple[Level, ...], second: tuple[Level, ...]) -> None:
    rule = FeeRule(Decimal(0), ONE, KALSHI_ROUNDING)
    bundle = best_bundle([Leg(first, rule), Leg(second, rule)])
    if bundle is not None:
        assert all(bundle.shares == sum(size for size, _ in trades(Leg(asks, rule), bundle.shares))
                   for asks in (first, second))  # fmt: skip


def test_mid_prices_that_cross_are_no_bundle_when_asks_do_not() -> None:
    yes_book, no_book = leg(("0.52", "100")), leg(("0.50", "100"))
    mids = Decimal("0.49") + Decimal("0.48")
    assert mids < 1
    assert best_bundle([yes_book, no_book]) is None


@given(st.decimals("0.02", "0.98", places=2), st.decimals("0", "0.2", places=2))
def test_mid_prices_are_never_what_is_paid(ask: Decimal, over: Decimal) -> None:
    """Whatever the middles of two books promise, asks that sum to a dollar or more buy nothing."""
    other = min(1 - ask + over, Decimal("0.99"))
    assert ask + other < 1 or best_bundle([leg((f"{ask}", "100")), leg((f"{other}", "100"))]) is None


def test_fees_can_eat_the_whole_edge() -> None:
    assert best_bundle([leg(("0.49", "100")), leg(("0.49", "100"))]) is not None
    assert best_bundle([leg(("0.49", "100"), rate="0.07"), leg(("0.49", "100"), rate="0.05")]) is None


def test_the_walk_stops_where_the_next_share_no_longer_pays() -> None:
    bundle = best_bundle([leg(("0.40", "10"), ("0.55", "1000")), leg(("0.50", "500"))])
    assert bundle is not None
    assert bundle.shares == 10


def test_a_last_share_that_only_pays_for_its_rounding_is_left_out() -> None:
    """At 46¢ a contract's fee is 1.739¢: 23 of them take 40¢ as 24 would take 42¢ for 3.6¢ of edge."""
    legs = [leg(("0.46", "24"), rate="0.07"), leg(("0.52", "24"))]
    bundle = best_bundle(legs)
    assert bundle is not None
    nets = [found.net_edge_usd for n in range(1, 25) if (found := priced(legs, Decimal(n)))]
    assert bundle.net_edge_usd == max(nets)
    assert nets.count(max(nets)) >= 1


def test_three_legs_of_which_two_pay_are_priced_against_two_dollars() -> None:
    bundle = best_bundle([leg(("0.60", "9")), leg(("0.65", "20")), leg(("0.70", "12"))], Decimal(2))
    assert bundle is not None
    assert (bundle.shares, bundle.payout_usd, bundle.cost_usd) == (Decimal(9), Decimal(18), Decimal("17.55"))


def test_an_empty_book_is_no_bundle() -> None:
    assert best_bundle([leg(), leg(("0.10", "5"))]) is None
    assert priced([leg(), leg(("0.10", "5"))], ONE) is None
    assert cost_of_one([leg(), leg(("0.10", "5"))]) is None


@given(st.decimals("0.01", "1.2", places=3), any_rule)
def test_at_its_clearing_price_a_leg_fits_and_a_tick_above_it_does_not(left: Decimal, rule: FeeRule) -> None:
    tick = Decimal("0.001")
    price = clearing_price(Leg((), rule), left, tick)

    def costs(price: Decimal) -> Decimal:
        return price + rule.per_contract_usd(price)

    assert price is None or costs(price) <= left
    above = (price or Decimal(0)) + tick
    assert above >= 1 or costs(above) > left
