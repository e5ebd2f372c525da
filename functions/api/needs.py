"""What routes ask of the gate: who asks, what may be seen, and the answer's way out."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Annotated, Any

from fastapi import Depends, Request, Response

from api.access import View
from api.callers import Caller
from api.gate import Asked, Doorway
from api.ready import Answer, ReadyResponse
from api.resources import Resources
from core.errors import Forbidden

PROBLEMS: dict[int, str] = {
    400: "the request makes no sense, for instance a cursor of another list",
    401: "no token or key, or one that is not good (any more)",
    403: "the tier does not include it; `upgrade_to` names the one that does",
    404: "there is no such thing for you",
    408: "the body did not arrive in time",
    409: "it does not go together with what is there",
    413: "the body is too large",
    422: "a parameter is not valid",
    429: "too many requests; `Retry-After` says when to come back",
    502: "a part that is needed refuses or answers nonsense",
    503: "a part that is needed is away",
}


def problems(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """Their description for the OpenAPI document; some can happen everywhere."""
    return {
        status: {
            "description": PROBLEMS[status],
            "content": {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}},
        }
        for status in sorted({*statuses, 422, 429, 503})
    }


def asked_of(request: Request) -> Asked:
    asked: Asked = request.scope["asked"]
    return asked


def doorway_of(request: Request) -> Doorway:
    doorway: Doorway = request.app.state.doorway
    return doorway


def caller_of(request: Request) -> Caller:
    caller = asked_of(request).caller
    assert caller is not None, "the gate lets nobody unknown in here"
    return caller


def view_of(request: Request) -> View:
    view = asked_of(request).view
    assert view is not None, "the gate lets nobody unknown in here"
    return view


def person_of(request: Request) -> Caller:
    """Keys read; a leaked one must not take the account over."""
    caller = caller_of(request)
    if caller.by_key:
        raise Forbidden("an API key cannot manage the account: sign in")
    return caller


def resources_of(request: Request) -> Resources:
    return doorway_of(request).resources


Needs = Annotated[Resources, Depends(resources_of)]
Who = Annotated[Caller, Depends(caller_of)]
Person = Annotated[Caller, Depends(person_of)]
Sees = Annotated[View, Depends(view_of)]


async def ready(request: Request, view: View, load: Callable[[], Awaitable[Answer]]) -> Response:
    """The answer from memory, or loaded once for all who ask for the same at the same time with the same view."""
    asked, doorway = asked_of(request), doorway_of(request)
    key = (view.key, request.scope["path"], request.scope["query_string"])
    found, old = await doorway.shelf.of(key, view.as_of, load)
    age_s: int | None = None
    if old or doorway.resources.database_away:
        age_s = max(0, int((doorway.resources.clock() - found.answer.read_at).total_seconds()))
    return ReadyResponse(found, asked.accepts, asked.known, age_s)
