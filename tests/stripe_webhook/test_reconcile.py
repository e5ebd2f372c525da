"""The daily comparison: what webhooks missed is found, repaired and told."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import timedelta
from typing import Any

import pytest

from core import db
from core.cache import make_cache
from core.errors import JobFailed, StripeDown
from core.models import Tier
from core.runtime import JOBS, Run
from core.settings import WebhookSettings
from stripe_webhook import reconcile
from tests.stripe_account import MakeStripe, Stripe, settings_of

Reconcile = Callable[..., Awaitable[dict[str, Any]]]


@pytest.fixture
async def run(stripe: Stripe, database_url: str) -> AsyncIterator[Reconcile]:
    """run(**settings): one run of the job, now by Stripe's clock; its summary."""
    opened: list[db.Pool] = []

    async def once(**overrides: Any) -> dict[str, Any]:
        settings = settings_of(stripe, database_url, **overrides)
        pool = await db.make_pool(settings)
        opened.append(pool)
        given: Run[WebhookSettings] = Run(
            JOBS["reconcile"], settings, pool, make_cache(settings), stripe.now, stripe.now()
        )
        return await reconcile.run(given)

    yield once
    for pool in opened:
        await pool.close()


async def test_what_no_event_told_is_found_repaired_and_told(stripe: Stripe, run: Reconcile) -> None:
    subscription = await stripe.subscribe()
    said = await run()
    assert (said["compared"], said["differing"], said["repaired"]) == (1, 1, 1)
    assert said["differences"] == {stripe.customer: [f"{subscription}: active at Stripe, unknown here"]}
    assert await stripe.tier() is Tier.PREMIUM
    assert await stripe.changes() == [("free", "premium", "reconcile")]


async def test_a_second_run_finds_nothing(stripe: Stripe, run: Reconcile) -> None:
    await stripe.subscribe()
    await stripe.card(good=False)
    await stripe.pass_time(days=31)
    await run()
    said = await run()
    assert (said["compared"], said["differing"], said["differences"]) == (1, 0, {})
    assert len(await stripe.changes()) == 1


@pytest.mark.parametrize("what", ["tier", "status", "period", "cancelled"])
async def test_each_kind_of_difference_is_repaired(stripe: Stripe, run: Reconcile, what: str) -> None:
    await stripe.subscribe()
    await stripe.tell_all()
    wrong = {
        "tier": "tier = 'pro'",
        "status": "status = 'unpaid', access_until = NULL",
        "period": "current_period_end = now(), access_until = now()",
        "cancelled": "cancel_at = now()",
    }
    before = await stripe.connection.fetchrow("SELECT * FROM subscriptions")
    await stripe.connection.execute(f"UPDATE subscriptions SET {wrong[what]}")
    assert (await run())["repaired"] == 1
    assert await stripe.connection.fetchrow("SELECT * FROM subscriptions") == before


async def test_a_subscription_that_is_over_at_stripe_ends_here(stripe: Stripe, run: Reconcile) -> None:
    subscription = await stripe.subscribe()
    await stripe.tell_all()
    await stripe.client.v1.subscriptions.cancel_async(subscription)
    said = await run()
    assert said["differences"] == {stripe.customer: [f"{subscription}: active here, cancelled at Stripe"]}
    assert await stripe.tier() is Tier.FREE
    assert await stripe.changes() == [*(await stripe.changes())[:1], ("premium", "free", "reconcile")]


async def test_what_was_parked_is_handled_once_it_can_be(
    make_stripe: MakeStripe, stripe: Stripe, run: Reconcile
) -> None:
    await make_stripe(stripe_price_pro="price_nobody_has")
    await stripe.subscribe(Tier.PRO)
    assert "parked" in await stripe.tell_all()
    stripe.app.state.stripe.clock.set(int((stripe.now() + timedelta(minutes=11)).timestamp()))
    said = await run(stripe_price_pro="price_nobody_has")
    assert set(said["parked"].values()) == {f"unknown price {stripe.prices[Tier.PRO]}"}
    assert await stripe.tier() is Tier.FREE
    said = await run()
    assert said["parked"] == {}
    assert said["events"]["handled"] == said["events"]["open"] > 0
    assert all(handled for handled, _ in (await stripe.stored()).values())
    assert await stripe.tier() is Tier.PRO


