"""Buying in the demo: the Stripe stand-in, our webhook beside it, and a page on which the free user upgrades.

The page holds a token and asks the API, as a front end would; the product itself has no such page yet.
"""

from __future__ import annotations

import argparse
import os
from html import escape

import httpx
import psycopg
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.routing import Route
from stripe import HTTPXClient, StripeClient

from local.kit import Kit, free_port

KEY = "sk_test_local_stand_in"
CENTS = {"basic": 900, "premium": 2_900, "pro": 9_900}


def start_sales(kit: Kit) -> dict[str, str]:
    """The stand-in with three prices, and the webhook that it tells; what the API and reconciling must be told.

    The stand-in forgets its customers with each start, so ours are forgotten too.
    """
    stripe_port, webhook_port, secret = free_port(), free_port(), kit.secret("stripe")
    stripe_url, webhook_url = (f"http://127.0.0.1:{port}" for port in (stripe_port, webhook_port))
    told = ["--webhook", f"{webhook_url}/stripe/webhook", "--secret", secret]
    kit.serve("stripe", ["-m", "local.stripe", "--port", str(stripe_port), *told], f"{stripe_url}/ready")
    sales = {"STRIPE_SECRET_KEY": KEY, "STRIPE_BASE_URL": stripe_url} | make_prices(stripe_url)
    with psycopg.connect(kit.environment["DATABASE_URL"]) as connection:
        connection.execute("UPDATE users SET stripe_customer_id = NULL")
        connection.execute("DELETE FROM subscriptions")
    sales["STRIPE_WEBHOOK_SECRET"] = secret
    kit.serve("webhook", ["-m", "stripe_webhook"], f"{webhook_url}/health", sales | {"PORT": str(webhook_port)})
    return sales


def make_prices(stripe_url: str) -> dict[str, str]:
    http = HTTPXClient(allow_sync_methods=True)
    client = StripeClient(KEY, base_addresses={"api": stripe_url}, http_client=http)
    prices = {}
    for tier, cents in CENTS.items():
        product = client.v1.products.create({"name": f"OddWons {tier}"})
        price = client.v1.prices.create(
            {"product": product.id, "currency": "usd", "unit_amount": cents, "recurring": {"interval": "month"}}
        )
        prices[f"STRIPE_PRICE_{tier.upper()}"] = price.id
    http.close()  # type: ignore[no-untyped-call]
    return prices


def start_shop(kit: Kit, api_url: str, token: str) -> str:
    """The page's address."""
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    kit.serve(
        "shop", ["-m", "local.shop", "--port", str(port), "--api", api_url], f"{url}/ready", {"SHOP_TOKEN": token}
    )
    return url


def make_app(api_url: str, token: str) -> Starlette:
    http = httpx.AsyncClient(
        base_url=f"{api_url}/api/v1/billing", headers={"authorization": f"Bearer {token}"}, timeout=30
    )

    async def show(request: Request) -> Response:
        standing = (await http.get("/subscription")).raise_for_status().json()
        plans = (await http.get("/plans")).raise_for_status().json()["plans"]
        runs = [one for one in standing["subscriptions"] if one["status"] not in ("canceled", "incomplete_expired")]
        parts = [f"<p>free@example.com has the tier <strong>{escape(standing['tier'])}</strong>.</p>"]
        parts += [
            f"<p>{escape(one['tier'])}: {escape(one['status'])}, access until {one['access_until']}</p>" for one in runs
        ]
        if runs:
            parts.append(_button("/portal", "Change or cancel it"))
        else:
            parts += [_button(f"/buy/{p['tier']}", f"Upgrade to {p['tier']}, ${p['price']} a month") for p in plans]
        return HTMLResponse(
            '<!doctype html><html lang="en"><meta charset="utf-8"><meta http-equiv="refresh" content="5">'
            f"<title>Upgrade</title><h1>Upgrade</h1>{''.join(parts)}"
            "<p>Stripe is a local stand-in: no money moves. "
            f'<a href="{escape(api_url)}/">The page of the product</a></p></html>'
        )

    async def buy(request: Request) -> Response:
        return _sent_on(await http.post("/checkout", json={"tier": request.path_params["tier"]}))

    async def portal(request: Request) -> Response:
        return _sent_on(await http.post("/portal"))

    async def ready(request: Request) -> Response:
        return Response(b"ready")

    return Starlette(
        routes=[
            Route("/", show),
            Route("/buy/{tier}", buy, methods=["POST"]),
            Route("/portal", portal, methods=["POST"]),
            Route("/ready", ready),
        ]
    )


def _sent_on(answer: httpx.Response) -> Response:
    if answer.is_success:
        return RedirectResponse(answer.json()["url"], 303)
    return HTMLResponse(f"<p>{escape(answer.json()['detail'])}</p>", answer.status_code)


def _button(path: str, label: str) -> str:
    return f'<form method="post" action="{escape(path)}"><button>{escape(label)}</button></form>'


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m local.shop", description=__doc__)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--api", required=True)
    given = parser.parse_args()
    uvicorn.run(make_app(given.api, os.environ["SHOP_TOKEN"]), host="127.0.0.1", port=given.port, log_level="warning")


if __name__ == "__main__":
    main()
