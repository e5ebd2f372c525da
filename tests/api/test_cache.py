"""What the cache may and may not do to an answer."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from datetime import timedelta

import pytest
from redis import Redis
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from api import kept
from core import db
from core.models import Tier
from tests.api.conftest import INSIGHTS, Api, Clock, MakeApi, database_away, publication
from tests.api.rows import HOUR, insert_arbitrage, insert_digest, insert_insight
from tests.conftest import NOW, served

MINUTE = timedelta(minutes=1)
PAID = [Tier.BASIC, Tier.PREMIUM, Tier.PRO]


async def fill(connection: db.Connection) -> None:
    insight = await insert_insight(connection, "one")
    await insert_digest(connection, [insight], NOW - HOUR)
    await insert_arbitrage(connection, "pair")


async def forget(connection: db.Connection) -> None:
    await connection.execute("TRUNCATE ai_insights, digests, arbitrage_opportunities")


@pytest.mark.parametrize("tier", PAID)
async def test_a_second_read_needs_no_database(
    make_api: MakeApi, connection: db.Connection, postgres_dsn: str, database_url: str, tier: Tier
) -> None:
    api = await make_api(tier_fresh_s=0)
    await fill(connection)
    first = await api.get(tier)
    with database_away(postgres_dsn, database_url):
        second = await api.get(tier)
    assert (second.status_code, second.content) == (200, first.content)
    assert first.json()["insights"]


async def test_without_the_database_what_is_not_in_the_cache_is_a_503(
    api: Api, postgres_dsn: str, database_url: str
) -> None:
    await api.get(Tier.PRO)
    with database_away(postgres_dsn, database_url):
        assert (await api.get(Tier.PRO, category="Sports")).status_code == 503
        answer = await api.get(Tier.PRO)
        assert answer.status_code == 200
        api.clock.now += HOUR
        answer = await api.get(Tier.PRO)
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "5")
    assert answer.json()["detail"] == "A part this answer needs is away; try again soon."


async def test_a_tier_is_honoured_from_memory_for_its_grace_and_no_longer(
    make_api: MakeApi, connection: db.Connection, postgres_dsn: str, database_url: str
) -> None:
    lenient = await make_api(tier_fresh_s=0, tier_grace_s=300)
    strict = await make_api(tier_fresh_s=0, tier_grace_s=0)
    await fill(connection)
    for api in (lenient, strict):
        assert (await api.get(Tier.PREMIUM)).status_code == 200
        await api.user(Tier.BASIC)
    with database_away(postgres_dsn, database_url):
        assert (await lenient.get(Tier.PREMIUM)).status_code == 200
        assert (await strict.get(Tier.PREMIUM)).status_code == 503
        assert (await lenient.get(Tier.BASIC)).status_code == 503, "a tier that was never known"
    for api in (lenient, strict):
        assert (await api.get(Tier.PREMIUM)).status_code == 200


async def test_a_tier_in_memory_is_the_last_one_known(
    make_api: MakeApi, connection: db.Connection, postgres_dsn: str, database_url: str
) -> None:
    api = await make_api(tier_fresh_s=0)
    user = await api.user(Tier.PRO)
    await api.get(Tier.PRO)
    await connection.execute("UPDATE users SET tier = 'free' WHERE id = $1::uuid", user)
    assert (await api.get(Tier.PRO)).status_code == 403
    with database_away(postgres_dsn, database_url):
        assert (await api.get(Tier.PRO)).status_code == 403


@pytest.mark.parametrize("tier", PAID)
async def test_a_publication_is_seen_at_once(api: Api, pool: db.Pool, tier: Tier) -> None:
    assert await api.titles(tier) == []
    async with publication(pool, api) as connection:
        await fill(connection)
    assert await api.titles(tier) == ["one"]


@pytest.mark.parametrize("tier", PAID)
async def test_each_tier_and_category_has_an_entry_of_its_own(api: Api, connection: db.Connection, tier: Tier) -> None:
    await fill(connection)
    await insert_insight(connection, "sports, just now", NOW, category="Sports")
    alone = {other: await api.body(other) for other in PAID}
    for _ in range(2):
        for other in PAID:
            assert await api.body(other) == alone[other]
            assert await api.titles(other, category="Sports") == (["sports, just now"] if other is Tier.PRO else [])
    assert "sports, just now" not in str(alone[Tier.PREMIUM]) + str(alone[Tier.BASIC])


async def test_replicas_share_the_cache(make_api: MakeApi, connection: db.Connection) -> None:
    one, other = await make_api(), await make_api()
    await fill(connection)
    seen = await one.body(Tier.PRO)
    await forget(connection)
    assert await other.body(Tier.PRO) == seen


async def test_premium_moves_on_with_the_hour_although_nothing_was_published(
    api: Api, connection: db.Connection
) -> None:
    await insert_insight(connection, "since the hour", NOW)
    assert await api.titles(Tier.PREMIUM) == []
    api.clock.now += HOUR
    assert await api.titles(Tier.PREMIUM) == ["since the hour"]


@pytest.mark.parametrize("moved", [timedelta(microseconds=1), MINUTE, timedelta(days=400)])
async def test_nothing_that_expired_is_served_to_pro_from_the_cache(
    api: Api, connection: db.Connection, moved: timedelta
) -> None:
    soon = NOW + timedelta(seconds=20)
    await insert_arbitrage(connection, "pair", expires_at=soon)
    await insert_insight(connection, "one", expires_at=soon)
    api.clock.now = soon - timedelta(microseconds=1)
    body = await api.body(Tier.PRO)
    assert (len(body["insights"]), len(body["arbitrage"])) == (1, 1)
    api.clock.now = soon - timedelta(microseconds=1) + moved
    body = await api.body(Tier.PRO)
    assert (body["insights"], body["arbitrage"]) == ([], [])


async def test_a_replica_whose_clock_is_behind_does_not_see_ahead(make_api: MakeApi, connection: db.Connection) -> None:
    ahead, behind = await make_api(clock=Clock(NOW + MINUTE)), await make_api(clock=Clock(NOW))
    await insert_insight(connection, "in a minute", NOW + MINUTE)
    assert await ahead.titles(Tier.PRO) == ["in a minute"]
    assert await behind.titles(Tier.PRO) == []


async def test_arbitrage_is_read_again_after_its_minute_and_insights_after_five(
    api: Api, connection: db.Connection
) -> None:
    await fill(connection)
    assert len((await api.body(Tier.PRO))["arbitrage"]) == 1
    await forget(connection)
    api.clock.now = NOW + timedelta(seconds=59)
    assert len((await api.body(Tier.PRO))["arbitrage"]) == 1
    api.clock.now = NOW + timedelta(seconds=60)
    body = await api.body(Tier.PRO)
    assert (len(body["insights"]), body["arbitrage"]) == (1, [])
    api.clock.now = NOW + timedelta(seconds=300)
    assert await api.titles(Tier.PRO) == []


@pytest.mark.parametrize("others", [0, 1])
async def test_what_was_read_before_a_publication_and_written_after_it_is_not_served(
    api: Api, pool: db.Pool, others: int
) -> None:
    """The reader's database answer waits, as a slow network would make it, while a run publishes and others read."""
    reading, released = asyncio.Event(), asyncio.Event()

    async def slow(_: db.Connection) -> kept.Loaded:
        reading.set()
        await released.wait()
        return kept.Loaded(b'["stale"]', NOW + HOUR, NOW + HOUR)

    async def quick(_: db.Connection) -> kept.Loaded:
        return kept.Loaded(b'["new"]', NOW + HOUR, NOW + HOUR)

    async def bodies(part: kept.Part) -> list[bytes]:
        return [answer.body for answer in await kept.answers(resources, NOW, [part])]

    resources = api.app.state.resources
    before, after = (kept.Part("insights", "pro::", load) for load in (slow, quick))
    reader = asyncio.create_task(bodies(before))
    await reading.wait()
    async with publication(pool, api):
        pass
    for _ in range(others):
        assert await bodies(after) == [b'["new"]']
    released.set()
    assert await reader == [b'["stale"]'], "its own reader asked before the publication"
    for _ in range(2):
        assert await bodies(after) == [b'["new"]']


