"""Rows as the analyze job leaves them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import uuid4

from core.db import Connection
from core.queries import analyzing, arbitrage
from tests.conftest import NOW

HOUR = timedelta(hours=1)


async def insert_market(connection: Connection, market_id: str, title: str, **fields: Any) -> None:
    """An open one, of Kalshi where `fields`, by their columns, do not say otherwise."""
    labels = {"yes_label": "Yes", "no_label": "No", "url": "https://example.com"}
    row: dict[str, Any] = {"platform": "kalshi", "market_id": market_id, "title": title, "rules": ""} | labels
    seen = dict.fromkeys(("first_seen_at", "terms_seen_at", "status_seen_at"), NOW)
    row |= {"status": "open", "terms_digest": 1, "raw_data": {}} | seen | fields
    await connection.execute(
        f"INSERT INTO markets ({', '.join(row)}) VALUES ({', '.join(f'${n}' for n in range(1, len(row) + 1))})",
        *row.values(),
    )


async def insert_insight(
    connection: Connection,
    title: str,
    created_at: datetime = NOW - 2 * HOUR,
    *,
    expires_at: datetime | None = None,
    ended_at: datetime | None = None,
    url: str | None = "https://example.com",
    **fields: Any,
) -> str:
    market_id = f"KX-{uuid4().hex}"
    await insert_market(connection, market_id, title, url=url)
    row: dict[str, Any] = {
        "platform": "kalshi",
        "market_id": market_id,
        "market_title": title,
        "pattern_type": "volume_surge",
        "pattern_score": Decimal("71.5"),
        "category": "Politics",
        "ai_recommendation": "GOOD_BET",
        "confidence_score": Decimal(64),
        "confidence_basis": "unproven",
        "win_probability": Decimal("0.61"),
        "one_liner": "Buy NO at 41¢",
        "reasoning": "Thin volume.",
        "risk_factors": ["The hearing may be moved"],
        "suggested_position": "NO",
        "edge_explanation": "A drift without news.",
        "time_sensitivity": "HOURS",
        "net_edge_cents": Decimal("3.1"),
        "evidence": [{"id": "F1", "name": "price", "label": "YES costs", "value": "59", "unit": "¢"}],
        "evidence_digest": 1,
        "answer": {},
        "price_at_emission": Decimal("0.59"),
        "yes_price_at_emission": Decimal("0.6"),
        "no_price_at_emission": None,
        "model": "stand-in",
        "prompt_version": "1",
        "prompt_tokens": 1,
        "cached_tokens": 0,
        "completion_tokens": 1,
        "cost_usd": Decimal("0.0001"),
        "created_at": created_at,
        "expires_at": expires_at or created_at + 24 * HOUR,
        "inputs": None,
        "prompt_digest": None,
        "win_probability_basis": "unproven",
        "win_baseline": Decimal("0.59"),
        "raw_win_probability": Decimal("0.55"),
        "raw_confidence_score": Decimal(64),
    }
    insight_id = await analyzing.insert_insight(connection, row | fields)
    assert insight_id is not None
    if ended_at is not None:
        await end_insight(connection, insight_id, ended_at)
    return insight_id


async def end_insight(connection: Connection, insight_id: str, at: datetime) -> None:
    await connection.execute(
        "UPDATE ai_insights SET status = 'superseded', ended_at = $2 WHERE id = $1::uuid", insight_id, at
    )


async def insert_grade(
    connection: Connection, insight_id: str, kind: str, at: datetime, net: str | None, payout: str | None = None
) -> None:
    await connection.execute(
        "INSERT INTO insight_grades (insight_id, kind, graded_at, payout, net_cents, why) "
        "VALUES ($1::uuid, $2, $3, $4, $5, '')",
        insight_id,
        kind,
        at,
        None if payout is None else Decimal(payout),
        None if net is None else Decimal(net),
    )


async def insert_arbitrage(
    connection: Connection,
    description: str,
    quoted_at: datetime = NOW - timedelta(minutes=10),
    *,
    expires_at: datetime | None = None,
    withdrawn_at: datetime | None = None,
    edge: str = "3.2",
    legs: Sequence[Mapping[str, Any]] = (),
) -> str:
    arbitrage_id: str = await connection.fetchval(
        """
        INSERT INTO arbitrage_opportunities (opportunity_type, kalshi_market_id, polymarket_market_id, description,
            edge_percentage, net_edge_usd, cost_usd, shares, execution_steps, risks, settlement_risk,
            confidence_score, quoted_at, first_seen_at, expires_at, withdrawn_at, status, legs)
        VALUES ('CROSS_PLATFORM', $1, $2, $3, $4, 3.2, 96.8, 100, $5, $6, 'SAFE', 90, $7, $7, $8, $9, $10, $11)
        RETURNING id::text
        """,
        f"KX-{uuid4().hex}",
        f"0x{uuid4().hex}",
        description,
        Decimal(edge),
        ["Buy 100 YES"],
        ["Both legs must fill"],
        quoted_at,
        expires_at or quoted_at + timedelta(minutes=15),
        withdrawn_at,
        "active" if withdrawn_at is None else "withdrawn",
        list(legs),
    )
    return arbitrage_id


def leg(market_id: str, platform: str = "kalshi", **fields: Any) -> dict[str, Any]:
    """Of an opportunity, as it is stored."""
    told = {"platform": platform, "market_id": market_id, "title": "Rain?", "side": "YES", "shares": "100"}
    prices = {"limit_price": "0.4", "cost_usd": "40", "fee_usd": "1", "fee_rate": "0.07", "fee_exponent": "1"}
    read = {"fee_read_at": None, "book_read_at": NOW.isoformat(), "top_only": False}
    return told | prices | read | fields


async def insert_near_miss(connection: Connection, description: str, at: datetime, edge: str | None = "-1.5") -> None:
    leg = {
        "platform": "kalshi",
        "market_id": "KX-1",
        "title": "Rain?",
        "side": "YES",
        "ask": "0.5",
        "clears_at": "0.48",
    }
    row = {
        "at": at,
        "bundle_key": description,
        "opportunity_type": "CROSS_PLATFORM",
        "description": description,
        "lacks": "fees",
        "reason": "no edge after fees",
        "legs": [leg],
        "shares": None,
        "edge_percentage": None if edge is None else Decimal(edge),
        "quoted_at": at,
    }
    await arbitrage.insert_near_misses(connection, [row], at)


async def insert_digest(
    connection: Connection, insight_ids: list[str], created_at: datetime, **sections: Sequence[Mapping[str, Any]] | str
) -> None:
    """`sections`: by their columns; those that are not given are empty."""
    lists = ("top_picks", "avoid_list", "arbitrage_opportunities", "watchlist", "yesterday")
    await connection.execute(
        """
        INSERT INTO digests (day, created_at, insight_ids, model, market_sentiment, top_picks, avoid_list,
            arbitrage_opportunities, watchlist, yesterday)
        VALUES ($1, $2, $3::uuid[], 'rules (no AI)', $4, $5, $6, $7, $8, $9)
        """,
        created_at.date(),
        created_at,
        insight_ids,
        sections.get("market_sentiment", ""),
        *(sections.get(name, []) for name in lists),
    )
