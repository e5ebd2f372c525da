"""Clean martingales as venues would show them, and anomalies planted in them: what detectors are judged on.

Quarter-hours, in log-odds with the drift that makes the probability a martingale; quoted in ticks with spreads that
breathe, now and then on one side, and volumes with a daily shape, a wandering level and heavy tails. A fifth of the
markets are thin: their quotes follow only when they trade. Half belong to events of four: of these, half are ladders of
one driver, half outcomes of which one wins.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from core.detect.history import History
from core.detect.hours import Quarters

Floats = npt.NDArray[Any]
HOURS = 168
A_DAY = 96
QUARTERS = 4
SPREAD_NOISE = 0.3
LEVEL_NOISE = 0.4  # of log volume, forgotten in a day
_EVENT = 4
_OWN_SHARE = 0.3  # of a ladder's rung's noise, its own


@dataclass(frozen=True, slots=True)
class Latent:
    """N markets by Q quarter-hours. `noise` is an hour's standard deviation of log-odds, `flow` a quarter-hour's of log
    volume; `half` the half spread, `frozen` where a quote does not follow."""

    odds: Floats
    noise: Floats
    volume: Floats
    flow: Floats
    half: Floats
    tick: Floats
    frozen: npt.NDArray[np.bool_]
    event: npt.NDArray[np.int64]
    hours_left: Floats

    def __len__(self) -> int:
        return len(self.odds)


def clean(rng: np.random.Generator, markets: int, days: int = 1) -> Latent:
    """`markets` (a multiple of 16) with a week of past and `days` after it."""
    quarters = (HOURS + 1) * QUARTERS + days * A_DAY
    noise = np.exp(rng.uniform(np.log(0.04), np.log(0.16), markets)).astype(np.float32)
    thin = rng.random(markets) < 0.2
    related, event = markets // 2, np.arange(markets)
    event[:related] = np.arange(related) // _EVENT
    ladders = related // 2
    noise[:related] = np.repeat(noise[:related:_EVENT], _EVENT)
    odds = _walk(rng, noise, quarters, ladders)
    odds[ladders:related] = _outcomes(odds[ladders:related])
    frozen = thin[:, None] & (rng.random((markets, quarters)) > rng.uniform(0.03, 0.3, markets)[:, None])
    half = np.exp(rng.uniform(np.log(0.003), np.log(0.015), markets))[:, None] * np.exp(
        SPREAD_NOISE * rng.standard_normal((markets, quarters), dtype=np.float32)
    )
    volume, flow = _volumes(rng, thin, quarters)
    tick = np.where(rng.random(markets) < 0.6, 0.01, 0.001).astype(np.float32)
    left = np.where(rng.random(markets) < 0.5, rng.uniform(24, 500, markets), np.nan).astype(np.float32)
    return Latent(odds, noise, volume, flow, half.astype(np.float32), tick, frozen, event, left)


def _walk(rng: np.random.Generator, noise: Floats, quarters: int, ladders: int) -> Floats:
    markets = len(noise)
    steps = rng.standard_normal((quarters, markets), dtype=np.float32)
    driver = np.repeat(steps[:, :ladders:_EVENT], _EVENT, axis=1)
    steps[:, :ladders] = np.float32((1 - _OWN_SHARE**2) ** 0.5) * driver + _OWN_SHARE * steps[:, :ladders]
    odds = np.empty((quarters, markets), dtype=np.float32)
    at = rng.uniform(-1.7, 1.7, markets).astype(np.float32)
    at[:ladders] = np.repeat(at[:ladders:_EVENT], _EVENT) / 2 + np.tile(np.linspace(1, -1, _EVENT), ladders // _EVENT)
    variance = np.square(noise) / QUARTERS
    for quarter in range(quarters):
        odds[quarter] = at
        chance = 1 / (1 + np.exp(-at))
        at = at + np.sqrt(variance) * steps[quarter] + (chance - np.float32(0.5)) * variance
    return np.ascontiguousarray(odds.T)


def _outcomes(odds: Floats) -> Floats:
    """Of events of four, the log-odds of each being the one that wins."""
    weights = np.exp(odds.reshape(-1, _EVENT, odds.shape[1]))
    share = weights / weights.sum(axis=1, keepdims=True)
    found: Floats = np.log(share / (1 - share)).reshape(odds.shape).astype(np.float32)
    return found


def _volumes(rng: np.random.Generator, thin: npt.NDArray[np.bool_], quarters: int) -> tuple[Floats, Floats]:
    markets = len(thin)
    hour = np.arange(quarters) / QUARTERS % 24
    shape = 0.35 + np.exp(-(((hour - 18.5) / 4.5) ** 2)) + 0.4 * np.exp(-(((hour - 2) / 3) ** 2))
    flow = rng.uniform(0.3, 0.7, markets).astype(np.float32)
    level = np.zeros((quarters, markets), dtype=np.float32)
    shocks = rng.standard_normal((quarters, markets), dtype=np.float32)
    for quarter in range(1, quarters):  # forgets itself in a day
        level[quarter] = 0.99 * level[quarter - 1] + np.float32(LEVEL_NOISE * (1 - 0.99**2) ** 0.5) * shocks[quarter]
    own = flow[:, None] * rng.standard_normal((markets, quarters), dtype=np.float32)
    busy = rng.normal(4, 1.5, markets).astype(np.float32)[:, None] + np.log(shape).astype(np.float32)
    volume = np.exp(busy + level.T + own)
    idle = np.where(thin, 0.9, 0.02)[:, None]
    volume[rng.random((markets, quarters)) < idle] = 0
    return volume, flow


def shown(rng: np.random.Generator, latent: Latent) -> Callable[[int], History]:
    """What venues show of it: the history as of any quarter-hour that has a week before it."""
    price, bid, ask = _quotes(rng, latent)
    events: list[str | None] = [f"E{number}" for number in latent.event]
    return told(price, bid, ask, latent.volume, events, latent.hours_left)


def told(
    price: Floats, bid: Floats, ask: Floats, volume: Floats, events: list[str | None], hours_left: Floats
) -> Callable[[int], History]:
    """From N markets' quarter-hours: prices and quotes at their ends, what was traded in them."""
    squares = np.square(np.diff(np.log(price / (1 - price)), axis=1, prepend=np.float32(np.nan)))
    spread = np.where(np.isfinite(squares) & ((squares > 0) | (volume > 0)), ask - bid, np.nan)
    keys = [("kalshi", f"M{row}") for row in range(len(price))]
    shape = (len(price), HOURS, QUARTERS)

    def history(at: int) -> History:
        ends = slice(at - QUARTERS * (HOURS - 1), at + 1, QUARTERS)
        hours = slice(at + 1 - QUARTERS * HOURS, at + 1)
        steps, spreads = squares[:, hours].reshape(shape), spread[:, hours].reshape(shape)
        fine = slice(at - QUARTERS + 1, at + 1)
        return History(
            keys=keys,
            events=events,
            categories=[None] * len(keys),
            exclusive=np.zeros(len(keys), dtype=bool),
            price=price[:, ends],
            traded=volume[:, hours].reshape(shape).sum(axis=2),
            bid=bid[:, at],
            ask=ask[:, at],
            variation=steps.sum(axis=2),
            steps=(steps[:, :-1] > 0).sum(axis=(1, 2)).astype(np.float32),
            spread=np.where(np.isfinite(spreads[:, :, 3]), spreads[:, :, 3], spreads[:, :, 2]),
            quarters=Quarters(price[:, at - QUARTERS : at + 1], volume[:, fine], spread[:, fine]),
            hours_left=hours_left,
        )

    return history


def coarse(history: History) -> History:
    """The same as a backfill leaves it: hours only."""
    return replace(history, variation=None, steps=None, spread=None, quarters=None)


def _quotes(rng: np.random.Generator, latent: Latent) -> tuple[Floats, Floats, Floats]:
    chance = 1 / (1 + np.exp(-latent.odds))
    bounce = np.float32(0.3) * rng.standard_normal(chance.shape, dtype=np.float32)
    half, tick = latent.half, latent.tick[:, None]
    middle = chance + half * bounce
    bid = np.floor((middle - half) / tick) * tick
    ask = np.ceil((middle + half) / tick) * tick
    bid, ask = np.clip(bid, tick, 1 - 2 * tick), np.clip(ask, 2 * tick, 1 - tick)
    if latent.frozen.any():
        places = np.where(latent.frozen, 0, np.arange(chance.shape[1]))
        last = np.maximum.accumulate(places, axis=1)
        bid, ask = np.take_along_axis(bid, last, axis=1), np.take_along_axis(ask, last, axis=1)
    return ((bid + ask) / 2).astype(np.float32), bid.astype(np.float32), ask.astype(np.float32)
