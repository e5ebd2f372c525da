"""Errors as RFC 9457 problem+json, mapped once. What is not ours to tell stays in the log."""

from __future__ import annotations

import logging
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from core.errors import Forbidden, MailDown, OddWonsError, OutsideError, RequestError, TooMany

log = logging.getLogger(__name__)

_TITLES = {
    400: "Bad request",
    401: "Not signed in",
    403: "Not allowed",
    404: "Not found",
    405: "Method not allowed",
    408: "Too slow",
    409: "Conflict",
    413: "Too large",
    422: "Parameters not valid",
    429: "Too many requests",
    502: "A source is away",
    503: "Away for a moment",
}
_HEADERS = {401: {"www-authenticate": "Bearer"}, 503: {"retry-after": "5"}}


def problem(status: int, detail: str, **extra: Any) -> JSONResponse:
    title = "Not included in your tier" if "upgrade_to" in extra and status == 403 else _TITLES.get(status, "Error")
    body = {"type": "about:blank", "title": title, "status": status, "detail": detail} | extra
    return JSONResponse(body, status, headers=problem_headers(status), media_type="application/problem+json")


def problem_headers(status: int) -> dict[str, str]:
    return {"cache-control": "no-store"} | _HEADERS.get(status, {})


def problem_of(error: OddWonsError, path: str) -> JSONResponse:
    """What the caller is told of an error of ours."""
    if isinstance(error, MailDown):
        log.error("mail not sent", extra={"path": path, "error": str(error)})
        return problem(error.status, "Mail cannot be sent at the moment; try again later.")
    if isinstance(error, OutsideError):
        log.warning("outside failure", extra={"path": path, "error": str(error)})
        return problem(error.status, "A part this answer needs is away; try again soon.")
    if not isinstance(error, RequestError):
        return bug(error, path)
    upgrade = error.upgrade_to if isinstance(error, (Forbidden, TooMany)) else None
    answer = problem(error.status, str(error), **({"upgrade_to": upgrade} if upgrade else {}))
    if isinstance(error, TooMany):
        answer.headers["retry-after"] = str(error.retry_after_s)
    return answer


def bug(error: Exception, path: str) -> JSONResponse:
    log.error("bug", exc_info=error, extra={"path": path})
    return problem(500, "This is a fault of ours; it was recorded.")


def install(app: FastAPI) -> None:
    @app.exception_handler(OddWonsError)
    async def _ours(request: Request, error: OddWonsError) -> JSONResponse:
        return problem_of(error, request.url.path)

    @app.exception_handler(HTTPException)
    async def _http(request: Request, error: HTTPException) -> JSONResponse:
        answer = problem(error.status_code, str(error.detail))
        answer.headers.update(error.headers or {})
        return answer

    @app.exception_handler(RequestValidationError)
    async def _invalid(request: Request, error: RequestValidationError) -> JSONResponse:
        # Never the input itself: it may be a password.
        faults = [{"at": ".".join(map(str, fault["loc"])), "fault": fault["msg"]} for fault in error.errors()]
        return problem(422, "; ".join(f"{fault['at']}: {fault['fault']}" for fault in faults)[:500], faults=faults)

    @app.exception_handler(Exception)
    async def _bug(request: Request, error: Exception) -> JSONResponse:
        return bug(error, request.url.path)
