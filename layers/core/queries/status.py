"""What the operator asks: which jobs ran, how fresh the data is, what is stored and what was spent."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Any

from core.db import Connection


async def installed(connection: Connection) -> tuple[datetime, datetime | None]:
    """(now, when the first run on record began), by the database's clock."""
    row = await connection.fetchrow("SELECT clock_timestamp() AS now, min(began_at) AS first FROM job_runs")
    assert row is not None
    return row["now"], row["first"]


async def last_runs(connection: Connection) -> dict[str, dict[str, Any]]:
    """Of each job that ever ran: when its last good run began, and how its last run ended."""
    rows = await connection.fetch(
        """
        SELECT DISTINCT ON (job) job, status, began_at, seconds, error, split_part(holder, ':', 1) AS host,
               max(began_at) FILTER (WHERE status = 'ok') OVER (PARTITION BY job) AS ok_at
        FROM job_runs ORDER BY job, began_at DESC
        """
    )
    return {row["job"]: dict(row) for row in rows}


async def freshness(connection: Connection) -> dict[str, datetime | None]:
    """When each kind of data was last added to, by the clock of whoever added it."""
    row = await connection.fetchrow(
        """
        SELECT (SELECT max(time) FROM market_latest) AS newest_price,
               (SELECT min(swept_at) FROM venue_sweeps) AS oldest_sweep,
               (SELECT max(created_at) FROM ai_insights) AS newest_insight,
               (SELECT max(quoted_at) FROM arbitrage_opportunities) AS newest_quote,
               (SELECT max(created_at) FROM digests) AS newest_digest
        """
    )
    assert row is not None
    return dict(row)


async def spent_since(connection: Connection, since: datetime) -> Decimal:
    """USD that answers of the analyst cost, the withheld ones too."""
    spent: Decimal = await connection.fetchval(
        """
        SELECT coalesce((SELECT sum(cost_usd) FROM ai_insights WHERE created_at >= $1), 0)
             + coalesce((SELECT sum(cost_usd) FROM withheld_insights WHERE at >= $1), 0)
        """,
        since,
    )
    return spent


async def stored(connection: Connection) -> dict[str, dict[str, int]]:
    """Rows (as last counted by VACUUM or ANALYZE) and bytes on disk of each table, the largest first."""
    rows = await connection.fetch(
        """
        SELECT relname AS name, greatest(reltuples, 0)::bigint AS rows, pg_total_relation_size(oid) AS bytes
        FROM pg_class WHERE relkind IN ('r', 'p') AND relnamespace = 'public'::regnamespace
        ORDER BY bytes DESC, name
        """
    )
    return {row["name"]: {"rows": row["rows"], "bytes": row["bytes"]} for row in rows}
