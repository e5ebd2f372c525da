"""The webhook over ASGI, beside a Stripe stand-in over HTTP that is talked to through the official client only."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
from starlette.applications import Starlette
from stripe import HTTPXClient, StripeClient

from core import db
from core.models import Tier
from core.queries import accounts, billing
from core.settings import WebhookSettings
from local import stripe as stand_in
from local.stripe_delivery import signed
from stripe_webhook.app import make_app
from tests.conftest import NOW, ClientOf, served

SECRET = "whsec_of_the_tests"
PATH = "/stripe/webhook"
GRACE = timedelta(days=7)
PAID = (Tier.BASIC, Tier.PREMIUM, Tier.PRO)


@dataclass(slots=True)
class Stripe:
    """A Stripe account with three prices, one replica of the webhook, and one customer of ours who pays by a card."""

    url: str
    app: Starlette
    client: StripeClient
    connection: db.Connection
    prices: dict[Tier, str]
    replica: Starlette | None = None
    http: httpx.AsyncClient | None = None
    user_id: str = ""
    customer: str = ""
    told: int = 0
    _seen: set[str] = field(default_factory=set)

    def now(self) -> datetime:
        return datetime.fromtimestamp(self.app.state.stripe.clock(), UTC)

    async def pass_time(self, **time: float) -> datetime:
        at = self.now() + timedelta(**time)
        await self.client.v1.test_helpers.test_clocks.advance_async("clock_1", {"frozen_time": int(at.timestamp())})
        return at

    async def new_customer(self, email: str, *, known: bool = True) -> tuple[str, str]:
        """(user, customer): of the API's making unless `known` is false, when we died before we wrote it down."""
        user_id = await accounts.upsert_user(self.connection, email, Tier.FREE, NOW)
        made = await self.client.v1.customers.create_async({"email": email, "metadata": {"user_id": user_id}})
        await self.card(good=True, customer=made.id)
        if known:
            assert await billing.set_customer(self.connection, user_id, made.id)
        return user_id, made.id

    async def card(self, *, good: bool, customer: str = "") -> None:
        card = "pm_card_visa" if good else "pm_card_chargeCustomerFail"
        await self.client.v1.customers.update_async(
            customer or self.customer, {"invoice_settings": {"default_payment_method": card}}
        )

    async def subscribe(self, tier: Tier = Tier.PREMIUM, customer: str = "", **params: Any) -> str:
        order: Any = {"customer": customer or self.customer, "items": [{"price": self.prices[tier]}], **params}
        made = await self.client.v1.subscriptions.create_async(order)
        return made.id

    async def change(self, subscription: str, **params: Any) -> None:
        await self.client.v1.subscriptions.update_async(subscription, params)  # type: ignore[arg-type]

    async def events(self) -> list[dict[str, Any]]:
        """Those that were not seen yet, the oldest first."""
        found = await self.client.v1.events.list_async({"limit": 100})
        new = [event.to_dict() async for event in found.auto_paging_iter() if event.id not in self._seen]
        self._seen |= {event["id"] for event in new}
        return new[::-1]

    async def send(self, event: dict[str, Any], secret: str = SECRET, at: float | None = None) -> httpx.Response:
        body, header = signed(event, secret, at)
        return await self.post(body, header)

    async def post(self, body: bytes, signature: str | bytes | None) -> httpx.Response:
        assert self.http is not None
        value = signature.encode() if isinstance(signature, str) else signature
        headers = [] if value is None else [(b"stripe-signature", value)]
        return await self.http.post(PATH, content=body, headers=headers)

    async def tell(self, event: dict[str, Any]) -> str:
        answer = await self.send(event)
        assert answer.status_code == 200, answer.text
        status: str = answer.json()["status"]
        return status

    async def tell_all(self) -> set[str]:
        """Brings every new event; the answers' statuses."""
        return {await self.tell(event) for event in await self.events()}

    async def tier(self, at: datetime | None = None, user_id: str = "") -> Tier | None:
        return await billing.tier_of(self.connection, user_id or self.user_id, at or self.now())

    async def changes(self) -> list[tuple[str, str, str]]:
        rows = await self.connection.fetch("SELECT from_tier, to_tier, cause FROM tier_changes ORDER BY id")
        return [(row[0], row[1], row[2]) for row in rows]

    async def stored(self) -> dict[str, tuple[bool, str | None]]:
        """event -> (whether it is handled, why it was parked)"""
        rows = await self.connection.fetch("SELECT id, handled_at IS NOT NULL, parked_because FROM stripe_events")
        return {row[0]: (row[1], row[2]) for row in rows}

    def fail(self, share: float = 0.0, *, down: bool = False) -> None:
        faults = self.app.state.stripe.faults
        faults.share, faults.down = share, down

    @property
    def calls(self) -> int:
        """Requests to Stripe so far."""
        calls: int = self.app.state.stripe.calls
        return calls


@pytest.fixture
def stripe_account() -> Iterator[tuple[str, Starlette]]:
    """(address, the stand-in), its clock at NOW."""
    app = stand_in.make_app()
    app.state.stripe.clock.set(int(NOW.timestamp()))
    with served(app) as url:
        yield url, app


@pytest.fixture
async def client(stripe_account: tuple[str, Starlette]) -> AsyncIterator[StripeClient]:
    http = HTTPXClient()
    yield StripeClient("sk_test_1", base_addresses={"api": stripe_account[0]}, http_client=http, max_network_retries=0)
    await http.close_async()  # type: ignore[no-untyped-call]


async def make_prices(client: StripeClient) -> dict[Tier, str]:
    prices = {}
    for tier, cents in zip(PAID, (900, 2_900, 9_900), strict=True):
        product = await client.v1.products.create_async({"name": f"OddWons {tier}"})
        made = await client.v1.prices.create_async(
            {"product": product.id, "currency": "usd", "unit_amount": cents, "recurring": {"interval": "month"}}
        )
        prices[tier] = made.id
    return prices


def settings_of(stripe: Stripe, url: str, **overrides: Any) -> WebhookSettings:
    settings: dict[str, Any] = {
        "database_url": url,
        "stripe_secret_key": "sk_test_1",
        "stripe_base_url": stripe.url,
        "stripe_retries": 0,
        "stripe_webhook_secret": SECRET,
        "grace_days": GRACE.days,
        **{f"stripe_price_{tier}": price for tier, price in stripe.prices.items()},
    }
    return WebhookSettings(**(settings | overrides))


MakeStripe = Callable[..., Awaitable[Stripe]]


@pytest.fixture
async def make_stripe(
    stripe_account: tuple[str, Starlette],
    client: StripeClient,
    database_url: str,
    connection: db.Connection,
    client_of: ClientOf,
) -> MakeStripe:
    """make_stripe(**settings): another replica of the webhook, over one account with one customer."""
    stripe = Stripe(*stripe_account, client, connection, await make_prices(client))
    stripe.user_id, stripe.customer = await stripe.new_customer("payer@example.com")
    await stripe.events()

    async def make(**overrides: Any) -> Stripe:
        stripe.replica = make_app(settings_of(stripe, database_url, **overrides), stripe.now)
        stripe.http = await client_of(stripe.replica)
        return stripe

    return make


@pytest.fixture
async def stripe(make_stripe: MakeStripe) -> Stripe:
    return await make_stripe()


async def at_once(*awaited: Awaitable[Any]) -> list[Any]:
    return list(await asyncio.gather(*awaited))
