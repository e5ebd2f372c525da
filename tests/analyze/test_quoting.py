"""Quotes from books made up for the purpose: each pair of the world is given the same two."""

from __future__ import annotations

import asyncio
import re
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from analyze import pairing, pipeline, quoting
from core.arbitrage.bundles import best_bundle
from core.arbitrage.plans import of_pair
from core.match.claims import read_claim
from core.match.verdict import Verdict, judge
from core.match.weights import ALIKE
from core.models import Book, Level, OpenMarket, Platform
from core.queries.open_markets import open_markets
from tests.analyze.conftest import NOW, MakeRun, Outside, rows
from tests.conftest import served

pytestmark = pytest.mark.usefixtures("collected")

PAIRS = 7
ONE = Decimal(1)


class Books:
    """Both venues' books: what YES costs on Kalshi and what NO costs on Polymarket; the other sides are too dear."""

    def __init__(self, kalshi: tuple[str, str], polymarket: tuple[str, str], status: int = 200) -> None:
        self.kalshi, self.polymarket, self.status = kalshi, polymarket, status
        self.polymarket_ask: str | None = "0.9999"
        self.min_order_size = "5"
        self.hangs_s = 0.0
        self.tops: tuple[str, str] | None = None  # Kalshi's listed asks, where its books need a key
        self.asked = 0

    def app(self) -> Starlette:
        return Starlette(
            routes=[
                Route("/markets/orderbooks", self.orderbooks),
                Route("/markets", self.listing),
                Route("/books", self.books, methods=["POST"]),
            ]
        )

    async def listing(self, request: Request) -> Response:
        assert self.tops is not None
        said = {"event_ticker": "E", "title": "Rain?", "status": "active", "rules_primary": "If it rains.",
                "yes_ask_dollars": self.tops[0], "no_ask_dollars": self.tops[1], "yes_ask_size_fp": "100.00",
                "yes_bid_size_fp": "100.00", "yes_bid_dollars": str(1 - Decimal(self.tops[1])),
                "no_bid_dollars": str(1 - Decimal(self.tops[0]))}  # fmt: skip
        tickers = request.query_params["tickers"].split(",")
        return self._answer({"markets": [said | {"ticker": ticker} for ticker in tickers], "cursor": ""})

    async def orderbooks(self, request: Request) -> Response:
        await asyncio.sleep(self.hangs_s)
        if self.tops is not None:
            return JSONResponse({"error": "key"}, 401)
        price, size = self.kalshi
        book = {"yes_dollars": [["0.0001", "9000"]], "no_dollars": [[str(1 - Decimal(price)), size]]}
        tickers = request.query_params.getlist("tickers")
        return self._answer({"orderbooks": [{"ticker": ticker, "orderbook_fp": book} for ticker in tickers]})

    async def books(self, request: Request) -> Response:
        price, size = self.polymarket
        bids = [{"price": str(1 - Decimal(price)), "size": size}]
        asks = [{"price": self.polymarket_ask, "size": "9000"}] if self.polymarket_ask else []
        tokens = [asked["token_id"] for asked in await request.json()]
        book = {"bids": bids, "asks": asks, "min_order_size": self.min_order_size}
        return self._answer([{"asset_id": token} | book for token in tokens])

    def _answer(self, body: Any) -> Response:
        self.asked += 1
        return JSONResponse(body, self.status)


async def paired(make_run: MakeRun, outside: Outside, books: Books, **given: Any) -> pairing.Paired:
    with served(books.app()) as url:
        run = await make_run("analyze", NOW, **at(outside, url) | given)
        async with run.transaction() as connection:
            markets = await open_markets(connection, run.now, run.settings.max_quote_age_s)
        found = await pairing.pair(run, markets)
    del found.not_shown["settlement rules differ"]  # pairs that no book is read for
    return found


def at(outside: Outside, url: str) -> dict[str, Any]:
    return outside.settings() | {"kalshi_base_url": url, "polymarket_clob_url": url}


async def test_money_is_written_in_one_way(make_run: MakeRun, outside: Outside) -> None:
    found = await paired(make_run, outside, Books(("0.4", "1300.5"), ("0.4125", "1300.5")))
    for opportunity in found.opportunities:
        texts = [opportunity["description"], *opportunity["execution_steps"]]
        sums = [money for text in texts for money in re.findall(r"(?:cost|pays?) (\$[\d.,]*\d)", text)]
        assert len(sums) == 3
        assert all(re.fullmatch(r"\$\d{1,3}(,\d{3})*\.\d\d", money) for money in sums), sums
        assert any("," in money for money in sums)


