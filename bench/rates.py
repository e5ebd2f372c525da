"""Base rates put to the test: worlds in which nothing can be foretold, and worlds in which something can."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from bench.result import Result, at_least, at_most
from bench.worlds_of_moments import HOURS_OF_WORLD, Effect, world
from core.detect.rates import MIN_COUNT, Rate, measure

WORLDS, FIRST_SEED = 400, 10_000  # the seeds below were looked at while this was written
PLANTED = Effect(reverts=0.8)
EFFECT_WORLDS, EFFECT_EVENTS = 40, 600
_PROVED = ("edge", "lift", "adverse")


@dataclass(frozen=True, slots=True)
class Judged:
    """Over worlds: the share of intervals that hold the truth, of proved cells that are false; cells and proofs seen.

    `discovery_rate` is the mean over worlds of each one's share of false proofs. `signs` is, of the planted cells of
    30 setups and more, the share whose difference to doing nothing has the planted sign, `found` that which is proved.
    """

    coverage: float
    intervals: int
    false_share: float
    discovery_rate: float
    proved: int
    cells: int
    signs: float
    found: float


def judge(seeds: Iterable[int], effect: Effect | None = None, events: int = 150) -> Judged:
    worlds = [measure(world(seed, effect, events), HOURS_OF_WORLD) for seed in seeds]
    coverage, intervals = _coverage(worlds)
    proofs = [[rate for rate in rates if rate.verdict in _PROVED and _is_sided(rate)] for rates in worlds]
    false = [[rate for rate in found if not _is_true(rate, effect)] for found in proofs]
    proved = sum(map(len, proofs))
    planted = [r for rates in worlds for r in rates if _is_planted(r, effect) and r.effective >= MIN_COUNT]
    right = sum(rate.lift_move is not None and rate.lift_move > 0 for rate in planted)
    shares = [len(wrong) / len(found) if found else 0.0 for wrong, found in zip(false, proofs, strict=True)]
    return Judged(
        coverage,
        intervals,
        sum(map(len, false)) / proved if proved else 0.0,
        float(np.mean(shares)),
        proved,
        sum(rate.q_lift is not None for rates in worlds for rate in rates),
        right / len(planted) if planted else 0.0,
        sum(rate.verdict in ("edge", "lift") for rate in planted) / len(planted) if planted else 0.0,
    )


def _coverage(worlds: list[list[Rate]]) -> tuple[float, int]:
    """The truth of a cell is its rate over all the worlds together, of which each is a small part."""
    seen: dict[tuple[str, str, int, str], list[Rate]] = defaultdict(list)
    for rates in worlds:
        for rate in rates:
            seen[rate.detector, rate.category, rate.band, rate.horizon].append(rate)
    inside = count = 0
    for found in seen.values():
        truth = sum(rate.rate * rate.n for rate in found) / sum(rate.n for rate in found)
        told = [rate for rate in found if rate.effective >= MIN_COUNT]
        inside += sum(rate.low <= truth <= rate.high for rate in told)
        count += len(told)
    return inside / count if count else 0.0, count


def _is_sided(rate: Rate) -> bool:
    """Of a detector without a side there is no planted truth: how much prices move is not what was planted."""
    return rate.detector != "size"


def _is_planted(rate: Rate, effect: Effect | None) -> bool:
    """A settled market has forgotten: only what is taken back within 6 hours was planted."""
    is_of_effect = effect is not None and rate.category == effect.category and rate.detector == "reversal"
    return is_of_effect and rate.horizon in ("1h", "6h", "24h")


def _is_true(rate: Rate, effect: Effect | None) -> bool:
    """What is proved where something was planted: of jumps the planted way, of what comes with jumps either way."""
    if effect is None or rate.category != effect.category or rate.detector == "nothing":
        return False
    return rate.detector == "momentum" or rate.verdict in ("edge", "lift")


async def run() -> list[Result]:
    return measured(WORLDS, EFFECT_WORLDS)


def measured(worlds: int, effect_worlds: int) -> list[Result]:
    clean = judge(range(FIRST_SEED, FIRST_SEED + worlds))
    planted = judge(range(FIRST_SEED + worlds, FIRST_SEED + worlds + effect_worlds), PLANTED, EFFECT_EVENTS)
    said = f"{clean.intervals:,} intervals of {worlds} worlds without any effect"
    return [
        at_least("rates_coverage", clean.coverage, "share", said, 0.94),
        at_most(
            "rates_false_proofs_clean",
            clean.discovery_rate,
            "share",
            f"{clean.proved} proofs among {clean.cells:,} tests in worlds without any effect",
            0.05,
        ),
        at_most(
            "rates_false_proofs_planted",
            planted.false_share,
            "share",
            f"{planted.proved} proofs among {planted.cells:,} tests, jumps of one category taken back",
            0.05,
        ),
        at_least("rates_planted_signs", planted.signs, "share", f"of which proved {planted.found:.2f}", 0.95),
    ]
