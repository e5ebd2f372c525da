"""Where the rules of two markets differ in a way that pays one and not the other: clause by clause, with quotes."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from core.match.claims import Claim, stem
from core.match.conditions import condition, contradictions, read_text, sentences
from core.match.facts import Day
from core.match.intervals import Relation, relate

Risk = Literal["SAFE", "CAUTION", "BLOCK"]
Kind = Literal[
    "source", "cut-off", "time zone", "death", "fair price", "exclusion", "cancellation", "fifty-fifty", "rounding",
    "early close", "amount", "polarity", "time of day", "price taken", "condition", "announcement", "playing time",
]  # fmt: skip

_QUOTE = 300
_CLAUSES: dict[Kind, re.Pattern[str]] = {
    "death": re.compile(r"\b(dies|died|death|deceased|passes away)\b", re.I),
    "fair price": re.compile(r"\b(fair (?:market |settlement )?(?:price|value)|last (?:traded|fair) price)\b", re.I),
    "fifty-fifty": re.compile(r"\b(50[-/ ]50|50%\s?/\s?50%)", re.I),
    "cancellation": re.compile(
        r"\b(cancel+ed|cancellation|postponed|rescheduled|abandoned|voided?|forfeit\w*)\b", re.I
    ),
    "rounding": re.compile(r"\b(round(?:ed|ing) (?:to|up|down|off)|decimal places?|unrounded|nearest)\b", re.I),
    "early close": re.compile(r"\bclose (?:and expire )?early\b|\bclose and expire after\b", re.I),
    "announcement": re.compile(
        r"\bannounce(?:s|d|ment)\b[^.]*\b(?:intention|intent|encompassed|sufficient|regardless|count|qualify|"
        r"will (?:\w+ )?leave|immediately resolve)",
        re.I,
    ),
    "playing time": re.compile(r"\b(extra time|overtime|penalty shoot-?outs?|regulation|stoppage time)\b", re.I),
    "source": re.compile(
        r"\b(resolution source|according to|source agenc|as (?:reported|published) by|settlement source)", re.I
    ),
    "exclusion": re.compile(
        r"\b(?:(?:do(?:es)?|will|would|shall) not (?:\w+ )?"
        r"(?:count|qualify|suffice|matter|be (?:considered|sufficient))"
        r"|is not an?\b|are not (?:added|part)|not be sufficient|excluding|solely because|only counts? if)",
        re.I,
    ),
}
# Differences of these kinds pay the two sides differently in a case that somebody thought likely enough to write down.
_BLOCKING: frozenset[Kind] = frozenset(
    ("death", "fair price", "exclusion", "cut-off", "amount", "polarity", "time of day", "price taken", "condition",
     "announcement", "playing time")
)  # fmt: skip
# Said by one venue as a matter of course: worth knowing, and no reason to refuse.
_OF_COURSE: frozenset[Kind] = frozenset(("early close",))
_ZONE = re.compile(r"\b(E[SD]?T|C[SD]?T|M[SD]T|P[SD]?T|UTC|GMT|BST|CES?T|Eastern(?: Time)?)\b")
_ZONES = {"EST": "ET", "EDT": "ET", "EASTERN": "ET", "EASTERN TIME": "ET", "CST": "CT", "CDT": "CT", "PST": "PT",
          "PDT": "PT", "GMT": "UTC"}  # fmt: skip
_NUMBERS = re.compile(r"[0-9]+")
_COMPARED: tuple[Kind, ...] = ("cancellation", "rounding", "playing time")
_ALIKE = 0.5  # of a clause's words, to be the same clause in other words


@dataclass(frozen=True, slots=True)
class Difference:
    """A clause that only one side has, or that the two put differently. An empty quote is a side without one."""

    kind: Kind
    kalshi: str
    polymarket: str

    @property
    def blocks(self) -> bool:
        return self.kind in _BLOCKING

    def __str__(self) -> str:
        if self.kalshi and self.polymarket:
            return f"{self.kind} differs: Kalshi “{self.kalshi}”, Polymarket “{self.polymarket}”"
        venue, quote = ("Kalshi", self.kalshi) if self.kalshi else ("Polymarket", self.polymarket)
        article = "an" if self.kind[0] in "aeiou" else "a"
        return f"only {venue} has {article} {self.kind} clause: “{quote}”"


def settlement_risk(kalshi: str, polymarket: str, relation: Relation = "identity") -> tuple[Risk, list[str]]:
    """What the rules of both say about settling apart. SAFE needs two texts that name source and cut-off alike.

    Amounts and cut-offs are compared where the titles' are the same: of a subset they differ as the titles say.
    """
    if not kalshi.strip() or not polymarket.strip():
        return "CAUTION", ["one venue gives no rules text"]
    found = differences(kalshi, polymarket, relation)
    notes = [str(difference) for difference in found]
    if any(difference.blocks for difference in found):
        return "BLOCK", notes
    told = all(_clauses(text, "source") and _days(text) for text in (kalshi, polymarket))
    if any(difference.kind not in _OF_COURSE for difference in found) or not told:
        return "CAUTION", notes or ["the rules do not both name their source and cut-off; read both before acting"]
    return "SAFE", notes


def differences(kalshi: str, polymarket: str, relation: Relation = "identity") -> list[Difference]:
    found = []
    for kind in _CLAUSES:
        ours, theirs = _clauses(kalshi, kind), _clauses(polymarket, kind)
        found += [Difference(kind, quote, "") for quote in _unanswered(kind, ours, theirs, polymarket)]
        found += [Difference(kind, "", quote) for quote in _unanswered(kind, theirs, ours, kalshi)]
    found = [*_sources(found), *_unlike(kalshi, polymarket)]
    if relation in ("identity", "complement"):
        found += [*_conditions(kalshi, polymarket), *_cut_offs(kalshi, polymarket)]
        found += _amounts(kalshi, polymarket, relation)
    return list({(difference.kind, str(difference)): difference for difference in found}.values())


def _conditions(kalshi: str, polymarket: str) -> list[Difference]:
    return [
        Difference(told.what, told.kalshi[:_QUOTE], told.polymarket[:_QUOTE])
        for told in contradictions(kalshi, polymarket)
    ]


def _clauses(text: str, kind: Kind) -> list[str]:
    return [sentence[:_QUOTE] for sentence in sentences(text) if _CLAUSES[kind].search(sentence)]


def _unlike(kalshi: str, polymarket: str) -> list[Difference]:
    """Both say what becomes of it, and not the same: other words or other numbers."""
    found = []
    for kind in _COMPARED:
        ours, theirs = _clauses(kalshi, kind), _clauses(polymarket, kind)
        if ours and theirs and not any(_says_the_same(one, other) for one in ours for other in theirs):
            found.append(Difference(kind, ours[0], theirs[0]))
    return found


def _says_the_same(one: str, other: str) -> bool:
    return _is_alike(one, other) and set(_NUMBERS.findall(one)) == set(_NUMBERS.findall(other))


def _unanswered(kind: Kind, ours: Sequence[str], theirs: Sequence[str], their_rules: str) -> list[str]:
    """Clauses of one side that the other does not make in its words; of one kind the first is enough."""
    if kind == "exclusion":
        missing = [clause for clause in ours if not any(_is_alike(clause, other) for other in sentences(their_rules))]
    elif kind in ("source", "death"):
        missing = [clause for clause in ours if not any(_is_alike(clause, other) for other in theirs)]
    else:
        missing = [] if theirs else list(ours)
    return missing[:1]


def _is_alike(clause: str, other: str) -> bool:
    ours, theirs = ({stem(word) for word in read_text(text).words} for text in (clause, other))
    return bool(ours) and len(ours & theirs) >= _ALIKE * min(len(ours), len(theirs) or 1)


def _sources(found: Sequence[Difference]) -> list[Difference]:
    """Two sources that are not each other's become one difference."""
    apart = [difference for difference in found if difference.kind == "source"]
    rest = [difference for difference in found if difference.kind != "source"]
    if len(apart) < 2:
        return [*rest, *apart]
    return [*rest, Difference("source", "".join(d.kalshi for d in apart), "".join(d.polymarket for d in apart))]


