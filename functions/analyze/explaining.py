"""What the analyst says of the selected patterns: evidence, one call each, the wall, the store."""

from __future__ import annotations

import asyncio
import logging
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from core.agent import prompt
from core.agent.evidence import Candidate, Evidence, Other, gather, pack
from core.agent.groq import Analyst, Reply, open_analyst
from core.agent.grounding import faults
from core.arbitrage.fees import taker_fee_usd
from core.detect.rates import Rate
from core.detect.selection import Key
from core.errors import AnalystUnavailable, AnswerRejected, ConfigError
from core.models import Book, OpenMarket, Pattern, Platform
from core.queries import analyzing, arbitrage, books
from core.runtime import Run
from core.settings import AnalyzeSettings
from core.venues.fields import digest_of

log = logging.getLogger(__name__)

_LEFT = "left for the next run"
_NO_BUDGET = "daily budget spent"
_CLOSED = "its market has closed"
_UNCALIBRATED = "unproven: the model's own number, not calibrated on outcomes (n = 0)"
_LIFE = {
    "ACT_NOW": timedelta(hours=2),
    "HOURS": timedelta(hours=6),
    "DAYS": timedelta(days=1),
    "WEEKS": timedelta(days=3),
}


async def explain(
    run: Run[AnalyzeSettings],
    selected: Sequence[Pattern],
    markets: Sequence[OpenMarket],
    fair: Mapping[tuple[str, str], Decimal],
    rates: Mapping[Key, Sequence[Rate]],
) -> dict[str, Any]:
    """Counts of what became of each selected pattern. The service being away leaves the rest for the next run."""
    if not run.settings.ai_analysis_enabled:
        return {"published": 0, "note": "AI_ANALYSIS_ENABLED is false"}
    try:
        async with open_analyst(run.settings) as analyst:
            if not selected:
                return {"published": 0, "note": "nothing was selected"}
            return await _explain_all(run, analyst, await _candidates(run, selected, markets, fair, rates))
    except ConfigError as error:
        log.error("analyst misconfigured", extra={"error": str(error)})
        return {"published": 0, "not_published": {_LEFT: len(selected)}, "error": str(error)}


def outdated(
    bets: Sequence[tuple[str, str, str, str]], markets: Sequence[OpenMarket], fair: Mapping[tuple[str, str], Decimal]
) -> dict[str, tuple[str, str]]:
    """Insights (id: their market) whose side is worth its ask and fee no more, or cannot be shown to be.

    `bets` are (id, platform, market_id, side). A market whose quote is not current tells nothing either way.
    """
    by_key: dict[tuple[str, str], OpenMarket] = {(market.platform, market.market_id): market for market in markets}
    found = {}
    for insight_id, platform, market_id, side in bets:
        market = by_key.get((platform, market_id))
        if market is not None and not _pays(market, side, fair.get((platform, market_id))):
            found[insight_id] = (platform, market_id)
    return found


def _pays(market: OpenMarket, side: str, fair: Decimal | None) -> bool:
    ask = market.yes_price if side == "YES" else market.no_price
    if fair is None or ask is None or market.fee_rate is None:
        return False
    fee = taker_fee_usd(Decimal(1), ask, market.fee_rate, market.fee_exponent)
    return fee is not None and (fair if side == "YES" else 1 - fair) - ask - fee > 0


async def _explain_all(run: Run[AnalyzeSettings], analyst: Analyst, candidates: Sequence[Candidate]) -> dict[str, Any]:
    room = asyncio.Semaphore(run.settings.ai_concurrency)
    outcomes: Counter[str] = Counter()
    stop: list[str] = []

    async def one(candidate: Candidate) -> None:
        async with room:
            try:
                outcomes[_LEFT if stop else await _one(run, analyst, candidate)] += 1
            except AnalystUnavailable as error:
                stop.append(str(error))
                outcomes[_LEFT] += 1

    # All of them end before the first failure is told: none may go on without the analyst and the pool.
    ended = await asyncio.gather(*(one(candidate) for candidate in candidates), return_exceptions=True)
    for failure in ended:
        if failure is not None:
            raise failure
    if stop:
        log.error("analyst unavailable", extra={"error": stop[0]})
    if outcomes[_NO_BUDGET]:
        log.warning(_NO_BUDGET, extra={"left": outcomes[_NO_BUDGET], "usd": run.settings.ai_budget_usd_per_day})
    said: dict[str, Any] = {"published": outcomes.pop("published", 0), "not_published": dict(+outcomes)}
    return said | ({"error": stop[0]} if stop else {})


async def _candidates(
    run: Run[AnalyzeSettings],
    selected: Sequence[Pattern],
    markets: Sequence[OpenMarket],
    fair: Mapping[tuple[str, str], Decimal],
    measured: Mapping[Key, Sequence[Rate]],
) -> list[Candidate]:
    by_key = {(market.platform, market.market_id): market for market in markets}
    rules: dict[tuple[str, str], str] = {}
    read: dict[tuple[str, str], Book] = {}
    async with run.transaction() as connection:
        others = others_of(await arbitrage.judged_pairs(connection), by_key)
        for platform in {pattern.platform for pattern in selected}:
            ids = [pattern.market_id for pattern in selected if pattern.platform == platform]
            found = await analyzing.rules_of(connection, platform, ids)
            rules |= {(platform, market_id): text for market_id, text in found.items()}
            since = run.now - timedelta(seconds=run.settings.max_quote_age_s)
            stored = [book for book in await books.latest(connection, platform, ids) if book.read_at >= since]
            told = [*await books.listed_tops(connection, platform, ids), *stored]  # a book says more than its top
            read |= {(book.platform, book.market_id): book for book in told}
    return [
        Candidate(
            pattern=pattern,
            title=(market := by_key[pattern.platform, pattern.market_id]).title,
            rules=rules.get((pattern.platform, pattern.market_id), ""),
            close_time=market.close_time,
            price=market.price,
            yes_price=market.yes_price,
            no_price=market.no_price,
            volume_24h=market.volume_24h,
            fee_rate=market.fee_rate,
            fee_exponent=market.fee_exponent,
            quoted_at=market.quoted_at,
            yes_label=market.yes_label,
            no_label=market.no_label,
            fair=fair.get((pattern.platform, pattern.market_id)),
            rates=tuple(measured.get((pattern.platform, pattern.market_id, pattern.detector), ())),
            book=read.get((pattern.platform, pattern.market_id)),
            others=tuple(others.get((pattern.platform, pattern.market_id), ())),
        )
        for pattern in selected
    ]


