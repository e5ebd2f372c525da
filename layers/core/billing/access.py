"""What a subscription gives, and until when: pure. Times are aware UTC; a time of access is exclusive."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from core.models import TIER_RANK, Tier
from core.settings import StripeSettings

_PAYS = ("trialing", "active")


@dataclass(frozen=True, slots=True)
class Subscription:
    """As Stripe says it is. `unpaid_since`: of the oldest invoice that is due, where the status is past_due."""

    id: str
    customer_id: str
    status: str
    price_ids: tuple[str, ...]
    period_end: datetime
    cancel_at: datetime | None
    unpaid_since: datetime | None


@dataclass(frozen=True, slots=True)
class Access:
    """`until` None: none at all."""

    tier: Tier
    until: datetime | None


def tiers_of(settings: StripeSettings) -> dict[str, Tier]:
    """Price -> tier, for every price that is or was sold."""
    prices = {
        Tier.BASIC: settings.stripe_price_basic,
        Tier.PREMIUM: settings.stripe_price_premium,
        Tier.PRO: settings.stripe_price_pro,
    }
    return {price: tier for tier, of_tier in prices.items() for price in of_tier}


def access_of(subscription: Subscription, tiers: Mapping[str, Tier], grace: timedelta) -> Access:
    """What it gives if nothing more is ever heard of it.

    A subscription that pays gives access to the end of its period, and for the grace beyond: the next payment is asked
    for at that end. After a failed payment the grace counts from when it was due. What is cancelled ends on its day.
    """
    known = [tiers[price] for price in subscription.price_ids if price in tiers]
    tier = max(known, key=TIER_RANK.__getitem__, default=Tier.FREE)
    until: datetime | None = None
    if subscription.status in _PAYS:
        until = subscription.period_end + grace
    elif subscription.status == "past_due" and subscription.unpaid_since is not None:
        until = subscription.unpaid_since + grace
    if until is not None and subscription.cancel_at is not None:
        until = min(until, subscription.cancel_at)
    return Access(tier, until)


def best(accesses: Iterable[Access], now: datetime) -> Access:
    """The highest tier that counts now, and the longest of those that give it."""
    counting = [(TIER_RANK[a.tier], a.until, a) for a in accesses if a.until is not None and a.until > now]
    chosen = max(counting, key=lambda found: found[:2], default=None)
    return Access(Tier.FREE, None) if chosen is None else chosen[2]


def unknown_prices(subscription: Subscription, tiers: Mapping[str, Tier]) -> list[str]:
    """Those that somebody pays for and nothing says what they buy; none where a known one is beside them."""
    pays = subscription.status in (*_PAYS, "past_due")
    if not pays or any(price in tiers for price in subscription.price_ids):
        return []
    return list(subscription.price_ids) or ["none"]
