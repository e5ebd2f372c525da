"""What prices came to: by how much YES paid more or less than it cost, by category, hours to the close and price."""

from __future__ import annotations

import numpy as np

from core.detect import rates_statistics as statistics
from core.detect.history import Floats
from core.detect.longshots import ANY_CATEGORY, SettledRates
from core.detect.rates import MIN_COUNT, MOST_FALSE
from core.detect.rates_moments import CLOSENESS_H, CONTROL, SETTLEMENT, Moments, codes, first_of_clusters

# Finer than a base rate's: a longshot at 2 cents is another thing than one at 8.
BANDS = (0.0, 0.05, 0.1, 0.2, 0.3, 0.5, 0.7, 0.8, 0.9, 0.95, 1.0)
HORIZONS_H = (0.0, *CLOSENESS_H, np.inf)
_DAY_H = 24.0
_SIZE = (len(HORIZONS_H) - 1, len(BANDS) - 1)


def settled_rates(moments: Moments, as_of: float) -> SettledRates:
    """From the moments at which no detector spoke, as of hours since 1970; of each event and cell the first.

    A cell's gap is the mean of what YES paid less its price. Its error is that of the mean, with the larger of the
    variance seen and of a fair bet's, price x (1 - price), and with a design effect for what settled on one day (Kish).
    Proved: at least MIN_COUNT independent events, and not 0 at a false discovery rate of 5% over all cells
    (Benjamini and Yekutieli). The empty category holds every market.
    """
    known = np.flatnonzero((moments.detector == CONTROL) & np.isfinite(moments.outcome(SETTLEMENT, as_of)))
    told = moments[known]
    names = tuple(dict.fromkeys((ANY_CATEGORY, *sorted(set(told.category.tolist())))))
    gap, error, p = (np.full((len(names), *_SIZE), np.nan) for _ in range(3))
    count = np.zeros((len(names), *_SIZE))
    for number, name in enumerate(names):
        ours = told if name == ANY_CATEGORY else told[told.category == name]
        if len(ours):
            gap[number], error[number], count[number], p[number] = _of_category(ours)
    q = statistics.controlled(p.ravel()).reshape(p.shape)
    proved = np.nan_to_num(q, nan=1.0) <= MOST_FALSE
    return SettledRates(names, np.array(HORIZONS_H), np.array(BANDS), gap, error, count, proved)


def _of_category(moments: Moments) -> tuple[Floats, Floats, Floats, Floats]:
    """(gap, error, independent events, p-value), each (H, B); NaN where nothing settled."""
    band = np.clip(np.searchsorted(BANDS, moments.price, side="right") - 1, 0, _SIZE[1] - 1)
    cell = moments.closeness.astype(np.intp) * _SIZE[1] + band
    first = first_of_clusters(cell, codes(moments.cluster), moments.at, moments.score, np.inf)
    moments, cell = moments[np.flatnonzero(first)], cell[first]
    cells = _SIZE[0] * _SIZE[1]
    n = np.bincount(cell, minlength=cells).astype(float)
    won = moments.payout - moments.price
    with np.errstate(divide="ignore", invalid="ignore"):
        gap = np.bincount(cell, weights=won, minlength=cells) / n
        rest = won - gap[cell]
        seen = np.bincount(cell, weights=rest**2, minlength=cells) / np.maximum(n - 1, 1)
        fair = np.bincount(cell, weights=moments.price * (1 - moments.price), minlength=cells) / n
        day = np.floor(moments.settled / _DAY_H).astype(np.intp)
        own, place = np.unique(cell, return_inverse=True)
        effective = n.copy()
        effective[own] /= statistics.design_effect(rest, place.ravel(), day)
        error = np.sqrt(np.maximum(seen, fair) / effective)
        p = 2 * statistics.t_tail(np.abs(gap / error), np.maximum(effective - 1, 5.0))
    p = np.where(effective >= MIN_COUNT, np.minimum(p, 1.0), np.nan)
    return gap.reshape(_SIZE), error.reshape(_SIZE), effective.reshape(_SIZE), p.reshape(_SIZE)
