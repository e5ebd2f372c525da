"""The analyze job: detect, pair, quote, explain, publish."""

from __future__ import annotations

import logging
from typing import Any

from analyze import detecting, explaining, pairing
from core.detect.selection import funnel, select
from core.queries import analyzing
from core.runtime import Run
from core.settings import AnalyzeSettings

log = logging.getLogger(__name__)

CACHE_GROUPS = ("insights", "arbitrage")


async def run(run: Run[AnalyzeSettings]) -> dict[str, Any]:
    """Each step reads, then works without a connection, then writes; what is published replaces what was."""
    async with run.transaction() as connection:
        markets = await analyzing.open_markets(connection)
        closes = await analyzing.hourly_closes(connection, run.now, detecting.HOURS)
        alive = await analyzing.alive_insights(connection, run.now)
    history = detecting.build_history(markets, closes)
    patterns = detecting.find(history)

    paired = await pairing.pair(run, markets)
    patterns = sorted([*patterns, *paired.gaps], key=lambda pattern: -pattern.score)

    settings = run.settings
    selected, dropped = select(
        patterns, threshold=settings.analyze_score_threshold, most=settings.analyze_max_insights, alive=alive
    )
    async with run.transaction() as connection:
        loud = [pattern for pattern in patterns if pattern.score >= settings.analyze_score_threshold]
        await analyzing.insert_patterns(connection, loud, run.now)
        published, withdrawn = await analyzing.replace_opportunities(connection, paired.opportunities, run.now)
    await run.cache.drop("arbitrage")  # a withdrawn quote must not outlive the minutes that the analyst takes
    try:
        explained = await explaining.explain(run, selected, markets, paired.fair)
    finally:
        await run.cache.drop(*CACHE_GROUPS)

    return {
        "funnel": funnel(len(markets), len(patterns), selected, dropped),
        "history": detecting.says(history),
        "patterns": len(loud),
        "pairs": paired.counts,
        "arbitrage": {"published": published, "withdrawn": withdrawn, "not_shown": dict(paired.not_shown)},
        "insights": explained,
    }