async def test_a_limit_is_as_fine_as_the_books_own_tick(make_run: MakeRun, outside: Outside) -> None:
    found = await paired(make_run, outside, Books(("0.4", "1000"), ("0.4125", "1000")))
    assert len(found.opportunities) == PAIRS
    for opportunity in found.opportunities:
        assert opportunity["execution_steps"][0].endswith("limit 40¢")
        assert opportunity["execution_steps"][1].endswith("limit 41.25¢")
        assert (
            opportunity["execution_steps"][2]
            == "Hold both to settlement: one of them pays $1,000.00 if both venues settle alike"
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


async def test_all_books_of_a_venue_are_read_in_one_request(make_run: MakeRun, outside: Outside) -> None:
    books = Books(("0.4", "1000"), ("0.4", "1000"))
    assert len((await paired(make_run, outside, books)).opportunities) == PAIRS
    assert books.asked == 2


async def test_a_venue_that_is_down_is_not_asked_for_every_pair(make_run: MakeRun, outside: Outside) -> None:
    books = Books(("0.4", "1000"), ("0.4", "1000"), status=503)
    found = await paired(make_run, outside, books)
    assert found.not_shown == {"book could not be read": PAIRS}
    assert books.asked == 2


async def test_a_venue_that_never_answers_is_given_up_and_nothing_is_shown(make_run: MakeRun, outside: Outside) -> None:
    books = Books(("0.4", "1000"), ("0.4", "1000"))
    books.hangs_s = 3_600
    limits = {"http_timeout_s": 0.2, "http_attempts": 20, "arbitrage_max_book_age_s": 0.3}
    found = await paired(make_run, outside, books, **limits)
    assert found.opportunities == []
    assert found.not_shown == {"book could not be read": PAIRS}


@pytest.mark.parametrize(("least", "is_shown"), [("15", True), ("1001", False)])
async def test_the_smallest_order_is_the_one_that_the_book_names(
    make_run: MakeRun, outside: Outside, least: str, is_shown: bool
) -> None:
    books = Books(("0.4", "1000"), ("0.4", "1000"))
    books.min_order_size = least
    found = await paired(make_run, outside, books)
    assert bool(found.opportunities) == is_shown
    assert is_shown or found.not_shown == {"below the venue's smallest order": PAIRS}


async def test_a_size_that_no_venue_would_take_is_not_told(make_run: MakeRun, outside: Outside) -> None:
    books = Books(("0.4", "5000"), ("0.4", "5000"))
    books.min_order_size = "200"
    for opportunity in (await paired(make_run, outside, books)).opportunities:
        assert [size["budget_usd"] for size in opportunity["sizes"]] == [1_000, None]


@pytest.mark.parametrize(("tops", "is_shown"), [(("0.40", "0.62"), True), (("0.40", "0.55"), False)])
async def test_listed_prices_that_cross_are_no_book(
    make_run: MakeRun, outside: Outside, tops: tuple[str, str], is_shown: bool
) -> None:
    books = Books(("0.4", "1000"), ("0.4", "1000"))
    books.tops = tops
    found = await paired(make_run, outside, books)
    assert bool(found.opportunities) == is_shown
    assert is_shown or found.not_shown == {"one-sided book": PAIRS}


async def test_each_size_is_told_and_the_largest_above_the_minimum_comes_first(
    make_run: MakeRun, outside: Outside
) -> None:
    found = await paired(make_run, outside, Books(("0.4", "5000"), ("0.4", "5000")))
    for opportunity in found.opportunities:
        assert [size["budget_usd"] for size in opportunity["sizes"]] == [100, 1_000, None]
        small, middle, most = opportunity["sizes"]
        # Two more: an order's fees are rounded up, so one more share may cost less than its share of the cost.
        assert small["cost_usd"] <= 100 < small["cost_usd"] * (small["shares"] + 2) / small["shares"]
        assert middle["cost_usd"] <= 1_000
        assert most["shares"] == float(opportunity["shares"]) == 5_000
        assert opportunity["settles_at"] > NOW
        days = Decimal((opportunity["settles_at"] - NOW).total_seconds()) / 86_400
        yearly = opportunity["edge_percentage"] * 365 / max(days, Decimal(1))
        assert abs(yearly - opportunity["annualised_percentage"]) < Decimal("0.1")


async def test_each_leg_tells_its_fee_when_that_was_read_and_when_its_book_was(
    make_run: MakeRun, outside: Outside
) -> None:
    for opportunity in (await paired(make_run, outside, Books(("0.4", "1000"), ("0.4", "1000")))).opportunities:
        assert [leg["platform"] for leg in opportunity["legs"]] == ["kalshi", "polymarket"]
        for leg in opportunity["legs"]:
            assert Decimal(leg["fee_rate"]) >= 0
            assert NOW - timedelta(hours=1) <= leg["fee_read_at"] <= NOW
            assert leg["book_read_at"] == NOW
            assert not leg["top_only"]
        legs = opportunity["legs"]
        taken = sum((Decimal(leg["cost_usd"]) + Decimal(leg["fee_usd"]) for leg in legs), Decimal(0))
        assert taken.quantize(Decimal("0.0001")) == opportunity["cost_usd"]


def made(platform: Platform, yes: Decimal, no: Decimal) -> OpenMarket:
    """A market without fees whose listed asks are these."""
    return OpenMarket(
        platform, platform[0].upper(), None, "Rain?", None, NOW + timedelta(days=30), "1", False, None, yes, no, None,
        None, NOW, Decimal(0), Decimal(1), fee_read_at=NOW,
    )  # fmt: skip


PRICES = st.decimals("0.01", "0.99", places=2)


@given(
    st.sampled_from(["identity", "complement", "subset", "superset", "disjoint", "overlap", "none"]),
    st.lists(PRICES, min_size=4, max_size=4),
)
def test_no_quoted_pair_loses_in_an_outcome_that_its_verdict_allows(relation: str, asks: list[Decimal]) -> None:
    """An inverted polarity is never shown: whatever would be bought at any books pays more than it costs."""
    allowed = {
        "identity": {(True, True), (False, False)},
        "complement": {(True, False), (False, True)},
        "subset": {(True, True), (True, False), (False, False)},
        "superset": {(True, True), (False, True), (False, False)},
        "disjoint": {(True, False), (False, True), (False, False)},
    }.get(relation, set())
    markets = [made("kalshi", asks[0], asks[1]), made("polymarket", asks[2], asks[3])]
    books = {
        (m.platform, m.market_id): Book(m.platform, m.market_id, (Level(yes, ONE),), (Level(no, ONE),), NOW)
        for m, yes, no in zip(markets, asks[::2], asks[1::2], strict=True)
    }
    for plan in of_pair(relation, relation != "complement", "K", "P"):
        bundle = best_bundle(quoting.legs_of(plan, markets, books))
        if bundle is None:
            continue
        for k, p in allowed:
            payout = plan.payout({("kalshi", "K"): k, ("polymarket", "P"): p})
            assert payout * bundle.shares - bundle.cost_usd >= bundle.net_edge_usd > 0
    assert allowed or not of_pair(relation, True, "K", "P")


@pytest.mark.parametrize(
    ("kalshi", "polymarket", "possible"),
    [
        ("Will Bitcoin be above $90,000?", "Will Bitcoin be above $95,000?", {(1, 1), (1, 0), (0, 0)}),
        ("Will Bitcoin be above $95,000?", "Will Bitcoin be above $90,000?", {(1, 1), (0, 1), (0, 0)}),
        ("Will Acme sign a deal by Dec 3, 2026?", "Acme signs a deal by December 1, 2026?", {(1, 1), (1, 0), (0, 0)}),
        ("Will Acme sign a deal by Dec 1, 2026?", "Acme signs a deal by December 3, 2026?", {(1, 1), (0, 1), (0, 0)}),
        ("Will Bitcoin be above $90,000?", "Will Bitcoin be $90,000 or below?", {(1, 0), (0, 1)}),
        ("Will Oslo reach 30 degrees Celsius?", "Oslo hits 86°F?", {(1, 1), (0, 0)}),
    ],
)
def test_what_is_judged_of_titles_is_bought_the_right_way_round(
    kalshi: str, polymarket: str, possible: set[tuple[int, int]]
) -> None:
    """From titles to legs: in every outcome that the titles leave possible, a share of each pays its dollar."""
    closes = NOW + timedelta(days=12)
    claims = read_claim(kalshi, closes, "Yes"), read_claim(polymarket, closes, "Yes")
    verdict = judge("K", "P", *claims, ALIKE)
    plans = of_pair(verdict.relation, verdict.same_side, "K", "P")
    assert plans, verdict
    for plan in plans:
        for k, p in possible:
            assert plan.payout({("kalshi", "K"): bool(k), ("polymarket", "P"): bool(p)}) >= plan.pays


async def test_a_complement_is_bought_as_the_same_side_on_both_venues(make_run: MakeRun, outside: Outside) -> None:
    """Kalshi's YES at 40 cents and Polymarket's at 41: of a complement one of the two pays."""
    books = Books(("0.4", "1000"), ("0.4", "1000"))
    books.polymarket_ask = "0.41"
    with served(books.app()) as url:
        run = await make_run("analyze", NOW, **at(outside, url))
        async with run.transaction() as connection:
            markets = await open_markets(connection, run.now, run.settings.max_quote_age_s)
        ours = next(m for m in markets if m.platform == "kalshi")
        other = next(m for m in markets if m.platform == "polymarket")
        same = Verdict(ours.market_id, other.market_id, "complement", 0.64, "CAUTION", (), same_side=False)
        books.polymarket = ("0.595", "1000")
        found, _ = await quoting.quote(run, [(same, (ours, other))])
    (opportunity,) = found
    assert [leg["side"] for leg in opportunity["legs"]] == ["YES", "YES"]
    assert [leg["limit_price"] for leg in opportunity["legs"]] == ["0.4", "0.41"]


@pytest.mark.parametrize(
    ("yes", "no", "lacks"), [("0.5", "0.49", "fees"), ("0.6", "0.5", "price"), ("0.4", "0.4", "depth")]
)
async def test_a_near_miss_says_what_it_lacks_and_at_which_price_it_would_clear(
    make_run: MakeRun, outside: Outside, yes: str, no: str, lacks: str
) -> None:
    books = Books((yes, "3" if lacks == "depth" else "1000"), (no, "1000"))
    with served(books.app()) as url:
        run = await make_run("analyze", NOW, **at(outside, url))
        async with run.transaction() as connection:
            markets = await open_markets(connection, run.now, run.settings.max_quote_age_s)
        await pairing.pair(run, markets)
    near = await rows(run, "SELECT * FROM arbitrage_near_misses ORDER BY bundle_key")
    assert len(near) == PAIRS
    for miss in near:
        assert miss["lacks"] == lacks
        assert {leg["side"] for leg in miss["legs"]} == {"YES", "NO"}
        assert "if both venues settle alike" in miss["description"]
        for leg in miss["legs"] if lacks != "depth" else ():
            assert Decimal(leg["clears_at"]) < Decimal(leg["ask"])


async def test_a_pair_that_settlement_blocks_is_never_shown_whoever_hands_it_over(
    make_run: MakeRun, outside: Outside
) -> None:
    books = Books(("0.4", "1000"), ("0.4", "1000"))
    with served(books.app()) as url:
        run = await make_run("analyze", NOW, **at(outside, url))
        async with run.transaction() as connection:
            markets = await open_markets(connection, run.now, run.settings.max_quote_age_s)
        ours = next(m for m in markets if m.platform == "kalshi")
        other = next(m for m in markets if m.platform == "polymarket")
        blocked = Verdict(ours.market_id, other.market_id, "identity", 0.64, "BLOCK", ("a death clause",))
        found, not_shown = await quoting.quote(run, [(blocked, (ours, other))])
    assert (found, not_shown) == ([], {"rules do not allow it": 1})
    (miss,) = await rows(run, "SELECT * FROM arbitrage_near_misses")
    assert (miss["lacks"], miss["reason"]) == ("rules", "a death clause")


async def test_a_life_ends_with_what_this_runs_books_said_of_it(make_run: MakeRun, outside: Outside) -> None:
    off = {"ai_analysis_enabled": False}
    for step, (kalshi, polymarket, status) in enumerate(
        [("0.4", "0.4", 200), ("0.4", "0.4", 200), ("0.5", "0.49", 200), ("0.4", "0.4", 200), ("0.4", "0.4", 503)]
    ):
        books = Books((kalshi, "1000"), (polymarket, "1000"), status)
        with served(books.app()) as url:
            run = await make_run("analyze", NOW + step * timedelta(minutes=2), **at(outside, url), **off)
            await pipeline.run(run)
    lives = await rows(run, "SELECT * FROM arbitrage_lives WHERE opportunity_type = 'CROSS_PLATFORM' ORDER BY id")
    told = {(life["quotes"], life["ended_because"], life["half_at"] is None) for life in lives}
    assert told == {(2, "no edge after fees", False), (1, "book could not be read", True)}
    assert len(lives) == 2 * PAIRS


async def test_a_book_with_one_side_only_is_not_shown(make_run: MakeRun, outside: Outside) -> None:
    books = Books(("0.4", "1000"), ("0.4", "1000"))
    books.polymarket_ask = None
    assert (await paired(make_run, outside, books)).not_shown == {"one-sided book": PAIRS}


async def test_a_fee_that_was_read_too_long_ago_is_not_used(make_run: MakeRun, outside: Outside) -> None:
    run = await make_run("analyze", NOW)
    async with run.transaction() as connection:
        await connection.execute("UPDATE series_fees SET read_at = read_at - interval '2 days'")
    found = await paired(make_run, outside, Books(("0.4", "1000"), ("0.4", "1000")))
    assert found.opportunities == []
    assert found.not_shown == {"fee read too long ago": PAIRS}
