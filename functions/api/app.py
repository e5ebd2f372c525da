"""The HTTP API as an ASGI application; hosts import it, tests too."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated

from fastapi import Depends, FastAPI, Header, Query, Request, Response
from fastapi.middleware.cors import CORSMiddleware
from fastapi.responses import HTMLResponse

from api import access, insights, pages, problems
from api.resources import Resources
from core import db
from core.errors import DatabaseDown
from core.runtime import Clock, make_clock
from core.settings import ApiSettings


def make_app(settings: ApiSettings, clock: Clock | None = None) -> FastAPI:
    resources = Resources(settings, clock or make_clock(settings))

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        yield
        await resources.close()

    app = FastAPI(
        title="OddWons",
        description="Prediction-market intelligence over Kalshi and Polymarket. Information, not financial advice.",
        lifespan=lifespan,
        docs_url=None,  # FastAPI's pages load their scripts from a third party
        redoc_url=None,
    )
    app.state.resources = resources
    app.state.tiers = access.TierBook()
    app.state.front_page = pages.FrontPage()
    problems.install(app)
    if settings.cors_origins:
        # Tokens travel in a header that a page sets itself; cookies and the browser's own credentials never count.
        app.add_middleware(
            CORSMiddleware, allow_origins=settings.cors_origins, allow_methods=["GET"], allow_headers=["authorization"]
        )
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
    category: Annotated[str | None, Query(max_length=100, pattern=r"^[^\x00-\x1f\x7f]*$")] = None,
) -> Response:
    """AI insights as your tier sees them: free 403, basic the day's five best, premium hourly, pro now."""
    body = await insights.insights_body(resources, view, category or None)
    return Response(body, media_type="application/json", headers={"cache-control": "private, no-store"})


async def get_page(request: Request, resources: Needs) -> HTMLResponse:
    page: pages.FrontPage = request.app.state.front_page
    return HTMLResponse(await page.html(resources), headers=pages.HEADERS)
