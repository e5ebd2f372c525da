"""Passwords: hashed with Argon2id, few at once and in threads, so that logins cannot starve the server."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from core.errors import TooMany

if TYPE_CHECKING:
    from argon2 import PasswordHasher

_WAITING_MOST = 20


class Passwords:
    """Every check costs one hash, whether the account exists or not."""

    def __init__(self, at_once: int) -> None:
        self._permits = asyncio.Semaphore(at_once)
        self._waiting = 0
        self._hasher: PasswordHasher | None = None
        self._nobodys: str | None = None

    async def hash(self, password: str) -> str:
        async with _Place(self):
            return await asyncio.to_thread(self._get().hash, password)

    async def fits(self, known_hash: str | None, password: str) -> bool:
        """False for None, after as long a time as any other answer takes."""
        async with _Place(self):
            return await asyncio.to_thread(self._fits, known_hash, password)

    def outdated(self, known_hash: str) -> bool:
        """Whether it was made with other parameters than today's."""
        return self._get().check_needs_rehash(known_hash)

    def _fits(self, known_hash: str | None, password: str) -> bool:
        from argon2.exceptions import InvalidHashError, VerificationError

        hasher = self._get()
        if self._nobodys is None:
            self._nobodys = hasher.hash("nobody's")
        try:
            hasher.verify(known_hash or self._nobodys, password)
        except (VerificationError, InvalidHashError):
            return False
        return known_hash is not None

    def _get(self) -> PasswordHasher:
        if self._hasher is None:
            from argon2 import PasswordHasher  # only those who sign in need it

            # OWASP's choice for servers that are small: a function of 128 MB survives several at once.
            self._hasher = PasswordHasher(time_cost=2, memory_cost=19_456, parallelism=1)
        return self._hasher


class _Place:
    """A turn among those who wait. Raises TooMany rather than let the queue grow."""

    def __init__(self, passwords: Passwords) -> None:
        self._of = passwords

    async def __aenter__(self) -> None:
        if self._of._waiting >= _WAITING_MOST:
            raise TooMany("too many are signing in at this moment", retry_after_s=2)
        self._of._waiting += 1
        try:
            await self._of._permits.acquire()
        except BaseException:
            self._of._waiting -= 1
            raise

    async def __aexit__(self, *_: object) -> None:
        self._of._waiting -= 1
        self._of._permits.release()