def others_of(
    pairs: Sequence[Mapping[str, Any]], markets: Mapping[tuple[Platform, str], OpenMarket]
) -> dict[tuple[str, str], list[Other]]:
    """What the other venue lists of each market's bet, the same bets first; of a complement its sides are turned."""
    found = defaultdict[tuple[str, str], list[Other]](list)
    for pair in sorted(pairs, key=lambda pair: pair["relation"] not in ("identity", "complement")):
        keys: tuple[tuple[Platform, str], ...] = (
            ("kalshi", pair["kalshi_market_id"]),
            ("polymarket", pair["polymarket_market_id"]),
        )
        for key, other_key in (keys, keys[::-1]):
            other = markets.get(other_key)
            if key not in markets or other is None:
                continue
            yes, no = (other.yes_price, other.no_price) if pair["same_side"] else (other.no_price, other.yes_price)
            found[key].append(
                Other(other.platform, other.market_id, other.title, pair["relation"], pair["settlement_risk"], yes, no)
            )
    return found


async def _one(run: Run[AnalyzeSettings], analyst: Analyst, candidate: Candidate) -> str:
    """What became of it: "published", or why not."""
    if _has_closed(candidate, run.clock()):
        return _CLOSED
    async with run.transaction() as connection:
        spent = await analyzing.spent_usd(connection, run.now.replace(hour=0, minute=0, second=0, microsecond=0))
    if spent >= Decimal(str(run.settings.ai_budget_usd_per_day)):
        return _NO_BUDGET
    evidence = gather(candidate, run.now)
    try:
        reply = await analyst.explain(pack(candidate, evidence))
    except AnswerRejected as error:
        return await _withhold(run, candidate.pattern, "no valid answer", str(error), analyst.model, error.cost_usd)
    if found := faults(reply.answer, evidence, candidate):
        detail = "; ".join(dict.fromkeys(found))
        return await _withhold(run, candidate.pattern, "not grounded", detail, reply.model, reply.cost_usd)
    if _has_closed(candidate, run.clock()):
        detail = "closed while the analyst was thinking"
        return await _withhold(run, candidate.pattern, _CLOSED, detail, reply.model, reply.cost_usd)
    async with run.transaction() as connection:
        stored = await analyzing.insert_insight(connection, _insight(candidate, evidence, reply, run.now))
    if stored is None:
        detail = "published by another run meanwhile"
        return await _withhold(run, candidate.pattern, "another insight is alive", detail, reply.model, reply.cost_usd)
    return "published"


def _has_closed(candidate: Candidate, at: datetime) -> bool:
    return candidate.close_time is not None and candidate.close_time <= at


async def _withhold(
    run: Run[AnalyzeSettings], pattern: Pattern, reason: str, detail: str, model: str, cost: Decimal
) -> str:
    """Keeps the reason, and the cost for the budget. Returns the reason."""
    log.info("insight withheld", extra={"market_id": pattern.market_id, "reason": reason, "detail": detail[:500]})
    async with run.transaction() as connection:
        await analyzing.insert_withheld(connection, run.now, pattern, reason, detail, model, cost)
    return reason


def _insight(candidate: Candidate, evidence: Evidence, reply: Reply, now: datetime) -> dict[str, Any]:
    answer, pattern = reply.answer, candidate.pattern
    expires_at = now + _LIFE[answer.time_sensitivity]
    if candidate.close_time is not None:
        expires_at = min(expires_at, candidate.close_time)
    return {
        "platform": pattern.platform,
        "market_id": pattern.market_id,
        "market_title": candidate.title,
        "pattern_type": pattern.detector,
        "pattern_score": Decimal(str(pattern.score)),
        "category": pattern.category,
        "ai_recommendation": answer.recommendation,
        "confidence_score": Decimal(answer.confidence_score),
        "confidence_basis": _UNCALIBRATED,
        "win_probability": None,  # until outcomes calibrate it; the model's own stays in `answer`
        **answer.texts(),
        "suggested_position": answer.suggested_position,
        "time_sensitivity": answer.time_sensitivity,
        "net_edge_cents": evidence.net_edge_cents,
        "evidence": evidence.as_json(),
        "evidence_digest": digest_of(evidence.as_json()),
        "answer": answer.model_dump(),
        "price_at_emission": candidate.price,
        "yes_price_at_emission": candidate.yes_price,
        "no_price_at_emission": candidate.no_price,
        "model": reply.model,
        "prompt_version": prompt.VERSION,
        "prompt_tokens": reply.prompt_tokens,
        "cached_tokens": reply.cached_tokens,
        "completion_tokens": reply.completion_tokens,
        "cost_usd": reply.cost_usd,
        "created_at": now,
        "expires_at": expires_at,
    }
