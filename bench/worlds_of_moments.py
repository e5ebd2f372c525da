"""Worlds of martingales, as moments of the past: prices that nothing foretells, unless an effect is planted.

Fast enough for hundreds of worlds; the detectors here are simple ones over the same arrays, because it is the
measuring that is put to the test, not they.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from core.detect.history import Floats
from core.detect.rates_moments import CONTROL, HOURS, Mask, Moments, Texts, activity_of, closeness_of, joined

Whole = npt.NDArray[np.int64]

HOURS_OF_WORLD, WARM_H = 480, 72
CATEGORIES = ("politics", "sports", "crypto", "weather")
_SPREAD, _FEE = 0.02, 0.07


@dataclass(frozen=True, slots=True)
class Effect:
    """After a jump of 3 and more hourly noises `reverts` of it (in the latent walk) is taken back within 6 hours, in
    the markets of `category`, in every market's own scale."""

    reverts: float = 0.0
    category: str = "politics"


def world(seed: int, effect: Effect | None = None, events: int = 150, each: int = 3) -> Moments:
    """`events` of `each` markets on one latent walk apiece; events of "crypto" share half of their steps' variance.

    A market's price is the probability that its walk ends above its threshold: a martingale that settles as it ends.
    A walk has calm and wild days and one hour in a hundred with eight times the usual step. Lives end between days 4
    and 25; the last are unsettled when we look.
    """
    rng = np.random.default_rng((20_261_122, seed))
    hours = HOURS_OF_WORLD
    lives = rng.integers(96, 600, events)
    category = np.arange(events) % len(CATEGORIES)
    total = int(lives.max())
    steps = rng.standard_normal((events, total))
    common = rng.standard_normal(total)
    shares = category == CATEGORIES.index("crypto")
    steps[shares] = (steps[shares] + common) / math.sqrt(2)
    jumps = rng.random((events, total)) < 0.01
    wild = np.repeat(np.exp(0.3 * rng.standard_normal((events, -(-total // 24)))), 24, axis=1)[:, :total]
    alive = np.arange(total) < lives[:, None]
    # the price knows how much is still to come, so that it is a martingale exactly
    sd = np.where(alive, wild * np.where(jumps, 8.0, 1.0), 0.0)
    sd /= np.sqrt((sd**2).sum(axis=1))[:, None]
    moves = sd * steps
    if effect is not None and effect.reverts:
        planted = jumps & (category == CATEGORIES.index(effect.category))[:, None]
        back = -effect.reverts * moves * planted / 6
        for later in range(1, 7):
            moves[:, later:] += np.where(alive[:, later:], back[:, :-later], 0.0)
    latent = np.cumsum(moves, axis=1)
    left = np.sqrt(np.maximum(1 - np.cumsum(sd**2, axis=1), 0.0))
    threshold = rng.normal(0, 0.8, (events, each))
    parts = []
    for one in range(each):
        gap: Floats = latent - threshold[:, one, None]
        price: Floats = np.where(left > 1e-6, normal(gap / np.maximum(left, 1e-6)), 1.0 * (gap > 0))
        ends_yes: Mask = price[:, -1] > 0.5
        parts.append(_moments(np.round(price[:, :hours], 3), ends_yes, lives, category, rng))
    return joined(parts)


def normal(x: Floats) -> Floats:
    """The normal distribution function; Abramowitz & Stegun 26.2.17, to 8e-8."""
    t = 1 / (1 + 0.2316419 * np.abs(x))
    tail = t * (0.319381530 + t * (-0.356563782 + t * (1.781477937 + t * (-1.821255978 + t * 1.330274429))))
    tail *= np.exp(-x * x / 2) / math.sqrt(2 * math.pi)
    below: Floats = np.where(x >= 0, 1 - tail, tail)
    return below


def _moments(price: Floats, ends_yes: Mask, lives: Whole, category: Whole, rng: np.random.Generator) -> Moments:
    """Of (N, T) prices: what three detectors say, and quiet moments."""
    hours = price.shape[1]
    move = np.diff(price, axis=1, prepend=price[:, :1])
    scale = np.sqrt(np.array([np.convolve(row, np.full(48, 1 / 48))[: row.size] for row in move**2]))
    scale = np.concatenate([scale[:, :1], scale[:, :-1]], axis=1)  # the hours before this one
    z = move / np.maximum(scale, 0.002)
    open_now = (np.arange(hours) < lives[:, None] - 1) & (np.arange(hours) >= WARM_H)
    jumped = (np.abs(z) > 3) & (np.abs(move) >= 0.02) & open_now
    drifts = np.abs(price - np.roll(price, 6, axis=1)) > 3 * np.sqrt(6) * np.maximum(scale, 0.002)
    drifts &= open_now & ~jumped
    by_chance = (rng.random(price.shape) < 0.01) & open_now
    said = {
        "reversal": (jumped, -np.sign(move)),
        "momentum": (drifts, np.sign(price - np.roll(price, 6, axis=1))),
        "nothing": (by_chance, np.where(rng.random(price.shape) < 0.5, -1.0, 1.0)),
        "size": (jumped | drifts, np.zeros(price.shape)),
        CONTROL: (open_now & ~jumped & ~drifts & (rng.random(price.shape) < 0.05), np.zeros(price.shape)),
    }
    return joined(
        [_taken(name, mask, sides, np.abs(z), price, ends_yes, lives, category) for name, (mask, sides) in said.items()]
    )


def _taken(
    name: str, mask: Mask, sides: Floats, z: Floats, price: Floats, ends_yes: Mask, lives: Whole, category: Whole
) -> Moments:  # fmt: skip
    hours = price.shape[1]
    row, at = np.nonzero(mask)
    now = price[row, at]
    moved = np.full((len(row), len(HOURS)), np.nan)
    for column, horizon in enumerate(HOURS):
        later = at + horizon
        seen = later < hours
        moved[seen, column] = price[row[seen], np.minimum(later, lives[row] - 1)[seen]] - now[seen]
    clusters: Texts = np.array([f"E{one}" for one in row], dtype=object)
    fee = _FEE * now * (1 - now)
    lately = np.stack([price[row, np.maximum(at - back, 0)] for back in range(25, -1, -1)], axis=1)
    return Moments(
        at=at.astype(float),
        detector=np.full(len(row), name, dtype=object),
        category=np.array(CATEGORIES, dtype=object)[category[row]],
        cluster=clusters,
        side=sides[row, at].astype(np.int8),
        score=z[row, at],
        price=now,
        closeness=closeness_of((lives[row] - at).astype(float)),
        activity=activity_of(lately),
        due=lives[row].astype(float),
        cost_trade=_SPREAD + 2 * fee,
        cost_hold=_SPREAD / 2 + fee,
        moved=moved,
        payout=np.where(ends_yes[row], 1.0, 0.0),
        settled=lives[row].astype(float),
    )
