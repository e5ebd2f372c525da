"""Questions side by side: what becomes of one is not the others' affair, but for an analyst that is away."""

from __future__ import annotations

import asyncio

import pytest

from analyze.side_by_side import LEFT, ask_all
from core.errors import AnalystUnavailable, BudgetSpent


async def test_what_became_of_each_is_counted_as_often_as_it_counts() -> None:
    async def ask(question: int) -> str:
        return "even" if question % 2 == 0 else "odd"

    assert await ask_all([2, 3, 4], ask, 2, lambda question: question) == ({"even": 6, "odd": 3}, None)


async def test_one_that_is_too_dear_stops_no_other() -> None:
    async def ask(question: str) -> str:
        if question == "long":
            raise BudgetSpent("daily budget spent")
        return "published"

    outcomes, error = await ask_all(["short", "long", "short", "long", "short"], ask, 1)
    assert (outcomes, error) == ({"published": 3, "daily budget spent": 2}, None)


async def test_once_the_analyst_is_away_nobody_asks_it_again() -> None:
    asked = []

    async def ask(question: int) -> str:
        asked.append(question)
        if question == 1:
            raise AnalystUnavailable("the service is down")
        return "published"

    outcomes, error = await ask_all(range(5), ask, 1)
    assert (outcomes, error) == ({"published": 1, LEFT: 4}, "the service is down")
    assert asked == [0, 1]


async def test_a_bug_is_raised_when_all_the_others_have_ended() -> None:
    ended = []

    async def ask(question: int) -> str:
        if question == 0:
            raise ZeroDivisionError
        await asyncio.sleep(0.01)
        ended.append(question)
        return "published"

    with pytest.raises(ZeroDivisionError):
        await ask_all(range(4), ask, 2)
    assert ended == [1, 2, 3]


async def test_no_more_are_asked_at_once_than_were_allowed() -> None:
    under_way, most = 0, 0

    async def ask(_: int) -> str:
        nonlocal under_way, most
        under_way += 1
        most = max(most, under_way)
        await asyncio.sleep(0)
        under_way -= 1
        return "published"

    await ask_all(range(20), ask, 3)
    assert most == 3
