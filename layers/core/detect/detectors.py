"""Every detector over every market. What each means stands in its docstring, in the modules beside this one.

All scores mean the same (core.detect.scores): 50 is seen once in 10,000 market-days in which nothing happened. Each is
told in `size`s of its own noise. Nothing after a history's last column is read, by construction.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from core.detect.coherence import ladder_by_date, ladder_by_threshold, sum_mismatch
from core.detect.history import History, Ints, event_numbers
from core.detect.longshots import SettledRates, favourite_longshot
from core.detect.moves import convergence, momentum, price_drift, price_jump, reversal
from core.detect.past import JUDGED, MIN_HOURS, Past, day_profile
from core.detect.regimes import spread_collapse, volatility_regime
from core.detect.relatives import lead_lag, stale_quote
from core.detect.signals import Signal, nothing, patterns_of
from core.detect.volumes import price_without_volume, volume_spike, volume_without_price
from core.models import Pattern

__all__ = ["MIN_HOURS", "OVER_TIME", "detect", "signals"]

OVER_TIME: tuple[Callable[[Past], Signal], ...] = (
    price_jump,
    price_drift,
    momentum,
    reversal,
    convergence,
    volume_spike,
    volume_without_price,
    price_without_volume,
    volatility_regime,
    spread_collapse,
    stale_quote,
    lead_lag,
)
_AT_ONCE = 2_048  # markets: what a thread works on stays in its processor's cache
_THREADS = 2  # numpy works outside the interpreter's lock


def signals(history: History, rates: SettledRates | None = None) -> list[Signal]:
    """What every detector says of all markets, one Signal a detector, rows as in the history."""
    event = event_numbers(history.keys, history.events)
    with np.errstate(all="ignore"):  # unknowns and noises of 0 are expected: they end as NaN, which scores nothing
        together = [
            sum_mismatch(history, event),
            ladder_by_threshold(history),
            ladder_by_date(history),
            favourite_longshot(history, rates),
        ]
        return [*_over_time(history, event), *together] if len(history) else together


def _over_time(history: History, event: Ints) -> list[Signal]:
    if history.price.shape[1] < MIN_HOURS + JUDGED + 2:
        return [nothing(detector.__name__, history) for detector in OVER_TIME]
    order = np.argsort(event, kind="stable")
    profile = day_profile(history.traded, history.traded.shape[1])
    chunks = _chunks(event[order])

    def work(chunk: slice) -> tuple[Ints, list[Signal]]:
        with np.errstate(all="ignore"):
            rows = order[chunk]
            past = Past(history, rows, event, profile)
            return rows, [detector(past) for detector in OVER_TIME]

    if len(chunks) == 1:
        parts = [work(chunks[0])]
    else:
        with ThreadPoolExecutor(_THREADS) as pool:
            parts = list(pool.map(work, chunks))
    return [_whole(history, [(rows, found[at]) for rows, found in parts]) for at in range(len(OVER_TIME))]


def _chunks(event: Ints) -> list[slice]:
    """Of markets in order of their events, none of which is parted."""
    starts = np.flatnonzero(np.diff(event, prepend=event[0] - 1))
    wanted = np.arange(0, len(event), _AT_ONCE)
    edges = np.unique(starts[np.searchsorted(starts, wanted, side="right") - 1]).tolist()
    return [slice(start, end) for start, end in zip(edges, [*edges[1:], len(event)], strict=True)]


def _whole(history: History, parts: Sequence[tuple[Ints, Signal]]) -> Signal:
    """One signal over all markets from those over some."""
    first = parts[0][1]
    score, side = np.zeros(len(history)), np.zeros(len(history), dtype=np.int8)
    numbers = {name: np.full(len(history), np.nan) for name in first.numbers}
    for rows, part in parts:
        score[rows], side[rows] = part.score, part.side
        for name, values in part.numbers.items():
            numbers[name][rows] = values
    return Signal(first.detector, score, side, numbers)


def detect(history: History, rates: SettledRates | None = None) -> list[Pattern]:
    """What every detector says, the highest scores first."""
    found = [pattern for signal in signals(history, rates) for pattern in patterns_of(history, signal)]
    return sorted(found, key=lambda pattern: (-pattern.score, pattern.platform, pattern.market_id, pattern.detector))
