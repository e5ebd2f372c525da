"""Detectors of what was traded, and of what it did or did not do to the price."""

from __future__ import annotations

import numpy as np

from core.detect.moves import MIN_MOVE, largest_quarter, last_hour, sides
from core.detect.past import DAY, MIN_HOURS, Past
from core.detect.robust import Singles, as_normal, winsorised_scale
from core.detect.scores import Null, score_of
from core.detect.signals import Sides, Signal

MIN_TRADED = 20.0
LEVEL = 8  # hours that tell how much a market trades these days
_FORGOTTEN = 0.75  # what an hour's volume counts for of the next one's
_WHOLE = (1 - _FORGOTTEN**LEVEL) / (1 - _FORGOTTEN)
_LEAST_NOISE = 0.15  # of log volume: below it a market that trades like clockwork would call every trade unusual
SPIKE = Null(1.8, 2.9, 3.6, 4.25, 4.95)
QUIET_SPIKE = SPIKE
LOUD_MOVE = Null(2.2, 3.0, 3.7, 4.3, 5.0)
HOURLY_LOUD_MOVE = Null(2.2, 3.0, 3.9, 4.8, 5.9)


class Traded:
    """The last hour's volume against what was to be expected: `size` in own noises, `off` in log volume, `typical` in
    the venue's unit; NaN where the counter or too much of the day before is unknown."""

    def __init__(self, past: Past) -> None:
        self.now = _last(past)
        self.size, self.off, self.typical = (past.nothing() for _ in range(3))
        if past.hours < 2 * DAY + 2:
            return
        known = np.isfinite(past.volumes)
        filled = np.where(known, past.volumes, np.float32(0))
        total = _window(filled)
        weight = _WHOLE if known.all() else _window(known.astype(np.float32))
        level = np.where(np.greater_equal(weight, _WHOLE / 2), total / weight, np.float32(np.nan))
        off = past.volumes[:, LEVEL:] - level
        scale, seen = winsorised_scale(off[:, :-1], np.isfinite(off[:, :-1]))
        noise = np.where(seen >= MIN_HOURS, np.maximum(scale, np.float32(_LEAST_NOISE)), np.float32(np.nan))
        self.off = off[:, -1]
        self.size = as_normal(self.off / noise, seen)
        self.typical = np.maximum(np.expm1(level[:, -1] + past.profile[-1]), 0)

    @property
    def is_spike(self) -> np.ndarray:
        return (self.now >= MIN_TRADED) & (self.now >= 2 * self.typical)

    def numbers(self) -> dict[str, Singles]:
        usual = np.where(self.typical >= 1, self.typical, np.float32(np.nan))
        return {"volume_1h": self.now, "volume_typical_1h": self.typical, "volume_ratio": self.now / usual}


def _window(values: Singles) -> Singles:
    """(n, T - 8): of each column from the ninth on, the sum of the 8 before it, each hour for less the longer ago it
    is, by doubling."""
    for step in (1, 2, 4):
        values = values[:, step:] + np.float32(_FORGOTTEN**step) * values[:, :-step]
    return values[:, :-1]


def _last(past: Past) -> Singles:
    if not past.hours:
        return past.nothing()
    now = past.history.traded[past.rows, -1].astype(np.float32)
    return np.where((now >= 0) & (now < 1e12), now, np.float32(np.nan))


def traded(past: Past) -> Traded:
    """Computed once for all detectors of some markets."""
    found = past.__dict__.get("_traded")
    if found is None:
        found = past.__dict__["_traded"] = Traded(past)
    return found


def volume_spike(past: Past) -> Signal:
    """The last hour's volume against the market's own usual for this time of day.

    Expected log(1 + v): the mean of the market's last 8 hours, each less the hour of the day's profile pooled over all
    markets (`day_profile`), plus this hour's. Own noise: the winsorised root mean square of the same difference over
    the hours before. At least 20 units and twice the usual. Size k: log volume k *quarter-hour* noises above, for an
    hour. No side: volume alone does not say where to.

    Source: intraday periodicity as in Andersen and Bollerslev 1997; volume shocks as in Llorente et al. 2002.
    """
    found = traded(past)
    score = np.where(found.is_spike, score_of(found.size, SPIKE), 0)
    return Signal("volume_spike", score, none(past), found.numbers() | {"volume_sigmas": found.size})


def volume_without_price(past: Past) -> Signal:
    """A volume spike in an hour that moved the price by less than two of its own hourly noises: somebody trades size
    that the quotes absorb (Kyle 1985). Size as for a spike. No side."""
    found = traded(past)
    move, cents = last_hour(past)
    still = move < 2
    score = np.where(found.is_spike & still, score_of(found.size, QUIET_SPIKE), 0)
    return Signal(
        "volume_without_price", score, none(past), found.numbers() | {"move_1h_cents": cents, "move_sigmas": move}
    )


def price_without_volume(past: Past) -> Signal:
    """A jump (`price_jump`, same size) in an hour that traded no more than its usual. Side: against the move, which few
    trades stand behind (Llorente et al. 2002: such returns tend to reverse).

    An hour in which nothing was traded counts; one whose counter is unknown does not.
    """
    found = traded(past)
    fine, cents = largest_quarter(past)
    hourly, hour_cents = last_hour(past)
    coarse = np.isnan(fine)
    size, moved = np.where(coarse, hourly, fine), np.where(coarse, hour_cents, cents)
    score = np.where(coarse, score_of(hourly, HOURLY_LOUD_MOVE), score_of(fine, LOUD_MOVE))
    real = (found.off <= 0) & (np.abs(moved) >= 100 * MIN_MOVE - 1e-3) & ~(np.abs(moved) <= 50 * past.spread)
    score = np.where(real, score, 0)
    numbers = found.numbers() | {"move_1h_cents": past.cents(1), "move_sigmas": size}
    return Signal("price_without_volume", score, sides(-moved, score), numbers)


def none(past: Past) -> Sides:
    return np.zeros(len(past), dtype=np.int8)
