"""Detectors over stored history, hour by hour as they would have run: each hour sees what was known by its end."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import numpy.typing as npt

from core.detect.columns import MICRO, UNKNOWN, Column, Ints
from core.detect.detectors import signals
from core.detect.history import Floats, History
from core.detect.hours import Quarters, hours_of
from core.detect.rates_moments import (
    BANDS,
    CONTROL,
    HOURS,
    MIN_SCORE,
    Mask,
    Moments,
    Texts,
    activity_of,
    band_of,
    closeness_of,
    codes,
    joined,
)
from core.detect.signals import Signal
from core.models import PLATFORMS, Platform

WINDOW_H = 168
LATEST_H = max(HOURS)
CONTROLS_AN_HOUR, CONTROLS_A_STRATUM = 150, 2
_STALE_H = 1.5  # a price that was read longer ago is not that hour's
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_HOUR = timedelta(hours=1)

Rows = npt.NDArray[np.intp]


@dataclass(frozen=True, slots=True)
class Markets:
    """N markets as they are stored. Times are hours since 1970, NaN unknown; `fee_rate` NaN is unknown.

    `opened` is when a market was first there, `seen` when we first saw it: what we know of its end since. `earlier` are
    closing times told before the present ones: (row, told until, closing time), by time.
    """

    platform: Texts
    market_id: list[str]
    number: npt.NDArray[np.int64]
    event: Texts
    category: Texts
    exclusive: Mask
    opened: Floats
    seen: Floats
    closes: Floats
    settled: Floats
    payout: Floats
    fee_rate: Floats
    fee_exponent: Floats
    earlier: Sequence[tuple[int, float, float]] = ()

    def closing(self, at: float) -> Floats:
        """(N,) closing times as they were told at `at`."""
        closes = self.closes.copy()
        for row, until, close in reversed(self.earlier):
            if until > at:
                closes[row] = close
        return closes


@dataclass(frozen=True, slots=True)
class Replayed:
    """`numbers` are of the market of each moment. `state` is what every market cost WINDOW_H hours before the last."""

    moments: Moments
    numbers: npt.NDArray[np.int64]
    state: Ints


def hours_since_1970(at: datetime) -> float:
    return (at - _EPOCH) / _HOUR


def moment_of(hours: float) -> datetime:
    return _EPOCH + hours * _HOUR


def replay(
    markets: Markets,
    columns: Mapping[Platform, Sequence[Column]],
    state: Ints,
    first: int,
    last: int,
    spreads: Mapping[Platform, Floats],
    seed: int = 1,
) -> Replayed:
    """The moments of the hours that ended at `first` to `last` (hours since 1970).

    `columns` ended in (first - WINDOW_H - 1 h, last + 24 h]; `state` is the price of each market number, in
    millionths, before them. `spreads` are typical ones in dollars by venue and price band, NaN unknown: old history
    has no quotes.
    """
    walk = _Walk(columns, state, int(markets.number.max(initial=-1)) + 1)
    batches: dict[int, _Batch] = {}
    kept = state
    for at in range(first - WINDOW_H - 1, last + LATEST_H + 1):
        walk.advance(at)
        if at == last - WINDOW_H:
            kept = walk.price.copy()
        for column, hours in enumerate(HOURS):
            if at - hours in batches:
                batches[at - hours].look(column, at, walk, markets)
        if first <= at <= last:
            batches[at] = _batch(markets, walk, at, spreads, np.random.default_rng((seed, at)))
    filled = [batch for batch in batches.values() if len(batch.rows)]
    if not filled:
        return Replayed(_no_moments(), np.zeros(0, dtype=np.int64), kept)
    rows = np.concatenate([batch.rows for batch in filled])
    return Replayed(joined([batch.moments for batch in filled]), markets.number[rows], kept)


class _Walk:
    """Every market's price as time goes by: `price` now (millionths, UNKNOWN where there is none), `known` the last."""

    def __init__(self, columns: Mapping[Platform, Sequence[Column]], state: Ints, size: int) -> None:
        self.columns = {name: sorted(given, key=lambda column: column.end) for name, given in columns.items()}
        top = max([size, len(state), *(int(c.numbers.max(initial=-1)) + 1 for cs in columns.values() for c in cs)])
        self.price = np.full(top, UNKNOWN, dtype=np.int32)
        self.price[: len(state)] = state
        self.known = self.price.copy()
        self.done = dict.fromkeys(self.columns, 0)
        self.read_at = dict.fromkeys(self.columns, -np.inf)

    def advance(self, at: int) -> None:
        for platform, columns in self.columns.items():
            done = self.done[platform]
            while done < len(columns) and (end := hours_since_1970(columns[done].end)) <= at:
                column = columns[done]
                self.price[column.numbers] = column.after
                told = column.after != UNKNOWN
                self.known[column.numbers[told]] = column.after[told]
                self.read_at[platform] = end
                done += 1
            self.done[platform] = done

    def window(self, platform: Platform, at: int) -> Sequence[Column]:
        """Columns up to now that the detectors' hours are made of."""
        columns, done = self.columns.get(platform, []), self.done.get(platform, 0)
        since = moment_of(at - WINDOW_H - 1)
        return [column for column in columns[:done] if column.end > since]

    def is_current(self, platform: Platform, at: int) -> bool:
        return at - self.read_at.get(platform, -np.inf) <= _STALE_H


