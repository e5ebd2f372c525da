"""One meaning for every detector's score: how seldom so much is seen where nothing happened."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from core.detect.history import Floats

POINTS_A_DECADE = 12.5
_FAR = 1e6


class Null(NamedTuple):
    """The statistic that a clean martingale exceeds in so many episodes a market-day: one, a tenth, … a ten-thousandth.

    Measured by `python -m bench.recall calibrate`, on seeds that judge nothing.
    """

    one: float
    tenth: float
    hundredth: float
    thousandth: float
    ten_thousandth: float


def score_of(statistic: Floats, null: Null) -> Floats:
    """(N,) 0-100: 12.5 points for each decade by which so much is rarer than once a market-day, so 50 is once in 10,000
    market-days. Beyond what was measured the last decade's step goes on, which a tail that is lighter than exponential
    stays below. NaN scores 0."""
    points = POINTS_A_DECADE * np.arange(5)
    value = np.fmin(np.fmax(statistic.astype(np.float64), -_FAR), _FAR)  # NaN lies far below
    beyond = (value - null.ten_thousandth) * POINTS_A_DECADE / (null.ten_thousandth - null.thousandth)
    score: Floats = np.clip(np.interp(value, null, points) + np.maximum(beyond, 0), 0, 100)
    return score
