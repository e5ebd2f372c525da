"""What an analyze run reads and writes, on a real database."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from core import db
from core.models import PLATFORMS, Event, FeeChange, FeeFacts, Pattern
from core.queries import analyzing, collecting, serving
from tests.api.rows import insert_insight
from tests.core.making import make_market

NOW = datetime(2026, 11, 22, 13, 5, tzinfo=UTC)


async def store(connection: db.Connection, *markets: Any, at: datetime = NOW) -> None:
    await collecting.stage(connection, list(markets))
    await collecting.upsert_terms(connection, list(markets), at)
    await collecting.mark_staged_statuses(connection, at, listed=True)
    await collecting.insert_changed_snapshots(connection, at, 3_600)


async def sweep(connection: db.Connection, *market_ids: str, at: datetime = NOW) -> None:
    for platform in PLATFORMS:
        await collecting.mark_swept(connection, platform, market_ids, at)


def pattern(**given: Any) -> Pattern:
    values: dict[str, Any] = {
        "platform": "kalshi",
        "market_id": "M-1",
        "event_id": None,
        "category": None,
        "detector": "price_jump",
        "score": 71.5,
        "numbers": {"move_1h_cents": -6.0},
    }
    return Pattern(**values | given)


async def test_an_open_markets_fee_is_unknown_until_its_venue_says_it(connection: db.Connection) -> None:
    fee = FeeFacts(Decimal("0.04"), Decimal(2), "politics")
    async with connection.transaction():
        await store(
            connection, make_market("K"), make_market("P", "polymarket"), make_market("Q", "polymarket", fee=fee)
        )
        await sweep(connection, "K", "P", "Q")
    markets = {market.market_id: market for market in await analyzing.open_markets(connection, NOW, 1_800)}
    assert markets["K"].fee_rate is None
    assert markets["P"].fee_rate is None
    assert (markets["Q"].fee_rate, markets["Q"].fee_exponent) == (Decimal("0.04"), Decimal(2))


async def test_a_pattern_with_numbers_that_json_lacks_is_stored(connection: db.Connection) -> None:
    odd = pattern(numbers={"move_sigmas": float("nan"), "volume_1h": float("inf"), "volume_ratio": 2.0})
    await analyzing.insert_patterns(connection, [odd, odd], NOW)
    (stored,) = await connection.fetch("SELECT * FROM patterns")
    assert stored["numbers"] == {"move_sigmas": None, "volume_1h": None, "volume_ratio": 2.0}


async def test_a_withheld_answers_detail_is_kept_whatever_is_in_it(connection: db.Connection) -> None:
    await analyzing.insert_withheld(
        connection, NOW, pattern(), "not grounded", "a\x00b\ud800" * 2_000, "m", Decimal("0.1")
    )
    (stored,) = await connection.fetch("SELECT * FROM withheld_insights")
    assert stored["detail"].startswith("a\ufffdb\ufffd")
    assert len(stored["detail"]) == 2_000


async def test_a_market_is_analysed_only_while_its_quote_is_current(connection: db.Connection) -> None:
    day = timedelta(days=1)
    async with connection.transaction():
        await store(
            connection,
            make_market("current"),
            make_market("endless", close_time=None),
            make_market("past", close_time=NOW),
            make_market("missing"),
            make_market("P", "polymarket"),
            at=NOW - day,
        )
        await collecting.mark_swept(connection, "kalshi", ["current", "endless", "past"], NOW - timedelta(minutes=10))

    async def analysed(now: datetime) -> set[str]:
        return {market.market_id for market in await analyzing.open_markets(connection, now, 1_800)}

    assert await analysed(NOW) == {"current", "endless"}, "unchanged since a day, but shown ten minutes ago"
    assert await analyzing.set_aside(connection, NOW, 1_800) == {
        "not in the last listing": 1,
        "past its closing time": 1,
        "polymarket not read lately": 1,
    }
    assert await analysed(NOW + timedelta(minutes=25)) == set()
    assert (await analyzing.set_aside(connection, NOW + timedelta(minutes=25), 1_800))["kalshi not read lately"] == 2


async def test_a_quotes_time_is_when_its_venue_last_showed_it(connection: db.Connection) -> None:
    async with connection.transaction():
        await store(connection, make_market("K"), at=NOW - timedelta(hours=5))
        await collecting.mark_swept(connection, "kalshi", ["K"], NOW - timedelta(minutes=3))
    (market,) = await analyzing.open_markets(connection, NOW, 1_800)
    assert market.quoted_at == NOW - timedelta(minutes=3)


@pytest.mark.parametrize("end", ["status = 'closed'", "status = 'disputed'", "listed = false"])
async def test_an_insight_ends_with_its_market(connection: db.Connection, end: str) -> None:
    for title in ("over", "open"):
        await insert_insight(connection, title, NOW - timedelta(hours=1), expires_at=NOW + timedelta(hours=1))
    await connection.execute(f"UPDATE markets SET {end} WHERE title = 'over'")
    assert await analyzing.end_insights(connection, NOW) == 1
    assert len(await analyzing.alive_insights(connection)) == 1
    alive = await serving.insights_alive(connection, NOW)
    assert [insight["market_title"] for insight in alive] == ["open"]
    before = await serving.insights_alive(connection, NOW - timedelta(minutes=1))
    assert len(before) == 2, "premium's hour still has it"
    assert await analyzing.end_insights(connection, NOW) == 0


async def test_rules_are_read_for_the_markets_asked_for_only(connection: db.Connection) -> None:
    async with connection.transaction():
        await store(connection, make_market("A"), make_market("B"))
    assert await analyzing.rules_of(connection, "kalshi", ["A", "Z"]) == {"A": "If it rains, YES."}
    assert await analyzing.rules_of(connection, "kalshi", []) == {}


async def test_an_events_own_fee_goes_before_its_series(connection: db.Connection) -> None:
    plain = Event("kalshi", "E-1", "Plain", None, "SERIES", False, None)
    dearer = replace(plain, event_id="E-2", fee_multiplier=Decimal(2))
    async with connection.transaction():
        await collecting.upsert_events(connection, [plain, dearer])
        await collecting.upsert_series_fees(connection, [("SERIES", "Economics", "quadratic", Decimal(1))], NOW)
        await store(connection, make_market("K", category=None), make_market("L", event_id="E-2"))
        await sweep(connection, "K", "L")
    markets = {market.market_id: market for market in await analyzing.open_markets(connection, NOW, 1_800)}
    assert markets["K"].fee_rate == Decimal("0.07")
    assert markets["L"].fee_rate == Decimal("0.14")
    assert markets["K"].category == "Economics", "Kalshi says it of the series only"


def change(scope: Any, subject: str, minutes: float, kind: str | None, multiplier: str | None) -> FeeChange:
    at = NOW + timedelta(minutes=minutes)
    return FeeChange(scope, subject, at, kind, None if multiplier is None else Decimal(multiplier))


@pytest.mark.parametrize(
    ("changes", "own", "expected"),
    [
        ([], None, "0.07"),
        ([change("series", "SERIES", 11, "quadratic", "2")], None, "0.07"),
        ([change("series", "SERIES", 10, "quadratic", "2")], None, "0.14"),
        ([change("series", "OTHER", 5, "quadratic", "2"), change("event", "E-2", 5, None, "2")], None, "0.07"),
        (
            [change("series", "SERIES", 5, "quadratic", "2"), change("series", "SERIES", 7, "quadratic", "3")],
            None,
            "0.21",
        ),
        ([change("series", "SERIES", 5, "flat", "1")], None, None),
        ([change("series", "SERIES", 5, None, None)], None, None),
        ([change("series", "SERIES", 5, "quadratic", "2")], "0.5", "0.035"),
        ([change("event", "E-1", 5, None, "2")], None, "0.14"),
        ([change("event", "E-1", 5, "quadratic", "2")], "0.5", "0.14"),
        ([change("event", "E-1", 5, None, None)], "0.5", "0.07"),
        ([change("event", "E-1", 5, "unreadable", None)], None, None),
        ([change("event", "E-1", 5, None, None), change("series", "SERIES", 6, "quadratic", "4")], "0.5", "0.28"),
    ],
)
async def test_a_fee_that_was_announced_is_charged_from_its_time_on(
    connection: db.Connection, changes: list[FeeChange], own: str | None, expected: str | None
) -> None:
    event = Event("kalshi", "E-1", "Plain", None, "SERIES", False, None, None, None if own is None else Decimal(own))
    async with connection.transaction():
        await collecting.upsert_events(connection, [event])
        await collecting.upsert_series_fees(connection, [("SERIES", "Economics", "quadratic", Decimal(1))], NOW)
        await collecting.replace_fee_changes(connection, changes, NOW, NOW)
        await store(connection, make_market("K"), make_market("P", "polymarket"))
        await sweep(connection, "K", "P")
    at = NOW + timedelta(minutes=10)
    kalshi, polymarket = await analyzing.open_markets(connection, at, 1_800)
    assert kalshi.fee_rate == (None if expected is None else Decimal(expected))
    assert polymarket.fee_rate is None
    # What was read later is true, whatever had been announced.
    await collecting.upsert_series_fees(connection, [("SERIES", "Economics", "quadratic", Decimal(1))], at)
    await sweep(connection, "K", "P", at=at)
    kalshi, _ = await analyzing.open_markets(connection, at, 1_800)
    assert kalshi.fee_rate == Decimal("0.07") * Decimal(own or 1)


async def test_a_change_that_is_announced_no_more_is_forgotten_and_a_past_one_kept_for_a_while(
    connection: db.Connection,
) -> None:
    hour = timedelta(hours=1)
    await collecting.replace_fee_changes(
        connection, [change("series", "S", n, "flat", "1") for n in (30, 90)], NOW, NOW
    )
    await collecting.replace_fee_changes(connection, [], NOW + hour, NOW)
    kept = [row["effective_at"] for row in await connection.fetch("SELECT effective_at FROM fee_changes")]
    assert kept == [NOW + hour / 2]
    await collecting.replace_fee_changes(connection, [], NOW + hour, NOW + hour)
    assert await connection.fetchval("SELECT count(*) FROM fee_changes") == 0
