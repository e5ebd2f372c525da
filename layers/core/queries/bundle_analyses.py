"""What the analyst said of bundles: a verdict for each wording of their rules, and the quotes that carry it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from core.db import Connection
from core.queries.arbitrage import LINKED_LEGS

RULES_DIFFER = "the analyst reads their rules as settling differently"

_COLUMNS = (
    "rules_digest bundle_key prompt_version prompt_digest settlement_risk answer evidence inputs model prompt_tokens "
    "cached_tokens completion_tokens cost_usd created_at"
).split()
_INSERT = (
    f"INSERT INTO bundle_analyses ({', '.join(_COLUMNS)}) "  # noqa: S608  column names of our own
    f"VALUES ({', '.join(f'${n}' for n in range(1, len(_COLUMNS) + 1))}) "
    "ON CONFLICT (rules_digest, prompt_version) DO NOTHING RETURNING id::text"
)


async def latest(connection: Connection, rules_digests: Sequence[int]) -> dict[int, dict[str, Any]]:
    """The last verdict on each of these wordings, in whatever words it was asked for."""
    rows = await connection.fetch(
        """
        SELECT DISTINCT ON (rules_digest) rules_digest, id::text, settlement_risk, answer, model, prompt_version,
               created_at
        FROM bundle_analyses WHERE rules_digest = ANY($1::bigint[]) ORDER BY rules_digest, created_at DESC
        """,
        list(rules_digests),
    )
    return {row["rules_digest"]: dict(row) for row in rows}


async def withheld_since(
    connection: Connection, model: str, prompt_version: str, digests: Sequence[int], since: datetime
) -> set[int]:
    """Of these wordings those on which an answer was withheld since."""
    rows = await connection.fetch(
        """
        SELECT DISTINCT evidence_digest FROM ai_calls
        WHERE outcome = 'withheld' AND evidence_digest = ANY($3::bigint[]) AND model = $1 AND prompt_version = $2
          AND at >= $4
        """,
        model,
        prompt_version,
        list(digests),
        since,
    )
    return {row["evidence_digest"] for row in rows}


async def insert(connection: Connection, row: Mapping[str, Any]) -> str | None:
    """The new verdict's id, or None where another run has stored one on the same wording meanwhile."""
    inserted: str | None = await connection.fetchval(_INSERT, *(row[name] for name in _COLUMNS))
    return inserted


async def attach(connection: Connection, row: Mapping[str, Any]) -> None:
    """To the living quote of the bundle, where it is still this one. Its settlement risk is the row's."""
    await connection.execute(
        """
        UPDATE arbitrage_opportunities SET analysis = $3, analysis_id = $4::uuid, settlement_risk = $5
        WHERE bundle_key = $1 AND quoted_at = $2 AND status = 'active'
        """,
        row["bundle_key"],
        row["quoted_at"],
        row["analysis"],
        row["analysis_id"],
        row["settlement_risk"],
    )


async def withdraw(connection: Connection, bundle_key: str, now: datetime) -> None:
    """The living quote of a bundle whose rules differ, and its life."""
    await connection.execute(
        """
        UPDATE arbitrage_opportunities SET status = 'withdrawn', withdrawn_at = $2
        WHERE bundle_key = $1 AND status = 'active'
        """,
        bundle_key,
        now,
    )
    await connection.execute(
        "UPDATE arbitrage_lives SET ended_at = $2, ended_because = $3 WHERE bundle_key = $1 AND ended_at IS NULL",
        bundle_key,
        now,
        RULES_DIFFER,
    )


async def alive(connection: Connection, at: datetime, limit: int) -> list[dict[str, Any]]:
    """The quotes that stand, the widest edge first, as they were published."""
    rows = await connection.fetch(
        f"""
        SELECT id::text, opportunity_type, description, edge_percentage, net_edge_usd, cost_usd, shares, risks,
               settlement_risk, quoted_at, {LINKED_LEGS} AS legs, settles_at, pays_if
        FROM arbitrage_opportunities
        WHERE quoted_at <= $1 AND least(expires_at, withdrawn_at) > $1
        ORDER BY -edge_percentage, id LIMIT $2
        """,  # noqa: S608  a constant of our own
        at,
        limit,
    )
    return [dict(row) for row in rows]


async def made_from(connection: Connection, opportunity_id: str) -> dict[str, Any] | None:
    """An opportunity's analysis with all that it was made from; None where there is no opportunity of that id."""
    row = await connection.fetchrow(
        """
        SELECT o.id::text, o.bundle_key, o.description, o.quoted_at, o.status, o.settlement_risk AS served_risk,
               o.analysis, a.settlement_risk, a.inputs, a.evidence, a.answer, a.model, a.prompt_version, p.system,
               p.first_used_at, a.created_at, a.prompt_tokens, a.cached_tokens, a.completion_tokens, a.cost_usd
        FROM arbitrage_opportunities o LEFT JOIN bundle_analyses a ON a.id = o.analysis_id
        LEFT JOIN ai_prompts p ON p.digest = a.prompt_digest WHERE o.id = $1::uuid
        """,
        opportunity_id,
    )
    return None if row is None else dict(row)
