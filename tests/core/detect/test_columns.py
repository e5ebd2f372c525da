"""Packed columns hold what changed and merge without loss."""

from __future__ import annotations

import io
from datetime import timedelta
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.detect.columns import ARRAYS, Column, make_column, merge, pack, unpack
from tests.conftest import NOW

QUARTER = timedelta(minutes=15)
HOUR = timedelta(hours=1)

prices = st.none() | st.integers(1, 1_000_000).map(lambda micro: micro / 1_000_000)
gains = st.none() | st.integers(0, 10**6).map(float)
spreads = st.none() | st.integers(-10_000, 1_000_000).map(lambda micro: micro / 1_000_000)
changes = st.dictionaries(st.integers(1, 200), st.tuples(prices, prices, gains, spreads), max_size=30)


def column(found: dict[int, Any], end: Any = NOW, span: timedelta = QUARTER) -> Column:
    return make_column(end, span, [(number, *values) for number, values in found.items()])


def same(one: Column, other: Column) -> bool:
    """But for what rounding makes of sums of squares."""
    arrays = [name for name in ARRAYS if name != "variation"]
    return (
        (one.end, one.span, one.volumes) == (other.end, other.span, other.volumes)
        and all(np.array_equal(getattr(one, n), getattr(other, n), equal_nan=n == "gained") for n in arrays)
        and np.allclose(one.variation, other.variation, rtol=1 / 64, atol=1e-12)
    )


@given(changes)
def test_what_is_packed_comes_out_as_it_went_in(found: dict[int, Any]) -> None:
    packed = column(found)
    assert same(unpack(pack(packed), packed.end, packed.span), packed)


def test_an_hours_volume_keeps_three_digits_and_its_unknowns() -> None:
    exact = column({n: (0.4, 0.5, None if n == 3 else 0.37 * n**5, 0.01) for n in range(1, 60)}, span=HOUR)
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


def test_a_column_packed_before_spreads_were_has_what_its_ends_tell() -> None:
    now = column({1: (0.4, 0.5, 7.0, 0.02), 2: (None, 0.5, None, 0.02), 3: (0.3, 0.3, 9.0, None)})
    with np.load(io.BytesIO(pack(now))) as arrays:
        kept = {name: arrays[name] for name in arrays if name not in ("variation", "steps", "spread")}
    old = io.BytesIO()
    np.savez_compressed(old, **kept)
    back = unpack(old.getvalue(), now.end, now.span)
    assert np.array_equal(back.after, now.after)
    assert back.steps.tolist() == [1, 0, 0]
    assert back.spread.tolist() == [-1, -1, -1]
    assert back.variation == pytest.approx([np.log(0.5 / 0.5 * 0.6 / 0.4) ** 2, 0, 0])


def test_merged_steps_add_their_squares_and_the_last_spread_told_stays() -> None:
    there = column({1: (0.4, 0.6, 1.0, 0.02)}, NOW)
    back = column({1: (0.6, 0.4, 1.0, None)}, NOW + QUARTER)
    both = merge([there, back])
    assert both.before[0] == both.after[0], "the ends say that nothing happened"
    assert both.variation[0] == pytest.approx(2 * (2 * np.log(0.6 / 0.4)) ** 2)
    assert both.steps[0] == 2
    assert both.spread[0] == 20_000
