"""The digest job: the day's picks, what to avoid and what to watch, chosen by rule from the living insights."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from core.queries import analyzing, serving
from core.runtime import Run
from core.settings import AnalyzeSettings

CACHE_GROUPS = ("insights", "arbitrage", "digest")
MODEL = "rules (no AI)"
PICKS = 5


async def run(run: Run[AnalyzeSettings]) -> dict[str, Any]:
    """Once a day: a second run leaves the day's digest as it is."""
    async with run.transaction() as connection:
        day = run.now.date()
        if await analyzing.has_digest(connection, day):
            return {"day": day.isoformat(), "note": "made already"}
        insights = await serving.insights_alive(connection, run.now)
        arbitrage = await serving.arbitrage_alive(connection, run.now)
        row = make_digest(insights, arbitrage)
        if not await analyzing.insert_digest(connection, row | {"day": day, "created_at": run.now, "model": MODEL}):
            return {"day": day.isoformat(), "note": "made already"}
    await run.cache.drop(*CACHE_GROUPS)
    return {"day": day.isoformat(), "picks": len(row["top_picks"]), "insights": len(row["insight_ids"])}


def make_digest(insights: Sequence[Mapping[str, Any]], arbitrage: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Top five by recommendation, computed edge and confidence; AVOIDs apart; waiting ones with what to wait for.

    `insight_ids` are the five that a basic user reads: the picks, and AVOIDs where there are fewer.
    """
    ranked = sorted(insights, key=_rank)
    avoid = [insight for insight in ranked if insight["ai_recommendation"] == "AVOID"]
    picks = [insight for insight in ranked if insight["ai_recommendation"] != "AVOID"][:PICKS]
    watch = [i for i in ranked if i["suggested_position"] == "WAIT" and i not in picks][:PICKS]
    bets = sum(insight["suggested_position"] != "WAIT" for insight in insights)
    return {
        "top_picks": [
            _line(i) | {"confidence": i["confidence_score"], "confidence_basis": i["confidence_basis"]} for i in picks
        ],
        "avoid_list": [_line(i) | {"reason": i["edge_explanation"]} for i in avoid[:PICKS]],
        "market_sentiment": f"{len(insights)} insights alive, {bets} with a position, {len(insights) - bets} to wait",
        "arbitrage_opportunities": [
            {"description": a["description"], "potential_edge": f"{a['edge_percentage']}%"} for a in arbitrage[:PICKS]
        ],
        "watchlist": [_line(i) | {"trigger": i["reasoning"]} for i in watch],
        "insight_ids": [insight["id"] for insight in [*picks, *avoid][:PICKS]],
    }


def _rank(insight: Mapping[str, Any]) -> tuple[Any, ...]:
    order = ("STRONG_BET", "GOOD_BET", "CAUTION", "AVOID")
    edge = insight["net_edge_cents"] if insight["net_edge_cents"] is not None else -1
    return order.index(insight["ai_recommendation"]), -edge, -(insight["confidence_score"] or 0), insight["id"]


def _line(insight: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "market_id": insight["market_id"],
        "market_title": insight["market_title"],
        "recommendation": insight["ai_recommendation"],
        "one_liner": insight["one_liner"],
    }