async def test_readers_at_once_agree_and_leave_a_good_entry(api: Api, connection: db.Connection, valkey: Redis) -> None:
    await fill(connection)
    bodies = await asyncio.gather(*(api.body(Tier.PRO) for _ in range(20)))
    assert all(body == bodies[0] for body in bodies)
    await api.body(Tier.PRO)
    await forget(connection)
    assert await api.body(Tier.PRO) == bodies[0]


def truncated(value: str) -> str:
    return value[: len(value) // 2]


RUBBISH: dict[str, Callable[[str], str]] = {
    "empty": lambda value: "",
    "text": lambda value: "not ours",
    "JSON that is not ours": lambda value: '[{"market_title": "forged"}]',
    "truncated": truncated,
    "one more": lambda value: value + "]",
    "without its seal": lambda value: value.partition("\n")[2],
    "altered": lambda value: value.replace("one", "two").replace("pair", "fair"),
    "dated later": lambda value: value.replace("2026-11", "2027-11"),
    "binary": lambda value: "\x00\ud7ff\x7f",
    "too long": lambda value: value * 50,
}


@pytest.mark.parametrize("spoil", RUBBISH.values(), ids=RUBBISH.keys())
@pytest.mark.parametrize("tier", PAID)
async def test_an_entry_that_is_not_ours_costs_a_read_and_is_replaced(
    api: Api, connection: db.Connection, valkey: Redis, tier: Tier, spoil: Callable[[str], str]
) -> None:
    await fill(connection)
    good = await api.body(tier)
    spoiled = 0
    for group in ("insights", "arbitrage"):
        entries: dict[str, str] = valkey.hgetall(group)  # type: ignore[assignment]
        for entry, value in entries.items():
            if entry != "generation":
                valkey.hset(group, entry, spoil(value))
                spoiled += 1
    assert spoiled == {Tier.BASIC: 1, Tier.PREMIUM: 2, Tier.PRO: 3}[tier]
    assert await api.body(tier) == good
    await forget(connection)
    assert await api.body(tier) == good, "the entry was replaced"


async def test_an_entry_moved_to_another_tier_is_not_served_there(
    api: Api, connection: db.Connection, valkey: Redis
) -> None:
    await insert_insight(connection, "pro's", NOW)
    for tier in PAID:
        await api.body(tier)
    entries: dict[str, str] = valkey.hgetall("insights")  # type: ignore[assignment]
    pro = next(value for entry, value in entries.items() if entry.startswith("pro::100"))
    assert "pro's" in pro
    for entry in entries:
        if entry != "generation":
            valkey.hset("insights", entry, pro)
    for tier in (Tier.BASIC, Tier.PREMIUM):
        assert await api.titles(tier) == []


@pytest.mark.parametrize("generation", ["", "x", "\x00", "🏇" * 100])
async def test_a_strange_generation_does_no_harm(
    api: Api, connection: db.Connection, valkey: Redis, generation: str
) -> None:
    await fill(connection)
    good = await api.body(Tier.PRO)
    valkey.hset("insights", "generation", generation)
    for _ in range(2):
        assert await api.body(Tier.PRO) == good


async def test_groups_of_another_kind_and_bytes_that_are_no_text_cost_latency_only(
    api: Api, connection: db.Connection, valkey: Redis
) -> None:
    await fill(connection)
    valkey.set("insights", "a string where a hash belongs")
    valkey.hset("arbitrage", mapping={"generation": b"\xff\xfe", "pro::": b"\xff\xfe"})
    for _ in range(2):
        body = await api.body(Tier.PRO)
        assert (len(body["insights"]), len(body["arbitrage"])) == (1, 1)


@pytest.mark.parametrize(
    "rubbish", ['"\\ud800"', "-1000000", "1e300", str(10**30), "[]", '{"a": 1}', "true", "null", "<html>"]
)
async def test_a_cache_that_answers_rubbish_costs_latency_only(
    make_api: MakeApi, connection: db.Connection, rubbish: str
) -> None:
    """Whatever stands in its place; the limits hold as they do without it."""

    async def answer(request: Request) -> Response:
        commands = await request.json()
        body = ",".join([f'{{"result": {rubbish}}}'] * len(commands))
        return Response(f"[{body}]", media_type="application/json")

    with served(Starlette(routes=[Route("/{path:path}", answer, methods=["POST"])])) as url:
        api = await make_api(upstash_redis_rest_url=url, requests_pro=20)
        now = time.time()
        api.app.state.resources.wall = lambda: now
        await fill(connection)
        codes = [(await api.get(Tier.PRO)).status_code for _ in range(25)]
    assert codes == [200] * 20 + [429] * 5


async def test_without_any_cache_the_database_answers(make_api: MakeApi, connection: db.Connection) -> None:
    api = await make_api(upstash_redis_rest_url=None)
    await fill(connection)
    assert await api.titles(Tier.PRO) == ["one"]
    await forget(connection)
    assert await api.titles(Tier.PRO) == []


@pytest.mark.parametrize("url", ["http://127.0.0.1:1", "http://256.0.0.1"])
async def test_a_cache_that_is_away_costs_latency_only(make_api: MakeApi, connection: db.Connection, url: str) -> None:
    api = await make_api(upstash_redis_rest_url=url)
    await fill(connection)
    for tier in PAID:
        assert await api.titles(tier) == ["one"]


async def test_the_redis_protocol_serves_as_well(make_api: MakeApi, connection: db.Connection, valkey_url: str) -> None:
    api = await make_api(upstash_redis_rest_url=None, redis_url=valkey_url)
    await fill(connection)
    seen = await api.body(Tier.PRO)
    await forget(connection)
    assert await api.body(Tier.PRO) == seen


async def test_categories_that_do_not_exist_leave_nothing_behind(api: Api, valkey: Redis) -> None:
    for number in range(20):
        assert await api.titles(Tier.PRO, category=f"made up {number}") == []
    entries: list[str] = valkey.hkeys("insights")  # type: ignore[assignment]
    assert sorted(entries) == ["generation", "pro::deep"]


async def test_pages_of_every_length_leave_nothing_behind(api: Api, connection: db.Connection, valkey: Redis) -> None:
    """Else one subscriber fills the cache: five hundred lengths of each list, each up to a megabyte."""
    await fill(connection)
    await api.body(Tier.PRO)
    await api.get(Tier.PRO, "/api/v1/arbitrage")
    before = [valkey.hlen(group) for group in ("insights", "arbitrage")]
    for limit in range(1, 20):
        assert len((await api.body(Tier.PRO, limit=str(limit)))["insights"]) == 1
        assert (await api.get(Tier.PRO, "/api/v1/arbitrage", limit=str(limit))).status_code == 200
    assert [valkey.hlen(group) for group in ("insights", "arbitrage")] == before


async def test_what_is_kept_goes_away_by_itself(api: Api, connection: db.Connection, valkey: Redis) -> None:
    await fill(connection)
    await api.get(Tier.PRO, INSIGHTS)
    for group in ("insights", "arbitrage"):
        left: int = valkey.ttl(group)
        assert 0 < left <= 600
