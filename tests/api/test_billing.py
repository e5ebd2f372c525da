"""Buying, changing and ending a subscription: our routes, Stripe's pages in a browser, its events at the webhook."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any

import httpx
import pytest

from core import db
from core.models import Tier
from core.queries import billing, signing_in
from tests.api.conftest import Api, MakeApi
from tests.stripe_account import PAID, Stripe

BILLING = "/api/v1/billing"
PASSWORD = "correct horse battery"
MakeShop = Callable[..., Awaitable[Api]]


@pytest.fixture
def make_shop(make_api: MakeApi, stripe: Stripe) -> MakeShop:
    """make_shop(**settings): the API with Stripe's account. Whose tier counts is asked by real time, so Stripe's is."""
    stripe.app.state.stripe.clock.set(int(time.time()))

    async def make(**overrides: Any) -> Api:
        prices = {f"stripe_price_{tier}": price for tier, price in stripe.prices.items()}
        given = {
            "stripe_secret_key": "sk_test_1",
            "stripe_base_url": stripe.url,
            "stripe_retries": 0,
            "tier_fresh_s": 0,
        }
        return await make_api(**(given | prices | overrides))

    return make


@pytest.fixture
async def shop(make_shop: MakeShop) -> Api:
    return await make_shop()


async def post(shop: Api, path: str, body: object = None, tier: Tier = Tier.FREE) -> httpx.Response:
    return await shop.http.post(f"{BILLING}{path}", json=body, headers=await shop.signed_in(tier))


async def checkout(shop: Api, tier: Tier) -> str:
    answer = await post(shop, "/checkout", {"tier": tier.value})
    assert answer.status_code == 200, answer.text
    url: str = answer.json()["url"]
    return url


def in_browser(url: str, stripe: Stripe, **fields: str) -> httpx.Response:
    """What a person does on Stripe's page."""
    return httpx.post(url.replace("http://127.0.0.1", stripe.url, 1), data=fields)


async def buy(shop: Api, stripe: Stripe, tier: Tier) -> None:
    paid = in_browser(await checkout(shop, tier), stripe, card="pm_card_visa")
    assert (paid.status_code, paid.headers["location"]) == (303, "http://127.0.0.1:8000/?checkout=done")
    assert await stripe.tell_all() == {"handled"}


async def test_plans_are_what_stripe_asks_for(shop: Api) -> None:
    said = (await shop.get(Tier.FREE, f"{BILLING}/plans")).json()
    assert said["trial_days"] == 0
    assert [(plan["tier"], plan["price"], plan["currency"], plan["interval"]) for plan in said["plans"]] == [
        ("basic", "9.00", "usd", "month"),
        ("premium", "29.00", "usd", "month"),
        ("pro", "99.00", "usd", "month"),
    ]


@pytest.mark.parametrize(("currency", "told"), [("jpy", "1900"), ("kwd", "1.900"), ("eur", "19.00")])
async def test_a_plan_is_told_in_its_currencys_own_unit(
    make_shop: MakeShop, stripe: Stripe, currency: str, told: str
) -> None:
    product = await stripe.client.v1.products.create_async({"name": "OddWons pro"})
    made = await stripe.client.v1.prices.create_async(
        {"product": product.id, "currency": currency, "unit_amount": 1_900, "recurring": {"interval": "month"}}
    )
    shop = await make_shop(stripe_price_pro=made.id)
    (*_, plan) = (await shop.get(Tier.FREE, f"{BILLING}/plans")).json()["plans"]
    assert (plan["price"], plan["currency"]) == (told, currency)


@pytest.mark.parametrize("tier", PAID)
async def test_who_pays_gets_the_tier_in_the_next_request_with_its_limits(
    shop: Api, stripe: Stripe, tier: Tier
) -> None:
    before = await shop.get(Tier.FREE, "/api/v1/insights/ai")
    assert (before.status_code, before.headers["ratelimit-policy"]) == (403, '"minute";q=30;w=60')
    await buy(shop, stripe, tier)
    after = await shop.get(Tier.FREE, "/api/v1/insights/ai")
    limit = {Tier.BASIC: 60, Tier.PREMIUM: 120, Tier.PRO: 600}[tier]
    assert (after.status_code, after.headers["ratelimit-policy"]) == (200, f'"minute";q={limit};w=60')
    said = (await shop.get(Tier.FREE, f"{BILLING}/subscription")).json()
    assert said["tier"] == tier
    assert [(one["tier"], one["status"]) for one in said["subscriptions"]] == [(tier, "active")]