@dataclass(slots=True)
class _Batch:
    """One hour's moments; `rows` are their markets'."""

    rows: Rows
    moments: Moments

    def look(self, column: int, at: int, walk: _Walk, markets: Markets) -> None:
        """What the price is now: what a settled market paid; else the last that was known, if it was read lately."""
        rows = self.rows
        price = _dollars(walk.known[markets.number[rows]])
        current = {name: walk.is_current(name, at) for name in PLATFORMS}
        is_current = np.array([current[name] for name in markets.platform[rows]], dtype=bool)
        price[~is_current] = np.nan
        settled = (markets.settled[rows] <= at) & np.isfinite(markets.payout[rows])
        price[settled] = markets.payout[rows][settled]
        self.moments.moved[:, column] = price - self.moments.price


def _dollars(micro: Ints) -> Floats:
    return np.where(micro == UNKNOWN, np.nan, micro / MICRO)


def _batch(
    markets: Markets, walk: _Walk, at: int, spreads: Mapping[Platform, Floats], rng: np.random.Generator
) -> _Batch:
    price = _dollars(walk.price[markets.number])
    closes = markets.closing(at)
    with np.errstate(invalid="ignore"):
        over = (closes <= at) | (markets.settled <= at)
    current = [name for name in PLATFORMS if walk.is_current(name, at)]
    there = np.isfinite(price) & ~(markets.opened > at) & ~over & np.isin(markets.platform.astype(str), current)
    rows = np.flatnonzero(there)
    if not len(rows):
        return _Batch(rows, _no_moments())
    history = _history(markets, walk, at, rows, price)
    found = list(_found(history, signals(history), rng))
    picked = np.concatenate([one[0] for one in found])
    chosen = rows[picked]
    band = band_of(price[chosen])
    fee = markets.fee_rate[chosen] * (price[chosen] * (1 - price[chosen])) ** markets.fee_exponent[chosen]
    spread = np.array([spreads[name][of] for name, of in zip(markets.platform[chosen], band, strict=True)], dtype=float)
    due = np.where(markets.seen[chosen] <= at, closes[chosen], np.nan)
    moments = Moments(
        at=np.full(len(chosen), float(at)),
        detector=np.concatenate([np.full(len(one[0]), one[1], dtype=object) for one in found]),
        category=markets.category[chosen],
        cluster=_clusters(markets, chosen),
        side=np.concatenate([one[2] for one in found]),
        score=np.concatenate([one[3] for one in found]),
        price=price[chosen],
        closeness=closeness_of(closes[chosen] - at),
        activity=activity_of(history.price[picked]),
        due=due,
        cost_trade=spread + 2 * fee,
        cost_hold=spread / 2 + fee,
        moved=np.full((len(chosen), len(HOURS)), np.nan),
        payout=markets.payout[chosen],
        settled=markets.settled[chosen],
    )
    return _Batch(chosen, moments)


