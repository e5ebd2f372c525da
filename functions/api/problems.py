"""Errors as RFC 9457 problem+json, mapped once. What is not ours to tell stays in the log."""

from __future__ import annotations

import logging
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from core.errors import Forbidden, OddWonsError, OutsideError, RequestError

log = logging.getLogger(__name__)

_TITLES = {
    400: "Bad request",
    401: "Not signed in",
    403: "Not included in your tier",
    404: "Not found",
    405: "Method not allowed",
    422: "Parameters not valid",
    502: "A source is away",
    503: "Away for a moment",
}


def problem(status: int, detail: str, **extra: Any) -> JSONResponse:
    body = {"type": "about:blank", "title": _TITLES.get(status, "Error"), "status": status, "detail": detail} | extra
    headers = {"www-authenticate": "Bearer"} if status == 401 else {"retry-after": "5"} if status == 503 else None
    return JSONResponse(body, status, headers=headers, media_type="application/problem+json")


def install(app: FastAPI) -> None:
    @app.exception_handler(OddWonsError)
    async def _ours(request: Request, error: OddWonsError) -> JSONResponse:
        if isinstance(error, OutsideError):
            log.warning("outside failure", extra={"path": request.url.path, "error": str(error)})
            return problem(error.status, "A part this answer needs is away; try again soon.")
        if not isinstance(error, RequestError):
            return await _bug(request, error)
        extra = {"upgrade_to": error.upgrade_to} if isinstance(error, Forbidden) and error.upgrade_to else {}
        return problem(error.status, str(error), **extra)

    @app.exception_handler(HTTPException)
    async def _http(request: Request, error: HTTPException) -> JSONResponse:
        answer = problem(error.status_code, str(error.detail))
        answer.headers.update(error.headers or {})
        return answer

    @app.exception_handler(RequestValidationError)
    async def _invalid(request: Request, error: RequestValidationError) -> JSONResponse:
        faults = [{"at": ".".join(map(str, fault["loc"])), "fault": fault["msg"]} for fault in error.errors()]
        return problem(422, "; ".join(f"{fault['at']}: {fault['fault']}" for fault in faults)[:500], faults=faults)

    @app.exception_handler(Exception)
    async def _bug(request: Request, error: Exception) -> JSONResponse:
        log.exception("bug", exc_info=error, extra={"path": request.url.path})
        return problem(500, "This is a fault of ours; it was recorded.")
