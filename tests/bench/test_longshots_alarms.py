"""How often a fair market must be expected to rise: no more than once in ten thousand market-days, by the table."""

from __future__ import annotations

import numpy as np
import pytest

from bench.longshots_alarms import STATISTICS, Rises, bars, rises, table
from core.detect.longshots import MISPRICED


def test_a_fair_market_is_expected_to_rise_once_in_ten_thousand_days_at_most() -> None:
    found = rises("oddwons expected in tests", 1, 10_000, markets=2_000)
    assert found.tests > 200
    at = int(np.argmin(np.abs(STATISTICS - MISPRICED.ten_thousandth)))
    without, beside = (found.expected(bar)[at] for bar in bars(found.tests).values())
    assert 0 < without <= beside <= 1.5 / 10_000


def test_rises_are_weighed_by_how_probable_their_gaps_are() -> None:
    once = Rises(np.ones((27, len(STATISTICS))), 250)
    assert once.expected(0.0)[0] == pytest.approx(0.9, abs=0.01)  # but for the middle: no gap, no rise
    assert once.expected(3.0)[0] == pytest.approx(0.0027, rel=0.5)
    assert once.expected(8.0)[0] == 0


def test_the_fewer_are_proved_the_higher_the_bar() -> None:
    without, beside = bars(250).values()
    assert without == pytest.approx(4.15, abs=0.01)
    assert beside == pytest.approx(2.64, abs=0.01)
    assert bars(1)["without any bias"] == bars(1)["beside biased ones"] == pytest.approx(1.96, abs=0.01)


def test_a_table_is_the_statistics_that_are_reached_so_seldom() -> None:
    assert table(10.0**-STATISTICS) == pytest.approx([0.1, 1, 2, 3, 4], abs=0.01)
