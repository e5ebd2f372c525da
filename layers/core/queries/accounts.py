"""Users and their accounts."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from core.db import Connection
from core.models import Tier

_OF_CUSTOMER = "customer_id = (SELECT stripe_customer_id FROM users WHERE id = $1::uuid)"


async def account(connection: Connection, user_id: str) -> dict[str, Any] | None:
    """id, email, tier, when it was opened and its address verified; None for a user who is gone."""
    row = await connection.fetchrow(
        "SELECT id::text, email, tier_at(users, now()) AS tier, email_verified_at, created_at FROM users "
        "WHERE id = $1::uuid AND deleted_at IS NULL",
        user_id,
    )
    return None if row is None else dict(row)


async def export(connection: Connection, user_id: str) -> dict[str, Any]:
    """All that is stored of a user, without the hashes of secrets."""
    tables = {
        "sessions": "SELECT created_at, expires_at, revoked_at FROM sessions WHERE user_id = $1::uuid",
        "api_keys": "SELECT name, prefix, created_at, revoked_at FROM api_keys WHERE user_id = $1::uuid",
        "subscriptions": "SELECT stripe_subscription_id, status, tier, current_period_end, cancel_at, access_until, "
        "told_at FROM subscriptions WHERE user_id = $1::uuid",
        "tier_changes": "SELECT at, from_tier, to_tier, cause FROM tier_changes WHERE user_id = $1::uuid ORDER BY at",
        "analyses": "SELECT platform, market_id, question, status, requested_at, ended_at, result, reason "
        "FROM analyses WHERE user_id = $1::uuid ORDER BY requested_at",
        "stripe_events": f"SELECT id, type, created_at, body FROM stripe_events WHERE {_OF_CUSTOMER} ORDER BY id",  # noqa: S608
    }
    parts = {name: [dict(row) for row in await connection.fetch(sql, user_id)] for name, sql in tables.items()}
    customer = await connection.fetchval("SELECT stripe_customer_id FROM users WHERE id = $1::uuid", user_id)
    return {"account": await account(connection, user_id), "stripe_customer_id": customer} | parts


async def has_subscription(connection: Connection, user_id: str) -> bool:
    """Whether one is running, so that money would go on flowing."""
    runs: bool = await connection.fetchval(
        "SELECT EXISTS (SELECT FROM subscriptions WHERE user_id = $1::uuid "
        "AND status NOT IN ('canceled', 'incomplete_expired'))",
        user_id,
    )
    return runs


async def delete_user(connection: Connection, user_id: str, now: datetime) -> None:
    """Takes all that is personal. What stays is an empty row that invoices of the past refer to."""
    for table in ("sessions", "api_keys", "mail_tokens", "analyses"):
        await connection.execute(f"DELETE FROM {table} WHERE user_id = $1::uuid", user_id)  # noqa: S608
    await connection.execute(f"UPDATE stripe_events SET body = '{{}}' WHERE {_OF_CUSTOMER}", user_id)  # noqa: S608
    await connection.execute(
        """
        UPDATE users SET email = 'deleted:' || id, password_hash = NULL, email_verified_at = NULL, tier = 'free',
            tier_until = NULL, deleted_at = $2 WHERE id = $1::uuid
        """,
        user_id,
        now,
    )


async def upsert_user(connection: Connection, email: str, tier: Tier, now: datetime) -> str:
    """The id of the user with this address, created or moved to `tier`."""
    user_id: str = await connection.fetchval(
        """
        INSERT INTO users (email, tier, created_at, email_verified_at) VALUES (lower($1), $2, $3, $3)
        ON CONFLICT (email) WHERE deleted_at IS NULL DO UPDATE SET tier = excluded.tier, tier_until = NULL
        RETURNING id::text
        """,
        email,
        tier.value,
        now,
    )
    return user_id
