"""Powertools around a handler: each line of the log with the invocation's ids, metrics in the log (EMF), a trace."""

from __future__ import annotations

import functools
import logging
from collections.abc import Callable
from typing import Any

from aws_lambda_powertools import Logger, Metrics
from aws_lambda_powertools.metrics import MetricUnit, single_metric

from core import reporting
from core.errors import JobFailed
from core.runtime import JOBS
from core.secrecy import redacted

log = logging.getLogger(__name__)

NAMESPACE = "OddWons"
MESSAGES = "messages"  # as what a batch out of a queue is counted
Handler = Callable[[dict[str, Any], Any], Any]


def observed(function: str, *, traced: bool = True) -> Callable[[Handler], Handler]:
    """The log must have been configured: its handler gets Powertools' format.

    Not `traced` where a reader waits for a cold start: the tracer brings all of botocore, twice what the API itself
    takes to import. Lambda's own segments are there all the same.
    """
    # Powertools mutes all loggers whose name begins with the service's: it must not be a package's.
    service = f"oddwons-{function.replace('_', '-')}"
    (handler,) = logging.getLogger().handlers
    logger = Logger(service=service, level=logging.getLogger().level, logger_handler=handler, utc=True)
    metrics = Metrics(namespace=NAMESPACE, service=service)

    def around(handler: Handler) -> Handler:
        @functools.wraps(handler)
        def told(event: dict[str, Any], context: Any) -> Any:
            try:
                return _counted(handler, event, context)
            finally:
                reporting.flush()

        work: Handler = told
        if traced:
            from aws_lambda_powertools import Tracer

            # Answers hold tokens, errors may hold anything: neither belongs into a trace.
            tracer = Tracer(service=service, auto_patch=False)
            work = tracer.capture_lambda_handler(told, capture_response=False, capture_error=False)
        measured = metrics.log_metrics(work, capture_cold_start_metric=True)
        observed_handler: Handler = logger.inject_lambda_context(measured, clear_state=True)
        return observed_handler

    return around


def _counted(handler: Handler, event: dict[str, Any], context: Any) -> Any:
    job = event.get("job", MESSAGES if "Records" in event else None)
    if not isinstance(job, str):
        return handler(event, context)
    try:
        answer = handler(event, context)
    except Exception as error:
        _count(job, "JobFailed")
        log.exception("job failed", extra={"job": job})
        reporting.report(error)
        if redacted(str(error)) != str(error):  # Lambda itself writes it to the log
            raise JobFailed(redacted(str(error))) from None
        raise
    _count(job, {"ok": "JobOk", "overlap": "JobOverlap", "not due": "JobNotDue"}[answer.get("status", "ok")])
    return answer


def _count(job: str, name: str) -> None:
    with single_metric(name, MetricUnit.Count, 1, namespace=NAMESPACE) as metric:
        metric.add_dimension("job", job if job in {*JOBS, MESSAGES} else "unknown")