def _clusters(markets: Markets, rows: Rows) -> Texts:
    names = np.empty(len(rows), dtype=object)
    for place, row in enumerate(rows.tolist()):
        event = markets.event[row]
        names[place] = f"{markets.platform[row]} {event if event else markets.market_id[row]}"
    return names


def _history(markets: Markets, walk: _Walk, at: int, rows: Rows, price: Floats) -> History:
    """What the detectors would have been given: no quotes, which the compact history does not hold."""
    prices, traded, variation, spread = (np.full((len(rows), WINDOW_H), np.nan, np.float32) for _ in range(4))
    steps = np.full(len(rows), np.nan, np.float32)
    quarters = Quarters(*(np.full((len(rows), width), np.nan, np.float32) for width in (5, 4, 4)))
    for platform in PLATFORMS:
        own = np.flatnonzero(markets.platform[rows] == platform)
        if len(own) and (columns := walk.window(platform, at)):
            numbers = markets.number[rows[own]]
            told = hours_of(columns, numbers, price[rows[own]], moment_of(at), WINDOW_H)
            prices[own], traded[own] = told.price, told.traded
            variation[own], spread[own], steps[own] = told.variation, told.spread, told.steps
            quarters.price[own], quarters.traded[own] = told.quarters.price, told.quarters.traded
            quarters.spread[own] = told.quarters.spread
    unknown = np.full(len(rows), np.nan)
    return History(
        keys=[(markets.platform[row], markets.market_id[row]) for row in rows.tolist()],
        events=markets.event[rows].tolist(),
        categories=markets.category[rows].tolist(),
        exclusive=markets.exclusive[rows],
        price=prices,
        traded=traded,
        bid=unknown,
        ask=unknown,
        variation=variation,
        steps=steps,
        spread=spread,
        quarters=quarters,
        hours_left=markets.closing(at)[rows] - at,
    )


def _found(
    history: History, said: Sequence[Signal], rng: np.random.Generator
) -> Iterator[tuple[Rows, str, npt.NDArray[np.int8], Floats]]:
    """(rows, detector, sides, scores): of each event, band and detector the best, and controls drawn at random."""
    band = band_of(history.price[:, -1])
    event = codes(_names(history))
    quiet = np.ones(len(history), dtype=bool)
    for signal in said:
        spoke = np.flatnonzero(signal.score >= MIN_SCORE)
        quiet[spoke] = False
        order = spoke[np.lexsort((spoke, -signal.score[spoke]))]
        _, best = np.unique(event[order] * len(BANDS) + band[order], return_index=True)
        rows = np.sort(order[best])
        yield rows, signal.detector, signal.side[rows], signal.score[rows]
    rows = rng.permutation(np.flatnonzero(quiet))
    category, activity = codes(np.array(history.categories, dtype=object)), activity_of(history.price)
    keys = np.stack([category, band.astype(np.intp), activity.astype(np.intp)])[:, rows]
    order = np.lexsort(tuple(keys))
    ranked = keys[:, order]
    starts = np.flatnonzero(np.any(np.diff(ranked, axis=1, prepend=-1), axis=0))
    place = np.arange(len(order)) - np.repeat(starts, np.diff(np.append(starts, len(order))))
    kept = rows[np.sort(order[place < CONTROLS_A_STRATUM])][:CONTROLS_AN_HOUR]
    yield kept, CONTROL, np.zeros(len(kept), dtype=np.int8), np.zeros(len(kept))


def _names(history: History) -> Texts:
    names = np.empty(len(history), dtype=object)
    for row, (key, event) in enumerate(zip(history.keys, history.events, strict=True)):
        names[row] = (key[0], event) if event else key
    return names


def _no_moments() -> Moments:
    none: Any = np.zeros(0)
    text: Texts = np.zeros(0, dtype=object)
    small = np.zeros(0, dtype=np.int8)
    return Moments(
        none, text, text, text, small, none, none, small, small, none, none, none,
        np.zeros((0, len(HOURS))), none, none,
    )  # fmt: skip
