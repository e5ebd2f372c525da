"""Favourite-longshot mispricing: what prices of this kind came to, against what is asked."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from core.detect.history import Floats, History
from core.detect.scores import Null, score_of
from core.detect.signals import Signal, nothing

# Standard errors of a proved rate between it and what is quoted. The more others are biased, the easier a fair cell is
# proved by chance, and a market's price goes from cell to cell and rises some eight times a day: 3.7, once in 10,000
# of a normal number, would be too near (python -m bench.longshots_alarms). Proved, nothing is as common as daily.
MISPRICED = Null(0.0, 0.1, 3.1, 3.6, 4.2)
ANY_CATEGORY = ""


@dataclass(frozen=True, slots=True)
class SettledRates:
    """By how much YES paid more than its price, by category, horizon and price: C by H by B cells, known before any
    market it is used on. `bands` (B + 1,) are prices, `horizons` (H + 1,) hours to the close; `categories` name the
    first axis, the empty one for every other. `gap` is in dollars a contract, `error` its standard error, `count` of
    how many independent events, `proved` whether it is not 0 by the tests of all.
    """

    categories: tuple[str, ...]
    horizons: Floats
    bands: Floats
    gap: Floats
    error: Floats
    count: Floats
    proved: npt.NDArray[np.bool_]


def proved_gap(
    rates: SettledRates | None, category: str | None, hours_left: float | None, price: float
) -> tuple[float, int] | None:
    """(dollars that YES paid more than such a price, of how many events) where that is proved; else None."""
    if rates is None or hours_left is None:
        return None
    horizon = int(np.searchsorted(rates.horizons, hours_left, side="right")) - 1
    band = int(np.searchsorted(rates.bands, price, side="right")) - 1
    name = category if category in rates.categories else ANY_CATEGORY
    if name not in rates.categories or not (0 <= horizon < rates.gap.shape[1] and 0 <= band < rates.gap.shape[2]):
        return None
    cell = rates.categories.index(name or ANY_CATEGORY), horizon, band
    return (float(rates.gap[cell]), int(rates.count[cell])) if rates.proved[cell] else None


def favourite_longshot(history: History, rates: SettledRates | None) -> Signal:
    """YES offered below, or bid above, what such prices in this category, this far from the close, came to.

    The rate is the price and its cell's gap. z = (rate - ask, or bid - rate) / the gap's standard error. Without a
    table, for a market without a closing time or quotes and for a cell that is not proved nothing is said. Size k:
    k standard errors. Side: towards the rate.

    Source: Griffith 1949; Snowberg and Wolfers 2010; for prediction markets Page and Clemen 2013.
    """
    if rates is None or history.hours_left is None or not history.price.shape[1]:
        return nothing("favourite_longshot", history)
    horizon = np.searchsorted(rates.horizons, history.hours_left, side="right") - 1
    band = np.searchsorted(rates.bands, history.price[:, -1], side="right") - 1
    known = {name: number for number, name in enumerate(rates.categories)}
    other = known.get(ANY_CATEGORY, -1)
    category = np.array([known.get(name or ANY_CATEGORY, other) for name in history.categories], dtype=np.int64)
    inside = (category >= 0) & (horizon >= 0) & (horizon < len(rates.horizons) - 1)
    inside &= (band >= 0) & (band < len(rates.bands) - 1)
    cell = tuple(np.where(inside, axis, 0) for axis in (category, horizon, band))
    rate = np.where(inside & rates.proved[cell], np.clip(history.price[:, -1] + rates.gap[cell], 0, 1), np.nan)
    ask = np.where((history.ask > 0) & (history.ask < 1), history.ask, np.nan)
    bid = np.where((history.bid > 0) & (history.bid < 1), history.bid, np.nan)
    cheap, dear = np.nan_to_num(rate - ask, nan=0.0), np.nan_to_num(bid - rate, nan=0.0)
    edge = np.maximum(cheap, dear)
    size = np.where(edge > 0, edge / rates.error[cell], np.nan)
    side = np.where(edge > 0, np.where(cheap > dear, 1, -1), 0).astype(np.int8)
    numbers = {
        "settled_rate_cents": np.where(edge > 0, 100 * rate, np.nan),
        "settled_events": np.where(edge > 0, np.floor(rates.count[cell]), np.nan),
    }
    return Signal("favourite_longshot", score_of(size, MISPRICED), side, numbers)
