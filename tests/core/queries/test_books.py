"""Which markets' books are read, and what is kept of them."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from core import db
from core.models import Book, Level, MarketStatus, Pattern, Platform
from core.queries import analyzing, books, collecting, matching
from tests.api.rows import insert_insight
from tests.conftest import NOW
from tests.core.making import make_market, price

HOUR = timedelta(hours=1)


async def store(pool: db.Pool, *markets: Any, now: datetime = NOW) -> None:
    async with db.acquire(pool, 5) as connection, connection.transaction():
        await collecting.stage(connection, list(markets))
        await collecting.upsert_terms(connection, markets, now)
        await collecting.insert_changed_snapshots(connection, now, 3_600)


async def pair(pool: db.Pool, kalshi: str, polymarket: str, relation: str = "identity", risk: str = "SAFE") -> None:
    priced = relation == "identity" and risk != "BLOCK"
    judged: tuple[Any, ...] = (relation, True, Decimal("0.9"), risk, [], True, priced, True, "", 0, 0, NOW)
    row: tuple[Any, ...] = (kalshi, polymarket, *judged)
    async with db.acquire(pool, 5) as connection:
        await matching.upsert_pairs(connection, [row])


async def louden(pool: db.Pool, *scores: tuple[str, float], at: datetime = NOW) -> None:
    patterns = [Pattern("kalshi", market_id, None, None, "price_jump", score, {}) for market_id, score in scores]
    async with db.acquire(pool, 5) as connection:
        await analyzing.insert_patterns(connection, patterns, at)


async def wanted(pool: db.Pool, most: int = 100, now: datetime = NOW) -> dict[Platform, dict[str, str | None]]:
    async with db.acquire(pool, 5) as connection:
        return await books.wanted(connection, now, most)


def book(market_id: str = "M-1", *asks: str, read_at: datetime = NOW, top_only: bool = False) -> Book:
    levels = tuple(Level(Decimal(price), Decimal("12.5")) for price in asks or ("0.45",))
    return Book("kalshi", market_id, levels, (), read_at, top_only)


async def upsert(pool: db.Pool, *found: Book, levels: int = 50) -> None:
    async with db.acquire(pool, 5) as connection:
        await books.upsert(connection, found, levels)


async def latest(pool: db.Pool, *market_ids: str) -> list[Book]:
    async with db.acquire(pool, 5) as connection:
        return await books.latest(connection, "kalshi", market_ids or ["M-1"])


async def test_nothing_is_wanted_of_an_empty_database(pool: db.Pool) -> None:
    assert await wanted(pool) == {"kalshi": {}, "polymarket": {}}


async def test_the_same_bets_come_first_then_insights_then_the_loudest_patterns(pool: db.Pool) -> None:
    await store(pool, *(make_market(name) for name in ("K-1", "L-1", "L-2", "L-3")))
    await store(pool, make_market("P-1", platform="polymarket"))
    await pair(pool, "K-1", "P-1")
    async with db.acquire(pool, 5) as connection:
        await insert_insight(connection, "alive", NOW, expires_at=NOW + HOUR)
        await insert_insight(connection, "over", NOW - HOUR, expires_at=NOW)
    insight = await pool.fetchval("SELECT market_id FROM markets WHERE title = 'alive'")
    await louden(pool, ("L-3", 99.0), at=NOW - HOUR)
    await louden(pool, ("L-1", 10.0), ("L-2", 70.0), ("K-1", 100.0))
    assert await wanted(pool) == {
        "kalshi": {"K-1": None, insight: None, "L-2": None, "L-1": None},
        "polymarket": {"P-1": "1"},
    }
    assert await wanted(pool, most=2) == {"kalshi": {"K-1": None}, "polymarket": {"P-1": "1"}}
    assert list((await wanted(pool, most=4))["kalshi"]) == ["K-1", insight, "L-2"]
    assert await wanted(pool, most=0) == {"kalshi": {}, "polymarket": {}}


async def test_bets_that_are_not_the_same_or_settle_differently_are_not_wanted(pool: db.Pool) -> None:
    await store(pool, *(make_market(f"K-{n}") for n in range(3)))
    await store(pool, *(make_market(f"P-{n}", platform="polymarket") for n in range(3)))
    await pair(pool, "K-0", "P-0", relation="subset")
    await pair(pool, "K-1", "P-1", risk="BLOCK")
    await pair(pool, "K-2", "P-2", risk="CAUTION")
    assert await wanted(pool) == {"kalshi": {"K-2": None}, "polymarket": {"P-2": "1"}}


@pytest.mark.parametrize(
    "end", ["status = 'closed'", "listed = false", "missing_since = now()", "close_time = '2026-11-22 13:05:00+00'"]
)
async def test_of_a_pair_whose_one_market_trades_no_more_neither_book_is_wanted(pool: db.Pool, end: str) -> None:
    await store(pool, make_market("K"))
    await store(pool, make_market("P", platform="polymarket"))
    await pair(pool, "K", "P")
    await pool.execute(f"UPDATE markets SET {end} WHERE platform = 'kalshi'")
    assert await wanted(pool) == {"kalshi": {}, "polymarket": {}}


async def test_a_book_is_kept_to_the_last_digit_and_to_its_best_levels(pool: db.Pool) -> None:
    exact = book("M-1", *(f"0.{n:06d}" for n in range(400_001, 400_101)))
    await upsert(pool, exact)
    assert await latest(pool) == [replace(exact, yes_asks=exact.yes_asks[:50])]


async def test_the_latest_book_of_a_market_is_kept_and_no_older_one_after_it(pool: db.Pool) -> None:
    await upsert(pool, book(read_at=NOW), book("M-2", read_at=NOW))
    await upsert(pool, book("M-1", "0.5", read_at=NOW + HOUR, top_only=True))
    await upsert(pool, book("M-1", "0.6", read_at=NOW - HOUR))
    assert await latest(pool, "M-1", "M-2", "M-3") == [
        book("M-1", "0.5", read_at=NOW + HOUR, top_only=True), book("M-2"),
    ]  # fmt: skip


async def test_books_that_nobody_read_lately_go(pool: db.Pool) -> None:
    await upsert(pool, book("M-1", read_at=NOW - HOUR), book("M-2", read_at=NOW))
    async with db.acquire(pool, 5) as connection:
        assert await books.delete_unread(connection, NOW) == 1
    assert await latest(pool, "M-1", "M-2") == [book("M-2")]


async def test_the_listings_best_prices_stand_in_as_old_as_the_listing_that_showed_them(pool: db.Pool) -> None:
    def quoted(market_id: str, yes_size: str | None, no_size: str | None, **changes: Any) -> Any:
        market = make_market(market_id, **changes)
        quote = replace(market.quote, yes_size=price(yes_size), no_size=price(no_size))
        return replace(market, quote=quote)

    await store(pool, quoted("both", "12.5", "7"), quoted("one", "3", None), quoted("none", None, None))
    await store(pool, quoted("no price", "3", None, yes=None), quoted("closed", "1", "1", status=MarketStatus.CLOSED))
    ids = ["both", "one", "none", "no price", "closed", "unknown"]
    async with db.acquire(pool, 5) as connection:
        found = {top.market_id: top for top in await books.listed_tops(connection, "kalshi", ids)}
        assert found["both"].read_at == NOW
        await collecting.mark_swept(connection, "kalshi", ["both", "none"], NOW + HOUR)
        later = await books.listed_tops(connection, "kalshi", ids)
    assert found.keys() == {"both", "one"}
    yes, no = Level(Decimal("0.52"), Decimal("12.5")), Level(Decimal("0.50"), Decimal(7))
    assert found["both"] == Book("kalshi", "both", (yes,), (no,), NOW, top_only=True)
    assert (found["one"].yes_asks, found["one"].no_asks) == ((Level(Decimal("0.52"), Decimal(3)),), ())
    # Shown again unchanged an hour later; what the listing did not show any more stands in for nothing.
    assert [(top.market_id, top.read_at) for top in later] == [("both", NOW + HOUR)]
