"""Replay: what each hour sees, what becomes of its moments, and that no hour sees what came after it."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import numpy as np
import pytest

from core.detect.columns import Change, Column, make_column
from core.detect.rates_moments import CONTROL, Moments
from core.detect.rates_replay import WINDOW_H, Markets, Replayed, moment_of, replay
from core.models import Platform

HOUR = timedelta(hours=1)
BEGIN, HOURS = 480_000, 160  # in the year 2024
FIRST, LAST = BEGIN + 80, BEGIN + 130
NOTHING = np.zeros(0, dtype=np.int32)
SPREADS: dict[Platform, Any] = {"kalshi": np.full(5, 0.02), "polymarket": np.full(5, np.nan)}


def market_table(n: int, **given: Any) -> Markets:
    unknown = np.full(n, np.nan)
    values: dict[str, Any] = {
        "platform": np.full(n, "kalshi", dtype=object),
        "market_id": [f"M{row}" for row in range(n)],
        "number": np.arange(1, n + 1, dtype=np.int64),
        "event": np.array([f"E{row // 2}" for row in range(n)], dtype=object),
        "category": np.full(n, "Politics", dtype=object),
        "exclusive": np.zeros(n, dtype=bool),
        "opened": unknown,
        "seen": np.full(n, float(BEGIN)),
        "closes": np.full(n, float(BEGIN + 1_000)),
        "settled": unknown,
        "payout": unknown,
        "fee_rate": np.full(n, 0.07),
        "fee_exponent": np.ones(n),
    }
    return Markets(**values | given)


def walk(n: int = 30, seed: int = 1) -> np.ndarray[tuple[int, int], np.dtype[np.float64]]:
    """(n, HOURS) prices in cents' tenths, with a jump of 20 cents of each tenth market in hour 100."""
    rng = np.random.default_rng(seed)
    price = 0.5 + np.cumsum(rng.normal(0, 0.004, (n, HOURS)), axis=1)
    price[::10, 100:] += 0.2
    rounded: np.ndarray[tuple[int, int], np.dtype[np.float64]] = np.round(np.clip(price, 0.02, 0.98), 3).astype(float)
    return rounded


def columns_of(price: np.ndarray[Any, np.dtype[np.float64]]) -> list[Column]:
    """One an hour, as collecting leaves them; the first shows every market."""
    found = []
    for hour in range(price.shape[1]):
        changes: list[Change] = []
        for row in range(len(price)):
            before = None if hour == 0 else float(price[row, hour - 1])
            if before != price[row, hour]:
                changes.append((row + 1, before, float(price[row, hour]), 100.0, None))
        found.append(make_column(moment_of(BEGIN + hour), HOUR, changes))
    return found


def run(
    columns: list[Column], markets: Markets, first: int = FIRST, last: int = LAST, state: Any = NOTHING
) -> Replayed:
    return replay(markets, {"kalshi": columns}, state, first, last, SPREADS)


def jumps(moments: Moments) -> Moments:
    return moments[np.flatnonzero(moments.detector == "price_jump")]


def same(one: Moments, other: Moments) -> None:
    for name in Moments.__slots__:
        np.testing.assert_array_equal(getattr(one, name), getattr(other, name), err_msg=name)


def test_a_jump_is_found_in_its_hour_with_what_came_after_it() -> None:
    price = walk()
    found = jumps(run(columns_of(price), market_table(30)).moments)
    at_jump = found[np.flatnonzero(found.at == BEGIN + 100)]
    assert sorted(at_jump.cluster) == ["kalshi E0", "kalshi E10", "kalshi E5"]
    for place, row in enumerate(int(name.removeprefix("kalshi E")) * 2 for name in at_jump.cluster):
        assert at_jump.price[place] == price[row, 100]
        assert np.allclose(at_jump.moved[place], price[row, [101, 106, 124]] - price[row, 100])
        fee = 0.07 * price[row, 100] * (1 - price[row, 100])
        assert at_jump.cost_trade[place] == pytest.approx(0.02 + 2 * fee)
        assert at_jump.cost_hold[place] == pytest.approx(0.01 + fee)


def test_controls_are_moments_without_a_pattern_and_the_same_each_time() -> None:
    columns, markets = columns_of(walk()), market_table(30)
    found = run(columns, markets).moments
    quiet = found[np.flatnonzero(found.detector == CONTROL)]
    loud = {(at, name) for at, name in zip(*(lambda m: (m.at, m.cluster))(jumps(found)), strict=True)}
    assert len(quiet) > 50
    assert np.unique(quiet.at).size == LAST - FIRST + 1
    assert not (quiet.side != 0).any()
    assert loud
    same(found, run(columns, markets).moments)


