"""The dates and times in a text, held against when the market closes and what its own words name."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, fields
from functools import lru_cache

from core.models import Fact

_MONTHS = "jan feb mar apr may jun jul aug sep oct nov dec".split()
_MONTH = (
    r"(?P<{}>Jan(?:uary)?|Feb(?:ruary)?|Mar(?:ch)?|Apr(?:il)?|May|June?|July?|Aug(?:ust)?|Sept?(?:ember)?"
    r"|Oct(?:ober)?|Nov(?:ember)?|Dec(?:ember)?)\b\.?"
)
_DAY = r"(?:[12]\d|3[01]|0?[1-9])(?:st|nd|rd|th)?(?![\d¢%]|,\d{{3}}|\.\d| ?(?:cents?|percent|contracts?)\b)"
_TIME = r"(?:[01]?\d|2[0-3]):[0-5]\d(?::[0-5]\d)?"
_DATE = re.compile(
    rf"(?P<iso>\b\d{{4}}-\d\d-\d\d)(?:[T ](?P<iso_time>{_TIME}))?(?: ?(?:UTC|Z)\b)?"
    rf"|\b(?:(?:{_MONTH.format('month')} (?P<day>{_DAY.format()}))"
    rf"|(?:(?P<day_first>{_DAY.format()}) (?:of )?{_MONTH.format('month_after')}))"
    rf"(?:,? (?P<year>20\d\d)(?![\d¢%]))?(?:(?:,| at|,? by)? (?P<time>{_TIME})(?: ?UTC\b)?)?"
    rf"|\b(?P<alone>{_TIME}) ?UTC\b"
)
_CLOSES = re.compile(r"\b(?:clos(?:es?|ing)|expir\w+|ends|trading|until)\b", re.I)
_SENTENCE = re.compile(r"(?<=[.!?;])\s|\n")


@dataclass(frozen=True, slots=True)
class Moment:
    """What is said of a moment, as far as it is said."""

    year: int | None = None
    month: int | None = None
    day: int | None = None
    time: str | None = None

    def is_part_of(self, other: Moment) -> bool:
        said = [(getattr(self, part.name), getattr(other, part.name)) for part in fields(self)]
        return all(ours is None or ours == theirs for ours, theirs in said)


@lru_cache(maxsize=256)  # each judge of a text asks, and a market's own words are asked about with every claim
def date_spans(text: str) -> tuple[tuple[int, int, Moment], ...]:
    return tuple((match.start(), match.end(), _moment(match)) for match in _DATE.finditer(text))


def date_faults(text: str, cited: Sequence[Fact], own_words: str) -> list[str]:
    """A line for each date that is neither when the market closes, told as that, nor one that its own words name."""
    closes = [moment for fact in cited if fact.unit == "UTC" for _, _, moment in date_spans(fact.value)]
    own = [moment for _, _, moment in date_spans(own_words)]
    found = []
    for start, end, said in date_spans(text):
        begin = max((m.end() for m in _SENTENCE.finditer(text, 0, start)), default=0)
        is_close = bool(_CLOSES.search(text[begin:start]))
        known = closes if is_close else own
        if not any(said.is_part_of(moment) for moment in known):
            found.append(
                f"ungrounded number {text[start:end]}: a date that {'is not the close' if is_close else 'is no fact'}"
            )
    return found


def _moment(match: re.Match[str]) -> Moment:
    if match["iso"]:
        year, month, day = (int(part) for part in match["iso"].split("-"))
        return Moment(year, month, day, _clock(match["iso_time"]))
    if match["alone"]:
        return Moment(time=_clock(match["alone"]))
    name = match["month"] or match["month_after"]
    number = re.sub(r"\D", "", match["day"] or match["day_first"])
    said_year = int(match["year"]) if match["year"] else None
    return Moment(said_year, _MONTHS.index(name[:3].lower()) + 1, int(number), _clock(match["time"]))


def _clock(said: str | None) -> str | None:
    return None if said is None else said[:5].zfill(5) if said.count(":") == 1 else said[: said.rindex(":")].zfill(5)
