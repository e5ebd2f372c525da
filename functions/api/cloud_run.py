"""The API on Cloud Run functions."""

from __future__ import annotations

from typing import TYPE_CHECKING

from api.serve import app

if TYPE_CHECKING:
    from fastapi import FastAPI, Request


async def http(request: Request) -> FastAPI:
    """functions-framework's asyncio mode calls what it is given with the request's own scope: any ASGI app will do."""
    return app
