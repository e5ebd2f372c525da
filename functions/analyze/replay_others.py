"""What an opportunity's analysis and a day's digest were made from; asked again for money, and not stored."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import date
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from analyze.calls import Subject, open_calls
from analyze.judging import BUNDLE, fact_row, rules_digest
from analyze.writing_digest import DAY, NO_MARKET
from core.agent import prompt
from core.agent.answers import CrossVenueAnswer, DigestAnswer
from core.agent.crossvenue import cross_venue_faults
from core.agent.digests import digest_faults
from core.errors import NotFound
from core.models import Fact
from core.queries import analyzing, bundle_analyses
from core.queries.spending import Part
from core.runtime import Run
from core.settings import AnalyzeSettings
from core.venues.fields import digest_of

A = TypeVar("A", bound=BaseModel)
_COST = ("prompt_tokens", "cached_tokens", "completion_tokens", "cost_usd")


async def replayed_opportunity(run: Run[AnalyzeSettings], opportunity_id: str, *, again: bool) -> dict[str, Any]:
    """Raises NotFound for an unknown id, and where the analyst said nothing of it."""
    async with run.transaction() as connection:
        made = await bundle_analyses.made_from(connection, opportunity_id)
    if made is None or made["inputs"] is None:
        raise NotFound(f"opportunity {opportunity_id}: {'there is none' if made is None else 'it was not analysed'}")
    bundle = BUNDLE.validate_python(made["inputs"]["bundle"])
    facts = tuple(Fact(**fact) for fact in made["evidence"])

    def wall(answer: CrossVenueAnswer) -> Sequence[str]:
        return cross_venue_faults(answer, facts, bundle)

    names = ("id", "bundle_key", "description", "quoted_at", "status", "served_risk", "settlement_risk", "analysis")
    shown = {"opportunity": {name: made[name] for name in names}} | _shown(made, CrossVenueAnswer, wall)
    shown |= {"evidence": made["evidence"]}
    if not again:
        return shown
    first = bundle.legs[0]
    subject = Subject(first.platform, first.market_id, rules_digest(bundle), made["prompt_version"])
    return shown | await _asked_again(run, "bundles", (CrossVenueAnswer, "cross_venue"), made, wall, subject)


async def replayed_day(run: Run[AnalyzeSettings], day: date, *, again: bool) -> dict[str, Any]:
    """Raises NotFound for a day without a digest, and for one that rules wrote."""
    async with run.transaction() as connection:
        made = await analyzing.digest_made_from(connection, day)
    if made is None or made["inputs"] is None:
        raise NotFound(f"digest of {day}: {'there is none' if made is None else made['without_ai']}")
    told = DAY.validate_python(made["inputs"]["day"])

    def wall(answer: DigestAnswer) -> Sequence[str]:
        return digest_faults(answer, told)

    shown = {"digest": {name: made[name] for name in ("day", "created_at")}} | _shown(made, DigestAnswer, wall)
    shown |= {"evidence": [fact_row(fact) for fact in told.facts]}
    if not again:
        return shown
    subject = Subject(*NO_MARKET, digest_of(made["inputs"]["asked"][0]["content"]), made["prompt_version"])
    return shown | await _asked_again(run, "digest", (DigestAnswer, "digest"), made, wall, subject)


def _shown(made: Mapping[str, Any], kind: type[A], wall: Callable[[A], Sequence[str]]) -> dict[str, Any]:
    try:
        faults = list(wall(kind.model_validate(made["answer"])))
    except ValidationError as error:
        faults = [f"of an older form: {error.error_count()} faults"]
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
        "today": {
            "prompt_versions": [prompt.CROSS_VENUE_VERSION, prompt.DIGEST_VERSION],
            "faults": faults,
        },
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
