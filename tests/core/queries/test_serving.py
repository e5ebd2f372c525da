"""What readers are given, straight from the database."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest

from core import db
from core.queries import arbitrage, bundle_analyses, collecting, serving
from tests.api.rows import (
    HOUR,
    insert_arbitrage,
    insert_digest,
    insert_insight,
    insert_market,
    insert_near_miss,
    leg,
)
from tests.conftest import NOW

MOMENT = timedelta(microseconds=1)


async def test_an_insight_stands_from_its_publication_until_its_end(connection: db.Connection) -> None:
    await insert_insight(connection, "one", NOW, expires_at=NOW + HOUR)
    await insert_insight(connection, "ended early", NOW, expires_at=NOW + HOUR, ended_at=NOW + HOUR / 2)

    async def standing(at: timedelta) -> set[str]:
        return {row["market_title"] for row in await serving.insights_alive(connection, NOW + at)}

    assert await standing(-MOMENT) == set()
    assert await standing(0 * HOUR) == {"one", "ended early"}
    assert await standing(HOUR / 2 - MOMENT) == {"one", "ended early"}
    assert await standing(HOUR / 2) == {"one"}
    assert await standing(HOUR - MOMENT) == {"one"}
    assert await standing(HOUR) == set()


async def test_the_list_of_insights_ends_with_the_best_that_fit(connection: db.Connection) -> None:
    for edge in (1, 3, 2):
        await insert_insight(connection, f"{edge}", net_edge_cents=edge)
    rows = await serving.insights_alive(connection, NOW, limit=2)
    assert [row["market_title"] for row in rows] == ["3", "2"]


async def test_insights_by_id_come_in_the_order_asked_without_strangers_and_later_ones(
    connection: db.Connection,
) -> None:
    first, second = [await insert_insight(connection, name, NOW - HOUR) for name in ("first", "second")]
    late = await insert_insight(connection, "late", NOW)
    stranger = "b3f2f4a0-0000-4000-8000-000000000000"
    rows = await serving.insights_by_id(connection, [second, late, stranger, first], NOW - MOMENT, None)
    assert [row["market_title"] for row in rows] == ["second", "first"]
    assert await serving.insights_by_id(connection, [], NOW, None) == []


async def test_an_opportunity_stands_from_its_quote_until_it_expires_or_is_withdrawn(
    connection: db.Connection,
) -> None:
    await insert_arbitrage(connection, "wide", NOW, expires_at=NOW + HOUR, edge="9")
    await insert_arbitrage(connection, "withdrawn", NOW, expires_at=NOW + HOUR, withdrawn_at=NOW + HOUR / 2, edge="10")

    async def standing(at: timedelta) -> list[str]:
        return [row["description"] for row in await serving.arbitrage_alive(connection, NOW + at)]

    assert await standing(-MOMENT) == []
    assert await standing(0 * HOUR) == ["withdrawn", "wide"]
    assert await standing(HOUR / 2) == ["wide"]
    assert await standing(HOUR) == []
    assert len(await serving.arbitrage_alive(connection, NOW, limit=1)) == 1


async def test_an_insight_tells_its_markets_page_and_null_where_that_is_unknown(connection: db.Connection) -> None:
    told = await insert_insight(connection, "told", url="https://kalshi.com/markets/kx/event/kx-1")
    unknown = await insert_insight(connection, "unknown", url=None)
    urls = {row["id"]: row["url"] for row in await serving.insights_alive(connection, NOW)}
    assert urls == {told: "https://kalshi.com/markets/kx/event/kx-1", unknown: None}
    alone = await serving.insight(connection, told, NOW)
    assert alone is not None
    assert alone["url"] == urls[told]


async def test_each_leg_tells_its_own_markets_page_in_its_place(connection: db.Connection) -> None:
    await insert_market(connection, "SAME", "Rain?", url="https://kalshi.com/markets/kx/event/kx-1")
    await insert_market(connection, "SAME", "Rain?", platform="polymarket", url="https://polymarket.com/event/rain")
    await insert_market(connection, "UNKNOWN", "Rain?", url=None)
    legs = [leg("SAME", "polymarket"), leg("GONE"), leg("SAME"), leg("UNKNOWN")]
    await insert_arbitrage(connection, "many legs", NOW, legs=legs)
    await insert_arbitrage(connection, "no legs", NOW, edge="1")
    pages = ["https://polymarket.com/event/rain", None, "https://kalshi.com/markets/kx/event/kx-1", None]
    linked = [one | {"url": url} for one, url in zip(legs, pages, strict=True)]
    assert [row["legs"] for row in await serving.arbitrage_alive(connection, NOW)] == [linked, []]
    assert [row["legs"] for row in await bundle_analyses.alive(connection, NOW, 5)] == [linked, []]
    await insert_near_miss(connection, "nearly", NOW)
    await insert_market(connection, "KX-1", "Rain?", url=pages[2])
    (missed,) = await arbitrage.near_misses(connection, NOW, 60)
    assert [one["url"] for one in missed["legs"]] == [pages[2]]


async def test_pages_cost_no_statement_of_their_own(connection: db.Connection) -> None:
    for number in range(20):
        await insert_insight(connection, f"{number}", NOW)
        await insert_arbitrage(connection, f"{number}", NOW, legs=[leg("A"), leg("B")])
    asked: list[str] = []
    with connection.query_logger(lambda query: asked.append(query.query)):
        assert len(await serving.insights_alive(connection, NOW)) == 20
        assert len(await serving.arbitrage_alive(connection, NOW)) == 20
        await asyncio.sleep(0)  # the logger is told on the next turn
    assert len(asked) == 2


async def test_the_last_digest_is_that_of_the_last_day_told_by_then(connection: db.Connection) -> None:
    assert await serving.latest_digest(connection, NOW) is None
    for days in (2, 1, 0):
        insight = await insert_insight(connection, f"{days}", NOW - 72 * HOUR)
        await insert_digest(connection, [insight], NOW - days * 24 * HOUR)
    for at, days in ((NOW, 0), (NOW - MOMENT, 1), (NOW - 24 * HOUR, 1), (NOW - 25 * HOUR, 2)):
        digest = await serving.latest_digest(connection, at)
        assert digest is not None
        assert digest["created_at"] == NOW - days * 24 * HOUR
    assert await serving.latest_digest(connection, NOW - 72 * HOUR) is None


async def test_only_what_is_over_is_public_the_latest_first(connection: db.Connection) -> None:
    for minutes in (3, 1, 2):
        await insert_insight(connection, f"{minutes}", expires_at=NOW - timedelta(minutes=minutes))
    await insert_insight(connection, "now", expires_at=NOW)
    await insert_insight(connection, "soon", expires_at=NOW + MOMENT)
    rows = await serving.settled_or_expired(connection, NOW, 3)
    assert [row["market_title"] for row in rows] == ["now", "1", "2"]


async def test_an_insight_of_a_settled_market_is_public(connection: db.Connection) -> None:
    for title in ("settled", "closed"):
        await insert_insight(connection, title, NOW - HOUR, expires_at=NOW + HOUR)
        await connection.execute("UPDATE markets SET status = 'closed'")
    await connection.execute("UPDATE markets SET status = 'final' WHERE title = 'settled'")
    assert [row["market_title"] for row in await serving.settled_or_expired(connection, NOW, 3)] == ["settled"]


async def test_an_insight_says_what_yes_and_no_mean(connection: db.Connection) -> None:
    await insert_insight(connection, "one")
    await connection.execute("UPDATE markets SET yes_label = 'Above 3%', no_label = '3% or less'")
    (row,) = await serving.insights_alive(connection, NOW)
    assert (row["yes_means"], row["no_means"]) == ("Above 3%", "3% or less")
    await connection.execute("UPDATE markets SET no_label = yes_label")  # as Kalshi tells it
    (row,) = await serving.insights_alive(connection, NOW)
    assert (row["yes_means"], row["no_means"]) == ("Above 3%", "not: Above 3%")


async def test_freshness_counts_good_runs_and_open_listed_markets(connection: db.Connection) -> None:
    assert await serving.freshness(connection) == {"jobs": {}, "venues": {}}
    runs = [
        ("digest", 1, "ok"),
        ("collect", 2, "ok"),
        ("collect", 1, "failed"),
        ("analyze", 3, "running"),
        ("grade", 1, "ok"),
    ]
    for job, hours, status in runs:
        await connection.execute(
            "INSERT INTO job_runs (id, job, holder, started_at, status) VALUES (gen_random_uuid(), $1, 'h', $2, $3)",
            job,
            NOW - hours * HOUR,
            status,
        )
    for title in ("open", "closed", "gone", "missing"):
        await insert_insight(connection, title)
    await collecting.mark_swept(connection, "kalshi", [], NOW - HOUR)
    await connection.execute("UPDATE markets SET missing_since = NULL WHERE title <> 'missing'")
    await connection.execute("UPDATE markets SET status = 'closed' WHERE title = 'closed'")
    await connection.execute("UPDATE markets SET listed = false WHERE title = 'gone'")
    assert await serving.freshness(connection) == {
        "jobs": {"collect": NOW - 2 * HOUR},
        "venues": {"kalshi": {"open": 1, "swept_at": NOW - HOUR}},
    }


@pytest.mark.parametrize("column", ["answer", "evidence_digest", "cost_usd", "prompt_version", "status", "ended_at"])
async def test_what_is_internal_is_not_served(connection: db.Connection, column: str) -> None:
    await insert_insight(connection, "one")
    (row,) = await serving.insights_alive(connection, NOW)
    assert column not in row
