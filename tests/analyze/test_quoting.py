"""Quotes from books made up for the purpose: each pair of the world is given the same two."""

from __future__ import annotations

import asyncio
from decimal import Decimal
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from analyze import pairing
from core.queries import analyzing
from tests.analyze.conftest import NOW, MakeRun, Outside
from tests.conftest import served

pytestmark = pytest.mark.usefixtures("collected")

PAIRS = 6


class Books:
    """Both venues' books: what YES costs on Kalshi and what NO costs on Polymarket, nothing else on offer."""

    def __init__(self, kalshi: tuple[str, str], polymarket: tuple[str, str], status: int = 200) -> None:
        self.kalshi, self.polymarket, self.status = kalshi, polymarket, status
        self.asked = 0
        self.under_way = 0
        self.most_at_once = 0

    def app(self) -> Starlette:
        return Starlette(routes=[Route("/markets/{ticker}/orderbook", self.orderbook), Route("/book", self.book)])

    async def orderbook(self, _: Request) -> Response:
        price, size = self.kalshi
        self.under_way += 1
        self.most_at_once = max(self.most_at_once, self.under_way)
        await asyncio.sleep(0.05)
        self.under_way -= 1
        bids = [[str(1 - Decimal(price)), size]]
        return self._answer({"orderbook_fp": {"yes_dollars": [], "no_dollars": bids}})

    async def book(self, _: Request) -> Response:
        price, size = self.polymarket
        return self._answer({"bids": [{"price": str(1 - Decimal(price)), "size": size}], "asks": []})

    def _answer(self, body: dict[str, Any]) -> Response:
        self.asked += 1
        return JSONResponse(body, self.status)


async def paired(make_run: MakeRun, outside: Outside, books: Books) -> pairing.Paired:
    with served(books.app()) as url:
        given = outside.settings() | {"kalshi_base_url": url, "polymarket_clob_url": url}
        run = await make_run("analyze", NOW, **given)
        async with run.transaction() as connection:
            markets = await analyzing.open_markets(connection, run.now, run.settings.max_quote_age_s)
        return await pairing.pair(run, markets)


async def test_a_limit_is_as_fine_as_the_books_own_tick(make_run: MakeRun, outside: Outside) -> None:
    found = await paired(make_run, outside, Books(("0.4", "1000"), ("0.4125", "1000")))
    assert len(found.opportunities) == PAIRS
    for opportunity in found.opportunities:
        assert opportunity["execution_steps"][0].endswith("limit 40¢")
        assert opportunity["execution_steps"][1].endswith("limit 41.25¢")
        assert (
            opportunity["execution_steps"][2]
            == "Hold both to settlement: one of them pays $1000 if both venues settle alike"
        )


@pytest.mark.parametrize(
    ("kalshi", "polymarket", "reason"),
    [
        (("0.5", "1000"), ("0.49", "1000"), "no edge after fees"),
        (("0.48", "1000"), ("0.484", "1000"), "edge below the minimum"),
        (("0.4", "4.9"), ("0.4", "1000"), "below the venue's smallest order"),
        (("0.4", "0.5"), ("0.4", "1000"), "no edge after fees"),
        (("0.1", "1000"), ("0.2", "1000"), "edge too large to be true"),
        (("0.001", "100000"), ("0.001", "100000"), "edge too large to be true"),
    ],
)
async def test_what_is_no_opportunity_is_counted_under_its_reason(
    make_run: MakeRun, outside: Outside, kalshi: tuple[str, str], polymarket: tuple[str, str], reason: str
) -> None:
    found = await paired(make_run, outside, Books(kalshi, polymarket))
    assert found.opportunities == []
    assert found.not_shown == {reason: PAIRS}


async def test_pairs_are_quoted_side_by_side(make_run: MakeRun, outside: Outside) -> None:
    books = Books(("0.4", "1000"), ("0.4", "1000"))
    await paired(make_run, outside, books)
    assert books.asked == 2 * PAIRS
    assert books.most_at_once > 1


async def test_a_venue_that_is_down_is_not_asked_for_every_pair(make_run: MakeRun, outside: Outside) -> None:
    books = Books(("0.4", "1000"), ("0.4", "1000"), status=503)
    found = await paired(make_run, outside, books)
    assert found.not_shown == {"book could not be read": PAIRS}
    assert books.asked < 2 * PAIRS
