"""What a backfill stores: markets that settled before we saw them, past candles, how far it got with each market."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Literal

from core.db import Connection
from core.models import Candle, Event, Market, Platform
from core.queries import collecting

Given = Literal["candles", "nothing", "refusal"]


@dataclass(frozen=True, slots=True)
class Wanted:
    """A market whose past is to be asked for, from `start` to `end`. `total`: its volume, where it has settled."""

    market_id: str
    yes_token: str | None
    start: datetime
    end: datetime
    settled: bool
    total: Decimal | None


@dataclass(frozen=True, slots=True)
class Progress:
    """What became of asking: `lacks` names what the candles do not say, `candles` are those of the asked time."""

    wanted: Wanted
    given: Given
    lacks: tuple[str, ...]
    candles: Sequence[Candle]


@dataclass(frozen=True, slots=True)
class Day:
    """A day whose settled markets were listed up to `through_at`: `kept` of the `listed` ones, by size."""

    day: date
    through_at: datetime
    min_volume: Decimal
    most: int
    listed: int
    kept: int


async def installed_at(connection: Connection, platform: Platform) -> datetime | None:
    """When the first of the venue's markets was stored: what settled since is known from collecting."""
    first: datetime | None = await connection.fetchval(
        "SELECT min(first_seen_at) FROM markets WHERE platform = $1", platform
    )
    return first


async def listed_days(connection: Connection, platform: Platform) -> dict[date, Day]:
    rows = await connection.fetch(
        "SELECT day, through_at, min_volume, most, listed, kept FROM backfilled_days WHERE platform = $1", platform
    )
    return {row["day"]: Day(**row) for row in rows}


async def upsert_days(connection: Connection, platform: Platform, days: Iterable[Day]) -> None:
    await connection.executemany(
        """
        INSERT INTO backfilled_days (platform, day, through_at, min_volume, most, listed, kept)
        VALUES ($1, $2, $3, $4, $5, $6, $7)
        ON CONFLICT (platform, day) DO UPDATE SET through_at = excluded.through_at,
            min_volume = excluded.min_volume, most = excluded.most, listed = excluded.listed, kept = excluded.kept
        """,
        [(platform, d.day, d.through_at, d.min_volume, d.most, d.listed, d.kept) for d in days],
    )


async def upsert_settled(
    connection: Connection, platform: Platform, markets: Sequence[Market], events: Iterable[Event], now: datetime
) -> None:
    """Stores final markets that are new, the outcomes of those that are not, and that the past of all is wanted."""
    await collecting.stage(connection, markets)
    await collecting.mark_staged_statuses(connection, now, listed=False)
    rows = await connection.fetch(
        "SELECT s.market_id FROM staged s LEFT JOIN markets m USING (platform, market_id) WHERE m.market_id IS NULL"
    )
    new = [row["market_id"] for row in rows]
    await collecting.upsert_terms(connection, [m for m in markets if m.market_id in set(new)], now)
    await _complete_terms(connection, platform, new)
    await _insert_new_events(connection, platform, events)
    await connection.executemany(
        """
        INSERT INTO backfills AS old (platform, market_id, total) VALUES ($1, $2, $3)
        ON CONFLICT (platform, market_id) DO UPDATE SET total = excluded.total
        """,
        [(platform, market.market_id, market.quote.volume) for market in markets],
    )


async def _complete_terms(connection: Connection, platform: Platform, new: Sequence[str]) -> None:
    """A settled market was not found among what is listed; and Kalshi tells the category with the series only."""
    await connection.execute(
        """
        UPDATE markets m SET listed = false, category = coalesce(m.category, f.category)
        FROM unnest($2::text[]) AS new(id)
        LEFT JOIN markets n ON n.platform = $1 AND n.market_id = new.id
        LEFT JOIN series_fees f ON $1 = 'kalshi' AND f.series = split_part(n.event_id, '-', 1)
        WHERE m.platform = $1 AND m.market_id = new.id
        """,
        platform,
        list(new),
    )


async def _insert_new_events(connection: Connection, platform: Platform, events: Iterable[Event]) -> None:
    """Listings of markets tell events in short form, which must not replace the long one."""
    found = {event.event_id: event for event in events}
    rows = await connection.fetch(
        "SELECT event_id FROM events WHERE platform = $1 AND event_id = ANY($2::text[])", platform, list(found)
    )
    known = {row["event_id"] for row in rows}
    await collecting.upsert_events(connection, [event for key, event in found.items() if key not in known])


