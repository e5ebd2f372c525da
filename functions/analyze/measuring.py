"""What base rates say of patterns."""

from __future__ import annotations

from collections.abc import Sequence

from core.detect.rates import Rate
from core.detect.rates_moments import band_at
from core.detect.selection import Key
from core.models import OpenMarket, Pattern
from core.queries import rates


def rates_of(
    patterns: Sequence[Pattern], markets: Sequence[OpenMarket], measured: rates.Measured | None
) -> dict[Key, tuple[Rate, ...]]:
    """What was measured of earlier patterns of the same detector, category and price band, by pattern."""
    if measured is None:
        return {}
    prices = {(market.platform, market.market_id): market.price for market in markets}
    found: dict[Key, tuple[Rate, ...]] = {}
    for one in patterns:
        price = prices.get((one.platform, one.market_id))
        if price is not None and (cells := measured[1].get((one.detector, one.category or "", band_at(float(price))))):
            found[one.platform, one.market_id, one.detector] = cells
    return found
