"""What the operator asks: which jobs ran, how fresh the data is, what is stored and what was spent."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Any

from core.db import Connection
from core.queries import snapshot_storage
from core.queries.snapshot_storage import hypertable_sizes


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
    """USD of all calls to the analyst, as the budget counts them: at what is reserved where no cost was told."""
    spent: Decimal = await connection.fetchval(
        "SELECT coalesce(sum(coalesce(cost_usd, reserved_usd)), 0) FROM ai_calls WHERE at >= $1", since
    )
    return spent


async def last_funnel(connection: Connection) -> dict[str, Any] | None:
    """What became of the last analyze run's markets; the same whether it or workers analysed them."""
    row = await connection.fetchrow("SELECT * FROM analysis_funnels ORDER BY at DESC LIMIT 1")
    return None if row is None else dict(row)


async def stored(connection: Connection) -> dict[str, dict[str, int]]:
    """Rows (as last counted by VACUUM or ANALYZE) and bytes on disk of each table, the largest first.

    Of a hypertable those of its chunks, under the name of its view where it is an aggregate's.
    """
    chunked = {} if await snapshot_storage.storage(connection) == "table" else await hypertable_sizes(connection)
    rows = await connection.fetch(
        """
        SELECT relname AS name, greatest(reltuples, 0)::bigint AS rows, pg_total_relation_size(oid) AS bytes
        FROM pg_class WHERE relkind IN ('r', 'p') AND relnamespace = 'public'::regnamespace
        ORDER BY bytes DESC, name
        """
    )
    sizes = {row["name"]: (row["rows"], row["bytes"]) for row in rows} | chunked
    largest_first = sorted(sizes.items(), key=lambda size: (-size[1][1], size[0]))
    return {name: {"rows": count, "bytes": size} for name, (count, size) in largest_first}
