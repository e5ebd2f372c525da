"""The detectors. Each maps a History to Patterns and says in its docstring what exactly it means."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable
from typing import Any, cast

import numpy as np

from core.detect.history import Floats, History, log_odds, robust_centre_and_scale, score_of
from core.models import Pattern, Platform

MIN_HOURS = 24
MIN_TRADED = 20.0
MIN_MOVE = 0.02


def volume_spike(history: History) -> list[Pattern]:
    """The last hour's volume against the market's own hours before it.

    z = (ln(1+v) - median) / (MAD-scale + 0.25) over at least 24 earlier hours; v at least 20 units and twice the
    median. The 0.25 keeps quiet markets, whose scale is near 0, from calling every trade a spike.
    """
    if history.traded.shape[1] < 3:
        return []
    now, before = history.traded[:, -1], history.traded[:, :-1]
    centre, scale, count = robust_centre_and_scale(np.log1p(before))
    z = (np.log1p(now) - centre) / (scale + 0.25)
    typical = np.expm1(centre)
    found = (count >= MIN_HOURS) & (now >= MIN_TRADED) & (now >= 2 * typical)
    return _patterns(
        history,
        "volume_spike",
        score_of(np.where(found, z, np.nan)),
        {"volume_1h": now, "volume_typical_1h": typical, "volume_ratio": now / np.where(typical >= 1, typical, np.nan)},
    )


def price_jump(history: History) -> list[Pattern]:
    """The last hour's move in log-odds against the market's own hourly moves before it.

    z = |move| / max(MAD-scale, 0.05) over at least 24 earlier moves. The move must be 2 cents or more and wider than
    the spread, so that a quote that flickers is not a jump.
    """
    if history.price.shape[1] < 3:
        return []
    moves = np.diff(log_odds(history.price), axis=1)
    _, scale, count = robust_centre_and_scale(moves[:, :-1])
    cents = history.price[:, -1] - history.price[:, -2]
    spread = np.nan_to_num(history.ask - history.bid, nan=0.0)
    found = (count >= MIN_HOURS) & (np.abs(cents) >= MIN_MOVE) & (np.abs(cents) > spread)
    z = np.abs(moves[:, -1]) / np.maximum(scale, 0.05)
    return _patterns(
        history, "price_jump", score_of(np.where(found, z, np.nan)), {"move_1h_cents": 100 * cents, "move_sigmas": z}
    )


def sum_mismatch(history: History) -> list[Pattern]:
    """Outcomes that exclude each other, whose YES bids together exceed 1: selling them all (buying every NO) pays at
    least n - 1 whatever happens. Asks below 1 are not used: only an exhaustive list makes them mean anything.

    One pattern an event, on its dearest outcome; z = excess in cents, so 4 cents score 50.
    """
    usable = history.exclusive & np.isfinite(history.bid)
    rows = np.array([row for row in np.flatnonzero(usable) if history.events[row] is not None], dtype=np.intp)
    if not len(rows):
        return []
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
    return _patterns(history, "sum_mismatch", score_of(excess), {"sum_bids_cents": totals, "outcomes": outcomes})


DETECTORS: tuple[Callable[[History], list[Pattern]], ...] = (volume_spike, price_jump, sum_mismatch)


def detect(history: History) -> list[Pattern]:
    """Every detector over every market, the highest scores first."""
    with np.errstate(all="ignore"), warnings.catch_warnings():
        # rows without any number are expected, and each detector counts its finite ones
        warnings.simplefilter("ignore", RuntimeWarning)
        found = [pattern for detector in DETECTORS for pattern in detector(history)]
    return sorted(found, key=lambda pattern: (-pattern.score, pattern.platform, pattern.market_id, pattern.detector))


def _patterns(history: History, name: str, scores: Floats, numbers: dict[str, Floats]) -> list[Pattern]:
    rows: Iterable[Any] = np.flatnonzero(scores >= 1.0)
    return [
        Pattern(
            platform=cast("Platform", history.keys[row][0]),
            market_id=history.keys[row][1],
            event_id=history.events[row],
            category=history.categories[row],
            detector=name,
            score=round(float(scores[row]), 1),
            numbers={key: float(values[row]) for key, values in numbers.items() if np.isfinite(values[row])},
        )
        for row in rows
    ]
