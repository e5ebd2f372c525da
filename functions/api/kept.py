"""Parts of answers kept in the cache: sealed by us, dated, and never from before the last publication."""

from __future__ import annotations

import asyncio
import hmac
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from hashlib import blake2b
from uuid import uuid4

import orjson

from api.ready import Answer
from api.resources import Resources
from core.db import Connection
from core.errors import DatabaseDown

_GENERATION = "generation"
_SEAL_HEX = 32


@dataclass(frozen=True, slots=True)
class Loaded:
    """A part's JSON as the database gives it: good until `until`, tellable in need until `void`."""

    body: bytes
    until: datetime
    void: datetime
    worth_keeping: bool = True


@dataclass(frozen=True, slots=True)
class Part:
    group: str
    entry: str
    load: Callable[[Connection], Awaitable[Loaded]]


async def answers(resources: Resources, at: datetime, parts: Sequence[Part]) -> list[Answer]:
    """The JSON of each part as of `at`: from the cache where it holds what we put there, else from the database.

    What publishes drops a group, and its generation with it. A body is sealed with the generation that was there
    before the database was read, so one that was read before a publication and written after it is never served.
    With the database away, what is past its time but not void is given; else raises DatabaseDown.
    """
    groups = sorted({part.group for part in parts})
    keys = [(group, _GENERATION) for group in groups] + [(part.group, part.entry) for part in parts]
    found = await resources.cache.get_many(keys)
    generations = dict(zip(groups, found, strict=False))
    seals = [_Seal(resources, part, generations[part.group]) for part in parts]
    kept = [seal.opened(value) for seal, value in zip(seals, found[len(groups) :], strict=True)]
    fresh = [None if old is None or not old.since <= at < old.until else old for old in kept]
    if None not in fresh:
        return [answer for answer in fresh if answer is not None]
    try:
        return await _filled(resources, at, parts, generations, fresh)
    except DatabaseDown:
        told = [answer for answer in kept if answer is not None and answer.since <= at < answer.void]
        if len(told) < len(parts):
            raise
        return told


async def _filled(
    resources: Resources,
    at: datetime,
    parts: Sequence[Part],
    generations: dict[str, bytes | None],
    have: list[Answer | None],
) -> list[Answer]:
    settings = resources.settings
    ttl_s = max(settings.insights_ttl_s, settings.arbitrage_ttl_s) + settings.stale_s
    begun = {(group, _GENERATION): uuid4().hex.encode() for group, known in generations.items() if known is None}
    takes = await resources.cache.put_many(begun, ttl_s) if begun else True
    generations = generations | {group: generation for (group, _), generation in begun.items()}
    # Each on a connection of its own: together they take as long as the longest.
    loaded = await asyncio.gather(
        *(_load(resources, part) for part, known in zip(parts, have, strict=True) if not known)
    )
    fresh = iter(loaded)
    entries: dict[tuple[str, str], bytes] = {}
    whole: list[Answer] = []
    for part, known in zip(parts, have, strict=True):
        if known is not None:
            whole.append(known)
            continue
        read_at, said = next(fresh)
        answer = Answer(said.body, read_at, at, said.until, said.void)
        if said.worth_keeping:
            entries[part.group, part.entry] = _Seal(resources, part, generations[part.group]).closed(answer)
        whole.append(answer)
    if takes:
        await resources.cache.put_many(entries, ttl_s)
    return whole


async def _load(resources: Resources, part: Part) -> tuple[datetime, Loaded]:
    read_at = resources.clock()
    async with resources.connection() as connection:
        return read_at, await part.load(connection)


class _Seal:
    """Ties a body to its entry, its generation and its times, under our secret: whatever else lies there is a miss."""

    def __init__(self, resources: Resources, part: Part, generation: bytes | None) -> None:
        self._key = resources.settings.jwt_secret.get_secret_value().encode()[:64]
        self._place = None if generation is None else orjson.dumps([generation.decode(), part.group, part.entry])

    def closed(self, answer: Answer) -> bytes:
        dated = orjson.dumps([answer.read_at, answer.since, answer.until, answer.void]) + b"\n" + answer.body
        return self._mark(dated) + dated

    def opened(self, value: bytes | None) -> Answer | None:
        if value is None or self._place is None:
            return None
        mark, dated = value[:_SEAL_HEX], value[_SEAL_HEX:]
        if not hmac.compare_digest(mark, self._mark(dated)):
            return None
        times, _, body = dated.partition(b"\n")
        return Answer(body, *map(datetime.fromisoformat, orjson.loads(times)))

    def _mark(self, dated: bytes) -> bytes:
        seal = blake2b(self._place or b"", key=self._key, digest_size=_SEAL_HEX // 2)
        seal.update(dated)
        return seal.hexdigest().encode()
