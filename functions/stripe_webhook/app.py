"""The webhook as an ASGI application: signature, record, effect, answer."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from starlette.applications import Starlette
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from core import db
from core.errors import BadRequest, DatabaseDown, TooLarge
from core.models import Tier
from core.queries import accounts
from core.runtime import Clock, make_clock
from core.settings import WebhookSettings
from stripe_webhook import events
from stripe_webhook.events import StripeEvent
from stripe_webhook.signature import verify

log = logging.getLogger(__name__)

_READ_WITHIN_S = 10.0


def make_app(settings: WebhookSettings, clock: Clock | None = None) -> Starlette:
    webhook = Webhook(settings, clock or make_clock(settings), events.tier_by_price(settings))

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        yield
        await webhook.close()

    routes = [Route("/stripe/webhook", webhook.receive, methods=["POST"]), Route("/health", health)]
    app = Starlette(routes=routes, lifespan=lifespan)
    app.state.webhook = webhook
    return app


async def health(request: Request) -> JSONResponse:
    """Alive. Without the database events are refused and come again, so that is no reason to restart."""
    return JSONResponse({"status": "ok"})


@dataclass(slots=True)
class Webhook:
    settings: WebhookSettings
    clock: Clock
    prices: Mapping[str, Tier]
    _pool: db.Pool | None = None
    _opening: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def receive(self, request: Request) -> JSONResponse:
        """200 once the event is stored and handled or parked; 4xx stores nothing; 5xx makes Stripe bring it again."""
        try:
            body = await _read(request, self.settings.webhook_max_body_kb * 1_000)
            event = events.parse_event(verify(body, request.headers.get("stripe-signature"), self.settings))
        except (BadRequest, TooLarge) as error:
            return JSONResponse({"detail": str(error)}, error.status)
        try:
            return JSONResponse(await self._record(event))
        except DatabaseDown as error:
            log.error("event not stored", extra={"event": event.id, "error": str(error)})
            return JSONResponse({"detail": "not stored, send again"}, 503)

    async def _record(self, event: StripeEvent) -> dict[str, str]:
        """Stores the event first, so that one whose handling fails stays visible as open; then handles it once."""
        now = self.clock()
        async with self._connection() as connection:
            await accounts.insert_stripe_event(connection, event.id, event.type, event.created or now, now, event.body)
            async with connection.transaction():
                if not await accounts.take_stripe_event(connection, event.id):
                    return {"status": "handled before"}
                parked = await events.handle(connection, event, self.prices, now)
                await accounts.mark_stripe_event_handled(connection, event.id, now, parked)
        if parked:
            log.error("event parked", extra={"event": event.id, "reason": parked})
        return {"status": "parked" if parked else "handled"}

    @asynccontextmanager
    async def _connection(self) -> AsyncIterator[db.Connection]:
        async with self._opening:
            if self._pool is None:
                self._pool = await db.make_pool(self.settings)
        async with db.acquire(self._pool, self.settings.database_connect_timeout_s) as connection:
            yield connection

    async def close(self) -> None:
        if self._pool is not None:
            await self._pool.close()


async def _read(request: Request, most: int) -> bytes:
    body = bytearray()
    try:
        async with asyncio.timeout(_READ_WITHIN_S):
            async for chunk in request.stream():
                body += chunk
                if len(body) > most:
                    raise TooLarge(f"body above {most} bytes")
    except (TimeoutError, ClientDisconnect):
        raise BadRequest("the body did not arrive") from None
    return bytes(body)
