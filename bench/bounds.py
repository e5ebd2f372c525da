"""`python -m bench.bounds [judged]`: what is found of what was planted beside the most that could be.

The most is what a likelihood-ratio test finds that is told everything but whether and when: the market's true noise,
the shape and size of what was planted (Neyman and Pearson 1933), at as many episodes of false alarms as a score of 50.
"latent" sees the walk behind the price, or the volume as it is; "shown" sees it through the bounce, the breathing and
the rounding of quotes, taken for Gaussian noise of known size. No detector that learns a market's noise from its week
can do better; what lies between is what may be gained.
"""

from __future__ import annotations

import math
import sys
from statistics import NormalDist

import numpy as np

from bench.martingales import A_DAY, LEVEL_NOISE, QUARTERS, SPREAD_NOISE, Floats
from bench.plants import NOW, PLANTS, Planted
from bench.recall import JUDGED, SIZES, TUNED, found_from, planted_in, recall, seeds
from local.noise import cdf

ALARMS_A_DAY = 1e-4
BOUNCE = 0.3  # of the half spread, as bench.martingales has it
_BACK = 48  # quarter-hours before the plant that a test may look at
_UNSEEN = 1e6  # the variance of what was not told
_NORMAL = NormalDist()
_PRICES = ("price_jump", "price_without_volume", "price_drift", "momentum", "reversal", "convergence")


def at_best(name: str, planted: Planted) -> tuple[float, float]:
    """(latent, shown): the share of `planted.rows` that could be found, NaN where no such test is known."""
    if name in _PRICES:
        return _of_prices(planted)
    if name in ("volume_spike", "volume_without_price"):
        both = _of_volumes(planted)
        return both, both
    if name == "volatility_regime":
        return _of_variances(planted)
    if name == "spread_collapse":
        return _of_spreads(planted)
    return float("nan"), float("nan")


def bar(lag_one: float, sides: int) -> float:
    """What a standard normal series with that correlation from run to run rises above ALARMS_A_DAY times a day."""
    low, high = 2.0, 8.0
    for _ in range(40):
        middle = (low + high) / 2
        low, high = (middle, high) if sides * A_DAY * _rises(middle, lag_one) > ALARMS_A_DAY else (low, middle)
    return high


def _rises(level: float, lag_one: float) -> float:
    """The chance that a run is above the level and the one before was not: bivariate normal, integrated over it."""
    if lag_one <= 0:
        return 1 - _NORMAL.cdf(level)
    now = np.linspace(level, level + 6, 601)
    density = np.exp(-np.square(now) / 2) / math.sqrt(2 * math.pi)
    before = cdf((level - lag_one * now) / math.sqrt(1 - lag_one**2))
    return float(np.trapezoid(density * before, now))


def _found(separation: Floats, level: Floats | float) -> float:
    """The mean chance that a normal with this mean passes the level."""
    return float(cdf(np.asarray(separation, dtype=float) - level).mean())


# Prices: a random walk, shown with noise that does not last


def _of_prices(planted: Planted) -> tuple[float, float]:
    rows, first = planted.rows, planted.onset - _BACK
    off = (planted.latent.odds - planted.clean.odds)[rows, first : NOW + 1].astype(float)
    steps = np.diff(off, axis=1)
    steps[:, :_BACK] = 0  # convergence starts from where it was put
    length = int((NOW - planted.onset) if np.abs(steps[:, _BACK:]).min(axis=0).max() > 0 else 1)
    quarter = planted.clean.noise[rows].astype(float) / math.sqrt(QUARTERS)
    seen = _shown_noise(planted)
    level = bar(1 - 1 / length, sides=2)
    return tuple(_found(_separation(steps, quarter, noise), level) for noise in (np.zeros_like(seen), seen))  # type: ignore[return-value]


def _separation(steps: Floats, quarter: Floats, seen: Floats) -> Floats:
    """(n,) the mean of the matched filter in its own noise: steps of variance quarter**2, seen with noise of variance
    seen**2, whose differences are a moving average. Its covariance has the sines as eigenvectors."""
    size = steps.shape[1]
    place = np.arange(1, size + 1)
    sines = math.sqrt(2 / (size + 1)) * np.sin(math.pi * np.outer(place, place) / (size + 1))
    variance = np.square(quarter)[:, None] + np.outer(np.square(seen), 2 - 2 * np.cos(math.pi * place / (size + 1)))
    found: Floats = np.sqrt((np.square(steps @ sines) / variance).sum(axis=1))
    return found


def _shown_noise(planted: Planted) -> Floats:
    """(n,) the noise of what is shown of a price, in log-odds where the plant begins: bounce within the spread, and two
    quotes rounded to a tick."""
    rows, latent = planted.rows, planted.clean
    chance = 1 / (1 + np.exp(-planted.latent.odds[rows, planted.onset].astype(float)))
    half = np.square(latent.half[rows, planted.onset : NOW + 1].astype(float)).mean(axis=1)
    found: Floats = np.sqrt(BOUNCE**2 * half + np.square(latent.tick[rows]) / 24) / (chance * (1 - chance))
    return found


