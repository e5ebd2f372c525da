"""Detectors of a change in how a market trades: its volatility, its spread."""

from __future__ import annotations

import math

import numpy as np

from core.detect.past import JUDGED, MIN_HOURS, QUARTERS, ROUNDING, Past, log_spread
from core.detect.robust import Singles, as_normal, counts, winsorised_scale
from core.detect.scores import Null, score_of
from core.detect.signals import Signal
from core.detect.volumes import none

VOLATILITY = Null(1.95, 3.05, 3.95, 4.8, 5.75)
COARSE_VOLATILITY = Null(1.9, 3.05, 4.15, 5.3, 6.7)
SPREAD = Null(1.25, 2.4, 3.55, 4.2, 4.85)
_MOST = 9  # times its usual variance that an hour of the week counts for
_OF_STEPS = 0.75  # of an hour's variance, told by its quarter-hours; the rest by its move
_WILDER = 1.3  # times its usual variance, that the bounce may have
_LEAST_THINNER = 0.7  # what is left of the usual bounce where it is less
_LARGEST = 2  # times the third largest hour
_COUNTED = 5.4  # hours, of six whose largest are bounded
_USUAL_HOURS = 15  # of steps of one size, for each step of an hour
_MIN_RANGE = 0.03
_LEAST_NOISE = 0.15  # of log spread
_WHOLE = 0.01  # cents: what is quoted so near to whole ones is quoted in them, and goes from one to two
_MIN_WIDER = 0.005
_LEAST_RATIO = 1.5
_SAME = 1e-4  # dollars


def volatility_regime(past: Past) -> Signal:
    """The realised variances of the last six hours, each against what was to be expected of it.

    An hour's variance: of its quarter-hour steps mostly, some of its whole move, to which the middle's bounce within
    the quotes adds less. Expected: the week's mean, of which the bounce (what steps show and moves do not) goes as
    1 / (p (1 - p))^2, and the nearness of the close. z is the Wilson-Hilferty normal of the mean ratio as a chi-square,
    with the degrees of freedom that the hours of the market's own week had (Satterthwaite 1946): fewer where it seldom
    moves, none where it never did. The two largest hours count for at most twice the next, so that neither one jump is
    a regime nor a quote that went and came back.
    Size k: k times the usual noise. No side.

    Source: realised variance, Andersen and Bollerslev 1998, and quotes in it, Zhang, Mykland and Ait-Sahalia 2005;
    Wilson and Hilferty 1931.
    """
    if past.hours < JUDGED + MIN_HOURS + 1:
        return Signal("volatility_regime", np.zeros(len(past)), none(past), {})
    fine = past.history.variation is not None
    steps = QUARTERS if fine else 1
    hours, expected = _variances(past)
    week, freedom = _week_of(hours[:, :-JUDGED] / expected[:, :-JUDGED], steps)
    least = steps * np.square(np.float32(ROUNDING) / past.width)
    own = np.maximum(expected[:, -JUDGED:] * (week * np.square(past.nearness))[:, None], least[:, None])
    ratios = np.sort(hours[:, -JUDGED:] / own, axis=1)  # with an unknown hour the sum is unknown
    ratio = np.minimum(ratios, _LARGEST * ratios[:, [-3]]).sum(axis=1) / _COUNTED
    off = 2 / (9 * _COUNTED * freedom)
    size = (np.cbrt(ratio) - (1 - off)) / np.sqrt(off)
    moved = np.ptp(past.price[:, -1 - JUDGED :], axis=1) >= _MIN_RANGE
    score = np.where(moved, score_of(size, VOLATILITY if fine else COARSE_VOLATILITY), 0)
    return Signal("volatility_regime", score, none(past), {"volatility_ratio": np.sqrt(ratio)})


