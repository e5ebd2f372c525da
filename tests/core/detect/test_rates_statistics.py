"""The arithmetic of base rates against published figures, and what must hold of any numbers."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from core.detect.rates_statistics import controlled, design_effect, shrink, t_tail, wilson


def test_wilsons_interval_is_the_published_one() -> None:
    # Newcombe (1998), Statist. Med. 17:857, table I, method 3: 81 of 263, 15 of 148, 0 of 20, 1 of 29
    n = np.array([263.0, 148.0, 20.0, 29.0])
    low, high = wilson(np.array([81.0, 15.0, 0.0, 1.0]) / n, n)
    assert np.round(low, 4).tolist() == [0.2553, 0.0624, 0.0, 0.0061]
    assert np.round(high, 4).tolist() == [0.3662, 0.1605, 0.1611, 0.1718]


@pytest.mark.parametrize(
    ("t", "degrees", "tail"),
    [(1.8125, 10, 0.05), (2.7638, 10, 0.01), (2.0423, 30, 0.025), (3.6460, 30, 0.0005), (1.9600, 1e6, 0.025)],
)
def test_students_tail_is_that_of_the_tables(t: float, degrees: float, tail: float) -> None:
    assert t_tail(np.array([t]), np.array([degrees]))[0] == pytest.approx(tail, rel=2e-3)
    assert t_tail(np.array([-t]), np.array([degrees]))[0] == pytest.approx(1 - tail, rel=2e-3)


def test_the_false_discovery_rate_is_controlled_as_benjamini_and_yekutieli_say() -> None:
    # m = 4: the harmonic sum is 25 / 12
    q = controlled(np.array([0.01, np.nan, 0.02, 0.03, 0.5]))
    assert np.allclose(q, [0.01 * 4 * 25 / 12, np.nan, *[0.03 * 4 / 3 * 25 / 12] * 2, 1.0], equal_nan=True)


@given(arrays(float, st.integers(0, 30), elements=st.floats(0, 1) | st.just(np.nan)))
def test_q_values_are_no_smaller_than_p_and_keep_their_order(p: np.ndarray[tuple[int], np.dtype[np.float64]]) -> None:
    q = controlled(p)
    known = np.isfinite(p)
    assert (np.isfinite(q) == known).all()
    assert (q[known] >= p[known] - 1e-12).all()
    order = np.argsort(p[known], kind="stable")
    assert (np.diff(q[known][order]) >= -1e-12).all()


def test_what_differs_by_noise_alone_is_drawn_to_one_mean_and_what_truly_differs_is_not() -> None:
    rng = np.random.default_rng(1)
    noise = shrink(rng.normal(0.1, 0.05, 200), np.full(200, 0.05**2))[0]
    assert np.std(noise) < 0.02
    apart = shrink(np.array([-0.5, 0.5] * 20), np.full(40, 0.05**2))[0]
    assert np.allclose(np.abs(apart), 0.5, atol=0.02)


def test_shrinking_brings_estimates_nearer_to_the_truth() -> None:
    rng = np.random.default_rng(2)
    truth = rng.normal(0, 0.03, 500)
    variances = rng.uniform(0.01, 0.1, 500) ** 2
    seen = truth + rng.normal(0, 1, 500) * np.sqrt(variances)
    shrunk, left = shrink(seen, variances)
    assert np.mean((shrunk - truth) ** 2) < 0.5 * np.mean((seen - truth) ** 2)
    assert np.mean(np.abs(shrunk - truth) < 1.96 * np.sqrt(left)) == pytest.approx(0.95, abs=0.03)


@given(arrays(float, 12, elements=st.floats(-1, 1)), arrays(float, 12, elements=st.floats(1e-6, 1)))
def test_a_shrunken_estimate_lies_among_the_estimates(
    values: np.ndarray[tuple[int], np.dtype[np.float64]], variances: np.ndarray[tuple[int], np.dtype[np.float64]]
) -> None:
    shrunk, _ = shrink(values, variances)
    assert (shrunk >= values.min() - 1e-9).all()
    assert (shrunk <= values.max() + 1e-9).all()


def test_copies_of_one_happening_count_once() -> None:
    rng = np.random.default_rng(3)
    of_block = rng.normal(0, 1, 200)
    residuals, blocks = np.repeat(of_block, 5), np.repeat(np.arange(200), 5)
    cell = np.zeros(1_000, dtype=np.intp)
    assert design_effect(residuals, cell, blocks)[0] == pytest.approx(5, rel=0.05)
    assert design_effect(rng.normal(0, 1, 1_000), cell, blocks)[0] == pytest.approx(1, abs=0.15)
