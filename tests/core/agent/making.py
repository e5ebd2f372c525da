"""Candidates, evidence and answers to test with."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from core.agent.answers import OpportunityAnswer
from core.agent.evidence import Candidate, Evidence, gather
from core.detect.rates import Rate
from core.models import Book, Level, Pattern

NOW = datetime(2026, 11, 22, 13, 5, tzinfo=UTC)


def make_pattern(**given: Any) -> Pattern:
    values: dict[str, Any] = {
        "platform": "kalshi",
        "market_id": "KXTEST-26DEC31",
        "event_id": "KXTEST",
        "category": "Politics",
        "detector": "price_jump",
        "score": 71.5,
        "numbers": {"move_1h_cents": -6.0, "move_sigmas": 8.2},
    }
    return Pattern(**values | given)


def make_rate(**given: Any) -> Rate:
    """54 of 100 setups hit, as often as without the pattern."""
    values: dict[str, Any] = {
        "detector": "price_jump",
        "category": "Politics",
        "horizon": "24h",
        "band": 2,
        "n": 100,
        "effective": 90.0,
        "rate": 0.54,
        "low": 0.44,
        "high": 0.63,
        "matched_rate": 0.53,
        "lift": 0.01,
        "shrunk_lift": 0.0,
        "move": 0.001,
        "net": -0.02,
        "matched_net": -0.02,
        "lift_move": 0.001,
        "shrunk_net": -0.02,
        "q_lift": 1.0,
        "q_edge": 1.0,
        "verdict": "unproven",
        "why": "no more than chance explains",
    }
    return Rate(**values | given)


BOOK = Book(
    "kalshi",
    "KXTEST-26DEC31",
    (Level(Decimal("0.41"), Decimal(500)), Level(Decimal("0.43"), Decimal(1_000)), Level(Decimal("0.47"), Decimal(70))),
    (Level(Decimal("0.61"), Decimal(300)),),
    NOW,
)


def make_candidate(**given: Any) -> Candidate:
    """YES is offered at 41¢, NO at 61¢, the other venue says 46¢; a taker fee of 0.07."""
    values: dict[str, Any] = {
        "pattern": make_pattern(),
        "title": "Will the treaty be signed by Dec 31?",
        "rules": "Resolves to Yes if both parties sign.",
        "close_time": NOW + timedelta(hours=48),
        "price": Decimal("0.40"),
        "yes_price": Decimal("0.41"),
        "no_price": Decimal("0.61"),
        "volume_24h": Decimal("12345"),
        "fee_rate": Decimal("0.07"),
        "fee_exponent": Decimal(1),
        "quoted_at": NOW - timedelta(minutes=4),
        "fair": Decimal("0.46"),
        "book": BOOK,
    }
    return Candidate(**values | given)


def claim(said: Any, evidence_ids: Sequence[str]) -> Any:
    """A text with what it cites; what is a claim already stays as it is."""
    return {"text": said, "evidence_ids": list(evidence_ids)} if isinstance(said, str) else said


def as_claims(values: dict[str, Any], evidence_ids: Sequence[str]) -> dict[str, Any]:
    """Texts of an answer as claims that all cite these facts."""
    lists = {name: values[name] for name in ("reasoning", "risk_factors")}
    listed = {name: [said] if isinstance(said, str) else said for name, said in lists.items()}
    return values | {
        **{name: claim(values[name], evidence_ids) for name in ("one_liner", "edge_explanation")},
        **{name: [claim(each, evidence_ids) for each in said] for name, said in listed.items()},
    }


def make_answer(evidence_ids: list[str] | None = None, **given: Any) -> OpportunityAnswer:
    """Texts may be given as such; they cite `evidence_ids`, by default the facts of `make_candidate` that are told."""
    values: dict[str, Any] = {
        "recommendation": "GOOD_BET",
        "confidence_score": 65,
        "win_probability": 0.46,
        "one_liner": "Buy YES at 41¢: the other venue says 46¢.",
        "reasoning": "The price moved -6¢ in the last hour and the other venue did not follow.",
        "risk_factors": ["The other venue may be the one that is late."],
        "suggested_position": "YES",
        "edge_explanation": "The market has not come back from a move that nothing explains.",
        "time_sensitivity": "HOURS",
    }
    cited = ids_of(gather(make_candidate(), NOW)) if evidence_ids is None else evidence_ids
    return OpportunityAnswer(**as_claims(values | given, cited))


def ids_of(evidence: Evidence) -> list[str]:
    return [fact.id for fact in evidence.facts]
