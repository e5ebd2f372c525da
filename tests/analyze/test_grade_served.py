"""From the pipeline's insights through settlement and grading to what subscribers of each tier read.

The generated world and the stand-in's answers prove that the parts are joined, not that any model is worth anything.
"""

from __future__ import annotations

import json
import time
from datetime import timedelta
from typing import Any

import httpx
import pytest

from analyze import digest, grade, pipeline
from api.app import make_app
from api.credentials import make_token
from core.models import Tier
from core.queries import accounts
from core.runtime import Run
from core.settings import AnalyzeSettings, ApiSettings
from tests.analyze.conftest import NOW, MakeRun, Outside, rows
from tests.analyze.test_pipeline import answer
from tests.conftest import ClientOf

SECRET = "a secret of thirty-two characters or more"
AT_ONCE = 4
LATER = NOW + timedelta(minutes=15)


async def read(http: httpx.AsyncClient, run: Run[AnalyzeSettings], tier: Tier, path: str) -> httpx.Response:
    async with run.transaction() as connection:
        user = await accounts.upsert_user(connection, f"{tier}@example.com", tier, NOW)
    token = make_token(user, SECRET, time.time(), 30)
    return await http.get(path, headers={"authorization": f"Bearer {token}"})


def bases(insights: list[dict[str, Any]]) -> set[str]:
    return {insight["win_probability_basis"].split(" (")[0].split(";")[0] for insight in insights}


@pytest.mark.usefixtures("collected")
async def test_subscribers_read_what_the_next_insights_numbers_stand_on(
    make_run: MakeRun, outside: Outside, client_of: ClientOf, database_url: str
) -> None:
    few = outside.settings() | {"analyze_max_insights": AT_ONCE}
    outside.plan_groq(answers=[answer(win_probability=0.9)] * 99)
    first = await make_run("analyze", NOW, **few)
    assert (await pipeline.run(first))["insights"]["published"] == AT_ONCE

    now = [NOW]
    app = make_app(ApiSettings(database_url=database_url, jwt_secret=SECRET, ready_s=0), lambda: now[0])
    http = await client_of(app)
    before = (await read(http, first, Tier.PRO, "/api/v1/insights/ai")).json()["insights"]
    assert bases(before) == {"unproven: the market's price"}
    assert all(insight["win_probability"] == insight["price_at_emission"] for insight in before)

    settled_at = LATER - timedelta(minutes=9)
    await rows(
        first,
        "UPDATE markets m SET status = 'final', result = 'yes', payout = 1, settled_at = $1, status_seen_at = $1 "
        "FROM ai_insights i WHERE (i.platform, i.market_id) = (m.platform, m.market_id)",
        settled_at,
    )
    lenient = {"calibration_min_events": 2, "calibration_min_evidence": 1}
    graded = await grade.run(await make_run("grade", LATER - timedelta(minutes=5), **lenient))
    assert graded["graded"]["outcomes"] == AT_ONCE
    (of_model,) = graded["models"].values()
    assert (of_model["proved"], 2 <= of_model["events"] <= AT_ONCE) == (True, True)

    await rows(first, "UPDATE venue_sweeps SET swept_at = $1", LATER)
    second = await make_run("analyze", LATER, **few)
    summary = await pipeline.run(second)
    assert summary["insights"]["published"] > 0, summary
    await digest.run(await make_run("digest", LATER))

    now[0] = LATER + timedelta(hours=1)
    told = f"calibrated on {of_model['events']} events"
    for tier in (Tier.BASIC, Tier.PREMIUM, Tier.PRO):
        insights = (await read(http, first, tier, "/api/v1/insights/ai")).json()["insights"]
        assert bases(insights) == {told}, tier
        for insight in insights:
            price = insight["price_at_emission"]
            assert min(price, 0.9) <= insight["win_probability"] <= max(price, 0.9)
        assert not any("raw" in name for insight in insights for name in insight)
        picks = (await read(http, first, tier, "/api/v1/digest")).json()["top_picks"]
        assert picks
        assert {pick["confidence_basis"] for pick in picks} == {"no position is stated"}
    refused = await read(http, first, Tier.FREE, "/api/v1/insights/ai")
    assert refused.status_code == 403
    assert "calibrated" not in refused.text
    page = (await http.get("/")).text
    assert "YES wins with" in page
    assert told not in page  # the public sees what is over only
    assert json.dumps(before[0]["win_probability_basis"])[1:-1].split(";")[0].replace("'", "&#39;") in page
