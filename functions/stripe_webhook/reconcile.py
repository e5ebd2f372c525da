"""Every subscription we hold against every one that Stripe holds: what differs is repaired and told."""

from __future__ import annotations

import logging
from collections import defaultdict
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from core.billing import stripe_api
from core.billing.access import Subscription, access_of
from core.billing.stripe_api import Unreadable
from core.billing.sync import Books, sync_customer
from core.errors import DatabaseDown, JobFailed, StripeError
from core.queries import billing
from core.queries.billing import Row
from core.runtime import Run, Summary
from core.settings import WebhookSettings

log = logging.getLogger(__name__)

_TOLD_MOST = 50
_CUSTOMERS = 200  # at a time
_SETTLED = timedelta(minutes=10)  # events younger than that are Stripe's to bring again


@dataclass(slots=True)
class Account:
    """What a run found. `differences`: customer -> what differed, for at most so many; `synced` counts all."""

    compared: int = 0
    synced: int = 0
    repaired: int = 0
    parked: dict[str, str] = field(default_factory=dict)
    failed: dict[str, str] = field(default_factory=dict)
    differences: dict[str, list[str]] = field(default_factory=dict)


async def run(run: Run[WebhookSettings]) -> Summary:
    """Raises JobFailed when a customer could not be asked about; the others are repaired all the same."""
    books = Books(run.settings, run.transaction, run.clock)
    try:
        account = Account()
        lapsed = await _write_lapses(run)
        differing = await _differences(run, books, account)
        retried, kept = await _open_events(run, books, account)
        for customer_id, said in differing.items():
            await _repair(books, account, customer_id, said)
    finally:
        await books.close()
    if account.parked:
        log.error("billing needs the operator", extra={"parked": account.parked})
    if account.failed:
        name, why = next(iter(account.failed.items()))
        raise JobFailed(f"{len(account.failed)} were not reconciled: {name}: {why}")
    return {
        "compared": account.compared,
        "differing": account.synced,
        "repaired": account.repaired,
        "differences": account.differences,
        "events": {"open": retried + kept, "handled": retried},
        "parked": account.parked,
        "lapsed": lapsed,
    }


async def _write_lapses(run: Run[WebhookSettings]) -> int:
    async with run.transaction() as connection:
        users = await billing.users_past_their_time(connection, run.now)
    lapsed = 0
    for user_id in users:
        async with run.transaction() as connection:
            lapsed += await billing.lapse(connection, user_id, run.now) > 0
    return lapsed


async def _differences(run: Run[WebhookSettings], books: Books, account: Account) -> dict[str, list[str]]:
    """customer -> what differs. A webhook between our two reads makes a difference that its sync finds gone again."""
    async with run.transaction() as connection:
        ours = {row.id: row for row in await billing.standing_subscriptions(connection)}
    found: dict[str, list[str]] = defaultdict(list)
    theirs: set[str] = set()
    async for subscription in stripe_api.fetch_standing(books.client):
        account.compared += 1
        theirs.add(subscription.id)
        if isinstance(subscription, Unreadable):
            account.failed[subscription.id] = subscription.why
            continue
        if said := _difference(ours.get(subscription.id), subscription, books):
            found[subscription.customer_id].append(f"{subscription.id}: {said}")
    for row in ours.values():
        if row.id not in theirs and row.status != "incomplete_expired":
            account.compared += 1
            found[row.customer_id].append(f"{row.id}: {row.status} here, cancelled at Stripe")
    return found


def _difference(row: Row | None, subscription: Subscription, books: Books) -> str:
    """Empty when they agree."""
    if row is None:
        return f"{subscription.status} at Stripe, unknown here"
    access = access_of(subscription, books.tiers, books.grace)
    pairs: dict[str, tuple[Any, Any]] = {
        "status": (row.status, subscription.status),
        "tier": (row.tier.value, access.tier.value),
        "period end": (row.period_end, subscription.period_end),
        "cancelled for": (row.cancel_at, subscription.cancel_at),
        "access until": (row.access_until, access.until),
        "customer": (row.customer_id, subscription.customer_id),
    }
    return ", ".join(
        f"{name} {ours} here, {theirs} at Stripe" for name, (ours, theirs) in pairs.items() if ours != theirs
    )


async def _open_events(run: Run[WebhookSettings], books: Books, account: Account) -> tuple[int, int]:
    """Tries again what was parked or given up on: (handled now, still open). However many, Stripe is asked once for
    each customer: what it says now is later than any of them."""
    before, last, handled = run.now - _SETTLED, "", 0
    async with run.transaction() as connection:
        nobodys = await billing.nobodys_events(connection, before)
    account.parked |= dict.fromkeys(nobodys[:_TOLD_MOST], "names no customer")
    kept = len(nobodys)
    while True:
        async with run.transaction() as connection:
            waiting = await billing.open_events(connection, before, last, _CUSTOMERS)
        for customer_id, events in waiting:
            done = await _again(run, books, account, customer_id, events)
            handled, kept = handled + done * len(events), kept + (not done) * len(events)
        if len(waiting) < _CUSTOMERS:
            return handled, kept
        last = waiting[-1][0]


async def _again(
    run: Run[WebhookSettings], books: Books, account: Account, customer_id: str, events: list[str]
) -> bool:
    """Whether all of them are handled now."""
    try:
        outcome = await sync_customer(books, customer_id, f"stripe {events[0]}, by reconcile", events[0])
        async with run.transaction() as connection:
            for event_id in events[1:]:
                if outcome.parked_because is None:
                    await billing.mark_event_handled(connection, event_id, run.clock())
                else:
                    await billing.mark_event_parked(connection, event_id, outcome.parked_because)
    except (DatabaseDown, StripeError) as error:
        account.failed[customer_id] = str(error)
        return False
    if outcome.parked_because is not None:
        account.parked[customer_id] = outcome.parked_because
    return outcome.parked_because is None


async def _repair(books: Books, account: Account, customer_id: str, said: list[str]) -> None:
    account.synced += 1
    try:
        outcome = await sync_customer(books, customer_id, "reconcile")
    except (DatabaseDown, StripeError) as error:
        account.failed[customer_id] = str(error)
        return
    if outcome.parked_because is not None:
        account.parked[customer_id] = outcome.parked_because
    else:
        account.repaired += 1
    if len(account.differences) < _TOLD_MOST:
        account.differences[customer_id] = said
    log.warning("billing differed", extra={"customer": customer_id, "differences": said})
