"""The webhook as an ASGI application: signature, record, sync, answer."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from starlette.applications import Starlette
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from core import db
from core.billing.sync import Books, Outcome, sync_customer
from core.errors import BadRequest, DatabaseDown, StripeError
from core.queries import billing
from core.runtime import Clock, make_clock
from core.settings import WebhookSettings
from stripe_webhook.events import StripeEvent, needs_customer, parse_event
from stripe_webhook.signature import promising, verify

log = logging.getLogger(__name__)

_READ_WITHIN_S = 10.0


def make_app(settings: WebhookSettings, clock: Clock | None = None) -> Starlette:
    webhook = Webhook(settings, clock or make_clock(settings))

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
    _pool: db.Pool | None = None
    _opening: asyncio.Lock = field(default_factory=asyncio.Lock)
    _books: Books | None = None

    async def receive(self, request: Request) -> JSONResponse:
        """200 once the event is stored and handled or parked; 400 stores nothing; 5xx makes Stripe bring it again."""
        try:
            signature = promising(request.headers.get("stripe-signature"))
            body = await _read(request, self.settings.webhook_max_body_kb * 1_000)
            event = parse_event(verify(body, signature, self.settings))
        except BadRequest as error:
            return JSONResponse({"detail": str(error)}, 400)
        try:
            outcome = await self._record(event)
        except (DatabaseDown, StripeError) as error:
            log.error("event not handled", extra={"event": event.id, "error": str(error)})
            return JSONResponse({"detail": "not handled, send again"}, 503)
        return JSONResponse({"status": outcome.status})

    async def _record(self, event: StripeEvent) -> Outcome:
        """Stores the event first, so that one whose handling fails stays visible as open; then handles it once."""
        now = self.clock()
        async with self._transaction() as connection:
            if not await billing.insert_event(
                connection, event.id, event.type, event.customer_id, event.created or now, now, event.body
            ):
                return Outcome("handled before")
            if event.customer_id is None:
                return await self._nobodys(connection, event)
        return await sync_customer(self.books, event.customer_id, f"stripe {event.id}", event.id)

    async def _nobodys(self, connection: db.Connection, event: StripeEvent) -> Outcome:
        """Of a product or a payout, say: nobody's access hangs on it, unless its type says so."""
        if not needs_customer(event):
            await billing.mark_event_handled(connection, event.id, self.clock())
            return Outcome("handled")
        reason = f"malformed: {event.type} that names no customer"
        await billing.mark_event_parked(connection, event.id, reason)
        log.error("billing parked", extra={"event": event.id, "reason": reason})
        return Outcome("parked", reason)

    @property
    def books(self) -> Books:
        if self._books is None:
            self._books = Books(self.settings, self._transaction, self.clock)
        return self._books

    @asynccontextmanager
    async def _transaction(self) -> AsyncIterator[db.Connection]:
        async with self._opening:
            if self._pool is None:
                self._pool = await db.make_pool(self.settings)
        async with db.acquire(self._pool, self.settings.database_connect_timeout_s) as connection:
            async with connection.transaction():
                yield connection

    async def close(self) -> None:
        if self._books is not None:
            await self._books.close()
        if self._pool is not None:
            await self._pool.close()


async def _read(request: Request, most: int) -> bytes:
    """The body, of which never more than `most` bytes are held. Raises BadRequest."""
    said = request.headers.get("content-length", "")
    if said.isdecimal() and (len(said) > 15 or int(said) > most):
        raise BadRequest(f"body above {most} bytes")
    body = bytearray()
    try:
        async with asyncio.timeout(_READ_WITHIN_S):
            async for chunk in request.stream():
                body += chunk
                if len(body) > most:
                    raise BadRequest(f"body above {most} bytes")
    except (TimeoutError, ClientDisconnect):
        raise BadRequest("the body did not arrive") from None
    return bytes(body)
