"""The wall between the model and the reader: what cannot be traced to evidence or contradicts it is not published."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

from core.agent.advice import advice_faults
from core.agent.answers import Claim, OpportunityAnswer, Position
from core.agent.dates import date_faults
from core.agent.events import event_faults
from core.agent.evidence import Candidate, Evidence, Side
from core.agent.labels import HISTORY
from core.agent.meta import meta_faults, odd_characters
from core.agent.names import name_faults
from core.agent.numbers import number_faults
from core.agent.outside import Subject
from core.agent.phrases import any_of
from core.agent.promises import history_claims, promise_faults
from core.agent.vocabulary import Vocabulary
from core.agent.ways import way_faults
from core.models import Fact

_BETS = ("STRONG_BET", "GOOD_BET")
_LEAST_CONFIDENCE = 60  # it can only forbid a bet: what allows one is the edge that code computed
_UNPROVED = any_of(
    r"unproven, unproved, not (?:yet )?prove[dn], no(?:thing)? (?:\w+ )?prov(?:es|en|ed), no proof, prove nothing"
)
_HISTORY_TAGS = frozenset(("setups", "hit", "matched", "low", "high"))
_SAYS = frozenset(
    """price yes no spread volume fee edge left offer buyer quote chance fair close age bids outcomes other here level
    up
    down move noise siblings ladder settled fill both leg payout limit bundles insights waiting positions""".split()
)
_OF_A_CASE = any_of(r"edge, case, evidence, facts?, wait, reason, position, bet, trade, market, side, venue, rules")
WRONG_IF = any_of(
    r"may, might, could, if, unless, would, can, should, not, no, without, until, when, little, only, must"
)


@dataclass(frozen=True, slots=True)
class Ground:
    """What texts about one market stand on. `position` is what they may argue for; None: they take none."""

    subject: Subject
    facts: Sequence[Fact]
    position: Position | None
    edge_side: Side | None
    edge_cents: Decimal | None
    history: str


def faults(answer: OpportunityAnswer, evidence: Evidence, candidate: Candidate) -> list[str]:
    """Why the answer must be withheld; empty when it may be published."""
    ground = ground_of(evidence, candidate, answer.suggested_position)
    words = Vocabulary(ground.subject)
    found = []
    for claim in answer.claims():
        is_risk = any(claim is risk for risk in answer.risk_factors)
        found += claim_faults(claim, ground, words, may_cite_nothing=is_risk)
    if not says_something(answer.one_liner.text, words):
        found.append("a first line that says nothing of the market")
    if not any(WRONG_IF.search(risk.text) for risk in answer.risk_factors):
        found.append("nothing says what would make it wrong")
    return found + _contradictions(answer, evidence)


def ground_of(evidence: Evidence, candidate: Candidate, position: Position) -> Ground:
    return Ground(
        candidate.subject,
        evidence.facts,
        position,
        evidence.edge_side,
        evidence.net_edge_cents,
        evidence.history,
    )


def claim_faults(claim: Claim, ground: Ground, words: Vocabulary, *, may_cite_nothing: bool = False) -> list[str]:
    """Why this text may not stand, by the facts that it cites itself. `words` are the subject's."""
    known = {fact.id for fact in ground.facts}
    cited = [fact for fact in ground.facts if fact.id in claim.evidence_ids]
    found = [f"cites {name}, which is no evidence" for name in sorted(set(claim.evidence_ids) - known)]
    if not claim.evidence_ids and not may_cite_nothing:
        found.append("a claim that cites no evidence")
    ids = re.compile(rf"\b(?:{'|'.join(re.escape(fact.id) for fact in cited) or '(?!)'})\b")
    text = ids.sub("", claim.text)
    title = words.names
    found += odd_characters(text, title)
    found += date_faults(text, cited, ground.subject.words)
    found += number_faults(text, cited, ground.edge_side, words)
    found += name_faults(text, ground.subject, words)
    found += promise_faults(text, title)
    found += _history_faults(text, cited, ground.history, words)
    found += event_faults(text, words)
    found += way_faults(text, cited, ground.edge_cents, words)
    found += meta_faults(text, title)
    if ground.position is not None:
        found += advice_faults(text, ground.position, ground.edge_side, words)
    return found


def _history_faults(text: str, cited: Sequence[Fact], history: str, words: Vocabulary) -> list[str]:
    """A claim of history needs a proved base rate among its facts; its numbers alone may be told as unproven."""
    is_cited = any(fact.name in HISTORY for fact in cited)
    claims = history_claims(text, words.names)
    found = [f"a claim of history without a proved base rate: {said}" for said in claims]
    if claims and is_cited and history in ("edge", "lift"):
        found = []
    if words.read(text).tags & _HISTORY_TAGS and history == "unproven" and not _UNPROVED.search(text):
        found.append("earlier setups told as if they proved something")
    return found


def says_something(text: str, words: Vocabulary) -> bool:
    return bool(words.read(text).tags & _SAYS) or bool(_OF_A_CASE.search(text))


def _contradictions(answer: OpportunityAnswer, evidence: Evidence) -> list[str]:
    found = []
    edge, side, position = evidence.net_edge_cents, evidence.edge_side, answer.suggested_position
    has_edge = edge is not None and edge > 0
    if answer.recommendation in _BETS:
        if position == "WAIT":
            found.append("a bet that waits")
        if not has_edge:
            found.append("a bet without a computed edge")
        if evidence.fillable_usd is None:
            found.append("a bet whose fill is not known")
        elif evidence.fillable_usd <= 0:
            found.append("a bet that cannot be filled")
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
