"""What matching reads and writes: the keys of open markets, candidates by keys, verdicts on pairs."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from core.db import Connection
from core.match.verdict import Verdict
from core.models import PLATFORMS, Platform

# Of a market that is listed and can be bet on now.
_OPEN = "m.status = 'open' AND m.listed AND m.missing_since IS NULL"


@dataclass(frozen=True, slots=True)
class Text:
    """What matching reads of a market; `digest` changes when any of its terms does."""

    platform: Platform
    market_id: str
    title: str
    yes_label: str
    no_label: str
    close_time: datetime | None
    digest: int


_TEXT = "m.platform, m.market_id, m.title, m.yes_label, m.no_label, m.close_time, m.terms_digest AS digest"


async def changed_texts(connection: Connection, most: int, timeout_s: float) -> list[Text]:
    """Open markets whose terms are not those that were matched, the newest first, at most so many."""
    rows = await connection.fetch(
        f"""
        SELECT {_TEXT} FROM markets m LEFT JOIN match_terms t USING (platform, market_id)
        WHERE {_OPEN} AND t.terms_digest IS DISTINCT FROM m.terms_digest
        ORDER BY m.terms_seen_at DESC, m.platform, m.market_id LIMIT $1
        """,  # noqa: S608  constants of our own
        most,
        timeout=timeout_s,
    )
    return [Text(**row) for row in rows]


async def texts_of(connection: Connection, platform: Platform, market_ids: Sequence[str]) -> list[Text]:
    rows = await connection.fetch(
        f"SELECT {_TEXT} FROM markets m WHERE m.platform = $1 AND m.market_id = ANY($2::text[])",  # noqa: S608
        platform,
        list(market_ids),
    )
    return [Text(**row) for row in rows]


async def replace_keys(
    connection: Connection, rows: Iterable[tuple[Platform, str, list[int]]], timeout_s: float
) -> None:
    """Stores (platform, market id, keys) of markets, and counts their keys. Within the caller's transaction."""
    await _lock(connection, timeout_s)
    await connection.execute("CREATE TEMP TABLE new_terms (LIKE match_terms) ON COMMIT DROP")
    await connection.copy_records_to_table(
        "new_terms", records=list(rows), columns=["platform", "market_id", "keys"], timeout=timeout_s
    )
    await _forget(
        connection,
        "EXISTS (SELECT FROM new_terms n WHERE (n.platform, n.market_id) = (t.platform, t.market_id))",
        timeout_s,
    )
    await connection.execute(
        """
        WITH stored AS (INSERT INTO match_terms SELECT * FROM new_terms RETURNING platform, keys)
        INSERT INTO match_keys AS old (platform, key, markets)
        SELECT platform, key, count(*) FROM stored, unnest(keys) AS key GROUP BY platform, key
        ON CONFLICT (platform, key) DO UPDATE SET markets = old.markets + excluded.markets
        """,
        timeout=timeout_s,
    )


async def mark_matched(connection: Connection, texts: Sequence[Text]) -> None:
    """Their pairs were judged by these terms."""
    await connection.execute(
        """
        UPDATE match_terms t SET terms_digest = n.digest
        FROM unnest($1::text[], $2::text[], $3::bigint[]) AS n (platform, market_id, digest)
        WHERE (t.platform, t.market_id) = (n.platform, n.market_id)
        """,
        [text.platform for text in texts],
        [text.market_id for text in texts],
        [text.digest for text in texts],
    )


async def forget_ended(connection: Connection, timeout_s: float) -> None:
    """Deletes the keys of markets that trade no more, and their pairs but for matches, which are a record."""
    await _lock(connection, timeout_s)
    await connection.execute(
        f"""
        DELETE FROM pairs p WHERE NOT p.is_match AND NOT EXISTS (
            SELECT FROM markets m WHERE m.platform = 'kalshi' AND m.market_id = p.kalshi_market_id AND {_OPEN}
        )
        """,  # noqa: S608  a constant of our own
        timeout=timeout_s,
    )
    await _forget(
        connection,
        f"NOT EXISTS (SELECT FROM markets m WHERE (m.platform, m.market_id) = (t.platform, t.market_id) AND {_OPEN})",
        timeout_s,
    )


async def _lock(connection: Connection, timeout_s: float) -> None:
    """Keys and their counts change together, by one run at a time."""
    await connection.execute("LOCK TABLE match_terms IN SHARE ROW EXCLUSIVE MODE", timeout=timeout_s)


