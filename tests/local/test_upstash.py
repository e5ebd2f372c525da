import base64
import json
import os
import secrets
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest
import uvicorn
from starlette.applications import Starlette
from upstash_redis import Redis
from upstash_redis.asyncio import Redis as AsyncRedis
from upstash_redis.errors import UpstashError

from local import upstash, valkey
from local.postgres import processes_in

ROOT = Path(__file__).parents[2]
TOKEN = secrets.token_urlsafe()


@contextmanager
def serving(app: Starlette) -> Iterator[str]:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        server = uvicorn.Server(uvicorn.Config(app, log_level="warning", access_log=False, ws="none"))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            server.should_exit = True
            thread.join()


@pytest.fixture(scope="module")
def redis_url() -> Iterator[str]:
    with tempfile.TemporaryDirectory(prefix="oddwons-") as folder:
        try:
            yield valkey.start(Path(folder))
        finally:
            valkey.stop(Path(folder))


@pytest.fixture(scope="module")
def server(redis_url: str) -> Iterator[str]:
    with serving(upstash.make_app(redis_url, TOKEN)) as address:
        yield address


@pytest.fixture
def client(server: str) -> Iterator[Redis]:
    with Redis(url=server, token=TOKEN, rest_retries=0) as redis:
        redis.flushdb()
        yield redis


@pytest.fixture
def http(server: str, client: Redis) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=server, headers={"Authorization": f"Bearer {TOKEN}"}) as plain:
        yield plain


VALUES = ["OK", "", "plain", "café ✓ 🏇 \u0000 \r\n\t", "ünï/%2F?&#", '{"a": [1, null]}', "=" * 7, "x" * 100_000]


@pytest.mark.parametrize("value", VALUES)
def test_any_text_comes_back_as_it_was_set(client: Redis, value: str) -> None:
    client.set("key", value)
    assert client.get("key") == value


@pytest.mark.parametrize("value", VALUES)
def test_any_text_comes_back_without_base64_too(client: Redis, server: str, value: str) -> None:
    with Redis(url=server, token=TOKEN, rest_encoding=None, rest_retries=0) as plain:
        plain.set("key", value)
        assert plain.get("key") == value


async def test_the_asyncio_client_works_too(client: Redis, server: str) -> None:
    async with AsyncRedis(url=server, token=TOKEN, rest_retries=0) as redis:
        await redis.set("key", "välue", ex=60)
        assert await redis.get("key") == "välue"
        assert 0 < await redis.ttl("key") <= 60
        pipeline = redis.pipeline()
        pipeline.incr("n")
        pipeline.mget("key", "none")
        assert await pipeline.exec() == [1, ["välue", None]]


def test_counters_hashes_sets_and_expiry_have_their_types(client: Redis) -> None:
    assert client.incr("n") == 1
    assert client.incrby("n", 41) == 42
    assert client.hset("h", values={"a": "1", "ü": "✓"}) == 2
    assert client.hget("h", "ü") == "✓"
    assert client.hgetall("h") == {"a": "1", "ü": "✓"}
    assert client.hget("h", "none") is None
    assert client.expire("h", 100) is True
    assert 0 < client.ttl("h") <= 100
    assert client.exists("h", "n", "none") == 2
    assert client.zadd("z", {"a": 1.5, "b": 2}) == 2
    assert client.zrange("z", 0, -1, withscores=True) == [("a", 1.5), ("b", 2.0)]
    assert client.set("lock", "mine", nx=True, px=5000)
    assert not client.set("lock", "yours", nx=True)
    assert client.ping() == "PONG"
    assert client.delete("n", "h") == 2


def test_a_scan_returns_its_cursor_and_keys(client: Redis) -> None:
    client.mset({"a:1": "x", "a:2": "y", "b": "z"})
    cursor, keys = client.scan(0, match="a:*", count=1000)
    assert cursor == 0
    assert sorted(keys) == ["a:1", "a:2"]


