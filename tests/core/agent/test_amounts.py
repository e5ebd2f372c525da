"""Numbers said as somebody says them: exactly, rounded, in another unit; and dates, as far as they are said."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.agent.amounts import sign
from core.agent.dates import date_faults
from core.agent.evidence import dollars
from core.agent.quantities import quantities
from core.models import Fact
from tests.core.agent.making import NOW


def said(text: str, value: str, unit: str, name: str = "net_edge_cents") -> int:
    (quantity,) = quantities(text)
    return sign(quantity, Fact("E1", name, "", value, unit))


@pytest.mark.parametrize(
    ("text", "value", "unit", "is_it"),
    [
        ("3.3¢", "3.3", "¢", 1),
        ("about 3¢", "3.3", "¢", 1),
        ("3¢", "3.4", "¢", 0),  # off by more than a tenth
        ("4¢", "3.5", "¢", 0),
        ("40¢", "41", "¢", 0),  # a trailing zero of cents is said
        ("$0.41", "41", "¢", 1),
        ("$41", "41", "¢", 0),
        ("41%", "41", "¢", 0),
        ("3.3¢", "-3.3", "¢", -1),
        ("+3.3¢", "-3.3", "¢", 0),
        ("12,300 contracts", "12345", "contracts", 1),
        ("12.3k contracts", "12345", "contracts", 1),
        ("12,000 contracts", "12345", "contracts", 1),
        ("10,000 contracts", "12345", "contracts", 0),
        ("13,000 contracts", "12345", "contracts", 0),
        ("$12,345", "12345", "contracts", 0),
        ("$2,167.17", "2,167.17", "USD", 1),
        ("$2167.17", "2,167.17", "USD", 1),
        ("$2,170", "2,167.17", "USD", 1),
        ("$2.2k", "2,167.17", "USD", 1),
        ("$2.17", "2,167.17", "USD", 0),
        ("$2", "2,167.17", "USD", 0),
        ("$167.17", "2,167.17", "USD", 0),
        ("$878.90", "878.9", "USD", 1),  # as a fact was stored before money had one form
        ("$2,167", "2167", "USD", 1),
        ("two days", "48", "h", 1),
        ("two days", "36", "h", 0),
        ("48 minutes", "48", "h", 0),
        ("30 minutes", "0.5", "h", 1),
        ("8 times", "8.2", "times", 1),
        ("9 times", "8.2", "times", 0),
        ("5", "5", "", 1),
        ("5", "5.4", "", 0),
    ],
)
def test_a_number_is_a_facts_within_the_stated_rounding(text: str, value: str, unit: str, is_it: int) -> None:
    assert said(text, value, unit) == is_it


@given(st.decimals(min_value=0, max_value=10**12, places=4))
def test_money_as_it_is_written_is_what_it_tells(amount: Decimal) -> None:
    text = dollars(amount)
    assert Fact("E1", "fillable_usd", "", text, "USD").number == round(amount, 2)
    assert said(f"${text}", text, "USD", "fillable_usd") == 1


@given(st.integers(1, 10**6), st.integers(1, 10**6))
def test_a_size_is_never_off_by_more_than_a_twentieth(number: int, value: int) -> None:
    if said(f"{number} contracts", str(value), "contracts"):
        assert abs(number - value) <= value / 20


CLOSES = Fact("E1", "closes_at", "", f"{NOW + timedelta(hours=48):%Y-%m-%d %H:%M}", "UTC")  # 24 November 2026, 13:05


@pytest.mark.parametrize(
    ("text", "passes"),
    [
        ("The market closes on November 24.", True),
        ("It closes on 24 Nov 2026 at 13:05 UTC.", True),
        ("It closes on 2026-11-24.", True),
        ("It closes at 13:05 UTC.", True),
        ("The market closes on November 25.", False),
        ("It closes on 24 November 2025.", False),
        ("It closes at 14:05 UTC.", False),
        ("It closes on Dec 31.", False),  # the title's own date is not the close
        ("The title asks about Dec 31.", True),
        ("The title asks about Dec 31, 2031.", False),
        ("The ruling is due on November 24.", False),
    ],
)
def test_a_date_is_the_close_or_one_that_the_market_names(text: str, passes: bool) -> None:
    assert (not date_faults(text, [CLOSES], "Will the treaty be signed by Dec 31?")) == passes


def test_the_close_must_be_cited() -> None:
    assert date_faults("The market closes on November 24.", [], "") != []
