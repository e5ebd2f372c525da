"""Order books of the markets that matter: which those are, and the latest book of each."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal

from core.db import Connection
from core.models import Book, Level, Platform


async def wanted(connection: Connection, now: datetime, most: int) -> dict[Platform, dict[str, str | None]]:
    """Tradable markets by venue, with their YES token: the same bet on both venues, an insight that is alive, then
    the loudest patterns of the last analyze run; at most so many in all."""
    rows = await connection.fetch(
        """
        WITH tradable AS NOT MATERIALIZED (
            SELECT platform, market_id, yes_token FROM markets
            WHERE status = 'open' AND listed AND missing_since IS NULL AND (close_time IS NULL OR close_time > $1)
        ), ranked AS (
            SELECT 1 AS rank, p.confidence AS weight, p.kalshi_market_id AS together, leg.platform, leg.market_id
            FROM pairs p
            JOIN tradable k ON k.platform = 'kalshi' AND k.market_id = p.kalshi_market_id
            JOIN tradable q ON q.platform = 'polymarket' AND q.market_id = p.polymarket_market_id
            CROSS JOIN LATERAL (VALUES ('kalshi', p.kalshi_market_id), ('polymarket', p.polymarket_market_id))
                AS leg (platform, market_id)
            WHERE p.may_be_priced
            UNION ALL
            SELECT 2, confidence_score, market_id, platform, market_id FROM ai_insights
            WHERE status = 'active' AND expires_at > $1
            UNION ALL
            SELECT 3, score, market_id, platform, market_id FROM patterns
            WHERE detected_at = (SELECT max(detected_at) FROM patterns)
        ), chosen AS (
            SELECT DISTINCT ON (platform, market_id) * FROM ranked
            ORDER BY platform, market_id, rank, weight DESC NULLS LAST
        )
        SELECT t.platform, t.market_id, t.yes_token FROM chosen JOIN tradable t USING (platform, market_id)
        ORDER BY rank, weight DESC NULLS LAST, together, platform, market_id LIMIT $2
        """,
        now,
        most,
    )
    found: dict[Platform, dict[str, str | None]] = {"kalshi": {}, "polymarket": {}}
    for platform, market_id, yes_token in rows:
        found[platform][market_id] = yes_token
    return found


async def listed_tops(connection: Connection, platform: Platform, market_ids: Sequence[str]) -> list[Book]:
    """What the listing says of the best price and its size, for books that may not be read.

    Read when the listing last showed it, changed or not. A side without a size is left out.
    """
    rows = await connection.fetch(
        """
        SELECT l.market_id, l.yes_price, l.yes_size, l.no_price, l.no_size, greatest(l.time, v.swept_at) AS read_at
        FROM market_latest l JOIN markets m USING (platform, market_id) LEFT JOIN venue_sweeps v USING (platform)
        WHERE platform = $1 AND market_id = ANY($2::text[]) AND m.missing_since IS NULL
          AND (l.yes_price + l.yes_size IS NOT NULL OR l.no_price + l.no_size IS NOT NULL)
        """,
        platform,
        list(market_ids),
    )

    def side(price: Decimal | None, size: Decimal | None) -> tuple[Level, ...]:
        return () if price is None or size is None else (Level(price, size),)

    return [
        Book(
            platform,
            row["market_id"],
            side(row["yes_price"], row["yes_size"]),
            side(row["no_price"], row["no_size"]),
            row["read_at"],
            top_only=True,
        )
        for row in rows
    ]


async def upsert(connection: Connection, books: Sequence[Book], levels: int) -> None:
    """Keeps each market's latest book, the best `levels` of a side."""
    await connection.executemany(
        """
        INSERT INTO market_books AS old (platform, market_id, read_at, top_only, yes_asks, no_asks)
        VALUES ($1, $2, $3, $4, $5, $6)
        ON CONFLICT (platform, market_id) DO UPDATE SET read_at = excluded.read_at, top_only = excluded.top_only,
            yes_asks = excluded.yes_asks, no_asks = excluded.no_asks
        WHERE old.read_at <= excluded.read_at
        """,
        [
            (b.platform, b.market_id, b.read_at, b.top_only, _told(b.yes_asks[:levels]), _told(b.no_asks[:levels]))
            for b in books
        ],
    )


def _told(levels: Sequence[Level]) -> list[list[str]]:
    return [[f"{level.price:f}", f"{level.size:f}"] for level in levels]


async def latest(connection: Connection, platform: Platform, market_ids: Sequence[str]) -> list[Book]:
    rows = await connection.fetch(
        """
        SELECT market_id, yes_asks, no_asks, read_at, top_only FROM market_books
        WHERE platform = $1 AND market_id = ANY($2::text[]) ORDER BY market_id
        """,
        platform,
        list(market_ids),
    )

    def side(told: list[list[str]]) -> tuple[Level, ...]:
        return tuple(Level(Decimal(price), Decimal(size)) for price, size in told)

    return [
        Book(platform, r["market_id"], side(r["yes_asks"]), side(r["no_asks"]), r["read_at"], r["top_only"])
        for r in rows
    ]


async def delete_unread(connection: Connection, before: datetime) -> int:
    status = await connection.execute("DELETE FROM market_books WHERE read_at < $1", before)
    return int(status.split()[-1])
