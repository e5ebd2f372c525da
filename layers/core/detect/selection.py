"""Which patterns go to the analyst: the best of the expected, one a market, few an event, none that is being told."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass

from core.detect.rates import Rate
from core.models import Pattern

MOST_PER_EVENT = 2
STILL_ALIVE = "insight still alive"  # why a pattern is not selected
_HALF_CENTS = 4.0  # as detectors score what is told in cents: 4 of them are 50

Key = tuple[str, str, str]


@dataclass(frozen=True, slots=True)
class Scored:
    """`expected` is the score with what base rates prove of such patterns, 0 to 100."""

    pattern: Pattern
    expected: float

    @property
    def key(self) -> Key:
        return self.pattern.platform, self.pattern.market_id, self.pattern.detector


def scored(patterns: Iterable[Pattern], rates: Mapping[Key, Sequence[Rate]]) -> list[Scored]:
    """The best first. `rates` are of each pattern's cell, by its platform, market and detector."""
    keys = ((one, (one.platform, one.market_id, one.detector)) for one in patterns)
    found = [Scored(one, expected(one.score, rates.get(key, ()))) for one, key in keys]
    return sorted(found, key=lambda one: (-one.expected, *one.key))


def expected(score: float, rates: Sequence[Rate]) -> float:
    """A proved edge of c cents is another reason beside the score, c / (c + 4) strong: both fail or one holds. A proved
    disadvantage takes the score down by as much. What is unproven, or beats nothing without paying, changes nothing."""
    gain = max((100 * rate.shrunk_net for rate in rates if rate.verdict == "edge" and rate.shrunk_net), default=0.0)
    loss = max((-100 * rate.lift_move for rate in rates if rate.verdict == "adverse" and rate.lift_move), default=0.0)
    if gain > 0:
        return 100 - (100 - score) * (1 - gain / (gain + _HALF_CENTS))
    return score * (1 - max(loss, 0.0) / (max(loss, 0.0) + _HALF_CENTS))


def standing(found: Iterable[Scored], *, threshold: float, margin: float, before: AbstractSet[Key]) -> list[Scored]:
    """Those at the threshold, and those that stood in the run before and are not clearly below it: a pattern at the
    threshold must not come and go. `margin` is how far below is clear."""
    return [one for one in found if one.expected >= (threshold - margin if one.key in before else threshold)]


def select(
    found: Iterable[Scored],
    *,
    most: int,
    alive: AbstractSet[tuple[str, str]],
    told: Mapping[tuple[str, str], int] | None = None,
) -> tuple[list[Pattern], Counter[str]]:
    """(selected, why the others were not). `found` stand and come best first; `alive` are markets with a living
    insight, `told` counts those of each (platform, event)."""
    selected: list[Pattern] = []
    dropped: Counter[str] = Counter()
    markets: set[tuple[str, str]] = set()
    events: Counter[tuple[str, str]] = Counter(told or {})
    for one in found:
        pattern = one.pattern
        reason = _reason(pattern, most - len(selected), alive, markets, events)
        if reason:
            dropped[reason] += 1
            continue
        selected.append(pattern)
        markets.add((pattern.platform, pattern.market_id))
        if pattern.event_id:
            events[pattern.platform, pattern.event_id] += 1
    return selected, dropped


def _reason(
    pattern: Pattern,
    room: int,
    alive: AbstractSet[tuple[str, str]],
    markets: AbstractSet[tuple[str, str]],
    events: Counter[tuple[str, str]],
) -> str | None:
    key = (pattern.platform, pattern.market_id)
    if key in alive:
        return STILL_ALIVE
    if key in markets:
        return "market already selected"
    if pattern.event_id and events[pattern.platform, pattern.event_id] >= MOST_PER_EVENT:
        return "event already selected"
    if room <= 0:
        return "no room in this run"
    return None


@dataclass(frozen=True, slots=True)
class Funnel:
    """What became of a run's markets, step by step. `scored` stood at the threshold; `dropped` says why of the rest."""

    markets: int
    detected: int
    scored: int
    selected: int
    analyzed: int
    published: int
    dropped: dict[str, int]
