"""Markets as readers look for them: by words, venue, category and state; and one market's prices over time."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Literal

from core.db import Connection

Interval = Literal["snapshot", "hour", "day"]

# A common word is in tens of thousands of titles: of those this many are ranked.
RANKED_MOST = 1_000

_MARKET = """
SELECT m.platform, m.market_id, m.title, coalesce(e.category, m.category, f.category) AS category, m.event_id, m.status,
       m.yes_label, m.no_label, m.url, m.open_time, m.close_time, m.result, m.payout::float8, m.settled_at,
       l.price::float8, l.yes_price::float8, l.no_price::float8, l.last_price::float8, l.volume::float8,
       l.volume_24h::float8, l.open_interest::float8, l.liquidity::float8, l.time AS priced_at, m.number
"""
# As analysis tells it: the event's category, the market's own, or Kalshi's series'.
_CATEGORY = (
    "LEFT JOIN events e USING (platform, event_id) "
    "LEFT JOIN series_fees f ON m.platform = 'kalshi' AND f.series = e.series"
)
_JOINS = f"{_CATEGORY} LEFT JOIN market_latest l USING (platform, market_id)"


async def markets(
    connection: Connection,
    *,
    platform: str | None,
    category: str | None,
    ended: bool,
    after: int | None,
    limit: int,
) -> list[dict[str, Any]]:
    """Open markets, or those that ended, the newest first; `after` is the last one's number."""
    arguments: list[Any] = [limit]
    wanted = ["m.status NOT IN ('unopened', 'open', 'paused')" if ended else "m.status = 'open' AND m.listed"]
    wanted += _filters(arguments, platform, category)
    if after is not None:
        arguments.append(after)
        wanted.append(f"m.number < ${len(arguments)}")
    rows = await connection.fetch(
        f"{_MARKET} FROM markets m {_JOINS} WHERE {' AND '.join(wanted)} ORDER BY m.number DESC LIMIT $1", *arguments
    )
    return [dict(row) for row in rows]


async def markets_matching(
    connection: Connection,
    words: str,
    *,
    platform: str | None,
    category: str | None,
    ended: bool,
    after: Sequence[Any] | None,
    limit: int,
) -> list[dict[str, Any]]:
    """The best matches of a web-style query ("exact words", or, -without), with `rank`; `after` is (rank, number)."""
    arguments: list[Any] = [words, limit, RANKED_MOST]
    wanted = [
        "m.search @@ q",
        "m.status NOT IN ('unopened', 'open', 'paused')" if ended else "m.status = 'open' AND m.listed",
    ]
    wanted += _filters(arguments, platform, category)
    behind = ""
    if after is not None:
        arguments += after
        behind = f"WHERE (-rank, -number) > (-${len(arguments) - 1}::float8, -${len(arguments)}::integer)"
    rows = await connection.fetch(
        f"""
        WITH found AS (
            SELECT m.platform, m.market_id, m.number, ts_rank(m.search, q)::float8 AS rank
            FROM markets m {_CATEGORY} CROSS JOIN websearch_to_tsquery('english', $1) AS q
            WHERE {" AND ".join(wanted)} LIMIT $3
        ), best AS (
            SELECT * FROM found {behind} ORDER BY -rank, -number LIMIT $2
        )
        {_MARKET}, b.rank FROM best b JOIN markets m USING (platform, market_id) {_JOINS} ORDER BY -b.rank, -m.number
        """,  # noqa: S608  clauses of our own
        *arguments,
    )
    return [dict(row) for row in rows]


def _filters(arguments: list[Any], platform: str | None, category: str | None) -> list[str]:
    wanted = []
    if platform is not None:
        arguments.append(platform)
        wanted.append(f"m.platform = ${len(arguments)}")
    if category is not None:
        arguments.append(category)
        wanted.append(f"coalesce(e.category, m.category, f.category) = ${len(arguments)}")
    return wanted


async def market(connection: Connection, platform: str, market_id: str) -> dict[str, Any] | None:
    row = await connection.fetchrow(
        f"{_MARKET}, m.rules, m.fee_kind, m.fee_rate::float8 FROM markets m {_JOINS} "
        "WHERE m.platform = $1 AND m.market_id = $2",
        platform,
        market_id,
    )
    return None if row is None else dict(row)


_HISTORY: dict[Interval, str] = {
    "snapshot": """
        SELECT time, price::float8, yes_price::float8, no_price::float8, volume::float8 FROM market_snapshots
        WHERE platform = $1 AND market_id = $2 AND time >= $3 AND time < $4 ORDER BY time LIMIT $5
    """,
    "hour": """
        SELECT bucket AS time, open::float8, high::float8, low::float8, close::float8, volume::float8
        FROM candles_hourly
        WHERE platform = $1 AND market_id = $2 AND bucket >= $3 AND bucket < $4 ORDER BY bucket LIMIT $5
    """,
    "day": """
        SELECT bucket AS time, open::float8, high::float8, low::float8, close::float8, volume::float8
        FROM candles_daily
        WHERE platform = $1 AND market_id = $2 AND bucket >= $3 AND bucket < $4 ORDER BY bucket LIMIT $5
    """,
}


async def history(
    connection: Connection,
    platform: str,
    market_id: str,
    interval: Interval,
    since: datetime,
    until: datetime,
    limit: int,
) -> list[dict[str, Any]]:
    """Snapshots, or candles of an hour or a day, that begin in [since, until), the oldest first."""
    rows = await connection.fetch(_HISTORY[interval], platform, market_id, since, until, limit)
    return [dict(row) for row in rows]


async def has_market(connection: Connection, platform: str, market_id: str) -> bool:
    known: bool = await connection.fetchval(
        "SELECT EXISTS (SELECT FROM markets WHERE platform = $1 AND market_id = $2)", platform, market_id
    )
    return known
