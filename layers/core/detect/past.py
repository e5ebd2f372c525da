"""What the detectors share of some markets' hours: moves and the scales they are measured in, each computed once.

The markets of an event are side by side, and there are few enough of them for everything to stay in a processor's
cache. Numbers are float32: prices have six digits.
"""

from __future__ import annotations

from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from core.detect.history import Floats, History, Ints
from core.detect.robust import Mask, Singles, counts, winsorised_squares, winsorised_sum

JUDGED = 6  # the last hours are what is judged, not what it is judged by
MIN_HOURS = 24
DAY = 24
QUARTERS = 4
# The standard deviation of the difference of two prices, each rounded to whole cents: 1/sqrt(6).
ROUNDING = 0.0041
TICK = 0.01
_LEAST_PRICE = 0.001
_MOST_TRADED = 1e12  # beyond it a counter is a fault of its source
_LEAST_WALK = 0.08  # of what steps show
_SELDOM, _OFTEN = 0.3, 0.6  # of its quarter-hours a market moves in
_WITHIN = 0.1  # of the usual spread: no middle is known better
_AS_USUAL = 1.3  # times the week's variance: no more than chance lets a day have
_BREATHES = 1.5  # times the usual: a spread so wide is nothing new
_MOST_OF_DAY = 4.0  # times the week's mean of the hours that moved: what an hour of the last day counts for
_NONE = np.float32(np.nan)


