"""The compact history: columns as packed by core.detect.columns, and the snapshots that a missing one is made from."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import datetime

import numpy as np
import numpy.typing as npt

from core.body_store import BodyStore
from core.db import Connection
from core.detect.columns import Change, Column, Ints, pack, unpack
from core.models import Platform


async def insert_columns(connection: Connection, platform: Platform, columns: Sequence[Column]) -> None:
    """A column that is there already stays."""
    await connection.executemany(
        "INSERT INTO history_columns (platform, ended_at, span, markets, body) VALUES ($1, $2, $3, $4, $5) "
        "ON CONFLICT DO NOTHING",
        [(platform, column.end, column.span, len(column), pack(column)) for column in columns],
    )


async def columns_between(
    connection: Connection,
    platform: Platform,
    since: datetime,
    until: datetime,
    timeout_s: float,
    store: BodyStore | None = None,
) -> list[Column]:
    """Those that ended in (since, until], the oldest first. What is in `store` is not sent again."""
    between = "FROM history_columns WHERE platform = $1 AND ended_at > $2 AND ended_at <= $3"
    known: dict[bytes, bytes] = {}
    if store is not None:
        told = await connection.fetch(f"SELECT digest {between}", platform, since, until, timeout=timeout_s)
        known = await asyncio.to_thread(store.find, [row["digest"] for row in told])
    rows = await connection.fetch(
        f"SELECT CASE WHEN digest = ANY($4::bytea[]) THEN NULL ELSE body END AS body, digest, ended_at, span {between} "
        "ORDER BY ended_at",
        platform,
        since,
        until,
        list(known),
        timeout=timeout_s,
    )
    if store is not None:
        await asyncio.to_thread(store.keep, {row["digest"]: row["body"] for row in rows if row["body"] is not None})
    return [unpack(row["body"] or known[row["digest"]], row["ended_at"], row["span"]) for row in rows]


async def delete_columns(connection: Connection, platform: Platform, ends: Sequence[datetime]) -> None:
    await connection.execute(
        "DELETE FROM history_columns WHERE platform = $1 AND ended_at = ANY($2::timestamptz[])", platform, list(ends)
    )


async def last_column(connection: Connection, platform: Platform) -> datetime | None:
    end: datetime | None = await connection.fetchval(
        "SELECT max(ended_at) FROM history_columns WHERE platform = $1", platform
    )
    return end


async def raw_since(connection: Connection) -> datetime | None:
    """Before it snapshots were deleted, so nothing can be made from them; None while all are there."""
    since: datetime | None = await connection.fetchval(
        "SELECT raw_day::timestamp AT TIME ZONE 'UTC' FROM candle_progress WHERE raw_day > '-infinity'"
    )
    return since


async def untrimmed(connection: Connection, numbers: Ints) -> npt.NDArray[np.int64]:
    """Which of these markets still have all the snapshots that their age allows."""
    rows = await connection.fetch(
        "SELECT number FROM markets WHERE number = ANY($1::int[]) AND trimmed_at IS NULL", numbers.tolist()
    )
    return np.array([row["number"] for row in rows], dtype=np.int64)


async def snapshot_times(
    connection: Connection, platform: Platform, since: datetime, until: datetime, timeout_s: float
) -> list[datetime]:
    """When snapshots were taken in (since, until], the oldest first; the past that was backfilled among them."""
    rows = await connection.fetch(
        "SELECT DISTINCT time FROM market_snapshots WHERE platform = $1 AND time > $2 AND time <= $3 ORDER BY time",
        platform,
        since,
        until,
        timeout=timeout_s,
    )
    return [row["time"] for row in rows]


async def changes_at(
    connection: Connection, platform: Platform, at: datetime, timeout_s: float
) -> tuple[list[Change], bool]:
    """What the snapshots of one time changed against the ones before them; and whether any of them knows a volume."""
    rows = await connection.fetch(
        """
        SELECT m.number, old.price::float8 AS before, s.price::float8 AS after,
               CASE WHEN s.volume >= old.volume THEN (s.volume - old.volume)::float8 END AS gained,
               (s.yes_price + s.no_price - 1)::float8 AS spread,
               s.volume IS NOT NULL AS has_volume
        FROM market_snapshots s JOIN markets m USING (platform, market_id)
        LEFT JOIN LATERAL (
            SELECT price, volume FROM market_snapshots o
            WHERE o.platform = s.platform AND o.market_id = s.market_id AND o.time < s.time ORDER BY o.time DESC LIMIT 1
        ) AS old ON true
        WHERE s.platform = $1 AND s.time = $2 AND (s.price, s.volume) IS DISTINCT FROM (old.price, old.volume)
        """,
        platform,
        at,
        timeout=timeout_s,
    )
    changes = [(row["number"], row["before"], row["after"], row["gained"], row["spread"]) for row in rows]
    return changes, any(row["has_volume"] for row in rows)


async def unmerged_hours(
    connection: Connection, platform: Platform, since: datetime, until: datetime
) -> list[datetime]:
    """The ends of the clock hours in (since, until] that more than one column ended in."""
    rows = await connection.fetch(
        """
        SELECT date_bin('1 hour', ended_at - interval '1 microsecond', '2000-01-01') + interval '1 hour' AS hour
        FROM history_columns WHERE platform = $1 AND ended_at > $2 AND ended_at <= $3
        GROUP BY hour HAVING count(*) > 1 ORDER BY hour
        """,
        platform,
        since,
        until,
    )
    return [row["hour"] for row in rows]