async def backfillable(connection: Connection, platform: Platform, now: datetime, days: int) -> list[Wanted]:
    """Markets whose past was never asked for, or not as far back as `days`: the open ones, largest first, then settled.

    For a settled one the days before it settled count. One that opened after what was asked for has no past beyond it.
    """
    rows = await connection.fetch(
        """
        SELECT market_id, yes_token, start, ended, settled, total FROM (
            SELECT m.market_id, m.yes_token, l.volume, b.total, m.status = 'final' AS settled, b.asked_from,
                   m.open_time, CASE WHEN m.status = 'final' THEN m.settled_at ELSE $2 END AS ended,
                   CASE WHEN m.status = 'final' THEN m.settled_at ELSE $2 END - $3::interval AS start
            FROM markets m
            LEFT JOIN market_latest l USING (platform, market_id)
            LEFT JOIN backfills b USING (platform, market_id)
            WHERE m.platform = $1 AND (m.status = 'open' AND l.market_id IS NOT NULL
                                       OR m.status = 'final' AND b.total IS NOT NULL AND m.settled_at IS NOT NULL)
        ) AS known
        WHERE asked_from IS NULL OR start < asked_from AND (open_time IS NULL OR open_time < asked_from)
        ORDER BY settled, CASE WHEN settled THEN ended END, volume DESC NULLS LAST, market_id
        """,
        platform,
        now,
        timedelta(days=days),
    )
    return [
        Wanted(row["market_id"], row["yes_token"], row["start"], row["ended"], row["settled"], row["total"])
        for row in rows
    ]


async def insert_candles(
    connection: Connection,
    platform: Platform,
    candles: Sequence[Candle],
    totals: Mapping[str, Decimal | None] | None = None,
) -> int:
    """Stores past candles as snapshots, never in place of one, and returns how many are new.

    Cumulative volumes are counted back from the first snapshot of our own. A market without one gets its candles only
    if it is in `totals`: from what was traded in all, which its last candle ends with.
    """
    await connection.execute(
        "CREATE TEMP TABLE IF NOT EXISTS staged_candles (market_id text, time timestamptz, price numeric, "
        "yes_price numeric, no_price numeric, volume numeric) ON COMMIT DELETE ROWS"
    )
    records = [(c.market_id, c.end, c.price, c.yes_price, c.no_price, c.volume) for c in candles]
    await connection.copy_records_to_table("staged_candles", records=records)
    totals = totals or {}
    status = await connection.execute(
        """
        WITH own AS (
            SELECT DISTINCT ON (market_id) market_id, time, volume FROM market_snapshots
            WHERE platform = $1 AND NOT backfilled AND market_id IN (SELECT market_id FROM staged_candles)
            ORDER BY market_id, time
        ), known AS (
            SELECT market_id, time, volume FROM own
            UNION ALL
            SELECT t.market_id, 'infinity', t.volume FROM unnest($2::text[], $3::numeric[]) AS t(market_id, volume)
            WHERE t.market_id NOT IN (SELECT market_id FROM own)
        ), placed AS (
            -- the candle still open when our own first snapshot was taken counts too: its trades are in that snapshot
            SELECT c.market_id, c.time, c.price, c.yes_price, c.no_price, known.time AS known_time,
                   known.volume - coalesce(sum(c.volume) OVER later, 0) AS volume,
                   count(*) OVER later = count(c.volume) OVER later AND c.volume IS NOT NULL AS told
            FROM staged_candles c JOIN known USING (market_id) WHERE c.time - interval '1 hour' < known.time
            WINDOW later AS (PARTITION BY c.market_id ORDER BY c.time DESC
                             ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING)
        )
        INSERT INTO market_snapshots (time, market_id, platform, price, volume, yes_price, no_price, backfilled)
        -- a second before its end, a candle falls into the hour (and day) that it describes
        SELECT time - interval '1 second', market_id, $1, price, CASE WHEN told AND volume >= 0 THEN volume END,
               yes_price, no_price, true FROM placed WHERE time < known_time
        ON CONFLICT DO NOTHING
        """,
        platform,
        list(totals),
        list(totals.values()),
    )
    return int(status.split()[-1])


async def mark_backfilled(
    connection: Connection, platform: Platform, progress: Iterable[Progress], now: datetime
) -> None:
    """That these markets' past has been asked for and what was given: it is not asked for again."""
    await connection.executemany(
        """
        INSERT INTO backfills (platform, market_id, done_at, asked_from, asked_to, given, candles, first_at, last_at,
            lacks, in_history)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $7 = 0)
        ON CONFLICT (platform, market_id) DO UPDATE SET (done_at, asked_from, asked_to, given, candles, first_at,
            last_at, lacks, in_history) = (excluded.done_at, excluded.asked_from, excluded.asked_to, excluded.given,
            excluded.candles, excluded.first_at, excluded.last_at, excluded.lacks, excluded.in_history)
        """,
        [_progress_row(platform, done, now) for done in progress],
    )


def _progress_row(platform: Platform, done: Progress, now: datetime) -> tuple[object, ...]:
    ends = [candle.end for candle in done.candles]
    wanted = done.wanted
    return (
        platform,
        wanted.market_id,
        now,
        wanted.start,
        wanted.end,
        done.given,
        len(ends),
        min(ends, default=None),
        max(ends, default=None),
        list(done.lacks),
    )


async def is_history_behind(connection: Connection, platform: Platform) -> bool:
    """Whether candles were stored, in this run or one before it, that the compact history does not hold yet."""
    behind: bool = await connection.fetchval(
        "SELECT EXISTS (SELECT FROM backfills WHERE platform = $1 AND NOT in_history)", platform
    )
    return behind


async def mark_in_history(connection: Connection, platform: Platform) -> None:
    await connection.execute("UPDATE backfills SET in_history = true WHERE platform = $1 AND NOT in_history", platform)
