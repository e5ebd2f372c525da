"""What usually happens at moments like these: random moments without a pattern, matched by what matters to a price."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from core.detect.history import Floats
from core.detect.rates_moments import Mask, Moments, band_of, codes, first_of_clusters

MIN_CONTROLS = 20


@dataclass(frozen=True, slots=True)
class Matched:
    """Of M moments, from the controls like each: NaN where there are fewer than MIN_CONTROLS.

    `typical` is the median size of their move, `larger` the share that moved more than that, `up` and `down` the shares
    that rose and fell, `mean` the mean move and `variance` its variance; `count` how many they are, `stratum` which.
    """

    typical: Floats
    larger: Floats
    up: Floats
    down: Floats
    mean: Floats
    variance: Floats
    count: Floats
    stratum: npt.NDArray[np.intp]


def matched(moments: Moments, outcome: Floats, is_control: Mask, lasts: float) -> Matched:
    """`outcome` (M,) is the move to one horizon of `lasts` hours, NaN unknown.

    Matched by category, price band, hours to close and the market's usual hourly move; where such controls are few,
    without the category, then also without the hours to close. Controls are clustered like occurrences.
    """
    band = band_of(moments.price)
    category, cluster = codes(moments.category), codes(moments.cluster)
    levels = [
        _numbered(category, band, moments.closeness, moments.activity),
        _numbered(band, moments.closeness, moments.activity),
        _numbered(band, moments.activity),
    ]
    usable = np.flatnonzero(is_control & np.isfinite(outcome))
    counted = first_of_clusters(levels[0][usable], cluster[usable], moments.at[usable], moments.score[usable], lasts)
    controls = usable[counted]
    m = len(moments)
    columns = {name: np.full(m, np.nan) for name in ("typical", "larger", "up", "down", "mean", "variance", "count")}
    stratum, first = np.full(m, -1, dtype=np.intp), 0
    for level in levels:
        size = int(level.max(initial=-1)) + 1
        told = _summary(level[controls], outcome[controls], size)
        fits = (stratum < 0) & (told["count"][level] >= MIN_CONTROLS)
        for name, column in columns.items():
            column[fits] = told[name][level[fits]]
        stratum[fits] = first + level[fits]
        first += size
    return Matched(stratum=stratum, **columns)


def _numbered(*columns: npt.NDArray[np.integer]) -> npt.NDArray[np.intp]:
    _, number = np.unique(np.stack([column.astype(np.intp) for column in columns]), axis=1, return_inverse=True)
    return number.ravel()


def _summary(group: npt.NDArray[np.intp], moved: Floats, size: int) -> dict[str, Floats]:
    count = np.bincount(group, minlength=size).astype(float)
    with np.errstate(divide="ignore", invalid="ignore"):
        mean = np.bincount(group, weights=moved, minlength=size) / count
        variance = np.bincount(group, weights=(moved - mean[group]) ** 2, minlength=size) / np.maximum(count - 1, 1)
        typical = _medians(group, np.abs(moved), size)
        shares = {
            "up": np.bincount(group, weights=moved > 0, minlength=size) / count,
            "down": np.bincount(group, weights=moved < 0, minlength=size) / count,
            "larger": np.bincount(group, weights=np.abs(moved) > typical[group], minlength=size) / count,
        }
    return {"count": count, "mean": mean, "variance": variance, "typical": typical, **shares}


def _medians(group: npt.NDArray[np.intp], values: Floats, size: int) -> Floats:
    order = np.lexsort((values, group))
    ranked, count = values[order], np.bincount(group, minlength=size)
    start = np.cumsum(count) - count
    medians = np.full(size, np.nan)
    full = count > 0
    low, high = start[full] + (count[full] - 1) // 2, start[full] + count[full] // 2
    medians[full] = (ranked[low] + ranked[high]) / 2
    return medians
