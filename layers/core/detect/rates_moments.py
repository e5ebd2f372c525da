"""Moments of the past: when a detector spoke, and random ones when none did, with what the price did afterwards.

A moment's future is in it, each part with the time at which it was known; who measures as of a time sees no more.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from core.detect.history import Floats

Texts = npt.NDArray[np.object_]
Small = npt.NDArray[np.int8]
Mask = npt.NDArray[np.bool_]

CONTROL = ""  # the detector of a moment at which none spoke
HOURS: tuple[int, ...] = (1, 6, 24)
HORIZONS: tuple[str, ...] = ("1h", "6h", "24h", "settlement")
SETTLEMENT = len(HOURS)
BANDS: tuple[float, ...] = (0.0, 0.1, 0.3, 0.7, 0.9, 1.0)
CLOSENESS_H = (6.0, 24.0, 72.0, 168.0)
_ACTIVITY = (1e-9, 0.0005, 0.002, 0.006, 0.015)  # mean hourly move, in dollars
# Who settles early differs from who does not: those due by now are counted together, when nearly all have settled.
SETTLING_H = 48.0
MIN_SCORE = 50.0


@dataclass(frozen=True, slots=True)
class Moments:
    """M moments. Times are hours since 1970; prices and moves are dollars of a YES contract, NaN unknown.

    `detector` is CONTROL for a moment without any pattern. `cluster` names the event, else the market. `side` as of a
    Signal. `moved` (M, 3) is the move after each of HOURS, `payout` what YES paid. `due` is when the market was to
    close, as was known at `at`; NaN unknown. `cost_trade` is what entering and leaving costs, `cost_hold` entering
    alone. `closeness` and `activity` are what moments are matched by, besides category and band.
    """

    at: Floats
    detector: Texts
    category: Texts
    cluster: Texts
    side: Small
    score: Floats
    price: Floats
    closeness: Small
    activity: Small
    due: Floats
    cost_trade: Floats
    cost_hold: Floats
    moved: Floats
    payout: Floats
    settled: Floats

    def __len__(self) -> int:
        return len(self.at)

    def __getitem__(self, rows: npt.NDArray[Any]) -> Moments:
        return replace(self, **{field.name: getattr(self, field.name)[rows] for field in fields(self)})

    def outcome(self, horizon: int, as_of: float) -> Floats:
        """(M,) the move to this horizon, NaN where it had not ended by `as_of`, or was never told."""
        if horizon < SETTLEMENT:
            known = self.at + HOURS[horizon] <= as_of
            return np.where(known, self.moved[:, horizon], np.nan)
        due = np.maximum(self.due, self.at) + SETTLING_H <= as_of
        known = due & (self.settled <= as_of) & (self.settled > self.at)
        return np.where(known, self.payout - self.price, np.nan)


def joined(parts: list[Moments]) -> Moments:
    return Moments(**{f.name: np.concatenate([getattr(part, f.name) for part in parts]) for f in fields(Moments)})


def band_of(price: Floats) -> Small:
    return np.clip(np.searchsorted(BANDS, price, side="right") - 1, 0, len(BANDS) - 2).astype(np.int8)


def band_at(price: float) -> int:
    return int(band_of(np.array([price]))[0])


def closeness_of(hours_left: Floats) -> Small:
    """Unknown is far."""
    return np.searchsorted(CLOSENESS_H, np.nan_to_num(hours_left, nan=np.inf), side="right").astype(np.int8)


def activity_of(price: Floats) -> Small:
    """Of (N, T) hourly prices: how much a market usually moves in an hour, the last hour left out."""
    moves = np.abs(np.diff(price[:, :-1], axis=1))
    known = np.isfinite(moves)
    mean = np.where(known, moves, 0.0).sum(axis=1) / np.maximum(known.sum(axis=1), 1)
    activity: Small = np.searchsorted(_ACTIVITY, mean, side="right").astype(np.int8)
    return activity


def codes(names: Texts) -> npt.NDArray[np.intp]:
    """Equal names as equal numbers."""
    known: dict[Any, int] = {}
    return np.array([known.setdefault(name, len(known)) for name in names.tolist()], dtype=np.intp)


def first_of_clusters(
    group: npt.NDArray[np.intp], cluster: npt.NDArray[np.intp], at: Floats, score: Floats, lasts: float
) -> Mask:
    """(M,) which moments count: of each cluster in a group the first, and then the first `lasts` hours after that.

    What comes within `lasts` hours of one that counts shares its outcome. Of those at one time the highest score.
    """
    order = np.lexsort((-score, at, cluster, group))
    counts = np.zeros(len(at), dtype=bool)
    before, until = (-1, -1), -np.inf
    rows = zip(order.tolist(), group[order].tolist(), cluster[order].tolist(), at[order].tolist(), strict=True)
    for row, of_group, of_cluster, time in rows:
        if (of_group, of_cluster) != before or time >= until:
            counts[row] = True
            before, until = (of_group, of_cluster), time + lasts
    return counts
