"""What upkeep takes from accounts and billing once nobody needs it. Their time is the real one."""

from __future__ import annotations

from typing import Literal

from core.db import Connection

Forgotten = Literal["stripe_events", "sessions", "mail_tokens", "users"]

# What of a table nobody needs any more after $1 days.
_OVER: dict[Forgotten, str] = {
    # One that is open is still to be looked at. Its name stays: a copy that comes later is known by it.
    "stripe_events": "t.handled_at < now() - make_interval(days => $1) AND t.body <> '{}'",
    "sessions": "t.expires_at < now() - make_interval(days => $1)",
    "mail_tokens": "t.expires_at < now() - make_interval(days => $1)",
    # Whoever typed the address never showed that it is theirs, so there was never a session, a key or a customer.
    "users": """
        t.email_verified_at IS NULL AND t.deleted_at IS NULL AND t.stripe_customer_id IS NULL
        AND t.created_at < now() - make_interval(days => $1)
        AND NOT EXISTS (SELECT FROM mail_tokens m WHERE m.user_id = t.id)
        """,
}


async def forget(connection: Connection, table: Forgotten, days: int, most: int, timeout_s: float) -> int:
    """Deletes at most so many rows that have been over for so many days; of an event only what it said."""
    # A row that somebody else holds is in use: it may be another by the time it is free.
    found = f"SELECT t.ctid FROM {table} t WHERE {_OVER[table]} LIMIT $2 FOR UPDATE SKIP LOCKED"  # noqa: S608  ours
    act = "UPDATE stripe_events SET body = '{}'" if table == "stripe_events" else f"DELETE FROM {table}"  # noqa: S608
    status = await connection.execute(f"{act} WHERE ctid = ANY(ARRAY({found}))", days, most, timeout=timeout_s)
    return int(status.split()[-1])
