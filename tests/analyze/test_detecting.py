"""The detectors on what the venues really answered: nothing breaks, and what is said of one moment is arithmetic."""

from __future__ import annotations

import warnings
from collections import defaultdict
from datetime import UTC, datetime
from decimal import Decimal

import numpy as np
import pytest

from analyze.detecting import find, make_history
from core.detect.hours import Hours, hours_of
from core.models import PLATFORMS, Event, MarketStatus, OpenMarket, Platform
from core.venues.contract import VENUES
from tests.conftest import needs_recorded
from tests.core.venues.test_recorded_answers import bodies

pytestmark = needs_recorded

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


def recorded() -> list[OpenMarket]:
    """Every open market of the recorded answers once, in the order of keys."""
    found: dict[tuple[str, str], OpenMarket] = {}
    for platform in PLATFORMS:
        for _, body in bodies(platform):
            page = VENUES[platform].parse_page(body)
            events: dict[str, Event] = {event.event_id: event for event in page.events}
            for market in page.markets:
                if market.status is not MarketStatus.OPEN:
                    continue
                terms, quote = market.terms, market.quote
                event = events.get(terms.event_id or "")
                found[platform, market.market_id] = OpenMarket(
                    platform, market.market_id, terms.event_id, terms.title, terms.category, terms.close_time,
                    terms.yes_token, event is not None and event.mutually_exclusive, quote.price, quote.yes_price,
                    quote.no_price, quote.volume, quote.volume_24h, NOW, None, Decimal(1), number=len(found),
                )  # fmt: skip
    return [found[key] for key in sorted(found)]


def standing(markets: list[OpenMarket], hours: int) -> dict[Platform, Hours]:
    """A past in which nothing ever changed."""
    prices = {
        platform: np.array([np.nan if m.price is None else float(m.price) for m in markets if m.platform == platform])
        for platform in PLATFORMS
    }
    numbers = {platform: np.array([m.number for m in markets if m.platform == platform]) for platform in PLATFORMS}
    return {platform: hours_of([], numbers[platform], prices[platform], NOW, hours) for platform in PLATFORMS}


@pytest.mark.parametrize("with_past", [False, True])
def test_the_recorded_markets_give_no_warning_no_nonsense_and_only_what_adds_up(with_past: bool) -> None:
    markets = recorded()
    assert len(markets) > 500
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        past = make_history(markets, standing(markets, 168) if with_past else {}, NOW)
        patterns = find(past)
    bids: defaultdict[tuple[str, str | None], list[float]] = defaultdict(list)
    for market in markets:
        if market.no_price is not None and market.mutually_exclusive:
            bids[market.platform, market.event_id].append(1 - float(market.no_price))
    for pattern in patterns:
        assert pattern.detector in {"sum_mismatch", "ladder_by_threshold", "ladder_by_date"}, (
            "of a past that stood still"
        )
        assert 0 <= pattern.score <= 100
        assert all(np.isfinite(number) for number in pattern.numbers.values())
        if pattern.detector == "sum_mismatch":
            told = sum(bids[pattern.platform, pattern.event_id])
            assert pattern.numbers["sum_bids_cents"] == pytest.approx(100 * told)
            assert told > 1