class Past:
    """Of the n markets of a History in `rows`. `profile` (T,) is the usual log volume of each hour, of all markets."""

    def __init__(self, history: History, rows: Ints, event: Ints, profile: Singles) -> None:
        self.history, self.rows, self.profile = history, rows, profile
        self.hours = history.price.shape[1]
        self.event = event[rows]

    def __len__(self) -> int:
        return len(self.rows)

    def nothing(self) -> Singles:
        return np.full(len(self), _NONE, dtype=np.float32)

    # Prices

    @cached_property
    def price(self) -> Singles:
        """(n, T), NaN where unknown: what lies at 0 or 1 or outside is no price that anybody trades at."""
        return _probabilities(self.history.price[self.rows])

    @cached_property
    def odds(self) -> Singles:
        return log_odds(self.price)

    @cached_property
    def moves(self) -> Singles:
        """(n, T - 1) of log-odds, NaN next to an unknown hour."""
        return np.diff(self.odds, axis=1)

    @cached_property
    def known(self) -> Mask:
        return np.isfinite(self.moves)

    @cached_property
    def filled(self) -> Singles:
        """The moves, 0 where unknown: only for sums that count what is known beside."""
        return np.where(self.known, self.moves, np.float32(0))

    def cents(self, hours: int) -> Singles:
        """What the price moved over the last hours, in cents; NaN where either end is unknown."""
        if self.hours <= hours:
            return self.nothing()
        return 100 * (self.price[:, -1] - self.price[:, -1 - hours])

    def moved(self, hours: int, after: int = 0, most: Singles | None = None) -> Singles:
        """The sum of the moves of `hours` hours, of which the last ended `after` hours ago, in log-odds.

        NaN where more than one in six of them is unknown. `most` (n,) bounds what a single hour counts for.
        """
        if self.hours - 1 < hours + after:
            return self.nothing()
        part = slice(self.hours - 1 - after - hours, self.hours - 1 - after)
        moves = self.filled[:, part]
        if most is not None:
            moves = np.clip(moves, -most[:, None], most[:, None])
        enough = self.known[:, part].sum(axis=1) >= hours - hours // 6
        return np.where(enough, moves.sum(axis=1), _NONE)

    # Scales: the market's own noise, in log-odds

    @cached_property
    def week_scale(self) -> Singles:
        """(n,) of an hour's move: the root mean square of the hours before the last six, at least 24 of them, each
        counted for at most three standard deviations, so that a past jump does not hide the next.

        At least: that of the hours that did move, less what a one-cent tick explains (a market that trades once a day
        is not called unusual each time it does); what rounding to cents makes.
        """
        squares, moving, count = self._hourly
        return self._at_least(squares, count, moving)

    @cached_property
    def _hourly(self) -> tuple[Singles, Singles, Singles]:
        """(n,) the sum of the squared moves before the last six hours, how many were none, how many are known."""
        base = np.abs(self.filled[:, :-JUDGED])
        squares, moving = winsorised_squares(base)
        return squares, moving, counts(self.known[:, :-JUDGED])

    @cached_property
    def bounce(self) -> Singles:
        """(n,) the variance of a price about the walk behind it, in squared dollars: the middle's bounce within the
        quotes and their rounding, 0 where no steps are told. It adds twice itself to a step's variance and to a
        whole hour's alike, by which the two tell it (Zhang, Mykland and Ait-Sahalia 2005).
        At least what the usual spread lets expect."""
        steep = 1 / np.square(self.price[:, :-JUDGED] * (1 - self.price[:, :-JUDGED]))
        steepness = np.nansum(steep, axis=1) / counts(np.isfinite(steep))
        within = np.float32(_WITHIN) * np.exp(self.spread_logs[2])
        bounce: Singles = np.fmax(self.week_bounce / steepness, np.square(within))
        return bounce

    def bounces(self, price: Singles) -> Singles:
        """(n, k) the same in log-odds at each of these prices."""
        found: Singles = self.bounce[:, None] / np.square(price * (1 - price))
        return found

    @cached_property
    def walk(self) -> Singles:
        """(n,) the variance of an hour of the walk behind the price, in log-odds: what is left of the moves' when half
        of the bounce in them is taken off: all of it is as often too much, and raises more false alarms than it finds.
        At least: that of the hours that did move, less what a one-cent tick explains, as for a scale."""
        squares, moving, count = self._hourly
        moved = squares / moving - np.square(np.float32(TICK) / self.width)
        least = np.float32(_LEAST_WALK) * np.fmax(QUARTERS * np.square(self.usual_quarter), squares / count)
        walk = np.fmax(np.fmax(squares / count, moved) - self.week_bounce, least)
        return np.where(count >= MIN_HOURS, walk, _NONE)

    def noise_over(self, hours: int, after: int = 0) -> Singles:
        """(n,) the standard deviation of what `hours` hours, of which the last ended `after` hours ago, move the price
        shown, in log-odds: their walk, and the bounce at either end."""
        if self.hours - 1 < hours + after:
            return self.nothing()
        ends = self.price[:, [-1 - after - hours, -1 - after]]
        least = np.square(np.float32(ROUNDING) / self.width)
        variance = hours * np.square(self.rise) * self.walk + self.bounces(ends).sum(axis=1)
        noise: Singles = np.sqrt(np.maximum(variance, least))
        return noise

    @cached_property
    def week_bounce(self) -> Singles:
        """(n,) the bounce's variance in log-odds, on average over the week, as steps and moves alone tell it."""
        if self.history.variation is None:
            return np.zeros(len(self), dtype=np.float32)
        excess = QUARTERS * np.square(self.usual_quarter) - np.square(self.usual)
        bounce: Singles = np.maximum(excess, 0) / (2 * (QUARTERS - 1))
        return bounce

    @cached_property
    def scale(self) -> Singles:
        """(n,) of an hour's move: the week's, raised by the last day's noise and the nearness of the close."""
        return self.week_scale * self.rise

    @cached_property
    def usual(self) -> Singles:
        """(n,) the plain root mean square of the same hours, standstill and all."""
        squares, _, count = self._hourly
        usual: Singles = np.sqrt(squares / count)
        return usual

    @cached_property
    def hours_still(self) -> Singles:
        """(n,) how many hours before the last one the price did not move."""
        moved = self.filled[:, :-1] != 0
        still = np.argmax(moved[:, ::-1], axis=1)
        hours: Singles = np.where(moved.any(axis=1), still, self.hours).astype(np.float32)
        return hours

    @cached_property
    def moving_share(self) -> Singles:
        """(n,) of its quarter-hours, in which the price moved; 1 where that is unknown."""
        if self.history.steps is None:
            return np.ones(len(self), dtype=np.float32)
        share = self.history.steps[self.rows].astype(np.float32) / (QUARTERS * counts(self.known))
        return np.where(share >= 0, np.minimum(share, 1), np.float32(1))

    @cached_property
    def often(self) -> Singles:
        """(n,) from 0 for a market whose standstill tells nothing, since it seldom moves, to 1 for one where it tells
        as much as a move."""
        often: Singles = np.clip((self.moving_share - np.float32(_SELDOM)) / np.float32(_OFTEN - _SELDOM), 0, 1)
        return often

    @cached_property
    def _quarterly(self) -> tuple[Singles, Singles, Singles]:
        """(n,) the sum of the realised variances of the same hours, how many were none, how many are known."""
        base = self.variation[:, 1:-JUDGED]
        known = np.isfinite(base)
        total, moving = winsorised_sum(np.where(known, base, np.float32(0)))
        return total, moving, counts(known)

    @cached_property
    def usual_quarter(self) -> Singles:
        """(n,) the plain root mean square of the same quarter-hours, standstill and all."""
        total, _, count = self._quarterly
        usual: Singles = np.sqrt(total / (QUARTERS * count))
        return usual

    @cached_property
    def rise(self) -> Singles:
        """(n,) by how much noisier than its week a market may be now: its last day, and its nearness to the close."""
        rise: Singles = np.fmax(self._day, 1) * self.nearness
        return rise

    @cached_property
    def nearness(self) -> Singles:
        """(n,) how much noisier than in its last day a market may get: what is still to be decided is decided in the
        time that is left, so a martingale's noise grows as the square root of that time falls."""
        late = DAY / np.maximum(self.hours_left, np.float32(0.5))
        near: Singles = np.fmax(np.sqrt(late / np.log1p(late)), 1)
        return near

    @cached_property
    def _day(self) -> Singles:
        """(n,) the noise of the day before the last hour, in that of the days before."""
        if self.hours < 2 * DAY + 2:
            return np.ones(len(self), dtype=np.float32)
        total, moving, count = self._quarterly
        told = self.variation[:, -1 - DAY : -1]
        known = np.isfinite(told)
        most = np.float32(_MOST_OF_DAY) * total / moving
        day = np.where(known, np.minimum(told, most[:, None]), np.float32(0)).sum(axis=1) / counts(known)
        week = total / count
        # four samples an hour make the last day's variance known to a seventh, so what lies within two of these is none
        ratio: Singles = np.sqrt(day / (np.float32(_AS_USUAL) * week))
        return ratio

    def _at_least(self, squares: Singles, count: npt.NDArray[Any], moving: Singles) -> Singles:
        quantum = np.square(np.float32(TICK) / self.width)
        usual = squares / count
        moved = squares / moving - quantum
        scale = np.sqrt(np.fmax(np.fmax(usual, moved), np.square(np.float32(ROUNDING) / self.width)))
        return np.where(count >= MIN_HOURS, scale, _NONE)

    @cached_property
    def variation(self) -> Singles:
        """(n, T) squared steps an hour; where the steps are unknown, the hour's squared move."""
        squares = np.full((len(self), self.hours), _NONE, dtype=np.float32)
        np.square(self.moves, out=squares[:, 1:])
        if self.history.variation is None:
            return squares
        told = self.history.variation[self.rows].astype(np.float32)
        return np.where((told >= 0) & (told < np.inf) & np.isfinite(squares), told, squares)

    @cached_property
    def width(self) -> Singles:
        """(n,) of a log-odds step in probability, p(1 - p), now."""
        return self.price[:, -1] * (1 - self.price[:, -1])

    # Now

    @cached_property
    def bid(self) -> Singles:
        return _probabilities(self.history.bid[self.rows])

    @cached_property
    def ask(self) -> Singles:
        return _probabilities(self.history.ask[self.rows])

    @cached_property
    def spread(self) -> Singles:
        """(n,) now, NaN unless both sides are quoted and do not cross."""
        spread = self.ask - self.bid
        return np.where(spread >= 0, spread, _NONE)

    @cached_property
    def spread_logs(self) -> tuple[Singles, Mask, Singles]:
        """(n, T - 1) log spreads told before the last hour, 0 where none was; which were; (n,) their mean."""
        told = self.history.spread
        logs = log_spread(told[self.rows][:, :-1]) if told is not None else np.full((len(self), 1), _NONE)
        known = np.isfinite(logs)
        filled = np.where(known, logs, np.float32(0))
        return filled, known, filled.sum(axis=1) / counts(known)

    @cached_property
    def widened(self) -> Singles:
        """(n,) what the spread is wider by than half as much again as usual, 0 where either is unknown."""
        wider = self.spread - np.float32(_BREATHES) * np.exp(self.spread_logs[2])
        return np.maximum(np.nan_to_num(wider, nan=0.0), 0)

    @cached_property
    def wider_squares(self) -> Singles:
        """(n, 4) by how much the square of the spread in each of the last hour's quarters exceeds the usual one, at
        least 1; 1 where none was told."""
        quarters = self.history.quarters
        if quarters is None or self.history.spread is None:
            return np.ones((len(self), QUARTERS), dtype=np.float32)
        wider = np.square(quarters.spread[self.rows] / np.exp(self.spread_logs[2])[:, None])
        return np.where(wider > 1, wider, np.float32(1))

    @cached_property
    def hours_left(self) -> Singles:
        """(n,) NaN where unknown or over."""
        if self.history.hours_left is None:
            return self.nothing()
        left = self.history.hours_left[self.rows].astype(np.float32)
        return np.where((left > 0) & (left < np.inf), left, _NONE)

    @cached_property
    def quarter_prices(self) -> Singles:
        """(n, 5)"""
        if self.history.quarters is None:
            return np.full((len(self), QUARTERS + 1), _NONE, dtype=np.float32)
        return _probabilities(self.history.quarters.price[self.rows])

    # Volume

    @cached_property
    def volumes(self) -> Singles:
        """(n, T) log(1 + volume) less the usual of that hour of the day, NaN where unknown."""
        return log_volumes(self.history.traded[self.rows]) - self.profile


