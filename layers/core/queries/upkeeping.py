"""What upkeep reads and writes: candles made of snapshots, rows that nobody needs any more, the sizes of tables.

Candles behave as TimescaleDB's continuous aggregates with `materialized_only = false`. Finished buckets are stored and
outlive the snapshots that they were made from; newer ones are told from the snapshots by the same views. `done_day` is
the watermark, `logged_day` the invalidation threshold, which moves first and waits for who is inserting; a trigger logs
later arrivals, and a refresh makes their buckets anew. Unlike there, late snapshots show at once and not with the next
refresh, and a refresh never replaces a bucket whose snapshots were deleted. Where snapshots are stored as `aggregates`
(core.queries.snapshot_storage), TimescaleDB's own go on from `done_day`, which then stands still.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Literal

from core.db import Connection
from core.models import Platform
from core.queries.snapshot_storage import Storage, hypertable_sizes

# Tables that lose rows every night.
CHURNED = (
    "market_snapshots", "market_latest", "markets", "events", "candle_hours", "candle_days", "candle_late",
    "history_columns", "patterns", "withheld_insights", "ai_calls", "analysis_tasks", "arbitrage_opportunities",
    "arbitrage_lives", "arbitrage_near_misses", "bundle_analyses", "digests", "job_runs", "stripe_events", "sessions",
    "refresh_tokens",
    "mail_tokens", "users",
)  # fmt: skip

Aged = Literal[
    "candle_hours", "candle_days", "history_columns", "patterns", "withheld_insights", "ai_calls",
    "analysis_tasks", "arbitrage_opportunities", "arbitrage_lives", "bundle_analyses", "digests", "job_runs",
]  # fmt: skip

Over = Literal["final", "vanished"]
OVER: tuple[Over, ...] = ("final", "vanished")

# What of a table is older than $1 and nobody's.
_OLD: dict[Aged, str] = {
    "candle_hours": "t.day < ($1::timestamptz AT TIME ZONE 'UTC')::date",
    "candle_days": "t.day < ($1::timestamptz AT TIME ZONE 'UTC')::date",
    "history_columns": "t.ended_at < $1",
    # An insight is graded with the pattern that it was made of.
    "patterns": """
        t.detected_at < $1 AND NOT EXISTS (
            SELECT FROM ai_insights i WHERE i.platform = t.platform AND i.market_id = t.market_id
            AND i.pattern_type = t.detector AND i.created_at >= t.detected_at
            AND i.created_at < t.detected_at + interval '1 hour')
        """,
    "withheld_insights": "t.at < $1",
    "ai_calls": "t.at < $1",
    "analysis_tasks": "t.run < $1",
    "arbitrage_opportunities": "t.expires_at < $1 AND t.status <> 'active'",
    "arbitrage_lives": "t.ended_at < $1",
    # A verdict stands as long as a bundle of its rules is seen. One that forbids is why none is: it stands as long as
    # its markets may be traded.
    "bundle_analyses": """
        t.created_at < $1 AND NOT EXISTS (SELECT FROM arbitrage_opportunities a WHERE a.analysis_id = t.id)
        AND NOT (t.settlement_risk = 'BLOCK' AND EXISTS (
            SELECT FROM jsonb_to_recordset(t.inputs -> 'bundle' -> 'legs') AS leg (platform text, market_id text)
            JOIN markets m ON m.platform = leg.platform AND m.market_id = leg.market_id WHERE m.status <> 'final'))
        """,
    "digests": "t.created_at < $1",
    # When a job last ran well is asked however long ago it was.
    "job_runs": """
        t.started_at < $1 AND (t.status <> 'ok' OR t.started_at < (
            SELECT max(l.started_at) FROM job_runs l WHERE l.job = t.job AND l.status = 'ok'))
        """,
}

# Of a market `m`: what was published about it, or may be, is judged by its outcome.
_NOBODY_NEEDS = """
NOT EXISTS (SELECT FROM ai_insights i WHERE i.platform = m.platform AND i.market_id = m.market_id)
AND NOT EXISTS (SELECT FROM patterns p WHERE p.platform = m.platform AND p.market_id = m.market_id)
AND NOT EXISTS (SELECT FROM pairs p WHERE m.platform = 'kalshi' AND p.kalshi_market_id = m.market_id)
AND NOT EXISTS (SELECT FROM pairs p WHERE m.platform = 'polymarket' AND p.polymarket_market_id = m.market_id)
AND NOT EXISTS (
    SELECT FROM arbitrage_opportunities a WHERE m.platform = 'kalshi' AND a.kalshi_market_id = m.market_id)
