"""What a bench reports."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from statistics import median


@dataclass(frozen=True, slots=True)
class Result:
    """`against` is what the value stands beside, with the floor's own figure; `bar` is the bound, None without one."""

    name: str
    value: float
    unit: str
    against: str
    bar: float | None
    met: bool | None


def at_most(name: str, value: float, unit: str, against: str, bar: float) -> Result:
    return Result(name, round(value, 3), unit, against, bar, value <= bar)


def at_least(name: str, value: float, unit: str, against: str, bar: float) -> Result:
    return Result(name, round(value, 3), unit, against, bar, value >= bar)


async def median_ms(call: Callable[[], Awaitable[object]], times: int, warm: int = 3) -> float:
    """The median of `times` awaited calls, after `warm` to warm up."""
    for _ in range(warm):
        await call()
    seconds = []
    for _ in range(times):
        started = time.perf_counter()
        await call()
        seconds.append(time.perf_counter() - started)
    return 1_000 * median(seconds)
