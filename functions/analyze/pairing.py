"""The cross-venue pass: same bets found, their gaps noted, and those that may be priced handed to quoting."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from analyze import quoting
from analyze.matching import match_changed
from core.models import OpenMarket, Pattern
from core.queries import matching
from core.runtime import Run
from core.settings import AnalyzeSettings
from core.venues.fields import best_price, complement

Key = tuple[str, str]


@dataclass(slots=True)
class Paired:
    """`fair` maps a market to the middle of the other venue's book for the same bet, where that book tells one."""

    opportunities: list[dict[str, Any]] = field(default_factory=list)
    gaps: list[Pattern] = field(default_factory=list)
    fair: dict[Key, Decimal] = field(default_factory=dict)
    counts: dict[str, int] = field(default_factory=dict)
    not_shown: Counter[str] = field(default_factory=Counter)


async def pair(run: Run[AnalyzeSettings], markets: Sequence[OpenMarket]) -> Paired:
    by_key = {(market.platform, market.market_id): market for market in markets}
    counts = await match_changed(run)
    async with run.transaction() as connection:
        living = await matching.living_pairs(connection)
        blocked = await matching.blocked_pairs(connection)
    priced = [v for v in living if ("kalshi", v.kalshi_id) in by_key and ("polymarket", v.polymarket_id) in by_key]
    paired = Paired(counts=counts | {"same": len(priced), "blocked": blocked})
    paired.not_shown["settlement rules differ"] = blocked
    legs = [(by_key["kalshi", v.kalshi_id], by_key["polymarket", v.polymarket_id]) for v in priced]
    for verdict, (kalshi_leg, polymarket_leg) in zip(priced, legs, strict=True):
        _note_gap(paired, kalshi_leg, polymarket_leg, same_side=verdict.same_side)
    paired.opportunities, not_shown = await quoting.quote(run, list(zip(priced, legs, strict=True)))
    paired.not_shown += not_shown
    paired.not_shown += Counter()  # drops zeros
    return paired


def _note_gap(paired: Paired, kalshi: OpenMarket, polymarket: OpenMarket, *, same_side: bool) -> None:
    """A gap between a venue's asks and the other's middle, scored in cents: 4 of them score 50.

    Of a complement the other's NO is this market's YES.

    Of both sides of one gap the wider: told twice, it would look like twice the money.
    """
    found: list[Pattern] = []
    for market, other in ((kalshi, polymarket), (polymarket, kalshi)):
        fair = fair_of(other, same_side=same_side)
        if fair is None:
            is_one_sided = other.yes_price is None or other.no_price is None
            paired.not_shown[f"no fair price: {'one-sided' if is_one_sided else 'wide'} book"] += 1
            continue
        paired.fair[market.platform, market.market_id] = fair
        if market.yes_price is None or market.no_price is None:
            continue
        cents = float(100 * max(fair - market.yes_price, 1 - fair - market.no_price))
        if cents > 0:
            score = round(100 * cents / (cents + 4), 1)
            numbers = {"fair_cents": float(100 * fair)}
            found.append(
                Pattern(
                    market.platform,
                    market.market_id,
                    market.event_id,
                    market.category,
                    "cross_venue_gap",
                    score,
                    numbers,
                )
            )
    paired.gaps += sorted(found, key=lambda gap: -gap.score)[:1]


def fair_of(other: OpenMarket, *, same_side: bool) -> Decimal | None:
    """What a market's YES is worth by the other venue's listed book; None where that tells no price.

    Never the last trade, which may be of another day; nor the middle of a wide book, which is nobody's price.
    """
    yes, no = (other.yes_price, other.no_price) if same_side else (other.no_price, other.yes_price)
    return best_price(complement(no), yes, None)
