"""A venue's line: what is tried again, what is refused at once, how much is read and how fast it is asked."""

from __future__ import annotations

import asyncio
import gzip
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
import stamina
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse

from core.errors import VenueAnswerError, VenueDown
from core.http import VenueHttp, open_client
from tests.core.wire import bodies_in_turn, telling


@pytest.fixture(autouse=True)
def _no_waiting_between_attempts() -> Iterator[None]:
    stamina.set_testing(True, attempts=3, cap=True)
    yield
    stamina.set_testing(False)


@asynccontextmanager
async def line(address: str, **changes: Any) -> AsyncIterator[VenueHttp]:
    given = {"requests_per_s": 1_000, "attempts": 3, "timeout_s": 5, "max_body_bytes": 10_000} | changes
    async with open_client(5) as client:
        yield VenueHttp(client, address, **given)


async def asked(answer: Callable[[Request], Response], **changes: Any) -> tuple[Any, list[str]]:
    with telling(answer) as told:
        async with line(told.address, **changes) as http:
            return await http.get_json("/x", {"a": 1, "ids": ["b", "c"]}), told.asked


async def refused(answer: Callable[[Request], Response], kind: type[Exception], match: str, **changes: Any) -> int:
    with telling(answer) as told:
        async with line(told.address, **changes) as http:
            with pytest.raises(kind, match=match):
                await http.get_json("/x")
        return len(told.asked)


BROKEN: dict[str, Response] = {
    "too many": Response("error code: 1015", 429),
    "down": Response("upstream connect error", 503),
    "broken": JSONResponse({"error": "oops"}, 500),
    "garbage": Response("<html>Bad gateway</html>", 200),
    "truncated": Response('{"events": [1, 2', 200),
    "empty": Response(b"", 200),
    "no gzip": Response(b"not gzip", 200, {"content-encoding": "gzip"}),
    "half of gzip": Response(gzip.compress(b'{"a": 1}')[:12], 200, {"content-encoding": "gzip"}),
    "too deep": Response("[" * 5_000 + "]" * 5_000, 200),
}


@pytest.mark.parametrize("failure", BROKEN)
async def test_what_may_pass_is_tried_again(failure: str) -> None:
    body, requests = await asked(bodies_in_turn(BROKEN[failure], BROKEN[failure], {"ok": True}))
    assert body == {"ok": True}
    assert requests == ["/x?a=1&ids=b&ids=c"] * 3


@pytest.mark.parametrize("failure", BROKEN)
async def test_what_does_not_pass_is_a_venue_that_is_down(failure: str) -> None:
    assert await refused(bodies_in_turn(BROKEN[failure]), VenueDown, r"/x: .* \(3 attempts\)") == 3


@pytest.mark.parametrize("status", [301, 400, 401, 403, 404, 418, 422])
async def test_a_refusal_is_told_at_once(status: int) -> None:
    answer = bodies_in_turn(JSONResponse({"error": "no\x00 such"}, status, {"location": "https://elsewhere.example"}))
    assert await refused(answer, VenueAnswerError, f"/x: status {status}") == 1


async def test_what_a_refusal_says_is_quoted_harmlessly_and_in_part() -> None:
    noise = b"\x1b[2J\x00\xff" + b"n" * 5_000
    with telling(lambda _: Response(noise, 400)) as told:
        async with line(told.address) as http:
            with pytest.raises(VenueAnswerError) as caught:
                await http.get_json("/x")
    assert str(caught.value).isprintable()
    assert len(str(caught.value)) < 600


async def test_nobody_there_is_a_venue_that_is_down() -> None:
    async with line("http://127.0.0.1:1") as http:
        with pytest.raises(VenueDown, match="ConnectError"):
            await http.get_json("/x")


async def test_an_address_that_is_none_is_a_venue_that_is_down() -> None:
    async with line("http://no-such-host.invalid", timeout_s=1) as http:
        with pytest.raises(VenueDown):
            await http.get_json("/x")


@asynccontextmanager
async def raw_server(talk: Callable[[asyncio.StreamReader, asyncio.StreamWriter], Any]) -> AsyncIterator[str]:
    """A server below HTTP: `talk` has the connection to itself."""

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await talk(reader, writer)
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(handle, "127.0.0.1", 0)
    async with server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"


