"""Whatever is sent along the OpenAPI document: no 5xx, and no answer that the document does not know."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path
from typing import Any

import psycopg
import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from api.app import make_app
from api.credentials import make_token
from core import db
from core.models import Tier
from core.queries import accounts
from core.settings import ApiSettings
from local.mail import catching
from tests.api.conftest import SECRET, Clock
from tests.api.rows import HOUR, insert_arbitrage, insert_digest, insert_insight, insert_near_miss
from tests.conftest import NOW, served
from tests.stripe_account import Stripe

EXAMPLES = 25
CHECKS = (
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
    response_headers_conformance,
)


async def fill(pool: db.Pool) -> dict[Tier, str]:
    async with pool.acquire() as connection:
        insight = await insert_insight(connection, "Will it rain?")
        await insert_digest(connection, [insight], NOW - HOUR)
        await insert_arbitrage(connection, "pair")
        await insert_near_miss(connection, "missed", NOW)
        await connection.execute(  # jobs that run, or /health/jobs says that they do not
            "INSERT INTO job_runs (id, job, holder, started_at, status) "
            "VALUES (gen_random_uuid(), 'collect', 'x', now(), 'ok')"
        )
        users = {tier: await accounts.upsert_user(connection, f"{tier}@example.com", tier, NOW) for tier in Tier}
    return {tier: make_token(user, SECRET, time.time(), 30) for tier, user in users.items()}


# The server in its thread may use `random` while an example is drawn.
@pytest.mark.filterwarnings("ignore:Do not use the `random` module")
@pytest.mark.parametrize("tier", [None, Tier.FREE, Tier.BASIC, Tier.PREMIUM, Tier.PRO])
async def test_every_answer_is_one_that_the_document_promises(
    database_url: str, pool: db.Pool, tmp_path: Path, stripe: Stripe, tier: Tier | None
) -> None:
    tokens = await fill(pool)
    many = {f"requests_{each}": 1_000_000 for each in (*Tier, "anonymous")} | {"login_attempts": 1_000_000}
    with catching(tmp_path) as port:
        mail = {"smtp_host": "127.0.0.1", "smtp_port": port, "smtp_security": "none"}
        chosen: dict[str, Any] = {"database_url": database_url, "jwt_secret": SECRET} | many | mail | sales_of(stripe)
        app = make_app(ApiSettings(**chosen), Clock())
        with served(app) as address:
            headers = {} if tier is None else {"authorization": f"Bearer {tokens[tier]}"}
            await asyncio.to_thread(explore, app.openapi(), address, headers)
    with psycopg.connect(database_url) as connection:
        row = connection.execute("SELECT count(*) FROM users WHERE deleted_at IS NULL").fetchone()
    assert row is not None
    assert row[0] >= len(Tier), "nobody was deleted without the password"


def sales_of(stripe: Stripe) -> dict[str, str]:
    prices = {f"stripe_price_{tier}": price for tier, price in stripe.prices.items()}
    return {"stripe_secret_key": "sk_test_1", "stripe_base_url": stripe.url} | prices


def explore(document: dict[str, Any], address: str, headers: dict[str, str]) -> None:
    """What the document allows, and what it does not, for each operation."""
    schema = schemathesis.openapi.from_dict(document)
    schema.config.base_url = address
    for found in schema.get_all_operations():
        operation: Any = found.ok()  # type: ignore[union-attr]
        cases = st.one_of(*(operation.as_strategy(generation_mode=mode) for mode in GenerationMode))

        @settings(max_examples=EXAMPLES, deadline=None, database=None, suppress_health_check=list(HealthCheck))
        @given(case=cases)
        def check(case: Any) -> None:
            case.call_and_validate(headers=headers, checks=CHECKS)

        check()
