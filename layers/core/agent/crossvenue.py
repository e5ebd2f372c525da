"""The evidence of a bundle that code found and priced, and the wall before what the model says of it."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from core.agent.advice import ORDER, SALE
from core.agent.answers import Claim, CrossVenueAnswer
from core.agent.clauses import clauses
from core.agent.evidence import dollars, shown
from core.agent.grounding import WRONG_IF, Ground, claim_faults, says_something
from core.agent.labels import BUNDLE_LABELS
from core.agent.outside import TITLE_CHARS, Subject, clean
from core.agent.promises import is_denied
from core.agent.vocabulary import Vocabulary
from core.models import Fact, Platform

_RISKS = ("SAFE", "CAUTION", "BLOCK")
_RULES_CHARS = 4_000  # what differs in two texts stands at their ends as often as not
_EDGE_ROUNDING = Decimal("0.05")  # of a percentage: one decimal may be told
_VENUE_TAGS: dict[Platform, str] = {"kalshi": "here", "polymarket": "other"}  # as `Bundle.subject` is read


@dataclass(frozen=True, slots=True)
class BundleLeg:
    """What is bought of one market. `limit_price` is dollars."""

    platform: Platform
    market_id: str
    title: str
    side: str
    limit_price: Decimal
    rules: str = ""


@dataclass(frozen=True, slots=True)
class Bundle:
    """An opportunity as code found it: `because` says on what its payout rests."""

    kind: str
    legs: tuple[BundleLeg, ...]
    shares: Decimal
    cost_usd: Decimal
    payout_usd: Decimal
    because: str
    settlement_risk: str
    reasons: tuple[str, ...]
    quoted_at: datetime
    settles_at: datetime | None

    @property
    def net_usd(self) -> Decimal:
        return self.payout_usd - self.cost_usd

    @property
    def edge_pct(self) -> Decimal:
        return 100 * self.net_usd / self.cost_usd

    @property
    def subject(self) -> Subject:
        """All legs' words together, read as if this venue were Kalshi and the other one Polymarket."""
        titles = " — ".join(dict.fromkeys(clean(leg.title, TITLE_CHARS) for leg in self.legs))
        rules = " ".join([self.because, *self.reasons, *(clean(leg.rules, _RULES_CHARS) for leg in self.legs)])
        return Subject("kalshi", "", titles, rules, "Yes", "No")

    def market_of(self, platform: Platform) -> str | None:
        return next((leg.market_id for leg in self.legs if leg.platform == platform), None)


