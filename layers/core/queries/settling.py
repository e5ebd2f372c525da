"""What the settle job asks for and when: markets whose end is due, their growing pauses, rereads, changed outcomes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

from core.db import Connection
from core.models import Platform

UNKNOWN, REFUSED = "unknown", "refused"  # instead of a status: the venue knows no such market, or chokes on its id

# A run that comes a little early must not pass by what is due at its proper time.
_SLACK = timedelta(minutes=5)
_HAS_ENDED = "(NOT m.listed OR m.close_time <= $2 OR m.status IN ('closed', 'determined', 'disputed'))"


@dataclass(frozen=True, slots=True)
class OutcomeChange:
    """An outcome that was stored as final and then replaced."""

    market_id: str
    changed_at: datetime
    result: str | None
    payout: Decimal
    new_result: str | None
    new_payout: Decimal | None


async def forget_settled(connection: Connection, platform: Platform) -> None:
    """Askings of markets that another job's run, or a listing, has made final since."""
    await connection.execute(
        """
        DELETE FROM settle_askings a USING markets m
        WHERE a.platform = $1 AND m.platform = a.platform AND m.market_id = a.market_id
          AND m.status = 'final' AND m.status_seen_at >= a.asked_at
        """,
        platform,
    )


async def unsettled_ids(connection: Connection, platform: Platform, now: datetime, limit: int) -> list[str]:
    """Markets whose end is due: closed by time or status, gone from the listing, or final but open again by the venue.

    Without those whose pause is not over, unless something has changed since. Longest unasked first.
    """
    rows = await connection.fetch(
        f"""
        SELECT market_id FROM (
            SELECT m.market_id, coalesce(a.asked_at, m.status_seen_at) AS asked_at
            FROM markets m LEFT JOIN settle_askings a USING (platform, market_id)
            WHERE m.platform = $1 AND m.status <> 'final' AND {_HAS_ENDED}
              AND (a.market_id IS NULL OR a.ask_after <= $3
                   OR m.status_seen_at > a.asked_at OR m.missing_since > a.asked_at)
            UNION ALL
            SELECT a.market_id, a.asked_at FROM settle_askings a JOIN markets m USING (platform, market_id)
            WHERE a.platform = $1 AND m.status = 'final' AND a.ask_after <= $3
        ) AS due
        ORDER BY asked_at, market_id LIMIT $4
        """,  # noqa: S608  a constant of this module
        platform,
        now,
        now + _SLACK,
        limit,
    )
    return [row["market_id"] for row in rows]


async def mark_asked(connection: Connection, platform: Platform, told: Mapping[str, str], now: datetime) -> None:
    """Notes what the venue told of each market, after its status is stored, and when to ask again.

    `told` is its status, UNKNOWN or REFUSED. A final one is asked for no more. One that is determined or disputed is
    asked for by every run. The others wait 15 minutes, doubling while nothing changes: up to 6 hours where trading has
    closed or the listing has lost it, up to a day where the venue knows nothing or the listing still shows it open.
    """
    await connection.execute(
        "DELETE FROM settle_askings WHERE platform = $1 AND market_id = ANY($2::text[])",
        platform,
        [market_id for market_id, word in told.items() if word == "final"],
    )
    open_ends = {market_id: word for market_id, word in told.items() if word != "final"}
    await connection.execute(
        """
        INSERT INTO settle_askings (platform, market_id, told, askings, asked_at, ask_after)
        SELECT platform, market_id, told, askings, $4, $4::timestamptz + CASE
            WHEN told IN ('determined', 'disputed') THEN interval '0'
            WHEN told IN ('unknown', 'refused') OR told <> 'closed' AND watched
                THEN least(interval '15 minutes' * 2 ^ least(askings - 1, 10), interval '1 day')
            ELSE least(interval '15 minutes' * 2 ^ least(askings - 1, 10), interval '6 hours') END
        FROM (
            SELECT m.platform, m.market_id, t.told, m.listed AND m.missing_since IS NULL AS watched,
                CASE WHEN m.status_seen_at >= $4 OR a.market_id IS NULL OR m.status_seen_at > a.asked_at
                          OR m.missing_since > a.asked_at OR a.told <> t.told THEN 1
                     ELSE a.askings + 1 END AS askings
            FROM unnest($2::text[], $3::text[]) AS t(market_id, told)
            JOIN markets m ON m.platform = $1 AND m.market_id = t.market_id
            LEFT JOIN settle_askings a ON a.platform = m.platform AND a.market_id = m.market_id
        ) AS asked
        ON CONFLICT (platform, market_id) DO UPDATE SET told = excluded.told, askings = excluded.askings,
            asked_at = excluded.asked_at, ask_after = excluded.ask_after
        """,
        platform,
        list(open_ends),
        list(open_ends.values()),
        now,
    )


