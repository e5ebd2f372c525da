"""The OpenAPI document: what it promises is whole, and what it shows as an example is true."""

from __future__ import annotations

import re
from typing import Any

import pytest

from core import db
from core.models import Tier
from tests.api.conftest import Api
from tests.api.promises import faults
from tests.api.rows import HOUR, insert_arbitrage, insert_digest, insert_insight
from tests.conftest import NOW


def operations(document: dict[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    return [(path, operation) for path, item in document["paths"].items() for operation in item.values()]


async def test_every_answer_has_an_example_that_is_one(api: Api) -> None:
    document = api.app.openapi()
    for path, operation in operations(document):
        for status, answer in operation["responses"].items():
            if status.startswith("2") and status != "204":
                example = answer["content"]["application/json"]["example"]
                assert faults(document, operation["operationId"], example) == [], path
    problem = document["components"]["schemas"]["Problem"]
    assert problem["required"] == [name for name in problem["example"] if name in problem["required"]]


async def test_no_shape_has_a_field_of_its_own_name(api: Api) -> None:
    """Generators of clients in Python name a variable after each: one would hide the other from type checkers."""
    for name, shape in api.app.openapi()["components"]["schemas"].items():
        assert re.sub(r"(?<!^)(?=[A-Z])", "_", name).lower() not in shape.get("properties", {}), name


async def test_every_operation_says_whom_it_is_for(api: Api) -> None:
    for path, operation in operations(api.app.openapi()):
        wanted = r"\*\*(free|basic|premium|pro)\*\*|[Ff]or every tier" if "security" in operation else "Needs no token"
        assert re.search(wanted, operation["description"]), path


async def test_the_document_and_its_page_are_made_once(api: Api) -> None:
    """Strangers may ask for them as often as they like."""
    for path in ("/openapi.json", "/docs"):
        first, second = [await api.http.get(path, headers={"accept-encoding": "gzip"}) for _ in range(2)]
        assert (first.status_code, first.content) == (200, second.content)
        assert first.headers["content-encoding"] == "gzip"
        known = await api.http.get(path, headers={"if-none-match": first.headers["etag"]})
        assert (known.status_code, known.content) == (304, b"")
        plain = await api.http.get(path, headers={"accept-encoding": "identity"})
        assert plain.content == first.content


@pytest.mark.parametrize("tier", [Tier.BASIC, Tier.PREMIUM, Tier.PRO])
async def test_answers_hold_what_the_document_names_and_nothing_else(
    api: Api, connection: db.Connection, tier: Tier
) -> None:
    insight = await insert_insight(connection, "first")
    await insert_arbitrage(connection, "within one venue")
    await connection.execute("UPDATE arbitrage_opportunities SET polymarket_market_id = NULL")
    await insert_digest(connection, [insight], NOW - HOUR)
    document = api.app.openapi()
    asked = {
        "get_insights": "/api/v1/insights/ai",
        "get_insight": f"/api/v1/insights/ai/{insight}",
        "get_latest_digest": "/api/v1/digest",
        "get_markets": "/api/v1/markets",
        "me": "/api/v1/auth/me",
        "export": "/api/v1/auth/export",
        "get_subscription": "/api/v1/billing/subscription",
    }
    for route, path in asked.items() | ({("get_arbitrage", "/api/v1/arbitrage")} if tier is not Tier.BASIC else set()):
        answer = await api.get(tier, path)
        assert answer.status_code == 200, answer.text
        assert faults(document, route, answer.json()) == [], route
