"""Bundles priced from books read now: what clears after fees is an opportunity, the best of the rest a near miss."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from analyze.live_books import Key, ReadBook, ReadBooks, read_books
from analyze.offers import Candidate, Lacks, Missed, make_near_miss, make_opportunity, sizes_of
from core.arbitrage.bundles import LEAST_GAIN_USD, Bundle, Leg, best_bundle, cost_of_one
from core.arbitrage.fees import ROUNDING, FeeRule
from core.arbitrage.plans import Claim, Plan, of_pair
from core.match.verdict import Verdict
from core.models import Book, OpenMarket, Platform
from core.queries import arbitrage
from core.runtime import Run
from core.settings import AnalyzeSettings
from core.venues.lines import open_lines

log = logging.getLogger(__name__)

_LEAST_SHARES: dict[Platform, Decimal] = {"kalshi": Decimal(1), "polymarket": Decimal(5)}  # where no book says it
_BELIEVABLE_PCT = 100  # above it the books are not of one bet, or not of now
_BOOKS_AT_ONCE = 100  # of a venue: one request each, so that a bundle's books are of one moment
_GIVE_UP_AFTER = 2
_MOST_QUOTED = 400  # the likeliest first: books are read at the venues' pace, and the analyst comes after
_NEAR_MISSES = 25
_FEE_AGE = timedelta(days=1)  # fees are read hourly

Pair = tuple[Verdict, tuple[OpenMarket, OpenMarket]]


async def quote(run: Run[AnalyzeSettings], pairs: Sequence[Pair]) -> tuple[list[dict[str, Any]], Counter[str]]:
    """The opportunities of these pairs, and why the others are not shown."""
    candidates = []
    for verdict, legs in pairs:
        ways = of_pair(verdict.relation, verdict.same_side, verdict.kalshi_id, verdict.polymarket_id)
        if ways:
            confidence, close = Decimal(str(round(100 * verdict.confidence, 1))), _later_close(legs)
            refused = "; ".join(verdict.reasons) or "settlement rules differ" if verdict.risk == "BLOCK" else None
            candidates.append(Candidate(ways, legs, verdict.risk, confidence, verdict.reasons, close, refused))
    return await quote_candidates(run, candidates)


async def quote_candidates(
    run: Run[AnalyzeSettings], candidates: Sequence[Candidate]
) -> tuple[list[dict[str, Any]], Counter[str]]:
    """Those that stand are quoted first, then those that the listed prices promise the most for."""
    async with run.transaction() as connection:
        alive = await arbitrage.alive_keys(connection)
    ranked = sorted((_standing_first(c, alive) for c in candidates), key=lambda c: (not c.standing, _listed(c)))
    opportunities, missed, not_shown = list[dict[str, Any]](), list[tuple[Candidate, Missed]](), Counter[str]()
    not_shown["too many pairs for one run"] = len(ranked[_MOST_QUOTED:])
    async for candidate, quoted in _quote_all(run, ranked[:_MOST_QUOTED]):
        if isinstance(quoted, Missed):
            not_shown["rules do not allow it" if candidate.refused else quoted.reason] += 1
            missed.append((candidate, quoted))
        else:
            opportunities.append(quoted)
    await _store_near_misses(run, missed, alive)
    return opportunities, +not_shown


def _standing_first(candidate: Candidate, alive: set[str]) -> Candidate:
    ways = tuple(sorted(candidate.ways, key=lambda way: way.key not in alive))
    return replace(candidate, ways=ways, standing=ways[0].key in alive)


async def _store_near_misses(
    run: Run[AnalyzeSettings], missed: Sequence[tuple[Candidate, Missed]], alive: set[str]
) -> None:
    """Those that stood until now, whose lives end by what is said here, and the nearest of the others."""
    rows = [make_near_miss(run, candidate, miss) for candidate, miss in missed]
    ended = [row for row in rows if row["bundle_key"] in alive]
    others = [row for row in rows if row["bundle_key"] not in alive and row["lacks"] != "books"]
    others.sort(key=lambda row: (row["edge_percentage"] is None, -(row["edge_percentage"] or 0), row["bundle_key"]))
    async with run.transaction() as connection:
        await arbitrage.insert_near_misses(connection, [*ended, *others[:_NEAR_MISSES]], run.now)


def _later_close(legs: Iterable[OpenMarket]) -> datetime | None:
    closes = [market.close_time for market in legs]
    return None if None in closes else max(close for close in closes if close is not None)


def _listed(candidate: Candidate) -> Decimal:
    """What a dollar at settlement costs by the listed asks, without fees: the cheaper way round."""
    costs = (listed_cost(way, candidate.markets) for way in candidate.ways)
    return min((cost for cost in costs if cost is not None), default=Decimal(2))


def listed_cost(plan: Plan, markets: Iterable[OpenMarket]) -> Decimal | None:
    """Of a dollar of payout; None where an ask is not listed."""
    by_key = {(market.platform, market.market_id): market for market in markets}
    asks = [_listed_ask(by_key[leg.platform, leg.market_id], leg) for leg in plan.legs]
    known = [ask for ask in asks if ask is not None]
    return sum(known, Decimal(0)) / plan.pays if len(known) == len(asks) else None


def _listed_ask(market: OpenMarket, leg: Claim) -> Decimal | None:
    return market.yes_price if leg.is_yes else market.no_price


async def _quote_all(
    run: Run[AnalyzeSettings], candidates: Sequence[Candidate]
) -> AsyncIterator[tuple[Candidate, dict[str, Any] | Missed]]:
    """Group by group; a venue that failed several times over is not asked for all the others."""
    failures: list[tuple[Platform, str]] = []
    async with open_lines(run.settings) as lines:
        for group in _groups(candidates):
            counts = Counter(platform for platform, _ in failures)
            given_up = {platform: error for platform, error in failures if counts[platform] >= _GIVE_UP_AFTER}
            wanted = {(m.platform, m.market_id): m for c in group for m in c.markets if m.platform not in given_up}
            read = await read_books(run, lines, list(wanted.values()))
            failures += read.failed.items()
            read.failed |= given_up
            for candidate in group:
                yield candidate, _quote(run, candidate, read)
    if failures:
        log.error("books could not be read", extra={"requests": len(failures), "error": failures[0][1]})


def _groups(candidates: Sequence[Candidate]) -> Iterator[list[Candidate]]:
    """As many at a time as one request of each venue holds the books of."""
    group: list[Candidate] = []
    held: set[Key] = set()
    for candidate in candidates:
        keys = {(market.platform, market.market_id) for market in candidate.markets}
        if group and max(Counter(platform for platform, _ in held | keys).values()) > _BOOKS_AT_ONCE:
            yield group
            group, held = [], set()
        group.append(candidate)
        held |= keys
    if group:
        yield group


def _quote(run: Run[AnalyzeSettings], candidate: Candidate, read: ReadBooks) -> dict[str, Any] | Missed:
    """The opportunity of one candidate, or why it is not shown."""
    way = candidate.ways[0]
    keys = [(market.platform, market.market_id) for market in candidate.markets]
    books = [read.books[key] for key in keys if key in read.books]
    reason = _fee_fault(run, candidate) or _book_fault(run, candidate, books, read)
    if reason is not None:
        return Missed(reason, "books", way)
    return _priced(run, candidate, dict(zip(keys, books, strict=True)))


def _fee_fault(run: Run[AnalyzeSettings], candidate: Candidate) -> str | None:
    if any(market.fee_rate is None for market in candidate.markets):
        return "fee unknown"
    told = [market.fee_read_at for market in candidate.markets]
    return None if all(at is not None and run.now - at <= _FEE_AGE for at in told) else "fee read too long ago"


def _book_fault(
    run: Run[AnalyzeSettings], candidate: Candidate, books: Sequence[ReadBook], read: ReadBooks
) -> str | None:
    if any(market.platform in read.failed for market in candidate.markets):
        return "book could not be read"
    if len(books) < len(candidate.markets):
        return "no book"
    if max(b.had_s for b in books) - min(b.asked_s for b in books) > run.settings.arbitrage_max_book_age_s:
        return "books read too far apart"
    return None if all(b.book.yes_asks and b.book.no_asks for b in books) else "one-sided book"


def _priced(run: Run[AnalyzeSettings], candidate: Candidate, read: Mapping[Key, ReadBook]) -> dict[str, Any] | Missed:
    books = {key: found.book for key, found in read.items()}
    ways = [(way, legs_of(way, candidate.markets, books)) for way in candidate.ways]
    found = [(way, legs, bundle) for way, legs in ways if (bundle := best_bundle(legs, Decimal(way.pays))) is not None]
    if not found:
        told = ways[:1] if candidate.standing else ways  # of what stood it is said why it stands no more
        way, legs = min(told, key=lambda choice: (cost_of_one(choice[1]) or Decimal(2)) / choice[0].pays)
        return _without_edge(way, legs, min(book.read_at for book in books.values()))
    way, legs, most = max(found, key=lambda choice: choice[2].net_edge_usd)
    least_shares = _least_shares(way, books)
    sizes = sizes_of(legs, most, Decimal(str(run.settings.arbitrage_min_edge_pct)), least_shares)
    best = sizes[0].bundle
    withheld = _withheld(run, best, least_shares) or ((candidate.refused, "rules") if candidate.refused else None)
    if withheld is not None:
        return Missed(*withheld, way, best, legs, min(book.read_at for book in books.values()))
    return make_opportunity(run, candidate, way, sizes, books)


def _without_edge(plan: Plan, legs: tuple[Leg, ...], quoted_at: datetime) -> Missed:
    lacks: Lacks = "fees" if sum(leg.asks[0].price for leg in legs) < plan.pays else "price"
    if (cost_of_one(legs) or plan.pays) < plan.pays - LEAST_GAIN_USD * len(legs):
        lacks = "depth"  # less than a whole share is on offer
    return Missed("no edge after fees", lacks, plan, None, legs, quoted_at)


def _least_shares(plan: Plan, books: Mapping[Key, Book]) -> Decimal:
    """The smallest order that every leg's venue takes."""
    told = ((leg.platform, books[leg.platform, leg.market_id].least_shares) for leg in plan.legs)
    return max(_LEAST_SHARES[platform] if least is None else least for platform, least in told)


def _withheld(run: Run[AnalyzeSettings], best: Bundle, least_shares: Decimal) -> tuple[str, Lacks] | None:
    if best.edge_percentage <= Decimal(str(run.settings.arbitrage_min_edge_pct)):
        return "edge below the minimum", "edge"
    if best.edge_percentage > _BELIEVABLE_PCT:
        return "edge too large to be true", "rules"
    if best.shares < least_shares:
        return "below the venue's smallest order", "depth"
    return None


def legs_of(plan: Plan, markets: Iterable[OpenMarket], books: Mapping[Key, Book]) -> tuple[Leg, ...]:
    """What each leg of the plan can be bought for; its market's fee is known."""
    by_key = {(market.platform, market.market_id): market for market in markets}
    found = []
    for claim in plan.legs:
        market, book = by_key[claim.platform, claim.market_id], books[claim.platform, claim.market_id]
        if market.fee_rate is None:
            raise ValueError(f"{claim}: its fee is unknown")
        rule = FeeRule(market.fee_rate, market.fee_exponent, ROUNDING[claim.platform])
        found.append(Leg(book.yes_asks if claim.is_yes else book.no_asks, rule))
    return tuple(found)
