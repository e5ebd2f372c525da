"""Counts what goes over the wire to a database: a TCP proxy in a thread of its own."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from urllib.parse import parse_qs, urlsplit


@dataclass(slots=True)
class Traffic:
    """Bytes: `sent` to the database, `received` from it (what a hosted database bills)."""

    url: str
    sent: int = 0
    received: int = 0


@contextmanager
def counted(url: str) -> Iterator[Traffic]:
    """A database's address, and what passed through it so far."""
    parts = urlsplit(url)
    sockets = parse_qs(parts.query)["host"][0]  # an embedded server listens on no port
    traffic, ready, stop = Traffic(""), threading.Event(), asyncio.Event()
    loop = asyncio.new_event_loop()

    async def pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, name: str) -> None:
        try:
            while data := await reader.read(1 << 16):
                setattr(traffic, name, getattr(traffic, name) + len(data))
                writer.write(data)
                await writer.drain()
        except OSError:
            pass  # the other end left: so does this one
        finally:
            writer.close()

    async def connect(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, back = await asyncio.open_unix_connection(f"{sockets}/.s.PGSQL.5432")
        await asyncio.gather(pump(reader, back, "sent"), pump(there, writer, "received"))

    async def serve() -> None:
        server = await asyncio.start_server(connect, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        traffic.url = f"postgresql://{parts.username}@127.0.0.1:{port}{parts.path}"
        ready.set()
        await stop.wait()
        server.close()

    thread = threading.Thread(target=loop.run_until_complete, args=(serve(),), daemon=True)
    thread.start()
    ready.wait(10)
    try:
        yield traffic
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join(10)
