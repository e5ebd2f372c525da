"""Stripe's API: the only place that makes its client and knows its errors and shapes.

Since API version 2025-03-31 a period belongs to a subscription's items. Objects of the client (15 and newer) are no
dicts: fields are attributes. Requests carry the version that the pinned client was made for; events may be of any
version, because nothing is read from them but whom they are about.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from core.billing.access import Subscription
from core.errors import ConfigError, StripeDown, StripeRefuses
from core.settings import StripeSettings

if TYPE_CHECKING:
    from stripe import HTTPXClient, StripeClient
    from stripe.params import SubscriptionListParams

_PAGE = 100


def make_client(settings: StripeSettings) -> tuple[StripeClient, HTTPXClient]:
    """The client and what it sends with, which is closed by `close_async`. Nothing is connected yet.

    A cold start that needs no Stripe does not import it.
    """
    from stripe import HTTPXClient, StripeClient

    if settings.stripe_secret_key is None:
        raise ConfigError("STRIPE_SECRET_KEY is not set")
    http = HTTPXClient(timeout=settings.stripe_timeout_s)
    client = StripeClient(
        settings.stripe_secret_key.get_secret_value(),
        base_addresses={"api": settings.stripe_base_url},
        max_network_retries=settings.stripe_retries,
        http_client=http,
    )
    return client, http


@contextmanager
def translated() -> Iterator[None]:
    """Turns the client's errors into ours."""
    import stripe

    try:
        yield
    except (stripe.APIConnectionError, stripe.RateLimitError) as error:
        raise StripeDown(_said(error)) from error
    except stripe.StripeError as error:
        if error.http_status is not None and 400 <= error.http_status < 500 and error.http_status != 409:
            raise StripeRefuses(_said(error)) from error
        raise StripeDown(_said(error)) from error


async def fetch_subscriptions(client: StripeClient, customer_id: str) -> list[Subscription] | None:
    """All of a customer's, the ended ones too. None: Stripe does not know this customer.

    A deleted customer has none: Stripe cancels them with it. Raises StripeDown, StripeRefuses.
    """
    import stripe

    try:
        with translated():
            return [
                await _complete(client, raw) async for raw in _all(client, {"customer": customer_id, "status": "all"})
            ]
    except StripeRefuses as error:
        cause = error.__cause__
        if not (isinstance(cause, stripe.InvalidRequestError) and cause.code == "resource_missing"):
            raise
        # A key of another account or mode also finds nobody: only Stripe's own word that it was deleted counts.
        return [] if await customer_is_deleted(client, customer_id) else None


@dataclass(frozen=True, slots=True)
class Unreadable:
    """A subscription in a shape that we do not know."""

    id: str
    why: str


async def fetch_standing(client: StripeClient) -> AsyncIterator[Subscription | Unreadable]:
    """Every subscription of the account that is not cancelled, whosever it is. One that is odd hides no other."""
    with translated():
        async for raw in _all(client, {}):
            try:
                found: Subscription | Unreadable = await _complete(client, raw)
            except StripeRefuses as error:
                found = Unreadable(str(getattr(raw, "id", "without an id")), str(error))
            yield found


async def customer_is_deleted(client: StripeClient, customer_id: str) -> bool:
    """False too where there never was one."""
    customer = await fetch_customer(client, customer_id)
    return customer is not None and bool(getattr(customer, "deleted", False))


async def fetch_user_id(client: StripeClient, customer_id: str) -> str | None:
    """The user whom a customer was made for, as we told Stripe then."""
    customer = await fetch_customer(client, customer_id)
    metadata = None if customer is None else getattr(customer, "metadata", None)
    user_id = None if metadata is None else getattr(metadata, "user_id", None)
    return user_id if isinstance(user_id, str) else None


async def fetch_customer(client: StripeClient, customer_id: str) -> Any:
    """None where Stripe knows none of this name."""
    import stripe

    try:
        with translated():
            return await client.v1.customers.retrieve_async(customer_id)
    except StripeRefuses as error:
        if isinstance(error.__cause__, stripe.InvalidRequestError) and error.__cause__.code == "resource_missing":
            return None
        raise


async def _all(client: StripeClient, which: SubscriptionListParams) -> AsyncIterator[Any]:
    page = await client.v1.subscriptions.list_async({**which, "limit": _PAGE})
    async for raw in page.auto_paging_iter():
        yield raw


async def _complete(client: StripeClient, raw: Any) -> Subscription:
    try:
        status = str(raw.status)
        since = await _unpaid_since(client, raw) if status == "past_due" else None
        return parse_subscription(raw, since)
    except (AttributeError, KeyError, TypeError, ValueError, OverflowError) as error:
        raise StripeRefuses(f"a subscription in a shape we do not know: {type(error).__name__} {error}"[:200]) from None


async def _unpaid_since(client: StripeClient, raw: Any) -> datetime:
    """When the oldest invoice that is not paid was due; the period's start where none is open (any more).

    Not the last invoice's time: each period makes another while the first is still unpaid.
    """
    page = await client.v1.invoices.list_async({"subscription": raw.id, "status": "open", "limit": _PAGE})
    due = [
        invoice.due_date or invoice.status_transitions.finalized_at or invoice.created
        async for invoice in page.auto_paging_iter()
        if invoice.attempted or invoice.due_date
    ]
    return _time(min(due, default=None) or min(item.current_period_start for item in _items(raw)))


def parse_subscription(raw: Any, unpaid_since: datetime | None) -> Subscription:
    """Raises AttributeError, KeyError, TypeError, ValueError for what is not a subscription."""
    items = _items(raw)
    period_end = _time(max(item.current_period_end for item in items))
    cancel_at = _time(raw.cancel_at) if raw.cancel_at else None
    if cancel_at is None and raw.cancel_at_period_end:
        cancel_at = period_end
    return Subscription(
        id=_text(raw.id),
        customer_id=_id(raw.customer),
        status=_text(raw.status),
        price_ids=tuple(_id(item.price) for item in items),
        period_end=period_end,
        cancel_at=cancel_at,
        unpaid_since=unpaid_since,
    )


def _items(raw: Any) -> list[Any]:
    # An attribute called items would be a dict's method on older clients; the key is what Stripe sends.
    items = list(raw["items"].data)
    if not items:
        raise ValueError("a subscription without items")
    return items


def _id(value: Any) -> str:
    """Stripe names an object by its id, or holds it whole where it was expanded."""
    return _text(value if isinstance(value, str) else value.id)


def _text(value: object) -> str:
    if not isinstance(value, str) or not value:
        raise ValueError(f"{type(value).__name__} where a text is expected")
    return value


def _time(seconds: object) -> datetime:
    if not isinstance(seconds, int) or isinstance(seconds, bool):
        raise ValueError(f"{type(seconds).__name__} where a time is expected")
    return datetime.fromtimestamp(seconds, UTC)


def _said(error: Any) -> str:
    """Without the request's id and body; Stripe never repeats a whole key."""
    return f"Stripe: {type(error).__name__} {error.http_status or ''} {error.user_message or ''}".strip()[:300]
