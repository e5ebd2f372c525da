"""PostgreSQL: the only place that opens connections. Every wait has a deadline; asyncpg's errors stop here."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import asyncpg
import orjson

from core.errors import DatabaseDown
from core.settings import Settings

if TYPE_CHECKING:
    Connection = asyncpg.pool.PoolConnectionProxy[asyncpg.Record]
    Pool = asyncpg.Pool[asyncpg.Record]
else:
    Connection, Pool = asyncpg.pool.PoolConnectionProxy, asyncpg.Pool

_AWAY = (
    OSError,
    TimeoutError,
    asyncpg.PostgresConnectionError,
    asyncpg.CannotConnectNowError,
    asyncpg.TooManyConnectionsError,
    asyncpg.AdminShutdownError,
    asyncpg.InvalidAuthorizationSpecificationError,
    asyncpg.InvalidCatalogNameError,
    asyncpg.InterfaceError,
)


async def _prepare(connection: Any) -> None:
    await connection.set_type_codec(
        "jsonb", encoder=lambda v: orjson.dumps(v).decode(), decoder=orjson.loads, schema="pg_catalog"
    )


def _arguments(settings: Settings) -> dict[str, Any]:
    return {
        "dsn": settings.database_url.get_secret_value(),
        "timeout": settings.database_connect_timeout_s,
        "command_timeout": settings.database_timeout_s,
        "statement_cache_size": settings.database_statement_cache,
        "server_settings": {"application_name": "oddwons", "timezone": "UTC"},
    }


async def make_pool(settings: Settings) -> Pool:
    """A lazy pool: no connection until one is asked for, so a cold function starts without the database."""
    return await asyncpg.create_pool(
        **_arguments(settings),
        min_size=0,
        max_size=settings.database_pool_size,
        max_inactive_connection_lifetime=60.0,
        init=_prepare,
    )


@asynccontextmanager
async def acquire(pool: Pool, timeout_s: float) -> AsyncIterator[Connection]:
    with translated():
        async with pool.acquire(timeout=timeout_s) as connection:
            yield connection


async def ping(connection: Connection) -> None:
    await connection.fetchval("SELECT 1")


class translated:  # noqa: N801
    """Turns asyncpg's connection failures into DatabaseDown and leaves every other error alone."""

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> None:
        if isinstance(error, _AWAY):
            raise DatabaseDown(f"database: {_said(error)}") from error


def _said(error: BaseException) -> str:
    return f"{type(error).__name__} {error}".strip()
