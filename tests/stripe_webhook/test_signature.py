"""Only what Stripe signed lately with a secret of ours is read; nothing else leaves a trace."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator

import orjson
import pytest

from core.errors import ConfigError
from core.models import Tier
from core.settings import WebhookSettings, load
from tests.stripe_webhook.conftest import PATH, SECRET, MakeStripe, Stripe, sign

NOWHERE = "postgresql://nobody:hidden@127.0.0.1:1/nothing"
WHOLE = {
    "DATABASE_URL": NOWHERE,
    "STRIPE_WEBHOOK_SECRET": SECRET,
    "STRIPE_PRICE_BASIC": "price_1",
    "STRIPE_PRICE_PREMIUM": "price_2",
    "STRIPE_PRICE_PRO": "price_3",
}


async def refused(stripe: Stripe, body: bytes, signature: str | bytes | None, status: int = 400) -> None:
    answer = await stripe.post(body, signature)
    assert answer.status_code == status, answer.text
    assert SECRET not in answer.text
    assert await stripe.parked() == {}
    assert await stripe.tier() is Tier.FREE


async def test_a_signed_event_is_taken(stripe: Stripe) -> None:
    assert await stripe.told(stripe.event()) == "handled"
    assert await stripe.tier() is Tier.PREMIUM


async def test_each_of_several_secrets_counts_while_one_is_rolled(make_stripe: MakeStripe) -> None:
    stripe = await make_stripe(stripe_webhook_secret=f"{SECRET} , whsec_the_new_one")
    for secret in (SECRET, "whsec_the_new_one"):
        assert (await stripe.send(stripe.event(), secret)).status_code == 200
    assert (await stripe.send(stripe.event(), "whsec_a_third_one")).status_code == 400
    assert (await stripe.send(stripe.event(), f"{SECRET} , whsec_the_new_one")).status_code == 400


async def test_stripe_may_sign_with_two_secrets_at_once(stripe: Stripe) -> None:
    body = orjson.dumps(stripe.event())
    now = time.time()
    both = f"{sign(body, 'whsec_the_old_one', now)},{sign(body, SECRET, now).partition(',')[2]}"
    assert (await stripe.post(body, both)).status_code == 200


async def test_a_forged_body_is_refused(stripe: Stripe) -> None:
    body = orjson.dumps(stripe.event())
    signature = sign(body)
    await refused(stripe, body.replace(b"price_premium", b"price_pro"), signature)
    await refused(stripe, body + b" ", signature)
    await refused(stripe, body[: len(body) // 2], signature)
    await refused(stripe, b"", signature)
    await refused(stripe, body, sign(body, "whsec_of_somebody_else"))


async def test_a_replayed_event_is_refused_after_the_tolerance(make_stripe: MakeStripe) -> None:
    stripe = await make_stripe(stripe_tolerance_s=300)
    body = orjson.dumps(stripe.event())
    await refused(stripe, body, sign(body, at=time.time() - 400))
    assert (await stripe.post(body, sign(body, at=time.time() - 100))).status_code == 200


async def test_a_signature_with_its_time_moved_is_refused(stripe: Stripe) -> None:
    body = orjson.dumps(stripe.event())
    then = int(time.time()) - 400
    old = sign(body, at=then)
    await refused(stripe, body, old.replace(str(then), str(int(time.time()))))


@pytest.mark.parametrize(
    "signature",
    [
        None,
        "",
        "t=1",
        "v1=00",
        "t=,v1=",
        "t=now,v1=00",
        "nonsense",
        ",,,===",
        b"t=1,v1=\xff\xfe",
        f"t={'9' * 5000},v1=00",
        f"t={2**80},v1=00",
        "t=1,v0=00",
    ],
    ids=lambda value: repr(value)[:20],
)
async def test_what_is_no_signature_is_refused(stripe: Stripe, signature: str | bytes | None) -> None:
    await refused(stripe, orjson.dumps(stripe.event()), signature)


async def test_a_signature_of_another_scheme_is_refused(stripe: Stripe) -> None:
    body = orjson.dumps(stripe.event())
    await refused(stripe, body, sign(body).replace("v1=", "v0="))


async def test_non_ascii_after_the_right_time_is_refused(stripe: Stripe) -> None:
    await refused(stripe, orjson.dumps(stripe.event()), f"t={int(time.time())},v1=é".encode("latin-1"))


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"not JSON",
        b"[]",
        b"null",
        b"7",
        b'"text"',
        b"{}",
        b'{"id": "evt_1"}',
        b'{"id": null, "type": "x", "created": 1}',
        b'{"id": "", "type": "x", "created": 1}',
        b'{"id": 7, "type": "x", "created": 1}',
        b'{"id": "evt_1", "type": {"a": 1}, "created": 1}',
        b'{"id": "evt_1", "type": "x", "created": 1',
        pytest.param(b"[" * 100_000, id="bottomless"),
        pytest.param(b'{"id":' * 20_000, id="deep"),
    ],
)
async def test_what_is_signed_but_no_event_is_refused(stripe: Stripe, body: bytes) -> None:
    await refused(stripe, body, sign(body))


async def test_bytes_that_are_no_text_are_refused(stripe: Stripe) -> None:
    await refused(stripe, b"\xff\xfe", "t=1,v1=00")


async def test_a_huge_body_is_refused_before_it_is_read_whole(make_stripe: MakeStripe) -> None:
    stripe = await make_stripe(webhook_max_body_kb=8)
    sent = 0

    async def endless() -> AsyncIterator[bytes]:
        nonlocal sent
        while sent < 10_000:
            sent += 1
            yield b"x" * 1_000

    answer = await stripe.http.post(PATH, content=endless(), headers={"stripe-signature": "t=1,v1=00"})
    assert answer.status_code == 413
    body = orjson.dumps(stripe.event(metadata={"long": "x" * 8_000}))
    await refused(stripe, body, sign(body), 413)
    assert (await stripe.send(stripe.event())).status_code == 200


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE"])
async def test_only_post_is_served(stripe: Stripe, method: str) -> None:
    assert (await stripe.http.request(method, PATH)).status_code == 405
    assert (await stripe.http.request(method, "/")).status_code == 404


@pytest.mark.parametrize(
    ("changed", "named"),
    [
        ({"STRIPE_WEBHOOK_SECRET": ""}, "STRIPE_WEBHOOK_SECRET"),
        ({"STRIPE_WEBHOOK_SECRET": " " * 20}, "STRIPE_WEBHOOK_SECRET"),
        ({"STRIPE_WEBHOOK_SECRET": ",,,,,,,,,,"}, "STRIPE_WEBHOOK_SECRET"),
        ({"STRIPE_WEBHOOK_SECRET": f"{SECRET},"}, "STRIPE_WEBHOOK_SECRET"),
        ({"STRIPE_PRICE_PRO": ""}, "STRIPE_PRICE_PRO"),
        ({"STRIPE_PRICE_PRO": "price_1"}, "STRIPE_PRICE_BASIC, STRIPE_PRICE_PREMIUM and STRIPE_PRICE_PRO must differ"),
        ({"DATABASE_URL": ""}, "DATABASE_URL"),
        ({"ENVIRONMENT": "production", "CLOCK_START": "2026-11-22T13:00:00Z"}, "CLOCK_START"),
    ],
)
def test_what_is_missing_or_wrong_refuses_to_start(
    monkeypatch: pytest.MonkeyPatch, changed: dict[str, str], named: str
) -> None:
    for name, value in (WHOLE | changed).items():
        monkeypatch.setenv(name, value)
    with pytest.raises(ConfigError) as told:
        load(WebhookSettings)
    said = str(told.value)
    assert named in said
    assert "\n" not in said
    assert not any(word in said for word in (SECRET, "hidden"))
