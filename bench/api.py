"""The API under load, beside a bare ASGI application and the usual FastAPI route: one server, one worker for each."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import asyncpg
import httpx
import psutil

from api.credentials import make_token
from bench.api_rows import NOW, insert_insights
from bench.load import Load, load
from bench.result import Result, at_least, at_most, median_ms
from core import db
from core.models import Tier
from core.queries import accounts, serving
from core.settings import Settings
from local import postgres, valkey
from local.kit import DATA, Kit, free_port

PATH = "/api/v1/insights/ai"
USERS, INSIGHTS, ROUNDS, ROUND_S = 100, 20, 5, 4.0
MEMORY_REQUESTS = 1_000_000
STORED, ALIVE, PAGE = 1_000_000, 2_000, 100
SECRET = "a secret of the benches, long enough for HS256"  # noqa: S105  of a server that lives for a minute


@dataclass(frozen=True, slots=True)
class Served:
    """The servers' ports, and the API's process and tokens."""

    folder: Path
    bare: int
    naive: int
    api: int
    process: psutil.Process
    tokens: list[str]


async def speed() -> list[Result]:
    """Rounds in turn, so that what else the machine does meets all of them."""
    async with _served() as served:
        targets = {"bare": served.bare, "api": served.api, "naive": served.naive}
        rounds: dict[str, list[Load]] = {name: [] for name in targets}
        for _ in range(ROUNDS):
            for name, port in targets.items():
                rounds[name].append(load(port, PATH, served.tokens, served.folder, seconds=ROUND_S))
        if refused := sum(done.refused for each in rounds.values() for done in each):
            raise AssertionError(f"{refused} answers were not 200")
    rate = {name: median(done.per_second for done in each) for name, each in rounds.items()}
    p99 = {name: median(done.p99_ms for done in each) for name, each in rounds.items()}
    said = ", ".join(f"{name} {rate[name]:,.0f}/s p99 {p99[name]:.2f} ms" for name in targets)
    return [
        at_least("api_cached_vs_bare", rate["api"] / rate["bare"], "×", said, 0.4),
        at_most("api_p99_vs_bare", p99["api"] / p99["bare"], "×", said, 4),
        at_least("api_cached_vs_naive", rate["api"] / rate["naive"], "×", said, 5),
    ]


async def memory() -> list[Result]:
    """What the server holds after a first part of the requests, and after all of them."""
    async with _served() as served:
        done, first = 0, 0
        while done < MEMORY_REQUESTS:
            done += load(served.api, PATH, served.tokens, served.folder, seconds=10).requests
            first = first or _resident(served.process)
        last = _resident(served.process)
    grown = (last - first) / 1e6
    return [at_most("api_memory_growth_mb", grown, "MB", f"{done:,} requests, {last / 1e6:.0f} MB at their end", 5)]


def _resident(process: psutil.Process) -> int:
    return sum(each.memory_info().rss for each in [process, *process.children(recursive=True)])


@asynccontextmanager
async def _database() -> AsyncIterator[tuple[Kit, str]]:
    """An empty, migrated database, of which the kit's processes know."""
    folder = DATA / "bench-api"
    with Kit(folder) as kit:
        server = postgres.start(folder / "postgres")
        postgres.drop_database(server, "bench")
        kit.environment["DATABASE_URL"] = url = postgres.create_database(server, "bench")
        kit.command(["-m", "alembic", "upgrade", "head"])
        yield kit, url
        postgres.drop_database(server, "bench")


def _settings() -> dict[str, str]:
    """Limits that so few users cannot reach; permits are still leased a hundred at a time."""
    limits = {"JWT_SECRET": SECRET, "REQUESTS_PRO": "100000000"}
    return limits | {"CLOCK_START": NOW.isoformat(), "CLOCK_SPEED": "0"}


@asynccontextmanager
async def _served() -> AsyncIterator[Served]:
    async with _database() as (kit, url):
        folder = kit.folder
        tokens = await _fill(url)
        kit.environment |= _settings() | {
            "REDIS_URL": valkey.start(folder / "valkey"),
            "PYTHONPATH": "functions:layers:.",
            "BENCH_BODY": str(folder / "body.json"),
        }
        api = free_port()
        kit.serve("api", ["-m", "api"], f"http://127.0.0.1:{api}/health", {"PORT": str(api)})
        async with httpx.AsyncClient(headers={"authorization": f"Bearer {tokens[0]}"}) as http:
            body = await http.get(f"http://127.0.0.1:{api}{PATH}")
        (folder / "body.json").write_bytes(body.raise_for_status().content)
        ports = {name: free_port() for name in ("bare", "naive")}
        for name, port in ports.items():
            arguments = ["-m", "granian", "--interface", "asgi", "--port", str(port), "--no-ws", "--workers", "1"]
            ready = f"http://127.0.0.1:{port}{'/' if name == 'bare' else '/openapi.json'}"
            kit.serve(name, [*arguments, f"bench.api_floor:{name}"], ready)
        process = next(p for p in psutil.Process().children() if p.cmdline()[-2:] == ["-m", "api"])
        yield Served(folder, ports["bare"], ports["naive"], api, process, tokens)


async def _fill(url: str) -> list[str]:
    """Pro users' tokens, over a database with a list of insights."""
    pool = await db.make_pool(Settings(database_url=url, database_timeout_s=600))
    async with pool.acquire() as connection:
        await insert_insights(connection, alive=INSIGHTS, ended=0)
        users = [await accounts.upsert_user(connection, f"{n}@example.com", Tier.PRO, NOW) for n in range(USERS)]
    await pool.close()
    return [make_token(user, SECRET, time.time(), 600) for user in users]


async def uncached() -> list[Result]:
    """By category with a million insights stored: a request that finds nothing kept, beside its own query."""
    async with _database() as (kit, url):
        pool = await db.make_pool(Settings(database_url=url, database_timeout_s=600))
        async with pool.acquire() as connection:
            await insert_insights(connection, alive=ALIVE, ended=STORED - ALIVE)
            user = await accounts.upsert_user(connection, "pro@example.com", Tier.PRO, NOW)
        await pool.close()
        # Nothing in memory and no Redis: each request goes to the database.
        kit.environment |= _settings() | {"READY_S": "0", "INSIGHTS_TTL_S": "1"}
        port = free_port()
        kit.serve("api", ["-m", "api"], f"http://127.0.0.1:{port}/health", {"PORT": str(port)})
        token = make_token(user, SECRET, time.time(), 600)
        floor = await asyncpg.connect(url)
        statement = await floor.prepare(serving.insights_statement(category=True))

        async def query() -> None:
            assert len(await statement.fetch(NOW, PAGE + 1, "C1")) == PAGE + 1

        path, asked, bare = f"{PATH}?category=C1&limit={PAGE}", [], []
        for _ in range(ROUNDS):  # in turn, so that what else the machine does meets both
            asked.append(load(port, path, [token], kit.folder, seconds=1, connections=1).p50_ms)
            bare.append(await median_ms(query, 50))
        await floor.close()
    ms = median(bare)
    said = f"{STORED:,} stored, {ALIVE:,} alive, a page of {PAGE}: query {ms:.2f} ms, request {median(asked):.2f} ms"
    return [at_most("api_uncached_vs_sql", median(asked) / ms, "×", said, 3)]