def test_lua_scripts_run_with_nested_replies(client: Redis) -> None:
    script = "redis.call('SET', KEYS[1], ARGV[1]); return {1, {redis.call('GET', KEYS[1]), false}, 'OK'}"
    assert client.eval(script, keys=["k"], args=["v"]) == [1, ["v", None], "OK"]
    sha = client.script_load("return tonumber(ARGV[1]) * 2")
    assert client.evalsha(sha, args=["21"]) == 42
    with pytest.raises(UpstashError, match="NOSCRIPT"):
        client.evalsha("0" * 40)


def test_long_integers_and_floats_arrive_as_they_were_written(client: Redis, http: httpx.Client) -> None:
    client.execute(["SET", "n", 9007199254740993])
    assert client.incr("n") == 9007199254740994
    http.post("/", content='["SET", "f", 1.10]')
    assert http.post("/", json=["GET", "f"]).json() == {"result": "1.10"}


def test_an_error_raises_in_the_client_and_is_a_400_on_the_wire(client: Redis, http: httpx.Client) -> None:
    client.set("text", "x")
    with pytest.raises(UpstashError, match="ERR value is not an integer"):
        client.incr("text")
    wrong_type = http.post("/", json=["LPUSH", "text", "y"])
    assert wrong_type.status_code == 400
    assert wrong_type.json()["error"].startswith("WRONGTYPE ")
    assert http.post("/", json=["NOSUCH"]).json()["error"].startswith("ERR unknown command")


def test_a_pipeline_answers_each_command_by_itself(client: Redis, http: httpx.Client) -> None:
    commands = [["SET", "a", "1"], ["LPUSH", "a", "x"], ["BLPOP", "a", "0"], ["INCR", "a"], ["GET", "none"]]
    answer = http.post("/pipeline", json=commands)
    assert answer.status_code == 200
    results = answer.json()
    assert results[0] == {"result": "OK"}
    assert results[1]["error"].startswith("WRONGTYPE ")
    assert results[2]["error"] == "ERR Command is not available: 'BLPOP'"
    assert results[3:] == [{"result": 2}, {"result": None}]


def test_an_error_inside_a_pipeline_raises_in_the_client(client: Redis) -> None:
    pipeline = client.pipeline()
    pipeline.set("a", "x")
    pipeline.incr("a")
    with pytest.raises(UpstashError, match="not an integer"):
        pipeline.exec()
    assert client.get("a") == "x"


def test_a_transaction_returns_all_its_results(client: Redis) -> None:
    multi = client.multi()
    multi.set("a", "ü")
    multi.incr("n")
    multi.get("a")
    assert multi.exec() == [True, 1, "ü"]


def test_a_transaction_runs_on_after_an_error_at_run_time(client: Redis, http: httpx.Client) -> None:
    answer = http.post("/multi-exec", json=[["SET", "a", "x"], ["INCR", "a"], ["SET", "b", "y"]])
    assert answer.status_code == 200
    assert [list(item) for item in answer.json()] == [["result"], ["error"], ["result"]]
    assert client.get("b") == "y"


def test_a_transaction_with_an_impossible_command_is_discarded_whole(client: Redis, http: httpx.Client) -> None:
    answer = http.post("/multi-exec", json=[["SET", "a", "x"], ["NOSUCH", "b"]])
    assert answer.status_code == 400
    assert answer.json() == {"error": "EXECABORT Transaction discarded because of previous errors."}
    assert client.get("a") is None
    assert http.post("/multi-exec", json=[["SET", "a", "x"], ["MULTI"]]).status_code == 400
    assert client.get("a") is None


def test_paths_are_commands(client: Redis, http: httpx.Client) -> None:
    assert http.get("/set/k/v").json() == {"result": "OK"}
    assert http.get("/get/k").json() == {"result": "v"}
    assert http.post("/set/k?EX=100", content="a body / as the value ✓").json() == {"result": "OK"}
    assert client.get("k") == "a body / as the value ✓"
    assert 0 < client.ttl("k") <= 100
    assert http.get("/set/a%2Fb%20c/%E2%9C%93%25").json() == {"result": "OK"}
    assert client.get("a/b c") == "✓%"


