"""Every hour's and quarter-hour's price, volume, variation and spread are rebuilt from what changed alone."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.detect.columns import Column, make_column, merge
from core.detect.hours import Hours, hours_of
from tests.conftest import NOW

QUARTER = timedelta(minutes=15)
HOUR = timedelta(hours=1)


def column(found: dict[int, Any], end: Any = NOW, span: timedelta = QUARTER) -> Column:
    return make_column(end, span, [(number, *values, None)[:5] for number, values in found.items()])


def odds(micro: Any) -> Any:
    price = np.clip(np.asarray(micro) / 1e6, 0.001, 0.999)
    return np.log(price / (1 - price))


def prices_and_volumes(hours: Hours) -> tuple[Any, Any]:
    return hours.price, hours.traded


Walk = tuple[list[list[int]], list[list[int]]]


@st.composite
def walks(draw: st.DrawFn) -> Walk:
    """Prices (in millionths) and traded volume of 3 markets over some quarters, still most of the time."""
    quarters = draw(st.integers(8, 40))
    price, volume = [[500_000] * 3], [[0] * 3]
    for _ in range(quarters):
        moved = [draw(st.sampled_from([0, 0, 0, 1])) for _ in range(3)]
        price.append([draw(st.integers(1, 999_999)) if m else old for m, old in zip(moved, price[-1], strict=True)])
        volume.append([draw(st.integers(1, 500)) if m else 0 for m in moved])
    return price, volume


@settings(max_examples=60, deadline=None)
@given(walks(), st.integers(0, 3))
def test_every_hours_price_and_volume_are_rebuilt_from_the_changes_alone(walk: Walk, merged_hours: int) -> None:
    price, volume = np.array(walk[0]), np.array(walk[1])
    quarters = len(price) - 1
    ends = [NOW - (quarters - at) * QUARTER for at in range(quarters + 1)]
    columns = []
    for at in range(1, quarters + 1):
        moved = np.flatnonzero((price[at] != price[at - 1]) | (volume[at] > 0))
        found = {int(n) + 7: (price[at - 1][n] / 1e6, price[at][n] / 1e6, float(volume[at][n])) for n in moved}
        columns.append(column(found, ends[at]))
    for _ in range(merged_hours):  # the oldest hours, as a run merges them
        columns = [merge(columns[:4]), *columns[4:]] if len(columns) > 4 and len(columns[0]) >= 0 else columns
    hours = quarters // 4 - merged_hours
    if hours < 1:
        return
    rebuilt = hours_of(columns, np.array([7, 8, 9]), price[-1] / 1e6, NOW, hours)
    for age in range(hours):
        at = quarters - 4 * age
        assert rebuilt.price[:, hours - 1 - age] == pytest.approx(price[at] / 1e6)
        assert rebuilt.traded[:, hours - 1 - age] == pytest.approx(volume[at - 3 : at + 1].sum(axis=0))
        squares = np.square(np.diff(odds(price[at - 4 : at + 1]), axis=0)).sum(axis=0)
        assert rebuilt.variation[:, hours - 1 - age] == pytest.approx(squares, rel=1e-4, abs=1e-6)
    fine = min(4, quarters - 4 * merged_hours)
    assert pytest.approx(price[quarters - fine :] / 1e6) == rebuilt.quarters.price[:, 4 - fine :].T
    assert pytest.approx(volume[quarters - fine + 1 :]) == rebuilt.quarters.traded[:, 4 - fine :].T


def test_before_a_market_was_first_seen_its_price_is_unknown() -> None:
    columns = [column({}, NOW - age * QUARTER) for age in range(12)]
    columns[5] = column({1: (None, 0.4, None)}, NOW - 5 * QUARTER)
    price, traded = prices_and_volumes(hours_of(columns, np.array([1]), np.array([0.4]), NOW, 3))
    assert price[0].tolist() == pytest.approx([np.nan, 0.4, 0.4], nan_ok=True)
    assert np.isnan(traded[0, :2]).all(), "it was not there, and what it had traded by then belongs to no hour"
    assert traded[0, 2] == 0


def test_an_hour_in_which_nothing_was_read_is_unknown_and_so_is_the_volume_over_the_gap() -> None:
    columns = [column({1: (0.4, 0.5, 60.0)}, NOW, 3 * HOUR), column({}, NOW - 3 * HOUR)]
    price, traded = prices_and_volumes(hours_of(columns, np.array([1]), np.array([0.5]), NOW, 4))
    assert price[0].tolist() == pytest.approx([0.4, np.nan, np.nan, 0.5], nan_ok=True)
    assert np.isnan(traded[0, 1:]).all()


def test_the_last_hours_volume_is_what_was_counted_in_an_hour_or_unknown() -> None:
    def last_hour(minutes: int) -> float:
        columns = [column({1: (0.4, 0.4, 60.0)}, NOW, timedelta(minutes=minutes))]
        traded = hours_of(columns, np.array([1]), np.array([0.4]), NOW, 1).traded
        return float(traded[0, 0])

    assert [last_hour(minutes) for minutes in (50, 60, 70)] == [60, 60, 60]
    assert all(np.isnan(last_hour(minutes)) for minutes in (30, 49, 71, 90))


def test_a_past_without_volumes_has_prices_only() -> None:
    past = [make_column(NOW - age * HOUR, HOUR, [(1, 0.3, 0.4, None, None)], volumes=False) for age in range(3)]
    price, traded = prices_and_volumes(hours_of(past, np.array([1, 2]), np.array([0.4, 0.7]), NOW, 3))
    assert price[1].tolist() == pytest.approx([0.7] * 3)
    assert np.isnan(traded).all()


def test_markets_that_are_open_no_more_are_left_out() -> None:
    both = column({5: (0.1, 0.2, 1.0), 9: (0.3, 0.4, 1.0)})
    assert hours_of([both], np.array([9]), np.array([0.4]), NOW, 1).price == pytest.approx(0.4)
    assert hours_of([both], np.array([], dtype=int), np.array([]), NOW, 1).price.shape == (0, 1)


def test_what_came_after_now_changes_nothing() -> None:
    past = [column({1: (0.3, 0.4, 5.0)}, NOW - age * QUARTER) for age in range(8)]
    future = [column({1: (0.4, 0.9, 1e6)}, NOW + age * QUARTER) for age in range(1, 9)]
    one, other = (hours_of(known, np.array([1]), np.array([0.4]), NOW, 2) for known in (past, past + future))
    for name in ("price", "traded", "variation", "spread", "steps"):
        assert np.array_equal(getattr(one, name), getattr(other, name), equal_nan=True)
    assert np.array_equal(one.quarters.price, other.quarters.price, equal_nan=True)


def test_quarters_end_where_a_run_was_left_out() -> None:
    columns = [column({1: (0.5, 0.6, 1.0)}), column({1: (0.4, 0.5, 1.0)}, NOW - QUARTER, 2 * QUARTER)]
    quarters = hours_of(columns, np.array([1]), np.array([0.6]), NOW, 1).quarters
    assert quarters.price[0] == pytest.approx([np.nan, np.nan, np.nan, 0.5, 0.6], nan_ok=True)
    assert quarters.traded[0] == pytest.approx([np.nan, np.nan, np.nan, 1.0], nan_ok=True)
