"""Detectors find what is unusual for the market itself and stay silent on noise, gaps and rubbish."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from core.detect.detectors import MIN_HOURS, detect, price_jump, sum_mismatch, volume_spike
from core.detect.history import History, score_of

HOURS = 72


def history(price: Any, traded: Any = None, bid: Any = None, ask: Any = None, **more: Any) -> History:
    price = np.atleast_2d(np.asarray(price, dtype=float))
    count = len(price)
    return History(
        keys=[("kalshi", f"M{row}") for row in range(count)],
        events=more.get("events", [None] * count),
        categories=[None] * count,
        exclusive=np.asarray(more.get("exclusive", [False] * count), dtype=bool),
        price=price,
        traded=np.full_like(price, np.nan) if traded is None else np.atleast_2d(np.asarray(traded, dtype=float)),
        bid=np.full(count, np.nan) if bid is None else np.asarray(bid, dtype=float),
        ask=np.full(count, np.nan) if ask is None else np.asarray(ask, dtype=float),
    )


def quiet_price(seed: int = 7, level: float = 0.4) -> Any:
    return level + np.random.default_rng(seed).normal(0, 0.002, HOURS)


def steady_volume(seed: int = 7, hourly: float = 100) -> Any:
    return np.random.default_rng(seed).poisson(hourly, HOURS).astype(float)


def test_a_tenfold_hour_is_a_volume_spike_with_its_numbers() -> None:
    volume = steady_volume()
    volume[-1] = 1_000
    [pattern] = volume_spike(history(quiet_price(), volume))
    assert pattern.score > 50
    assert pattern.numbers["volume_1h"] == 1_000
    assert pattern.numbers["volume_ratio"] == pytest.approx(10, rel=0.1)


def test_a_market_that_trades_next_to_nothing_has_no_multiple_of_its_usual_hour() -> None:
    volume = np.zeros(HOURS)
    volume[-1] = 400
    [pattern] = volume_spike(history(quiet_price(), volume))
    assert pattern.numbers == {"volume_1h": 400, "volume_typical_1h": 0}


def test_a_usual_hour_is_no_spike() -> None:
    assert volume_spike(history(quiet_price(), steady_volume())) == []


def test_without_a_day_of_history_nothing_is_called_unusual() -> None:
    volume, price = steady_volume(), quiet_price()
    volume[-1] = 100_000
    price[-1] = 0.9
    volume[: HOURS - MIN_HOURS], price[: HOURS - MIN_HOURS] = np.nan, np.nan
    assert detect(history(price, volume)) == []


def test_an_hour_whose_volume_is_unknown_is_no_spike() -> None:
    volume = steady_volume()
    volume[-1] = np.nan
    assert volume_spike(history(quiet_price(), volume)) == []


def test_a_jump_beyond_the_markets_own_moves_is_found_with_its_sign() -> None:
    price = quiet_price()
    price[-1] = price[-2] - 0.15
    [pattern] = price_jump(history(price, bid=[price[-1] - 0.01], ask=[price[-1] + 0.01]))
    assert pattern.score > 50
    assert pattern.numbers["move_1h_cents"] == pytest.approx(-15)


def test_a_move_inside_the_spread_is_no_jump() -> None:
    price = quiet_price()
    price[-1] = price[-2] + 0.08
    assert price_jump(history(price, bid=[0.40], ask=[0.60])) == []


def test_excluding_outcomes_whose_bids_exceed_one_are_found_once_an_event() -> None:
    found = sum_mismatch(
        history(np.full((3, HOURS), 0.4), bid=[0.45, 0.40, 0.25], ask=[0.5] * 3, events=["E"] * 3, exclusive=[True] * 3)
    )
    assert [pattern.market_id for pattern in found] == ["M0"]
    assert found[0].numbers == {"sum_bids_cents": pytest.approx(110), "outcomes": 3}


def test_asks_below_one_say_nothing_about_a_list_that_may_be_open() -> None:
    quotes: dict[str, Any] = {"bid": [0.1, 0.1], "ask": [0.2, 0.2]}
    assert sum_mismatch(history(np.full((2, HOURS), 0.15), events=["E", "E"], exclusive=[True, True], **quotes)) == []


def test_outcomes_that_do_not_exclude_each_other_may_sum_to_anything() -> None:
    quotes: dict[str, Any] = {"bid": [0.9, 0.9], "ask": [0.95, 0.95]}
    assert sum_mismatch(history(np.full((2, HOURS), 0.9), events=["E", "E"], **quotes)) == []


hostile = st.one_of(
    st.floats(0, 1), st.just(float("nan")), st.just(float("inf")), st.just(1e18), st.just(-1.0), st.just(0.0)
)


@settings(max_examples=60)
@given(
    hnp.arrays(float, (4, 30), elements=hostile),
    hnp.arrays(float, (4, 30), elements=hostile),
    hnp.arrays(float, 4, elements=hostile),
    hnp.arrays(float, 4, elements=hostile),
)
def test_hostile_series_give_no_crash_no_warning_and_no_nonsense_score(
    price: Any, volume: Any, bid: Any, ask: Any
) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = detect(history(price, volume, bid, ask, events=["E"] * 4, exclusive=[True] * 4))
    for pattern in found:
        assert 0 < pattern.score <= 100
        assert all(np.isfinite(value) for value in pattern.numbers.values())


@given(st.floats(0, 1e9), st.floats(0, 1e9))
def test_scores_rise_with_the_deviation_and_stay_below_a_hundred(a: float, b: float) -> None:
    low, high = score_of(np.array([min(a, b), max(a, b)]))
    assert 0 <= low <= high <= 100


def test_a_clean_random_walk_seldom_scores() -> None:
    rng = np.random.default_rng(20261122)
    steps = rng.normal(0, 0.05, (2_000, HOURS))
    price = 1 / (1 + np.exp(-np.cumsum(steps, axis=1)))
    volume = rng.poisson(50, (2_000, HOURS)).astype(float)
    loud = [pattern for pattern in detect(history(price, volume)) if pattern.score >= 50]
    assert len(loud) <= 4
