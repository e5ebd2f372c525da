"""What Stripe's events do to a user's tier, in whatever order, number and shape they come."""

from __future__ import annotations

import asyncio
import itertools
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from core import db
from core.models import Tier
from core.queries import accounts
from tests.conftest import NOW
from tests.stripe_webhook.conftest import PERIOD_END, PRICES, SECONDS, MakeStripe, Stripe

CREATED, UPDATED, DELETED = (f"customer.subscription.{what}" for what in ("created", "updated", "deleted"))


async def test_a_subscriptions_life_sets_the_tier_and_leaves_an_audit_trail(stripe: Stripe) -> None:
    bought = stripe.event(CREATED, "active", PRICES[Tier.BASIC], at=SECONDS)
    upgraded = stripe.event(UPDATED, "active", PRICES[Tier.PRO], at=SECONDS + 1)
    renewed = stripe.event(UPDATED, "active", PRICES[Tier.PRO], at=SECONDS + 2)
    ended = stripe.event(DELETED, "canceled", PRICES[Tier.PRO], at=SECONDS + 3)
    tiers = []
    for event in (bought, upgraded, renewed, ended):
        assert await stripe.told(event) == "handled"
        tiers.append(await stripe.tier())
    assert tiers == [Tier.BASIC, Tier.PRO, Tier.PRO, Tier.FREE]
    assert await stripe.changes() == [
        ("free", "basic", f"stripe {bought['id']}"),
        ("basic", "pro", f"stripe {upgraded['id']}"),
        ("pro", "free", f"stripe {ended['id']}"),
    ]
    row = await stripe.connection.fetchrow("SELECT * FROM subscriptions")
    assert row is not None
    assert row["current_period_end"] == datetime.fromtimestamp(PERIOD_END, UTC)


@pytest.mark.parametrize(
    ("status", "tier"),
    [
        ("trialing", Tier.PREMIUM),
        ("active", Tier.PREMIUM),
        ("past_due", Tier.PREMIUM),
        ("unpaid", Tier.FREE),
        ("paused", Tier.FREE),
        ("incomplete", Tier.FREE),
        ("incomplete_expired", Tier.FREE),
        ("canceled", Tier.FREE),
        ("a status of next year", Tier.FREE),
    ],
)
async def test_a_status_gives_access_or_takes_it(stripe: Stripe, status: str, tier: Tier) -> None:
    await stripe.told(stripe.event(CREATED, "active"))
    assert await stripe.told(stripe.event(UPDATED, status, at=SECONDS + 1)) == "handled"
    assert await stripe.tier() is tier


async def test_a_deletion_ends_access_whatever_status_it_carries(stripe: Stripe) -> None:
    await stripe.told(stripe.event())
    await stripe.told(stripe.event(DELETED, "active", at=SECONDS + 1))
    assert await stripe.tier() is Tier.FREE


async def test_the_order_of_arrival_does_not_matter(stripe: Stripe) -> None:
    events = [
        stripe.event(CREATED, "incomplete", PRICES[Tier.BASIC], at=SECONDS),
        stripe.event(UPDATED, "active", PRICES[Tier.BASIC], at=SECONDS),
        stripe.event(UPDATED, "active", PRICES[Tier.PREMIUM], at=SECONDS + 5),
    ]
    end = stripe.event(DELETED, "canceled", PRICES[Tier.PREMIUM], at=SECONDS + 5)
    for order in itertools.permutations(events):
        await stripe.connection.execute("TRUNCATE subscriptions, stripe_events")
        for event in order:
            assert await stripe.told(event) == "handled"
        assert await stripe.tier() is Tier.PREMIUM, [event["id"] for event in order]
    for order in itertools.permutations([*events, end]):
        await stripe.connection.execute("TRUNCATE subscriptions, stripe_events")
        for event in order:
            await stripe.told(event)
        assert await stripe.tier() is Tier.FREE, [event["id"] for event in order]


