"""The HTTP API as an ASGI application; hosts import it, tests too."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI, Request, Response
from fastapi.middleware.cors import CORSMiddleware
from fastapi.responses import HTMLResponse

from api import account_pages, analyses, billing, document, pages, problems, reading, signing_in
from api.accounts import Accounts
from api.callers import Callers
from api.gate import Doorway, Gate
from api.limits import Limits
from api.needs import Needs
from api.passwords import Passwords
from api.ready import Shelf
from api.resources import Resources
from core.errors import DatabaseDown
from core.runtime import Clock, make_clock
from core.settings import ApiSettings

log = logging.getLogger(__name__)

_TOLD = ["etag", "ratelimit", "ratelimit-policy", "retry-after", "x-request-id", "location", "age", "warning"]


def make_app(settings: ApiSettings, clock: Clock | None = None) -> FastAPI:
    resources = Resources(settings, clock or make_clock(settings))
    doorway = Doorway(resources, Callers(resources), Limits(resources), Shelf(resources))

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        yield
        await app.state.billing.close()
        await resources.close()

    app = FastAPI(
        title="OddWons",
        version="1",
        description=document.DESCRIPTION,
        lifespan=lifespan,
        openapi_url=None,
        docs_url=None,  # FastAPI's pages load their scripts from a third party
        redoc_url=None,
        redirect_slashes=False,  # they would lead to the host that the caller says we have
    )
    app.state.resources = resources
    app.state.doorway = doorway
    app.state.billing = billing.Desk(doorway)
    app.state.accounts = Accounts(doorway, Passwords(settings.password_hashes_at_once), app.state.billing)
    app.state.front_page = pages.FrontPage()
    problems.install(app)
    app.add_middleware(Gate, doorway=doorway)
    if settings.cors_origins:
        # Tokens travel in a header that a page sets itself; cookies and the browser's own credentials never count.
        app.add_middleware(
            CORSMiddleware,
            allow_origins=settings.cors_origins,
            allow_methods=["GET", "POST", "DELETE"],
            allow_headers=["authorization", "content-type", "if-none-match", "x-request-id"],
            expose_headers=_TOLD,
        )
    app.add_api_route("/health", health, methods=["GET"], tags=["operation"],
                      responses=document.NOT_READY)  # fmt: skip
    app.add_api_route("/health/jobs", health_jobs, methods=["GET"], tags=["operation"],
                      responses=document.NOT_READY)  # fmt: skip
    app.add_api_route("/health/live", live, methods=["GET"], tags=["operation"])
    for path, told in (("/health", health), ("/health/jobs", health_jobs), ("/health/live", live)):
        app.add_api_route(path, told, methods=["HEAD"], include_in_schema=False)  # as monitors ask
    for part in (reading, analyses, signing_in, billing):
        app.include_router(part.router)
    app.add_api_route("/", get_page, methods=["GET"], include_in_schema=False)
    account_pages.install(app)
    document.install(app)
    return app


async def health(resources: Needs) -> Response:
    """Readiness: 200 when the database answers, else 503."""
    try:
        await resources.ping()
    except DatabaseDown:
        return problems.problem(503, "The database does not answer.")
    return Response(b'{"status":"ok"}', media_type="application/json")


async def health_jobs(resources: Needs) -> Response:
    """For a monitor outside: 200 when every scheduled job ran in time, else 503 with those that did not."""
    try:
        missed = await resources.missed_jobs()
    except DatabaseDown:
        return problems.problem(503, "The database does not answer.")
    if missed:
        return problems.problem(503, "Jobs did not run in time.", missed=missed)
    return Response(b'{"status":"ok"}', media_type="application/json")


async def live() -> Response:
    """Liveness: 200 as long as the process answers at all, whatever is away."""
    return Response(b'{"status":"ok"}', media_type="application/json")


async def get_page(request: Request, resources: Needs) -> HTMLResponse:
    page: pages.FrontPage = request.app.state.front_page
    try:
        return HTMLResponse(await page.html(resources), headers=pages.HEADERS)
    except DatabaseDown as error:
        if not pages.takes_html(request.headers.get("accept", "")):
            raise
        headers = pages.HEADERS | problems.problem_headers(503)
        log.warning("no page", extra={"error": str(error)})
        return HTMLResponse(pages.template("away.html").render(), 503, headers=headers)
