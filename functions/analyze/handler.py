"""The jobs on AWS Lambda, event `{"job": name}`, and candidates to analyse out of an SQS queue."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import Any

from analyze import fanning, pipeline
from analyze.jobs import WORK
from aws import queues
from aws.observing import observed
from aws.secrets import configured
from core.runtime import Work, invoke
from core.settings import AnalyzeSettings

SETTINGS = configured(AnalyzeSettings)
_WORK: dict[str, Work[AnalyzeSettings]] = dict(WORK)
if SETTINGS.analyze_queue_url is not None:
    _WORK["analyze"] = partial(pipeline.run, explain=fanning.hand_over)


@observed("analyze")
def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    limit_s = context.get_remaining_time_in_millis() / 1_000
    if "Records" in event:
        failures = asyncio.run(fanning.work(queues.bodies_of(event), SETTINGS, limit_s))
        return queues.answered(event, failures, context)
    return invoke(event.get("job", "analyze"), _WORK, SETTINGS, limit_s)
