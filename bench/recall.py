"""`python -m bench.recall [judged]`: what each detector finds of what was planted, by size; `alarms MARKETS DAYS` its
false alarms; `calibrate MARKETS DAYS [coarse | closing]` what its table of `Null`s should say.

A false alarm is an episode: runs in a row, a quarter of an hour apart, in which a score of a clean martingale is 50 or
more. Judged on seeds of their own (JUDGED), calibrated on others (TUNED).
"""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from bench.martingales import A_DAY, HOURS, LEVEL_NOISE, QUARTERS, SPREAD_NOISE, Floats, Latent, clean, coarse, shown
from core.detect.detectors import signals
from core.detect.history import History
from core.detect.scores import POINTS_A_DECADE

THRESHOLD = 50.0
_MIDDLE = 2.94  # log-odds of 95 cents
SIZES = (0.5, 1.0, 2.0, 3.0, 4.0, 5.0)
NOW = QUARTERS * (HOURS + 1) - 1  # the quarter-hour at which what was planted is complete


def seeds(name: str) -> Iterator[int]:
    """Without end, by name."""
    number = 0
    while True:
        yield int.from_bytes(hashlib.sha256(f"{name} {number}".encode()).digest()[:8], "big")
        number += 1


TUNED, JUDGED = "oddwons tuned", "oddwons judged 2026-11-25"


# What is planted, of sizes (N,) with signs (N,)

Plant = Callable[[np.random.Generator, Latent, Floats, Floats], Latent]


def jump(rng: np.random.Generator, latent: Latent, size: Floats, sign: Floats) -> Latent:
    """In one quarter of the last hour, `size` hourly noises."""
    at = NOW - rng.integers(0, QUARTERS, len(latent))
    later = np.arange(latent.odds.shape[1]) >= at[:, None]
    return replace(latent, odds=latent.odds + later * (size * sign * latent.noise)[:, None])


def ramp(hours: int, share: float, before: int = 0) -> Plant:
    """`size * share` hourly noises an hour for `hours`, up to `before` hours ago."""

    def plant(rng: np.random.Generator, latent: Latent, size: Floats, sign: Floats) -> Latent:
        since = np.arange(latent.odds.shape[1]) - (NOW - QUARTERS * (hours + before))
        way = np.clip(since / QUARTERS, 0, hours).astype(np.float32)
        return replace(latent, odds=latent.odds + way * (share * size * sign * latent.noise)[:, None])

    return plant


def there_and_back(rng: np.random.Generator, latent: Latent, size: Floats, sign: Floats) -> Latent:
    latent = ramp(12, 0.5, before=3)(rng, latent, size, sign)
    return ramp(3, 1.0)(rng, latent, size, -sign)


def to_its_end(rng: np.random.Generator, latent: Latent, size: Floats, sign: Floats) -> Latent:
    """From 50 to 70 cents (or 30 to 50), a day before the close."""
    start = rng.uniform(0.0, 0.85, len(latent)).astype(np.float32) * sign
    moved = latent.odds - latent.odds[:, [NOW - 48]] + start[:, None]
    late = replace(latent, odds=moved, hours_left=np.full(len(latent), 24, dtype=np.float32))
    return ramp(12, 0.5)(rng, late, size, sign)


def spike(rng: np.random.Generator, latent: Latent, size: Floats, sign: Floats) -> Latent:
    """The last hour's volume times exp(size * a quarter-hour's noise of log volume about its daily shape)."""
    return _busier(latent, size * np.sqrt(np.square(latent.flow) + LEVEL_NOISE**2))


def jump_on_nothing(rng: np.random.Generator, latent: Latent, size: Floats, sign: Floats) -> Latent:
    """A jump in an hour that trades half of what it would have."""
    return _busier(jump(rng, latent, size, sign), np.full(len(latent), np.log(0.5), dtype=np.float32))


def _busier(latent: Latent, off: Floats) -> Latent:
    volume = latent.volume.copy()
    volume[:, NOW - QUARTERS + 1 : NOW + 1] *= np.exp(off)[:, None]
    return replace(latent, volume=volume)


