"""What a detector says of all markets at once, and the patterns made of it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
import numpy.typing as npt

from core.detect.history import Floats, History
from core.models import Pattern, Platform

Sides = npt.NDArray[np.int8]

LEAST_SCORE = 1.0


@dataclass(frozen=True, slots=True)
class Signal:
    """Of N markets. `score` is 0 (nothing) to 100; `side` is where the price is expected to go from here: 1 up, -1
    down, 0 when the detector takes no side. `numbers` made the score, NaN where they do not apply."""

    detector: str
    score: Floats
    side: Sides
    numbers: Mapping[str, Floats]


def no_side(history: History) -> Sides:
    return np.zeros(len(history), dtype=np.int8)


def nothing(detector: str, history: History) -> Signal:
    return Signal(detector, np.zeros(len(history)), no_side(history), {})


def patterns_of(history: History, signal: Signal) -> list[Pattern]:
    rows: Iterable[Any] = np.flatnonzero(signal.score >= LEAST_SCORE)
    return [
        Pattern(
            platform=cast("Platform", history.keys[row][0]),
            market_id=history.keys[row][1],
            event_id=history.events[row],
            category=history.categories[row],
            detector=signal.detector,
            score=round(float(signal.score[row]), 1),
            numbers={key: float(values[row]) for key, values in signal.numbers.items() if np.isfinite(values[row])},
        )
        for row in rows
    ]