AND NOT EXISTS (
    SELECT FROM arbitrage_opportunities a WHERE m.platform = 'polymarket' AND a.polymarket_market_id = m.market_id)
AND NOT EXISTS (
    SELECT FROM arbitrage_opportunities a WHERE a.legs
        @> jsonb_build_array(jsonb_build_object('platform', m.platform, 'market_id', m.market_id)))
AND NOT EXISTS (SELECT FROM candle_late d WHERE d.platform = m.platform AND d.market_id = m.market_id)
"""

# How a market can be over: since when that is known, and what else holds of it. The venue took an outcome back where
# a final market is asked for again; of one that vanished, it has told none and will be asked no more.
_OVER: dict[Over, tuple[str, str]] = {
    "final": (
        "m.status_seen_at",
        """
        m.status = 'final' AND NOT EXISTS (
            SELECT FROM settle_askings a WHERE a.platform = m.platform AND a.market_id = m.market_id)
        """,
    ),
    "vanished": (
        "m.close_time",
        """
        m.status <> 'final' AND NOT m.listed AND NOT EXISTS (
            SELECT FROM market_latest l WHERE l.platform = m.platform AND l.market_id = m.market_id AND l.time >= $2)
        """,
    ),
}

_MATERIALISED = "(SELECT done_day::timestamp AT TIME ZONE 'UTC' FROM candle_progress)"


@dataclass(frozen=True, slots=True)
class Chunk:
    """Ended markets that were dealt with and snapshots that went with them. `last` is where the next chunk begins."""

    markets: int
    snapshots: int
    last: tuple[datetime, str] | None


@dataclass(frozen=True, slots=True)
class TableSize:
    """`bytes` on disk with indexes and TOAST. `live_bytes` of them hold rows (an estimate), the rest is reused."""

    name: str
    rows: int
    bytes: int
    live_bytes: int


async def _hold_markets(connection: Connection, platform: Platform, timeout_s: float) -> None:
    """Takes turns with the jobs that store this venue's markets and snapshots, in the order in which they do."""
    await connection.execute(
        "SELECT pg_advisory_xact_lock(hashtext('markets'), hashtext($1))", platform, timeout=timeout_s
    )
    await _hold_snapshots(connection, timeout_s)


async def _hold_snapshots(connection: Connection, timeout_s: float) -> None:
    """Waits until nobody is inserting snapshots; nobody will before this transaction has ended."""
    await connection.execute("SELECT pg_advisory_xact_lock(hashtext('snapshots'), 0)", timeout=timeout_s)


# Candles


async def close_days(connection: Connection, before: date, timeout_s: float) -> None:
    """From now on snapshots of days before this are late; nothing while earlier days are still being materialised."""
    await _hold_snapshots(connection, timeout_s)
    await connection.execute(
        "UPDATE candle_progress SET logged_day = $1 WHERE logged_day = done_day AND logged_day < $1", before
    )


async def materialise(connection: Connection, most: int, timeout_s: float) -> int:
    """Stores the closed days' candles of the next `most` markets. Less than that: all have them, the days are done."""
    progress = await connection.fetchrow(
        "SELECT logged_day, done_number FROM candle_progress WHERE done_day < logged_day FOR UPDATE"
    )
    if progress is None:
        return 0
    rows = await connection.fetch(
        """
        SELECT m.number, m.platform, m.market_id FROM markets m LEFT JOIN market_latest l USING (platform, market_id)
        WHERE m.number > $1 AND m.trimmed_at IS NULL
          AND (l.time IS NULL OR l.time >= (SELECT done_day::timestamp AT TIME ZONE 'UTC' FROM candle_progress))
        ORDER BY m.number LIMIT $2
        """,
        progress["done_number"],
        most,
        timeout=timeout_s,
    )
    await _store_candles(connection, [tuple(row)[1:] for row in rows], progress["logged_day"], timeout_s)
    if len(rows) < most:
        await connection.execute("UPDATE candle_progress SET done_day = logged_day, done_number = 0")
    else:
        await connection.execute("UPDATE candle_progress SET done_number = $1", rows[-1]["number"])
    return len(rows)


