"""Ladders: bets that say the same but for one threshold or one deadline, and the proof that one implies the other.

A title proposes; the two rule texts must confirm it word by word. What is not understood is no ladder.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from typing import Literal

from core.arbitrage.wording import Wording
from core.models import OpenMarket, Platform

Kind = Literal["threshold", "deadline"]

_MONTH_NAMES = "january february march april may june july august september october november december".split()
_MONTHS = {name[:3]: number for number, name in enumerate(_MONTH_NAMES, 1)}
_MONTH = r"(?:jan|feb|mar|apr|may|june?|july?|aug|sept?|oct|nov|dec|" + "|".join(_MONTH_NAMES) + r")\b\.?"
_TOKEN = re.compile(
    rf"(?P<iso>20\d\d-\d\d-\d\d)(?:t[\d:.]+z?)?|(?P<month>\b{_MONTH}) (?P<day>\d{{1,2}})(?:st|nd|rd|th)?\b"
    r"(?:,? (?P<year>20\d\d)\b)?"
    rf"|(?P<month2>\b{_MONTH})(?:,? (?P<year2>20\d\d)\b)|(?P<bare>\b20\d\d\b)(?![%°.,]?\d)"
    r"|(?P<number>(?<![\w.])-?[$€£]?-?(?:\d{1,3}(?:,\d{3})+|\d+)(?:\.\d+)?(?P<scale>\s?(?:k|m|bn?|million|billion|thousand)\b)?)"
    r"|(?P<word>[^\W\d_]+(?:'[^\W\d_]+)?|\d\w*)|(?P<symbol>[%°+<>≥≤↑↓=/-])",
    re.I,
)
_SCALES = {"k": 3, "thousand": 3, "m": 6, "million": 6, "b": 9, "bn": 9, "billion": 9}
_DROPPED = frozenset("the a an is are be".split())
# What may differ between the titles of one ladder; a coarse sieve.
_VARIES = re.compile(rf"[\d\s,.:$%+-]+|\b{_MONTH}|\b(?:the|[ap]m|[kmbtz]|bn|million|billion|thousand)\b", re.I)
_UP = re.compile(
    r"\b(?:above|over|at least|(?:more|greater|higher) than|exceeds?|or (?:more|above|higher|greater|over))\b|≥|>|\d\+",
    re.I,
)
_DOWN = re.compile(
    r"\b(?:below|under|at most|(?:less|fewer|lower) than|or (?:less|fewer|below|lower|under)|dips?|falls?|drops?)\b"
    r"|≤|<",
    re.I,
)
_NUMBER_RANGE = re.compile(
    r"\bexactly\b|\bbetween [$€£]?\d[\d,.]*[%°]? (?:and|to)\b|\d[%°]?\s?(?:–|to)\s?[$€£]?\d", re.I
)
# Words by which a later deadline is no easier: what lasts, what is denied, what comes first or by an ordering.
_TURNS = re.compile(
    r"\b(?:not|no|never|without|won't|isn't|doesn't|remains?|stays?|still|keeps?|lasts?|survives?|continues?|holds?|"
    r"maintains?|avoids?|fails?|until|till|first|next|last|since|after|least|fewest|only|unchanged|exactly|average|"
    r"largest|highest|leads?|ahead|(?:fewer|less) than|at most|or (?:fewer|less))\b",
    re.I,
)
# Words by which a higher threshold is no harder: what is denied, what comes first or alone, places by their number.
_DENIES = re.compile(
    r"\b(?:not|never|none|nobody|nothing|neither|without|fails?|failing|avoids?|refuses?|only|first|fewest|"
    r"places?|ranks?|finish(?:es)?)\b|n't\b|\bno\b(?! (?:more|less|fewer|later|greater|higher|lower) than)",
    re.I,
)
_TO_NO, _TO_YES = (re.compile(rf"\b(?:resolves?|settles?) to \W?{side}\b", re.I) for side in ("no", "yes"))
_DEADLINE = frozenset("before by and to through than".split())  # (on or) before, by, between … and, no later than
_LISTED = r"the (?:specified|listed|stated|indicated)(?: end)? (?:date|deadline)\b"
_LISTED_DATE = re.compile(rf"^(?!.*\bon {_LISTED}).*\b(?:by|before|prior to|no later than|and) {_LISTED}", re.I | re.S)
_SINCE_OPENING = re.compile(r"\bcreat(?:ion|ed)\b|\bissuance\b|\bissued\b|\bthis market(?:'s)? (?:opens?|launch)", re.I)
# Settled by prices of the moment, the very mispricing that a ladder is bought for would be paid out.
PRICED_OUT = re.compile(
    r"\b(?:last (?:traded|fair) price|fair (?:market |settlement )?(?:price|value)|fair allocation)\b", re.I
)


@dataclass(frozen=True, slots=True)
class Token:
    kind: Literal["word", "number", "date"]
    value: Hashable


@dataclass(frozen=True, slots=True)
class Rung:
    """A market's place on a ladder. `stem` is all that its title says beside `value`; where it `grows`, a larger
    value is easier to come true, else a smaller one."""

    market: OpenMarket
    kind: Kind
    stem: Hashable
    value: Decimal | date
    grows: bool

    def is_wider_than(self, other: Rung) -> bool:
        """Of the same stem: whether the other one's coming true makes this one come true, without being the same."""
        return self.value != other.value and (self.value > other.value) is self.grows  # type: ignore[operator]


