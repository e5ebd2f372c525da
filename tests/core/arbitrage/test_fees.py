"""Fees are the venues' formulas, exact to the last digit."""

from __future__ import annotations

import csv
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.arbitrage.fees import CENT, kalshi_rate, rounded_up, taker_fee_usd
from tests.conftest import ROOT

EXAMPLES = ROOT.parent / "shared" / "benchmarks" / "arbitrage" / "worked_examples.csv"

prices = st.decimals("0.01", "0.99", places=3)
contracts = st.decimals("1", "100000", places=2)


@pytest.mark.skipif(not EXAMPLES.is_file(), reason="the published examples are not here")
def test_published_examples_come_out_to_the_cent() -> None:
    with EXAMPLES.open() as file:
        rows = list(csv.DictReader(file))
    assert len(rows) >= 4
    for row in rows:
        count = Decimal(row["contracts"])
        kalshi_price = Decimal(row["sell_price"] if row["sell_venue"] == "kalshi" else row["buy_price"])
        polymarket_price = Decimal(row["sell_price"] if row["sell_venue"] == "polymarket" else row["buy_price"])
        in_cents = row["case"].endswith("cents")
        if row["published_kalshi_fee"]:
            fee = taker_fee_usd(count, kalshi_price, Decimal(row["kalshi_rate"]))
            said = Decimal(row["published_kalshi_fee"])
            assert abs((100 * fee if in_cents else rounded_up(fee, CENT)) - said) < Decimal("0.01"), row["case"]
        if row["published_pm_fee"]:
            fee = taker_fee_usd(count, polymarket_price, Decimal(row["pm_rate"]))
            said = Decimal(row["published_pm_fee"])
            assert abs((100 * fee if in_cents else fee) - said) < Decimal("0.01"), row["case"]


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
