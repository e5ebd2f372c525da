"""`python -m bench.longshots [judged] [WORLDS EVENTS]`: what the favourite-longshot detector finds of biased prices, by
size, and the false alarms seen; `bench.longshots_alarms` tells how many must be expected.

The whole way: random moments of settled markets, settled rates, open markets with quotes, the detector. One size is the
standard error of a cell's mean outcome, sqrt(p (1 - p) / n) of the n events in it. Half of the categories are biased. A
false alarm: the score of a market of a fair category rises to 50 in a day of runs a quarter of an hour apart, beside
biased ones or where all are fair. At best: a likelihood-ratio test of one cell told its error, at as many alarms.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields
from itertools import islice

import numpy as np

from bench.martingales import A_DAY
from bench.recall import JUDGED, SIZES, THRESHOLD, TUNED, episodes, found_from, seeds
from bench.worlds_of_moments import normal
from bench.worlds_settled import AS_OF_H, Bent, Open, Settled, open_markets, settled_world
from core.detect.detectors import signals
from core.detect.history import Floats, History
from core.detect.longshots import MISPRICED, SettledRates
from core.detect.rates_moments import Mask, codes
from core.detect.rates_settled import BANDS, settled_rates

BIASED = ("politics", "sports")
STRENGTHS = (1.02, 1.05, 1.1, 1.2, 1.3, 1.5, 2.0)  # at 1.1 what costs 10 cents comes to 8.2
WORLDS, EVENTS, MARKETS = 10, 40_000, 8_000
_CLEAN = 5  # worlds without any bias for each that has one strength
_NEAR = 0.25  # of a size


@dataclass(frozen=True, slots=True)
class Told:
    """Of open markets in biased cells: the bias in standard errors and in cents, what of it the quote leaves in
    standard errors, whether the cell is proved, whether the score is 50."""

    bias: Floats
    cents: Floats
    left: Floats
    proved: Mask
    found: Mask


@dataclass(frozen=True, slots=True)
class Day:
    """`scores` (A_DAY, N) of markets of fair categories; `market_days` is how long they were quoted, all together."""

    scores: Floats
    market_days: float


def judged(seed: int, bent: Bent, events: int = EVENTS, markets: int = MARKETS) -> tuple[Told, Day]:
    """Of a world's open markets, those in biased cells as they are first seen and the fair ones all day."""
    rng = np.random.default_rng(seed)
    world = settled_world(rng, bent, events)
    rates = settled_rates(world.moments, AS_OF_H)
    opened = open_markets(rng, bent, markets)
    scores = np.array([score(opened.at(quarter), rates) for quarter in range(A_DAY)])
    is_fair = ~np.isin(opened.category.astype(str), list(bent))
    days = float(np.isfinite(opened.price[is_fair]).sum() / A_DAY)
    return _told(world, rates, opened, scores[0], bent), Day(scores[:, is_fair], days)


def score(history: History, rates: SettledRates) -> Floats:
    """(N,) of the favourite-longshot detector."""
    (signal,) = [one for one in signals(history, rates) if one.detector == "favourite_longshot"]
    return signal.score.astype(np.float32)


def _told(world: Settled, rates: SettledRates, opened: Open, score: Floats, bent: Bent) -> Told:
    gap, error = _true_cells(world, rates)
    history = opened.at(0)
    shown = history.price[:, 0]
    rows = np.flatnonzero(np.isin(opened.category.astype(str), list(bent)) & np.isfinite(shown))
    category = np.array([rates.categories.index(name) for name in opened.category[rows]], dtype=np.intp)
    horizon = np.searchsorted(rates.horizons, opened.hours_left[rows], side="right") - 1
    cell = category, horizon, np.searchsorted(BANDS, shown[rows], side="right") - 1
    rate = shown[rows] + gap[cell]
    beyond = np.maximum(rate - history.ask[rows], history.bid[rows] - rate)
    bias = np.abs(gap[cell])
    found = score[rows] >= THRESHOLD
    return Told(bias / error[cell], 100 * bias, beyond / error[cell], rates.proved[cell], found)


