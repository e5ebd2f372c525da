"""Answers kept near the readers, in Redis over REST or by its own protocol. Every failure is a miss, never an error.

A group of entries is one hash: a read is one round trip, and deleting the hash invalidates the group without a scan.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Iterator, Sequence
from typing import Any, Protocol

from core.settings import Settings

log = logging.getLogger(__name__)

MAX_REQUEST_BYTES = 9_000_000  # a hosted Redis refuses requests above 10 MB


class _Wire(Protocol):
    """The two clients' common ground, each call one round trip."""

    async def get(self, keys: Sequence[tuple[str, str]]) -> list[Any]: ...
    async def put(self, entries: dict[tuple[str, str], str], ttl_s: int, renew: bool) -> None: ...
    async def drop(self, groups: list[str]) -> None: ...
    async def add(self, counter: str, amount: int, ttl_s: int) -> Any: ...
    async def close(self) -> None: ...


class Cache:
    def __init__(self, wire: _Wire | None, timeout_s: float) -> None:
        self._wire = wire
        self._timeout_s = timeout_s

    async def get(self, group: str, entry: str) -> bytes | None:
        return (await self.get_many([(group, entry)]))[0]

    async def get_many(self, keys: list[tuple[str, str]]) -> list[bytes | None]:
        """Several entries in one round trip; all of them misses when the cache fails."""
        if self._wire is None or not keys:
            return [None] * len(keys)
        found = await self._try("get", self._wire.get(keys))
        if not isinstance(found, list) or len(found) != len(keys):
            return [None] * len(keys)
        return [text.encode() if isinstance(text, str) else None for text in found]

    async def put(self, group: str, entry: str, value: bytes, ttl_s: int) -> None:
        """The whole group expires `ttl_s` after its first entry was written."""
        await self.put_many({(group, entry): value}, ttl_s)

    async def put_many(self, entries: dict[tuple[str, str], bytes], ttl_s: int, *, renew: bool = False) -> bool:
        """All entries in as few round trips as their size allows, each within the deadline.

        True when the cache took them all. `renew` starts the group's time anew.
        """
        if self._wire is None or not entries:
            return False
        taken = True
        for request in _requests(entries):
            taken = taken and await self._try("put", self._wire.put(request, ttl_s, renew)) is not _FAILED
        return taken and all(_sent_bytes(value) <= MAX_REQUEST_BYTES for value in entries.values())

    async def drop(self, *groups: str) -> bool:
        if self._wire is None:
            return False
        return await self._try("drop", self._wire.drop(list(groups))) is not _FAILED

    async def add(self, counter: str, amount: int, ttl_s: int) -> int | None:
        """The counter after `amount` was added; it ends `ttl_s` after its first. None when the cache fails."""
        if self._wire is None:
            return None
        total = await self._try("add", self._wire.add(counter, amount, ttl_s))
        return total if isinstance(total, int) and not isinstance(total, bool) else None

    async def close(self) -> None:
        if self._wire is not None:
            await self._try("close", self._wire.close())

    async def _try(self, what: str, call: Awaitable[Any]) -> Any:
        try:
            async with asyncio.timeout(self._timeout_s):
                return await call
        except Exception as error:  # noqa: BLE001  whatever the cache does, the database answers
            log.warning(
                "cache unavailable", extra={"operation": what, "error": f"{type(error).__name__} {error}"[:300]}
            )
            return _FAILED


_FAILED = object()


def _requests(entries: dict[tuple[str, str], bytes]) -> Iterator[dict[tuple[str, str], str]]:
    """The entries in groups that a hosted Redis takes in one request; one that is too large by itself is left out."""
    request: dict[tuple[str, str], str] = {}
    size = 0
    for key, value in entries.items():
        needed = _sent_bytes(value)
        if needed > MAX_REQUEST_BYTES:
            log.warning("cache entry too large", extra={"group": key[0], "bytes": needed})
            continue
        if size + needed > MAX_REQUEST_BYTES:
            yield request
            request, size = {}, 0
        request[key], size = value.decode(), size + needed
    if request:
        yield request


def _sent_bytes(value: bytes) -> int:
    """Over REST the entry is a JSON string, in which each quote and backslash is two bytes."""
    return len(value) + value.count(b'"') + value.count(b"\\")


def make_cache(settings: Settings) -> Cache:
    """REST where UPSTASH_REDIS_REST_URL is set, else REDIS_URL, else no cache at all."""
    wire: _Wire | None = None
    if settings.upstash_redis_rest_url and settings.upstash_redis_rest_token:
        wire = _RestWire(settings.upstash_redis_rest_url, settings.upstash_redis_rest_token.get_secret_value())
    elif settings.redis_url:
        wire = _RespWire(settings.redis_url.get_secret_value(), settings.cache_timeout_s)
    return Cache(wire, settings.cache_timeout_s)


class _RestWire:
    def __init__(self, url: str, token: str) -> None:
        from upstash_redis.asyncio import Redis

        self._redis = Redis(url=url, token=token, rest_retries=0, allow_telemetry=False)

    async def get(self, keys: Sequence[tuple[str, str]]) -> list[Any]:
        pipeline = self._redis.pipeline()
        for group, entry in keys:
            pipeline.hget(group, entry)
        return await pipeline.exec()

    async def put(self, entries: dict[tuple[str, str], str], ttl_s: int, renew: bool) -> None:
        pipeline = self._redis.pipeline()
        for (group, entry), value in entries.items():
            pipeline.hset(group, entry, value)
        for group in {group for group, _ in entries}:
            pipeline.expire(group, ttl_s, nx=not renew)
        await pipeline.exec()

    async def drop(self, groups: list[str]) -> None:
        await self._redis.delete(*groups)

    async def add(self, counter: str, amount: int, ttl_s: int) -> Any:
        pipeline = self._redis.pipeline()
        pipeline.incrby(counter, amount)
        pipeline.expire(counter, ttl_s, nx=True)
        return (await pipeline.exec())[0]

    async def close(self) -> None:
        await self._redis.close()


class _RespWire:
    def __init__(self, url: str, timeout_s: float) -> None:
        from redis.asyncio import Redis

        # Railway's private network may be IPv6 only or both: redis-py asks the resolver for either by default.
        self._redis = Redis.from_url(url, decode_responses=True, socket_timeout=timeout_s)

    async def get(self, keys: Sequence[tuple[str, str]]) -> list[Any]:
        async with self._redis.pipeline(transaction=False) as pipeline:
            for group, entry in keys:
                pipeline.hget(group, entry)
            return await pipeline.execute()

    async def put(self, entries: dict[tuple[str, str], str], ttl_s: int, renew: bool) -> None:
        async with self._redis.pipeline(transaction=False) as pipeline:
            for (group, entry), value in entries.items():
                pipeline.hset(group, entry, value)
            for group in {group for group, _ in entries}:
                pipeline.expire(group, ttl_s, nx=not renew)
            await pipeline.execute()

    async def drop(self, groups: list[str]) -> None:
        await self._redis.delete(*groups)

    async def add(self, counter: str, amount: int, ttl_s: int) -> Any:
        async with self._redis.pipeline(transaction=False) as pipeline:
            pipeline.incrby(counter, amount)
            pipeline.expire(counter, ttl_s, nx=True)
            return (await pipeline.execute())[0]

    async def close(self) -> None:
        await self._redis.aclose()
