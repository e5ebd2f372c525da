"""The compact history: what changed at one time over all markets of a venue, packed, and hours rebuilt from it.

A column holds only the markets whose price or volume changed; between its records a market stood still. So 72 hours of
100,000 markets are a few megabytes, and every hour's price can be rebuilt backwards from today's.
"""

from __future__ import annotations

import io
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

import numpy as np
import numpy.typing as npt

Ints = npt.NDArray[np.int32]
Floats = npt.NDArray[np.float64]
# A market's number, its price before and after, and what its volume gained; None is unknown.
Change = tuple[int, float | None, float | None, float | None]

UNKNOWN = 0  # no market is traded at 0
MICRO = 1_000_000
_HOUR = timedelta(hours=1)
_NEARLY = timedelta(minutes=10)
_LONGEST_SPAN = timedelta(minutes=90)  # beyond it, what was traded cannot be told to belong to one hour


@dataclass(frozen=True, slots=True)
class Column:
    """The changes of (`end` - `span`, `end`]: n markets by their ascending `number`.

    `before` and `after` are prices in millionths, UNKNOWN where there was none; `gained` is what the cumulative counter
    gained in the venue's unit, NaN where that cannot be told. `volumes` False: no volume is known here for any market.
    """

    end: datetime
    span: timedelta
    numbers: Ints
    before: Ints
    after: Ints
    gained: npt.NDArray[np.float32]
    volumes: bool = True

    def __len__(self) -> int:
        return len(self.numbers)


def make_column(
    end: datetime,
    span: timedelta,
    changes: Sequence[Change],
    *,
    volumes: bool = True,
) -> Column:
    """From changes, of each market one."""
    ordered = sorted(changes, key=lambda change: change[0])
    return Column(
        end,
        span,
        np.array([change[0] for change in ordered], dtype=np.int32),
        np.array([_micro(change[1]) for change in ordered], dtype=np.int32),
        np.array([_micro(change[2]) for change in ordered], dtype=np.int32),
        np.array([np.nan if change[3] is None else change[3] for change in ordered], dtype=np.float32),
        volumes,
    )


def _micro(price: float | None) -> int:
    return UNKNOWN if price is None else round(price * MICRO)


