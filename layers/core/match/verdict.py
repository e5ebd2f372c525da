"""Candidate pairs by rare shared words, and the gate that refuses every pair whose facts or rules disagree."""

from __future__ import annotations

import heapq
import math
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Literal

from core.match.facts import Facts, read_facts
from core.models import OpenMarket

Risk = Literal["SAFE", "CAUTION", "BLOCK"]

CANDIDATES = 10
MIN_LIKENESS = 0.75
MAX_CLOSE_GAP = timedelta(hours=36)

# Clauses that make two equal titles different bets when only one side has them.
_CARVE_OUTS = {
    "death": re.compile(r"\b(dies|died|death|deceased|passes away)\b", re.I),
    "cancellation": re.compile(r"\b(cancel+ed|cancellation|postponed|rescheduled)\b", re.I),
    "fair price": re.compile(r"\b(fair (?:market )?(?:price|value)|last (?:traded|fair) price)\b", re.I),
    "fifty-fifty": re.compile(r"\b(50[-/ ]50|50%)", re.I),
}
_BLOCKING = frozenset({"death", "fair price"})


@dataclass(frozen=True, slots=True)
class Verdict:
    """One judged pair. `relation` is identity or none; only SAFE and CAUTION identities are ever priced."""

    kalshi_id: str
    polymarket_id: str
    relation: Literal["identity", "none"]
    same_side: bool
    confidence: float
    risk: Risk
    reasons: tuple[str, ...]


