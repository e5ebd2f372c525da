"""Bundles of related bets: ladders and lists of one venue, and what follows from them and the pairs across venues."""

from __future__ import annotations

import asyncio
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any, Literal

from analyze.live_books import Key
from analyze.offers import Candidate
from analyze.quoting import listed_cost, quote_candidates
from core.arbitrage import exhaustive
from core.arbitrage.plans import Claim, Kind, Plan, all_no, all_yes, implied, of_pair
from core.arbitrage.rungs import PRICED_OUT, Rung, implications, ladders, read_rungs, refusal
from core.arbitrage.wording import Wording
from core.body_store import BodyStore
from core.models import OpenMarket
from core.queries import arbitrage
from core.runtime import Run
from core.settings import AnalyzeSettings

# Listed prices are minutes old: what costs this much of its payout without fees may clear by now, or nearly.
_WITHIN = Decimal("1.02")
# An unproved list this cheap is not nearly complete: its prices say that somebody else wins.
_HARDLY = Decimal("0.9")
_MOST_LEGS = 12  # more orders are not filled at one moment
_MOST_PROVED = 1_000
_MOST_REFUSED = 25
_LADDER: dict[str, Kind] = {"threshold": "RELATED_MARKET", "deadline": "TEMPORAL"}
_NOTE = "the rules of these markets were compared word by word, by rule and not by a reader: read them before acting"

Basis = Literal["all NO", "all YES", "ladder", "blocked pair"]


@dataclass(frozen=True, slots=True)
class Proposed:
    """A plan that the listed prices make worth a proof. `rungs`: the narrow and the wide bet of a ladder;
    `pair`: the judged pair that it rests on."""

    basis: Basis
    plan: Plan
    markets: tuple[OpenMarket, ...]
    cost: Decimal
    rungs: tuple[Rung, Rung] | None = None
    pair: Mapping[str, Any] | None = None


async def quote(
    run: Run[AnalyzeSettings], markets: Sequence[OpenMarket], store: BodyStore | None = None
) -> tuple[list[dict[str, Any]], Counter[str]]:
    """The opportunities among related bets, and why the others are not shown."""
    async with run.transaction() as connection:
        alive = await arbitrage.alive_keys(connection)
        pairs = await arbitrage.judged_pairs(connection)
    proposed = await asyncio.to_thread(propose, markets, pairs)
    proposed.sort(key=lambda found: (found.plan.key not in alive, found.cost, found.plan.key))
    kept = proposed[:_MOST_PROVED]
    async with run.transaction() as connection:
        keys = {(market.platform, market.market_id) for found in kept for market in found.markets}
        wordings = await arbitrage.wordings(connection, sorted(keys), store)
    candidates = await asyncio.to_thread(lambda: [proved(found, wordings) for found in kept])
    allowed = [candidate for candidate in candidates if candidate.refused is None]
    refused = [candidate for candidate in candidates if candidate.refused is not None]
    opportunities, not_shown = await quote_candidates(run, allowed + refused[:_MOST_REFUSED])
    not_shown["rules do not allow it"] += len(refused[_MOST_REFUSED:])
    not_shown["too many related bets for one run"] += len(proposed) - len(kept)
    return opportunities, +not_shown


def propose(markets: Sequence[OpenMarket], pairs: Iterable[Mapping[str, Any]]) -> list[Proposed]:
    """Plans that the listed prices bring near their payout; each key once."""
    by_event: defaultdict[tuple[str, str], list[OpenMarket]] = defaultdict(list)
    for market in markets:
        if market.event_id is not None and market.mutually_exclusive:
            by_event[market.platform, market.event_id].append(market)
    rungs = read_rungs(markets)
    found = [
        *(plan for (_, event_id), group in by_event.items() for plan in _lists(event_id, group)),
        *(_on_ladder(narrow, wide) for narrow, wide in implications(rungs)),
        *_across(markets, rungs, pairs),
    ]
    return list({each.plan.key: each for each in found if each is not None and each.cost < _WITHIN}.values())


def _lists(event_id: str, group: Sequence[OpenMarket]) -> Iterator[Proposed]:
    if len(group) < 2:
        return
    against = all_no(event_id, group)
    if against is not None and len(against.legs) <= _MOST_LEGS:
        chosen = {leg.market_id for leg in against.legs}
        yield from _proposed("all NO", against, [market for market in group if market.market_id in chosen])
    if len(group) <= _MOST_LEGS:
        yield from _proposed("all YES", all_yes(event_id, group, "one of these outcomes is settled YES"), group)


