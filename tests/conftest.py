"""What tests share: a real PostgreSQL with a database for each test, a real Valkey, the venues over HTTP."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AsyncExitStack, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import psycopg
import pytest
import uvicorn
from filelock import FileLock
from starlette.applications import Starlette

from core import db
from core.cache import make_cache
from core.runtime import JOBS, Run
from core.settings import AnalyzeSettings, Settings
from local import postgres, valkey
from tests import storages

pytest_plugins = ["tests.stripe_account"]
ROOT = Path(__file__).resolve().parent.parent
RECORDED = ROOT.parent / "shared" / "recorded"
SERVERS = "ODDWONS_TEST_SERVERS"
NOW = datetime(2026, 11, 22, 13, 5, tzinfo=UTC)

needs_recorded = pytest.mark.skipif(not RECORDED.is_dir(), reason="the recorded venue answers are not here")


def pytest_configure(config: pytest.Config) -> None:
    """Each test run has servers of its own: two at once must not stop each other's."""
    if not hasattr(config, "workerinput"):  # the controller, before its workers
        (ROOT / ".local").mkdir(exist_ok=True)
        os.environ[SERVERS] = tempfile.mkdtemp(prefix="tests-", dir=ROOT / ".local")


def pytest_unconfigure(config: pytest.Config) -> None:
    if not hasattr(config, "workerinput"):
        for storage in storages.ALL:
            postgres.remove(servers() / storage)
        shutil.rmtree(servers(), ignore_errors=True)


def servers() -> Path:
    return Path(os.environ[SERVERS])


@pytest.fixture(scope="session")
def storage(request: pytest.FixtureRequest) -> storages.Storage:
    """Which server a test runs on; one that chooses is marked by `storages.on`."""
    chosen: storages.Storage = getattr(request, "param", storages.CHOSEN)
    return chosen


@pytest.fixture(scope="session")
def postgres_dsn(storage: storages.Storage) -> str:
    """One server for all workers; starting it twice gives the same one."""
    return storages.start(servers(), storage)


@pytest.fixture(scope="session")
def template(postgres_dsn: str, storage: storages.Storage) -> str:
    """The name of a migrated database to copy, made once for each state of the migrations."""
    revisions = sorted((ROOT / "sql" / "versions").glob("*.py"))
    state = hashlib.blake2b(b"".join(path.read_bytes() for path in revisions), digest_size=6).hexdigest()
    name = f"template_{state}"
    with FileLock(servers() / f"{storage}.lock"):
        with psycopg.connect(postgres_dsn) as connection:
            known = connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", [name]).fetchone()
        if not known:
            draft = f"draft_{uuid4().hex[:8]}"
            url = postgres.create_database(postgres_dsn, draft)
            storages.prepare(url, storage)
            migrate(url)
            with psycopg.connect(postgres_dsn, autocommit=True) as connection:
                connection.execute(f"ALTER DATABASE {draft} RENAME TO {name}")
    return name


def migrate(url: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "alembic", "upgrade", "head"],
        cwd=ROOT,
        env=os.environ | {"DATABASE_URL": url},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr


@pytest.fixture
def database_url(postgres_dsn: str, template: str) -> Iterator[str]:
    """A migrated, empty database of this test's own."""
    name = f"test_{uuid4().hex}"
    yield postgres.create_database(postgres_dsn, name, template)
    postgres.drop_database(postgres_dsn, name)


@pytest.fixture
async def pool(database_url: str) -> AsyncIterator[db.Pool]:
    pool = await db.make_pool(Settings(database_url=database_url))
    yield pool
    await pool.close()


@pytest.fixture
async def connection(pool: db.Pool) -> AsyncIterator[db.Connection]:
    async with pool.acquire() as connection:
        yield connection


@pytest.fixture(scope="session")
def valkey_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder = tmp_path_factory.mktemp("valkey")
    yield valkey.start(folder)
    valkey.stop(folder)


@contextmanager
def served(app: Any) -> Iterator[str]:
    """The app over real HTTP on a free port of this machine, in a thread; yields its address."""
    config = uvicorn.Config(app, host="127.0.0.1", port=0, log_level="error", lifespan="on")
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        assert thread.is_alive(), "the server did not start"
        time.sleep(0.01)
    port = server.servers[0].sockets[0].getsockname()[1]
    yield f"http://127.0.0.1:{port}"
    server.should_exit = True
    thread.join(10)


ClientOf = Callable[[Starlette], Awaitable[httpx.AsyncClient]]


@pytest.fixture
async def client_of() -> AsyncIterator[ClientOf]:
    """client_of(app): asks an app without a network; the app is up until the test ends, a bug in it is a 500."""
    async with AsyncExitStack() as stack:

        async def make(app: Starlette) -> httpx.AsyncClient:
            await stack.enter_async_context(app.router.lifespan_context(app))
            transport = httpx.ASGITransport(app, raise_app_exceptions=False)
            return await stack.enter_async_context(httpx.AsyncClient(transport=transport, base_url="http://test"))

        yield make


@pytest.fixture
async def make_run(database_url: str) -> AsyncIterator[Callable[..., Awaitable[Run[AnalyzeSettings]]]]:
    """make_run(job, now, **settings) -> what a job's work is given, over this test's database."""
    opened: list[Run[AnalyzeSettings]] = []

    async def make(job: str, now: datetime = NOW, **settings: object) -> Run[AnalyzeSettings]:
        chosen = AnalyzeSettings(database_url=database_url, **settings)  # type: ignore[arg-type]
        pool = await db.make_pool(chosen)
        run = Run(JOBS[job], chosen, pool, make_cache(chosen), lambda: now, now)
        opened.append(run)
        return run

    yield make
    for run in opened:
        await run.cache.close()
        await run.pool.close()
