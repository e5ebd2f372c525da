"""Bodies, headers and connections that mean no good: refused clearly, and others are not affected."""

from __future__ import annotations

import asyncio
import json
import re
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import suppress
from typing import Any

import pytest

from api.credentials import make_key
from core.models import Tier
from tests.api.conftest import INSIGHTS, Api, MakeApi, database_away
from tests.conftest import served

LOGIN = "/api/v1/auth/login"


async def test_a_body_of_ten_megabytes_is_refused_unread(api: Api) -> None:
    for headers in ({}, {"content-length": "10000000"}):
        answer = await api.http.post(LOGIN, content=b"x" * 10_000_000, headers=headers)
        assert answer.status_code == 413
        assert answer.headers["content-type"] == "application/problem+json"


async def test_a_body_without_a_length_is_counted_as_it_comes(api: Api) -> None:
    sent = 0

    async def endless() -> AsyncIterator[bytes]:
        nonlocal sent
        while True:
            sent += 10_000
            yield b"x" * 10_000

    answer = await api.http.post(LOGIN, content=endless())
    assert answer.status_code == 413
    assert sent < 200_000


@pytest.mark.parametrize(
    "body",
    [b"", b"{", b"null", b"[]", b'"x"', b"\xff\xfe", b'{"email": {}}', b"[" * 20_000, b"1e999",
     b'{"email":"\\ud800@b.de","password":"x"}', b'{"email":"a@b.de","password":"\\ud800"}',
     b'{"email":"a@b.de","password":"x","tier":"pro"}'],
)  # fmt: skip
async def test_a_body_that_is_no_login_is_refused(api: Api, body: bytes) -> None:
    answer = await api.http.post(LOGIN, content=body, headers={"content-type": "application/json"})
    assert answer.status_code in (400, 401, 422), answer.text
    assert answer.headers["content-type"] == "application/problem+json"


async def test_every_answer_has_a_request_id_and_a_callers_own_is_kept_when_it_is_harmless(api: Api) -> None:
    ids = set()
    for path in ("/health", "/nothing", INSIGHTS, "/", "/openapi.json", LOGIN):
        answer = await api.http.get(path)
        ids.add(answer.headers["x-request-id"])
    assert len(ids) == 6
    kept = await api.http.get("/health", headers={"x-request-id": "my-request.1"})
    assert kept.headers["x-request-id"] == "my-request.1"
    for hostile in ("a b", "x" * 65, "a;b", '"', "<script>"):
        answer = await api.http.get("/health", headers={"x-request-id": hostile})
        assert re.fullmatch(r"[0-9a-f]{16}", answer.headers["x-request-id"])


async def test_two_authorizations_are_none(api: Api) -> None:
    good = (await api.signed_in(Tier.PRO))["authorization"]
    answer = await api.http.get(INSIGHTS, headers=[("authorization", good), ("authorization", good)])
    assert answer.status_code == 401


@pytest.mark.parametrize("hops", [0, 1])
async def test_an_address_is_believed_only_from_as_many_proxies_as_there_are(make_api: MakeApi, hops: int) -> None:
    api = await make_api(forwarded_hops=hops, login_attempts=2, upstash_redis_rest_url=None)
    body = {"email": "a@b.de", "password": "x"}
    codes = []
    for n in range(4):
        headers = {"x-forwarded-for": f"10.0.0.{n}, 192.0.2.{n}"}
        sent = body | {"email": f"a{n}@b.de"}
        codes.append((await api.http.post(LOGIN, json=sent, headers=headers)).status_code)
    assert codes == ([401] * 4 if hops else [401, 401, 429, 429])


async def test_an_answer_that_takes_too_long_is_a_503(make_api: MakeApi) -> None:
    api = await make_api(request_timeout_s=0.05)

    async def slow() -> None:
        await asyncio.sleep(10)

    api.app.add_api_route("/slow", slow)
    answer = await api.http.get("/slow")
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "5")
    assert "x-request-id" in answer.headers


