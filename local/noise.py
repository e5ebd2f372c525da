"""Randomness without state: every draw is a hash of (key, index, salt), so any moment can be computed on its own."""

from hashlib import blake2b
from typing import TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats: TypeAlias = NDArray[np.float64]
Ints: TypeAlias = NDArray[np.int64]

GOLDEN = np.uint64(0x9E3779B97F4A7C15)
SALT_STEP = np.uint64(0xD1342543DE82EF95)
MIX_1 = np.uint64(0xBF58476D1CE4E5B9)
MIX_2 = np.uint64(0x94D049BB133111EB)
PPF_Z = np.linspace(-5.0, 5.0, 4001)


def key_of(*parts: object) -> int:
    return int.from_bytes(blake2b("\x1f".join(map(str, parts)).encode(), digest_size=8).digest(), "big")


def bits(keys: "int | NDArray[np.uint64]", index: ArrayLike, salt: int) -> NDArray[np.uint64]:
    """splitmix64 of key, index and salt; keys and index broadcast."""
    with np.errstate(over="ignore"):
        state = np.asarray(keys, dtype=np.uint64) + np.asarray(index, dtype=np.int64).astype(np.uint64) * GOLDEN
        state = state + np.uint64(salt) * SALT_STEP + GOLDEN
        for _ in range(2):
            state = (state ^ (state >> np.uint64(30))) * MIX_1
            state = (state ^ (state >> np.uint64(27))) * MIX_2
            state = state ^ (state >> np.uint64(31))
        return np.asarray(state, dtype=np.uint64)


def uniform(keys: "int | NDArray[np.uint64]", index: ArrayLike, salt: int) -> Floats:
    """In (0, 1)."""
    return np.asarray(((bits(keys, index, salt) >> np.uint64(11)).astype(np.float64) + 0.5) / 2.0**53)


def normal(keys: "int | NDArray[np.uint64]", index: ArrayLike, salt: int) -> Floats:
    """Box-Muller."""
    radius = np.sqrt(-2.0 * np.log(uniform(keys, index, salt * 2 + 1_000_001)))
    return np.asarray(radius * np.cos(2.0 * np.pi * uniform(keys, index, salt * 2 + 1_000_002)))


def one_uniform(key: int, index: int, salt: int) -> float:
    return float(uniform(key, [index], salt)[0])


def cdf(z: Floats) -> Floats:
    """Of the normal distribution, to 1.5e-7 (Abramowitz and Stegun 7.1.26)."""
    x = np.abs(z) / np.sqrt(2.0)
    t = 1.0 / (1.0 + 0.3275911 * x)
    poly = t * (0.254829592 + t * (-0.284496736 + t * (1.421413741 + t * (-1.453152027 + t * 1.061405429))))
    return np.asarray(0.5 * (1.0 + np.sign(z) * (1.0 - poly * np.exp(-x * x))))


PPF_P = cdf(PPF_Z)


def ppf(p: ArrayLike) -> Floats:
    return np.asarray(np.interp(np.asarray(p, dtype=np.float64), PPF_P, PPF_Z))
