"""What the API is measured beside: the least an ASGI application can do, and the usual way to write the same route."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated, Any

import jwt
import orjson
from fastapi import Depends, FastAPI, Header, HTTPException

from api.answers import InsightPage
from api.credentials import ISSUER

BODY = Path(os.environ["BENCH_BODY"]).read_bytes()
_HEADERS = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(BODY))]


async def bare(scope: Any, receive: Any, send: Any) -> None:
    """The same bytes to whoever asks."""
    if scope["type"] != "http":
        return
    await send({"type": "http.response.start", "status": 200, "headers": _HEADERS})
    await send({"type": "http.response.body", "body": BODY})


naive = FastAPI()
_ROWS = orjson.loads(BODY)


def _user(authorization: Annotated[str, Header()]) -> str:
    try:
        claims = jwt.decode(
            authorization.removeprefix("Bearer "), os.environ["JWT_SECRET"], algorithms=["HS256"], issuer=ISSUER
        )
    except jwt.InvalidTokenError:
        raise HTTPException(401) from None
    return str(claims["sub"])


@naive.get("/api/v1/insights/ai", response_model_exclude_unset=True)
async def insights(user: Annotated[str, Depends(_user)]) -> InsightPage:
    """Models from rows that are in memory already: it asks no database and counts nothing."""
    return InsightPage.model_validate(_ROWS)
