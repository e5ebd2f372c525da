"""Analyses that pro users ask for: rows that the requests job works off."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from core.db import Connection

_ANALYSIS = """
SELECT a.id::text, a.platform, a.market_id, m.title AS market_title, a.question, a.status, a.requested_at, a.ended_at,
       a.result, a.reason
FROM analyses a JOIN markets m USING (platform, market_id)
"""


async def insert_analysis(
    connection: Connection, user_id: str, platform: str, market_id: str, question: str | None, now: datetime, most: int
) -> str | None:
    """The request's id; None when the user has asked `most` times within a day. The market must be known."""
    await connection.execute("SELECT FROM users WHERE id = $1::uuid FOR UPDATE", user_id)
    asked: str | None = await connection.fetchval(
        """
        INSERT INTO analyses (user_id, platform, market_id, question, requested_at)
        SELECT $1::uuid, $2, $3, $4, $5
        WHERE (SELECT count(*) FROM analyses WHERE user_id = $1::uuid AND requested_at > $6) < $7
        RETURNING id::text
        """,
        user_id,
        platform,
        market_id,
        question,
        now,
        now - timedelta(days=1),
        most,
    )
    return asked


async def is_open_market(connection: Connection, platform: str, market_id: str) -> bool | None:
    """None for a market that is not known."""
    is_open: bool | None = await connection.fetchval(
        "SELECT status = 'open' AND listed FROM markets WHERE platform = $1 AND market_id = $2", platform, market_id
    )
    return is_open


async def analysis_of(connection: Connection, user_id: str, analysis_id: str) -> dict[str, Any] | None:
    row = await connection.fetchrow(f"{_ANALYSIS} WHERE a.id = $2::uuid AND a.user_id = $1::uuid", user_id, analysis_id)
    return None if row is None else dict(row)


async def analyses_of(
    connection: Connection, user_id: str, after: Sequence[Any] | None, limit: int
) -> list[dict[str, Any]]:
    """The user's, the newest first; `after` is (requested_at, id) of the last one seen."""
    requested_at, last_id = after or (None, None)
    rows = await connection.fetch(
        f"""{_ANALYSIS} WHERE a.user_id = $1::uuid
          AND ($2::timestamptz IS NULL OR (a.requested_at, a.id) < ($2, $3::uuid))
        ORDER BY a.requested_at DESC, a.id DESC LIMIT $4""",
        user_id,
        requested_at,
        last_id,
        limit,
    )
    return [dict(row) for row in rows]


async def done_since(connection: Connection, since: datetime, at: datetime, limit: int) -> list[dict[str, Any]]:
    """What was answered in (since, at], whoever asked: who did, and in which words, is not told."""
    rows = await connection.fetch(
        """
        SELECT a.platform, a.market_id, m.title AS market_title, a.ended_at, a.result
        FROM analyses a JOIN markets m USING (platform, market_id)
        WHERE a.status = 'done' AND a.ended_at > $1 AND a.ended_at <= $2 ORDER BY a.ended_at DESC, a.id LIMIT $3
        """,
        since,
        at,
        limit,
    )
    return [dict(row) for row in rows]
