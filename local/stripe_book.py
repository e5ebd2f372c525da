"""What the Stripe stand-in knows and does: customers, subscriptions, invoices and the events of what befalls them.

Its time stands still until it is advanced, as under Stripe's test clocks, or is the real one. Amounts are 0 throughout:
nothing here checks money, only who pays, who does not, and since when.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import count
from typing import Any

DAY = 86_400
PERIOD = 30 * DAY
INCOMPLETE_FOR = 23 * 3_600
RETRIES = (3 * DAY, 5 * DAY, 7 * DAY)  # after the payment before, as Stripe's retries of a failed payment
VERSION = "2026-10-28.endive"
OVER = ("canceled", "incomplete_expired")
GOOD_CARD, BAD_CARD = "pm_card_visa", "pm_card_chargeCustomerFail"


class Refused(Exception):
    """What Stripe answers to a request that it does not take."""

    def __init__(self, status: int, kind: str, message: str, code: str | None = None, param: str | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.error = {"type": kind, "message": message, "code": code, "param": param}


def missing(what: str, name: str, status: int = 404) -> Refused:
    return Refused(status, "invalid_request_error", f"No such {what}: '{name}'", "resource_missing", what)


@dataclass(slots=True)
class Customer:
    id: str
    created: int
    email: str | None
    metadata: dict[str, str]
    card: str | None = None
    deleted: bool = False


@dataclass(slots=True)
class Invoice:
    id: str
    customer: str
    subscription: str
    created: int
    status: str = "open"
    tries: int = 0
    next_try: int | None = None


@dataclass(slots=True)
class Subscription:
    id: str
    customer: str
    price: str
    created: int
    status: str
    period_start: int
    period_end: int
    metadata: dict[str, str]
    cancel_at: int | None = None
    at_period_end: bool = False
    ended_at: int | None = None
    trial_end: int | None = None
    pauses_without_card: bool = False
    latest_invoice: str | None = None


@dataclass(slots=True)
class Book:
    """`after_retries` is what an account's settings make of a subscription whose payment failed for good: canceled,
    unpaid or past_due. `run` is part of every name, so that names of an earlier run never come again.
    """

    clock: Callable[[], int]
    after_retries: str = "canceled"
    run: str = ""
    customers: dict[str, Customer] = field(default_factory=dict)
    subscriptions: dict[str, Subscription] = field(default_factory=dict)
    invoices: dict[str, Invoice] = field(default_factory=dict)
    events: list[dict[str, Any]] = field(default_factory=list)
    prices: dict[str, dict[str, Any]] = field(default_factory=dict)
    products: dict[str, dict[str, Any]] = field(default_factory=dict)
    _numbers: Any = field(default_factory=lambda: count(1))
    _open: dict[str, set[str]] = field(default_factory=dict)
    _of: dict[str, list[Subscription]] = field(default_factory=lambda: defaultdict(list))
    _invoices_of: dict[str, list[Invoice]] = field(default_factory=lambda: defaultdict(list))

    def name(self, prefix: str) -> str:
        return f"{prefix}_{self.run}{next(self._numbers):06}"

    def tell(self, kind: str, about: dict[str, Any]) -> None:
        self.events.append(
            {
                "id": self.name("evt"),
                "object": "event",
                "api_version": VERSION,
                "created": self.clock(),
                "type": kind,
                "livemode": False,
                "pending_webhooks": 1,
                "request": {"id": None, "idempotency_key": None},
                "data": {"object": about},
            }
        )

    # Customers

    def add_customer(self, email: str | None, metadata: dict[str, str]) -> Customer:
        customer = Customer(self.name("cus"), self.clock(), email, metadata)
        self.customers[customer.id] = customer
        self.tell("customer.created", customer_json(customer))
        return customer

    def customer(self, name: str, status: int = 404) -> Customer:
        """Raises Refused for one who never was or is deleted."""
        found = self.customers.get(name)
        if found is None or found.deleted:
            raise missing("customer", name, status)
        return found

    def set_card(self, customer: Customer, card: str) -> None:
        customer.card = card
        self.tell("customer.updated", customer_json(customer))

    def delete_customer(self, customer: Customer) -> None:
        for subscription in self.of(customer.id):
            if subscription.status not in OVER:
                self.end(subscription)
        self.tell("customer.deleted", customer_json(customer))
        customer.deleted = True

    def of(self, customer_id: str) -> list[Subscription]:
        """The newest first, as Stripe lists them."""
        return self._of[customer_id][::-1]

    def invoices_of(self, subscription_id: str) -> list[Invoice]:
        """The newest first."""
        return self._invoices_of[subscription_id][::-1]

    # Subscriptions

    def subscribe(
        self, customer: Customer, price: str, trial_days: int, metadata: dict[str, str], *, pauses: bool = False
    ) -> Subscription:
        self._need_price(price)
        now = self.clock()
        trial_end = now + trial_days * DAY if trial_days else None
        subscription = Subscription(
            id=self.name("sub"),
            customer=customer.id,
            price=price,
            created=now,
            status="trialing" if trial_end else "incomplete",
            period_start=now,
            period_end=trial_end or now + PERIOD,
            metadata=metadata,
            trial_end=trial_end,
            pauses_without_card=pauses,
        )
        self.subscriptions[subscription.id] = subscription
        self._of[customer.id].append(subscription)
        if trial_end is None and self._charge(subscription):
            subscription.status = "active"
        self._tell_of("created", subscription)
        return subscription

    def change(
        self, subscription: Subscription, price: str | None, cancels: bool | None, cancel_at: int | None
    ) -> None:
        if subscription.status in OVER:
            raise Refused(400, "invalid_request_error", "A canceled subscription can only be read")
        if price is not None:
            self._need_price(price)
            subscription.price = price
        if cancels is not None:
            subscription.at_period_end = cancels
            subscription.cancel_at = subscription.period_end if cancels else None
        if cancel_at is not None:
            subscription.cancel_at, subscription.at_period_end = cancel_at, False
        self._tell_of("updated", subscription)

    def end(self, subscription: Subscription, status: str = "canceled") -> None:
        if subscription.status in OVER:
            raise missing("subscription", subscription.id)
        subscription.status, subscription.ended_at = status, self.clock()
        for name in self._open.pop(subscription.id, ()):
            self.invoices[name].status = "void"
        self._tell_of("deleted" if status == "canceled" else "updated", subscription)

    def resume(self, subscription: Subscription) -> None:
        if subscription.status != "paused":
            raise Refused(400, "invalid_request_error", "Only a paused subscription can be resumed")
        self._renew(subscription, self.clock())
        self._tell_of("resumed", subscription)

    def pay(self, invoice: Invoice) -> bool:
        """One try. False when the card is declined."""
        subscription = self.subscriptions[invoice.subscription]
        invoice.tries += 1
        customer = self.customers[invoice.customer]
        if customer.card != GOOD_CARD:
            self.tell("invoice.payment_failed", invoice_json(invoice))
            return False
        invoice.status, invoice.next_try = "paid", None
        self._open.get(subscription.id, set()).discard(invoice.id)
        self.tell("invoice.paid", invoice_json(invoice))
        if subscription.status in ("past_due", "unpaid", "incomplete") and not self._open.get(subscription.id):
            subscription.status = "active"
            self._tell_of("updated", subscription)
        return True

    # Time

    def advance(self, to: int, set_clock: Callable[[int], None]) -> None:
        """All that falls due until then, in its order."""
        while True:
            due = [(at, s.id) for s in self.subscriptions.values() if (at := self._next(s)) is not None and at <= to]
            if not due:
                break
            at, name = min(due)
            set_clock(max(at, self.clock()))
            self._befall(self.subscriptions[name], at)
        set_clock(to)

    def _next(self, subscription: Subscription) -> int | None:
        if subscription.status in OVER:
            return None
        if subscription.status == "incomplete":
            return subscription.created + INCOMPLETE_FOR
        retries = [at for name in self._open.get(subscription.id, ()) if (at := self.invoices[name].next_try)]
        ends = [] if subscription.status == "paused" else [subscription.period_end]
        return min([*retries, *ends, *([subscription.cancel_at] if subscription.cancel_at else [])], default=None)

    def _befall(self, subscription: Subscription, at: int) -> None:
        if subscription.status == "incomplete":
            self.end(subscription, "incomplete_expired")
        elif subscription.cancel_at is not None and subscription.cancel_at <= at:
            self.end(subscription)
        elif at == subscription.period_end and subscription.status != "paused":
            self._turn(subscription)
        else:
            self._retry(subscription, at)

    def _turn(self, subscription: Subscription) -> None:
        card = self.customers[subscription.customer].card
        if subscription.status == "trialing" and card is None and subscription.pauses_without_card:
            subscription.status = "paused"
            self._tell_of("paused", subscription)
            return
        self._renew(subscription, subscription.period_end)
        self._tell_of("updated", subscription)

    def _renew(self, subscription: Subscription, start: int) -> None:
        subscription.period_start, subscription.period_end = start, start + PERIOD
        if subscription.at_period_end:
            subscription.cancel_at = subscription.period_end
        if subscription.status == "unpaid":  # invoices go on being made, and nobody tries to collect them
            self._bill(subscription)
            return
        paid = self._charge(subscription)
        if subscription.status in ("trialing", "active", "paused"):
            subscription.status = "active" if paid else "past_due"

    def _charge(self, subscription: Subscription) -> bool:
        invoice = self._bill(subscription)
        paid = self.pay(invoice)
        if not paid:
            invoice.next_try = self.clock() + RETRIES[0]
        return paid

    def _bill(self, subscription: Subscription) -> Invoice:
        invoice = Invoice(self.name("in"), subscription.customer, subscription.id, self.clock())
        self.invoices[invoice.id] = invoice
        self._invoices_of[subscription.id].append(invoice)
        subscription.latest_invoice = invoice.id
        self._open.setdefault(subscription.id, set()).add(invoice.id)
        return invoice

    def _retry(self, subscription: Subscription, at: int) -> None:
        ripe = [self.invoices[n] for n in sorted(self._open[subscription.id]) if self.invoices[n].next_try == at]
        for invoice in ripe:
            if subscription.status in OVER or self.pay(invoice):
                continue
            last = invoice.tries > len(RETRIES)
            invoice.next_try = None if last else at + RETRIES[invoice.tries - 1]
            if last and self.after_retries == "canceled":
                self.end(subscription)
            elif last and self.after_retries == "unpaid" and subscription.status != "unpaid":
                subscription.status = "unpaid"
                self._tell_of("updated", subscription)

    def _need_price(self, price: str) -> None:
        if price not in self.prices:
            raise missing("price", price, 400)

    def _tell_of(self, what: str, subscription: Subscription) -> None:
        self.tell(f"customer.subscription.{what}", self.subscription_json(subscription))

    def subscription_json(self, subscription: Subscription) -> dict[str, Any]:
        item = {
            "id": f"si_{subscription.id}",
            "object": "subscription_item",
            "subscription": subscription.id,
            "price": self.prices[subscription.price],
            "quantity": 1,
            "created": subscription.created,
            "current_period_start": subscription.period_start,
            "current_period_end": subscription.period_end,
            "metadata": {},
        }
        return {
            "id": subscription.id,
            "object": "subscription",
            "customer": subscription.customer,
            "status": subscription.status,
            "created": subscription.created,
            "start_date": subscription.created,
            "currency": "usd",
            "livemode": False,
            "items": {"object": "list", "data": [item], "has_more": False, "url": "/v1/subscription_items"},
            "cancel_at": subscription.cancel_at,
            "cancel_at_period_end": subscription.at_period_end,
            "canceled_at": subscription.ended_at,
            "ended_at": subscription.ended_at,
            "trial_end": subscription.trial_end,
            "latest_invoice": subscription.latest_invoice,
            "pause_collection": None,
            "collection_method": "charge_automatically",
            "metadata": subscription.metadata,
        }


def customer_json(customer: Customer) -> dict[str, Any]:
    if customer.deleted:
        return {"id": customer.id, "object": "customer", "deleted": True}
    return {
        "id": customer.id,
        "object": "customer",
        "created": customer.created,
        "email": customer.email,
        "livemode": False,
        "metadata": customer.metadata,
        "invoice_settings": {"default_payment_method": customer.card},
    }


def invoice_json(invoice: Invoice) -> dict[str, Any]:
    return {
        "id": invoice.id,
        "object": "invoice",
        "customer": invoice.customer,
        "created": invoice.created,
        "status": invoice.status,
        "attempted": invoice.tries > 0,
        "attempt_count": invoice.tries,
        "next_payment_attempt": invoice.next_try,
        "due_date": None,
        "status_transitions": {"finalized_at": invoice.created},
        "parent": {
            "type": "subscription_details",
            "subscription_details": {"subscription": invoice.subscription, "metadata": {}},
        },
        "metadata": {},
    }
