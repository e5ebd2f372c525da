"""The webhook on AWS Lambda, behind an HTTP API; also its job (event `{"job": name}`)."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

from mangum import Mangum

from aws.observing import observed
from aws.secrets import configured
from core.runtime import invoke
from core.settings import WebhookSettings
from stripe_webhook.app import make_app

SETTINGS = configured(WebhookSettings)
_serve = Mangum(make_app(SETTINGS), lifespan="off")


@observed("stripe_webhook", traced=False)
def handler(event: dict[str, Any], context: Any) -> Any:
    if "job" not in event:
        return _serve(event, context)
    from stripe_webhook.jobs import WORK

    # A thread has an event loop of its own: the job closes its loop, and this thread's is the server's.
    with ThreadPoolExecutor(1) as thread:
        left_s = context.get_remaining_time_in_millis() / 1_000
        return thread.submit(invoke, event["job"], WORK, SETTINGS, left_s).result()
