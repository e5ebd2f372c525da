"""Outgoing HTTP: the only place that builds httpx clients, with deadlines, size bounds, pacing and retries."""

from __future__ import annotations

import asyncio
import json
import zlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import orjson
import stamina
from aiolimiter import AsyncLimiter

from core.errors import VenueAnswerError, VenueDown, VenueForbids

USER_AGENT = "oddwons/0.1"
Params = dict[str, str | int | list[str]]


class _RetryableError(Exception):
    """A failure that a later attempt may not meet."""


@asynccontextmanager
async def open_client(timeout_s: float) -> AsyncIterator[httpx.AsyncClient]:
    limits = httpx.Limits(max_connections=16, max_keepalive_connections=8)
    async with httpx.AsyncClient(
        timeout=httpx.Timeout(timeout_s, connect=min(5.0, timeout_s)),
        limits=limits,
        headers={"user-agent": USER_AGENT, "accept": "application/json", "accept-encoding": "gzip"},
        follow_redirects=False,
    ) as client:
        yield client


class VenueHttp:
    """One venue's line: its base URL, its pace, its patience."""

    def __init__(
        self,
        client: httpx.AsyncClient,
        base_url: str,
        *,
        requests_per_s: float,
        attempts: int,
        timeout_s: float,
        max_body_bytes: int,
    ) -> None:
        self.base_url = base_url.rstrip("/")
        self._client = client
        # One permit at a time at the venue's pace: a burst of permits would be a burst of requests.
        self._pace = AsyncLimiter(1, 1 / requests_per_s)
        self._attempts = attempts
        self._timeout_s = timeout_s
        self._max_body_bytes = max_body_bytes

    async def get_json(self, path: str, params: Params | None = None) -> Any:
        """The decoded body of a 200. Raises VenueDown after all attempts, VenueAnswerError for other answers."""
        return await self._retry("GET", path, params=params)

    async def post_json(self, path: str, body: Any) -> Any:
        """As get_json, for the venues' read-only POSTs (safe to repeat)."""
        return await self._retry("POST", path, body=body)

    async def _retry(self, method: str, path: str, params: Params | None = None, body: Any = None) -> Any:
        url = f"{self.base_url}{path}"
        try:
            async for attempt in stamina.retry_context(
                on=_RetryableError,
                attempts=self._attempts,
                timeout=None,
                wait_initial=0.5,
                wait_max=10.0,
                wait_jitter=1.0,
            ):
                with attempt:
                    async with self._pace:
                        return await self._once(method, url, params, body)
        except _RetryableError as error:
            raise VenueDown(f"{url}: {error} ({self._attempts} attempts)") from None

    async def _once(self, method: str, url: str, params: Params | None, body: Any) -> Any:
        try:
            request = self._client.build_request(method, url, params=params, json=body, timeout=self._timeout_s)
            # The client's deadline is for each read; a server that drips keeps every one of them.
            async with asyncio.timeout(3 * self._timeout_s):
                response = await self._client.send(request, stream=True)
                try:
                    content = await self._read(response)
                finally:
                    await response.aclose()
        except (httpx.RequestError, TimeoutError, zlib.error) as error:
            raise _RetryableError(f"{type(error).__name__} {error}".strip()) from error
        if response.status_code == 429 or response.status_code >= 500:
            raise _RetryableError(f"status {response.status_code}")
        if response.status_code != 200:
            kind = VenueForbids if response.status_code in (401, 403) else VenueAnswerError
            raise kind(f"{url}: status {response.status_code}: {content[:200].decode('latin-1')!a}")
        try:
            return _decoded(content)
        except (ValueError, RecursionError) as error:
            raise _RetryableError(f"not JSON ({error})") from error

    async def _read(self, response: httpx.Response) -> bytes:
        """The body, unpacked no further than the bound: a few kilobytes of gzip can hold gigabytes."""
        encoding = response.headers.get("content-encoding", "identity").lower()
        if encoding not in ("identity", "gzip"):
            raise VenueAnswerError(f"{response.url}: content-encoding {encoding[:50]!r} was not asked for")
        unpack = zlib.decompressobj(wbits=31).decompress if encoding == "gzip" else None
        chunks, room = [], self._max_body_bytes
        async for raw in response.aiter_raw():
            chunk = unpack(raw, room + 1) if unpack else raw
            room -= len(chunk)
            if room < 0:
                raise VenueAnswerError(f"{response.url}: body above {self._max_body_bytes} bytes")
            chunks.append(chunk)
        return b"".join(chunks)


def _decoded(content: bytes) -> Any:
    """JSON, also with half of an emoji or a broken byte in it: one title must not cost us the venue."""
    try:
        return orjson.loads(content)
    except orjson.JSONDecodeError:
        return json.loads(content.decode(errors="replace"))
