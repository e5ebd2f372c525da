"""Published opportunities of the corpus's bundles, each of markets of its own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from random import Random
from typing import Any

from analyze import judging
from analyze.judging import Opportunity
from core.agent.crossvenue import Bundle
from core.queries import arbitrage
from core.runtime import Run
from core.settings import AnalyzeSettings
from tests.analyze.conftest import NOW
from tests.core.agent.corpus.bundles import make_bundle


def numbered_bundle(random: Random, number: int) -> Bundle:
    bundle = make_bundle(random)
    legs = tuple(replace(leg, market_id=f"{leg.market_id}{number:03d}") for leg in bundle.legs)
    return replace(bundle, legs=legs)


def row_of(bundle: Bundle) -> dict[str, Any]:
    key = "+".join(f"{leg.platform}:{leg.market_id}:{leg.side}" for leg in bundle.legs)
    return {
        "bundle_key": key,
        "opportunity_type": bundle.kind,
        "kalshi_market_id": bundle.market_of("kalshi"),
        "polymarket_market_id": bundle.market_of("polymarket"),
        "description": f"pay if {bundle.because}",
        "edge_percentage": bundle.edge_pct.quantize(Decimal("0.001")),
        "net_edge_usd": bundle.net_usd,
        "cost_usd": bundle.cost_usd,
        "shares": bundle.shares,
        "execution_steps": ["Buy both"],
        "risks": list(bundle.reasons),
        "settlement_risk": bundle.settlement_risk,
        "confidence_score": Decimal(90),
        "quoted_at": bundle.quoted_at,
        "expires_at": bundle.quoted_at + timedelta(minutes=15),
        "legs": [
            {
                "platform": leg.platform,
                "market_id": leg.market_id,
                "title": leg.title,
                "side": leg.side,
                "limit_price": str(leg.limit_price),
            }
            for leg in bundle.legs
        ],
        "sizes": [],
        "annualised_percentage": None,
        "settles_at": bundle.settles_at,
        "pays_if": bundle.because,
        "analysis": None,
        "analysis_id": None,
    }


async def publish(run: Run[AnalyzeSettings], bundles: Sequence[Bundle]) -> list[Opportunity]:
    """As the analyze job does: what is known of their rules first."""
    async with run.transaction() as connection:
        for leg in (leg for bundle in bundles for leg in bundle.legs):
            await connection.execute(
                """
                INSERT INTO markets (platform, market_id, title, rules, yes_label, no_label, url, status, terms_digest,
                    raw_data, first_seen_at, terms_seen_at, status_seen_at)
                VALUES ($1, $2, $3, $4, 'Yes', 'No', '', 'open', 1, '{}', $5, $5, $5)
                ON CONFLICT (platform, market_id) DO UPDATE SET rules = excluded.rules
                """,
                leg.platform,
                leg.market_id,
                leg.title,
                leg.rules,
                NOW,
            )
    found, _ = await judging.recall(run, [row_of(bundle) for bundle in bundles])
    async with run.transaction() as connection:
        await arbitrage.replace_opportunities(connection, [one.row for one in found], run.now)
    return found
