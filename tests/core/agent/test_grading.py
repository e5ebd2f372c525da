"""A position's result: the ask and the fee paid, the payout or the other side's ask taken."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.agent.grading import Entry, held_cents, sold_cents

PRICE = st.integers(1, 99).map(lambda cents: Decimal(cents) / 100)


def make_entry(**given: Any) -> Entry:
    values: dict[str, Any] = {
        "position": "YES",
        "yes_ask": Decimal("0.41"),
        "no_ask": Decimal("0.61"),
        "fee_rate": Decimal("0.07"),
        "fee_exponent": Decimal(1),
    }
    return Entry(**values | given)


def test_what_is_held_earns_its_payout_less_the_ask_and_one_fee() -> None:
    assert held_cents(make_entry(), Decimal(1)) == Decimal("57.3067")  # 100 - 41 - 7 * .41 * .59
    assert held_cents(make_entry(), Decimal(0)) == Decimal("-42.6933")
    assert held_cents(make_entry(position="NO"), Decimal(0)) == Decimal("37.3347")  # 100 - 61 - 7 * .61 * .39
    assert held_cents(make_entry(), Decimal("0.5")) == Decimal("7.3067")


def test_what_is_sold_takes_what_the_other_sides_buyer_pays_and_pays_a_second_fee() -> None:
    sold = sold_cents(make_entry(), Decimal("0.60"), Decimal("0.45"))
    assert sold == Decimal("10.5742")  # 55 - 7 * .55 * .45 - 41 - 7 * .41 * .59
    assert sold_cents(make_entry(position="NO"), Decimal("0.30"), None) == Decimal("100") * (
        Decimal("0.70") - Decimal("0.07") * Decimal("0.21") - Decimal("0.61") - Decimal("0.07") * Decimal("0.2379")
    )


@pytest.mark.parametrize("lacks", ["yes_ask", "fee_rate", "fee_exponent"])
def test_what_is_not_known_is_not_graded(lacks: str) -> None:
    entry = make_entry(**{lacks: None})
    assert held_cents(entry, Decimal(1)) is None
    assert sold_cents(entry, Decimal("0.5"), Decimal("0.5")) is None


def test_who_waits_earns_nothing_to_be_graded() -> None:
    assert held_cents(make_entry(position="WAIT"), Decimal(1)) is None


def test_without_a_buyer_nothing_is_sold() -> None:
    assert sold_cents(make_entry(), Decimal("0.5"), None) is None


@given(PRICE, PRICE, st.sampled_from(["0", "0.07"]))
def test_selling_at_once_never_pays_where_the_asks_make_a_dollar_or_more(yes: Decimal, no: Decimal, rate: str) -> None:
    sold = sold_cents(make_entry(yes_ask=yes, no_ask=no, fee_rate=Decimal(rate)), yes, no)
    assert sold is not None
    assert sold <= 100 * (1 - yes - no)


@given(PRICE, PRICE, st.sampled_from(["YES", "NO"]), st.sampled_from([Decimal(0), Decimal("0.25"), Decimal(1)]))
def test_yes_and_no_are_mirrors(yes: Decimal, no: Decimal, position: str, payout: Decimal) -> None:
    entry = make_entry(position=position, yes_ask=yes, no_ask=no)
    mirror = make_entry(position="NO" if position == "YES" else "YES", yes_ask=no, no_ask=yes)
    assert held_cents(entry, payout) == held_cents(mirror, 1 - payout)
    assert sold_cents(entry, yes, no) == sold_cents(mirror, no, yes)
