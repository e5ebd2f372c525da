"""Candidates that say the same words, and the gate that refuses every pair whose facts or rules disagree."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Literal

from core.match.facts import Facts, read_facts
from core.models import OpenMarket

Risk = Literal["SAFE", "CAUTION", "BLOCK"]

# Bets that recur every day share their words; half a day keeps neighbours apart.
MAX_CLOSE_GAP = timedelta(hours=12)
# The lower end of the Wilson interval (95%) of the precision measured on labelled pairs: right in 7 events of 7.
CONFIDENCE = 0.64

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
    """One judged pair. `relation` is identity (YES on one is YES on the other) or none; BLOCK is never priced."""

    kalshi_id: str
    polymarket_id: str
    relation: Literal["identity", "none"]
    confidence: float
    risk: Risk
    reasons: tuple[str, ...]


def judge_all(kalshi: Sequence[OpenMarket], polymarket: Sequence[OpenMarket]) -> list[Verdict]:
    """Every pair that says the same words, judged. A market that fits two has no identity: its words do not tell."""
    left = _told_apart(kalshi)
    # A YES that is a name would have a NO that is another name, and perhaps a draw that is neither.
    right = _told_apart([m for m in polymarket if (m.yes_label.casefold(), m.no_label.casefold()) == ("yes", "no")])
    same_words = defaultdict(list)
    for market_id, facts in right:
        same_words[facts.words].append((market_id, facts))
    verdicts = [judge(ours, other, a, b) for ours, a in left for other, b in same_words[a.words]]
    fits = Counter(key for v in verdicts if v.relation == "identity" for key in _keys(v))
    return [
        replace(v, relation="none", confidence=0, reasons=(*v.reasons, "one of them fits several"))
        if any(fits[key] > 1 for key in _keys(v))
        else v
        for v in verdicts
    ]


def judge(kalshi_id: str, polymarket_id: str, a: Facts, b: Facts) -> Verdict:
    """The gate: whatever one says and the other does not, or says otherwise, is a refusal."""
    refusals = tuple(_refusals(a, b))
    if refusals:
        return Verdict(kalshi_id, polymarket_id, "none", 0, "CAUTION", refusals)
    return Verdict(kalshi_id, polymarket_id, "identity", CONFIDENCE, "CAUTION", ())


def with_rules(verdict: Verdict, kalshi_rules: str, polymarket_rules: str) -> Verdict:
    """The verdict after both rule texts were read: BLOCK when a clause that changes the payout is on one side only."""
    risk, notes = _settlement_risk(kalshi_rules, polymarket_rules)
    return replace(verdict, risk=risk, reasons=verdict.reasons + tuple(notes))


def _refusals(a: Facts, b: Facts) -> list[str]:
    found = []
    if a.words != b.words:
        only_a, only_b = Counter(a.words) - Counter(b.words), Counter(b.words) - Counter(a.words)
        differ = f"words differ: {_list(only_a)} and {_list(only_b)}"
        found.append(differ if only_a or only_b else "the same words stand in another order")
    elif len(a.words) == len(a.dates):
        found.append("no words")
    elif any(x and y and x != y for x, y in zip(a.links, b.links, strict=True)):
        found.append("the same words are linked differently")
    if a.dates != b.dates:
        found.append(f"dates differ: {_list(a.dates)} and {_list(b.dates)}")
    elif any(not day.year for day in a.dates):
        found.append("the year of a date is unknown")
    # One side alone may name the year of what closes at the same time.
    if a.years != b.years and (a.dates or len(a.years + b.years) > 1):
        found.append(f"years differ: {_list(a.years)} and {_list(b.years)}")
    to_the_day = a.years == b.years and any(day.day for day in a.dates)
    if not (to_the_day or _closes_agree(a, b)):
        found.append("no day is stated, and the closing times differ or are unknown")
    return found


def _closes_agree(a: Facts, b: Facts) -> bool:
    return a.close_time is not None and b.close_time is not None and abs(a.close_time - b.close_time) <= MAX_CLOSE_GAP


def _told_apart(markets: Sequence[OpenMarket]) -> list[tuple[str, Facts]]:
    """Without those that another market of the venue describes in the same terms: which YES is meant is not said."""
    read = [(market.market_id, read_facts(market.title, market.close_time, market.yes_label)) for market in markets]
    seen = Counter((facts.words, facts.dates, facts.years) for _, facts in read)
    return [(market_id, facts) for market_id, facts in read if seen[facts.words, facts.dates, facts.years] == 1]


def _keys(verdict: Verdict) -> tuple[str, str]:
    return f"k{verdict.kalshi_id}", f"p{verdict.polymarket_id}"


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


def _list(values: Iterable[object]) -> str:
    return ", ".join(sorted(map(str, values))) or "none"
