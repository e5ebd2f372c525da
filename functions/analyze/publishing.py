"""An answer as it is stored: what is served of it, and all that is needed to ask again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from pydantic import TypeAdapter

from analyze.calls import Bill, Judged
from core.agent.answers import OpportunityAnswer
from core.agent.confidence import Numbers
from core.agent.evidence import Candidate, Evidence
from core.agent.outside import RULES_CHARS
from core.db import Connection
from core.queries import analyzing, spending
from core.venues.fields import digest_of

_CANDIDATE = TypeAdapter(Candidate)
_LIFE = {
    "ACT_NOW": timedelta(hours=2),
    "HOURS": timedelta(hours=6),
    "DAYS": timedelta(days=1),
    "WEEKS": timedelta(days=3),
}
_PASSING = ("quote_age_minutes", "hours_to_close")  # facts that change though nothing happens


def fingerprint(candidate: Candidate, evidence: Evidence) -> int:
    """The same for the same evidence, at whatever time it was gathered."""
    facts = [(fact.name, fact.value, fact.unit) for fact in evidence.facts if fact.name not in _PASSING]
    pattern = candidate.pattern
    return digest_of(
        pattern.platform,
        pattern.market_id,
        pattern.detector,
        candidate.title,
        candidate.rules[:RULES_CHARS],
        candidate.yes_label,
        candidate.no_label,
        candidate.close_time,
        facts,
    )


async def store_prompt(
    connection: Connection, messages: Sequence[Mapping[str, str]], version: str, now: datetime
) -> int:
    """The digest under which the words of the prompt are kept, which are the first message."""
    system = messages[0]["content"]
    digest = digest_of(version, system)
    await spending.insert_prompt(connection, digest, version, system, now)
    return digest


async def store_withheld(
    connection: Connection, now: datetime, market: tuple[str, str], reason: str, detail: str, bill: Bill
) -> None:
    """Why an answer is not published, with what it cost. `market`: its platform and id; of what is no market by itself
    those of its first leg, or what it is called."""
    await analyzing.insert_withheld(connection, now, *market, reason, detail, bill.model, bill.cost_usd)
    await spending.mark_outcome(connection, bill.calls[-1:], "withheld")


def inputs_of(candidate: Candidate, messages: Sequence[Mapping[str, str]], now: datetime) -> dict[str, Any]:
    """What an answer was made from; `candidate_of` reads it back."""
    bounded = replace(candidate, rules=candidate.rules[:RULES_CHARS])
    return {
        "at": now.isoformat(),
        "candidate": _CANDIDATE.dump_python(bounded, mode="json"),
        "asked": [dict(message) for message in messages[1:]],
    }


def candidate_of(inputs: Mapping[str, Any]) -> tuple[Candidate, datetime]:
    """The candidate and the time of its evidence."""
    return _CANDIDATE.validate_python(inputs["candidate"]), datetime.fromisoformat(inputs["at"])


def make_insight(
    candidate: Candidate, evidence: Evidence, judged: Judged[OpportunityAnswer], numbers: Numbers, now: datetime
) -> dict[str, Any]:
    """The row without its `inputs`, `prompt_digest`, `prompt_version` and `evidence_digest`."""
    answer, pattern = judged.answer, candidate.pattern
    if answer is None:
        raise ValueError("what was withheld is not published")
    expires_at = now + _LIFE[answer.time_sensitivity]
    if candidate.close_time is not None:
        expires_at = min(expires_at, candidate.close_time)
    return judged.bill.as_row() | {
        "platform": pattern.platform,
        "market_id": pattern.market_id,
        "market_title": candidate.title,
        "pattern_type": pattern.detector,
        "pattern_score": Decimal(str(pattern.score)),
        "category": pattern.category,
        "ai_recommendation": answer.recommendation,
        **numbers.as_row(),
        **answer.texts(),
        "suggested_position": answer.suggested_position,
        "time_sensitivity": answer.time_sensitivity,
        "net_edge_cents": evidence.net_edge_cents,
        "evidence": evidence.as_json(),
        "answer": answer.model_dump(),
        "price_at_emission": candidate.price,
        "yes_price_at_emission": candidate.yes_price,
        "no_price_at_emission": candidate.no_price,
        "created_at": now,
        "expires_at": expires_at,
    }
