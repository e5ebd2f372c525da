"""A price's level behind the quotes: what shifted it is told from what bounced within them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from bench.martingales import Latent, clean, shown
from bench.plants import NOW
from core.detect.history import History, event_numbers
from core.detect.hours import Quarters
from core.detect.levels import shift_in_quarters
from core.detect.past import QUARTERS, Past, day_profile

MARKETS = 800


@pytest.fixture(scope="module", params=[3, 4, 5])
def seen(request: pytest.FixtureRequest) -> tuple[Latent, History]:
    """Markets of their own whose quotes follow at once, as of a moment."""
    rng = np.random.default_rng(request.param)
    latent = clean(rng, MARKETS, days=0)
    latent = replace(latent, frozen=np.zeros_like(latent.frozen), event=np.arange(MARKETS))
    return latent, shown(rng, latent)(NOW)


def past_of(history: History) -> Past:
    event = event_numbers(history.keys, history.events)
    return Past(history, np.arange(len(history)), event, day_profile(history.traded, history.traded.shape[1]))


def with_quarters(history: History, change: Callable[[np.ndarray], np.ndarray]) -> History:
    assert history.quarters is not None
    return replace(history, quarters=replace(history.quarters, price=change(history.quarters.price.copy())))


def test_a_markets_noise_is_parted_into_its_walk_and_its_bounce(seen: tuple[Latent, History]) -> None:
    latent, history = seen
    past = past_of(history)
    alone = np.arange(MARKETS) >= MARKETS // 2
    middle = np.square(0.3 * latent.half[:, -NOW:]).mean(axis=1) + np.square(latent.tick) / 24
    assert np.median((past.walk / np.square(latent.noise))[alone]) == pytest.approx(1, abs=0.1)
    assert np.median((past.bounce / middle)[alone]) == pytest.approx(1, abs=0.35)


def test_shifts_of_clean_martingales_are_standard_normal_or_somewhat_less(seen: tuple[Latent, History]) -> None:
    with np.errstate(all="ignore"):
        shift = shift_in_quarters(past_of(seen[1]))
    assert shift.shape == (MARKETS, QUARTERS)
    assert 0.8 < np.sqrt(np.nanmean(np.square(shift))) < 1.05  # half of the bounce is left in the walk
    assert abs(np.nanmean(shift)) < 0.1


@pytest.mark.parametrize("quarter", range(QUARTERS))
def test_a_shift_shows_most_in_the_quarter_it_happened_in_and_towards_its_side(
    seen: tuple[Latent, History], quarter: int
) -> None:
    def up(price: np.ndarray) -> np.ndarray:
        price[:] = price[:, :1]
        price[:, quarter + 1 :] = np.minimum(price[:, [0]] + 0.15, 0.99)
        return price

    _, history = seen
    with np.errstate(all="ignore"):
        shift = shift_in_quarters(past_of(with_quarters(history, up)))
    room = history.price[:, -2] < 0.8
    assert (shift[room, quarter] > 0).all()
    assert (np.argmax(shift[room], axis=1) == quarter).mean() > 0.95


def test_a_quote_wider_than_usual_is_taken_for_less_exact(seen: tuple[Latent, History]) -> None:
    def up(price: np.ndarray) -> np.ndarray:
        price[:, -1] = np.minimum(price[:, -2] + 0.1, 0.99)
        return price

    history = with_quarters(seen[1], up)
    assert history.quarters is not None
    spread = np.full_like(history.quarters.spread, 0.01)
    wide = spread.copy()
    wide[:, -1] = 0.3
    with np.errstate(all="ignore"):
        narrow, wider = (
            shift_in_quarters(past_of(replace(history, quarters=Quarters(history.quarters.price, spread, told))))[:, -1]
            for told in (spread, wide)
        )
    clear = narrow > 2
    assert (wider[clear] <= narrow[clear]).all()
    assert np.median(wider[clear] / narrow[clear]) < 1 / 2


def test_what_builds_up_while_a_seldom_moving_market_stands_still_is_no_shift(seen: tuple[Latent, History]) -> None:
    _, history = seen
    price = history.price.copy()
    price[:, -9:-1] = price[:, [-9]]
    moved = np.clip(price[:, -9] + 0.04, 0.02, 0.98)
    price[:, -1] = moved

    def halt_that_ends(quarters: np.ndarray) -> np.ndarray:
        quarters[:, :-1] = price[:, [-9]]
        quarters[:, -1] = moved
        return quarters

    halted = with_quarters(replace(history, price=price), halt_that_ends)
    steps = QUARTERS * history.price.shape[1]
    with np.errstate(all="ignore"):
        seldom, always = (
            np.abs(shift_in_quarters(past_of(replace(halted, steps=np.full(MARKETS, share * steps)))))[:, -1]
            for share in (0.1, 0.9)
        )
    assert np.median(seldom) < np.median(always) / 3
