"""What prices came to: a fair market proves nothing, a biased one is found, and the future is not read."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from core.detect.longshots import ANY_CATEGORY, SettledRates
from core.detect.rates_moments import CONTROL, Moments, closeness_of
from core.detect.rates_settled import BANDS, settled_rates

LATER = 100_000.0
SPORTS, POLITICS = "Sports", "Politics"


def world(events: int, seed: int, bias: float = 0.0, **given: Any) -> Moments:
    """Random moments without a pattern, a few an event: YES pays with the probability of its price, in Sports plus
    `bias` where it costs less than 10 cents."""
    rng = np.random.default_rng(seed)
    n = 3 * events
    event = np.repeat(np.arange(events), 3)
    closes = np.repeat(rng.uniform(200, 2_000, events), 3)
    hours_left = rng.uniform(0.5, 190, n)
    price = np.round(np.repeat(rng.choice([0.03, 0.07, 0.25, 0.6, 0.92], events), 3), 2)
    category = np.where(event % 2 == 0, SPORTS, POLITICS).astype(object)
    chance = price + np.where((category == SPORTS) & (price < 0.1), bias, 0.0)
    paid = np.repeat(rng.uniform(size=events), 3) < chance
    values: dict[str, Any] = {
        "at": closes - hours_left,
        "detector": np.full(n, CONTROL, dtype=object),
        "category": category,
        "cluster": np.array([f"kalshi E{one}" for one in event], dtype=object),
        "side": np.zeros(n, dtype=np.int8),
        "score": np.zeros(n),
        "price": price,
        "closeness": closeness_of(hours_left),
        "activity": np.zeros(n, dtype=np.int8),
        "due": closes,
        "cost_trade": np.full(n, np.nan),
        "cost_hold": np.full(n, np.nan),
        "moved": np.full((n, 3), np.nan),
        "payout": paid.astype(float),
        "settled": closes + 1,
    }
    return Moments(**values | given)


def test_of_fair_markets_hardly_a_cell_is_ever_proved() -> None:
    proved = [settled_rates(world(4_000, seed), LATER).proved.any() for seed in range(60)]
    assert np.mean(proved) <= 0.05 + 2 * np.sqrt(0.05 * 0.95 / 60)


def test_fair_gaps_are_within_two_errors_of_nothing_as_often_as_they_should() -> None:
    found = [settled_rates(world(4_000, seed), LATER) for seed in range(100, 120)]
    z = np.concatenate([(rates.gap / rates.error)[rates.count >= 30] for rates in found])
    assert len(z) > 500
    assert 0.93 <= np.mean(np.abs(z) < 1.96) <= 1


def test_longshots_that_come_true_too_seldom_are_found_with_their_sign_and_only_they() -> None:
    rates = settled_rates(world(60_000, 3, bias=-0.025), LATER)
    cheap = np.array(BANDS[:-1]) < 0.1
    at = {name: number for number, name in enumerate(rates.categories)}
    sports = rates.proved[at[SPORTS]]
    assert sports[:, cheap].sum() >= 6
    assert (rates.gap[at[SPORTS]][sports] < 0).all()
    assert not sports[:, ~cheap].any()
    assert not rates.proved[at[POLITICS]].any()
    assert rates.proved[at[ANY_CATEGORY]][:, cheap].any(), "the crowd is biased, too: half of it is"


def test_a_cell_in_which_none_came_true_is_no_surer_than_a_fair_bet_would_be() -> None:
    few = world(200, 5, price=np.full(600, 0.03), payout=np.zeros(600))
    rates = settled_rates(few, LATER)
    told = rates.count > 0
    assert (rates.error[told] >= 0.999 * np.sqrt(0.03 * 0.97 / rates.count[told])).all()
    assert not rates.proved.any()


def test_moments_of_one_event_are_one() -> None:
    thrice = world(300, 7, closeness=np.zeros(900, dtype=np.int8), price=np.full(900, 0.25))
    assert settled_rates(thrice, LATER).count.max() <= 300


def test_events_that_settled_together_count_less_where_they_went_together() -> None:
    apart = world(3_000, 9, price=np.full(9_000, 0.5), closeness=np.zeros(9_000, dtype=np.int8))
    day = np.floor(apart.settled / 24)
    together = replace(apart, payout=(day % 2).astype(float))
    assert settled_rates(together, LATER).count.max() < 0.6 * settled_rates(apart, LATER).count.max()


@pytest.mark.parametrize("as_of", [500.0, 1_000.0, 1_500.0])
def test_what_settles_later_changes_nothing(as_of: float) -> None:
    now = world(2_000, 11)
    late = (now.settled > as_of) | (now.due + 48 > as_of)
    other = replace(now, payout=np.where(late, 1 - now.payout, now.payout))
    same(settled_rates(now, as_of), settled_rates(other, as_of))


def test_patterns_do_not_count_and_nothing_gives_nothing() -> None:
    spoken = world(500, 13, detector=np.full(1_500, "price_jump", dtype=object))
    for moments in (spoken, spoken[np.zeros(1_500, dtype=bool)]):
        rates = settled_rates(moments, LATER)
        assert rates.categories == (ANY_CATEGORY,)
        assert not rates.count.any()
        assert not rates.proved.any()


def same(one: SettledRates, other: SettledRates) -> None:
    assert one.categories == other.categories
    for name in ("gap", "error", "count", "proved"):
        np.testing.assert_array_equal(getattr(one, name), getattr(other, name))
