"""A database that fails: a wire between a client and PostgreSQL that is cut at random, before or after a message."""

from __future__ import annotations

import asyncio
import random
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from urllib.parse import quote

from psycopg.conninfo import conninfo_to_dict


@dataclass(slots=True)
class Wire:
    """`share` of the client's messages cut their connection; half of those arrive, and the answer does not."""

    target: str
    chance: random.Random
    share: float = 0.0
    cuts: int = 0
    _open: set[asyncio.StreamWriter] = field(default_factory=set)

    def cut_all(self) -> None:
        for writer in list(self._open):
            writer.transport.abort()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, here = await asyncio.open_unix_connection(self.target)
        pair = {writer, here}
        self._open |= pair
        back = asyncio.create_task(_pump(there, writer))
        try:
            while data := await reader.read(65_536):
                cut = self.chance.random() < self.share
                if not cut or self.chance.random() < 0.5:
                    here.write(data)
                    await here.drain()
                if cut:
                    self.cuts += 1
                    break
        except OSError:
            pass
        finally:
            if self.share:
                writer.transport.abort()  # the answer to what just went does not come
            back.cancel()
            with suppress(asyncio.CancelledError, OSError):
                await back
            for end in pair:
                end.close()
            self._open -= pair


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(OSError):
        while data := await reader.read(65_536):
            writer.write(data)
            await writer.drain()
    writer.close()


@asynccontextmanager
async def wired(database_url: str, chance: random.Random) -> AsyncIterator[tuple[Wire, str]]:
    """(the wire, the database's address through it)"""
    known = conninfo_to_dict(database_url)
    socket = f".s.PGSQL.{known['port']}"
    wire = Wire(f"{known['host']}/{socket}", chance)
    with tempfile.TemporaryDirectory() as folder:
        server = await asyncio.start_unix_server(wire.serve, f"{folder}/{socket}")
        here = quote(folder, safe="/")
        try:
            yield wire, f"postgresql://{known['user']}@/{known['dbname']}?host={here}&port={known['port']}"
        finally:
            wire.cut_all()
            server.close()