def test_binary_values_survive_a_round_trip_in_base64(client: Redis, http: httpx.Client) -> None:
    blob = bytes(range(256))
    assert http.post("/set/blob", content=blob).json() == {"result": "OK"}
    answer = http.get("/get/blob", headers={"Upstash-Encoding": "base64"}).json()
    assert base64.b64decode(answer["result"]) == blob
    assert http.get("/get/blob").status_code == 200


def test_base64_covers_every_depth_but_not_ok(client: Redis, http: httpx.Client) -> None:
    script = "return {'OK', {'deep', {'er'}}, 7}"
    answer = http.post("/", json=["EVAL", script, 0], headers={"Upstash-Encoding": "base64"}).json()
    assert answer == {"result": ["OK", ["ZGVlcA==", ["ZXI="]], 7]}


@pytest.mark.parametrize("header", [None, "Bearer wrong", "Bearer", "Basic abc", "Bearer ünï".encode()])
def test_a_wrong_token_is_refused(server: str, header: str | bytes | None) -> None:
    headers: dict[str, Any] = {} if header is None else {"Authorization": header}
    answer = httpx.post(server, json=["PING"], headers=headers)
    assert answer.status_code == 401
    assert answer.json()["error"].startswith("WRONGPASS ")


def test_the_client_names_a_wrong_token(server: str) -> None:
    with Redis(url=server, token="wrong", rest_retries=0) as redis, pytest.raises(UpstashError, match="WRONGPASS"):
        redis.get("key")


def test_the_token_may_come_in_the_query(server: str) -> None:
    assert httpx.get(f"{server}/ping", params={"_token": TOKEN}).json() == {"result": "PONG"}
    assert httpx.get(f"{server}/ping", params={"_token": "wrong"}).status_code == 401


def test_the_sync_token_is_echoed(http: httpx.Client) -> None:
    assert http.post("/", json=["PING"], headers={"Upstash-Sync-Token": "abc"}).headers["Upstash-Sync-Token"] == "abc"
    assert http.post("/", json=["PING"]).headers["Upstash-Sync-Token"]


@pytest.mark.parametrize("method", ["DELETE", "PATCH", "OPTIONS"])
def test_other_methods_are_refused(http: httpx.Client, method: str) -> None:
    assert http.request(method, "/get/k").status_code == 405


def test_a_pipeline_must_be_posted(http: httpx.Client) -> None:
    assert http.get("/pipeline").status_code == 405


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"not json",
        b"\xff\xfe",
        b"{}",
        b"[]",
        b'"PING"',
        b"[NaN]",
        b'["SET","k",null]',
        b'["SET","k",["v"]]',
        b'["SET","k","\\ud800"]',
        pytest.param(b"[" * 100_000, id="bottomless"),
    ],
)
def test_a_body_that_is_no_command_is_a_400(http: httpx.Client, body: bytes) -> None:
    answer = http.post("/", content=body)
    assert answer.status_code == 400
    assert answer.json()["error"].startswith("ERR ")


@pytest.mark.parametrize("body", [b"", b"{}", b"[]", b'["PING"]', b'[["PING"], []]'])
def test_a_body_that_is_no_pipeline_is_a_400(http: httpx.Client, body: bytes) -> None:
    assert http.post("/pipeline", content=body).status_code == 400
    assert http.post("/multi-exec", content=body).status_code == 400


@pytest.mark.parametrize(
    "command",
    [
        ["blpop", "k", "0"],
        ["SUBSCRIBE", "c"],
        ["Monitor"],
        ["WATCH", "k"],
        ["SELECT", "1"],
        ["SHUTDOWN"],
        ["XREAD", "BLOCK", "0", "STREAMS", "s", "$"],
    ],
)
def test_commands_that_would_hold_or_change_a_connection_are_refused(http: httpx.Client, command: list[str]) -> None:
    answer = http.post("/", json=command)
    assert answer.status_code == 400
    assert "Command is not available" in answer.json()["error"]


