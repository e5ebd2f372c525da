"""Which numbers of a text are the title's own, tell a cited fact, or neither."""

from __future__ import annotations

import re
from collections.abc import Sequence

from core.agent import amounts, tellings
from core.agent.clauses import Clause, clauses
from core.agent.dates import date_spans
from core.agent.labels import MOVES
from core.agent.quantities import Quantity, quantities
from core.agent.tellings import Spoken
from core.agent.vocabulary import PERIOD, PERIODS, SIDES, VENUES, Vocabulary
from core.models import Fact

_TAIL = re.compile(r"(?:all )?(?:in|on|over|within|during|for|at|across)\b", re.I)
_RUNS_OUT = re.compile(r"\b(?:clos(?:e|es|ing)|expir\w+)\b[^.;#]{0,20}$", re.I)
_IS_LEFT = re.compile(r"\W*(?:left|to go|until|remain|before|to (?:the )?clos)", re.I)
_OPENS = re.compile(r"^(?:at|for) (?:about |only |just )?#$", re.I)
_IS_AGE = re.compile(r"\W*(?:old|ago|earlier|later|late|stale|away|from now|behind|ahead)\b", re.I)
_PAST = re.compile(r"last|past|previous|latest|hourly|daily", re.I)
_TOKEN = re.compile(r"\w+")
# What may be said of a number that the title asks about; of a percentage less, since prices are told in them.
_OF_A_PERCENTAGE = frozenset("compare will modal if up down".split())
_OF_AN_AMOUNT = _OF_A_PERCENTAGE | frozenset("yes no here close left move level price".split())


def number_faults(text: str, cited: Sequence[Fact], edge_side: str | None, words: Vocabulary) -> list[str]:
    """A line for each number that tells no cited fact, and for each period that is no fact's. Dates are not judged."""
    dates = [(start, end) for start, end, _ in date_spans(text)]
    spoken = [
        quantity
        for quantity in quantities(text)
        if not quantity.is_figure_of_speech
        and not any(start <= quantity.start and quantity.end <= end for start, end in dates)
    ]
    periods = [match.span() for match in PERIOD.finditer(text) if not _is_time_left(match)]
    spans = [q for q in spoken if any(start <= q.start and q.end <= end for start, end in periods)]
    found = [f"ungrounded number {span.text}" for span in spans if not _has_period(span, periods, text, cited, words)]
    cut = clauses(text, [quantity for quantity in spoken if quantity not in spans], periods)
    before: Spoken | None = None
    for place, clause in enumerate(cut):
        if clause.quantity is None:
            found += _untimed(clause, words)
            continue
        if place and before is not None and cut[place - 1].sentence != clause.sentence:
            before = None
        before = _spoken(cut, place, clause.quantity, before, words)
        if not _is_of_title(before, text, words):
            found += _told(before, cited, edge_side)
    return found


def _told(spoken: Spoken, cited: Sequence[Fact], edge_side: str | None) -> list[str]:
    facts = [fact for fact in cited if amounts.sign(spoken.quantity, fact)]
    if spoken.quantity.unit == "USD" and spoken.quantity.value == 1 and spoken.tags & {"pay", "pays", "payout"}:
        return []  # what a contract pays at most
    reasons = [tellings.fault(spoken, fact, edge_side, cited) for fact in facts]
    if None in reasons:
        return []
    return [f"ungrounded number {spoken.quantity.text}" + "".join(f": {reason}" for reason in reasons[:1])]


def _spoken(cut: Sequence[Clause], place: int, quantity: Quantity, before: Spoken | None, words: Vocabulary) -> Spoken:
    reading = words.read(cut[place].text)
    tags = reading.tags | _told_by_unit(quantity)
    lent = tuple(words.read(clause.text).tags for clause in _beside(cut, place))
    for dimension in (SIDES, VENUES, PERIODS):
        if not tags & dimension:
            tags |= frozenset[str]().union(*lent) & dimension
    following = cut[place + 1].text if place + 1 < len(cut) else ""
    if not tags & SIDES and _OPENS.search(cut[place].text):  # "At 41¢, YES is …"
        tags |= words.read(following.partition("#")[0]).tags & SIDES
    if following.startswith("after ") and "fee" in words.read(following).tags:
        tags |= {"edge"}  # "3.3¢ after a fee of 1.7¢"
    return Spoken(quantity, cut[place].text, tags, reading.unknown, lent, before)


def _beside(cut: Sequence[Clause], place: int) -> list[Clause]:
    """The numberless clauses just before, the nearest first, and the one after if it only adds to it: "in the hour"."""
    sentence, found = cut[place].sentence, []
    for clause in reversed(cut[:place]):
        if clause.quantity is not None or clause.sentence != sentence:
            break
        found.append(clause)
    after = cut[place + 1] if place + 1 < len(cut) else None
    if after is not None and after.quantity is None and after.sentence == sentence and _TAIL.match(after.text):
        found.append(after)
    return found


def _told_by_unit(quantity: Quantity) -> frozenset[str]:
    return frozenset(
        tag
        for tag, told in (("volume", "contract"), ("volume", "share"), ("sigma", "sigma"), ("sigma", "σ"))
        if told in quantity.text.lower()
    )


def _is_time_left(period: re.Match[str]) -> bool:
    """ "Closes in one hour", "24 hours old": a number of the market's, not the period of a fact."""
    before, after = period.string[: period.start()], period.string[period.end() :]
    if _IS_AGE.match(after):
        return True
    if _PAST.search(period[0]):
        return False
    return bool(_RUNS_OUT.search(before) or _IS_LEFT.match(after))


def _has_period(
    span: Quantity, periods: Sequence[tuple[int, int]], text: str, cited: Sequence[Fact], words: Vocabulary
) -> bool:
    """Whether some cited fact is of the period that the number is part of."""
    start, end = next(where for where in periods if where[0] <= span.start and span.end <= where[1])
    told = words.read(text[start:end]).tags & PERIODS
    return bool(told & {period for fact in cited for period in _periods_of(fact)})


def _periods_of(fact: Fact) -> tuple[str, ...]:
    if fact.name in MOVES:
        return (MOVES[fact.name],)
    if fact.name == "volatility_ratio":
        return ("6h",)
    return ("hour",) if "_1h" in fact.name else ("day",) if "_24h" in fact.name else ()


def _untimed(clause: Clause, words: Vocabulary) -> list[str]:
    """ "Closes within the hour": the time left is a fact, and only its number tells it."""
    tags = words.read(clause.text).tags
    near = "close" in tags and tags & (PERIODS - {"usual"})
    return [f"a time to the close that is no fact: {clause.text}"] if near else []


def _is_of_title(spoken: Spoken, text: str, words: Vocabulary) -> bool:
    """The title's own number, in the title's words, and not said of what a fact could be."""
    quantity = spoken.quantity
    if quantity.unit == "¢" or not spoken.tags <= (_OF_A_PERCENTAGE if quantity.unit == "%" else _OF_AN_AMOUNT):
        return False
    beside = None if quantity.unit not in (None, "%") else _neighbours(text, quantity)
    return any(
        (other.value == quantity.value and quantity.unit in (None, other.unit))
        and (beside is None or beside & _neighbours(words.names, other))
        for other in quantities(words.names)
    )


def _neighbours(text: str, quantity: Quantity) -> set[tuple[str, str]]:
    """The words right before and after, so that "25 insiders" does not pass for "25 bps"."""
    before, after = _TOKEN.findall(text[: quantity.start].lower()), _TOKEN.findall(text[quantity.end :].lower())
    return {("before", word) for word in before[-1:]} | {("after", word) for word in after[:1]}
