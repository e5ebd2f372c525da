"""Whether an answer is exactly what the OpenAPI document says: all that it names, and nothing that it does not."""

from __future__ import annotations

from typing import Any

import jsonschema_rs


def faults(document: dict[str, Any], route: str, body: object) -> list[str]:
    """What differs in the body of a 2xx of a route, by its operationId."""
    (answer,) = (
        answer["content"]["application/json"]["schema"]
        for item in document["paths"].values()
        for operation in item.values()
        for status, answer in operation["responses"].items()
        if operation["operationId"] == route and status.startswith("2")
    )
    shapes = {"schemas": {name: _closed(shape) for name, shape in document["components"]["schemas"].items()}}
    validator = jsonschema_rs.Draft202012Validator(answer | {"components": shapes}, validate_formats=True)
    return [f"{list(error.instance_path)}: {error.message}"[:300] for error in validator.iter_errors(body)]


def _closed(shape: dict[str, Any]) -> dict[str, Any]:
    return shape | {"additionalProperties": False} if "properties" in shape else shape
