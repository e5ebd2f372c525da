"""The one path from whatever hints at a change to what is true now: ask Stripe, decide, write.

Every event and every reconciling goes this way, so order, duplicates and delays of events cannot matter. Syncs of one
user may run at once on many machines without a lock over the network: each takes a number before it asks Stripe. What
it learnt is written only if no other sync was written meanwhile, else it asks again, unless that other one began later
than itself and so knows all it would. Asks that count are thereby strictly one after another.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING
from uuid import UUID

from core.billing import stripe_api
from core.billing.access import Subscription, access_of, best, tiers_of, unknown_prices
from core.db import Connection
from core.errors import DatabaseDown
from core.models import Tier
from core.queries import billing as queries
from core.queries.billing import Ticket
from core.settings import StripeSettings

if TYPE_CHECKING:
    from stripe import HTTPXClient, StripeClient

log = logging.getLogger(__name__)

_ROUNDS = 10


@dataclass(frozen=True, slots=True)
class Outcome:
    """`status`: handled, handled before (an event only), or parked, and then why."""

    status: str
    parked_because: str | None = None
    changed: bool = False


@dataclass(slots=True)
class Books:
    """What syncing needs from outside. `transaction` raises DatabaseDown."""

    settings: StripeSettings
    transaction: Callable[[], AbstractAsyncContextManager[Connection]]
    clock: Callable[[], datetime]
    _made: tuple[StripeClient, HTTPXClient] | None = None
    _tiers: dict[str, Tier] | None = None

    @property
    def client(self) -> StripeClient:
        if self._made is None:
            self._made = stripe_api.make_client(self.settings)
        return self._made[0]

    @property
    def tiers(self) -> dict[str, Tier]:
        if self._tiers is None:
            self._tiers = tiers_of(self.settings)
        return self._tiers

    @property
    def grace(self) -> timedelta:
        return timedelta(days=self.settings.grace_days)

    async def close(self) -> None:
        if self._made is not None:
            await self._made[1].close_async()  # type: ignore[no-untyped-call]


async def sync_customer(books: Books, customer_id: str, cause: str, event_id: str | None = None) -> Outcome:
    """Makes the user's tier what Stripe says now; with it marks the event handled or parked.

    Raises DatabaseDown, StripeDown, StripeRefuses: then nothing was written, and it may be tried again.
    """
    for _ in range(_ROUNDS):
        async with books.transaction() as connection:
            ticket = await queries.take_ticket(connection, customer_id)
        if ticket is None:
            if await _adopt(books, customer_id):
                continue
            return await _strangers(books, event_id, customer_id)
        found = await stripe_api.fetch_subscriptions(books.client, customer_id)
        if found is None:
            return await _park(
                books, event_id, f"Stripe does not know customer {customer_id}: another account or mode?"
            )
        outcome = await _apply(books, ticket, found, cause, event_id)
        if outcome is not None:
            return outcome
    raise DatabaseDown(f"customer {customer_id}: others kept writing while we asked")


async def _adopt(books: Books, customer_id: str) -> bool:
    """Whether the customer was made for one of our users whose row does not say so: we died between the two."""
    user_id = await stripe_api.fetch_user_id(books.client, customer_id)
    try:
        UUID(user_id or "")
    except ValueError:
        return False
    async with books.transaction() as connection:
        return await queries.set_customer(connection, str(user_id), customer_id)


async def _strangers(books: Books, event_id: str | None, customer_id: str) -> Outcome:
    """A customer of nobody's. With a deleted one its subscriptions went: it pays for nothing that somebody lacks."""
    if not await stripe_api.customer_is_deleted(books.client, customer_id):
        return await _park(books, event_id, f"unknown customer {customer_id}")
    if event_id is not None:
        async with books.transaction() as connection:
            await queries.mark_event_handled(connection, event_id, books.clock())
    return Outcome("handled")


async def _apply(
    books: Books, ticket: Ticket, found: list[Subscription], cause: str, event_id: str | None
) -> Outcome | None:
    """None when it must be asked again."""
    async with books.transaction() as connection:
        applied, deleted = await queries.lock_user(connection, ticket.user_id)
        if event_id is not None and not await queries.lock_event(connection, event_id):
            return Outcome("handled before")
        if ticket.applied < applied < ticket.number:
            return None
        changed, parked = False, None
        if applied == ticket.applied:
            changed, parked = await _write(books, connection, ticket, found, cause, deleted)
        if event_id is not None:
            if parked is not None:
                await queries.mark_event_parked(connection, event_id, parked)
            else:
                await queries.mark_event_handled(connection, event_id, books.clock())
    if parked is not None:
        log.error("billing parked", extra={"event": event_id, "reason": parked})
        return Outcome("parked", parked, changed)
    return Outcome("handled", None, changed)


async def _write(
    books: Books, connection: Connection, ticket: Ticket, found: list[Subscription], cause: str, deleted: bool
) -> tuple[bool, str | None]:
    """(whether the tier changed, what the operator must see to)."""
    now, user_id = books.clock(), ticket.user_id
    accesses = [access_of(subscription, books.tiers, books.grace) for subscription in found]
    await queries.lapse(connection, user_id, now)
    for subscription, access in zip(found, accesses, strict=True):
        await queries.upsert_subscription(connection, user_id, subscription, access, now)
    await queries.end_other_subscriptions(connection, user_id, [subscription.id for subscription in found], now)
    await queries.mark_applied(connection, ticket)
    if deleted:
        runs = any(access.until is not None and access.until > now for access in accesses)
        return False, f"a subscription of {found[0].customer_id}, whose account was deleted" if runs else None
    changed = await queries.set_tier(connection, user_id, best(accesses, now), now, cause)
    unknown = sorted({price for subscription in found for price in unknown_prices(subscription, books.tiers)})
    return changed, f"unknown price {', '.join(unknown)}" if unknown else None


async def _park(books: Books, event_id: str | None, because: str) -> Outcome:
    if event_id is not None:
        async with books.transaction() as connection:
            await queries.mark_event_parked(connection, event_id, because)
    log.error("billing parked", extra={"event": event_id, "reason": because})
    return Outcome("parked", because)
