"""Fees are the venues' formulas, exact to the last digit."""

from __future__ import annotations

import csv
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.arbitrage.fees import (
    CENT,
    KALSHI_DIRECT_ROUNDING,
    KALSHI_ROUNDING,
    POLYMARKET_ROUNDING,
    FeeRule,
    Rounding,
    kalshi_maker_rate,
    kalshi_rate,
    order_fee_usd,
    rounded_up,
    taker_fee_usd,
)
from tests.conftest import ROOT

EXAMPLES = ROOT.parent / "shared" / "benchmarks" / "arbitrage" / "worked_examples.csv"

prices = st.decimals("0.01", "0.99", places=3)
contracts = st.decimals("1", "100000", places=2)


@pytest.mark.skipif(not EXAMPLES.is_file(), reason="the published examples are not here")
def test_published_examples_come_out_to_the_cent() -> None:
    """Of each row both fees, what is left before and after them; rows told in cents are of one contract, unrounded."""
    with EXAMPLES.open() as file:
        rows = list(csv.DictReader(file))
    assert len(rows) >= 4
    for row in rows:
        in_cents = row["case"].endswith("cents")
        count, unit = Decimal(row["contracts"]), Decimal(100) if in_cents else Decimal(1)
        sell, buy = Decimal(row["sell_price"]), Decimal(row["buy_price"])
        fees = []
        for venue, rounding in (("kalshi", KALSHI_ROUNDING), ("pm", POLYMARKET_ROUNDING)):
            price = sell if row["sell_venue"].startswith(venue[0]) else buy
            rule = FeeRule(Decimal(row[f"{venue}_rate"]), Decimal(1), rounding)
            exact = taker_fee_usd(count, price, rule.rate)
            fees.append(unit * exact if in_cents else order_fee_usd([(count, price)], rule))
            assert same_cents(fees[-1], row[f"published_{venue}_fee"]), (row["case"], venue)
        gross = unit * count * (sell - buy)
        if row["published_gross"]:
            assert same_cents(gross, row["published_gross"]), row["case"]
            assert same_cents(gross - sum(fees, Decimal(0)), row["published_net"]), row["case"]
        else:
            assert same_cents(sum(fees, Decimal(0)), row["published_net"]), row["case"]


def same_cents(ours: Decimal, published: str) -> bool:
    """Published figures are rounded to two places, each author in their own way."""
    return abs(ours - Decimal(published)) < Decimal("0.01")


@given(contracts, prices)
def test_a_fee_is_the_same_for_yes_and_no(count: Decimal, price: Decimal) -> None:
    assert taker_fee_usd(count, price, Decimal("0.07")) == taker_fee_usd(count, 1 - price, Decimal("0.07"))


@given(st.decimals("0", "1000", places=8), st.sampled_from([CENT, Decimal("0.0001"), Decimal("0.00001")]))
def test_rounding_up_never_takes_away_and_adds_less_than_a_step(fee: Decimal, step: Decimal) -> None:
    rounded = rounded_up(fee, step)
    assert 0 <= rounded - fee < step
    assert rounded % step == 0


def test_an_unknown_fee_kind_or_multiplier_is_unknown_not_free() -> None:
    assert kalshi_rate("flat", Decimal(1)) is None
    assert kalshi_rate(None, Decimal(1)) is None
    assert kalshi_rate("quadratic", None) is None
    assert kalshi_rate("quadratic", Decimal("0.5")) == Decimal("0.035")
    assert kalshi_rate("quadratic_with_maker_fees", Decimal(0)) == 0


def test_an_exponent_of_two_squares_the_spread() -> None:
    assert taker_fee_usd(Decimal(1), Decimal("0.5"), Decimal("0.25"), Decimal(2)) == Decimal("0.015625")


def test_a_maker_pays_nothing_a_quarter_or_half_by_the_series_kind() -> None:
    assert kalshi_maker_rate("quadratic", Decimal(1)) == 0
    assert kalshi_maker_rate("quadratic_with_maker_fees", Decimal(1)) == Decimal("0.0175")
    assert kalshi_maker_rate("quadratic_with_combo_maker_fees", Decimal("0.5")) == Decimal("0.0175")
    assert kalshi_maker_rate("flat", Decimal(1)) is None
    assert kalshi_maker_rate("quadratic", None) is None


def test_an_order_of_many_trades_is_rounded_to_the_cent_once() -> None:
    rule = FeeRule(Decimal("0.07"), Decimal(1), KALSHI_ROUNDING)
    one_trade = order_fee_usd([(Decimal(100), Decimal("0.41"))], rule)
    assert order_fee_usd([(Decimal(1), Decimal("0.41"))] * 100, rule) == one_trade
    each_rounded = 100 * order_fee_usd([(Decimal(1), Decimal("0.41"))], rule)
    assert (one_trade, each_rounded) == (Decimal("1.70"), Decimal("2.00"))


def test_a_direct_member_keeps_the_fractions_of_a_cent() -> None:
    trade = [(Decimal(1), Decimal("0.41"))]
    assert order_fee_usd(trade, FeeRule(Decimal("0.07"), Decimal(1), KALSHI_DIRECT_ROUNDING)) == Decimal("0.0170")
    assert order_fee_usd(trade, FeeRule(Decimal("0.07"), Decimal(1), KALSHI_ROUNDING)) == Decimal("0.02")


def test_prices_finer_than_a_cent_make_the_balance_round_not_the_fee() -> None:
    rule = FeeRule(Decimal("0.07"), Decimal(1), KALSHI_ROUNDING)
    contracts, price = Decimal(7), Decimal("0.123")
    taken = contracts * price + order_fee_usd([(contracts, price)], rule)
    assert taken == Decimal("0.92")


@given(
    st.lists(st.tuples(st.integers(1, 500).map(Decimal), prices), min_size=1, max_size=8),
    st.sampled_from([Decimal(0), Decimal("0.035"), Decimal("0.05"), Decimal("0.07")]),
    st.sampled_from([KALSHI_ROUNDING, KALSHI_DIRECT_ROUNDING, POLYMARKET_ROUNDING]),
)
def test_the_bound_a_contract_covers_every_order_of_whole_contracts(
    trades: list[tuple[Decimal, Decimal]], rate: Decimal, rounding: Rounding
) -> None:
    rule = FeeRule(rate, Decimal(1), rounding)
    cost = sum((size * price for size, price in trades), Decimal(0))
    bound = sum((size * rule.per_contract_usd(price) for size, price in trades), Decimal(0))
    assert order_fee_usd(trades, rule) <= rounded_up(cost + bound, rounding.order_step) - cost
    exact = sum((taker_fee_usd(size, price, rate) for size, price in trades), Decimal(0))
    contracts = sum((size for size, _ in trades), Decimal(0))
    assert bound - exact < contracts * rounding.trade_step or rate == 0
