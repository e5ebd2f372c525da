"""The evidence of a day's digest, and the wall before what the model says of it.

Each insight and each opportunity keeps its own facts, under ids that begin with its own prefix: what is said of one
may not cite another's.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, cast

from core.agent.answers import Claim, DigestAnswer, Position
from core.agent.crossvenue import Bundle, bundle_text_faults
from core.agent.evidence import Side, shown
from core.agent.grounding import Ground, claim_faults
from core.agent.labels import DAY_LABELS
from core.agent.outside import TITLE_CHARS, Subject, clean, subject_of
from core.agent.vocabulary import Vocabulary
from core.models import Fact

_EDGE_ROUNDING = Decimal("0.05")
_OF_OPPORTUNITIES = frozenset(("bundles", "both", "leg", "payout"))
_OUTSIDE = "speaks of opportunities outside their section"  # which not all readers see


@dataclass(frozen=True, slots=True)
class DigestItem:
    """A published insight with the evidence that it was published on."""

    subject: Subject
    recommendation: str
    position: Position
    confidence: Decimal | None
    edge_cents: Decimal | None
    facts: tuple[Fact, ...]
    told: Mapping[str, str]

    @property
    def edge_side(self) -> Side | None:
        return None if self.position == "WAIT" else self.position

    @property
    def whole_confidence(self) -> int | None:
        """What waits has none."""
        return None if self.confidence is None else round(self.confidence)


@dataclass(frozen=True, slots=True)
class DigestBundle:
    """A published opportunity with its facts."""

    opportunity_id: str
    bundle: Bundle
    facts: tuple[Fact, ...]


@dataclass(frozen=True, slots=True)
class Day:
    """What the digest is written of: the best as `items`. `insights` stand in all, `positions` of them with a position.

    How many opportunities stand is none of its facts: those who do not pay for them read the sentiment too.
    """

    items: tuple[DigestItem, ...]
    bundles: tuple[DigestBundle, ...]
    insights: int
    positions: int

    @property
    def facts(self) -> tuple[Fact, ...]:
        counts = (self.insights, self.positions, self.insights - self.positions)
        return tuple(
            Fact(f"D{n}", name, label, str(count), unit)
            for n, ((name, (label, unit)), count) in enumerate(zip(DAY_LABELS.items(), counts, strict=True), 1)
        )


def digest_item(insight: Mapping[str, Any], place: int, now: datetime) -> DigestItem:
    """Of a published insight's row; its facts' ids begin with M and its place, from 1. What passes with time is told
    as it is now."""
    elapsed = now - insight["created_at"]
    return DigestItem(
        subject_of(
            insight["platform"],
            insight["market_id"],
            insight["market_title"],
            "",
            insight["yes_means"] or "Yes",
            insight["no_means"] or "No",
        ),
        insight["ai_recommendation"],
        cast("Position", insight["suggested_position"]),
        None if insight["confidence_score"] is None else Decimal(str(insight["confidence_score"])),
        None if insight["net_edge_cents"] is None else Decimal(str(insight["net_edge_cents"])),
        tuple(
            Fact(f"M{place}.{fact['id']}", fact["name"], fact["label"], value, fact["unit"])
            for fact in insight["evidence"]
            if (value := _value_after(fact["name"], fact["value"], elapsed)) is not None
        ),
        {name: insight[name] for name in ("one_liner", "reasoning", "edge_explanation")},
    )


def _value_after(name: str, value: str, elapsed: timedelta) -> str | None:
    """Of a fact as long after it was gathered; None where there is nothing left to tell."""
    minutes = Decimal(max(int(elapsed.total_seconds() // 60), 0))
    if name == "quote_age_minutes":
        return shown(Decimal(value) + minutes)
    if name == "hours_to_close":
        left = Decimal(value) - minutes / 60
        return shown(left) if left > 0 else None
    return value


def pack_day(day: Day) -> Mapping[str, Any]:
    """What the model is sent, as one JSON object."""
    return {
        "insights": [
            {
                "market_id": item.subject.market_id,
                "market_title": item.subject.title,
                "recommendation": item.recommendation,
                "position": item.position,
                "confidence": item.whole_confidence,
                "told": item.told,
                "facts": _listed(item.facts),
            }
            for item in day.items
        ],
        "opportunities": [
            {
                "opportunity_id": found.opportunity_id,
                "titles": [clean(leg.title, TITLE_CHARS) for leg in found.bundle.legs],
                "facts": _listed(found.facts),
            }
            for found in day.bundles
        ],
        "day": _listed(day.facts),
    }


def _listed(facts: Sequence[Fact]) -> list[str]:
    """A fact a line, to spare tokens: the same names come again and again."""
    return [f"{fact.id} {fact.label}: {fact.value} {fact.unit}".rstrip() for fact in facts]


def digest_faults(answer: DigestAnswer, day: Day) -> list[str]:
    """Why the answer must be withheld; empty when it may be published."""
    items = {item.subject.market_id: item for item in day.items}
    found = []
    for pick in answer.top_picks:
        found += _of_item(items.get(pick.market_id), pick.market_title, pick.one_liner)
        item = items.get(pick.market_id)
        if item is not None and (pick.recommendation != item.recommendation or item.recommendation == "AVOID"):
            found.append(f"recommends {pick.recommendation}, its insight {item.recommendation}")
        if item is not None and pick.confidence != item.whole_confidence:
            found.append("a confidence that is not its insight's")
    for avoided in answer.avoid_list:
        item = items.get(avoided.market_id)
        found += _of_item(item, avoided.market_title, avoided.reason)
        found += ["avoids what its insight does not"] if item is not None and item.recommendation != "AVOID" else []
    for watched in answer.watchlist:
        item = items.get(watched.market_id)
        found += _of_item(item, watched.market_title, watched.trigger)
        found += ["watches what is no waiting insight"] if item is not None and item.position != "WAIT" else []
    for listed in (answer.top_picks, answer.avoid_list, answer.watchlist):
        ids = [one.market_id for one in listed]
        found += ["the same market twice"] if len(set(ids)) < len(ids) else []
    if not answer.top_picks and any(item.recommendation != "AVOID" for item in day.items):
        found.append("no picks, though there are insights to pick")
    found += _of_bundles(answer, day)
    names = Subject("kalshi", "", "", " ".join(item.subject.title for item in day.items), "Yes", "No")
    words = Vocabulary(names)
    found += claim_faults(answer.market_sentiment, Ground(names, day.facts, "WAIT", None, None, "unproven"), words)
    if words.read(answer.market_sentiment.text).tags & _OF_OPPORTUNITIES:
        found.append(_OUTSIDE)
    return found


def _of_item(item: DigestItem | None, title: str, claim: Claim) -> list[str]:
    if item is None:
        return ["a market that has no insight"]
    found = [] if clean(title, TITLE_CHARS) == item.subject.title else ["a title that is not its market's"]
    proved = "edge" if any(fact.name == "setup_net_cents" for fact in item.facts) else "unproven"
    ground = Ground(item.subject, item.facts, item.position, item.edge_side, item.edge_cents, proved)
    words = Vocabulary(item.subject)
    if "bundles" in words.read(claim.text).tags:
        found.append(_OUTSIDE)
    return found + claim_faults(claim, ground, words)


def _of_bundles(answer: DigestAnswer, day: Day) -> list[str]:
    bundles = {found.opportunity_id: found for found in day.bundles}
    found = []
    for told in answer.arbitrage_opportunities:
        known = bundles.get(told.opportunity_id)
        if known is None:
            found.append("an opportunity that is not published")
            continue
        if not abs(Decimal(repr(told.potential_edge)) - known.bundle.edge_pct) <= _EDGE_ROUNDING:
            found.append("an edge that is not the bundle's")
        found += bundle_text_faults([told.description], known.facts, known.bundle)
    return found
