"""Sentry, where SENTRY_DSN is set: errors as logged or raised, without secrets, requests or local variables."""

from __future__ import annotations

from typing import Any

import orjson

from core.secrecy import redacted
from core.settings import Settings

_started = False


def start(settings: Settings) -> None:
    global _started
    if settings.sentry_dsn is None or _started:
        return
    import sentry_sdk

    sentry_sdk.init(
        dsn=settings.sentry_dsn.get_secret_value(),
        environment=settings.environment,
        auto_enabling_integrations=False,
        include_local_variables=False,
        max_request_body_size="never",
        send_default_pii=False,
        before_send=_scrubbed,
        before_breadcrumb=lambda *_: None,
    )
    _started = True


def _scrubbed(event: Any, _: object) -> Any:
    return orjson.loads(redacted(orjson.dumps(event, default=str).decode()))


def report(error: BaseException) -> None:
    """Of an error that is told by an exit code and not by the log."""
    if _started:
        import sentry_sdk

        sentry_sdk.capture_exception(error)


def flush(timeout_s: float = 2.0) -> None:
    """Sends what waits: a host may freeze us when we return."""
    if _started:
        import sentry_sdk

        sentry_sdk.flush(timeout_s)