async def test_an_upgrade_and_a_cancel_go_through_the_portal(shop: Api, stripe: Stripe) -> None:
    await buy(shop, stripe, Tier.BASIC)
    url = (await post(shop, "/portal")).json()["url"]
    (subscription,) = (await shop.get(Tier.FREE, f"{BILLING}/subscription")).json()["subscriptions"]
    in_browser(url, stripe, **{f"{subscription['id']}.price": stripe.prices[Tier.PRO]})
    await stripe.tell_all()
    assert (await shop.body(Tier.FREE))["refresh"] == "real-time"
    in_browser(url, stripe, **{f"{subscription['id']}.cancels": "true"})
    await stripe.tell_all()
    said = (await shop.get(Tier.FREE, f"{BILLING}/subscription")).json()
    assert said["tier"] == "pro"
    assert said["subscriptions"][0]["cancel_at"] == said["subscriptions"][0]["current_period_end"]
    assert said["subscriptions"][0]["access_until"] == said["subscriptions"][0]["cancel_at"]


async def test_a_second_click_leads_to_the_same_checkout_of_the_same_customer(shop: Api, stripe: Stripe) -> None:
    first, second = await checkout(shop, Tier.PRO), await checkout(shop, Tier.PRO)
    assert first == second
    assert await checkout(shop, Tier.BASIC) != first
    assert len(stripe.app.state.stripe.book.customers) == 2, "the fixture's and this one"


async def test_two_replicas_at_once_make_one_customer(make_shop: MakeShop, stripe: Stripe) -> None:
    one, other = await make_shop(), await make_shop()
    await one.user(Tier.FREE)
    other.users = one.users
    assert await checkout(one, Tier.PRO) == await checkout(other, Tier.PRO)
    assert len(stripe.app.state.stripe.book.customers) == 2


async def test_a_failure_of_stripe_in_the_middle_is_made_up_for_by_the_next_click(shop: Api, stripe: Stripe) -> None:
    stripe.app.state.stripe.faults.chance.choice = lambda _: "after"
    stripe.fail(1.0)
    assert (await post(shop, "/checkout", {"tier": "pro"})).status_code == 503
    stripe.fail()
    await checkout(shop, Tier.PRO)
    assert len(stripe.app.state.stripe.book.customers) == 2, "made once, though its answer was lost"


async def test_who_has_a_subscription_is_sent_to_the_portal(shop: Api, stripe: Stripe) -> None:
    await buy(shop, stripe, Tier.BASIC)
    answer = await post(shop, "/checkout", {"tier": "pro"})
    assert answer.status_code == 409
    assert "portal" in answer.json()["detail"]


async def test_who_came_back_after_an_end_buys_again_without_a_second_trial(
    make_shop: MakeShop, stripe: Stripe
) -> None:
    shop = await make_shop(trial_days=14)
    assert (await shop.get(Tier.FREE, f"{BILLING}/plans")).json()["trial_days"] == 14
    await buy(shop, stripe, Tier.PRO)
    (one,) = (await shop.get(Tier.FREE, f"{BILLING}/subscription")).json()["subscriptions"]
    assert one["status"] == "trialing"
    await stripe.client.v1.subscriptions.cancel_async(one["id"])
    await stripe.tell_all()
    await buy(shop, stripe, Tier.PRO)
    said = (await shop.get(Tier.FREE, f"{BILLING}/subscription")).json()
    assert [sub["status"] for sub in said["subscriptions"]] == ["active", "canceled"]


async def test_who_paid_and_whose_event_is_late_is_not_sold_a_second_subscription(shop: Api, stripe: Stripe) -> None:
    in_browser(await checkout(shop, Tier.BASIC), stripe, card="pm_card_visa")
    answer = await post(shop, "/checkout", {"tier": "pro"})
    assert answer.status_code == 409
    assert len(stripe.app.state.stripe.book.subscriptions) == 1
    said = (await shop.get(Tier.FREE, f"{BILLING}/subscription")).json()
    assert said["tier"] == "basic", "what was learnt by asking counts"
    assert await stripe.tell_all() == {"handled"}
    assert len(await stripe.changes()) == 1


@pytest.fixture
async def leaver(make_shop: MakeShop) -> tuple[Api, dict[str, str]]:
    """A shop, and a free user with a password."""
    shop = await make_shop()
    hashed = await shop.app.state.accounts.passwords.hash(PASSWORD)
    async with shop.pool.acquire() as connection:
        await signing_in.set_password(connection, await shop.user(Tier.FREE), hashed)
    return shop, await shop.signed_in(Tier.FREE)


async def leave(shop: Api, headers: dict[str, str]) -> int:
    answer = await shop.http.request("DELETE", "/api/v1/auth/me", json={"password": PASSWORD}, headers=headers)
    return answer.status_code