def _probabilities(values: Floats) -> Singles:
    kept = values.astype(np.float32)
    kept[~((kept > 0) & (kept < 1))] = _NONE
    return kept


def log_odds(price: Singles) -> Singles:
    """ln(p / (1 - p)) with p kept one tenth of a cent away from 0 and 1."""
    kept = np.clip(price, np.float32(_LEAST_PRICE), np.float32(1 - _LEAST_PRICE))
    odds: Singles = np.log(kept / (1 - kept))
    return odds


def log_spread(spread: Floats) -> Singles:
    kept = spread.astype(np.float32)
    kept[~((kept >= 0) & (kept < 1))] = _NONE
    return np.log(np.maximum(kept, np.float32(_LEAST_PRICE), out=kept), out=kept)


def log_volumes(traded: Floats) -> Singles:
    kept = traded.astype(np.float32)
    kept[~((kept >= 0) & (kept < _MOST_TRADED))] = _NONE
    return np.log1p(kept, out=kept)


def day_profile(traded: Floats, hours: int) -> Singles:
    """(T,) the usual deviation of each hour of the day's log volume from a market's mean, pooled over (a sample of)
    markets, the last hour left out; 0 with less than two days.

    Hour T-1's is that of the same hours of the days before, so nothing of what is judged is in it.
    """
    if hours < 2 * DAY or not len(traded):
        return np.zeros(hours, dtype=np.float32)
    sample = log_volumes(traded[:: max(1, len(traded) // 4_096)])
    sample[:, -1] = _NONE
    known = np.isfinite(sample)
    count = known.sum(axis=1)
    filled = np.where(known, sample, np.float32(0))
    off = np.where(known, filled - (filled.sum(axis=1) / np.maximum(count, 1))[:, None], np.float32(0))
    busy = (count >= DAY) & (filled.sum(axis=1) > 0)
    place = np.arange(hours) % DAY
    total = np.bincount(place, weights=off[busy].sum(axis=0), minlength=DAY)
    seen = np.bincount(place, weights=known[busy].sum(axis=0), minlength=DAY)
    return (total / np.maximum(seen, 1))[place].astype(np.float32)
