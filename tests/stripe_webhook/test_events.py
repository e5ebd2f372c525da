"""What becomes of an event itself: stored once, handled once, open until it is."""

from __future__ import annotations

import asyncio
import threading
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from core.models import Tier
from tests.stripe_account import MakeStripe, Stripe


def event(about: object = None, kind: str = "invoice.paid", **changed: Any) -> dict[str, Any]:
    return {"id": "evt_1", "type": kind, "created": 1_795_352_700, "data": {"object": about}} | changed


async def test_a_duplicate_is_handled_once_and_asks_stripe_nothing(stripe: Stripe) -> None:
    await stripe.subscribe()
    (told, *_) = await stripe.events()
    assert await stripe.tell(told) == "handled"
    calls = stripe.calls
    assert [await stripe.tell(told) for _ in range(3)] == ["handled before"] * 3
    assert stripe.calls == calls
    assert len(await stripe.changes()) == 1


async def test_a_failure_of_our_database_leaves_the_event_open_and_a_retry_handles_it(stripe: Stripe) -> None:
    await stripe.subscribe()
    (told, *_) = await stripe.events()
    await stripe.connection.execute("ALTER TABLE tier_changes RENAME TO elsewhere")
    assert (await stripe.send(told)).status_code == 500
    assert await stripe.stored() == {told["id"]: (False, None)}, "the event itself is there to be looked at"
    assert await stripe.tier() is Tier.FREE
    assert await stripe.connection.fetchval("SELECT count(*) FROM subscriptions") == 0
    await stripe.connection.execute("ALTER TABLE elsewhere RENAME TO tier_changes")
    assert await stripe.tell(told) == "handled"
    assert await stripe.stored() == {told["id"]: (True, None)}
    assert await stripe.tier() is Tier.PREMIUM


async def test_a_failure_of_stripe_leaves_the_event_open_and_a_retry_handles_it(stripe: Stripe) -> None:
    await stripe.subscribe()
    (told, *_) = await stripe.events()
    stripe.fail(down=True)
    answer = await stripe.send(told)
    assert (answer.status_code, answer.json()) == (503, {"detail": "not handled, send again"})
    assert await stripe.stored() == {told["id"]: (False, None)}
    stripe.fail()
    assert await stripe.tell(told) == "handled"
    assert await stripe.tier() is Tier.PREMIUM


async def test_without_the_database_stripe_is_told_to_come_again(make_stripe: MakeStripe) -> None:
    stripe = await make_stripe(database_url="postgresql://nobody:hidden@127.0.0.1:1/nothing")
    answer = await stripe.send(event())
    assert (answer.status_code, answer.json()) == (503, {"detail": "not handled, send again"})


async def test_a_key_that_stripe_refuses_is_no_success(make_stripe: MakeStripe) -> None:
    stripe = await make_stripe(stripe_secret_key="pk_a_public_one")
    await stripe.subscribe()
    (told, *_) = await stripe.events()
    answer = await stripe.send(told)
    assert answer.status_code == 503
    assert "pk_a_public_one" not in answer.text


async def test_a_sync_that_is_overtaken_does_not_put_the_old_truth_back(stripe: Stripe) -> None:
    subscription = await stripe.subscribe(Tier.BASIC)
    early, *_ = await stripe.events()
    faults, calls = stripe.app.state.stripe.faults, stripe.calls
    faults.held, faults.spares = threading.Event(), "sk_test_1"
    slow = asyncio.ensure_future(stripe.send(early))
    while stripe.calls == calls:  # noqa: ASYNC110  Stripe's answer is made now, and does not arrive
        await asyncio.sleep(0.01)
    await stripe.change(subscription, items=[{"price": stripe.prices[Tier.PRO]}])
    late, *_ = await stripe.events()
    faults.held, first_held = None, faults.held
    assert await stripe.tell(late) == "handled"
    first_held.set()
    assert (await slow).status_code == 200
    assert await stripe.tier() is Tier.PRO
    assert set((await stripe.stored()).values()) == {(True, None)}


@pytest.mark.parametrize("kind", ["product.created", "payout.paid", "of.next.year"])
async def test_an_event_that_is_nobodys_is_stored_and_has_no_effect(stripe: Stripe, kind: str) -> None:
    calls = stripe.calls
    assert await stripe.tell(event({"id": "prod_1", "object": "product"}, kind)) == "handled"
    assert await stripe.stored() == {"evt_1": (True, None)}
    assert stripe.calls == calls


async def test_an_expanded_customer_is_read(stripe: Stripe) -> None:
    await stripe.subscribe()
    assert await stripe.tell(event({"customer": {"id": stripe.customer, "object": "customer"}})) == "handled"
    assert await stripe.tier() is Tier.PREMIUM


@pytest.mark.parametrize(
    "about",
    [None, {}, [], "text", {"customer": None}, {"customer": ""}, {"customer": 7}, {"customer": {"id": ["x"]}}],
    ids=str,
)
async def test_an_event_about_access_that_names_no_customer_is_parked(stripe: Stripe, about: object) -> None:
    assert await stripe.tell(event(about)) == "parked"
    assert await stripe.stored() == {"evt_1": (False, "malformed: invoice.paid that names no customer")}


async def test_an_event_is_kept_as_it_was_told(stripe: Stripe) -> None:
    told = event({"object": "product", "name": "a\u0000b"}, "product.created", created="soon")
    assert await stripe.tell(told) == "handled"
    row = await stripe.connection.fetchrow("SELECT * FROM stripe_events")
    assert row is not None
    assert row["created_at"] == stripe.now()
    assert row["body"]["data"]["object"]["name"] == "a\ufffdb"


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)


@settings(max_examples=60, deadline=timedelta(seconds=20), suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=JSON, created=JSON, more=st.dictionaries(st.sampled_from(["customer", "object", "id"]), JSON))
async def test_no_signed_event_can_break_the_webhook(stripe: Stripe, data: object, created: object, more: Any) -> None:
    for told in (event(more, created=created), event() | {"data": data}):
        await stripe.connection.execute("DELETE FROM stripe_events")
        assert await stripe.tell(told) in ("handled", "parked")
