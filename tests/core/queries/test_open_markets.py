"""Every market that can be bet on as shown, on a real database: whose, at what fee, and what is sent of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any, ClassVar

import pytest

from core import db
from core.body_store import BodyStore
from core.models import PLATFORMS, Event, FeeChange, FeeFacts, OpenMarket
from core.queries import analyzing, collecting
from core.queries.open_markets import open_markets
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


async def test_an_open_markets_fee_is_unknown_until_its_venue_says_it(connection: db.Connection) -> None:
    fee = FeeFacts(Decimal("0.04"), Decimal(2), "politics")
    async with connection.transaction():
        await store(
            connection, make_market("K"), make_market("P", "polymarket"), make_market("Q", "polymarket", fee=fee)
        )
        await sweep(connection, "K", "P", "Q")
    markets = {market.market_id: market for market in await open_markets(connection, NOW, 1_800)}
    assert markets["K"].fee_rate is None
    assert markets["P"].fee_rate is None
    assert (markets["Q"].fee_rate, markets["Q"].fee_exponent) == (Decimal("0.04"), Decimal(2))


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
        return {market.market_id for market in await open_markets(connection, now, 1_800)}

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
    (market,) = await open_markets(connection, NOW, 1_800)
    assert market.quoted_at == NOW - timedelta(minutes=3)


async def test_an_events_own_fee_goes_before_its_series(connection: db.Connection) -> None:
    plain = Event("kalshi", "E-1", "Plain", None, "SERIES", False, None)
    dearer = replace(plain, event_id="E-2", fee_multiplier=Decimal(2))
    async with connection.transaction():
        await collecting.upsert_events(connection, [plain, dearer])
        await collecting.upsert_series_fees(connection, [("SERIES", "Economics", "quadratic", Decimal(1))], NOW)
        await store(connection, make_market("K", category=None), make_market("L", event_id="E-2"))
        await sweep(connection, "K", "L")
    markets = {market.market_id: market for market in await open_markets(connection, NOW, 1_800)}
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
    kalshi, polymarket = await open_markets(connection, at, 1_800)
    assert kalshi.fee_rate == (None if expected is None else Decimal(expected))
    assert polymarket.fee_rate is None
    # What was read later is true, whatever had been announced.
    await collecting.upsert_series_fees(connection, [("SERIES", "Economics", "quadratic", Decimal(1))], at)
    await sweep(connection, "K", "P", at=at)
    kalshi, _ = await open_markets(connection, at, 1_800)
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


class Counting(BodyStore):
    """Notes how many bodies were sent."""

    sent: ClassVar[list[int]] = []

    def keep(self, bodies: Mapping[bytes, bytes]) -> None:
        self.sent.append(len(bodies))
        BodyStore.keep(self, bodies)


@pytest.fixture
def shelf(tmp_path: Path) -> Counting:
    Counting.sent.clear()
    return Counting(tmp_path, 1_000_000)


async def test_a_host_with_a_store_reads_what_one_without_reads_whatever_changed(
    connection: db.Connection, shelf: Counting
) -> None:
    many = [make_market(f"M-{n:03}", PLATFORMS[n % 2], title=f"Will it rain? ☂ '{n}'") for n in range(300)]
    ids = [market.market_id for market in many]
    event = Event("kalshi", "E-1", "Plain", None, "SERIES", True, None)
    async with connection.transaction():
        await collecting.upsert_events(connection, [event])
        await store(connection, *many)
        await sweep(connection, *ids)

    async def both() -> list[OpenMarket]:
        bare = await open_markets(connection, NOW, 1_800)
        assert await open_markets(connection, NOW, 1_800, shelf) == bare
        return bare

    first = await both()
    assert [market.market_id for market in first] == sorted(ids[0::2]) + sorted(ids[1::2])
    await both()
    dearer = make_market("M-007", "polymarket", fee=FeeFacts(Decimal("0.04"), Decimal(0), "politics"))
    async with connection.transaction():
        await collecting.upsert_terms(connection, [dearer], NOW)
        moved = make_market("M-008", yes="0.61", volume="12345678.9012")
        await store(connection, moved, make_market("M-300"), at=NOW + timedelta(minutes=1))
        await collecting.mark_swept(connection, "kalshi", [*ids[0::2], "M-300"], NOW)
    second = await both()
    changed = {m.market_id: m for m in second if m not in first}
    assert set(changed) == {"M-007", "M-008", "M-300"}
    assert (changed["M-007"].fee_rate, changed["M-007"].fee_exponent) == (Decimal("0.04"), Decimal(0))
    assert (changed["M-008"].yes_price, changed["M-008"].volume) == (Decimal("0.61"), Decimal("12345678.9012"))
    await collecting.upsert_series_fees(connection, [("SERIES", "Economics", "quadratic", Decimal(1))], NOW)
    assert {m.fee_rate for m in await both() if m.platform == "kalshi"} == {Decimal("0.07")}
    all_blocks, none, few, _ = Counting.sent
    assert all_blocks >= 3
    assert none == 0
    assert few <= 2


async def test_a_broken_store_is_asked_again(connection: db.Connection, shelf: Counting) -> None:
    async with connection.transaction():
        await store(connection, make_market("K"), make_market("P", "polymarket"))
        await sweep(connection, "K", "P")
    read = await open_markets(connection, NOW, 1_800, shelf)
    for path in shelf.folder.iterdir():
        path.write_bytes(b"rubbish")
    assert await open_markets(connection, NOW, 1_800, shelf) == read
    assert Counting.sent == [1, 1]
