"""Calls to the analyst within the budgets: each reserved before it is made, corrected after it, repaired once."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, Generic, TypeVar

from pydantic import BaseModel

from core.agent.groq import Analyst, Messages, Reply, open_analyst
from core.agent.repair import repaired
from core.errors import AnalystBusy, AnalystUnavailable, AnswerRejected, BudgetSpent
from core.queries import spending
from core.queries.spending import Minute, Outcome, Part, Spent, Wanted
from core.runtime import Run
from core.settings import AnalyzeSettings

A = TypeVar("A", bound=BaseModel)

NOT_GROUNDED, NO_ANSWER = "not grounded", "no valid answer"
_LOOK_AGAIN_S = 1.0  # at what other processes have used of a minute's limits
_STORING_S = 15.0  # what a run has left for its end when its last call has ended


@dataclass(frozen=True, slots=True)
class Subject:
    """What a call is about. `evidence_digest` is the same for the same evidence."""

    platform: str
    market_id: str
    evidence_digest: int
    prompt_version: str


@dataclass(slots=True)
class Bill:
    """What the calls of an analysis used, those that were in vain too."""

    model: str
    calls: list[str] = field(default_factory=list)
    prompt_tokens: int = 0
    cached_tokens: int = 0
    completion_tokens: int = 0
    cost_usd: Decimal = Decimal(0)

    def as_row(self) -> dict[str, Any]:
        names = ("model", "prompt_tokens", "cached_tokens", "completion_tokens", "cost_usd")
        return {name: getattr(self, name) for name in names}

    def __add__(self, other: Bill) -> Bill:
        return Bill(
            other.model,
            self.calls + other.calls,
            self.prompt_tokens + other.prompt_tokens,
            self.cached_tokens + other.cached_tokens,
            self.completion_tokens + other.completion_tokens,
            self.cost_usd + other.cost_usd,
        )


@dataclass(frozen=True, slots=True)
class Judged(Generic[A]):
    """`answer` passed the wall; None where none did, and then `reason` and `detail` say why."""

    answer: A | None
    bill: Bill
    reason: str = ""
    detail: str = ""


class Calls:
    """One model's calls of one run, for one part of the budget. `name`: the run whose budget it is; by default this."""

    def __init__(self, run: Run[AnalyzeSettings], analyst: Analyst, part: Part, name: str | None = None) -> None:
        self.model = analyst.model
        self._run, self._analyst, self._part = run, analyst, part
        self._name = name or name_of(run.job.name, run.now)
        self._freed = asyncio.Condition()
        self._under_way = 0
        self._pending: list[_Pending] = []

    async def judge(
        self, kind: type[A], name: str, messages: Messages, wall: Callable[[A], Sequence[str]], subject: Subject
    ) -> Judged[A]:
        """Asks, and where the answer has faults once more with their list.

        Raises AnalystUnavailable or BudgetSpent. What was answered until then has been paid and is stored.
        """
        bill = Bill(self.model)
        first = await self._once(kind, name, messages, wall, subject, bill)
        if first.answer is not None or first.said is None:
            return self._judged(first, bill)
        again = repaired(messages, first.said, first.faults)
        return self._judged(await self._once(kind, name, again, wall, subject, bill), bill)

    @staticmethod
    def _judged(attempt: _Attempt[A], bill: Bill) -> Judged[A]:
        return Judged(attempt.answer, bill, attempt.reason, "; ".join(dict.fromkeys(attempt.faults)))

    async def _once(
        self,
        kind: type[A],
        name: str,
        messages: Messages,
        wall: Callable[[A], Sequence[str]],
        subject: Subject,
        bill: Bill,
    ) -> _Attempt[A]:
        call_id = await self._reserve(*self._analyst.most(kind, name, messages), subject)
        bill.calls.append(call_id)
        try:
            reply = await self._analyst.ask(kind, name, messages)
        except AnswerRejected as error:
            await self._settle(call_id, "rejected", error.cost_usd if error.is_cost_known else None)
            bill.cost_usd += error.cost_usd
            may_be_repaired = error.said is not None or error.cost_usd > 0 or not error.is_cost_known
            return _Attempt(None, (error.said or "") if may_be_repaired else None, NO_ANSWER, [str(error)])
        except AnalystUnavailable as error:
            # After a deadline nobody knows what was generated: the reservation stands.
            await self._settle(
                call_id, "unavailable", None if isinstance(error.__cause__, TimeoutError) else Decimal(0)
            )
            if isinstance(error, AnalystBusy):
                await self._pause(error)
            raise
        except BaseException:
            await self._free()
            raise
        await self._settle(call_id, "answered", reply.cost_usd, reply)
        bill.model = reply.model
        bill.prompt_tokens += reply.prompt_tokens
        bill.cached_tokens += reply.cached_tokens
        bill.completion_tokens += reply.completion_tokens
        bill.cost_usd += reply.cost_usd
        found = list(wall(reply.answer))
        return _Attempt(None if found else reply.answer, reply.said, NOT_GROUNDED if found else "", found)

    async def _reserve(self, usd: Decimal, tokens: int, subject: Subject) -> str:
        """What is under way here may turn out cheaper than reserved: with it the budget is not known to be spent.

        A minute's limits are waited for, as long as there is time. Raises BudgetSpent, AnalystBusy.
        """
        run, midnight = self._run, self._run.now.replace(hour=0, minute=0, second=0, microsecond=0)
        wanted = Wanted(
            run.now,
            self._name,
            self._part,
            subject.platform,
            subject.market_id,
            self.model,
            subject.prompt_version,
            subject.evidence_digest,
            usd,
            tokens,
        )
        mine = _Pending(wanted)
        self._pending.append(mine)
        async with self._freed:
            # Those that came while another's transaction was under way are reserved together, in the next one.
            try:
                while mine.call_id is None:
                    await self._reserve_pending(midnight)
                    if mine.call_id is None:
                        await self._wait_for_room(mine)
            finally:
                if mine.call_id is None:
                    self._pending.remove(mine)
                    self._freed.notify_all()  # one of them may be the first now
        return mine.call_id

    async def _wait_for_room(self, mine: _Pending) -> None:
        """The first of those that wait looks what other processes have left of the minute; the others follow it."""
        if mine.refused:
            if self._under_way == 0:
                raise BudgetSpent(mine.refused)
            await self._freed.wait()
            return
        leave_by = self._analyst.leave_by
        if leave_by is not None and time.monotonic() + _LOOK_AGAIN_S > leave_by:
            raise AnalystBusy("the limits of a minute, which all processes share, are used up", 60.0)
        with suppress(TimeoutError):
            async with asyncio.timeout(_LOOK_AGAIN_S if self._pending[0] is mine else 5 * _LOOK_AGAIN_S):
                await self._freed.wait()

    async def _reserve_pending(self, midnight: datetime) -> None:
        reserved = []
        async with self._run.transaction() as connection:
            settings = self._run.settings
            spent = await spending.spent_for(connection, midnight, self._name)
            minute = await spending.minute_of(connection, self.model, settings.ai_timeout_s)
            for one in self._pending:
                wanted = one.wanted
                one.refused = refusal(settings, self._part, spent, wanted.usd, wanted.tokens) or ""
                if one.refused:
                    continue
                if not has_room(settings, minute, wanted.tokens):
                    break  # who comes first goes first: a large call is not starved by small ones
                reserved.append((one, await spending.insert_call(connection, wanted)))
                spent, minute = spent.plus(wanted), minute.plus(wanted)
        for one, call_id in reserved:
            one.call_id = call_id
            self._pending.remove(one)
        self._under_way += len(reserved)
        if reserved:
            self._freed.notify_all()  # some of them are waiting

    async def _settle(
        self, call_id: str, outcome: Outcome, cost: Decimal | None, reply: Reply[Any] | None = None
    ) -> None:
        tokens = (None,) * 3 if reply is None else (reply.prompt_tokens, reply.cached_tokens, reply.completion_tokens)
        if reply is None and cost == 0:
            tokens = (0, 0, 0)
        try:
            async with self._run.transaction() as connection:
                await spending.mark_call(connection, call_id, outcome, cost, tokens)
        finally:
            await self._free()

    async def _free(self) -> None:
        """One of those that wait for what a call did not use looks again; when none is under way, all do."""
        async with self._freed:
            self._under_way -= 1
            if self._under_way:
                self._freed.notify()
            else:
                self._freed.notify_all()

    async def _pause(self, error: AnalystBusy) -> None:
        until = self._run.clock() + timedelta(seconds=error.wait_s)
        async with self._run.transaction() as connection:
            await spending.upsert_pause(connection, self.model, until, str(error))


