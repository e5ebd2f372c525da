"""Markets as the venues' modules parse them, with only what a test cares about said."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from core.models import FeeFacts, Market, MarketStatus, Outcome, Platform, Quote, Terms
from core.venues import fields


def price(text: str | None) -> Decimal | None:
    return None if text is None else Decimal(text)


def make_market(
    market_id: str = "M-1",
    platform: Platform = "kalshi",
    *,
    title: str = "Will it rain?",
    event_id: str = "E-1",
    category: str | None = "Weather",
    status: MarketStatus = MarketStatus.OPEN,
    yes: str | None = "0.52",
    no: str | None = "0.50",
    last: str | None = "0.51",
    volume: str | None = "100",
    result: Any = None,
    payout: str | None = None,
    raw: dict[str, Any] | None = None,
    fee: FeeFacts | None = None,
    close_time: datetime | None = datetime(2026, 12, 31, tzinfo=UTC),
) -> Market:
    terms = Terms(
        platform=platform,
        market_id=market_id,
        event_id=event_id,
        title=title,
        rules="If it rains, YES.",
        category=category,
        yes_label="Yes",
        no_label="No",
        url="https://example.com",
        open_time=None,
        close_time=close_time,
        yes_token="1" if platform == "polymarket" else None,
        no_token="2" if platform == "polymarket" else None,
        fee=fee,
        raw={"ticker": market_id} if raw is None else raw,
    )
    return Market(
        platform,
        market_id,
        fields.digest_of(market_id, title),
        status,
        Quote(
            price=fields.best_price(fields.complement(price(no)), price(yes), price(last)),
            yes_price=price(yes),
            no_price=price(no),
            last_price=price(last),
            volume=price(volume),
            volume_24h=None,
            open_interest=None,
            liquidity=None,
        ),
        Outcome(result, price(payout), None),
        lambda: terms,
    )
