"""The analyze job: detect, pair, quote, explain, publish."""

from __future__ import annotations

import logging
from typing import Any

from analyze import detecting, explaining, pairing, related
from core.detect.selection import funnel, select
from core.queries import analyzing, arbitrage
from core.runtime import Run
from core.settings import AnalyzeSettings

log = logging.getLogger(__name__)

CACHE_GROUPS = ("insights", "arbitrage")


async def run(run: Run[AnalyzeSettings]) -> dict[str, Any]:
    """Each step reads, then works without a connection, then writes; what is published replaces what was."""
    settings = run.settings
    async with run.transaction() as connection:
        ended = await analyzing.end_insights(connection, run.now)
    if ended:
        await run.cache.drop("insights")  # what is over must not be told for the minutes that this run takes
    async with run.transaction() as connection:
        alive = await analyzing.alive_insights(connection)
        markets = await analyzing.open_markets(connection, run.now, settings.max_quote_age_s)
        set_aside = await analyzing.set_aside(connection, run.now, settings.max_quote_age_s)
        history = await detecting.read_history(connection, markets, run.now, settings.database_bulk_timeout_s)
    patterns = detecting.find(history)

    paired = await pairing.pair(run, markets)
    bundles, not_shown = await related.quote(run, markets)
    bundles += paired.opportunities
    async with run.transaction() as connection:
        outdated = explaining.outdated(await analyzing.standing_bets(connection), markets, paired.fair)
        await analyzing.supersede_insights(connection, list(outdated), run.now)
    alive -= set(outdated.values())
    patterns = sorted([*patterns, *paired.gaps], key=lambda pattern: -pattern.score)

    selected, dropped = select(
        patterns, threshold=settings.analyze_score_threshold, most=settings.analyze_max_insights, alive=alive
    )
    async with run.transaction() as connection:
        loud = [pattern for pattern in patterns if pattern.score >= settings.analyze_score_threshold]
        await analyzing.insert_patterns(connection, loud, run.now)
        published, withdrawn = await arbitrage.replace_opportunities(connection, bundles, run.now)
    await run.cache.drop(*CACHE_GROUPS)  # what was withdrawn must not outlive the minutes that the analyst takes
    try:
        explained = await explaining.explain(run, selected, markets, paired.fair)
    finally:
        await run.cache.drop(*CACHE_GROUPS)

    return {
        "funnel": funnel(len(markets), len(patterns), selected, dropped),
        "set_aside": set_aside,
        "history": detecting.says(history),
        "patterns": len(loud),
        "pairs": paired.counts,
        "arbitrage": {"published": published, "withdrawn": withdrawn, "not_shown": dict(paired.not_shown + not_shown)},
        "insights": explained,
        "ended": {"with their market": ended, "edge gone": len(outdated)},
    }