async def test_of_two_subscriptions_the_best_counts(stripe: Stripe) -> None:
    await stripe.told(stripe.event(price=PRICES[Tier.PRO], subscription="sub_pro"))
    await stripe.told(stripe.event(price=PRICES[Tier.BASIC], subscription="sub_basic", at=SECONDS + 1))
    assert await stripe.tier() is Tier.PRO
    await stripe.told(stripe.event(DELETED, price=PRICES[Tier.PRO], subscription="sub_pro", at=SECONDS + 2))
    assert await stripe.tier() is Tier.BASIC


async def test_of_two_items_the_best_counts_and_the_latest_end(stripe: Stripe) -> None:
    items = [
        {"price": {"id": PRICES[Tier.PRO]}, "current_period_end": PERIOD_END},
        {"price": {"id": "price_of_a_mug"}},
        {"price": {"id": PRICES[Tier.BASIC]}, "current_period_end": PERIOD_END + 1},
    ]
    assert await stripe.told(stripe.event(items={"data": items})) == "handled"
    assert await stripe.tier() is Tier.PRO
    end = await stripe.connection.fetchval("SELECT current_period_end FROM subscriptions")
    assert end == datetime.fromtimestamp(PERIOD_END + 1, UTC)


async def test_a_duplicate_is_handled_once(stripe: Stripe) -> None:
    event = stripe.event()
    assert [await stripe.told(event) for _ in range(3)] == ["handled", "handled before", "handled before"]
    await stripe.connection.execute("UPDATE users SET tier = 'free'")
    assert await stripe.told(event) == "handled before"
    assert await stripe.tier() is Tier.FREE
    assert len(await stripe.changes()) == 1


async def test_ten_deliveries_at_once_have_one_effect(stripe: Stripe) -> None:
    event = stripe.event()
    statuses = await asyncio.gather(*(stripe.told(event) for _ in range(10)))
    assert sorted(statuses) == ["handled", *["handled before"] * 9]
    assert len(await stripe.changes()) == 1
    assert await stripe.tier() is Tier.PREMIUM


async def test_a_new_customers_first_events_at_once_all_find_their_user(stripe: Stripe) -> None:
    events = [stripe.event(CREATED, "incomplete")] + [stripe.event(UPDATED, "active", at=SECONDS + n) for n in range(9)]
    statuses = await asyncio.gather(*(stripe.told(event) for event in events))
    assert set(statuses) == {"handled"}
    assert await stripe.tier() is Tier.PREMIUM


async def test_two_subscriptions_told_at_once_both_count(stripe: Stripe) -> None:
    await stripe.told(stripe.event(CREATED, "incomplete", at=SECONDS - 1))
    events = [
        stripe.event(price=price, subscription=f"sub_{tier}_{n}") for tier, price in PRICES.items() for n in range(3)
    ]
    await asyncio.gather(*(stripe.told(event) for event in events))
    assert await stripe.tier() is Tier.PRO


async def test_a_failure_in_the_middle_leaves_the_event_open_and_a_retry_handles_it(stripe: Stripe) -> None:
    event = stripe.event()
    await stripe.connection.execute("ALTER TABLE tier_changes RENAME TO elsewhere")
    assert (await stripe.send(event)).status_code == 500
    assert await stripe.parked() == {event["id"]: None}, "the event itself is there to be looked at"
    assert await stripe.handled_at(event["id"]) is None
    assert await stripe.tier() is Tier.FREE
    assert await stripe.connection.fetchval("SELECT count(*) FROM subscriptions") == 0
    await stripe.connection.execute("ALTER TABLE elsewhere RENAME TO tier_changes")
    assert await stripe.told(event) == "handled"
    assert await stripe.handled_at(event["id"]) == NOW
    assert await stripe.tier() is Tier.PREMIUM


async def test_without_the_database_stripe_is_told_to_come_again(make_stripe: MakeStripe) -> None:
    stripe = await make_stripe(database_url="postgresql://nobody:hidden@127.0.0.1:1/nothing")
    answer = await stripe.send(stripe.event())
    assert (answer.status_code, answer.json()) == (503, {"detail": "not stored, send again"})


