"""What a stated position came to, a contract, after fees, at prices that could be had."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from core.arbitrage.fees import taker_fee_usd

_ONE = Decimal(1)


@dataclass(frozen=True, slots=True)
class Entry:
    """A position as it could be taken when it was published: prices in dollars, None where unknown."""

    position: str
    yes_ask: Decimal | None
    no_ask: Decimal | None
    fee_rate: Decimal | None
    fee_exponent: Decimal | None

    def cost_usd(self) -> Decimal | None:
        """The ask and a taker's fee."""
        ask = {"YES": self.yes_ask, "NO": self.no_ask}.get(self.position)
        fee = self.fee_usd(ask)
        return None if ask is None or fee is None else ask + fee

    def fee_usd(self, price: Decimal | None) -> Decimal | None:
        if price is None or self.fee_rate is None or self.fee_exponent is None:
            return None
        return taker_fee_usd(_ONE, price, self.fee_rate, self.fee_exponent)


def held_cents(entry: Entry, payout: Decimal) -> Decimal | None:
    """Cents earned by holding to settlement; `payout` is a YES contract's. None for no position or unknown costs."""
    cost = entry.cost_usd()
    if cost is None:
        return None
    return 100 * ((payout if entry.position == "YES" else _ONE - payout) - cost)


def sold_cents(entry: Entry, yes_ask: Decimal | None, no_ask: Decimal | None) -> Decimal | None:
    """Cents earned by selling at these prices, for the fee of when it was bought: who sells YES takes what buys NO."""
    cost, other = entry.cost_usd(), no_ask if entry.position == "YES" else yes_ask
    if cost is None or other is None:
        return None
    fee = entry.fee_usd(_ONE - other)
    return None if fee is None else 100 * (_ONE - other - fee - cost)
