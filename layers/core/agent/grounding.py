"""The wall between the model and the reader: what cannot be traced to evidence or contradicts it is not published."""

from __future__ import annotations

import re
from collections.abc import Iterable
from decimal import Decimal

from core.agent.answers import OpportunityAnswer
from core.agent.evidence import Evidence
from core.models import Fact

_NUMBER = re.compile(r"[-−]?\d[\d,]*(?:\.\d+)?")
_HYPE = re.compile(r"\b(guaranteed?|risk[- ]free|can'?t lose|sure thing|certain to|free money|100% safe)\b", re.I)
_BETS = ("STRONG_BET", "GOOD_BET")


def faults(answer: OpportunityAnswer, evidence: Evidence, title: str) -> list[str]:
    """Why the answer must be withheld; empty when it may be published. `title` is the market's own."""
    cited = {fact.id: fact for fact in evidence.facts if fact.id in answer.evidence_ids}
    unknown = sorted(set(answer.evidence_ids) - {fact.id for fact in evidence.facts})
    found = [f"cites {name}, which is no evidence" for name in unknown]
    found += _ungrounded(answer.texts(), cited.values(), title)
    found += _contradictions(answer, evidence)
    found += [f"hype: {match[0]}" for text in answer.texts() if (match := _HYPE.search(text))]
    return found


def _ungrounded(texts: Iterable[str], cited: Iterable[Fact], title: str) -> list[str]:
    allowed = {_number(fact.value) for fact in cited} | {_number(match) for match in _NUMBER.findall(title)}
    allowed |= {abs(value) for value in allowed}
    return [
        f"ungrounded number {match}"
        for text in texts
        for match in _NUMBER.findall(text.replace(title, " "))
        if _number(match) not in allowed
    ]


def _number(text: str) -> Decimal:
    return Decimal(text.replace(",", "").replace("−", "-"))


def _contradictions(answer: OpportunityAnswer, evidence: Evidence) -> list[str]:
    found = []
    edge, side = evidence.net_edge_cents, evidence.edge_side
    if answer.recommendation in _BETS:
        if answer.suggested_position == "WAIT":
            found.append("a bet that waits")
        if edge is None or edge <= 0:
            found.append("a bet without a computed edge")
    if answer.suggested_position != "WAIT" and side is not None and answer.suggested_position != side:
        found.append(f"the position is {answer.suggested_position}, the edge is on {side}")
    if answer.suggested_position != "WAIT" and (edge is None or edge <= 0):
        found.append("a position without a computed edge")
    return found
