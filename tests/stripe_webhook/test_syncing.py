"""What a user's tier is after whatever befell the subscriptions, in whatever order it is told."""

from __future__ import annotations

import itertools
from datetime import timedelta
from typing import Any

import pytest

from core.models import Tier
from core.queries import accounts, billing
from tests.stripe_account import GRACE, MakeStripe, Stripe, at_once

PERIOD = timedelta(days=30)
MOMENT = timedelta(seconds=1)


async def test_a_subscriptions_life_sets_the_tier_and_leaves_an_audit_trail(stripe: Stripe) -> None:
    subscription = await stripe.subscribe(Tier.BASIC)
    assert await stripe.tell_all() == {"handled"}
    assert await stripe.tier() is Tier.BASIC
    await stripe.change(subscription, items=[{"price": stripe.prices[Tier.PRO]}])
    (upgraded,) = await stripe.events()
    await stripe.tell(upgraded)
    assert await stripe.tier() is Tier.PRO
    await stripe.client.v1.subscriptions.cancel_async(subscription)
    (ended,) = await stripe.events()
    await stripe.tell(ended)
    assert await stripe.tier() is Tier.FREE
    first, *others = await stripe.changes()
    assert first[:2] == ("free", "basic")
    assert first[2].startswith("stripe evt_")
    assert others == [("basic", "pro", f"stripe {upgraded['id']}"), ("pro", "free", f"stripe {ended['id']}")]


async def test_a_renewal_prolongs_access_without_a_change_of_tier(stripe: Stripe) -> None:
    await stripe.subscribe()
    await stripe.tell_all()
    began = stripe.now()
    await stripe.pass_time(days=31)
    await stripe.tell_all()
    assert await stripe.tier(began + 2 * PERIOD + GRACE - MOMENT) is Tier.PREMIUM
    assert await stripe.tier(began + 2 * PERIOD + GRACE) is Tier.FREE
    assert len(await stripe.changes()) == 1


async def test_access_ends_with_the_grace_even_if_nothing_is_ever_heard_again(stripe: Stripe) -> None:
    await stripe.subscribe()
    await stripe.tell_all()
    until = stripe.now() + PERIOD + GRACE
    assert await stripe.tier(until - MOMENT) is Tier.PREMIUM
    assert await stripe.tier(until) is Tier.FREE


async def test_a_failed_payment_keeps_access_for_the_grace_from_when_it_was_due(stripe: Stripe) -> None:
    await stripe.subscribe()
    await stripe.card(good=False)
    due = stripe.now() + PERIOD
    await stripe.pass_time(days=32)
    await stripe.tell_all()
    assert await stripe.tier() is Tier.PREMIUM
    assert await stripe.tier(due + GRACE - MOMENT) is Tier.PREMIUM
    assert await stripe.tier(due + GRACE) is Tier.FREE
    await stripe.card(good=True)
    await stripe.pass_time(days=2)
    await stripe.tell_all()
    assert await stripe.tier(due + PERIOD) is Tier.PREMIUM, "the payment was tried again and went through"


async def test_the_grace_does_not_begin_anew_with_each_period_that_is_not_paid(stripe: Stripe) -> None:
    stripe.app.state.stripe.book.after_retries = "past_due"
    await stripe.subscribe()
    await stripe.card(good=False)
    await stripe.pass_time(days=61)
    await stripe.tell_all()
    (row,) = await stripe.connection.fetch("SELECT status FROM subscriptions")
    assert row["status"] == "past_due"
    assert await stripe.tier() is Tier.FREE


@pytest.mark.parametrize("end", ["canceled", "unpaid"])
async def test_a_payment_that_failed_for_good_ends_access(stripe: Stripe, end: str) -> None:
    stripe.app.state.stripe.book.after_retries = end
    await stripe.subscribe()
    await stripe.card(good=False)
    await stripe.pass_time(days=48)
    await stripe.tell_all()
    assert await stripe.connection.fetchval("SELECT status FROM subscriptions") == end
    assert await stripe.tier() is Tier.FREE


async def test_an_unpaid_subscription_that_is_paid_after_all_gives_access_again(stripe: Stripe) -> None:
    stripe.app.state.stripe.book.after_retries = "unpaid"
    await stripe.subscribe()
    await stripe.card(good=False)
    await stripe.pass_time(days=48)
    await stripe.card(good=True)
    (invoice,) = (await stripe.client.v1.invoices.list_async({"status": "open"})).data
    await stripe.client.v1.invoices.pay_async(invoice.id)
    await stripe.tell_all()
    assert await stripe.tier() is Tier.PREMIUM


