"""What each tier is given, and as of when."""

from __future__ import annotations

from datetime import timedelta

import pytest

from core import db
from core.models import Tier
from tests.api.conftest import Api, MakeApi
from tests.api.rows import HOUR, insert_arbitrage, insert_digest, insert_insight
from tests.conftest import NOW

MINUTE = timedelta(minutes=1)
TOP_OF_HOUR = NOW.replace(minute=0)
PAID = [Tier.BASIC, Tier.PREMIUM, Tier.PRO]


async def test_free_is_told_what_to_upgrade_to(api: Api, connection: db.Connection) -> None:
    await insert_insight(connection, "secret")
    answer = await api.get(Tier.FREE)
    assert answer.status_code == 403
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["upgrade_to"] == "basic"
    assert "secret" not in answer.text


@pytest.mark.parametrize(
    ("tier", "keys", "refresh"),
    [
        (Tier.BASIC, {"insights", "refresh", "disclaimer", "upgrade_prompt", "next_cursor"}, "daily"),
        (Tier.PREMIUM, {"insights", "arbitrage", "refresh", "disclaimer", "next_cursor"}, "hourly"),
        (Tier.PRO, {"insights", "arbitrage", "deep_analysis", "refresh", "disclaimer", "next_cursor"}, "real-time"),
    ],
)
async def test_an_answer_has_the_keys_of_its_tier_and_no_others(
    api: Api, connection: db.Connection, tier: Tier, keys: set[str], refresh: str
) -> None:
    insight = await insert_insight(connection, "one")
    await insert_digest(connection, [insight], NOW - HOUR)
    await insert_arbitrage(connection, "pair")
    for _ in ("from the database", "from the cache"):
        body = await api.body(tier)
        assert set(body) == keys
        assert body["refresh"] == refresh
        assert body["disclaimer"] == "Information, not financial advice."


@pytest.mark.parametrize("tier", PAID)
async def test_an_answer_is_for_one_reader_and_is_asked_for_again_each_time(api: Api, tier: Tier) -> None:
    answer = await api.get(tier)
    assert answer.headers["cache-control"] == "private, no-cache"
    assert answer.headers["vary"] == "authorization, accept-encoding"


async def test_basic_has_nothing_before_the_first_digest(api: Api, connection: db.Connection) -> None:
    await insert_insight(connection, "alive")
    assert await api.titles(Tier.BASIC) == []


async def test_basic_has_what_the_last_digest_picked_in_its_order_whatever_became_of_it(
    api: Api, connection: db.Connection
) -> None:
    old = await insert_insight(connection, "yesterday's", NOW - 30 * HOUR)
    await insert_digest(connection, [old], NOW - 24 * HOUR)
    first = await insert_insight(connection, "first", ended_at=NOW - MINUTE)
    second = await insert_insight(connection, "second", expires_at=NOW - MINUTE)
    await insert_insight(connection, "not picked")
    await insert_digest(connection, [second, first], NOW - HOUR)
    assert await api.titles(Tier.BASIC) == ["second", "first"]


async def test_basic_never_gets_more_than_five(api: Api, connection: db.Connection) -> None:
    picks = [await insert_insight(connection, f"{n}") for n in range(8)]
    await insert_digest(connection, picks, NOW - HOUR)
    assert await api.titles(Tier.BASIC) == ["0", "1", "2", "3", "4"]


async def test_basic_never_gets_an_insight_that_was_published_after_the_digest(
    api: Api, connection: db.Connection
) -> None:
    before = await insert_insight(connection, "before", NOW - 2 * HOUR)
    after = await insert_insight(connection, "after", NOW - MINUTE)
    await insert_digest(connection, [after, before], NOW - HOUR)
    assert await api.titles(Tier.BASIC) == ["before"]


async def test_basic_does_not_see_a_digest_before_its_time(api: Api, connection: db.Connection) -> None:
    insight = await insert_insight(connection, "picked")
    await insert_digest(connection, [insight], NOW + MINUTE)
    assert await api.titles(Tier.BASIC) == []
    api.clock.now = NOW + 10 * MINUTE
    assert await api.titles(Tier.BASIC) == ["picked"]


async def test_premium_sees_an_insight_from_the_next_full_hour_on(api: Api, connection: db.Connection) -> None:
    await insert_insight(connection, "on the hour", TOP_OF_HOUR)
    await insert_insight(connection, "since", TOP_OF_HOUR + MINUTE)
    assert await api.titles(Tier.PREMIUM) == ["on the hour"]
    api.clock.now = TOP_OF_HOUR + timedelta(minutes=59, seconds=59, microseconds=999_999)
    assert await api.titles(Tier.PREMIUM) == ["on the hour"]
    api.clock.now = TOP_OF_HOUR + HOUR
    assert set(await api.titles(Tier.PREMIUM)) == {"on the hour", "since"}


