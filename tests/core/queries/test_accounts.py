"""Users, subscriptions and Stripe's events, straight in the database."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from uuid import uuid4

import pytest

from core import db
from core.models import Tier
from core.queries import accounts
from tests.conftest import NOW

SECOND = timedelta(seconds=1)
ACCESS = ("active",)


async def user(connection: db.Connection, email: str = "a@example.com") -> str:
    return await accounts.upsert_user(connection, email, Tier.FREE, NOW)


async def test_a_users_tier_is_known_until_the_user_is_deleted(connection: db.Connection) -> None:
    user_id = await accounts.upsert_user(connection, "a@example.com", Tier.PREMIUM, NOW)
    account = await accounts.account(connection, user_id)
    assert account is not None
    assert account["tier"] == "premium"
    await connection.execute("UPDATE users SET deleted_at = now()")
    assert await accounts.account(connection, user_id) is None
    assert await accounts.account(connection, str(uuid4())) is None


async def test_an_address_is_one_user_in_any_case_and_a_new_one_after_deletion(connection: db.Connection) -> None:
    first = await user(connection, "A@Example.com")
    assert await user(connection, "a@example.COM") == first
    await connection.execute("UPDATE users SET deleted_at = now()")
    assert await user(connection) != first


async def test_a_customer_belongs_to_the_user_its_first_event_named(connection: db.Connection) -> None:
    one, other = await user(connection), await user(connection, "b@example.com")
    assert await accounts.user_of_customer(connection, "cus_1", None) is None
    assert await accounts.user_of_customer(connection, "cus_1", one) == one
    assert await accounts.user_of_customer(connection, "cus_1", None) == one
    assert await accounts.user_of_customer(connection, "cus_1", other) == one
    assert await accounts.user_of_customer(connection, "cus_2", one) is None
    assert await accounts.user_of_customer(connection, "cus_2", other) == other


@pytest.mark.parametrize(
    ("seconds", "wins_ties", "before", "taken"),
    [
        (-1, True, "active", False),
        (0, True, "active", True),
        (0, False, "active", False),
        (0, True, "canceled", False),
        (1, False, "active", True),
        (1, False, "canceled", True),
    ],
)
async def test_of_two_events_the_later_one_counts(
    connection: db.Connection, seconds: int, wins_ties: bool, before: str, taken: bool
) -> None:
    user_id = await user(connection)
    told = [(before, NOW, True), ("past_due", NOW + seconds * SECOND, wins_ties)]
    took = [
        await accounts.upsert_subscription(connection, "sub_1", user_id, status, Tier.PRO, None, at, wins_ties=wins)
        for status, at, wins in told
    ]
    assert took == [True, taken]
    stored = await connection.fetchval("SELECT status FROM subscriptions")
    assert stored == ("past_due" if taken else before)


async def test_the_tier_is_the_best_of_those_with_access_and_only_changes_are_audited(
    connection: db.Connection,
) -> None:
    user_id = await user(connection)
    for name, status, tier in (("sub_1", "active", Tier.BASIC), ("sub_2", "unpaid", Tier.PRO)):
        await accounts.upsert_subscription(connection, name, user_id, status, tier, None, NOW, wins_ties=True)
    for _ in range(2):
        found = await accounts.set_tier_from_subscriptions(connection, user_id, ACCESS, NOW, "test")
        assert found is Tier.BASIC
    rows = await connection.fetch("SELECT user_id::text, at, from_tier, to_tier, cause FROM tier_changes")
    assert [tuple(row) for row in rows] == [(user_id, NOW, "free", "basic", "test")]


async def test_an_event_is_open_until_it_is_handled_and_again_when_it_was_parked(connection: db.Connection) -> None:
    for _ in range(2):
        await accounts.insert_stripe_event(connection, "evt_1", "x", NOW, NOW, {"a": 1})
    assert await accounts.take_stripe_event(connection, "evt_1")
    await accounts.mark_stripe_event_handled(connection, "evt_1", NOW, "unknown price")
    assert await accounts.take_stripe_event(connection, "evt_1")
    await accounts.mark_stripe_event_handled(connection, "evt_1", NOW, None)
    assert not await accounts.take_stripe_event(connection, "evt_1")


async def test_an_event_is_taken_by_one_at_a_time(pool: db.Pool) -> None:
    async with pool.acquire() as connection:
        await accounts.insert_stripe_event(connection, "evt_1", "x", NOW, NOW, {})
    taken: list[bool] = []

    async def work() -> None:
        async with pool.acquire() as connection, connection.transaction():
            taken.append(await accounts.take_stripe_event(connection, "evt_1"))
            await accounts.mark_stripe_event_handled(connection, "evt_1", NOW, None)

    await asyncio.gather(*(work() for _ in range(6)))
    assert sorted(taken) == [False] * 5 + [True]
