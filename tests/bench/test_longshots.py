"""What is found of biased prices grows with the bias, and where prices are fair nothing rises."""

from __future__ import annotations

import numpy as np
import pytest

from bench.longshots import BIASED, Day, curve, false_alarms, judged
from bench.worlds_settled import AS_OF_H, settled_world
from core.detect.rates_settled import settled_rates

SEED = 2_026_112_311


def test_a_bias_is_found_where_the_quote_leaves_five_of_its_errors_and_not_where_it_leaves_one() -> None:
    told, day = judged(SEED, dict.fromkeys(BIASED, 1.4))
    found = curve(told.left, told.found)
    assert found[1.0] <= 0.05
    assert found[6.0] >= 0.9
    assert (told.found <= told.proved).all()
    assert day.market_days > 500
    assert false_alarms([day]) <= 10


def test_a_small_bias_is_not_found() -> None:
    told, _ = judged(SEED + 1, dict.fromkeys(BIASED, 1.02))
    assert told.bias.max() < 3
    assert not told.found.any()


@pytest.mark.parametrize("seed", range(SEED + 2, SEED + 5))
def test_where_all_prices_are_fair_no_score_rises(seed: int) -> None:
    told, day = judged(seed, {}, events=10_000, markets=2_000)
    assert not len(told.bias)
    assert day.scores.shape == (96, 2_000)
    assert not day.scores.any()


def test_an_error_is_what_that_many_events_leave() -> None:
    """Of a fair world, the gaps that rates tell in the errors that sizes are told in: a standard normal's."""
    strength = dict.fromkeys(BIASED, 1.1)
    told, _ = judged(SEED + 6, strength)
    rates = settled_rates(settled_world(np.random.default_rng(SEED + 6), strength, 40_000).moments, AS_OF_H)
    cells = [rates.error[rates.categories.index(name)] for name in BIASED]
    assert np.median(told.cents / told.bias) == pytest.approx(100 * np.nanmedian(cells), rel=0.25)


def test_alarms_are_rises_in_ten_thousand_market_days() -> None:
    scores = np.zeros((96, 3))
    scores[10:20, 0] = scores[30:, 0] = scores[:, 1] = 60
    assert false_alarms([Day(scores, 2.0), Day(np.zeros((96, 1)), 1.0)]) == pytest.approx(10_000)
    assert curve(np.array([0.9, 3.1, 3.2, 3.9]), np.array([0.0, 1.0, 0.0, 1.0]), (1.0, 3.0, 8.0)) == pytest.approx(
        {1.0: 0.0, 3.0: 0.5, 8.0: float("nan")}, nan_ok=True
    )
