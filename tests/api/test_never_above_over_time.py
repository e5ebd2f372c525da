"""Users whose tiers change, replicas with answers in memory, tags of others: still nothing above a caller's tier."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import httpx
from hypothesis import HealthCheck, Phase, given, note, settings
from hypothesis import strategies as st
from redis import Redis

from api.credentials import make_token
from core import db
from core.models import Tier
from core.queries import accounts
from tests.api.conftest import INSIGHTS, SECRET, Api, Clock, MakeApi
from tests.api.test_never_above_the_tier import STEPS, Item, World
from tests.conftest import NOW

USERS = 3
BOUND_S = 5.0
ARBITRAGE, DIGEST = "/api/v1/arbitrage", "/api/v1/digest"
REFRESH = {"daily": Tier.BASIC, "hourly": Tier.PREMIUM, "real-time": Tier.PRO}
PATHS = [INSIGHTS, INSIGHTS, ARBITRAGE, DIGEST, "insight"]


class Ticks:
    def __init__(self) -> None:
        self.at = 1_000.0

    def __call__(self) -> float:
        return self.at


@dataclass(slots=True)
class Players:
    """Users and what tier each had since when, by the real time of the replicas."""

    connection: db.Connection
    ticks: Ticks
    ids: list[str] = field(default_factory=list)
    tokens: list[str] = field(default_factory=list)
    tiers: list[list[tuple[float, Tier]]] = field(default_factory=list)

    async def join(self) -> None:
        for number in range(USERS):
            user = await accounts.upsert_user(self.connection, f"{number}@example.com", Tier.FREE, NOW)
            self.ids.append(user)
            self.tokens.append(make_token(user, SECRET, time.time(), 30))
            self.tiers.append([(0.0, Tier.FREE)])

    async def move(self, user: int, tier: Tier) -> None:
        await self.connection.execute("UPDATE users SET tier = $2 WHERE id = $1::uuid", self.ids[user], tier.value)
        self.tiers[user].append((self.ticks.at, tier))

    def held(self, user: int) -> set[Tier]:
        """The tiers of the last five seconds."""
        history = self.tiers[user]
        ends = [since for since, _ in history[1:]] + [float("inf")]
        return {tier for (_, tier), end in zip(history, ends, strict=True) if end > self.ticks.at - BOUND_S}


def published(world: World, tier: Tier) -> Iterator[Item]:
    """What the tier may know of at this moment, or knew seconds ago: ended early or not."""
    at = world.now.replace(minute=0, second=0, microsecond=0) if tier is Tier.PREMIUM else world.now
    if tier is Tier.BASIC:
        known = {item.id: item for item in world.insights}
        for made, picks in world.digests.items():
            yield from (known[pick] for pick in picks[:5] if made <= at and known[pick].since <= made)
    else:
        yield from (item for item in world.insights if item.since <= at < item.expires_at)


def made_at(body: dict[str, Any]) -> datetime:
    return datetime.fromisoformat(body["created_at"])


def check(world: World, tier: Tier, path: str, body: dict[str, Any]) -> None:
    hour = world.now.replace(minute=0, second=0, microsecond=0)
    at = hour if tier is Tier.PREMIUM else world.now
    seen = {insight["id"] for insight in body.get("insights", [])}
    assert seen <= {item.id for item in published(world, tier)}
    pairs = {pair["id"] for pair in body.get("arbitrage", [])}
    assert pairs <= {item.id for item in world.arbitrage if item.since <= at < item.expires_at}
    if tier is Tier.BASIC:
        assert not {"arbitrage", "deep_analysis", "arbitrage_opportunities"} & set(body), path
        assert len(seen) <= 5
    if tier is Tier.PREMIUM:
        assert "deep_analysis" not in body
        assert "arbitrage_opportunities" not in body or made_at(body) <= hour
    if path == DIGEST:
        assert made_at(body) <= world.now
    if "insight" in body:
        found = next(item for item in world.insights if item.id == body["insight"]["id"])
        assert found.since <= at
        over = found.expires_at <= at
        assert tier is not Tier.BASIC or over or found in list(published(world, tier))
        assert body["insight"]["ended_at"] is None or (found.ended_at is not None and found.ended_at <= at)


READS = st.lists(
    st.tuples(st.integers(0, USERS - 1), st.sampled_from(PATHS), st.integers(0, 5), st.booleans(), st.booleans()),
    min_size=2,
    max_size=6,
)
MOVES = st.tuples(
    st.integers(0, USERS - 1), st.sampled_from(list(Tier)), st.sampled_from([0.0, 1.0, 1.9, 2.1, 4.9, 6.0])
)


@settings(
    max_examples=40,
    deadline=None,
    suppress_health_check=list(HealthCheck),
    phases=[Phase.explicit, Phase.reuse, Phase.generate],
)
@given(story=st.lists(st.tuples(STEPS, MOVES, READS), min_size=3, max_size=7))
async def test_whatever_tiers_clocks_caches_and_orders_nothing_is_above_the_callers_tier(
    make_api: MakeApi, connection: db.Connection, valkey: Redis, story: list[tuple[Any, Any, Any]]
) -> None:
    await connection.execute("TRUNCATE ai_insights, markets, arbitrage_opportunities, digests, users CASCADE")
    valkey.flushall()
    clock, ticks = Clock(NOW), Ticks()
    many = {f"requests_{tier}": 100_000 for tier in Tier}
    replicas: list[Api] = [await make_api(clock=clock, ready_s=2, **many) for _ in range(2)]
    for replica in replicas:
        replica.app.state.resources.monotonic = ticks
    world, players = World(replicas[0], connection, valkey), Players(connection, ticks)
    await players.join()
    tags: dict[str, Tier] = {}
    for step, (user, tier, waited), reads in story:
        await world.step(*step)
        await players.move(user, tier)
        ticks.at += waited
        for reader, path, number, second, with_tags in reads:
            if path == "insight":
                if not world.insights:
                    continue
                path = f"{INSIGHTS}/{world.insights[number % len(world.insights)].id}"
            headers = {"authorization": f"Bearer {players.tokens[reader]}"}
            if with_tags:
                headers["if-none-match"] = ", ".join(tags)
            answer: httpx.Response = await replicas[second].http.get(path, headers=headers)
            held = players.held(reader)
            note(f"{world.now} {ticks.at} {held} {path} {answer.status_code} {answer.text}")
            if answer.status_code == 304:
                assert tags[answer.headers["etag"]] in held
            elif answer.status_code == 200:
                body = answer.json()
                as_tier = REFRESH[body["refresh"]]
                assert as_tier in held
                tags[answer.headers["etag"]] = as_tier
                check(world, as_tier, path, body)
            else:
                assert answer.status_code in (403, 404), answer.text
                assert "etag" not in answer.headers
    for replica in replicas:
        await replica.app.state.resources.close()
