"""What is a setup, what it is compared with, when it is proved: on moments made by hand."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from core.detect.rates import Rate, measure
from core.detect.rates_moments import CONTROL, Moments, band_of, first_of_clusters, joined

LATER = 10_000.0


def moments(n: int, detector: str = "jump", **given: Any) -> Moments:
    """n moments of n events, 30 hours apart, at 50 cents, that moved up by 5 cents in all horizons and paid 1."""
    values: dict[str, Any] = {
        "at": 30.0 * np.arange(n),
        "detector": np.full(n, detector, dtype=object),
        "category": np.full(n, "Politics", dtype=object),
        "cluster": np.array([f"{detector} {one}" for one in range(n)], dtype=object),
        "side": np.full(n, 0 if detector == CONTROL else 1, dtype=np.int8),
        "score": np.full(n, 60.0),
        "price": np.full(n, 0.5),
        "closeness": np.zeros(n, dtype=np.int8),
        "activity": np.zeros(n, dtype=np.int8),
        "due": 30.0 * np.arange(n) + 48,
        "cost_trade": np.full(n, 0.03),
        "cost_hold": np.full(n, 0.02),
        "moved": np.full((n, 3), 0.05),
        "payout": np.ones(n),
        "settled": 30.0 * np.arange(n) + 48,
    }
    return Moments(**values | given)


def noise(n: int, seed: int, size: float = 0.05) -> np.ndarray[tuple[int, int], np.dtype[np.float64]]:
    return np.random.default_rng(seed).normal(0, size, (n, 3))


def controls(n: int = 400, seed: int = 0) -> Moments:
    return moments(n, CONTROL, moved=noise(n, seed), at=20.0 * np.arange(n))


def cell(measured: list[Rate], horizon: str, detector: str = "jump") -> Rate:
    (found,) = [rate for rate in measured if (rate.detector, rate.horizon) == (detector, horizon)]
    return found


def test_overlapping_moments_of_one_event_are_one_setup() -> None:
    at = np.array([0.0, 1, 2, 5, 6, 23, 24, 30])
    found = moments(8, at=at, cluster=np.full(8, "event", dtype=object))
    measured = measure(found, LATER)
    assert [cell(measured, horizon).n for horizon in ("1h", "6h", "24h", "settlement")] == [8, 4, 2, 1]


def test_of_moments_at_one_time_the_highest_score_is_the_setup() -> None:
    group = np.zeros(3, dtype=np.intp)
    counts = first_of_clusters(group, group, np.zeros(3), np.array([1.0, 3.0, 2.0]), 6)
    assert counts.tolist() == [False, True, False]


def test_fewer_than_thirty_setups_are_unproven_however_good() -> None:
    few = cell(measure(joined([moments(29), controls()]), LATER), "24h")
    assert (few.n, few.verdict, few.why) == (29, "unproven", "fewer than 30 independent setups")
    assert few.q_edge is None
    many = cell(measure(joined([moments(60, moved=0.05 + noise(60, 1, 0.01)), controls()]), LATER), "24h")
    assert (many.n, many.verdict) == (60, "edge")


def test_what_costs_is_not_known_is_not_proved_to_pay() -> None:
    unknown = moments(60, moved=0.05 + noise(60, 1, 0.01), cost_trade=np.full(60, np.nan))
    told = cell(measure(joined([unknown, controls()]), LATER), "24h")
    assert (told.net, told.shrunk_net, told.q_edge) == (None, None, None)
    assert told.verdict == "lift"


def test_a_move_that_is_smaller_than_its_costs_is_no_edge() -> None:
    small = moments(100, moved=0.02 + noise(100, 1, 0.01))
    told = cell(measure(joined([small, controls()]), LATER), "24h")
    assert told.verdict == "lift"
    assert told.net == pytest.approx(-0.01, abs=0.005)


def test_a_drift_that_every_market_has_is_no_lift() -> None:
    everywhere = joined([moments(100, moved=0.05 + noise(100, 1)), moments(400, CONTROL, moved=0.05 + noise(400, 2))])
    told = cell(measure(everywhere, LATER), "24h")
    assert told.verdict == "unproven"
    assert told.lift_move == pytest.approx(0, abs=0.02)


def test_the_side_turns_what_is_a_hit() -> None:
    down = moments(60, side=np.full(60, -1, dtype=np.int8))
    told = cell(measure(joined([down, controls()]), LATER), "24h")
    assert told.rate == 0
    assert told.verdict == "adverse"


def test_of_a_detector_without_a_side_a_hit_is_a_move_larger_than_matched_moments_make() -> None:
    none = moments(100, side=np.zeros(100, dtype=np.int8), moved=noise(100, 3, 0.5))
    told = cell(measure(joined([none, controls()]), LATER), "24h")
    assert told.rate > 0.85
    assert told.matched_rate == pytest.approx(0.5, abs=0.01)
    assert (told.move, told.net) == (None, None)
    assert told.verdict == "lift"


def test_without_moments_to_compare_with_nothing_is_proved() -> None:
    told = cell(measure(moments(100, moved=0.05 + noise(100, 1, 0.01)), LATER), "24h")
    assert (told.lift, told.verdict) == (None, "unproven")
    assert told.why == "too few moments without the pattern to compare with"


def test_what_had_not_happened_yet_is_not_counted() -> None:
    found = moments(100)
    as_of = 30.0 * 50
    counts = {horizon: cell(measure(found, as_of), horizon).n for horizon in ("1h", "6h", "24h", "settlement")}
    # the 51st moment is that very hour; a market is due 48 hours after its moment and waited for 48 more
    assert counts == {"1h": 50, "6h": 50, "24h": 50, "settlement": 47}


@pytest.mark.parametrize("as_of", [700.0, 1_000.0, 1_499.5])
def test_changing_the_future_changes_no_rate(as_of: float) -> None:
    past = joined([moments(100, moved=noise(100, 1)), controls()])
    moved, payout, settled = past.moved.copy(), past.payout.copy(), past.settled.copy()
    for column, hours in enumerate((1, 6, 24)):
        moved[past.at + hours > as_of, column] = 0.4
    payout[past.settled > as_of] = 0
    settled[past.settled > as_of] += 500
    values = {name: getattr(past, name) for name in Moments.__slots__}
    other = Moments(**values | {"moved": moved, "payout": payout, "settled": settled})
    assert measure(other, as_of) == measure(past, as_of)
    assert measure(other, as_of + 2_000) != measure(past, as_of + 2_000)


def test_bands_hold_every_price() -> None:
    assert band_of(np.array([0.0, 0.05, 0.1, 0.5, 0.9, 1.0])).tolist() == [0, 0, 1, 2, 4, 4]
