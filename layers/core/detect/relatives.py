"""Detectors of a market that does not follow the other markets of its event."""

from __future__ import annotations

from functools import cached_property

import numpy as np

from core.detect.moves import sides
from core.detect.past import JUDGED, Past
from core.detect.robust import Singles, counts
from core.detect.scores import Null, score_of
from core.detect.signals import Signal

STALE = Null(0.2, 0.5, 1.3, 2.6, 4.1)
LEAD_LAG = Null(1.0, 1.8, 2.7, 4.25, 6.2)
MIN_PAIRED = 48  # hours in which both the market and its siblings were known
_MIN_SHARED = 0.25  # of a market's variance, explained by its siblings
_STILL_HOURS = 3
_QUOTE = 0.005  # half a cent: what an unmoved quote may hide
_MIN_MOVE = 0.02
_MOVES_OFTEN = 0.2  # of its hours: a market that stands still most of the time is not stale


class Siblings:
    """What the other markets of each one's event did: (n, T - 1) sums of hourly moves in probability."""

    def __init__(self, past: Past) -> None:
        self.own = np.diff(past.price, axis=1)
        known = np.isfinite(self.own)
        self.own[~known] = 0
        self.known = known
        edges = np.flatnonzero(np.diff(past.event, prepend=past.event[0] - 1))
        sizes = np.diff(edges, append=len(past))
        self.alone = np.repeat(sizes < 2, sizes)
        of_event = np.add.reduceat(self.own, edges, axis=0)
        self.others = np.repeat(of_event, sizes, axis=0)
        self.others -= self.own

    @cached_property
    def own_squares(self) -> Singles:
        base = self.own[:, :-JUDGED]
        squares: Singles = np.einsum("ij,ij->i", base, base)
        return squares


def siblings(past: Past) -> Siblings | None:
    """Computed once; None where there is too little past for any relation."""
    if past.hours < MIN_PAIRED + JUDGED + 1 or not len(past):
        return None
    found = past.__dict__.get("_siblings")
    if found is None:
        found = past.__dict__["_siblings"] = Siblings(past)
    return found


def stale_quote(past: Past) -> Signal:
    """A price that stood still for three hours while the other markets of its event moved.

    What they imply: slope * (sum of the siblings' moves in the last hour, or in the last three), the slope being the
    least squares one of this market's hourly moves on theirs over up to a week, where it explains a quarter of the
    variance or more. z = the larger of both in what the fit leaves unexplained; 2 cents or more. Size k: implied moves
    of k of the market's own hourly noises. Side: where they imply.

    Source: price discovery across related markets (Hasbrouck 1995), as a regression.
    """
    kin = siblings(past)
    if kin is None:
        return Signal("stale_quote", np.zeros(len(past)), np.zeros(len(past), np.int8), {})
    slope, shared, left = _fit(kin.own[:, :-JUDGED], kin.others[:, :-JUDGED], kin)
    count = counts(kin.known[:, :-JUDGED])
    noise = np.square(left) / count
    size, implied = past.nothing(), past.nothing()
    for hours in (1, _STILL_HOURS):
        move = slope * kin.others[:, -hours:].sum(axis=1)
        new = np.abs(move) / np.sqrt(hours * noise + _QUOTE**2)
        larger = np.isnan(size) | (new > size)
        size, implied = np.where(larger, new, size), np.where(larger, move, implied)
    last = past.price[:, -1 - _STILL_HOURS :]
    still = (np.ptp(last, axis=1) == 0) & (counts(kin.own != 0) >= _MOVES_OFTEN * count)
    real = still & ~kin.alone & (count >= MIN_PAIRED) & (shared >= _MIN_SHARED) & (np.abs(implied) >= _MIN_MOVE)
    score = np.where(real, score_of(size, STALE), 0)
    numbers = {"implied_move_cents": 100 * implied, "shared_variance": shared}
    return Signal("stale_quote", score, sides(implied, score), numbers)


def lead_lag(past: Past) -> Signal:
    """The other markets of the event moved in the last hour, and this one is known to follow an hour later.

    The slope of its hourly moves on theirs of the hour before, over up to a week, must be proved by itself: z = the
    smaller of the slope's t and 2.5 times the move it predicts in what the fit leaves unexplained an hour; 2 cents or
    more. Size k: a predicted move of k such noises. Side: where it is predicted to go.

    Source: Granger 1969; Lo and MacKinlay 1990 for lead-lag in portfolios.
    """
    kin = siblings(past)
    if kin is None:
        return Signal("lead_lag", np.zeros(len(past)), np.zeros(len(past), np.int8), {})
    slope, shared, left = _fit(kin.own[:, 1:-JUDGED], kin.others[:, : -JUDGED - 1], kin)
    count = counts(kin.known[:, 1:-JUDGED])
    t = np.sqrt(shared * count / np.maximum(1 - shared, np.float32(1e-6)))
    predicted = slope * kin.others[:, -1]
    strength = np.abs(predicted) / np.sqrt(np.square(left) / count + np.float32(_QUOTE**2))
    size = np.minimum(t, np.float32(2.5) * strength)
    real = ~kin.alone & (count >= MIN_PAIRED) & (np.abs(predicted) >= _MIN_MOVE)
    score = np.where(real, score_of(size, LEAD_LAG), 0)
    return Signal("lead_lag", score, sides(predicted, score), {"predicted_move_cents": 100 * predicted, "lag_t": t})


def _fit(own: Singles, others: Singles, kin: Siblings) -> tuple[Singles, Singles, Singles]:
    """(slope, share of the variance explained, root of the sum of squares left), no intercept: moves have no mean."""
    both = np.einsum("ij,ij->i", own, others)
    theirs = np.einsum("ij,ij->i", others, others)
    mine = kin.own_squares
    slope = both / theirs
    shared = np.clip(slope * both / mine, 0, 1)
    return slope, shared, np.sqrt(mine * (1 - shared))
