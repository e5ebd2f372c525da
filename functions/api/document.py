"""The OpenAPI document, and a page made from it that loads nothing from anywhere."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fastapi import FastAPI, Request
from fastapi.openapi.utils import get_openapi
from fastapi.responses import HTMLResponse

from api.gate import OPEN, PREFIX
from api.needs import PROBLEMS
from api.pages import HEADERS, template

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
NOT_READY: dict[int | str, dict[str, Any]] = {503: {"description": "the database does not answer"}}

_INSIGHT = {
    "id": "0b1f6f0e-7c1a-4f2a-9a56-6c1d6f6f0d11",
    "platform": "kalshi",
    "market_id": "KXFED-26DEC-T3.75",
    "market_title": "Will the Fed's upper bound be above 3.75% after the December meeting?",
    "yes_means": "Above 3.75%",
    "no_means": "not: Above 3.75%",
    "pattern_type": "price_drift",
    "pattern_score": 71.5,
    "category": "Economics",
    "ai_recommendation": "GOOD_BET",
    "confidence_score": 61.0,
    "confidence_basis": "unproven",
    "win_probability": None,
    "one_liner": "Buy NO at 41¢: the move came on thin volume.",
    "reasoning": "The price drifted for six hours while little was traded.",
    "risk_factors": ["The meeting may be moved."],
    "suggested_position": "NO",
    "edge_explanation": "A drift without news.",
    "time_sensitivity": "HOURS",
    "net_edge_cents": 3.1,
    "evidence": [{"id": "F1", "name": "no_price", "label": "NO costs", "value": "41", "unit": "¢"}],
    "price_at_emission": 0.59,
    "yes_price_at_emission": 0.6,
    "no_price_at_emission": 0.41,
    "model": "openai/gpt-oss-20b",
    "created_at": "2026-11-22T12:50:00Z",
    "expires_at": "2026-11-23T12:50:00Z",
}
_NO_ADVICE = "Information, not financial advice."
EXAMPLES: dict[str, Any] = {
    "get_insights": {
        "insights": [_INSIGHT],
        "next_cursor": None,
        "arbitrage": [],
        "deep_analysis": [],
        "refresh": "real-time",
        "disclaimer": _NO_ADVICE,
    },
    "get_insight": {
        "insight": _INSIGHT | {"ended_at": None, "settled": False, "outcome": None},
        "prices": [{"time": "2026-11-22T12:00:00Z", "price": 0.57, "volume": 1200.0}],
        "refresh": "hourly",
        "disclaimer": _NO_ADVICE,
    },
    "get_history": {
        "platform": "kalshi",
        "market_id": "KXFED-26DEC-T3.75",
        "interval": "hour",
        "points": [
            {"time": "2026-11-22T12:00:00Z", "open": 0.55, "high": 0.6, "low": 0.55, "close": 0.59, "volume": 1200.0}
        ],
        "next_cursor": None,
        "disclaimer": _NO_ADVICE,
    },
    "login": {"access_token": "eyJhbGciOi…", "token_type": "bearer", "expires_in": 1800, "refresh_token": "kD0v2c8Z…"},
}
_PROBLEM = {
    "type": "about:blank",
    "title": "Not included in your tier",
    "status": 403,
    "detail": "insights are part of the paid tiers; basic has the five best of each day",
    "upgrade_to": "basic",
}


def install(app: FastAPI) -> None:
    """app.openapi() gives the document, made once."""

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            app.openapi_schema = _document(app)
        return app.openapi_schema

    app.openapi = openapi  # type: ignore[method-assign]


def _document(app: FastAPI) -> dict[str, Any]:
    from pydantic.json_schema import models_json_schema  # with the answers' shapes: only the document needs them

    from api.answers import BY_ROUTE, Problem

    document = get_openapi(title=app.title, version=app.version, description=app.description, routes=app.routes)
    models: list[type[BaseModel]] = sorted({*BY_ROUTE.values(), Problem}, key=lambda model: model.__name__)
    _, shapes = models_json_schema(
        [(model, "serialization") for model in models], ref_template="#/components/schemas/{model}"
    )
    parts = document["components"]
    parts["schemas"] |= shapes["$defs"]
    parts["schemas"]["Problem"]["example"] = _PROBLEM
    for unused in ("HTTPValidationError", "ValidationError"):
        parts["schemas"].pop(unused, None)
    parts["securitySchemes"] = {
        "bearer": {"type": "http", "scheme": "bearer", "description": "access token or API key"}
    }
    for path, item in document["paths"].items():
        for operation in item.values():
            operation["operationId"] = name = operation["operationId"].split("_api_v1")[0].split("_health")[0]
            _complete(operation, BY_ROUTE.get(name), secured=path.startswith(PREFIX) and path not in OPEN)
    return document


def _complete(operation: dict[str, Any], answers: type | None, *, secured: bool) -> None:
    if secured:
        operation["security"] = [{"bearer": []}]
        operation["responses"].setdefault("401", {"description": PROBLEMS[401]})
    if "requestBody" in operation:
        for status in ("400", "408", "413"):
            operation["responses"][status] = {"description": PROBLEMS[int(status)]}
    for status, answer in operation["responses"].items():
        if not status.startswith("2"):
            answer["content"] = _problem_content()
        elif answers is not None:
            answer["content"] = {"application/json": {"schema": {"$ref": f"#/components/schemas/{answers.__name__}"}}}
            if (name := operation["operationId"]) in EXAMPLES:
                answer["content"]["application/json"]["example"] = EXAMPLES[name]


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


async def get_docs(request: Request) -> HTMLResponse:
    """The document as a page: no script, no third party."""
    document = request.app.openapi()
    operations = [
        (method.upper(), path, operation)
        for path, item in document["paths"].items()
        for method, operation in item.items()
    ]
    page = template("docs.html").render(
        about=document["info"], operations=operations, schemas=document["components"]["schemas"], shape=shape
    )
    return HTMLResponse(page, headers=HEADERS)
