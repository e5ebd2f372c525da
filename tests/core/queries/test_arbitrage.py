"""Bundles on a real database: what stands, how long it lived, what nearly cleared, the terms behind them."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

from core import db
from core.body_store import BodyStore
from core.models import Event, MarketStatus
from core.queries import arbitrage, collecting
from tests.conftest import NOW
from tests.core.making import make_market
from tests.core.storing import store

MINUTES = timedelta(minutes=1)


def opportunity(key: str = "K", at: datetime = NOW, edge: str = "3", **given: Any) -> dict[str, Any]:
    return {
        "bundle_key": key,
        "opportunity_type": "CROSS_PLATFORM",
        "kalshi_market_id": key,
        "polymarket_market_id": "P",
        "description": "Both legs",
        "edge_percentage": Decimal(edge),
        "net_edge_usd": Decimal(edge),
        "cost_usd": Decimal(97),
        "shares": Decimal(100),
        "execution_steps": ["Buy"],
        "risks": ["One leg alone is a bet"],
        "settlement_risk": "CAUTION",
        "confidence_score": Decimal(80),
        "quoted_at": at,
        "expires_at": at + 15 * MINUTES,
        "legs": [{"platform": "kalshi", "market_id": key, "side": "YES", "book_read_at": at}],
        "sizes": [],
        "annualised_percentage": Decimal("36.5"),
        "settles_at": at + timedelta(days=30),
        "pays_if": "both venues settle alike",
        "analysis": None,
        "analysis_id": None,
    } | given


def near_miss(key: str, at: datetime, edge: str | None, **given: Any) -> dict[str, Any]:
    return {
        "at": at,
        "bundle_key": key,
        "opportunity_type": "CROSS_PLATFORM",
        "description": "Both legs",
        "lacks": "fees",
        "reason": "no edge after fees",
        "legs": [],
        "shares": None,
        "edge_percentage": None if edge is None else Decimal(edge),
        "quoted_at": at,
    } | given


async def run(connection: db.Connection, at: datetime, *rows: dict[str, Any]) -> tuple[int, int]:
    return await arbitrage.replace_opportunities(connection, rows, at)


async def lives(connection: db.Connection) -> list[dict[str, Any]]:
    return [dict(row) for row in await connection.fetch("SELECT * FROM arbitrage_lives ORDER BY id")]


async def test_an_opportunity_quoted_again_keeps_when_it_was_first_seen(connection: db.Connection) -> None:
    later = NOW + 10 * MINUTES
    assert await run(connection, NOW, opportunity("A"), opportunity("B")) == (2, 0)
    assert await run(connection, later, opportunity("A", later), opportunity("C", later)) == (2, 1)
    stored = await connection.fetch("SELECT * FROM arbitrage_opportunities ORDER BY bundle_key, quoted_at")
    assert [(row["bundle_key"], row["status"], row["first_seen_at"], row["withdrawn_at"]) for row in stored] == [
        ("A", "withdrawn", NOW, later),
        ("A", "active", NOW, None),
        ("B", "withdrawn", NOW, later),
        ("C", "active", later, None),
    ]
    assert await arbitrage.alive_keys(connection) == {"A", "C"}


async def test_an_opportunity_that_was_over_begins_anew_only_after_its_status_was_told(
    connection: db.Connection,
) -> None:
    gone, back = NOW + 30 * MINUTES, NOW + 45 * MINUTES
    await run(connection, NOW, opportunity())
    await run(connection, gone)
    await run(connection, back, opportunity(at=back))
    stored = await connection.fetch(
        "SELECT status, withdrawn_at, first_seen_at FROM arbitrage_opportunities ORDER BY 3"
    )
    assert [tuple(row) for row in stored] == [("expired", None, NOW), ("active", None, back)]
    assert [(life["first_seen_at"], life["ended_at"]) for life in await lives(connection)] == [
        (NOW, gone),
        (back, None),
    ]


async def test_a_bundle_within_one_venue_needs_no_market_of_the_other(connection: db.Connection) -> None:
    await run(connection, NOW, opportunity(polymarket_market_id=None, confidence_score=None))
    (stored,) = await connection.fetch("SELECT * FROM arbitrage_opportunities")
    assert (stored["polymarket_market_id"], stored["confidence_score"]) == (None, None)
    assert stored["legs"][0]["book_read_at"] == NOW.isoformat()


async def test_a_life_keeps_its_peak_and_when_half_of_it_was_gone(connection: db.Connection) -> None:
    for step, edge in enumerate(("3", "8", "6", "4", "2.5")):
        at = NOW + 15 * step * MINUTES
        await run(connection, at, opportunity(at=at, edge=edge))
    (life,) = await lives(connection)
    assert (life["first_seen_at"], life["last_seen_at"], life["quotes"]) == (NOW, NOW + 60 * MINUTES, 5)
    assert (life["peak_edge_percentage"], life["peak_at"]) == (8, NOW + 15 * MINUTES)
    assert (life["half_at"], life["half_life"]) == (NOW + 45 * MINUTES, 30 * MINUTES)
    assert life["last_edge_percentage"] == Decimal("2.5")


async def test_what_nobody_quoted_for_too_long_begins_a_new_life(connection: db.Connection) -> None:
    back = NOW + 180 * MINUTES  # it stood for fifteen, and then no run was there to look
    await run(connection, NOW, opportunity("A"), opportunity("B"))
    assert await run(connection, back, opportunity("A", back)) == (1, 1)
    told = [(life["bundle_key"], life["first_seen_at"], life["ended_at"]) for life in await lives(connection)]
    assert told == [("A", NOW, NOW), ("B", NOW, back), ("A", back, None)]
    stored = await connection.fetch("SELECT first_seen_at FROM arbitrage_opportunities WHERE status = 'active'")
    assert [row["first_seen_at"] for row in stored] == [back]
    late = back + 29 * MINUTES
    await run(connection, late, opportunity("A", late))
    assert (await lives(connection))[-1]["quotes"] == 2, "a run that was missed breaks nothing"


async def test_a_new_peak_begins_its_half_life_anew(connection: db.Connection) -> None:
    for step, edge in enumerate(("6", "3", "9")):
        at = NOW + 15 * step * MINUTES
        await run(connection, at, opportunity(at=at, edge=edge))
    (life,) = await lives(connection)
    assert (life["peak_edge_percentage"], life["half_at"], life["half_life"]) == (9, None, None)


async def test_a_life_ends_for_the_reason_that_the_books_showed(connection: db.Connection) -> None:
    later = NOW + 15 * MINUTES
    await run(connection, NOW, opportunity("gone"), opportunity("unread"), opportunity("dropped"), opportunity("half"))
    misses = [
        near_miss("gone", later, "-1"),
        near_miss("unread", later, None, lacks="books", reason="book could not be read"),
        near_miss("half", later, "1.9", lacks="edge", reason="edge below the minimum"),
    ]
    await arbitrage.insert_near_misses(connection, misses, later)
    await run(connection, later)
    ends = {life["bundle_key"]: (life["ended_because"], life["half_at"]) for life in await lives(connection)}
    assert ends == {
        "gone": ("no edge after fees", later),
        "unread": ("book could not be read", None),
        "dropped": (arbitrage.NO_LONGER_PROPOSED, None),
        "half": ("edge below the minimum", None),
    }


async def test_near_misses_are_those_of_the_last_run_by_then_and_go_after_two_days(connection: db.Connection) -> None:
    for hours, key in ((0, "first"), (1, "second"), (60, "third")):
        at = NOW + hours * 60 * MINUTES
        await arbitrage.insert_near_misses(connection, [near_miss(key, at, "-2"), near_miss("near", at, "1")], at)

    async def told(hours: float) -> list[float]:
        told = await arbitrage.near_misses(connection, NOW + hours * 60 * MINUTES, 900)
        return [row["edge_percentage"] for row in told]

    assert await told(59) == []
    assert await told(60) == await told(60.24) == [1, -2]
    assert await told(60.25) == [], "over after the interval that they were told for"
    stored = await connection.fetch("SELECT bundle_key FROM arbitrage_near_misses ORDER BY 1")
    assert [row["bundle_key"] for row in stored] == ["near", "third"]


async def test_wordings_hold_what_the_venue_says_of_strikes_ends_and_the_list(
    connection: db.Connection, pool: db.Pool
) -> None:
    raw = {
        "strike_type": "between",
        "floor_strike": 30.5,
        "cap_strike": "nonsense",
        "expected_expiration_time": "2027-01-02T10:00:00Z",
    }
    event = Event("kalshi", "E-1", "Rain", None, None, True, False)
    async with connection.transaction():
        await collecting.upsert_events(connection, [event])
    lost = make_market("C", status=MarketStatus.FINAL, result="no", payout="0")
    await store(pool, make_market("A", raw=raw), make_market("B"), lost)
    found = await arbitrage.wordings(connection, [("kalshi", "A"), ("polymarket", "A")])
    wording = found.pop(("kalshi", "A"))
    assert found == {}
    assert (wording.strike_type, wording.floor, wording.cap) == ("between", Decimal("30.5"), None)
    assert wording.settles_at == datetime(2027, 1, 2, 10, tzinfo=UTC)
    assert (wording.exhaustive, wording.unsettled) == (False, 2)
    assert wording.rules == "If it rains, YES."


async def test_wordings_that_a_host_has_are_sent_no_more_whichever_others_are_asked_for(
    connection: db.Connection, pool: db.Pool, tmp_path: Path
) -> None:
    sent: list[int] = []

    class Counting(BodyStore):
        def keep(self, bodies: Mapping[bytes, bytes]) -> None:
            sent.append(len(bodies))
            BodyStore.keep(self, bodies)

    shelf = Counting(tmp_path, 1_000_000)
    keys: list[arbitrage.Key] = [("kalshi", f"M-{n}") for n in range(6)]
    await store(pool, *(make_market(market_id) for _, market_id in keys))
    for asked in (keys[:4], keys[2:], keys):
        assert await arbitrage.wordings(connection, asked, shelf) == await arbitrage.wordings(connection, asked)
    assert sent[::2] == [4, 2, 0]
