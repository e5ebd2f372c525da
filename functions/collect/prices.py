"""The latest prices for the cache: a few blobs a venue in one round trip, since a hosted Redis bills commands.

What a run has just read is in its memory: reading it back from a hosted database would be billed as well.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal

import orjson

from core.models import Market, MarketStatus, Platform
from core.runtime import Run
from core.settings import CollectSettings

SHARDS = 4


@dataclass(slots=True)
class Prices:
    """Of one venue's open markets, by shard and id: [price, YES ask, NO ask] in dollars as text, None unknown."""

    shards: list[dict[str, list[str | None]]] = field(default_factory=lambda: [{} for _ in range(SHARDS)])

    def note(self, markets: Iterable[Market]) -> None:
        for market in markets:
            if market.status is MarketStatus.OPEN:
                quote = market.quote
                prices = [_text(price) for price in (quote.price, quote.yes_price, quote.no_price)]
                self.shards[shard_of(market.market_id)][market.market_id] = prices


async def publish(run: Run[CollectSettings], read: Mapping[Platform, Prices]) -> bool:
    """Whether the cache took them. A venue that was not read whole keeps its blobs, which say when they were read."""
    entries = {
        ("prices", f"{platform}:{number}"): orjson.dumps({"read_at": run.now, "prices": shard})
        for platform, prices in read.items()
        for number, shard in enumerate(prices.shards)
    }
    return await run.cache.put_many(entries, 2 * run.settings.collect_interval_s, renew=True)


def shard_of(market_id: str) -> int:
    """Which blob of its venue holds a market: the same on every host, unlike hash()."""
    return sum(market_id.encode()) % SHARDS


def _text(price: Decimal | None) -> str | None:
    return None if price is None else f"{price.normalize():f}"
