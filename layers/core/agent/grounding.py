"""The wall between the model and the reader: what cannot be traced to evidence or contradicts it is not published."""

from __future__ import annotations

import re
import unicodedata

from core.agent.advice import advice_faults
from core.agent.answers import OpportunityAnswer
from core.agent.evidence import Candidate, Evidence
from core.agent.names import name_faults
from core.agent.numbers import number_faults
from core.agent.promises import promise_faults
from core.agent.vocabulary import Vocabulary

_LINK = re.compile(r"https?://|www\.|\]\(", re.I)
_BETS = ("STRONG_BET", "GOOD_BET")
_LEAST_CONFIDENCE = 60  # it can only forbid a bet: what allows one is the edge that code computed


def faults(answer: OpportunityAnswer, evidence: Evidence, candidate: Candidate) -> list[str]:
    """Why the answer must be withheld; empty when it may be published."""
    cited = [fact for fact in evidence.facts if fact.id in answer.evidence_ids]
    unknown = sorted(set(answer.evidence_ids) - {fact.id for fact in evidence.facts})
    found = [f"cites {name}, which is no evidence" for name in unknown]
    words = Vocabulary(candidate)
    ids = re.compile(rf"\b(?:{'|'.join(fact.id for fact in cited) or '(?!)'})\b")
    for text in (ids.sub("", said) for said in answer.texts()):
        found += _odd_characters(text, words.names)
        found += number_faults(text, cited, evidence, words)
        found += name_faults(text, candidate)
        found += promise_faults(text, words)
        found += advice_faults(text, answer.suggested_position, evidence, words)
        found += ["a link"] if _LINK.search(text) else []
    return found + _contradictions(answer, evidence)


def _odd_characters(text: str, title: str) -> list[str]:
    """Numbers and letters in other scripts (½, ⑤, ４, Cyrillic а) and what is invisible: no reader can trace them."""
    found = []
    for char in dict.fromkeys(text):
        if char in title or char in "\n\t":
            continue
        if not char.isascii() and unicodedata.numeric(char, None) is not None:
            found.append(f"ungrounded number {char}")
        elif unicodedata.category(char) in ("Cc", "Cf", "Co", "Cn", "Mn"):
            found.append(f"hidden character U+{ord(char):04X}")
        elif char.isalpha() and not unicodedata.name(char, "").startswith(("LATIN", "GREEK SMALL LETTER SIGMA")):
            found.append(f"a letter of another script: {char}")
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
        if answer.confidence_score <= _LEAST_CONFIDENCE:
            found.append("a bet that its own confidence does not carry")
    if position != "WAIT":
        if answer.recommendation == "AVOID":
            found.append("a position in what it says to avoid")
        elif answer.recommendation not in _BETS:
            found.append("a position without a bet")
        if side is not None and position != side:
            found.append(f"the position is {position}, the edge is on {side}")
        if not has_edge:
            found.append("a position without a computed edge")
    return found
