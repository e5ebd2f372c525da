"""Books of both venues read at one moment, and what a bundle of their asks costs: the opportunities of a run."""

from __future__ import annotations

import asyncio
import logging
import time
from collections import Counter
from collections.abc import Sequence
from datetime import timedelta
from decimal import Decimal
from typing import Any

from core.arbitrage.bundles import Bundle, Leg, best_bundle
from core.arbitrage.fees import CENT
from core.errors import VenueDown
from core.match.verdict import Verdict
from core.models import Book, OpenMarket
from core.runtime import Run
from core.settings import AnalyzeSettings
from core.venues.contract import VENUES
from core.venues.lines import Lines, open_lines

log = logging.getLogger(__name__)

_POLYMARKET_FEE_STEP = Decimal("0.00001")
_MIN_POLYMARKET_SHARES = 5
_BELIEVABLE_PCT = 100  # above it the books are not of one bet, or not of now
_AT_ONCE = 3  # few, so that the slower venue's pace does not pull a pair's two books apart
_GIVE_UP_AFTER = 3
_MOST_QUOTED = 200  # the widest gaps first: books are read at the venues' pace, and the analyst comes after

Pair = tuple[Verdict, tuple[OpenMarket, OpenMarket]]


async def quote(run: Run[AnalyzeSettings], pairs: Sequence[Pair]) -> tuple[list[dict[str, Any]], Counter[str]]:
    """The opportunities of these pairs, and why the others are not shown."""
    ranked = sorted(pairs, key=lambda pair: _cost(*pair[1]))
    opportunities, not_shown = list[dict[str, Any]](), Counter[str]()
    not_shown["too many pairs for one run"] = len(ranked[_MOST_QUOTED:])
    for quoted in await _quote_all(run, ranked[:_MOST_QUOTED]):
        if isinstance(quoted, str):
            not_shown[quoted] += 1
        else:
            opportunities.append(quoted)
    return opportunities, not_shown


def _cost(kalshi: OpenMarket, polymarket: OpenMarket) -> Decimal:
    """What a dollar at settlement costs by the listed asks, without fees: the cheaper way round."""
    ways = ((kalshi.yes_price, polymarket.no_price), (kalshi.no_price, polymarket.yes_price))
    return min((yes + no for yes, no in ways if yes is not None and no is not None), default=Decimal(2))


async def _quote_all(run: Run[AnalyzeSettings], pairs: Sequence[Pair]) -> list[dict[str, Any] | str]:
    """A few pairs at a time; a venue that is down several times over is not asked for all the others."""
    room, failures = asyncio.Semaphore(_AT_ONCE), list[str]()

    async def one(verdict: Verdict, kalshi: OpenMarket, polymarket: OpenMarket) -> dict[str, Any] | str:
        async with room:
            if len(failures) >= _GIVE_UP_AFTER:
                return "book could not be read"
            try:
                return await _quote(run, verdict, kalshi, polymarket, lines)
            except VenueDown as error:
                failures.append(str(error))
                return "book could not be read"

    async with open_lines(run.settings) as lines:
        quoted = await asyncio.gather(*(one(verdict, *legs) for verdict, legs in pairs))
    if failures:
        log.error("books could not be read", extra={"pairs": len(failures), "error": failures[0]})
    return quoted


