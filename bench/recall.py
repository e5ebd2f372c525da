"""`python -m bench.recall [judged]`: what each detector finds of what was planted, by size; `alarms MARKETS DAYS` its
false alarms; `calibrate MARKETS DAYS [coarse | closing]` what its table of `Null`s should say.

A false alarm is an episode: runs in a row, a quarter of an hour apart, in which a score of a clean martingale is 50 or
more. Judged on seeds of their own (JUDGED), calibrated on others (TUNED).
"""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace

import numpy as np

from bench.martingales import A_DAY, Floats, clean, coarse, shown
from bench.plants import NOW, PLANTS, Planted, plant
from core.detect.detectors import signals
from core.detect.history import History
from core.detect.scores import POINTS_A_DECADE

THRESHOLD = 50.0
_FOUND = 0.9
SIZES = (0.5, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 8.0)


def seeds(name: str) -> Iterator[int]:
    """Without end, by name."""
    number = 0
    while True:
        yield int.from_bytes(hashlib.sha256(f"{name} {number}".encode()).digest()[:8], "big")
        number += 1


TUNED, JUDGED = "oddwons tuned", "oddwons judged 2026-12-03"


def recall(name: str, seed: int, markets: int = 4_000, sizes: Sequence[float] = SIZES) -> dict[float, float]:
    """By size, the share whose score is 50 or more, of markets that do not stand still for hours and that have room for
    it. A size is in the noise that a market showed in the week before, quotes and rounding and all."""
    found = {}
    for size in sizes:
        rng, planted = planted_in(name, seed, markets, size)
        history = shown(rng, planted.latent)(NOW)
        (signal,) = [signal for signal in signals(history) if signal.detector == name]
        found[size] = float((signal.score[planted.rows] >= THRESHOLD).mean())
    return found


def planted_in(name: str, seed: int, markets: int, size: float) -> tuple[np.random.Generator, Planted]:
    rng = np.random.default_rng([seed, round(10 * size)])
    latent = clean(rng, markets, days=0)
    latent = replace(latent, frozen=np.zeros_like(latent.frozen))
    noise = seen_noise(shown(np.random.default_rng(seed), latent)(NOW))
    return rng, plant(name, rng, latent, noise, size)


def found_from(curve: Mapping[float, float]) -> float:
    """The size from which on 0.9 or more is found, between those measured by a straight line; NaN for none."""
    sizes, shares = np.array(list(curve)), np.array(list(curve.values()))
    short = np.flatnonzero(shares < _FOUND)
    if not len(short):
        return float(sizes[0])
    last = int(short[-1])
    if last + 1 == len(sizes):
        return float("nan")
    return float(np.interp(_FOUND, shares[last : last + 2], sizes[last : last + 2]))


def seen_noise(history: History) -> Floats:
    """(N,) the standard deviation of the hourly moves in log-odds that were shown."""
    odds = np.log(history.price / (1 - history.price))
    noise: Floats = np.sqrt(np.nanmean(np.square(np.diff(odds, axis=1)), axis=1)).astype(np.float32)
    return noise


def scores(seed: int, markets: int, view: Callable[[History], History] = lambda history: history) -> dict[str, Floats]:
    """Of each detector (runs, N): a day of runs a quarter of an hour apart over clean martingales."""
    rng = np.random.default_rng(seed)
    history = shown(rng, clean(rng, markets))
    runs: dict[str, list[Floats]] = {name: [] for name in PLANTS}
    for at in range(NOW, NOW + A_DAY):
        for signal in signals(view(history(at))):
            if signal.detector in runs:
                runs[signal.detector].append(signal.score.astype(np.float32))
    return {name: np.array(found) for name, found in runs.items()}


def closing(history: History) -> History:
    return replace(history, hours_left=np.full(len(history), 36.0))


def episodes(found: Floats, level: float) -> int:
    """How often a score rose to `level`, over all markets."""
    above = found >= level
    return int(above[0].sum() + (above[1:] & ~above[:-1]).sum())


def false_alarms(seed_name: str, markets: int, days: int) -> dict[str, float]:
    """Episodes in 10,000 market-days, by detector."""
    total = dict.fromkeys(PLANTS, 0)
    for seed, _ in zip(seeds(seed_name), range(days), strict=False):
        for name, found in scores(seed, markets).items():
            total[name] += episodes(found, THRESHOLD)
    return {name: 10_000 * count / (markets * days) for name, count in total.items()}


def calibrate(markets: int, days: int, view: Callable[[History], History]) -> None:
    """Prints, by detector, the score (by the table in force) that is seen in 1, 0.1, … episodes a market-day."""
    levels = np.arange(0.25, 100, 0.25)
    counts = {name: np.zeros(len(levels)) for name in PLANTS}
    for seed, _ in zip(seeds(TUNED), range(days), strict=False):
        for name, found in scores(seed, markets, view).items():
            counts[name] += [episodes(found, level) for level in levels]
    for name, count in counts.items():
        rate = np.minimum.accumulate(np.maximum(count, 0.1) / (markets * days))
        wanted = 10.0 ** -np.arange(5)
        at = [float(levels[np.argmax(rate <= most)]) if (rate <= most).any() else float("nan") for most in wanted]
        print(f"{name:22}", "  ".join(f"{level / POINTS_A_DECADE:.2f}" for level in at), flush=True)


def main(arguments: list[str]) -> None:
    if arguments[:1] == ["calibrate"]:
        markets, days = (int(each) for each in arguments[1:3])
        views = {"coarse": coarse, "closing": closing}
        calibrate(markets, days, views.get(arguments[-1], lambda history: history))
        return
    if arguments[:1] == ["alarms"]:
        for name, rate in false_alarms(JUDGED, int(arguments[1]), int(arguments[2])).items():
            print(f"{name:22} {rate:.2f} in 10,000 market-days", flush=True)
        return
    seed = next(seeds(JUDGED if "judged" in arguments else TUNED))
    for name in PLANTS:
        curve = recall(name, seed)
        print(f"{name:22}", "  ".join(f"{size:g}: {share:.3f}" for size, share in curve.items()), flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