async def test_premium_keeps_until_the_next_hour_what_ended_in_this_one(api: Api, connection: db.Connection) -> None:
    await insert_insight(connection, "expired in between", expires_at=TOP_OF_HOUR + MINUTE)
    await insert_insight(connection, "ended in between", ended_at=TOP_OF_HOUR + MINUTE)
    await insert_insight(connection, "expired on the hour", expires_at=TOP_OF_HOUR)
    await insert_insight(connection, "ended on the hour", ended_at=TOP_OF_HOUR)
    assert set(await api.titles(Tier.PREMIUM)) == {"expired in between", "ended in between"}
    api.clock.now = TOP_OF_HOUR + HOUR
    assert await api.titles(Tier.PREMIUM) == []


async def test_pro_sees_what_stands_now(api: Api, connection: db.Connection) -> None:
    await insert_insight(connection, "just now", NOW)
    await insert_insight(connection, "not yet", NOW + timedelta(microseconds=1))
    await insert_insight(connection, "expired now", expires_at=NOW)
    await insert_insight(connection, "ended now", ended_at=NOW)
    assert await api.titles(Tier.PRO) == ["just now"]


async def test_arbitrage_carries_the_time_at_which_its_books_were_read(api: Api, connection: db.Connection) -> None:
    quoted_at = TOP_OF_HOUR - timedelta(minutes=2)
    await insert_arbitrage(connection, "pair", quoted_at)
    for tier in (Tier.PREMIUM, Tier.PRO):
        (found,) = (await api.body(tier))["arbitrage"]
        assert (found["description"], found["quoted_at"]) == ("pair", "2026-11-22T12:58:00Z")
        assert found["expires_at"] == "2026-11-22T13:13:00Z"


async def test_arbitrage_is_hourly_for_premium_and_live_for_pro(api: Api, connection: db.Connection) -> None:
    on_the_hour = TOP_OF_HOUR - timedelta(minutes=2)
    await insert_arbitrage(connection, "withdrawn since", on_the_hour, withdrawn_at=TOP_OF_HOUR + MINUTE)
    await insert_arbitrage(connection, "expired since", on_the_hour, expires_at=TOP_OF_HOUR + MINUTE)
    await insert_arbitrage(connection, "quoted since", TOP_OF_HOUR + MINUTE)
    premium = (await api.body(Tier.PREMIUM))["arbitrage"]
    assert {item["description"] for item in premium} == {"withdrawn since", "expired since"}
    assert [item["description"] for item in (await api.body(Tier.PRO))["arbitrage"]] == ["quoted since"]


async def test_a_category_narrows_every_tier(api: Api, connection: db.Connection) -> None:
    ids = [await insert_insight(connection, name, category=name) for name in ("Politics", "Sports")]
    ids.append(await insert_insight(connection, "none", category=None))
    await insert_digest(connection, ids, NOW - HOUR)
    for tier in PAID:
        assert len(await api.titles(tier)) == 3
        assert await api.titles(tier, category="Sports") == ["Sports"]
        assert await api.titles(tier, category="sports") == []
        assert len(await api.titles(tier, category="")) == 3, "an empty filter is no filter"
        assert len(await api.titles(tier)) == 3


async def test_a_category_does_not_refill_the_five_of_basic(api: Api, connection: db.Connection) -> None:
    picks = [await insert_insight(connection, f"{n}", category="Sports" if n > 4 else "Politics") for n in range(7)]
    await insert_digest(connection, picks, NOW - HOUR)
    assert await api.titles(Tier.BASIC, category="Sports") == []


async def test_the_best_come_first(api: Api, connection: db.Connection) -> None:
    await insert_insight(connection, "avoid", ai_recommendation="AVOID")
    await insert_insight(connection, "no edge known", net_edge_cents=None)
    await insert_insight(connection, "small edge", net_edge_cents=1)
    await insert_insight(connection, "strong", ai_recommendation="STRONG_BET", net_edge_cents=None)
    assert await api.titles(Tier.PRO) == ["strong", "small edge", "no edge known", "avoid"]


async def test_unknown_numbers_are_null(api: Api, connection: db.Connection) -> None:
    await insert_insight(connection, "unknown", confidence_score=None, net_edge_cents=None, price_at_emission=None)
    (insight,) = (await api.body(Tier.PRO))["insights"]
    assert insight["confidence_score"] is insight["net_edge_cents"] is insight["price_at_emission"] is None


@pytest.mark.parametrize(
    "category", ["' OR 1=1 --", '"; DROP TABLE users; --', "%' OR '1'='1", "x\u2028y", "🏇", "*", "../pro::", "pro::"]
)
async def test_hostile_categories_find_nothing_and_break_nothing(
    api: Api, connection: db.Connection, category: str
) -> None:
    await insert_insight(connection, "one")
    for tier in PAID:
        assert await api.titles(tier, category=category) == []
    assert await api.titles(Tier.PRO) == ["one"]


async def test_an_upgrade_counts_at_once_and_so_does_its_end(make_api: MakeApi, connection: db.Connection) -> None:
    api = await make_api(tier_fresh_s=0)
    user = await api.user(Tier.FREE)
    for tier, status in ((Tier.PRO, 200), (Tier.FREE, 403), (Tier.BASIC, 200)):
        await connection.execute("UPDATE users SET tier = $1 WHERE id = $2::uuid", tier.value, user)
        answer = await api.get(Tier.FREE)
        assert answer.status_code == status
        assert ("deep_analysis" in answer.json()) == (tier is Tier.PRO)
