"""The jobs on Cloud Run functions: `?job=name`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from analyze.jobs import WORK
from core.runtime import configured, invoke
from core.settings import AnalyzeSettings

if TYPE_CHECKING:
    import flask

SETTINGS = configured(AnalyzeSettings)


def http(request: flask.Request) -> dict[str, Any]:
    return invoke(request.args.get("job", "analyze"), WORK, SETTINGS)
