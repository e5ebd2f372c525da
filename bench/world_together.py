"""What is found of the sums, ladders and crossings planted in a generated world, its listings read as a venue's are."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Set
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import numpy as np

from analyze.detecting import make_history
from analyze.pairing import fair_of
from bench.recall import THRESHOLD
from core.detect.detectors import signals
from core.models import PLATFORMS, Event, MarketStatus, OpenMarket
from core.venues.contract import VENUES
from local.world import SLOT_S, GeneratedWorld

DETECTORS = ("sum_mismatch", "ladder_by_threshold", "ladder_by_date")
_DAY = 96
_WINDOW = timedelta(hours=2)  # how long a planted fault of quotes lasts at most
_KINDS = {"bids_above_one": "sum", "ladder_broken": "ladder"}

Found = dict[str, dict[int, list[bool]]]


def found_together(seed: int, markets: int, start: datetime) -> Found:
    """By detector and size in cents whether each fault of a day scored 50 when it began.

    Listed are only the events of what begins then. A crossing counts as found where the gap is 4 cents or more, which
    is its score of 50.
    """
    world = GeneratedWorld(seed, markets)
    truth = world.truth(start, start + timedelta(days=1))
    faults, crossings = defaultdict(list), defaultdict(list)
    for fault in truth["anomalies"]:
        if fault["kind"] in _KINDS:
            faults[fault["time"]].append(fault)
    for crossing in truth["crossings"]:
        crossings[crossing["from"]].append(crossing)
    found: Found = defaultdict(lambda: defaultdict(list))
    for slot in range(_DAY):
        at = start + timedelta(seconds=slot * SLOT_S)
        begun, crossed = faults[at.isoformat()], crossings[at.isoformat()]
        named = {market for fault in begun for market in fault["markets"]}
        named |= {crossing[venue] for crossing in crossed for venue in PLATFORMS}
        if not named:
            continue
        listed = open_markets(world, at, named)
        scored = _found_in(listed, at)
        for fault in begun:
            name = _detector_of(fault, listed)
            hit = any((name, market) in scored for market in fault["markets"])
            found[name][round(100 * abs(fault["size"]))].append(hit)
        for crossing in crossed:
            size = round(100 * crossing["edge_before_fees"])
            legs = (listed[crossing[venue]] for venue in PLATFORMS)
            found["cross_venue_gap"][size].append(gap_cents(*legs, same_side=_is_same(crossing, truth)) >= 4)
    return found


def false_alarms(seed: int, markets: int, start: datetime, listings: int) -> tuple[dict[str, int], int]:
    """(how often a market scored 50 that was not at fault, how many were looked at), in listings three hours apart."""
    world = GeneratedWorld(seed, markets)
    alarms, seen = dict.fromkeys(DETECTORS, 0), 0
    for number in range(listings):
        at = start + timedelta(hours=3 * number)
        truth = world.truth(at - _WINDOW, at + timedelta(seconds=SLOT_S))
        active = {market for fault in truth["anomalies"] if fault["kind"] in _KINDS for market in fault["markets"]}
        listed = open_markets(world, at)
        seen += len(listed)
        for name, market in _found_in(listed, at):
            alarms[name] += market not in active
    return alarms, seen


def open_markets(world: GeneratedWorld, at: datetime, named: Set[str] | None = None) -> dict[str, OpenMarket]:
    """By id, what a sweep of both venues at `at` would know, of the events of these markets or of all."""
    found: dict[str, OpenMarket] = {}
    for platform, body in _bodies(world, at, named):
        page = VENUES[platform].parse_page(body)  # type: ignore[index]
        events: Mapping[str, Event] = {event.event_id: event for event in page.events}
        for market in page.markets:
            if market.status is not MarketStatus.OPEN:
                continue
            terms, quote, event = market.terms, market.quote, events.get(market.terms.event_id or "")
            found[market.market_id] = OpenMarket(
                market.platform, market.market_id, terms.event_id, terms.title, terms.category, terms.close_time,
                terms.yes_token, event is not None and event.mutually_exclusive, quote.price, quote.yes_price,
                quote.no_price, quote.volume, quote.volume_24h, at, None, Decimal(1), number=len(found),
            )  # fmt: skip
    return found


def _bodies(world: GeneratedWorld, at: datetime, named: Set[str] | None) -> Iterator[tuple[str, Any]]:
    """Listings of events, which say whether outcomes exclude each other."""
    kalshi, polymarket = world.kalshi, world.polymarket
    events, others = kalshi.event_rows(at), polymarket.event_rows(at)
    if named is not None:
        events = [row for row in events if any(market.ticker in named for market in row.markets)]
        others = [row for row in others if any(market.condition_id in named for market in row.markets)]
    yield PLATFORMS[0], {"events": [kalshi.event_body(row, at, nested=True) for row in events]}
    yield PLATFORMS[1], {"events": [polymarket.event_body(row, at) for row in others]}


def _found_in(listed: Mapping[str, OpenMarket], at: datetime) -> set[tuple[str, str]]:
    """(detector, market) of what scores 50 or more."""
    past = make_history(list(listed.values()), {}, at)
    ids = list(listed)
    return {
        (signal.detector, ids[row])
        for signal in signals(past)
        if signal.detector in DETECTORS
        for row in np.flatnonzero(signal.score >= THRESHOLD)
    }


def _detector_of(fault: Mapping[str, Any], listed: Mapping[str, OpenMarket]) -> str:
    if fault["kind"] == "bids_above_one":
        return "sum_mismatch"
    closes = {listed[market].close_time for market in fault["markets"]}
    return "ladder_by_threshold" if len(closes) == 1 else "ladder_by_date"


def _is_same(crossing: Mapping[str, Any], truth: Mapping[str, Any]) -> bool:
    names = crossing["kalshi"], crossing["polymarket"]
    (pair,) = [each for each in truth["pairs"] if (each["kalshi"], each["polymarket"]) == names]
    return bool(pair["polarity"] == "same")


def gap_cents(kalshi: OpenMarket, polymarket: OpenMarket, *, same_side: bool) -> float:
    """The wider of both sides: the other venue's middle less what YES costs here, or NO."""
    gaps = [Decimal(0)]
    for market, other in ((kalshi, polymarket), (polymarket, kalshi)):
        fair = fair_of(other, same_side=same_side)
        if fair is not None and market.yes_price is not None and market.no_price is not None:
            gaps += [fair - market.yes_price, 1 - fair - market.no_price]
    return float(100 * max(gaps))