async def _forget(connection: Connection, condition: str, timeout_s: float) -> None:
    await connection.execute(
        f"""
        WITH gone AS (DELETE FROM match_terms t WHERE {condition} RETURNING platform, keys),
             lost AS (SELECT platform, key, count(*) AS markets FROM gone, unnest(keys) AS key GROUP BY platform, key)
        UPDATE match_keys old SET markets = old.markets - lost.markets
        FROM lost WHERE (old.platform, old.key) = (lost.platform, lost.key)
        """,  # noqa: S608  conditions of our own
        timeout=timeout_s,
    )


async def key_counts(connection: Connection, keys: Sequence[int]) -> dict[Platform, dict[int, int]]:
    """In how many markets of each venue these keys occur."""
    rows = await connection.fetch(
        "SELECT platform, key, markets FROM match_keys WHERE platform = ANY($1::text[]) AND key = ANY($2::int[])",
        list(PLATFORMS),
        list(keys),
    )
    counts: dict[Platform, dict[int, int]] = {platform: {} for platform in PLATFORMS}
    for row in rows:
        counts[row["platform"]][row["key"]] = row["markets"]
    return counts


async def sizes(connection: Connection) -> dict[Platform, int]:
    """How many markets of each venue have keys."""
    rows = await connection.fetch("SELECT platform, count(*) AS markets FROM match_terms GROUP BY platform")
    return dict.fromkeys(PLATFORMS, 0) | {row["platform"]: row["markets"] for row in rows}


async def all_keys(connection: Connection, platform: Platform, timeout_s: float) -> tuple[list[str], list[list[int]]]:
    """Every market of a venue with its keys: for a search for so many that asking for each would be slower."""
    rows = await connection.fetch(
        "SELECT market_id, keys FROM match_terms WHERE platform = $1", platform, timeout=timeout_s
    )
    return [row["market_id"] for row in rows], [row["keys"] for row in rows]


async def candidates(
    connection: Connection,
    platform: Platform,
    asked: Sequence[tuple[int, int, float, bool]],
    most: int,
    timeout_s: float,
) -> list[tuple[int, str]]:
    """(asker, market id) of the markets of `platform` that share most with each asker, best first.

    `asked`: (asker, key, what it tells, whether it is to be looked up). The same search as core.match.candidates.find.
    """
    askers, keys, weights, looked_up = zip(*asked, strict=True) if asked else ((), (), (), ())
    rows = await connection.fetch(
        f"""
        WITH asked AS MATERIALIZED (
            SELECT * FROM unnest($1::int[], $2::int[], $3::float8[], $4::bool[]) AS a (asker, key, weight, looked_up)
        ), looked_up AS (SELECT asker, array_agg(key) AS keys FROM asked WHERE looked_up GROUP BY asker),
        near AS MATERIALIZED (
            SELECT l.asker, t.market_id, t.keys
            FROM looked_up l JOIN match_terms t ON t.platform = '{platform}' AND t.keys && l.keys
        ), scored AS (
            SELECT n.asker, n.market_id, sum(a.weight) / sqrt(cardinality(n.keys)) AS score
            FROM near n CROSS JOIN LATERAL unnest(n.keys) AS said (key)
            JOIN asked a ON a.asker = n.asker AND a.key = said.key
            GROUP BY n.asker, n.market_id, n.keys
        ), ranked AS (
            SELECT *, row_number() OVER (PARTITION BY asker ORDER BY score DESC, market_id) AS place FROM scored
        )
        SELECT asker, market_id FROM ranked WHERE place <= $5 ORDER BY asker, place
        """,  # noqa: S608  a platform's name, said outright for the sake of its partial index
        list(askers),
        list(keys),
        list(weights),
        list(looked_up),
        most,
        timeout=timeout_s,
    )
    return [(row["asker"], row["market_id"]) for row in rows]


async def partners(
    connection: Connection, kalshi: Sequence[str], polymarket: Sequence[str]
) -> dict[tuple[str, str], tuple[int | None, int | None]]:
    """The stored pairs of these markets, with the digests of the terms that they were judged by."""
    rows = await connection.fetch(
        """
        SELECT kalshi_market_id, polymarket_market_id, kalshi_digest, polymarket_digest FROM pairs
        WHERE relation <> 'none' AND (kalshi_market_id = ANY($1::text[]) OR polymarket_market_id = ANY($2::text[]))
        """,
        list(kalshi),
        list(polymarket),
    )
    return {(row[0], row[1]): (row[2], row[3]) for row in rows}


