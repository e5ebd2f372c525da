"""What it takes for YES by the rules: the one sentence that says so, and how two of them contradict each other.

Titles that say the same are no bet that is the same: the sentence behind one may take another hour, another price or
an announcement for the deed.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache
from typing import Literal, NamedTuple

from core.match import lexicon
from core.match.claims import Claim, read_claim, stem
from core.match.facts import CLOCK, Day

SENTENCES = re.compile(r"(?<=[.!?])(?<!\b[A-Z]\.)(?<!\bvs\.)(?<!U\.S\.)\s+(?=[\"“'A-Z(*])|\n+")
_TO_YES = re.compile(r"\b(?:resolves?|settles?|resolved|settled)\s+(?:to\s+)?[\"“”']*yes\b", re.I)
_TO_NO = re.compile(r"\bif\b.*\b(?:resolves?|settles?|resolved|settled)\s+(?:to\s+)?[\"“”']*no\b", re.I)
_ASIDE = re.compile(r"\([^()]*\)")
_PASSING = re.compile(r",[^,]*(?=,)")  # "Ana, who leads the Senate, resigns"
# What bounds an amount or a day is no alternative and no denial.
_BOUNDS = re.compile(
    r"\b(?:(?:or|and) (?:more|higher|above|greater|over|less|fewer|below|lower|before|equal to|later)"
    r"|(?:at|on|by|equal to) or (?:above|below|before|more|greater|less)"
    r"|(?:no|not) (?:later|more|less|fewer|greater|higher|lower|earlier) than)\b",
    re.I,
)
_HEDGES = re.compile(
    r"\b(?:whether|regardless|irrespective|not|no|nor|never|without|except|excluding|unless|instead|rather|either|"
    r"including|included|incl|other than|successor|predecessor)\b|n't\b",
    re.I,
)
_NEAR = 3  # words from an "or", within which a word is one of several ways
_ZONES = {"EST": "ET", "EDT": "ET", "CST": "CT", "CDT": "CT", "MST": "MT", "MDT": "MT", "PST": "PT", "PDT": "PT",
          "GMT": "UTC"}  # fmt: skip
_AT = re.compile(r"([0-9]+)h([0-9]{2})([a-z]*)")
_NOON, _MIDNIGHT = re.compile(r"\bnoon\b", re.I), re.compile(r"\bmidnight\b", re.I)
_END_OF_DAY = (24, 0)
_TOUCH = re.compile(
    r"\bat any (?:time|point|moment)\b|\bany\b[^.]{0,60}\bcandle|\bhigh[\"”']? price|\bintraday\b"
    r"|\b(?:reach|hit|touch)(?:es|ed)?\b",
    re.I,
)
_FIXED = re.compile(
    r"\bclos(?:e|es|ed|ing)[\"”']?(?: price| value| above| below| at)\b|\bsettlement price\b|\baverage of\b"
    r"|\bat (?:[0-9]{1,2}(?::[0-9]{2})?\s?[ap]\.?m\b|noon|midnight)",
    re.I,
)
# Of these groups one sentence may name any member in passing.
_IN_PASSING = frozenset(("place", "who", "how far", "way of a figure", "end of a range"))


class Contradiction(NamedTuple):
    """What the two sentences put differently, with both of them."""

    what: Literal["polarity", "time of day", "cut-off", "price taken", "condition"]
    kalshi: str
    polymarket: str


@lru_cache(1 << 14)
def read_text(text: str) -> Claim:
    """What a sentence or a whole text of rules claims. Kept: a venue says the same of thousands of markets."""
    return read_claim(text, None)


def sentences(text: str) -> list[str]:
    return [sentence for part in SENTENCES.split(text) if (sentence := " ".join(part.split()))]


def condition(rules: str) -> str:
    """The sentence that says what it takes for YES; "" where none does."""
    told = sentences(rules)
    for sentence in told:
        if _TO_YES.search(_ASIDE.sub("", sentence)):
            return sentence
    return next((sentence for sentence in told if sentence.startswith("If ") and not _TO_NO.search(sentence)), "")


def contradictions(kalshi: str, polymarket: str) -> Iterator[Contradiction]:
    """Of two rule texts that are said to be of one bet."""
    ours, theirs = condition(kalshi), condition(polymarket)
    for rules, own in ((kalshi, ours), (polymarket, theirs)):
        if not own and (denied := next((s for s in sentences(rules) if _TO_NO.search(s)), "")):
            yield Contradiction("polarity", *((denied, "") if rules is kalshi else ("", denied)))
    if not (ours and theirs):
        return
    a, b = (read_text(_NOON.sub("12:00 PM", _MIDNIGHT.sub("11:59 PM", said))) for said in (ours, theirs))
    if _clocks(a) and not _meet(_clocks(a), _clocks(b)):
        yield Contradiction("time of day", ours, theirs)
    last = _last_day(a), _last_day(b)
    if last[0] and last[1] and not _is_same_day(last[0], last[1]):
        yield Contradiction("cut-off", ours, theirs)
    if (a.amounts or b.amounts) and _takes_other_price(ours, theirs):
        yield Contradiction("price taken", ours, theirs)
    for name, group in lexicon.EXCLUSIVE.items():
        x, y = ({word for word in group if stem(word) in _stems(claim)} for claim in (a, b))
        if name not in _IN_PASSING and x and y and not x & y:
            yield Contradiction("condition", ours, theirs)
            return


def tells(rules: str, word: str) -> bool:
    """Whether what it takes for YES takes the word too: said plainly, and not as one of several ways."""
    told = _BOUNDS.sub(" ", _ASIDE.sub(" ", condition(rules)))
    claim = read_text(_PASSING.sub("", told))
    if stem(word) not in _stems(claim) and word not in claim.little:
        return False
    if _HEDGES.search(told) or f"{word}'s" in told.casefold().replace("’", "'"):
        return False
    said = told.casefold().split()
    ways = [at for at, other in enumerate(said) if other.strip(",;") in ("or", "and/or")]
    beside = {part for at in ways for part in said[max(0, at - _NEAR) : at + _NEAR + 1]}
    return stem(word) not in _stems(read_text(" ".join(beside)))


def _stems(claim: Claim) -> frozenset[str]:
    return frozenset(map(stem, claim.words))


def _clocks(claim: Claim) -> list[tuple[int, int, str]]:
    """The times of day it names; the end of the day where it names none."""
    found = [_AT.fullmatch(word[len(CLOCK) :]) for word in claim.facts.words if word.startswith(CLOCK)]
    told = [(int(m[1]), int(m[2]), _ZONES.get(m[3].upper(), m[3].upper())) for m in found if m]
    ends = [(*_END_OF_DAY, zone) if (hour, minute) in ((23, 59), (0, 0)) else (hour, minute, zone)
            for hour, minute, zone in told]  # fmt: skip
    return ends or [(*_END_OF_DAY, "")]


def _meet(ours: list[tuple[int, int, str]], theirs: list[tuple[int, int, str]]) -> bool:
    """A zone that is not said is either's; at the end of a day zones are no more than hours apart, and told apart."""
    return any(
        a[:2] == b[:2] and (a[2] == b[2] or "" in (a[2], b[2]) or a[:2] == _END_OF_DAY) for a in ours for b in theirs
    )


def _last_day(claim: Claim) -> Day | None:
    days = [day for day in claim.dates if day.month and day.day and day.kind not in ("from", "since", "after")]
    return max(days, key=lambda day: day[1:], default=None)


def _is_same_day(a: Day, b: Day) -> bool:
    return a[2:] == b[2:] and (a.year == b.year or not (a.year and b.year))


def _takes_other_price(ours: str, theirs: str) -> bool:
    """One is won by a price once touched, the other by the price at one moment."""
    touch, fixed = ([bool(pattern.search(said)) for said in (ours, theirs)] for pattern in (_TOUCH, _FIXED))
    return any(touch[n] and not fixed[n] and fixed[1 - n] and not touch[1 - n] for n in (0, 1))
