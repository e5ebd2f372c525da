"""Bundles priced a second from books in memory: both ways round of each pair of markets, walked level by level."""

from __future__ import annotations

import time
from decimal import Decimal
from statistics import median

import numpy as np

from bench.result import Result, at_least
from core.arbitrage.bundles import Leg, best_bundle
from core.arbitrage.fees import KALSHI_ROUNDING, POLYMARKET_ROUNDING, FeeRule
from core.models import Level

PAIRS, LEVELS, ROUNDS = 4_000, 20, 5
_KALSHI = FeeRule(Decimal("0.07"), Decimal(1), KALSHI_ROUNDING)
_POLYMARKET = FeeRule(Decimal("0.05"), Decimal(1), POLYMARKET_ROUNDING)


async def run() -> list[Result]:
    """A tenth of the pairs cross: those are walked to their last share, the others end at their best prices."""
    bundles = make_bundles(np.random.default_rng(1))
    rates, clearing = [], 0
    for _ in range(ROUNDS):
        started = time.perf_counter()
        clearing = sum(best_bundle(legs) is not None for legs in bundles)
        rates.append(len(bundles) / (time.perf_counter() - started))
    started = time.perf_counter()
    listed = sum(legs[0].asks[0].price + legs[1].asks[0].price < 1 for legs in bundles)
    floor = len(bundles) / (time.perf_counter() - started)
    against = f"adding the best asks {floor:.0f}, of which {listed} below a dollar; {clearing} of {len(bundles)} clear"
    return [at_least("bundles_per_s", median(rates), "bundles/s", against, 10_000)]


def make_bundles(rng: np.random.Generator) -> list[tuple[Leg, Leg]]:
    found = []
    for pair in range(PAIRS):
        middle = float(rng.uniform(0.1, 0.9))
        gap = 0.08 if pair % 10 == 0 else 0.0
        books = [_book(rng, middle), _book(rng, middle - gap)]
        (k_yes, k_no), (p_yes, p_no) = books
        found.append((Leg(k_yes, _KALSHI), Leg(p_no, _POLYMARKET)))
        found.append((Leg(k_no, _KALSHI), Leg(p_yes, _POLYMARKET)))
    return found


def _book(rng: np.random.Generator, middle: float) -> tuple[tuple[Level, ...], tuple[Level, ...]]:
    """YES and NO asks around a middle, a cent apart, each of its own size."""
    return _side(rng, middle + 0.01), _side(rng, 1 - middle + 0.01)


def _side(rng: np.random.Generator, best: float) -> tuple[Level, ...]:
    cents = [min(max(round(100 * best), 1), 99) + step for step in range(LEVELS)]
    sizes = rng.integers(5, 2_000, LEVELS).tolist()
    return tuple(Level(Decimal(c) / 100, Decimal(size)) for c, size in zip(cents, sizes, strict=True) if c < 100)
