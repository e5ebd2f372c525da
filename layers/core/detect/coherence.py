"""Probabilities of one event that do not fit together: sums beyond 1, ladders out of order. Over all markets at once.

These need no past and break arithmetic, not a usual size: own noise is what whole-cent quotes make of one that fits.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from core.detect.history import Floats, History, Ints
from core.detect.scores import Null, score_of
from core.detect.signals import Signal, nothing

_CENT_NOISE = 0.29  # cents: the standard deviation of what rounding to whole cents takes or adds
# Bids are rounded down and asks up, so a whole noise beyond is already more than rounding can do on average.
MISMATCH = Null(0.5, 0.9, 1.3, 1.7, 2.1)
LADDER = Null(0.5, 1.0, 1.5, 2.0, 2.4)


def sum_mismatch(history: History, event: Ints) -> Signal:
    """Outcomes that exclude each other, whose YES bids together exceed 1: selling them all (buying every NO) pays at
    least n - 1 whatever happens. Asks below 1 are not used: only an exhaustive list makes them mean anything, and no
    venue proves one.

    z = excess in cents / (0.29 * sqrt(n)), the noise of n quotes rounded to cents. Size k: k such noises of excess. One
    signal an event, on its dearest outcome. Side: down.
    """
    rows = np.flatnonzero(history.exclusive & (history.bid > 0) & (history.bid < 1) & ~(history.ask < history.bid))
    if not len(rows):
        return nothing("sum_mismatch", history)
    _, group = np.unique(event[rows], return_inverse=True)
    bids = history.bid[rows].astype(np.float64)
    total, members = np.bincount(group, weights=bids), np.bincount(group)
    # the last of each event's rows in order of bid is its dearest outcome
    dearest = np.zeros(len(total), dtype=np.intp)
    order = np.argsort(bids, kind="stable")
    dearest[group[order]] = rows[order]
    off = (members >= 2) & (total > 1 + 1e-9)
    size, totals, outcomes = (np.full(len(history), np.nan) for _ in range(3))
    size[dearest[off]] = 100 * (total[off] - 1) / (_CENT_NOISE * np.sqrt(members[off]))
    totals[dearest[off]], outcomes[dearest[off]] = 100 * total[off], members[off]
    side = np.where(np.isfinite(size), -1, 0).astype(np.int8)
    return Signal("sum_mismatch", score_of(size, MISMATCH), side, {"sum_bids_cents": totals, "outcomes": outcomes})


def ladder_by_threshold(history: History) -> Signal:
    """Of two rungs of which the harder implies the easier, the easier's YES is offered below what is bid for the
    harder's. z = (bid of the dearest harder rung - ask) in cents / (0.29 * sqrt(2)). Size k: k such noises of edge.
    Side: up, on the rung that is too cheap.
    """
    return _ladder(history, "ladder_by_threshold", dated=False)


def ladder_by_date(history: History) -> Signal:
    """The same of "by this date": what has happened by an earlier date has happened by a later one."""
    return _ladder(history, "ladder_by_date", dated=True)


def _ladder(history: History, name: str, *, dated: bool) -> Signal:
    if history.ladder is None or history.rung is None:
        return nothing(name, history)
    is_dated = np.zeros(len(history), dtype=bool) if history.dated is None else history.dated
    rows = np.flatnonzero((history.ladder >= 0) & np.isfinite(history.rung) & (is_dated == dated))
    if len(rows) < 2:
        return nothing(name, history)
    group, rung = history.ladder[rows], history.rung[rows]
    order = np.lexsort((-rung, group))  # within a ladder the hardest first
    rows, group, rung = rows[order], group[order], rung[order]
    ask = _quote(history.ask[rows])
    bid = np.nan_to_num(_quote(history.bid[rows]), nan=0.0)
    dearest = _dearest_harder(bid, group, rung)
    edge = 100 * (dearest - ask)
    found = (dearest > 0) & (edge > 1e-6)
    size, edges = (np.full(len(history), np.nan) for _ in range(2))
    edges[rows[found]] = edge[found]
    size[rows[found]] = edge[found] / (_CENT_NOISE * 2**0.5)
    side = np.where(np.isfinite(size), 1, 0).astype(np.int8)
    return Signal(name, score_of(size, LADDER), side, {"ladder_edge_cents": edges})


def _quote(values: Floats) -> npt.NDArray[np.float64]:
    quote = values.astype(np.float64)
    quote[~((quote > 0) & (quote < 1))] = np.nan
    return quote


def _dearest_harder(bid: npt.NDArray[np.float64], group: Ints, rung: Floats) -> npt.NDArray[np.float64]:
    """The highest bid among the strictly harder rungs of the same ladder, given the hardest first; 0 for none.

    A running maximum over all ladders at once: each is lifted above the one before it, bids being below 1.
    """
    ladder = np.cumsum(np.diff(group, prepend=group[0]) != 0)
    best = np.maximum.accumulate(bid + ladder) - ladder
    same = np.zeros(len(bid), dtype=bool)
    same[1:] = (ladder[1:] == ladder[:-1]) & (rung[1:] == rung[:-1])
    # the first of each set of equal rungs; what lies before it is strictly harder
    first = np.maximum.accumulate(np.where(same, 0, np.arange(len(bid))))
    before = np.where((first > 0) & (ladder[np.maximum(first - 1, 0)] == ladder), best[np.maximum(first - 1, 0)], 0.0)
    return before
