"""What an analyze run reads and writes: history, patterns, opportunities, insights, digests."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from core.db import Connection, storable
from core.models import Pattern, Platform
from core.queries.open_markets import CURRENT


async def set_aside(connection: Connection, now: datetime, max_quote_age_s: float) -> dict[str, int]:
    """How many open, listed markets analysis leaves out, by the first reason that holds."""
    rows = await connection.fetch(
        f"""
        SELECT CASE WHEN m.close_time <= $1 THEN 'past its closing time'
                    WHEN m.missing_since IS NOT NULL THEN 'not in the last listing'
                    ELSE m.platform || ' not read lately' END AS reason, count(*) AS markets
        FROM markets m LEFT JOIN venue_sweeps v USING (platform)
        WHERE m.status = 'open' AND m.listed AND ({CURRENT}) IS NOT TRUE GROUP BY reason ORDER BY reason
        """,  # noqa: S608  a constant of our own
        now,
        max_quote_age_s,
    )
    return {row["reason"]: row["markets"] for row in rows}


async def rules_of(connection: Connection, platform: Platform, market_ids: Sequence[str]) -> dict[str, str]:
    rows = await connection.fetch(
        "SELECT market_id, rules FROM markets WHERE platform = $1 AND market_id = ANY($2::text[])",
        platform,
        list(market_ids),
    )
    return {row["market_id"]: row["rules"] for row in rows}


async def insert_patterns(connection: Connection, patterns: Iterable[Pattern], now: datetime) -> None:
    await connection.executemany(
        """
        INSERT INTO patterns (detected_at, platform, market_id, event_id, category, detector, score, numbers)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT DO NOTHING
        """,
        [
            (now, p.platform, p.market_id, p.event_id, p.category, p.detector, Decimal(str(p.score)), p.numbers)
            for p in patterns
        ],
    )


async def end_insights(connection: Connection, now: datetime) -> int:
    """Marks insights whose time is up, and ends those whose market trades no more. Returns how many of the latter."""
    await connection.execute(
        "UPDATE ai_insights SET status = 'expired', ended_at = expires_at WHERE status = 'active' AND expires_at <= $1",
        now,
    )
    status = await connection.execute(
        """
        UPDATE ai_insights i SET status = 'closed', ended_at = $1 FROM markets m
        WHERE i.status = 'active' AND m.platform = i.platform AND m.market_id = i.market_id
          AND NOT (m.status = 'open' AND m.listed)
        """,
        now,
    )
    return int(status.split()[-1])


async def standing_bets(connection: Connection) -> list[tuple[str, str, str, str]]:
    """(id, platform, market_id, side) of the living insights that take a side."""
    rows = await connection.fetch(
        "SELECT id::text, platform, market_id, suggested_position FROM ai_insights "
        "WHERE status = 'active' AND suggested_position <> 'WAIT'"
    )
    return [(row["id"], row["platform"], row["market_id"], row["suggested_position"]) for row in rows]


async def supersede_insights(connection: Connection, ids: Sequence[str], now: datetime) -> None:
    await connection.execute(
        "UPDATE ai_insights SET status = 'superseded', ended_at = $2 WHERE id = ANY($1::uuid[]) AND status = 'active'",
        list(ids),
        now,
    )


async def alive_insights(connection: Connection) -> set[tuple[str, str]]:
    """(platform, market_id) of the insights that stand, after `end_insights`."""
    rows = await connection.fetch("SELECT platform, market_id FROM ai_insights WHERE status = 'active'")
    return {(row["platform"], row["market_id"]) for row in rows}


async def is_alive(connection: Connection, platform: Platform, market_id: str) -> bool:
    """Whether the market has an insight that stands."""
    alive: bool = await connection.fetchval(
        "SELECT EXISTS (SELECT FROM ai_insights WHERE status = 'active' AND platform = $1 AND market_id = $2)",
        platform,
        market_id,
    )
    return alive


_INSIGHT_COLUMNS = (
    "platform market_id market_title pattern_type pattern_score category ai_recommendation "
    "confidence_score confidence_basis win_probability one_liner reasoning risk_factors "
    "suggested_position edge_explanation time_sensitivity net_edge_cents evidence evidence_digest "
    "answer price_at_emission yes_price_at_emission no_price_at_emission model prompt_version "
    "prompt_tokens cached_tokens completion_tokens cost_usd created_at expires_at inputs prompt_digest "
    "win_probability_basis win_baseline raw_win_probability raw_confidence_score"
).split()
_INSERT_INSIGHT = (
    f"INSERT INTO ai_insights ({', '.join(_INSIGHT_COLUMNS)}) "  # noqa: S608  column names of our own
    f"VALUES ({', '.join(f'${n}' for n in range(1, len(_INSIGHT_COLUMNS) + 1))}) "
    "ON CONFLICT (platform, market_id) WHERE status = 'active' DO NOTHING RETURNING id::text"
)


async def insert_insight(connection: Connection, row: Mapping[str, Any]) -> str | None:
    """The new insight's id, or None when its market has a living one already."""
    inserted: str | None = await connection.fetchval(_INSERT_INSIGHT, *(row[name] for name in _INSIGHT_COLUMNS))
    return inserted


