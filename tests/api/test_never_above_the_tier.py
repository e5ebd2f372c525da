"""Whatever is published, withdrawn, cached or spoilt, and however clocks move: nothing above the caller's tier."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, cast

from hypothesis import HealthCheck, Phase, example, given, note, settings
from hypothesis import strategies as st
from redis import Redis

from core import db
from core.models import Tier
from tests.api.conftest import Api, Clock, MakeApi
from tests.api.rows import end_insight, insert_arbitrage, insert_digest, insert_insight
from tests.conftest import NOW

PAID = [Tier.BASIC, Tier.PREMIUM, Tier.PRO]
KEYS = {
    Tier.BASIC: {"insights", "refresh", "disclaimer", "upgrade_prompt", "next_cursor"},
    Tier.PREMIUM: {"insights", "arbitrage", "refresh", "disclaimer", "next_cursor"},
    Tier.PRO: {"insights", "arbitrage", "deep_analysis", "refresh", "disclaimer", "next_cursor"},
}
CATEGORIES = ["Politics"]


@dataclass(slots=True)
class Item:
    id: str
    since: datetime
    expires_at: datetime
    category: str | None = None
    ended_at: datetime | None = None

    def stands(self, at: datetime) -> bool:
        return self.since <= at < min(self.expires_at, self.ended_at or self.expires_at)


@dataclass(slots=True)
class World:
    """What was done, as plain lists: the answer's other source."""

    api: Api
    connection: db.Connection
    valkey: Redis
    insights: list[Item] = field(default_factory=list)
    arbitrage: list[Item] = field(default_factory=list)
    digests: dict[datetime, list[str]] = field(default_factory=dict)

    @property
    def now(self) -> datetime:
        return self.api.clock.now

    async def step(self, kind: str, minutes: int, number: int, category: str | None) -> None:
        """One thing that happens; what publishes also drops the cached groups, as the jobs do."""
        span = timedelta(minutes=minutes, seconds=number)
        if kind == "clock":
            self.api.clock.now += span * (number - 2)
        elif kind == "insight":
            expires_at = self.now + span + timedelta(seconds=1)
            made = await insert_insight(
                self.connection, f"{len(self.insights)}", self.now, expires_at=expires_at, category=category
            )
            self.insights.append(Item(made, self.now, expires_at, category))
        elif kind == "arbitrage":
            expires_at = self.now + span + timedelta(seconds=1)
            made = await insert_arbitrage(self.connection, "pair", self.now, expires_at=expires_at)
            self.arbitrage.append(Item(made, self.now, expires_at))
        elif kind == "end" and self.insights:
            item = self.insights[number % len(self.insights)]
            if item.ended_at is None:
                item.ended_at = self.now
                await end_insight(self.connection, item.id, self.now)
        elif kind == "withdraw" and self.arbitrage:
            item = self.arbitrage[number % len(self.arbitrage)]
            if item.ended_at is None:
                item.ended_at = self.now
                await self.connection.execute(
                    "UPDATE arbitrage_opportunities SET withdrawn_at = $2 WHERE id = $1::uuid", item.id, self.now
                )
        elif kind == "digest" and self.now.date() not in {at.date() for at in self.digests}:
            picks = [item.id for item in self.insights][-7:]
            await insert_digest(self.connection, picks, self.now)
            self.digests[self.now] = picks
        elif kind == "spoil":
            self.spoil(number)
            return
        if kind != "clock":
            await self.api.app.state.resources.cache.drop("insights", "arbitrage")

    def spoil(self, number: int) -> None:
        """One entry takes the place of all others of its group, tiers and categories alike; or turns to rubbish."""
        for group in ("insights", "arbitrage"):
            entries = cast("dict[str, str]", self.valkey.hgetall(group))
            entries.pop("generation", None)
            if entries:
                chosen = sorted(entries)[number % len(entries)]
                value = entries[chosen] if number else entries[chosen][:-3]
                self.valkey.hset(group, mapping=dict.fromkeys(entries, value))

    def may_see(self, tier: Tier, category: str | None) -> tuple[list[str], list[str]]:
        """The ids of insights and arbitrage that the tier is entitled to at this moment."""
        hour = self.now.replace(minute=0, second=0, microsecond=0)
        at = hour if tier is Tier.PREMIUM else self.now
        if tier is Tier.BASIC:
            told = [made for made in self.digests if made <= at]
            last = max(told, key=lambda made: made.date(), default=None)
            ids = [] if last is None else self.digests[last][:5]
            known = {item.id: item for item in self.insights}
            insights = [known[id_] for id_ in ids if last is not None and known[id_].since <= last]
        else:
            insights = [item for item in self.insights if item.stands(at)]
        arbitrage = [] if tier is Tier.BASIC else [item for item in self.arbitrage if item.stands(at)]
        wanted = [item.id for item in insights if category in (None, item.category)]
        return wanted, [item.id for item in arbitrage]


