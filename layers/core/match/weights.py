"""How much a word tells: rare ones much, common ones little, by the titles at hand."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from core.match.claims import Claim, stem


@dataclass(frozen=True, slots=True)
class Weights:
    """`counts`: in how many of `titles` a stem occurs. Without any titles, all words tell alike."""

    counts: Mapping[str, int]
    titles: int

    def of(self, word: str) -> float:
        return math.log((self.titles + 2) / (self.counts.get(stem(word), 0) + 0.5))

    def total(self, words: Iterable[str]) -> float:
        return sum(map(self.of, words))


def weigh(claims: Iterable[Claim]) -> Weights:
    counts, titles = Counter[str](), 0
    for claim in claims:
        counts.update({stem(word) for word in claim.words})
        titles += 1
    return Weights(counts, titles)


ALIKE = Weights({}, 0)
