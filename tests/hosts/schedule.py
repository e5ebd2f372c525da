"""What a host must be told, read from the code: the jobs that exist and the variables that each function reads."""

from __future__ import annotations

from collections.abc import Mapping

from analyze.jobs import WORK as ANALYZE
from collect.jobs import WORK as COLLECT
from core.runtime import JOBS, Job
from core.settings import AnalyzeSettings, ApiSettings, CollectSettings, Settings, WebhookSettings
from stripe_webhook.jobs import WORK as BILLING

SETTINGS: Mapping[str, type[Settings]] = {
    "collect": CollectSettings,
    "analyze": AnalyzeSettings,
    "api": ApiSettings,
    "stripe_webhook": WebhookSettings,
}


def implemented() -> list[Job]:
    """The jobs that run by the clock and whose work is there."""
    return [job for job in JOBS.values() if job.cron and job.name in {*COLLECT, *ANALYZE, *BILLING}]


def variables(settings: type[Settings]) -> set[str]:
    return {name.upper() for name in settings.model_fields}


def required(settings: type[Settings]) -> set[str]:
    return {name.upper() for name, field in settings.model_fields.items() if field.is_required()}
