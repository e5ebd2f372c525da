"""Months of 500 customers' billing, told out of order, twice, late, through failures: never wrong for long.

Checked at every step against who paid and when (oracle.py), not only at the end.
"""

from __future__ import annotations

import asyncio
import heapq
import random
import sys
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx
import pytest
import stripe as official
from starlette.applications import Starlette

from core import db
from local.stripe_book import OVER, Book
from local.stripe_delivery import signed
from stripe_webhook.app import make_app
from tests.stripe_account import PAID, PATH, SECRET, Stripe, make_prices, settings_of
from tests.stripe_webhook.faults import Wire, wired
from tests.stripe_webhook.oracle import RANKS, Owed, expected, owed, rank_at

HOUR, DAY = 3_600, 86_400
RETRY_AFTER = (300, 900, HOUR, 2 * HOUR, 4 * HOUR, 8 * HOUR, *[12 * HOUR] * 10)  # as Stripe spreads its tries


@dataclass(order=True)
class Delivery:
    due: int
    number: int
    event: dict[str, Any] = field(compare=False)
    tries: int = field(default=0, compare=False)


Told = tuple[Owed, list[tuple[int, int]]]
NOTHING: Told = (Owed(), [])


@dataclass(slots=True)
class World:
    """`told`: customer -> (what was owed, what was expected) when Stripe was last asked with success.

    Where an answer did not come, the function may have got through or not: then both moments are held possible.
    """

    stripe: Stripe
    wire: Wire
    database_url: str
    chance: random.Random
    users: dict[str, str] = field(default_factory=dict)
    tiers: dict[str, str] = field(default_factory=dict)
    queue: list[Delivery] = field(default_factory=list)
    told: dict[str, list[Told]] = field(default_factory=dict)
    outcomes: Counter[str] = field(default_factory=Counter)
    events: int = 0
    deliveries: int = 0
    kills: int = 0
    handled: Counter[str] = field(default_factory=Counter)

    @property
    def book(self) -> Book:
        book: Book = self.stripe.app.state.stripe.book
        return book

    def now(self) -> int:
        return int(self.stripe.now().timestamp())

    async def people(self, count: int) -> None:
        for number in range(count):
            user_id, customer = await self.stripe.new_customer(f"user{number}@example.com", known=number % 10 > 0)
            self.users[customer], self.told[customer] = user_id, [NOTHING]

    # What customers do, through the official client

    async def act(self) -> None:
        customer = self.chance.choice(list(self.users))
        living = [s for s in self.book.of(customer) if s.status not in OVER]
        if self.book.customers[customer].deleted:
            return
        if not living or (len(living) == 1 and self.chance.random() < 0.06):
            trial = {"trial_period_days": 7} if self.chance.random() < 0.2 else {}
            await self.stripe.subscribe(self.chance.choice(PAID), customer, **trial)
            return
        subscription = self.chance.choice(living)
        client, draw = self.stripe.client.v1, self.chance.random()
        if draw < 0.35:
            price = self.stripe.prices[self.chance.choice(PAID)]
            await self.stripe.change(subscription.id, items=[{"price": price}])
        elif draw < 0.50:
            cancels = subscription.cancel_at is None
            await self.stripe.change(subscription.id, cancel_at_period_end=cancels)
        elif draw < 0.60:
            await client.subscriptions.cancel_async(subscription.id)
        elif draw < 0.97:
            await self.stripe.card(good=self.chance.random() < 0.6, customer=customer)
            owing = [i for i in self.book.invoices_of(subscription.id) if i.status == "open"]
            if owing and self.chance.random() < 0.5:
                try:
                    await client.invoices.pay_async(owing[0].id)
                except official.CardError:
                    self.outcomes["declined"] += 1
        elif draw < 0.98:
            await client.customers.delete_async(customer)
        self.book.after_retries = self.chance.choice(("canceled", "unpaid"))

    async def hear(self) -> None:
        """Stripe's new events become deliveries: late, and some of them several times."""
        for event in self.book.events[self.events :]:
            for _ in range(1 + (self.chance.randint(1, 3) if self.chance.random() < 0.15 else 0)):
                longest = self.chance.choices((600, 6 * HOUR, 3 * DAY), (60, 25, 15))[0]
                self._later(event, event["created"] + self.chance.randint(0, longest))
        self.events = len(self.book.events)

    def _later(self, event: dict[str, Any], due: int, tries: int = 0) -> None:
        heapq.heappush(self.queue, Delivery(due, self.chance.randrange(2**40), event, tries))

    # What the function is told

    async def deliver_due(self, replica: Starlette) -> Starlette:
        due: list[Delivery] = []
        while self.queue and self.queue[0].due <= self.now():
            due.append(heapq.heappop(self.queue))
        self.chance.shuffle(due)
        while due:
            batch, due = due[:8], due[8:]
            if self.chance.random() < 0.03:
                await self._killed_while(replica, batch)
                replica = self._fresh()
            else:
                await asyncio.gather(*(self._deliver(replica, delivery) for delivery in batch))
            await self.check_touched({_customer(delivery.event) for delivery in batch})
        return replica

    def _fresh(self) -> Starlette:
        settings = settings_of(self.stripe, self.database_url, database_connect_timeout_s=60)
        return make_app(settings, self.stripe.now)

    async def _deliver(self, replica: Starlette, delivery: Delivery) -> None:
        self.deliveries += 1
        body, header = signed(delivery.event, SECRET)
        transport = httpx.ASGITransport(replica, raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url="http://test") as http:
            answer = await http.post(PATH, content=body, headers={"stripe-signature": header})
        said = answer.json()["status"] if answer.status_code == 200 else str(answer.status_code)
        self.outcomes[said] += 1
        if answer.status_code != 200:
            self._missed(delivery)
        elif said == "handled":
            self.handled[delivery.event["id"]] += 1
            customer = _customer(delivery.event)
            self.told[customer] = [self._truth(customer)]

    def _missed(self, delivery: Delivery) -> None:
        customer = _customer(delivery.event)
        self.told[customer].append(self._truth(customer))
        self._retry(delivery)

    def _truth(self, customer: str) -> Told:
        return owed(self.book, customer, self.tiers, self.now()), expected(self.book, customer, self.tiers)

    def _retry(self, delivery: Delivery) -> None:
        self._later(delivery.event, self.now() + RETRY_AFTER[delivery.tries], delivery.tries + 1)

    async def _killed_while(self, replica: Starlette, batch: list[Delivery]) -> None:
        """As a host kills: what it has open is cut first, so that nothing it would tidy up reaches anybody."""
        self.kills += 1
        tasks = [asyncio.create_task(self._deliver(replica, delivery)) for delivery in batch]
        await asyncio.sleep(self.chance.random() * 0.08)
        self.wire.cut_all()
        for task in tasks:
            task.cancel()
        ended = await asyncio.gather(*tasks, return_exceptions=True)
        await retire(replica)
        for delivery, end in zip(batch, ended, strict=True):
            if end is not None:
                self._missed(delivery)

    # What must hold

    async def ranks(self) -> dict[str, int]:
        rows = await self.stripe.connection.fetch("SELECT id::text, tier_at(users, $1) FROM users", self.stripe.now())
        served = {row[0]: RANKS.index(row[1]) for row in rows}
        return {customer: served[user] for customer, user in self.users.items()}

    async def check_touched(self, customers: set[str]) -> None:
        """Whoever Stripe was asked about has exactly what follows from the answer."""
        for customer in customers:
            tier = await self.stripe.tier(user_id=self.users[customer])
            possible = {RANKS[rank_at(subscriptions, self.now())] for _, subscriptions in self.told[customer]}
            assert tier in possible, (customer, self.told[customer])

    async def check_everybody(self) -> None:
        now = self.now()
        for customer, rank in (await self.ranks()).items():
            truth = owed(self.book, customer, self.tiers, now)
            assert rank == 0 or now < truth.covered_until + 7 * DAY, f"{customer} has access beyond the grace"
            thens = [then for then, _ in self.told[customer]]
            assert rank in {rank_at(subscriptions, now) for _, subscriptions in self.told[customer]}
            known = min(rank_at(list(then.paid), now) for then in thens)
            assert rank >= known, f"{customer} lost what was paid for, which was known"
            assert rank <= max([then.most for then in thens] + [truth.most]), f"{customer} has what it never had"