def judge_all(kalshi: Sequence[OpenMarket], polymarket: Sequence[OpenMarket]) -> list[Verdict]:
    """Every candidate pair judged by its titles and closing times. A market keeps one identity at most: its best."""
    # What YES means must be told by the title alone: a title that several outcomes share, or a YES that is a name,
    # can be paired upside down.
    titles = Counter(market.title.casefold() for market in kalshi)
    kalshi = [market for market in kalshi if titles[market.title.casefold()] == 1]
    polymarket = [market for market in polymarket if market.yes_label.casefold() == "yes"]
    left = [read_facts(market.title, market.close_time) for market in kalshi]
    right = [read_facts(market.title, market.close_time) for market in polymarket]
    weights = _rarity(left, right)
    index: dict[str, list[int]] = defaultdict(list)
    for row, facts in enumerate(right):
        for word in facts.words:
            index[word].append(row)
    common = max(50, len(right) // 20)
    verdicts = []
    for row, facts in enumerate(left):
        shared: dict[int, float] = defaultdict(float)
        for word in facts.words:
            if len(index[word]) <= common:
                for other in index[word]:
                    shared[other] += weights[word]
        verdicts += [
            judge(kalshi[row].market_id, polymarket[other].market_id, facts, right[other], weights)
            for other in heapq.nlargest(CANDIDATES, shared, key=shared.__getitem__)
        ]
    return _one_each(verdicts)


def judge(kalshi_id: str, polymarket_id: str, a: Facts, b: Facts, weights: dict[str, float]) -> Verdict:
    """The gate: any stated number, date, direction, stage or polarity that disagrees is a refusal."""
    likeness = _likeness(a, b, weights)
    refusals = _refusals(a, b)
    if likeness < MIN_LIKENESS:
        refusals.append(f"titles share {likeness:.2f} of their rare words, below {MIN_LIKENESS}")
    return Verdict(
        kalshi_id,
        polymarket_id,
        "none" if refusals else "identity",
        same_side=True,
        confidence=round(likeness, 3),
        risk="CAUTION",
        reasons=tuple(refusals),
    )


def with_rules(verdict: Verdict, kalshi_rules: str, polymarket_rules: str) -> Verdict:
    """The verdict after both rule texts were read: BLOCK when a clause that changes the payout is on one side only."""
    risk, notes = _settlement_risk(kalshi_rules, polymarket_rules)
    return replace(verdict, risk=risk, reasons=verdict.reasons + tuple(notes))


def _refusals(a: Facts, b: Facts) -> list[str]:
    found = []
    if a.numbers != b.numbers:
        found.append(f"numbers differ: {_list(a.numbers)} and {_list(b.numbers)}")
    if a.direction != b.direction:
        found.append("directions differ")
    if a.negated != b.negated:
        found.append("one is negated")
    if a.numbers and a.at_close != b.at_close:
        found.append("one must hold at the close, the other must be touched")
    if a.stages != b.stages:
        found.append(f"stages differ: {_list(a.stages)} and {_list(b.stages)}")
    if a.years and b.years and not a.years & b.years:
        found.append(f"years differ: {_list(a.years)} and {_list(b.years)}")
    if a.dates and b.dates and not _dates_agree(a, b):
        found.append(f"dates differ: {_list(a.dates)} and {_list(b.dates)}")
    if not (a.dates and b.dates) and not _closes_agree(a, b):
        found.append("no common date, and the closing times differ or are unknown")
    return found


def _dates_agree(a: Facts, b: Facts) -> bool:
    return any(
        x[1] == y[1] and (x[2] == y[2] or 0 in (x[2], y[2])) and (x[0] == y[0] or 0 in (x[0], y[0]))
        for x in a.dates
        for y in b.dates
    )


def _closes_agree(a: Facts, b: Facts) -> bool:
    return a.close_time is not None and b.close_time is not None and abs(a.close_time - b.close_time) <= MAX_CLOSE_GAP


def _likeness(a: Facts, b: Facts, weights: dict[str, float]) -> float:
    """The share of words in common, each by its rarity: weighted intersection over union (Jaccard)."""
    together = sum(weights[word] for word in a.words | b.words)
    return sum(weights[word] for word in a.words & b.words) / together if together > 0 else 0.0


def _rarity(left: Sequence[Facts], right: Sequence[Facts]) -> dict[str, float]:
    counts = Counter(word for facts in (*left, *right) for word in facts.words)
    total = len(left) + len(right)
    return {word: math.log(1 + total / count) for word, count in counts.items()}


def _settlement_risk(kalshi_rules: str, polymarket_rules: str) -> tuple[Risk, list[str]]:
    # Never SAFE: that takes a comparison clause by clause, which this pass does not make.
    notes = ["rules were compared for known carve-outs only; read both before acting"]
    risk: Risk = "CAUTION"
    if not kalshi_rules or not polymarket_rules:
        return "CAUTION", ["one venue gives no rules text"]
    for name, pattern in _CARVE_OUTS.items():
        sides = [("Kalshi", pattern.search(kalshi_rules), kalshi_rules)]
        sides += [("Polymarket", pattern.search(polymarket_rules), polymarket_rules)]
        having = [(venue, match, rules) for venue, match, rules in sides if match]
        if len(having) == 1:
            venue, match, rules = having[0]
            risk = "BLOCK" if name in _BLOCKING else risk
            notes.append(f"only {venue} has a {name} clause: “{_sentence(rules, match.start())}”")
    return risk, notes


def _sentence(text: str, at: int) -> str:
    start = max(text.rfind(". ", 0, at), text.rfind("\n", 0, at)) + 1
    end = text.find(". ", at)
    return " ".join(text[start : end + 1 if end >= 0 else len(text)].split())[:300]


def _one_each(verdicts: list[Verdict]) -> list[Verdict]:
    best: dict[str, Verdict] = {}
    for verdict in sorted(verdicts, key=lambda v: (v.relation != "identity", -v.confidence)):
        for key in (f"k{verdict.kalshi_id}", f"p{verdict.polymarket_id}"):
            best.setdefault(key, verdict)
    return [
        verdict
        for verdict in verdicts
        if best[f"k{verdict.kalshi_id}"] is verdict and best[f"p{verdict.polymarket_id}"] is verdict
    ]


def _list(values: Iterable[object]) -> str:
    return ", ".join(sorted(map(str, values))) or "none"
