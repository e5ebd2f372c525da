"""What every venue module promises, checked over HTTP on all of them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta

import pytest

from core.errors import VenueDown
from core.models import PLATFORMS, Market, MarketStatus, Page, Platform
from core.venues.contract import VENUES
from core.venues.lines import Lines, open_lines
from tests.conftest import NOW
from tests.core.wire import Replay, collect_settings

pytestmark = pytest.mark.parametrize("platform", PLATFORMS)


@pytest.fixture
async def lines(replay: Replay, platform: Platform) -> AsyncIterator[Lines]:
    async with open_lines(collect_settings(**replay.settings)) as lines:
        yield lines[platform]


async def pages_of(pages: AsyncIterator[Page]) -> list[Page]:
    return [page async for page in pages]


async def markets_of(pages: AsyncIterator[Page]) -> dict[str, Market]:
    return {market.market_id: market for page in await pages_of(pages) for market in page.markets}


async def test_the_two_sweeps_together_find_all_that_is_listed(
    platform: Platform, lines: Lines, replay: Replay
) -> None:
    venue = VENUES[platform]
    swept = await markets_of(venue.sweep(lines.listing, 100))
    control = await markets_of(venue.control_sweep(lines.listing, 100))
    assert len(swept | control) == replay.inventory()[platform]["listed"]
    assert all(market.platform == platform for market in swept.values())
    assert {market.status for market in control.values()} <= set(MarketStatus)


async def test_a_sweep_goes_over_several_pages_and_skips_only_for_a_reason(platform: Platform, lines: Lines) -> None:
    pages = await pages_of(VENUES[platform].control_sweep(lines.listing, 100))
    assert all(page.markets for page in pages)
    assert sum((page.skipped for page in pages), start=Page().skipped).total() == 0


async def test_events_come_with_the_sweep_that_names_them(platform: Platform, lines: Lines) -> None:
    pages = await pages_of(VENUES[platform].sweep(lines.listing, 100))
    named = {event.event_id for page in pages for event in page.events}
    assert {market.terms.event_id for page in pages for market in page.markets} <= named


async def test_open_markets_are_quoted_strictly_between_nothing_and_a_dollar(platform: Platform, lines: Lines) -> None:
    markets = await markets_of(VENUES[platform].sweep(lines.listing, 100))
    quotes = [market.quote for market in markets.values() if market.status is MarketStatus.OPEN]
    prices = [p for quote in quotes for p in (quote.price, quote.yes_price, quote.no_price, quote.last_price)]
    assert any(price is not None for price in prices)
    assert all(price is None or 0 < price < 1 for price in prices)
    for quote in quotes:
        if quote.yes_price is not None and quote.no_price is not None:
            assert quote.yes_price + quote.no_price >= 1, "buying both sides costs at least what they pay"


async def test_markets_are_found_by_id_whatever_their_status_and_unknown_ids_are_left_out(
    platform: Platform, lines: Lines, replay: Replay
) -> None:
    venue = VENUES[platform]
    known = sorted(await markets_of(venue.sweep(lines.listing, 100)))
    asked = [*known, "NO-SUCH-MARKET", "0x" + "0" * 64, "gamma-123456789"]
    replay.now = NOW + timedelta(days=2)
    found = await markets_of(venue.fetch_by_ids(lines.listing, asked))
    assert found.keys() <= set(known)
    assert len(found) > len(known) / 2
    finals = [market for market in found.values() if market.status is MarketStatus.FINAL]
    assert finals
    assert all(market.outcome.payout is not None for market in finals)


async def test_no_ids_are_no_requests(platform: Platform, lines: Lines, replay: Replay) -> None:
    replay.fail(down=True)
    assert await pages_of(VENUES[platform].fetch_by_ids(lines.listing, [])) == []


async def test_a_book_is_sorted_best_first_and_agrees_with_the_quote(platform: Platform, lines: Lines) -> None:
    venue = VENUES[platform]
    markets = await markets_of(venue.sweep(lines.listing, 100))
    open_markets = [m for m in markets.values() if m.status is MarketStatus.OPEN and m.quote.yes_price is not None]
    for market in open_markets[:10]:
        book = await venue.fetch_book(lines.books, market.market_id, market.terms.yes_token, NOW)
        assert book is not None
        assert (book.platform, book.market_id, book.read_at) == (platform, market.market_id, NOW)
        for side, best in ((book.yes_asks, market.quote.yes_price), (book.no_asks, market.quote.no_price)):
            prices = [level.price for level in side]
            assert prices == sorted(prices)
            assert all(0 < level.price < 1 and level.size > 0 for level in side)
            assert (prices[0] if prices else None) == best


async def test_there_is_no_book_of_a_market_that_nobody_knows(platform: Platform, lines: Lines) -> None:
    assert await VENUES[platform].fetch_book(lines.books, "NO-SUCH/../MARKET?x=1", "7", NOW) is None


async def test_a_venue_that_is_down_is_said_after_all_attempts(
    platform: Platform, lines: Lines, replay: Replay
) -> None:
    replay.fail(platform, down=True)
    with pytest.raises(VenueDown, match="status 503"):
        await pages_of(VENUES[platform].sweep(lines.listing, 100))


async def test_candles_are_hourly_within_the_window_and_only_of_the_asked(platform: Platform, lines: Lines) -> None:
    venue = VENUES[platform]
    markets = await markets_of(venue.sweep(lines.listing, 100))
    chosen = {i: m.terms.yes_token for i, m in markets.items() if m.status is MarketStatus.OPEN}
    start = NOW - timedelta(days=40)
    candles = [c async for c in venue.fetch_candles(lines.books, chosen | {"NO-SUCH": None}, start, NOW)]
    assert candles
    assert {candle.market_id for candle in candles} <= chosen.keys()
    for candle in candles:
        assert start <= candle.end <= NOW + timedelta(hours=1)
        assert candle.price is None or 0 < candle.price < 1
        assert candle.volume is None or candle.volume >= 0
    assert min(candle.end for candle in candles) < NOW - timedelta(days=16), "further back than one request may ask"
