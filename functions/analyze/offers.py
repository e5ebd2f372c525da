"""Rows and words of bundles: what is published of one that clears, what is kept of one that nearly does.

Nothing here promises: what a bundle pays is said with the condition on which it does.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, Literal

from analyze.live_books import Key
from core.agent.evidence import dollars
from core.arbitrage.bundles import Bundle, Leg, clearing_price, cost_of_one, for_budget
from core.arbitrage.plans import Claim, Plan
from core.models import Book, OpenMarket
from core.runtime import Run
from core.settings import AnalyzeSettings

BUDGETS_USD = (Decimal(100), Decimal(1_000))
_TICK = Decimal("0.001")  # of Kalshi's finer markets and of Polymarket's
_VENUES = {"kalshi": "Kalshi", "polymarket": "Polymarket"}
_MILLI, _TENTH_MILLI = Decimal("0.001"), Decimal("0.0001")

Lacks = Literal["price", "fees", "edge", "depth", "rules", "books"]


@dataclass(frozen=True, slots=True)
class Candidate:
    """A bundle that may clear, in the `ways` in which it can be bought. `settles_at` is of its later leg.

    `refused`: why its rules do not allow it, however cheap it is. `standing`: its first way is published now.
    """

    ways: tuple[Plan, ...]
    markets: tuple[OpenMarket, ...]
    risk: str
    confidence: Decimal | None
    reasons: tuple[str, ...]
    settles_at: datetime | None
    refused: str | None = None
    standing: bool = False


@dataclass(frozen=True, slots=True)
class Missed:
    """Why a candidate is not shown; the cheaper way, its best bundle and its legs as far as it came."""

    reason: str
    lacks: Lacks
    plan: Plan
    bundle: Bundle | None = None
    legs: tuple[Leg, ...] = ()
    quoted_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Size:
    """A bundle bought with at most `budget_usd`; without one, the most that still pays."""

    budget_usd: Decimal | None
    bundle: Bundle


def sizes_of(legs: Sequence[Leg], most: Bundle, min_edge_pct: Decimal, least_shares: Decimal) -> list[Size]:
    """The bundle at each budget that buys an order the venues take, and at its most.

    First the largest whose whole edge is above the minimum.
    """
    found = [Size(None, most)]
    for budget in sorted(BUDGETS_USD, reverse=True):
        bundle = for_budget(legs, most, budget)
        if bundle is not None and bundle.shares >= least_shares:
            found.append(Size(budget, bundle))
    return sorted(found, key=lambda size: size.bundle.edge_percentage <= min_edge_pct)


def make_opportunity(
    run: Run[AnalyzeSettings],
    candidate: Candidate,
    plan: Plan,
    sizes: Sequence[Size],
    books: Mapping[Key, Book],
) -> dict[str, Any]:
    """A row of `arbitrage_opportunities`, told of the first of `sizes`. As old as its oldest book, over after one
    analysis interval."""
    bundle = sizes[0].bundle
    markets = {(market.platform, market.market_id): market for market in candidate.markets}
    read = [books[leg.platform, leg.market_id] for leg in plan.legs]
    quoted_at = min(book.read_at for book in read)
    return {
        "bundle_key": plan.key,
        "opportunity_type": plan.kind,
        "kalshi_market_id": _first(plan, "kalshi"),
        "polymarket_market_id": _first(plan, "polymarket"),
        "description": _description(plan, markets, bundle),
        "edge_percentage": bundle.edge_percentage.quantize(_MILLI),
        "net_edge_usd": bundle.net_edge_usd.quantize(_TENTH_MILLI),
        "cost_usd": bundle.cost_usd.quantize(_TENTH_MILLI),
        "shares": bundle.shares,
        "execution_steps": _steps(plan, markets, bundle),
        "risks": _risks(plan, read, candidate),
        "settlement_risk": candidate.risk,
        "confidence_score": candidate.confidence,
        "quoted_at": quoted_at,
        "expires_at": quoted_at + timedelta(seconds=run.settings.analyze_interval_s),
        "legs": [
            _leg(claim, markets[claim.platform, claim.market_id], bundle, n, read[n])
            for n, claim in enumerate(plan.legs)
        ],
        "sizes": [_size(size) for size in sorted(sizes, key=lambda size: size.bundle.shares)],
        "annualised_percentage": annualised(bundle.edge_percentage, quoted_at, candidate.settles_at),
        "settles_at": candidate.settles_at,
        "pays_if": plan.because,
        "analysis": None,
        "analysis_id": None,
    }


def annualised(edge_percentage: Decimal, since: datetime, until: datetime | None) -> Decimal | None:
    """Simple interest over the time the money is tied up, a day at least; None where the end is unknown or past."""
    if until is None or until <= since:
        return None
    days = max(Decimal((until - since).total_seconds()) / 86_400, Decimal(1))
    return (edge_percentage * 365 / days).quantize(_MILLI)


def make_near_miss(run: Run[AnalyzeSettings], candidate: Candidate, missed: Missed) -> dict[str, Any]:
    """A row of `arbitrage_near_misses`, each leg with the price at which it alone would make the bundle clear."""
    plan, bundle, one = missed.plan, missed.bundle, cost_of_one(missed.legs) if missed.legs else None
    edge = bundle.edge_percentage if bundle else 100 * (plan.pays - one) / one if one else None
    markets = {(market.platform, market.market_id): market for market in candidate.markets}
    wanted = plan.pays / (1 + Decimal(str(run.settings.arbitrage_min_edge_pct)) / 100)
    legs = []
    for n, claim in enumerate(plan.legs):
        told = _named(claim, markets[claim.platform, claim.market_id])
        if missed.legs and one is not None and missed.lacks in ("price", "fees", "edge"):
            leg = missed.legs[n]
            own = cost_of_one([leg])
            clears = clearing_price(leg, wanted - one + (own or Decimal(0)), _TICK)
            told |= {"ask": _plain(leg.asks[0].price), "clears_at": None if clears is None else _plain(clears)}
        legs.append(told)
    return {
        "at": run.now,
        "bundle_key": plan.key,
        "opportunity_type": plan.kind,
        "description": _missed_words(plan, markets, one),
        "lacks": missed.lacks,
        "reason": missed.reason,
        "legs": legs,
        "shares": bundle.shares if bundle else None,
        "edge_percentage": None if edge is None else edge.quantize(_MILLI),
        "quoted_at": missed.quoted_at or run.now,
    }


def _description(plan: Plan, markets: Mapping[Key, OpenMarket], bundle: Bundle) -> str:
    return (
        f"{_bought(plan, markets)} cost ${dollars(bundle.cost_usd)} with fees and pay "
        f"{_at_least(plan)}${dollars(bundle.payout_usd)} if {plan.because}"
    )


def _missed_words(plan: Plan, markets: Mapping[Key, OpenMarket], one: Decimal | None) -> str:
    cost = "" if one is None else f" cost {_cents(one.quantize(_TENTH_MILLI))}¢ a share with fees and"
    return f"{_bought(plan, markets)}{cost} pay {_at_least(plan)}${dollars(Decimal(plan.pays))} if {plan.because}"


def _at_least(plan: Plan) -> str:
    return "" if plan.kind == "CROSS_PLATFORM" else "at least "


def _bought(plan: Plan, markets: Mapping[Key, OpenMarket]) -> str:
    if plan.kind == "CROSS_PLATFORM":
        title = markets[plan.legs[0].platform, plan.legs[0].market_id].title
        return f"{title}: " + " and ".join(f"{leg.side} on {_VENUES[leg.platform]}" for leg in plan.legs)
    if len(plan.legs) > 3:
        first = markets[plan.legs[0].platform, plan.legs[0].market_id].title
        return f"{plan.legs[0].side} of {len(plan.legs)} outcomes on {_VENUES[plan.legs[0].platform]} (“{first}”, …)"
    return " and ".join(
        f"{leg.side} of “{markets[leg.platform, leg.market_id].title}” on {_VENUES[leg.platform]}" for leg in plan.legs
    )


def _steps(plan: Plan, markets: Mapping[Key, OpenMarket], bundle: Bundle) -> list[str]:
    steps = []
    for claim, fill in zip(plan.legs, bundle.fills, strict=True):
        market = markets[claim.platform, claim.market_id]
        name = market.market_id if claim.platform == "kalshi" else f"“{market.title}”"
        limit = _cents(fill.worst_price)
        steps.append(f"Buy {bundle.shares:f} {claim.side} of {name} on {_VENUES[claim.platform]}, limit {limit}¢")
    payout = f"${dollars(bundle.payout_usd)} if {plan.because}"
    if plan.kind == "CROSS_PLATFORM":
        return [*steps, f"Hold both to settlement: one of them pays {payout}"]
    return [*steps, f"Hold all to settlement: together they pay at least {payout}"]


def _risks(plan: Plan, read: Sequence[Book], candidate: Candidate) -> list[str]:
    legs = "Both legs must fill: one alone is a bet" if len(plan.legs) == 2 else "All legs must fill: fewer are a bet"
    tops = sorted({_VENUES[book.platform] for book in read if book.top_only})
    limited = [f"{venue}'s book was not readable: size limited to the best price in its listing" for venue in tops]
    return [legs, *limited, *candidate.reasons]


def _leg(claim: Claim, market: OpenMarket, bundle: Bundle, place: int, book: Book) -> dict[str, Any]:
    fill = bundle.fills[place]
    return _named(claim, market) | {
        "shares": f"{bundle.shares:f}",
        "limit_price": _plain(fill.worst_price),
        "cost_usd": _plain(fill.cost_usd),
        "fee_usd": _plain(fill.fee_usd),
        "fee_rate": None if market.fee_rate is None else _plain(market.fee_rate),
        "fee_exponent": _plain(market.fee_exponent),
        "fee_read_at": market.fee_read_at,
        "book_read_at": book.read_at,
        "top_only": book.top_only,
    }


def _named(claim: Claim, market: OpenMarket) -> dict[str, Any]:
    return {
        "platform": claim.platform,
        "market_id": claim.market_id,
        "title": market.title,
        "side": claim.side,
    }


def _size(size: Size) -> dict[str, Any]:
    bundle = size.bundle
    return {
        "budget_usd": None if size.budget_usd is None else float(size.budget_usd),
        "shares": float(bundle.shares),
        "cost_usd": float(bundle.cost_usd.quantize(_TENTH_MILLI)),
        "net_edge_usd": float(bundle.net_edge_usd.quantize(_TENTH_MILLI)),
        "edge_percentage": float(bundle.edge_percentage.quantize(_MILLI)),
    }


def _first(plan: Plan, platform: str) -> str | None:
    return next((leg.market_id for leg in plan.legs if leg.platform == platform), None)


def _cents(price: Decimal) -> str:
    """As fine as the book's own tick: a rounded limit would not fill."""
    return _plain(100 * price)


def _plain(number: Decimal) -> str:
    return f"{number.normalize():f}"
