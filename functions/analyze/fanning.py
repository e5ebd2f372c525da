"""Candidates given to workers by a queue, and a worker's part: what `explaining` does, with a message each.

A message may come twice, or again after its worker was killed. Its task (core.queries.tasks) is one worker's at a time
and ended once; the budgets are those that the run itself would have (analyze.calls), which all workers share. Who ends
the run's last task closes its books as the run would have: the funnel, and deep analyses of its best.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import Counter, defaultdict
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, TypeVar

from pydantic import AwareDatetime, TypeAdapter, ValidationError

from analyze import pipeline
from analyze.calls import Calls, name_of, open_calls
from analyze.explaining import PUBLISHED, candidates_of, explain_all
from analyze.pipeline import WITH_WORKERS
from analyze.side_by_side import LEFT
from aws import queues
from core.agent.evidence import Candidate
from core.agent.outside import RULES_CHARS
from core.db import Connection
from core.detect.rates import Rate
from core.detect.selection import STILL_ALIVE, Key
from core.errors import AnalystUnavailable, BadMessage, ConfigError, DatabaseDown, JobFailed, OddWonsError, TaskTaken
from core.models import OpenMarket, Pattern
from core.queries import analyzing, asking, rates, tasks
from core.queries.tasks import Task
from core.runtime import JOBS, RECORDING_S, Clock, Run, opened, right_clock
from core.settings import AnalyzeSettings

log = logging.getLogger(__name__)

T = TypeVar("T")

JOB = JOBS["analyze"]
CACHE_GROUPS = ("insights",)
_STALE = "its quote is too old"


@dataclass(frozen=True, slots=True)
class Message:
    """A candidate, and when the run began that selected it."""

    run: AwareDatetime
    candidate: Candidate

    @property
    def task(self) -> Task:
        pattern = self.candidate.pattern
        return Task(self.run, pattern.platform, pattern.market_id, pattern.detector)


_MESSAGE = TypeAdapter(Message)


async def run(run: Run[AnalyzeSettings]) -> dict[str, Any]:
    """The analyze job where a queue is set."""
    await _close_runs(run)
    said = await pipeline.run(run, explain=hand_over)
    await _close(run, run.now)  # where its workers were done before its funnel was stored
    return said


async def hand_over(
    run: Run[AnalyzeSettings],
    selected: Sequence[Pattern],
    markets: Sequence[OpenMarket],
    fair: Mapping[tuple[str, str], Decimal],
    measured: Mapping[Key, Sequence[Rate]],
) -> dict[str, Any]:
    """As explaining.explain, for workers to do. What the queue does not take is left for the next run."""
    if not run.settings.ai_analysis_enabled:
        return {"published": 0, "note": "AI_ANALYSIS_ENABLED is false"}
    if run.settings.analyze_queue_url is None:
        raise ValueError("there is no queue")
    candidates = await candidates_of(run, selected, markets, fair, measured)
    messages = [Message(run.now, replace(one, rules=one.rules[:RULES_CHARS])) for one in candidates]
    async with run.transaction() as connection:
        await tasks.insert_tasks(connection, [message.task for message in messages])
    # ASCII: a venue's text may hold characters for which SQS refuses a whole request
    bodies = [_MESSAGE.dump_json(message, ensure_ascii=True).decode() for message in messages]
    refused = await asyncio.to_thread(queues.send, run.settings.analyze_queue_url, bodies)
    if refused:
        async with run.transaction() as connection:
            for place in refused:
                await tasks.end_task(connection, messages[place].task, LEFT)
    counts = {WITH_WORKERS: len(bodies) - len(refused), LEFT: len(refused)}
    said = {"published": 0, "not_published": {reason: count for reason, count in counts.items() if count}}
    if not refused:
        return said
    error = next(iter(refused.values()))
    log.error("not handed over", extra={"error": error, "left": len(refused)})
    return said | {"queue_error": error}  # no "error", which would say that the analyst is away


async def _close_runs(run: Run[AnalyzeSettings]) -> None:
    """Of runs before this one: gives up what no worker ended while it was fresh, and closes those that are done."""
    too_old = run.now - timedelta(seconds=run.settings.max_quote_age_s)
    async with run.transaction() as connection:
        unclosed = await rates.open_funnels(connection, WITH_WORKERS)
        for at in unclosed:
            given_up = await tasks.give_up_tasks(connection, at, _STALE) if at <= too_old else 0
            if given_up:
                log.warning("tasks given up", extra={"run": at.isoformat(), "tasks": given_up})
    for at in unclosed:
        await _close(run, at)


async def _close(run: Run[AnalyzeSettings], at: datetime) -> None:
    """Counts what workers did with the candidates of the run of that time, once all of them have ended."""
    async with run.transaction() as connection:
        funnel = await rates.take_open_funnel(connection, at, WITH_WORKERS)
        if funnel is None:
            return  # closed, or not stored yet: then the run itself does it
        outcomes = Counter(await tasks.outcomes(connection, at))
        if outcomes[None]:
            return
        explained = {"published": outcomes.pop(PUBLISHED, 0), "not_published": {k: n for k, n in outcomes.items() if n}}
        # LEFT is what the queue did not take; it has been counted, as have they all now
        known = Counter({reason: n for reason, n in funnel.dropped.items() if reason != LEFT})
        await rates.update_funnel(connection, at, pipeline.funnel_of(replace(funnel, dropped=known), explained))
        await asking.insert_own(connection, at, run.now, run.settings.ai_deep_per_run)


async def work(
    bodies: Mapping[str, str], settings: AnalyzeSettings, limit_s: float, clock: Clock | None = None
) -> dict[str, Exception]:
    """Analyses a batch of messages, by their ids. Returns what failed of them and why: those must come again.

    `limit_s`: when the host will stop us.
    """
    messages, failures = _read(bodies)
    within_s = max(1.0, limit_s - RECORDING_S)
    async with opened(JOB, settings, time.monotonic() + within_s, clock) as run, asyncio.timeout(within_s):
        of_runs = defaultdict[datetime, dict[str, Message]](dict)
        for name, message in messages.items():
            of_runs[message.run][name] = message
        try:
            await right_clock(run)
            for at, of_run in of_runs.items():
                failures |= await _work_on(run, name_of(JOB.name, at), of_run)
                await _close(run, at)
        except (JobFailed, DatabaseDown) as error:
            failures |= {name: error for name in messages if name not in failures}
        finally:
            await run.cache.drop(*CACHE_GROUPS)
    for name, failure in failures.items():
        bug = None if isinstance(failure, OddWonsError) else failure
        log.warning("message failed", extra={"sqs_message": name, "error": str(failure)[:500]}, exc_info=bug)
    return failures


def _read(bodies: Mapping[str, str]) -> tuple[dict[str, Message], dict[str, Exception]]:
    messages: dict[str, Message] = {}
    failures: dict[str, Exception] = {}
    for name, body in bodies.items():
        try:
            messages[name] = _MESSAGE.validate_json(body)
        except ValidationError as error:
            failures[name] = BadMessage(f"no candidate: {error.error_count()} faults, the first in {error.title}")
    return messages, failures


async def _work_on(run: Run[AnalyzeSettings], budget: str, messages: Mapping[str, Message]) -> dict[str, Exception]:
    at_once = run.settings.ai_concurrency
    over, failures = await _each(messages, lambda message: _is_over(run, message), at_once)
    fresh = {name: messages[name] for name, is_over in over.items() if not is_over}
    if not fresh:
        return failures
    try:
        async with open_calls(run, "insights", name=budget) as calls:
            _, failed = await _each(fresh, lambda message: _analyse(run, calls, message), at_once)
    except (ConfigError, AnalystUnavailable) as error:  # it is not to be asked now, or cannot be
        failed = dict.fromkeys(fresh, error)
    return failures | failed


async def _each(
    messages: Mapping[str, Message], do: Callable[[Message], Awaitable[T]], at_once: int
) -> tuple[dict[str, T], dict[str, Exception]]:
    """What came of each, and the failures: one message's is not the others', whatever it is."""
    room = asyncio.Semaphore(at_once)

    async def one(message: Message) -> T:
        async with room:
            return await do(message)

    ended = await asyncio.gather(*(one(message) for message in messages.values()), return_exceptions=True)
    results: dict[str, T] = {}
    failures: dict[str, Exception] = {}
    for name, end in zip(messages, ended, strict=True):
        if isinstance(end, Exception):
            failures[name] = end
        elif isinstance(end, BaseException):
            raise end
        else:
            results[name] = end
    return results, failures


async def _is_over(run: Run[AnalyzeSettings], message: Message) -> bool:
    """Whether nothing is left to do: it was done before, its market has an insight, or its prices are of long ago."""
    candidate, task = message.candidate, message.task
    too_old = run.now - timedelta(seconds=run.settings.max_quote_age_s)
    async with run.transaction() as connection:
        if await tasks.has_ended(connection, task):
            return True
        if await analyzing.is_alive(connection, task.platform, task.market_id):
            outcome = STILL_ALIVE  # nobody was asked, as where the run itself finds one
        elif candidate.quoted_at < too_old:
            outcome = _STALE
        else:
            return False
        await tasks.end_task(connection, task, outcome)
    return True


async def _analyse(run: Run[AnalyzeSettings], calls: Calls, message: Message) -> None:
    """Raises TaskTaken, AnalystUnavailable: the message must come again."""
    task = message.task
    held_s = 1.0 if run.until is None else max(1.0, run.until - time.monotonic())
    async with run.transaction() as connection:
        times = await tasks.take_task(connection, task, held_s)
        if times is None:
            if await tasks.has_ended(connection, task):
                return
            raise TaskTaken(f"{task.market_id}: another worker is at it")
    if times > 1:
        log.info("begun again", extra={"market_id": task.market_id, "times": times})

    async def ended(connection: Connection, _: Pattern, outcome: str) -> None:
        await tasks.end_task(connection, task, outcome)

    said = await explain_all(run, calls, [message.candidate], ended)
    outcome = next(iter(said["not_published"]), PUBLISHED)
    async with run.transaction() as connection:
        if outcome == LEFT:
            await tasks.free_task(connection, task)
        else:
            await tasks.end_task(connection, task, outcome)
    if outcome == LEFT:
        raise AnalystUnavailable(str(said["error"]))
