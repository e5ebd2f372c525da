"""Users, straight in the database."""

from __future__ import annotations

from uuid import uuid4

from core import db
from core.models import Tier
from core.queries import accounts, billing
from tests.conftest import NOW


async def user(connection: db.Connection, email: str = "a@example.com") -> str:
    return await accounts.upsert_user(connection, email, Tier.FREE, NOW)


async def test_a_users_tier_is_known_until_the_user_is_deleted(connection: db.Connection) -> None:
    user_id = await accounts.upsert_user(connection, "a@example.com", Tier.PREMIUM, NOW)
    account = await accounts.account(connection, user_id)
    assert account is not None
    assert account["tier"] == "premium"
    assert await billing.tier_of(connection, user_id, NOW) is Tier.PREMIUM
    await connection.execute("UPDATE users SET deleted_at = now()")
    assert await accounts.account(connection, user_id) is None
    assert await billing.tier_of(connection, user_id, NOW) is None
    assert await accounts.account(connection, str(uuid4())) is None


async def test_an_address_is_one_user_in_any_case_and_a_new_one_after_deletion(connection: db.Connection) -> None:
    first = await user(connection, "A@Example.com")
    assert await user(connection, "a@example.COM") == first
    await connection.execute("UPDATE users SET deleted_at = now()")
    assert await user(connection) != first
