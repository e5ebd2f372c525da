"""Which markets of an event are rungs of one ladder: told by titles that differ in one amount, or in one date, only."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Sequence
from datetime import date, datetime
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from core.detect.history import Floats, Ints

_AMOUNT = (
    r"(?:us)?[$€£¥]?(?P<{0}>-?(?:\d{{1,3}}(?:,\d{{3}})+|\d+)(?:\.\d+)?)"
    r"(?:\s?(?P<{0}_scale>k|thousand|m|million|b|billion|t|trillion)\b)?\s?%?"
)
_SCALES = {"k": 1e3, "thousand": 1e3, "m": 1e6, "million": 1e6, "b": 1e9, "billion": 1e9, "t": 1e12, "trillion": 1e12}
_MORE = r"above|over|more than|greater than|higher than|at least|exceed(?:s|ing)?|reach(?:es)?"
_LESS = r"below|under|less than|fewer than|lower than|at most"
_THRESHOLD = re.compile(
    rf"\b(?:(?P<more>{_MORE})|(?P<less>{_LESS}))\s+(?:the\s+)?{_AMOUNT.format('after')}(?![\w.])"
    rf"|(?<![\w.$€£¥,-]){_AMOUNT.format('before')}\s+or\s+(?:(?P<or_more>above|more|higher|greater)"
    r"|(?P<or_less>below|less|fewer|lower))\b",
    re.I,
)
_MONTHS = {name: n for n, name in enumerate("jan feb mar apr may jun jul aug sep oct nov dec".split(), 1)}
_DATE = re.compile(
    rf"\b(?P<word>by|before)\s+(?P<month>{'|'.join(_MONTHS)})[a-z]*\.?\s+(?P<day>\d{{1,2}})(?:,?\s+(?P<year>20\d\d))?(?!\d)",
    re.I,
)
_HALF_YEAR = 183


class Ladders(NamedTuple):
    """(N,) each: the ladder's number or -1; how hard the rung is, NaN for none; whether it is a ladder by date."""

    ladder: Ints
    rung: Floats
    dated: npt.NDArray[np.bool_]


def ladders(
    titles: Sequence[str],
    events: Ints,
    exclusive: npt.NDArray[np.bool_],
    closes: Sequence[datetime | None],
) -> Ladders:
    """Of N markets with their event's number. Outcomes that exclude each other are no ladder. A title that tells
    neither an amount with its direction nor a "by" or "before" a day is no rung: unknown is nothing.
    """
    found: dict[tuple[int, str], list[tuple[int, float]]] = defaultdict(list)
    members = np.bincount(events) if len(events) else events
    for row in np.flatnonzero(~exclusive & (members[events] > 1)).tolist():
        for template, value in (_threshold(titles[row]), _deadline(titles[row], closes[row])):
            if template:
                found[int(events[row]), template].append((row, value))
    ladder = np.full(len(titles), -1, dtype=np.int64)
    rung, dated = np.full(len(titles), np.nan), np.zeros(len(titles), dtype=bool)
    for number, ((_, template), rungs) in enumerate(sorted(found.items(), key=lambda item: -len(item[1]))):
        free = [(row, value) for row, value in rungs if ladder[row] < 0]
        if len({value for _, value in free}) < 2:
            continue
        rows = [row for row, _ in free]
        ladder[rows], rung[rows] = number, [value for _, value in free]
        dated[rows] = template.startswith(_BY_DATE)
    return Ladders(ladder, rung, dated)


_BY_DATE = "by date: "


def _threshold(title: str) -> tuple[str, float]:
    """(the title without its amount, the amount as a rung); ("", NaN) unless it has exactly one with a direction."""
    matches = list(_THRESHOLD.finditer(title))
    if len(matches) != 1:
        return "", float("nan")
    match = matches[0]
    which = "after" if match["after"] else "before"
    value = float(match[which].replace(",", "")) * _SCALES.get((match[f"{which}_scale"] or "").lower(), 1.0)
    less = bool(match["less"] or match["or_less"])
    word = match["more"] or match["less"] or match["or_more"] or match["or_less"]
    return _without(title, match, f"{word.lower()} #"), -value if less else value


def _deadline(title: str, close: datetime | None) -> tuple[str, float]:
    """(the title without its date, the date as a rung: the earlier the harder). Without a year it is the one nearest
    to the close."""
    matches = list(_DATE.finditer(title))
    if len(matches) != 1 or (matches[0]["year"] is None and close is None):
        return "", float("nan")
    match = matches[0]
    years = [int(match["year"])] if match["year"] else [close.year + off for off in (-1, 0, 1)] if close else []
    days = [day for year in years if (day := _day(year, _MONTHS[match["month"].lower()[:3]], int(match["day"])))]
    if not match["year"] and close:
        days = [day for day in days if abs((day - close.date()).days) <= _HALF_YEAR]
    if len(days) != 1:
        return "", float("nan")
    return _BY_DATE + _without(title, match, f"{match['word'].lower()} #"), -float(days[0].toordinal())


def _day(year: int, month: int, day: int) -> date | None:
    try:
        return date(year, month, day)
    except ValueError:  # no such day
        return None


def _without(title: str, match: re.Match[str], stand_in: str) -> str:
    return f"{title[: match.start()]}{stand_in}{title[match.end() :]}"
