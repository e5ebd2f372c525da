"""What an insight, an opportunity's analysis or a day's digest was made from; asked again for money, and not stored."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import date
from typing import Any, TypeVar
from uuid import UUID

from pydantic import BaseModel, ValidationError

from analyze.calls import Subject, open_calls
from analyze.judging import BUNDLE, rules_digest
from analyze.publishing import candidate_of, fingerprint
from analyze.writing_digest import DAY, NO_MARKET
from core.agent import prompt
from core.agent.answers import CrossVenueAnswer, DigestAnswer, OpportunityAnswer
from core.agent.crossvenue import cross_venue_faults
from core.agent.digests import digest_faults
from core.agent.evidence import gather
from core.agent.grounding import faults
from core.errors import NotFound
from core.models import Fact
from core.queries import analyzing, bundle_analyses, spending
from core.queries.spending import Part
from core.runtime import Run
from core.settings import AnalyzeSettings
from core.venues.fields import digest_of

A = TypeVar("A", bound=BaseModel)
_COST = ("prompt_tokens", "cached_tokens", "completion_tokens", "cost_usd")


async def replayed(run: Run[AnalyzeSettings], of: UUID | date, *, again: bool) -> dict[str, Any]:
    """Of an insight, an opportunity's analysis or a day's digest. Raises NotFound."""
    if isinstance(of, date):
        return await _day(run, of, again=again)
    async with run.transaction() as connection:
        opportunity = await bundle_analyses.made_from(connection, str(of))
    if opportunity is not None:
        return await _opportunity(run, opportunity, again=again)
    return await _insight(run, str(of), again=again)


async def _insight(run: Run[AnalyzeSettings], insight_id: str, *, again: bool) -> dict[str, Any]:
    """Raises NotFound for an unknown id and for insights from before their inputs were kept."""
    async with run.transaction() as connection:
        made = await spending.made_from(connection, insight_id)
    if made is None or made["inputs"] is None:
        raise NotFound(f"insight {insight_id}: {'there is none' if made is None else 'its inputs were not kept'}")
    candidate, at = candidate_of(made["inputs"])
    evidence = gather(candidate, at)

    def wall(answer: OpportunityAnswer) -> Sequence[str]:
        return faults(answer, evidence, candidate)

    names = ("id", "platform", "market_id", "market_title", "created_at", "status")
    shown = {"insight": {name: made[name] for name in names}} | _shown(made, OpportunityAnswer, wall, prompt.VERSION)
    shown |= {
        "evidence": made["evidence"],
        "net_edge_cents": made["net_edge_cents"],
        "fees": {"taker_fee_rate": candidate.fee_rate, "taker_fee_exponent": candidate.fee_exponent},
    }
    shown["today"] |= {
        "evidence_is_the_same": evidence.as_json() == made["evidence"],
        "net_edge_cents": evidence.net_edge_cents,
    }
    if not again:
        return shown
    pattern = candidate.pattern
    subject = Subject(pattern.platform, pattern.market_id, fingerprint(candidate, evidence), made["prompt_version"])
    return shown | await _asked_again(run, "insights", (OpportunityAnswer, "opportunity"), made, wall, subject)


async def _opportunity(run: Run[AnalyzeSettings], made: Mapping[str, Any], *, again: bool) -> dict[str, Any]:
    """Raises NotFound where the analyst said nothing of it."""
    if made["inputs"] is None:
        raise NotFound(f"opportunity {made['id']}: it was not analysed")
    bundle = BUNDLE.validate_python(made["inputs"]["bundle"])
    facts = tuple(Fact(**fact) for fact in made["evidence"])

    def wall(answer: CrossVenueAnswer) -> Sequence[str]:
        return cross_venue_faults(answer, facts, bundle)

    names = ("id", "bundle_key", "description", "quoted_at", "status", "served_risk", "settlement_risk", "analysis")
    shown = {"opportunity": {name: made[name] for name in names}}
    shown |= _shown(made, CrossVenueAnswer, wall, prompt.CROSS_VENUE_VERSION) | {"evidence": made["evidence"]}
    if not again:
        return shown
    first = bundle.legs[0]
    subject = Subject(first.platform, first.market_id, rules_digest(bundle), made["prompt_version"])
    return shown | await _asked_again(run, "bundles", (CrossVenueAnswer, "cross_venue"), made, wall, subject)


async def _day(run: Run[AnalyzeSettings], day: date, *, again: bool) -> dict[str, Any]:
    """Raises NotFound for a day without a digest, and for one that rules wrote."""
    async with run.transaction() as connection:
        made = await analyzing.digest_made_from(connection, day)
    if made is None or made["inputs"] is None:
        raise NotFound(f"digest of {day}: {'there is none' if made is None else made['without_ai']}")
    told = DAY.validate_python(made["inputs"]["day"])

    def wall(answer: DigestAnswer) -> Sequence[str]:
        return digest_faults(answer, told)

    shown: dict[str, Any] = {"digest": {name: made[name] for name in ("day", "created_at")}}
    shown |= _shown(made, DigestAnswer, wall, prompt.DIGEST_VERSION)
    shown["evidence"] = [fact.as_json() for fact in told.facts]
    if not again:
        return shown
    subject = Subject(*NO_MARKET, digest_of(made["inputs"]["asked"][0]["content"]), made["prompt_version"])
    return shown | await _asked_again(run, "digest", (DigestAnswer, "digest"), made, wall, subject)


def _shown(made: Mapping[str, Any], kind: type[A], wall: Callable[[A], Sequence[str]], version: str) -> dict[str, Any]:
    """`version`: today's of the prompt."""
    try:
        faults_today = list(wall(kind.model_validate(made["answer"])))
    except ValidationError as error:
        faults_today = [f"of an older form: {error.error_count()} faults"]
    inputs = made["inputs"]
    return {
        "prompt": {
            "version": made["prompt_version"],
            "first_used_at": made["first_used_at"],
            "system": made["system"],
            "asked": inputs["asked"],
        },
        "inputs": {name: value for name, value in inputs.items() if name != "asked"},
        "model": made["model"],
        "answer": made["answer"],
        "cost": {name: made[name] for name in _COST},
        "today": {"prompt_version": version, "faults": faults_today},
    }


async def _asked_again(
    run: Run[AnalyzeSettings],
    part: Part,
    form: tuple[type[A], str],
    made: Mapping[str, Any],
    wall: Callable[[A], Sequence[str]],
    subject: Subject,
) -> dict[str, Any]:
    messages = [{"role": "system", "content": made["system"]}, *made["inputs"]["asked"]]
    async with open_calls(run, part) as calls:
        judged = await calls.judge(*form, messages, wall, subject)
    said = None if judged.answer is None else judged.answer.model_dump()
    return {"again": judged.bill.as_row() | {"answer": said, "faults": judged.detail}}
