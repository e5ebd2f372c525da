"""The requests job: deep analyses that pro users asked for, then those of the best insights of the last runs."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from functools import partial
from typing import Any

from analyze.calls import Calls, open_calls
from analyze.deepening import Deepened, deepen, subject_of
from analyze.explaining import candidates_of
from analyze.measuring import rates_of
from analyze.pairing import fair_of
from analyze.publishing import store_withheld
from analyze.side_by_side import LEFT, ask_all
from core.agent import deep
from core.agent.evidence import Candidate, gather
from core.db import Connection
from core.errors import AnalystUnavailable, ConfigError
from core.models import OpenMarket, Pattern
from core.queries import asking, matching, rates, spending
from core.queries.asking import Waiting
from core.queries.open_markets import open_markets
from core.queries.spending import Part
from core.runtime import Run
from core.settings import AnalyzeSettings

log = logging.getLogger(__name__)

CACHE_GROUPS = ("insights",)
_CLOSED, _UNREAD = "its market is not open any more", "its market was not read lately"
_REMEMBERED = 2  # intervals for which a pattern still says why a market is worth a look


@dataclass(frozen=True, slots=True)
class _Question:
    """Requests for the same: one analysis answers all of them."""

    candidate: Candidate
    text: str | None
    digest: int
    ids: list[str]


async def run(run: Run[AnalyzeSettings]) -> dict[str, Any]:
    """What cannot be answered now stays queued; what waited too long is given up."""
    settings = run.settings
    async with run.transaction() as connection:
        too_old = run.now - timedelta(seconds=settings.ai_requests_wait_s)
        given_up = await asking.give_up(connection, too_old, run.now)
        waiting = await asking.take_waiting(connection, settings.ai_requests_per_run)
    outcomes = Counter({"given up": given_up})
    error = None
    if waiting:
        try:
            error = await _answer_all(run, waiting, outcomes)
        finally:
            async with run.transaction() as connection:
                await asking.put_back(connection, [one.id for one in waiting])
            await run.cache.drop(*CACHE_GROUPS)
    said: dict[str, Any] = {"answered": outcomes.pop("answered", 0), "not_answered": dict(+outcomes)}
    return said | ({"error": error} if error else {})


async def _answer_all(run: Run[AnalyzeSettings], waiting: Sequence[Waiting], outcomes: Counter[str]) -> str | None:
    """The operator's line where the analyst is away."""
    if not run.settings.ai_analysis_enabled:
        outcomes["AI_ANALYSIS_ENABLED is false"] += len(waiting)
        return None
    questions = await _questions(run, waiting, outcomes)
    parts: tuple[tuple[Part, bool], ...] = (("requests", False), ("deep", True))
    for part, is_own in parts:
        of_part = [(waited, asked) for asked, waited in questions if waited.is_own == is_own]
        if not of_part:
            continue
        try:
            async with open_calls(run, part, run.settings.ai_deep_model) as calls:
                ended, error = await ask_all(
                    [asked for _, asked in of_part],
                    partial(_answer, run, calls),
                    run.settings.ai_concurrency,
                    lambda question: len(question.ids),
                )
            outcomes.update(ended)
        except (ConfigError, AnalystUnavailable) as away:
            outcomes[LEFT] += sum(len(asked.ids) for _, asked in of_part)
            error = str(away)
            log.error("analyst unavailable", extra={"error": error, "left": outcomes[LEFT]})
        if error is not None:
            return error
    return None


async def _answer(run: Run[AnalyzeSettings], calls: Calls, question: _Question) -> str:
    lately = run.now - timedelta(seconds=run.settings.analyze_interval_s)
    async with run.transaction() as connection:
        known = await asking.answered_before(connection, question.digest, deep.VERSION, question.text, lately)
        if known is not None:
            await asking.mark_done(connection, question.ids, known, run.clock(), question.digest, {})
            return "answered"
    deepened = await deepen(calls, question.candidate, question.text, run.now)
    async with run.transaction() as connection:
        return await _store(connection, run, question, deepened)


