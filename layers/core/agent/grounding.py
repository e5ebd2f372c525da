"""The wall between the model and the reader: what cannot be traced to evidence or contradicts it is not published."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from decimal import Decimal

from core.agent.answers import OpportunityAnswer
from core.agent.evidence import Evidence
from core.agent.quantities import Quantity, quantities
from core.models import Fact

_HYPE = re.compile(
    r"\b(guaranteed?|guarantees|risk[- ]?free|riskless|(?:can['’]?t|cannot|can not) lose|sure (?:thing|bet)|surefire|"
    r"certain to|free (?:money|lunch)|easy money|no[- ]brainer|slam dunk|100% (?:safe|certain|sure)|"
    r"(?:there is|with|at) no risk|zero risk)\b",
    re.I,
)
_DENIED = re.compile(
    r"\b(?:not|no|never|nothing|none|neither|hardly|without|far from|\w+n['’]t)\W+(?:\w+\W+){0,2}$", re.I
)
_LINK = re.compile(r"https?://|www\.|\]\(", re.I)
_ORDER = re.compile(
    r"\b(?:buy|take|back|bet on|enter|go long)(?: on)? (YES|NO)\b(?: (?:at|for) (\d+(?:\.\d+)?) ?(?:¢|cents))?", re.I
)
_UP = re.compile(r"\b(?:rose|rise[ns]?|rising|up|gain\w*|climb\w*|rall(?:y|ied)|surg\w+|added|higher)\b", re.I)
_DOWN = re.compile(r"\b(?:fell|fall\w*|drop\w*|down|slid\w*|lost|declin\w+|sank|shed|lower|slump\w*)\b", re.I)
_LOSS = re.compile(r"\b(?:los[est]\w*|costs?|short|negative|minus|below|worse|under|deficit)\b", re.I)

_BETS = ("STRONG_BET", "GOOD_BET")
# A contract that pays a dollar costs as many cents as the market gives it percent.
_PROBABILITIES = ("price_cents", "fair_cents", "yes_ask_cents", "no_ask_cents")


def faults(answer: OpportunityAnswer, evidence: Evidence, title: str) -> list[str]:
    """Why the answer must be withheld; empty when it may be published. `title` is the market's own."""
    cited = [fact for fact in evidence.facts if fact.id in answer.evidence_ids]
    unknown = sorted(set(answer.evidence_ids) - {fact.id for fact in evidence.facts})
    found = [f"cites {name}, which is no evidence" for name in unknown]
    for text in answer.texts():
        found += _odd_characters(text, title)
        found += _ungrounded(text, cited, title)
        found += _hype(text, title)
        found += ["a link"] if _LINK.search(text) else []
        found += _swapped(text, answer, evidence)
    return found + _contradictions(answer, evidence)


def _hype(text: str, title: str) -> list[str]:
    """Promises, unless they are denied or the title's own words ("risk-free rate")."""
    promises = (match for match in _HYPE.finditer(text) if match[0].lower() not in title.lower())
    return [f"hype: {match[0]}" for match in promises if not _DENIED.search(text[: match.start()])]


def _odd_characters(text: str, title: str) -> list[str]:
    """Numbers in other scripts (½, ², ⑤, ４) and what is invisible: neither can be traced by a reader."""
    odd = [char for char in dict.fromkeys(text) if not char.isascii() and char not in title]
    numbers = [f"ungrounded number {char}" for char in odd if unicodedata.numeric(char, None) is not None]
    hidden = [char for char in dict.fromkeys(text) if char not in "\n\t" and char not in title]
    return numbers + [
        f"hidden character U+{ord(c):04X}" for c in hidden if unicodedata.category(c) in ("Cc", "Cf", "Co")
    ]


def _ungrounded(text: str, cited: Sequence[Fact], title: str) -> list[str]:
    for fact in cited:
        text = re.sub(rf"\b{fact.id}\b", "", text)
    named = quantities(title)
    return [
        f"ungrounded number {quantity.text}"
        for quantity in quantities(text)
        if not quantity.is_figure_of_speech
        and not any(quantity.value == other.value and quantity.unit in (None, other.unit) for other in named)
        and not any(_agrees(quantity, fact) for fact in cited)
    ]


def _agrees(quantity: Quantity, fact: Fact) -> bool:
    if (quantity.value, quantity.unit) in _spans(fact.name):
        return True
    as_percent = quantity.unit == "%" and fact.name in _PROBABILITIES
    if quantity.unit not in (None, fact.unit) and not as_percent:
        return False
    value = Decimal(fact.value)
    if not (fact.name.startswith("move_") and fact.unit == "¢"):
        return quantity.value == value or (-quantity.value == value < 0 and bool(_LOSS.search(quantity.before)))
    if quantity.signed:
        return quantity.value == value
    up, down = (max((m.start() for m in sign.finditer(quantity.before)), default=-1) for sign in (_UP, _DOWN))
    return quantity.value == abs(value) and (up == down or (up > down) == (value > 0))


def _spans(name: str) -> tuple[tuple[Decimal, str], ...]:
    """The period that a fact's name says it covers."""
    if name.endswith("_24h") or "_24h_" in name:
        return (Decimal(24), "h"), (Decimal(1), "day")
    return ((Decimal(1), "h"),) if name.endswith("_1h") or "_1h_" in name else ()


def _swapped(text: str, answer: OpportunityAnswer, evidence: Evidence) -> list[str]:
    """An order for the side that is not the position, or at the other side's price."""
    values = {fact.name: Decimal(fact.value) for fact in evidence.facts}
    found = []
    for match in _ORDER.finditer(text):
        side = match[1].upper()
        if (match[1].islower() and match[2] is None) or _DENIED.search(text[: match.start()]):
            continue  # "take no position"
        if side != answer.suggested_position:
            found.append(f"says {match[0]}, the position is {answer.suggested_position}")
        ask = values.get("yes_ask_cents" if side == "YES" else "no_ask_cents")
        if match[2] is not None and ask is not None and Decimal(match[2]) != ask:
            found.append(f"says {match[0]}, {side} is offered at {ask}¢")
    return found


def _contradictions(answer: OpportunityAnswer, evidence: Evidence) -> list[str]:
    found = []
    edge, side, position = evidence.net_edge_cents, evidence.edge_side, answer.suggested_position
    has_edge = edge is not None and edge > 0
    if answer.recommendation in _BETS:
        if position == "WAIT":
            found.append("a bet that waits")
        if not has_edge:
            found.append("a bet without a computed edge")
    if position != "WAIT":
        if answer.recommendation == "AVOID":
            found.append("a position in what it says to avoid")
        if side is not None and position != side:
            found.append(f"the position is {position}, the edge is on {side}")
        if not has_edge:
            found.append("a position without a computed edge")
    return found
