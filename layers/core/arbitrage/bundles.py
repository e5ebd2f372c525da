"""Two legs that together pay one dollar a share whatever happens, walked through both books."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import ROUND_FLOOR, Decimal

from core.arbitrage.fees import rounded_up, taker_fee_usd
from core.models import Level

_ONE = Decimal(1)


@dataclass(frozen=True, slots=True)
class Leg:
    """What can be bought, cheapest first, and what its taker pays: `fee_step` is the rounding of one order's fee."""

    asks: tuple[Level, ...]
    fee_rate: Decimal
    fee_exponent: Decimal
    fee_step: Decimal


@dataclass(frozen=True, slots=True)
class Bundle:
    """Equal `shares` of both legs. `cost_usd` holds the fees; each share pays a dollar at settlement."""

    shares: Decimal
    cost_usd: Decimal
    fees_usd: Decimal
    worst_prices: tuple[Decimal, Decimal]

    @property
    def net_edge_usd(self) -> Decimal:
        return self.shares - self.cost_usd

    @property
    def edge_percentage(self) -> Decimal:
        return 100 * self.net_edge_usd / self.cost_usd


def best_bundle(first: Leg, second: Leg) -> Bundle | None:
    """The most whole shares whose last one still pays after fees, or None when the first share does not.

    Equal shares, not equal dollars: only then is the payout the same in every outcome.
    """
    shares, i, j = Decimal(0), 0, 0
    used_first, used_second = Decimal(0), Decimal(0)
    while i < len(first.asks) and j < len(second.asks):
        a, b = first.asks[i], second.asks[j]
        if _marginal(first, a.price) + _marginal(second, b.price) >= _ONE:
            break
        step = min(a.size - used_first, b.size - used_second)
        shares, used_first, used_second = shares + step, used_first + step, used_second + step
        if used_first == a.size:
            i, used_first = i + 1, Decimal(0)
        if used_second == b.size:
            j, used_second = j + 1, Decimal(0)
    shares = shares.to_integral_value(rounding=ROUND_FLOOR)
    if shares <= 0:
        return None
    bundle = priced(first, second, shares)
    return bundle if bundle is not None and bundle.net_edge_usd > 0 else None


def priced(first: Leg, second: Leg, shares: Decimal) -> Bundle | None:
    """What `shares` of both legs cost with fees, each leg one order; None when a book is too thin for them."""
    paid = [_walk(leg, shares) for leg in (first, second)]
    if paid[0] is None or paid[1] is None:
        return None
    (cost_a, fee_a, worst_a), (cost_b, fee_b, worst_b) = paid[0], paid[1]
    return Bundle(shares, cost_a + cost_b + fee_a + fee_b, fee_a + fee_b, (worst_a, worst_b))


def _marginal(leg: Leg, price: Decimal) -> Decimal:
    return price + taker_fee_usd(_ONE, price, leg.fee_rate, leg.fee_exponent)


def _walk(leg: Leg, shares: Decimal) -> tuple[Decimal, Decimal, Decimal] | None:
    cost, fee, left, worst = Decimal(0), Decimal(0), shares, Decimal(0)
    for level in leg.asks:
        taken = min(level.size, left)
        cost += taken * level.price
        fee += taker_fee_usd(taken, level.price, leg.fee_rate, leg.fee_exponent)
        worst, left = level.price, left - taken
        if left == 0:
            return cost, rounded_up(fee, leg.fee_step), worst
    return None
