"""The API on AWS Lambda (`handler`) and Cloud Run (`http`)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mangum import Mangum

from api.serve import app

if TYPE_CHECKING:
    from fastapi import FastAPI, Request

handler = Mangum(app, lifespan="off")


async def http(request: Request) -> FastAPI:
    """functions-framework's asyncio mode calls what it is given with the request's own scope: any ASGI app will do."""
    return app