def _true_cells(world: Settled, rates: SettledRates) -> tuple[Floats, Floats]:
    """(C, H, B) each: by how much YES is worth more than it costs, and the error that so many independent events leave
    in what it comes to."""
    moments, shape = world.moments, rates.gap.shape
    number = {name: place for place, name in enumerate(rates.categories)}
    category = np.array([number[name] for name in moments.category], dtype=np.intp)
    band = np.searchsorted(BANDS, moments.price, side="right") - 1
    cell = np.ravel_multi_index((category, moments.closeness.astype(np.intp), band), shape)
    size = int(np.prod(shape))
    looks = np.bincount(cell, minlength=size)
    events = np.bincount(np.unique(np.stack([cell, codes(moments.cluster)]), axis=1)[0], minlength=size)
    with np.errstate(divide="ignore", invalid="ignore"):
        gap = np.bincount(cell, weights=world.truth - moments.price, minlength=size) / looks
        fair = np.bincount(cell, weights=moments.price * (1 - moments.price), minlength=size) / looks
        error = np.sqrt(fair / events)
    return gap.reshape(shape), error.reshape(shape)


# Over worlds


def biased(name: str, worlds: int, events: int) -> tuple[Told, list[Day]]:
    """Of `worlds` worlds of each strength what was told in the biased half, and the days of the other."""
    numbers = seeds(name)
    found = [
        judged(next(numbers), dict.fromkeys(BIASED, strength), events) for strength in STRENGTHS for _ in range(worlds)
    ]
    told = [each for each, _ in found]
    parts = (np.concatenate([getattr(each, field.name) for each in told]) for field in fields(Told))
    return Told(*parts), [day for _, day in found]


def fair(name: str, worlds: int, events: int) -> list[Day]:
    return [judged(seed, {}, events)[1] for seed in islice(seeds(f"{name} fair"), worlds)]


def false_alarms(days: Iterable[Day], level: float = THRESHOLD) -> float:
    """Episodes in 10,000 market-days."""
    days = list(days)
    return 10_000 * sum(episodes(day.scores, level) for day in days) / sum(day.market_days for day in days)


def curve(size: Floats, of: Floats | Mask, sizes: Sequence[float] = SIZES) -> dict[float, float]:
    """The mean of what has about each size; NaN where nothing has."""
    near = {each: np.abs(size - each) <= _NEAR for each in sizes}
    return {each: float(of[rows].mean()) if rows.any() else float("nan") for each, rows in near.items()}


def main(arguments: list[str]) -> None:
    name = JUDGED if "judged" in arguments else TUNED
    worlds, events = [int(each) for each in arguments if each.isdigit()] or (WORLDS, EVENTS)
    told, days = biased(name, worlds, events)
    for title, size, of in (
        ("bias", told.bias, told.found),
        ("more than quotes", told.bias, told.left > 0),
        ("of it proved", told.bias, told.proved),
        ("its cents", told.bias, told.cents),
        ("left by the quote", told.left, told.found),
        ("at best", told.left, normal(told.left - MISPRICED.ten_thousandth)),
    ):
        print(f"{title:20}", "  ".join(f"{each:g}: {value:.3f}" for each, value in curve(size, of).items()), flush=True)
    print(f"of what the quote leaves 0.9 is found from {found_from(curve(told.left, told.found)):.1f}")
    print(f"alarms in {sum(day.market_days for day in days):,.0f} market-days beside biased ones, 10,000 of them:",
          f"{false_alarms(days):.2f}", flush=True)  # fmt: skip
    days = fair(name, _CLEAN * worlds, events)
    print(f"alarms in {sum(day.market_days for day in days):,.0f} where all are fair: {false_alarms(days):.2f}")


if __name__ == "__main__":
    main(sys.argv[1:])
