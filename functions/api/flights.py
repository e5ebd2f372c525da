"""One flight per key: who asks for what is already being fetched waits for that."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Hashable
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


class Flights(Generic[K, V]):
    def __init__(self) -> None:
        self._under_way: dict[K, asyncio.Future[V]] = {}

    async def of(self, key: K, fetch: Callable[[], Awaitable[V]]) -> V:
        """What `fetch` gives, shared. A waiter who leaves does not take it from the others."""
        flight = self._under_way.get(key)
        if flight is None:
            flight = asyncio.ensure_future(fetch())
            self._under_way[key] = flight
            flight.add_done_callback(lambda done: self._landed(key, done))
        return await asyncio.shield(flight)

    def _landed(self, key: K, done: asyncio.Future[V]) -> None:
        del self._under_way[key]
        if not done.cancelled():
            done.exception()  # seen, even where all who waited have left