async def _store(connection: Connection, run: Run[AnalyzeSettings], question: _Question, deepened: Deepened) -> str:
    bill = deepened.bill
    made = bill.as_row() | {"inputs": deepened.inputs, "prompt_version": deep.VERSION}
    if deepened.result is not None:
        await asking.mark_done(connection, question.ids, deepened.result, run.clock(), question.digest, made)
        await spending.mark_outcome(connection, bill.calls[-1:], "published")
        return "answered"
    reason, detail, pattern = deepened.reason, deepened.detail, question.candidate.pattern
    log.info("analysis withheld", extra={"market_id": pattern.market_id, "reason": reason, "detail": detail[:500]})
    await asking.mark_withheld(connection, question.ids, reason, run.clock(), question.digest, made)
    await store_withheld(connection, run.now, (pattern.platform, pattern.market_id), f"deep: {reason}", detail, bill)
    return reason


async def _questions(
    run: Run[AnalyzeSettings], waiting: Sequence[Waiting], outcomes: Counter[str]
) -> list[tuple[_Question, Waiting]]:
    """Those whose markets can be judged now, each with the first who asked for it; of the others the outcome."""
    async with run.transaction() as connection:
        markets = await open_markets(connection, run.now, run.settings.max_quote_age_s)
    by_key: dict[tuple[str, str], OpenMarket] = {(market.platform, market.market_id): market for market in markets}
    candidates = await _candidates(run, [one for one in waiting if one.key in by_key], by_key)
    closed = [one.id for one in waiting if not one.is_open]
    outcomes[_CLOSED] += len(closed)
    outcomes[_UNREAD] += sum(one.is_open and one.key not in by_key for one in waiting)
    async with run.transaction() as connection:
        await asking.mark_failed(connection, closed, _CLOSED, run.clock())
    found: dict[tuple[int, str | None, bool], tuple[_Question, Waiting]] = {}
    for one in waiting:
        if one.is_open and (candidate := candidates.get(one.key)) is not None:
            digest = subject_of(candidate, gather(candidate, run.now)).evidence_digest
            question = found.setdefault(
                (digest, one.question, one.is_own), (_Question(candidate, one.question, digest, []), one)
            )[0]
            question.ids.append(one.id)
    return list(found.values())


async def _candidates(
    run: Run[AnalyzeSettings], waiting: Sequence[Waiting], by_key: Mapping[tuple[str, str], OpenMarket]
) -> dict[tuple[str, str], Candidate]:
    markets = [by_key[key] for key in dict.fromkeys(one.key for one in waiting)]
    since = run.now - _REMEMBERED * timedelta(seconds=run.settings.analyze_interval_s)
    async with run.transaction() as connection:
        noticed = await asking.latest_patterns(connection, [(m.platform, m.market_id) for m in markets], since)
        pairs = await matching.living_pairs(connection)
        measured = await rates.latest_rates(connection, run.now)
    patterns = [noticed.get((market.platform, market.market_id)) or _unnoticed(market) for market in markets]
    fair: dict[tuple[str, str], Decimal] = {}
    for pair in pairs:
        legs = by_key.get(("kalshi", pair.kalshi_id)), by_key.get(("polymarket", pair.polymarket_id))
        if legs[0] is not None and legs[1] is not None:
            for market, other in (legs, legs[::-1]):
                if market is not None and other is not None:
                    price = fair_of(other, same_side=pair.same_side)
                    fair |= {} if price is None else {(market.platform, market.market_id): price}
    found = await candidates_of(run, patterns, markets, fair, rates_of(patterns, markets, measured))
    return {(one.pattern.platform, one.pattern.market_id): one for one in found}


def _unnoticed(market: OpenMarket) -> Pattern:
    """Of a market in which no detector found anything: it was asked for."""
    return Pattern(market.platform, market.market_id, market.event_id, market.category, "requested", 0.0, {})