@dataclass(eq=False, slots=True)
class _Pending:
    """A call that waits for its reservation, and why it was refused when last looked at."""

    wanted: Wanted
    call_id: str | None = None
    refused: str = ""


@dataclass(frozen=True, slots=True)
class _Attempt(Generic[A]):
    """`said` is None where asking again is of no use."""

    answer: A | None
    said: str | None
    reason: str
    faults: list[str]


def refusal(settings: AnalyzeSettings, part: Part, spent: Spent, usd: Decimal, tokens: int) -> str | None:
    """Why a call of this part may not be made; None if it may.

    The requests' share is theirs and no more than it: neither they nor the regular run can take the other's.
    """
    day = Decimal(str(settings.ai_budget_usd_per_day))
    of_requests = day * Decimal(str(settings.ai_requests_share))
    by_requests = spent.usd.get("requests", Decimal(0))
    if part == "requests":
        if by_requests + usd > of_requests:
            return "the requests' share of the daily budget is spent"
    elif sum(spent.usd.values(), Decimal(0)) - by_requests + usd > day - of_requests:
        return "daily budget spent"
    if part == "deep" and spent.usd.get("deep", Decimal(0)) + usd > day * Decimal(str(settings.ai_deep_share)):
        return "the deep analyses' share of the daily budget is spent"
    if spent.run_usd + usd > Decimal(str(settings.ai_budget_usd_per_run)):
        return "the run's budget is spent"
    if settings.ai_tokens_per_minute and tokens > settings.ai_tokens_per_minute:
        return "AI_TOKENS_PER_MINUTE is less than one call may use"
    if settings.ai_tokens_per_day and spent.tokens + tokens > settings.ai_tokens_per_day:
        return "the day's tokens are used up"
    return None


