"""Every market's hours rebuilt from packed columns, backwards from today's prices."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np
import numpy.typing as npt

from core.detect.columns import MICRO, UNKNOWN, Column, Ints, Singles

QUARTERS = 4
_HOUR = timedelta(hours=1)
_NEARLY = timedelta(minutes=10)
_LONGEST_SPAN = timedelta(minutes=90)  # beyond it, what was traded cannot be told to belong to one hour
_SHORTEST_QUARTER, _LONGEST_QUARTER = timedelta(minutes=10), timedelta(minutes=20)


@dataclass(frozen=True, slots=True)
class Quarters:
    """The last steps of about a quarter of an hour: N markets by 4, the newest last, NaN where there was none.

    `price` (N, 5) holds the price before the first and after each of them, `traded` what the volume gained in each,
    `spread` the YES ask minus YES bid told in it, NaN where the market did not change.
    """

    price: Singles
    traded: Singles
    spread: Singles


@dataclass(frozen=True, slots=True)
class Hours:
    """N markets by T hours, the last of which ends at `now`; NaN is unknown.

    `price` at the end of each hour; `traded` volume per hour; `variation` the sum of squared steps in log-odds per
    hour; `spread` the last one told in the hour, NaN where nothing changed in it. `steps` (N,) counts the price moves
    of all hours but the last.
    """

    price: Singles
    traded: Singles
    variation: Singles
    spread: Singles
    steps: Singles
    quarters: Quarters


def hours_of(
    columns: Sequence[Column],
    numbers: npt.NDArray[np.int64],
    price: npt.NDArray[np.floating],
    now: datetime,
    hours: int,
) -> Hours:
    """Of the N markets with these numbers; `price` is theirs now, NaN where unknown.

    An hour without any column is NaN in all. The last hour's volume is what was counted, NaN unless its columns cover
    that hour to ten minutes; an earlier one is a rate over the time its columns cover, NaN where that is less than half
    an hour. Over a gap it is NaN, and so is the variation. An hour's price is that of its last column: where clock
    hours are merged, of the last full clock hour in it.
    """
    row_of = _rows(columns, numbers)
    waiting = sorted((column for column in columns if column.end <= now), key=lambda column: column.end)
    quarters = _quarters(waiting, row_of, price, now)
    prices, traded, variation, spread = (np.full((hours, len(numbers)), np.nan, dtype=np.float32) for _ in range(4))
    steps = np.zeros(len(numbers), dtype=np.float32)
    current = price.astype(np.float32)
    for age in range(hours):
        hour = _take_hour(waiting, now - (age + 1) * _HOUR, row_of, current)
        if hour is None:
            continue
        at = hours - 1 - age
        prices[at], spread[at] = hour.price, hour.spread
        there = ~np.isnan(hour.price)  # before its first price a market did not trade nothing: it was not there
        if age:
            steps += hour.steps
        if not hour.is_whole or hour.covered < _HOUR / 2:
            continue
        rate = np.float32(_HOUR / hour.covered)
        variation[at] = np.where(there, hour.variation * rate, np.nan)
        if hour.volumes and (age > 0 or abs(hour.covered - _HOUR) <= _NEARLY):
            traded[at] = np.where(there, hour.gained * (rate if age else 1), np.nan)
    return Hours(_by_market(prices), _by_market(traded), _by_market(variation), _by_market(spread), steps, quarters)


def _by_market(values: Singles) -> Singles:
    return np.ascontiguousarray(values.T)


def _rows(columns: Sequence[Column], numbers: npt.NDArray[np.int64]) -> npt.NDArray[np.intp]:
    """The row of each number, -1 for those that are not asked for."""
    most = max(int(numbers.max(initial=0)), *(int(column.numbers.max(initial=0)) for column in columns), 0)
    row_of = np.full(most + 1, -1)
    row_of[numbers] = np.arange(len(numbers))
    return row_of


@dataclass(slots=True)
class _Hour:
    price: Singles
    gained: Singles
    variation: Singles
    spread: Singles
    steps: Singles
    covered: timedelta = timedelta()
    volumes: bool = True
    is_whole: bool = True  # no column spans more than can be told to belong to one hour


def _take_hour(waiting: list[Column], start: datetime, row_of: npt.NDArray[np.intp], current: Singles) -> _Hour | None:
    """What the last columns, those that end after `start`, told together; None where there is none.

    They are taken off the list, and `current` goes back to the prices before them.
    """
    if not waiting or waiting[-1].end <= start:
        return None
    gained, variation, steps = (np.zeros(len(current), dtype=np.float32) for _ in range(3))
    hour = _Hour(current.copy(), gained, variation, np.full_like(current, np.nan), steps)
    is_last = True
    while waiting and waiting[-1].end > start:
        column = waiting.pop()
        rows, ours = _ours(column, row_of)
        if is_last:
            hour.price[rows] = _dollars(column.after[ours])
            is_last = False
        gained[rows] += column.gained[ours]
        variation[rows] += column.variation[ours]
        steps[rows] += column.steps[ours]
        hour.spread[rows] = np.where(np.isnan(hour.spread[rows]), _spreads(column)[ours], hour.spread[rows])
        hour.covered += column.span
        hour.volumes = hour.volumes and column.volumes
        hour.is_whole = hour.is_whole and column.span <= _LONGEST_SPAN
        current[rows] = _dollars(column.before[ours])
    return hour


def _quarters(
    columns: Sequence[Column], row_of: npt.NDArray[np.intp], price: npt.NDArray[np.floating], now: datetime
) -> Quarters:
    """Of `columns`, the oldest first: the newest that follow each other, as far as each is of a quarter of an hour."""
    size = len(price)
    prices = np.full((size, QUARTERS + 1), np.nan, dtype=np.float32)
    traded, spread = (np.full((size, QUARTERS), np.nan, dtype=np.float32) for _ in range(2))
    current = price.astype(np.float32)
    end = now
    for at, column in zip(range(QUARTERS - 1, -1, -1), reversed(columns), strict=False):
        late = end - column.end
        if not _SHORTEST_QUARTER <= column.span <= _LONGEST_QUARTER or late >= _LONGEST_QUARTER:
            break
        rows, ours = _ours(column, row_of)
        current[rows] = _dollars(column.after[ours])
        prices[:, at + 1] = current
        if column.volumes:
            gained = np.where(np.isnan(current), np.nan, np.float32(0))
            gained[rows] = column.gained[ours]
            traded[:, at] = gained
        spread[rows, at] = _spreads(column)[ours]
        current[rows] = _dollars(column.before[ours])
        prices[:, at] = current
        end = column.end - column.span
    return Quarters(prices, traded, spread)


def _ours(column: Column, row_of: npt.NDArray[np.intp]) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.bool_]]:
    rows = row_of[column.numbers]
    ours = rows >= 0
    return rows[ours], ours


def _dollars(micro: Ints) -> Singles:
    return np.where(micro == UNKNOWN, np.nan, micro / MICRO).astype(np.float32)


def _spreads(column: Column) -> Singles:
    return np.where(column.spread < 0, np.nan, column.spread / MICRO).astype(np.float32)
