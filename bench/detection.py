"""The detectors alone, their input in memory."""

from __future__ import annotations

import time

import numpy as np

from bench.result import Result, at_most
from core.detect.detectors import detect
from core.detect.history import History

MARKETS, HOURS = 50_000, 72


async def run() -> list[Result]:
    rng = np.random.default_rng(1)
    price = 1 / (1 + np.exp(-np.cumsum(rng.normal(0, 0.05, (MARKETS, HOURS)), axis=1)))
    history = History(
        keys=[("kalshi", f"M{row}") for row in range(MARKETS)],
        events=[f"E{row // 5}" for row in range(MARKETS)],
        categories=[None] * MARKETS,
        exclusive=np.ones(MARKETS, dtype=bool),
        price=price,
        traded=rng.poisson(20, (MARKETS, HOURS)).astype(float),
        bid=price[:, -1] - 0.01,
        ask=price[:, -1] + 0.01,
    )
    started = time.perf_counter()
    np.median(price, axis=1)
    floor_ms = 1_000 * (time.perf_counter() - started)
    started = time.perf_counter()
    detect(history)
    return [
        at_most(
            "detect_kernel_ms_50k",
            1_000 * (time.perf_counter() - started),
            "ms",
            f"one median over the same array {floor_ms:.0f} ms",
            500,
        )
    ]
