"""What is written when a batch of markets was read: differences, once, and never an invented value."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import orjson
import pytest

from core import db
from core.models import Event, FeeFacts, Market, MarketStatus, Platform
from core.queries import collecting
from core.queries.collecting import LastSweep
from core.venues import kalshi, polymarket
from core.venues.contract import VENUES
from tests.conftest import NOW, RECORDED, needs_recorded
from tests.core.making import make_market

HOUR = timedelta(hours=1)


async def store(pool: db.Pool, *markets: Market, now: datetime = NOW, every_s: int = 3_600) -> dict[str, int]:
    """As the collect job stores a batch."""
    async with db.acquire(pool, 5) as connection, connection.transaction():
        await collecting.stage(connection, markets)
        fresh = await collecting.staged_with_new_terms(connection)
        await collecting.upsert_terms(connection, [m for m in markets if m.market_id in fresh], now)
        await collecting.link_staged(connection, markets)
        changed = await collecting.mark_staged_statuses(connection, now, listed=True)
        snapshots, _ = await collecting.insert_changed_snapshots(connection, now, every_s)
    return {"terms": len(fresh), "changed": changed, "snapshots": snapshots}


async def row(pool: db.Pool, table: str, market_id: str = "M-1") -> dict[str, Any]:
    found = await pool.fetchrow(f"SELECT * FROM {table} WHERE market_id = $1 ORDER BY 1 DESC LIMIT 1", market_id)
    assert found is not None
    return dict(found)


async def snapshots(pool: db.Pool, market_id: str = "M-1") -> list[datetime]:
    rows = await pool.fetch("SELECT time FROM market_snapshots WHERE market_id = $1 ORDER BY time", market_id)
    return [r["time"] for r in rows]


async def test_the_first_run_stores_all_and_the_second_nothing(pool: db.Pool) -> None:
    markets = [make_market(f"M-{n}") for n in range(20)]
    assert await store(pool, *markets) == {"terms": 20, "changed": 0, "snapshots": 20}
    assert await store(pool, *markets, now=NOW + HOUR / 4) == {"terms": 0, "changed": 0, "snapshots": 0}


async def test_a_changed_quote_is_one_snapshot_of_that_market_alone(pool: db.Pool) -> None:
    one, other = make_market("M-1"), make_market("M-2")
    await store(pool, one, other)
    moved = replace(one, quote=replace(one.quote, volume=Decimal("100.5")))
    assert await store(pool, moved, other, now=NOW + HOUR / 4) == {"terms": 0, "changed": 0, "snapshots": 1}
    assert await snapshots(pool, "M-1") == [NOW, NOW + HOUR / 4]
    assert (await row(pool, "market_latest"))["volume"] == Decimal("100.5")


@pytest.mark.parametrize("field", ["price", "yes_price", "no_price", "last_price", "volume", "yes_size", "no_size"])
async def test_to_and_from_unknown_is_a_change(pool: db.Pool, field: str) -> None:
    market = make_market()
    gone = replace(market, quote=replace(market.quote, **{field: None}))
    there = replace(market, quote=replace(market.quote, **{field: Decimal("0.25")}))
    await store(pool, there)
    assert (await store(pool, gone, now=NOW + HOUR / 4))["snapshots"] == 1
    assert (await store(pool, gone, now=NOW + HOUR / 2))["snapshots"] == 0
    assert (await store(pool, there, now=NOW + HOUR * 3 / 4))["snapshots"] == 1


async def test_a_snapshot_is_written_once_an_hour_regardless(pool: db.Pool) -> None:
    times = [NOW + HOUR / 4 * quarter for quarter in range(9)]
    written = [(await store(pool, make_market(), now=now))["snapshots"] for now in times]
    assert written == [1, 0, 0, 0, 1, 0, 0, 0, 1]


async def test_no_quote_is_null_in_the_database_never_0_and_never_a_half(pool: db.Pool) -> None:
    await store(pool, make_market(yes=None, no=None, last=None, volume=None))
    for table in ("market_snapshots", "market_latest"):
        stored = await row(pool, table)
        names = ("price", "yes_price", "no_price", "last_price", "volume", "open_interest", "liquidity")
        assert all(stored[name] is None for name in names), table


async def test_the_same_run_twice_writes_once(pool: db.Pool) -> None:
    await store(pool, make_market())
    assert (await store(pool, make_market(volume="200")))["snapshots"] == 0
    assert await snapshots(pool) == [NOW]


async def test_an_older_run_does_not_overwrite_the_latest(pool: db.Pool) -> None:
    await store(pool, make_market(volume="200"))
    await store(pool, make_market(volume="100"), now=NOW - HOUR)
    assert (await row(pool, "market_latest"))["volume"] == 200


async def test_changed_terms_rewrite_the_raw_answer_once(pool: db.Pool) -> None:
    await store(pool, make_market(raw={"edition": 1}))
    await store(pool, make_market(raw={"edition": 2}), now=NOW + HOUR / 4)
    kept = await row(pool, "markets")
    assert (kept["raw_data"], kept["terms_seen_at"]) == ({"edition": 1}, NOW)
    for quarter in (2, 3):
        await store(pool, make_market(title="Will it snow?", raw={"edition": 3}), now=NOW + HOUR / 4 * quarter)
    kept = await row(pool, "markets")
    assert (kept["title"], kept["raw_data"], kept["terms_seen_at"]) == (
        "Will it snow?", {"edition": 3}, NOW + HOUR / 2,
    )  # fmt: skip
    assert kept["first_seen_at"] == NOW


async def changes(pool: db.Pool, *markets: Market, now: datetime) -> list[tuple[Any, ...]]:
    """What the batch changed, by market."""
    async with db.acquire(pool, 5) as connection, connection.transaction():
        await collecting.stage(connection, markets)
        _, found = await collecting.insert_changed_snapshots(connection, now, 3_600)
        ids = {row["number"]: row["market_id"] for row in await connection.fetch("SELECT * FROM markets")}
    return sorted((ids[number], *values) for number, *values in found)


async def test_a_batch_tells_whose_price_or_volume_changed_by_how_much_and_at_what_spread(pool: db.Pool) -> None:
    names = ("fell", "moved", "new", "silent", "still")
    first = [make_market(name, yes="0.52", no="0.50", volume="100") for name in names if name != "new"]
    await store(pool, *first)
    second = [
        make_market("moved", yes="0.62", no="0.40", volume="130"),
        make_market("new", yes="0.30", no="0.72", volume="7"),
        make_market("fell", volume="40"),
        make_market("silent", volume=None),
        make_market("still"),
    ]
    async with db.acquire(pool, 5) as connection:
        await collecting.upsert_terms(connection, second, NOW)
    assert await changes(pool, *second, now=NOW + HOUR) == [
        ("fell", 0.51, 0.51, None, 0.02),
        ("moved", 0.51, 0.61, 30.0, 0.02),
        ("new", None, 0.29, None, 0.02),
        ("silent", 0.51, 0.51, None, 0.02),
    ]


async def test_only_open_markets_get_snapshots(pool: db.Pool) -> None:
    closed = [make_market(f"M-{status}", status=status) for status in MarketStatus if status != "open"]
    assert await store(pool, *closed) == {"terms": len(closed), "changed": 0, "snapshots": 0}


async def test_a_market_lives_on_to_its_payout(pool: db.Pool) -> None:
    for hours, status in enumerate(("open", "closed", "determined", "disputed", "determined")):
        await store(pool, make_market(status=MarketStatus(status)), now=NOW + hours * HOUR)
        kept = await row(pool, "markets")
        assert (kept["status"], kept["result"], kept["payout"]) == (status, None, None)
    final = make_market(status=MarketStatus.FINAL, result="scalar", payout="0.29")
    assert (await store(pool, final, now=NOW + 6 * HOUR))["changed"] == 1
    kept = await row(pool, "markets")
    assert (kept["status"], kept["result"], kept["payout"]) == ("final", "scalar", Decimal("0.29"))
    assert kept["status_seen_at"] == NOW + 6 * HOUR


@pytest.mark.parametrize("later", [s for s in MarketStatus if s != "final"])
async def test_final_is_never_taken_back(pool: db.Pool, later: MarketStatus) -> None:
    await store(pool, make_market(status=MarketStatus.FINAL, result="yes", payout="1"))
    await store(pool, make_market(status=later), now=NOW + HOUR)
    kept = await row(pool, "markets")
    assert (kept["status"], kept["result"], kept["payout"]) == ("final", "yes", 1)


async def test_a_payout_can_be_amended_but_not_forgotten(pool: db.Pool) -> None:
    await store(pool, make_market(status=MarketStatus.FINAL, result="yes", payout="1"))
    amended = make_market(status=MarketStatus.FINAL, result="scalar", payout="0.5")
    assert (await store(pool, amended, now=NOW + HOUR))["changed"] == 1
    assert (await store(pool, make_market(status=MarketStatus.FINAL), now=NOW + 2 * HOUR))["changed"] == 0
    kept = await row(pool, "markets")
    assert (kept["result"], kept["payout"]) == ("scalar", Decimal("0.5"))


async def test_a_payout_that_comes_late_is_taken(pool: db.Pool) -> None:
    await store(pool, make_market(status=MarketStatus.FINAL))
    await store(pool, make_market(status=MarketStatus.FINAL, result="no", payout="0"), now=NOW + HOUR)
    kept = await row(pool, "markets")
    assert (kept["result"], kept["payout"]) == ("no", 0)


async def test_what_neither_whole_listing_showed_is_listed_no_more_and_comes_back_when_seen(pool: db.Pool) -> None:
    await store(pool, make_market("M-1"), make_market("M-2"), make_market("P-1", platform="polymarket"))
    await store(pool, make_market("M-3", status=MarketStatus.FINAL, result="yes", payout="1"))
    async with db.acquire(pool, 5) as connection:
        assert await collecting.mark_controlled(connection, "kalshi", ["M-1"], NOW + HOUR) == 1
        assert await collecting.mark_controlled(connection, "kalshi", ["M-1"], NOW + HOUR) == 0
    listed = await pool.fetch("SELECT market_id FROM markets WHERE listed ORDER BY 1")
    assert [r["market_id"] for r in listed] == ["M-1", "M-3", "P-1"]
    assert (await store(pool, make_market("M-2"), now=NOW + 2 * HOUR))["changed"] == 1
    assert (await row(pool, "markets", "M-2"))["listed"] is True


async def test_a_market_misses_from_the_first_whole_sweep_without_it_until_it_is_back(pool: db.Pool) -> None:
    await store(pool, make_market("M-1"), make_market("M-2"), make_market("P-1", platform="polymarket"))

    async def missing() -> list[tuple[str, datetime]]:
        found = await pool.fetch("SELECT market_id, missing_since FROM markets WHERE missing_since IS NOT NULL")
        return [tuple(r) for r in found]

    async with db.acquire(pool, 5) as connection:
        assert await collecting.mark_swept(connection, "kalshi", ["M-1", "M-2", "M-new"], NOW) == 0
        assert await missing() == []
        assert await collecting.mark_swept(connection, "kalshi", ["M-1"], NOW + HOUR) == 1
        assert await collecting.mark_swept(connection, "kalshi", ["M-1"], NOW + 2 * HOUR) == 0
        assert await missing() == [("M-2", NOW + HOUR)]
        assert await collecting.mark_swept(connection, "kalshi", ["M-1", "M-2"], NOW + 3 * HOUR) == 0
        assert await missing() == []


async def test_each_venues_last_whole_listings_are_remembered_apart(pool: db.Pool) -> None:
    async with db.acquire(pool, 5) as connection:
        assert await collecting.last_sweep(connection, "kalshi") is None
        await collecting.mark_swept(connection, "kalshi", ["A", "B"], NOW)
        assert await collecting.last_sweep(connection, "kalshi") == LastSweep(NOW, 2, None, None)
        await collecting.mark_controlled(connection, "kalshi", ["A", "B", "C"], NOW)
        await collecting.mark_swept(connection, "kalshi", ["A"], NOW + HOUR)
        assert await collecting.last_sweep(connection, "kalshi") == LastSweep(NOW + HOUR, 1, NOW, 3)
        assert await collecting.last_sweep(connection, "polymarket") is None


async def test_the_same_id_on_both_venues_is_two_markets(pool: db.Pool) -> None:
    await store(pool, make_market("M-1"), make_market("M-1", platform="polymarket", yes="0.9", no="0.2"))
    rows = await pool.fetch("SELECT platform, yes_price FROM market_latest ORDER BY 1")
    assert [tuple(r) for r in rows] == [("kalshi", Decimal("0.52")), ("polymarket", Decimal("0.9"))]


async def test_found_by_id_says_nothing_of_being_listed(pool: db.Pool) -> None:
    await store(pool, make_market())
    async with db.acquire(pool, 5) as connection:
        await collecting.mark_controlled(connection, "kalshi", [], NOW)
        async with connection.transaction():
            await collecting.stage(connection, [make_market()])
            assert await collecting.mark_staged_statuses(connection, NOW + HOUR, listed=False) == 0
    assert (await row(pool, "markets"))["listed"] is False


# Events


def make_event(**changes: Any) -> Event:
    return replace(Event("polymarket", "E-1", "Who wins?", "Politics", "races", True, None), **changes)


async def test_an_event_without_category_and_series_does_not_erase_them(pool: db.Pool) -> None:
    async with db.acquire(pool, 5) as connection:
        await collecting.upsert_events(connection, [make_event()])
        await collecting.upsert_events(connection, [make_event(title="Who wins now?", category=None, series=None)])
    kept = await pool.fetchrow("SELECT * FROM events")
    assert kept is not None
    assert (kept["title"], kept["category"], kept["series"]) == ("Who wins now?", "Politics", "races")


async def test_an_event_twice_in_a_batch_is_stored_once(pool: db.Pool) -> None:
    async with db.acquire(pool, 5) as connection:
        await collecting.upsert_events(connection, [make_event(title="a"), make_event(title="b")])
    assert await pool.fetchval("SELECT array_agg(title) FROM events") == ["b"]


# Hostile text and numbers


HOSTILE: list[Any] = [
    "\x00", "a\x00b", "\ud800", "half an emoji \ud83d", "\\u0000", "\\\\u0000", "'; DROP TABLE markets; --", "\u202e",
    "é" * 100, 1e308, 10**40, -(2**63), 2**64 - 1, True, None, [], {},
]  # fmt: skip


@pytest.mark.parametrize("platform", ["kalshi", "polymarket"])
@pytest.mark.parametrize("place", ["title", "rules_primary", "description", "category", "question", "unknown_field"])
async def test_hostile_text_is_stored_and_the_raw_answer_stays_useful(
    pool: db.Pool, platform: Platform, place: str
) -> None:
    rows = [
        {"ticker": f"K-{n}", "status": "active", "conditionId": f"K-{n}", "outcomes": ["Yes", "No"], "question": "?",
         place: odd, "deep": {f"key {odd}": [odd, {"inner": odd}]}, "kept": "as it was \\u0000", "n": n}
        for n, odd in enumerate(HOSTILE)
    ]  # fmt: skip
    page = VENUES[platform].parse_page({"markets": rows})
    assert len(page.markets) == len(HOSTILE)
    await store(pool, *page.markets)
    raws = await pool.fetch("SELECT raw_data FROM markets ORDER BY (raw_data ->> 'n')::int")
    assert [r["raw_data"]["kept"] for r in raws] == ["as it was \\u0000"] * len(HOSTILE)
    assert raws[1]["raw_data"][place] == "a\ufffdb"
    assert raws[4]["raw_data"][place] == "\\u0000", "six characters of text are not a NUL"
    assert await pool.fetchval("SELECT count(*) FROM markets WHERE raw_data @> $1", {"ticker": "K-3"}) == 1


async def test_a_raw_answer_too_deep_to_store_loses_its_depth_and_nothing_else(pool: db.Pool) -> None:
    deep: Any = "bottom"
    for _ in range(900):
        deep = [deep]
    await store(pool, make_market(raw={"ticker": "M-1", "deep": deep, "rules": "R"}))
    kept = (await row(pool, "markets"))["raw_data"]
    assert (kept["ticker"], kept["rules"]) == ("M-1", "R")


NUMBERS: list[Any] = ["1e15", "1e400", "1e9999999", "0e-99999", "9" * 40, "-1", "NaN", "0." + "3" * 60, 10**40, 1e-300]


@pytest.mark.parametrize("number", NUMBERS, ids=lambda n: str(n)[:12])
async def test_numbers_beyond_the_columns_are_unknown_and_cost_no_other_market(pool: db.Pool, number: Any) -> None:
    names = "volume_fp open_interest_fp yes_ask_dollars yes_bid_dollars last_price_dollars yes_ask_size_fp".split()
    row_of_kalshi = {"ticker": "K", "status": "active"} | dict.fromkeys(names, number)
    row_of_gamma = {
        "conditionId": "P", "outcomes": ["Yes", "No"], "active": True, "acceptingOrders": True, "bestAsk": number,
        "bestBid": number, "volumeNum": number, "liquidityNum": number,
        "feeSchedule": {"rate": number, "exponent": number},
    }  # fmt: skip
    markets = kalshi.parse_page({"markets": [row_of_kalshi]}).markets
    markets += polymarket.parse_page({"markets": [row_of_gamma]}).markets
    assert (await store(pool, *markets))["snapshots"] == 2


async def test_fees_are_stored_as_known_free_or_unknown(pool: db.Pool) -> None:
    await store(
        pool,
        make_market("M-known", fee=FeeFacts(Decimal("0.05"), Decimal(1), "sports")),
        make_market("M-free", fee=FeeFacts(Decimal(0), Decimal(1), "free")),
        make_market("M-unknown"),
    )
    rows = await pool.fetch("SELECT market_id, fee_kind, fee_rate FROM markets ORDER BY market_id")
    assert [tuple(r) for r in rows] == [
        ("M-free", "free", Decimal(0)), ("M-known", "sports", Decimal("0.05")), ("M-unknown", None, None),
    ]  # fmt: skip


async def test_series_fees_are_replaced_by_what_was_read_last(pool: db.Pool) -> None:
    async with db.acquire(pool, 5) as connection:
        await collecting.upsert_series_fees(connection, [("KX", "Politics", "quadratic", Decimal(1))], NOW)
        await collecting.upsert_series_fees(connection, [("KX", "Politics", None, None)], NOW + HOUR)
    rows = await pool.fetch("SELECT * FROM series_fees")
    assert [tuple(r) for r in rows] == [("KX", "Politics", None, None, NOW + HOUR)]


# Everything that was recorded


@needs_recorded
async def test_every_recorded_answer_is_stored_with_its_outcomes(pool: db.Pool) -> None:
    for platform in ("kalshi", "polymarket"):
        found: dict[str, Market] = {}
        for path in sorted((RECORDED / platform).glob("*.json")):
            for market in recorded_page(platform, path):
                found.setdefault(market.market_id, market)
        assert (await store(pool, *found.values()))["terms"] == len(found)
        assert (await store(pool, *found.values(), now=NOW + HOUR / 4)) == {"terms": 0, "changed": 0, "snapshots": 0}
    results = await pool.fetch(
        "SELECT result, count(*), count(payout) AS paid FROM markets "
        "WHERE platform = 'kalshi' AND status = 'final' GROUP BY 1 ORDER BY 1"
    )
    assert [tuple(r) for r in results] == [("no", 154, 154), ("scalar", 11, 11), ("yes", 33, 33)]
    fractions = await pool.fetch("SELECT payout FROM markets WHERE platform = 'kalshi' AND result = 'scalar'")
    assert all(0 < r["payout"] < 1 for r in fractions)
    disputed = await pool.fetch(
        'SELECT result, payout, status FROM markets WHERE raw_data @> \'{"umaResolutionStatus": "disputed"}\'::jsonb'
    )
    assert [tuple(r) for r in disputed] == [(None, None, "disputed")] * 4, "though they trade on"
    for name in ("price", "yes_price", "no_price", "last_price"):
        assert await pool.fetchval(f"SELECT count(*) FROM market_snapshots WHERE {name} IN (0, 1)") == 0, name
    assert await pool.fetchval("SELECT count(*) FROM market_snapshots WHERE yes_price IS NULL") > 0
    assert await pool.fetchval("SELECT count(*) FROM market_snapshots WHERE yes_price + no_price < 1") == 0


def recorded_page(platform: Platform, path: Path) -> list[Market]:
    body = orjson.loads(path.read_bytes())
    body = body["response"] if isinstance(body, dict) and "_metadata" in body else body
    return VENUES[platform].parse_page(body).markets


def linked(market: Market, url: str | None) -> Market:
    terms = replace(market.terms, url=url)
    return replace(market, read_terms=lambda: terms)


async def test_a_page_that_was_unknown_is_stored_as_soon_as_it_is_told_and_no_term_seems_new(pool: db.Pool) -> None:
    market = make_market()
    assert (await store(pool, linked(market, None)))["terms"] == 1
    assert (await row(pool, "markets"))["url"] is None
    later = NOW + HOUR / 4
    assert (await store(pool, linked(market, "https://polymarket.com/event/rain"), now=later))["terms"] == 0
    stored = await row(pool, "markets")
    assert (stored["url"], stored["terms_seen_at"]) == ("https://polymarket.com/event/rain", NOW)
    await store(pool, linked(market, None), now=NOW + HOUR / 2)
    assert (await row(pool, "markets"))["url"] == "https://polymarket.com/event/rain"


async def test_new_terms_told_without_a_page_keep_the_one_that_is_known(pool: db.Pool) -> None:
    await store(pool, linked(make_market(), "https://polymarket.com/event/rain"))
    await store(pool, linked(make_market(title="Will it snow?"), None))
    stored = await row(pool, "markets")
    assert (stored["title"], stored["url"]) == ("Will it snow?", "https://polymarket.com/event/rain")
