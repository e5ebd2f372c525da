"""The OpenAPI document, and a page made from it that loads nothing from anywhere."""

from __future__ import annotations

import gzip
import re
from collections.abc import Callable, Mapping
from hashlib import blake2b
from typing import TYPE_CHECKING, Any

import orjson
from fastapi import FastAPI, Request, Response
from fastapi.openapi.utils import get_openapi

from api.gate import OPEN, PREFIX
from api.needs import PROBLEMS
from api.pages import HEADERS, template
from api.ready import takes_gzip

if TYPE_CHECKING:
    from pydantic import BaseModel

DESCRIPTION = """\
Prediction-market intelligence over Kalshi and Polymarket. **Information, not financial advice.**

Send an access token (`POST /api/v1/auth/login`) or an API key (`POST /api/v1/auth/keys`) as
`Authorization: Bearer …`. Lists come in pages: give `next_cursor` as `cursor`. Answers carry an `ETag`; with
`If-None-Match` an unchanged one is a 304. `RateLimit` tells what is left of the minute. Errors are
`application/problem+json` (RFC 9457). With the database away, answers from memory carry `Warning` and `Age`.

| tier | insights | arbitrage | analyses | fresh as of | requests a minute |
|---|---|---|---|---|---|
| free | – | – | – | – | 30 |
| basic | five best of the latest daily digest | – | – | the last digest | 60 |
| premium | all | yes | – | the top of the hour | 120 |
| pro | all | yes | yes | now | 600 |

Markets, prices, history and search are for every tier, and current.
"""
_TOLD_TIER = re.compile(r"\*\*(free|basic|premium|pro)\*\*|[Ff]or every tier")
NOT_READY: dict[int | str, dict[str, Any]] = {503: {"description": "the database does not answer"}}


def install(app: FastAPI) -> None:
    """app.openapi() gives the document, made once."""

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            app.openapi_schema = _document(app)
        return app.openapi_schema

    app.openapi = openapi  # type: ignore[method-assign]
    pages = {
        "/openapi.json": Kept("application/json", lambda app: orjson.dumps(app.openapi()), {}),
        "/docs": Kept("text/html; charset=utf-8", _page, HEADERS),
    }
    for path, page in pages.items():
        app.add_api_route(path, page.get, methods=["GET"], include_in_schema=False)


def _document(app: FastAPI) -> dict[str, Any]:
    from pydantic.json_schema import models_json_schema  # with the answers' shapes: only the document needs them

    from api.answers import BY_ROUTE, Problem
    from api.examples import EXAMPLES, PROBLEM

    document = get_openapi(title=app.title, version=app.version, description=app.description, routes=app.routes)
    models: list[type[BaseModel]] = sorted({*BY_ROUTE.values(), Problem}, key=lambda model: model.__name__)
    _, shapes = models_json_schema(
        [(model, "serialization") for model in models], ref_template="#/components/schemas/{model}"
    )
    parts = document["components"]
    parts["schemas"] |= shapes["$defs"]
    parts["schemas"]["Problem"]["example"] = PROBLEM
    for unused in ("HTTPValidationError", "ValidationError"):
        parts["schemas"].pop(unused, None)
    parts["securitySchemes"] = {
        "bearer": {"type": "http", "scheme": "bearer", "description": "access token or API key"}
    }
    for path, item in document["paths"].items():
        for operation in item.values():
            operation["operationId"] = name = operation["operationId"].split("_api_v1")[0].split("_health")[0]
            secured = path.startswith(PREFIX) and path not in OPEN
            operation["description"] = _with_note(operation["description"], secured)
            _complete(operation, BY_ROUTE.get(name), EXAMPLES.get(name), secured=secured)
    return document


def _with_note(description: str, secured: bool) -> str:
    """With whom it is for, where the route does not say so itself."""
    if not secured:
        return f"{description}\n\nNeeds no token."
    return description if _TOLD_TIER.search(description) else f"{description}\n\nFor every tier."


def _complete(operation: dict[str, Any], answers: type | None, example: Any, *, secured: bool) -> None:
    if secured:
        operation["security"] = [{"bearer": []}]
        operation["responses"].setdefault("401", {"description": PROBLEMS[401]})
    if "requestBody" in operation:
        for status in ("400", "408", "413"):
            operation["responses"][status] = {"description": PROBLEMS[int(status)]}
    for status, answer in operation["responses"].items():
        if not status.startswith("2"):
            answer["content"] = _problem_content()
            continue
        if answers is not None:
            answer["content"] = {"application/json": {"schema": {"$ref": f"#/components/schemas/{answers.__name__}"}}}
        if example is not None:
            answer["content"]["application/json"]["example"] = example


def _problem_content() -> dict[str, Any]:
    return {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}}


def shape(schema: dict[str, Any]) -> str:
    """A schema in a few words."""
    if "$ref" in schema:
        return str(schema["$ref"]).rsplit("/", 1)[1]
    if "anyOf" in schema:
        return " or ".join(map(shape, schema["anyOf"]))
    if "enum" in schema:
        return " | ".join(map(str, schema["enum"]))
    if schema.get("type") == "array":
        return f"[{shape(schema['items'])}]"
    return str(schema.get("const") or schema.get("format") or schema.get("type", "any"))


class Kept:
    """A page that never changes: made, compressed and tagged at its first use, for strangers may ask for it often."""

    def __init__(self, media: str, make: Callable[[FastAPI], bytes], headers: Mapping[str, str]) -> None:
        self._make, self._headers = make, dict(headers) | {"content-type": media, "vary": "accept-encoding"}
        self._forms: dict[bool, bytes] = {}
        self._tag = ""

    async def get(self, request: Request) -> Response:
        if not self._forms:
            plain = self._make(request.app)
            self._tag = f'W/"{blake2b(plain, digest_size=16).hexdigest()}"'
            self._forms = {False: plain, True: gzip.compress(plain)}
        headers = self._headers | {"etag": self._tag}
        if request.headers.get("if-none-match") == self._tag:
            return Response(status_code=304, headers=headers)
        zipped = takes_gzip(request.headers.get("accept-encoding", "").encode("latin-1"))
        return Response(self._forms[zipped], headers=headers | ({"content-encoding": "gzip"} if zipped else {}))


def _page(app: FastAPI) -> bytes:
    """The document for people: no script, no third party."""
    document = app.openapi()
    operations = [
        (method.upper(), path, operation)
        for path, item in document["paths"].items()
        for method, operation in item.items()
    ]
    page = template("docs.html").render(
        about=document["info"], operations=operations, schemas=document["components"]["schemas"], shape=shape
    )
    return page.encode()