def read_rungs(markets: Iterable[OpenMarket]) -> list[Rung]:
    """Those of markets that some other one of the venue resembles: a rung alone is no ladder, and reading costs."""
    alike: defaultdict[tuple[Platform, str], list[OpenMarket]] = defaultdict(list)
    for market in markets:
        alike[market.platform, _VARIES.sub("", f"{market.title} {market.yes_label}")].append(market)
    groups = (group for group in alike.values() if len(group) > 1)
    return [rung for group in groups for market in group if (rung := read_rung(market)) is not None]


def read_rung(market: OpenMarket) -> Rung | None:
    """The rung that a title (with its outcome's label) states, or None where it states none or more than one."""
    title = market.title
    label = "" if market.yes_label.casefold() in ("yes", "") or market.yes_label in title else market.yes_label
    tokens = read_tokens(f"{title} ; {label}" if label else title)
    return _deadline(market, title, tokens) or _threshold(market, f"{title} {label}", tokens)


def _deadline(market: OpenMarket, title: str, tokens: Sequence[Token]) -> Rung | None:
    places = [n for n, token in enumerate(tokens) if token.kind == "date"]
    if not places or _TURNS.search(title):
        return None
    told = {_full_date(tokens[n].value, market) for n in places}
    if len(told) != 1 or None in told:
        return None
    before = tokens[places[0] - 1].value if places[0] else None
    if before not in ("before", "by"):
        return None
    (day,) = told
    if day is None:
        return None
    last = day - timedelta(days=1) if before == "before" else day
    return Rung(market, "deadline", ("deadline", before, _stem(tokens, places)), last, grows=True)


def _threshold(market: OpenMarket, text: str, tokens: Sequence[Token]) -> Rung | None:
    up, down = bool(_UP.search(text)), bool(_DOWN.search(text))
    if up == down or _NUMBER_RANGE.search(text) or _DENIES.search(text):
        return None
    places = [n for n, token in enumerate(tokens) if token.kind == "number"]
    values = {tokens[n].value for n in places}
    if len(values) != 1:
        return None
    (value,) = values
    if not isinstance(value, Decimal):
        return None
    return Rung(market, "threshold", ("threshold", up, _stem(tokens, places)), value, grows=down)


def _stem(tokens: Sequence[Token], places: Sequence[int]) -> Hashable:
    hidden = set(places)
    return tuple("…" if n in hidden else token.value for n, token in enumerate(tokens))


def ladders(rungs: Iterable[Rung]) -> dict[tuple[Platform, Hashable], list[Rung]]:
    """The rungs of one venue and stem together, of whatever events they are."""
    found: defaultdict[tuple[Platform, Hashable], list[Rung]] = defaultdict(list)
    for rung in rungs:
        found[rung.market.platform, rung.stem].append(rung)
    return dict(found)


def implications(rungs: Iterable[Rung]) -> list[tuple[Rung, Rung]]:
    """(narrow, wide) of rungs of one stem: of each narrow one the wide one with the cheapest listed YES."""
    found: list[tuple[Rung, Rung]] = []
    for ladder in ladders(rungs).values():
        found += _cheapest_wider(ladder) if len(ladder) > 1 else []
    return found


def _cheapest_wider(ladder: list[Rung]) -> list[tuple[Rung, Rung]]:
    from_wide = sorted(ladder, key=lambda rung: rung.value, reverse=ladder[0].grows)
    found: list[tuple[Rung, Rung]] = []
    cheapest: Rung | None = None
    waiting: list[Rung] = []  # of the same value as the one at hand: neither is wider
    for rung in from_wide:
        if waiting and waiting[0].value != rung.value:
            cheapest = min([*waiting, *([cheapest] if cheapest else [])], key=_ask)
            waiting = []
        if cheapest is not None and _ask(cheapest) < 1:
            found.append((rung, cheapest))
        waiting.append(rung)
    return found


def _ask(rung: Rung) -> Decimal:
    return rung.market.yes_price if rung.market.yes_price is not None else Decimal(2)