async def materialise_late(connection: Connection, storage: Storage, most: int, timeout_s: float) -> int:
    """Makes candles of `most` markets with late snapshots anew, when `materialise` is done. Returns of how many.

    Where `aggregates` tell newer candles, only of days from before them; the rest is left to their refresh.
    """
    aggregated = storage == "aggregates"
    rows = await connection.fetch(
        "SELECT platform, market_id FROM candle_late WHERE NOT $2 OR oldest < (SELECT done_day FROM candle_progress) "
        "ORDER BY platform, market_id LIMIT $1 FOR UPDATE",
        most,
        aggregated,
    )
    if not rows:
        return 0
    keys = [tuple(row) for row in rows]
    done: date = await connection.fetchval("SELECT done_day FROM candle_progress")
    await _store_candles(connection, keys, done, timeout_s)
    platforms, market_ids = [platform for platform, _ in keys], [market_id for _, market_id in keys]
    if aggregated:
        await connection.execute(
            "UPDATE candle_late d SET oldest = $3, since = greatest(since, $3) "
            "FROM unnest($1::text[], $2::text[]) AS k(platform, market_id) "
            "WHERE d.platform = k.platform AND d.market_id = k.market_id",
            platforms,
            market_ids,
            done,
        )
        return len(keys)
    await connection.execute(
        "DELETE FROM candle_late d USING unnest($1::text[], $2::text[]) AS k(platform, market_id) "
        "WHERE d.platform = k.platform AND d.market_id = k.market_id",
        platforms,
        market_ids,
    )
    return len(keys)


async def _store_candles(
    connection: Connection, keys: Sequence[tuple[str, ...]], before: date, timeout_s: float
) -> None:
    """Stores what the views say, so that readers see no difference. By venue: only constants reach the indexes."""
    for platform in sorted({key[0] for key in keys}):
        await connection.execute(
            """
            WITH days AS MATERIALIZED (
                SELECT m.number, l.* FROM candle_days_live l JOIN markets m USING (platform, market_id)
                WHERE l.platform = $1 AND l.market_id = ANY($2::text[]) AND l.day < $3
            ), hours AS (
                INSERT INTO candle_hours (number, day, seen, kept, prices, volumes)
                SELECT number, day, seen, kept, prices, volumes FROM days
                ON CONFLICT (number, day) DO UPDATE SET
                    (seen, kept, prices, volumes) = (excluded.seen, excluded.kept, excluded.prices, excluded.volumes)
            )
            INSERT INTO candle_days (number, day, open, high, low, close, volume, counter)
            SELECT number, day, open, high, low, close, volume, counter FROM days
            ON CONFLICT (number, day) DO UPDATE SET (open, high, low, close, volume, counter) =
                (excluded.open, excluded.high, excluded.low, excluded.close, excluded.volume, excluded.counter)
            """,
            platform,
            [market_id for _, market_id in keys if _ == platform],
            before,
            timeout=timeout_s,
        )


# Retention


async def release_snapshots(connection: Connection, before: datetime, timeout_s: float) -> datetime | None:
    """Until when snapshots older than `before` may be deleted now: their candles are stored. None: there are none.

    Late ones that arrive from now on find their days gone.
    """
    await _hold_snapshots(connection, timeout_s)
    until: datetime | None = await connection.fetchval(
        """
        UPDATE candle_progress SET raw_day = greatest(raw_day, ((until - interval '1 microsecond')
            AT TIME ZONE 'UTC')::date + 1)
        FROM (SELECT least($1, candles_stored_until()) AS until) AS bound
        WHERE EXISTS (SELECT FROM market_snapshots WHERE time < until) RETURNING until
        """,
        before,
    )
    return until


async def oldest_snapshot(connection: Connection, since: datetime) -> datetime | None:
    """The time of the oldest one from `since` on."""
    oldest: datetime | None = await connection.fetchval(
        "SELECT min(time) FROM market_snapshots WHERE time >= $1", since
    )
    return oldest


