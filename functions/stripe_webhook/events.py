"""What a verified Stripe event means for a user's tier."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import orjson

from core.db import Connection
from core.errors import BadRequest
from core.models import TIER_RANK, Tier
from core.queries import accounts
from core.settings import WebhookSettings

# Stripe's statuses that give access; `past_due` keeps it while Stripe retries the payment.
WITH_ACCESS = ("trialing", "active", "past_due")


@dataclass(frozen=True, slots=True)
class StripeEvent:
    """`created` is None when the event does not say it in a way we understand."""

    id: str
    type: str
    created: datetime | None
    body: dict[str, Any]


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


def parse_event(body: bytes) -> StripeEvent:
    """Raises BadRequest for what has no name to be stored under."""
    try:
        event = _storable(orjson.loads(body))
        kind, name = event["type"], event["id"]
    except (orjson.JSONDecodeError, KeyError, TypeError) as error:
        raise BadRequest(f"not an event: {type(error).__name__}") from None
    if not (isinstance(name, str) and name and isinstance(kind, str) and kind):
        raise BadRequest("not an event: id and type must be text")
    try:
        created = _time(event["created"])
    except (KeyError, BadRequest):
        created = None
    return StripeEvent(name, kind, created, event)


def _storable(value: Any) -> Any:
    """The same without U+0000, which jsonb does not hold."""
    if isinstance(value, str):
        return value.replace("\0", "")
    if isinstance(value, list):
        return [_storable(item) for item in value]
    if isinstance(value, dict):
        return {_storable(name): _storable(item) for name, item in value.items()}
    return value


def parse_subscription(event: StripeEvent) -> Subscription | None:
    """The subscription of a customer.subscription.* event, else None. Since 2025-03 the period is the item's.

    Raises BadRequest when the event says it in a way we do not understand.
    """
    if not event.type.startswith("customer.subscription."):
        return None
    try:
        body = event.body["data"]["object"]
        items = body["items"]["data"]
        ends = [_time(item["current_period_end"]) for item in items if item.get("current_period_end")]
        return Subscription(
            id=_text(body["id"]),
            customer_id=_id(body["customer"]),
            user_id=_uuid((body.get("metadata") or {}).get("user_id")),
            status="canceled" if event.type == "customer.subscription.deleted" else _text(body["status"]),
            price_ids=tuple(_id(item["price"]) for item in items if item.get("price")),
            current_period_end=max(ends, default=None),
        )
    except (AttributeError, KeyError, TypeError) as error:
        raise BadRequest(f"malformed: {type(error).__name__} {error}"[:200]) from None


def _id(value: object) -> str:
    """Stripe names an object by its id, or holds it whole where it was expanded."""
    return _text(value["id"] if isinstance(value, Mapping) else value)


def _text(value: object) -> str:
    if not isinstance(value, str) or not value:
        raise BadRequest(f"malformed: {type(value).__name__} where a text is expected")
    return value


def _time(value: object) -> datetime:
    try:
        if isinstance(value, int) and not isinstance(value, bool):
            return datetime.fromtimestamp(value, UTC)
    except (OverflowError, ValueError, OSError):
        pass
    raise BadRequest("malformed: not a time")


def _uuid(value: object) -> str | None:
    try:
        return str(UUID(str(value)))
    except ValueError:
        return None


async def handle(connection: Connection, event: StripeEvent, prices: Mapping[str, Tier], now: datetime) -> str | None:
    """Applies one event in the caller's transaction. Returns why it was parked, or None when it was applied."""
    try:
        subscription = parse_subscription(event)
    except BadRequest as error:
        return str(error)
    if subscription is None:
        return None
    if event.created is None:
        return "malformed: no time of creation"
    tiers = [prices[price] for price in subscription.price_ids if price in prices]
    if not tiers and subscription.status in WITH_ACCESS:
        return f"unknown price {', '.join(subscription.price_ids) or 'none'}"
    user_id = await accounts.user_of_customer(connection, subscription.customer_id, subscription.user_id)
    if user_id is None:
        return f"unknown customer {subscription.customer_id}"
    await accounts.upsert_subscription(
        connection,
        subscription.id,
        user_id,
        subscription.status,
        max(tiers, key=TIER_RANK.__getitem__, default=Tier.FREE),
        subscription.current_period_end,
        event.created,
        wins_ties=event.type != "customer.subscription.created",
    )
    await accounts.set_tier_from_subscriptions(connection, user_id, WITH_ACCESS, now, cause=f"stripe {event.id}")
    return None
