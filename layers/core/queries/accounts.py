"""Users, their tiers and what Stripe said of them."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from core.db import Connection
from core.models import TIER_RANK, Tier


async def account(connection: Connection, user_id: str) -> dict[str, Any] | None:
    """id, email, tier, when it was opened and its address verified; None for a user who is gone."""
    row = await connection.fetchrow(
        "SELECT id::text, email, tier, email_verified_at, created_at FROM users "
        "WHERE id = $1::uuid AND deleted_at IS NULL",
        user_id,
    )
    return None if row is None else dict(row)


async def export(connection: Connection, user_id: str) -> dict[str, Any]:
    """All that is stored of a user, without the hashes of secrets."""
    tables = {
        "sessions": "SELECT created_at, expires_at, revoked_at FROM sessions WHERE user_id = $1::uuid",
        "api_keys": "SELECT name, prefix, created_at, revoked_at FROM api_keys WHERE user_id = $1::uuid",
        "subscriptions": "SELECT stripe_subscription_id, status, tier, current_period_end, told_at FROM subscriptions "
        "WHERE user_id = $1::uuid",
        "tier_changes": "SELECT at, from_tier, to_tier, cause FROM tier_changes WHERE user_id = $1::uuid ORDER BY at",
        "analyses": "SELECT platform, market_id, question, status, requested_at, ended_at, result, reason "
        "FROM analyses WHERE user_id = $1::uuid ORDER BY requested_at",
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
    await connection.execute(
        """
        UPDATE users SET email = 'deleted:' || id, password_hash = NULL, email_verified_at = NULL, tier = 'free',
            deleted_at = $2 WHERE id = $1::uuid
        """,
        user_id,
        now,
    )


async def upsert_user(connection: Connection, email: str, tier: Tier, now: datetime) -> str:
    """The id of the user with this address, created or moved to `tier`."""
    user_id: str = await connection.fetchval(
        """
        INSERT INTO users (email, tier, created_at, email_verified_at) VALUES (lower($1), $2, $3, $3)
        ON CONFLICT (email) WHERE deleted_at IS NULL DO UPDATE SET tier = excluded.tier RETURNING id::text
        """,
        email,
        tier.value,
        now,
    )
    return user_id


async def insert_stripe_event(
    connection: Connection, event_id: str, kind: str, created_at: datetime, received_at: datetime, body: dict[str, Any]
) -> None:
    await connection.execute(
        """
        INSERT INTO stripe_events (id, type, created_at, received_at, body) VALUES ($1, $2, $3, $4, $5)
        ON CONFLICT (id) DO NOTHING
        """,
        event_id,
        kind,
        created_at,
        received_at,
        body,
    )


async def take_stripe_event(connection: Connection, event_id: str) -> bool:
    """Locks the event until the transaction ends. False when it was handled; one that was parked may be tried again."""
    is_open: bool = await connection.fetchval(
        "SELECT handled_at IS NULL OR parked_because IS NOT NULL FROM stripe_events WHERE id = $1 FOR UPDATE", event_id
    )
    return is_open


async def mark_stripe_event_handled(
    connection: Connection, event_id: str, now: datetime, parked_because: str | None
) -> None:
    await connection.execute(
        "UPDATE stripe_events SET handled_at = $2, parked_because = $3 WHERE id = $1", event_id, now, parked_because
    )


async def user_of_customer(connection: Connection, customer_id: str, user_id: str | None) -> str | None:
    """The user of a Stripe customer, locked; a first event may name the user itself, which then owns the customer.

    Locked before anything of the user is written: two events at once would otherwise wait for each other.
    """
    found: str | None = await connection.fetchval(
        "SELECT id::text FROM users WHERE stripe_customer_id = $1 AND deleted_at IS NULL FOR UPDATE", customer_id
    )
    if found is None and user_id is not None:
        found = await connection.fetchval(
            """
            UPDATE users SET stripe_customer_id = $1
            WHERE id = $2::uuid AND coalesce(stripe_customer_id, $1) = $1 AND deleted_at IS NULL
              AND NOT EXISTS (SELECT FROM users WHERE stripe_customer_id = $1 AND id <> $2::uuid)
            RETURNING id::text
            """,
            customer_id,
            user_id,
        )
    return found


async def upsert_subscription(
    connection: Connection,
    subscription_id: str,
    user_id: str,
    status: str,
    tier: Tier,
    current_period_end: datetime | None,
    told_at: datetime,
    *,
    wins_ties: bool,
) -> bool:
    """False when something newer was told before: events come in any order.

    Stripe's time is in whole seconds: of two events of one second, one that `wins_ties` replaces what the other told,
    except a cancellation, which is final.
    """
    row = await connection.fetchrow(
        """
        INSERT INTO subscriptions AS old (stripe_subscription_id, user_id, status, tier, current_period_end, told_at)
        VALUES ($1, $2::uuid, $3, $4, $5, $6)
        ON CONFLICT (stripe_subscription_id) DO UPDATE SET status = excluded.status, tier = excluded.tier,
            current_period_end = excluded.current_period_end, told_at = excluded.told_at
        WHERE old.told_at < excluded.told_at OR old.told_at = excluded.told_at AND $7 AND old.status <> 'canceled'
        RETURNING 1
        """,
        subscription_id,
        user_id,
        status,
        tier.value,
        current_period_end,
        told_at,
        wins_ties,
    )
    return row is not None


async def set_tier_from_subscriptions(
    connection: Connection, user_id: str, statuses_with_access: tuple[str, ...], now: datetime, cause: str
) -> Tier:
    """The best tier among the user's subscriptions that give access, written with an audit row when it changed."""
    before = await connection.fetchval("SELECT tier FROM users WHERE id = $1::uuid FOR UPDATE", user_id)
    rows = await connection.fetch(
        "SELECT tier FROM subscriptions WHERE user_id = $1::uuid AND status = ANY($2::text[])",
        user_id,
        list(statuses_with_access),
    )
    tier = max((Tier(row["tier"]) for row in rows), key=TIER_RANK.__getitem__, default=Tier.FREE)
    if tier != before:
        await connection.execute("UPDATE users SET tier = $2 WHERE id = $1::uuid", user_id, tier.value)
        await connection.execute(
            "INSERT INTO tier_changes (user_id, at, from_tier, to_tier, cause) VALUES ($1::uuid, $2, $3, $4, $5)",
            user_id,
            now,
            before,
            tier.value,
            cause,
        )
    return tier