def _cut_offs(kalshi: str, polymarket: str) -> list[Difference]:
    ours, theirs = _days(kalshi), _days(polymarket)
    if ours and theirs and not {day[1:] for day in ours} & {day[1:] for day in theirs}:
        return [Difference("cut-off", _first_dated(kalshi), _first_dated(polymarket))]
    zones = [{_ZONES.get(zone.upper(), zone.upper()) for zone in _ZONE.findall(text)} for text in (kalshi, polymarket)]
    if zones[0] and zones[1] and not zones[0] & zones[1]:
        return [Difference("time zone", ", ".join(sorted(zones[0])), ", ".join(sorted(zones[1])))]
    return []


def _days(text: str) -> list[Day]:
    """Every day that the rules name, as the last one that counts."""
    return [day for sentence in sentences(text) for day in read_text(sentence).dates if day.month and day.day]


def _first_dated(text: str) -> str:
    return next(sentence[:_QUOTE] for sentence in sentences(text) if any(d.day for d in read_text(sentence).dates))


def _amounts(kalshi: str, polymarket: str, relation: Relation) -> list[Difference]:
    """What it takes for YES, where the sentence that says so names one amount on either side."""
    first = [condition(text) or sentences(text)[0] for text in (kalshi, polymarket)]
    claims: list[Claim] = [read_text(sentence) for sentence in first]
    ours, theirs = ([amount for amount in claim.amounts if amount.is_bounded] for claim in claims)
    if len(ours) != 1 or len(theirs) != 1 or ours[0].unit != theirs[0].unit:
        return []
    if relate(theirs[0], ours[0], whole=False) in ("identity", relation):
        return []
    return [Difference("amount", first[0][:_QUOTE], first[1][:_QUOTE])]
