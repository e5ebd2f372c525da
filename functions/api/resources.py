"""What a request needs from outside, opened at the first use: a cold start opens nothing."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from core import db
from core.cache import Cache, make_cache
from core.runtime import Clock
from core.settings import ApiSettings


@dataclass(slots=True)
class Resources:
    settings: ApiSettings
    clock: Clock
    _cache: Cache | None = None
    _pool: db.Pool | None = None
    _opening: asyncio.Lock = field(default_factory=asyncio.Lock)

    @property
    def cache(self) -> Cache:
        if self._cache is None:
            self._cache = make_cache(self.settings)
        return self._cache

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[db.Connection]:
        """One transaction; raises DatabaseDown."""
        if self._pool is None:
            async with self._opening:
                if self._pool is None:
                    self._pool = await db.make_pool(self.settings)
        async with db.acquire(self._pool, self.settings.database_connect_timeout_s) as connection:
            async with connection.transaction():
                yield connection

    async def close(self) -> None:
        if self._cache is not None:
            await self._cache.close()
        if self._pool is not None:
            await self._pool.close()
