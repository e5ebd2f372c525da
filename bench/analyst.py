"""The analyst against the stand-in at 300 ms a call: how fast, how much of its limits, at what price."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import httpx
from pydantic import SecretStr

from analyze import explaining
from bench.database import connected, database_url
from bench.result import Result, at_least, at_most
from core import db
from core.cache import make_cache
from core.db import Connection
from core.models import OpenMarket, Pattern
from core.runtime import JOBS, Run
from core.settings import AnalyzeSettings
from local.kit import free_port

NOW = datetime(2026, 11, 22, 13, 5, tzinfo=UTC)
LATENCY_MS = 300
ANALYSES, SERIAL = 500, 40
FAST_AT_ONCE = 64
LIMITED, MINUTE_TOKENS = 250, 170_000
DETECTORS = ("price_jump", "volume_spike", "wide_spread", "cross_venue_gap")


@contextmanager
def stand_in(*arguments: str) -> Iterator[str]:
    """In a process of its own, as Groq is: its work must not be taken for ours."""
    port = free_port()
    command = [sys.executable, "-m", "local.groq", "--port", str(port), "--latency-ms", str(LATENCY_MS), *arguments]
    with subprocess.Popen(command) as process:  # noqa: S603  our own
        try:
            url = f"http://127.0.0.1:{port}"
            _wait_for(url)
            yield url
        finally:
            process.terminate()


def _wait_for(url: str) -> None:
    for _ in range(200):
        try:
            if httpx.get(f"{url}/control/calls").status_code == 200:
                return
        except httpx.TransportError:
            time.sleep(0.05)
    raise RuntimeError("the stand-in did not start")


def _refused(groq: str) -> int:
    """Of the last calls, as many as the stand-in remembers."""
    return sum(call["status"] != 200 for call in httpx.get(f"{groq}/control/calls").json()["calls"])


@asynccontextmanager
async def opened(url: str, groq: str, **settings: Any) -> AsyncIterator[Run[AnalyzeSettings]]:
    """A run over the bench's database, with budgets that are not what is measured."""
    given: dict[str, Any] = {
        "ai_budget_usd_per_day": 100,
        "ai_budget_usd_per_run": 100,
        "groq_api_key": "gsk_bench",
    } | settings
    chosen = AnalyzeSettings(database_url=SecretStr(url), groq_base_url=groq, ai_requests_per_minute=0, **given)
    pool = await db.make_pool(chosen)
    # Long enough for one after another; the limits are what is measured.
    job = replace(JOBS["analyze"], deadline_s=3_600)
    try:
        yield Run(job, chosen, pool, make_cache(chosen), lambda: NOW, NOW)
    finally:
        await pool.close()


def make_cases(count: int, start: int) -> tuple[list[Pattern], list[OpenMarket], dict[tuple[str, str], Decimal]]:
    """Patterns with evidence as rich as in the product: prices, moves, volumes, a fair price, rules of a page."""
    patterns, markets, fair = [], [], {}
    for number in range(start, start + count):
        market_id, price = f"KXBENCH-{number}", Decimal(10 + number % 80) / 100
        numbers = {
            "move_1h_cents": float(number % 13 - 6) or 1.5,
            "move_24h_cents": float(number % 17 - 8) or 2.5,
            "move_sigmas": 3.1 + number % 7,
            "volume_1h": 900.0 + number,
            "volume_typical_1h": 100.0 + number % 50,
            "volume_ratio": 9.0,
        }
        score = 60.0 + number % 40
        patterns.append(
            Pattern("kalshi", market_id, None, "Politics", DETECTORS[number % len(DETECTORS)], score, numbers)
        )
        markets.append(
            OpenMarket(
                platform="kalshi",
                market_id=market_id,
                event_id=None,
                title=f"Will the committee of district {number} approve the budget before the end of the year?",
                category="Politics",
                close_time=NOW + timedelta(hours=48 + number),
                yes_token=None,
                mutually_exclusive=False,
                price=price,
                yes_price=price + Decimal("0.01"),
                no_price=1 - price + Decimal("0.01"),
                volume=Decimal(50_000 + number),
                volume_24h=Decimal(12_345 + number),
                quoted_at=NOW - timedelta(minutes=4),
                fee_rate=Decimal("0.07"),
                fee_exponent=Decimal(1),
            )
        )
        fair["kalshi", market_id] = min(price + Decimal("0.04"), Decimal("0.99"))
    return patterns, markets, fair


