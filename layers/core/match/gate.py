"""What no likeness of words and no model may overturn: stages, dates, amounts and names that disagree."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable
from datetime import timedelta

from rapidfuzz.distance import OSA

from core.match import lexicon
from core.match.claims import Claim, stem
from core.match.facts import Day, Facts

# Bets that recur every day share their words; half a day keeps neighbours apart.
MAX_CLOSE_GAP = timedelta(hours=12)
# Venues close late or leave open what is decided early; this far apart, undated titles are of different years' events.
MAX_UNDATED_GAP = timedelta(days=120)
# Shorter words with a slip of the pen are other words.
_LONG = 5


def unmatched(words: Iterable[str], others: Collection[str], *, exactly: bool = False) -> frozenset[str]:
    """Those of `words` that no other says, in another form or, but `exactly`, with a slip of the pen."""
    stems = {stem(other) for other in others}
    long = [] if exactly else [other for other in others if len(other) >= _LONG]
    return frozenset(word for word in words if stem(word) not in stems and not _is_misspelt(word, long))


def _is_misspelt(word: str, others: list[str]) -> bool:
    """By a letter too many or two that changed places; another letter in its place makes another name."""
    return len(word) >= _LONG and any(
        OSA.distance(word, other, score_cutoff=1) <= 1 and (len(word) != len(other) or sorted(word) == sorted(other))
        for other in others
    )


def refusals(a: Claim, b: Claim, only_a: Collection[str], only_b: Collection[str]) -> list[str]:
    """Why the two are not about the same thing at all, given the words that only one of them says."""
    found = [*_excluded(a, b), *_dates_apart(a, b)]
    lacking = a.subject & frozenset(only_a) or b.subject & frozenset(only_b)
    if lacking:
        found.append(f"only one is about {_list(lacking)}")
    names = a.names & frozenset(only_a), b.names & frozenset(only_b)
    if all(names):
        found.append(f"each names what the other does not: {_list(names[0])} and {_list(names[1])}")
    if a.is_open or b.is_open:
        found.append("one of them asks which, and does not say whose yes it is")
    return found


def _excluded(a: Claim, b: Claim) -> list[str]:
    said, other = _classes(a), _classes(b)
    found = []
    for name, group in lexicon.EXCLUSIVE.items():
        x, y = said & group, other & group
        # Of "Democratic and Republican" the one is not the whole.
        if name != "place" and x and y and (x != y if name == "party" else not x & y):
            found.append(f"{name}: {_list(x)} and {_list(y)}")
    x, y = _places(a, said), _places(b, other)
    if x - y and y - x:  # the US strikes Iran, Israel strikes Iran
        found.append(f"place: {_list(x - y)} and {_list(y - x)}")
    for pair in lexicon.OPPOSED:
        x, y = pair & {*a.little}, pair & {*b.little}
        if x and y and not x & y:
            found.append(f"one says {_list(x)}, the other {_list(y)}")
    one_sided = (said ^ other) & lexicon.TELLING
    if one_sided:
        found.append(f"only one says {_list(one_sided)}")
    return found


def _places(claim: Claim, said: frozenset[str]) -> frozenset[str]:
    return (said & lexicon.EXCLUSIVE["place"]) | ({"us"} & {*claim.little})


def _classes(claim: Claim) -> frozenset[str]:
    return frozenset(_OF_STEM[stem(word)] for word in claim.words if stem(word) in _OF_STEM)


def _dates_apart(a: Claim, b: Claim) -> list[str]:
    if a.years and b.years and not a.years & b.years:
        return [f"years differ: {_list(a.years)} and {_list(b.years)}"]
    x, y = _days(a), _days(b)
    if x and y and not any(same_day(one, other) for one in x for other in y) and not _is_ladder(x, y):
        return [f"dates differ: {_list(x)} and {_list(y)}"]
    closes = a.facts.close_time, b.facts.close_time
    if not (x or y or a.years or b.years) and closes[0] and closes[1] and abs(closes[0] - closes[1]) > MAX_UNDATED_GAP:
        return ["no date is stated, and the closing times are far apart"]
    return []


def _is_ladder(x: list[Day], y: list[Day]) -> bool:
    """Two deadlines of one bet: the earlier is within the later."""
    return len(x) == len(y) == 1 and x[0].kind == y[0].kind == "by" and all(day.year and day.day for day in (*x, *y))


def _days(claim: Claim) -> list[Day]:
    return [day for day in claim.dates if day.month]


def same_day(a: Day, b: Day) -> bool:
    """What one leaves open does not part them. Deadlines may be a day apart: one counts the day, one does not."""
    if {a.kind, b.kind} == {"after", "by"} or a.month != b.month:
        return False
    slop = 1 if a.kind == b.kind == "by" else 0
    return (not (a.year and b.year) or a.year == b.year) and (not (a.day and b.day) or abs(a.day - b.day) <= slop)


def exact_refusals(a: Facts, b: Facts) -> list[str]:
    """Of two that say the same words in the same order, nothing: the gate before anything is priced by titles alone."""
    found = []
    if a.words != b.words:
        only_a, only_b = Counter(a.words) - Counter(b.words), Counter(b.words) - Counter(a.words)
        differ = f"words differ: {_list(only_a)} and {_list(only_b)}"
        found.append(differ if only_a or only_b else "the same words stand in another order")
    elif len(a.words) == len(a.dates):
        found.append("no words")
    elif any(x and y and x != y for x, y in zip(a.links, b.links, strict=True)):
        found.append("the same words are linked differently")
    return found + exact_date_refusals(a, b)


def exact_date_refusals(a: Facts, b: Facts) -> list[str]:
    found = []
    if a.dates != b.dates:
        found.append(f"dates differ: {_list(a.dates)} and {_list(b.dates)}")
    elif any(not day.year for day in a.dates):
        found.append("the year of a date is unknown")
    # One side alone may name the year of what closes at the same time.
    if a.years != b.years and (a.dates or len(a.years + b.years) > 1):
        found.append(f"years differ: {_list(a.years)} and {_list(b.years)}")
    to_the_day = a.years == b.years and any(day.day for day in a.dates)
    if not (to_the_day or _closes_agree(a, b)):
        found.append("no day is stated, and the closing times differ or are unknown")
    return found


def _closes_agree(a: Facts, b: Facts) -> bool:
    return a.close_time is not None and b.close_time is not None and abs(a.close_time - b.close_time) <= MAX_CLOSE_GAP


def _list(values: Iterable[object]) -> str:
    return ", ".join(sorted(str(value).replace("_", " ") for value in values)) or "none"


_OF_STEM = {stem(word): word for group in lexicon.EXCLUSIVE.values() for word in group}
_OF_STEM |= {stem(word): word for word in lexicon.TELLING}
