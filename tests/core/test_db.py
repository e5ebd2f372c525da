"""The pool: what is an absence of the database, what is a bug, and what JSON it can hold."""

from __future__ import annotations

import asyncio
from typing import Any

import asyncpg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from core import db
from core.errors import DatabaseDown
from core.settings import Settings


def settings_of(url: str, **changes: Any) -> Settings:
    given: dict[str, Any] = {"database_url": url, "database_connect_timeout_s": 2} | changes
    return Settings(**given)


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://u:hunter2@127.0.0.1:1/db",
        "postgresql://u:hunter2@no-such-host.invalid/db",
        "postgresql://u:hunter2@/db?host=/no/such/folder",
        "postgresql://u:hunter2@127.0.0.1:1/db?sslmode=nonsense",
    ],
)
async def test_a_database_that_is_not_there_is_down_and_its_password_is_not_told(url: str) -> None:
    pool = await db.make_pool(settings_of(url))
    with pytest.raises(DatabaseDown) as caught:
        async with db.acquire(pool, 2):
            pass
    assert "hunter2" not in str(caught.value)
    await pool.close()


async def test_making_a_pool_connects_to_nothing() -> None:
    pool = await db.make_pool(settings_of("postgresql://u@127.0.0.1:1/db"))
    assert pool.get_size() == 0
    await pool.close()


async def test_an_unknown_database_is_down(database_url: str) -> None:
    pool = await db.make_pool(settings_of(database_url.replace("/test_", "/none_")))
    with pytest.raises(DatabaseDown, match="InvalidCatalogName"):
        async with db.acquire(pool, 2):
            pass
    await pool.close()


async def test_a_pool_that_is_used_up_is_down_after_the_wait(database_url: str) -> None:
    pool = await db.make_pool(settings_of(database_url, database_pool_size=1))
    async with db.acquire(pool, 2) as connection:
        await db.ping(connection)
        with pytest.raises(DatabaseDown, match="no answer within the deadline"):
            async with db.acquire(pool, 0.05):
                pass
    await pool.close()


async def test_a_query_without_an_answer_in_time_is_down(database_url: str) -> None:
    pool = await db.make_pool(settings_of(database_url, database_timeout_s=0.2))
    with pytest.raises(DatabaseDown):
        async with db.acquire(pool, 2) as connection:
            await connection.execute("SELECT pg_sleep(30)")
    await pool.close()


@pytest.mark.parametrize("ending", ["pg_terminate_backend", "pg_cancel_backend"])
async def test_a_connection_ended_by_the_server_is_down_and_the_next_one_works(database_url: str, ending: str) -> None:
    pool = await db.make_pool(settings_of(database_url))
    sleeps = "SELECT pid FROM pg_stat_activity WHERE wait_event = 'PgSleep' AND datname = current_database()"

    async def sleep() -> None:
        async with db.acquire(pool, 2) as connection:
            await connection.execute("SELECT pg_sleep(30)")

    sleeping = asyncio.create_task(sleep())
    async with db.acquire(pool, 2) as other:
        while not (backend := await other.fetchval(sleeps)):  # noqa: ASYNC110
            await asyncio.sleep(0.01)
        await other.fetchval(f"SELECT {ending}($1)", backend)
    with pytest.raises(DatabaseDown):
        await sleeping
    async with db.acquire(pool, 2) as connection:
        await db.ping(connection)
    await pool.close()


@pytest.mark.parametrize(
    ("statement", "arguments"),
    [("SELEKT 1", ()), ("SELECT $1::int", ("text",)), ("SELECT 1 / 0", ()), ("SELECT $1::text", (5,))],
)
async def test_a_wrong_statement_or_argument_is_a_bug_and_no_absence(
    pool: db.Pool, statement: str, arguments: tuple[Any, ...]
) -> None:
    with pytest.raises((asyncpg.PostgresError, asyncpg.InterfaceError, TypeError)) as caught:
        async with db.acquire(pool, 2) as connection:
            await connection.fetchval(statement, *arguments)
    assert not isinstance(caught.value, DatabaseDown)


SOUND = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"), max_size=20)
NUMBERS = st.integers(-(2**53), 2**53) | st.floats(-1e12, 1e12)
JSON = st.recursive(
    st.none() | st.booleans() | NUMBERS | SOUND,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(SOUND, inner, max_size=4),
    max_leaves=15,
)
HOSTILE = st.recursive(
    JSON | st.text(max_size=9) | st.sampled_from(["\x00", "\ud800", "\\u0000", "a\x00\\u0000"]) | st.integers(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4),
    max_leaves=15,
)


RARELY = settings(
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow], deadline=None, max_examples=40
)


async def stored(url: str, value: Any) -> Any:
    pool = await db.make_pool(settings_of(url))
    try:
        async with db.acquire(pool, 5) as connection:
            return await connection.fetchval("SELECT $1::jsonb", value)
    finally:
        await pool.close()


@settings(
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow], deadline=None, max_examples=40
)
@given(value=JSON)
def test_sound_json_comes_back_as_it_was(database_url: str, value: Any) -> None:
    assert asyncio.run(stored(database_url, value)) == value


@settings(
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow], deadline=None, max_examples=40
)
@given(value=HOSTILE)
def test_json_that_postgresql_refuses_is_stored_without_what_it_refuses(database_url: str, value: Any) -> None:
    found = asyncio.run(stored(database_url, value))
    assert type(found) is type(value) or isinstance(value, int)


def test_storable_text_keeps_everything_but_nul_and_half_pairs() -> None:
    assert db.storable("é\u202e\x1b🎲\\u0000") == "é\u202e\x1b🎲\\u0000"
    assert db.storable("a\x00b\ud800c") == "a\ufffdb\ufffdc"