async def test_a_cancel_keeps_access_to_the_periods_end_and_no_longer(stripe: Stripe) -> None:
    subscription = await stripe.subscribe()
    await stripe.change(subscription, cancel_at_period_end=True)
    await stripe.tell_all()
    end = stripe.now() + PERIOD
    assert await stripe.tier(end - MOMENT) is Tier.PREMIUM
    assert await stripe.tier(end) is Tier.FREE, "without any event of its end"
    await stripe.change(subscription, cancel_at_period_end=False)
    await stripe.tell_all()
    assert await stripe.tier(end) is Tier.PREMIUM


async def test_what_ended_by_time_is_written_down_with_the_moment_it_did(stripe: Stripe) -> None:
    subscription = await stripe.subscribe()
    await stripe.change(subscription, cancel_at_period_end=True)
    await stripe.tell_all()
    end = stripe.now() + PERIOD
    await stripe.pass_time(days=33)
    await stripe.tell_all()
    assert [change[:2] for change in await stripe.changes()] == [("free", "premium"), ("premium", "free")]
    (*_, last) = await stripe.connection.fetch("SELECT at, cause FROM tier_changes ORDER BY id")
    assert tuple(last) == (end, "the time of access ended")


async def test_a_first_payment_that_fails_gives_nothing(stripe: Stripe) -> None:
    await stripe.card(good=False)
    await stripe.subscribe()
    await stripe.tell_all()
    assert await stripe.tier() is Tier.FREE
    await stripe.pass_time(days=1)
    await stripe.tell_all()
    assert await stripe.connection.fetchval("SELECT status FROM subscriptions") == "incomplete_expired"
    assert await stripe.tier() is Tier.FREE


async def test_a_trial_gives_access_and_a_pause_after_it_takes_it(stripe: Stripe) -> None:
    user_id, customer = await stripe.new_customer("trying@example.com")
    stripe.app.state.stripe.book.customers[customer].card = None
    pauses = {"end_behavior": {"missing_payment_method": "pause"}}
    await stripe.subscribe(Tier.PRO, customer, trial_period_days=14, trial_settings=pauses)
    await stripe.tell_all()
    assert await stripe.tier(user_id=user_id) is Tier.PRO
    await stripe.pass_time(days=15)
    await stripe.tell_all()
    assert await stripe.tier(user_id=user_id) is Tier.FREE


async def test_the_best_of_several_subscriptions_counts_and_the_next_when_it_ends(stripe: Stripe) -> None:
    await stripe.subscribe(Tier.BASIC)
    pro = await stripe.subscribe(Tier.PRO)
    await stripe.change(pro, cancel_at_period_end=True)
    await stripe.tell_all()
    assert await stripe.tier() is Tier.PRO
    assert await stripe.tier(stripe.now() + PERIOD) is Tier.BASIC, "by time alone"
    await stripe.client.v1.subscriptions.cancel_async(pro)
    await stripe.tell_all()
    assert await stripe.tier() is Tier.BASIC


async def test_the_order_of_arrival_does_not_matter(stripe: Stripe) -> None:
    subscription = await stripe.subscribe(Tier.BASIC)
    await stripe.change(subscription, items=[{"price": stripe.prices[Tier.PRO]}])
    await stripe.change(subscription, cancel_at_period_end=True)
    events = [event for event in await stripe.events() if event["type"].startswith("customer.subscription")]
    for order in itertools.permutations(events):
        await stripe.connection.execute("TRUNCATE subscriptions, stripe_events; UPDATE users SET tier = 'free'")
        for event in order:
            assert await stripe.tell(event) == "handled"
            assert await stripe.tier() is Tier.PRO, "after the first that arrives"


async def test_an_event_that_is_days_late_changes_nothing_back(stripe: Stripe) -> None:
    subscription = await stripe.subscribe(Tier.PRO)
    bought = await stripe.events()
    await stripe.client.v1.subscriptions.cancel_async(subscription)
    await stripe.tell_all()
    for event in bought:
        await stripe.tell(event)
    assert await stripe.tier() is Tier.FREE


async def test_a_deleted_customer_has_nothing(stripe: Stripe) -> None:
    await stripe.subscribe()
    await stripe.tell_all()
    await stripe.client.v1.customers.delete_async(stripe.customer)
    assert await stripe.tell_all() == {"handled"}
    assert await stripe.tier() is Tier.FREE
    assert await stripe.connection.fetchval("SELECT status FROM subscriptions") == "canceled"


async def test_events_of_a_deleted_customer_who_was_replaced_meanwhile_are_nobodys_and_alarm_nobody(
    stripe: Stripe,
) -> None:
    """The user bought again, as a new customer, before Stripe's word of the old one's end arrived."""
    await stripe.subscribe(Tier.BASIC)
    await stripe.client.v1.customers.delete_async(stripe.customer)
    second = await stripe.client.v1.customers.create_async({"metadata": {"user_id": stripe.user_id}})
    assert await billing.set_customer(stripe.connection, stripe.user_id, second.id, instead_of=stripe.customer)
    await stripe.card(good=True, customer=second.id)
    await stripe.subscribe(Tier.PRO, second.id)
    assert await stripe.tell_all() == {"handled"}
    assert await stripe.tier() is Tier.PRO
    assert all(handled for handled, _ in (await stripe.stored()).values())


