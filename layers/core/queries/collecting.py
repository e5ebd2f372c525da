"""What a collect run writes: a batch is staged by COPY, compared inside the database, and only differences are stored.

Uploading the small staged rows instead of downloading what is stored keeps a hosted database's egress near nothing,
and the comparison cannot be stale: it happens in the transaction that writes.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from core.db import Connection
from core.detect.columns import Change
from core.models import Event, FeeChange, Market, Platform

_STAGE = """
CREATE TEMP TABLE IF NOT EXISTS staged (
    platform text, market_id text, status text, result text, payout numeric, settled_at timestamptz,
    terms_digest bigint, price numeric, yes_price numeric, no_price numeric, last_price numeric, volume numeric,
    volume_24h numeric, open_interest numeric, liquidity numeric, yes_size numeric, no_size numeric
) ON COMMIT DELETE ROWS
"""

_UPDATE_EVENT = """UPDATE SET
    title = excluded.title, category = coalesce(excluded.category, old.category),
    series = coalesce(excluded.series, old.series), mutually_exclusive = excluded.mutually_exclusive,
    exhaustive = excluded.exhaustive, fee_type = excluded.fee_type, fee_multiplier = excluded.fee_multiplier
WHERE (old.title, old.category, old.series, old.mutually_exclusive, old.exhaustive, old.fee_type,
       old.fee_multiplier) IS DISTINCT FROM
      (excluded.title, coalesce(excluded.category, old.category), coalesce(excluded.series, old.series),
       excluded.mutually_exclusive, excluded.exhaustive, excluded.fee_type, excluded.fee_multiplier)
"""

RAW_CHARS = 20_000
_TERMS_AT_ONCE = 500  # raw answers of a megabyte each still fit into an array

# The statement sees `markets` as it was before: what it replaces is what it keeps.
_UPSERT_TERMS = """
WITH told AS MATERIALIZED (
    SELECT * FROM unnest($2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[], $8::text[], $9::text[],
        $10::text[], $11::timestamptz[], $12::timestamptz[], $13::text[], $14::text[], $15::text[], $16::numeric[],
        $17::numeric[], $18::timestamptz[], $19::text[], $20::text[], $21::numeric[], $22::timestamptz[],
        $23::bigint[], $24::jsonb[]) AS t(platform, market_id, event_id, title, rules, category, yes_label, no_label,
        url, open_time, close_time, yes_token, no_token, fee_kind, fee_rate, fee_exponent, fee_waiver_until, status,
        result, payout, settled_at, terms_digest, raw_data)
), earlier AS (
    INSERT INTO market_terms_history (platform, market_id, told_from, told_until, event_id, title, rules, category,
        yes_label, no_label, open_time, close_time, yes_token, no_token, fee_kind, fee_rate, fee_exponent,
        fee_waiver_until)
    SELECT m.platform, m.market_id, m.terms_seen_at, $1, m.event_id, m.title, m.rules, m.category, m.yes_label,
        m.no_label, m.open_time, m.close_time, m.yes_token, m.no_token, m.fee_kind, m.fee_rate, m.fee_exponent,
        m.fee_waiver_until
    FROM markets m JOIN told t USING (platform, market_id)
    WHERE (m.event_id, m.title, m.rules, m.yes_label, m.no_label, m.open_time, m.close_time, m.yes_token, m.no_token,
           m.fee_kind, m.fee_rate, m.fee_exponent, m.fee_waiver_until) IS DISTINCT FROM
          (coalesce(t.event_id, m.event_id), t.title, t.rules, t.yes_label, t.no_label, t.open_time, t.close_time,
           t.yes_token, t.no_token, t.fee_kind, t.fee_rate, t.fee_exponent, t.fee_waiver_until)
    ON CONFLICT DO NOTHING
)
INSERT INTO markets AS old (platform, market_id, event_id, title, rules, category, yes_label, no_label, url, open_time,
    close_time, yes_token, no_token, fee_kind, fee_rate, fee_exponent, fee_waiver_until, status, result, payout,
    settled_at, terms_digest, raw_data, first_seen_at, terms_seen_at, status_seen_at)
SELECT platform, market_id, event_id, title, rules, category, yes_label, no_label, url, open_time, close_time,
    yes_token, no_token, fee_kind, fee_rate, fee_exponent, fee_waiver_until, status, result, payout, settled_at,
    terms_digest, raw_data, $1, $1, $1
