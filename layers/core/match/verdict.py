"""How two markets' bets stand to each other by their titles: relation, polarity, confidence, and what may be priced."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import NamedTuple

from core.match import lexicon
from core.match.claims import Claim, stem
from core.match.conditions import tells
from core.match.facts import Facts
from core.match.gate import exact_date_refusals, exact_refusals, refusals, same_day, unmatched
from core.match.intervals import Interval, Relation, covers, is_whole, relate, units_agree
from core.match.rules import Risk, settlement_risk
from core.match.weights import Weights

MATCH = 0.5  # from this confidence on the two are called the same bet


class Coefficients(NamedTuple):
    """Of the logistic function of how much of what each side says the other says too."""

    intercept: float
    kalshi_said: float
    polymarket_said: float


FITTED = Coefficients(-4.02, 2.6, 4.8)  # by bench/matching_fit.py

_SAME: frozenset[Relation] = frozenset(("identity", "complement"))
_MIRRORED: Mapping[Relation, Relation] = {"identity": "complement", "complement": "identity"}


@dataclass(frozen=True, slots=True)
class Verdict:
    """One judged pair. `relation` is what Polymarket's YES is to Kalshi's YES; a subset wins only if that one wins.

    `same_side`: YES on one is YES on the other; False for a complement, whose YES is the other's NO. `is_match`: the
    two, or this with others of its event, are one bet. `may_be_priced`: the strict gate holds; BLOCK is never priced.
    `passes_titles`: that gate holds but for what the rules block.
    """

    kalshi_id: str
    polymarket_id: str
    relation: Relation
    confidence: float
    risk: Risk
    reasons: tuple[str, ...]
    same_side: bool = True
    is_match: bool = False
    may_be_priced: bool = False
    passes_titles: bool = False


@dataclass(frozen=True, slots=True)
class Sides:
    """One market of each venue, read, with the words that only one of them says."""

    kalshi: Claim
    polymarket: Claim
    only_kalshi: frozenset[str] = field(init=False)
    only_polymarket: frozenset[str] = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "only_kalshi", unmatched(self.kalshi.words, self.polymarket.words))
        object.__setattr__(self, "only_polymarket", unmatched(self.polymarket.words, self.kalshi.words))


def judge(
    kalshi_id: str,
    polymarket_id: str,
    kalshi: Claim,
    polymarket: Claim,
    weights: Weights,
    coefficients: Coefficients = FITTED,
) -> Verdict:
    """By titles alone: a refusal by the gate is relation none; else the relation of amounts, dates and polarity."""
    sides = Sides(kalshi, polymarket)
    refused = refusals(kalshi, polymarket, sides.only_kalshi, sides.only_polymarket)
    relation: Relation = "none"
    if not refused:
        relation, why = _relation(sides)
        refused = [why] if why else []
    if relation == "none":
        return Verdict(kalshi_id, polymarket_id, "none", 0, "CAUTION", tuple(refused))
    confidence = _confidence(sides, weights, coefficients)
    return Verdict(
        kalshi_id,
        polymarket_id,
        relation,
        confidence,
        "CAUTION",
        (),
        same_side=relation != "complement",
        is_match=relation in _SAME and confidence >= MATCH,
        may_be_priced=_may_be_priced(sides, relation),
    )


def judge_group(
    kalshi_id: str,
    kalshi: Claim,
    others: Sequence[tuple[str, Claim]],
    weights: Weights,
    coefficients: Coefficients = FITTED,
) -> list[Verdict]:
    """One Kalshi market against its candidates: of several that fit, the best; buckets that together make it up."""
    verdicts = [judge(kalshi_id, other_id, kalshi, claim, weights, coefficients) for other_id, claim in others]
    for relation in _SAME:
        best = max((v.confidence for v in verdicts if v.is_match and v.relation == relation), default=0)
        if best:
            return [_only_best(v, relation, best) for v in verdicts]
    return _with_unions(kalshi, verdicts, dict(others))


def _only_best(verdict: Verdict, relation: Relation, best: float) -> Verdict:
    if not verdict.is_match or (verdict.relation == relation and math.isclose(verdict.confidence, best)):
        return verdict
    return replace(verdict, is_match=False, may_be_priced=False, reasons=(*verdict.reasons, "another fits better"))


def _with_unions(kalshi: Claim, verdicts: Sequence[Verdict], claims: Mapping[str, Claim]) -> list[Verdict]:
    """Buckets of one event within Kalshi's, which leave nothing of it out, are its bet together."""
    asked = {v.polymarket_id: _apart(kalshi, claims[v.polymarket_id]) for v in verdicts if v.confidence >= MATCH}
    buckets = {market: theirs[0] for market, (_, theirs) in asked.items() if len(theirs) == 1}
    wanted = {amount for market in buckets for amount in asked[market][0]}
    within = {v.polymarket_id for v in verdicts if v.relation == "subset" and v.polymarket_id in buckets}
    if len(wanted) != 1 or len(within) < 2:
        return list(verdicts)
    whole = is_whole(list(buckets.values()))
    if not covers([buckets[market] for market in within], wanted.pop(), whole=whole):
        return list(verdicts)
    said = f"with {len(within) - 1} others of its event it makes up Kalshi's"
    return [replace(v, is_match=True, reasons=(*v.reasons, said)) if v.polymarket_id in within else v for v in verdicts]


