"""Only what Stripe signed lately with a secret of ours is read; nothing else leaves a trace."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from typing import Any

import orjson
import pytest
from stripe import WebhookSignature

from core.errors import ConfigError
from core.models import Tier
from core.settings import WebhookSettings, load
from tests.stripe_account import PATH, SECRET, MakeStripe, Stripe

NOWHERE = "postgresql://nobody:hidden@127.0.0.1:1/nothing"
WHOLE = {
    "DATABASE_URL": NOWHERE,
    "STRIPE_SECRET_KEY": "sk_test_hidden",
    "STRIPE_WEBHOOK_SECRET": SECRET,
    "STRIPE_PRICE_BASIC": "price_1",
    "STRIPE_PRICE_PREMIUM": "price_2",
    "STRIPE_PRICE_PRO": "price_3",
}


def sign(body: bytes, secret: str = SECRET, at: float | None = None) -> str:
    when = int(time.time() if at is None else at)
    header: str = WebhookSignature.generate_signature_header(body.decode(), secret, when)
    return header


async def bought(stripe: Stripe) -> dict[str, Any]:
    """Stripe's event of a subscription to premium."""
    await stripe.subscribe()
    event, *_ = await stripe.events()
    return event


async def refused(stripe: Stripe, body: bytes, signature: str | bytes | None) -> None:
    """400, and neither our database nor Stripe was asked anything."""
    calls = stripe.calls
    answer = await stripe.post(body, signature)
    assert answer.status_code == 400, answer.text
    assert SECRET not in answer.text
    assert stripe.calls == calls
    assert stripe.replica is not None
    assert stripe.replica.state.webhook._pool is None, "the database was not even connected to"
    assert await stripe.stored() == {}


async def test_a_signed_event_is_taken(stripe: Stripe) -> None:
    assert await stripe.tell(await bought(stripe)) == "handled"
    assert await stripe.tier() is Tier.PREMIUM


async def test_each_of_several_secrets_counts_while_one_is_rolled(make_stripe: MakeStripe) -> None:
    stripe = await make_stripe(stripe_webhook_secret=f"{SECRET} , whsec_the_new_one")
    event = await bought(stripe)
    for secret in (SECRET, "whsec_the_new_one"):
        assert (await stripe.send(event, secret)).status_code == 200
    assert (await stripe.send(event, "whsec_a_third_one")).status_code == 400
    assert (await stripe.send(event, f"{SECRET} , whsec_the_new_one")).status_code == 400


async def test_stripe_may_sign_with_two_secrets_at_once(stripe: Stripe) -> None:
    body = orjson.dumps(await bought(stripe))
    now = time.time()
    both = f"{sign(body, 'whsec_the_old_one', now)},{sign(body, SECRET, now).partition(',')[2]}"
    assert (await stripe.post(body, both)).status_code == 200


async def test_a_forged_body_is_refused(stripe: Stripe) -> None:
    body = orjson.dumps(await bought(stripe))
    signature = sign(body)
    await refused(stripe, body.replace(b"cus_", b"cuz_"), signature)
    await refused(stripe, body + b" ", signature)
    await refused(stripe, body[: len(body) // 2], signature)
    await refused(stripe, b"", signature)
    await refused(stripe, body, sign(body, "whsec_of_somebody_else"))


async def test_a_replayed_event_is_refused_after_the_tolerance(make_stripe: MakeStripe) -> None:
    stripe = await make_stripe(stripe_tolerance_s=300)
    body = orjson.dumps(await bought(stripe))
    await refused(stripe, body, sign(body, at=time.time() - 400))
    assert (await stripe.post(body, sign(body, at=time.time() - 100))).status_code == 200


async def test_a_replay_within_the_tolerance_is_a_duplicate(stripe: Stripe) -> None:
    body = orjson.dumps(await bought(stripe))
    signature = sign(body)
    answers = [(await stripe.post(body, signature)).json()["status"] for _ in range(2)]
    assert answers == ["handled", "handled before"]


async def test_a_signature_with_its_time_moved_is_refused(stripe: Stripe) -> None:
    body = orjson.dumps(await bought(stripe))
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
    await refused(stripe, orjson.dumps(await bought(stripe)), signature)


async def test_a_signature_of_another_scheme_is_refused(stripe: Stripe) -> None:
    body = orjson.dumps(await bought(stripe))
    await refused(stripe, body, sign(body).replace("v1=", "v0="))


async def test_non_ascii_after_the_right_time_is_refused(stripe: Stripe) -> None:
    await refused(stripe, orjson.dumps(await bought(stripe)), f"t={int(time.time())},v1=é".encode("latin-1"))


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


@pytest.mark.parametrize("headers", [{"stripe-signature": "t=1,v1=00"}, {}], ids=["signed", "unsigned"])
async def test_a_huge_body_is_refused_before_it_is_read_whole(make_stripe: MakeStripe, headers: dict[str, str]) -> None:
    stripe = await make_stripe(webhook_max_body_kb=8)
    assert stripe.http is not None
    sent = 0

    async def endless() -> AsyncIterator[bytes]:
        nonlocal sent
        while sent < 10_000:
            sent += 1
            yield b"x" * 1_000

    answer = await stripe.http.post(PATH, content=endless(), headers=headers)
    assert answer.status_code == 400
    event = await bought(stripe)
    body = orjson.dumps(event | {"long": "x" * 8_000})
    await refused(stripe, body, sign(body))
    assert await stripe.tell(event) == "handled"


@pytest.mark.parametrize("length", ["99999999999", "9" * 5_000])
async def test_a_body_that_says_it_is_huge_is_not_read_at_all(stripe: Stripe, length: str) -> None:
    assert stripe.replica is not None
    answered: list[Any] = []

    async def receive() -> Any:
        raise AssertionError("the body was asked for")

    async def send(message: Any) -> None:
        answered.append(message)

    headers = [(b"stripe-signature", b"t=1,v1=00"), (b"content-length", length.encode())]
    scope = {"type": "http", "method": "POST", "path": PATH, "headers": headers, "query_string": b"", "root_path": ""}
    await stripe.replica(scope, receive, send)
    assert answered[0]["status"] == 400


async def test_an_unsigned_body_is_not_read_at_all(stripe: Stripe) -> None:
    await refused(stripe, b"x" * 400_000, None)


async def test_every_refusal_of_a_body_costs_one_signature_for_each_secret(
    make_stripe: MakeStripe, monkeypatch: pytest.MonkeyPatch
) -> None:
    stripe = await make_stripe(stripe_webhook_secret=f"{SECRET},whsec_the_new_one")
    body = orjson.dumps(await bought(stripe))
    computed, compute = [], WebhookSignature._compute_signature

    def counting(payload: str, secret: str) -> str:
        computed.append(secret)
        return compute(payload, secret)

    monkeypatch.setattr(WebhookSignature, "_compute_signature", staticmethod(counting))
    now = int(time.time())
    for signature in (f"t={now},v1=00", f"t={now - 10_000},v1={'0' * 64}", f"t={now},v1={'f' * 64}"):
        computed.clear()
        await refused(stripe, body, signature)
        assert computed == [SECRET, "whsec_the_new_one"]


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE"])
async def test_only_post_is_served(stripe: Stripe, method: str) -> None:
    assert stripe.http is not None
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
        ({"STRIPE_SECRET_KEY": ""}, "STRIPE_SECRET_KEY"),
        ({"STRIPE_PRICE_PRO": "price_3,"}, "STRIPE_PRICE_PRO"),
        ({"STRIPE_PRICE_PRO": "price_3,price_3"}, "must differ"),
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