def pack(column: Column) -> bytes:
    """numpy's own format, no pickles; sorted numbers and price changes as differences, prices in their common tick.

    Volumes of an hour or longer keep 12 significant bits (0.02%), shorter ones all: only the last hour's is told.
    """
    tick = int(max(1, np.gcd.reduce(np.concatenate([column.before, column.after]), initial=0)))
    gained = column.gained if column.span < _HOUR else _rounded(column.gained)
    packed = io.BytesIO()
    np.savez_compressed(
        packed,
        numbers=_planes(np.diff(column.numbers, prepend=np.int32(0))),
        tick=np.array(tick),
        after=_planes(column.after // tick),
        change=_planes((column.after - column.before) // tick),
        gained=_planes(gained.view(np.int32)),
        volumes=np.array(column.volumes),
    )
    return packed.getvalue()


def _rounded(values: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    fraction, exponent = np.frexp(values)
    return np.ldexp(np.round(fraction * 4_096) / np.float32(4_096), exponent).astype(np.float32)


def unpack(body: bytes, end: datetime, span: timedelta) -> Column:
    """Raises ValueError for a body that is not one."""
    try:
        with np.load(io.BytesIO(body), allow_pickle=False) as arrays:
            numbers, after, change, gained = (_whole(arrays[name]) for name in ("numbers", "after", "change", "gained"))
            tick, volumes = np.int32(arrays["tick"]), bool(arrays["volumes"])
    except (KeyError, ValueError, OSError, EOFError, zipfile.BadZipFile) as error:
        raise ValueError(f"not a packed column: {error}") from error
    numbers = np.cumsum(numbers, dtype=np.int32)
    return Column(end, span, numbers, (after - change) * tick, after * tick, gained.view(np.float32), volumes)


def _planes(values: Ints) -> npt.NDArray[np.uint8]:
    """The bytes of equal weight side by side: the high ones are nearly all alike, and deflate to nothing."""
    return np.ascontiguousarray(values.astype("<i4").view(np.uint8).reshape(-1, 4).T)


def _whole(planes: npt.NDArray[np.uint8]) -> Ints:
    return np.ascontiguousarray(planes.reshape(4, -1).T).reshape(-1).view("<i4").astype(np.int32)


def merge(columns: Sequence[Column]) -> Column:
    """Columns of one venue, in any order, as one: the first price before, the last after, what was gained in all."""
    ordered = sorted(columns, key=lambda column: column.end)
    numbers = np.concatenate([column.numbers for column in ordered])
    found, first, row = np.unique(numbers, return_index=True, return_inverse=True)
    after = np.full(len(found), UNKNOWN, dtype=np.int32)
    gained = np.zeros(len(found))
    at = 0
    for column in ordered:
        rows = row[at : at + len(column)]
        after[rows] = column.after
        gained[rows] += column.gained
        at += len(column)
    return Column(
        ordered[-1].end,
        sum((column.span for column in ordered), timedelta()),
        found.astype(np.int32),
        np.concatenate([column.before for column in ordered])[first],
        after,
        gained.astype(np.float32),
        all(column.volumes for column in ordered),
    )


def without(column: Column, numbers: npt.NDArray[np.int64]) -> Column:
    """The column as if the markets of these numbers had not changed in it."""
    kept = ~np.isin(column.numbers, numbers)
    return replace(
        column,
        numbers=column.numbers[kept],
        before=column.before[kept],
        after=column.after[kept],
        gained=column.gained[kept],
    )


def joined(column: Column, others: Column) -> Column:
    """`column` with the changes of `others`, which are of the same time and of no market that is in it."""
    order = np.argsort(np.concatenate([column.numbers, others.numbers]), kind="stable")
    return replace(
        column,
        numbers=np.concatenate([column.numbers, others.numbers])[order],
        before=np.concatenate([column.before, others.before])[order],
        after=np.concatenate([column.after, others.after])[order],
        gained=np.concatenate([column.gained, others.gained])[order],
    )


def hours_of(
    columns: Sequence[Column], numbers: npt.NDArray[np.int64], price: Floats, now: datetime, hours: int
) -> tuple[Floats, Floats]:
    """(N, hours) price at the end of each hour and volume per hour, of the N markets with these numbers.

    `price` is theirs now, NaN where unknown. Hour T-1 ends at `now`. An hour without any column is NaN in both. The
    last hour's volume is what was counted, NaN unless its columns cover that hour to ten minutes; an earlier one is a
    rate over the time its columns cover, NaN where that is less than half an hour. Over a gap it is NaN. An hour's
    price is that of its last column: where clock hours are merged, of the last full clock hour in it.
    """
    row_of = np.full(int(max(numbers.max(initial=0), *(c.numbers.max(initial=0) for c in columns), 0)) + 1, -1)
    row_of[numbers] = np.arange(len(numbers))
    prices, traded = np.full((len(numbers), hours), np.nan), np.full((len(numbers), hours), np.nan)
    current = price.copy()
    waiting = sorted((column for column in columns if column.end <= now), key=lambda column: column.end)
    for age in range(hours):
        start = now - (age + 1) * _HOUR
        at = hours - 1 - age
        gained, covered, volumes = np.zeros(len(numbers)), timedelta(), True
        sampled = False
        while waiting and waiting[-1].end > start:
            column = waiting.pop()
            rows = row_of[column.numbers]
            ours = rows >= 0
            rows = rows[ours]
            if not sampled:
                current[rows] = _dollars(column.after[ours])
                prices[:, at] = current
                sampled = True
            gained[rows] += column.gained[ours]
            covered += column.span
            volumes = volumes and column.volumes and column.span <= _LONGEST_SPAN
            current[rows] = _dollars(column.before[ours])
        is_told = abs(covered - _HOUR) <= _NEARLY if age == 0 else covered >= _HOUR / 2
        if sampled and volumes and is_told:
            # Before its first price a market did not trade nothing: it was not there.
            hourly = gained if age == 0 else gained * (_HOUR / covered)
            traded[:, at] = np.where(np.isnan(prices[:, at]), np.nan, hourly)
    return prices, traded


def _dollars(micro: Ints) -> Floats:
    return np.where(micro == UNKNOWN, np.nan, micro / MICRO)
