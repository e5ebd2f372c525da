"""The analyze job: detect, pair, quote, explain, publish."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import asdict, replace
from datetime import timedelta
from decimal import Decimal
from typing import Any

from analyze import detecting, explaining, judging, pairing, related
from analyze.calls import NO_ANSWER, NOT_GROUNDED
from analyze.measuring import rates_of
from core.body_store import BodyStore
from core.detect.rates import Rate
from core.detect.selection import Funnel, Key, Scored, scored, select, standing
from core.models import OpenMarket, Pattern
from core.queries import analyzing, arbitrage, asking, rates, tasks
from core.queries.bundle_analyses import RULES_DIFFER
from core.queries.open_markets import open_markets
from core.queries.settled_rates import latest_settled_rates
from core.runtime import Run
from core.settings import AnalyzeSettings

log = logging.getLogger(__name__)

CACHE_GROUPS = ("insights", "arbitrage")
WITH_WORKERS, STILL_WITH_WORKERS = "with the workers", "still with the workers"  # of this run, of one before it
_ANSWERED = (NO_ANSWER, NOT_GROUNDED, explaining.ALIVE)  # the analyst was asked, and nothing came
_REMEMBERED = 3  # intervals: after a longer pause every pattern is a new one
_SHOWN = 10

Explain = Callable[
    [
        Run[AnalyzeSettings],
        Sequence[Pattern],
        Sequence[OpenMarket],
        Mapping[tuple[str, str], Decimal],
        Mapping[Key, Sequence[Rate]],
    ],
    Awaitable[dict[str, Any]],
]


async def run(run: Run[AnalyzeSettings], explain: Explain = explaining.explain) -> dict[str, Any]:
    """Each step reads, then works without a connection, then writes; what is published replaces what was.

    `explain`: what is done with the selected patterns. analyze.fanning gives them to workers. An "error" in what it
    returns says that the analyst was away, who is then not asked about opportunities either.
    """
    settings = run.settings
    folder = settings.body_store_dir
    store = None if folder is None else BodyStore(folder, settings.body_store_mb * 1_000_000)
    async with run.transaction() as connection:
        ended = await analyzing.end_insights(connection, run.now)
    if ended:
        await run.cache.drop("insights")  # what is over must not be told for the minutes that this run takes
    async with run.transaction() as connection:
        alive = await analyzing.alive_insights(connection)
        markets = await open_markets(connection, run.now, settings.max_quote_age_s, store)
        set_aside = await analyzing.set_aside(connection, run.now, settings.max_quote_age_s)
        history = await detecting.read_history(connection, markets, run.now, settings.database_bulk_timeout_s, store)
        measured = await rates.latest_rates(connection, run.now)
        settled = await latest_settled_rates(connection, run.now)
        lately = run.now - _REMEMBERED * timedelta(seconds=settings.analyze_interval_s)
        stood = await rates.standing_before(connection, lately, run.now)
        too_old = run.now - timedelta(seconds=settings.max_quote_age_s)
        waiting = await tasks.waiting_markets(connection, too_old)
    patterns = detecting.find(history, settled)

    paired = await pairing.pair(run, markets)
    bundles, not_shown = await related.quote(run, markets, store)
    opportunities, forbidden = await judging.recall(run, bundles + paired.opportunities)
    not_shown[RULES_DIFFER] += forbidden
    async with run.transaction() as connection:
        outdated = explaining.outdated(await analyzing.standing_bets(connection), markets, paired.fair)
        await analyzing.supersede_insights(connection, list(outdated), run.now)
    alive -= set(outdated.values())
    patterns = [*patterns, *paired.gaps]
    by_pattern = rates_of(patterns, markets, measured)
    loud, selected, chosen = _choose(scored(patterns, by_pattern), markets, alive, waiting, stood, settings)
    async with run.transaction() as connection:
        await analyzing.insert_patterns(connection, loud, run.now)
        published, withdrawn = await arbitrage.replace_opportunities(
            connection, [one.row for one in opportunities], run.now
        )
    await run.cache.drop(*CACHE_GROUPS)  # what was withdrawn must not outlive the minutes that the analyst takes
    try:
        explained = await explain(run, selected, markets, paired.fair, by_pattern)
        judged = await judging.judge(run, opportunities, explained.get("error"))
    finally:
        await run.cache.drop(*CACHE_GROUPS)

    funnel = funnel_of(chosen, explained)
    async with run.transaction() as connection:
        deepened = 0
        if WITH_WORKERS not in funnel.dropped:
            deepened = await asking.insert_own(connection, run.now, run.now, settings.ai_deep_per_run)
        await rates.insert_funnel(connection, run.now, funnel, run.now - timedelta(days=settings.job_run_days))

    return {
        "funnel": asdict(funnel),
        "base_rates": None if measured is None else measured[0].isoformat(),
        "set_aside": set_aside,
        "history": detecting.says(history),
        "patterns": len(loud),
        "pairs": paired.counts,
        "arbitrage": {"published": published, "withdrawn": withdrawn, "not_shown": dict(paired.not_shown + not_shown)},
        "insights": explained,
        "bundles": judged,
        "deep_analyses_asked": deepened,
        "ended": {"with their market": ended, "edge gone": len(outdated)},
    }


def _choose(
    found: Sequence[Scored],
    markets: Sequence[OpenMarket],
    alive: AbstractSet[tuple[str, str]],
    waiting: AbstractSet[tuple[str, str]],
    stood: AbstractSet[Key],
    settings: AnalyzeSettings,
) -> tuple[list[Pattern], list[Pattern], Funnel]:
    """(those that stand, those of them to explain, what became of the others). `alive` are markets with an insight,
    `waiting` those with workers; `stood` are patterns of the run before."""
    loud = standing(
        found, threshold=settings.analyze_score_threshold, margin=settings.analyze_score_margin, before=stood
    )
    free = [one for one in loud if one.key[:2] not in waiting]
    told = _events_of(alive | waiting, markets)
    selected, dropped = select(free, most=settings.analyze_max_insights, alive=alive, told=told)
    dropped["score below threshold"] += len(found) - len(loud)
    dropped[STILL_WITH_WORKERS] += len(loud) - len(free)
    funnel = Funnel(len(markets), len(found), len(loud), len(selected), 0, 0, dropped)
    return [one.pattern for one in loud], selected, funnel


def _events_of(alive: AbstractSet[tuple[str, str]], markets: Sequence[OpenMarket]) -> Counter[tuple[str, str]]:
    return Counter((m.platform, m.event_id) for m in markets if m.event_id and (m.platform, m.market_id) in alive)


def funnel_of(found: Funnel, explained: Mapping[str, Any]) -> Funnel:
    """With what became of the selected; what `found` says of those in the workers' hands is over."""
    unpublished = Counter[str](explained.get("not_published", {}))
    published = int(explained["published"])
    analyzed = published + sum(unpublished[reason] for reason in _ANSWERED)
    lost = Counter({reason: count for reason, count in found.dropped.items() if reason != WITH_WORKERS})
    dropped = dict((lost + unpublished).most_common(_SHOWN))
    return replace(found, analyzed=analyzed, published=published, dropped=dropped)
