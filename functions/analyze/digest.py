"""The digest job: the day's picks, what to avoid and what to watch, from what stands.

Rules choose and word it first; the analyst's digest takes its place where it passes the wall. Where it does not, or the
analyst is away, the rules' stays and says so.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

from analyze import grade, writing_digest
from core.queries import analyzing, bundle_analyses, grading, serving
from core.runtime import Run
from core.settings import AnalyzeSettings

CACHE_GROUPS = ("insights", "arbitrage", "digest")
MODEL = "rules (no AI)"
PICKS = 5


async def run(run: Run[AnalyzeSettings]) -> dict[str, Any]:
    """Once a day, after the picks of the day before were graded: a second run leaves the day's digest as it is."""
    day = run.now.date()
    made_already = {"day": day.isoformat(), "note": "made already"}
    async with run.transaction() as connection:
        if await analyzing.has_digest(connection, day):
            return made_already
    await grade.grade_all(run)
    async with run.transaction() as connection:
        yesterday = await grading.picks_of(connection, day - timedelta(days=1), run.now)
        insights = await serving.insights_alive(connection, run.now)
        arbitrage = await bundle_analyses.alive(connection, run.now, PICKS)
    insights = sorted(insights, key=rank)
    row = make_digest(insights, arbitrage)
    written = await writing_digest.write(run, insights, arbitrage)
    row |= {"yesterday": yesterday, "model": MODEL, "without_ai": written.without_ai, "made": None}
    if written.answer is not None:
        row |= writing_digest.sections(written.answer, insights, arbitrage)
        row |= {"model": written.bill.model, "made": written.made}
        told = [*_ids_of(row["top_picks"], insights), *row["insight_ids"]]
        row["insight_ids"] = list(dict.fromkeys(told))[:PICKS]
    async with run.transaction() as connection:
        if not await analyzing.insert_digest(connection, row | {"day": day, "created_at": run.clock()}):
            return made_already
        await writing_digest.mark_published(connection, written)
    await run.cache.drop(*CACHE_GROUPS)
    said = {"day": day.isoformat(), "picks": len(row["top_picks"]), "insights": len(row["insight_ids"])}
    return said | {"by": row["model"]} | ({"without_ai": written.without_ai} if written.without_ai else {})


def make_digest(insights: Sequence[Mapping[str, Any]], arbitrage: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Top five by recommendation, computed edge and confidence; AVOIDs apart; waiting ones with what to wait for.

    `insight_ids` are the five that a basic user reads: the picks, and AVOIDs where there are fewer.
    """
    ranked = sorted(insights, key=rank)
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
            {"description": a["description"]} | writing_digest.bundle_facts(a) for a in arbitrage[:PICKS]
        ],
        "watchlist": [_line(i) | {"trigger": i["reasoning"]} for i in watch],
        "insight_ids": [insight["id"] for insight in [*picks, *avoid][:PICKS]],
    }


def rank(insight: Mapping[str, Any]) -> tuple[Any, ...]:
    order = ("STRONG_BET", "GOOD_BET", "CAUTION", "AVOID")
    edge = insight["net_edge_cents"] if insight["net_edge_cents"] is not None else -1
    return order.index(insight["ai_recommendation"]), -edge, -(insight["confidence_score"] or 0), insight["id"]


def _line(insight: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "market_id": insight["market_id"],
        "market_title": insight["market_title"],
        "url": insight["url"],
        "recommendation": insight["ai_recommendation"],
        "one_liner": insight["one_liner"],
    }


def _ids_of(picks: Sequence[Mapping[str, Any]], insights: Sequence[Mapping[str, Any]]) -> list[str]:
    by_market = {insight["market_id"]: insight["id"] for insight in insights}
    return [by_market[pick["market_id"]] for pick in picks]