async def test_an_unknown_price_is_parked_until_it_is_known(make_stripe: MakeStripe) -> None:
    stripe = await make_stripe()
    event = stripe.event(price="price_new")
    assert await stripe.told(event) == "parked"
    assert await stripe.parked() == {event["id"]: "unknown price price_new"}
    assert await stripe.tier() is Tier.FREE
    assert await stripe.told(event) == "parked"
    told_of_it = await make_stripe(stripe_price_pro="price_new")
    assert await told_of_it.told(event) == "handled"
    assert await stripe.parked() == {event["id"]: None}
    assert await stripe.tier() is Tier.PRO


async def test_a_subscription_to_an_unknown_price_still_ends(stripe: Stripe) -> None:
    await stripe.told(stripe.event())
    assert await stripe.told(stripe.event(DELETED, price="price_forgotten", at=SECONDS + 1)) == "handled"
    assert await stripe.tier() is Tier.FREE


@pytest.mark.parametrize(
    "metadata", [None, {}, {"user_id": "nobody"}, {"user_id": "b3f2f4a0-0000-4000-8000-000000000000"}, {"user_id": 7}]
)
async def test_an_unknown_customer_is_parked(stripe: Stripe, metadata: object) -> None:
    event = stripe.event(metadata=metadata)
    assert await stripe.told(event) == "parked"
    assert await stripe.parked() == {event["id"]: "unknown customer cus_1"}


async def test_a_known_customer_needs_no_metadata(stripe: Stripe) -> None:
    await stripe.told(stripe.event())
    assert await stripe.told(stripe.event(UPDATED, "canceled", at=SECONDS + 1, metadata=None)) == "handled"
    assert await stripe.tier() is Tier.FREE


async def test_a_customer_stays_with_its_user_whatever_metadata_say(stripe: Stripe) -> None:
    await stripe.told(stripe.event())
    other = await accounts.upsert_user(stripe.connection, "other@example.com", Tier.FREE, NOW)
    event = stripe.event(price=PRICES[Tier.PRO], at=SECONDS + 1, metadata={"user_id": other})
    assert await stripe.told(event) == "handled"
    assert (await stripe.tier(), await stripe.tier(other)) == (Tier.PRO, Tier.FREE)


async def test_a_users_second_customer_is_parked_and_does_not_take_the_first_ones_place(stripe: Stripe) -> None:
    await stripe.told(stripe.event())
    stripe.customer = "cus_2"
    event = stripe.event(price=PRICES[Tier.PRO], subscription="sub_2")
    assert await stripe.told(event) == "parked"
    assert await stripe.tier() is Tier.PREMIUM


async def test_a_deleted_users_customer_is_parked_and_gives_nobody_else_access(stripe: Stripe) -> None:
    await stripe.told(stripe.event())
    await stripe.connection.execute("UPDATE users SET deleted_at = now()")
    event = stripe.event(at=SECONDS + 1)
    assert await stripe.told(event) == "parked"
    again = await accounts.upsert_user(stripe.connection, "payer@example.com", Tier.FREE, NOW)
    event = stripe.event(at=SECONDS + 2, metadata={"user_id": again})
    assert await stripe.told(event) == "parked"
    assert (await stripe.parked())[event["id"]] == "unknown customer cus_1"
    assert await stripe.tier(again) is Tier.FREE


async def test_an_expanded_customer_and_price_are_read(stripe: Stripe) -> None:
    expanded = {"id": "cus_1", "object": "customer", "email": "payer@example.com"}
    assert await stripe.told(stripe.event(customer=expanded)) == "handled"
    items = {"data": [{"price": PRICES[Tier.PRO], "current_period_end": None}]}
    assert await stripe.told(stripe.event(items=items, at=SECONDS + 1)) == "handled"
    assert await stripe.tier() is Tier.PRO