RULES = (
    "If the committee has approved the budget before 31 December 2026, 11:59 PM ET, then the market resolves to Yes. "
    "Approval is what the committee's own minutes say, or, where they are not published in time, two newspapers of "
    "record. A budget that is approved in part does not count, nor does one that is approved under a condition which "
    "is not met in time. If the session is postponed, the market stays open until the session has been held, but no "
    "longer than until the end of the following month. "
) * 2


async def store(connection: Connection, markets: Sequence[OpenMarket]) -> None:
    await connection.executemany(
        """
        INSERT INTO markets (platform, market_id, title, rules, yes_label, no_label, url, status, terms_digest,
            raw_data, first_seen_at, terms_seen_at, status_seen_at)
        VALUES ($1, $2, $3, $4, 'Yes', 'No', '', 'open', 1, '{}', $5, $5, $5)
        """,
        [(market.platform, market.market_id, market.title, RULES, NOW) for market in markets],
    )
    await connection.executemany(
        """
        INSERT INTO market_latest (platform, market_id, time, yes_price, yes_size, no_price, no_size)
        VALUES ($1, $2, $3, $4, 200, $5, 200)
        """,
        [
            (market.platform, market.market_id, market.quoted_at, market.yes_price, market.no_price)
            for market in markets
        ],
    )


async def explained(url: str, groq: str, count: int, start: int, **settings: Any) -> float:
    """Seconds that `count` analyses take, all of which must come to an end."""
    patterns, markets, fair = make_cases(count, start)
    async with opened(url, groq, **settings) as run:
        async with run.transaction() as connection:
            await store(connection, markets)
        started = time.perf_counter()
        said = await explaining.explain(run, patterns, markets, fair, {})
        seconds = time.perf_counter() - started
    if "error" in said or said["published"] + said["not_published"].get("not grounded", 0) != count:
        raise RuntimeError(f"calls were lost: {json.dumps(said)}")
    return seconds


async def speed() -> list[Result]:
    """Without limits: so many at once against one after another."""
    unlimited = ("--tokens-per-minute", "1000000000", "--requests-per-minute", "1000000000")
    with database_url() as url, stand_in(*unlimited) as groq:
        async with connected(url) as connection:
            at_once = await explained(url, groq, ANALYSES, 0, ai_concurrency=FAST_AT_ONCE)
            cost = await connection.fetchval("SELECT sum(cost_usd) FROM ai_calls")
            (tokens,) = await connection.fetch(
                "SELECT avg(prompt_tokens)::int AS prompt, avg(cached_tokens)::int AS cached, "
                "avg(completion_tokens)::int AS completion, count(*) AS calls FROM ai_calls"
            )
            serial = ANALYSES / SERIAL * await explained(url, groq, SERIAL, 10_000, ai_concurrency=1)
    said = f"{tokens['calls']} calls of {tokens['prompt']} tokens in ({tokens['cached']} cached)"
    return [
        at_least(
            "analyst_vs_serial",
            serial / at_once,
            "times",
            f"{ANALYSES} in {at_once:.1f} s; one after another {serial:.0f} s (by {SERIAL})",
            20,
        ),
        at_most("cost_per_500_usd", float(cost), "USD", f"{said}, {tokens['completion']} out, list prices", 0.25),
    ]


async def limit_use() -> list[Result]:
    """Under limits for a minute: what was used of what bucket and time allowed until the last call began."""
    limits = ("--tokens-per-minute", str(MINUTE_TOKENS), "--requests-per-minute", "1000000")
    with database_url() as url, stand_in(*limits) as groq:
        async with connected(url) as connection:
            seconds = await explained(url, groq, LIMITED, 0, ai_concurrency=FAST_AT_ONCE)
            used = await connection.fetchval(
                "SELECT sum(prompt_tokens - cached_tokens + completion_tokens) FROM ai_calls"
            )
            refused = _refused(groq)
    allowed = MINUTE_TOKENS * (1 + seconds / 60)
    return [
        at_least(
            "analyst_limit_use",
            used / allowed,
            "share",
            f"{used:,} of {allowed:,.0f} tokens in {seconds:.0f} s, {refused} calls refused, none lost",
            0.95,
        )
    ]
