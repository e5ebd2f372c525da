"""The webhook on Cloud Run functions."""

from __future__ import annotations

from typing import TYPE_CHECKING

from stripe_webhook.serve import app

if TYPE_CHECKING:
    from starlette.applications import Starlette
    from starlette.requests import Request


async def http(request: Request) -> Starlette:
    """functions-framework's asyncio mode calls what it is given with the request's own scope: any ASGI app will do."""
    return app