# Volumes, spreads, variances


def _of_volumes(planted: Planted) -> float:
    """Log volumes about a level that wanders; a quarter-hour in which nothing was traded tells nothing."""
    rows = planted.rows
    part = slice(NOW - QUARTERS + 1 - _BACK, NOW + 1)
    traded = planted.clean.volume[rows, part] > 0
    with np.errstate(divide="ignore", invalid="ignore"):
        off = np.log(planted.latent.volume[rows, part]) - np.log(planted.clean.volume[rows, part])
    off = np.where(traded, off, 0).astype(float)
    place = np.arange(off.shape[1])
    level = LEVEL_NOISE**2 * 0.99 ** np.abs(place[:, None] - place)
    own = np.where(traded, np.square(planted.clean.flow[rows].astype(float))[:, None], _UNSEEN)
    squares = np.empty(len(rows))
    for few in np.array_split(np.arange(len(rows)), max(1, len(rows) // 256)):
        covariance = level + own[few, :, None] * np.eye(off.shape[1])
        squares[few] = (off[few] * np.linalg.solve(covariance, off[few, :, None])[:, :, 0]).sum(axis=1)
    return _found(np.sqrt(squares), bar(1 - 1 / QUARTERS, sides=1))


def _of_spreads(planted: Planted) -> tuple[float, float]:
    """Log spreads without memory; shown, each side is rounded away from the middle by half a tick on average."""
    rows, part = planted.rows, slice(NOW - QUARTERS + 1, NOW + 1)
    before, after = (2 * latent.half[rows, part].astype(float) for latent in (planted.clean, planted.latent))
    tick = planted.clean.tick[rows].astype(float)[:, None]
    level = bar(1 - 1 / QUARTERS, sides=1)
    latent = _found(np.log(after / before).sum(axis=1) / (SPREAD_NOISE * math.sqrt(QUARTERS)), level)
    usual = np.exp(np.log(before).mean(axis=1))[:, None]
    shown = usual + tick
    noise = np.sqrt((np.square(SPREAD_NOISE * usual) + np.square(tick) / 6) / np.square(shown))
    moved = np.log((usual * after / before + tick) / shown)
    return latent, _found((moved / noise).sum(axis=1) / math.sqrt(QUARTERS), level)


def _of_variances(planted: Planted) -> tuple[float, float]:
    """Six hours of steps of a larger variance: chi-square, weighted by the likelihood ratio where noise is seen too;
    by Wilson and Hilferty 1931, with as many degrees of freedom as the weights leave."""
    rows, count = planted.rows, 6 * QUARTERS
    steps = np.diff((planted.latent.odds - planted.clean.odds)[rows, NOW - count : NOW + 1].astype(float), axis=1)
    quarter = np.square(planted.clean.noise[rows].astype(float)) / QUARTERS
    share = np.square(steps).mean(axis=1) / quarter
    if not share.any():
        return 0.0, 0.0
    waves = 2 - 2 * np.cos(math.pi * np.arange(1, count + 1) / (count + 1))
    level = bar(1 - 1 / count, sides=1)
    return tuple(
        _found_of_squares(quarter[:, None] + np.outer(noise, waves), (share * quarter)[:, None], level)
        for noise in (np.zeros(len(rows)), np.square(_shown_noise(planted)))
    )  # type: ignore[return-value]


def _found_of_squares(before: Floats, added: Floats, level: float) -> float:
    weights = added / (before + added)
    after = weights * (before + added) / before
    scale = np.square(weights).sum(axis=1) / weights.sum(axis=1)
    free = np.square(weights.sum(axis=1)) / np.square(weights).sum(axis=1)
    most = scale * free * (1 - 2 / (9 * free) + level * np.sqrt(2 / (9 * free))) ** 3
    free_after = np.square(after.sum(axis=1)) / np.square(after).sum(axis=1)
    reached = np.cbrt(most / after.sum(axis=1)) - (1 - 2 / (9 * free_after))
    return float(cdf(-reached / np.sqrt(2 / (9 * free_after))).mean())


def main(arguments: list[str]) -> None:
    seed = next(seeds(JUDGED if "judged" in arguments else TUNED))
    for name in PLANTS:
        ours = recall(name, seed)
        told = []
        for size in SIZES:
            _, planted = planted_in(name, seed, 4_000, size)
            latent, shown = at_best(name, planted)
            told.append(f"{size:g}: {ours[size]:.2f} of {shown:.2f}, {latent:.2f} ({len(planted.rows)})")
        print(f"{name:21} from {found_from(ours):.1f}  ", "  ".join(told), flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
