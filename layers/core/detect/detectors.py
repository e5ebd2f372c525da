"""The detectors. Each maps a History to Patterns and says in its docstring what exactly it means."""

from __future__ import annotations

import warnings
from collections.abc import Callable

import numpy as np

from core.detect.history import History, log_odds, robust_centre_and_scale, score_of
from core.detect.signals import Signal, no_side, nothing, patterns_of
from core.models import Pattern

MIN_HOURS = 24
MIN_TRADED = 20.0
MIN_MOVE = 0.02


def volume_spike(history: History) -> Signal:
    """The last hour's volume against the market's own hours before it.

    z = (ln(1+v) - median) / (MAD-scale + 0.25) over at least 24 earlier hours; v at least 20 units and twice the
    median. The 0.25 keeps quiet markets, whose scale is near 0, from calling every trade a spike.
    """
    if history.traded.shape[1] < 3:
        return nothing("volume_spike", history)
    now, before = history.traded[:, -1], history.traded[:, :-1]
    centre, scale, count = robust_centre_and_scale(np.log1p(before))
    z = (np.log1p(now) - centre) / (scale + 0.25)
    typical = np.expm1(centre)
    found = (count >= MIN_HOURS) & (now >= MIN_TRADED) & (now >= 2 * typical)
    return Signal(
        "volume_spike",
        score_of(np.where(found, z, np.nan)),
        no_side(history),
        {"volume_1h": now, "volume_typical_1h": typical, "volume_ratio": now / np.where(typical >= 1, typical, np.nan)},
    )


def price_jump(history: History) -> Signal:
    """The last hour's move in log-odds against the market's own hourly moves before it.

    z = |move| / max(MAD-scale, 0.05) over at least 24 earlier moves. The move must be 2 cents or more and wider than
    the spread, so that a quote that flickers is not a jump.
    """
    if history.price.shape[1] < 3:
        return nothing("price_jump", history)
    moves = np.diff(log_odds(history.price), axis=1)
    _, scale, count = robust_centre_and_scale(moves[:, :-1])
    cents = history.price[:, -1] - history.price[:, -2]
    spread = np.nan_to_num(history.ask - history.bid, nan=0.0)
    found = (count >= MIN_HOURS) & (np.abs(cents) >= MIN_MOVE) & (np.abs(cents) > spread)
    z = np.abs(moves[:, -1]) / np.maximum(scale, 0.05)
    return Signal(
        "price_jump",
        score_of(np.where(found, z, np.nan)),
        no_side(history),
        {"move_1h_cents": 100 * cents, "move_sigmas": z},
    )


def sum_mismatch(history: History) -> Signal:
    """Outcomes that exclude each other, whose YES bids together exceed 1: selling them all (buying every NO) pays at
    least n - 1 whatever happens. Asks below 1 are not used: only an exhaustive list makes them mean anything.

    One pattern an event, on its dearest outcome; z = excess in cents, so 4 cents score 50.
    """
    usable = history.exclusive & np.isfinite(history.bid)
    rows = np.array([row for row in np.flatnonzero(usable) if history.events[row] is not None], dtype=np.intp)
    if not len(rows):
        return nothing("sum_mismatch", history)
    names = np.array([f"{history.keys[row][0]} {history.events[row]}" for row in rows])
    _, event = np.unique(names, return_inverse=True)
    bids = history.bid[rows]
    total, members = np.bincount(event, weights=bids), np.bincount(event)
    # the last of each event's rows in order of bid is its dearest outcome
    dearest = np.zeros(len(total), dtype=np.intp)
    order = np.argsort(bids, kind="stable")
    dearest[event[order]] = rows[order]
    off = (members >= 2) & (total > 1)
    excess, totals, outcomes = (np.full(len(history), np.nan) for _ in range(3))
    excess[dearest[off]] = 100 * (total[off] - 1)
    totals[dearest[off]], outcomes[dearest[off]] = 100 * total[off], members[off]
    side = np.where(np.isfinite(excess), -1, 0).astype(np.int8)
    return Signal("sum_mismatch", score_of(excess), side, {"sum_bids_cents": totals, "outcomes": outcomes})


DETECTORS: tuple[Callable[[History], Signal], ...] = (volume_spike, price_jump, sum_mismatch)


def signals(history: History) -> list[Signal]:
    """Every detector over every market."""
    with np.errstate(all="ignore"), warnings.catch_warnings():
        # rows without any number are expected, and each detector counts its finite ones
        warnings.simplefilter("ignore", RuntimeWarning)
        return [detector(history) for detector in DETECTORS]


def detect(history: History) -> list[Pattern]:
    """What every detector says, the highest scores first."""
    found = [pattern for signal in signals(history) for pattern in patterns_of(history, signal)]
    return sorted(found, key=lambda pattern: (-pattern.score, pattern.platform, pattern.market_id, pattern.detector))
