"""Analyses that pro users ask for: rows that the requests job works off."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from core.db import Connection, storable
from core.models import Pattern

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


@dataclass(frozen=True, slots=True)
class Waiting:
    """A request that is to be worked off. `is_own`: of a run's best insights, asked by no user."""

    id: str
    platform: str
    market_id: str
    question: str | None
    is_own: bool
    is_open: bool

    @property
    def key(self) -> tuple[str, str]:
        return self.platform, self.market_id


async def insert_own(connection: Connection, run: datetime, now: datetime, most: int) -> int:
    """Asks for the best of what the run of that time published, or its workers did, but for markets that had one
    within a day. Returns how many."""
    status = await connection.execute(
        """
        INSERT INTO analyses (platform, market_id, requested_at)
        SELECT i.platform, i.market_id, $1 FROM ai_insights i
        WHERE i.created_at >= $3 AND i.status = 'active' AND (i.created_at = $3 OR EXISTS (
            SELECT FROM analysis_tasks t WHERE t.run = $3 AND t.platform = i.platform AND t.market_id = i.market_id
            AND t.outcome = 'published')
        ) AND NOT EXISTS (
            SELECT FROM analyses a WHERE a.platform = i.platform AND a.market_id = i.market_id
            AND a.user_id IS NULL AND a.requested_at > $1::timestamptz - interval '1 day')
        ORDER BY i.pattern_score DESC, i.id LIMIT $2
        ON CONFLICT DO NOTHING
        """,
        now,
        most,
        run,
    )
    return int(status.split()[-1])


async def take_waiting(connection: Connection, most: int) -> list[Waiting]:
    """Under the job's lease: what is still called running then was left by a run that was killed.

    Users take turns, so that one with many does not hold up the others; what nobody asked for comes last.
    """
    rows = await connection.fetch(
        """
        WITH turns AS (
            SELECT id, user_id, requested_at, row_number() OVER (PARTITION BY user_id ORDER BY requested_at, id) AS turn
            FROM analyses WHERE status IN ('queued', 'running')
        ), taken AS (
            SELECT id, row_number() OVER (ORDER BY user_id IS NULL, turn, requested_at, id) AS place
            FROM turns ORDER BY place LIMIT $1
        )
        UPDATE analyses a SET status = 'running' FROM taken, markets m
        WHERE a.id = taken.id AND m.platform = a.platform AND m.market_id = a.market_id
        RETURNING a.id::text, a.platform, a.market_id, a.question, a.user_id IS NULL AS is_own,
                  m.status = 'open' AND m.listed AS is_open, taken.place
        """,
        most,
    )
    names = ("id", "platform", "market_id", "question", "is_own", "is_open")
    return [Waiting(*(row[name] for name in names)) for row in sorted(rows, key=lambda row: row["place"])]


async def put_back(connection: Connection, ids: Sequence[str]) -> None:
    """What is not answered is queued again."""
    await connection.execute(
        "UPDATE analyses SET status = 'queued' WHERE id = ANY($1::uuid[]) AND status = 'running'", list(ids)
    )


async def give_up(connection: Connection, before: datetime, now: datetime) -> int:
    status = await connection.execute(
        """
        UPDATE analyses SET status = 'failed', ended_at = $2, reason = 'it could not be made in time'
        WHERE status IN ('queued', 'running') AND requested_at < $1
        """,
        before,
        now,
    )
    return int(status.split()[-1])


async def mark_failed(connection: Connection, ids: Sequence[str], reason: str, now: datetime) -> None:
    await connection.execute(
        "UPDATE analyses SET status = 'failed', reason = $2, ended_at = $3 WHERE id = ANY($1::uuid[])",
        list(ids),
        reason,
        now,
    )


_MADE = """
UPDATE analyses SET status = $2, ended_at = $3, evidence_digest = $4, result = $5, reason = $6, model = $7,
       prompt_version = $8, inputs = $9, prompt_tokens = $10, cached_tokens = $11, completion_tokens = $12,
       cost_usd = $13
WHERE id = ANY($1::uuid[])
"""
_MADE_COLUMNS = ("model", "prompt_version", "inputs", "prompt_tokens", "cached_tokens", "completion_tokens", "cost_usd")


async def mark_done(
    connection: Connection,
    ids: Sequence[str],
    result: Mapping[str, Any],
    now: datetime,
    evidence_digest: int,
    made: Mapping[str, Any],
) -> None:
    """`made`: model, prompt_version, inputs, tokens and cost_usd; empty where it was known already."""
    await _end(connection, ids[:1], "done", now, evidence_digest, result, None, made)
    await _end(connection, ids[1:], "done", now, evidence_digest, result, None, {})


async def mark_withheld(
    connection: Connection,
    ids: Sequence[str],
    reason: str,
    now: datetime,
    evidence_digest: int,
    made: Mapping[str, Any],
) -> None:
    await _end(connection, ids[:1], "withheld", now, evidence_digest, None, storable(reason), made)
    await _end(connection, ids[1:], "withheld", now, evidence_digest, None, storable(reason), {})


async def _end(
    connection: Connection,
    ids: Sequence[str],
    status: str,
    now: datetime,
    evidence_digest: int,
    result: Mapping[str, Any] | None,
    reason: str | None,
    made: Mapping[str, Any],
) -> None:
    await connection.execute(
        _MADE, list(ids), status, now, evidence_digest, result, reason, *(made.get(name) for name in _MADE_COLUMNS)
    )


async def answered_before(
    connection: Connection, evidence_digest: int, prompt_version: str, question: str | None, since: datetime
) -> dict[str, Any] | None:
    """The result of the last analysis of the same evidence for the same question that ended since then."""
    found: dict[str, Any] | None = await connection.fetchval(
        """
        SELECT result FROM analyses WHERE status = 'done' AND ended_at > $4 AND evidence_digest = $1
          AND result ->> 'prompt_version' = $2 AND question IS NOT DISTINCT FROM $3
        ORDER BY ended_at DESC LIMIT 1
        """,
        evidence_digest,
        prompt_version,
        question,
        since,
    )
    return found


async def latest_patterns(
    connection: Connection, keys: Sequence[tuple[str, str]], since: datetime
) -> dict[tuple[str, str], Pattern]:
    """Of these markets the loudest pattern of the last run that found one in each, since then."""
    rows = await connection.fetch(
        """
        SELECT DISTINCT ON (platform, market_id)
               platform, market_id, event_id, category, detector, score::float8, numbers
        FROM patterns JOIN unnest($1::text[], $2::text[]) AS wanted (platform, market_id) USING (platform, market_id)
        WHERE detected_at >= $3 ORDER BY platform, market_id, detected_at DESC, score DESC
        """,
        [platform for platform, _ in keys],
        [market_id for _, market_id in keys],
        since,
    )
    return {(row["platform"], row["market_id"]): Pattern(**dict(row)) for row in rows}
