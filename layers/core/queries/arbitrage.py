"""Bundles in the database: what a run publishes, how long each lived, what did not clear, and terms behind them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from decimal import Decimal, InvalidOperation
from typing import Any

from core.arbitrage.wording import Wording
from core.body_store import BodyStore
from core.db import Connection
from core.models import PLATFORMS, Platform
from core.queries.sent_once import sent_once

Key = tuple[Platform, str]

NEAR_MISSES_KEPT = timedelta(days=2)
NO_LONGER_PROPOSED = "no longer proposed"
NOT_QUOTED_AGAIN = "not quoted again in time"

# The legs, each with its market's page.
LINKED_LEGS = """
coalesce((SELECT jsonb_agg(leg.told || jsonb_build_object('url', m.url) ORDER BY leg.place)
    FROM jsonb_array_elements(legs) WITH ORDINALITY AS leg (told, place)
    LEFT JOIN markets m ON m.platform = leg.told ->> 'platform' AND m.market_id = leg.told ->> 'market_id'), '[]')
"""

_OPPORTUNITY = (
    "bundle_key opportunity_type kalshi_market_id polymarket_market_id description edge_percentage net_edge_usd "
    "cost_usd shares execution_steps risks settlement_risk confidence_score quoted_at expires_at legs sizes "
    "annualised_percentage settles_at pays_if analysis analysis_id"
).split()
_NEAR_MISS = ("at bundle_key opportunity_type description lacks reason legs shares edge_percentage quoted_at").split()


def _insert(table: str, columns: Sequence[str]) -> str:
    places = ", ".join(f"${n}" for n in range(1, len(columns) + 1))
    return f"INSERT INTO {table} ({', '.join(columns)}) VALUES ({places}) ON CONFLICT DO NOTHING"  # noqa: S608  our own


async def alive_keys(connection: Connection) -> set[str]:
    """The bundles that stand, whether or not their time is up: each is quoted again or withdrawn."""
    rows = await connection.fetch("SELECT bundle_key FROM arbitrage_opportunities WHERE status = 'active'")
    return {row["bundle_key"] for row in rows}


async def replace_opportunities(
    connection: Connection, rows: Sequence[Mapping[str, Any]], now: datetime
) -> tuple[int, int]:
    """Publishes this run's quotes and withdraws the living ones before it. Returns (published, withdrawn).

    An opportunity that was alive keeps the time at which it was first seen, and its life goes on; not one that nobody
    quoted for as long again as it was told to stand: what became of it meanwhile is unknown.
    """
    before = await connection.fetch(
        """
        UPDATE arbitrage_opportunities SET status = CASE WHEN expires_at <= $1 THEN 'expired' ELSE 'withdrawn' END,
               withdrawn_at = CASE WHEN expires_at <= $1 THEN NULL ELSE $1 END
        WHERE status = 'active'
        RETURNING bundle_key, first_seen_at, expires_at + (expires_at - quoted_at) > $1 AS goes_on
        """,
        now,
    )
    first_seen = {row["bundle_key"]: row["first_seen_at"] for row in before if row["goes_on"]}
    await connection.executemany(
        _insert("arbitrage_opportunities", [*_OPPORTUNITY, "first_seen_at"]),
        [(*(row[name] for name in _OPPORTUNITY), first_seen.get(row["bundle_key"], row["quoted_at"])) for row in rows],
    )
    again = {row["bundle_key"] for row in rows}
    await _end_broken_lives(connection, [*again - set(first_seen)])
    await _end_lives(connection, again, now)
    await _live_on(connection, rows)
    return len(rows), len({row["bundle_key"] for row in before} - again)


async def _live_on(connection: Connection, rows: Sequence[Mapping[str, Any]]) -> None:
    await connection.executemany(
        """
        INSERT INTO arbitrage_lives AS life (bundle_key, opportunity_type, first_seen_at, last_seen_at,
            last_edge_percentage, peak_edge_percentage, peak_net_edge_usd, peak_at)
        VALUES ($1, $2, $3, $3, $4, $4, $5, $3)
        ON CONFLICT (bundle_key) WHERE ended_at IS NULL DO UPDATE SET
            last_seen_at = excluded.last_seen_at, quotes = life.quotes + 1,
            last_edge_percentage = excluded.last_edge_percentage,
            peak_edge_percentage = greatest(life.peak_edge_percentage, excluded.peak_edge_percentage),
            peak_net_edge_usd = greatest(life.peak_net_edge_usd, excluded.peak_net_edge_usd),
            peak_at = CASE WHEN excluded.peak_edge_percentage > life.peak_edge_percentage
                THEN excluded.peak_at ELSE life.peak_at END,
            half_at = CASE WHEN excluded.peak_edge_percentage > life.peak_edge_percentage THEN NULL
                WHEN 2 * excluded.last_edge_percentage <= life.peak_edge_percentage
                THEN coalesce(life.half_at, excluded.last_seen_at) ELSE life.half_at END
        """,
        [
            (row["bundle_key"], row["opportunity_type"], row["quoted_at"], row["edge_percentage"], row["net_edge_usd"])
            for row in rows
        ],
    )


async def _end_broken_lives(connection: Connection, keys: Sequence[str]) -> None:
    """Of what is quoted now, and was not in time: the life before is over since it was last seen."""
    await connection.execute(
        """
        UPDATE arbitrage_lives SET ended_at = last_seen_at, ended_because = $2
        WHERE ended_at IS NULL AND bundle_key = ANY($1::text[])
        """,
        list(keys),
        NOT_QUOTED_AGAIN,
    )


async def _end_lives(connection: Connection, again: set[str], now: datetime) -> None:
    """Ends what was not quoted again. Its edge is known to be below half where this run's books said so."""
    await connection.execute(
        """
        UPDATE arbitrage_lives life SET ended_at = $2, ended_because = coalesce(miss.reason, $3),
            half_at = CASE WHEN 2 * miss.edge_percentage <= life.peak_edge_percentage
                THEN coalesce(life.half_at, miss.quoted_at) ELSE life.half_at END
        FROM arbitrage_lives open LEFT JOIN arbitrage_near_misses miss
            ON miss.bundle_key = open.bundle_key AND miss.at = $2
        WHERE open.id = life.id AND life.ended_at IS NULL AND NOT life.bundle_key = ANY($1::text[])
        """,
        list(again),
        now,
        NO_LONGER_PROPOSED,
    )


