"""Books in batches, over HTTP: halves of what is refused, each book taken once, and nothing impossible kept."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack
from datetime import timedelta
from decimal import Decimal
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from core.errors import VenueAnswerError, VenueForbids
from core.models import PLATFORMS, BookPage, Level, Market, MarketStatus, Platform
from core.venues import books, kalshi, polymarket
from core.venues.contract import VENUES
from core.venues.lines import Lines, open_lines
from tests.conftest import NOW
from tests.core.venues.test_fuzz import ODD
from tests.core.wire import Answer, Replay, Told, collect_settings, telling


@pytest.fixture
async def lines(replay: Replay) -> AsyncIterator[dict[Platform, Lines]]:
    async with open_lines(collect_settings(**replay.settings)) as lines:
        yield lines


@pytest.fixture
def tell() -> Iterator[Any]:
    with ExitStack() as stack:

        def start(answer: Answer) -> Told:
            return stack.enter_context(telling(answer))

        yield start


async def read(platform: Platform, lines: Lines, tokens: dict[str, str | None]) -> list[BookPage]:
    return [page async for page in VENUES[platform].fetch_books(lines.books, tokens, lambda: NOW)]


async def told_books(platform: Platform, told: Told, tokens: dict[str, str | None]) -> list[BookPage]:
    async with open_lines(collect_settings(**told.settings)) as lines:
        return await read(platform, lines[platform], tokens)


def asked_of(told: Told) -> list[int]:
    """How many tickers each request named."""
    return [path.count("tickers=") for path in told.asked]


async def quoted(platform: Platform, lines: Lines) -> list[Market]:
    pages = [page async for page in VENUES[platform].sweep(lines.listing, 100)]
    markets = [market for page in pages for market in page.markets]
    return [m for m in markets if m.status is MarketStatus.OPEN and m.quote.yes_price and m.quote.no_price]


@pytest.mark.parametrize("platform", PLATFORMS)
async def test_books_of_many_agree_with_their_quotes(platform: Platform, lines: dict[Platform, Lines]) -> None:
    markets = {m.market_id: m for m in await quoted(platform, lines[platform])}
    tokens: dict[str, str | None] = {f"NO-SUCH-{n}": f"{n}" for n in range(130 - len(markets))}
    tokens |= {market_id: m.terms.yes_token for market_id, m in markets.items()}
    pages = await read(platform, lines[platform], tokens)
    assert len(pages) == 2
    # Of a ticker that nobody knows Kalshi says an empty book, Polymarket none.
    found = [book for page in pages for book in page.books if not book.market_id.startswith("NO-SUCH")]
    assert {book.market_id for book in found} == markets.keys()
    for book in found:
        quote = markets[book.market_id].quote
        assert (book.platform, book.read_at, book.top_only) == (platform, NOW, False)
        assert (book.yes_asks[0].price, book.no_asks[0].price) == (quote.yes_price, quote.no_price)
        for side in (book.yes_asks, book.no_asks):
            assert [level.price for level in side] == sorted(level.price for level in side)
    assert sum((page.doubts for page in pages), Counter[str]()) == Counter()


async def test_each_batch_is_stamped_before_it_is_asked_for(lines: dict[Platform, Lines]) -> None:
    clock = iter([NOW, NOW + timedelta(seconds=1), NOW + timedelta(seconds=2)])
    tokens: dict[str, str | None] = {f"M{n}": None for n in range(101)}
    pages = [page async for page in kalshi.fetch_books(lines["kalshi"].books, tokens, lambda: next(clock))]
    assert [{book.read_at for book in page.books} for page in pages] == [{NOW}, {NOW + timedelta(seconds=1)}]


async def test_nothing_wanted_is_no_request(tell: Any) -> None:
    told = tell(lambda _: Response(status_code=500))
    for platform in PLATFORMS:
        assert await told_books(platform, told, {}) == []
    assert await told_books("polymarket", told, {"no token": None}) == []
    assert told.asked == []


async def test_tokens_without_a_book_are_left_out_and_counted(lines: dict[Platform, Lines]) -> None:
    known = (await quoted("polymarket", lines["polymarket"]))[0].terms
    (page,) = await read("polymarket", lines["polymarket"], {"unknown": "7", known.market_id: known.yes_token})
    assert [book.market_id for book in page.books] == [known.market_id]
    assert page.skipped == {"left out": 1}


@pytest.mark.parametrize("status", [401, 403])
async def test_books_behind_a_key_are_forbidden_after_one_request(tell: Any, status: int) -> None:
    told = tell(lambda _: JSONResponse({}, status))
    for platform in PLATFORMS:
        with pytest.raises(VenueForbids, match=f"status {status}"):
            await told_books(platform, told, {f"M{n}": f"{n}" for n in range(150)})
    assert len(told.asked) == 2


async def test_a_batch_that_is_refused_is_asked_for_in_halves_until_the_one_is_found(tell: Any) -> None:
    def answer(request: Request) -> Response:
        tickers = request.query_params.getlist("tickers")
        if "BAD" in tickers:
            return JSONResponse({"error": "bad ticker"}, 400)
        sides = {"orderbook_fp": {"yes_dollars": [["0.40", "1.00"]], "no_dollars": []}}
        return JSONResponse({"orderbooks": [{"ticker": ticker} | sides for ticker in tickers]})

    told = tell(answer)
    ids = [f"M{n}" for n in range(70)] + ["BAD"] + [f"N{n}" for n in range(29)]
    pages = await told_books("kalshi", told, dict.fromkeys(ids))
    assert {book.market_id for page in pages for book in page.books} == set(ids) - {"BAD"}
    assert sum((page.skipped for page in pages), Counter[str]()) == {"left out": 1}
    assert len(told.asked) < 2 * 8
    assert max(asked_of(told)) == 100


async def test_a_venue_that_refuses_everything_is_soon_left_alone(tell: Any) -> None:
    told = tell(lambda _: JSONResponse({"error": "no"}, 400))
    with pytest.raises(VenueAnswerError, match="status 400"):
        await told_books("kalshi", told, {f"M{n}": None for n in range(400)})
    assert len(told.asked) < 40


def kalshi_row(ticker: Any = "A", yes: Any = (), no: Any = ()) -> dict[str, Any]:
    return {"ticker": ticker, "orderbook_fp": {"yes_dollars": list(yes), "no_dollars": list(no)}}


def gamma_row(token: Any = "1", bids: Any = (), asks: Any = ()) -> dict[str, Any]:
    def levels(rows: Any) -> list[Any]:
        return [{"price": row[0], "size": row[1]} if isinstance(row, tuple) else row for row in rows]

    return {"asset_id": token, "bids": levels(bids), "asks": levels(asks)}


def test_a_book_told_twice_or_of_another_market_is_counted_and_the_first_one_taken() -> None:
    rows = [kalshi_row("A", [["0.40", "5"]]), kalshi_row("A", [["0.41", "5"]]), kalshi_row("Z"), kalshi_row(None), 7]
    page = kalshi.parse_books({"orderbooks": rows}, ["A", "B"], NOW)
    assert [(book.market_id, book.no_asks) for book in page.books] == [("A", (Level(Decimal("0.60"), Decimal(5)),))]
    assert page.skipped == {"not asked for, or told twice": 4, "left out": 1}


@pytest.mark.parametrize("body", [None, 7, "x", [], {}, {"orderbooks": 5}, {"orderbooks": {"A": {}}}], ids=repr)
def test_a_body_without_books_leaves_all_out(body: Any) -> None:
    assert kalshi.parse_books(body, ["A", "B"], NOW) == BookPage(skipped=Counter({"left out": 2}))
    assert polymarket.parse_books(body, {"1": "A"}, NOW) == BookPage(skipped=Counter({"left out": 1}))


BAD_LEVELS: list[tuple[Any, Any]] = [
    ("NaN", "5"), ("0.5", "NaN"), ("1", "5"), ("0", "5"), ("-0.2", "5"), ("1.7", "5"), ("0.5", "0"), ("0.5", "-3"),
    ("9" * 40, "5"), ("0.5", "9" * 40), (None, "5"), ([], {}), ("0.5", "1e400"),
]  # fmt: skip


@pytest.mark.parametrize("level", BAD_LEVELS, ids=lambda level: str(level)[:30])
def test_a_level_that_cannot_be_is_none_and_the_others_stay(level: tuple[Any, Any]) -> None:
    good = ("0.30", "2.50")
    page = kalshi.parse_books({"orderbooks": [kalshi_row("A", [list(level), list(good), 7, ["0.2"]])]}, ["A"], NOW)
    other = polymarket.parse_books([gamma_row("1", [level, good, 7, {}])], {"1": "A"}, NOW)
    for found in (page, other):
        (book,) = found.books
        assert book.no_asks == (Level(Decimal("0.70"), Decimal("2.5")),)
        assert book.yes_asks == ()


def test_what_was_wrong_with_levels_is_counted() -> None:
    bad = [["NaN", "5"], ["1.7", "5"], ["0.5", "9" * 40], "x"]
    page = kalshi.parse_books({"orderbooks": [kalshi_row("A", bad)]}, ["A"], NOW)
    assert page.doubts == {
        "price: not a number": 1,
        "price: outside 0 to 1": 1,
        "size: out of range": 1,
        "level: not a price and a size": 1,
    }  # fmt: skip


def test_a_side_of_a_million_levels_is_no_book_and_does_not_take_long() -> None:
    flood = [["0.5000", "1.00"]] * 1_000_000
    page = kalshi.parse_books({"orderbooks": [kalshi_row("A", flood)]}, ["A"], NOW)
    other = polymarket.parse_books([{"asset_id": "1", "bids": [], "asks": flood}], {"1": "A"}, NOW)
    assert (page.books, page.skipped) == (other.books, other.skipped) == ([], {"no book in it": 1})
    assert kalshi.parse_book(kalshi_row("A", flood), "A", NOW) is None


def test_a_book_whose_two_sides_cost_less_than_a_dollar_is_not_believed() -> None:
    locked, crossed = [["0.55", "5"]], [["0.56", "5"]]
    page = kalshi.parse_books(
        {"orderbooks": [kalshi_row("A", crossed, [["0.45", "9"]]), kalshi_row("B", locked, [["0.45", "9"]])]},
        ["A", "B"], NOW,
    )  # fmt: skip
    assert ([book.market_id for book in page.books], page.skipped) == (["B"], {"bid above ask": 1})


@given(body=ODD, rows=st.lists(ODD, max_size=4), side=ODD)
def test_no_batch_is_too_odd_to_be_read(body: Any, rows: list[Any], side: Any) -> None:
    told = [
        *rows,
        {"ticker": "A", "orderbook": {"yes": side, "no": rows}},
        {"asset_id": "A", "bids": side, "asks": rows},
    ]
    for odd in (body, rows, told, {"orderbooks": body}, {"orderbooks": told}):
        for page in (kalshi.parse_books(odd, ["A", "B"], NOW), polymarket.parse_books(odd, {"A": "A", "B": "B"}, NOW)):
            assert {book.market_id for book in page.books} <= {"A", "B"}
            for book in page.books:
                assert not books.is_crossed(book)
                assert all(0 < level.price < 1 and level.size > 0 for level in (*book.yes_asks, *book.no_asks))


def test_the_recorded_shapes_of_both_venues_are_read() -> None:
    cents = {"ticker": "A", "orderbook": {"yes": [[40, 5]], "no": None}}
    page = kalshi.parse_books(orjson.loads(orjson.dumps({"orderbooks": [cents]})), ["A"], NOW)
    assert [(book.yes_asks, book.no_asks) for book in page.books] == [((), (Level(Decimal("0.6"), Decimal(5)),))]
