"""For each market of one venue the few of the other that could be the same bet: those that share telling keys.

A key is a word's stem, a stated amount or a stated day, as a number that a database can index. Rare keys find, all
keys rank. What is looked up for a market is bounded, so that the work grows with the markets and not with their pairs.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from core.match.claims import Claim
from core.match.weights import named_keys

MOST = 10
# Markets that a market's rare keys may bring up before they are ranked by all keys.
LOOKED_UP = 200
_AT_ONCE = 256

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]


def explain(a: Claim, b: Claim) -> str:
    """Why the two were put side by side, in plain words."""
    ours, theirs = named_keys(a), named_keys(b)
    shared = sorted(ours[key] for key in ours.keys() & theirs.keys())
    return f"both say {', '.join(shared)}"


@dataclass(frozen=True, slots=True)
class Index:
    """The markets of one venue by key: `markets[starts[i]:starts[i + 1]]` have `keys[i]`, of `size` in all.

    `own` are each market's keys, as positions in `keys`: those of market m are `own[ends[m]:ends[m + 1]]`.
    """

    keys: Ints
    starts: Ints
    markets: Ints
    own: Ints
    ends: Ints
    size: int

    @property
    def counts(self) -> Ints:
        return np.diff(self.starts)


def make_index(keys: Sequence[Sequence[int]]) -> Index:
    flat, ends = _flat(keys)
    owner = np.repeat(np.arange(len(keys)), np.diff(ends))
    distinct, own = np.unique(flat, return_inverse=True)
    order = np.argsort(own, kind="stable")
    starts = np.concatenate(([0], np.cumsum(np.bincount(own, minlength=len(distinct)))))
    return Index(distinct, starts, owner[order], own, ends, len(keys))


def find(index: Index, asked: Sequence[Sequence[int]], most: int = MOST) -> list[list[int]]:
    """For each of `asked` (the keys of one market) the positions of its candidates in the index, best first."""
    found: list[list[int]] = []
    for first in range(0, len(asked), _AT_ONCE):
        found += _find(index, asked[first : first + _AT_ONCE], most)
    return found


def _find(index: Index, asked: Sequence[Sequence[int]], most: int) -> list[list[int]]:
    flat, ends = _flat(asked)
    asker = np.repeat(np.arange(len(asked)), np.diff(ends))
    at = np.minimum(np.searchsorted(index.keys, flat), max(len(index.keys) - 1, 0))
    known = index.keys[at] == flat if len(index.keys) else np.zeros(len(flat), bool)
    asker, at = asker[known], at[known]
    pairs = np.unique(_looked_up(index, asker, at))
    who, whom = pairs // max(index.size, 1), pairs % max(index.size, 1)
    score = _scores(index, asker, at, who, whom)
    order = np.lexsort((-score, who))
    who, whom = who[order], whom[order]
    rank = np.arange(len(who)) - np.searchsorted(who, who)
    found: list[list[int]] = [[] for _ in asked]
    for one, other in zip(who[rank < most].tolist(), whom[rank < most].tolist(), strict=True):
        found[one].append(other)
    return found


def rare(asker: Ints, counts: Ints) -> NDArray[np.bool_]:
    """Which keys to look up: each asker's rarest, as long as they bring up few enough markets, and one at least."""
    order = np.lexsort((counts, asker))
    asker, counts = asker[order], counts[order]
    total = np.cumsum(counts)
    first = np.searchsorted(asker, asker)
    so_far = total - (total[first] - counts[first])
    kept = np.empty(len(asker), bool)
    kept[order] = (so_far <= LOOKED_UP) | ((np.arange(len(asker)) == first) & (counts <= 4 * LOOKED_UP))
    return kept


def _looked_up(index: Index, asker: Ints, at: Ints) -> Ints:
    """asker * size + market, of what their rare keys bring up."""
    counts = index.counts[at]
    kept = rare(asker, counts)
    asker, at, counts = asker[kept], at[kept], counts[kept]
    begins = np.repeat(index.starts[at] - np.concatenate(([0], np.cumsum(counts)[:-1])), counts)
    return np.repeat(asker, counts) * index.size + index.markets[begins + np.arange(counts.sum())]


def _scores(index: Index, asker: Ints, at: Ints, who: Ints, whom: Ints) -> Floats:
    """What the shared keys tell; a market that says much else besides is less alike."""
    weight = weight_of(index.counts, index.size)
    sizes = np.diff(index.ends)[whom]
    pair = np.repeat(np.arange(len(who)), sizes)
    begins = np.repeat(index.ends[whom] - np.concatenate(([0], np.cumsum(sizes)[:-1])), sizes)
    key = index.own[begins + np.arange(sizes.sum())]
    asked = np.sort(asker * len(index.keys) + at)
    code = who[pair] * len(index.keys) + key
    place = np.minimum(np.searchsorted(asked, code), max(len(asked) - 1, 0))
    shared = asked[place] == code if len(asked) else np.zeros(len(code), bool)
    return np.bincount(pair, weight[key] * shared, minlength=len(who)) / np.sqrt(np.maximum(sizes, 1))


def weight_of(counts: Ints, size: int) -> Floats:
    """What a key tells that `counts` of a venue's `size` markets have."""
    return np.log((size + 2) / (counts + 0.5))


def _flat(rows: Sequence[Sequence[int]]) -> tuple[Ints, Ints]:
    ends = np.concatenate(([0], np.cumsum([len(row) for row in rows], dtype=np.int64)))
    return np.fromiter((key for row in rows for key in row), np.int64, int(ends[-1])), ends
