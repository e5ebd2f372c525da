"""What a market claims, beyond its spelling: words by one name for each thing, amounts as intervals, dates."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache

from core.match import lexicon
from core.match.facts import CLOCK, MARK, Day, Facts, plain, read_facts, take_words
from core.match.intervals import Interval, read_interval

# What can be answered with yes or no as it stands: its label only adds to it.
_WHOLE = re.compile(r"(?:will|is|are|does|do|did|has|have|was|were|can)\b", re.I)
# Asks for one of several: whose YES it is must be said by the label.
_OPEN = re.compile(r"(?:which|who|what|when|where|how)\b", re.I)
_PASSIVE = re.compile(r"\b(?:be|been|being|is|are|gets?) \w+ed\b", re.I)
_SEASON = re.compile(r"\b(20[0-9]{2})\s?[-–/]\s?([0-9]{2})\b(?!-)")
_COUNTED = re.compile(
    r"([0-9][0-9.,]*(?:\s?(?:k|m|bn|thousand|million|billion)\b)?) "
    r"(?!(?:k|m|bn|thousand|million|billion|bps?|basis|percent|percentage|pct|degrees?|dollars?|cents?|usd)\b)(\w+) "
    r"(or (?:more|higher|greater|over|less|fewer|lower))\b",
    re.I,
)
_SPELLED = re.compile(
    r"\b(at least|at most|exactly|(?:no )?(?:more|greater|fewer|less) than|over|under|above|below) "
    rf"({'|'.join(lexicon.NUMBER_WORDS)})\b",
    re.I,
)
# The whole sentence is denied: not a name or a verdict in it ("No Other Land", "found not guilty", "not only").
_DENIED = re.compile(
    r"(?i:no) (?![0-9]|\.|[A-Z][a-z]+ (?:[A-Z]|camp\b|vote\b))|.*\b(?i:there) (?:be|is|are|was|were) no (?![0-9])"
    r"|(?:.*\s)?(?i:will|does|do|did|is|are|was|were|has|have|can)\s+(?:(?!be\b|been\b|being\b)[^\s\"'“]+\s+){0,6}?(?:not|never)"
    r"\s+(?!guilty\b|only\b|just\b|yet\b|even\b|more\b|less\b|all\b|every)"
)
_NOT = re.compile(r"n't\b")
_DISTRICT = re.compile(r"\b([A-Z]{2})-([0-9]{1,2})\b")
_ORDINAL = re.compile(r"([0-9]+)(?:st|nd|rd|th)")


@dataclass(frozen=True, slots=True)
class Claim:
    """`words` say what it is about, without light words, amounts and dates; `order` has them as they stand.

    `subject` are those of its label, which must be said by the other.
    `names` are the words that the title writes with a capital. `negated`: an odd number of negators stands in it.
    `denies`: the negator is the sentence's own, so that the bet is the opposite of the sentence without it.
    `little` are the light words that turn a bet, in order (`lexicon.LITTLE`).
    `is_open`: it asks for one of several and does not say which.
    """

    facts: Facts
    words: frozenset[str]
    subject: frozenset[str]
    names: frozenset[str]
    amounts: tuple[Interval, ...]
    dates: tuple[Day, ...]
    years: frozenset[int]
    negated: bool
    denies: bool
    is_open: bool
    is_passive: bool
    order: tuple[str, ...]
    little: tuple[str, ...]


def read_claim(title: str, close_time: datetime | None, yes_label: str = "Yes") -> Claim:
    title, label = _SEASON.sub(_last_year, _DISTRICT.sub(r"\1\2", title)), yes_label.strip()
    title = _COUNTED.sub(r"\1 \3 \2", _SPELLED.sub(_in_digits, title))
    if label.casefold() in ("yes", "no"):
        label = ""
    facts = read_facts(title, close_time, yes_label)
    words, amounts = _content(facts.words)
    subject = _content(take_words(plain(label))[0])[0] if label else []
    if subject and _WHOLE.match(title) and not {*subject} & {*_content(read_facts(title, close_time).words)[0]}:
        words, subject = [word for word in words if word not in {*subject}], []
    spelled = plain(f"{title} {label}" if subject else title)
    negated = sum(word in lexicon.NEGATORS for word in words) % 2 == 1
    return Claim(
        facts=facts,
        words=frozenset(words) - lexicon.NEGATORS,
        subject=frozenset(subject) & frozenset(words),
        names=frozenset(_content(_capitalised(spelled))[0]) & frozenset(words),
        amounts=tuple(amounts),
        dates=facts.dates,
        years=frozenset(facts.years) | {day.year for day in facts.dates if day.year},
        denies=negated and bool(_DENIED.match(_NOT.sub(" not", plain(title)))),
        is_open=not subject and not amounts and bool(_OPEN.match(title)),
        is_passive=bool(_PASSIVE.search(title)),
        order=tuple(dict.fromkeys(words)),
        little=tuple(lexicon.LITTLE[word] for word in facts.words if word in lexicon.LITTLE),
        negated=negated,
    )


def _in_digits(match: re.Match[str]) -> str:
    return f"{match[1]} {lexicon.NUMBER_WORDS[match[2].lower()]}"


def _last_year(match: re.Match[str]) -> str:
    """A season by the year it ends in, which is how the other venue names it; anything else as it stands."""
    return f"20{match[2]}" if int(match[2]) == (int(match[1]) + 1) % 100 else match[0]


@lru_cache(1 << 16)
def stem(word: str) -> str:
    """Rough, for comparing only: confirmed, confirms and confirm are one."""
    if word.endswith(("ies", "ied")) and len(word) > 5:
        return f"{word[:-3]}y"
    for ending in ("ing", "ed", "es", "s"):
        if word.endswith(ending) and len(word) - len(ending) >= 4 and not word.endswith("ss"):
            return word[: -len(ending)]
    return word


def _content(words: Sequence[str]) -> tuple[list[str], list[Interval]]:
    found, amounts = list[str](), list[Interval]()
    for word in _named([part for spelled in words for part in _apart(spelled)]):
        amount = read_interval(word)
        if amount is not None:
            amounts.append(amount)
        elif word not in lexicon.LIGHT and word not in (MARK, "-"):
            found.append(word)
    return found, list(dict.fromkeys(_between(words, amounts)))


def _apart(word: str) -> Iterator[str]:
    """A word without its possessive, brackets and dots; numbers that are written out as digits."""
    if word.startswith((CLOCK, MARK)) or word[:1] in "<>=-0123456789" or not word[:1].isalnum():
        ordinal = _ORDINAL.fullmatch(word)
        yield lexicon.ORDINALS.get(ordinal[1], word) if ordinal else word
        return
    word = word.removesuffix("'s").replace("'", "").replace(".", "")
    yield lexicon.NUMBER_WORDS.get(word, word)


def _key(word: str) -> str:
    return word[:-1] if len(word) > 3 and word.endswith("s") and not word.endswith(("ss", "us", "is")) else word


def _phrases() -> dict[tuple[str, ...], str]:
    """What stands for each way of saying it, by the words of that way."""
    said = {}
    for name, ways in lexicon.names():
        for way in (name, *ways):
            key = tuple(_key(part) for word in take_words(plain(way))[0] for part in _apart(word))
            said[key] = name.replace(" ", "_")
    return said


def _named(words: list[str]) -> Iterator[str]:
    """Each thing by its one name, the longest phrase first."""
    keys, at = [_key(word) for word in words], 0
    while at < len(words):
        for length in range(_LONGEST, 0, -1):
            name = _SAID.get(tuple(keys[at : at + length]))
            if name is not None:
                yield name
                at += length
                break
        else:
            yield words[at]
            at += 1


def _capitalised(spelled: str) -> tuple[str, ...]:
    return take_words(" ".join(word for word in spelled.split() if any(char.isupper() for char in word)))[0]


def _between(words: Sequence[str], amounts: list[Interval]) -> list[Interval]:
    """ "Between 47 and 49" is one amount."""
    if "between" not in words or len(amounts) < 2:
        return amounts
    at = next((n for n, word in enumerate(words) if word == "between"), 0)
    ends = [(n, read_interval(word)) for n, word in enumerate(words[at + 1 : at + 4])]
    if len(ends) == 3 and ends[0][1] and ends[2][1] and words[at + 2] == "and":
        low, high = ends[0][1], ends[2][1]
        joined = read_interval(f"{words[at + 1]}..{words[at + 3]}")
        if joined is not None and low.is_point and high.is_point:
            rest = list(amounts)
            rest.remove(low)
            rest.remove(high)
            return [*rest, joined]
    return amounts


_SAID = _phrases()
_LONGEST = max(map(len, _SAID))
