"""Customers, tickets, events and tiers over time, straight in the database."""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta

import pytest

from core import db
from core.billing.access import Access, Subscription
from core.models import Tier
from core.queries import accounts, billing
from tests.conftest import NOW

DAY = timedelta(days=1)


async def user(connection: db.Connection, email: str = "a@example.com") -> str:
    return await accounts.upsert_user(connection, email, Tier.FREE, NOW)


async def own(connection: db.Connection, user_id: str, name: str, tier: Tier, until: datetime | None) -> None:
    subscription = Subscription(name, "cus_1", "active", ("price_1",), NOW, None, None)
    await billing.upsert_subscription(connection, user_id, subscription, Access(tier, until), NOW)


async def test_a_customer_belongs_to_one_user_and_a_user_has_one(connection: db.Connection) -> None:
    one, other = await user(connection), await user(connection, "b@example.com")
    assert await billing.set_customer(connection, one, "cus_1")
    assert await billing.set_customer(connection, one, "cus_1")
    assert not await billing.set_customer(connection, other, "cus_1")
    assert not await billing.set_customer(connection, one, "cus_2")
    assert await billing.set_customer(connection, one, "cus_3", instead_of="cus_1")
    assert await billing.customer_of(connection, one) == "cus_3"
    assert await billing.customer_of(connection, other) is None


async def test_tickets_count_up_and_say_whose_truth_stands(connection: db.Connection) -> None:
    user_id = await user(connection)
    assert await billing.take_ticket(connection, "cus_1") is None
    await billing.set_customer(connection, user_id, "cus_1")
    first, second = [await billing.take_ticket(connection, "cus_1") for _ in range(2)]
    assert first is not None
    assert second is not None
    assert (first.number, first.applied, second.number, second.applied) == (1, 0, 2, 0)
    await billing.mark_applied(connection, second)
    third = await billing.take_ticket(connection, "cus_1")
    assert third is not None
    assert third.applied == 2


async def test_an_event_is_stored_once_and_open_until_it_is_handled(connection: db.Connection) -> None:
    for _ in range(2):
        assert await billing.insert_event(connection, "evt_1", "x", "cus_1", NOW, NOW, {"a": 1})
    await billing.mark_event_parked(connection, "evt_1", "unknown price")
    assert await billing.open_events(connection, NOW + DAY, "", 10) == [("cus_1", ["evt_1"])]
    assert await billing.open_events(connection, NOW, "", 10) == []
    await billing.mark_event_handled(connection, "evt_1", NOW)
    await billing.mark_event_parked(connection, "evt_1", "too late")
    assert not await billing.insert_event(connection, "evt_1", "x", "cus_1", NOW, NOW, {"a": 1})
    assert await connection.fetchval("SELECT parked_because FROM stripe_events") is None


async def test_an_event_is_locked_by_one_at_a_time(pool: db.Pool) -> None:
    async with pool.acquire() as connection:
        await billing.insert_event(connection, "evt_1", "x", None, NOW, NOW, {})
    taken: list[bool] = []

    async def work() -> None:
        async with pool.acquire() as connection, connection.transaction():
            taken.append(await billing.lock_event(connection, "evt_1"))
            await billing.mark_event_handled(connection, "evt_1", NOW)

    await asyncio.gather(*(work() for _ in range(6)))
    assert sorted(taken) == [False] * 5 + [True]


async def test_a_tier_without_end_stays(connection: db.Connection) -> None:
    user_id = await accounts.upsert_user(connection, "a@example.com", Tier.PRO, NOW)
    assert await billing.tier_of(connection, user_id, NOW + 10_000 * DAY) is Tier.PRO


async def test_a_tier_falls_step_by_step_to_what_is_left_and_each_step_is_written_down(
    connection: db.Connection,
) -> None:
    user_id = await user(connection)
    for name, tier, days in (("a", Tier.PRO, 1), ("b", Tier.BASIC, 5), ("c", Tier.PREMIUM, 3), ("d", Tier.BASIC, 2)):
        await own(connection, user_id, name, tier, NOW + days * DAY)
    await own(connection, user_id, "e", Tier.PRO, None)
    assert await billing.set_tier(connection, user_id, Access(Tier.PRO, NOW + DAY), NOW, "test")
    told = [await billing.tier_of(connection, user_id, NOW + days * DAY) for days in range(6)]
    assert told == [Tier.PRO, Tier.PREMIUM, Tier.PREMIUM, Tier.BASIC, Tier.BASIC, Tier.FREE]
    assert await billing.users_past_their_time(connection, NOW) == []
    assert await billing.users_past_their_time(connection, NOW + 9 * DAY) == [user_id]
    assert await billing.lapse(connection, user_id, NOW + 9 * DAY) == 3
    rows = await connection.fetch("SELECT at, from_tier, to_tier FROM tier_changes ORDER BY id")
    assert [tuple(row) for row in rows][1:] == [
        (NOW + DAY, "pro", "premium"),
        (NOW + 3 * DAY, "premium", "basic"),
        (NOW + 5 * DAY, "basic", "free"),
    ]
    assert await billing.lapse(connection, user_id, NOW + 9 * DAY) == 0


@pytest.mark.parametrize("days", [0, 2, 4, 6])
async def test_writing_down_what_ended_changes_no_tier(connection: db.Connection, days: int) -> None:
    user_id = await user(connection)
    for name, tier, end in (("a", Tier.PRO, 1), ("b", Tier.BASIC, 5), ("c", Tier.PREMIUM, 3)):
        await own(connection, user_id, name, tier, NOW + end * DAY)
    await billing.set_tier(connection, user_id, Access(Tier.PRO, NOW + DAY), NOW, "test")
    moments = [NOW + (days + hours / 24) * DAY for hours in range(0, 240, 6)]
    before = [await billing.tier_of(connection, user_id, at) for at in moments]
    await billing.lapse(connection, user_id, NOW + days * DAY)
    assert [await billing.tier_of(connection, user_id, at) for at in moments] == before


async def test_only_a_change_is_written_down(connection: db.Connection) -> None:
    user_id = await user(connection)
    for _ in range(2):
        await billing.set_tier(connection, user_id, Access(Tier.BASIC, NOW + DAY), NOW, "test")
    rows = await connection.fetch("SELECT user_id::text, at, from_tier, to_tier, cause FROM tier_changes")
    assert [tuple(row) for row in rows] == [(user_id, NOW, "free", "basic", "test")]
