"""Plans, checkout, the portal and what one has: money goes to Stripe directly, and only its webhook moves a tier."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Annotated, Literal

from fastapi import APIRouter, Depends, Request, Response
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from api.callers import Caller
from api.gate import Doorway
from api.insights import encode
from api.needs import Person, Who, problems
from core.billing import stripe_api
from core.billing.sync import Books, sync_customer
from core.errors import Conflict, StripeDown, StripeRefuses, Unauthorized
from core.models import Tier
from core.queries import accounts
from core.queries import billing as queries

if TYPE_CHECKING:
    from stripe.params.checkout import SessionCreateParams

router = APIRouter(prefix="/api/v1/billing", tags=["billing"])

# Those of Stripe's currencies whose smallest unit is not a hundredth: https://docs.stripe.com/currencies
_DECIMALS = dict.fromkeys("bif clp djf gnf jpy kmf krw mga pyg rwf vnd vuv xaf xof xpf".split(), 0) | dict.fromkeys(
    "bhd jod kwd omr tnd".split(), 3
)
_PAID = (Tier.BASIC, Tier.PREMIUM, Tier.PRO)
_OVER = ("canceled", "incomplete_expired")
_PLANS_FOR_S = 600.0
_ONE_CLICK_S = 600  # clicks within it lead to one checkout

Paid = Literal["basic", "premium", "pro"]


class Order(BaseModel):
    model_config = ConfigDict(extra="forbid")

    tier: Paid


class Link(BaseModel):
    url: str = Field(description="a page of Stripe's, for the user's browser")


class Plan(BaseModel):
    tier: Paid
    price: Decimal = Field(description="of one interval, in the currency's unit, such as 29.00")
    currency: str
    interval: str


class PlanList(BaseModel):
    plans: list[Plan]
    trial_days: int = Field(description="of a first subscription")


class Bought(BaseModel):
    id: str
    tier: Literal["free", "basic", "premium", "pro"]
    status: str = Field(description="Stripe's word")
    current_period_end: AwareDatetime | None
    cancel_at: AwareDatetime | None
    access_until: AwareDatetime | None = Field(description="if nothing more is paid; null: no access")


class Standing(BaseModel):
    tier: Literal["free", "basic", "premium", "pro"]
    subscriptions: list[Bought]


@dataclass(slots=True)
class Desk:
    """Stripe is connected to with the first request that needs it."""

    doorway: Doorway
    _books: Books | None = None
    _plans: list[Plan] = field(default_factory=list)
    _plans_at: float = 0.0

    @property
    def books(self) -> Books:
        """Raises StripeDown where nothing can be bought."""
        resources = self.doorway.resources
        if resources.settings.stripe_secret_key is None:
            raise StripeDown("STRIPE_SECRET_KEY is not set")
        if self._books is None:
            self._books = Books(resources.settings, resources.transaction, self._now)
        return self._books

    def _now(self) -> datetime:
        return datetime.fromtimestamp(self.doorway.resources.wall(), UTC)

    async def close(self) -> None:
        if self._books is not None:
            await self._books.close()

    async def refresh(self, user_id: str) -> None:
        """Writes down what Stripe says of the user at this moment, where there is anything to ask it about.

        Its events may be on their way. Raises StripeDown, StripeRefuses, DatabaseDown.
        """
        if self.doorway.resources.settings.stripe_secret_key is None:
            return
        async with self.doorway.resources.connection() as connection:
            customer = await queries.customer_of(connection, user_id)
        if customer is not None:
            await sync_customer(self.books, customer, "asked by the user's own step")

    async def plans(self) -> PlanList:
        now = self.doorway.resources.monotonic()
        if not self._plans or now - self._plans_at > _PLANS_FOR_S:
            self._plans = list(await asyncio.gather(*(self._plan(tier) for tier in _PAID)))
            self._plans_at = now
        return PlanList(plans=self._plans, trial_days=self.doorway.resources.settings.trial_days)

    async def _plan(self, tier: Tier) -> Plan:
        with stripe_api.translated():
            price = await self.books.client.v1.prices.retrieve_async(self._price(tier))
        if price.unit_amount is None or price.recurring is None:
            raise StripeRefuses(f"the price of {tier} is not an amount for an interval")
        amount = Decimal(price.unit_amount).scaleb(-_DECIMALS.get(price.currency, 2))
        return Plan(tier=tier.value, price=amount, currency=price.currency, interval=price.recurring.interval)

    def _price(self, tier: Tier) -> str:
        settings = self.doorway.resources.settings
        sold = {
            Tier.BASIC: settings.stripe_price_basic,
            Tier.PREMIUM: settings.stripe_price_premium,
            Tier.PRO: settings.stripe_price_pro,
        }
        return sold[tier][0]

    async def checkout(self, caller: Caller, tier: Tier) -> str:
        """The page to pay on. Raises Conflict for one who pays already: the portal changes what they pay for."""
        books, settings = self.books, self.doorway.resources.settings
        await self.refresh(caller.user_id)
        async with self.doorway.resources.connection() as connection:
            had = await queries.subscriptions_of(connection, caller.user_id)
        if any(row.status not in _OVER for row in had):
            raise Conflict("you have a subscription already: change it in the portal")
        customer, trial_days = await self._customer(caller), 0 if had else settings.trial_days
        back = f"{settings.public_url}/?checkout="
        params: SessionCreateParams = {
            "mode": "subscription",
            "customer": customer,
            "client_reference_id": caller.user_id,
            "line_items": [{"price": self._price(tier), "quantity": 1}],
            "success_url": f"{back}done",
            "cancel_url": f"{back}left",
            "subscription_data": {"metadata": {"user_id": caller.user_id}},
        }
        if trial_days:
            params["subscription_data"]["trial_period_days"] = trial_days
        # What was bought before is in the key: who comes back after a cancel gets a checkout of their own.
        key = f"checkout:{customer}:{self._price(tier)}:{trial_days}:{len(had)}:{self._click()}"
        with stripe_api.translated():
            session = await books.client.v1.checkout.sessions.create_async(params, {"idempotency_key": key})
        if session.url is None:
            raise Conflict("this checkout was paid a moment ago: your subscription is on its way")
        return session.url

    def _click(self) -> int:
        """In keys of idempotency: for a day Stripe repeats whatever it said to one, its own failures too."""
        return int(self.doorway.resources.wall()) // _ONE_CLICK_S

    async def portal(self, caller: Caller) -> str:
        """The page where a subscription is changed, cancelled and paid by another card."""
        books, settings = self.books, self.doorway.resources.settings
        async with self.doorway.resources.connection() as connection:
            customer = await queries.customer_of(connection, caller.user_id)
        if customer is None:
            raise Conflict("you have not bought anything yet: begin with a checkout")
        with stripe_api.translated():
            session = await books.client.v1.billing_portal.sessions.create_async(
                {"customer": customer, "return_url": f"{settings.public_url}/"}
            )
        return session.url

    async def standing(self, caller: Caller) -> Standing:
        async with self.doorway.resources.connection() as connection:
            had = await queries.subscriptions_of(connection, caller.user_id)
        bought = [
            Bought(
                id=row.id,
                tier=row.tier.value,
                status=row.status,
                current_period_end=row.period_end,
                cancel_at=row.cancel_at,
                access_until=row.access_until,
            )
            for row in had
        ]
        return Standing(tier=caller.tier.value, subscriptions=bought)

    async def _customer(self, caller: Caller) -> str:
        """The user's one customer, made where there is none (any more). Stripe makes one however often it is asked."""
        async with self.doorway.resources.connection() as connection:
            known = await queries.customer_of(connection, caller.user_id)
            account = await accounts.account(connection, caller.user_id)
        if account is None:
            raise Unauthorized("this account does not exist any more")
        client = self.books.client
        if known is not None and not await stripe_api.customer_is_deleted(client, known):
            return known
        with stripe_api.translated():
            made = await client.v1.customers.create_async(
                {"email": account["email"], "metadata": {"user_id": caller.user_id}},
                {"idempotency_key": f"customer:{caller.user_id}:{known or ''}:{self._click()}"},
            )
        async with self.doorway.resources.transaction() as connection:
            if not await queries.set_customer(connection, caller.user_id, made.id, instead_of=known):
                raise Conflict("your account was changed at the same time: try again")
        return made.id


def desk_of(request: Request) -> Desk:
    desk: Desk = request.app.state.billing
    return desk


At = Annotated[Desk, Depends(desk_of)]


def told(value: BaseModel) -> Response:
    return Response(encode(value.model_dump(mode="json")), 200, {"cache-control": "no-store"}, "application/json")


@router.get("/plans", responses=problems(401, 502))
async def get_plans(desk: At, caller: Who) -> Response:
    """What can be bought, at Stripe's prices."""
    return told(await desk.plans())


@router.post("/checkout", responses=problems(401, 403, 409, 502))
async def begin_checkout(desk: At, person: Person, body: Order) -> Response:
    """A page of Stripe's to subscribe on. 409 with a running subscription, which the portal changes."""
    return told(Link(url=await desk.checkout(person, Tier(body.tier))))


@router.post("/portal", responses=problems(401, 403, 409, 502))
async def open_portal(desk: At, person: Person) -> Response:
    """A page of Stripe's to upgrade, downgrade, cancel, and change the card."""
    return told(Link(url=await desk.portal(person)))


@router.get("/subscription", responses=problems(401))
async def get_subscription(desk: At, caller: Who) -> Response:
    """Your tier, and what you bought."""
    return told(await desk.standing(caller))
