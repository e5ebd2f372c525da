"""What makes answers fast must not make them wrong: ready answers, one flight, tags, compression, leased permits."""

from __future__ import annotations

import asyncio
import gzip
import time
from collections.abc import Awaitable, Callable
from typing import Any

import httpx
import pytest

from api.access import view_of
from api.credentials import make_token
from api.limits import Limits
from api.ready import Answer, Ready, Shelf, takes_gzip
from api.resources import Resources
from core import db
from core.errors import DatabaseDown
from core.models import Tier
from core.settings import ApiSettings
from tests.api.conftest import INSIGHTS, SECRET, Api, Clock, MakeApi, database_away, publication
from tests.api.rows import HOUR, insert_arbitrage, insert_digest, insert_insight
from tests.conftest import NOW

PAID = [Tier.BASIC, Tier.PREMIUM, Tier.PRO]


class Ticks:
    """Real time that stands still until it is turned."""

    def __init__(self, at: float = 1_800_000_000.0) -> None:
        self.at = at

    def __call__(self) -> float:
        return self.at


def resources(**overrides: Any) -> tuple[Resources, Ticks]:
    ticks = Ticks()
    settings = ApiSettings(database_url="postgresql://x@127.0.0.1:1/x", jwt_secret=SECRET, **overrides)
    return Resources(settings, Clock(), wall=ticks, monotonic=ticks), ticks


async def test_an_answer_in_memory_is_told_for_its_seconds_and_then_read_again(
    make_api: MakeApi, connection: db.Connection, pool: db.Pool
) -> None:
    api = await make_api(ready_s=2)
    ticks = api.app.state.resources.monotonic = Ticks()
    assert await api.titles(Tier.PRO) == []
    async with publication(pool, api) as writing:
        await insert_insight(writing, "new")
    ticks.at += 1.9
    assert await api.titles(Tier.PRO) == []
    ticks.at += 0.2
    assert await api.titles(Tier.PRO) == ["new"]


@pytest.mark.parametrize("tier", PAID)
async def test_an_answer_in_memory_ends_with_its_tiers_moment(
    make_api: MakeApi, connection: db.Connection, tier: Tier
) -> None:
    """Whatever the seconds of memory say: premium's hour and the end of an item count by the data's clock."""
    api = await make_api(ready_s=10)
    insight = await insert_insight(connection, "one", expires_at=NOW + HOUR)
    await insert_digest(connection, [insight], NOW - HOUR)
    await insert_arbitrage(connection, "pair", expires_at=NOW + HOUR)
    assert await api.titles(tier) == ["one"]
    await insert_insight(connection, "two", NOW)
    api.clock.now = NOW + HOUR
    expected = {Tier.BASIC: ["one"], Tier.PREMIUM: ["one", "two"], Tier.PRO: ["two"]}[tier]
    assert sorted(await api.titles(tier)) == expected


async def test_an_unchanged_answer_is_a_304_and_another_tiers_tag_is_of_no_use(
    make_api: MakeApi, connection: db.Connection, pool: db.Pool
) -> None:
    for ready_s in (0, 10):
        api = await make_api(ready_s=ready_s)
        tags = {}
        for tier in PAID:
            for _ in ("loaded", "ready"):
                answer = await api.get(tier)
                again = await api.http.get(
                    INSIGHTS, headers=await api.signed_in(tier) | {"if-none-match": answer.headers["etag"]}
                )
                assert (again.status_code, again.content) == (304, b"")
                assert again.headers["etag"] == answer.headers["etag"]
                assert "ratelimit" in again.headers
            tags[tier] = answer.headers["etag"]
        assert len(set(tags.values())) == 3
        for tag in [*tags.values(), "*"]:
            headers = await api.signed_in(Tier.FREE) | {"if-none-match": tag}
            assert (await api.http.get(INSIGHTS, headers=headers)).status_code == 403
        headers = await api.signed_in(Tier.BASIC) | {"if-none-match": tags[Tier.PRO]}
        assert (await api.http.get(INSIGHTS, headers=headers)).status_code == 200


