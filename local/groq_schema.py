"""Owns what the Groq stand-in knows of JSON Schema: the rules of strict mode, and the smallest answer that fits."""

import math
import re
from collections.abc import Iterator, Sequence
from typing import Any

from jsonschema import Draft202012Validator
from jsonschema.exceptions import SchemaError, ValidationError
from referencing import Registry
from referencing.exceptions import Unresolvable

Json = dict[str, Any]

_MAX_DEPTH = 64


def schema_fault(schema: Json, *, strict: bool) -> str | None:
    """What is wrong with a response schema, by the rules of JSON Schema and those of strict mode; None if nothing."""
    try:
        nodes = list(_schema_nodes(schema, "", 0))
        Draft202012Validator.check_schema(schema)
    except (SchemaError, RecursionError) as error:
        return str(getattr(error, "message", "it is nested too deeply"))
    for path, node in nodes:
        reference = node.get("$ref")
        if reference is not None and not (isinstance(reference, str) and reference.startswith("#")):
            return f"{path}/$ref: only references inside the schema are supported"
    if not strict:
        return None
    if schema.get("type") != "object" or schema.keys() & {"anyOf", "oneOf", "not"}:
        return "/: the root must be an object without anyOf, oneOf or not"
    return next((f"{path or '/'}: {fault}" for path, node in nodes if (fault := _strict_fault(node))), None)


def _strict_fault(node: Json) -> str | None:
    kind = node.get("type")
    if kind != "object" and "properties" not in node and not (isinstance(kind, list) and "object" in kind):
        return None
    if node.get("additionalProperties") is not False:
        return "`additionalProperties:false` must be set on every object"
    properties, required = node.get("properties", {}), node.get("required")
    if not isinstance(required, list) or set(required) != set(properties):
        missing = sorted(set(properties) - set(required if isinstance(required, list) else []))
        return "`required` is required to be supplied and to be an array including every key in properties" + (
            f"; missing: {', '.join(missing)}" if missing else ""
        )
    return None


def _schema_nodes(node: object, path: str, depth: int) -> Iterator[tuple[str, Json]]:
    if depth > _MAX_DEPTH:
        raise RecursionError
    if not isinstance(node, dict):
        return
    yield path, node
    for key in ("properties", "$defs", "definitions", "patternProperties", "dependentSchemas"):
        children = node.get(key)
        if isinstance(children, dict):
            for name, child in children.items():
                yield from _schema_nodes(child, f"{path}/{key}/{name}", depth + 1)
    for key in ("anyOf", "oneOf", "allOf", "prefixItems"):
        children = node.get(key)
        if isinstance(children, list):
            for index, child in enumerate(children):
                yield from _schema_nodes(child, f"{path}/{key}/{index}", depth + 1)
    for key in ("items", "additionalProperties", "not", "contains", "if", "then", "else"):
        yield from _schema_nodes(node.get(key), f"{path}/{key}", depth + 1)


def is_valid(instance: object, schema: Json) -> bool:
    # An empty registry: a reference may never make the validator fetch something.
    validator = Draft202012Validator(schema, registry=Registry())
    try:
        validator.validate(instance)
    except (ValidationError, Unresolvable, RecursionError, re.error):
        return False
    return True


def minimal_instance(schema: object, root: Json, depth: int = 0) -> Any:
    """The least that a schema allows: its first choice, the shortest list, `n/a`. Raises RecursionError if endless."""
    if depth > _MAX_DEPTH:
        raise RecursionError
    if not isinstance(schema, dict):
        return None
    if isinstance(schema.get("$ref"), str):
        return minimal_instance(_resolve(schema["$ref"], root), root, depth + 1)
    if "const" in schema:
        return schema["const"]
    if schema.get("enum"):
        return schema["enum"][0]
    for key in ("anyOf", "oneOf"):
        if schema.get(key):
            return _first_possible(schema[key], root, depth + 1)
    if schema.get("allOf"):
        merged: Json = {key: value for key, value in schema.items() if key != "allOf"}
        for part in schema["allOf"]:
            merged = {**(_resolve(part["$ref"], root) if "$ref" in part else part), **merged}
        return minimal_instance(merged, root, depth + 1)
    kind = schema.get("type", "object" if "properties" in schema else "string")
    if isinstance(kind, list):
        return _first_possible([schema | {"type": one} for one in kind], root, depth + 1)
    return _minimal_of(kind, schema, root, depth)


def _first_possible(options: Sequence[Any], root: Json, depth: int) -> Any:
    """The first option that ends; where `null` is allowed nothing need be made up."""
    if any(isinstance(option, dict) and option.get("type") == "null" for option in options):
        return None
    for option in options:
        try:
            return minimal_instance(option, root, depth)
        except RecursionError:
            continue
    raise RecursionError


def _resolve(reference: str, root: Json) -> Any:
    node: Any = root
    for part in reference.removeprefix("#").split("/")[1:]:
        key = part.replace("~1", "/").replace("~0", "~")
        node = node.get(key) if isinstance(node, dict) else None
    return node


def _minimal_of(kind: object, schema: Json, root: Json, depth: int) -> Any:
    if kind == "object":
        properties = schema.get("properties", {})
        return {key: minimal_instance(properties.get(key, {}), root, depth + 1) for key in schema.get("required", [])}
    if kind == "array":
        prefix = [minimal_instance(item, root, depth + 1) for item in schema.get("prefixItems", [])]
        missing = max(0, schema.get("minItems", 0) - len(prefix))
        return prefix + [minimal_instance(schema.get("items", {}), root, depth + 1) for _ in range(min(missing, 100))]
    if kind == "string":
        return _minimal_string(schema)
    if kind in {"integer", "number"}:
        return _minimal_number(schema, whole=kind == "integer")
    return False if kind == "boolean" else None


def _minimal_string(schema: Json) -> str:
    by_format = {"date-time": "1970-01-01T00:00:00Z", "date": "1970-01-01", "time": "00:00:00Z"}
    text = by_format.get(schema.get("format", ""), "n/a")
    text = text.ljust(min(schema.get("minLength", 0), 10_000), ".")
    return text[: schema["maxLength"]] if "maxLength" in schema else text


def _minimal_number(schema: Json, *, whole: bool) -> int | float:
    step = schema.get("multipleOf", 1 if whole else 0)
    low, high = schema.get("minimum", -math.inf), schema.get("maximum", math.inf)
    low = max(low, schema.get("exclusiveMinimum", -math.inf) + (step or 1e-6))
    high = min(high, schema.get("exclusiveMaximum", math.inf) - (step or 1e-6))
    value = min(max(0, low), high)
    if step and math.isfinite(value):
        value = math.ceil(value / step) * step
    return int(value) if whole else value