def _variances(past: Past) -> tuple[Singles, Singles]:
    """(n, T - 1) of each hour, NaN where unknown, and what its walk and its bounce let expect, but for one factor a
    market."""
    moves = np.square(past.moves)
    if past.history.variation is None:
        return moves, np.ones_like(moves)
    ends = np.float32(_WILDER) * past.bounces(past.price)
    bounce = ends[:, 1:] + ends[:, :-1]
    before = bounce[:, :-JUDGED]
    usual = np.nansum(before, axis=1) / counts(np.isfinite(before))
    least = np.float32(_LEAST_THINNER) * usual[:, None]
    np.maximum(bounce[:, -JUDGED:], least, out=bounce[:, -JUDGED:])
    hours: Singles = np.float32(_OF_STEPS) * past.variation[:, 1:] + np.float32(1 - _OF_STEPS) * moves
    # a bounce of variance b adds 2 b to each difference: to four steps an hour, or to one move
    return hours, past.walk[:, None] + np.float32(1 + (QUARTERS - 1) * _OF_STEPS) * bounce


def _week_of(ratios: Singles, steps: int) -> tuple[Singles, Singles]:
    """(n,) the mean of the known of (n, k) ratios, NaN of less than a day, and how many degrees of freedom one has;
    that an hour of so many steps of one size has as many counts as much as 15 hours a step."""
    known = np.isfinite(ratios)
    filled, count = np.where(known, ratios, np.float32(0)), counts(known)
    mean = filled.sum(axis=1) / count
    kept = np.minimum(filled, _MOST * mean[:, None])
    mean = kept.sum(axis=1) / count
    spread = np.einsum("ij,ij->i", kept, kept) / (count * np.square(mean)) - 1
    usual = _USUAL_HOURS * steps
    freedom = 2 * (count + usual) / (count * spread + np.float32(2 * usual / steps))
    return np.where(count >= MIN_HOURS, mean, np.float32(np.nan)), freedom


def spread_collapse(past: Past) -> Signal:
    """Quotes that went far apart and stay so: the log of the spread now and at the last hour's other changes, against
    those at the hours of up to a week.

    z = mean deviation / own noise * sqrt(how many), of the quotes now and in up to three quarter-hours before, as a
    normal; own noise at least 0.15, and where quotes are in whole cents what rounding to them makes. The mean must be
    1.5 times the usual, and now the spread half a cent wider. With one side empty there is no spread, and nothing is
    said. Size k: k own noises, for the hour. No side.
    """
    if past.history.spread is None or past.hours < MIN_HOURS + 1:
        return Signal("spread_collapse", np.zeros(len(past)), none(past), {})
    filled, known, usual = past.spread_logs
    noise, count = winsorised_scale(filled - usual[:, None], known)
    typical = np.exp(usual)
    cents = 100 * past.spread
    rounded = np.where(np.abs(cents - np.round(cents)) < _WHOLE, np.float32(ROUNDING), 0) / typical
    noise = np.maximum(np.maximum(noise, rounded), np.float32(_LEAST_NOISE))
    recent = _recent_spreads(past)
    off = np.where(np.isfinite(recent), recent - usual[:, None], np.float32(0))
    told = np.isfinite(recent).sum(axis=1)
    size = as_normal(off.sum(axis=1) / (noise * np.sqrt(told)), count)
    wide = off.sum(axis=1) >= told * np.float32(math.log(_LEAST_RATIO))
    real = (count >= MIN_HOURS) & wide & (past.spread >= typical + _MIN_WIDER)
    score = np.where(real, score_of(size, SPREAD), 0)
    numbers = {"spread_typical_cents": 100 * typical, "spread_now_cents": 100 * past.spread}
    return Signal("spread_collapse", score, none(past), numbers)


def _recent_spreads(past: Past) -> Singles:
    """(n, 4) logs of the spreads told in the last quarter-hours, now's the last; NaN for one that is still the quote of
    now, which is no further proof of how wide it is."""
    quarters = past.history.quarters
    if quarters is None:
        return log_spread(past.spread)[:, None]
    told = np.column_stack([quarters.spread[past.rows][:, :-1], past.spread])
    price = past.quarter_prices[:, 1:]
    same = (price[:, :-1] == price[:, -1:]) & (np.abs(told[:, :-1] - told[:, -1:]) < _SAME)
    recent = log_spread(told)
    recent[:, :-1][same] = np.nan
    return recent
