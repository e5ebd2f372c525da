"""What a taker or maker pays on each venue. A fee that is not known is None, and what needs it is not shown.

Kalshi: 0.07 * multiplier * C * P * (1-P) for a taker; a maker pays a quarter of it in series of the maker kind, half
in the combos' kind, nothing elsewhere; `flat` has a table that we lack (OpenAPI 3.30, series). An event's override goes
before its series' fee, a scheduled change holds from its time on: `core.queries.analyzing.open_markets` applies both.
Polymarket: C * rate * (p(1-p))^exponent by the market's own `feeSchedule`; makers pay nothing (docs, trading/fees).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import ROUND_CEILING, Decimal

from core.models import Platform

CENT = Decimal("0.01")
_ZERO, _ONE = Decimal(0), Decimal(1)
_KALSHI_TAKER = Decimal("0.07")
_KALSHI_MAKER_SHARE = {
    "quadratic": _ZERO,
    "quadratic_with_maker_fees": Decimal("0.25"),
    "quadratic_with_combo_maker_fees": Decimal("0.5"),
}


@dataclass(frozen=True, slots=True)
class Rounding:
    """How a venue rounds, in dollars: each trade's fee up to `trade_step`, what an order takes up to `order_step`."""

    trade_step: Decimal
    order_step: Decimal


# Kalshi (docs, fee_rounding): a trade's fee up to $0.0001, then the balance down to whole cents. An accumulator gives
# whole cents back to the order, so that an order of many trades is rounded once. Direct members: 0.0001 for both.
KALSHI_ROUNDING = Rounding(Decimal("0.0001"), CENT)
KALSHI_DIRECT_ROUNDING = Rounding(Decimal("0.0001"), Decimal("0.0001"))
# Polymarket: five decimals; which way is not documented, so up.
POLYMARKET_ROUNDING = Rounding(Decimal("0.00001"), Decimal("0.00001"))
ROUNDING: dict[Platform, Rounding] = {"kalshi": KALSHI_ROUNDING, "polymarket": POLYMARKET_ROUNDING}


@dataclass(frozen=True, slots=True)
class FeeRule:
    """What one contract bought by a taker costs beside its price, and how that is rounded."""

    rate: Decimal
    exponent: Decimal
    rounding: Rounding

    def per_contract_usd(self, price: Decimal) -> Decimal:
        """A bound for books: as if each contract were a trade of its own, so no split of whole ones costs more."""
        return rounded_up(taker_fee_usd(_ONE, price, self.rate, self.exponent), self.rounding.trade_step)


def kalshi_rate(fee_type: str | None, multiplier: Decimal | None) -> Decimal | None:
    """A taker's rate; None for a kind that we do not know (`flat` among them)."""
    if fee_type not in _KALSHI_MAKER_SHARE or multiplier is None:
        return None
    return _KALSHI_TAKER * multiplier


def kalshi_maker_rate(fee_type: str | None, multiplier: Decimal | None) -> Decimal | None:
    """The rate of an order that rests in the book before it trades."""
    taker = kalshi_rate(fee_type, multiplier)
    return None if taker is None or fee_type is None else taker * _KALSHI_MAKER_SHARE[fee_type]


def taker_fee_usd(contracts: Decimal, price: Decimal, rate: Decimal, exponent: Decimal = _ONE) -> Decimal:
    """rate * C * (p(1-p))^exponent, unrounded. Both venues' formula; Kalshi's exponent is 1."""
    spread = price * (1 - price)
    return rate * contracts * (spread if exponent == 1 else spread**exponent)


def order_fee_usd(trades: Iterable[tuple[Decimal, Decimal]], rule: FeeRule) -> Decimal:
    """What one order of these trades (contracts, price) takes beyond the contracts' prices, exactly as documented."""
    cost = fee = _ZERO
    for contracts, price in trades:
        cost += contracts * price
        fee += rounded_up(taker_fee_usd(contracts, price, rule.rate, rule.exponent), rule.rounding.trade_step)
    return rounded_up(cost + fee, rule.rounding.order_step) - cost


def rounded_up(amount_usd: Decimal, step: Decimal) -> Decimal:
    """The next multiple of `step`."""
    return (amount_usd / step).to_integral_value(rounding=ROUND_CEILING) * step
