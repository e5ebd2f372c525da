"""The HTTP API as an ASGI application; hosts import it, tests too."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated

from fastapi import Depends, FastAPI, Header, Query, Request, Response
from fastapi.responses import HTMLResponse

from api import access, insights, pages, problems
from api.resources import Resources, make_resources
from core import db
from core.errors import DatabaseDown
from core.runtime import Clock, make_clock
from core.settings import ApiSettings


def make_app(settings: ApiSettings, clock: Clock | None = None) -> FastAPI:
    resources = make_resources(settings, clock or make_clock(settings))

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        yield
        await resources.close()

    app = FastAPI(
        title="OddWons",
        description="Prediction-market intelligence over Kalshi and Polymarket. Information, not financial advice.",
        lifespan=lifespan,
    )
    app.state.resources = resources
    app.state.tiers = access.TierBook()
    problems.install(app)
    app.add_api_route("/health", health, methods=["GET"], tags=["operation"])
    app.add_api_route("/api/v1/insights/ai", get_insights, methods=["GET"], tags=["insights"])
    app.add_api_route("/", get_page, methods=["GET"], include_in_schema=False)
    return app


def _resources(request: Request) -> Resources:
    resources: Resources = request.app.state.resources
    return resources


Needs = Annotated[Resources, Depends(_resources)]


async def _view(
    request: Request, resources: Needs, authorization: Annotated[str | None, Header()] = None
) -> access.View:
    user_id = access.user_of(authorization, resources)
    tiers: access.TierBook = request.app.state.tiers
    return access.view_of(await tiers.tier_of(resources, user_id), resources.clock())


async def health(resources: Needs) -> Response:
    """200 when the database answers, else 503."""
    try:
        async with resources.connection() as connection:
            await db.ping(connection)
    except DatabaseDown:
        return problems.problem(503, "The database does not answer.")
    return Response(b'{"status":"ok"}', media_type="application/json")


async def get_insights(
    resources: Needs,
    view: Annotated[access.View, Depends(_view)],
    category: Annotated[str | None, Query(max_length=100)] = None,
) -> Response:
    """AI insights as your tier sees them: free 403, basic the day's five best, premium hourly, pro now."""
    body = await insights.insights_body(resources, view, category)
    return Response(body, media_type="application/json", headers={"cache-control": "private, no-store"})


async def get_page(resources: Needs) -> HTMLResponse:
    return HTMLResponse(await pages.front_page(resources))