def test_an_hour_changes_nothing_that_was_before_it() -> None:
    """Whatever the future holds: the same setups and controls, the same costs, and the same outcomes until then."""
    price, turn = walk(), 110
    other = price.copy()
    other[:, turn:] = walk(seed=2)[:, turn:]
    settled = np.where(np.arange(30) % 3 == 0, float(BEGIN + turn), np.nan)
    markets = market_table(30)
    changed = replace(markets, settled=settled, payout=np.where(np.isnan(settled), np.nan, 1.0))
    one, two = run(columns_of(price), markets).moments, run(columns_of(other), changed).moments
    past_one, past_two = (m[np.flatnonzero(m.at < BEGIN + turn)] for m in (one, two))
    for name in set(Moments.__slots__) - {"moved", "payout", "settled"}:
        np.testing.assert_array_equal(getattr(past_one, name), getattr(past_two, name), err_msg=name)
    for column, hours in enumerate((1, 6, 24)):
        over = past_one.at + hours < BEGIN + turn
        np.testing.assert_array_equal(past_one.moved[over, column], past_two.moved[over, column])
    assert not np.array_equal(past_one.moved, past_two.moved, equal_nan=True)


def test_history_in_pieces_gives_what_it_gives_at_once() -> None:
    columns, markets = columns_of(walk()), market_table(30)
    whole = run(columns, markets)
    middle = FIRST + 20
    one = run([c for c in columns if c.end <= moment_of(middle + 24)], markets, last=middle)
    since = moment_of(middle - WINDOW_H)
    two = run([c for c in columns if c.end > since], markets, first=middle + 1, state=one.state)
    cut = whole.moments.at <= middle
    same(whole.moments[np.flatnonzero(cut)], one.moments)
    same(whole.moments[np.flatnonzero(~cut)], two.moments)
    np.testing.assert_array_equal(whole.state, two.state)


def test_a_settled_market_is_worth_what_it_paid_and_speaks_no_more() -> None:
    price = walk()
    end = BEGIN + 104
    settled, payout = np.full(30, np.nan), np.full(30, np.nan)
    settled[0], payout[0] = end, 1.0
    found = run(columns_of(price), market_table(30, settled=settled, payout=payout)).moments
    own = found[np.flatnonzero(found.cluster == "kalshi E0")]
    jump = jumps(own)
    jump = jump[np.flatnonzero(jump.at == BEGIN + 100)]
    assert jump.moved[0].tolist() == pytest.approx([price[0, 101] - price[0, 100], *[1 - price[0, 100]] * 2])
    assert not ((own.at >= end) & (own.price == price[0, (own.at - BEGIN).astype(int)])).any()


def test_the_closing_time_is_the_one_that_was_told_then() -> None:
    markets = market_table(30, closes=np.full(30, BEGIN + 90.0))
    told_later = replace(markets, earlier=[(row, BEGIN + 85.0, BEGIN + 900.0) for row in range(30)])
    assert len(run(columns_of(walk()), markets).moments) > 0
    found = run(columns_of(walk()), told_later).moments
    assert found.due[found.at < BEGIN + 85].tolist() == [BEGIN + 900.0] * int((found.at < BEGIN + 85).sum())
    assert set(found.due[found.at >= BEGIN + 85]) == {BEGIN + 90.0}
    assert found.at.max() < BEGIN + 90


def test_of_the_time_before_a_market_was_seen_its_end_is_not_known() -> None:
    found = run(columns_of(walk()), market_table(30, seen=np.full(30, BEGIN + 100.0))).moments
    assert np.isnan(found.due[found.at < BEGIN + 100]).all()
    assert np.isfinite(found.due[found.at >= BEGIN + 100]).all()


def test_over_a_gap_nobody_knows_what_the_price_did() -> None:
    gap = [
        column for column in columns_of(walk()) if not BEGIN + 101 <= (column.end - moment_of(0)) / HOUR <= BEGIN + 108
    ]
    found = run(gap, market_table(30)).moments
    assert not ((found.at > BEGIN + 101.5) & (found.at <= BEGIN + 108)).any()
    at_jump = jumps(found)
    at_jump = at_jump[np.flatnonzero(at_jump.at == BEGIN + 100)]
    assert np.isnan(at_jump.moved[:, 1]).all()
    assert np.isfinite(at_jump.moved[:, 2]).all()


def test_without_quotes_or_fees_costs_are_unknown() -> None:
    unquoted = market_table(30, platform=np.full(30, "polymarket", dtype=object))
    found = replay(unquoted, {"polymarket": columns_of(walk())}, NOTHING, FIRST, LAST, SPREADS).moments
    assert len(found) > 0
    assert np.isnan(found.cost_trade).all()
    found = run(columns_of(walk()), market_table(30, fee_rate=np.full(30, np.nan))).moments
    assert np.isnan(found.cost_hold).all()


def test_no_markets_and_no_history_are_no_moments() -> None:
    assert len(run([], market_table(3)).moments) == 0
    assert len(run([], market_table(0)).moments) == 0
