"""Venues that every host reads, and the environment that jobs are given."""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import psycopg
import pytest
from starlette.applications import Starlette
from stripe import StripeClient

from local.replay import make_app
from local.world import GeneratedWorld
from tests.conftest import NOW, served
from tests.hosts import hosting
from tests.hosts.hosting import Sales, clean_environment


def reading(address: str) -> dict[str, str]:
    return {
        "KALSHI_BASE_URL": f"{address}/kalshi/trade-api/v2",
        "POLYMARKET_GAMMA_URL": f"{address}/polymarket/gamma",
        "POLYMARKET_CLOB_URL": f"{address}/polymarket/clob",
        "KALSHI_REQUESTS_PER_S": "1000",
        "POLYMARKET_REQUESTS_PER_S": "1000",
    }


@pytest.fixture(scope="session")
def venues() -> Iterator[dict[str, str]]:
    """Settings that point at a small replayed world."""
    with served(make_app(GeneratedWorld(1, 1), lambda: NOW)) as address:
        yield reading(address)


@pytest.fixture
def mute_venues() -> Iterator[dict[str, str]]:
    """Settings that point at venues which take a request and never answer."""
    with served(make_app(GeneratedWorld(1, 1), lambda: NOW)) as address:
        httpx.post(f"{address}/control", json={"venue": "all", "hang": 1}).raise_for_status()
        yield reading(address)


@pytest.fixture
def job_environment(database_url: str, venues: dict[str, str]) -> dict[str, str]:
    clock = {"CLOCK_START": NOW.isoformat(), "CLOCK_SPEED": "0"}
    return clean_environment(DATABASE_URL=database_url, AI_ANALYSIS_ENABLED="false") | clock | venues


@pytest.fixture
def sales(stripe_account: tuple[str, Starlette], database_url: str) -> Sales:
    url, app = stripe_account
    app.state.stripe.clock.frozen = None  # hosts go by real time
    client = StripeClient("sk_test_1", base_addresses={"api": url}, max_network_retries=0)
    prices = {}
    for tier in ("basic", "premium", "pro"):
        product = client.v1.products.create({"name": tier})
        price = client.v1.prices.create(
            {"product": product.id, "currency": "usd", "unit_amount": 900, "recurring": {"interval": "month"}}
        )
        prices[tier] = price.id
    hosting.tokens(database_url)
    customer = client.v1.customers.create({"email": "free@example.com"}).id
    client.v1.customers.update(customer, {"invoice_settings": {"default_payment_method": "pm_card_visa"}})
    with psycopg.connect(database_url) as connection:
        connection.execute("UPDATE users SET stripe_customer_id = %s WHERE email = 'free@example.com'", [customer])
    environment = clean_environment(DATABASE_URL=database_url) | hosting.STRIPE | {"STRIPE_BASE_URL": url}
    named = {f"STRIPE_PRICE_{tier.upper()}": price for tier, price in prices.items()}
    return Sales(client, customer, prices, environment | named)