async def delete_old_snapshots(connection: Connection, since: datetime, before: datetime, timeout_s: float) -> int:
    """Those of [since, before), after `release_snapshots`, but for markets whose candles are to be made anew."""
    status = await connection.execute(
        """
        DELETE FROM market_snapshots s WHERE time >= $1 AND time < $2 AND NOT EXISTS (
            SELECT FROM candle_late d WHERE d.platform = s.platform AND d.market_id = s.market_id)
        """,
        since,
        before,
        timeout=timeout_s,
    )
    return int(status.split()[-1])


async def delete_aged(connection: Connection, table: Aged, before: datetime, most: int, timeout_s: float) -> int:
    """Deletes at most so many rows that are older than `before` and that nothing else needs."""
    status = await connection.execute(
        f"DELETE FROM {table} WHERE ctid = ANY(ARRAY(SELECT t.ctid FROM {table} t WHERE {_OLD[table]} LIMIT $2))",  # noqa: S608  names of our own
        before,
        most,
        timeout=timeout_s,
    )
    return int(status.split()[-1])


async def trim_ended(
    connection: Connection,
    storage: Storage,
    platform: Platform,
    before: datetime,
    last: tuple[datetime, str],
    most: int,
    now: datetime,
    timeout_s: float,
) -> Chunk:
    """Takes snapshots, latest quote and raw answer from markets that are known to be final since before `before`.

    What is traded, who asks and how it ended stays. Only once all their snapshots are in candles. `aggregates` would
    lose candles with the snapshots: there these go when their chunk does.
    """
    await _hold_markets(connection, platform, timeout_s)
    (row,) = await connection.fetch(
        f"""
        WITH ended AS MATERIALIZED (
            SELECT m.platform, m.market_id, m.status_seen_at FROM markets m
            WHERE m.platform = $1 AND m.status = 'final' AND m.trimmed_at IS NULL AND m.status_seen_at < $2
              AND (m.status_seen_at, m.market_id) > ($3, $4) AND {_NOBODY_NEEDS} AND ($7 OR NOT EXISTS (
                SELECT FROM market_snapshots s
                WHERE s.platform = m.platform AND s.market_id = m.market_id AND s.time >= {_MATERIALISED}))
            ORDER BY m.status_seen_at, m.market_id LIMIT $5
        ), snapshots AS (
            DELETE FROM market_snapshots s USING ended e
            WHERE NOT $7 AND s.platform = e.platform AND s.market_id = e.market_id RETURNING 1
        ), latest AS (
            DELETE FROM market_latest l USING ended e WHERE l.platform = e.platform AND l.market_id = e.market_id
        ), trimmed AS (
            UPDATE markets m SET raw_data = '{{}}', trimmed_at = $6 FROM ended e
            WHERE m.platform = e.platform AND m.market_id = e.market_id
        )
        SELECT (SELECT count(*) FROM snapshots) AS snapshots,
               (SELECT array_agg(status_seen_at ORDER BY status_seen_at DESC, market_id DESC) FROM ended) AS ends,
               (SELECT array_agg(market_id ORDER BY status_seen_at DESC, market_id DESC) FROM ended) AS ids
        """,  # noqa: S608  constants of this module
        platform,
        before,
        *last,
        most,
        now,
        storage == "aggregates",
        timeout=timeout_s,
    )
    return Chunk(len(row["ids"] or ()), row["snapshots"], (row["ends"][0], row["ids"][0]) if row["ids"] else None)


