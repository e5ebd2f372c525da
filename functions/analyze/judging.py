"""What the analyst says of opportunities: their rules judged once for each wording, their texts held to each quote.

Code decides first and last: only what code published is asked about, and a verdict can raise a settlement risk or
withdraw an opportunity, never the other way round.
"""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from pydantic import TypeAdapter, ValidationError

from analyze.calls import Calls, Judged, Subject, open_calls
from analyze.publishing import store_prompt, store_withheld
from analyze.side_by_side import LEFT, ask_all
from core.agent import prompt
from core.agent.answers import CrossVenueAnswer
from core.agent.crossvenue import (
    Bundle,
    BundleLeg,
    cross_venue_faults,
    gather_bundle,
    holding_texts,
    pack_bundle,
    stricter,
)
from core.db import Connection
from core.errors import AnalystUnavailable, ConfigError
from core.models import PLATFORMS, Fact
from core.queries import analyzing, bundle_analyses, spending
from core.runtime import Run
from core.settings import AnalyzeSettings
from core.venues.fields import digest_of

log = logging.getLogger(__name__)

BUNDLE = TypeAdapter(Bundle)
_WITHHELD_LATELY, _TOO_MANY = "withheld in the last day", "too many for one run"
_ASK_AGAIN = timedelta(days=1)  # after an answer that was withheld: by then the prices have others to tell

Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Opportunity:
    """A row to publish, as the analyst is shown it. `rules_digest`: the same while its legs' rules are."""

    row: Row
    bundle: Bundle
    facts: tuple[Fact, ...]
    rules_digest: int

    @property
    def messages(self) -> list[dict[str, str]]:
        return prompt.messages(pack_bundle(self.bundle, self.facts), prompt.CROSS_VENUE)


def bundle_of(row: Mapping[str, Any], rules: Mapping[tuple[str, str], str]) -> Bundle:
    """The bundle of a published row. `rules` by (platform, market id)."""
    legs = tuple(
        BundleLeg(
            leg["platform"],
            leg["market_id"],
            leg["title"],
            leg["side"],
            Decimal(leg["limit_price"]),
            rules.get((leg["platform"], leg["market_id"]), ""),
        )
        for leg in row["legs"]
    )
    return Bundle(
        row["opportunity_type"],
        legs,
        row["shares"],
        row["cost_usd"],
        row["cost_usd"] + row["net_edge_usd"],
        row["pays_if"],
        row["settlement_risk"],
        tuple(row["risks"]),
        row["quoted_at"],
        row["settles_at"],
    )


def rules_digest(bundle: Bundle) -> int:
    """Of what the verdict rests on: whole rules, titles and the condition; not of prices or of which side is bought."""
    legs = sorted((leg.platform, leg.market_id, leg.title, leg.rules) for leg in bundle.legs)
    return digest_of("bundle", bundle.kind, bundle.because, legs)


async def recall(run: Run[AnalyzeSettings], rows: Sequence[Row]) -> tuple[list[Opportunity], int]:
    """The rows with what is known of their rules already, and how many of them an earlier verdict forbids."""
    keys = {(leg["platform"], leg["market_id"]) for row in rows for leg in row["legs"]}
    rules: dict[tuple[str, str], str] = {}
    async with run.transaction() as connection:
        for platform in PLATFORMS:
            ids = [market_id for venue, market_id in keys if venue == platform]
            found = await analyzing.rules_of(connection, platform, ids)
            rules |= {(platform, market_id): text for market_id, text in found.items()}
        shown = [_shown(row, rules, run.now) for row in rows]
        known = await bundle_analyses.latest(connection, [one.rules_digest for one in shown])
    allowed = []
    for one in shown:
        verdict = known.get(one.rules_digest)
        if verdict is None or _apply(one, verdict):
            allowed.append(one)
    return allowed, len(shown) - len(allowed)


def _shown(row: Row, rules: Mapping[tuple[str, str], str], now: datetime) -> Opportunity:
    bundle = bundle_of(row, rules)
    return Opportunity(row, bundle, gather_bundle(bundle, now), rules_digest(bundle))


def _apply(one: Opportunity, verdict: Mapping[str, Any]) -> bool:
    """Whether it may stand. Its row carries the stricter risk and those texts that are true of this quote."""
    row, bundle = one.row, one.bundle
    row["settlement_risk"] = stricter(bundle.settlement_risk, verdict["settlement_risk"])
    row["analysis_id"] = verdict["id"]
    try:
        answer = CrossVenueAnswer.model_validate(verdict["answer"])
    except ValidationError:  # of an older form: its verdict stands, its texts are not shown
        row["analysis"] = None
    else:
        row["analysis"] = holding_texts(answer, one.facts, bundle) | {
            "settlement_risk": verdict["settlement_risk"],
            "confidence": answer.confidence,
            "model": verdict["model"],
            "analysed_at": verdict["created_at"].isoformat(),
        }
    return bool(row["settlement_risk"] != "BLOCK")


