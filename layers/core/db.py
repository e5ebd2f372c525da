"""PostgreSQL: the only place that opens connections. Every wait has a deadline; asyncpg's errors stop here."""

from __future__ import annotations

import re
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
    asyncpg.OperatorInterventionError,
    asyncpg.InsufficientResourcesError,
    asyncpg.InvalidAuthorizationSpecificationError,
    asyncpg.InvalidCatalogNameError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,  # what asyncpg says of a connection that is cut off as it is handed out
)
_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")
_DEEPEST = 100


async def _prepare(connection: Any) -> None:
    # Binary, as COPY is: a version byte, then the text.
    await connection.set_type_codec(
        "jsonb", encoder=_jsonb, decoder=lambda sent: orjson.loads(sent[1:]), schema="pg_catalog", format="binary"
    )


def storable(text: str) -> str:
    """`text` without what PostgreSQL refuses in one: NUL and halves of surrogate pairs."""
    return _UNSTORABLE.sub("\ufffd", text)


def _jsonb(value: Any) -> bytes:
    try:
        encoded = orjson.dumps(value)
        if b"\\u0000" not in encoded:
            return b"\x01" + encoded
    except TypeError:  # a lone surrogate, an integer beyond 64 bits, or too deep
        pass
    return b"\x01" + orjson.dumps(_storable_json(value, 0))


def _storable_json(value: Any, depth: int) -> Any:
    if isinstance(value, str):
        return storable(value)
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) >= 2**63:
        return storable(str(value)) if abs(value) < 10**1000 else None
    if not isinstance(value, (list, dict)):
        return value
    if depth == _DEEPEST:
        return None
    if isinstance(value, list):
        return [_storable_json(item, depth + 1) for item in value]
    return {storable(str(key)): _storable_json(item, depth + 1) for key, item in value.items()}


def _arguments(settings: Settings) -> dict[str, Any]:
    return {
        "dsn": settings.database_url.get_secret_value(),
        "timeout": settings.database_connect_timeout_s,
        "command_timeout": settings.database_timeout_s,
        "statement_cache_size": settings.database_statement_cache,
        "server_settings": {"application_name": "oddwons", "timezone": "UTC"},
    }


async def _leave(connection: Any) -> None:
    """Nothing to clear away."""


async def make_pool(settings: Settings, *, leaves_nothing: bool = False) -> Pool:
    """A lazy pool: no connection until one is asked for, so a cold function starts without the database.

    Who `leaves_nothing` in a session (no settings, cursors, listeners) saves a round trip a use, which clears it.
    """
    return await asyncpg.create_pool(
        **_arguments(settings),
        min_size=0,
        max_size=settings.database_pool_size,
        max_inactive_connection_lifetime=60.0,
        init=_prepare,
        reset=_leave if leaves_nothing else None,
    )


@asynccontextmanager
async def acquire(pool: Pool, timeout_s: float) -> AsyncIterator[Connection]:
    with translated():
        try:
            connection = await pool.acquire(timeout=timeout_s)
        except asyncpg.PostgresError as error:  # whatever the server's reason not to let us in
            raise DatabaseDown(f"database: {_said(error)}") from error
        try:
            yield connection
        finally:
            await pool.release(connection)


async def ping(connection: Connection) -> None:
    await connection.fetchval("SELECT 1")


class translated:  # noqa: N801
    """Turns asyncpg's connection failures into DatabaseDown and leaves every other error alone."""

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> None:
        # asyncpg counts an argument of the wrong type among its interface errors: that is a bug, not an absence.
        # A certificate that is refused is a ValueError too, and an OSError.
        wrong_argument = isinstance(error, ValueError) and not isinstance(
            error, (asyncpg.ClientConfigurationError, OSError)
        )
        if isinstance(error, _AWAY) and not wrong_argument:
            raise DatabaseDown(f"database: {_said(error)}") from error


def _said(error: BaseException) -> str:
    if isinstance(error, TimeoutError) and not str(error):
        return "no answer within the deadline"
    return f"{type(error).__name__} {error}".strip()
