"""A whole collect cycle over HTTP: against the bare download, its memory, its growth, its traffic to the database."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from statistics import median
from typing import Any

import httpx
import orjson

from bench.result import Result, at_least, at_most
from bench.wire import counted
from collect import sweep
from core import db
from core.http import open_client
from core.models import PLATFORMS
from core.runtime import run_job
from core.settings import CollectSettings, load
from local.kit import DATA, ROOT, Kit, MovingClock, free_port, reset_folder

START = datetime(2026, 11, 22, 12, tzinfo=UTC)
SPEED = 60  # a quarter of an hour in 15 s, so that a cycle finds what a cycle finds
QUARTER = timedelta(minutes=15)
MARKETS, FEW, MANY = 20_000, 5_000, 50_000
LISTINGS = (
    ("/kalshi/trade-api/v2/events?status=open&with_nested_markets=true&limit=200", "cursor", "cursor"),
    ("/polymarket/gamma/events/keyset?closed=false&limit=100", "next_cursor", "after_cursor"),
)


@dataclass(frozen=True, slots=True)
class Bench:
    """The venues with `markets` markets, served, and a database of its own."""

    kit: Kit
    clock: MovingClock
    url: str

    async def until(self, moment: datetime) -> None:
        await asyncio.sleep(max(0.0, (moment - self.clock.now()).total_seconds() / SPEED))

    def served_cpu_s(self) -> float:
        said = httpx.get(f"{self.url}/control/served").json()
        return float(said["process_cpu_s"])


@contextmanager
def venues(markets: int) -> Iterator[Bench]:
    folder = DATA / "bench-collect"
    reset_folder(folder)
    with Kit(folder) as kit:
        kit.start_storage()
        clock, port = MovingClock(START, time.time(), SPEED), free_port()
        url = f"http://127.0.0.1:{port}"
        arguments = ["-m", "local.replay", "--port", str(port), "--markets", str(markets)]
        kit.serve("replay", arguments, f"{url}/control/inventory", clock.environment())
        kit.environment |= {
            "KALSHI_BASE_URL": f"{url}/kalshi/trade-api/v2",
            "POLYMARKET_GAMMA_URL": f"{url}/polymarket/gamma",
            "POLYMARKET_CLOB_URL": f"{url}/polymarket/clob",
            "KALSHI_REQUESTS_PER_S": "1000",
            "POLYMARKET_REQUESTS_PER_S": "1000",
            "CONTROL_SWEEP_EVERY_S": "86400",
            "COLLECT_BOOKS_MOST": "0",
            "LOG_LEVEL": "WARNING",
        }
        yield Bench(kit, clock, url)


@asynccontextmanager
async def collector(bench: Bench) -> AsyncIterator[CollectSettings]:
    before = dict(os.environ)
    os.environ.update(bench.kit.environment | bench.clock.environment())
    try:
        yield load(CollectSettings)
    finally:
        os.environ.clear()
        os.environ.update(before)


async def cycle(settings: CollectSettings) -> tuple[float, dict[str, Any]]:
    """One run of the job in this process. Returns (seconds, its summary)."""
    began = time.perf_counter()
    summary = await run_job("collect", {"collect": sweep.run}, settings)
    seconds = time.perf_counter() - began
    errors = {name: said["error"] for name, said in summary.items() if isinstance(said, dict) and "error" in said}
    if errors:
        raise RuntimeError(f"the cycle was not whole: {errors}")
    return seconds, summary


def _total(summary: dict[str, Any], name: str) -> int:
    return sum(summary[platform][name] for platform in PLATFORMS)


async def floor(bench: Bench, settings: CollectSettings) -> tuple[float, int]:
    """The same listings downloaded, decoded, and their bodies copied as they are. Returns (seconds, bytes decoded)."""
    pool = await db.make_pool(settings)
    async with pool.acquire() as connection, open_client(60) as client:
        await connection.execute("DROP TABLE IF EXISTS bare; CREATE UNLOGGED TABLE bare (body bytea)")
        began = time.perf_counter()

        async def walk(path: str, answered: str, asked: str) -> list[tuple[bytes]]:
            bodies, cursor = [], ""
            while True:
                response = await client.get(f"{bench.url}{path}" + (f"&{asked}={cursor}" if cursor else ""))
                bodies.append((response.content,))
                cursor = orjson.loads(response.content).get(answered) or ""
                if not cursor:
                    return bodies

        found = await asyncio.gather(*(walk(*listing) for listing in LISTINGS))
        bodies = [body for venue in found for body in venue]
        await connection.copy_records_to_table("bare", records=bodies)
        seconds = time.perf_counter() - began
    await pool.close()
    return seconds, sum(len(body) for (body,) in bodies)


async def against_floor() -> list[Result]:
    with venues(MARKETS) as bench:
        async with collector(bench) as settings:
            first_s, summary = await cycle(settings)
            markets = _total(summary, "markets")
            ours, bare, changed, server_s, size = [], [], [], 0.0, 0
            for turn in range(1, 4):
                await bench.until(START + (turn + 2) * QUARTER)
                seconds, summary = await cycle(settings)
                ours.append(seconds)
                changed.append(_total(summary, "snapshots"))
                before = bench.served_cpu_s()
                seconds, size = await floor(bench, settings)
                server_s = bench.served_cpu_s() - before
                bare.append(seconds)
        ratio = median(bare) / median(ours)
        said = (
            f"{markets:,} markets, {median(changed):,.0f} snapshots: {median(ours):.2f} s (the first {first_s:.2f} s) "
            f"against download, decode and COPY of {size / 1e6:.1f} MB in {median(bare):.2f} s, "
            f"of which the server's own {server_s:.2f} s, {1_000 * server_s / (size / 1e6):.1f} ms/MB"
        )
        results = [at_least("collect_vs_floor", ratio, "of its speed", said, 0.4)]
        await bench.until(START + 7 * QUARTER)
        return results + _child(bench)


def _child(bench: Bench) -> list[Result]:
    """The job as cron runs it: a process of its own, its database behind a counter."""
    with counted(bench.kit.environment["DATABASE_URL"]) as traffic:
        environment = bench.kit.environment | bench.clock.environment() | {"DATABASE_URL": traffic.url}
        process = subprocess.Popen(
            [sys.executable, "-m", "collect"], cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True
        )
        assert process.stdout is not None
        summary = orjson.loads(process.stdout.read())["summary"]
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    changed = _total(summary, "snapshots")
    peak_mb, wire_mb = usage.ru_maxrss / 1_024, (traffic.sent + traffic.received) / 1e6
    said = f"sent {traffic.sent / 1e6:.2f} MB, received {traffic.received / 1e6:.2f} MB, {changed:,} snapshots"
    return [
        at_most("collect_peak_mb", peak_mb, "MB", "one process, an ordinary cycle", 400),
        Result("collect_wire_mb", round(wire_mb, 3), "MB", said, None, None),
    ]


async def growth() -> list[Result]:
    cost = {}
    for markets in (FEW, MANY):
        with venues(markets) as bench:
            async with collector(bench) as settings:
                _, summary = await cycle(settings)
                found = _total(summary, "markets")
                seconds = []
                for turn in range(1, 4):
                    await bench.until(bench.clock.now() + QUARTER if turn > 1 else START + 3 * QUARTER)
                    seconds.append((await cycle(settings))[0])
                cost[markets] = 1e6 * median(seconds) / found
    said = f"{cost[FEW]:.0f} µs a market at {FEW:,}, {cost[MANY]:.0f} µs at {MANY:,}"
    return [at_most("collect_growth", cost[MANY] / cost[FEW], "times", said, 1.2)]
