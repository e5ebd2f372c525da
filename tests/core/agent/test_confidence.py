"""The two numbers of an insight say what they stand on, and agree with each other."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.agent.calibration import Calibration
from core.agent.confidence import NO_POSITION, numbers_of
from core.detect.longshots import SettledRates, proved_gap
from tests.core.agent.making import NOW, make_answer, make_candidate

UNPROVED = Calibration(9, 7, 0.2, 0.01, 0.6, 0.3, proved=False)
PROVED = Calibration(90, 70, 0.5, 0.3, 0.7, 5.0, proved=True)
CENTS = st.integers(1, 99).map(lambda cents: Decimal(cents) / 100)


def rates(*, proved: bool, gap: float = 0.05) -> SettledRates:
    """One cell for every market within a thousand hours of its close, between 30 and 50 cents."""
    bands, horizons = np.array([0, 0.3, 0.5, 1]), np.array([0.0, 1_000.0])
    cells = np.full((1, 1, 3), np.nan)
    cells[0, 0, 1] = gap
    told = np.zeros((1, 1, 3), dtype=bool)
    told[0, 0, 1] = proved
    return SettledRates(("",), horizons, bands, cells, cells, np.full((1, 1, 3), 212.0), told)


def test_before_anything_was_graded_they_are_the_markets_price_and_say_so() -> None:
    candidate = make_candidate()
    said = numbers_of(make_answer(), candidate, None, None, NOW)
    assert said.win_probability == candidate.price
    assert said.win_probability_basis == (
        "unproven: the market's price; the model's own number is not calibrated yet (n = 0 events)"
    )
    assert said.confidence_basis == said.win_probability_basis
    assert (said.raw_win_probability, said.raw_confidence_score) == (Decimal("0.46"), Decimal(65))


@given(CENTS, st.floats(0, 1), st.sampled_from([None, UNPROVED]))
def test_what_is_not_proved_moves_nothing(price: Decimal, raw: float, calibration: Calibration | None) -> None:
    said = numbers_of(make_answer(win_probability=raw), make_candidate(price=price), calibration, None, NOW)
    assert said.win_probability == price
    assert said.win_probability_basis.startswith("unproven")


@given(CENTS, st.floats(0, 1), st.sampled_from(["YES", "NO"]), st.sampled_from([None, UNPROVED, PROVED]))
def test_the_confidence_in_a_side_is_its_probability(
    price: Decimal, raw: float, position: str, calibration: Calibration | None
) -> None:
    answer = make_answer(win_probability=raw, suggested_position=position)
    said = numbers_of(answer, make_candidate(price=price), calibration, None, NOW)
    assert said.win_probability is not None
    assert said.confidence_score is not None
    assert 0 < said.win_probability < 1
    wins = said.win_probability if position == "YES" else 1 - said.win_probability
    assert abs(said.confidence_score - 100 * wins) <= Decimal("0.05")


def test_a_proved_calibration_tells_its_events_and_the_sides_own_interval() -> None:
    candidate = make_candidate(price=Decimal("0.40"))
    yes = numbers_of(make_answer(win_probability=0.6), candidate, PROVED, None, NOW)
    assert yes.win_probability == Decimal("0.500000")
    assert yes.win_probability_basis == yes.confidence_basis == "calibrated on 70 events (95%: 46 to 54%)"
    no = numbers_of(make_answer(win_probability=0.5, suggested_position="NO"), candidate, PROVED, None, NOW)
    assert no.win_probability_basis == "calibrated on 70 events (95%: 43 to 47%)"
    assert no.confidence_basis == "calibrated on 70 events (95%: 53 to 57%)"


def test_a_model_that_gave_no_number_is_not_calibrated() -> None:
    said = numbers_of(make_answer(win_probability=None), make_candidate(), PROVED, None, NOW)
    assert said.win_probability == make_candidate().price
    assert said.raw_win_probability is None
    assert said.win_probability_basis == "unproven: the market's price; the model gave no number of its own"


def test_who_waits_has_no_confidence_in_a_position() -> None:
    said = numbers_of(make_answer(suggested_position="WAIT"), make_candidate(), PROVED, None, NOW)
    assert (said.confidence_score, said.confidence_basis) == (None, NO_POSITION)
    assert said.win_probability is not None


def test_without_a_price_nothing_is_known() -> None:
    said = numbers_of(make_answer(), make_candidate(price=None), PROVED, None, NOW)
    assert (said.win_probability, said.win_baseline, said.confidence_score) == (None, None, None)
    assert "unproven" in said.win_probability_basis
    assert "unproven" in said.confidence_basis


def test_a_position_that_costs_a_dollar_cannot_earn() -> None:
    candidate = make_candidate(price=Decimal("0.97"), yes_price=Decimal("0.9995"), fee_rate=Decimal(2))
    assert numbers_of(make_answer(), candidate, None, None, NOW).confidence_score == 0


def test_a_proved_base_rate_of_such_prices_moves_them_and_is_named() -> None:
    candidate = make_candidate(price=Decimal("0.40"), close_time=NOW + timedelta(hours=48))
    said = numbers_of(make_answer(), candidate, None, rates(proved=True), NOW)
    assert (said.win_probability, said.win_baseline) == (Decimal("0.450000"), Decimal("0.450000"))
    assert "the base rate of 212 events at such prices" in said.win_probability_basis
    assert "unproven" in said.win_probability_basis  # the model's own
    assert numbers_of(make_answer(), candidate, None, rates(proved=False), NOW).win_probability == Decimal("0.40")


@pytest.mark.parametrize(
    ("category", "hours", "price"),
    [("Politics", None, 0.4), ("Politics", -1.0, 0.4), ("Politics", 1_000.0, 0.4), (None, 5.0, 0.2), (None, 5.0, 1.0)],
)
def test_outside_of_proved_cells_no_gap_is_told(category: str | None, hours: float | None, price: float) -> None:
    assert proved_gap(rates(proved=True), category, hours, price) is None
    assert proved_gap(rates(proved=True), category, 5.0, 0.4) == (0.05, 212)
    assert proved_gap(None, category, 5.0, 0.4) is None