FROM told
ON CONFLICT (platform, market_id) DO UPDATE SET
    event_id = coalesce(excluded.event_id, old.event_id), title = excluded.title, rules = excluded.rules,
    category = coalesce(excluded.category, old.category), yes_label = excluded.yes_label,
    no_label = excluded.no_label, url = coalesce(excluded.url, old.url), open_time = excluded.open_time,
    close_time = excluded.close_time, yes_token = excluded.yes_token, no_token = excluded.no_token,
    fee_kind = excluded.fee_kind, fee_rate = excluded.fee_rate, fee_exponent = excluded.fee_exponent,
    fee_waiver_until = excluded.fee_waiver_until, terms_digest = excluded.terms_digest, raw_data = excluded.raw_data,
    terms_seen_at = excluded.terms_seen_at
"""


@dataclass(frozen=True, slots=True)
class LastSweep:
    """When a venue's listing was last read whole and how many markets it held; `controlled`: both listings."""

    swept_at: datetime
    markets: int
    controlled_at: datetime | None
    controlled_markets: int | None


async def upsert_events(connection: Connection, events: Iterable[Event], *, short: bool = False) -> None:
    """An event told without category and series keeps those it has; one told in `short` form, all that it has."""
    rows = {(event.platform, event.event_id): event for event in events}
    on_conflict = "NOTHING" if short else _UPDATE_EVENT
    await connection.execute(
        f"""
        INSERT INTO events AS old (platform, event_id, title, category, series, mutually_exclusive, exhaustive,
            fee_type, fee_multiplier)
        SELECT * FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::boolean[],
            $7::boolean[], $8::text[], $9::numeric[])
        ON CONFLICT (platform, event_id) DO {on_conflict}
        """,  # noqa: S608  constants of our own
        *_columns((_event_row(rows[key]) for key in sorted(rows)), 9),
    )


def _event_row(event: Event) -> tuple[Any, ...]:
    return (
        event.platform,
        event.event_id,
        event.title,
        event.category,
        event.series,
        event.mutually_exclusive,
        event.exhaustive,
        event.fee_type,
        event.fee_multiplier,
    )


def _columns(rows: Iterable[tuple[Any, ...]], width: int) -> list[list[Any]]:
    """Rows as the arrays that `unnest` makes rows of again: one statement for all of them."""
    columns: list[list[Any]] = [[] for _ in range(width)]
    for row in rows:
        for column, value in zip(columns, row, strict=True):
            column.append(value)
    return columns


async def stage(connection: Connection, markets: Sequence[Market]) -> None:
    """Copies a batch into this transaction's staging table; market ids in it are unique.

    Jobs that write the same venue's markets take turns, transaction by transaction: their statements touch rows in
    no common order and would deadlock.
    """
    await connection.execute(_STAGE)
    if markets:
        await connection.execute("SELECT pg_advisory_xact_lock(hashtext('markets'), hashtext($1))", markets[0].platform)
    await connection.copy_records_to_table("staged", records=[_staged(market) for market in markets])
    await connection.execute("ANALYZE staged")


def _staged(market: Market) -> tuple[Any, ...]:
    quote, outcome = market.quote, market.outcome
    return (
        market.platform,
        market.market_id,
        market.status.value,
        outcome.result,
        outcome.payout,
        outcome.settled_at,
        market.terms_digest,
        quote.price,
        quote.yes_price,
        quote.no_price,
        quote.last_price,
        quote.volume,
        quote.volume_24h,
        quote.open_interest,
        quote.liquidity,
        quote.yes_size,
        quote.no_size,
    )


async def staged_with_new_terms(connection: Connection) -> set[str]:
    """Ids in the staged batch that are new or whose terms changed."""
    rows = await connection.fetch(
        """
        SELECT s.market_id FROM staged s LEFT JOIN markets m USING (platform, market_id)
        WHERE m.market_id IS NULL OR m.terms_digest <> s.terms_digest
        """
    )
    return {row["market_id"] for row in rows}


async def link_staged(connection: Connection, markets: Iterable[Market]) -> None:
    """Gives those of the staged batch whose page is unknown the one told now, if any.

    A market may be told first without its event, and whatever else it promises is the same with it.
    """
    rows = await connection.fetch(
        "SELECT s.market_id FROM staged s JOIN markets m USING (platform, market_id) WHERE m.url IS NULL"
    )
    unknown = {row["market_id"] for row in rows}
    told = [(m.platform, m.market_id, url) for m in markets if m.market_id in unknown and (url := m.terms.url)]
    if not told:
        return
    await connection.execute(
        """
        UPDATE markets m SET url = t.url FROM unnest($1::text[], $2::text[], $3::text[]) AS t(platform, market_id, url)
        WHERE m.platform = t.platform AND m.market_id = t.market_id
        """,
        *_columns(told, 3),
    )


async def upsert_terms(connection: Connection, markets: Iterable[Market], now: datetime) -> None:
    """Stores terms; those that they replace go to the history with the time they were told."""
    unique = {(market.platform, market.market_id): market for market in markets}
    rows = [_terms_row(market) for market in unique.values()]
    for first in range(0, len(rows), _TERMS_AT_ONCE):
        await connection.execute(_UPSERT_TERMS, now, *_columns(rows[first : first + _TERMS_AT_ONCE], 23))