async def test_a_server_that_hangs_is_left_at_the_deadline() -> None:
    async def hang(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()

    async with raw_server(hang) as address, line(address, timeout_s=0.1) as http:
        with pytest.raises(VenueDown, match="ReadTimeout"):
            await http.get_json("/x")


async def test_a_server_that_drips_is_left_though_no_single_read_takes_long() -> None:
    async def drip(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 100000\r\n\r\n")
        while not reader.at_eof():
            writer.write(b" ")
            await writer.drain()
            await asyncio.sleep(0.02)

    async with raw_server(drip) as address, line(address, timeout_s=0.2, max_body_bytes=10**6) as http:
        with pytest.raises(VenueDown, match="TimeoutError"):
            await http.get_json("/x")


async def test_a_connection_cut_off_in_the_body_is_tried_again() -> None:
    turns = iter([b'{"ok": tr', b'{"ok": true}'])

    async def cut(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 12\r\n\r\n" + next(turns))
        await writer.drain()

    async with raw_server(cut) as address, line(address) as http:
        assert await http.get_json("/x") == {"ok": True}


async def test_a_body_above_the_bound_is_refused_without_reading_it_all() -> None:
    sent = 0

    async def endless() -> AsyncIterator[bytes]:
        nonlocal sent
        while sent < 10**9:
            sent += 10_000
            yield b"x" * 10_000
            await asyncio.sleep(0)

    count = await refused(lambda _: StreamingResponse(endless()), VenueAnswerError, "body above 10000 bytes")
    assert count == 1
    assert sent < 10**8


async def test_a_compressed_body_is_unpacked_up_to_the_bound_and_no_further() -> None:
    packed = gzip.compress(b"[" + b" " * 200_000_000 + b"]", compresslevel=9)
    assert len(packed) < 300_000
    answer = bodies_in_turn(Response(packed, 200, {"content-encoding": "gzip"}))
    assert await refused(answer, VenueAnswerError, "body above 10000 bytes") == 1


async def test_a_compressed_body_within_the_bound_is_read() -> None:
    body = b'{"n": [' + b"1, " * 3_000 + b"1]}"
    answer = bodies_in_turn(Response(gzip.compress(body), 200, {"content-encoding": "gzip"}))
    assert len((await asked(answer))[0]["n"]) == 3_001


@pytest.mark.parametrize("encoding", ["br", "gzip, gzip", "zstd", "deflate"])
async def test_an_encoding_that_was_not_asked_for_is_refused(encoding: str) -> None:
    answer = bodies_in_turn(Response(gzip.compress(gzip.compress(b"{}")), 200, {"content-encoding": encoding}))
    assert await refused(answer, VenueAnswerError, "was not asked for") == 1


async def test_one_broken_character_does_not_cost_the_page() -> None:
    body = b'{"titles": ["half \\ud83d", "byte \xff", "NUL \\u0000"], "n": NaN, "i": 1e400}'
    found = (await asked(bodies_in_turn(Response(body))))[0]
    assert found["titles"] == ["half \ud83d", "byte \ufffd", "NUL \x00"]


async def test_requests_name_us_and_bring_no_origin() -> None:
    heard: dict[str, str] = {}

    def answer(request: Request) -> Response:
        heard.update(request.headers)
        return JSONResponse({})

    await asked(answer)
    assert heard["user-agent"].startswith("oddwons/")
    assert heard["accept-encoding"] == "gzip"
    assert "origin" not in heard


async def test_a_post_is_as_safe_to_repeat() -> None:
    with telling(bodies_in_turn(Response("", 503), {"ok": True})) as told:
        async with line(told.address) as http:
            assert await http.post_json("/books", [{"token_id": "1"}]) == {"ok": True}
    assert len(told.asked) == 2


ONCE_AN_AGE = 0.001


async def test_requests_at_once_are_let_through_one_by_one() -> None:
    with telling(bodies_in_turn({})) as told:
        async with line(told.address, requests_per_s=ONCE_AN_AGE) as slow, line(told.address) as fast:
            waiting = {asyncio.create_task(slow.get_json("/slow")) for _ in range(5)}
            done, waiting = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
            for _ in range(20):  # time in which a burst would have come through
                await fast.get_json("/fast")
            assert len(done) == 1
            assert [asked for asked in told.asked if "slow" in asked] == ["/slow?"]
            await cancelled(*waiting)


async def test_another_attempt_waits_for_the_pace_as_well() -> None:
    refused = asyncio.Event()
    loop = asyncio.get_running_loop()

    def answer(request: Request) -> Response:
        if "slow" not in request.url.path:
            return JSONResponse({})
        loop.call_soon_threadsafe(refused.set)
        return Response("", 429)

    with telling(answer) as told:
        async with line(told.address, requests_per_s=ONCE_AN_AGE) as slow, line(told.address) as fast:
            trying = asyncio.create_task(slow.get_json("/slow"))
            await refused.wait()
            for _ in range(20):
                await fast.get_json("/fast")
            assert [asked for asked in told.asked if "slow" in asked] == ["/slow?"]
            await cancelled(trying)


async def cancelled(*tasks: asyncio.Task[Any]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
