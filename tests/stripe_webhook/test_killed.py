"""The webhook's own process, killed with SIGKILL at any moment: what Stripe brings again is handled, once."""

from __future__ import annotations

import random
import signal
import sys
import threading
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest

from core.models import Tier
from local.stripe_delivery import signed
from tests.hosts.hosting import clean_environment, hosted
from tests.stripe_account import PATH, SECRET, Stripe

KILLS = 12


@pytest.mark.long
async def test_an_event_whose_function_is_killed_is_handled_by_the_next(
    stripe: Stripe, database_url: str, tmp_path: Path
) -> None:
    chance = random.Random(3)
    subscription = await stripe.subscribe(Tier.BASIC)
    environment = clean_environment(
        DATABASE_URL=database_url,
        STRIPE_SECRET_KEY="sk_test_1",
        STRIPE_BASE_URL=stripe.url,
        STRIPE_WEBHOOK_SECRET=SECRET,
        CLOCK_START=stripe.now().isoformat(),
        CLOCK_SPEED="0",
        **{f"STRIPE_PRICE_{tier.upper()}": price for tier, price in stripe.prices.items()},
    )
    waiting: list[dict[str, Any]] = []
    for number in range(KILLS + 1):
        tier = (Tier.PRO, Tier.PREMIUM, Tier.BASIC)[number % 3]
        await stripe.change(subscription, items=[{"price": stripe.prices[tier]}])
        waiting += await stripe.events()
        with hosted(lambda *_: [sys.executable, "-m", "stripe_webhook"], environment, tmp_path) as server:
            if number < KILLS:
                killer = threading.Timer(chance.random() * 0.8, server.process.send_signal, [signal.SIGKILL])
                killer.start()
            waiting = [event for event in waiting if not taken(server.url, event)]
    assert waiting == []
    assert await stripe.tier() is tier
    with psycopg.connect(database_url) as connection:
        counts = connection.execute("SELECT count(*), count(handled_at) FROM stripe_events").fetchone()
        causes = connection.execute("SELECT count(*), count(DISTINCT cause) FROM tier_changes").fetchone()
    assert counts is not None
    assert causes is not None
    assert counts[0] == counts[1]
    assert causes[0] == causes[1], "no event moved a tier twice"


def taken(url: str, event: dict[str, Any]) -> bool:
    body, header = signed(event, SECRET)
    try:
        return httpx.post(url + PATH, content=body, headers={"stripe-signature": header}, timeout=30).is_success
    except httpx.TransportError:
        return False
