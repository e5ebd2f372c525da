"""Stripe's events, customers and subscriptions, and the tiers that follow from them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from core.billing.access import Access, Subscription
from core.db import Connection
from core.models import Tier


@dataclass(frozen=True, slots=True)
class Ticket:
    """One sync of a user: its number, and the number of the sync whose truth stood when it began."""

    user_id: str
    number: int
    applied: int


@dataclass(frozen=True, slots=True)
class Row:
    """A subscription as we hold it."""

    id: str
    customer_id: str
    status: str
    tier: Tier
    period_end: datetime | None
    cancel_at: datetime | None
    access_until: datetime | None


async def insert_event(
    connection: Connection,
    event_id: str,
    kind: str,
    customer_id: str | None,
    created_at: datetime,
    received_at: datetime,
    body: dict[str, Any],
) -> bool:
    """Once, whoever else stores it at the same time. True while it is not handled."""
    await connection.execute(
        """
        INSERT INTO stripe_events (id, type, customer_id, created_at, received_at, body)
        VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (id) DO NOTHING
        """,
        event_id,
        kind,
        customer_id,
        created_at,
        received_at,
        body,
    )
    is_open: bool = await connection.fetchval("SELECT handled_at IS NULL FROM stripe_events WHERE id = $1", event_id)
    return is_open


async def lock_event(connection: Connection, event_id: str) -> bool:
    """Holds the event until the transaction ends. False when it is handled."""
    is_open: bool = await connection.fetchval(
        "SELECT handled_at IS NULL FROM stripe_events WHERE id = $1 FOR UPDATE", event_id
    )
    return is_open


async def mark_event_handled(connection: Connection, event_id: str, now: datetime) -> None:
    await connection.execute(
        "UPDATE stripe_events SET handled_at = $2, parked_because = NULL WHERE id = $1 AND handled_at IS NULL",
        event_id,
        now,
    )


async def mark_event_parked(connection: Connection, event_id: str, because: str) -> None:
    """It stays open: it is tried again when Stripe brings it again, and by every reconciling."""
    await connection.execute(
        "UPDATE stripe_events SET parked_because = $2 WHERE id = $1 AND handled_at IS NULL", event_id, because
    )


async def open_events(connection: Connection, before: datetime, after: str, most: int) -> list[tuple[str, list[str]]]:
    """(customer, events) received before and not handled; by customer, those behind `after` first."""
    rows = await connection.fetch(
        "SELECT customer_id, array_agg(id ORDER BY received_at) FROM stripe_events "
        "WHERE handled_at IS NULL AND received_at < $1 AND customer_id > $2 "
        "GROUP BY customer_id ORDER BY customer_id LIMIT $3",
        before,
        after,
        most,
    )
    return [(row[0], row[1]) for row in rows]


async def nobodys_events(connection: Connection, before: datetime) -> list[str]:
    """Open ones that name no customer, the oldest first."""
    rows = await connection.fetch(
        "SELECT id FROM stripe_events WHERE handled_at IS NULL AND received_at < $1 AND customer_id IS NULL "
        "ORDER BY received_at",
        before,
    )
    return [row["id"] for row in rows]


async def customer_of(connection: Connection, user_id: str) -> str | None:
    customer_id: str | None = await connection.fetchval(
        "SELECT stripe_customer_id FROM users WHERE id = $1::uuid AND deleted_at IS NULL", user_id
    )
    return customer_id


async def set_customer(connection: Connection, user_id: str, customer_id: str, instead_of: str | None = None) -> bool:
    """False when the user is gone or has another customer than `instead_of`, or the customer another user."""
    row = await connection.fetchrow(
        """
        UPDATE users SET stripe_customer_id = $2
        WHERE id = $1::uuid AND deleted_at IS NULL
          AND (stripe_customer_id IS NULL OR stripe_customer_id = $2 OR stripe_customer_id = $3)
          AND NOT EXISTS (SELECT FROM users WHERE stripe_customer_id = $2 AND id <> $1::uuid)
        RETURNING 1
        """,
        user_id,
        customer_id,
        instead_of,
    )
    return row is not None


async def take_ticket(connection: Connection, customer_id: str) -> Ticket | None:
    """To be taken before Stripe is asked. None when no user has this customer."""
    row = await connection.fetchrow(
        "UPDATE users SET billing_asked = billing_asked + 1 WHERE stripe_customer_id = $1 "
        "RETURNING id::text, billing_asked, billing_applied",
        customer_id,
    )
    return None if row is None else Ticket(row["id"], row["billing_asked"], row["billing_applied"])


async def lock_user(connection: Connection, user_id: str) -> tuple[int, bool]:
    """(the number of the sync whose truth stands, whether the account was deleted), held until the transaction ends."""
    row = await connection.fetchrow(
        "SELECT billing_applied, deleted_at IS NOT NULL FROM users WHERE id = $1::uuid FOR UPDATE", user_id
    )
    assert row is not None, "a row of users is never deleted"
    return row[0], row[1]


async def mark_applied(connection: Connection, ticket: Ticket) -> None:
    await connection.execute("UPDATE users SET billing_applied = $2 WHERE id = $1::uuid", ticket.user_id, ticket.number)


async def subscriptions_of(connection: Connection, user_id: str) -> list[Row]:
    """The one that gives most first."""
    rows = await connection.fetch(
        f"{_ROWS} WHERE s.user_id = $1::uuid "
        "ORDER BY s.access_until IS NULL, s.access_until DESC, s.stripe_subscription_id",
        user_id,
    )
    return [_row(row) for row in rows]


async def standing_subscriptions(connection: Connection) -> list[Row]:
    """Everybody's that are not cancelled."""
    rows = await connection.fetch(f"{_ROWS} WHERE s.status <> 'canceled' AND u.stripe_customer_id IS NOT NULL")
    return [_row(row) for row in rows]


