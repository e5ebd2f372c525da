"""The same jobs on AWS Lambda (`handler`, event `{"job": name}`) and Cloud Run (`http`, `?job=name`)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from collect.jobs import WORK
from core.runtime import configured, invoke
from core.settings import CollectSettings

if TYPE_CHECKING:
    import flask

SETTINGS = configured(CollectSettings)


def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    return invoke(event.get("job", "collect"), WORK, SETTINGS, context.get_remaining_time_in_millis() / 1_000)


def http(request: flask.Request) -> dict[str, Any]:
    return invoke(request.args.get("job", "collect"), WORK, SETTINGS)
