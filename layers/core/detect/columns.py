"""The compact history: what changed at one time over all markets of a venue, packed.

A column holds only the markets whose price or volume changed; between its records a market stood still. So a week of
100,000 markets is tens of megabytes, and every hour's price can be rebuilt backwards from today's (core.detect.hours).
"""

from __future__ import annotations

import io
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

import numpy as np
import numpy.typing as npt

Ints = npt.NDArray[np.int32]
Singles = npt.NDArray[np.float32]
# A market's number, its price before and after, what its volume gained, and its YES ask minus YES bid; None is unknown.
Change = tuple[int, float | None, float | None, float | None, float | None]

UNKNOWN = 0  # no market is traded at 0
NO_SPREAD = -1
MICRO = 1_000_000
_HOUR = timedelta(hours=1)
_LEAST_PRICE = 0.001


@dataclass(frozen=True, slots=True)
class Column:
    """The changes of (`end` - `span`, `end`]: n markets by their ascending `number`.

    `before` and `after` are prices in millionths, UNKNOWN where there was none; `gained` is what the cumulative counter
    gained in the venue's unit, NaN where that cannot be told. `variation` is the sum of the squared moves in log-odds
    over the steps that were read (the realised variance: Andersen and Bollerslev 1998), `steps` how many of them moved
    the price. `spread` is the last one told, in millionths, NO_SPREAD where none was. `volumes` False: no volume is
    known here for any market.
    """

    end: datetime
    span: timedelta
    numbers: Ints
    before: Ints
    after: Ints
    gained: Singles
    variation: Singles
    steps: Ints
    spread: Ints
    volumes: bool = True

    def __len__(self) -> int:
        return len(self.numbers)


ARRAYS = ("numbers", "before", "after", "gained", "variation", "steps", "spread")


def make_column(
    end: datetime,
    span: timedelta,
    changes: Sequence[Change],
    *,
    volumes: bool = True,
) -> Column:
    """From changes, of each market one."""
    ordered = sorted(changes, key=lambda change: change[0])
    return one_step(
        end,
        span,
        np.array([change[0] for change in ordered], dtype=np.int32),
        np.array([_micro(change[1]) for change in ordered], dtype=np.int32),
        np.array([_micro(change[2]) for change in ordered], dtype=np.int32),
        np.array([np.nan if change[3] is None else change[3] for change in ordered], dtype=np.float32),
        np.array([NO_SPREAD if change[4] is None else round(change[4] * MICRO) for change in ordered], dtype=np.int32),
        volumes,
    )


def one_step(
    end: datetime,
    span: timedelta,
    numbers: Ints,
    before: Ints,
    after: Ints,
    gained: Singles,
    spread: Ints | None = None,
    volumes: bool = True,
) -> Column:
    """A column between whose two ends nothing was read: its variation is that of one move."""
    known = (before != UNKNOWN) & (after != UNKNOWN)
    move = np.where(known, _log_odds(after) - _log_odds(before), 0)
    if spread is None:
        spread = np.full(len(numbers), NO_SPREAD, dtype=np.int32)
    return Column(
        end,
        span,
        numbers,
        before,
        after,
        gained,
        np.square(move).astype(np.float32),
        (known & (before != after)).astype(np.int32),
        np.where(spread < 0, NO_SPREAD, spread),
        volumes,
    )


def _log_odds(micro: Ints) -> npt.NDArray[np.float64]:
    price = np.clip(micro / MICRO, _LEAST_PRICE, 1 - _LEAST_PRICE)
    odds: npt.NDArray[np.float64] = np.log(price / (1 - price))
    return odds


def _micro(price: float | None) -> int:
    return UNKNOWN if price is None else round(price * MICRO)


