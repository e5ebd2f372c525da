"""Listings that page in odd ways, and answers of the wrong shape."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import ExitStack
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from core.errors import VenueAnswerError
from core.models import PLATFORMS, Page, Platform
from core.venues import kalshi
from core.venues.contract import VENUES
from core.venues.lines import open_lines
from tests.conftest import NOW
from tests.core.wire import Answer, Replay, Told, bodies_in_turn, collect_settings, telling

KEY = {"kalshi": "cursor", "polymarket": "next_cursor"}
Tell = Callable[[Answer], Told]


@pytest.fixture
def tell() -> Iterator[Tell]:
    with ExitStack() as stack:
        yield lambda answer: stack.enter_context(telling(answer))


def event(platform: Platform, name: str) -> dict[str, Any]:
    if platform == "kalshi":
        market = {"ticker": f"{name}-M", "status": "active"}
        return {"event_ticker": name, "title": name, "markets": [market]}
    gamma = {"id": name, "conditionId": f"0x{name}", "question": name, "outcomes": ["Yes", "No"]}
    return {"id": name, "title": name, "markets": [gamma]}


def page(platform: Platform, names: list[str], cursor: object = None) -> dict[str, Any]:
    body: dict[str, Any] = {"events": [event(platform, name) for name in names]}
    return body if cursor is None else body | {KEY[platform]: cursor}


async def swept(platform: Platform, told: Told, max_pages: int = 100) -> AsyncIterator[Page]:
    async with open_lines(collect_settings(**told.settings)) as lines:
        async for found in VENUES[platform].sweep(lines[platform].listing, max_pages):
            yield found


async def names_until_error(platform: Platform, told: Told, message: str, max_pages: int = 100) -> list[str]:
    names: list[str] = []
    with pytest.raises(VenueAnswerError, match=message):  # noqa: PT012
        async for found in swept(platform, told, max_pages):
            names += [event.event_id for event in found.events]
    return names


@pytest.mark.parametrize("platform", PLATFORMS)
async def test_a_page_given_again_ends_the_sweep_and_the_pages_before_are_good(platform: Platform, tell: Tell) -> None:
    told = tell(
        bodies_in_turn(page(platform, ["A", "B"], "1"), page(platform, ["C"], "2"), page(platform, ["A", "B"], "3"))
    )
    assert await names_until_error(platform, told, "given again") == ["A", "B", "C"]


@pytest.mark.parametrize("platform", PLATFORMS)
async def test_a_cursor_given_again_ends_the_sweep(platform: Platform, tell: Tell) -> None:
    told = tell(bodies_in_turn(page(platform, ["A"], "1"), page(platform, ["B"], "1"), page(platform, ["C"], "1")))
    assert await names_until_error(platform, told, "cursor was given again") == ["A", "B"]


@pytest.mark.parametrize("platform", PLATFORMS)
async def test_a_listing_without_end_is_left_at_the_limit_of_pages(platform: Platform, tell: Tell) -> None:
    count = iter(range(10_000))
    told = tell(lambda _: JSONResponse(page(platform, [f"E{next(count)}"], f"c{next(count)}")))
    assert len(await names_until_error(platform, told, "more than 3 pages", max_pages=3)) == 3


@pytest.mark.parametrize("platform", PLATFORMS)
async def test_a_short_page_is_not_the_last_one(platform: Platform, tell: Tell) -> None:
    told = tell(bodies_in_turn(page(platform, ["A"], "1"), page(platform, [], "2"), page(platform, ["B"])))
    assert [e.event_id async for found in swept(platform, told) for e in found.events] == ["A", "B"]
    assert len(told.asked) == 3


@pytest.mark.parametrize("platform", PLATFORMS)
@pytest.mark.parametrize("end", [None, "", 0, False], ids=repr)
async def test_a_missing_or_empty_cursor_is_the_end(platform: Platform, end: object, tell: Tell) -> None:
    told = tell(bodies_in_turn(page(platform, ["A"]) | {KEY[platform]: end}))
    assert [e.event_id async for found in swept(platform, told) for e in found.events] == ["A"]
    assert len(told.asked) == 1


@pytest.mark.parametrize("platform", PLATFORMS)
@pytest.mark.parametrize("cursor", [7, ["a"], {"a": 1}, True], ids=repr)
async def test_a_cursor_that_is_no_text_is_an_error(platform: Platform, cursor: object, tell: Tell) -> None:
    told = tell(bodies_in_turn(page(platform, ["A"], cursor)))
    assert await names_until_error(platform, told, "cursor") == ["A"]


@pytest.mark.parametrize("platform", PLATFORMS)
@pytest.mark.parametrize("body", [[], {}, {"events": None}, {"events": {}}, {"events": "all"}, 5, "x", None], ids=repr)
async def test_a_body_without_its_list_is_an_error(platform: Platform, body: object, tell: Tell) -> None:
    told = tell(bodies_in_turn(body))
    assert await names_until_error(platform, told, "no list of events") == []


@pytest.mark.parametrize("platform", PLATFORMS)
@pytest.mark.parametrize("first", [5, None, "x", [], {"event_ticker": [], "id": {}}, {"event_ticker": {}}], ids=repr)
async def test_rows_of_the_wrong_shape_are_counted_and_the_sweep_goes_on(
    platform: Platform, first: object, tell: Tell
) -> None:
    told = tell(bodies_in_turn({"events": [first], KEY[platform]: "1"}, page(platform, ["A"])))
    pages = [found async for found in swept(platform, told)]
    assert pages[0].skipped.total() == 1
    assert [event.event_id for event in pages[1].events] == ["A"]


async def test_polymarket_is_asked_by_the_one_cursor_name_it_heeds(tell: Tell) -> None:
    def answer(request: Request) -> Response:
        # As the venue does: any other name is ignored and gives page 1 for ever.
        after = request.query_params.get("after_cursor")
        assert request.query_params["closed"] == "false", "filters are repeated with every cursor"
        return JSONResponse(page("polymarket", ["B"]) if after == "1" else page("polymarket", ["A"], "1"))

    told = tell(answer)
    assert [e.event_id async for found in swept("polymarket", told) for e in found.events] == ["A", "B"]


async def test_kalshi_forgetting_its_cursor_is_noticed(tell: Tell) -> None:
    count = iter(range(100))
    told = tell(lambda _: JSONResponse(page("kalshi", ["A", "B"], f"new-{next(count)}")))
    assert await names_until_error("kalshi", told, "page from A was given again") == ["A", "B"]


async def test_limits_are_within_what_the_venues_clamp_to(tell: Tell) -> None:
    told = tell(bodies_in_turn({"events": [], "markets": []}))
    async with open_lines(collect_settings(**told.settings)) as lines:
        for platform in PLATFORMS:
            venue = VENUES[platform]
            for pages in (venue.sweep, venue.control_sweep):
                assert [p async for p in pages(lines[platform].listing, 5)]
    limits = {asked.split("?")[0]: asked for asked in told.asked}
    assert "limit=200" in limits["/kalshi/events"]
    assert "limit=1000" in limits["/kalshi/markets"]
    assert "mve_filter=exclude" in limits["/kalshi/markets"]
    assert "limit=100" in limits["/polymarket/gamma/events/keyset"]
    assert "limit=100" in limits["/polymarket/gamma/markets/keyset"]


@pytest.mark.parametrize("platform", PLATFORMS)
async def test_many_ids_are_asked_in_requests_that_the_venue_allows(platform: Platform, tell: Tell) -> None:
    told = tell(bodies_in_turn({"markets": []}))
    async with open_lines(collect_settings(**told.settings)) as lines:
        ids = [f"ID{n}" for n in range(250)]
        assert [p.markets async for p in VENUES[platform].fetch_by_ids(lines[platform].listing, ids)]
    most = max(asked.count("ID") for asked in told.asked)
    assert most <= 100
    if platform == "polymarket":
        assert {"closed=true", "closed=false"} <= {part for asked in told.asked for part in asked.split("&")}


@pytest.mark.parametrize("platform", PLATFORMS)
async def test_markets_by_id_in_a_body_of_the_wrong_shape_are_an_error_and_not_nothing(
    platform: Platform, tell: Tell
) -> None:
    told = tell(bodies_in_turn({"error": "later"}))
    async with open_lines(collect_settings(**told.settings)) as lines:
        with pytest.raises(VenueAnswerError, match="no list of markets"):
            await anext(VENUES[platform].fetch_by_ids(lines[platform].listing, ["A"]))


async def test_ids_are_quoted_into_paths(tell: Tell) -> None:
    told = tell(bodies_in_turn(JSONResponse({}, 404)))
    async with open_lines(collect_settings(**told.settings)) as lines:
        odd = "gamma-../events?closed=false#"
        assert [p async for p in VENUES["polymarket"].fetch_by_ids(lines["polymarket"].listing, [odd])] == []
        assert await VENUES["kalshi"].fetch_book(lines["kalshi"].books, "../series?x", None, NOW) is None
    assert told.asked[0] == "/polymarket/gamma/markets/..%2Fevents%3Fclosed%3Dfalse%23?"
    assert told.asked[1] == "/kalshi/markets/..%2Fseries%3Fx/orderbook?depth=0"


async def test_a_market_whose_history_is_refused_is_an_error_and_not_an_empty_past(tell: Tell) -> None:
    def answer(request: Request) -> Response:
        if request.query_params["market"] == "bad":
            return JSONResponse({"error": "invalid"}, 400)
        return JSONResponse({"history": [{"t": int(NOW.timestamp()), "p": 0.4}]})

    told = tell(answer)
    async with open_lines(collect_settings(**told.settings)) as lines:
        tokens: dict[str, str | None] = {"A": "bad", "B": "good"}
        fetched = VENUES["polymarket"].fetch_candles(lines["polymarket"].books, tokens, NOW - timedelta(days=1), NOW)
        with pytest.raises(VenueAnswerError, match="status 400"):
            await anext(fetched)


async def test_kalshi_candles_are_asked_for_within_ten_thousand_a_request(replay: Replay) -> None:
    async with open_lines(collect_settings(**replay.settings)) as lines:
        tokens: dict[str, str | None] = {f"T{n}": None for n in range(120)}
        fetched = kalshi.fetch_candles(lines["kalshi"].books, tokens, NOW - timedelta(days=90), NOW)
        assert [candle async for candle in fetched] == []  # the replay refuses more than 10,000 with a 400


async def test_a_kalshi_book_behind_a_key_is_a_feature_off_and_no_failure(replay: Replay) -> None:
    replay.fail(orderbook_401=True)
    async with open_lines(collect_settings(**replay.settings)) as lines:
        pages = [found async for found in kalshi.sweep(lines["kalshi"].listing, 100)]
        market_id = pages[0].markets[0].market_id
        assert await kalshi.fetch_book(lines["kalshi"].books, market_id, None, NOW) is None


@pytest.mark.parametrize("body", [{"series": None}, {}, [], 7], ids=repr)
async def test_series_fees_without_a_list_are_an_error(body: object, tell: Tell) -> None:
    told = tell(bodies_in_turn(body))
    async with open_lines(collect_settings(**told.settings)) as lines:
        with pytest.raises(VenueAnswerError, match="no list of series"):
            await kalshi.fetch_series_fees(lines["kalshi"].listing)


async def test_fee_changes_are_read_page_by_page_and_what_is_no_change_is_counted(tell: Tell) -> None:
    series = {"id": "1", "series_ticker": "S", "fee_type": "quadratic", "fee_multiplier": 0.5}
    pages = [
        {"series_fee_change_arr": [series | {"scheduled_ts": "2026-12-01T00:00:00Z"}, series, {"id": "2"}, 7]},
        {
            "event_fee_changes": [{"id": "3", "event_ticker": "E", "scheduled_ts": "2026-12-02T00:00:00Z"}],
            "cursor": "c",
        },
        {"event_fee_changes": [{"id": "4", "event_ticker": "F", "scheduled_ts": "2026-12-03"}], "cursor": ""},
    ]
    told = tell(bodies_in_turn(*pages))
    async with open_lines(collect_settings(**told.settings)) as lines:
        found, skipped = await kalshi.fetch_fee_changes(lines["kalshi"].listing, 10)
    assert [(c.scope, c.subject, c.effective_at.day, c.fee_type, c.fee_multiplier) for c in found] == [
        ("series", "S", 1, "quadratic", Decimal("0.5")), ("event", "E", 2, None, None), ("event", "F", 3, None, None),
    ]  # fmt: skip
    assert skipped == {"fee change without subject or time": 3}
    assert told.asked[0].endswith("/series/fee_changes?show_historical=false")


@pytest.mark.parametrize("body", [{"series_fee_change_arr": None}, {}, [], 7], ids=repr)
async def test_fee_changes_without_a_list_are_an_error(body: object, tell: Tell) -> None:
    told = tell(bodies_in_turn(body))
    async with open_lines(collect_settings(**told.settings)) as lines:
        with pytest.raises(VenueAnswerError, match="no list of changes"):
            await kalshi.fetch_fee_changes(lines["kalshi"].listing, 10)


async def test_series_fees_keep_what_is_known_and_leave_the_rest_unknown(tell: Tell) -> None:
    rows = [
        {"ticker": "A", "category": "Politics", "fee_type": "quadratic", "fee_multiplier": 0.5},
        {"ticker": "B", "fee_multiplier": "0e-99999"},
        {"ticker": "C", "fee_multiplier": -1},
        {"ticker": None},
        "D",
    ]
    told = tell(bodies_in_turn({"series": rows}))
    async with open_lines(collect_settings(**told.settings)) as lines:
        found = await kalshi.fetch_series_fees(lines["kalshi"].listing)
    assert [(fee[0], None if fee[3] is None else str(fee[3].normalize())) for fee in found] == [
        ("A", "0.5"), ("B", None), ("C", None),
    ]  # fmt: skip
