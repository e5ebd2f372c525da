"""What readers are given: insights, opportunities and digests as they stood at a moment."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from core.db import Connection

_INSIGHT = """
SELECT id::text, platform, market_id, market_title, pattern_type, pattern_score::float8, category, ai_recommendation,
       confidence_score::float8, confidence_basis, win_probability::float8, one_liner, reasoning, risk_factors,
       suggested_position, edge_explanation, time_sensitivity, net_edge_cents::float8, evidence,
       price_at_emission::float8, yes_price_at_emission::float8, no_price_at_emission::float8, model, created_at,
       expires_at
FROM ai_insights
"""


async def insights_alive(
    connection: Connection, at: datetime, category: str | None = None, limit: int = 500
) -> list[dict[str, Any]]:
    """Insights that stood at `at`: published by then and not yet over, the best first."""
    rows = await connection.fetch(
        f"""{_INSIGHT}
        WHERE created_at <= $1 AND expires_at > $1 AND (ended_at IS NULL OR ended_at > $1)
          AND ($2::text IS NULL OR category = $2)
        ORDER BY array_position(ARRAY['STRONG_BET', 'GOOD_BET', 'CAUTION', 'AVOID'], ai_recommendation),
                 net_edge_cents DESC NULLS LAST, confidence_score DESC NULLS LAST, created_at DESC, id
        LIMIT $3""",
        at,
        category,
        limit,
    )
    return [dict(row) for row in rows]


async def insights_by_id(
    connection: Connection, ids: Sequence[str], published_by: datetime, category: str | None
) -> list[dict[str, Any]]:
    """These insights in the order given, whatever became of them since, without those published later."""
    rows = await connection.fetch(
        f"{_INSIGHT} WHERE id = ANY($1::uuid[]) AND created_at <= $2 AND ($3::text IS NULL OR category = $3) "
        "ORDER BY array_position($1::uuid[], id)",
        list(ids),
        published_by,
        category,
    )
    return [dict(row) for row in rows]


async def arbitrage_alive(connection: Connection, at: datetime, limit: int = 200) -> list[dict[str, Any]]:
    """Opportunities that stood at `at`, each with the time its books were read, the widest edge first."""
    rows = await connection.fetch(
        """
        SELECT id::text, opportunity_type AS type, description, kalshi_market_id AS kalshi_market,
               polymarket_market_id AS polymarket_market, edge_percentage::float8, net_edge_usd::float8,
               cost_usd::float8, shares::float8, execution_steps, risks, settlement_risk,
               confidence_score::float8 AS confidence, quoted_at, first_seen_at, expires_at
        FROM arbitrage_opportunities
        WHERE quoted_at <= $1 AND expires_at > $1 AND (withdrawn_at IS NULL OR withdrawn_at > $1)
        ORDER BY edge_percentage DESC, id LIMIT $2
        """,
        at,
        limit,
    )
    return [dict(row) for row in rows]


async def latest_digest(connection: Connection, at: datetime) -> dict[str, Any] | None:
    row = await connection.fetchrow(
        """
        SELECT day, created_at, top_picks, avoid_list, market_sentiment, arbitrage_opportunities, watchlist,
               insight_ids::text[], model
        FROM digests WHERE created_at <= $1 ORDER BY day DESC LIMIT 1
        """,
        at,
    )
    return None if row is None else dict(row)


async def freshness(connection: Connection) -> dict[str, Any]:
    """When each pipeline job last ended well, and how many open markets each venue has."""
    jobs = await connection.fetch(
        "SELECT job, max(started_at) AS at FROM job_runs "
        "WHERE status = 'ok' AND job IN ('collect', 'analyze', 'digest') GROUP BY job"
    )
    markets = await connection.fetch(
        "SELECT platform, count(*) AS open FROM markets WHERE status = 'open' AND listed GROUP BY platform"
    )
    return {
        "jobs": {row["job"]: row["at"] for row in jobs},
        "open_markets": {row["platform"]: row["open"] for row in markets},
    }


async def settled_or_expired(connection: Connection, at: datetime, limit: int) -> list[dict[str, Any]]:
    """Insights whose time was over at `at`: what a public page may show."""
    rows = await connection.fetch(
        f"{_INSIGHT} WHERE expires_at <= $1 ORDER BY expires_at DESC, id LIMIT $2",
        at,
        limit,
    )
    return [dict(row) for row in rows]