def _relation(sides: Sides) -> tuple[Relation, str]:
    """What Polymarket's YES is to Kalshi's, or none and why."""
    ours, theirs = _apart(sides.kalshi, sides.polymarket)
    relation: Relation = "identity"
    if len(ours) == len(theirs) == 1 and units_agree(ours[0], theirs[0]):
        # Seats, scores and votes have no unit and no fractions; a price above 79 may still be below 80.
        relation = relate(theirs[0], ours[0], whole=ours[0].unit == theirs[0].unit == "")
    elif ours or theirs:
        return "none", f"amounts differ: {_amounts(ours)} and {_amounts(theirs)}"
    if relation in ("disjoint", "overlap"):
        return relation, ""
    turned = sides.kalshi.negated != sides.polymarket.negated
    turned ^= _is_opposed(sides) and relation != "complement"
    if turned and relation not in _MIRRORED:
        return "none", "one of them is the other's opposite, of another amount"
    if turned:
        relation = _MIRRORED[relation]
    if relation == "identity" and _is_one_of_several(sides.kalshi, sides.polymarket, sides.only_kalshi):
        return "subset", ""
    if relation == "identity" and _is_one_of_several(sides.polymarket, sides.kalshi, sides.only_polymarket):
        return "superset", ""
    return _by_deadline(sides, relation)


def _is_one_of_several(wide: Claim, narrow: Claim, only_wide: frozenset[str]) -> bool:
    """ "Ann or Bob wins" is won by Ann too, and not only by her."""
    return "or" in wide.little and "or" not in narrow.little and bool(only_wide)


def _by_deadline(sides: Sides, relation: Relation) -> tuple[Relation, str]:
    """An earlier deadline of the same bet lies within the later one."""
    ours = [day for day in sides.kalshi.dates if day.month]
    theirs = [day for day in sides.polymarket.dates if day.month]
    if not (ours and theirs) or any(same_day(one, other) for one in ours for other in theirs):
        return relation, ""
    narrower: Relation = "subset" if theirs[0][1:] < ours[0][1:] else "superset"
    if relation not in ("identity", narrower):
        return "none", "deadlines differ, and so do amounts or polarity"
    return narrower, ""


def _is_opposed(sides: Sides) -> bool:
    """Whether one says by a word of its own that what the other bets on does not happen."""
    ours = bool({stem(word) for word in sides.only_kalshi} & lexicon.ENDURING)
    return ours != bool({stem(word) for word in sides.only_polymarket} & lexicon.ENDURING)


def _apart(a: Claim, b: Claim) -> tuple[list[Interval], list[Interval]]:
    """The amounts that only one of them states: "season 3" of both is a name."""
    common = [amount for amount in a.amounts if amount in b.amounts]
    return [x for x in a.amounts if x not in common], [x for x in b.amounts if x not in common]


def _confidence(sides: Sides, weights: Weights, coefficients: Coefficients) -> float:
    intercept, of_ours, of_theirs = coefficients
    ours, theirs = features(sides, weights)
    return 1 / (1 + math.exp(-(intercept + of_ours * ours + of_theirs * theirs)))


