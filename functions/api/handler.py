"""The API on AWS Lambda (`handler`) and Cloud Run (`http`)."""

from __future__ import annotations

import gc
from typing import TYPE_CHECKING

gc.disable()  # nothing that is imported is garbage: looking for some among it takes a tenth of a cold start

from mangum import Mangum  # noqa: E402

from api.serve import app  # noqa: E402

gc.freeze()
gc.enable()

if TYPE_CHECKING:
    from fastapi import FastAPI, Request

handler = Mangum(app, lifespan="off")


async def http(request: Request) -> FastAPI:
    """functions-framework's asyncio mode calls what it is given with the request's own scope: any ASGI app will do."""
    return app