async def insert_withheld(
    connection: Connection,
    now: datetime,
    platform: str,
    market_id: str,
    reason: str,
    detail: str,
    model: str,
    cost: Decimal,
) -> None:
    """`platform` and `market_id`: of what is no market by itself, those of its first leg, or empty."""
    await connection.execute(
        """
        INSERT INTO withheld_insights (at, platform, market_id, reason, detail, model, cost_usd)
        VALUES ($1, $2, $3, $4, $5, $6, $7)
        """,
        now,
        platform,
        market_id,
        reason,
        storable(detail[:2_000]),
        model,
        cost,
    )


_MADE = ("answer inputs prompt_version prompt_digest prompt_tokens cached_tokens completion_tokens cost_usd").split()


async def insert_digest(connection: Connection, row: Mapping[str, Any]) -> bool:
    """False when the day has its digest already. `made`: what the analyst's was made from, else None."""
    made = row["made"] or {}
    day = await connection.fetchval(
        """
        INSERT INTO digests (day, created_at, top_picks, avoid_list, market_sentiment, arbitrage_opportunities,
            watchlist, insight_ids, model, without_ai, answer, inputs, prompt_version, prompt_digest, prompt_tokens,
            cached_tokens, completion_tokens, cost_usd, yesterday)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8::uuid[], $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19)
        ON CONFLICT (day) DO NOTHING RETURNING day
        """,
        row["day"],
        row["created_at"],
        row["top_picks"],
        row["avoid_list"],
        row["market_sentiment"],
        row["arbitrage_opportunities"],
        row["watchlist"],
        row["insight_ids"],
        row["model"],
        row["without_ai"],
        *(made.get(name) for name in _MADE),
        row["yesterday"],
    )
    return day is not None


async def has_digest(connection: Connection, day: date) -> bool:
    found: bool = await connection.fetchval("SELECT EXISTS (SELECT FROM digests WHERE day = $1)", day)
    return found


async def digest_made_from(connection: Connection, day: date) -> dict[str, Any] | None:
    """A day's digest with all that it was made from; None where that day has none."""
    row = await connection.fetchrow(
        """
        SELECT d.day, d.created_at, d.without_ai, d.inputs, d.answer, d.model, d.prompt_version, p.system,
               p.first_used_at, d.prompt_tokens, d.cached_tokens, d.completion_tokens, d.cost_usd
        FROM digests d LEFT JOIN ai_prompts p ON p.digest = d.prompt_digest WHERE d.day = $1
        """,
        day,
    )
    return None if row is None else dict(row)
