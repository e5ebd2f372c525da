"""Which patterns go to the analyst: the best, one a market, few an event, and none that is still being told."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from collections.abc import Set as AbstractSet

from core.models import Pattern

MOST_PER_EVENT = 2


def select(
    patterns: Iterable[Pattern], *, threshold: float, most: int, alive: AbstractSet[tuple[str, str]]
) -> tuple[list[Pattern], Counter[str]]:
    """(selected, why the others were not). `patterns` come best first; `alive` are markets with a living insight."""
    selected: list[Pattern] = []
    dropped: Counter[str] = Counter()
    markets: set[tuple[str, str]] = set()
    events: Counter[tuple[str, str]] = Counter()
    for pattern in patterns:
        reason = _reason(pattern, threshold, most - len(selected), alive, markets, events)
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
    threshold: float,
    room: int,
    alive: AbstractSet[tuple[str, str]],
    markets: AbstractSet[tuple[str, str]],
    events: Counter[tuple[str, str]],
) -> str | None:
    key = (pattern.platform, pattern.market_id)
    if pattern.score < threshold:
        return "score below threshold"
    if key in alive:
        return "insight still alive"
    if key in markets:
        return "market already selected"
    if pattern.event_id and events[pattern.platform, pattern.event_id] >= MOST_PER_EVENT:
        return "event already selected"
    if room <= 0:
        return "no room in this run"
    return None


def funnel(seen: int, detected: int, selected: Sequence[Pattern], dropped: Counter[str]) -> dict[str, object]:
    return {"markets": seen, "detected": detected, "selected": len(selected), "dropped": dict(dropped.most_common(10))}
