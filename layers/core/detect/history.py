"""The input of the detectors: every open market's last hours as arrays, the newest column last."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from core.detect.hours import Quarters

Floats = npt.NDArray[np.floating[Any]]
Ints = npt.NDArray[np.integer[Any]]


@dataclass(frozen=True, slots=True)
class History:
    """N markets by T hours; NaN is unknown. Column T-1 is the hour that ends now.

    `price` is the probability in [0, 1] at the end of each hour, `traded` the hour's volume in the venue's unit,
    `bid` and `ask` the YES quotes now. `keys` are (platform, market_id), `events` and `categories` may be None.

    What finer columns tell, None where there are none: `variation` (N, T) the sum of each hour's squared steps in
    log-odds, `steps` (N,) how many of them moved the price, `spread` (N, T) the YES ask minus YES bid last told in each
    hour, `quarters` the last hour step by step. `hours_left` (N,) to the closing time. `ladder` (N,) numbers the
    groups of markets of which one implies the next, -1 for none; in a group `rung` (N,) rises as YES gets less likely,
    and `dated` (N,) tells ladders by date from those by threshold.
    """

    keys: list[tuple[str, str]]
    events: list[str | None]
    categories: list[str | None]
    exclusive: npt.NDArray[np.bool_]
    price: Floats
    traded: Floats
    bid: Floats
    ask: Floats
    variation: Floats | None = None
    steps: Floats | None = None
    spread: Floats | None = None
    quarters: Quarters | None = None
    hours_left: Floats | None = None
    ladder: Ints | None = None
    rung: Floats | None = None
    dated: npt.NDArray[np.bool_] | None = None

    def __len__(self) -> int:
        return len(self.keys)


def event_numbers(keys: Sequence[tuple[str, str]], events: Sequence[str | None]) -> Ints:
    """(N,) the same number for markets of the same event of one venue, a number of its own for one without an event."""
    known: dict[tuple[str, str], int] = {}
    numbers = [
        known.setdefault((key[0], event), len(known)) if event is not None else -1
        for key, event in zip(keys, events, strict=True)
    ]
    found = np.array(numbers, dtype=np.int64).reshape(-1)
    alone = found < 0
    found[alone] = len(known) + np.arange(int(alone.sum()))
    return found
