"""Packed columns hold what changed, merge without loss, and give back every hour's price and volume."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.detect.columns import Column, hours_of, make_column, merge, pack, unpack
from tests.conftest import NOW

QUARTER = timedelta(minutes=15)
HOUR = timedelta(hours=1)

prices = st.none() | st.integers(1, 1_000_000).map(lambda micro: micro / 1_000_000)
gains = st.none() | st.integers(0, 10**6).map(float)
changes = st.dictionaries(st.integers(1, 200), st.tuples(prices, prices, gains), max_size=30)


def column(found: dict[int, Any], end: Any = NOW, span: timedelta = QUARTER) -> Column:
    return make_column(end, span, [(number, *values) for number, values in found.items()])


def same(one: Column, other: Column) -> bool:
    arrays = ("numbers", "before", "after", "gained")
    return (one.end, one.span, one.volumes) == (other.end, other.span, other.volumes) and all(
        np.array_equal(getattr(one, name), getattr(other, name), equal_nan=name == "gained") for name in arrays
    )


@given(changes)
def test_what_is_packed_comes_out_as_it_went_in(found: dict[int, Any]) -> None:
    packed = column(found)
    assert same(unpack(pack(packed), packed.end, packed.span), packed)


def test_an_hours_volume_keeps_three_digits_and_its_unknowns() -> None:
    exact = column({n: (0.4, 0.5, None if n == 3 else 0.37 * n**5) for n in range(1, 60)}, span=HOUR)
    kept = unpack(pack(exact), exact.end, exact.span)
    assert kept.gained == pytest.approx(exact.gained, rel=1 / 4_096, nan_ok=True)
    assert np.isnan(kept.gained[2])
    assert np.array_equal(kept.after, exact.after)
    again = unpack(pack(kept), exact.end, exact.span)
    assert np.array_equal(again.gained, kept.gained, equal_nan=True), "rounded once"


@pytest.mark.parametrize("body", [b"", b"rubbish", b"PK\x03\x04 but no more", pack(column({}))[:-30]])
def test_rubbish_is_refused(body: bytes) -> None:
    with pytest.raises(ValueError, match="not a packed column"):
        unpack(body, NOW, QUARTER)


@given(st.lists(changes, min_size=2, max_size=6), st.integers(1, 5))
def test_merging_in_steps_is_merging_at_once(found: list[dict[int, Any]], cut: int) -> None:
    columns = [column(values, NOW + at * QUARTER) for at, values in enumerate(found)]
    cut = min(cut, len(columns) - 1)
    assert same(merge([merge(columns[:cut]), merge(columns[cut:])]), merge(columns))
    assert same(merge(columns[::-1]), merge(columns)), "the order given does not matter"


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
    rebuilt, traded = hours_of(columns, np.array([7, 8, 9]), price[-1] / 1e6, NOW, hours)
    for age in range(hours):
        at = quarters - 4 * age
        assert rebuilt[:, hours - 1 - age] == pytest.approx(price[at] / 1e6)
        assert traded[:, hours - 1 - age] == pytest.approx(volume[at - 3 : at + 1].sum(axis=0))


def test_before_a_market_was_first_seen_its_price_is_unknown() -> None:
    columns = [column({}, NOW - age * QUARTER) for age in range(12)]
    columns[5] = column({1: (None, 0.4, None)}, NOW - 5 * QUARTER)
    price, traded = hours_of(columns, np.array([1]), np.array([0.4]), NOW, 3)
    assert price[0].tolist() == pytest.approx([np.nan, 0.4, 0.4], nan_ok=True)
    assert np.isnan(traded[0, :2]).all(), "it was not there, and what it had traded by then belongs to no hour"
    assert traded[0, 2] == 0


def test_an_hour_in_which_nothing_was_read_is_unknown_and_so_is_the_volume_over_the_gap() -> None:
    columns = [column({1: (0.4, 0.5, 60.0)}, NOW, 3 * HOUR), column({}, NOW - 3 * HOUR)]
    price, traded = hours_of(columns, np.array([1]), np.array([0.5]), NOW, 4)
    assert price[0].tolist() == pytest.approx([0.4, np.nan, np.nan, 0.5], nan_ok=True)
    assert np.isnan(traded[0, 1:]).all()


def test_the_last_hours_volume_is_what_was_counted_in_an_hour_or_unknown() -> None:
    def last_hour(minutes: int) -> float:
        columns = [column({1: (0.4, 0.4, 60.0)}, NOW, timedelta(minutes=minutes))]
        _, traded = hours_of(columns, np.array([1]), np.array([0.4]), NOW, 1)
        return float(traded[0, 0])

    assert [last_hour(minutes) for minutes in (50, 60, 70)] == [60, 60, 60]
    assert all(np.isnan(last_hour(minutes)) for minutes in (30, 49, 71, 90))


def test_a_past_without_volumes_has_prices_only() -> None:
    past = [make_column(NOW - age * HOUR, HOUR, [(1, 0.3, 0.4, None)], volumes=False) for age in range(3)]
    price, traded = hours_of(past, np.array([1, 2]), np.array([0.4, 0.7]), NOW, 3)
    assert price[1].tolist() == [0.7] * 3
    assert np.isnan(traded).all()


def test_markets_that_are_open_no_more_are_left_out() -> None:
    price, _ = hours_of([column({5: (0.1, 0.2, 1.0), 9: (0.3, 0.4, 1.0)})], np.array([9]), np.array([0.4]), NOW, 1)
    assert price.tolist() == [[0.4]]
    empty, _ = hours_of([column({5: (0.1, 0.2, 1.0)})], np.array([], dtype=int), np.array([]), NOW, 1)
    assert empty.shape == (0, 1)
