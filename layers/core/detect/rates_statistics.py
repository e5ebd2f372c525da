"""The arithmetic of base rates: intervals, tails, partial pooling, false discovery. Arrays in, arrays out."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from core.detect.history import Floats

Z95 = 1.959964


def wilson(rate: Floats, n: Floats, z: float = Z95) -> tuple[Floats, Floats]:
    """(low, high) of a proportion `rate` seen in `n` independent trials; n may be an effective, fractional number.

    Wilson (1927), JASA 22:209. NaN where n is 0.
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        middle = (rate + z * z / (2 * n)) / (1 + z * z / n)
        half = z / (1 + z * z / n) * np.sqrt(rate * (1 - rate) / n + z * z / (4 * n * n))
    empty = n <= 0
    low, high = np.clip(middle - half, 0.0, rate), np.clip(middle + half, rate, 1.0)
    return np.where(empty, np.nan, low), np.where(empty, np.nan, high)


def t_tail(t: Floats, degrees: Floats) -> Floats:
    """P(T > t) of Student's t with these degrees of freedom; NaN stays NaN.

    Through Hill's normal approximation (1970), CACM 13:617, Algorithm 395: five digits from 5 degrees on.
    """
    a = degrees - 0.5
    b = 48 * a * a
    y = a * np.log1p(t * t / degrees)
    z = (((((-0.4 * y - 3.3) * y - 24.0) * y - 85.5) / (0.8 * y * y + 100.0 + b) + y + 3.0) / b + 1.0) * np.sqrt(y)
    upper = np.array([0.5 * math.erfc(value / math.sqrt(2)) for value in np.ravel(z)]).reshape(np.shape(z))
    tail: Floats = np.where(t >= 0, upper, 1 - upper)
    return tail


def shrink(values: Floats, variances: Floats) -> tuple[Floats, Floats]:
    """Each of k estimates drawn to their common mean, by how much of their spread is noise; and what error is left.

    Normal-normal empirical Bayes (Efron & Morris 1975, JASA 70:311): values ~ N(theta, variances), theta ~ N(mu, tau2),
    with tau2 by the method of moments of DerSimonian & Laird (1986), Control. Clin. Trials 7:177, mu weighted by
    1 / (variances + tau2). Returns (posterior means, posterior variances); NaN where value or variance is not known.
    """
    known = np.isfinite(values) & np.isfinite(variances) & (variances > 0)
    means, left = np.full(len(values), np.nan), np.full(len(values), np.nan)
    x, v = values[known], variances[known]
    if not len(x):
        return means, left
    weight = 1 / v
    fixed = np.sum(weight * x) / weight.sum()
    spare = weight.sum() - np.sum(weight**2) / weight.sum()
    excess = np.sum(weight * (x - fixed) ** 2) - (len(x) - 1)
    tau2 = max(0.0, float(excess / spare)) if spare > 0 else 0.0
    weight = 1 / (v + tau2)
    mu = np.sum(weight * x) / weight.sum()
    kept = tau2 / (tau2 + v)
    means[known] = mu + kept * (x - mu)
    # what is left of an estimate's own error, and the common mean's
    left[known] = kept * v + (1 - kept) ** 2 / weight.sum()
    return means, left


def controlled(p: Floats) -> Floats:
    """q-values: those at most 0.05 make a set in which at most 5% are false, however the tests depend on each other.

    Benjamini & Yekutieli (2001), Ann. Statist. 29:1165: Benjamini-Hochberg's step-up with its bound divided by
    1 + 1/2 + ... + 1/m. NaN is not tested and does not count.
    """
    q = np.full(len(p), np.nan)
    tested = np.flatnonzero(np.isfinite(p))
    m = len(tested)
    if not m:
        return q
    order = tested[np.argsort(p[tested], kind="stable")]
    ranks = np.arange(1, m + 1)
    raised = p[order] * m * np.sum(1 / ranks) / ranks
    q[order] = np.minimum(np.minimum.accumulate(raised[::-1])[::-1], 1.0)
    return q


def design_effect(residuals: Floats, cells: npt.NDArray[np.intp], blocks: npt.NDArray[np.intp]) -> Floats:
    """(cells,) by how much clusters that happened together inflate a mean's variance: 1 + rho (m - 1), at least 1.

    `blocks` numbers what happened at one time, `cells` the means. rho is the pairwise intraclass correlation of the
    residuals within a cell's block, one for all cells given; m the mean size of a block, weighted by its size
    (Kish 1965, Survey Sampling, 5.4).
    """
    count = int(cells.max(initial=-1)) + 1
    if not count:
        return np.ones(0)
    _, block = np.unique(np.stack([cells, blocks]), axis=1, return_inverse=True)
    block = block.ravel()
    size = np.bincount(block)
    total, squares = np.bincount(block, weights=residuals), np.bincount(block, weights=residuals**2)
    pairs = np.sum(size * (size - 1))
    variance = np.mean(residuals**2)
    rho = 0.0 if pairs == 0 or variance == 0 else float(np.sum(total**2 - squares) / pairs / variance)
    owner = np.zeros(len(size), dtype=np.intp)
    owner[block] = cells
    n = np.bincount(cells, minlength=count)
    m = np.bincount(owner, weights=size.astype(float) ** 2, minlength=count) / np.maximum(n, 1)
    inflated: Floats = np.maximum(1.0, 1 + max(rho, 0.0) * (m - 1))
    return inflated
