"""The price behind the quotes: a walk, seen through the middle's bounce within them, as a filter tells it.

x[t] = x[t-1] + w, seen as x[t] + e: the local level model (Harvey 1989, "Forecasting, structural time series models and
the Kalman filter", 2.3 and 4.1), with each market's own variances of w and e (`Past.walk`, `Past.bounce`).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from core.detect.past import QUARTERS, ROUNDING, Past, log_odds
from core.detect.robust import Singles

_BEFORE = 6  # hours that tell where the level was when the last one began


@dataclass(slots=True)
class Level:
    """(n,) what is known of each market's level, in log-odds: its mean and its variance."""

    mean: Singles
    variance: Singles

    def see(self, price: Singles, noise: Singles, walked: Singles, told: Singles) -> tuple[Singles, Singles, Singles]:
        """A step of the walk of variance `walked`, then a price in log-odds, off by `noise` (a variance). `told` is 0
        where the price shown tells nothing, NaN prices are unknown. Returns the surprise, its variance and the gain."""
        known = np.isfinite(price)
        self.variance = self.variance + walked
        expected = self.variance + noise
        gain = np.where(known, told * self.variance / expected, np.float32(0))
        surprise = np.where(known, price - self.mean, np.float32(0))
        self.mean = self.mean + gain * surprise
        self.variance = self.variance * (1 - gain)
        return surprise, expected, gain


def shift_in_quarters(past: Past) -> Singles:
    """(n, 4) by how many standard deviations the level shifted in each of the last hour's quarters: the matched filter
    of the surprises that a shift there and then would leave in this quarter and those after it (Willsky and Jones 1976;
    de Jong and Penzer 1998). NaN where no quarters are told.

    Where a market that seldom moves stood still its level is as unknown as the time it stood still makes it, so a halt
    that ends, or a quote that follows only trades, is no shift. A quote wider than usual is taken for less exact.
    """
    price = past.quarter_prices
    level = _before(past)
    walked = np.square(past.rise) * past.walk / QUARTERS
    told = _told(past, price)
    noise = past.bounces(price[:, 1:]) * past.wider_squares
    least = np.square(np.float32(ROUNDING) / past.width)
    surprises, gains, variances = [], [], []
    for quarter in range(QUARTERS):
        odds = log_odds(price[:, quarter + 1])
        surprise, variance, gain = level.see(odds, noise[:, quarter], walked, told[:, quarter])
        surprises.append(surprise * np.sign(told[:, quarter]))  # where nothing is told, nothing shifted
        variances.append(np.maximum(variance, least))
        gains.append(gain)
    shift = np.empty((len(past), QUARTERS), dtype=np.float32)
    for since in range(QUARTERS):
        left: Singles = np.ones(len(past), dtype=np.float32)
        found, information = np.zeros_like(left), np.zeros_like(left)
        for at in range(since, QUARTERS):
            found += left * surprises[at] / variances[at]
            information += np.square(left) / variances[at]
            left = left * (1 - gains[at])
        shift[:, since] = found / np.sqrt(information)
    return np.where(np.isfinite(np.diff(price, axis=1)), shift, np.float32(np.nan))


def _before(past: Past) -> Level:
    """When the last hour began, from the prices at the hours before it."""
    first = max(0, past.hours - 2 - _BEFORE)
    price, odds = past.price[:, first:-1], past.odds[:, first:-1]
    walked = np.square(past.rise) * past.walk
    late = (1 - past.often) * walked * (QUARTERS - 1) / QUARTERS  # the hour's last quote may be as old as this
    noise = past.bounces(price) + late[:, None]
    longer = (1 - past.often) * np.maximum(past.hours_still - (price.shape[1] - 1), 0)  # it stood before these hours
    known = np.argmax(np.isfinite(odds), axis=1)[:, None]  # the first that is
    start, exact = (np.take_along_axis(each, known, axis=1)[:, 0] for each in (odds, noise))
    level = Level(start, exact + longer * walked)
    told = _told(past, price)
    for hour in range(1, price.shape[1]):
        level.see(odds[:, hour], noise[:, hour], walked, told[:, hour - 1])
    return level


def _told(past: Past, price: Singles) -> Singles:
    """(n, k - 1) how much each of (n, k) prices but the first tells of the level, 0 to 1: one that may be as it was
    before, less."""
    fresh = (np.diff(price, axis=1) != 0) & np.isfinite(price[:, :-1])
    return np.where(fresh, np.float32(1), past.often[:, None])
