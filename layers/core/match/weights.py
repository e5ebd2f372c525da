"""How much a word tells: rare ones much, common ones little, by the titles at hand."""

from __future__ import annotations

import math
import zlib
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from math import isfinite

from core.match.claims import Claim, stem


@lru_cache(1 << 16)
def key_of(said: str) -> int:
    """What is said as a signed number of 32 bits, which is what an integer column holds."""
    return zlib.crc32(said.encode()) - (1 << 31)


def named_keys(claim: Claim) -> dict[int, str]:
    """The keys that find a claim's like, stems of words, amounts and days, and what each stands for."""
    said = {stem(word): word.replace("_", " ") for word in claim.words}
    for amount in claim.amounts:
        said |= {f"#{end:g}": f"{end:g}{amount.unit}" for end in (amount.low, amount.high) if isfinite(end)}
    said |= {f"@{day.month}-{day.day}": f"{day.month}-{day.day}" for day in claim.dates if day.month}
    return {key_of(key): words for key, words in said.items()}


@dataclass(frozen=True, slots=True)
class Weights:
    """`counts`: in how many of `titles` a key occurs. Without any titles, all words tell alike."""

    counts: Mapping[int, int]
    titles: int

    def of(self, word: str) -> float:
        return math.log((self.titles + 2) / (self.counts.get(key_of(stem(word)), 0) + 0.5))

    def total(self, words: Iterable[str]) -> float:
        return sum(map(self.of, words))


def weigh(claims: Iterable[Claim]) -> Weights:
    counts, titles = Counter[int](), 0
    for claim in claims:
        counts.update(named_keys(claim).keys())
        titles += 1
    return Weights(counts, titles)


ALIKE = Weights({}, 0)