async def test_an_account_is_not_deleted_while_it_pays_though_the_event_is_late(
    leaver: tuple[Api, dict[str, str]], stripe: Stripe
) -> None:
    in_browser(await checkout(leaver[0], Tier.PRO), stripe, card="pm_card_visa")
    assert await leave(*leaver) == 409
    (subscription,) = stripe.app.state.stripe.book.subscriptions.values()
    await stripe.client.v1.subscriptions.cancel_async(subscription.id)
    assert await leave(*leaver) == 204


async def test_an_account_is_not_deleted_while_a_subscription_is_being_written(
    leaver: tuple[Api, dict[str, str]], connection: db.Connection
) -> None:
    shop, headers = leaver
    user = shop.users[Tier.FREE]
    async with connection.transaction():
        await billing.lock_user(connection, user)
        late = asyncio.ensure_future(leave(shop, headers))
        while not await connection.fetchval(  # noqa: ASYNC110
            "SELECT count(*) FROM pg_locks WHERE NOT granted AND pg_backend_pid() = ANY(pg_blocking_pids(pid))"
        ):
            await asyncio.sleep(0.01)
        await connection.execute(
            "INSERT INTO subscriptions (stripe_subscription_id, user_id, status, tier, told_at) "
            "VALUES ('sub_1', $1::uuid, 'active', 'pro', now())",
            user,
        )
    assert await late == 409


async def test_with_stripe_away_nobody_who_may_pay_is_deleted(
    leaver: tuple[Api, dict[str, str]], stripe: Stripe
) -> None:
    await checkout(leaver[0], Tier.PRO)
    stripe.fail(down=True)
    assert await leave(*leaver) == 503
    stripe.fail()
    assert await leave(*leaver) == 204


async def test_a_declined_card_buys_nothing(shop: Api, stripe: Stripe) -> None:
    url = await checkout(shop, Tier.PRO)
    assert in_browser(url, stripe, card="pm_card_chargeCustomerFail").status_code == 402
    await stripe.tell_all()
    assert (await shop.get(Tier.FREE)).status_code == 403


async def test_a_customer_that_was_deleted_at_stripe_is_replaced(shop: Api, stripe: Stripe) -> None:
    await buy(shop, stripe, Tier.BASIC)
    async with shop.pool.acquire() as connection:
        old = await billing.customer_of(connection, shop.users[Tier.FREE])
        assert old is not None
        await stripe.client.v1.customers.delete_async(old)
        await stripe.tell_all()
        await buy(shop, stripe, Tier.PRO)
        assert await billing.customer_of(connection, shop.users[Tier.FREE]) != old
    assert (await shop.body(Tier.FREE))["refresh"] == "real-time"


async def test_the_portal_needs_something_bought(shop: Api) -> None:
    assert (await post(shop, "/portal")).status_code == 409


@pytest.mark.parametrize("body", [None, {}, {"tier": "free"}, {"tier": "gold"}, {"tier": "pro", "price": "price_1"}])
async def test_an_order_for_anything_else_is_refused(shop: Api, stripe: Stripe, body: object) -> None:
    calls = stripe.calls
    assert (await post(shop, "/checkout", body)).status_code == 422
    assert stripe.calls == calls


@pytest.mark.parametrize("path", ["/plans", "/subscription"])
async def test_strangers_are_told_nothing(shop: Api, path: str) -> None:
    assert (await shop.http.get(f"{BILLING}{path}")).status_code == 401


async def test_with_stripe_away_the_answer_says_so_and_what_one_has_is_still_told(shop: Api, stripe: Stripe) -> None:
    stripe.fail(down=True)
    assert (await shop.get(Tier.FREE, f"{BILLING}/plans")).status_code == 503
    assert (await post(shop, "/checkout", {"tier": "pro"})).status_code == 503
    assert (await shop.get(Tier.FREE, f"{BILLING}/subscription")).status_code == 200


async def test_without_a_key_nothing_can_be_bought(make_api: MakeApi) -> None:
    api = await make_api()
    answer = await post(api, "/checkout", {"tier": "pro"})
    assert answer.status_code == 503
    assert "STRIPE" not in answer.text


async def test_a_key_that_stripe_refuses_is_no_word_to_the_caller(make_shop: MakeShop) -> None:
    shop = await make_shop(stripe_secret_key="rk_wrong")
    answer = await post(shop, "/checkout", {"tier": "pro"})
    assert answer.status_code == 502
    assert "rk_wrong" not in answer.text
    assert "Key" not in answer.text
