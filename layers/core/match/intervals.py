"""Amounts as intervals of one quantity, and how two of them, or one and a set, stand to each other."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from math import isfinite
from typing import Literal

from core.match.facts import AMOUNT_UNITS

Relation = Literal["identity", "complement", "subset", "superset", "overlap", "disjoint", "none"]

_NUMBER = r"-?[0-9]+(?:\.[0-9]+)?"
_UNIT = rf"[$€£¥]?(?:{'|'.join(map(re.escape, AMOUNT_UNITS))})?"
_AMOUNT = re.compile(
    rf"(?P<bound>[<>=]*)(?P<low>{_NUMBER})(?P<unit>{_UNIT})(?:\.\.(?P<high>{_NUMBER})(?P<unit2>{_UNIT}))?"
)
_NINES = re.compile(r"(.*?)([0-9]+)\.9+")
_INFINITY = float("inf")


@dataclass(frozen=True, slots=True)
class Interval:
    """From `low` to `high`, of which an end belongs to it unless it is open. `unit` is "" where none is said."""

    low: float
    high: float
    low_open: bool
    high_open: bool
    unit: str

    @property
    def is_point(self) -> bool:
        return self.low == self.high

    @property
    def is_bounded(self) -> bool:
        """Whether it is more than a plain number, which may be part of a name."""
        return not self.is_point or self.unit != ""


def read_interval(word: str) -> Interval | None:
    """Of an amount as facts spell it: ">=80", "80..89", "3%". None for any other word."""
    match = _AMOUNT.fullmatch(word)
    if match is None:
        return None
    low, unit = float(match["low"]), match["unit"] or match["unit2"] or ""
    bound = match["bound"]
    if match["high"]:
        found = _between(low, match["high"], unit)
    elif bound.startswith(">"):
        found = Interval(low, _INFINITY, "=" not in bound, True, unit)
    elif bound.startswith("<"):
        found = Interval(-_INFINITY, low, True, "=" not in bound, unit)
    else:
        found = Interval(low, low, False, False, unit)
    return _in_fahrenheit(found)


def _between(low: float, high: str, unit: str) -> Interval:
    """An upper end of 29.99 means "below 30"."""
    nines = _NINES.fullmatch(high)
    if nines and not nines[1]:
        return Interval(low, float(nines[2]) + 1, False, True, unit)
    return Interval(low, float(high), False, False, unit)


def _in_fahrenheit(found: Interval) -> Interval:
    if found.unit != "°c":
        return found
    return Interval(found.low * 9 / 5 + 32, found.high * 9 / 5 + 32, found.low_open, found.high_open, "°f")


def units_agree(a: Interval, b: Interval) -> bool:
    return a.unit == b.unit or "" in (a.unit, b.unit)


def relate(a: Interval, b: Interval, *, whole: bool) -> Relation:
    """What a is to b: a subset lies within b. `whole` says that only whole numbers occur, so above 79 is 80 or more.

    Where a range of one ends at the very number at which one of the other is said to end below, they are the same:
    15 to 20 and 15 to 19.9.
    """
    (al, ah), (bl, bh) = _ends(a, whole), _ends(b, whole)
    if al == bl and (ah == bh or _ends_alike(a, b)):
        return "identity"
    if ah < bl or bh < al:
        touching = _follows(a, b, whole) or _follows(b, a, whole)
        return "complement" if touching else "disjoint"
    if al >= bl and ah <= bh:
        return "subset"
    if al <= bl and ah >= bh:
        return "superset"
    return "overlap"


def _ends(a: Interval, whole: bool) -> tuple[tuple[float, int], tuple[float, int]]:
    """Both ends in an order that tells 3 from just above 3; of whole numbers, closed ones."""
    if whole and all(end % 1 == 0 for end in (a.low, a.high) if isfinite(end)):
        return (a.low + a.low_open, 0), (a.high - a.high_open, 0)
    return (a.low, int(a.low_open)), (a.high, -int(a.high_open))


def _ends_alike(a: Interval, b: Interval) -> bool:
    return a.high == b.high and a.high_open != b.high_open and not (a.is_point or b.is_point) and a.low != -_INFINITY


def _follows(low: Interval, high: Interval, whole: bool) -> bool:
    """Whether the two share out all numbers between them."""
    if low.low != -_INFINITY or high.high != _INFINITY:
        return False
    if low.high == high.low:
        return low.high_open != high.low_open
    return whole and _ends(high, True)[0][0] - _ends(low, True)[1][0] == 1


def is_whole(buckets: Sequence[Interval]) -> bool:
    """Whether a venue's own buckets show that only whole numbers occur: one ends at 89, another begins at 90."""
    lows = {b.low for b in buckets if not b.low_open}
    return any(not b.high_open and b.high + 1 in lows and b.high not in lows for b in buckets)


def covers(buckets: Sequence[Interval], wanted: Interval, *, whole: bool) -> bool:
    """Whether the buckets, each within `wanted`, leave nothing of it out."""
    parts = sorted(buckets, key=lambda b: _ends(b, whole))
    if not parts:
        return False
    (low, _), (_, high) = _ends(wanted, whole), _ends(wanted, whole)
    if _ends(parts[0], whole)[0] != low:
        return False
    reached = _ends(parts[0], whole)[1]
    for part in parts[1:]:
        start, end = _ends(part, whole)
        gap_free = start[0] - reached[0] <= 1 if whole else start[0] == reached[0] and start[1] + reached[1] <= 0
        if not gap_free:
            return False
        reached = max(reached, end)
    return reached == high
