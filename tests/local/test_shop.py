"""What `make demo` shows: a free user upgrades in a browser, through the API, Stripe's stand-in and the webhook."""

from __future__ import annotations

import re
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path

import httpx
import pytest

from core.models import Tier
from local.kit import Kit, free_port, reset_folder
from local.shop import start_sales, start_shop
from local.subscribers import make_tokens


def shows(browser: httpx.Client, shop: str, what: str) -> str:
    """The page, once it says so."""
    give_up = time.monotonic() + 30
    while what not in (page := browser.get(shop).text):
        assert time.monotonic() < give_up, page
        time.sleep(0.05)
    return page


def action(page: str, label: str) -> tuple[str, dict[str, str]]:
    """(where the form with this button goes, its fields)"""
    for form in re.findall(r"<form.*?</form>", page):
        if label in form:
            (to,) = re.findall(r'action="([^"]*)"', form) or [""]
            return to, dict(re.findall(r'name="([^"]*)" value="([^"]*)"', form))
    raise AssertionError(f"no button {label} in {page}")


@pytest.mark.long
def test_a_free_user_upgrades_changes_the_plan_and_cancels_in_a_browser() -> None:
    with tempfile.TemporaryDirectory(prefix="oddwons-shop-") as parent:
        folder = Path(parent) / "demo"
        with Kit(folder) as kit:
            kit.start_storage()
            sales = start_sales(kit)
            port = free_port()
            api = kit.start_api(port, sales | {"PUBLIC_URL": f"http://127.0.0.1:{port}"})
            tokens = make_tokens(kit.environment["DATABASE_URL"], kit.secret("jwt"), datetime.now(UTC))
            shop = start_shop(kit, api, tokens[Tier.FREE])
            with httpx.Client(follow_redirects=True, timeout=30) as browser:
                use(browser, shop)
            said = kit.job("reconcile", sales)
            assert (said["compared"], said["differing"], said["parked"]) == (1, 0, {})
        reset_folder(folder)


def use(browser: httpx.Client, shop: str) -> None:
    def click(base: str, page: str, label: str) -> httpx.Response:
        to, fields = action(page, label)
        return browser.post(base + to, data=fields)

    page = shows(browser, shop, "tier <strong>free</strong>")
    pay = click(shop, page, "Upgrade to basic")
    assert "Pay for OddWons basic, $9.00 a month" in pay.text
    click(str(pay.url), pay.text, "Pay with a good card")
    page = shows(browser, shop, "tier <strong>basic</strong>")
    portal = click(shop, page, "Change or cancel it")
    portal = click(str(portal.url), portal.text, "Change to OddWons pro")
    shows(browser, shop, "tier <strong>pro</strong>")
    portal = click(str(portal.url), portal.text, "Cancel it")
    assert "cancelled for the end of its period" in portal.text
    shows(browser, shop, "tier <strong>pro</strong>")
