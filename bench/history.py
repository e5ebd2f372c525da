"""The compact history of a week: what a run reads of it, and rebuilding every market's hours from it."""

from __future__ import annotations

import time
from datetime import timedelta

import numpy as np

from analyze.detecting import HOURS
from bench.database import NOW, database
from bench.result import Result, at_most
from core import db
from core.detect.columns import Column, merge, one_step
from core.detect.hours import hours_of
from core.queries import history

FEW, MANY = 20_000, 100_000
QUARTER = timedelta(minutes=15)
FINE = 8
Micros = np.ndarray[tuple[int], np.dtype[np.int64]]
CHANGED = 0.15  # of the markets in a cycle, the busiest far more often than the others


async def run() -> list[Result]:
    async with database() as connection:
        return await measure(connection, FEW, MANY)


async def measure(connection: db.Connection, few: int, many: int) -> list[Result]:
    rng = np.random.default_rng(1)
    few_ms, _ = await _read(connection, few, rng)
    many_ms, size_mb = await _read(connection, many, rng)
    bare_ms = await _bare_ms(connection)
    growth = f"{few_ms:.0f} ms at {few:,}, so x{many_ms / few_ms:.1f} for x{many / few:g} the markets"
    month = f"${size_mb * 96 * 30 / 1_000 * 0.05:.2f} a month at 96 runs a day and $0.05/GB"
    return [
        at_most("history_read_ms_100k", many_ms, "ms", f"{growth}; its bodies alone {bare_ms:.0f} ms", 1_000),
        Result("history_read_mb_100k", round(size_mb, 3), "MB", month, None, None),
    ]


async def _read(connection: db.Connection, markets: int, rng: np.random.Generator) -> tuple[float, float]:
    """(milliseconds, megabytes) of reading, unpacking and rebuilding."""
    await connection.execute("TRUNCATE history_columns")
    price = rng.integers(10, 990, markets) * 1_000
    await history.insert_columns(connection, "kalshi", walk(markets, rng, HOURS, price))
    known, numbers = price / 1e6, np.arange(markets)
    began = time.perf_counter()
    columns = await history.columns_between(connection, "kalshi", NOW - timedelta(hours=HOURS + 1), NOW, 60)
    prices = hours_of(columns, numbers, known, NOW, HOURS).price
    took_ms = 1_000 * (time.perf_counter() - began)
    assert np.isfinite(prices).all()
    size: int = await connection.fetchval("SELECT sum(length(body)) FROM history_columns")
    return took_ms, size / 1e6


def walk(markets: int, rng: np.random.Generator, hours: int, price: Micros | None = None) -> list[Column]:
    """What collect leaves of some hours in which `price` (millionths) moves: hours as one column, the last ones not."""
    if price is None:
        price = rng.integers(10, 990, markets) * 1_000
    chance = np.minimum(1, rng.pareto(1.1, len(price)) + 0.01)
    chance = np.minimum(1, chance * CHANGED / chance.mean())
    columns: list[Column] = []
    quarters: list[Column] = []
    for age in range(4 * hours - 1, -1, -1):
        moved = np.flatnonzero(rng.random(len(price)) < chance)
        after = np.clip(price[moved] + rng.integers(-4, 5, len(moved)) * 5_000, 5_000, 995_000)
        gained = np.round(rng.lognormal(3, 2, len(moved)), 2).astype(np.float32)
        before, price[moved] = price[moved].astype(np.int32), after
        spread = rng.choice(np.array([10_000, 20_000, 30_000], dtype=np.int32), len(moved))
        numbers = moved.astype(np.int32)
        quarters.append(one_step(NOW - age * QUARTER, QUARTER, numbers, before, after.astype(np.int32), gained, spread))
        if len(quarters) == 4 and age >= FINE:
            columns.append(merge(quarters))
            quarters = []
    return [*columns, *quarters]


async def _bare_ms(connection: db.Connection) -> float:
    began = time.perf_counter()
    await connection.fetch("SELECT body FROM history_columns")
    return 1_000 * (time.perf_counter() - began)