def test_a_request_above_ten_megabytes_is_a_413(http: httpx.Client, client: Redis) -> None:
    answer = http.post("/", json=["SET", "k", "x" * (10 * 1024 * 1024)])
    assert answer.status_code == 413
    assert answer.json()["error"].startswith("ERR max request size exceeded")
    client.set("k", "y" * (9 * 1024 * 1024))
    assert len(client.get("k") or "") == 9 * 1024 * 1024


def test_many_clients_at_once_get_their_own_answers(client: Redis, server: str) -> None:
    failures: list[str] = []

    def work(name: str) -> None:
        with Redis(url=server, token=TOKEN, rest_retries=0) as redis:
            for index in range(20):
                redis.set(name, str(index))
                if redis.get(name) != str(index):
                    failures.append(name)

    threads = [threading.Thread(target=work, args=(f"client-{index}",)) for index in range(40)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []


def test_a_valkey_that_is_gone_gives_an_error_and_is_found_again(tmp_path: Path) -> None:
    redis_url = valkey.start(tmp_path)
    port = int(redis_url.rsplit(":", 1)[1].split("/")[0])
    try:
        with serving(upstash.make_app(redis_url, TOKEN)) as address:
            with Redis(url=address, token=TOKEN, rest_retries=0) as redis:
                redis.set("k", "v")
                valkey.stop(tmp_path)
                with pytest.raises(UpstashError, match="cannot be reached"):
                    redis.get("k")
                with suppress(valkey.ValkeyError):
                    valkey.start(tmp_path, port)
                    assert redis.get("k") is None
    finally:
        valkey.stop(tmp_path)


def test_starting_valkey_again_replaces_the_server_that_was_left(tmp_path: Path) -> None:
    try:
        valkey.start(tmp_path)
        (left,) = processes_in(tmp_path.resolve(), "valkey-server")
        (tmp_path / "valkey.pid").write_text(str(os.getpid()))
        valkey.start(tmp_path)
        (new,) = processes_in(tmp_path.resolve(), "valkey-server")
        assert left.pid != new.pid
        assert not psutil.pid_exists(left.pid) or not left.is_running() or left.status() == psutil.STATUS_ZOMBIE
    finally:
        valkey.stop(tmp_path)
        valkey.stop(tmp_path)
    assert processes_in(tmp_path.resolve(), "valkey-server") == []


def test_a_port_in_use_is_told_and_not_mistaken_for_ours(tmp_path: Path, redis_url: str) -> None:
    taken = int(redis_url.rsplit(":", 1)[1].split("/")[0])
    with pytest.raises(valkey.ValkeyError, match="did not start"):
        valkey.start(tmp_path, taken)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.mark.parametrize("sign", [signal.SIGTERM, signal.SIGINT])
def test_the_command_line_serves_until_it_is_told_to_stop(redis_url: str, sign: signal.Signals) -> None:
    port = free_port()
    command = [sys.executable, "-m", "local.upstash", "--port", str(port), "--redis-url", redis_url, "--token", TOKEN]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        with Redis(url=f"http://127.0.0.1:{port}", token=TOKEN, rest_retries=900, rest_retry_interval=0.1) as redis:
            assert redis.ping() == "PONG"
            big = json.dumps(["x" * 1000] * 5000)
            redis.set("big", big)
            assert redis.get("big") == big
        too_big = httpx.post(f"http://127.0.0.1:{port}/?_token={TOKEN}", content=b"x" * (11 * 1024 * 1024), timeout=30)
        assert too_big.status_code == 413
        process.send_signal(sign)
        output, errors = process.communicate(timeout=30)
    finally:
        process.kill()
        process.wait()
    assert (process.returncode, output, errors) == (0, "", "")