async def test_a_price_that_is_not_sold_any_more_is_still_honoured(make_stripe: MakeStripe) -> None:
    stripe = await make_stripe()
    old = stripe.prices[Tier.PREMIUM]
    await make_stripe(stripe_price_premium=f"price_of_this_year, {old}")
    await stripe.subscribe()
    assert await stripe.tell_all() == {"handled"}
    assert await stripe.tier() is Tier.PREMIUM


async def test_an_unknown_price_is_parked_and_what_is_known_counts_until_it_is_known(make_stripe: MakeStripe) -> None:
    stripe = await make_stripe()
    pro = stripe.prices[Tier.PRO]
    await make_stripe(stripe_price_pro="price_nobody_has")
    await stripe.subscribe(Tier.BASIC)
    await stripe.tell_all()
    await stripe.subscribe(Tier.PRO)
    (*_, event) = await stripe.events()
    assert await stripe.tell(event) == "parked"
    assert (await stripe.stored())[event["id"]] == (False, f"unknown price {pro}")
    assert await stripe.tier() is Tier.BASIC
    assert await stripe.tell(event) == "parked"
    await make_stripe()
    assert await stripe.tell(event) == "handled"
    assert (await stripe.stored())[event["id"]] == (True, None)
    assert await stripe.tier() is Tier.PRO


async def test_a_customer_that_we_died_before_writing_down_is_known_by_what_we_told_stripe(stripe: Stripe) -> None:
    user_id, customer = await stripe.new_customer("second@example.com", known=False)
    await stripe.subscribe(Tier.PRO, customer)
    assert await stripe.tell_all() == {"handled"}
    assert await stripe.tier(user_id=user_id) is Tier.PRO


@pytest.mark.parametrize(
    "metadata", [{}, {"user_id": "nobody"}, {"user_id": "b3f2f4a0-0000-4000-8000-000000000000"}], ids=str
)
async def test_an_unknown_customer_is_parked_and_alarmed(
    stripe: Stripe, metadata: dict[str, str], caplog: pytest.LogCaptureFixture
) -> None:
    made = await stripe.client.v1.customers.create_async({"metadata": metadata})
    (event,) = await stripe.events()
    assert await stripe.tell(event) == "parked"
    assert await stripe.stored() == {event["id"]: (False, f"unknown customer {made.id}")}
    assert [record.message for record in caplog.records if record.levelname == "ERROR"] == ["billing parked"]


async def test_a_users_second_customer_is_parked_and_does_not_take_the_first_ones_place(stripe: Stripe) -> None:
    second = await stripe.client.v1.customers.create_async({"metadata": {"user_id": stripe.user_id}})
    await stripe.card(good=True, customer=second.id)
    await stripe.subscribe(Tier.PRO, second.id)
    assert await stripe.tell_all() == {"parked"}
    assert await stripe.tier() is Tier.FREE


async def test_a_key_of_another_account_takes_nobodys_access(stripe: Stripe) -> None:
    await stripe.subscribe()
    await stripe.tell_all()
    stripe.app.state.stripe.book.customers.clear()
    event: dict[str, Any] = {"id": "evt_x", "type": "invoice.paid", "data": {"object": {"customer": stripe.customer}}}
    assert await stripe.tell(event) == "parked"
    assert await stripe.tier() is Tier.PREMIUM


async def test_a_subscription_of_a_deleted_account_is_parked_because_money_flows(stripe: Stripe) -> None:
    await stripe.subscribe()
    await stripe.connection.execute("UPDATE users SET deleted_at = now()")
    assert await stripe.tell_all() == {"parked"}
    again = await accounts.upsert_user(stripe.connection, "payer@example.com", Tier.FREE, stripe.now())
    assert await stripe.tier(user_id=again) is Tier.FREE


async def test_many_deliveries_at_once_end_with_the_truth(stripe: Stripe) -> None:
    subscription = await stripe.subscribe(Tier.BASIC)
    for tier in (Tier.PRO, Tier.PREMIUM, Tier.PRO):
        await stripe.change(subscription, items=[{"price": stripe.prices[tier]}])
    events = await stripe.events()
    statuses = await at_once(*(stripe.tell(event) for event in events for _ in range(4)))
    assert sorted(statuses) == ["handled"] * len(events) + ["handled before"] * 3 * len(events)
    assert await stripe.tier() is Tier.PRO
    assert len(await stripe.changes()) == 1
