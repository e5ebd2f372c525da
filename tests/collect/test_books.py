"""Books at the end of a collect run: of the markets that matter, within bounds, and never the run's failure."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from collect import books as work
from core import db
from core.models import PLATFORMS, Book, Pattern, Platform
from core.queries import analyzing, books, collecting
from tests.collect.conftest import QUARTER, Collect, MakeRun
from tests.conftest import NOW
from tests.core.making import make_market
from tests.core.wire import Replay, telling


async def louden(pool: db.Pool, most: int = 30) -> dict[Platform, set[str]]:
    """Patterns on so many quoted markets of each venue."""
    loud: dict[Platform, set[str]] = {}
    async with db.acquire(pool, 5) as connection:
        for platform in PLATFORMS:
            rows = await connection.fetch(
                "SELECT market_id FROM market_latest JOIN markets USING (platform, market_id) WHERE platform = $1 "
                "AND yes_price IS NOT NULL AND no_price IS NOT NULL ORDER BY close_time DESC, market_id LIMIT $2",
                platform,
                most,
            )
            loud[platform] = {row["market_id"] for row in rows}
            patterns = [Pattern(platform, name, None, None, "price_jump", 50.0, {}) for name in loud[platform]]
            await analyzing.insert_patterns(connection, patterns, NOW)
    return loud


async def stored(pool: db.Pool, platform: Platform) -> dict[str, Book]:
    async with db.acquire(pool, 5) as connection:
        ids = [row["market_id"] for row in await connection.fetch("SELECT market_id FROM market_books")]
        return {book.market_id: book for book in await books.latest(connection, platform, ids)}


async def tops(pool: db.Pool, platform: Platform) -> dict[str, tuple[Any, ...]]:
    rows = await pool.fetch("SELECT * FROM market_latest WHERE platform = $1", platform)
    return {row["market_id"]: (row["yes_price"], row["no_price"], row["yes_size"], row["no_size"]) for row in rows}


async def test_before_there_is_anything_that_matters_no_book_is_read(collect: Collect, replay: Replay) -> None:
    assert (await collect())["books"] == {"deleted": 0}


async def test_the_books_of_loud_markets_are_stored_and_agree_with_the_listing(
    collect: Collect, replay: Replay, pool: db.Pool
) -> None:
    await collect()
    loud = await louden(pool)
    replay.now += QUARTER
    said = (await collect())["books"]
    for platform in PLATFORMS:
        found, listed = await stored(pool, platform), await tops(pool, platform)
        assert said[platform] == {"wanted": 30, "read": 30, "top_only": 0}
        assert found.keys() == loud[platform]
        for book in found.values():
            assert (book.top_only, book.read_at) == (False, replay.now)
            assert (book.yes_asks[0].price, book.no_asks[0].price) == listed[book.market_id][:2]


async def test_they_are_bounded_and_can_be_switched_off(collect: Collect, pool: db.Pool) -> None:
    await collect()
    await louden(pool)
    said = (await collect(collect_books_most=7))["books"]
    assert said["kalshi"]["wanted"] + said["polymarket"]["wanted"] == 7
    await pool.execute("DELETE FROM market_books")
    assert (await collect(collect_books_most=0))["books"] == {"deleted": 0}
    assert await pool.fetchval("SELECT count(*) FROM market_books") == 0


async def test_where_books_need_a_key_the_listings_sizes_stand_in_and_are_labelled(
    collect: Collect, replay: Replay, pool: db.Pool
) -> None:
    await collect()
    await louden(pool)
    replay.fail(orderbook_401=True)
    replay.now += QUARTER
    said = (await collect())["books"]
    assert said["kalshi"] == {"wanted": 30, "read": 0, "top_only": 30}
    assert said["polymarket"]["read"] == 30
    listed = await tops(pool, "kalshi")
    for market_id, book in (await stored(pool, "kalshi")).items():
        (yes,), (no,) = book.yes_asks, book.no_asks
        assert (book.top_only, book.read_at) == (True, replay.now)
        assert (yes.price, no.price, yes.size, no.size) == listed[market_id]


@pytest.mark.parametrize("down", PLATFORMS)
async def test_one_venues_books_down_are_said_and_no_more(
    make_run: MakeRun, replay: Replay, pool: db.Pool, collect: Collect, down: Platform
) -> None:
    await collect()
    await louden(pool)
    (up,) = (platform for platform in PLATFORMS if platform != down)
    replay.fail(down, down=True)
    said = await work.read_books(await make_run("collect", NOW, **replay.settings))
    assert "503" in said[down]["error"]
    assert said[up]["read"] == 30


async def test_both_venues_books_down_do_not_fail_a_run_that_stored_its_listings(
    make_run: MakeRun, replay: Replay, pool: db.Pool, collect: Collect
) -> None:
    await collect()
    await louden(pool)
    replay.fail(down=True)
    said = await work.read_books(await make_run("collect", NOW, **replay.settings))
    assert "no venue could be read" in said["error"]


async def test_a_venue_that_hangs_is_left_in_time(
    make_run: MakeRun, replay: Replay, pool: db.Pool, collect: Collect
) -> None:
    await collect()
    await louden(pool)
    replay.fail("kalshi", hang=1.0)
    said = await work.read_books(await make_run("collect", NOW, **replay.settings), most_s=3)
    assert said["kalshi"] == {"error": "kalshi books: not read within 3 s"}
    assert said["polymarket"]["read"] == 30
    replay.heal()


async def test_books_unread_for_a_day_go(collect: Collect, replay: Replay, pool: db.Pool) -> None:
    await collect()
    await louden(pool)
    await collect()
    await pool.execute("DELETE FROM patterns")
    replay.now += timedelta(days=1)
    assert (await collect())["books"] == {"deleted": 0}
    replay.now += timedelta(seconds=1)
    assert (await collect())["books"] == {"deleted": 60}


async def test_a_hostile_answer_is_counted_and_costs_no_other_market(make_run: MakeRun, pool: db.Pool) -> None:
    names = ["GOOD", "FLOOD", "CROSSED", "ODD", "NONE"]
    async with db.acquire(pool, 5) as connection, connection.transaction():
        markets = [make_market(name) for name in names]
        await collecting.stage(connection, markets)
        await collecting.upsert_terms(connection, markets, NOW)
        await analyzing.insert_patterns(
            connection, [Pattern("kalshi", name, None, None, "d", 9.0, {}) for name in names], NOW
        )

    def sides(yes: list[Any], no: list[Any]) -> dict[str, Any]:
        return {"orderbook_fp": {"yes_dollars": yes, "no_dollars": no}}

    def answer(request: Request) -> Response:
        many = [[f"0.{n:04d}", "1.00"] for n in range(1, 101)]
        rows = [
            {"ticker": "GOOD"} | sides([*many, ["NaN", "1"], ["0.5", "9" * 40]], [["0.30", "2"]]),
            {"ticker": "FLOOD"} | sides([["0.5", "1"]] * 200_000, []),
            {"ticker": "CROSSED"} | sides([["0.60", "1"]], [["0.60", "1"]]),
            {"ticker": "ODD", "orderbook_fp": 7},
            {"ticker": "STRANGER"} | sides([], []),
        ]
        return JSONResponse({"orderbooks": rows})

    with telling(answer) as told:
        said = await work.read_books(await make_run("collect", NOW, **told.settings))
    assert said["kalshi"] == {
        "wanted": 5, "read": 1, "top_only": 0, "doubts": {"price: not a number": 1, "size: out of range": 1},
        "skipped": {"no book in it": 2, "bid above ask": 1, "not asked for, or told twice": 1, "left out": 1},
    }  # fmt: skip
    (book,) = (await stored(pool, "kalshi")).values()
    assert [level.price for level in book.no_asks] == [1 - Decimal(n) / 10_000 for n in range(100, 50, -1)]
    assert [level.price for level in book.yes_asks] == [Decimal("0.70")]
