"""The stand-in's pages in a browser: paying at checkout, and the portal where a plan is changed or cancelled."""

from __future__ import annotations

from dataclasses import dataclass, field
from html import escape
from typing import Any
from urllib.parse import parse_qs

from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.routing import Route

from local.stripe_book import BAD_CARD, GOOD_CARD, OVER, Book, Refused, Subscription, missing

Json = dict[str, Any]


@dataclass(slots=True)
class Pages:
    url: str
    book: Book
    _checkouts: dict[str, Json] = field(default_factory=dict)
    _asked: dict[str, Json] = field(default_factory=dict)
    _portals: dict[str, Json] = field(default_factory=dict)

    def routes(self) -> list[Route]:
        return [
            Route("/pay/{name}", self.show_pay, methods=["GET"]),
            Route("/pay/{name}", self.pay, methods=["POST"]),
            Route("/portal/{name}", self.show_portal, methods=["GET"]),
            Route("/portal/{name}", self.use_portal, methods=["POST"]),
        ]

    def create_checkout(self, request: Request, given: Json) -> Json:
        if given.get("mode") != "subscription":
            raise Refused(400, "invalid_request_error", "this stand-in sells subscriptions only", param="mode")
        customer, (item,) = self.book.customer(given["customer"], 400), given["line_items"].values()
        if item["price"] not in self.book.prices:
            raise missing("price", item["price"], 400)
        name = self.book.name("cs_test")
        self._asked[name] = given
        self._checkouts[name] = {
            "id": name,
            "object": "checkout.session",
            "mode": "subscription",
            "customer": customer.id,
            "client_reference_id": given.get("client_reference_id"),
            "status": "open",
            "payment_status": "unpaid",
            "subscription": None,
            "url": f"{self.url}/pay/{name}",
            "created": self.book.clock(),
            "expires_at": self.book.clock() + 86_400,
            "metadata": given.get("metadata", {}),
        }
        return self._checkouts[name]

    def show_checkout(self, request: Request, given: Json) -> Json:
        try:
            return self._checkouts[request.path_params["name"]]
        except KeyError:
            raise missing("checkout.session", request.path_params["name"]) from None

    def create_portal(self, request: Request, given: Json) -> Json:
        customer, name = self.book.customer(given["customer"], 400), self.book.name("bps")
        self._portals[name] = {
            "id": name,
            "object": "billing_portal.session",
            "customer": customer.id,
            "return_url": given.get("return_url"),
            "url": f"{self.url}/portal/{name}",
            "created": self.book.clock(),
        }
        return self._portals[name]

    async def show_pay(self, request: Request) -> Response:
        session = self._checkouts.get(request.path_params["name"])
        if session is None or session["status"] != "open":
            return _page("This checkout is over.", "", 404)
        (item,) = self._asked[session["id"]]["line_items"].values()
        return _page(f"Pay for {self._label(item['price'])}", _button("card", GOOD_CARD, "Pay with a good card")
                     + _button("card", BAD_CARD, "Pay with a card that is declined"))  # fmt: skip

    async def pay(self, request: Request) -> Response:
        session = self._checkouts.get(request.path_params["name"])
        if session is None or session["status"] != "open":
            return _page("This checkout is over.", "", 404)
        asked, (card,) = self._asked[session["id"]], (await _form(request))["card"]
        if card != GOOD_CARD:
            return _page("Your card was declined.", _button("card", GOOD_CARD, "Pay with a good card"), 402)
        customer, (item,) = self.book.customer(session["customer"]), asked["line_items"].values()
        self.book.set_card(customer, card)
        data = asked.get("subscription_data", {})
        made = self.book.subscribe(
            customer, item["price"], int(data.get("trial_period_days", 0)), data.get("metadata", {})
        )
        session |= {"status": "complete", "payment_status": "paid", "subscription": made.id, "url": None}
        self.book.tell("checkout.session.completed", session)
        return RedirectResponse(asked["success_url"].replace("{CHECKOUT_SESSION_ID}", session["id"]), 303)

    async def show_portal(self, request: Request) -> Response:
        session = self._portals.get(request.path_params["name"])
        if session is None:
            return _page("There is no such session.", "", 404)
        living = [s for s in self.book.of(session["customer"]) if s.status not in OVER]
        parts = [self._about(subscription) for subscription in living] or ["<p>No subscription.</p>"]
        back = f'<p><a href="{escape(session["return_url"] or "/")}">Back</a></p>'
        return _page("Your subscription", "".join(parts) + back)

    def _about(self, subscription: Subscription) -> str:
        name = subscription.id
        said = f"<p>{escape(self._label(subscription.price))}: {subscription.status}"
        said += ", cancelled for the end of its period</p>" if subscription.cancel_at else "</p>"
        change = [
            _button(f"{name}.price", price, f"Change to {self._label(price)}")
            for price in self.book.prices
            if price != subscription.price
        ]
        keeps = subscription.cancel_at is not None
        end = _button(f"{name}.cancels", "false" if keeps else "true", "Keep it" if keeps else "Cancel it")
        return said + "".join(change) + end

    async def use_portal(self, request: Request) -> Response:
        session = self._portals.get(request.path_params["name"])
        if session is None:
            return _page("There is no such session.", "", 404)
        for field_name, (value, *_) in (await _form(request)).items():
            name, _, what = field_name.partition(".")
            subscription = self.book.subscriptions.get(name)
            if subscription is None or subscription.customer != session["customer"]:
                return _page("There is no such subscription.", "", 404)
            cancels = value == "true" if what == "cancels" else None
            self.book.change(subscription, value if what == "price" else None, cancels, None)
        return RedirectResponse(f"/portal/{session['id']}", 303)

    def _label(self, price: str) -> str:
        found = self.book.prices[price]
        return f"{self.book.products[found['product']]['name']}, ${found['unit_amount'] / 100:.2f} a month"


async def _form(request: Request) -> dict[str, list[str]]:
    return parse_qs((await request.body()).decode())


def _button(name: str, value: str, label: str) -> str:
    return (
        f'<form method="post"><input type="hidden" name="{escape(name)}" value="{escape(value)}">'
        f"<button>{escape(label)}</button></form>"
    )


def _page(title: str, body: str, status: int = 200) -> HTMLResponse:
    return HTMLResponse(
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{escape(title)}</title><h1>{escape(title)}</h1>'
        f"<p>This is a local stand-in for Stripe: no money moves.</p>{body}</html>",
        status,
    )
