"""Jobs as processes of their own, killed with SIGKILL, on copies of a database."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from typing import Any
from uuid import uuid4

import asyncpg
import psycopg

from local import postgres
from tests.conftest import ROOT

Content = dict[str, list[str]]


class Copies(AbstractContextManager["Copies"]):
    """Copies of a database that was filled; they go at the end."""

    def __init__(self, server: str, filled: str) -> None:
        self.server, self.filled = server, filled
        self.made: list[str] = []

    def make(self) -> str:
        self.made.append(f"killed_{uuid4().hex}")
        return postgres.create_database(self.server, self.made[-1], self.filled)

    def __exit__(self, *_: object) -> None:
        for name in self.made:
            postgres.drop_database(self.server, name)


def started(job: str, url: str, settings: Mapping[str, Any]) -> subprocess.Popen[bytes]:
    environment = {"PATH": os.environ["PATH"], "PYTHONDONTWRITEBYTECODE": "1", "DATABASE_URL": url}
    environment |= {name.upper(): str(value) for name, value in settings.items()}
    return subprocess.Popen([sys.executable, "-m", "collect", job], cwd=ROOT, env=environment, stdout=subprocess.PIPE)


def finished(job: str, url: str, settings: Mapping[str, Any]) -> None:
    process = started(job, url, settings)
    said, _ = process.communicate(timeout=120)
    assert process.returncode == 0
    assert b'"status": "ok"' in said


def killed(job: str, url: str, settings: Mapping[str, Any], after_s: float) -> bool:
    """Whether it was alive until then. Its lease runs out as it would in time."""
    process = started(job, url, settings)
    time.sleep(after_s)
    return _kill(process, url)


def killed_when(job: str, url: str, settings: Mapping[str, Any], is_moment: Callable[[], bool]) -> None:
    """At the first look at which `is_moment`; an AssertionError if it ended, or a minute passed, before."""
    process, until = started(job, url, settings), time.monotonic() + 60
    try:
        while not is_moment():
            assert process.poll() is None, "the moment never came"
            assert time.monotonic() < until, "the moment never came"
            time.sleep(0.02)
    finally:
        alive = _kill(process, url)
    assert alive


def _kill(process: subprocess.Popen[bytes], url: str) -> bool:
    process.send_signal(signal.SIGKILL)
    process.communicate(timeout=30)
    with psycopg.connect(url) as connection:
        connection.execute("UPDATE job_leases SET expires_at = now() - interval '1 second'")
    return process.returncode == -signal.SIGKILL


def content(url: str, tables: Mapping[str, str]) -> Content:
    """Each query's one column, sorted."""

    async def fetch() -> Content:
        connection = await asyncpg.connect(url)
        try:
            return {name: sorted([row[0] for row in await connection.fetch(sql)]) for name, sql in tables.items()}
        finally:
            await connection.close()

    return asyncio.run(fetch())
