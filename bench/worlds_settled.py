"""Worlds of settled and of open markets whose prices are fair, or biased as the literature has it.

What an outcome is worth walks as a martingale to its end; what it costs is that, or is bent so that long shots cost
more and favourites less than they come to: log-odds of the price times `bent` are those of the truth (Karmarkar 1978;
of betting Snowberg and Wolfers 2010, of a prediction market Page and Clemen 2013). `bent` 1 is fair.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from bench.martingales import A_DAY
from bench.worlds_of_moments import CATEGORIES, normal
from core.detect.history import Floats, History
from core.detect.rates_moments import CONTROL, Moments, closeness_of

SHARED = "crypto"  # of its events, what settled on one day went partly together
DAYS, AS_OF_H = 90, 24.0 * 93
_SHARE = 0.2  # of the last step's variance
_EACH = 2  # markets of an event, on one walk
_LOOKS = 3  # random moments of a market
FAR_H = 300.0
_AFTER = 0.3  # of a walk's variance, told after the last look only
_LOWEST = 0.005  # what costs less, or all but so much, has no price in tenths of a cent that is not rounding
_SHOWN = (0.02, 0.98)
_QUARTER_H = 0.25

Bent = Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Settled:
    """M random moments of markets that settled, and what YES was worth at each: (M,) probabilities."""

    moments: Moments
    truth: Floats


@dataclass(frozen=True, slots=True)
class Open:
    """N markets over a day of quarter-hours. `price` and `truth` (N, A_DAY): what YES costs and is worth, NaN once
    closed; `hours_left` (N,) at the first of them. `at` gives the history as of each."""

    category: npt.NDArray[Any]
    price: Floats
    truth: Floats
    hours_left: Floats
    at: Callable[[int], History]


def settled_world(rng: np.random.Generator, bent: Bent, events: int) -> Settled:
    """`events` of two markets, each looked at three times in its last days, closing over `DAYS` days; categories that
    `bent` does not name are fair."""
    category = np.arange(events) % len(CATEGORIES)
    closes = rng.uniform(24.0, 24.0 * DAYS, events)
    left = -np.sort(-np.exp(rng.uniform(np.log(0.5), np.log(FAR_H), (events, _LOOKS))), axis=1)
    path, variance = walk(rng, left)
    day = np.floor((closes + 1) / 24).astype(np.intp)
    shared = np.where(category == CATEGORIES.index(SHARED), _SHARE, 0.0)
    last = np.sqrt(1 - shared) * rng.standard_normal(events) + np.sqrt(shared) * rng.standard_normal(DAYS + 2)[day]
    end = path[:, -1] + np.sqrt(variance[:, -1]) * last
    threshold = rng.standard_normal((events, _EACH))
    worth = normal((path[:, None, :] - threshold[:, :, None]) / np.sqrt(variance)[:, None, :])
    names = np.array(CATEGORIES, dtype=object)[category]
    price = np.round(priced(worth, names, bent), 3)
    event, market, look = np.nonzero((price >= _LOWEST) & (price <= 1 - _LOWEST))
    hours_left, none = left[event, look], np.full(len(event), np.nan)
    moments = Moments(
        at=closes[event] - hours_left,
        detector=np.full(len(event), CONTROL, dtype=object),
        category=names[event],
        cluster=np.array([f"kalshi E{number}" for number in range(events)], dtype=object)[event],
        side=np.zeros(len(event), dtype=np.int8),
        score=np.zeros(len(event)),
        price=price[event, market, look],
        closeness=closeness_of(hours_left),
        activity=np.zeros(len(event), dtype=np.int8),
        due=closes[event],
        cost_trade=none,
        cost_hold=none,
        moved=np.full((len(event), 3), np.nan),
        payout=(end[:, None] > threshold)[event, market].astype(float),
        settled=closes[event] + 1,
    )
    return Settled(moments, worth[event, market, look])


def open_markets(rng: np.random.Generator, bent: Bent, markets: int, categories: Sequence[str] = CATEGORIES) -> Open:
    """Of an event each, quoted in ticks about their prices, which walk on as those that settled did."""
    names = np.array(categories, dtype=object)[np.arange(markets) % len(categories)]
    first = np.exp(rng.uniform(np.log(0.5), np.log(FAR_H), markets))
    left = first[:, None] - _QUARTER_H * np.arange(A_DAY)
    path, variance = walk(rng, np.maximum(left, 0.0))
    worth = normal((path - rng.standard_normal((markets, 1))) / np.sqrt(variance))
    price = priced(worth, names, bent)
    tick = np.where(rng.random(markets) < 0.6, 0.01, 0.001)[:, None]
    half = np.exp(rng.uniform(np.log(0.003), np.log(0.015), markets))[:, None]
    there = (left > 0) & (price > _SHOWN[0]) & (price < _SHOWN[1])
    bid = np.where(there, np.floor((price - half) / tick) * tick, np.nan)
    ask = np.where(there, np.ceil((price + half) / tick) * tick, np.nan)
    keys = [("kalshi", f"M{row}") for row in range(markets)]
    nothing = np.full((markets, 1), np.nan)

    def at(quarter: int) -> History:
        return History(
            keys=keys,
            events=[None] * markets,
            categories=names.tolist(),
            exclusive=np.zeros(markets, dtype=bool),
            price=(bid + ask)[:, [quarter]] / 2,
            traded=nothing,
            bid=bid[:, quarter],
            ask=ask[:, quarter],
            hours_left=left[:, quarter],
        )

    return Open(names, np.where(there, price, np.nan), np.where(there, worth, np.nan), first, at)


def walk(rng: np.random.Generator, left: Floats) -> tuple[Floats, Floats]:
    """(where each of E walks is, what variance is left to its end), (E, T) each, at hours to the close that fall."""
    variance: Floats = _AFTER + (1 - _AFTER) * left / FAR_H
    steps = -np.diff(variance, axis=1, prepend=1.0)
    return np.cumsum(np.sqrt(steps) * rng.standard_normal(left.shape), axis=1), variance


def priced(worth: Floats, names: npt.NDArray[Any], bent: Bent) -> Floats:
    """What YES costs: the price of which the log-odds, times `bent`, are those of what it is worth."""
    power = np.array([1 / bent.get(name, 1.0) for name in names]).reshape(-1, *[1] * (worth.ndim - 1))
    yes, no = worth**power, (1 - worth) ** power
    price: Floats = yes / (yes + no)
    return price