async def test_a_new_answer_has_a_new_tag(api: Api, connection: db.Connection, pool: db.Pool) -> None:
    before = (await api.get(Tier.PRO)).headers["etag"]
    async with publication(pool, api) as writing:
        await insert_insight(writing, "new")
    headers = await api.signed_in(Tier.PRO) | {"if-none-match": before}
    assert (await api.http.get(INSIGHTS, headers=headers)).status_code == 200


@pytest.mark.parametrize(
    ("accepts", "zipped"),
    [
        (b"", False),
        (b"gzip", True),
        (b"br, GZIP;q=0.5", True),
        (b"gzip;q=0, br", False),
        (b"gzip; q=0.000", False),
        (b"identity", False),
        (b"xgzipx", False),
    ],
)
def test_gzip_is_for_those_who_take_it(accepts: bytes, zipped: bool) -> None:
    assert takes_gzip(accepts) is zipped


async def test_a_compressed_answer_is_the_same_answer(api: Api, connection: db.Connection) -> None:
    for n in range(5):
        await insert_insight(connection, f"{n}")
    plain = await api.http.get(INSIGHTS, headers=await api.signed_in(Tier.PRO) | {"accept-encoding": "identity"})
    asked = api.http.build_request("GET", INSIGHTS, headers=await api.signed_in(Tier.PRO) | {"accept-encoding": "gzip"})
    answer = await api.http.send(asked, stream=True)
    raw = b"".join([part async for part in answer.aiter_raw()])
    assert answer.headers["content-encoding"] == "gzip"
    assert gzip.decompress(raw) == plain.content
    assert len(raw) == int(answer.headers["content-length"]) < len(plain.content) / 2
    assert answer.headers["etag"] == plain.headers["etag"]


async def test_an_answer_is_compressed_once_and_for_nobody_who_does_not_take_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    made: list[int] = []
    compress = gzip.compress

    def counted(body: bytes, level: int) -> bytes:
        made.append(len(body))
        return compress(body, level)

    monkeypatch.setattr(gzip, "compress", counted)
    for size in (999, 50_000, 500_000):
        made.clear()
        ready = Ready(Answer(b"x" * size, NOW), 0.0)
        sent: list[Any] = []

        async def send(message: Any, sent: list[Any] = sent) -> None:
            sent.append(message)

        await ready.send(send, [], b"", b"", None)
        assert (made, sent[-1]["body"]) == ([], b"x" * size)
        await asyncio.gather(*(ready.send(send, [], b"gzip", b"", None) for _ in range(20)))
        assert made == ([size] if size > 999 else [])
        bodies = {message["body"] for message in sent[2:] if "body" in message}
        assert {gzip.decompress(body) if made else body for body in bodies} == {b"x" * size}


async def test_a_crowd_that_asks_for_what_is_not_there_costs_one_load() -> None:
    shelf = Shelf(resources()[0])
    loads = 0

    async def load() -> Answer:
        nonlocal loads
        loads += 1
        await asyncio.sleep(0.01)
        return Answer(b"[]", NOW)

    key = ("pro::", "/x", b"")
    found = await asyncio.gather(*(shelf.of(key, NOW, load) for _ in range(100)))
    assert (loads, {ready.answer.body for ready, _ in found}) == (1, {b"[]"})


async def test_one_who_leaves_does_not_take_the_answer_from_the_others() -> None:
    shelf = Shelf(resources()[0])
    go = asyncio.Event()

    async def load() -> Answer:
        await go.wait()
        return Answer(b"[]", NOW)

    key = ("pro::", "/x", b"")
    first, second = (asyncio.ensure_future(shelf.of(key, NOW, load)) for _ in range(2))
    await asyncio.sleep(0)
    first.cancel()
    go.set()
    assert (await second)[0].answer.body == b"[]"


