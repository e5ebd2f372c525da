"""Many questions to the analyst side by side: all of them end, whatever becomes of one."""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

from core.errors import AnalystUnavailable, BudgetSpent

log = logging.getLogger(__name__)

LEFT = "left for the next run"

T = TypeVar("T")


async def ask_all(
    questions: Sequence[T],
    ask: Callable[[T], Awaitable[str]],
    concurrency: int,
    counts: Callable[[T], int] = lambda _: 1,
) -> tuple[Counter[str], str | None]:
    """(how many ended how, the operator's line where the analyst was away; the rest was not asked then).

    `ask` says what became of a question, which `counts` as so many. One that the budget has no room for tells nothing
    of the others: a shorter one may still be paid. Any other failure is raised, once all have ended: none may go on
    without the analyst and the pool.
    """
    room = asyncio.Semaphore(concurrency)
    outcomes: Counter[str] = Counter()
    spent: set[str] = set()
    away: list[str] = []

    async def one(question: T) -> None:
        async with room:
            try:
                outcome = LEFT if away else await ask(question)
            except BudgetSpent as error:
                spent.add(outcome := str(error))
            except AnalystUnavailable as error:
                away.append(str(error))
                outcome = LEFT
            outcomes[outcome] += counts(question)

    ended = await asyncio.gather(*(one(question) for question in questions), return_exceptions=True)
    for failure in ended:
        if failure is not None:
            raise failure
    if away:
        log.error("analyst unavailable", extra={"error": away[0], "left": outcomes[LEFT]})
    for reason in sorted(spent):
        log.warning("budget spent", extra={"reason": reason, "left": outcomes[reason]})
    return outcomes, away[0] if away else None
