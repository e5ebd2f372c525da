"""Small disagreements laid into what a generated world lists: found as far as ticks let them be seen."""

from __future__ import annotations

import numpy as np
import pytest

from bench.mismatches import CROSSING, TICKS, Found, Place, found

LADDERS = ("ladder_by_threshold", "ladder_by_date")
ARITHMETIC = ("sum_mismatch", *LADDERS)


@pytest.fixture(scope="module")
def told() -> Found:
    return found(2_026_112_321 % 2**31, sizes=(0.0, 1.0, 3.0, 5.0, 15.0))


def shares(told: Found, detector: str, tick: float, size: float) -> tuple[float, float]:
    quoted, hits = np.array(told[detector, tick, size]).T
    return float(quoted.mean()), float(hits.mean())


def test_every_detector_has_places(told: Found) -> None:
    assert min(len(told[detector, 0.01, 3.0]) for detector in (*ARITHMETIC, CROSSING)) >= 10


def test_what_fits_is_not_found_nor_what_no_quote_shows(told: Found) -> None:
    for (_, _, size), places in told.items():
        assert all(quoted or not hit for quoted, hit in places)
        assert size or not any(quoted for quoted, _ in places)


@pytest.mark.parametrize("detector", ARITHMETIC)
def test_in_tenths_of_a_cent_three_sizes_are_found_and_one_is_not(told: Found, detector: str) -> None:
    assert shares(told, detector, 0.001, 3.0)[1] >= 0.95
    assert shares(told, detector, 0.001, 1.0)[1] == 0


@pytest.mark.parametrize("detector", LADDERS)
def test_in_whole_cents_a_ladder_is_found_wherever_a_cent_is_quoted(told: Found, detector: str) -> None:
    quoted, hits = shares(told, detector, 0.01, 3.0)
    assert quoted == hits < 0.7
    assert shares(told, detector, 0.01, 5.0) == (1, 1)


def test_a_crossing_is_found_at_its_four_cents(told: Found) -> None:
    for tick in TICKS:
        assert shares(told, CROSSING, tick, 5.0)[1] == 0
        assert shares(told, CROSSING, tick, 15.0)[1] == 1


def test_a_size_is_the_rounding_of_as_many_quotes() -> None:
    assert Place("sum_mismatch", ("a", "b", "c", "d")).size == pytest.approx(0.0058)
    assert Place("ladder_by_date", ("a", "b")).size == pytest.approx(0.0041, abs=1e-4)
    assert Place(CROSSING, ("a", "b")).size == pytest.approx(0.00355, abs=1e-5)
