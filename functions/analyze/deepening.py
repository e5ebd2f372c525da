"""One deep analysis: both cases at once, then the judge. What fails the wall anywhere is withheld as a whole."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from analyze.calls import Bill, Calls, Judged, Subject
from analyze.publishing import fingerprint, inputs_of
from core.agent import deep
from core.agent.answers import OpportunityAnswer
from core.agent.confidence import Numbers, numbers_of
from core.agent.deep import CaseAnswer, Side
from core.agent.evidence import Candidate, Evidence, gather, pack
from core.agent.grounding import faults


@dataclass(frozen=True, slots=True)
class Deepened:
    """`result` is what is served; None where nothing may be, and then `reason` and `detail` say why."""

    result: dict[str, Any] | None
    bill: Bill
    inputs: dict[str, Any]
    reason: str = ""
    detail: str = ""


def subject_of(candidate: Candidate, evidence: Evidence) -> Subject:
    pattern = candidate.pattern
    return Subject(pattern.platform, pattern.market_id, fingerprint(candidate, evidence), deep.VERSION)


async def deepen(calls: Calls, candidate: Candidate, question: str | None, now: datetime) -> Deepened:
    """Raises AnalystUnavailable or BudgetSpent."""
    evidence = gather(candidate, now)
    packed, subject = pack(candidate, evidence), subject_of(candidate, evidence)

    async def case(side: Side) -> Judged[CaseAnswer]:
        messages = deep.case_messages(packed, side)
        return await calls.judge(
            CaseAnswer, "case", messages, lambda said: deep.case_faults(said, evidence, candidate), subject
        )

    bull, bear = await _both(case)
    bill = bull.bill + bear.bill
    if bull.answer is None or bear.answer is None:
        side, lost = ("bull", bull) if bull.answer is None else ("bear", bear)
        inputs = inputs_of(candidate, deep.case_messages(packed, "YES" if lost is bull else "NO"), now)
        return Deepened(None, bill, inputs, lost.reason, f"{side} case: {lost.detail}")
    messages = deep.judge_messages(packed, bull.answer, bear.answer, question)
    verdict = await calls.judge(
        OpportunityAnswer, "judgement", messages, lambda said: faults(said, evidence, candidate), subject
    )
    bill += verdict.bill
    inputs = inputs_of(candidate, messages, now)
    if verdict.answer is None:
        return Deepened(None, bill, inputs, verdict.reason, f"judge: {verdict.detail}")
    # Nobody grades deep analyses yet: what they say of a probability is unproven.
    numbers = numbers_of(verdict.answer, candidate, None, None, now)
    shown = _result(verdict.answer, numbers, bull.answer, bear.answer, evidence, bill, now)
    raw = {"win_probability": verdict.answer.win_probability, "confidence_score": verdict.answer.confidence_score}
    return Deepened(shown, bill, inputs | {"raw": raw})


async def _both(case: Callable[[Side], Coroutine[Any, Any, Judged[CaseAnswer]]]) -> list[Judged[CaseAnswer]]:
    """Bull and bear. Both end before a failure of one is told."""
    ended = await asyncio.gather(case("YES"), case("NO"), return_exceptions=True)
    for failure in ended:
        if isinstance(failure, BaseException):
            raise failure
    return [judged for judged in ended if not isinstance(judged, BaseException)]


def _result(
    answer: OpportunityAnswer,
    numbers: Numbers,
    bull: CaseAnswer,
    bear: CaseAnswer,
    evidence: Evidence,
    bill: Bill,
    now: datetime,
) -> dict[str, Any]:
    edge = evidence.net_edge_cents
    return answer.model_dump(exclude=set(answer.texts())) | {
        **answer.texts(),
        "confidence_score": _float(numbers.confidence_score),
        "confidence_basis": numbers.confidence_basis,
        "win_probability": _float(numbers.win_probability),
        "win_probability_basis": numbers.win_probability_basis,
        "net_edge_cents": _float(edge),
        "bull_case": bull.shown(),
        "bear_case": bear.shown(),
        "evidence": evidence.as_json(),
        "gathered_at": now.isoformat(),
        "model": bill.model,
        "prompt_version": deep.VERSION,
    }


def _float(value: Decimal | None) -> float | None:
    return None if value is None else float(value)
