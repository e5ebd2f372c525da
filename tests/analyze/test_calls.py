"""Budgets: what is reserved before calls, by however many at once, and what stands when a run dies."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from analyze.calls import Bill, Judged, Subject, open_calls, refusal
from core.agent import prompt
from core.agent.answers import OpportunityAnswer
from core.agent.evidence import gather, pack
from core.errors import BudgetSpent
from core.queries.spending import Part, Spent
from core.runtime import Run
from core.settings import AnalyzeSettings
from tests.analyze.conftest import NOW, MakeRun, Outside, rows
from tests.core.agent.making import make_candidate

CANDIDATE = make_candidate()
EVIDENCE = gather(CANDIDATE, NOW)
MESSAGES = prompt.messages(pack(CANDIDATE, EVIDENCE))
SUBJECT = Subject("kalshi", "KXTEST", 1, prompt.VERSION)
PARTS: tuple[Part, ...] = ("insights", "deep", "requests")
money = st.decimals(0, 1, places=6)


def passes(_: OpportunityAnswer) -> Sequence[str]:
    return []


async def judge(run: Run[AnalyzeSettings], times: int, part: Part = "insights") -> list[Any]:
    async with open_calls(run, part) as calls:
        return await asyncio.gather(
            *(calls.judge(OpportunityAnswer, "opportunity", MESSAGES, passes, SUBJECT) for _ in range(times)),
            return_exceptions=True,
        )


@pytest.fixture
async def reserved(make_run: MakeRun, outside: Outside) -> float:
    """Dollars that one call reserves."""
    run = await make_run("analyze", NOW, **outside.settings())
    await judge(run, 1)
    (call,) = await rows(run, "DELETE FROM ai_calls RETURNING *")
    return float(call["reserved_usd"])


async def test_processes_at_once_do_not_overspend(make_run: MakeRun, outside: Outside, reserved: float) -> None:
    budget = 4.5 * reserved
    outside.plan_groq(latency_ms=50)
    limits = {"ai_budget_usd_per_day": budget, "ai_requests_share": 0, "ai_budget_usd_per_run": 1}
    runs = [await make_run("analyze", NOW, **outside.settings() | limits) for _ in range(3)]
    ended = [end for of_run in await asyncio.gather(*(judge(run, 20) for run in runs)) for end in of_run]
    assert {type(end) for end in ended} == {Judged, BudgetSpent}
    assert {str(end) for end in ended if isinstance(end, BudgetSpent)} == {"daily budget spent"}
    (spent,) = await rows(runs[0], "SELECT sum(cost_usd) AS usd, count(*) AS calls FROM ai_calls")
    assert spent["usd"] <= Decimal(str(budget))
    assert spent["calls"] == sum(isinstance(end, Judged) for end in ended) == len(outside.calls()) - 1
    assert spent["calls"] > 5, "what a call did not cost is there for others"


async def test_at_no_moment_is_more_reserved_than_the_budget(
    make_run: MakeRun, outside: Outside, reserved: float
) -> None:
    outside.plan_groq(latency_ms=300)
    limits = {"ai_budget_usd_per_run": 2.5 * reserved, "ai_budget_usd_per_day": 10}
    run = await make_run("analyze", NOW, **outside.settings() | limits)
    work = asyncio.create_task(judge(run, 8))
    seen = []
    while not work.done():
        (now,) = await rows(run, "SELECT coalesce(sum(coalesce(cost_usd, reserved_usd)), 0) AS usd FROM ai_calls")
        seen.append(float(now["usd"]))
        await asyncio.sleep(0.02)
    assert max(seen) <= 2.5 * reserved
    assert any(isinstance(end, Judged) for end in work.result())


async def test_a_call_that_is_broken_off_leaves_nobody_waiting_for_its_end(
    make_run: MakeRun, outside: Outside, reserved: float
) -> None:
    outside.plan_groq(latency_ms=60_000)
    run = await make_run("analyze", NOW, **outside.settings() | {"ai_budget_usd_per_run": 1.5 * reserved})
    async with open_calls(run, "insights") as calls:
        first, second = (
            asyncio.create_task(calls.judge(OpportunityAnswer, "opportunity", MESSAGES, passes, SUBJECT))
            for _ in range(2)
        )
        while len(outside.calls()) < 2:  # noqa: ASYNC110
            await asyncio.sleep(0.02)
        first.cancel()
        with pytest.raises(BudgetSpent, match="the run's budget is spent"):
            await asyncio.wait_for(second, 20)
    assert first.cancelled()


async def test_a_killed_runs_call_counts_as_reserved(make_run: MakeRun, outside: Outside, reserved: float) -> None:
    outside.plan_groq(latency_ms=60_000)
    limits = {"ai_budget_usd_per_day": 1.5 * reserved, "ai_requests_share": 0}
    run = await make_run("analyze", NOW, **outside.settings() | limits)
    work = asyncio.create_task(judge(run, 1))
    while len(outside.calls()) < 2:  # noqa: ASYNC110
        await asyncio.sleep(0.02)
    work.cancel()
    with pytest.raises(asyncio.CancelledError):
        await work
    outside.plan_groq(latency_ms=0)
    (ended,) = await judge(await make_run("analyze", NOW, **outside.settings() | limits), 1)
    assert str(ended) == "daily budget spent"


@pytest.mark.parametrize(
    ("limits", "part", "reason"),
    [
        ({"ai_budget_usd_per_day": 0}, "insights", "daily budget spent"),
        ({"ai_requests_share": 1}, "insights", "daily budget spent"),
        ({"ai_budget_usd_per_run": 0}, "insights", "the run's budget is spent"),
        ({"ai_requests_share": 0}, "requests", "the requests' share of the daily budget is spent"),
        ({"ai_deep_share": 0}, "deep", "the deep analyses' share of the daily budget is spent"),
        ({"ai_tokens_per_day": 1}, "insights", "the day's tokens are used up"),
    ],
)
async def test_each_limit_is_told_by_its_name(
    make_run: MakeRun, outside: Outside, limits: dict[str, Any], part: Part, reason: str
) -> None:
    run = await make_run("analyze", NOW, **outside.settings() | limits)
    (ended,) = await judge(run, 1, part)
    assert (type(ended), str(ended)) == (BudgetSpent, reason)
    assert outside.calls() == []


@given(st.lists(st.tuples(st.sampled_from(PARTS), money), max_size=40), money, money, money, money)
def test_no_order_of_calls_exceeds_a_budget_or_takes_the_others_share(
    calls: list[tuple[Part, Decimal]], day: Decimal, run: Decimal, requests_share: Decimal, deep_share: Decimal
) -> None:
    settings = AnalyzeSettings(
        database_url="postgresql://unused/x",
        ai_budget_usd_per_day=float(day),
        ai_budget_usd_per_run=float(run),
        ai_requests_share=float(requests_share),
        ai_deep_share=float(deep_share),
    )
    usd: dict[str, Decimal] = {}
    for part, cost in calls:
        if refusal(settings, part, Spent(dict(usd), sum(usd.values(), Decimal(0)), 0), cost, 0) is None:
            usd[part] = usd.get(part, Decimal(0)) + cost
    by_requests = usd.get("requests", Decimal(0))
    assert sum(usd.values()) <= min(day, run)
    assert by_requests <= day * requests_share
    assert sum(usd.values()) - by_requests <= day - day * requests_share
    assert usd.get("deep", Decimal(0)) <= day * deep_share


def test_a_bill_adds_up() -> None:
    one = Bill("m", ["a"], 10, 4, 3, Decimal("0.1"))
    assert one + one == Bill("m", ["a", "a"], 20, 8, 6, Decimal("0.2"))