def refusal(narrow: Rung, wide: Rung, ours: Wording, other: Wording) -> str | None:
    """Why the two rule texts (narrow's, wide's) do not prove that the one implies the other; None where they do."""
    if not (ours.rules and other.rules):
        return "one of them gives no rules text"
    for wording in (ours, other):
        if match := PRICED_OUT.search(wording.rules):
            return f"may be settled by a price of the moment: “{_sentence(wording.rules, match.start())}”"
        if _TO_NO.search(wording.rules) and not _TO_YES.search(wording.rules):
            return "the rules say what it takes for NO"
    mine, theirs = read_tokens(ours.rules), read_tokens(other.rules)
    differ = [n for n, (a, b) in enumerate(zip(mine, theirs, strict=False)) if a != b]
    if len(mine) != len(theirs) or len({(mine[n], theirs[n]) for n in differ}) > 1:
        return f"the rules differ in more than the {narrow.kind}"
    if narrow.kind == "deadline":
        before = [mine[n - 1].value if n else None for n in differ]
        values = (mine[differ[0]], theirs[differ[0]]) if differ else None
        return _refused_dates(narrow, wide, values, before, ours.rules) or _refused_start(ours, other)
    if not differ:
        return "the rules do not state the threshold"
    return _refused_thresholds(narrow, wide, mine[differ[0]], theirs[differ[0]], ours, other)


def _refused_dates(
    narrow: Rung, wide: Rung, told: tuple[Token, Token] | None, before: list[Hashable], rules: str
) -> str | None:
    if told is None:
        # One text for the whole ladder: it must point at the titles' dates, as the end of a time and not as a day.
        return None if _LISTED_DATE.search(rules) else "the rules do not state the deadline"
    if any(token.kind != "date" for token in told):
        return "the rules differ in more than the deadline"
    days = _full_date(told[0].value, narrow.market), _full_date(told[1].value, wide.market)
    if days[0] is None or days[1] is None or not days[0] < days[1]:
        return "the rules name other deadlines than the titles"
    if not all(word in _DEADLINE for word in before):
        return "the rules do not say that it may happen at any time before the deadline"
    return None


def _refused_start(narrow: Wording, wide: Wording) -> str | None:
    """What happened between the openings of two markets may count for the older one only."""
    if not _SINCE_OPENING.search(narrow.rules):
        return None
    if narrow.open_time is not None and wide.open_time is not None and wide.open_time <= narrow.open_time:
        return None
    return "they count from their openings, and the one with the later deadline was opened later"


def _refused_thresholds(narrow: Rung, wide: Rung, a: Token, b: Token, ours: Wording, other: Wording) -> str | None:
    if not (isinstance(a.value, Decimal) and isinstance(b.value, Decimal)):
        return "the rules differ in more than the threshold"
    strikes = (ours.floor, other.floor) if ours.floor is not None else (ours.cap, other.cap)
    for low, high in ((a.value, b.value), strikes):
        if low is not None and high is not None and ((low < high) is narrow.grows) is False:
            return "the rules name other thresholds than the titles"
    if bool(_UP.search(ours.rules)) == bool(_DOWN.search(ours.rules)):
        return "the rules do not say which side of the threshold counts"
    return None if bool(_UP.search(ours.rules)) != narrow.grows else "the rules and the titles name different sides"


def read_tokens(text: str) -> list[Token]:
    """Words, numbers and dates in order. Articles and punctuation say nothing."""
    found: list[Token] = []
    for match in _TOKEN.finditer(text.replace("’", "'")):
        if match["iso"] or match["month"] or match["month2"] or match["bare"]:
            found.append(Token("date", _date_of(match)))
        elif match["number"]:
            found.append(Token("number", _number_of(match)))
        else:
            word = (match["word"] or match["symbol"]).casefold()
            if word not in _DROPPED:
                found.append(Token("word", word))
    return found


def _date_of(match: re.Match[str]) -> tuple[int, int, int]:
    """(year, month, day); zero is what is not said."""
    if match["iso"]:
        year, month, day = match["iso"].split("-")
        return int(year), int(month), int(day)
    if match["bare"]:
        return int(match["bare"]), 0, 0
    month = _MONTHS[(match["month"] or match["month2"])[:3].casefold()]
    return int(match["year"] or match["year2"] or 0), month, int(match["day"] or 0)


def _number_of(match: re.Match[str]) -> Decimal:
    scale = (match["scale"] or "").strip().casefold()
    digits = re.sub(r"[^\d.-]", "", match["number"][: len(match["number"]) - len(match["scale"] or "")])
    return Decimal(digits).scaleb(_SCALES.get(scale, 0)).normalize()


def _full_date(told: Hashable, market: OpenMarket) -> date | None:
    """The day, its year taken from the closing time where the title leaves it open and 120 days tell it."""
    if not isinstance(told, tuple):
        return None
    year, month, day = told
    years = [year] if year else []
    if not year and market.close_time is not None:
        years = [market.close_time.year + n for n in (-1, 0, 1)]
    for guess in years:
        try:
            found = date(guess, month or 1, day or 1)
        except ValueError:
            continue
        if year or (market.close_time and abs(found - market.close_time.date()) <= timedelta(days=120)):
            return found
    return None


def _sentence(text: str, at: int) -> str:
    start = max(text.rfind(". ", 0, at), text.rfind("\n", 0, at)) + 1
    end = text.find(". ", at)
    return " ".join(text[start : end + 1 if end >= 0 else len(text)].split())[:300]
