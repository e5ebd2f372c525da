"""What few, wild or unknown values are worth."""

from __future__ import annotations

from statistics import NormalDist

import numpy as np
import pytest

from core.detect.robust import as_normal, winsorised_scale, winsorised_squares, winsorised_sum


@pytest.mark.parametrize(
    ("t", "freedom", "chance"), [(5.893, 5, 0.999), (4.144, 10, 0.999), (3.385, 30, 0.999), (2.02, 40, 0.975)]
)
def test_student_t_becomes_the_normal_that_is_as_seldom(t: float, freedom: int, chance: float) -> None:
    # quantiles: any table of Student's t
    (found,) = as_normal(np.array([t]), np.array([float(freedom)]))
    assert found == pytest.approx(NormalDist().inv_cdf(chance), abs=0.05)
    assert as_normal(np.array([-t]), np.array([float(freedom)]))[0] == pytest.approx(-found)


def test_one_wild_value_counts_for_three_deviations_in_a_scale() -> None:
    values = np.abs(np.random.default_rng(1).normal(0, 1, (1, 400)))
    wild = values.copy()
    wild[0, 7] = 1e6
    known = np.ones(values.shape, dtype=bool)
    known[0, 11] = False
    kept = np.minimum(wild, 3.76 * wild[0, known[0]].mean())
    (scale,), (count,) = winsorised_scale(wild, known)
    assert count == 399
    assert scale == pytest.approx(np.sqrt(np.square(kept[0, known[0]]).mean()))
    (plain,), _ = winsorised_scale(values, known)
    assert plain == pytest.approx(1, abs=0.1)


def test_sums_tell_how_many_values_are_not_none_at_all() -> None:
    squares = np.array([[0.0, 1.0, 1.0, 1.0, 0.0, 100.0]])
    assert [float(each[0]) for each in winsorised_sum(squares)] == [103.0, 4.0]  # at most 4 * 103 / 4
    assert [float(each[0]) for each in winsorised_squares(squares)][1] == 4
