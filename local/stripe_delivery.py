"""Brings the stand-in's events to a webhook, signed as Stripe signs them, again and again until it takes them."""

from __future__ import annotations

import asyncio
import json
import logging
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Any

import httpx
from stripe import WebhookSignature

log = logging.getLogger(__name__)

TRIES = 16
_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 0.2, 60.0
_LOOKS_EVERY_S = 0.05


def signed(event: dict[str, Any], secret: str, at: float | None = None) -> tuple[bytes, str]:
    """(body, Stripe-Signature)"""
    body = json.dumps(event, separators=(",", ":"))
    header: str = WebhookSignature.generate_signature_header(body, secret, int(time.time() if at is None else at))
    return body.encode(), header


@dataclass(frozen=True, slots=True)
class Delivery:
    webhook: str
    secret: str

    @asynccontextmanager
    async def sending(self, events: list[dict[str, Any]]) -> AsyncIterator[None]:
        """Sends what is appended to `events`, each by itself: a late one holds no other back."""
        task = asyncio.create_task(self._watch(events))
        try:
            yield
        finally:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task

    async def _watch(self, events: list[dict[str, Any]]) -> None:
        sent = 0
        async with httpx.AsyncClient(timeout=30) as http, asyncio.TaskGroup() as group:
            while True:
                for event in events[sent:]:
                    group.create_task(self._bring(http, event))
                sent = len(events)
                await asyncio.sleep(_LOOKS_EVERY_S)

    async def _bring(self, http: httpx.AsyncClient, event: dict[str, Any]) -> None:
        pause_s = _FIRST_PAUSE_S
        for _ in range(TRIES):
            body, header = signed(event, self.secret)
            with suppress(httpx.TransportError):
                answer = await http.post(self.webhook, content=body, headers={"stripe-signature": header})
                if answer.is_success:
                    return
            await asyncio.sleep(pause_s)
            pause_s = min(2 * pause_s, _LONGEST_PAUSE_S)
        log.error("given up", extra={"event": event["id"]})
