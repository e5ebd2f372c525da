"""The digest in the analyst's words: one call, the wall, one repair. What may not be published is not made up for."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from pydantic import TypeAdapter

from analyze.calls import Bill, Judged, Subject, open_calls
from analyze.judging import bundle_of
from analyze.publishing import store_prompt, store_withheld
from core.agent import prompt
from core.agent.answers import DigestAnswer
from core.agent.crossvenue import gather_bundle
from core.agent.digests import Day, DigestBundle, digest_faults, digest_item, pack_day
from core.db import Connection
from core.errors import AnalystUnavailable, BudgetSpent, ConfigError
from core.queries import spending
from core.runtime import Run
from core.settings import AnalyzeSettings
from core.venues.fields import digest_of

log = logging.getLogger(__name__)

DAY = TypeAdapter(Day)
SWITCHED_OFF, AWAY = "AI analysis is switched off", "the analyst was away"
NOTHING = "there was nothing to write about"
NO_MARKET = ("", "digest")  # under which its calls and what is withheld of it are kept

Rows = Sequence[Mapping[str, Any]]


@dataclass(frozen=True, slots=True)
class Written:
    """`answer` passed the wall; else `without_ai` says why there is none. `made`: what replay needs of it."""

    answer: DigestAnswer | None
    without_ai: str | None = None
    bill: Bill = field(default_factory=lambda: Bill(""))
    made: Mapping[str, Any] = field(default_factory=dict)


def day_of(run: Run[AnalyzeSettings], insights: Rows, arbitrage: Rows) -> Day:
    """The best `ai_digest_insights` and all the bundles given; what is counted, of all insights."""
    items = tuple(digest_item(row, n, run.now) for n, row in enumerate(insights[: run.settings.ai_digest_insights], 1))
    bundles = [(row["id"], bundle_of(row, {})) for row in arbitrage]
    return Day(
        items,
        tuple(
            DigestBundle(row_id, bundle, gather_bundle(bundle, run.now, f"B{n}.E"))
            for n, (row_id, bundle) in enumerate(bundles, 1)
        ),
        len(insights),
        sum(row["suggested_position"] != "WAIT" for row in insights),
    )


async def write(run: Run[AnalyzeSettings], insights: Rows, arbitrage: Rows) -> Written:
    """`insights`: those that stand, the best first."""
    if not run.settings.ai_analysis_enabled:
        return Written(None, SWITCHED_OFF)
    if not insights and not arbitrage:
        return Written(None, NOTHING)
    day = day_of(run, insights, arbitrage)
    messages = prompt.messages(pack_day(day), prompt.DIGEST)
    subject = Subject(*NO_MARKET, digest_of(messages[1]["content"]), prompt.DIGEST_VERSION)
    try:
        async with open_calls(run, "digest") as calls:
            judged = await calls.judge(
                DigestAnswer, "digest", messages, lambda answer: digest_faults(answer, day), subject
            )
    except (ConfigError, AnalystUnavailable) as error:
        log.error("analyst unavailable", extra={"error": str(error), "left": "the digest is written by rules"})
        return Written(None, AWAY)
    except BudgetSpent as error:
        log.warning("budget spent", extra={"reason": str(error), "left": "the digest is written by rules"})
        return Written(None, str(error))
    if judged.answer is None:
        return await _withhold(run, judged)
    async with run.transaction() as connection:
        prompt_digest = await store_prompt(connection, messages, prompt.DIGEST_VERSION, run.now)
    made = judged.bill.as_row() | {
        "answer": judged.answer.model_dump(),
        "inputs": {
            "at": run.now.isoformat(),
            "day": DAY.dump_python(day, mode="json"),
            "asked": [dict(message) for message in messages[1:]],
        },
        "prompt_version": prompt.DIGEST_VERSION,
        "prompt_digest": prompt_digest,
    }
    return Written(judged.answer, None, judged.bill, made)


async def _withhold(run: Run[AnalyzeSettings], judged: Judged[DigestAnswer]) -> Written:
    reason, detail = judged.reason, judged.detail
    log.warning("digest withheld", extra={"reason": reason, "detail": detail[:500]})
    async with run.transaction() as connection:
        await store_withheld(connection, run.now, NO_MARKET, f"digest: {reason}", detail, judged.bill)
    return Written(None, f"what the analyst wrote was withheld: {reason}", judged.bill)


async def mark_published(connection: Connection, written: Written) -> None:
    if written.answer is not None:
        await spending.mark_outcome(connection, written.bill.calls[-1:], "published")


def sections(answer: DigestAnswer, insights: Rows, arbitrage: Rows) -> dict[str, Any]:
    """The answer's texts in the digest's form. All that is no text comes from the rows, not from the answer."""
    by_market = {row["market_id"]: row for row in insights}
    by_id = {row["id"]: row for row in arbitrage}

    def line(market_id: str, one_liner: str) -> dict[str, Any]:
        row = by_market[market_id]
        titled = {"market_id": market_id, "market_title": row["market_title"], "url": row["url"]}
        return titled | {"recommendation": row["ai_recommendation"], "one_liner": one_liner}

    def as_published(market_id: str) -> dict[str, Any]:
        return line(market_id, by_market[market_id]["one_liner"])

    return {
        "top_picks": [
            line(pick.market_id, pick.one_liner.text)
            | {
                "confidence": by_market[pick.market_id]["confidence_score"],
                "confidence_basis": by_market[pick.market_id]["confidence_basis"],
            }
            for pick in answer.top_picks
        ],
        "avoid_list": [as_published(one.market_id) | {"reason": one.reason.text} for one in answer.avoid_list],
        "market_sentiment": answer.market_sentiment.text,
        "arbitrage_opportunities": [
            _bundle(by_id[told.opportunity_id], told.description.text) for told in answer.arbitrage_opportunities
        ],
        "watchlist": [as_published(one.market_id) | {"trigger": one.trigger.text} for one in answer.watchlist],
    }


def _bundle(row: Mapping[str, Any], text: str) -> dict[str, Any]:
    """The row names the bet, the text need not."""
    return {"description": f"{row['description']} – {text}"} | bundle_facts(row)


def bundle_facts(row: Mapping[str, Any]) -> dict[str, Any]:
    """What a digest tells of an opportunity besides its text."""
    told = ("platform", "market_id", "title", "side", "url")
    legs = [{name: leg[name] for name in told} for leg in row["legs"]]
    return {"potential_edge": f"{row['edge_percentage']}%", "legs": legs}
