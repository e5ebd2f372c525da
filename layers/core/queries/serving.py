"""What readers are given: insights, opportunities and digests as they stood at a moment."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime
from functools import cache
from typing import Any

from core.db import Connection
from core.queries.arbitrage import LINKED_LEGS
from core.queries.results import came_of

_INSIGHT = """
SELECT i.id::text, i.platform, i.market_id, i.market_title, m.yes_label AS yes_means,
       CASE WHEN m.no_label = m.yes_label THEN 'not: ' || m.yes_label ELSE m.no_label END AS no_means, m.url,
       i.pattern_type, i.pattern_score::float8, i.category, i.ai_recommendation, i.confidence_score::float8,
       i.confidence_basis, i.win_probability::float8, i.win_probability_basis, i.one_liner, i.reasoning, i.risk_factors,
       i.suggested_position,
       i.edge_explanation, i.time_sensitivity, i.net_edge_cents::float8, i.evidence, i.price_at_emission::float8,
       i.yes_price_at_emission::float8, i.no_price_at_emission::float8, i.model, i.created_at, i.expires_at
FROM ai_insights i JOIN markets m USING (platform, market_id)
"""


# The best first. The same order in every page, so that one ends where the next begins.
_KEYS = """
array_position(ARRAY['STRONG_BET', 'GOOD_BET', 'CAUTION', 'AVOID'], {i}.ai_recommendation),
coalesce(-{i}.net_edge_cents, 'Infinity'), coalesce(-{i}.confidence_score, 'Infinity'),
-extract(epoch FROM {i}.created_at), {i}.id
"""
_ORDER, _LAST = _KEYS.format(i="i"), _KEYS.format(i="last")


async def insights_alive(
    connection: Connection, at: datetime, category: str | None = None, limit: int = 500, after: str | None = None
) -> list[dict[str, Any]]:
    """Insights that stood at `at`: published by then and not yet over, the best first; those behind `after`, an id.

    What is asked for is spelt out in the statement: a plan for all cases would use the index of none.
    """
    statement = insights_statement(category=category is not None, after=after is not None)
    rows = await connection.fetch(statement, at, limit, *(given for given in (category, after) if given is not None))
    return [dict(row) for row in rows]


@cache
def insights_statement(*, category: bool, after: bool = False) -> str:
    """Of `insights_alive`: its arguments are the moment, the limit, and what is asked for of category and anchor."""
    wanted = "i.created_at <= $1 AND least(i.expires_at, i.ended_at) > $1"
    if category:
        wanted += " AND i.category = $3"
    if after:
        last = f"SELECT {_LAST} FROM ai_insights last WHERE last.id = ${4 if category else 3}::uuid"  # noqa: S608
        wanted += f" AND ({_ORDER}) > ({last})"
    return f"{_INSIGHT} WHERE {wanted} ORDER BY {_ORDER} LIMIT $2"


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


async def arbitrage_alive(
    connection: Connection, at: datetime, limit: int = 200, after: str | None = None
) -> list[dict[str, Any]]:
    """Opportunities that stood at `at`, each with the time its books were read, the widest edge first."""
    rows = await connection.fetch(
        f"""
        SELECT id::text, opportunity_type AS type, description, kalshi_market_id AS kalshi_market,
               polymarket_market_id AS polymarket_market, edge_percentage::float8, net_edge_usd::float8,
               cost_usd::float8, shares::float8, execution_steps, risks, settlement_risk,
               confidence_score::float8 AS confidence, quoted_at, first_seen_at, expires_at,
               {LINKED_LEGS} AS legs, sizes, annualised_percentage::float8, settles_at,
               CASE WHEN (analysis->>'analysed_at')::timestamptz <= $1 THEN analysis END AS analysis
        FROM arbitrage_opportunities
        WHERE quoted_at <= $1 AND least(expires_at, withdrawn_at) > $1
          AND ($3::uuid IS NULL OR (-edge_percentage, id) >
               (SELECT -last.edge_percentage, last.id FROM arbitrage_opportunities last WHERE last.id = $3))
        ORDER BY -edge_percentage, id LIMIT $2
        """,  # noqa: S608  a constant of our own
        at,
        limit,
        after,
    )
    return [dict(row) for row in rows]


async def insight(connection: Connection, insight_id: str, at: datetime) -> dict[str, Any] | None:
    """One insight as it was known at `at`, with when it ended if that was by then, and what came of it; None if
    published later."""
    row = await connection.fetchrow(
        f"""
        SELECT i.*, CASE WHEN a.ended_at <= $2 THEN a.ended_at END AS ended_at,
               CASE WHEN m.status = 'final' AND m.status_seen_at <= $2 THEN m.result END AS outcome,
               coalesce(m.status = 'final' AND m.status_seen_at <= $2, false) AS settled,
               {came_of("a", "$2")} AS came_of_it
        FROM ({_INSIGHT} WHERE i.id = $1::uuid AND i.created_at <= $2) AS i
        JOIN ai_insights a ON a.id = i.id::uuid JOIN markets m ON m.platform = i.platform AND m.market_id = i.market_id
        """,  # noqa: S608  a constant of our own
        insight_id,
        at,
    )
    return None if row is None else dict(row)


async def prices(
    connection: Connection, platform: str, market_id: str, since: datetime, until: datetime
) -> list[dict[str, Any]]:
    """Hourly closes in [since, until), the oldest first."""
    rows = await connection.fetch(
        """
        SELECT bucket AS time, close::float8 AS price, volume::float8 FROM candles_hourly
        WHERE platform = $1 AND market_id = $2 AND bucket >= $3 AND bucket < $4 ORDER BY bucket
        """,
        platform,
        market_id,
        since,
        until,
    )
    return [dict(row) for row in rows]


async def latest_digest(connection: Connection, at: datetime) -> dict[str, Any] | None:
    row = await connection.fetchrow(
        """
        SELECT day, created_at, top_picks, avoid_list, market_sentiment, arbitrage_opportunities, watchlist,
               insight_ids::text[], model, without_ai, yesterday
        FROM digests WHERE created_at <= $1 ORDER BY day DESC LIMIT 1
        """,
        at,
    )
    return None if row is None else dict(row)


async def digest_of(connection: Connection, day: date, at: datetime) -> dict[str, Any] | None:
    row = await connection.fetchrow(
        """
        SELECT day, created_at, top_picks, avoid_list, market_sentiment, arbitrage_opportunities, watchlist,
               insight_ids::text[], model, without_ai, yesterday
        FROM digests WHERE created_at <= $1 AND day = $2
        """,
        at,
        day,
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
    """Insights whose time was over at `at` or whose market settled, with what came of each: what a public page may
    show."""
    rows = await connection.fetch(
        f"""
        SELECT i.*, {came_of("a", "$1")} AS came_of_it
        FROM ({_INSIGHT} WHERE i.expires_at <= $1 OR m.status = 'final'
              ORDER BY least(i.expires_at, i.ended_at) DESC, i.id LIMIT $2) AS i
        JOIN ai_insights a ON a.id = i.id::uuid ORDER BY least(a.expires_at, a.ended_at) DESC, a.id
        """,  # noqa: S608  constants of our own
        at,
        limit,
    )
    return [dict(row) for row in rows]
