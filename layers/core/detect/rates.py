"""Base rates: how often, and by how much, the price went a detector's way, against doing nothing.

A cell is detector x category x horizon x price band. Everything is measured as of a time, from moments whose horizon
had ended by then and whose outcome was known.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from core.detect import rates_statistics as statistics
from core.detect.history import Floats
from core.detect.rates_matching import Matched, matched
from core.detect.rates_moments import (
    BANDS,
    CONTROL,
    HORIZONS,
    HOURS,
    Mask,
    Moments,
    Texts,
    band_of,
    codes,
    first_of_clusters,
)

VERSION = 3  # raised when a detector or what is measured here changes: history is then replayed anew
MIN_COUNT = 30
MOST_FALSE = 0.05
_TICK = 0.005  # no price is known more exactly than half a cent, however often it stood still
_MIN_KNOWN = 0.8  # of a cell's clusters: what they cost, and moments to compare them with

Verdict = Literal["edge", "lift", "adverse", "unproven"]


@dataclass(frozen=True, slots=True)
class Rate:
    """One cell. Shares are in [0, 1], moves in dollars a contract, both along the detector's side; None is unknown.

    `n` counts clusters, of each its first moment; `effective` is n less what clusters of one time have in common.
    A hit: the price moved to the side or, of a detector that takes none, by more than the median of matched moments.
    `low` and `high` are Wilson's 95% interval of `rate`. The `matched_` ones are of matched moments without the pattern
    and `lift`s the differences; `net` is after the spread and the fees. `shrunk_` are drawn to the mean of the
    detector's cells of this horizon (rates_statistics.shrink).

    `verdict`: "edge" pays after costs and beats doing nothing, "lift" only beats it, "adverse" is worse than nothing:
    each at a false discovery rate of 5% over all cells tested (`q_`). Otherwise "unproven", and `why`.
    """

    detector: str
    category: str
    horizon: str
    band: int
    n: int
    effective: float
    rate: float
    low: float
    high: float
    matched_rate: float | None
    lift: float | None
    shrunk_lift: float | None
    move: float | None
    net: float | None
    matched_net: float | None
    lift_move: float | None
    shrunk_net: float | None
    q_lift: float | None
    q_edge: float | None
    verdict: Verdict
    why: str

    @property
    def bounds(self) -> tuple[float, float]:
        """Of the price band, in dollars."""
        return BANDS[self.band], BANDS[self.band + 1]


def measure(moments: Moments, as_of: float) -> list[Rate]:
    """Every cell that any moment tells of, as of hours since 1970, in the order of their keys."""
    rates: list[Rate] = []
    tests: list[tuple[float, float]] = []
    is_control = moments.detector == CONTROL
    for horizon, name in enumerate(HORIZONS):
        lasts = HOURS[horizon] if horizon < len(HOURS) else np.inf
        outcome = moments.outcome(horizon, as_of)
        controls = matched(moments, outcome, is_control, lasts)
        # of a detector without a side a hit is told by its matched moments
        told = (moments.side != 0) | np.isfinite(controls.typical)
        known = np.flatnonzero(~is_control & np.isfinite(outcome) & told & _of_main_kind(moments))
        if not len(known):
            continue
        cells = _Cells(moments[known], outcome[known], _rows(controls, known), name, lasts)
        rates += cells.rates
        tests += cells.p_values
    return sorted(_judged(rates, tests), key=lambda rate: (rate.detector, rate.category, rate.band, rate.horizon))


def _of_main_kind(moments: Moments) -> Mask:
    """A detector either takes sides or not: what it says more rarely is another claim, and left out."""
    detector, sided = codes(moments.detector), moments.side != 0
    mostly = np.bincount(detector, weights=sided) * 2 >= np.bincount(detector)
    kept: Mask = sided == mostly[detector]
    return kept


def _rows(controls: Matched, rows: npt.NDArray[np.intp]) -> Matched:
    return replace(controls, **{name: getattr(controls, name)[rows] for name in Matched.__slots__})


class _Cells:
    """All cells of one horizon. `rates` lack q-values and verdicts; `p_values` are (lift, two-sided; edge)."""

    def __init__(self, moments: Moments, outcome: Floats, control: Matched, horizon: str, lasts: float) -> None:
        detector, category = codes(moments.detector), codes(moments.category)
        band = band_of(moments.price)
        keys = np.stack([detector, category, band.astype(np.intp)])
        _, cell = np.unique(keys, axis=1, return_inverse=True)
        first = first_of_clusters(cell.ravel(), codes(moments.cluster), moments.at, moments.score, lasts)
        self.moments, self.outcome = moments[first], outcome[first]
        self.control, self.horizon = _rows(control, np.flatnonzero(first)), horizon
        self.cell = cell.ravel()[first]
        self.count = np.bincount(self.cell).astype(float)
        self.rates: list[Rate] = []
        side = self.moments.side.astype(float)
        self.sided = side != 0
        is_larger = np.abs(self.outcome) > self.control.typical
        self.hit = np.where(self.sided, side * self.outcome > 0, is_larger).astype(float)
        plain = np.where(side > 0, self.control.up, self.control.down)
        self.usual = np.where(self.sided, plain, self.control.larger)
        self.move = np.where(self.sided, side * self.outcome, np.nan)
        self.usual_move = np.where(self.sided, side * self.control.mean, np.nan)
        self.cost = self.moments.cost_hold if not np.isfinite(lasts) else self.moments.cost_trade
        self.effective = self.count / self._inflation(24.0 if not np.isfinite(lasts) else lasts)
        # Where a hit is told by a median of controls, that is a sample, too: as if of fewer moments.
        median_error = self._error_of_controls(np.full(len(side), 0.25)) / 0.25
        self.effective = np.where(
            self._share(self.sided) > 0.5, self.effective, 1 / (1 / self.effective + median_error)
        )
        self._measure(band[first])

    def _inflation(self, block_h: float) -> Floats:
        """What clusters still have in common: those of one time (a coin's price moves all its ladders) and those of one
        event (a restless one stays so). Both inflate, so their excesses add up."""
        centred = self.hit - self._mean(self.hit)[self.cell]
        excess = np.zeros(len(self.count))
        kind = codes(self.moments.detector) * (codes(self.moments.category).max() + 1) + codes(self.moments.category)
        together = (np.floor(self.moments.at / block_h).astype(np.intp), codes(self.moments.cluster))
        for one in np.unique(kind):
            rows = kind == one
            own, cell = np.unique(self.cell[rows], return_inverse=True)
            for block in together:
                excess[own] += statistics.design_effect(centred[rows], cell, block[rows]) - 1
        return 1 + excess

    def _mean(self, values: Floats) -> Floats:
        """(cells,) over the clusters of which it is known."""
        known = np.isfinite(values)
        total = np.bincount(self.cell[known], weights=values[known], minlength=len(self.count))
        with np.errstate(divide="ignore", invalid="ignore"):
            mean: Floats = total / np.bincount(self.cell[known], minlength=len(self.count))
        return mean

    def _share(self, mask: Mask) -> Floats:
        share: Floats = np.bincount(self.cell, weights=mask, minlength=len(self.count)) / self.count
        return share

    def _error(self, values: Floats, variance: Floats) -> Floats:
        """(cells,) the variance of a cell's mean of `values`; `variance` is that of each one's matched moments.

        Of both estimates of a value's variance the larger: where large moves are rare, a cell without one looks far
        more certain than it is, and one with some is more certain than its controls say.
        """
        spread = self._mean((values - self._mean(values)[self.cell]) ** 2)
        n = np.maximum(self.effective, 1.0)
        own = np.maximum(spread * self.count / np.maximum(self.count - 1, 1), np.nan_to_num(self._mean(variance))) / n
        error: Floats = own + self._error_of_controls(variance)
        return error

    def _error_of_controls(self, variance: Floats) -> Floats:
        """Those that share a stratum share its mean: sum over strata of weight^2 variance / controls."""
        stratum, cells = self.control.stratum, len(self.count)
        pairs, at, members = np.unique(np.stack([self.cell, stratum]), axis=1, return_index=True, return_counts=True)
        weight = members / self.count[pairs[0]]
        part = np.nan_to_num(weight**2 * variance[at] / self.control.count[at])
        error: Floats = np.bincount(pairs[0], weights=part, minlength=cells).astype(np.float64)
        return error

    def _measure(self, band: npt.NDArray[np.int8]) -> None:
        rate, usual = self._mean(self.hit), self._mean(self.usual)
        low, high = statistics.wilson(rate, self.effective)
        comparable = self._share(np.isfinite(self.usual)) >= _MIN_KNOWN
        lift = np.where(comparable, self._mean(self.hit - self.usual), np.nan)
        lift_error = self._error(self.hit, self.usual * (1 - self.usual))
        lift_move = np.where(comparable, self._mean(self.move - self.usual_move), np.nan)
        move_error = self._error(self.move, np.maximum(self.control.variance, _TICK**2))
        costed = self._share(np.isfinite(self.cost) & self.sided) >= _MIN_KNOWN
        net = np.where(costed, self._mean(self.move - self.cost), np.nan)
        usual_net = np.where(costed & comparable, self._mean(self.usual_move - self.cost), np.nan)

        enough = self.effective >= MIN_COUNT
        sided = self._share(self.sided) > 0.5
        with np.errstate(invalid="ignore", divide="ignore"):
            error = np.where(sided, move_error, lift_error)
            z = np.where(error > 0, np.where(sided, lift_move, lift) / np.sqrt(error), np.nan)
            z_net = net / np.sqrt(move_error)
            degrees = np.maximum(self.effective - 1, 5.0)
            upward = statistics.t_tail(z, degrees)
            both = np.minimum(2 * statistics.t_tail(np.abs(z), degrees), 1.0)
            # both must hold: the larger of two p-values tests that either fails
            edge = np.maximum(upward, statistics.t_tail(z_net, degrees))
        both, edge = np.where(enough, both, np.nan), np.where(enough & sided, edge, np.nan)
        self.p_values = list(zip(both.tolist(), edge.tolist(), strict=True))

        _, first = np.unique(self.cell, return_index=True)
        names = self.moments.detector[first]
        columns = {
            "rate": rate,
            "low": low,
            "high": high,
            "matched_rate": usual,
            "lift": lift,
            "shrunk_lift": _shrunk(names, lift, lift_error),
            "move": self._mean(self.move),
            "net": net,
            "matched_net": usual_net,
            "lift_move": lift_move,
            "shrunk_net": _shrunk(names, net, move_error),
        }
        for one, row in enumerate(first.tolist()):
            told: dict[str, Any] = {name: _known(column[one]) for name, column in columns.items()}
            effective = float(self.effective[one])
            self.rates.append(
                Rate(
                    detector=str(names[one]),
                    category=str(self.moments.category[row]),
                    horizon=self.horizon,
                    band=int(band[row]),
                    n=int(self.count[one]),
                    effective=effective,
                    q_lift=None,
                    q_edge=None,
                    verdict="unproven",
                    why=_why_unproven(effective, bool(comparable[one]), bool(sided[one]), bool(costed[one])),
                    **told,
                )
            )


def _shrunk(detector: Texts, values: Floats, variances: Floats) -> Floats:
    """To the mean of each detector's cells."""
    means = np.full(len(values), np.nan)
    of = codes(detector)
    for one in np.unique(of):
        means[of == one], _ = statistics.shrink(values[of == one], variances[of == one])
    return means


def _known(value: float) -> float | None:
    return None if np.isnan(value) else float(value)


def _why_unproven(effective: float, comparable: bool, sided: bool, costed: bool) -> str:
    if effective < MIN_COUNT:
        return f"fewer than {MIN_COUNT} independent setups"
    if not comparable:
        return "too few moments without the pattern to compare with"
    if sided and not costed:
        return "what it costs is not known"
    return "no more than chance explains"


def _judged(rates: Sequence[Rate], tests: Sequence[tuple[float, float]]) -> Iterable[Rate]:
    """All horizons together: hundreds of cells are looked at, and some would look proved by luck.

    Three families, each with its own 5%: that prices move more than usual is easily true, and many true ones in a
    family let false ones of another kind pass.
    """
    p_lift, p_edge = np.array(tests).reshape(-1, 2).T
    sided = np.array([rate.move is not None for rate in rates], dtype=bool)
    q_edge, q_lift = statistics.controlled(p_edge), statistics.controlled(np.where(sided, p_lift, np.nan))
    q_lift = np.where(sided, q_lift, statistics.controlled(np.where(sided, np.nan, p_lift)))
    for rate, lift, edge in zip(rates, q_lift.tolist(), q_edge.tolist(), strict=True):
        told = replace(rate, q_lift=None if np.isnan(lift) else lift, q_edge=None if np.isnan(edge) else edge)
        # NaN is never small
        difference = rate.lift if rate.lift_move is None else rate.lift_move
        if edge <= MOST_FALSE:
            yield replace(told, verdict="edge", why="")
        elif lift <= MOST_FALSE and difference is not None:
            yield replace(told, verdict="lift" if difference > 0 else "adverse", why="")
        else:
            yield told