def _customer(event: dict[str, Any]) -> str:
    about = event["data"]["object"]
    found: str = about["id"] if about["object"] == "customer" else about["customer"]
    return found


async def retire(replica: Starlette) -> None:
    webhook = replica.state.webhook
    if webhook._pool is not None:
        webhook._pool.terminate()
    if webhook._books is not None:
        await webhook._books.close()


HANDLINGS = """
CREATE TABLE handlings (event_id text NOT NULL);
CREATE FUNCTION note_handling() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN INSERT INTO handlings VALUES (NEW.id); RETURN NULL; END $$;
CREATE TRIGGER note_handling AFTER UPDATE OF handled_at ON stripe_events FOR EACH ROW EXECUTE FUNCTION note_handling();
"""


@asynccontextmanager
async def world(
    stripe_account: tuple[str, Starlette],
    client: official.StripeClient,
    database_url: str,
    connection: db.Connection,
    seed: int,
    people: int,
) -> AsyncIterator[World]:
    chance = random.Random(seed)
    await connection.execute(HANDLINGS)
    stripe = Stripe(*stripe_account, client, connection, await make_prices(client))
    faults = stripe.app.state.stripe.faults
    faults.chance, faults.spares = random.Random(seed), "sk_test_1"
    async with wired(database_url, chance) as (wire, through):
        made = World(stripe, wire, through, chance, tiers={price: tier for tier, price in stripe.prices.items()})
        await made.people(people)
        yield made