async def test_however_many_are_open_each_is_tried_and_stripe_is_asked_once_for_each_customer(
    stripe: Stripe, run: Reconcile
) -> None:
    """What the operator never mends must not keep from the others what they wait for."""
    await stripe.subscribe()
    await stripe.connection.execute(
        "INSERT INTO stripe_events (id, type, customer_id, created_at, received_at, body) "
        "SELECT 'evt_' || n, 'x', CASE WHEN n <= 1200 THEN 'cus_unknown' ELSE $2 END, $1, "
        "$1::timestamptz + make_interval(secs => n), '{}' FROM generate_series(1, 1210) n",
        stripe.now() - timedelta(days=1),
        stripe.customer,
    )
    calls = stripe.calls
    said = await run()
    assert said["events"] == {"open": 1210, "handled": 10}
    assert said["parked"] == {"cus_unknown": "unknown customer cus_unknown"}
    assert stripe.calls - calls < 10
    rows = await stripe.connection.fetch(
        "SELECT parked_because, count(*) FROM stripe_events WHERE handled_at IS NULL GROUP BY 1"
    )
    assert [tuple(row) for row in rows] == [("unknown customer cus_unknown", 1200)]


async def test_a_subscription_in_a_strange_shape_hides_no_other(stripe: Stripe, run: Reconcile) -> None:
    other_user, other = await stripe.new_customer("second@example.com")
    await stripe.subscribe(Tier.PRO, other)
    odd = await stripe.subscribe()
    await stripe.tell_all()
    await stripe.connection.execute("TRUNCATE subscriptions; UPDATE users SET tier = 'free', tier_until = NULL")
    stripe.app.state.stripe.book.subscriptions[odd].period_end = "soon"
    with pytest.raises(JobFailed, match=f"1 were not reconciled: {odd}: a subscription in a shape we do not know"):
        await run()
    assert await stripe.tier(user_id=other_user) is Tier.PRO


async def test_an_unknown_customer_who_pays_is_told_every_day(
    stripe: Stripe, run: Reconcile, caplog: pytest.LogCaptureFixture
) -> None:
    stranger = await stripe.client.v1.customers.create_async({"email": "stranger@example.com"})
    await stripe.card(good=True, customer=stranger.id)
    await stripe.subscribe(Tier.PRO, stranger.id)
    for _ in range(2):
        caplog.clear()
        assert (await run())["parked"] == {stranger.id: f"unknown customer {stranger.id}"}
        assert "billing needs the operator" in [record.message for record in caplog.records]


async def test_what_ended_by_time_is_written_down(stripe: Stripe, run: Reconcile) -> None:
    subscription = await stripe.subscribe()
    await stripe.change(subscription, cancel_at_period_end=True)
    await stripe.tell_all()
    await stripe.pass_time(days=31)
    assert (await run())["lapsed"] == 1
    assert (await run())["lapsed"] == 0
    assert (await stripe.changes())[-1] == ("premium", "free", "the time of access ended")


async def test_with_stripe_away_the_job_fails_and_nobody_loses_anything(stripe: Stripe, run: Reconcile) -> None:
    await stripe.subscribe()
    await stripe.tell_all()
    stripe.fail(down=True)
    with pytest.raises(StripeDown):
        await run()
    assert await stripe.tier() is Tier.PREMIUM


async def test_more_subscriptions_than_one_page_are_all_compared(stripe: Stripe, run: Reconcile) -> None:
    for _ in range(105):
        await stripe.subscribe()
    assert (await run())["compared"] == 105