async def _quote(
    run: Run[AnalyzeSettings], verdict: Verdict, kalshi: OpenMarket, polymarket: OpenMarket, lines: dict[Any, Lines]
) -> dict[str, Any] | str:
    """The opportunity of one pair from books read now, or why it is not shown. Raises VenueDown.

    Both books are stamped before they are asked for: nothing that was read is older than its stamp says.
    """
    if kalshi.fee_rate is None or polymarket.fee_rate is None:
        return "fee unknown"
    asked_at, started = run.clock(), time.monotonic()
    books = await asyncio.gather(
        VENUES["kalshi"].fetch_book(lines["kalshi"].books, kalshi.market_id, None, asked_at),
        VENUES["polymarket"].fetch_book(
            lines["polymarket"].books, polymarket.market_id, polymarket.yes_token, asked_at
        ),
        return_exceptions=True,  # neither is left running when the other fails
    )
    for failure in books:
        if isinstance(failure, BaseException):
            raise failure
    k_book, p_book = (book for book in books if not isinstance(book, BaseException))
    if k_book is None or p_book is None:
        return "no book"
    if time.monotonic() - started > run.settings.arbitrage_max_book_age_s:
        return "books read too far apart"
    best = max(_orientations(kalshi, polymarket, k_book, p_book), key=lambda found: found[1].net_edge_usd, default=None)
    if best is None:
        return "no edge after fees"
    if best[1].edge_percentage <= Decimal(str(run.settings.arbitrage_min_edge_pct)):
        return "edge below the minimum"
    if best[1].edge_percentage > _BELIEVABLE_PCT:
        return "edge too large to be true"
    if best[1].shares < _MIN_POLYMARKET_SHARES:
        return "below the venue's smallest order"
    return _opportunity(run, verdict, kalshi, polymarket, *best, quoted_at=min(k_book.read_at, p_book.read_at))


def _orientations(
    kalshi: OpenMarket, polymarket: OpenMarket, k_book: Book, p_book: Book
) -> list[tuple[tuple[str, str], Bundle]]:
    def leg(market: OpenMarket, asks: Any) -> Leg:
        step = CENT if market.platform == "kalshi" else _POLYMARKET_FEE_STEP
        return Leg(asks, market.fee_rate or Decimal(0), market.fee_exponent, step)

    choices = {
        ("YES", "NO"): (leg(kalshi, k_book.yes_asks), leg(polymarket, p_book.no_asks)),
        ("NO", "YES"): (leg(kalshi, k_book.no_asks), leg(polymarket, p_book.yes_asks)),
    }
    found = ((sides, best_bundle(*legs)) for sides, legs in choices.items())
    return [(sides, bundle) for sides, bundle in found if bundle is not None]


def _opportunity(
    run: Run[AnalyzeSettings],
    verdict: Verdict,
    kalshi: OpenMarket,
    polymarket: OpenMarket,
    sides: tuple[str, str],
    bundle: Bundle,
    *,
    quoted_at: Any,
) -> dict[str, Any]:
    shares, (k_limit, p_limit) = f"{bundle.shares:f}", map(_cents, bundle.worst_prices)
    steps = [
        f"Buy {shares} {sides[0]} of {kalshi.market_id} on Kalshi, limit {k_limit}¢",
        f"Buy {shares} {sides[1]} of “{polymarket.title}” on Polymarket, limit {p_limit}¢",
        f"Hold both to settlement: one of them pays ${shares} if both venues settle alike",
    ]
    return {
        "opportunity_type": "CROSS_PLATFORM",
        "kalshi_market_id": kalshi.market_id,
        "polymarket_market_id": polymarket.market_id,
        "description": f"{kalshi.title}: {sides[0]} on Kalshi and {sides[1]} on Polymarket cost "
        f"${bundle.cost_usd:.2f} with fees and pay ${shares} if both venues settle alike",
        "edge_percentage": bundle.edge_percentage.quantize(Decimal("0.001")),
        "net_edge_usd": bundle.net_edge_usd.quantize(Decimal("0.0001")),
        "cost_usd": bundle.cost_usd.quantize(Decimal("0.0001")),
        "shares": bundle.shares,
        "execution_steps": steps,
        "risks": ["Both legs must fill: one alone is a bet", *verdict.reasons],
        "settlement_risk": verdict.risk,
        "confidence_score": Decimal(str(round(100 * verdict.confidence, 1))),
        "quoted_at": quoted_at,
        "expires_at": quoted_at + timedelta(seconds=run.settings.analyze_interval_s),
    }


def _cents(price: Decimal) -> str:
    """As fine as the book's own tick: a rounded limit would not fill."""
    return f"{(100 * price).normalize():f}"
