"""What the venues tell of the past: settled markets, archives and their candles."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta
from decimal import Decimal
from itertools import pairwise

import pytest
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from core.errors import VenueAnswerError
from core.models import PLATFORMS, Market, MarketStatus, Page, Platform
from core.venues import kalshi, polymarket
from core.venues.contract import VENUES
from core.venues.lines import Lines, open_lines
from tests.conftest import NOW
from tests.core.wire import Replay, collect_settings, telling

HOUR, DAY = timedelta(hours=1), timedelta(days=1)


@pytest.fixture
async def lines(replay: Replay) -> AsyncIterator[dict[Platform, Lines]]:
    async with open_lines(collect_settings(**replay.settings)) as lines:
        yield lines


async def markets_of(pages: AsyncIterator[Page]) -> dict[str, Market]:
    return {market.market_id: market async for page in pages for market in page.markets}


async def settled(lines: dict[Platform, Lines], platform: Platform, days: float, volume: int = 0) -> dict[str, Market]:
    """Those of the last `days`, as a caller takes them from the listing."""
    start = NOW - days * DAY
    found = await markets_of(VENUES[platform].fetch_settled(lines[platform].listing, start, NOW, volume, 100))
    return {
        market_id: market
        for market_id, market in found.items()
        if market.status is MarketStatus.FINAL and start <= (market.outcome.settled_at or start - DAY) < NOW
    }


@pytest.mark.parametrize("platform", PLATFORMS)
async def test_settled_markets_are_listed_with_outcome_time_and_volume(
    lines: dict[Platform, Lines], platform: Platform
) -> None:
    found = await settled(lines, platform, 5)
    assert len(found) > 10
    assert {market.outcome.result for market in found.values()} == {"yes", "no"}
    assert all(market.outcome.payout is not None for market in found.values())
    assert all(market.quote.volume is not None for market in found.values())
    day = await settled(lines, platform, 1)
    assert day.items() <= found.items()
    assert 0 < len(day) < len(found)


async def test_polymarket_leaves_out_the_small_ones_itself(lines: dict[Platform, Lines], replay: Replay) -> None:
    everything = await markets_of(polymarket.fetch_settled(lines["polymarket"].listing, NOW - 5 * DAY, NOW, 0, 100))
    middle = sorted(market.quote.volume or Decimal(0) for market in everything.values())[len(everything) // 2]
    large = polymarket.fetch_settled(lines["polymarket"].listing, NOW - 5 * DAY, NOW, middle, 100)
    assert set(await markets_of(large)) == {
        market_id for market_id, market in everything.items() if (market.quote.volume or 0) >= middle
    }


async def test_kalshis_listing_of_settled_markets_ends_where_its_archive_begins(
    lines: dict[Platform, Lines], replay: Replay
) -> None:
    whole = await settled(lines, "kalshi", 5)
    replay.fail("kalshi", live_days=2)
    assert await kalshi.fetch_settled_since(lines["kalshi"].listing) == NOW - 2 * DAY
    live = await settled(lines, "kalshi", 5)
    archived = whole.keys() - live.keys()
    assert archived
    assert {m for m in whole if (whole[m].outcome.settled_at or NOW) < NOW - 2 * DAY} == archived
    asked = [*whole, "NO-SUCH-MARKET"]
    assert (await markets_of(kalshi.fetch_by_ids(lines["kalshi"].listing, asked))).keys() == live.keys()
    found = await markets_of(kalshi.fetch_archived(lines["kalshi"].listing, asked))
    assert {i: market.outcome for i, market in found.items()} == {i: whole[i].outcome for i in archived}


async def test_nothing_leaves_polymarkets_listing(lines: dict[Platform, Lines], replay: Replay) -> None:
    replay.fail(down=True)
    assert await polymarket.fetch_settled_since(lines["polymarket"].listing) is None
    assert await markets_of(polymarket.fetch_archived(lines["polymarket"].listing, ["0x1"])) == {}


async def test_archived_candles_of_kalshi_say_what_the_live_ones_said(
    lines: dict[Platform, Lines], replay: Replay
) -> None:
    market_id = max((await settled(lines, "kalshi", 5)).values(), key=lambda m: m.quote.volume or 0).market_id
    http, start = lines["kalshi"].books, NOW - 20 * DAY
    live = [candle async for candle in kalshi.fetch_candles(http, {market_id: None}, start, NOW)]
    assert len(live) > 5
    with pytest.raises(VenueAnswerError, match="status 404"):
        await anext(kalshi.fetch_archived_candles(http, market_id, None, start, NOW))
    replay.fail("kalshi", live_days=0)
    assert [candle async for candle in kalshi.fetch_candles(http, {market_id: None}, start, NOW)] == []
    archived = [candle async for candle in kalshi.fetch_archived_candles(http, market_id, None, start, NOW)]
    assert archived == live


async def test_a_closed_polymarket_market_has_prices_every_twelve_hours_and_no_finer(
    lines: dict[Platform, Lines], replay: Replay
) -> None:
    found = await settled(lines, "polymarket", 5)
    long = [m for m in found.values() if (m.terms.open_time or NOW) < NOW - 10 * DAY]
    market, http = long[0].terms, lines["polymarket"].books
    tokens, start = {market.market_id: market.yes_token}, NOW - 8 * DAY
    assert [candle async for candle in polymarket.fetch_candles(http, tokens, start, NOW)] == []
    fetched = polymarket.fetch_archived_candles(http, market.market_id, market.yes_token, start, NOW)
    ends = [candle.end async for candle in fetched]
    assert len(ends) > 3
    assert start <= ends[0] < start + HOUR * 12
    assert {later - earlier for earlier, later in pairwise(ends)} == {12 * HOUR}
    nothing = polymarket.fetch_archived_candles(http, market.market_id, None, start, NOW)
    assert [candle async for candle in nothing] == []


def test_an_archived_close_is_dollars_where_the_oldest_live_one_was_cents() -> None:
    row = {"end_period_ts": 1_763_816_400, "volume": "12.50", "yes_bid": {"close": "0.5600"}, "price": {"close": None}}
    row |= {"yes_ask": {"close": "0.5800"}}
    odd = [
        7,
        None,
        {"end_period_ts": "1"},
        {"end_period_ts": 1_763_820_000, "yes_bid": [], "yes_ask": {"close": "1.7"}},
    ]
    first, second = kalshi.parse_archived_candles({"candlesticks": [*odd, row]}, "K")[::-1]
    assert (first.price, first.yes_price, first.no_price) == (Decimal("0.57"), Decimal("0.58"), Decimal("0.44"))
    assert first.volume == Decimal("12.5")
    assert (second.price, second.yes_price, second.no_price, second.volume) == (None, None, None, None)
    assert kalshi.parse_archived_candles(None, "K") == []
    old = {"market_ticker": "K", "candlesticks": [row | {"yes_bid": {"close": 56}, "yes_ask": {"close": 58}}]}
    assert kalshi.parse_candles({"markets": [old]})[0].price == Decimal("0.57")


@pytest.mark.parametrize("body", [{"error": "later"}, [], 7, {"markets": 7, "candlesticks": 7, "history": 7}], ids=repr)
async def test_a_past_in_a_body_of_the_wrong_shape_is_an_error_and_not_an_empty_past(body: object) -> None:
    def answer(request: Request) -> Response:
        return JSONResponse(body)

    with telling(answer) as told:
        async with open_lines(collect_settings(**told.settings)) as lines:
            for platform in PLATFORMS:
                venue, http = VENUES[platform], lines[platform].books
                with pytest.raises(VenueAnswerError):
                    await anext(venue.fetch_candles(http, {"M": "1"}, NOW - DAY, NOW))
                with pytest.raises(VenueAnswerError):
                    await anext(venue.fetch_archived_candles(http, "M", "1", NOW - DAY, NOW))
                with pytest.raises(VenueAnswerError):
                    await anext(venue.fetch_settled(http, NOW - DAY, NOW, 0, 5))
            with pytest.raises(VenueAnswerError):
                await anext(kalshi.fetch_archived(lines["kalshi"].listing, ["M"]))
            assert await kalshi.fetch_settled_since(lines["kalshi"].listing) is None


async def test_an_empty_past_may_be_written_as_null() -> None:
    with telling(lambda _: JSONResponse({"markets": None, "candlesticks": None, "history": None})) as told:
        async with open_lines(collect_settings(**told.settings)) as lines:
            for platform in PLATFORMS:
                venue, http = VENUES[platform], lines[platform].books
                assert [c async for c in venue.fetch_candles(http, {"M": "1"}, NOW - DAY, NOW)] == []
                assert [c async for c in venue.fetch_archived_candles(http, "M", "1", NOW - DAY, NOW)] == []