def wilder(rng: np.random.Generator, latent: Latent, size: Floats, sign: Floats) -> Latent:
    """The last six hours' moves `size` times as large as a market shows: steps added that make up the variance."""
    more = np.sqrt(np.maximum(np.square(size) - 1, 0) / QUARTERS) * latent.noise
    steps = rng.standard_normal(latent.odds.shape, dtype=np.float32) * more[:, None]
    steps[:, : NOW + 1 - 6 * QUARTERS] = 0
    return replace(latent, odds=latent.odds + np.cumsum(steps, axis=1))


def wider(rng: np.random.Generator, latent: Latent, size: Floats, sign: Floats) -> Latent:
    """The last hour's spreads times exp(size * their noise)."""
    half = latent.half.copy()
    half[:, NOW - QUARTERS + 1 : NOW + 1] *= np.exp(size * SPREAD_NOISE)[:, None]
    return replace(latent, half=half)


def left_behind(rng: np.random.Generator, latent: Latent, size: Floats, sign: Floats) -> Latent:
    """The first of each ladder stands still for three hours and more, while its driver moves in the last of them."""
    first = _first_of_ladders(latent)
    event = latent.event
    later = np.arange(latent.odds.shape[1]) > NOW - QUARTERS
    shift = np.zeros(len(latent), dtype=np.float32)
    ladder = np.isin(event, event[first])
    leader = np.searchsorted(event[first], event[ladder])
    shift[ladder] = (size * sign * latent.noise)[first][leader]
    frozen = latent.frozen.copy()
    frozen[first, NOW + 1 - 3 * QUARTERS - 1 :] = True
    return replace(latent, odds=latent.odds + later * shift[:, None], frozen=frozen)


def follower(rng: np.random.Generator, latent: Latent, size: Floats, sign: Floats) -> Latent:
    """The first of each ladder goes where the others went an hour before; these move in the last hour."""
    first = _first_of_ladders(latent)
    odds = latent.odds.copy()
    own = odds[first]
    odds[first, QUARTERS:] = own[:, :-QUARTERS]
    ladder = np.isin(latent.event, latent.event[first])
    ladder[first] = False
    shift = np.zeros(len(latent), dtype=np.float32)
    leader = np.searchsorted(latent.event[first], latent.event[ladder])
    shift[ladder] = (size * sign * latent.noise)[first][leader]
    later = np.arange(odds.shape[1]) > NOW - QUARTERS
    return replace(latent, odds=odds + later * shift[:, None])


def _first_of_ladders(latent: Latent) -> npt.NDArray[np.intp]:
    return np.arange(0, len(latent) // 4, 4)


PLANTS: dict[str, Plant] = {
    "price_jump": jump,
    "price_drift": ramp(24, 0.5),
    "momentum": ramp(6, 1.0),
    "reversal": there_and_back,
    "convergence": to_its_end,
    "volume_spike": spike,
    "volume_without_price": spike,
    "price_without_volume": jump_on_nothing,
    "volatility_regime": wilder,
    "spread_collapse": wider,
    "stale_quote": left_behind,
    "lead_lag": follower,
}
OF_RELATED = frozenset(("stale_quote", "lead_lag"))


def recall(name: str, seed: int, markets: int = 4_000) -> dict[float, float]:
    """By size, the share whose score is 50 or more: of markets that do not stand still for hours, at 5 to 95 cents
    before. A size is in the noise that a market showed in the week before, quotes and rounding and all. Moves go
    away from the nearer end, where there is room for them."""
    found = {}
    for number, size in enumerate(SIZES):
        rng = np.random.default_rng([seed, number])
        latent = clean(rng, markets, days=0)
        latent = replace(latent, frozen=np.zeros_like(latent.frozen))
        noise = seen_noise(shown(np.random.default_rng(seed), latent)(NOW))
        before = latent.odds[:, NOW - QUARTERS * 24]
        sign = np.where(before > 0, -1, 1).astype(np.float32)
        if name == "convergence":
            sign = -sign
        sized = replace(latent, noise=noise)
        planted = PLANTS[name](rng, sized, np.full(markets, size, dtype=np.float32), sign)
        history = shown(rng, planted)(NOW)
        (signal,) = [signal for signal in signals(history) if signal.detector == name]
        rows = _first_of_ladders(latent) if name in OF_RELATED else np.arange(markets // 2, markets)
        rows = rows[np.abs(before[rows]) < _MIDDLE]
        found[size] = float((signal.score[rows] >= THRESHOLD).mean())
    return found


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
