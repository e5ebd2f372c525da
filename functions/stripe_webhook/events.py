"""What a verified Stripe event means for a user's tier."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from core.db import Connection
from core.models import TIER_RANK, Tier
from core.queries import accounts
from core.settings import WebhookSettings

# Stripe's statuses that give access; `past_due` keeps it while Stripe retries the payment.
WITH_ACCESS = ("trialing", "active", "past_due")


@dataclass(frozen=True, slots=True)
class Subscription:
    id: str
    customer_id: str
    user_id: str | None
    status: str
    price_ids: tuple[str, ...]
    current_period_end: datetime | None


def tier_by_price(settings: WebhookSettings) -> dict[str, Tier]:
    return {
        settings.stripe_price_basic: Tier.BASIC,
        settings.stripe_price_premium: Tier.PREMIUM,
        settings.stripe_price_pro: Tier.PRO,
    }


def parse_subscription(event: Mapping[str, Any]) -> Subscription | None:
    """The subscription of a customer.subscription.* event, else None. Since 2025-03 the period is the item's."""
    if not str(event.get("type", "")).startswith("customer.subscription."):
        return None
    body = event["data"]["object"]
    items = body["items"]["data"]
    ends = [item["current_period_end"] for item in items if item.get("current_period_end")]
    return Subscription(
        id=body["id"],
        customer_id=body["customer"],
        user_id=_uuid(body.get("metadata", {}).get("user_id")),
        status="canceled" if event["type"] == "customer.subscription.deleted" else body["status"],
        price_ids=tuple(item["price"]["id"] for item in items),
        current_period_end=datetime.fromtimestamp(max(ends), UTC) if ends else None,
    )


def _uuid(value: object) -> str | None:
    try:
        return str(UUID(str(value)))
    except ValueError:
        return None


async def handle(
    connection: Connection, event: Mapping[str, Any], prices: Mapping[str, Tier], now: datetime
) -> str | None:
    """Applies one event in the caller's transaction. Returns why it was parked, or None when it was applied."""
    subscription = parse_subscription(event)
    if subscription is None:
        return None
    tiers = [prices[price] for price in subscription.price_ids if price in prices]
    if not tiers:
        return f"unknown price {', '.join(subscription.price_ids) or 'none'}"
    user_id = await accounts.user_of_customer(connection, subscription.customer_id, subscription.user_id)
    if user_id is None:
        return f"unknown customer {subscription.customer_id}"
    await accounts.upsert_subscription(
        connection,
        subscription.id,
        user_id,
        subscription.status,
        max(tiers, key=TIER_RANK.__getitem__),
        subscription.current_period_end,
        datetime.fromtimestamp(event["created"], UTC),
    )
    await accounts.set_tier_from_subscriptions(connection, user_id, WITH_ACCESS, now, cause=f"stripe {event['id']}")
    return None
