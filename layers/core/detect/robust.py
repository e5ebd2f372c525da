"""Sums, scales and chances of values that may be unknown, wild or few: each over the rows of an array."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

Singles = npt.NDArray[np.floating[Any]]
Mask = npt.NDArray[np.bool_]

_WINSOR = 3.76  # mean absolute deviations: 3 standard deviations of a normal
_WINSOR_SQUARES = 4.0  # means of an hour's squared steps


def counts(mask: Mask) -> Singles:
    """(n,) of how many in each row are so."""
    ones = np.ones(mask.shape[1], dtype=np.float32)
    found: Singles = mask.astype(np.float32) @ ones  # several times faster than a sum of booleans
    return found


def winsorised_squares(values: Singles) -> tuple[Singles, Singles]:
    """Sums of squares of (n, k) absolute values, and how many are not 0; each counts for at most 3.76 times the mean
    of those."""
    moving = counts(values != 0)
    most = np.float32(_WINSOR) * values.sum(axis=1) / moving
    kept = np.minimum(values, most[:, None])
    return np.einsum("ij,ij->i", kept, kept), moving


def winsorised_sum(squares: Singles) -> tuple[Singles, Singles]:
    """Sums of (n, k) squares, and how many are not 0; each counts for at most four times the mean of those."""
    moving = counts(squares != 0)
    most = np.float32(_WINSOR_SQUARES) * squares.sum(axis=1) / moving
    return np.minimum(squares, most[:, None]).sum(axis=1), moving


def winsorised_scale(off: Singles, known: Mask) -> tuple[Singles, Singles]:
    """Root mean square of the known of (n, k) deviations, each counted for at most 3.76 times their mean size;
    and how many they are."""
    size = np.where(known, np.abs(off), np.float32(0))
    count = counts(known)
    most = np.float32(_WINSOR) * size.sum(axis=1) / count
    kept = np.minimum(size, most[:, None])
    return np.sqrt(np.einsum("ij,ij->i", kept, kept) / count), count


def as_normal(t: Singles, freedom: Singles) -> Singles:
    """(n,) the standard normal as seldom as Student's t of so many degrees of freedom (Wallace 1959, within a tenth):
    what is measured in a noise that few samples tell."""
    tail = np.sign(t) * np.sqrt(freedom * np.log1p(np.square(t) / freedom))
    found: Singles = tail * (8 * freedom + 1) / (8 * freedom + 3)
    return found
