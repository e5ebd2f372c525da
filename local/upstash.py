"""Owns the local kit's Redis over REST: the protocol of Upstash, as its official clients speak it, in front of Valkey.

Protocol: https://upstash.com/docs/redis/features/restapi. Server-sent events (SUBSCRIBE, MONITOR) are not offered.
"""

import argparse
import asyncio
import base64
import hmac
import json
import os
import signal
import sys
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any, NoReturn, cast
from urllib.parse import parse_qsl, unquote

import orjson
from granian.constants import Interfaces
from granian.server.embed import Server
from redis.asyncio import BlockingConnectionPool, Connection
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import RedisError, ResponseError
from redis.exceptions import TimeoutError as RedisTimeoutError
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp

MAX_REQUEST_BYTES = 10 * 1024 * 1024
_DRAIN_LIMIT_BYTES = 64 * 1024 * 1024

# What would block the connection, change it for its next user, or rule the server.
# fmt: off
_REFUSED = frozenset(
    {
        "BLPOP", "BRPOP", "BLMOVE", "BRPOPLPUSH", "BLMPOP", "BZPOPMIN", "BZPOPMAX", "BZMPOP", "WAIT", "WAITAOF",
        "SUBSCRIBE", "PSUBSCRIBE", "SSUBSCRIBE", "UNSUBSCRIBE", "PUNSUBSCRIBE", "SUNSUBSCRIBE", "MONITOR",
        "SYNC", "PSYNC", "MULTI", "EXEC", "DISCARD", "WATCH", "UNWATCH", "SELECT", "AUTH", "HELLO", "QUIT",
        "RESET", "CLIENT", "READONLY", "READWRITE", "ASKING", "ACL", "BGREWRITEAOF", "BGSAVE", "CLUSTER",
        "CONFIG", "DEBUG", "FAILOVER", "LATENCY", "MIGRATE", "MODULE", "REPLICAOF", "REPLCONF", "SAVE",
        "SHUTDOWN", "SLAVEOF", "SLOWLOG",
    }
)
# fmt: on
_XREADS = frozenset({"XREAD", "XREADGROUP"})

Command = list[str]
Reply = Any  # bytes, int, None, an error, or a list of these


