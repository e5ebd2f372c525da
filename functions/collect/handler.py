"""The jobs on AWS Lambda: event `{"job": name}`."""

from __future__ import annotations

from typing import Any

from aws.observing import observed
from aws.secrets import configured
from collect.jobs import WORK
from core.runtime import invoke
from core.settings import CollectSettings

SETTINGS = configured(CollectSettings)


@observed("collect")
def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    return invoke(event.get("job", "collect"), WORK, SETTINGS, context.get_remaining_time_in_millis() / 1_000)
