"""What a backfill stores: candles beside our own snapshots, settled markets beside listed ones, and its progress."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal

import pytest

from core import db
from core.models import Candle, Event, Market, MarketStatus, Platform
from core.queries import backfilling, collecting
from core.queries.backfilling import Day, Given, Progress, Wanted
from tests.conftest import NOW
from tests.core.making import make_market
from tests.core.storing import store

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
THIS_HOUR = NOW.replace(minute=0)


def candle(hours_ago: int, volume: str | None, price: str | None = "0.5", market_id: str = "M-1") -> Candle:
    end = THIS_HOUR + HOUR - hours_ago * HOUR
    price_, volume_ = price and Decimal(price), volume and Decimal(volume)
    return Candle(market_id, end, price_ or None, None, None, volume_ or None)


async def insert(pool: db.Pool, *candles: Candle, totals: dict[str, Decimal | None] | None = None) -> int:
    async with db.acquire(pool, 5) as connection, connection.transaction():
        return await backfilling.insert_candles(connection, "kalshi", candles, totals)


async def volumes(pool: db.Pool) -> list[Decimal | None]:
    rows = await pool.fetch("SELECT volume FROM market_snapshots WHERE market_id = 'M-1' ORDER BY time")
    return [r["volume"] for r in rows]


async def hours(pool: db.Pool) -> list[tuple[datetime, Decimal | None]]:
    rows = await pool.fetch("SELECT bucket, volume FROM candles_hourly WHERE market_id = 'M-1' ORDER BY bucket")
    return [(row["bucket"], row["volume"]) for row in rows]


async def test_backfilled_volumes_are_cumulative_and_count_back_from_our_own_first_snapshot(pool: db.Pool) -> None:
    await store(pool, make_market(volume="100"))
    # The candle still open (0) ends after our snapshot and holds 10 of its 100.
    assert await insert(pool, candle(3, "20"), candle(2, "30"), candle(1, "5"), candle(0, "10")) == 3
    assert await volumes(pool) == [55, 85, 90, 100]
    # As the venue's own candles say; what traded before the first of them is not known to us.
    assert await hours(pool) == [
        (THIS_HOUR - 3 * HOUR, None), (THIS_HOUR - 2 * HOUR, 30), (THIS_HOUR - HOUR, 5), (THIS_HOUR, 10),
    ]  # fmt: skip


async def test_an_unknown_volume_makes_all_before_it_unknown(pool: db.Pool) -> None:
    await store(pool, make_market(volume="100"))
    await insert(pool, candle(4, "1"), candle(3, None), candle(2, "30"), candle(1, "5"))
    assert await volumes(pool) == [None, None, 95, 100, 100]


async def test_more_volume_than_there_ever_was_is_unknown_not_negative(pool: db.Pool) -> None:
    await store(pool, make_market(volume="10"))
    await insert(pool, candle(3, "1"), candle(2, "30"), candle(1, "5"))
    assert await volumes(pool) == [None, 5, 10, 10]


async def test_a_market_without_a_cumulative_volume_gets_prices_only(pool: db.Pool) -> None:
    await store(pool, make_market(volume=None))
    await insert(pool, candle(2, None), candle(1, "3", price=None))
    assert await volumes(pool) == [None, None, None]


async def test_inserting_twice_adds_nothing_and_markets_without_a_snapshot_get_none(pool: db.Pool) -> None:
    await store(pool, make_market())
    candles = [candle(2, "1"), candle(1, "1"), candle(1, "1", market_id="M-unknown")]
    assert await insert(pool, *candles) == 2
    assert await insert(pool, *candles) == 0


async def test_a_market_that_we_never_saw_trade_counts_back_from_its_total(pool: db.Pool) -> None:
    await store(pool, make_market(status=MarketStatus.CLOSED))
    candles = [candle(3, "20"), candle(2, "30"), candle(1, "5"), candle(0, "10")]
    assert await insert(pool, *candles, totals={"M-1": Decimal(70)}) == 4
    assert await volumes(pool) == [25, 55, 60, 70]
    assert [volume for _, volume in await hours(pool)] == [None, 30, 5, 10]


async def test_of_a_market_that_we_saw_our_own_first_snapshot_counts_and_not_its_total(pool: db.Pool) -> None:
    await store(pool, make_market(volume="100"))
    await insert(pool, candle(2, "30"), candle(1, "5"), totals={"M-1": Decimal(500)})
    assert await volumes(pool) == [95, 100, 100]


async def test_a_total_that_is_unknown_or_too_small_is_no_negative_volume(pool: db.Pool) -> None:
    await insert(pool, candle(2, "30"), candle(1, "5"), totals={"M-1": None})
    assert await volumes(pool) == [None, None]
    await pool.execute("DELETE FROM market_snapshots")
    await insert(pool, candle(3, "1"), candle(2, "30"), candle(1, "5"), totals={"M-1": Decimal(20)})
    assert await volumes(pool) == [None, 15, 20]


async def test_candles_never_replace_a_snapshot_of_our_own(pool: db.Pool) -> None:
    at = THIS_HOUR - timedelta(seconds=1)
    await store(pool, make_market(last="0.7", yes=None, no=None), now=at)
    await insert(pool, candle(2, "1", price="0.2"), candle(1, "1", price="0.2"))
    rows = await pool.fetch("SELECT time, price, backfilled FROM market_snapshots ORDER BY time")
    assert [tuple(row) for row in rows] == [
        (at - HOUR, Decimal("0.2"), True), (at, Decimal("0.7"), False),
    ]  # fmt: skip


async def test_backfilled_history_is_not_the_latest_price(pool: db.Pool) -> None:
    await store(pool, make_market())
    await insert(pool, candle(1, "1", price="0.9"))
    assert await pool.fetchval("SELECT time FROM market_latest") == NOW


# What is wanted, and progress


async def wanted(pool: db.Pool, platform: Platform = "kalshi", now: datetime = NOW, days: int = 7) -> list[str]:
    async with db.acquire(pool, 5) as connection:
        found = await backfilling.backfillable(connection, platform, now, days)
    return [one.market_id for one in found]


async def mark(pool: db.Pool, market_id: str, days: int, given: Given = "nothing", *candles: Candle) -> None:
    asked = Wanted(market_id, None, NOW - days * DAY, NOW, False, None)
    async with db.acquire(pool, 5) as connection:
        await backfilling.mark_backfilled(connection, "kalshi", [Progress(asked, given, ("books",), candles)], NOW)


async def test_wanted_are_open_markets_with_a_snapshot_largest_first(pool: db.Pool) -> None:
    await store(pool, make_market("M-1"), make_market("M-2", volume="900"), make_market("M-3", volume=None))
    await store(pool, make_market("M-4", status=MarketStatus.CLOSED), make_market("P-1", platform="polymarket"))
    assert await wanted(pool) == ["M-2", "M-1", "M-3"]
    async with db.acquire(pool, 5) as connection:
        (one,) = await backfilling.backfillable(connection, "polymarket", NOW, 3)
    assert one == Wanted("P-1", "1", NOW - 3 * DAY, NOW, False, None)


@pytest.mark.parametrize("given", ["candles", "nothing", "refusal"])
async def test_what_was_asked_for_is_not_asked_again_but_for_a_past_further_back(pool: db.Pool, given: Given) -> None:
    await store(pool, make_market())
    await mark(pool, "M-1", 7, given)
    assert await wanted(pool, now=NOW + DAY) == []
    assert await wanted(pool, now=NOW + 30 * DAY) == []
    assert await wanted(pool, days=8) == ["M-1"]
    await mark(pool, "M-1", 8, given)
    assert await wanted(pool, days=8) == []


async def test_a_market_that_opened_after_what_was_asked_for_has_no_past_further_back(pool: db.Pool) -> None:
    await store(pool, make_market())
    await pool.execute("UPDATE markets SET open_time = $1", NOW - 3 * DAY)
    await mark(pool, "M-1", 7)
    assert await wanted(pool, days=30) == []


async def test_progress_says_what_was_given_from_when_to_when_and_what_it_lacks(pool: db.Pool) -> None:
    await store(pool, make_market("M-1"), make_market("M-2"))
    await mark(pool, "M-1", 7, "candles", candle(3, "1"), candle(9, "1"))
    await mark(pool, "M-2", 7, "refusal")
    rows = await pool.fetch(
        "SELECT market_id, given, candles, asked_from, asked_to, first_at, last_at, lacks FROM backfills ORDER BY 1"
    )
    assert [tuple(row) for row in rows] == [
        ("M-1", "candles", 2, NOW - 7 * DAY, NOW, THIS_HOUR - 8 * HOUR, THIS_HOUR - 2 * HOUR, ["books"]),
        ("M-2", "refusal", 0, NOW - 7 * DAY, NOW, None, None, ["books"]),
    ]


async def test_the_compact_history_is_behind_from_the_first_candle_until_it_is_renewed(pool: db.Pool) -> None:
    await store(pool, make_market("M-1"), make_market("M-2"))

    async def behind() -> bool:
        async with db.acquire(pool, 5) as connection:
            return await backfilling.is_history_behind(connection, "kalshi")

    await mark(pool, "M-1", 7, "nothing")
    assert not await behind()
    await mark(pool, "M-2", 7, "candles", candle(3, "1"))
    assert await behind()
    async with db.acquire(pool, 5) as connection:
        await backfilling.mark_in_history(connection, "kalshi")
    assert not await behind()


# Settled markets


def settled(market_id: str = "M-9", volume: str = "500", category: str | None = None) -> Market:
    market = make_market(
        market_id, status=MarketStatus.FINAL, result="yes", payout="1", volume=volume, category=category,
        event_id="KXRAIN-26NOV",
    )  # fmt: skip
    return replace(market, outcome=replace(market.outcome, settled_at=NOW - 3 * DAY))


async def upsert(pool: db.Pool, *markets: Market, events: tuple[Event, ...] = ()) -> None:
    async with db.acquire(pool, 5) as connection, connection.transaction():
        await backfilling.upsert_settled(connection, "kalshi", markets, events, NOW)


async def test_a_settled_market_is_stored_with_its_outcome_and_its_past_is_wanted(pool: db.Pool) -> None:
    await store(pool, make_market("M-1"))
    await upsert(pool, settled())
    row = await pool.fetchrow("SELECT status, listed, result, payout, settled_at FROM markets WHERE market_id = 'M-9'")
    assert row is not None
    assert tuple(row) == ("final", False, "yes", 1, NOW - 3 * DAY)
    async with db.acquire(pool, 5) as connection:
        found = await backfilling.backfillable(connection, "kalshi", NOW, 2)
    assert found[1] == Wanted("M-9", None, NOW - 5 * DAY, NOW - 3 * DAY, True, Decimal(500))
    assert await wanted(pool) == ["M-1", "M-9"], "open ones first"
    assert await pool.fetchval("SELECT count(*) FROM market_snapshots WHERE market_id = 'M-9'") == 0
    await mark(pool, "M-9", 12)
    await upsert(pool, settled(volume="501"))
    assert await wanted(pool) == ["M-1"], "listed again, its past is still known"


async def test_a_market_of_ours_gets_its_outcome_and_keeps_its_terms(pool: db.Pool) -> None:
    await store(pool, make_market("M-9", title="Will it rain in our town?"), now=NOW - HOUR)
    await upsert(pool, settled())
    row = await pool.fetchrow("SELECT title, status, listed, payout, first_seen_at FROM markets")
    assert row is not None
    assert tuple(row) == ("Will it rain in our town?", "final", True, 1, NOW - HOUR)


async def test_a_settled_kalshi_market_has_the_category_of_its_series_unless_it_says_one(pool: db.Pool) -> None:
    async with db.acquire(pool, 5) as connection:
        fees = [("KXRAIN", "Climate and Weather", "quadratic", Decimal(1))]
        await collecting.upsert_series_fees(connection, fees, NOW)
    await upsert(pool, settled("M-1"), settled("M-2", category="Politics"))
    rows = await pool.fetch("SELECT category FROM markets ORDER BY market_id")
    assert [row["category"] for row in rows] == ["Climate and Weather", "Politics"]


async def test_events_in_short_form_never_replace_those_that_are_known(pool: db.Pool) -> None:
    long = Event("kalshi", "E-1", "Rain", "Weather", "KXRAIN", True, None)
    async with db.acquire(pool, 5) as connection:
        await collecting.upsert_events(connection, [long])
    short = [replace(long, title="?", mutually_exclusive=False), replace(long, event_id="E-2")]
    await upsert(pool, settled(), events=tuple(short))
    rows = await pool.fetch("SELECT event_id, title, mutually_exclusive FROM events ORDER BY 1")
    assert [tuple(row) for row in rows] == [("E-1", "Rain", True), ("E-2", "Rain", True)]


async def test_days_are_remembered_by_venue_and_replaced(pool: db.Pool) -> None:
    day = Day(NOW.date(), NOW, Decimal(100), 5, 70, 5)
    async with db.acquire(pool, 5) as connection:
        assert await backfilling.installed_at(connection, "kalshi") is None
        await backfilling.upsert_days(connection, "kalshi", [day])
        await backfilling.upsert_days(connection, "kalshi", [replace(day, most=9)])
        assert await backfilling.listed_days(connection, "kalshi") == {day.day: replace(day, most=9)}
        assert await backfilling.listed_days(connection, "polymarket") == {}
    await store(pool, make_market("M-1"), now=NOW - HOUR)
    await store(pool, make_market("M-2"))
    async with db.acquire(pool, 5) as connection:
        assert await backfilling.installed_at(connection, "kalshi") == NOW - HOUR