class _Refusal(Exception):
    """A request that gets an error and never reaches Valkey."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.message = message


def make_app(redis_url: str, token: str) -> Starlette:
    """The REST server as an ASGI application, with a small pool of connections to the Valkey at `redis_url`."""
    # RESP2 has only strings, integers, nulls, arrays and errors, which is all that JSON replies have room for.
    pool = BlockingConnectionPool.from_url(redis_url, protocol=2, max_connections=32, timeout=10)

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        yield
        await pool.disconnect()

    async def endpoint(request: Request) -> Response:
        encode = _base64_text if request.headers.get("upstash-encoding", "").lower() == "base64" else _plain_text
        headers = {"Upstash-Sync-Token": request.headers.get("upstash-sync-token") or "local"}
        try:
            status, answer = await _answer(pool, request, token, encode)
        except _Refusal as refusal:
            status, answer = refusal.status, {"error": refusal.message}
        except (RedisConnectionError, RedisTimeoutError) as error:
            status, answer = 503, {"error": f"ERR the database cannot be reached: {error}"}
        return Response(orjson.dumps(answer), status, headers, "application/json")

    app = Starlette(lifespan=lifespan)
    app.router.default = _as_asgi(endpoint)
    return app


def _as_asgi(endpoint: Callable[[Request], Any]) -> ASGIApp:
    """Every path and method is ours: a router would turn `//` and `%2F` in a path-style command into other paths."""

    async def application(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "http":
            response = await endpoint(Request(scope, receive))
            await response(scope, receive, send)

    return application


async def _answer(
    pool: BlockingConnectionPool, request: Request, token: str, encode: Callable[[bytes], str]
) -> tuple[int, Any]:
    query = parse_qsl(request.scope["query_string"].decode("latin-1"), keep_blank_values=True)
    _check_token(request, query, token)
    if request.method not in {"GET", "HEAD", "POST", "PUT"}:
        raise _Refusal(405, "ERR method not allowed")
    path = request.scope.get("raw_path") or request.url.path.encode()
    segments = [unquote(part) for part in path.decode("latin-1").split("?")[0].strip("/").split("/") if part]
    body = await _read_body(request) if request.method in {"POST", "PUT"} else b""
    if segments in (["pipeline"], ["multi-exec"]):
        if request.method not in {"POST", "PUT"}:
            raise _Refusal(405, "ERR method not allowed")
        if segments == ["pipeline"]:
            return 200, await _pipeline(pool, _parse_commands(body), encode)
        return await _transaction(pool, _parse_commands(body), encode)
    if segments:
        command = [*segments, *([body.decode("utf-8", "surrogateescape")] if body else []), *_query_words(query)]
    elif body:
        command = _parse_command(_parse_json(body))
    else:
        raise _Refusal(400, "ERR no command was given")
    _check_command(command)
    reply = (await _execute(pool, [command]))[0]
    return (400 if isinstance(reply, ResponseError) else 200), _item(reply, encode)


def _check_token(request: Request, query: Sequence[tuple[str, str]], token: str) -> None:
    scheme, _, given = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "bearer":
        given = next((value for name, value in query if name == "_token"), "")
    if not hmac.compare_digest(given.strip().encode("utf-8", "replace"), token.encode()):
        raise _Refusal(401, "WRONGPASS invalid or missing auth token")


def _query_words(query: Sequence[tuple[str, str]]) -> list[str]:
    """`?EX=100&NX` adds EX 100 NX to a path-style command."""
    return [word for name, value in query if name != "_token" for word in (name, value) if word]


async def _read_body(request: Request) -> bytes:
    declared = request.headers.get("content-length", "")
    if declared.isdecimal() and int(declared) > _DRAIN_LIMIT_BYTES:
        _refuse_size(int(declared))
    chunks, size = [], 0
    async for chunk in request.stream():
        size += len(chunk)
        if size > _DRAIN_LIMIT_BYTES:
            break
        if size <= MAX_REQUEST_BYTES:
            chunks.append(chunk)
        else:
            chunks.clear()  # the rest is read only so that the client gets to read the answer
    if size > MAX_REQUEST_BYTES:
        _refuse_size(size)
    return b"".join(chunks)


def _refuse_size(size: int) -> NoReturn:
    raise _Refusal(413, f"ERR max request size exceeded. Limit: {MAX_REQUEST_BYTES} bytes, Actual: {size} bytes")


def _parse_json(body: bytes) -> object:
    try:
        # Numbers stay as they were written: 1e3 or a long integer must not change on its way.
        return json.loads(body, parse_int=str, parse_float=str, parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as error:
        raise _Refusal(400, f"ERR failed to parse the request body as JSON: {error}") from None


def _refuse_constant(word: str) -> NoReturn:
    raise ValueError(f"{word} is not JSON")


def _parse_commands(body: bytes) -> list[Command]:
    parsed = _parse_json(body)
    if not isinstance(parsed, list) or not parsed:
        raise _Refusal(400, "ERR a pipeline must be an array of commands")
    return [_parse_command(item) for item in parsed]


def _parse_command(parsed: object) -> Command:
    if not isinstance(parsed, list) or not parsed:
        raise _Refusal(400, "ERR a command must be an array which begins with the command's name")
    return [_parse_argument(item) for item in parsed]


def _parse_argument(item: object) -> str:
    if isinstance(item, bool):
        return "true" if item else "false"
    if not isinstance(item, str):
        raise _Refusal(400, "ERR a command's arguments must be strings or numbers")
    if any("\ud800" <= character <= "\udfff" for character in item):
        raise _Refusal(400, "ERR a command's arguments must be valid Unicode")
    return item


def _check_command(command: Command) -> None:
    name = command[0].upper()
    if name in _REFUSED or (name in _XREADS and "BLOCK" in (word.upper() for word in command[1:])):
        raise _Refusal(400, f"ERR Command is not available: '{name}'")


async def _pipeline(
    pool: BlockingConnectionPool, commands: list[Command], encode: Callable[[bytes], str]
) -> list[dict[str, Any]]:
    items: list[dict[str, Any]] = [{} for _ in commands]
    allowed = []
    for index, command in enumerate(commands):
        try:
            _check_command(command)
            allowed.append(index)
        except _Refusal as refusal:
            items[index] = {"error": refusal.message}
    if allowed:
        replies = await _execute(pool, [commands[index] for index in allowed])
        for index, reply in zip(allowed, replies, strict=True):
            items[index] = _item(reply, encode)
    return items


async def _transaction(
    pool: BlockingConnectionPool, commands: list[Command], encode: Callable[[bytes], str]
) -> tuple[int, Any]:
    for command in commands:
        _check_command(command)
    replies = (await _execute(pool, [["MULTI"], *commands, ["EXEC"]]))[-1]
    if isinstance(replies, ResponseError):
        return 400, _item(replies, encode)
    return 200, [_item(reply, encode) for reply in cast(list[Reply], replies)]


async def _execute(pool: BlockingConnectionPool, commands: list[Command]) -> list[Reply]:
    """Sends the commands in one write and returns every reply, errors among them, in order."""
    connection = cast(Connection, await pool.get_connection())  # type: ignore[no-untyped-call]
    try:
        packed = connection.pack_commands([_as_bytes(command) for command in commands])
        await connection.send_packed_command(packed)
        return [await _read_reply(connection) for _ in commands]
    except BaseException:
        await connection.disconnect(nowait=True)  # unread replies must not reach its next user
        raise
    finally:
        await pool.release(connection)


def _as_bytes(command: Command) -> list[bytes]:
    return [word.encode("utf-8", "surrogateescape") for word in command]


async def _read_reply(connection: Connection) -> Reply:
    try:
        return await connection.read_response(disconnect_on_error=False)
    except ResponseError as error:
        return error


def _item(reply: Reply, encode: Callable[[bytes], str]) -> dict[str, Any]:
    if isinstance(reply, RedisError):
        return {"error": _error_text(reply)}
    return {"result": _jsonable(reply, encode)}


def _error_text(error: RedisError) -> str:
    """The error as Valkey sent it: the client library moves a code which it knows out of the text."""
    code = getattr(error, "status_code", None)
    return f"{code} {error}" if code else str(error)


def _jsonable(reply: Reply, encode: Callable[[bytes], str]) -> Any:
    if isinstance(reply, bytes):
        return encode(reply)
    if isinstance(reply, list):
        return [_jsonable(item, encode) for item in reply]
    if isinstance(reply, RedisError):
        return encode(_error_text(reply).encode())
    return reply


def _base64_text(value: bytes) -> str:
    return "OK" if value == b"OK" else base64.b64encode(value).decode()


def _plain_text(value: bytes) -> str:
    return value.decode("utf-8", "replace")


def serve(app: Starlette, port: int) -> NoReturn:
    """Serves the application on the loopback interface until SIGTERM or SIGINT, then ends the process."""
    server = Server(app, "127.0.0.1", port, interface=Interfaces.ASGI, log_enabled=False, websockets=False)

    async def run() -> None:
        loop = asyncio.get_running_loop()
        for sign in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(sign, server.stop)
        await server.serve()

    asyncio.run(run())
    # The server's threads outlive its loop, and abort the process when the interpreter is taken down around them.
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(0)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m local.upstash", description=__doc__)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--redis-url", required=True)
    parser.add_argument("--token", required=True)
    arguments = parser.parse_args()
    serve(make_app(arguments.redis_url, arguments.token), arguments.port)


if __name__ == "__main__":
    main()
