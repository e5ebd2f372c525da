"""Parts of answers kept in the cache: sealed by us, dated, and never from before the last publication."""

from __future__ import annotations

import hmac
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from hashlib import blake2b
from uuid import uuid4

import orjson

from api.resources import Resources
from core.db import Connection

_GENERATION = "generation"
_SEAL_HEX = 32


@dataclass(frozen=True, slots=True)
class Part:
    """`load` gives the part's JSON and the moment from which it may not be served; None: it is not worth keeping."""

    group: str
    entry: str
    load: Callable[[Connection], Awaitable[tuple[bytes, datetime | None]]]


async def bodies(resources: Resources, at: datetime, parts: Sequence[Part]) -> list[bytes]:
    """The JSON of each part as of `at`: from the cache where it holds what we put there, else from the database.

    What publishes drops a group, and its generation with it. A body is sealed with the generation that was there
    before the database was read, so one that was read before a publication and written after it is never served.
    """
    groups = sorted({part.group for part in parts})
    keys = [(group, _GENERATION) for group in groups] + [(part.group, part.entry) for part in parts]
    found = await resources.cache.get_many(keys)
    generations = dict(zip(groups, found, strict=False))
    seals = [_Seal(resources, part, generations[part.group]) for part in parts]
    have = [seal.opened(value, at) for seal, value in zip(seals, found[len(groups) :], strict=True)]
    if None in have:
        await _fill(resources, at, parts, generations, have)
    return [body for body in have if body is not None]


async def _fill(
    resources: Resources,
    at: datetime,
    parts: Sequence[Part],
    generations: dict[str, bytes | None],
    have: list[bytes | None],
) -> None:
    ttl_s = max(resources.settings.insights_ttl_s, resources.settings.arbitrage_ttl_s)
    begun = {(group, _GENERATION): uuid4().hex.encode() for group, known in generations.items() if known is None}
    takes = await resources.cache.put_many(begun, ttl_s) if begun else True
    generations |= {group: generation for (group, _), generation in begun.items()}
    entries: dict[tuple[str, str], bytes] = {}
    async with resources.connection() as connection:
        for index, part in enumerate(parts):
            if have[index] is None:
                body, until = await part.load(connection)
                have[index] = body
                if until is not None:
                    seal = _Seal(resources, part, generations[part.group])
                    entries[part.group, part.entry] = seal.closed(body, at, until)
    if takes:
        await resources.cache.put_many(entries, ttl_s)


class _Seal:
    """Ties a body to its entry, its generation and its time, under our secret: whatever else lies there is a miss."""

    def __init__(self, resources: Resources, part: Part, generation: bytes | None) -> None:
        self._key = resources.settings.jwt_secret.get_secret_value().encode()[:64]
        self._place = None if generation is None else orjson.dumps([generation.decode(), part.group, part.entry])

    def closed(self, body: bytes, since: datetime, until: datetime) -> bytes:
        dated = orjson.dumps([since, until]) + b"\n" + body
        return self._mark(dated) + dated

    def opened(self, value: bytes | None, at: datetime) -> bytes | None:
        if value is None or self._place is None:
            return None
        mark, dated = value[:_SEAL_HEX], value[_SEAL_HEX:]
        if not hmac.compare_digest(mark, self._mark(dated)):
            return None
        times, _, body = dated.partition(b"\n")
        since, until = map(datetime.fromisoformat, orjson.loads(times))
        return body if since <= at < until else None

    def _mark(self, dated: bytes) -> bytes:
        seal = blake2b(self._place or b"", key=self._key, digest_size=_SEAL_HEX // 2)
        seal.update(dated)
        return seal.hexdigest().encode()