async def judge(run: Run[AnalyzeSettings], published: Sequence[Opportunity], away: str | None) -> dict[str, Any]:
    """Counts of what became of the wordings of rules that nobody judged. `away`: why the analyst was found away."""
    if not run.settings.ai_analysis_enabled:
        return {"analysed": 0, "note": "AI_ANALYSIS_ENABLED is false"}
    async with run.transaction() as connection:
        known = await bundle_analyses.latest(connection, [one.rules_digest for one in published])
    unjudged = defaultdict[int, list[Opportunity]](list)
    for one in sorted(published, key=lambda one: -one.row["edge_percentage"]):
        if known.get(one.rules_digest, {}).get("prompt_version") != prompt.CROSS_VENUE_VERSION:
            unjudged[one.rules_digest].append(one)
    if not unjudged:
        return {"analysed": 0}
    if away is not None:
        return {"analysed": 0, "not_analysed": {LEFT: len(unjudged)}}
    try:
        async with open_calls(run, "bundles") as calls:
            return await _judge_all(run, calls, list(unjudged.values()))
    except (ConfigError, AnalystUnavailable) as error:
        log.error("analyst unavailable", extra={"error": str(error)})
        return {"analysed": 0, "not_analysed": {LEFT: len(unjudged)}, "error": str(error)}


async def _judge_all(
    run: Run[AnalyzeSettings], calls: Calls, unjudged: Sequence[Sequence[Opportunity]]
) -> dict[str, Any]:
    """`unjudged`: the opportunities of each wording, the widest edge first."""
    digests = [alike[0].rules_digest for alike in unjudged]
    async with run.transaction() as connection:
        lately = run.now - _ASK_AGAIN
        version = prompt.CROSS_VENUE_VERSION
        withheld = await bundle_analyses.withheld_since(connection, calls.model, version, digests, lately)
        prompt_digest = await store_prompt(connection, unjudged[0][0].messages, version, run.now)
    wanted = [alike for alike in unjudged if alike[0].rules_digest not in withheld]
    asked = wanted[: run.settings.ai_bundles_per_run]
    outcomes, error = await ask_all(
        asked, lambda alike: _one(run, calls, alike, prompt_digest), run.settings.ai_concurrency
    )
    outcomes |= {_WITHHELD_LATELY: len(unjudged) - len(wanted), _TOO_MANY: len(wanted) - len(asked)}
    said: dict[str, Any] = {"analysed": outcomes.pop("analysed", 0), "not_analysed": dict(+outcomes)}
    return said | ({"error": error} if error else {})


async def _one(run: Run[AnalyzeSettings], calls: Calls, alike: Sequence[Opportunity], prompt_digest: int) -> str:
    """Asks about the first of the same rules; the verdict is of all. What became of it: "analysed", or why not."""
    one, version = alike[0], prompt.CROSS_VENUE_VERSION
    first, messages = one.bundle.legs[0], one.messages
    judged = await calls.judge(
        CrossVenueAnswer,
        "cross_venue",
        messages,
        lambda answer: cross_venue_faults(answer, one.facts, one.bundle),
        Subject(first.platform, first.market_id, one.rules_digest, version),
    )
    if judged.answer is None:
        return await _withhold(run, first, judged)
    made = judged.bill.as_row() | {
        "rules_digest": one.rules_digest,
        "bundle_key": one.row["bundle_key"],
        "prompt_version": version,
        "prompt_digest": prompt_digest,
        "settlement_risk": judged.answer.settlement_risk,
        "answer": judged.answer.model_dump(),
        "evidence": [fact.as_json() for fact in one.facts],
        "inputs": {
            "at": run.now.isoformat(),
            "bundle": BUNDLE.dump_python(one.bundle, mode="json"),
            "asked": [dict(message) for message in messages[1:]],
        },
        "created_at": run.clock(),
    }
    async with run.transaction() as connection:
        verdict_id = await bundle_analyses.insert(connection, made)
        await spending.mark_outcome(connection, judged.bill.calls[-1:], "published")
        if verdict_id is None:
            return "judged by another run meanwhile"
        for each in alike:
            await _publish(connection, run, each, made | {"id": verdict_id})
    return "analysed"


async def _publish(connection: Connection, run: Run[AnalyzeSettings], one: Opportunity, verdict: Row) -> None:
    if _apply(one, verdict):
        await bundle_analyses.attach(connection, one.row)
    else:
        log.warning("opportunity withdrawn", extra={"bundle": one.row["bundle_key"], "reason": "rules differ"})
        await bundle_analyses.withdraw(connection, one.row["bundle_key"], run.clock())


async def _withhold(run: Run[AnalyzeSettings], leg: BundleLeg, judged: Judged[CrossVenueAnswer]) -> str:
    """Keeps the reason, with what it cost. Returns the reason."""
    reason, detail = judged.reason, judged.detail
    log.info("analysis withheld", extra={"market_id": leg.market_id, "reason": reason, "detail": detail[:500]})
    async with run.transaction() as connection:
        market = (leg.platform, leg.market_id)
        await store_withheld(connection, run.now, market, f"bundle: {reason}", detail, judged.bill)
    return reason
