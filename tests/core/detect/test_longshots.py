"""A proved rate raises a market where it lies some standard errors beyond what is quoted, by the table of its nulls."""

from __future__ import annotations

import numpy as np
import pytest

from core.detect.history import History
from core.detect.longshots import SettledRates, favourite_longshot

ERROR = 0.01


def score(gap: float, bid: float, ask: float) -> float:
    shape = (1, 1, 1)
    rates = SettledRates(
        ("",),
        np.array([0.0, np.inf]),
        np.array([0.0, 1.0]),
        np.full(shape, gap),
        np.full(shape, ERROR),
        np.full(shape, 200.0),
        np.full(shape, True),
    )
    history = History(
        keys=[("kalshi", "M")],
        events=[None],
        categories=[None],
        exclusive=np.zeros(1, dtype=bool),
        price=np.full((1, 1), 0.4),
        traded=np.full((1, 1), np.nan),
        bid=np.array([bid]),
        ask=np.array([ask]),
        hours_left=np.array([5.0]),
    )
    return float(favourite_longshot(history, rates).score[0])


@pytest.mark.parametrize("sign", [1, -1])
def test_a_market_is_raised_by_a_rate_4_2_errors_beyond_its_quote_and_by_no_nearer_one(sign: int) -> None:
    assert score(sign * (0.01 + 4.25 * ERROR), 0.39, 0.41) >= 50
    assert 37.5 <= score(sign * (0.01 + 4.1 * ERROR), 0.39, 0.41) < 50


def test_what_the_quote_takes_is_not_counted() -> None:
    assert score(6 * ERROR, 0.39, 0.41) >= 50 > score(6 * ERROR, 0.37, 0.43)
    assert score(0.9 * ERROR, 0.39, 0.41) == 0