def _proposed(basis: Basis, plan: Plan, markets: Sequence[OpenMarket]) -> Iterator[Proposed]:
    cost = listed_cost(plan, markets)
    if cost is not None:
        yield Proposed(basis, plan, tuple(markets), cost)


def _on_ladder(
    narrow: Rung,
    wide: Rung,
    stand_ins: tuple[OpenMarket, OpenMarket] | None = None,
    pair: Mapping[str, Any] | None = None,
) -> Proposed | None:
    """Against the narrow bet and for the wide one. `stand_ins`: who is bought in their places, being the same bet."""
    bought = stand_ins or (narrow.market, wide.market)
    claims = [Claim(market.platform, market.market_id) for market in bought]
    alike = "both venues settle alike and " if pair else ""
    because = f"{alike}both are settled by their rules, which differ in the {narrow.kind} only"
    plan = implied(_LADDER[narrow.kind], claims[0], claims[1], because)
    cost = listed_cost(plan, bought)
    return None if cost is None else Proposed("ladder", plan, bought, cost, (narrow, wide), pair)


def _across(
    markets: Sequence[OpenMarket], rungs: Sequence[Rung], pairs: Iterable[Mapping[str, Any]]
) -> Iterator[Proposed | None]:
    """A pair's two markets are one bet, so each takes the other's place on its ladder. A pair whose rules differ is
    named as a near miss."""
    by_key = {(market.platform, market.market_id): market for market in markets}
    places = {(rung.market.platform, rung.market.market_id): rung for rung in rungs}
    by_stem = ladders(rungs)
    for pair in pairs:
        keys: tuple[Key, Key] = ("kalshi", pair["kalshi_market_id"]), ("polymarket", pair["polymarket_market_id"])
        if not all(key in by_key for key in keys) or not pair["same_side"]:
            continue
        if pair["settlement_risk"] == "BLOCK":
            for plan in of_pair(pair["relation"], True, keys[0][1], keys[1][1]):
                both = by_key[keys[0]], by_key[keys[1]]
                yield from (replace(each, pair=pair) for each in _proposed("blocked pair", plan, both))
        elif pair["relation"] == "identity":
            for here, there in (keys, keys[::-1]):
                rung, other = places.get(here), by_key[there]
                for step in by_stem.get((rung.market.platform, rung.stem), ()) if rung else ():
                    if rung is not None and step.is_wider_than(rung):
                        yield _on_ladder(rung, step, (other, step.market), pair)
                    elif rung is not None and rung.is_wider_than(step):
                        yield _on_ladder(step, rung, (step.market, other), pair)


def proved(found: Proposed, wordings: Mapping[Key, Wording]) -> Candidate:
    """The proposal with what the terms say of it: `refused` where they do not prove what it rests on."""
    terms = [wordings.get((market.platform, market.market_id), Wording("")) for market in found.markets]
    plan, refused = found.plan, _priced_out(terms)
    if found.basis == "blocked pair" and found.pair is not None:
        refused = "; ".join(found.pair["reasons"]) or "settlement rules differ"
    elif found.rungs is not None:
        ours, other = (wordings.get((r.market.platform, r.market.market_id), Wording("")) for r in found.rungs)
        refused = refused or refusal(*found.rungs, ours, other)
    elif found.basis == "all NO":
        refused = refused or exhaustive.halved(terms)
    elif found.basis == "all YES":
        because, lacking = exhaustive.proof(terms)
        refused = refused or (lacking if because is None else None)
        plan = plan if because is None else Plan(plan.kind, plan.legs, plan.pays, because, plan.key)
    settles = [each.settles_at for each in terms]
    later = None if None in settles else max(at for at in settles if at is not None)
    told = found.pair or {"settlement_risk": "CAUTION", "confidence": None, "reasons": ()}
    confidence = None if told["confidence"] is None else 100 * told["confidence"]
    reasons = (_NOTE, *told["reasons"])
    return Candidate((plan,), found.markets, told["settlement_risk"], confidence, reasons, later, refused)


def _priced_out(terms: Iterable[Wording]) -> str | None:
    """Markets settled by a price of the moment would pay out the very prices that make the bundle look cheap."""
    if any(PRICED_OUT.search(each.rules) for each in terms):
        return "one of them may be settled by a price of the moment"
    return None
