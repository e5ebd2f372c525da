"""`python -m analyze.replay ID [--again]`: what an insight was made from, and whether it comes out the same today.

ID may be an opportunity's, for its analysis, and a day (2026-11-22) for its digest: `analyze.replay_others`.

Shows inputs, prompt, model, fee facts, evidence and answer. `--again` asks the model once more in the same words, for
money and within the budgets; what it says is shown and not stored. Exit 0 shown, 1 not possible, 2 misconfigured.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
from collections.abc import Mapping
from datetime import date
from typing import Any
from uuid import UUID

import orjson
from pydantic import ValidationError

from analyze.calls import Subject, open_calls
from analyze.publishing import candidate_of, fingerprint
from analyze.replay_others import replayed_day, replayed_opportunity
from core import db
from core.agent import prompt
from core.agent.answers import OpportunityAnswer
from core.agent.evidence import gather
from core.agent.grounding import faults
from core.cache import make_cache
from core.errors import NotFound, OddWonsError
from core.queries import bundle_analyses, spending
from core.runtime import JOBS, Run, configured, make_clock
from core.settings import AnalyzeSettings

_OF_INSIGHT = ("id", "platform", "market_id", "market_title", "created_at", "status")


async def replayed(run: Run[AnalyzeSettings], insight_id: str, *, again: bool) -> dict[str, Any]:
    """Raises NotFound for an unknown id and for insights from before their inputs were kept."""
    async with run.transaction() as connection:
        made = await spending.made_from(connection, insight_id)
    if made is None or made["inputs"] is None:
        raise NotFound(f"insight {insight_id}: {'there is none' if made is None else 'its inputs were not kept'}")
    candidate, at = candidate_of(made["inputs"])
    evidence = gather(candidate, at)
    shown = _shown(made) | {
        "fees": {"taker_fee_rate": candidate.fee_rate, "taker_fee_exponent": candidate.fee_exponent},
        "today": {
            "prompt_version": prompt.VERSION,
            "evidence_is_the_same": evidence.as_json() == made["evidence"],
            "net_edge_cents": evidence.net_edge_cents,
            "faults": _faults_today(made["answer"], lambda answer: faults(answer, evidence, candidate)),
        },
    }
    if not again:
        return shown
    pattern, version = candidate.pattern, made["prompt_version"]
    subject = Subject(pattern.platform, pattern.market_id, fingerprint(candidate, evidence), version)
    messages = [{"role": "system", "content": made["system"]}, *made["inputs"]["asked"]]
    async with open_calls(run, "insights") as calls:
        judged = await calls.judge(
            OpportunityAnswer, "opportunity", messages, lambda answer: faults(answer, evidence, candidate), subject
        )
    said = None if judged.answer is None else judged.answer.model_dump()
    return shown | {"again": judged.bill.as_row() | {"answer": said, "faults": judged.detail}}


def _shown(made: Mapping[str, Any]) -> dict[str, Any]:
    inputs = made["inputs"]
    return {
        "insight": {
            name: made[name] for name in ("id", "platform", "market_id", "market_title", "created_at", "status")
        },
        "prompt": {
            "version": made["prompt_version"],
            "first_used_at": made["first_used_at"],
            "system": made["system"],
            "asked": inputs["asked"],
        },
        "inputs": {"at": inputs["at"], "candidate": inputs["candidate"]},
        "evidence": made["evidence"],
        "net_edge_cents": made["net_edge_cents"],
        "model": made["model"],
        "answer": made["answer"],
        "cost": {name: made[name] for name in ("prompt_tokens", "cached_tokens", "completion_tokens", "cost_usd")},
    }


def _faults_today(answer: Mapping[str, Any], wall: Any) -> list[str]:
    try:
        return list(wall(OpportunityAnswer.model_validate(answer)))
    except ValidationError as error:
        return [f"of an older form: {error.error_count()} faults"]


async def replayed_any(run: Run[AnalyzeSettings], of: UUID | date, *, again: bool) -> dict[str, Any]:
    """Of an insight, an opportunity's analysis or a day's digest. Raises NotFound."""
    if isinstance(of, date):
        return await replayed_day(run, of, again=again)
    async with run.transaction() as connection:
        is_opportunity = await bundle_analyses.made_from(connection, str(of)) is not None
    return await (replayed_opportunity if is_opportunity else replayed)(run, str(of), again=again)


def _id_or_day(given: str) -> UUID | date:
    return date.fromisoformat(given) if len(given) == len("2026-11-22") else UUID(given)


async def _main(settings: AnalyzeSettings, of: UUID | date, *, again: bool) -> dict[str, Any]:
    clock = make_clock(settings)
    pool, cache = await db.make_pool(settings), make_cache(settings)
    try:
        return await replayed_any(Run(JOBS["analyze"], settings, pool, cache, clock, clock()), of, again=again)
    finally:
        await cache.close()
        await pool.close()


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m analyze.replay", description=__doc__)
    parser.add_argument("id", type=_id_or_day, help="of an insight or an opportunity, or a digest's day")
    parser.add_argument("--again", action="store_true", help="ask the model once more")
    given = parser.parse_args(argv)
    settings = configured(AnalyzeSettings)
    try:
        shown = asyncio.run(_main(settings, given.id, again=given.again))
    except OddWonsError as error:
        sys.stderr.write(f"replay: {error}\n")
        return 1
    sys.stdout.write(orjson.dumps(shown, option=orjson.OPT_INDENT_2 | orjson.OPT_UTC_Z, default=str).decode() + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
