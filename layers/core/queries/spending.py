"""What calls to the analyst cost: reserved before they are made, corrected after, and told."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any, Literal

from core.db import Connection, storable

Part = Literal["insights", "deep", "requests", "bundles", "digest"]
Outcome = Literal["answered", "published", "withheld", "rejected", "unavailable"]

_ONE_AT_A_TIME = 4_715_002  # our number for the lock under which budgets are looked at and taken from

_WITHOUT_THE_DISK = "set_config('synchronous_commit', 'off', true)"


@dataclass(frozen=True, slots=True)
class Wanted:
    """A call that is to be made. `run` names its run; `usd` and `tokens` are the most it can cost and use."""

    at: datetime
    run: str
    part: Part
    platform: str
    market_id: str
    model: str
    prompt_version: str
    evidence_digest: int
    usd: Decimal
    tokens: int


@dataclass(frozen=True, slots=True)
class Spent:
    """Of a day: by part in dollars, of the run alone, and all tokens. What is under way counts as reserved."""

    usd: dict[str, Decimal]
    run_usd: Decimal
    tokens: int

    def plus(self, call: Wanted) -> Spent:
        usd = self.usd | {call.part: self.usd.get(call.part, Decimal(0)) + call.usd}
        return Spent(usd, self.run_usd + call.usd, self.tokens + call.tokens)


async def spent_for(connection: Connection, since: datetime, run: str) -> Spent:
    """Until the transaction's end nobody else is told: what is then reserved is reserved on what is true.

    The transaction does not wait for the disk, on which all others would wait too: a server that breaks down in that
    moment takes the run with it, and forgets what its last calls cost.
    """
    await connection.execute(f"SELECT {_WITHOUT_THE_DISK}, pg_advisory_xact_lock($1)", _ONE_AT_A_TIME)
    rows = await connection.fetch(
        """
        SELECT part, sum(coalesce(cost_usd, reserved_usd)) AS usd,
               coalesce(sum(coalesce(cost_usd, reserved_usd)) FILTER (WHERE run = $2), 0) AS run_usd,
               sum(coalesce(prompt_tokens - cached_tokens + completion_tokens, reserved_tokens)) AS tokens
        FROM ai_calls WHERE at >= $1 GROUP BY part
        """,
        since,
        run,
    )
    return Spent(
        {row["part"]: row["usd"] for row in rows},
        sum((row["run_usd"] for row in rows), Decimal(0)),
        sum(row["tokens"] for row in rows),
    )


@dataclass(frozen=True, slots=True)
class Minute:
    """What counts against one model's limits of a minute, of all processes together."""

    calls: int
    tokens: int

    def plus(self, call: Wanted) -> Minute:
        return Minute(self.calls + 1, self.tokens + call.tokens)


async def minute_of(connection: Connection, model: str, longest_s: float) -> Minute:
    """Under the lock of `spent_for`, by the database's clock.

    A call counts from its reservation until a minute after its end: whenever in between it was sent, no sixty seconds
    hold more than the limit. Of one whose worker died nobody tells the end: it counts as if it took `longest_s`.
    """
    (row,) = await connection.fetch(
        """
        SELECT count(*) AS calls,
               coalesce(sum(coalesce(prompt_tokens - cached_tokens + completion_tokens, reserved_tokens)), 0) AS tokens
        FROM ai_calls
        WHERE model = $1 AND reserved_at > clock_timestamp() - interval '1 hour'
          AND coalesce(ended_at, reserved_at + make_interval(secs => $2)) > clock_timestamp() - interval '1 minute'
        """,
        model,
        longest_s,
    )
    return Minute(row["calls"], row["tokens"])


async def insert_call(connection: Connection, call: Wanted) -> str:
    inserted: str = await connection.fetchval(
        """
        INSERT INTO ai_calls (at, run, part, platform, market_id, model, prompt_version, evidence_digest, reserved_usd,
            reserved_tokens)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10) RETURNING id::text
        """,
        call.at,
        call.run,
        call.part,
        call.platform,
        call.market_id,
        call.model,
        call.prompt_version,
        call.evidence_digest,
        call.usd,
        call.tokens,
    )
    return inserted


async def mark_call(
    connection: Connection, call_id: str, outcome: Outcome, cost_usd: Decimal | None, tokens: Sequence[int | None]
) -> None:
    """`tokens`: of the prompt, of those cached, of the completion. Without a cost the reserved one stands."""
    await connection.execute(
        f"""
        WITH quick AS (SELECT {_WITHOUT_THE_DISK})
        UPDATE ai_calls SET outcome = $2, cost_usd = $3, prompt_tokens = $4, cached_tokens = $5,
            completion_tokens = $6, ended_at = clock_timestamp()
        FROM quick WHERE id = $1::uuid
        """,  # noqa: S608  a constant of our own
        call_id,
        outcome,
        cost_usd,
        *tokens,
    )


