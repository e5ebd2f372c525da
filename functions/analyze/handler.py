"""The jobs on AWS Lambda: event `{"job": name}`."""

from __future__ import annotations

from typing import Any

from analyze.jobs import WORK
from aws.observing import observed
from aws.secrets import configured
from core.runtime import invoke
from core.settings import AnalyzeSettings

SETTINGS = configured(AnalyzeSettings)


@observed("analyze")
def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    return invoke(event.get("job", "analyze"), WORK, SETTINGS, context.get_remaining_time_in_millis() / 1_000)