async def test_memory_for_answers_is_bounded() -> None:
    shelf = Shelf(resources(ready_mb=1)[0])

    def body(size: int) -> Callable[[], Awaitable[Answer]]:
        async def load() -> Answer:
            return Answer(b"x" * size, NOW)

        return load

    for n in range(500):
        await shelf.of(("pro::", f"/{n}", b""), NOW, body(10_000))
    assert shelf._bytes == sum(ready.size for ready in shelf._ready.values()) <= 1_000_000
    assert shelf.fresh(("pro::", "/499", b""), NOW) is not None
    assert shelf.fresh(("pro::", "/0", b""), NOW) is None


async def test_an_old_answer_is_told_with_the_database_away_until_it_is_void() -> None:
    kept, ticks = resources(ready_s=2, stale_s=300)
    shelf = Shelf(kept)
    key = ("pro::", "/x", b"")

    async def good() -> Answer:
        return Answer(b"[]", NOW, void=NOW + HOUR)

    async def away() -> Answer:
        raise DatabaseDown("away")

    await shelf.of(key, NOW, good)
    ticks.at += 100
    assert (await shelf.of(key, NOW, away))[1] is True
    with pytest.raises(DatabaseDown):
        await shelf.of(key, NOW + HOUR, away)
    ticks.at += 203
    with pytest.raises(DatabaseDown):
        await shelf.of(key, NOW, away)


async def test_with_the_database_away_an_old_answer_says_so_and_how_old_it_is(
    make_api: MakeApi, connection: db.Connection, postgres_dsn: str, database_url: str
) -> None:
    api = await make_api(tier_fresh_s=0, upstash_redis_rest_url=None)
    await insert_insight(connection, "one")
    assert "warning" not in (await api.get(Tier.PRO)).headers
    with database_away(postgres_dsn, database_url):
        api.clock.now = NOW + 200 * (HOUR / 3600)
        answer = await api.get(Tier.PRO)
        assert (answer.status_code, answer.headers["warning"]) == (200, '110 - "response is stale"')
        assert answer.headers["age"] == "200"
        assert (await api.get(Tier.PRO, "/api/v1/markets")).status_code == 503
    assert "warning" not in (await api.get(Tier.PRO)).headers


async def test_the_cache_tells_an_old_answer_to_a_replica_that_never_read_it(
    make_api: MakeApi, connection: db.Connection, postgres_dsn: str, database_url: str
) -> None:
    one, other = await make_api(tier_fresh_s=0), await make_api(tier_fresh_s=0)
    await insert_insight(connection, "one")
    await one.titles(Tier.PRO)
    other.users = one.users
    await other.get(Tier.PRO, "/api/v1/auth/me")
    with database_away(postgres_dsn, database_url):
        for api in (one, other):
            api.clock.now = NOW + 350 * (HOUR / 3600)
        answer = await other.get(Tier.PRO)
        assert (answer.status_code, answer.headers["age"]) == (200, "350")


async def test_nothing_void_is_told_with_the_database_away(
    make_api: MakeApi, connection: db.Connection, postgres_dsn: str, database_url: str
) -> None:
    api = await make_api(tier_fresh_s=0)
    await insert_insight(connection, "one", expires_at=NOW + HOUR / 60)
    await api.titles(Tier.PRO)
    with database_away(postgres_dsn, database_url):
        assert (await api.get(Tier.PRO)).status_code == 200
        api.clock.now = NOW + HOUR / 60
        assert (await api.get(Tier.PRO)).status_code == 503


def limit_of(answer: httpx.Response) -> dict[str, int]:
    parts = answer.headers["ratelimit"].split(";")[1:]
    return {name: int(value) for name, value in (part.split("=") for part in parts)}