def _terms_row(market: Market) -> tuple[Any, ...]:
    terms, outcome = market.terms, market.outcome
    fee = terms.fee
    return (
        terms.platform,
        terms.market_id,
        terms.event_id,
        terms.title,
        terms.rules,
        terms.category,
        terms.yes_label,
        terms.no_label,
        terms.url,
        terms.open_time,
        terms.close_time,
        terms.yes_token,
        terms.no_token,
        fee.kind if fee else None,
        fee.rate if fee else None,
        fee.exponent if fee else None,
        terms.fee_waiver_until,
        market.status.value,
        outcome.result,
        outcome.payout,
        outcome.settled_at,
        market.terms_digest,
        _bounded(terms.raw),
    )


def _bounded(raw: dict[str, Any]) -> dict[str, Any]:
    """A raw answer whose texts end at RAW_CHARS, so that no market weighs megabytes."""
    return {name: value[:RAW_CHARS] if isinstance(value, str) else value for name, value in raw.items()}


async def mark_staged_statuses(connection: Connection, now: datetime, *, listed: bool) -> int:
    """Moves each staged market's life on; final is never taken back, but its payout can be amended.

    `listed` says that the rows come from a listing of what is open; found by id they tell nothing of that.
    """
    status = await connection.execute(
        """
        UPDATE markets m SET status = s.status, result = s.result, payout = s.payout,
               settled_at = coalesce(s.settled_at, m.settled_at), listed = $2 OR m.listed, status_seen_at = $1
        FROM staged s
        WHERE m.platform = s.platform AND m.market_id = s.market_id
          AND (m.status, m.result, m.payout, m.listed) IS DISTINCT FROM (s.status, s.result, s.payout, $2 OR m.listed)
          AND (m.status <> 'final' OR s.status = 'final' AND (s.payout IS NOT NULL OR m.payout IS NULL))
        """,
        now,
        listed,
    )
    return int(status.split()[-1])


async def insert_changed_snapshots(connection: Connection, now: datetime, every_s: int) -> tuple[int, list[Change]]:
    """Writes a snapshot of each open staged market whose quote changed, or whose last one is `every_s` old.

    Returns how many, and for each whose price or volume changed (its number, price before, price now, what its volume
    gained: None where the counter is unknown or fell, its spread: None where a side of the book is empty).
    """
    (row,) = await connection.fetch(
        """
        WITH changed AS (
            SELECT s.*, l.price AS old_price, l.volume AS old_volume, l.market_id IS NULL AS new
            FROM staged s LEFT JOIN market_latest l USING (platform, market_id)
            WHERE s.status = 'open' AND (
                l.market_id IS NULL OR l.time <= $1::timestamptz - make_interval(secs => $2)
                OR (s.price, s.yes_price, s.no_price, s.last_price, s.volume, s.open_interest, s.yes_size, s.no_size)
                   IS DISTINCT FROM
                   (l.price, l.yes_price, l.no_price, l.last_price, l.volume, l.open_interest, l.yes_size, l.no_size))
        ), snapshots AS (
            INSERT INTO market_snapshots
                (time, market_id, platform, price, volume, yes_price, no_price, last_price, open_interest, liquidity)
            SELECT $1::timestamptz, market_id, platform, price, volume, yes_price, no_price, last_price,
                open_interest, liquidity FROM changed ON CONFLICT DO NOTHING RETURNING 1
        ), latest AS (
            INSERT INTO market_latest AS old (platform, market_id, time, price, yes_price, no_price, last_price, volume,
                volume_24h, open_interest, liquidity, yes_size, no_size)
            SELECT platform, market_id, $1::timestamptz, price, yes_price, no_price, last_price, volume, volume_24h,
                open_interest, liquidity, yes_size, no_size FROM changed
            ON CONFLICT (platform, market_id) DO UPDATE SET (time, price, yes_price, no_price, last_price, volume,
                volume_24h, open_interest, liquidity, yes_size, no_size) = (excluded.time, excluded.price,
                excluded.yes_price, excluded.no_price, excluded.last_price, excluded.volume, excluded.volume_24h,
                excluded.open_interest, excluded.liquidity, excluded.yes_size, excluded.no_size)
            WHERE old.time < excluded.time
        ), moved AS (
            SELECT m.number, c.old_price::float8 AS before, c.price::float8 AS after,
                   CASE WHEN c.volume >= c.old_volume THEN (c.volume - c.old_volume)::float8 END AS gained,
                   (c.yes_price + c.no_price - 1)::float8 AS spread
            FROM changed c JOIN markets m USING (platform, market_id)
            WHERE c.new OR (c.price, c.volume) IS DISTINCT FROM (c.old_price, c.old_volume)
        )
        SELECT (SELECT count(*) FROM snapshots) AS snapshots, array_agg(number) AS numbers,
               array_agg(before) AS before, array_agg(after) AS after, array_agg(gained) AS gained,
               array_agg(spread) AS spread FROM moved
        """,
        now,
        every_s,
    )
    columns = ("numbers", "before", "after", "gained", "spread")
    return row["snapshots"], list(zip(*(row[name] or () for name in columns), strict=True))


