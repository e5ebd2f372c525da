"""One insight, arbitrage, digests, markets, prices over time and analyses: what each tier gets, page by page."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Any
from uuid import uuid4

import pytest

from core import db
from core.models import Market, MarketStatus, Outcome, Quote, Terms, Tier
from tests.api.conftest import INSIGHTS, Api, MakeApi
from tests.api.rows import (
    HOUR,
    insert_arbitrage,
    insert_digest,
    insert_grade,
    insert_insight,
    insert_market,
    insert_near_miss,
    leg,
)
from tests.conftest import NOW
from tests.core.storing import store

TOP_OF_HOUR = NOW.replace(minute=0)
MINUTE = timedelta(minutes=1)
PAID = [Tier.BASIC, Tier.PREMIUM, Tier.PRO]
NEAR_MISSES = "/api/v1/near-misses"
DIGEST, ARBITRAGE, MARKETS, ANALYSES = "/api/v1/digest", "/api/v1/arbitrage", "/api/v1/markets", "/api/v1/analyses"


def market(market_id: str, title: str, price: str = "0.4", category: str | None = None) -> Market:
    terms = Terms("kalshi", market_id, None, title, "The rules.", category, "Yes", "No", "https://example.com", None,
                  None, None, None, None, {})  # fmt: skip
    quote = Quote(Decimal(price), Decimal(price), 1 - Decimal(price), None, Decimal(10), None, None, None)
    digest, unsettled = hash(market_id) % 2**31, Outcome(None, None, None)
    return Market("kalshi", market_id, digest, MarketStatus.OPEN, quote, unsettled, lambda: terms)


async def pages(api: Api, tier: Tier, path: str, key: str, **query: str) -> list[list[Any]]:
    """All pages of a list."""
    found: list[list[Any]] = []
    while True:
        answer = await api.get(tier, path, **query)
        assert answer.status_code == 200, answer.text
        found.append(answer.json()[key])
        if answer.json()["next_cursor"] is None:
            return found
        query["cursor"] = answer.json()["next_cursor"]


@pytest.mark.parametrize("tier", PAID)
async def test_insights_come_in_pages_that_together_are_the_list(
    api: Api, connection: db.Connection, tier: Tier
) -> None:
    edges = [None, 1, 1, 2, None]
    ids = [await insert_insight(connection, f"{n}", net_edge_cents=edge) for n, edge in enumerate(edges)]
    await insert_digest(connection, ids, NOW - HOUR)
    whole = (await api.body(tier))["insights"]
    assert len(whole) == 5
    for limit in ("1", "2", "3", "5"):
        found = await pages(api, tier, INSIGHTS, "insights", limit=limit)
        assert [row for page in found for row in page] == whole
        assert all(len(page) == int(limit) for page in found[:-1])


async def test_a_cursor_is_of_use_for_its_own_list_and_tier_only(api: Api, connection: db.Connection) -> None:
    for n in range(3):
        await insert_insight(connection, f"{n}")
    cursor = (await api.body(Tier.PRO, limit="1"))["next_cursor"]
    assert (await api.get(Tier.PRO, cursor=cursor, limit="1")).status_code == 200
    for tier, query in ((Tier.PREMIUM, {}), (Tier.BASIC, {}), (Tier.PRO, {"category": "Sports"})):
        assert (await api.get(tier, cursor=cursor, **query)).status_code == 400
    for path in (ARBITRAGE, MARKETS, ANALYSES):
        assert (await api.get(Tier.PRO, path, cursor=cursor)).status_code == 400


@pytest.mark.parametrize("cursor", ["x", "AAAA", "=" * 5, "é", "' OR 1=1 --", "a" * 500])
async def test_a_cursor_that_is_none_is_a_400(api: Api, cursor: str) -> None:
    for path in (INSIGHTS, ARBITRAGE, MARKETS, ANALYSES):
        assert (await api.get(Tier.PRO, path, cursor=cursor)).status_code == 400, path


async def test_one_insight_has_its_evidence_and_its_markets_prices(
    api: Api, connection: db.Connection, pool: db.Pool
) -> None:
    insight_id = await insert_insight(connection, "one")
    market_id = await connection.fetchval("SELECT market_id FROM ai_insights")
    for age, price in ((90, "0.2"), (5, "0.3"), (1, "0.5")):
        await store(pool, market(market_id, "one", price), now=NOW - age * HOUR)
    body = (await api.get(Tier.PRO, f"{INSIGHTS}/{insight_id}")).json()
    assert body["insight"]["evidence"][0]["label"] == "YES costs"
    assert (body["insight"]["ended_at"], body["insight"]["settled"], body["insight"]["outcome"]) == (None, False, None)
    assert [point["price"] for point in body["prices"]] == [0.3, 0.5], "from three days before it on"


async def test_one_insight_is_there_for_those_who_may_see_it_and_for_nobody_else(
    api: Api, connection: db.Connection
) -> None:
    picked = await insert_insight(connection, "picked")
    await insert_digest(connection, [picked], NOW - HOUR)
    hourly = await insert_insight(connection, "on the hour", TOP_OF_HOUR)
    live = await insert_insight(connection, "just now", NOW)
    over = await insert_insight(connection, "over", NOW - 30 * HOUR, expires_at=NOW - HOUR)
    may = {
        Tier.FREE: {},
        Tier.BASIC: {picked, over},
        Tier.PREMIUM: {picked, hourly, over},
        Tier.PRO: {picked, hourly, live, over},
    }
    for tier in Tier:
        for insight_id in (picked, hourly, live, over, str(uuid4())):
            answer = await api.get(tier, f"{INSIGHTS}/{insight_id}")
            expected = 403 if tier is Tier.FREE else 200 if insight_id in may[tier] else 404
            assert answer.status_code == expected, (tier, insight_id)
    hidden, missing = [await api.get(Tier.PREMIUM, f"{INSIGHTS}/{one}") for one in (live, uuid4())]
    assert hidden.content == missing.content


@pytest.mark.parametrize("tier", PAID)
async def test_whoever_sees_an_item_sees_where_its_market_is(api: Api, connection: db.Connection, tier: Tier) -> None:
    page = "https://kalshi.com/markets/kx/event/kx-1"
    found = await insert_insight(connection, "told", NOW - 3 * HOUR, url=page)
    await insert_market(connection, "KX-1", "told", url=page)
    await insert_arbitrage(connection, "pair", NOW.replace(minute=0), legs=[leg("KX-1"), leg("0x1", "polymarket")])
    line = {"market_id": "KX-1", "market_title": "told", "recommendation": "CAUTION", "one_liner": "Wait.", "url": page}
    pick = line | {"confidence": None, "confidence_basis": "unproven"}
    pair = {"description": "pair", "potential_edge": "3%", "legs": [{"url": page}]}
    await insert_digest(connection, [found], NOW - 2 * HOUR, top_picks=[pick], arbitrage_opportunities=[pair])
    body = await api.body(tier)
    assert [one["url"] for one in body["insights"]] == [page]
    assert (await api.get(tier, f"{INSIGHTS}/{found}")).json()["insight"]["url"] == page
    digest = (await api.get(tier, DIGEST)).json()
    assert [one["url"] for one in digest["top_picks"]] == [page]
    if tier is Tier.BASIC:
        assert not digest.keys() & {"arbitrage_opportunities"}
        assert "arbitrage" not in body
    else:
        assert [one["url"] for one in body["arbitrage"][0]["legs"]] == [page, None]
        assert [one["url"] for one in digest["arbitrage_opportunities"][0]["legs"]] == [page]


async def test_premium_is_told_of_an_end_from_the_next_hour_on(api: Api, connection: db.Connection) -> None:
    insight_id = await insert_insight(connection, "one", ended_at=TOP_OF_HOUR + MINUTE)
    path = f"{INSIGHTS}/{insight_id}"
    assert (await api.get(Tier.PREMIUM, path)).json()["insight"]["ended_at"] is None
    assert (await api.get(Tier.PRO, path)).json()["insight"]["ended_at"] == "2026-11-22T13:01:00Z"
    api.clock.now = TOP_OF_HOUR + HOUR
    assert (await api.get(Tier.PREMIUM, path)).json()["insight"]["ended_at"] == "2026-11-22T13:01:00Z"


async def test_what_came_of_an_insight_is_told_as_of_the_readers_time(api: Api, connection: db.Connection) -> None:
    over = await insert_insight(connection, "over", NOW - 5 * HOUR, expires_at=NOW - HOUR)
    await insert_grade(connection, over, "sale", TOP_OF_HOUR, "-3.25")
    await insert_grade(connection, over, "outcome", TOP_OF_HOUR + MINUTE, "59", "0")
    known = {"ended": "expired", "ended_at": (NOW - HOUR).strftime("%Y-%m-%dT%H:%M:%SZ")}
    came = {tier: (await api.get(tier, f"{INSIGHTS}/{over}")).json()["insight"]["came_of_it"] for tier in PAID[1:]}
    assert came == {
        Tier.PREMIUM: {"by": "sale", "payout": None, "net_cents": -3.25} | known,
        Tier.PRO: {"by": "outcome", "payout": 0, "net_cents": 59} | known,
    }


async def test_what_came_of_a_pick_is_told_to_basic_as_of_its_digest(api: Api, connection: db.Connection) -> None:
    alive = await insert_insight(connection, "alive", NOW - 5 * HOUR, ended_at=NOW - HOUR)
    await insert_digest(connection, [alive], NOW - 2 * HOUR)
    await insert_grade(connection, alive, "sale", NOW - HOUR, "-3.25")
    came = {tier: (await api.get(tier, f"{INSIGHTS}/{alive}")).json()["insight"]["came_of_it"] for tier in PAID}
    assert set(came[Tier.BASIC].values()) == {None}
    assert (came[Tier.PRO]["by"], came[Tier.PRO]["ended"]) == ("sale", "withdrawn")
    assert came[Tier.PREMIUM] == came[Tier.PRO]


async def test_basic_is_told_of_an_end_when_the_next_digest_is_made_or_the_insight_is_over(
    api: Api, connection: db.Connection
) -> None:
    insight_id = await insert_insight(connection, "one", ended_at=NOW - 30 * MINUTE, expires_at=NOW + 30 * HOUR)
    await insert_digest(connection, [insight_id], NOW - HOUR)
    path = f"{INSIGHTS}/{insight_id}"
    assert (await api.get(Tier.PRO, path)).json()["insight"]["ended_at"] is not None
    assert (await api.get(Tier.BASIC, path)).json()["insight"]["ended_at"] is None
    await insert_digest(connection, [insight_id], NOW + 23 * HOUR)
    api.clock.now = NOW + 24 * HOUR
    assert (await api.get(Tier.BASIC, path)).json()["insight"]["ended_at"] is not None
    api.clock.now = NOW + 31 * HOUR
    assert (await api.get(Tier.BASIC, path)).json()["insight"]["ended_at"] is not None


async def test_arbitrage_is_for_premium_and_pro_in_pages(api: Api, connection: db.Connection) -> None:
    for edge in ("3.1", "5", "3.1", "4"):
        await insert_arbitrage(connection, edge, edge=edge)
    for tier in (Tier.FREE, Tier.BASIC):
        answer = await api.get(tier, ARBITRAGE)
        assert (answer.status_code, answer.json()["upgrade_to"]) == (403, "premium")
    api.clock.now = NOW - 10 * MINUTE
    assert (await api.get(Tier.PREMIUM, ARBITRAGE)).json()["arbitrage"] == []
    found = await pages(api, Tier.PRO, ARBITRAGE, "arbitrage", limit="3")
    assert [[row["edge_percentage"] for row in page] for page in found] == [[5, 4, 3.1], [3.1]]


async def test_near_misses_are_for_premium_as_of_the_hour_and_for_pro_now(api: Api, connection: db.Connection) -> None:
    await insert_near_miss(connection, "before the hour", TOP_OF_HOUR - 10 * MINUTE)
    await insert_near_miss(connection, "since", TOP_OF_HOUR + 2 * MINUTE)
    await insert_near_miss(connection, "nearer, since", TOP_OF_HOUR + 2 * MINUTE, "1.9")
    await insert_near_miss(connection, "refused, since", TOP_OF_HOUR + 2 * MINUTE, None)
    for tier in (Tier.FREE, Tier.BASIC):
        answer = await api.get(tier, NEAR_MISSES)
        assert (answer.status_code, answer.json()["upgrade_to"]) == (403, "premium")
        assert "since" not in answer.text
    told, tags = {}, set()
    for _ in ("from the database", "from the cache"):
        for tier in (Tier.PRO, Tier.PREMIUM):
            answer = await api.get(tier, NEAR_MISSES)
            tags.add((tier, answer.headers["etag"]))
            told[tier] = answer.json()
            assert set(told[tier]) == {"near_misses", "refresh", "disclaimer"}
        assert [miss["description"] for miss in told[Tier.PREMIUM]["near_misses"]] == ["before the hour"]
        now = [miss["description"] for miss in told[Tier.PRO]["near_misses"]]
        assert now == ["nearer, since", "since", "refused, since"]
        assert (told[Tier.PREMIUM]["refresh"], told[Tier.PRO]["refresh"]) == ("hourly", "real-time")
    assert len({tag for _, tag in tags}) == len(tags) == 2
    (miss,) = told[Tier.PREMIUM]["near_misses"]
    assert (miss["quoted_at"], miss["expires_at"]) == ("2026-11-22T12:50:00Z", "2026-11-22T13:05:00Z")
    assert (miss["lacks"], miss["legs"][0]["clears_at"]) == ("fees", "0.48")


async def test_near_misses_are_over_after_one_interval(api: Api, connection: db.Connection) -> None:
    at = TOP_OF_HOUR + 2 * MINUTE
    await insert_near_miss(connection, "one", at)
    api.clock.now = at + timedelta(minutes=14, seconds=59)
    assert len((await api.get(Tier.PRO, NEAR_MISSES)).json()["near_misses"]) == 1
    api.clock.now = at + timedelta(minutes=15)
    assert (await api.get(Tier.PRO, NEAR_MISSES)).json()["near_misses"] == []
    api.clock.now = TOP_OF_HOUR + HOUR
    assert (await api.get(Tier.PREMIUM, NEAR_MISSES)).json()["near_misses"] == []


async def test_a_digest_has_its_arbitrage_section_for_those_who_may_see_it_then(
    api: Api, connection: db.Connection
) -> None:
    await insert_digest(connection, [], TOP_OF_HOUR + MINUTE)
    assert (await api.get(Tier.FREE, DIGEST)).status_code == 403
    for path in (DIGEST, f"{DIGEST}/2026-11-22"):
        sections = {tier: "arbitrage_opportunities" in (await api.get(tier, path)).json() for tier in PAID}
        assert sections == {Tier.BASIC: False, Tier.PREMIUM: False, Tier.PRO: True}
        assert "insight_ids" not in (await api.get(Tier.PRO, path)).json()
    api.clock.now = TOP_OF_HOUR + HOUR
    assert "arbitrage_opportunities" in (await api.get(Tier.PREMIUM, DIGEST)).json()
    assert "arbitrage_opportunities" not in (await api.get(Tier.BASIC, DIGEST)).json()


async def test_digests_are_found_by_day_and_not_before_they_are_made(api: Api, connection: db.Connection) -> None:
    assert (await api.get(Tier.PRO, DIGEST)).status_code == 404
    await insert_digest(connection, [], NOW - 24 * HOUR)
    await insert_digest(connection, [], NOW + MINUTE)
    for tier in PAID:
        assert (await api.get(tier, DIGEST)).json()["day"] == "2026-11-21"
        assert (await api.get(tier, f"{DIGEST}/2026-11-22")).status_code == 404
        assert (await api.get(tier, f"{DIGEST}/1999-01-01")).status_code == 404
        assert (await api.get(tier, f"{DIGEST}/yesterday")).status_code == 422


async def test_markets_are_for_everyone_who_is_signed_in(api: Api, pool: db.Pool) -> None:
    await store(pool, market("A", "Will it rain in Paris?"))
    assert (await api.http.get(MARKETS)).status_code == 401
    bodies = [(await api.get(tier, MARKETS)).content for tier in Tier]
    assert len(set(bodies)) == 1
    (found,) = (await api.get(Tier.FREE, MARKETS)).json()["markets"]
    assert (found["market_id"], found["yes_price"], found["no_price"], found["liquidity"]) == ("A", 0.4, 0.6, None)
    one = (await api.get(Tier.FREE, f"{MARKETS}/kalshi/A")).json()["market"]
    assert (one["rules"], one["price"]) == ("The rules.", 0.4)
    for path, status in (("kalshi/B", 404), ("polymarket/A", 404), ("betfair/A", 422), ("kalshi/%00", 422)):
        assert (await api.get(Tier.FREE, f"{MARKETS}/{path}")).status_code == status, path


@pytest.mark.parametrize(
    ("words", "found"),
    [
        ("rain", {"A", "B"}),
        ("raining paris", {"A"}),
        ('"in london"', {"B"}),
        ("rain -paris", {"B"}),
        ("snow or paris", {"A", "C"}),
        ("the", set()),
        ("'; DROP TABLE markets; --", set()),
        ('"', set()),
        ("!!! & | :* <->", set()),
        ("🏇", set()),
    ],
)
async def test_search_takes_words_as_people_write_them(api: Api, pool: db.Pool, words: str, found: set[str]) -> None:
    await store(pool, market("A", "Will it rain in Paris?"), market("B", "Rain in London"), market("C", "Snow in Oslo"))
    answer = await api.get(Tier.FREE, MARKETS, q=words)
    assert answer.status_code == 200
    assert {each["market_id"] for each in answer.json()["markets"]} == found


async def test_markets_are_narrowed_and_come_in_pages_with_and_without_words(api: Api, pool: db.Pool) -> None:
    made = [market(f"M{n}", f"Rain {'rain ' * (n % 3)}on day {n}", category="AB"[n % 2]) for n in range(9)]
    await store(pool, *made)
    for query in ({}, {"q": "rain"}):
        whole = (await api.get(Tier.FREE, MARKETS, **query)).json()["markets"]
        assert {each["market_id"] for each in whole} == {f"M{n}" for n in range(9)}
        found = await pages(api, Tier.FREE, MARKETS, "markets", limit="4", **query)
        assert [each for page in found for each in page] == whole
        some = (await api.get(Tier.FREE, MARKETS, category="A", platform="kalshi", **query)).json()["markets"]
        assert {each["market_id"] for each in some} == {f"M{n}" for n in range(0, 9, 2)}
        assert (await api.get(Tier.FREE, MARKETS, platform="polymarket", **query)).json()["markets"] == []
        assert (await api.get(Tier.FREE, MARKETS, state="ended", **query)).json()["markets"] == []


async def test_history_by_snapshot_hour_and_day(api: Api, pool: db.Pool) -> None:
    for minutes, price in ((200, "0.2"), (190, "0.3"), (100, "0.25"), (10, "0.5")):
        await store(pool, market("A", "one", price), now=NOW - minutes * MINUTE)
    path = f"{MARKETS}/kalshi/A/history"
    snapshots = (await api.get(Tier.FREE, path, interval="snapshot")).json()["points"]
    assert [(point["price"], point["no_price"]) for point in snapshots] == [
        (0.2, 0.8), (0.3, 0.7), (0.25, 0.75), (0.5, 0.5)
    ]  # fmt: skip
    hours = (await api.get(Tier.FREE, path)).json()["points"]
    assert [(point["open"], point["close"]) for point in hours] == [(0.2, 0.3), (0.25, 0.25), (0.5, 0.5)]
    assert "price" not in hours[0]
    days = (await api.get(Tier.FREE, path, interval="day")).json()["points"]
    assert [(point["open"], point["high"], point["low"], point["close"]) for point in days] == [(0.2, 0.5, 0.2, 0.5)]
    found = await pages(api, Tier.FREE, path, "points", interval="snapshot", limit="3")
    assert [point for page in found for point in page] == snapshots
    since = (NOW - 150 * MINUTE).isoformat()
    assert len((await api.get(Tier.FREE, path, interval="snapshot", since=since)).json()["points"]) == 2
    assert (await api.get(Tier.FREE, f"{MARKETS}/kalshi/B/history")).status_code == 404


@pytest.mark.parametrize("bound", ["0001-01-01T00:00:00Z", "9999-12-31T23:59:59-12:00", "2000-01-01T00:00:00+23:59"])
async def test_times_far_off_break_nothing(api: Api, pool: db.Pool, bound: str) -> None:
    await store(pool, market("A", "one"))
    for name in ("since", "until"):
        answer = await api.get(Tier.FREE, f"{MARKETS}/kalshi/A/history", **{name: bound})
        assert answer.status_code in (200, 400)


async def test_pro_asks_for_analyses_and_reads_only_its_own(api: Api, pool: db.Pool) -> None:
    await store(pool, market("A", "one"))
    asked = {"platform": "kalshi", "market_id": "A", "question": "Why did it fall?"}
    headers = await api.signed_in(Tier.PRO)
    made = await api.http.post(ANALYSES, json=asked, headers=headers)
    assert (made.status_code, made.json()["status"], made.json()["market_title"]) == (202, "queued", "one")
    assert made.headers["location"] == f"{ANALYSES}/{made.json()['id']}"
    assert (await api.get(Tier.PRO, made.headers["location"])).json() == made.json()
    assert (await api.get(Tier.PRO, ANALYSES)).json()["analyses"] == [made.json()]
    for tier in (Tier.FREE, Tier.BASIC, Tier.PREMIUM):
        refused = await api.http.post(ANALYSES, json=asked, headers=await api.signed_in(tier))
        assert (refused.status_code, refused.json()["upgrade_to"]) == (403, "pro")
        assert (await api.get(tier, made.headers["location"])).status_code == 403
    async with pool.acquire() as connection:
        await connection.execute("UPDATE users SET tier = 'pro' WHERE email = 'premium@example.com'")
    api.app.state.doorway.callers.forget(await api.user(Tier.PREMIUM))
    assert (await api.get(Tier.PREMIUM, made.headers["location"])).status_code == 404
    assert (await api.get(Tier.PREMIUM, ANALYSES)).json()["analyses"] == []


async def test_analyses_are_counted_by_the_day_and_need_an_open_market(
    make_api: MakeApi, pool: db.Pool, connection: db.Connection
) -> None:
    api = await make_api(analyses_per_day=3)
    await store(pool, market("A", "one"), market("B", "two"))
    await connection.execute("UPDATE markets SET status = 'closed' WHERE market_id = 'B'")
    headers = await api.signed_in(Tier.PRO)

    async def ask(market_id: str) -> int:
        body = {"platform": "kalshi", "market_id": market_id}
        return (await api.http.post(ANALYSES, json=body, headers=headers)).status_code

    assert [await ask(each) for each in ("B", "C", "A", "A", "A", "A")] == [409, 404, 202, 202, 202, 429]
    found = await pages(api, Tier.PRO, ANALYSES, "analyses", limit="2")
    assert [len(page) for page in found] == [2, 1]
    api.clock.now = NOW + 24 * HOUR
    assert await ask("A") == 202


async def test_deep_analyses_are_told_to_pro_without_who_asked(api: Api, pool: db.Pool) -> None:
    await store(pool, market("A", "one"))
    asked = {"platform": "kalshi", "market_id": "A", "question": "Why did it fall?"}
    await api.http.post(ANALYSES, json=asked, headers=await api.signed_in(Tier.PRO))
    async with pool.acquire() as connection:
        await connection.execute("UPDATE analyses SET status = 'done', ended_at = $1, result = '{}'", NOW - MINUTE)
    (told,) = (await api.body(Tier.PRO))["deep_analysis"]
    assert set(told) == {"platform", "market_id", "market_title", "ended_at", "result"}
    assert "deep_analysis" not in await api.body(Tier.PREMIUM)
