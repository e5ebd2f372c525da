"""The detectors alone, their input in memory; and a run over every market, the database's part included."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import orjson
import psutil
from pydantic import SecretStr

from analyze import detecting
from bench.database import NOW, PRICES, database, make_market, store
from bench.history import walk
from bench.result import Result, at_most
from bench.wire import counted
from core import db
from core.detect.detectors import signals
from core.detect.history import History
from core.detect.hours import Quarters
from core.models import PLATFORMS, Event, Market
from core.queries import collecting, history
from core.queries.open_markets import open_markets
from core.settings import Settings

MARKETS, HOURS = 50_000, 168
FEW, MANY = 5_000, 100_000
AN_EVENT = 5
ROOT = Path(__file__).parent.parent
_BATCH = 2_500


async def run() -> list[Result]:
    past = _history(np.random.default_rng(1))
    floor_ms = _best_ms(lambda: np.sort(past.price, axis=1))
    value = _best_ms(lambda: signals(past))
    began = time.process_time()
    found = signals(past)
    cpu_ms = 1_000 * (time.process_time() - began)
    said = f"best of 5, {len(found)} detectors; {cpu_ms:.0f} ms of both cores; one sort of the prices {floor_ms:.0f} ms"
    return [at_most("detect_kernel_ms_50k", value, "ms", said, 500)]


def _best_ms(call: Any) -> float:
    """Of five: what else runs on the machine only adds."""
    seconds = []
    for _ in range(5):
        began = time.perf_counter()
        call()
        seconds.append(time.perf_counter() - began)
    return 1_000 * min(seconds)


def _history(rng: np.random.Generator) -> History:
    """Walks in whole cents, five markets an event."""
    odds = np.cumsum(rng.normal(0, 0.05, (MARKETS, HOURS)), axis=1)
    price = np.clip(np.round(1 / (1 + np.exp(-odds)), 2), 0.01, 0.99).astype(np.float32)
    traded = rng.poisson(20, (MARKETS, HOURS)).astype(np.float32)
    spread = rng.choice(np.array([0.01, 0.02, 0.03], dtype=np.float32), (MARKETS, HOURS))
    return History(
        keys=[("kalshi", f"M{row}") for row in range(MARKETS)],
        events=[f"E{row // AN_EVENT}" for row in range(MARKETS)],
        categories=[None] * MARKETS,
        exclusive=np.ones(MARKETS, dtype=bool),
        price=price,
        traded=traded,
        bid=price[:, -1] - 0.01,
        ask=price[:, -1] + 0.01,
        variation=np.square(rng.normal(0, 0.05, (MARKETS, HOURS))).astype(np.float32),
        steps=np.full(MARKETS, 400, dtype=np.float32),
        spread=spread,
        quarters=Quarters(price[:, -5:], traded[:, -4:], spread[:, -4:]),
        hours_left=rng.uniform(1, 500, MARKETS),
        ladder=np.where(np.arange(MARKETS) % 2 == 0, np.arange(MARKETS) // AN_EVENT, -1),
        rung=np.arange(MARKETS, dtype=float) % AN_EVENT,
        dated=np.zeros(MARKETS, dtype=bool),
    )


async def whole() -> list[Result]:
    """A process of its own as cron starts it: markets and history read, rebuilt, detected."""
    cost, said = {}, {}
    for markets in (FEW, MARKETS, MANY):
        async with database() as connection:
            url = await _fill(connection, markets)
            backend = await connection.fetchval("SELECT pg_backend_pid()")
            said[markets] = _child(url, psutil.Process(psutil.Process(backend).ppid()))
            cost[markets] = said[markets]["cpu_s"] + said[markets]["server_s"]
    middle = said[MARKETS]
    parts = f"ours {middle['cpu_s']:.2f} s, PostgreSQL {middle['server_s']:.2f} s over {MARKETS:,} markets"
    each = {markets: 1e6 * cost[markets] / markets for markets in cost}
    grown = f"{each[FEW]:.0f} µs a market at {FEW:,}, {each[MARKETS]:.0f} at {MARKETS:,}, {each[MANY]:.0f} at {MANY:,}"
    return [
        at_most("detect_cpu_s_per_10k", 10_000 * cost[MARKETS] / MARKETS, "s", parts, 1),
        at_most("detect_wire_mb", middle["wire_mb"], "MB", f"{MARKETS:,} markets, {HOURS} hours", 80),
        at_most("detect_peak_mb", middle["peak_mb"], "MB", f"at {MANY:,} markets {said[MANY]['peak_mb']:.0f}", 600),
        at_most("detect_growth", each[MANY] / each[FEW], "times", grown, 1.2),
    ]


async def _fill(connection: db.Connection, markets: int) -> str:
    """Terms, quotes and a week of columns. Returns the database's address."""
    for first in range(0, markets, _BATCH):
        batch = [_in_event(number) for number in range(first, min(first + _BATCH, markets))]
        events = {market.terms.event_id: _event(market) for market in batch}
        await collecting.upsert_events(connection, events.values())
        await store(connection, batch, NOW, new=True)
    rng = np.random.default_rng(1)
    for platform in PLATFORMS:
        rows = await connection.fetch(
            "SELECT number, market_id FROM markets WHERE platform = $1 ORDER BY number", platform
        )
        await collecting.mark_swept(connection, platform, [row["market_id"] for row in rows], NOW)
        numbers = np.array([row["number"] for row in rows], dtype=np.int32)
        columns = [replace(column, numbers=numbers[column.numbers]) for column in walk(len(rows), rng, HOURS)]
        await history.insert_columns(connection, platform, columns)
    await connection.execute("VACUUM ANALYZE", timeout=600)
    settings: str = await connection.fetchval("SELECT setting FROM pg_settings WHERE name = 'unix_socket_directories'")
    user: str = await connection.fetchval("SELECT current_user")
    name: str = await connection.fetchval("SELECT current_database()")
    return f"postgresql://{user}@/{name}?host={settings.strip(chr(34))}"