async def mark_outcome(connection: Connection, call_ids: Sequence[str], outcome: Outcome) -> None:
    await connection.execute("UPDATE ai_calls SET outcome = $2 WHERE id = ANY($1::uuid[])", list(call_ids), outcome)


async def withheld_before(connection: Connection, model: str, prompt_version: str, digests: Sequence[int]) -> set[int]:
    """Of these fingerprints of evidence those of which the answer was withheld, repaired or not."""
    rows = await connection.fetch(
        """
        SELECT DISTINCT evidence_digest FROM ai_calls
        WHERE outcome = 'withheld' AND evidence_digest = ANY($3::bigint[]) AND model = $1 AND prompt_version = $2
        """,
        model,
        prompt_version,
        list(digests),
    )
    return {row["evidence_digest"] for row in rows}


async def answers_before(
    connection: Connection, prompt_version: str, digests: Sequence[int]
) -> dict[int, tuple[dict[str, Any], str]]:
    """(answer, model) of the last insight that was published on each of these fingerprints of evidence."""
    rows = await connection.fetch(
        """
        SELECT DISTINCT ON (evidence_digest) evidence_digest, answer, model FROM ai_insights
        WHERE evidence_digest = ANY($2::bigint[]) AND prompt_version = $1 ORDER BY evidence_digest, created_at DESC
        """,
        prompt_version,
        list(digests),
    )
    return {row["evidence_digest"]: (row["answer"], row["model"]) for row in rows}


async def pause_of(connection: Connection, model: str, now: datetime) -> tuple[datetime, str] | None:
    """Until when this model is not to be asked, and what its service said; None when it may be."""
    row = await connection.fetchrow("SELECT until, reason FROM ai_pauses WHERE model = $1 AND until > $2", model, now)
    return None if row is None else (row["until"], row["reason"])


async def upsert_pause(connection: Connection, model: str, until: datetime, reason: str) -> None:
    await connection.execute(
        """
        INSERT INTO ai_pauses AS known (model, until, reason) VALUES ($1, $2, $3)
        ON CONFLICT (model) DO UPDATE SET until = greatest(known.until, excluded.until), reason = excluded.reason
        """,
        model,
        until,
        storable(reason),
    )


async def insert_prompt(connection: Connection, digest: int, version: str, system: str, now: datetime) -> None:
    await connection.execute(
        "INSERT INTO ai_prompts (digest, version, system, first_used_at) VALUES ($1, $2, $3, $4) "
        "ON CONFLICT DO NOTHING",
        digest,
        version,
        storable(system),
        now,
    )


async def costs(connection: Connection, since: datetime, until: datetime) -> list[dict[str, Any]]:
    """By UTC day, part and model of the calls in [since, until): how many, what became of them, tokens and dollars.

    `unknown_usd` is what was reserved for calls whose cost nobody told; it counts in `usd`.
    """
    rows = await connection.fetch(
        """
        SELECT (at AT TIME ZONE 'UTC')::date AS day, part, model, count(*) AS calls,
               count(*) FILTER (WHERE outcome = 'published') AS published,
               count(*) FILTER (WHERE outcome = 'withheld') AS withheld,
               count(*) FILTER (WHERE outcome IN ('rejected', 'unavailable')) AS failed,
               coalesce(sum(prompt_tokens), 0) AS prompt_tokens, coalesce(sum(cached_tokens), 0) AS cached_tokens,
               coalesce(sum(completion_tokens), 0) AS completion_tokens,
               sum(coalesce(cost_usd, reserved_usd)) AS usd,
               coalesce(sum(reserved_usd) FILTER (WHERE cost_usd IS NULL), 0) AS unknown_usd
        FROM ai_calls WHERE at >= $1 AND at < $2 GROUP BY day, part, model ORDER BY day, part, model
        """,
        since,
        until,
    )
    return [dict(row) for row in rows]


async def made_from(connection: Connection, insight_id: str) -> dict[str, Any] | None:
    """An insight with all that it was made from; None where there is none of that id."""
    row = await connection.fetchrow(
        """
        SELECT i.id::text, i.platform, i.market_id, i.market_title, i.created_at, i.status, i.inputs, i.evidence,
               i.answer, i.net_edge_cents, i.model, i.prompt_version, p.system, p.first_used_at, i.prompt_tokens,
               i.cached_tokens, i.completion_tokens, i.cost_usd
        FROM ai_insights i LEFT JOIN ai_prompts p ON p.digest = i.prompt_digest WHERE i.id = $1::uuid
        """,
        insight_id,
    )
    return None if row is None else dict(row)