_ROWS = (
    "SELECT s.stripe_subscription_id, u.stripe_customer_id, s.status, s.tier, s.current_period_end, s.cancel_at, "
    "s.access_until FROM subscriptions s JOIN users u ON u.id = s.user_id"
)


def _row(row: Any) -> Row:
    return Row(row[0], row[1], row[2], Tier(row[3]), *row[4:])


async def upsert_subscription(
    connection: Connection, user_id: str, subscription: Subscription, access: Access, now: datetime
) -> None:
    await connection.execute(
        """
        INSERT INTO subscriptions (stripe_subscription_id, user_id, status, tier, price_ids, current_period_end,
                                   cancel_at, access_until, told_at)
        VALUES ($1, $2::uuid, $3, $4, $5, $6, $7, $8, $9)
        ON CONFLICT (stripe_subscription_id) DO UPDATE SET user_id = excluded.user_id, status = excluded.status,
            tier = excluded.tier, price_ids = excluded.price_ids, current_period_end = excluded.current_period_end,
            cancel_at = excluded.cancel_at, access_until = excluded.access_until, told_at = excluded.told_at
        """,
        subscription.id,
        user_id,
        subscription.status,
        access.tier.value,
        list(subscription.price_ids),
        subscription.period_end,
        subscription.cancel_at,
        access.until,
        now,
    )


async def end_other_subscriptions(connection: Connection, user_id: str, living: Sequence[str], now: datetime) -> None:
    """What Stripe does not list went with its customer."""
    await connection.execute(
        """
        UPDATE subscriptions SET status = 'canceled', access_until = NULL, told_at = $3
        WHERE user_id = $1::uuid AND stripe_subscription_id <> ALL($2::text[]) AND access_until IS NOT NULL
        """,
        user_id,
        list(living),
        now,
    )


async def tier_of(connection: Connection, user_id: str, at: datetime) -> Tier | None:
    """What the user's tier is at a moment, from what is known now. None for a user who is gone."""
    tier = await connection.fetchval(
        "SELECT tier_at(users, $2) FROM users WHERE id = $1::uuid AND deleted_at IS NULL", user_id, at
    )
    return None if tier is None else Tier(tier)


async def set_tier(connection: Connection, user_id: str, access: Access, now: datetime, cause: str) -> bool:
    """Under the user's lock. True when the tier is another than before; an audit row says so and why."""
    before: str = await connection.fetchval("SELECT tier_at(users, $2) FROM users WHERE id = $1::uuid", user_id, now)
    await connection.execute(
        "UPDATE users SET tier = $2, tier_until = $3 WHERE id = $1::uuid", user_id, access.tier.value, access.until
    )
    if before == access.tier.value:
        return False
    await _insert_change(connection, user_id, now, before, access.tier.value, cause)
    return True


async def users_past_their_time(connection: Connection, now: datetime) -> list[str]:
    rows = await connection.fetch("SELECT id::text FROM users WHERE tier_until <= $1", now)
    return [row["id"] for row in rows]


async def lapse(connection: Connection, user_id: str, now: datetime) -> int:
    """Writes down what ended by time alone: an audit row for each step, of the moment it took effect."""
    await connection.execute("SELECT FROM users WHERE id = $1::uuid FOR UPDATE", user_id)
    steps = 0
    while True:
        row = await connection.fetchrow(
            "SELECT tier, tier_until, tier_at(users, tier_until) AS next FROM users "
            "WHERE id = $1::uuid AND tier_until <= $2",
            user_id,
            now,
        )
        if row is None:
            return steps
        await connection.execute(
            """
            UPDATE users SET tier = $2, tier_until = (
                SELECT max(access_until) FROM subscriptions s
                WHERE s.user_id = users.id AND s.tier = $2 AND s.access_until > users.tier_until)
            WHERE id = $1::uuid
            """,
            user_id,
            row["next"],
        )
        if row["tier"] != row["next"]:
            steps += 1
            await _insert_change(
                connection, user_id, row["tier_until"], row["tier"], row["next"], "the time of access ended"
            )


async def _insert_change(
    connection: Connection, user_id: str, at: datetime, before: str, after: str, cause: str
) -> None:
    await connection.execute(
        "INSERT INTO tier_changes (user_id, at, from_tier, to_tier, cause) VALUES ($1::uuid, $2, $3, $4, $5)",
        user_id,
        at,
        before,
        after,
        cause,
    )