def _in_event(number: int) -> Market:
    market = make_market(number, PRICES[0])
    event, closes = number // AN_EVENT, NOW + timedelta(days=1 + number % 60)
    platform = PLATFORMS[event % 2]
    terms = replace(market.terms, platform=platform, event_id=f"E{event}", close_time=closes)
    return replace(market, platform=platform, read_terms=lambda: terms)


def _event(market: Market) -> Event:
    terms = market.terms
    name = str(terms.event_id)
    return Event(terms.platform, name, name, "Politics", "KX", int(name[1:]) % 3 == 0, None)


def _child(url: str, server: psutil.Process) -> dict[str, float]:
    with counted(url) as traffic, _server_cpu(server) as taken:
        process = subprocess.Popen(  # noqa: S603  our own interpreter
            [sys.executable, "-m", "bench.detection", traffic.url], cwd=ROOT, stdout=subprocess.PIPE, env=_environment()
        )
        assert process.stdout is not None
        said: dict[str, float] = orjson.loads(process.stdout.read())
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    wire = (traffic.sent + traffic.received) / 1e6
    return said | {"peak_mb": usage.ru_maxrss / 1_024, "wire_mb": wire, "server_s": taken[0]}


def _environment() -> dict[str, str]:
    return os.environ | {"PYTHONPATH": os.pathsep.join(str(ROOT / part) for part in (".", "functions", "layers"))}


@contextmanager
def _server_cpu(server: psutil.Process) -> Iterator[list[float]]:
    """Seconds that PostgreSQL's processes take meanwhile, those that ended among them."""
    taken = [0.0]
    before = _cpu_s(server)
    yield taken
    taken[0] = _cpu_s(server) - before


def _cpu_s(server: psutil.Process) -> float:
    total = 0.0
    for process in (server, *server.children(recursive=True)):
        times = process.cpu_times()
        total += times.user + times.system
    times = server.cpu_times()
    return total + times.children_user + times.children_system


async def once(url: str) -> dict[str, float]:
    """What analyze does up to its patterns, measured from the first query."""
    pool = await db.make_pool(Settings(database_url=SecretStr(url), database_timeout_s=600))
    async with pool.acquire() as connection:
        began = time.process_time()
        markets = await open_markets(connection, NOW, 3_600)
        listed = time.process_time()
        past = await detecting.read_history(connection, markets, NOW, 600)
        read = time.process_time()
        patterns = detecting.find(past)
        ended = time.process_time()
    await pool.close()
    said = {"markets": len(markets), "patterns": len(patterns), "cpu_s": ended - began}
    return said | {"listing_s": listed - began, "history_s": read - listed, "detect_s": ended - read}


if __name__ == "__main__":
    sys.stdout.buffer.write(orjson.dumps(asyncio.run(once(sys.argv[1]))))
