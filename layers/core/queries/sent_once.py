"""Rows that a host with a disk is sent only once: blocks of neighbouring numbers, known by their digest."""

from __future__ import annotations

import asyncio
import hashlib
from typing import Any

import orjson

from core.body_store import BodyStore
from core.db import Connection

_BODIES = "SELECT body FROM blocks"
_DIGESTS = "SELECT block, sha256(body) AS digest FROM blocks"


async def sent_once(
    connection: Connection, lines: str, *given: object, store: BodyStore | None, block: int
) -> list[Any]:
    """The decoded lines of a SELECT of (number, line: a JSON array as text); blocks in no particular order.

    Without a store all of them are sent, else those whose block of so many numbers changed.
    """
    blocks = (
        f"WITH lines AS ({lines}), blocks AS (SELECT number / {block:d} AS block, "  # noqa: S608  constants of our own
        "convert_to(string_agg(line, ',' ORDER BY number), 'UTF8') AS body FROM lines GROUP BY block) "
    )
    if store is None:
        rows = await connection.fetch(blocks + _BODIES, *given)
        return [line for row in rows for line in _lines(row["body"])]
    rows = await connection.fetch(blocks + _DIGESTS, *given)
    known = await asyncio.to_thread(store.find, [row["digest"] for row in rows])
    missing = [row["block"] for row in rows if row["digest"] not in known]
    rows = await connection.fetch(f"{blocks}{_BODIES} WHERE block = ANY(${len(given) + 1}::int[])", *given, missing)
    sent = {hashlib.sha256(row["body"]).digest(): row["body"] for row in rows}
    await asyncio.to_thread(store.keep, sent)
    return [line for body in (*known.values(), *sent.values()) for line in _lines(body)]


def _lines(body: bytes) -> list[Any]:
    lines: list[Any] = orjson.loads(b"[%b]" % body)
    return lines