def gather_bundle(bundle: Bundle, now: datetime, prefix: str = "E") -> tuple[Fact, ...]:
    """Everything that may be said of the bundle. A limit is told only where one leg of its venue and side has one."""
    values = {
        "bundle_edge_pct": shown(bundle.edge_pct),
        "bundle_net_usd": dollars(bundle.net_usd),
        "bundle_cost_usd": dollars(bundle.cost_usd),
        "bundle_payout_usd": dollars(bundle.payout_usd),
        "bundle_shares": shown(bundle.shares),
        "quote_age_minutes": str(max(int((now - bundle.quoted_at).total_seconds() // 60), 0)),
    }
    for leg in bundle.legs:
        alike = [other for other in bundle.legs if (other.platform, other.side) == (leg.platform, leg.side)]
        if len(alike) == 1:
            values[f"{leg.platform}_{leg.side.lower()}_limit_cents"] = shown(100 * leg.limit_price)
    if bundle.settles_at is not None:
        values["settles_at"] = f"{bundle.settles_at.astimezone(UTC):%Y-%m-%d %H:%M}"
    told = [name for name in BUNDLE_LABELS if name in values]
    return tuple(Fact(f"{prefix}{n}", name, *_labelled(name, values[name])) for n, name in enumerate(told, 1))


def _labelled(name: str, value: str) -> tuple[str, str, str]:
    label, unit = BUNDLE_LABELS[name]
    return label, value, unit


def pack_bundle(bundle: Bundle, facts: Sequence[Fact]) -> Mapping[str, Any]:
    """What the model is sent, as one JSON object."""
    return {
        "type": bundle.kind,
        "pays_if": clean(bundle.because, TITLE_CHARS),
        "settlement_risk": bundle.settlement_risk,
        "reasons": [clean(reason, TITLE_CHARS) for reason in bundle.reasons],
        "legs": [
            {
                "platform": leg.platform,
                "market_id": clean(leg.market_id, TITLE_CHARS),
                "title": clean(leg.title, TITLE_CHARS),
                "side": leg.side,
                "rules": clean(leg.rules, _RULES_CHARS),
                "rules_are_whole": len(leg.rules) <= _RULES_CHARS,
            }
            for leg in bundle.legs
        ],
        "facts": [fact.as_json() for fact in facts],
    }


def cross_venue_faults(answer: CrossVenueAnswer, facts: Sequence[Fact], bundle: Bundle) -> list[str]:
    """Why the answer must be withheld; empty when it may be published."""
    found = []
    given = (
        ("type", answer.type, bundle.kind),
        ("kalshi_market", answer.kalshi_market, bundle.market_of("kalshi")),
        ("polymarket_market", answer.polymarket_market, bundle.market_of("polymarket")),
    )
    found += [f"{name} is not the bundle's" for name, said, true in given if said != true]
    if not abs(Decimal(repr(answer.edge_percentage)) - bundle.edge_pct) <= _EDGE_ROUNDING:
        found.append("an edge that is not the bundle's")
    if _RISKS.index(answer.settlement_risk) < _RISKS.index(bundle.settlement_risk):
        found.append("a settlement risk milder than code found")
    found += bundle_text_faults([answer.description], facts, bundle)
    found += bundle_text_faults([*answer.execution_steps, *answer.risks], facts, bundle, may_cite_nothing=True)
    words = Vocabulary(bundle.subject)
    ordered = {order for step in answer.execution_steps for order in _orders(step.text, words)}
    found += [f"no step buys {leg.side} on {leg.platform}" for leg in bundle.legs if _bought(leg) not in ordered]
    if not says_something(answer.description.text, words):
        found.append("a description that says nothing of the bundle")
    if not any(WRONG_IF.search(risk.text) for risk in answer.risks):
        found.append("nothing says what would make it wrong")
    return found


def bundle_text_faults(
    texts: Sequence[Claim], facts: Sequence[Fact], bundle: Bundle, *, may_cite_nothing: bool = False
) -> list[str]:
    """Why these texts may not stand; the legs' own ids and titles in them are names."""
    words = Vocabulary(bundle.subject)
    ground = Ground(bundle.subject, facts, None, None, 100 * bundle.net_usd, "unproven")
    legs = {_bought(leg) for leg in bundle.legs}
    found = []
    for claim in texts:
        named = claim.model_copy(update={"text": _without_names(claim.text, bundle)})
        found += claim_faults(named, ground, words, may_cite_nothing=may_cite_nothing)
        found += [f"{side} on {venue} is no leg: {claim.text}" for side, venue in _orders(named.text, words) - legs]
        sold = SALE.search(named.text)
        found += [f"a sale: {claim.text}"] if sold and not is_denied(named.text[: sold.start()]) else []
    return found


def stricter(ours: str, said: str) -> str:
    """The settlement risk that counts where code and a model tell two."""
    return max(ours, said, key=_RISKS.index)


def holding_texts(answer: CrossVenueAnswer, facts: Sequence[Fact], bundle: Bundle) -> dict[str, Any]:
    """Those of its texts that are true of this quote of the bundle, be the answer an older one's.

    The steps are left out: code's own tell limits and sizes.
    """
    holds = not bundle_text_faults([answer.description], facts, bundle)
    risks = (risk for risk in answer.risks if not bundle_text_faults([risk], facts, bundle, may_cite_nothing=True))
    return {"description": answer.description.text if holds else None, "risks": [risk.text for risk in risks]}


def _without_names(text: str, bundle: Bundle) -> str:
    """A title is a name in quotation marks only: "15" may be a market's, and yet nothing earns 15%."""
    for leg in bundle.legs:
        for title in filter(None, (clean(leg.title, TITLE_CHARS), leg.title)):
            text = re.sub(rf"[“\"]{re.escape(title)}[”\"]", "it", text)
        if leg.market_id:
            text = re.sub(rf"(?<!\w)[“\"]?{re.escape(leg.market_id)}[”\"]?(?!\w)", "it", text)
    return text


def _bought(leg: BundleLeg) -> tuple[str, str]:
    return leg.side.lower(), _VENUE_TAGS[leg.platform]


def _orders(text: str, words: Vocabulary) -> set[tuple[str, str]]:
    """(side, venue) of all that a text has bought. What one clause of a sentence says holds on in those after it."""
    found = set[tuple[str, str]]()
    sentence, is_order, side, venue = -1, False, "", ""
    for clause in clauses(text, []):
        if clause.sentence != sentence:
            sentence, is_order, side, venue = clause.sentence, False, "", ""
        order = ORDER.search(clause.text)
        is_order = is_order if order is None else not is_denied(clause.text[: order.start()])
        tags = words.read(clause.text).tags
        sides, venues = tags & {"yes", "no"}, tags & {"here", "other"}
        side = "".join(sides) if len(sides) == 1 else side
        venue = "".join(venues) if len(venues) == 1 else venue
        if is_order and side and venue:
            found.add((side, venue))
            side = venue = ""
    return found
