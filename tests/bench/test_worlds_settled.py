"""Worlds of settled markets: fair prices come true as often as they say, bent ones as the literature has it."""

from __future__ import annotations

import numpy as np
import pytest

from bench.martingales import A_DAY
from bench.worlds_settled import AS_OF_H, SHARED, Settled, open_markets, settled_world
from core.detect.history import Floats
from core.detect.rates_settled import BANDS, settled_rates

SEED = 2_026_112_301


def z_by_band(world: Settled, category: str) -> Floats:
    """Of one look an event: how many standard errors YES paid more than it cost."""
    moments = world.moments[np.flatnonzero(world.moments.category == category)]
    _, first = np.unique(moments.cluster.astype(str), return_index=True)
    won, price = (moments.payout - moments.price)[first], moments.price[first]
    band = np.searchsorted(BANDS, price, side="right") - 1
    total, fair = np.bincount(band, weights=won), np.bincount(band, weights=price * (1 - price))
    z: Floats = total / np.sqrt(fair)
    return z


def test_a_fair_price_comes_true_as_often_as_it_says() -> None:
    world = settled_world(np.random.default_rng(SEED), {}, 40_000)
    np.testing.assert_allclose(world.truth, world.moments.price, atol=0.0006)
    assert np.abs(z_by_band(world, "politics")).max() < 4


def test_a_bent_price_is_dear_for_long_shots_and_cheap_for_favourites_in_its_category_only() -> None:
    world = settled_world(np.random.default_rng(SEED), {"politics": 1.4}, 40_000)
    z = z_by_band(world, "politics")
    assert (z[:4] < -2).all()
    assert (z[-4:] > 2).all()
    assert np.abs(z_by_band(world, "weather")).max() < 4
    at_ten_cents = (world.moments.category == "politics") & (world.moments.price == 0.1)
    assert world.truth[at_ten_cents] == pytest.approx(1 / (1 + 9**1.4), abs=0.001)


def test_events_of_one_category_count_less_for_going_together() -> None:
    count = np.zeros(2)
    for seed in range(SEED, SEED + 3):
        rates = settled_rates(settled_world(np.random.default_rng(seed), {}, 40_000).moments, AS_OF_H)
        count += [rates.count[rates.categories.index(name)].sum() for name in (SHARED, "weather")]
    assert count[0] < 0.95 * count[1]


def test_open_markets_are_quoted_about_a_martingale_until_they_close() -> None:
    opened = open_markets(np.random.default_rng(SEED), {}, 20_000)
    moved = opened.truth[:, 40] - opened.truth[:, 0]
    inside = np.isfinite(moved) & (np.abs(opened.truth[:, 0] - 0.5) < 0.3)
    assert inside.sum() > 1_000
    assert abs(moved[inside].mean()) < 4 * moved[inside].std() / np.sqrt(inside.sum())
    for quarter in (0, A_DAY - 1):
        history = opened.at(quarter)
        quoted = np.isfinite(history.price[:, 0])
        assert (history.bid < opened.price[:, quarter])[quoted].all()
        assert (history.ask > opened.price[:, quarter])[quoted].all()
        assert history.hours_left is not None
        assert not quoted[history.hours_left <= 0].any()