async def delete_ended(
    connection: Connection,
    platform: Platform,
    how: Over,
    before: datetime,
    last: tuple[datetime, str],
    most: int,
    timeout_s: float,
) -> Chunk:
    """Forgets markets that are over since before `before`, with all that is theirs."""
    await _hold_markets(connection, platform, timeout_s)
    since, over = _OVER[how]
    rows = await connection.fetch(
        f"""
        SELECT m.number, m.market_id, {since} AS since FROM markets m
        WHERE m.platform = $1 AND {since} < $2 AND ({since}, m.market_id) > ($3, $4) AND {over} AND {_NOBODY_NEEDS}
        ORDER BY {since}, m.market_id LIMIT $5
        """,  # noqa: S608  constants of this module
        platform,
        before,
        *last,
        most,
        timeout=timeout_s,
    )
    if not rows:
        return Chunk(0, 0, None)
    snapshots: int = await connection.fetchval(
        """
        WITH snapshots AS (
            DELETE FROM market_snapshots WHERE platform = $1 AND market_id = ANY($2::text[]) RETURNING 1
        ), latest AS (
            DELETE FROM market_latest WHERE platform = $1 AND market_id = ANY($2::text[])
        ), hours AS (
            DELETE FROM candle_hours WHERE number = ANY($3::integer[])
        ), days AS (
            DELETE FROM candle_days WHERE number = ANY($3::integer[])
        ), gone AS (
            DELETE FROM markets WHERE platform = $1 AND market_id = ANY($2::text[])
        )
        SELECT count(*) FROM snapshots
        """,
        platform,
        [row["market_id"] for row in rows],
        [row["number"] for row in rows],
        timeout=timeout_s,
    )
    return Chunk(len(rows), snapshots, (rows[-1]["since"], rows[-1]["market_id"]))


async def delete_empty_events(connection: Connection, most: int, timeout_s: float) -> int:
    """At most so many events without markets, but for those that a collect run is storing now."""
    status = await connection.execute(
        """
        DELETE FROM events WHERE ctid = ANY(ARRAY(
            SELECT e.ctid FROM events e WHERE NOT EXISTS (
                SELECT FROM markets m WHERE m.platform = e.platform AND m.event_id = e.event_id)
            LIMIT $1 FOR UPDATE SKIP LOCKED))
        """,
        most,
        timeout=timeout_s,
    )
    return int(status.split()[-1])


# Size


async def vacuum(connection: Connection, table: str, timeout_s: float) -> None:
    """Makes the space of deleted rows free for new ones, and counts those that live. Not inside a transaction."""
    await connection.execute(f"VACUUM (ANALYZE) {table}", timeout=timeout_s)


async def analyze(connection: Connection, table: str, timeout_s: float) -> None:
    await connection.execute(f"ANALYZE {table}", timeout=timeout_s)


async def database_bytes(connection: Connection) -> int:
    """On disk, without the write-ahead log."""
    size: int = await connection.fetchval("SELECT pg_database_size(current_database())")
    return size


async def table_sizes(connection: Connection, storage: Storage) -> list[TableSize]:
    """Each table as the last VACUUM or ANALYZE counted it, the largest first.

    What lives is estimated as rows times their mean width, as a share of the heap; indexes and TOAST are taken to be as
    full as the heap is. A hypertable loses whole chunks, which leave no holes: all of it lives.
    """
    chunked = {} if storage == "table" else await hypertable_sizes(connection)
    rows = await connection.fetch(
        """
        SELECT c.relname AS name, greatest(c.reltuples, 0)::bigint AS rows, pg_total_relation_size(c.oid) AS bytes,
               c.reltuples * w.width / nullif(pg_relation_size(c.oid), 0) AS fill
        FROM pg_class c CROSS JOIN LATERAL (
            -- 23 bytes of header, a bit a column where any is null, rounded up to 8; values, padding; a line pointer
            SELECT (23 + CASE WHEN max(null_frac) > 0 THEN (count(*) + 7) / 8 ELSE 0 END + 7) / 8 * 8
                   + sum(avg_width * (1 - null_frac)) + 4 + 4 AS width
            FROM pg_stats s WHERE s.schemaname = current_schema() AND s.tablename = c.relname
        ) AS w
        WHERE c.relnamespace = current_schema()::regnamespace AND c.relkind = 'r' ORDER BY bytes DESC, name
        """
    )
    sizes = [
        TableSize(r["name"], r["rows"], r["bytes"], int(r["bytes"] * (1 if r["fill"] is None else min(1, r["fill"]))))
        for r in rows
        if r["name"] not in chunked
    ]
    sizes += [TableSize(name, count, size, size) for name, (count, size) in chunked.items()]
    return sorted(sizes, key=lambda size: (-size.bytes, size.name))


async def snapshots_since(connection: Connection, since: datetime, timeout_s: float) -> int:
    count: int = await connection.fetchval(
        "SELECT count(*) FROM market_snapshots WHERE time >= $1", since, timeout=timeout_s
    )
    return count
