"""What a request needs from outside, opened at the first use: a cold start opens nothing."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from api.flights import Flights
from core import db
from core.cache import Cache, make_cache
from core.errors import DatabaseDown
from core.runtime import Clock
from core.settings import ApiSettings

_WAITING_MOST = 100  # for a connection; who comes later is told at once
_SLOW_S = 0.5
_BREAK_S = 1.0


@dataclass(slots=True)
class Resources:
    """`clock` is the data's time, which may be simulated; `wall` (unix seconds) that of tokens and limits."""

    settings: ApiSettings
    clock: Clock
    wall: Callable[[], float] = time.time
    monotonic: Callable[[], float] = time.monotonic
    database_away: bool = False
    _cache: Cache | None = None
    _pool: db.Pool | None = None
    _opening: asyncio.Lock = field(default_factory=asyncio.Lock)
    _waiting: int = 0
    _closed_until: float = 0.0
    _pings: Flights[str, None] = field(default_factory=Flights)
    _missed: Flights[str, list[str]] = field(default_factory=Flights)

    @property
    def cache(self) -> Cache:
        if self._cache is None:
            self._cache = make_cache(self.settings)
        return self._cache

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[db.Connection]:
        """For reads, each statement for itself. Raises DatabaseDown."""
        began = self.monotonic()
        # While the database is silent, one caller a second waits for it; the others need not.
        if began < self._closed_until:
            raise DatabaseDown("the database did not answer a moment ago")
        try:
            async with self._acquired() as connection:
                yield connection
        except DatabaseDown:
            self.database_away = True
            if self.monotonic() - began > _SLOW_S:
                self._closed_until = self.monotonic() + _BREAK_S
            raise
        self.database_away = False

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[db.Connection]:
        """For writes. Raises DatabaseDown."""
        async with self.connection() as connection, connection.transaction():
            yield connection

    async def ping(self) -> None:
        """One question at a time, however many ask. Raises DatabaseDown."""
        await self._pings.of("ping", self._ping)

    async def _ping(self) -> None:
        async with self.connection() as connection:
            await db.ping(connection)

    async def missed_jobs(self) -> list[str]:
        """As `ping`."""
        return await self._missed.of("jobs", self._missed_jobs)

    async def _missed_jobs(self) -> list[str]:
        from core.status import missed_jobs  # with the schedule's arithmetic, which nothing else here needs

        async with self.connection() as connection:
            return await missed_jobs(connection, self.settings)

    @asynccontextmanager
    async def _acquired(self) -> AsyncIterator[db.Connection]:
        if self._pool is None:
            async with self._opening:
                if self._pool is None:
                    self._pool = await db.make_pool(self.settings, leaves_nothing=True)
        if self._waiting >= _WAITING_MOST:
            raise DatabaseDown("too many are waiting for the database")
        self._waiting += 1
        try:
            async with db.acquire(self._pool, self.settings.database_connect_timeout_s) as connection:
                yield connection
        finally:
            self._waiting -= 1

    async def close(self) -> None:
        """What was opened; used again, it is opened anew."""
        cache, pool = self._cache, self._pool
        self._cache = self._pool = None
        if cache is not None:
            await cache.close()
        if pool is not None:
            await pool.close()
