"""Starts the product as a host does, with nothing but environment variables, and stops all that it started."""

from __future__ import annotations

import hashlib
import hmac
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson
import psycopg
from stripe import StripeClient

from core.models import Tier
from local import stripe as stand_in
from local.kit import free_port
from local.subscribers import make_tokens
from tests.conftest import NOW, served

JWT_SECRET = "a-secret-of-the-tests-that-is-long-enough"
STRIPE_SECRET = "whsec_of_the_tests"
API = {"JWT_SECRET": JWT_SECRET}
STRIPE = {
    "STRIPE_SECRET_KEY": "sk_test_1",
    "STRIPE_WEBHOOK_SECRET": STRIPE_SECRET,
    "STRIPE_PRICE_BASIC": "price_basic",
    "STRIPE_PRICE_PREMIUM": "price_premium",
    "STRIPE_PRICE_PRO": "price_pro",
}
READY_WITHIN_S = 60.0
_TRIES = 3


@dataclass(frozen=True, slots=True)
class Hosted:
    """A running server of one function."""

    url: str
    process: subprocess.Popen[bytes]
    output: Path

    def said(self) -> str:
        return self.output.read_text(errors="replace")

    def stopped(self) -> int:
        """Told to stop, as every host does it; the exit code."""
        self.process.terminate()
        return self.process.wait(30)


def clean_environment(**variables: str) -> dict[str, str]:
    return {"PATH": os.environ["PATH"], "PYTHONDONTWRITEBYTECODE": "1"} | variables


def run_command(arguments: list[str], environment: Mapping[str, str], folder: Path) -> subprocess.CompletedProcess[str]:
    """`python -m …` to its end, in a folder that is not the checkout."""
    return subprocess.run(
        [sys.executable, "-m", *arguments],
        env=environment,
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


@contextmanager
def hosted(command: Callable[[int, int], list[str]], environment: Mapping[str, str], folder: Path) -> Iterator[Hosted]:
    """Runs command(port, spare port), with PORT set as well, until the context is left."""
    process, port, output = _start(command, environment, folder)
    try:
        yield Hosted(f"http://127.0.0.1:{port}", process, output)
    finally:
        _end(process)


def _start(
    command: Callable[[int, int], list[str]], environment: Mapping[str, str], folder: Path
) -> tuple[subprocess.Popen[bytes], int, Path]:
    """Another process may take a free port before ours does: then the next ports are tried."""
    output = folder / f"output-{time.monotonic_ns()}.log"
    for _ in range(_TRIES):
        port = free_port()
        process = _spawn(command(port, free_port()), dict(environment) | {"PORT": str(port)}, folder, output)
        try:
            if _listens(process, port):
                return process, port, output
        except BaseException:
            _end(process)
            raise
        _end(process)
    raise AssertionError(f"the server stopped at once: {output.read_text(errors='replace')}")


def _spawn(command: list[str], environment: dict[str, str], folder: Path, output: Path) -> subprocess.Popen[bytes]:
    with output.open("wb") as said:
        return subprocess.Popen(command, env=environment, cwd=folder, stdout=said, stderr=said, start_new_session=True)


def _listens(process: subprocess.Popen[bytes], port: int) -> bool:
    """Whether the server came up; False when it ended instead."""
    give_up = time.monotonic() + READY_WITHIN_S
    while process.poll() is None:
        with suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
            return True
        assert time.monotonic() < give_up, "the server does not listen"
        time.sleep(0.02)
    return False


def _end(process: subprocess.Popen[bytes]) -> None:
    """Ends the process and all that it started."""
    if process.poll() is None:
        process.terminate()
        with suppress(subprocess.TimeoutExpired):
            process.wait(10)
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait(10)


def tokens(database_url: str) -> dict[Tier, str]:
    """An Authorization header per tier."""
    return {tier: f"Bearer {token}" for tier, token in make_tokens(database_url, JWT_SECRET, NOW).items()}


def rows(database_url: str, statement: str) -> list[tuple[Any, ...]]:
    with psycopg.connect(database_url) as connection:
        return connection.execute(statement.encode()).fetchall()


def runs(database_url: str) -> list[tuple[Any, ...]]:
    """(job, status) of every recorded run, in their order."""
    return rows(database_url, "SELECT job, status FROM job_runs ORDER BY started_at, ended_at")


def hold_lease(database_url: str, job: str) -> None:
    with psycopg.connect(database_url) as connection:
        connection.execute(
            "INSERT INTO job_leases (job, holder, expires_at) VALUES (%s, 'another run', now() + interval '1 hour')",
            [job],
        )


@dataclass(slots=True)
class Payer:
    """free@example.com as a customer of a Stripe stand-in, which the function is told to ask."""

    client: StripeClient
    url: str
    customer: str
    prices: dict[str, str]
    subscription: str = ""

    @property
    def environment(self) -> dict[str, str]:
        prices = {f"STRIPE_PRICE_{tier.upper()}": price for tier, price in self.prices.items()}
        return STRIPE | {"STRIPE_BASE_URL": self.url} | prices

    def subscribe(self, tier: str) -> bytes:
        """Begins a subscription or changes it. What Stripe says of it."""
        if not self.subscription:
            order: Any = {"customer": self.customer, "items": [{"price": self.prices[tier]}]}
            self.subscription = self.client.v1.subscriptions.create(order).id
        else:
            item = self.client.v1.subscriptions.retrieve(self.subscription)["items"]["data"][0]["id"]
            change: Any = {"items": [{"id": item, "price": self.prices[tier]}]}
            self.client.v1.subscriptions.update(self.subscription, change)
        events = self.client.v1.events.list({"limit": 100}).data
        told = next(event for event in events if event.type.startswith("customer.subscription."))
        return orjson.dumps(told.to_dict())


@contextmanager
def paying(database_url: str) -> Iterator[Payer]:
    tokens(database_url)
    app = stand_in.make_app()
    app.state.stripe.clock.set(int(time.time()))
    with served(app) as url:
        client = StripeClient(STRIPE["STRIPE_SECRET_KEY"], base_addresses={"api": url}, max_network_retries=0)
        prices = {}
        for tier in ("basic", "premium", "pro"):
            product = client.v1.products.create({"name": tier})
            price: Any = {"product": product.id, "currency": "usd", "unit_amount": 900}
            prices[tier] = client.v1.prices.create(price | {"recurring": {"interval": "month"}}).id
        ((user_id,),) = rows(database_url, "SELECT id::text FROM users WHERE email = 'free@example.com'")
        customer = client.v1.customers.create({"email": "free@example.com", "metadata": {"user_id": user_id}}).id
        client.v1.customers.update(customer, {"invoice_settings": {"default_payment_method": "pm_card_visa"}})
        with psycopg.connect(database_url) as connection:
            connection.execute("UPDATE users SET stripe_customer_id = %s WHERE id = %s", [customer, user_id])
        yield Payer(client, url, customer, prices)


def signature(body: bytes, secret: str = STRIPE_SECRET) -> str:
    at = int(time.time())
    mac = hmac.new(secret.encode(), f"{at}.".encode() + body, hashlib.sha256)
    return f"t={at},v1={mac.hexdigest()}"


def tier_of_free_user(database_url: str) -> str:
    ((tier,),) = rows(database_url, "SELECT tier FROM users WHERE email = 'free@example.com'")
    return str(tier)
