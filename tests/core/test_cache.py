"""The cache over both wires: what is kept, for how long, and that every failure is a miss."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from typing import Any
from uuid import uuid4

import pytest
from redis.asyncio import Redis
from starlette.responses import JSONResponse, Response

from core import cache as cache_module
from core.cache import Cache, make_cache
from local.upstash import make_app
from tests.conftest import served
from tests.core.wire import bodies_in_turn, collect_settings, telling

TOKEN = "a-secret-token"


@pytest.fixture(scope="module")
def rest_url(valkey_url: str) -> Iterator[str]:
    with served(make_app(valkey_url, TOKEN)) as address:
        yield address


def rest(url: str, token: str = TOKEN, timeout_s: float = 10) -> Cache:
    return make_cache(
        collect_settings(upstash_redis_rest_url=url, upstash_redis_rest_token=token, cache_timeout_s=timeout_s)
    )


def redis(url: str, timeout_s: float = 10) -> Cache:
    return make_cache(collect_settings(redis_url=url, cache_timeout_s=timeout_s))


@pytest.fixture(params=["rest", "redis protocol"])
async def cache(request: pytest.FixtureRequest, rest_url: str, valkey_url: str) -> AsyncIterator[Cache]:
    cache = rest(rest_url) if request.param == "rest" else redis(valkey_url)
    yield cache
    await cache.close()


@pytest.fixture
async def server(valkey_url: str) -> AsyncIterator[Redis]:
    server = Redis.from_url(valkey_url, decode_responses=True)
    yield server
    await server.aclose()


@pytest.fixture
def group() -> str:
    return f"group-{uuid4().hex}"


async def test_what_was_put_is_got_until_it_is_dropped(cache: Cache, group: str) -> None:
    assert await cache.get(group, "a") is None
    await cache.put(group, "a", b'{"n": 1}', 60)
    assert await cache.get(group, "a") == b'{"n": 1}'
    assert await cache.get(group, "c") is None
    assert await cache.drop(group)
    assert await cache.get(group, "a") is None


async def test_texts_of_every_kind_come_back_as_they_were(cache: Cache, group: str) -> None:
    for value in ("ünïcödé 🎲", 'quotes " and \\ and \n', "\x00", "null", "12", "é" * 200_000):
        await cache.put(group, value[:20], value.encode(), 60)
        assert await cache.get(group, value[:20]) == value.encode()


async def test_many_are_got_in_the_order_asked_with_misses_between(cache: Cache, group: str) -> None:
    other = f"{group}-other"
    assert await cache.put_many({(group, "a"): b"1", (group, "b"): b"2", (other, "a"): b"3"}, 60)
    keys = [(other, "a"), (group, "none"), (group, "b"), (group, "a"), (other, "a")]
    assert await cache.get_many(keys) == [b"3", None, b"2", b"1", b"3"]
    assert await cache.get_many([]) == []


async def test_dropping_several_groups_spares_the_others(cache: Cache, group: str) -> None:
    names = [f"{group}-{n}" for n in range(3)]
    await cache.put_many({(name, "a"): b"1" for name in names}, 60)
    assert await cache.drop(*names[:2])
    assert await cache.get_many([(name, "a") for name in names]) == [None, None, b"1"]


async def test_a_group_ends_a_while_after_its_first_entry(cache: Cache, group: str, server: Redis) -> None:
    await cache.put(group, "a", b"1", 60)
    await server.expire(group, 20)
    await cache.put(group, "b", b"2", 60)
    assert 0 < await server.ttl(group) <= 20, "later entries do not prolong it"
    await cache.put_many({(group, "c"): b"3"}, 60, renew=True)
    assert 20 < await server.ttl(group) <= 60, "unless that is asked for"
    await server.pexpire(group, 1)
    while await server.exists(group):  # noqa: ASYNC110
        await asyncio.sleep(0.001)
    assert await cache.get_many([(group, name) for name in "abc"]) == [None] * 3


async def test_an_entry_too_large_is_left_out_and_said(
    cache: Cache, group: str, caplog: pytest.LogCaptureFixture
) -> None:
    large = b"x" * (cache_module.MAX_REQUEST_BYTES + 1)
    with caplog.at_level(logging.WARNING):
        assert not await cache.put_many({(group, "large"): large, (group, "small"): b"1"}, 60)
    assert "cache entry too large" in caplog.text
    assert await cache.get_many([(group, "large"), (group, "small")]) == [None, b"1"]


async def test_entries_that_are_too_many_for_one_request_go_in_several(cache: Cache, group: str) -> None:
    # As a day with 100,000 open markets: eight blobs full of quotes, together above what a request may hold.
    blob = b'"' * 1_500_000
    entries = {(group, str(n)): blob for n in range(8)}
    assert await cache.put_many(entries, 60)
    assert await cache.get_many(list(entries)) == [blob] * 8
    assert await cache.drop(group)


async def test_few_entries_are_one_request(group: str) -> None:
    with telling(bodies_in_turn([{"result": 1}, {"result": 1}, {"result": 1}])) as told:
        cache = rest(told.address)
        assert await cache.put_many({(group, str(n)): b"1" for n in range(8)}, 60)
        assert len(told.asked) == 1
        await cache.get_many([(group, "1"), (group, "2"), (group, "3")])
        assert len(told.asked) == 2
        await cache.close()


async def test_without_a_cache_everything_is_a_miss() -> None:
    cache = make_cache(collect_settings())
    await cache.put("g", "a", b"1", 60)
    assert not await cache.put_many({("g", "a"): b"1"}, 60)
    assert await cache.get("g", "a") is None
    assert await cache.get_many([("g", "a"), ("g", "b")]) == [None, None]
    assert not await cache.drop("g")
    await cache.close()


async def fails_as_a_miss(cache: Cache, caplog: pytest.LogCaptureFixture) -> None:
    """Every call answers, with a miss, whatever is wrong; the outer deadline only ends a test that hangs."""
    async with asyncio.timeout(30):
        with caplog.at_level(logging.WARNING):
            assert await cache.get("g", "a") is None
            assert await cache.get_many([("g", "a"), ("g", "b")]) == [None, None]
            assert not await cache.put_many({("g", "a"): b"1"}, 60)
            await cache.put("g", "a", b"1", 60)
            assert not await cache.drop("g")
            await cache.close()
    assert "cache unavailable" in caplog.text
    assert TOKEN not in caplog.text


@pytest.mark.parametrize("make", [lambda: rest("http://127.0.0.1:1"), lambda: redis("redis://127.0.0.1:1/0")])
async def test_a_dead_port_is_a_miss(make: Callable[[], Cache], caplog: pytest.LogCaptureFixture) -> None:
    await fails_as_a_miss(make(), caplog)


@asynccontextmanager
async def talking(talk: Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]) -> AsyncIterator[int]:
    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await talk(reader, writer)
        except ConnectionError:
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(handle, "127.0.0.1", 0)
    async with server:
        yield server.sockets[0].getsockname()[1]


@pytest.mark.parametrize("scheme", ["http", "redis"])
async def test_a_server_that_hangs_is_a_miss_at_the_deadline(scheme: str, caplog: pytest.LogCaptureFixture) -> None:
    async def hang(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()

    async with talking(hang) as port:
        address = f"{scheme}://127.0.0.1:{port}"
        await fails_as_a_miss(
            rest(address, timeout_s=0.1) if scheme == "http" else redis(address, timeout_s=0.1), caplog
        )


@pytest.mark.parametrize("rubbish", [b"\r\n", b"$5\r\nabc", b"HTTP/1.1 200 OK\r\n\r\n", b"\xff" * 50])
async def test_rubbish_instead_of_redis_is_a_miss(rubbish: bytes, caplog: pytest.LogCaptureFixture) -> None:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while await reader.read(1_000):
            writer.write(rubbish)
            await writer.drain()

    async with talking(talk) as port:
        cache = redis(f"redis://127.0.0.1:{port}", timeout_s=0.2)
        async with asyncio.timeout(30):
            assert await cache.get("g", "a") is None
            assert await cache.get_many([("g", "a"), ("g", "b")]) == [None, None]
            await cache.close()


RUBBISH: list[Any] = [
    "<html>", "null", "[]", "{}", "[1, 2]", '{"result": 5}', '[{"result": 5}, {"result": []}]',
    '[{"result": "\\ud800"}]',
    '[{"error": "ERR"}, {"result": null}]', '{"error": "WRONGPASS"}', "[" * 3_000, '[{"result": "not base64 \xe9"}]',
]  # fmt: skip


@pytest.mark.parametrize("rubbish", RUBBISH, ids=range(len(RUBBISH)))
@pytest.mark.parametrize("status", [200, 401, 500])
async def test_rubbish_instead_of_rest_is_a_miss(rubbish: str, status: int) -> None:
    with telling(bodies_in_turn(Response(rubbish, status))) as told:
        cache = rest(told.address)
        assert await cache.get("g", "a") is None
        assert await cache.get_many([("g", "a"), ("g", "b")]) == [None, None]
        await cache.put("g", "a", b"1", 60)
        await cache.drop("g")
        await cache.close()


async def test_a_wrong_token_is_a_miss(rest_url: str, caplog: pytest.LogCaptureFixture) -> None:
    await fails_as_a_miss(rest(rest_url, token="wrong"), caplog)


async def test_a_quota_that_is_used_up_is_a_miss(caplog: pytest.LogCaptureFixture) -> None:
    refusal = JSONResponse({"error": "ERR max daily request limit exceeded"}, 400)
    with telling(bodies_in_turn(refusal)) as told:
        await fails_as_a_miss(rest(told.address), caplog)


async def test_a_key_of_another_kind_is_a_miss(cache: Cache, group: str, server: Redis) -> None:
    await server.set(group, "not a hash")
    assert await cache.get(group, "a") is None
    assert not await cache.put_many({(group, "a"): b"1"}, 60)


async def test_the_cache_comes_back_when_the_server_does(cache: Cache, group: str, server: Redis) -> None:
    await cache.put(group, "a", b"1", 60)
    await server.client_kill_filter(skipme=True, _type="normal")
    found = [await cache.get(group, "a") for _ in range(3)]
    assert found[-1] == b"1"
