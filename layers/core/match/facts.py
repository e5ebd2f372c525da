"""What a market's words state as facts: numbers, dates, direction, stage, negation; the rest are its words."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal

_MONTHS = {
    name: number
    for number, names in enumerate(
        ("january jan", "february feb", "march mar", "april apr", "may", "june jun", "july jul", "august aug",
         "september sep sept", "october oct", "november nov", "december dec"), 1)
    for name in names.split()
}  # fmt: skip
_MONTH = "|".join(sorted(_MONTHS, key=len, reverse=True))
_DATE = re.compile(
    rf"\b(?:(?P<month>{_MONTH})\.? (?P<day>\d{{1,2}})(?:st|nd|rd|th)?\b|(?P<day2>\d{{1,2}}) (?P<month2>{_MONTH})\b"
    rf"|(?P<month3>{_MONTH})\b)(?:,? (?P<year>20\d\d)\b)?"
)
_BEFORE = re.compile(r"\b(?:before|prior to|earlier than) (?:the )?$")
_ISO = re.compile(r"\b(20\d\d)-(\d\d)-(\d\d)\b")
_YEAR = re.compile(r"\b(20\d\d)\b")
_NUMBER = re.compile(
    r"(?<![\w.])\$?(\d[\d,]*(?:\.\d+)?)\s*((?:k|m|bn|b|t|million|billion|trillion|thousand|percent)\b|%)?"
)
_SCALE = {"k": 3, "thousand": 3, "m": 6, "million": 6, "b": 9, "bn": 9, "billion": 9, "t": 12, "trillion": 12}
_WORD = re.compile(r"[a-z][a-z'’]*|\d+")
_STOP = frozenset(
    (
        "a an the will be is are was by in on of to for at or and before after than end this that with "
        "from as it its who what which when how many much do does did have has market resolves yes no "
        "win wins winner next"
    ).split()
)
_ABOVE = frozenset(("above over exceed exceeds more higher greater least reach reaches hit hits surpass top").split())
_BELOW = frozenset(("below under less lower fewer beneath fall falls drop drops dip dips").split())
_NOT = frozenset(("not no never without fail fails won't avoid avoids").split())
_AT_CLOSE = frozenset(("close closes closing settle settles end ends").split())
_STAGE = frozenset(
    (
        "primary general runoff nomination nominee nominated nominate semifinal semifinals quarterfinal "
        "quarterfinals final finals playoffs division conference round group qualify first second third"
    ).split()
)


@dataclass(frozen=True, slots=True)
class Facts:
    """`dates` are the last days that count, as (year or 0, month, day or 0); `direction` is 1 above, -1 below, else 0.

    `at_close` tells a level that must hold at the end from one that must be touched.
    """

    words: frozenset[str]
    numbers: frozenset[Decimal]
    dates: frozenset[tuple[int, int, int]]
    years: frozenset[int]
    direction: int
    negated: bool
    stages: frozenset[str]
    at_close: bool
    close_time: datetime | None


def read_facts(title: str, close_time: datetime | None) -> Facts:
    """The facts of a title. Text is normalised (NFKC, accents and case folded) so that look-alikes compare equal."""
    folded = unicodedata.normalize("NFKD", unicodedata.normalize("NFKC", title)).casefold()
    text = "".join(char for char in folded if not unicodedata.combining(char)).replace("’", "'")
    dates, text = _take_dates(text, close_time.year if close_time else 2000)
    years = frozenset(int(year) for year in _YEAR.findall(text)) | {date[0] for date in dates if date[0]}
    text = _YEAR.sub(" ", text)
    numbers = frozenset(_value(*match) for match in _NUMBER.findall(text))
    words = _WORD.findall(_NUMBER.sub(" ", text))
    present = frozenset(words)
    direction = (1 if present & _ABOVE else 0) - (1 if present & _BELOW else 0)
    return Facts(
        words=frozenset(_stem(word) for word in words if word not in _STOP and word not in _ABOVE | _BELOW | _NOT),
        numbers=numbers,
        dates=dates,
        years=years,
        direction=direction,
        negated=bool(present & _NOT) or "n't" in text,
        stages=present & _STAGE,
        at_close=bool(present & _AT_CLOSE),
        close_time=close_time,
    )


def _take_dates(text: str, year_hint: int) -> tuple[frozenset[tuple[int, int, int]], str]:
    found: set[tuple[int, int, int]] = {(int(y), int(m), int(d)) for y, m, d in _ISO.findall(text)}
    text = _ISO.sub(" ", text)
    for match in _DATE.finditer(text):
        month = match["month"] or match["month2"] or match["month3"]
        day = int(match["day"] or match["day2"] or 0)
        if month == "may" and not (day or match["year"]):
            continue  # the verb
        year = int(match["year"] or 0)
        exclusive = bool(_BEFORE.search(text[: match.start()]))
        found.add(_last_day(year, year_hint, _MONTHS[month], day) if exclusive else (year, _MONTHS[month], day))
    return frozenset(found), _DATE.sub(" ", text)


def _last_day(year: int, year_hint: int, month: int, day: int) -> tuple[int, int, int]:
    """The last day that counts for "before <date>": the same bet as "by <the day before>"."""
    try:
        last = date(year or year_hint, month, day or 1) - timedelta(days=1)
    except ValueError:  # no such day
        return year, month, day
    return (last.year if year else 0), last.month, last.day


def _value(digits: str, unit: str) -> Decimal:
    return (Decimal(digits.replace(",", "")) * Decimal(10) ** _SCALE.get(unit, 0)).normalize()


def _stem(word: str) -> str:
    word = word.removesuffix("'s")
    for suffix in ("ing", "ed", "es", "s"):
        if len(word) > len(suffix) + 3 and word.endswith(suffix):
            return word.removesuffix(suffix)
    return word
