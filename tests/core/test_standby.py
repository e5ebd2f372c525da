"""Two hosts with one database: one runs, the other stands by, by the database's clock and not their own."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit

import asyncpg
import pytest

from core.errors import JobFailed, JobNotDue, JobOverlap
from core.runtime import Run, Summary, run_job
from core.settings import Settings

HOME: dict[str, Any] = {"standby_after_s": None}
STANDBY: dict[str, Any] = {"standby_after_s": 600}


def settings_of(url: str, **changes: Any) -> Settings:
    return Settings(database_url=url, **changes)


async def done(run: Run[Settings]) -> Summary:
    return {"by": run.settings.standby_after_s}


async def begun_before(url: str, ago: timedelta, status: str = "ok") -> None:
    connection = await asyncpg.connect(url)
    await connection.execute(
        "INSERT INTO job_runs (id, job, holder, started_at, began_at, status) "
        "VALUES (gen_random_uuid(), 'collect', 'home', 'epoch', clock_timestamp() - $1::interval, $2)",
        ago,
        status,
    )
    await connection.close()


async def test_a_standby_leaves_alone_what_was_done_in_time(database_url: str) -> None:
    await begun_before(database_url, timedelta(minutes=5))
    with pytest.raises(JobNotDue, match="in time elsewhere"):
        await run_job("collect", {"collect": done}, settings_of(database_url, **STANDBY))


async def test_a_standby_takes_over_what_nobody_has_done(database_url: str) -> None:
    await begun_before(database_url, timedelta(minutes=27))
    assert await run_job("collect", {"collect": done}, settings_of(database_url, **STANDBY)) == {"by": 600}
    with pytest.raises(JobNotDue):
        await run_job("collect", {"collect": done}, settings_of(database_url, **STANDBY))


@pytest.mark.parametrize("status", ["failed", "running"])
def test_a_run_that_failed_or_was_killed_counts_as_not_done(database_url: str, status: str) -> None:
    asyncio.run(begun_before(database_url, timedelta(minutes=1), status))
    ran = asyncio.run(run_job("collect", {"collect": done}, settings_of(database_url, **STANDBY)))
    assert ran == {"by": 600}


async def test_what_began_is_told_by_the_databases_clock_however_a_host_stamps_it(database_url: str) -> None:
    clock = {"clock_start": datetime(2020, 1, 1, tzinfo=UTC)}
    await run_job("collect", {"collect": done}, settings_of(database_url, **clock))
    with pytest.raises(JobNotDue):
        await run_job("collect", {"collect": done}, settings_of(database_url, **STANDBY))


@pytest.mark.parametrize("minutes", [-20, 20])
async def test_a_host_whose_clock_is_wrong_runs_nothing_and_says_so(database_url: str, minutes: int) -> None:
    def wrong() -> datetime:
        return datetime.now(UTC) + timedelta(minutes=minutes)

    with pytest.raises(JobFailed, match="this host's clock says"):
        await run_job("collect", {"collect": done}, settings_of(database_url), clock=wrong)
    assert await leases(database_url) == 0


async def leases(url: str) -> int:
    connection = await asyncpg.connect(url)
    count: int = await connection.fetchval("SELECT count(*) FROM job_leases")
    await connection.close()
    return count


async def test_of_two_hosts_that_start_at_once_one_works(database_url: str) -> None:
    working, most = 0, 0

    async def work(run: Run[Settings]) -> Summary:
        nonlocal working, most
        working += 1
        most = max(most, working)
        await asyncio.sleep(0.2)
        working -= 1
        return {}

    hosts = [settings_of(database_url, **(HOME if number % 2 else STANDBY)) for number in range(8)]
    ended = await asyncio.gather(
        *(run_job("collect", {"collect": work}, host) for host in hosts), return_exceptions=True
    )
    assert ended.count({}) == 1
    assert all(isinstance(end, (dict, JobOverlap, JobNotDue)) for end in ended)
    assert most == 1


async def test_a_host_cut_off_from_the_database_stops_before_the_other_begins(database_url: str, wire: Wire) -> None:
    """A partition in the middle of home's run: nothing it sends arrives, and nothing tells it so."""
    order: list[str] = []

    async def home(run: Run[Settings]) -> Summary:
        order.append("home begins")
        wire.cut()
        try:
            await asyncio.sleep(30)
        finally:
            order.append("home ends")
        return {}

    async def other(run: Run[Settings]) -> Summary:
        order.append("standby begins")
        return {}

    async def standing_by() -> None:
        while True:
            try:
                await run_job("collect", {"collect": other}, settings_of(database_url, **STANDBY))
                return
            except JobOverlap:
                await asyncio.sleep(0.05)

    short: dict[str, Any] = {"lease_ttl_s": 2, "database_connect_timeout_s": 1, "database_timeout_s": 1}
    began = asyncio.ensure_future(run_job("collect", {"collect": home}, settings_of(wire.url, **HOME, **short)))
    while not order:  # noqa: ASYNC110
        await asyncio.sleep(0.01)
    await standing_by()
    with pytest.raises(JobFailed):
        await began
    assert order == ["home begins", "home ends", "standby begins"]


class Wire:
    """A way to the database that can be cut without either end being told."""

    def __init__(self, socket_path: str) -> None:
        self.url = ""
        self._path, self._up = socket_path, asyncio.Event()
        self._up.set()
        self._open: list[asyncio.StreamWriter] = []

    def cut(self) -> None:
        self._up.clear()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, back = await asyncio.open_unix_connection(self._path)
        self._open += [writer, back]
        await asyncio.gather(self._pump(reader, back), self._pump(there, writer))

    async def _pump(self, source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            while data := await source.read(65_536):
                await self._up.wait()
                target.write(data)
        target.close()

    async def close(self) -> None:
        self._up.set()
        for writer in self._open:
            writer.close()
            with suppress(OSError):
                await writer.wait_closed()
        await asyncio.sleep(0)


@pytest.fixture
async def wire(database_url: str) -> AsyncIterator[Wire]:
    parts = urlsplit(database_url)
    query = parse_qs(parts.query)
    made = Wire(f"{query['host'][0]}/.s.PGSQL.{query['port'][0]}")
    server = await asyncio.start_server(made.serve, "127.0.0.1", 0)
    made.url = f"postgresql://postgres@127.0.0.1:{server.sockets[0].getsockname()[1]}{parts.path}?sslmode=disable"
    yield made
    server.close()
    await made.close()