async def test_clients_that_send_slowly_are_let_go_and_others_are_served_meanwhile(make_api: MakeApi) -> None:
    api = await make_api(request_timeout_s=0.5)
    with served(api.app) as address:
        host, port = address.removeprefix("http://").split(":")
        slow = []
        for _ in range(50):
            reader, writer = await asyncio.open_connection(host, int(port))
            writer.write(b"POST /api/v1/auth/login HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{")
            await writer.drain()
            slow.append((reader, writer))
        reader, writer = await asyncio.open_connection(host, int(port))
        writer.write(b"GET /health/live HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        assert (await reader.read()).startswith(b"HTTP/1.1 200")
        writer.close()
        for reader, writer in slow:
            assert (await reader.readline()).startswith(b"HTTP/1.1 408")
            writer.close()


@pytest.mark.parametrize("length", ["9" * 5_000, "9" * 20, "10000000"], ids=len)
async def test_a_body_that_says_it_is_huge_is_not_read_at_all(api: Api, length: str) -> None:
    answered: list[Any] = []

    async def receive() -> Any:
        raise AssertionError("the body was asked for")

    async def send(message: Any) -> None:
        answered.append(message)

    headers = [(b"content-type", b"application/json"), (b"content-length", length.encode())]
    scope = {"type": "http", "method": "POST", "path": LOGIN, "headers": headers, "query_string": b"", "root_path": ""}
    await api.app(scope, receive, send)
    assert answered[0]["status"] == 413


async def test_a_path_with_a_slash_too_many_leads_nowhere_else(api: Api) -> None:
    """A redirect would name the host that the caller says we have."""
    headers = await api.signed_in(Tier.FREE) | {"host": "evil.example"}
    for path in ("/api/v1/markets/", "/health/", "/docs/"):
        answer = await api.http.get(path, headers=headers)
        assert (answer.status_code, "evil" in str(answer.headers)) == (404, False)


async def test_keys_that_are_made_up_are_few_a_minute_and_those_who_have_one_do_not_notice(
    make_api: MakeApi, postgres_dsn: str, database_url: str
) -> None:
    """Each costs a question to the database, for which others wait."""
    api = await make_api(requests_anonymous=3, tier_fresh_s=0)
    good = await api.signed_in(Tier.FREE)
    assert (await api.http.get("/api/v1/markets", headers=good)).status_code == 200

    async def made_up() -> int:
        return (await api.http.get(INSIGHTS, headers={"authorization": f"Bearer {make_key()}"})).status_code

    assert [await made_up() for _ in range(5)] == [401, 401, 401, 429, 429]
    assert (await api.http.get("/api/v1/markets", headers=good)).status_code == 200
    with database_away(postgres_dsn, database_url):
        assert await made_up() == 429, "refused without asking"


async def test_a_crowd_that_asks_for_health_leaves_the_database_to_others(make_api: MakeApi) -> None:
    api = await make_api(database_pool_size=1)
    headers = await api.signed_in(Tier.FREE)
    resources = api.app.state.resources
    async with resources.connection():
        crowd = [asyncio.ensure_future(api.http.get("/health")) for _ in range(150)]
        while resources._waiting < 2:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
        await asyncio.sleep(0.1)
        asked = asyncio.ensure_future(api.http.get("/api/v1/markets", headers=headers))
        await asyncio.sleep(0.1)
    assert (await asked).status_code == 200
    assert {answer.status_code for answer in await asyncio.gather(*crowd)} == {200}


async def test_a_crowd_at_the_login_waits_in_a_short_queue_and_readers_do_not_wait(make_api: MakeApi) -> None:
    api = await make_api(forwarded_hops=1)
    headers = await api.signed_in(Tier.FREE)
    passwords = api.app.state.accounts.passwords
    await passwords._permits.acquire()

    def login(n: int) -> Any:
        body = {"email": f"{n}@example.com", "password": "correct horse battery"}
        return api.http.post(LOGIN, json=body, headers={"x-forwarded-for": f"10.0.0.{n}"})

    crowd = [asyncio.ensure_future(login(n)) for n in range(30)]
    while sum(one.done() for one in crowd) < 10:  # noqa: ASYNC110
        await asyncio.sleep(0.01)
    late = [(await one).headers["retry-after"] for one in crowd if one.done()]
    assert late == ["2"] * 10
    assert (await api.http.get("/api/v1/markets", headers=headers)).status_code == 200
    passwords._permits.release()
    assert Counter([(await one).status_code for one in crowd]) == {401: 20, 429: 10}


async def test_with_all_that_we_need_silent_a_crowd_is_told_so_and_does_not_pile_up(make_api: MakeApi) -> None:
    """The database and the cache take connections and say nothing."""
    connections = 0

    async def mute(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal connections
        connections += 1
        with suppress(ConnectionError):
            await reader.read()
        writer.close()

    async with await asyncio.start_server(mute, "127.0.0.1", 0) as silent:
        port = silent.sockets[0].getsockname()[1]
        api = await make_api(
            database_url=f"postgresql://nobody@127.0.0.1:{port}/x",
            upstash_redis_rest_url=f"http://127.0.0.1:{port}",
            database_connect_timeout_s=0.5,
            cache_timeout_s=0.2,
            requests_pro=10_000,
        )
        headers = await api.signed_in(Tier.PRO)
        answers = await asyncio.gather(*(api.http.get(f"{INSIGHTS}?n={n}", headers=headers) for n in range(300)))
        assert {(answer.status_code, answer.headers["retry-after"]) for answer in answers} == {(503, "5")}
        assert connections < 20, "one asks for all"
        assert (await api.http.get("/health/live")).status_code == 200


async def test_strangers_are_counted_by_address(make_api: MakeApi) -> None:
    api = await make_api(requests_anonymous=3, upstash_redis_rest_url=None)
    codes = [(await api.http.post("/api/v1/auth/verify", json={"token": "x"})).status_code for _ in range(5)]
    assert codes == [400, 400, 400, 429, 429]
    assert (await api.http.get("/health")).status_code == 200


async def test_liveness_asks_nobody(make_api: MakeApi) -> None:
    api = await make_api(
        database_url="postgresql://nobody@127.0.0.1:1/nothing", upstash_redis_rest_url="http://127.0.0.1:1"
    )
    assert (await api.http.get("/health/live")).json() == {"status": "ok"}
    assert (await api.http.get("/health")).status_code == 503


async def test_the_document_and_its_page_need_no_third_party(api: Api) -> None:
    document = (await api.http.get("/openapi.json")).json()
    page = (await api.http.get("/docs")).text
    for text in (json.dumps(document), page):
        assert "cdn" not in text
        assert not re.search(r"https?://(?!example\.com)", text)
    assert "<script" not in page
    for path, item in document["paths"].items():
        for operation in item.values():
            assert operation["operationId"] in page
            assert operation["description"]
            assert path in page
    secured = [path for path, item in document["paths"].items() if "security" in next(iter(item.values()))]
    assert INSIGHTS in secured
    assert LOGIN not in secured
