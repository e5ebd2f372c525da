"""Candidates given to workers by a queue, and a worker's part: what `explaining` does, with a message each.

A message may come twice, or again after its worker was killed. Its task (core.queries.tasks) is one worker's at a time
and ended once; the budgets are those that the run itself would have (analyze.calls), which all workers share.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import defaultdict
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from typing import Any, TypeVar

from pydantic import AwareDatetime, TypeAdapter, ValidationError

from analyze.calls import Calls, name_of, open_calls
from analyze.explaining import ALIVE, LEFT, candidates_of, explain_all
from aws import queues
from core.agent.evidence import Candidate
from core.detect.rates import Rate
from core.detect.selection import Key
from core.errors import AnalystUnavailable, BadMessage, ConfigError, OddWonsError, QueueDown, TaskTaken
from core.models import OpenMarket, Pattern
from core.queries import analyzing, tasks
from core.queries.tasks import Task
from core.runtime import JOBS, RECORDING_S, Run, opened
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


async def hand_over(
    run: Run[AnalyzeSettings],
    selected: Sequence[Pattern],
    markets: Sequence[OpenMarket],
    fair: Mapping[tuple[str, str], Decimal],
    rates: Mapping[Key, Sequence[Rate]],
) -> dict[str, Any]:
    """As explaining.explain, for workers to do. A queue that is away leaves them for the next run."""
    if not run.settings.ai_analysis_enabled:
        return {"published": 0, "note": "AI_ANALYSIS_ENABLED is false"}
    if run.settings.analyze_queue_url is None:
        raise ValueError("there is no queue")
    candidates = await candidates_of(run, selected, markets, fair, rates)
    bodies = [_MESSAGE.dump_json(Message(run.now, candidate)).decode() for candidate in candidates]
    try:
        await asyncio.to_thread(queues.send, run.settings.analyze_queue_url, bodies)
    except QueueDown as error:
        log.error("queue unavailable", extra={"error": str(error)})
        return {"published": 0, "not_published": {LEFT: len(bodies)}, "error": str(error)}
    return {"published": 0, "handed_over": len(bodies)}


async def work(bodies: Mapping[str, str], settings: AnalyzeSettings, limit_s: float) -> dict[str, Exception]:
    """Analyses a batch of messages, by their ids. Returns what failed of them and why: those must come again.

    `limit_s`: when the host will stop us. Raises DatabaseDown where nothing could be done.
    """
    messages, failures = _read(bodies)
    within_s = max(1.0, limit_s - RECORDING_S)
    async with opened(JOB, settings, time.monotonic() + within_s) as run, asyncio.timeout(within_s):
        of_runs = defaultdict[str, dict[str, Message]](dict)
        for name, message in messages.items():
            of_runs[name_of(JOB.name, message.run)][name] = message
        try:
            for budget, of_run in of_runs.items():
                failures |= await _work_on(run, budget, of_run)
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
    over, failures = await _each(messages, lambda message: _is_over(run, message))
    fresh = {name: messages[name] for name, is_over in over.items() if not is_over}
    if not fresh:
        return failures
    try:
        async with open_calls(run, "insights", name=budget) as calls:
            _, failed = await _each(fresh, lambda message: _analyse(run, calls, message))
    except (ConfigError, AnalystUnavailable) as error:  # it is not to be asked now, or cannot be
        failed = dict.fromkeys(fresh, error)
    return failures | failed


async def _each(
    messages: Mapping[str, Message], do: Callable[[Message], Awaitable[T]]
) -> tuple[dict[str, T], dict[str, Exception]]:
    """What came of each, and the failures: one message's is not the others', whatever it is."""
    ended = await asyncio.gather(*(do(message) for message in messages.values()), return_exceptions=True)
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
            outcome = ALIVE
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
    said = await explain_all(run, calls, [message.candidate])
    outcome = next(iter(said["not_published"]), "published")
    async with run.transaction() as connection:
        if outcome == LEFT:
            await tasks.free_task(connection, task)
        else:
            await tasks.end_task(connection, task, outcome)
    if outcome == LEFT:
        raise AnalystUnavailable(str(said["error"]))