@pytest.mark.parametrize("tier", list(Tier))
async def test_requests_are_counted_over_all_replicas_and_the_headers_are_true(make_api: MakeApi, tier: Tier) -> None:
    replicas = [await make_api(**{f"requests_{tier}": 12}) for _ in range(3)]
    minute = Ticks(60.0 * (time.time() // 60))
    for replica in replicas:
        replica.app.state.resources.wall = minute
        replica.users = replicas[0].users
    headers = {"authorization": f"Bearer {make_token(await replicas[0].user(tier), SECRET, minute.at, 30)}"}
    codes = []
    for n in range(20):
        answer = await replicas[n % 3].http.get("/api/v1/auth/me", headers=headers)
        codes.append(answer.status_code)
        assert answer.headers["ratelimit-policy"] == '"minute";q=12;w=60'
        if answer.status_code == 429:
            assert limit_of(answer) == {"r": 0, "t": 60}
            assert answer.headers["retry-after"] == "60"
            assert answer.headers["content-type"] == "application/problem+json"
    assert codes == [200] * 12 + [429] * 8
    minute.at += 60
    assert (await replicas[0].http.get("/api/v1/auth/me", headers=headers)).status_code == 200


async def test_a_permit_is_leased_in_batches_and_none_is_taken_twice() -> None:
    class Counter:
        def __init__(self) -> None:
            self.asked, self.totals = 0, dict[str, int]()

        async def add(self, counter: str, amount: int, ttl_s: int) -> int:
            self.asked += 1
            self.totals[counter] = total = self.totals.get(counter, 0) + amount
            await asyncio.sleep(0)
            return total

    kept, ticks = resources()
    kept._cache = counter = Counter()  # type: ignore[assignment]
    replicas = [Limits(kept) for _ in range(4)]

    async def one(limits: Limits) -> bool:
        return (limits.take("u", 600, ticks.at) or await limits.wait("u", 600, ticks.at))[0]

    taken = [await one(replicas[n % 4]) for n in range(1_000)]
    assert sum(taken) == 600
    assert counter.asked < 20
    ticks.at += 60
    assert await one(replicas[0])


async def test_without_redis_each_replica_counts_for_itself_and_asks_seldom() -> None:
    class Away:
        asked = 0

        async def add(self, counter: str, amount: int, ttl_s: int) -> None:
            Away.asked += 1

    kept, ticks = resources()
    kept._cache = Away()  # type: ignore[assignment]
    limits = Limits(kept)
    taken = [(await limits.wait("u", 100, ticks.at))[0] for _ in range(150)]
    assert sum(taken) == 100
    assert Away.asked == 1, "one who is away is asked again after seconds, not for each batch"


async def test_a_downgrade_counts_within_five_seconds_on_every_replica(
    make_api: MakeApi, connection: db.Connection
) -> None:
    replicas = [await make_api(ready_s=10) for _ in range(2)]
    for replica in replicas:
        replica.app.state.resources.monotonic = Ticks()
        replica.users = replicas[0].users
        assert (await replica.get(Tier.PRO)).status_code == 200
    await connection.execute("UPDATE users SET tier = 'free'")
    for replica in replicas:
        replica.app.state.resources.monotonic.at += 5
        assert (await replica.get(Tier.PRO)).status_code == 403


async def test_a_token_that_ran_out_is_not_remembered(make_api: MakeApi) -> None:
    api = await make_api()
    headers = await api.signed_in(Tier.PRO)
    assert (await api.http.get(INSIGHTS, headers=headers)).status_code == 200
    api.app.state.resources.wall = lambda: time.time() + 1_801
    assert api.app.state.doorway.callers.known(headers["authorization"].encode()) is None


def test_views_of_two_tiers_or_hours_share_no_key() -> None:
    keys = [view_of(tier, NOW + n * HOUR).key for tier in Tier for n in range(3)]
    assert len(set(keys)) == 1 + 1 + 3 + 1