async def insert_near_misses(connection: Connection, rows: Sequence[Mapping[str, Any]], now: datetime) -> None:
    """Adds to this run's, and forgets those of two days ago."""
    await connection.execute("DELETE FROM arbitrage_near_misses WHERE at < $1", now - NEAR_MISSES_KEPT)
    await connection.executemany(
        _insert("arbitrage_near_misses", _NEAR_MISS), [tuple(row[name] for name in _NEAR_MISS) for row in rows]
    )


async def near_misses(connection: Connection, at: datetime, lasting_s: int, limit: int = 100) -> list[dict[str, Any]]:
    """Those of the last run that had any by `at`, the nearest first; what lacks more than money comes last.

    Each with the time its books were read; over `lasting_s` after the run, as what is quoted is.
    """
    rows = await connection.fetch(
        f"""
        SELECT opportunity_type AS type, description, lacks, reason, {LINKED_LEGS} AS legs, shares::float8,
               edge_percentage::float8, quoted_at, at + make_interval(secs => $2) AS expires_at
        FROM arbitrage_near_misses
        WHERE at = (SELECT max(at) FROM arbitrage_near_misses WHERE at <= $1) AND at + make_interval(secs => $2) > $1
        ORDER BY edge_percentage DESC NULLS LAST, bundle_key LIMIT $3
        """,  # noqa: S608  a constant of our own
        at,
        float(lasting_s),
        limit,
    )
    return [dict(row) for row in rows]


async def judged_pairs(connection: Connection) -> list[dict[str, Any]]:
    """Pairs that may be priced, each market in one of them only, and those that nothing but their rules block.

    As they were judged on the markets' present terms; with what is to be said of settlement.
    """
    rows = await connection.fetch(
        """
        WITH judged AS (
            SELECT p.*, count(*) FILTER (WHERE p.may_be_priced) OVER (PARTITION BY p.kalshi_market_id) AS of_kalshi,
                   count(*) FILTER (WHERE p.may_be_priced) OVER (PARTITION BY p.polymarket_market_id) AS of_polymarket
            FROM pairs p
            JOIN markets k ON k.platform = 'kalshi' AND k.market_id = p.kalshi_market_id
            JOIN markets m ON m.platform = 'polymarket' AND m.market_id = p.polymarket_market_id
            WHERE p.kalshi_digest = k.terms_digest AND p.polymarket_digest = m.terms_digest
              AND (p.may_be_priced OR p.passes_titles AND p.settlement_risk = 'BLOCK')
        )
        SELECT kalshi_market_id, polymarket_market_id, relation, same_side, confidence, settlement_risk, reasons
        FROM judged WHERE settlement_risk = 'BLOCK' OR (of_kalshi = 1 AND of_polymarket = 1)
        ORDER BY kalshi_market_id, polymarket_market_id
        """
    )
    return [dict(row) for row in rows]


_WORDINGS = """
SELECT m.number, json_build_array(m.market_id, m.rules, m.open_time, m.close_time, e.exhaustive,
    m.raw_data->>'expected_expiration_time', m.raw_data->>'strike_type', m.raw_data->>'floor_strike',
    m.raw_data->>'cap_strike', (SELECT count(*) FROM markets o WHERE o.platform = m.platform
    AND o.event_id = m.event_id AND o.payout IS DISTINCT FROM 0))::text AS line
FROM markets m LEFT JOIN events e USING (platform, event_id)
WHERE m.platform = $1 AND m.market_id = ANY($2::text[])
"""


async def wordings(connection: Connection, keys: Sequence[Key], store: BodyStore | None = None) -> dict[Key, Wording]:
    """The terms behind these markets. Kalshi tells when it expects to settle, Polymarket when a market ends."""
    found: dict[Key, Wording] = {}
    for platform in PLATFORMS:
        # One by one: which are asked for is another choice in every run.
        ids = [market_id for venue, market_id in keys if venue == platform]
        for line in await sent_once(connection, _WORDINGS, platform, ids, store=store, block=1):
            market_id, rules, opens, closes, exhaustive, expected, strike_type, floor, cap, unsettled = line
            ends = [at for at in (_moment(closes), _moment(expected)) if at is not None]
            found[platform, market_id] = Wording(
                rules,
                _moment(opens),
                max(ends, default=None),
                strike_type,
                _number(floor),
                _number(cap),
                exhaustive,
                unsettled,
            )
    return found


def _number(told: str | None) -> Decimal | None:
    """The venue's raw answer is kept as it came: what is no number says nothing."""
    try:
        number = Decimal(told) if told is not None and len(told) <= 64 else None
    except InvalidOperation:
        return None
    return number if number is not None and number.is_finite() else None


def _moment(told: str | None) -> datetime | None:
    try:
        at = datetime.fromisoformat(told) if told else None
    except ValueError:
        return None
    return at if at is not None and at.tzinfo is not None and at.year > 1 else None
