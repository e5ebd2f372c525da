"""Base rates judged over worlds: intervals hold the truth, nothing is proved where nothing is, planted signs show."""

from __future__ import annotations

import numpy as np
import pytest

from bench.rates import PLANTED, judge
from bench.worlds_of_moments import HOURS_OF_WORLD, world
from core.detect.rates_moments import CONTROL

SEEDS = range(500_000, 500_060)  # of no other use


def test_a_world_is_a_martingale_whatever_a_detector_says() -> None:
    for name in ("reversal", "momentum", "nothing"):
        drifts = []
        for seed in range(500_100, 500_130):
            moments = world(seed)
            own = moments[np.flatnonzero(moments.detector == name)]
            drifts.append(np.nanmean(own.side[:, None] * own.moved, axis=0))
        drift, error = np.mean(drifts, axis=0), np.std(drifts, axis=0) / np.sqrt(len(drifts))
        assert (np.abs(drift) < 4 * error).all(), name


def test_a_world_is_the_same_each_time_and_another_for_another_seed() -> None:
    one, two, other = world(1), world(1), world(2)
    np.testing.assert_array_equal(one.moved, two.moved)
    assert len(other) != len(one) or not np.array_equal(one.price, other.price)
    assert np.nanmax(one.at) < HOURS_OF_WORLD
    assert (one.detector == CONTROL).any()


@pytest.mark.long
def test_where_nothing_can_be_foretold_intervals_hold_the_truth_and_nothing_is_proved() -> None:
    judged = judge(SEEDS)
    assert judged.intervals > 5_000
    assert judged.coverage >= 0.945
    assert judged.discovery_rate <= 0.05


@pytest.mark.long
def test_where_something_was_planted_its_sign_is_found_and_what_is_proved_is_true() -> None:
    judged = judge(range(600_000, 600_006), PLANTED, events=600)
    assert judged.proved >= 10
    assert judged.false_share <= 0.05
    assert judged.signs >= 0.95