def features(sides: Sides, weights: Weights) -> tuple[float, float]:
    """The share of each side's words, by what they tell, that the other side says too."""

    def said(words: Iterable[str], missing: Iterable[str]) -> float:
        total = weights.total(words)
        return 1 - weights.total(missing) / total if total else 0.0

    return said(sides.kalshi.words, sides.only_kalshi), said(sides.polymarket.words, sides.only_polymarket)


def _may_be_priced(sides: Sides, relation: Relation) -> bool:
    """The same words in the same order, but for one negator where the bets are each other's complement."""
    a, b = sides.kalshi, sides.polymarket
    if relation == "identity":
        return not exact_refusals(a.facts, b.facts)
    return False


def _amounts(amounts: Sequence[Interval]) -> str:
    return ", ".join(f"{amount.low:g} to {amount.high:g}{amount.unit}" for amount in amounts) or "none"


def with_rules(verdict: Verdict, kalshi: Claim, polymarket: Claim, kalshi_rules: str, polymarket_rules: str) -> Verdict:
    """The verdict after both rule texts were read. Where they tell what a title leaves out, they may open the gate.

    Without both texts nothing is priced: titles that say the same hide rules that do not.
    """
    risk, notes = settlement_risk(kalshi_rules, polymarket_rules, verdict.relation)
    sides = Sides(kalshi, polymarket)
    told = verdict.is_match and verdict.relation in _SAME and is_told(sides, kalshi_rules, polymarket_rules)
    is_readable = bool(kalshi_rules.strip() and polymarket_rules.strip())
    passes = is_readable and (verdict.may_be_priced or told)
    return replace(
        verdict,
        risk=risk,
        reasons=(*verdict.reasons, *notes),
        may_be_priced=passes and risk != "BLOCK",
        passes_titles=passes,
    )


def is_told(sides: Sides, kalshi_rules: str, polymarket_rules: str) -> bool:
    """Whether the titles agree in all facts, and what only one says is part of what it takes by the other's rules."""
    a, b = sides.kalshi, sides.polymarket
    if (
        exact_date_refusals(_lasting(a.facts), _lasting(b.facts))
        or a.is_passive != b.is_passive
        or not _is_plain(sides)
        or not _is_ordered(a, b)
        or (a.negated != b.negated and not (a if a.negated else b).denies)
    ):
        return False
    ours, theirs = unmatched(a.words, b.words, exactly=True), unmatched(b.words, a.words, exactly=True)
    if (ours and theirs) or {stem(word) for word in ours | theirs} & lexicon.TURNING:
        return False
    mine, other = ({*ours, *_only(a, b)}, polymarket_rules), ({*theirs, *_only(b, a)}, kalshi_rules)
    return all(tells(rules, word) for words, rules in (mine, other) for word in words)


def _only(a: Claim, b: Claim) -> set[str]:
    """The country of the venues may be left unsaid, if the rules say it."""
    return {"us"} & ({*a.little} - {*b.little})


def _is_ordered(a: Claim, b: Claim) -> bool:
    """Who does it to whom: names stand in one order; all words do where a word points from one to the other."""
    little = Counter(a.little), Counter(b.little)
    for said in little:
        del said["us"]
    if little[0] != little[1]:
        return False
    shared = a.words & b.words
    if a.names and b.names and not {*a.little} & lexicon.DIRECTED:
        shared &= a.names | b.names
    return [word for word in a.order if word in shared] == [word for word in b.order if word in shared]


def _lasting(facts: Facts) -> Facts:
    """What does not happen through a day is what happens by that day, denied: of these the negator tells."""
    return replace(facts, dates=tuple(day._replace(kind="by") if day.kind == "through" else day for day in facts.dates))


def _is_plain(sides: Sides) -> bool:
    """Polarity told by one negator at most; amounts the same to the unit; nothing taken for a slip of the pen."""
    opposed = any(
        {stem(word) for word in words} & lexicon.ENDURING for words in (sides.kalshi.words, sides.polymarket.words)
    )
    return not opposed and set(sides.kalshi.amounts) == set(sides.polymarket.amounts)
