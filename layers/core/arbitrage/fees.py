"""What a taker pays on each venue. A fee that is not known is None, and what needs it is not shown."""

from __future__ import annotations

from decimal import ROUND_CEILING, Decimal

CENT = Decimal("0.01")
_KALSHI_TAKER = Decimal("0.07")
_KALSHI_KINDS = frozenset({"quadratic", "quadratic_with_maker_fees", "quadratic_with_combo_maker_fees"})


def kalshi_rate(fee_type: str | None, multiplier: Decimal | None) -> Decimal | None:
    """0.07 * multiplier for the quadratic kinds (Kalshi OpenAPI 3.30, series); `flat` has a table that we lack."""
    if fee_type not in _KALSHI_KINDS or multiplier is None:
        return None
    return _KALSHI_TAKER * multiplier


def taker_fee_usd(contracts: Decimal, price: Decimal, rate: Decimal, exponent: Decimal = Decimal(1)) -> Decimal:
    """rate * C * (p(1-p))^exponent, unrounded. Both venues' formula; Kalshi's exponent is 1."""
    spread = price * (1 - price)
    return rate * contracts * (spread if exponent == 1 else spread**exponent)


def rounded_up(fee_usd: Decimal, step: Decimal) -> Decimal:
    """The next multiple of `step`. Per order, cents bound what a Kalshi member pays; Polymarket's step is 0.00001."""
    return (fee_usd / step).to_integral_value(rounding=ROUND_CEILING) * step
