"""What is found of the sums, ladders and crossings planted in a generated world, its listings read as a venue's are."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
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


def found_together(seed: int, markets: int, start: datetime) -> tuple[Found, dict[str, int], int]:
    """(by detector and size in cents whether each fault of a day scored 50 when it began, false alarms, market-days).

    A crossing counts as found where the gap is 4 cents or more, which is its score of 50.
    """
    world = GeneratedWorld(seed, markets)
    truth = world.truth(start - _WINDOW, start + timedelta(days=1))
    faults = [fault for fault in truth["anomalies"] if fault["kind"] in _KINDS]
    found: Found = defaultdict(lambda: defaultdict(list))
    alarms, seen = dict.fromkeys(DETECTORS, 0), 0
    before: set[tuple[str, str]] = set()
    for slot in range(_DAY):
        at = start + timedelta(seconds=slot * SLOT_S)
        listed = open_markets(world, at)
        seen += len(listed)
        scored = _scored(listed, at)
        now = {name for name, score in scored.items() if score >= THRESHOLD}
        for fault in faults:
            if fault["time"] == at.isoformat():
                name = _detector_of(fault, listed)
                hit = any((name, market) in now for market in fault["markets"])
                found[name][round(100 * abs(fault["size"]))].append(hit)
        active = {m for f in faults if at - _WINDOW < datetime.fromisoformat(f["time"]) <= at for m in f["markets"]}
        for name, market in now - before:
            alarms[name] += market not in active
        before = now
        for crossing in truth["crossings"]:
            if crossing["from"] == at.isoformat():
                size = round(100 * crossing["edge_before_fees"])
                found["cross_venue_gap"][size].append(_gap_cents(crossing, truth["pairs"], listed) >= 4)
    return found, alarms, seen // _DAY


def open_markets(world: GeneratedWorld, at: datetime) -> dict[str, OpenMarket]:
    """By id, what a sweep of both venues at `at` would know."""
    found: dict[str, OpenMarket] = {}
    for platform, body in _bodies(world, at):
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


def _bodies(world: GeneratedWorld, at: datetime) -> Iterator[tuple[str, Any]]:
    kalshi, polymarket = world.kalshi, world.polymarket
    yield PLATFORMS[0], {"events": [kalshi.event_body(row, at, nested=True) for row in kalshi.event_rows(at)]}
    rows = [row for row in polymarket.market_rows(at) if not row.closed(at.timestamp())]
    yield PLATFORMS[1], polymarket.market_bodies(rows, at, with_tags=True)


def _scored(listed: Mapping[str, OpenMarket], at: datetime) -> dict[tuple[str, str], float]:
    past = make_history(list(listed.values()), {}, at)
    ids = list(listed)
    return {
        (signal.detector, ids[row]): float(signal.score[row])
        for signal in signals(past)
        if signal.detector in DETECTORS
        for row in np.flatnonzero(signal.score)
    }


def _detector_of(fault: Mapping[str, Any], listed: Mapping[str, OpenMarket]) -> str:
    if fault["kind"] == "bids_above_one":
        return "sum_mismatch"
    closes = {listed[market].close_time for market in fault["markets"]}
    return "ladder_by_threshold" if len(closes) == 1 else "ladder_by_date"


def _gap_cents(crossing: Mapping[str, Any], pairs: list[dict[str, Any]], listed: Mapping[str, OpenMarket]) -> float:
    """The wider of both sides: the other venue's middle less what YES costs here, or NO."""
    (pair,) = [
        each for each in pairs if (each["kalshi"], each["polymarket"]) == (crossing["kalshi"], crossing["polymarket"])
    ]
    legs = listed[crossing["kalshi"]], listed[crossing["polymarket"]]
    gaps = [Decimal(0)]
    for market, other in (legs, legs[::-1]):
        fair = fair_of(other, same_side=pair["polarity"] == "same")
        if fair is not None and market.yes_price is not None and market.no_price is not None:
            gaps += [fair - market.yes_price, 1 - fair - market.no_price]
    return float(100 * max(gaps))