def pack(column: Column) -> bytes:
    """numpy's own format, no pickles; sorted numbers and price changes as differences, prices in their common tick.

    Volumes of an hour or longer keep 12 significant bits (0.02%), shorter ones all: only the last hour's is told.
    A variation keeps 6 (1.6%): it is one of many that make a scale.
    """
    known = np.maximum(column.spread, 0)
    tick = int(max(1, np.gcd.reduce(np.concatenate([column.before, column.after, known]), initial=0)))
    gained = column.gained if column.span < _HOUR else _rounded(column.gained, 12)
    packed = io.BytesIO()
    np.savez_compressed(
        packed,
        numbers=_planes(np.diff(column.numbers, prepend=np.int32(0))),
        tick=np.array(tick),
        after=_planes(column.after // tick),
        change=_planes((column.after - column.before) // tick),
        gained=_planes(gained.view(np.int32)),
        variation=_planes(_rounded(column.variation, 6).view(np.int32)),
        steps=_planes(column.steps),
        spread=_planes(np.where(column.spread < 0, NO_SPREAD, known // tick).astype(np.int32)),
        volumes=np.array(column.volumes),
    )
    return packed.getvalue()


def _rounded(values: Singles, bits: int) -> Singles:
    fraction, exponent = np.frexp(values)
    kept: Singles = np.ldexp(np.round(fraction * 2**bits) / np.float32(2**bits), exponent).astype(np.float32)
    return kept


def unpack(body: bytes, end: datetime, span: timedelta) -> Column:
    """Raises ValueError for a body that is not one. One that was packed before variations and spreads were has what
    its ends tell: a single move, no spread."""
    try:
        with np.load(io.BytesIO(body), allow_pickle=False) as arrays:
            numbers, after, change, gained = (_whole(arrays[name]) for name in ("numbers", "after", "change", "gained"))
            tick, volumes = np.int32(arrays["tick"]), bool(arrays["volumes"])
            newer = [_whole(arrays[name]) for name in ("variation", "steps", "spread")] if "steps" in arrays else None
    except (KeyError, ValueError, OSError, EOFError, zipfile.BadZipFile) as error:
        raise ValueError(f"not a packed column: {error}") from error
    numbers = np.cumsum(numbers, dtype=np.int32)
    before, after, traded = (after - change) * tick, after * tick, gained.view(np.float32)
    if newer is None:
        return one_step(end, span, numbers, before, after, traded, volumes=volumes)
    variation, steps, spread = newer
    spread = np.where(spread < 0, NO_SPREAD, spread * tick)
    return Column(end, span, numbers, before, after, traded, variation.view(np.float32), steps, spread, volumes)


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
    spread = np.full(len(found), NO_SPREAD, dtype=np.int32)
    gained, variation = np.zeros(len(found)), np.zeros(len(found))
    steps = np.zeros(len(found), dtype=np.int32)
    at = 0
    for column in ordered:
        rows = row[at : at + len(column)]
        after[rows] = column.after
        spread[rows] = np.where(column.spread < 0, spread[rows], column.spread)
        gained[rows] += column.gained
        variation[rows] += column.variation
        steps[rows] += column.steps
        at += len(column)
    return Column(
        ordered[-1].end,
        sum((column.span for column in ordered), timedelta()),
        found.astype(np.int32),
        np.concatenate([column.before for column in ordered])[first],
        after,
        gained.astype(np.float32),
        variation.astype(np.float32),
        steps,
        spread,
        all(column.volumes for column in ordered),
    )


def without(column: Column, numbers: npt.NDArray[np.int64]) -> Column:
    """The column as if the markets of these numbers had not changed in it."""
    return _taken(column, ~np.isin(column.numbers, numbers))


def joined(column: Column, others: Column) -> Column:
    """`column` with the changes of `others`, which are of the same time and of no market that is in it."""
    both: dict[str, Any] = {name: np.concatenate([getattr(column, name), getattr(others, name)]) for name in ARRAYS}
    return _taken(replace(column, **both), np.argsort(both["numbers"], kind="stable"))


def _taken(column: Column, rows: npt.NDArray[np.bool_] | npt.NDArray[np.intp]) -> Column:
    kept: dict[str, Any] = {name: getattr(column, name)[rows] for name in ARRAYS}
    return replace(column, **kept)