async def upsert_pairs(connection: Connection, rows: Iterable[tuple[Any, ...]]) -> None:
    """Rows: kalshi id, polymarket id, relation, same side, confidence, settlement risk, reasons, is match, may be
    priced, passes titles, found by, kalshi digest, polymarket digest, decided at (told anew only when the verdict
    changed)."""
    await connection.executemany(
        """
        INSERT INTO pairs AS old (kalshi_market_id, polymarket_market_id, relation, same_side, confidence,
            settlement_risk, reasons, is_match, may_be_priced, passes_titles, found_by, kalshi_digest,
            polymarket_digest, decided_at)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)
        ON CONFLICT (kalshi_market_id, polymarket_market_id) DO UPDATE SET relation = excluded.relation,
            same_side = excluded.same_side, confidence = excluded.confidence,
            settlement_risk = excluded.settlement_risk, reasons = excluded.reasons, is_match = excluded.is_match,
            may_be_priced = excluded.may_be_priced, passes_titles = excluded.passes_titles,
            found_by = excluded.found_by, kalshi_digest = excluded.kalshi_digest,
            polymarket_digest = excluded.polymarket_digest,
            decided_at = CASE WHEN (old.relation, old.same_side, old.confidence, old.settlement_risk, old.reasons,
                old.is_match, old.may_be_priced) IS DISTINCT FROM (excluded.relation, excluded.same_side,
                excluded.confidence, excluded.settlement_risk, excluded.reasons, excluded.is_match,
                excluded.may_be_priced) THEN excluded.decided_at ELSE old.decided_at END
        """,
        list(rows),
    )


async def retire_pairs(connection: Connection, pairs: Iterable[tuple[str, str]], now: datetime) -> None:
    """What was a pair until its terms changed is none."""
    await connection.executemany(
        """
        UPDATE pairs SET relation = 'none', is_match = false, may_be_priced = false, passes_titles = false,
            decided_at = $3,
            reasons = '["its terms changed"]' WHERE kalshi_market_id = $1 AND polymarket_market_id = $2
        """,
        [(*pair, now) for pair in pairs],
    )


async def living_pairs(connection: Connection) -> list[Verdict]:
    """Matches of which both markets are open, but for those whose rules block them and markets that fit several.

    A verdict counts for the terms that it was made on: of terms that changed since and wait to be judged, none does.
    """
    rows = await connection.fetch(
        f"""
        WITH living AS (
            SELECT p.*, count(*) OVER (PARTITION BY p.kalshi_market_id) AS of_kalshi,
                   count(*) OVER (PARTITION BY p.polymarket_market_id) AS of_polymarket
            FROM pairs p
            JOIN markets k ON k.platform = 'kalshi' AND k.market_id = p.kalshi_market_id
            JOIN markets m ON m.platform = 'polymarket' AND m.market_id = p.polymarket_market_id
            WHERE p.may_be_priced AND k.status = 'open' AND k.listed AND {_OPEN}
              AND p.kalshi_digest = k.terms_digest AND p.polymarket_digest = m.terms_digest
        )
        SELECT * FROM living WHERE of_kalshi = 1 AND of_polymarket = 1 ORDER BY kalshi_market_id
        """  # noqa: S608  a constant of our own
    )
    return [
        Verdict(
            row["kalshi_market_id"],
            row["polymarket_market_id"],
            row["relation"],
            float(row["confidence"]),
            row["settlement_risk"],
            tuple(row["reasons"]),
            row["same_side"],
            row["is_match"],
            row["may_be_priced"],
            row["passes_titles"],
        )
        for row in rows
    ]


async def blocked_pairs(connection: Connection) -> int:
    """How many matches of open markets are not priced because their rules settle apart."""
    blocked: int = await connection.fetchval(
        f"""
        SELECT count(*) FROM pairs p
        JOIN markets k ON k.platform = 'kalshi' AND k.market_id = p.kalshi_market_id
        JOIN markets m ON m.platform = 'polymarket' AND m.market_id = p.polymarket_market_id
        WHERE p.passes_titles AND p.settlement_risk = 'BLOCK' AND k.status = 'open' AND k.listed AND {_OPEN}
        """  # noqa: S608  a constant of our own
    )
    return blocked


def pair_row(verdict: Verdict, found_by: str, digests: tuple[int, int], decided_at: datetime) -> tuple[Any, ...]:
    """A verdict as `upsert_pairs` takes it."""
    return (
        verdict.kalshi_id,
        verdict.polymarket_id,
        verdict.relation,
        verdict.same_side,
        Decimal(str(round(verdict.confidence, 3))),
        verdict.risk,
        list(verdict.reasons),
        verdict.is_match,
        verdict.may_be_priced,
        verdict.passes_titles,
        found_by,
        *digests,
        decided_at,
    )
