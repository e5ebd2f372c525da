"""What to buy so that a sum is paid whatever happens: from what is known of how bets imply and exclude each other."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Literal

from core.models import OpenMarket, Platform

Kind = Literal["CROSS_PLATFORM", "RELATED_MARKET", "TEMPORAL", "HEDGE"]


@dataclass(frozen=True, slots=True)
class Claim:
    """One side of one market: it pays a dollar a share if it comes true, else nothing."""

    platform: Platform
    market_id: str
    is_yes: bool = True

    @property
    def side(self) -> Literal["YES", "NO"]:
        return "YES" if self.is_yes else "NO"

    @property
    def denied(self) -> Claim:
        return Claim(self.platform, self.market_id, not self.is_yes)

    def __str__(self) -> str:
        return f"{self.platform}:{self.market_id}:{self.side}"


@dataclass(frozen=True, slots=True)
class Plan:
    """Equal shares of `legs` pay at least `pays` dollars a share if the venues settle as `because` says.

    `key` names the bundle from run to run.
    """

    kind: Kind
    legs: tuple[Claim, ...]
    pays: int
    because: str
    key: str

    def payout(self, came_true: Mapping[tuple[Platform, str], bool]) -> int:
        """What a share of every leg pays where each market's YES came true or not."""
        return sum(came_true[leg.platform, leg.market_id] == leg.is_yes for leg in self.legs)


def implied(kind: Kind, narrow: Claim, wide: Claim, because: str) -> Plan:
    """The one primitive of two legs: `narrow` true makes `wide` true. Against the one and for the other pays a dollar.

    Either `narrow` is false and its other side pays, or it is true and so is `wide`; both pay where only `wide` is.
    """
    legs = tuple(sorted((narrow.denied, wide), key=lambda leg: leg.platform))
    return Plan(kind, legs, 1, because, "+".join(sorted(map(str, legs))))


def of_pair(relation: str, same_side: bool, kalshi_id: str, polymarket_id: str) -> tuple[Plan, ...]:
    """The ways to buy a judged pair. Where relation and polarity contradict each other: none.

    `relation` as in `core.match.verdict`: what Polymarket's side is to Kalshi's YES, so a subset comes true only where
    Kalshi's does. `same_side` False: Polymarket's side is its NO. A complement is always such.
    """
    ours, other = Claim("kalshi", kalshi_id), Claim("polymarket", polymarket_id, same_side)
    if (relation == "identity" and same_side) or (relation == "complement" and not same_side):
        because = "both venues settle alike"
        return implied("CROSS_PLATFORM", ours, other, because), implied("CROSS_PLATFORM", other, ours, because)
    because = "both venues settle by the rules that make one of the bets follow from the other"
    if relation == "subset":
        return (implied("RELATED_MARKET", other, ours, because),)
    if relation == "superset":
        return (implied("RELATED_MARKET", ours, other, because),)
    if relation == "disjoint" and same_side:
        because = "both venues settle by the rules that keep both bets from coming true"
        return (implied("RELATED_MARKET", ours, other.denied, because),)
    return ()


def all_no(event_id: str, markets: Sequence[OpenMarket]) -> Plan | None:
    """NO of outcomes of which at most one wins: all but one pay for sure, and all if the winner is not among them.

    It takes exclusivity only, so outcomes may be left out: of those with a bid the ones, from the likeliest on, whose
    listed prices promise the most on the money. None with fewer than two.
    """
    bid = [(market.no_price, market) for market in markets if market.no_price is not None]
    bid.sort(key=lambda pair: (pair[0], pair[1].market_id))
    costs = list(accumulate(price for price, _ in bid))
    if len(costs) < 2:
        return None
    most = max(range(2, len(costs) + 1), key=lambda count: (count - 1) / costs[count - 1])
    chosen = [market for _, market in bid[:most]]
    legs = tuple(Claim(market.platform, market.market_id, False) for market in chosen)
    because = "at most one of these outcomes is settled YES"
    return Plan("HEDGE", legs, most - 1, because, f"{chosen[0].platform}:{event_id}:all NO")


def all_yes(event_id: str, markets: Sequence[OpenMarket], because: str) -> Plan:
    """YES of outcomes of which at least one wins for sure. `because`: what proves that, in words."""
    legs = tuple(Claim(market.platform, market.market_id) for market in markets)
    return Plan("HEDGE", legs, 1, because, f"{markets[0].platform}:{event_id}:all YES")
