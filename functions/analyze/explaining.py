"""What the analyst says of the selected patterns: evidence, a call each, the wall, one repair, the store."""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Awaitable, Callable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from pydantic import ValidationError

from analyze.calls import Bill, Calls, Judged, Subject, open_calls
from analyze.publishing import fingerprint, inputs_of, make_insight, store_prompt, store_withheld
from analyze.side_by_side import LEFT, ask_all
from core.agent import prompt
from core.agent.answers import OpportunityAnswer
from core.agent.calibration import Calibration
from core.agent.confidence import numbers_of
from core.agent.evidence import Candidate, Evidence, Other, gather, pack
from core.agent.grounding import faults
from core.arbitrage.fees import taker_fee_usd
from core.db import Connection
from core.detect.longshots import SettledRates
from core.detect.rates import Rate
from core.detect.selection import Key
from core.errors import AnalystUnavailable, ConfigError
from core.models import Book, OpenMarket, Pattern, Platform
from core.queries import analyzing, arbitrage, books, grading, spending
from core.queries.settled_rates import latest_settled_rates
from core.runtime import Run
from core.settings import AnalyzeSettings

log = logging.getLogger(__name__)

PUBLISHED = "published"
_CLOSED = "its market has closed"
_KNOWN = "the same evidence was analysed before"
ALIVE = "another insight is alive"

# Told what became of a pattern, in the transaction that stores it: both are kept, or neither.
Ended = Callable[[Connection, Pattern, str], Awaitable[None]]


async def _untold(connection: Connection, pattern: Pattern, outcome: str) -> None:
    """The run itself counts."""


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
        async with open_calls(run, "insights") as calls:
            if not selected:
                return {"published": 0, "note": "nothing was selected"}
            return await explain_all(run, calls, await candidates_of(run, selected, markets, fair, rates))
    except (ConfigError, AnalystUnavailable) as error:
        log.error("analyst unavailable", extra={"error": str(error)})
        return {"published": 0, "not_published": {LEFT: len(selected)}, "error": str(error)}


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


@dataclass(frozen=True, slots=True)
class _Asked:
    """A candidate and what the analyst is asked of it."""

    candidate: Candidate
    evidence: Evidence
    messages: list[dict[str, str]]
    subject: Subject


@dataclass(frozen=True, slots=True)
class _Known:
    """What was said of the same evidence before: answers (with their model) that were published, or withheld. And by
    what the numbers of an answer are judged: what became of each model's, and of such prices."""

    published: Mapping[int, tuple[Mapping[str, Any], str]]
    withheld: AbstractSet[int]
    prompt_digest: int
    calibrations: Mapping[str, Calibration]
    settled: SettledRates | None


async def explain_all(
    run: Run[AnalyzeSettings], calls: Calls, candidates: Sequence[Candidate], ended: Ended = _untold
) -> dict[str, Any]:
    """Counts of what became of each. There is at least one. `ended` is told of those that were stored."""
    asked = [_asked(candidate, run.now) for candidate in candidates]
    async with run.transaction() as connection:
        digests = [one.subject.evidence_digest for one in asked]
        known = _Known(
            await spending.answers_before(connection, prompt.VERSION, digests),
            await spending.withheld_before(connection, calls.model, prompt.VERSION, digests),
            await store_prompt(connection, asked[0].messages, prompt.VERSION, run.now),
            await grading.calibrations(connection, run.now),
            await latest_settled_rates(connection, run.now),
        )
    outcomes, error = await ask_all(asked, lambda one: _one(run, calls, one, known, ended), run.settings.ai_concurrency)
    said: dict[str, Any] = {"published": outcomes.pop(PUBLISHED, 0), "not_published": dict(+outcomes)}
    return said | ({"error": error} if error else {})


async def candidates_of(
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


def _asked(candidate: Candidate, now: datetime) -> _Asked:
    evidence = gather(candidate, now)
    pattern = candidate.pattern
    subject = Subject(pattern.platform, pattern.market_id, fingerprint(candidate, evidence), prompt.VERSION)
    return _Asked(candidate, evidence, prompt.messages(pack(candidate, evidence)), subject)


async def _one(run: Run[AnalyzeSettings], calls: Calls, asked: _Asked, known: _Known, ended: Ended) -> str:
    """What became of it: PUBLISHED, or why not."""
    candidate, digest = asked.candidate, asked.subject.evidence_digest
    if _has_closed(candidate, run.clock()):
        return _CLOSED
    if digest in known.withheld:
        return _KNOWN
    judged = _said_before(asked, known)
    if judged is None:
        judged = await calls.judge(
            OpportunityAnswer,
            "opportunity",
            asked.messages,
            lambda answer: faults(answer, asked.evidence, candidate),
            asked.subject,
        )
    if judged.answer is None:
        return await _withhold(run, candidate.pattern, judged, judged.reason, judged.detail, ended)
    if _has_closed(candidate, run.clock()):
        return await _withhold(run, candidate.pattern, judged, _CLOSED, "closed while the analyst was thinking", ended)
    numbers = numbers_of(judged.answer, candidate, known.calibrations.get(judged.bill.model), known.settled, run.now)
    row = make_insight(candidate, asked.evidence, judged, numbers, run.now) | {
        "inputs": inputs_of(candidate, asked.messages, run.now),
        "prompt_digest": known.prompt_digest,
        "evidence_digest": digest,
        "prompt_version": asked.subject.prompt_version,
    }
    async with run.transaction() as connection:
        stored = await analyzing.insert_insight(connection, row)
        if stored is not None:
            await spending.mark_outcome(connection, judged.bill.calls[-1:], "published")
            await ended(connection, candidate.pattern, PUBLISHED)
    if stored is None:
        return await _withhold(run, candidate.pattern, judged, ALIVE, "published by another run meanwhile", ended)
    return PUBLISHED


def _said_before(asked: _Asked, known: _Known) -> Judged[OpportunityAnswer] | None:
    """The answer that was published of the same evidence, at no cost; None where it tells what time has changed."""
    if asked.subject.evidence_digest not in known.published:
        return None
    said, model = known.published[asked.subject.evidence_digest]
    try:
        answer = OpportunityAnswer.model_validate(said)
    except ValidationError:  # of an older form
        return None
    return None if faults(answer, asked.evidence, asked.candidate) else Judged(answer, Bill(model))


def _has_closed(candidate: Candidate, at: datetime) -> bool:
    return candidate.close_time is not None and candidate.close_time <= at


async def _withhold(
    run: Run[AnalyzeSettings],
    pattern: Pattern,
    judged: Judged[OpportunityAnswer],
    reason: str,
    detail: str,
    ended: Ended,
) -> str:
    """Keeps the reason, with what it cost. Returns the reason."""
    log.info("insight withheld", extra={"market_id": pattern.market_id, "reason": reason, "detail": detail[:500]})
    market = (pattern.platform, pattern.market_id)
    async with run.transaction() as connection:
        await store_withheld(connection, run.now, market, reason, detail, judged.bill)
        await ended(connection, pattern, reason)
    return reason