async def last_sweep(connection: Connection, platform: Platform) -> LastSweep | None:
    """None before the first listing that was read whole."""
    row = await connection.fetchrow(
        "SELECT swept_at, markets, controlled_at, controlled_markets FROM venue_sweeps WHERE platform = $1", platform
    )
    return None if row is None else LastSweep(**row)


async def mark_swept(connection: Connection, platform: Platform, seen: Sequence[str], now: datetime) -> int:
    """After a sweep read whole: notes which listed markets were not in it and which are back. Returns the former."""
    await connection.execute(
        """
        INSERT INTO venue_sweeps (platform, swept_at, markets) VALUES ($1, $2, $3)
        ON CONFLICT (platform) DO UPDATE SET swept_at = excluded.swept_at, markets = excluded.markets
        """,
        platform,
        now,
        len(seen),
    )
    rows = await connection.fetch(
        """
        UPDATE markets m SET missing_since = CASE WHEN k.seen THEN NULL ELSE $3::timestamptz END
        FROM (
            SELECT market_id, s.id IS NOT NULL AS seen
            FROM markets LEFT JOIN unnest($2::text[]) AS s(id) ON s.id = market_id
            WHERE platform = $1 AND (listed AND status <> 'final' OR missing_since IS NOT NULL)
        ) AS k
        WHERE m.platform = $1 AND m.market_id = k.market_id AND k.seen = (m.missing_since IS NOT NULL)
        RETURNING k.seen
        """,
        platform,
        list(seen),
        now,
    )
    return sum(not row["seen"] for row in rows)


async def mark_controlled(connection: Connection, platform: Platform, seen: Sequence[str], now: datetime) -> int:
    """After both listings were read whole: what was in neither is listed no more (settling finds out why)."""
    await connection.execute(
        "UPDATE venue_sweeps SET controlled_at = $2, controlled_markets = $3 WHERE platform = $1",
        platform,
        now,
        len(seen),
    )
    status = await connection.execute(
        """
        UPDATE markets m SET listed = false, status_seen_at = $3
        WHERE platform = $1 AND listed AND status <> 'final'
          AND NOT EXISTS (SELECT FROM unnest($2::text[]) AS s(id) WHERE s.id = m.market_id)
        """,
        platform,
        list(seen),
        now,
    )
    return int(status.split()[-1])


async def upsert_series_fees(
    connection: Connection, rows: Sequence[tuple[str, str | None, str | None, Decimal | None]], now: datetime
) -> None:
    unique = {row[0]: row for row in rows}
    await connection.execute(
        """
        INSERT INTO series_fees (series, category, fee_type, fee_multiplier, read_at)
        SELECT series, category, fee_type, fee_multiplier, $5
        FROM unnest($1::text[], $2::text[], $3::text[], $4::numeric[]) AS u(series, category, fee_type, fee_multiplier)
        ON CONFLICT (series) DO UPDATE SET category = excluded.category, fee_type = excluded.fee_type,
            fee_multiplier = excluded.fee_multiplier, read_at = excluded.read_at
        """,
        *_columns((unique[series] for series in sorted(unique)), 4),
        now,
    )


async def replace_fee_changes(
    connection: Connection, changes: Sequence[FeeChange], now: datetime, kept_since: datetime
) -> None:
    """Stores what is announced after `now`, and forgets what is announced no more and what is long past."""
    ahead = {(c.scope, c.subject, c.effective_at): c for c in changes if c.effective_at > now}
    await connection.execute("DELETE FROM fee_changes WHERE effective_at > $1 OR effective_at < $2", now, kept_since)
    await connection.execute(
        """
        INSERT INTO fee_changes (scope, subject, effective_at, fee_type, fee_multiplier, read_at)
        SELECT scope, subject, effective_at, fee_type, fee_multiplier, $6
        FROM unnest($1::text[], $2::text[], $3::timestamptz[], $4::text[], $5::numeric[])
            AS u(scope, subject, effective_at, fee_type, fee_multiplier)
        """,
        *_columns(
            ((c.scope, c.subject, c.effective_at, c.fee_type, c.fee_multiplier) for _, c in sorted(ahead.items())), 5
        ),
        now,
    )
