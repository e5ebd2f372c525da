"""What the jobs publish reaches subscribers in the shapes that the API's document names, whole and without more."""

from __future__ import annotations

from typing import Any

import pytest

from analyze import digest, pipeline
from core.models import Tier
from core.queries import accounts
from core.settings import ApiSettings
from tests.analyze.conftest import NOW, MakeRun, Outside
from tests.api.conftest import SECRET, Api, Clock
from tests.api.promises import faults
from tests.conftest import ClientOf

pytestmark = pytest.mark.usefixtures("collected")


async def test_what_is_published_is_told_in_the_documents_shapes(
    make_run: MakeRun, outside: Outside, database_url: str, client_of: ClientOf
) -> None:
    from api.app import make_app

    run = await make_run("analyze", NOW, **outside.settings())
    await pipeline.run(run)
    await digest.run(await make_run("digest", NOW))
    async with run.transaction() as connection:
        users = {tier: await accounts.upsert_user(connection, f"{tier}@example.com", tier, NOW) for tier in Tier}
    app = make_app(ApiSettings(database_url=database_url, jwt_secret=SECRET), Clock(NOW))
    api = Api(app, await client_of(app), app.state.resources.clock, run.pool, users)
    bodies: dict[str, Any] = {}
    for route, path in (
        ("get_insights", "insights/ai"),
        ("get_arbitrage", "arbitrage"),
        ("get_latest_digest", "digest"),
    ):
        bodies[route] = (await api.get(Tier.PRO, f"/api/v1/{path}")).raise_for_status().json()
        assert faults(app.openapi(), route, bodies[route]) == [], route
    assert bodies["get_insights"]["insights"]
    assert bodies["get_arbitrage"]["arbitrage"][0]["legs"]
    assert bodies["get_latest_digest"]["top_picks"] or bodies["get_latest_digest"]["avoid_list"]
    one = (await api.get(Tier.PRO, f"/api/v1/insights/ai/{bodies['get_insights']['insights'][0]['id']}")).json()
    assert faults(app.openapi(), "get_insight", one) == []
    markets = (await api.get(Tier.PRO, "/api/v1/markets")).json()
    assert faults(app.openapi(), "get_markets", markets) == []
