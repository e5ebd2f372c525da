"""What readers are given: insights, opportunities and digests as they stood at a moment."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from core.db import Connection

_INSIGHT = """
SELECT i.id::text, i.platform, i.market_id, i.market_title, m.yes_label AS yes_means,
       CASE WHEN m.no_label = m.yes_label THEN 'not: ' || m.yes_label ELSE m.no_label END AS no_means,
       i.pattern_type, i.pattern_score::float8, i.category, i.ai_recommendation, i.confidence_score::float8,
       i.confidence_basis, i.win_probability::float8, i.one_liner, i.reasoning, i.risk_factors, i.suggested_position,
       i.edge_explanation, i.time_sensitivity, i.net_edge_cents::float8, i.evidence, i.price_at_emission::float8,
       i.yes_price_at_emission::float8, i.no_price_at_emission::float8, i.model, i.created_at, i.expires_at
FROM ai_insights i JOIN markets m USING (platform, market_id)
"""


async def insights_alive(
    connection: Connection, at: datetime, category: str | None = None, limit: int = 500
) -> list[dict[str, Any]]:
    """Insights that stood at `at`: published by then and not yet over, the best first."""
    rows = await connection.fetch(
        f"""{_INSIGHT}
        WHERE i.created_at <= $1 AND i.expires_at > $1 AND (i.ended_at IS NULL OR i.ended_at > $1)
          AND ($2::text IS NULL OR i.category = $2)
        ORDER BY array_position(ARRAY['STRONG_BET', 'GOOD_BET', 'CAUTION', 'AVOID'], i.ai_recommendation),
                 i.net_edge_cents DESC NULLS LAST, i.confidence_score DESC NULLS LAST, i.created_at DESC, i.id
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
        f"{_INSIGHT} WHERE i.id = ANY($1::uuid[]) AND i.created_at <= $2 AND ($3::text IS NULL OR i.category = $3) "
        "ORDER BY array_position($1::uuid[], i.id)",
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
               confidence_score::float8 AS confidence, quoted_at, first_seen_at, expires_at,
               legs, sizes, annualised_percentage::float8, settles_at
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
    """When each pipeline job last ended well; of each venue how many markets are open and when it was read whole."""
    jobs = await connection.fetch(
        "SELECT job, max(started_at) AS at FROM job_runs "
        "WHERE status = 'ok' AND job IN ('collect', 'analyze') GROUP BY job "
        "UNION ALL SELECT 'digest', max(created_at) FROM digests HAVING count(*) > 0"
    )
    venues = await connection.fetch(
        """
        SELECT v.platform, v.swept_at, count(m.market_id) AS open FROM venue_sweeps v
        LEFT JOIN markets m ON m.platform = v.platform AND m.status = 'open' AND m.listed AND m.missing_since IS NULL
        GROUP BY v.platform ORDER BY v.platform
        """
    )
    return {
        "jobs": {row["job"]: row["at"] for row in jobs},
        "venues": {row["platform"]: {"open": row["open"], "swept_at": row["swept_at"]} for row in venues},
    }


async def settled_or_expired(connection: Connection, at: datetime, limit: int) -> list[dict[str, Any]]:
    """Insights whose time was over at `at` or whose market settled: what a public page may show."""
    rows = await connection.fetch(
        f"{_INSIGHT} WHERE i.expires_at <= $1 OR m.status = 'final' "
        "ORDER BY least(i.expires_at, i.ended_at) DESC, i.id LIMIT $2",
        at,
        limit,
    )
    return [dict(row) for row in rows]
