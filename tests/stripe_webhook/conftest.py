"""The webhook over ASGI, and a Stripe that signs what it sends."""

from __future__ import annotations

import json
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import datetime
from itertools import count
from typing import Any

import httpx
import pytest
from stripe import WebhookSignature

from core import db
from core.models import Tier
from core.queries import accounts
from core.settings import WebhookSettings
from stripe_webhook.app import make_app
from tests.conftest import NOW, ClientOf

SECRET = "whsec_of_the_tests"
PATH = "/stripe/webhook"
PRICES = {Tier.BASIC: "price_basic", Tier.PREMIUM: "price_premium", Tier.PRO: "price_pro"}
SECONDS = int(NOW.timestamp())
PERIOD_END = SECONDS + 30 * 86_400


@dataclass(slots=True)
class Stripe:
    """One customer's Stripe, talking to one replica of ours."""

    http: httpx.AsyncClient
    connection: db.Connection
    user_id: str
    customer: str = "cus_1"
    numbers: Any = field(default_factory=lambda: count(1))

    def event(
        self,
        kind: str = "customer.subscription.updated",
        status: str = "active",
        price: str | None = PRICES[Tier.PREMIUM],
        *,
        at: int = SECONDS,
        subscription: str = "sub_1",
        **changed: Any,
    ) -> dict[str, Any]:
        item = {"id": "si_1", "price": price and {"id": price}, "current_period_end": PERIOD_END}
        body = {
            "id": subscription,
            "object": "subscription",
            "customer": self.customer,
            "status": status,
            "metadata": {"user_id": self.user_id},
            "items": {"object": "list", "data": [item]},
        }
        event_id = f"evt_{next(self.numbers)}"
        return {"id": event_id, "type": kind, "created": at, "data": {"object": body | changed}}

    async def send(self, event: object, secret: str = SECRET, at: float | None = None) -> httpx.Response:
        body = event if isinstance(event, bytes) else json.dumps(event).encode()
        return await self.post(body, sign(body, secret, at))

    async def post(self, body: bytes, signature: str | bytes | None) -> httpx.Response:
        value = signature.encode() if isinstance(signature, str) else signature
        headers = [] if value is None else [(b"stripe-signature", value)]
        return await self.http.post(PATH, content=body, headers=headers)

    async def told(self, event: object) -> str:
        answer = await self.send(event)
        assert answer.status_code == 200, answer.text
        status: str = answer.json()["status"]
        return status

    async def tier(self, user_id: str | None = None) -> Tier | None:
        account = await accounts.account(self.connection, user_id or self.user_id)
        return None if account is None else Tier(account["tier"])

    async def changes(self) -> list[tuple[str, str, str]]:
        rows = await self.connection.fetch("SELECT from_tier, to_tier, cause FROM tier_changes ORDER BY id")
        return [(row[0], row[1], row[2]) for row in rows]

    async def parked(self) -> dict[str, str | None]:
        rows = await self.connection.fetch("SELECT id, parked_because FROM stripe_events")
        return {row[0]: row[1] for row in rows}

    async def handled_at(self, event_id: str) -> datetime | None:
        at: datetime | None = await self.connection.fetchval(
            "SELECT handled_at FROM stripe_events WHERE id = $1", event_id
        )
        return at


def sign(body: bytes, secret: str = SECRET, at: float | None = None) -> str:
    when = int(time.time() if at is None else at)
    header: str = WebhookSignature.generate_signature_header(body.decode(), secret, when)
    return header


MakeStripe = Callable[..., Awaitable[Stripe]]


@pytest.fixture
async def make_stripe(database_url: str, connection: db.Connection, client_of: ClientOf) -> MakeStripe:
    """make_stripe(**settings): the webhook and a free user whom no customer is known for."""
    user_id = await accounts.upsert_user(connection, "payer@example.com", Tier.FREE, NOW)

    async def make(**overrides: Any) -> Stripe:
        settings: dict[str, Any] = {
            "database_url": database_url,
            "stripe_webhook_secret": SECRET,
            **{f"stripe_price_{tier}": price for tier, price in PRICES.items()},
        }
        app = make_app(WebhookSettings(**(settings | overrides)), lambda: NOW)
        return Stripe(await client_of(app), connection, user_id)

    return make


@pytest.fixture
async def stripe(make_stripe: MakeStripe) -> Stripe:
    return await make_stripe()