def has_room(settings: AnalyzeSettings, minute: Minute, tokens: int) -> bool:
    """Whether one more call of so many tokens keeps within the limits of a minute."""
    calls, most = settings.ai_requests_per_minute, settings.ai_tokens_per_minute
    return (not calls or minute.calls < calls) and (not most or minute.tokens + tokens <= most)


def name_of(job: str, at: datetime) -> str:
    """Whose budget of a run a call counts against."""
    return f"{job} {at.isoformat()}"


@asynccontextmanager
async def open_calls(
    run: Run[AnalyzeSettings], part: Part, model: str | None = None, name: str | None = None
) -> AsyncIterator[Calls]:
    """Raises ConfigError, and AnalystBusy while the service wants to be left alone since an earlier run."""
    until = run.until
    if until is None and run.job.deadline_s is not None:
        until = time.monotonic() + run.job.deadline_s
    async with open_analyst(run.settings, model, None if until is None else until - _STORING_S) as analyst:
        async with run.transaction() as connection:
            pause = await spending.pause_of(connection, analyst.model, run.now)
        if pause is not None:
            wait_s = (pause[0] - run.now).total_seconds()
            raise AnalystBusy(f"left alone until {pause[0]:%Y-%m-%d %H:%M:%S} UTC: {pause[1]}", wait_s)
        yield Calls(run, analyst, part, name)
