"""The input of the detectors: every open market's last hours as arrays, the newest column last."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class History:
    """N markets by T hours; NaN is unknown. Column T-1 is the hour that ends now.

    `price` is the probability in [0, 1] at the end of each hour, `traded` the hour's volume in the venue's unit,
    `bid` and `ask` the YES quotes now. `keys` are (platform, market_id), `events` and `categories` may be None.
    """

    keys: list[tuple[str, str]]
    events: list[str | None]
    categories: list[str | None]
    exclusive: npt.NDArray[np.bool_]
    price: Floats
    traded: Floats
    bid: Floats
    ask: Floats

    def __len__(self) -> int:
        return len(self.keys)


def log_odds(price: Floats) -> Floats:
    """ln(p / (1 - p)) with p kept one tenth of a cent away from 0 and 1."""
    kept = np.clip(price, 0.001, 0.999)
    odds: Floats = np.log(kept / (1 - kept))
    return odds


def robust_centre_and_scale(values: Floats) -> tuple[Floats, Floats, npt.NDArray[np.intp]]:
    """Row-wise median, 1.4826 * median absolute deviation (the normal-consistent scale) and count, NaNs left out."""
    kept = np.where(np.isfinite(values), values, np.nan)
    count = np.isfinite(kept).sum(axis=1)
    centre = _medians(kept, count)
    return centre, 1.4826 * _medians(np.abs(kept - centre[:, None]), count), count


def _medians(values: Floats, count: npt.NDArray[np.intp]) -> Floats:
    """The median of each row's `count` finite values; NaN for a row without any. Sorting puts the NaNs last."""
    ranked = np.sort(values, axis=1)
    rows, last = np.arange(len(values)), np.maximum(count - 1, 0)
    middle: Floats = (ranked[rows, last // 2] + ranked[rows, (last + 1) // 2]) / 2
    return middle


def score_of(z: Floats) -> Floats:
    """0-100 from a deviation in robust standard deviations: 50 at 4, 75 at 12, never 100. NaN scores 0."""
    positive = np.clip(np.nan_to_num(z, nan=0.0, posinf=1e6, neginf=0.0), 0.0, 1e6)
    return 100.0 * positive / (positive + 4.0)
