"""Detectors of a change in how a market trades: its volatility, its spread."""

from __future__ import annotations

import numpy as np

from core.detect.past import JUDGED, MIN_HOURS, QUARTERS, Past, Singles, counts, log_spread, winsorised_scale
from core.detect.scores import Null, score_of
from core.detect.signals import Signal
from core.detect.volumes import none

VOLATILITY = Null(0.95, 2.0, 3.45, 4.85, 6.2)
COARSE_VOLATILITY = Null(1.15, 2.0, 2.66, 3.1, 3.55)
SPREAD = Null(0.4, 2.4, 3.6, 4.8, 6.4)
_MOST = 9  # times its usual variance that an hour counts for
_LEAST_NOISE = 0.15  # of log spread: a book of whole cents goes from one cent to two
_MIN_WIDER = 0.01
_LEAST_RATIO = 1.7


def volatility_regime(past: Past) -> Signal:
    """The realised variance of the last six hours, its largest hour left out, against the market's own: the
    week's, or the day's before where that is more.

    z is the Wilson-Hilferty normal of a chi-square: of 20 quarter-hour steps, or of 5 hourly ones where those are
    unknown, in units of that variance. The largest hour is left out so that one jump is no regime. Size k: k
    times the usual noise. No side.

    Source: realised variance, Andersen and Bollerslev 1998; Wilson and Hilferty 1931.
    """
    if past.hours < JUDGED + MIN_HOURS + 1:
        return Signal("volatility_regime", np.zeros(len(past)), none(past), {})
    fine = past.history.variation is not None
    week = np.square(past.week_quarter_scale) * QUARTERS if fine else np.square(past.week_scale)
    own = np.fmax(week, _day_before(past, week)) * np.square(past.nearness)
    hours = past.variation[:, -JUDGED:]
    known = np.isfinite(hours).all(axis=1)
    rest = np.minimum(hours, _MOST * own[:, None]).sum(axis=1) - np.minimum(hours.max(axis=1), _MOST * own)
    steps = (JUDGED - 1) * (QUARTERS if fine else 1)
    ratio = rest / ((JUDGED - 1) * own)
    spread = (2 / (9 * steps)) ** 0.5
    size = (np.cbrt(ratio) - (1 - 2 / (9 * steps))) / spread
    moved = np.ptp(past.price[:, -1 - JUDGED :], axis=1) >= 0.03
    score = np.where(known & moved, score_of(size, VOLATILITY if fine else COARSE_VOLATILITY), 0)
    return Signal("volatility_regime", score, none(past), {"volatility_ratio": np.sqrt(ratio)})


def _day_before(past: Past, week: Singles) -> Singles:
    """(n,) the mean hourly variance of the 18 hours before those judged: noise that came with where the price is."""
    hours = past.variation[:, -JUDGED - 18 : -JUDGED]
    known = np.isfinite(hours)
    kept = np.where(known, np.minimum(hours, 4 * week[:, None]), np.float32(0))
    found: Singles = kept.sum(axis=1) / counts(known)
    return found


def spread_collapse(past: Past) -> Signal:
    """Quotes that went far apart and stay so: the log of the spread now and at the last hour's other changes, against
    those at the hours of up to a week.

    z = mean deviation / own noise * sqrt(how many), of the quotes now and in up to three quarter-hours before; own
    noise at least 0.15. Now the spread must be 1.7 times the usual and a cent wider. With one side empty there is no
    spread, and nothing is said. Size k: k own noises, for the hour. No side.
    """
    if past.history.spread is None or past.hours < MIN_HOURS + 1:
        return Signal("spread_collapse", np.zeros(len(past)), none(past), {})
    filled, known, usual = past.spread_logs
    noise, count = winsorised_scale(filled - usual[:, None], known)
    noise = np.sqrt(np.square(noise) + np.float32(_LEAST_NOISE**2))
    now = log_spread(past.spread)
    quarters = past.history.quarters
    recent = (
        now[:, None] if quarters is None else np.column_stack([log_spread(quarters.spread[past.rows][:, :-1]), now])
    )
    off = np.where(np.isfinite(recent), recent - usual[:, None], np.float32(0))
    size = off.sum(axis=1) / (noise * np.sqrt(np.isfinite(recent).sum(axis=1)))
    typical = np.exp(usual)
    real = (count >= MIN_HOURS) & (past.spread >= _LEAST_RATIO * typical) & (past.spread >= typical + _MIN_WIDER)
    score = np.where(real, score_of(size, SPREAD), 0)
    numbers = {"spread_typical_cents": 100 * typical, "spread_now_cents": 100 * past.spread}
    return Signal("spread_collapse", score, none(past), numbers)
