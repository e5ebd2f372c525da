"""The webhook on AWS Lambda (`handler`) and Cloud Run (`http`); on Lambda also its job (event `{"job": name}`)."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

from mangum import Mangum

from core.runtime import invoke
from stripe_webhook.serve import SETTINGS, app

if TYPE_CHECKING:
    from starlette.applications import Starlette
    from starlette.requests import Request

_serve = Mangum(app, lifespan="off")


def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    if "job" not in event:
        return _serve(event, context)
    from stripe_webhook.jobs import WORK

    # A thread has an event loop of its own: the job closes its loop, and this thread's is the server's.
    with ThreadPoolExecutor(1) as thread:
        left_s = context.get_remaining_time_in_millis() / 1_000
        return thread.submit(invoke, event["job"], WORK, SETTINGS, left_s).result()


async def http(request: Request) -> Starlette:
    """functions-framework's asyncio mode calls what it is given with the request's own scope: any ASGI app will do."""
    return app
