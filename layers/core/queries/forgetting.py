"""What upkeep takes from accounts and billing once nobody needs it. Their time is the real one."""

from __future__ import annotations

from typing import Literal

from core.db import Connection

Forgotten = Literal["stripe_events", "sessions", "mail_tokens", "users"]


async def forget(connection: Connection, table: Forgotten, days: int, most: int, timeout_s: float) -> int:
    """Deletes at most so many rows that have been over for so many days; of an event only what it said.

    By a function of the database (sql/versions/0017), so that a home server's role needs no right to these tables.
    """
    gone: int = await connection.fetchval("SELECT forget($1, $2, $3)", table, days, most, timeout=timeout_s)
    return gone