async def unknown_markets(connection: Connection, platform: Platform) -> int:
    """How many markets of ours the venue does not know any more, or not yet again."""
    count: int = await connection.fetchval(
        """
        SELECT count(*) FROM settle_askings a JOIN markets m USING (platform, market_id)
        WHERE a.platform = $1 AND a.told = 'unknown' AND m.status <> 'final' AND m.status_seen_at <= a.asked_at
        """,
        platform,
    )
    return count


async def settled_read_through(connection: Connection, platform: Platform) -> datetime | None:
    """Up to when the venue's settled markets have been read; None before the first time."""
    through: datetime | None = await connection.fetchval(
        "SELECT read_through FROM settled_reads WHERE platform = $1", platform
    )
    return through


async def mark_settled_read(connection: Connection, platform: Platform, through: datetime) -> None:
    await connection.execute(
        """
        INSERT INTO settled_reads AS old (platform, read_through) VALUES ($1, $2)
        ON CONFLICT (platform) DO UPDATE SET read_through = greatest(old.read_through, excluded.read_through)
        """,
        platform,
        through,
    )


async def final_ids(
    connection: Connection, platform: Platform, after: timedelta, now: datetime, limit: int
) -> list[tuple[datetime, str]]:
    """(when it became final, market) of those that are final for `after` and not reread since, oldest first.

    The first time ever, those of the last day only.
    """
    rows = await connection.fetch(
        """
        SELECT m.status_seen_at, m.market_id FROM markets m
        LEFT JOIN outcome_rereads r ON r.platform = $1 AND r.after_s = $2
        WHERE m.platform = $1 AND m.status = 'final' AND m.status_seen_at <= $3
          AND m.status_seen_at >= coalesce(r.through_at, $3::timestamptz - interval '1 day')
          AND (r.through_at IS NULL OR (m.status_seen_at, m.market_id) > (r.through_at, r.through_id))
        ORDER BY m.status_seen_at, m.market_id LIMIT $4
        """,
        platform,
        int(after.total_seconds()),
        now - after,
        limit,
    )
    return [(row["status_seen_at"], row["market_id"]) for row in rows]


async def mark_reread(
    connection: Connection, platform: Platform, after: timedelta, through: tuple[datetime, str]
) -> None:
    await connection.execute(
        """
        INSERT INTO outcome_rereads (platform, after_s, through_at, through_id) VALUES ($1, $2, $3, $4)
        ON CONFLICT (platform, after_s) DO UPDATE SET through_at = excluded.through_at, through_id = excluded.through_id
        """,
        platform,
        int(after.total_seconds()),
        *through,
    )


async def outcome_changes(connection: Connection, platform: Platform, since: datetime) -> list[OutcomeChange]:
    """Those after `since`, in their order."""
    rows = await connection.fetch(
        """
        SELECT market_id, changed_at, result, payout, new_result, new_payout FROM outcome_changes
        WHERE platform = $1 AND changed_at > $2 ORDER BY id
        """,
        platform,
        since,
    )
    return [OutcomeChange(**row) for row in rows]