def ids(body: dict[str, Any], part: str) -> list[str]:
    return [item["id"] for item in body.get(part, [])]


STEPS = st.tuples(
    st.sampled_from(
        ["clock", "clock", "insight", "insight", "arbitrage", "end", "withdraw", "digest", "spoil", "spoil", "spoil"]
    ),
    st.integers(0, 200),
    st.integers(0, 5),
    st.sampled_from([None, *CATEGORIES]),
)
READS = st.lists(st.tuples(st.sampled_from(PAID), st.sampled_from([None, *CATEGORIES])), min_size=2, max_size=5)


# What a careless cache would do: pro's list, just filled, lies where basic's and premium's are looked for.
SWAPPED = [
    (("insight", 60, 0, None), [(Tier.PRO, None), (Tier.BASIC, None), (Tier.PREMIUM, None)]),
    (("spoil", 0, 2, None), [(Tier.BASIC, None), (Tier.PREMIUM, None)]),
]


# No shrinking: a story is short as it is, and each costs a second of a real database.
@settings(
    max_examples=60,
    deadline=None,
    suppress_health_check=list(HealthCheck),
    phases=[Phase.explicit, Phase.reuse, Phase.generate],
)
@example(story=SWAPPED)
@given(story=st.lists(st.tuples(STEPS, READS), min_size=3, max_size=8))
async def test_no_field_id_or_count_above_the_callers_tier(
    make_api: MakeApi, connection: db.Connection, valkey: Redis, story: list[tuple[Any, Any]]
) -> None:
    await connection.execute("TRUNCATE ai_insights, markets, arbitrage_opportunities, digests CASCADE")
    valkey.flushall()
    world = World(await make_api(clock=Clock(NOW), tier_fresh_s=5), connection, valkey)
    for step, reads in story:
        await world.step(*step)
        for tier, category in reads:
            body = await world.api.body(tier, **({} if category is None else {"category": category}))
            note(f"{world.now} {step} {tier} {category} {body}")
            insights, arbitrage = world.may_see(tier, category)
            assert set(body) == KEYS[tier]
            assert len(ids(body, "insights")) == len(set(ids(body, "insights")))
            assert set(ids(body, "insights")) <= set(insights)
            assert set(ids(body, "arbitrage")) <= set(arbitrage)
            if tier is Tier.BASIC:
                assert len(ids(body, "insights")) <= 5
            if tier is Tier.PRO:
                assert body["deep_analysis"] == []
        free = await world.api.get(Tier.FREE)
        assert (free.status_code, set(free.json())) == (403, {"type", "title", "status", "detail", "upgrade_to"})
    valkey.flushall()
    for tier in PAID:
        body = await world.api.body(tier)
        insights, arbitrage = world.may_see(tier, None)
        assert sorted(ids(body, "insights")) == sorted(insights), "with nothing cached the answer is exact"
        assert sorted(ids(body, "arbitrage")) == sorted(arbitrage)
    await world.api.app.state.resources.close()
