"""A stand-in for Stripe's API, as small as our calls: for the demo and tests. It proves plumbing, never payments.

Requests are form-encoded with brackets, answers JSON, as documented at docs.stripe.com/api; a POST with an
Idempotency-Key is done once, whatever is answered. Faults are set at `/control`, which Stripe has not.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import threading
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from local.stripe_book import BAD_CARD, GOOD_CARD, Book, Refused, customer_json, invoice_json, missing
from local.stripe_delivery import Delivery
from local.stripe_pages import Pages

Json = dict[str, Any]
Answer = Callable[[Request, Json], Json]
FAULTS = ("before", "after", "busy", "garbled")


@dataclass(slots=True)
class Faults:
    """A share of requests fails: before or after they are done, as too many, or garbled. `down`: all of them.

    Requests with the key that it `spares` never fail. While `held` is not set, answers to others wait.
    """

    share: float = 0.0
    down: bool = False
    spares: str | None = None
    held: threading.Event | None = None
    chance: random.Random = field(default_factory=random.Random)

    def draw(self, key: str) -> str | None:
        if key == self.spares:
            return None
        if self.down:
            return "before"
        return self.chance.choice(FAULTS) if self.chance.random() < self.share else None


@dataclass(slots=True)
class Clock:
    """Real time, or from the first advance on the time it was advanced to."""

    frozen: int | None = None

    def __call__(self) -> int:
        return int(time.time()) if self.frozen is None else self.frozen

    def set(self, to: int) -> None:
        self.frozen = to


@dataclass(slots=True)
class StripeStandIn:
    url: str
    clock: Clock
    book: Book
    faults: Faults = field(default_factory=Faults)
    calls: int = 0
    _done: dict[str, tuple[str, int, Json]] = field(default_factory=dict)

    def route(self, path: str, method: str, answer: Answer) -> Route:
        async def serve(request: Request) -> Response:
            self.calls += 1
            key = request.headers.get("authorization", "").removeprefix("Bearer ")
            fault = self.faults.draw(key)
            if fault in ("before", "busy"):
                return _fault(429 if fault == "busy" else 503)
            status, body = self._answered(request, await request.body(), answer)
            held = None if key == self.faults.spares else self.faults.held
            if held is not None:
                await asyncio.to_thread(held.wait)
            if fault == "garbled":
                return Response(b'{"object": "li', status, media_type="application/json")
            return _fault(500) if fault == "after" else JSONResponse(body, status)

        return Route(path, serve, methods=[method])

    def _answered(self, request: Request, body: bytes, answer: Answer) -> tuple[int, Json]:
        if not request.headers.get("authorization", "").startswith("Bearer sk_"):
            return 401, {"error": {"type": "invalid_request_error", "message": "Invalid API Key provided"}}
        key = request.headers.get("idempotency-key") if request.method == "POST" else None
        asked = f"{request.url.path} {body.decode()}"
        if key is not None and key in self._done:
            before, status, told = self._done[key]
            if before != asked:
                message = "Keys for idempotent requests can only be used with the same parameters"
                return 400, {"error": {"type": "idempotency_error", "message": message}}
            return status, told
        given = _nested(body.decode() if request.method == "POST" else request.url.query)
        try:
            status, told = 200, answer(request, given)
        except Refused as refused:
            status, told = refused.status, {"error": refused.error}
        if key is not None:
            self._done[key] = (asked, status, told)
        return status, told

    # Customers, products, prices

    def create_customer(self, request: Request, given: Json) -> Json:
        return customer_json(self.book.add_customer(given.get("email"), given.get("metadata", {})))

    def show_customer(self, request: Request, given: Json) -> Json:
        found = self.book.customers.get(request.path_params["name"])
        if found is None:
            raise missing("customer", request.path_params["name"])
        return customer_json(found)

    def update_customer(self, request: Request, given: Json) -> Json:
        customer = self.book.customer(request.path_params["name"])
        card = given.get("invoice_settings", {}).get("default_payment_method")
        if card not in (GOOD_CARD, BAD_CARD):
            raise missing("PaymentMethod", str(card), 400)
        self.book.set_card(customer, card)
        return customer_json(customer)

    def delete_customer(self, request: Request, given: Json) -> Json:
        customer = self.book.customer(request.path_params["name"])
        self.book.delete_customer(customer)
        return customer_json(customer)

    def create_product(self, request: Request, given: Json) -> Json:
        name = self.book.name("prod")
        self.book.products[name] = product = {"id": name, "object": "product", "name": given["name"], "active": True}
        return product

    def create_price(self, request: Request, given: Json) -> Json:
        if given.get("product") not in self.book.products:
            raise missing("product", str(given.get("product")), 400)
        name = self.book.name("price")
        self.book.prices[name] = {
            "id": name,
            "object": "price",
            "active": True,
            "currency": given["currency"],
            "unit_amount": int(given["unit_amount"]),
            "product": given["product"],
            "recurring": {"interval": given["recurring"]["interval"], "interval_count": 1},
            "type": "recurring",
        }
        return self.book.prices[name]

    def show_price(self, request: Request, given: Json) -> Json:
        try:
            return self.book.prices[request.path_params["name"]]
        except KeyError:
            raise missing("price", request.path_params["name"]) from None

    # Subscriptions and invoices

    def create_subscription(self, request: Request, given: Json) -> Json:
        customer = self.book.customer(given["customer"], 400)
        pauses = given.get("trial_settings", {}).get("end_behavior", {}).get("missing_payment_method") == "pause"
        made = self.book.subscribe(
            customer,
            _only(given["items"])["price"],
            int(given.get("trial_period_days", 0)),
            given.get("metadata", {}),
            pauses=pauses,
        )
        return self.book.subscription_json(made)

    def show_subscription(self, request: Request, given: Json) -> Json:
        return self.book.subscription_json(self._subscription(request))

    def update_subscription(self, request: Request, given: Json) -> Json:
        subscription = self._subscription(request)
        cancels = given.get("cancel_at_period_end")
        self.book.change(
            subscription,
            _only(given["items"])["price"] if "items" in given else None,
            None if cancels is None else cancels == "true",
            int(given["cancel_at"]) if given.get("cancel_at") else None,
        )
        return self.book.subscription_json(subscription)

    def cancel_subscription(self, request: Request, given: Json) -> Json:
        subscription = self._subscription(request)
        self.book.end(subscription)
        return self.book.subscription_json(subscription)

    def resume_subscription(self, request: Request, given: Json) -> Json:
        subscription = self._subscription(request)
        self.book.resume(subscription)
        return self.book.subscription_json(subscription)

    def list_subscriptions(self, request: Request, given: Json) -> Json:
        whose = given.get("customer")
        if whose is None:
            found = list(reversed(self.book.subscriptions.values()))
        else:
            self.book.customer(whose, 400)
            found = self.book.of(whose)
        if given.get("status") != "all":
            found = [s for s in found if s.status != "canceled"]
        return _page("/v1/subscriptions", [self.book.subscription_json(s) for s in found], given)

    def list_invoices(self, request: Request, given: Json) -> Json:
        whose = given.get("subscription")
        every = reversed(self.book.invoices.values()) if whose is None else self.book.invoices_of(whose)
        found = [invoice_json(i) for i in every if given.get("status") in (None, i.status)]
        return _page("/v1/invoices", found, given)

    def pay_invoice(self, request: Request, given: Json) -> Json:
        invoice = self.book.invoices.get(request.path_params["name"])
        if invoice is None:
            raise missing("invoice", request.path_params["name"])
        if invoice.status != "open":
            raise Refused(400, "invalid_request_error", f"Invoice is already {invoice.status}")
        if not self.book.pay(invoice):
            raise Refused(402, "card_error", "Your card was declined.", "card_declined")
        return invoice_json(invoice)

    def list_events(self, request: Request, given: Json) -> Json:
        return _page("/v1/events", list(reversed(self.book.events)), given)

    def advance(self, request: Request, given: Json) -> Json:
        self.book.advance(int(given["frozen_time"]), self.clock.set)
        return {"id": "clock_1", "object": "test_helpers.test_clock", "frozen_time": self.clock(), "status": "ready"}

    def _subscription(self, request: Request) -> Any:
        found = self.book.subscriptions.get(request.path_params["name"])
        if found is None:
            raise missing("subscription", request.path_params["name"])
        return found

    async def control(self, request: Request) -> JSONResponse:
        """{"share": of requests that fail, "down": all of them, "seed": of the chances}"""
        given = await request.json()
        self.faults.share = float(given.get("share", self.faults.share))
        self.faults.down = bool(given.get("down", self.faults.down))
        if "seed" in given:
            self.faults.chance.seed(int(given["seed"]))
        return JSONResponse({"share": self.faults.share, "down": self.faults.down})


def _fault(status: int) -> JSONResponse:
    return JSONResponse({"error": {"type": "api_error", "message": "a fault that was asked for"}}, status)


def _only(items: Json) -> Json:
    (item,) = items.values()
    only: Json = item
    return only


def _page(url: str, found: list[Json], given: Json) -> Json:
    limit, after = int(given.get("limit", 10)), given.get("starting_after")
    begin = 0 if after is None else 1 + next(n for n, item in enumerate(found) if item["id"] == after)
    shown = found[begin : begin + limit]
    return {"object": "list", "url": url, "data": shown, "has_more": begin + limit < len(found)}


def _nested(encoded: str) -> Json:
    """`a[b]=1&c[0][d]=2` -> {"a": {"b": "1"}, "c": {"0": {"d": "2"}}}"""
    whole: Json = {}
    for name, value in parse_qsl(encoded, keep_blank_values=True):
        *path, last = name.replace("]", "").split("[")
        place = whole
        for step in path:
            place = place.setdefault(step, {})
        place[last] = value
    return whole


def make_app(url: str = "http://127.0.0.1", delivery: Delivery | None = None, run: str = "") -> Starlette:
    """`url`: where browsers find it. With `delivery` events are sent to a webhook as they happen."""
    clock = Clock()
    stripe = StripeStandIn(url, clock, Book(clock, run=run))
    pages = Pages(url, stripe.book)

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        if delivery is None:
            yield
        else:
            async with delivery.sending(stripe.book.events):
                yield

    one, v1 = "/{name}", "/v1"
    routes: list[tuple[str, str, Answer]] = [
        ("POST", "/customers", stripe.create_customer),
        ("GET", "/customers" + one, stripe.show_customer),
        ("POST", "/customers" + one, stripe.update_customer),
        ("DELETE", "/customers" + one, stripe.delete_customer),
        ("POST", "/products", stripe.create_product),
        ("POST", "/prices", stripe.create_price),
        ("GET", "/prices" + one, stripe.show_price),
        ("POST", "/subscriptions", stripe.create_subscription),
        ("GET", "/subscriptions", stripe.list_subscriptions),
        ("GET", "/subscriptions" + one, stripe.show_subscription),
        ("POST", "/subscriptions" + one, stripe.update_subscription),
        ("DELETE", "/subscriptions" + one, stripe.cancel_subscription),
        ("POST", "/subscriptions" + one + "/resume", stripe.resume_subscription),
        ("GET", "/invoices", stripe.list_invoices),
        ("POST", "/invoices" + one + "/pay", stripe.pay_invoice),
        ("GET", "/events", stripe.list_events),
        ("POST", "/test_helpers/test_clocks" + one + "/advance", stripe.advance),
        ("POST", "/checkout/sessions", pages.create_checkout),
        ("GET", "/checkout/sessions" + one, pages.show_checkout),
        ("POST", "/billing_portal/sessions", pages.create_portal),
    ]
    app = Starlette(
        routes=[
            *(stripe.route(v1 + path, method, answer) for method, path, answer in routes),
            Route("/control", stripe.control, methods=["POST"]),
            Route("/ready", _ready),
            *pages.routes(),
        ],
        lifespan=lifespan,
    )
    app.state.stripe = stripe
    return app


async def _ready(request: Request) -> JSONResponse:
    return JSONResponse({"stand-in": "stripe"})


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m local.stripe", description=__doc__)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--webhook", required=True, help="where events are sent")
    parser.add_argument("--secret", required=True, help="that signs them")
    given = parser.parse_args()
    app = make_app(f"http://127.0.0.1:{given.port}", Delivery(given.webhook, given.secret), f"{int(time.time()):x}")
    uvicorn.run(app, host="127.0.0.1", port=given.port, log_level="warning")


if __name__ == "__main__":
    main()
