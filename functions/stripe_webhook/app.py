"""The webhook as an ASGI application: signature, record, effect, answer."""

from __future__ import annotations

import asyncio
import logging
from datetime import UTC, datetime
from typing import Any

import orjson
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from core import db
from core.errors import BadRequest, DatabaseDown, TooLarge
from core.queries import accounts
from core.runtime import make_clock
from core.settings import WebhookSettings
from stripe_webhook import events

log = logging.getLogger(__name__)


def make_app(settings: WebhookSettings) -> Starlette:
    clock, prices = make_clock(settings), events.tier_by_price(settings)
    pool: list[db.Pool] = []
    opening = asyncio.Lock()

    async def receive(request: Request) -> JSONResponse:
        try:
            body = await _read(request, settings.webhook_max_body_kb * 1_000)
            event = verify(body, request.headers.get("stripe-signature"), settings)
        except (BadRequest, TooLarge) as error:
            return JSONResponse({"detail": str(error)}, error.status)
        try:
            async with opening:
                if not pool:
                    pool.append(await db.make_pool(settings))
            async with db.acquire(pool[0], settings.database_connect_timeout_s) as connection:
                return JSONResponse(await _record(connection, event, prices, clock()))
        except DatabaseDown as error:
            # Not 2xx: Stripe brings the event again.
            log.error("event not stored", extra={"event": event["id"], "error": str(error)})
            return JSONResponse({"detail": "not stored, send again"}, 503)

    return Starlette(routes=[Route("/stripe/webhook", receive, methods=["POST"])])


async def _record(connection: Any, event: dict[str, Any], prices: Any, now: datetime) -> dict[str, str]:
    async with connection.transaction():
        created = datetime.fromtimestamp(event["created"], UTC)
        if not await accounts.insert_stripe_event(connection, event["id"], event["type"], created, now, event):
            return {"status": "handled before"}
        parked = await events.handle(connection, event, prices, now)
        await accounts.mark_stripe_event_handled(connection, event["id"], now, parked)
    if parked:
        log.error("event parked", extra={"event": event["id"], "reason": parked})
    return {"status": "parked" if parked else "handled"}


async def _read(request: Request, most: int) -> bytes:
    body = b""
    async for chunk in request.stream():
        body += chunk
        if len(body) > most:
            raise TooLarge(f"body above {most} bytes")
    return body


def verify(body: bytes, signature: str | None, settings: WebhookSettings) -> dict[str, Any]:
    """The event as a plain dict. Raises BadRequest unless one of our secrets signed exactly these bytes lately."""
    from stripe import SignatureVerificationError, WebhookSignature

    secrets = [secret.strip() for secret in settings.stripe_webhook_secret.get_secret_value().split(",")]
    for secret in filter(None, secrets):
        try:
            WebhookSignature.verify_header(
                body.decode(), signature or "", secret, tolerance=settings.stripe_tolerance_s
            )
            break
        except (SignatureVerificationError, UnicodeDecodeError, ValueError):
            continue
    else:
        raise BadRequest("the signature does not match")
    try:
        event = orjson.loads(body)
        return {**event, "id": str(event["id"]), "type": str(event["type"]), "created": int(event["created"])}
    except (orjson.JSONDecodeError, KeyError, TypeError, ValueError) as error:
        raise BadRequest(f"not an event: {type(error).__name__}") from None