# A function that is killed closes nothing: what it leaves is found by the garbage collection.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize(
    ("events", "people", "seed"),
    [
        pytest.param(300, 20, 1, id="small"),
        pytest.param(10_000, 500, 2, id="whole", marks=[pytest.mark.long, pytest.mark.timeout(3_600)]),
    ],
)
async def test_tiers_are_what_is_true_through_months_of_late_shuffled_doubled_and_failing_deliveries(
    stripe_account: tuple[str, Starlette],
    client: official.StripeClient,
    database_url: str,
    connection: db.Connection,
    events: int,
    people: int,
    seed: int,
    record_property: Any,
) -> None:
    async with world(stripe_account, client, database_url, connection, seed, people) as w:
        w.stripe.app.state.stripe.faults.share = 0.1
        w.wire.share = 0.012
        replica = w._fresh()
        while w.events < events:
            await w.stripe.pass_time(hours=w.chance.randint(2, 22))
            for _ in range(max(1, people // 40)):
                await w.act()
            await w.hear()
            replica = await w.deliver_due(replica)
            await w.check_everybody()
        await w.hear()
        while w.queue:  # the world stands still, and Stripe goes on trying
            due = max(w.now(), w.queue[0].due)
            w.stripe.app.state.stripe.clock.set(due + 60)
            replica = await w.deliver_due(replica)
        await retire(replica)
        await check_end(w)
        figures = {"events": w.events, "deliveries": w.deliveries, "kills": w.kills, "cuts": w.wire.cuts, **w.outcomes}
        record_property("figures", figures)
        sys.stderr.write(f"{figures}\n")


async def check_end(w: World) -> None:
    now = w.now()
    for customer, rank in (await w.ranks()).items():
        assert rank == owed(w.book, customer, w.tiers, now).most, customer
    told = {event["id"] for event in w.book.events}
    assert {name for name, (handled, _) in (await w.stripe.stored()).items() if handled} == told
    handlings = Counter(row[0] for row in await w.stripe.connection.fetch("SELECT event_id FROM handlings"))
    assert handlings == Counter(told), "each event was handled once"
    assert max(w.handled.values()) == 1
    changes = await w.stripe.connection.fetch("SELECT user_id, from_tier, to_tier, cause FROM tier_changes ORDER BY id")
    last: dict[str, str] = {}
    for user_id, before, after, cause in changes:
        assert before == last.get(user_id, "free"), "the trail has no gap"
        assert after != before
        assert cause
        last[user_id] = after
    by_event = Counter(row["cause"] for row in changes if row["cause"].startswith("stripe "))
    assert max(by_event.values()) == 1
