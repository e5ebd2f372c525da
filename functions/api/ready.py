"""Answers ready to be sent: encoded, compressed and tagged once, kept in memory for seconds, in front of the cache."""

from __future__ import annotations

import asyncio
import gzip
from collections import OrderedDict
from collections.abc import Awaitable, Callable, MutableMapping
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import blake2b
from typing import Any

from starlette.responses import Response

from api.flights import Flights
from api.resources import Resources
from core.errors import DatabaseDown

Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
Key = tuple[str, str, bytes]

_COMPRESS_FROM = 1_000  # bytes; less is not worth it
_LEVEL = 1  # of JSON full of repetition it leaves a tenth more than the usual 6, in a third of the time
_COMPRESS_APART_FROM = 100_000  # bytes: some milliseconds, in which others would wait
_EVER = datetime.max.replace(tzinfo=UTC)
_NEVER = datetime.min.replace(tzinfo=UTC)
_STALE = (b"warning", b'110 - "response is stale"')


@dataclass(frozen=True, slots=True)
class Answer:
    """A body, true for readers as of [since, until). `read_at`: the data's time when the database was read.

    Until `void` it may still be told when the database is away, with its age.
    """

    body: bytes
    read_at: datetime
    since: datetime = _NEVER
    until: datetime = _EVER
    void: datetime = _EVER


class Ready:
    """One answer in the forms in which it is sent; compressed once, when the first comes who takes that."""

    __slots__ = ("_head", "_zipping", "answer", "kept_at", "plain_headers", "size", "tag", "unchanged_headers")

    def __init__(self, answer: Answer, kept_at: float) -> None:
        self.answer, self.kept_at = answer, kept_at
        self._zipping: asyncio.Future[bytes] | None = None
        # Weak: the same for both encodings.
        self.tag = b'W/"' + blake2b(answer.body, digest_size=16).hexdigest().encode() + b'"'
        self.unchanged_headers = [
            (b"etag", self.tag),
            (b"cache-control", b"private, no-cache"),
            (b"vary", b"authorization, accept-encoding"),
        ]
        self._head = [(b"content-type", b"application/json"), *self.unchanged_headers]
        self.plain_headers = [*self._head, (b"content-length", b"%d" % len(answer.body))]
        self.size = 3 * len(answer.body) // 2 + 1_000  # with room for the compressed form

    async def send(
        self, send: Send, extra: list[tuple[bytes, bytes]], accepts: bytes, known: bytes, age_s: int | None
    ) -> None:
        """`accepts` and `known` are the Accept-Encoding and If-None-Match of the request; an age marks it as old."""
        if age_s is not None:
            extra = [*extra, _STALE, (b"age", b"%d" % age_s)]
        status, headers, body = 200, self.plain_headers, self.answer.body
        if known and (self.tag in known or known == b"*"):
            status, headers, body = 304, self.unchanged_headers, b""
        elif len(body) >= _COMPRESS_FROM and takes_gzip(accepts):
            body = await self._gzipped()
            headers = [*self._head, (b"content-encoding", b"gzip"), (b"content-length", b"%d" % len(body))]
        await send({"type": "http.response.start", "status": status, "headers": headers + extra})
        await send({"type": "http.response.body", "body": body})

    async def _gzipped(self) -> bytes:
        if self._zipping is None:
            self._zipping = asyncio.ensure_future(_compressed(self.answer.body))
        return await asyncio.shield(self._zipping)  # one who leaves does not take it from the others


def takes_gzip(accepts: bytes) -> bool:
    """Whether an Accept-Encoding names gzip without refusing it."""
    for coding in accepts.lower().split(b","):
        name, _, weight = coding.partition(b";")
        if name.strip() == b"gzip":
            return weight.replace(b" ", b"") not in (b"q=0", b"q=0.0", b"q=0.00", b"q=0.000")
    return False


async def _compressed(body: bytes) -> bytes:
    if len(body) < _COMPRESS_APART_FROM:
        return gzip.compress(body, _LEVEL)
    return await asyncio.to_thread(gzip.compress, body, _LEVEL)


class Shelf:
    """Ready answers by view, path and query: bounded by bytes, the least used first out.

    Fresh for `ready_s`: that long a publication may go unseen in this process. One that was not renewed in time is
    kept for when the database is away.
    """

    def __init__(self, resources: Resources) -> None:
        self._resources = resources
        self._ready: OrderedDict[Key, Ready] = OrderedDict()
        self._flights: Flights[Key, tuple[Ready, bool]] = Flights()
        self._bytes = 0

    def fresh(self, key: Key, as_of: datetime) -> Ready | None:
        """What may be sent without asking anybody."""
        ready = self._ready.get(key)
        if ready is None or self._resources.monotonic() - ready.kept_at >= self._resources.settings.ready_s:
            return None
        return ready if ready.answer.since <= as_of < ready.answer.until else None

    async def of(self, key: Key, as_of: datetime, load: Callable[[], Awaitable[Answer]]) -> tuple[Ready, bool]:
        """(the answer, whether it is old because the database is away), loaded once for all who ask for it now."""
        ready = self.fresh(key, as_of)
        if ready is not None:
            return ready, False
        ready, old = await self._flights.of(key, lambda: self._load(key, as_of, load))
        if ready.answer.since <= as_of < (ready.answer.void if old else ready.answer.until):
            return ready, old
        # It was fetched for another who asked a moment before or after.
        return await self._load(key, as_of, load)

    async def _load(self, key: Key, as_of: datetime, load: Callable[[], Awaitable[Answer]]) -> tuple[Ready, bool]:
        began = self._resources.monotonic()
        try:
            answer = await load()
        except DatabaseDown:
            ready = self._ready.get(key)
            if ready is None or not self._still_tellable(ready, as_of):
                raise
            return ready, True
        ready = Ready(answer, began)
        self._keep(key, ready)
        return ready, not answer.since <= as_of < answer.until

    def _still_tellable(self, ready: Ready, as_of: datetime) -> bool:
        settings = self._resources.settings
        young = self._resources.monotonic() - ready.kept_at < settings.ready_s + settings.stale_s
        return young and ready.answer.since <= as_of < ready.answer.void

    def _keep(self, key: Key, ready: Ready) -> None:
        before = self._ready.pop(key, None)
        self._bytes += ready.size - (0 if before is None else before.size)
        self._ready[key] = ready
        while self._bytes > self._resources.settings.ready_mb * 1_000_000 and self._ready:
            _, dropped = self._ready.popitem(last=False)
            self._bytes -= dropped.size


class ReadyResponse(Response):
    """A ready answer as a route returns it; what the request accepts and knows already is read when it is sent."""

    def __init__(self, ready: Ready, accepts: bytes, known: bytes, age_s: int | None) -> None:
        self.ready, self.accepts, self.known, self.age_s = ready, accepts, known, age_s
        self.status_code, self.background = 200, None
        self.raw_headers = []

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        await self.ready.send(send, list(self.raw_headers), self.accepts, self.known, self.age_s)