@pytest.mark.parametrize(
    "changed",
    [
        {"items": None},
        {"items": {}},
        {"items": {"data": None}},
        {"items": {"data": [None]}},
        {"items": {"data": [{"price": None}]}},
        {"items": {"data": [{}]}},
        {"items": {"data": [{"price": {}}]}},
        {"items": {"data": [{"price": {"id": 7}}]}},
        {"items": {"data": []}},
        {"items": {"data": [{"price": {"id": PRICES[Tier.PRO]}, "current_period_end": "soon"}]}},
        {"items": {"data": [{"price": {"id": PRICES[Tier.PRO]}, "current_period_end": 10**30}]}},
        {"items": "text"},
        {"customer": None},
        {"customer": {}},
        {"customer": 7},
        {"customer": ""},
        {"metadata": "text"},
        {"metadata": ["user_id"]},
        {"status": None},
        {"status": 7},
        {"id": None},
        {"id": ["sub_1"]},
    ],
    ids=str,
)
async def test_a_signed_event_of_an_unknown_shape_is_parked_with_its_reason(
    stripe: Stripe, changed: dict[str, Any]
) -> None:
    event = stripe.event(**changed)
    assert await stripe.told(event) == "parked"
    reason = (await stripe.parked())[event["id"]]
    assert reason
    assert await stripe.tier() is Tier.FREE


@pytest.mark.parametrize("data", [None, {}, [], "text", {"object": None}, {"object": []}, {"object": "sub_1"}])
async def test_a_signed_event_without_its_object_is_parked(stripe: Stripe, data: object) -> None:
    event = stripe.event() | {"data": data}
    assert await stripe.told(event) == "parked"
    assert str((await stripe.parked())[event["id"]]).startswith("malformed: ")


@pytest.mark.parametrize("created", [None, "yesterday", "1795352700", 10**30, -(10**30), 1.5, True, [], {}])
async def test_a_signed_event_that_does_not_say_when_is_parked(stripe: Stripe, created: object) -> None:
    event = stripe.event() | {"created": created}
    assert await stripe.told(event) == "parked"
    assert await stripe.parked() == {event["id"]: "malformed: no time of creation"}


async def test_characters_that_the_database_cannot_hold_do_not_stop_an_event(stripe: Stripe) -> None:
    event = stripe.event(metadata={"user_id": stripe.user_id, "no\0te": "a\0b", "list": ["\0"], "path": r"\u0000"})
    assert await stripe.told(event) == "handled"
    stored = await stripe.connection.fetchval("SELECT body FROM stripe_events")
    assert stored["data"]["object"]["metadata"]["note"] == "ab"
    assert stored["data"]["object"]["metadata"]["path"] == r"\u0000"


@pytest.mark.parametrize("kind", ["invoice.paid", "customer.created", "checkout.session.completed", "of.next.year"])
async def test_other_events_are_stored_and_have_no_effect(stripe: Stripe, kind: str) -> None:
    event = stripe.event(kind, price=PRICES[Tier.PRO])
    assert await stripe.told(event) == "handled"
    assert await stripe.told(event) == "handled before"
    assert await stripe.parked() == {event["id"]: None}
    assert await stripe.tier() is Tier.FREE


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(changed=st.dictionaries(st.sampled_from(["id", "customer", "status", "items", "metadata"]), JSON), data=JSON)
async def test_no_signed_event_can_break_the_webhook(stripe: Stripe, changed: dict[str, Any], data: object) -> None:
    for event in (stripe.event(**changed), stripe.event() | {"data": data}):
        await stripe.connection.execute("DELETE FROM stripe_events")
        assert await stripe.told(event) in ("handled", "parked")
        assert await stripe.handled_at(event["id"]) == NOW


async def test_events_are_told_by_time_not_by_arrival_for_any_history(
    stripe: Stripe, connection: db.Connection
) -> None:
    """Every prefix of a history told backwards ends where the history ends."""
    history = [("active", Tier.BASIC), ("active", Tier.PRO), ("past_due", Tier.PRO), ("unpaid", Tier.PRO)]
    events = [stripe.event(UPDATED, status, PRICES[tier], at=SECONDS + n) for n, (status, tier) in enumerate(history)]
    ends = [Tier.BASIC, Tier.PRO, Tier.PRO, Tier.FREE]
    for length, end in enumerate(ends, 1):
        await connection.execute("TRUNCATE subscriptions, stripe_events")
        for event in reversed(events[:length]):
            await stripe.told(event)
        assert await stripe.tier() is end
