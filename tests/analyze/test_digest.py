"""The day's digest: once, five for basic users, AVOIDs apart, honest when there is nothing."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest

from analyze import digest, pipeline
from core.venues.links import is_market_url
from tests.analyze.conftest import NOW, MakeRun, Outside, rows


def insight(recommendation: str = "GOOD_BET", position: str = "YES", **given: Any) -> dict[str, Any]:
    return {
        "id": str(uuid4()),
        "market_id": "M",
        "market_title": "Will it rain?",
        "url": "https://polymarket.com/event/rain",
        "ai_recommendation": recommendation,
        "suggested_position": position,
        "confidence_score": 65.0,
        "confidence_basis": "calibrated on 40 events",
        "net_edge_cents": 3.0,
        "one_liner": "Buy YES.",
        "reasoning": "The other venue is late.",
        "edge_explanation": "It misses the late venue.",
    } | given


def test_five_picks_are_the_best_by_recommendation_edge_and_confidence() -> None:
    strong = insight("STRONG_BET", net_edge_cents=1.0)
    wide, sure = insight(net_edge_cents=9.0), insight(net_edge_cents=2.0, confidence_score=90.0)
    unsure = insight(net_edge_cents=2.0, confidence_score=None)
    careful = insight("CAUTION", net_edge_cents=50.0)
    last = insight("CAUTION", "WAIT", net_edge_cents=None)
    made = digest.make_digest([last, careful, unsure, sure, wide, strong], [])
    assert made["insight_ids"] == [i["id"] for i in (strong, wide, sure, unsure, careful)]
    assert [pick["recommendation"] for pick in made["top_picks"]] == ["STRONG_BET"] + ["GOOD_BET"] * 3 + ["CAUTION"]
    assert made["top_picks"][0] == {
        "market_id": "M",
        "market_title": "Will it rain?",
        "url": "https://polymarket.com/event/rain",
        "recommendation": "STRONG_BET",
        "one_liner": "Buy YES.",
        "confidence": 65.0,
        "confidence_basis": "calibrated on 40 events",
    }
    assert [line["trigger"] for line in made["watchlist"]] == ["The other venue is late."]


def test_what_to_avoid_is_no_pick_but_fills_what_a_basic_user_reads() -> None:
    good, avoid = insight(), [insight("AVOID", "WAIT") for _ in range(7)]
    made = digest.make_digest([*avoid, good], [])
    assert [pick["recommendation"] for pick in made["top_picks"]] == ["GOOD_BET"]
    assert len(made["avoid_list"]) == 5
    assert {line["reason"] for line in made["avoid_list"]} == {"It misses the late venue."}
    assert made["insight_ids"][0] == good["id"]
    assert len(made["insight_ids"]) == 5


def test_the_sentiment_counts_what_is_alive() -> None:
    made = digest.make_digest([insight(), insight("CAUTION", "WAIT"), insight("AVOID", "WAIT")], [])
    assert made["market_sentiment"] == "3 insights alive, 1 with a position, 2 to wait"


def test_arbitrage_is_told_with_its_edge() -> None:
    leg = {"platform": "kalshi", "market_id": "M", "title": "Rain?", "side": "YES", "url": None}
    legs = [leg | {"limit_price": "0.4"}]
    made = digest.make_digest([], [{"description": "Both legs", "edge_percentage": 3.1, "legs": legs}] * 7)
    told = {"description": "Both legs", "potential_edge": "3.1%", "legs": [leg]}
    assert made["arbitrage_opportunities"] == [told] * 5


async def test_an_empty_day_has_an_honest_digest(make_run: MakeRun) -> None:
    run = await make_run("digest", NOW)
    assert await digest.run(run) == {
        "day": "2026-11-22",
        "picks": 0,
        "insights": 0,
        "by": "rules (no AI)",
        "without_ai": "there was nothing to write about",
    }
    (stored,) = await rows(run, "SELECT * FROM digests")
    assert (stored["top_picks"], stored["avoid_list"], stored["watchlist"], stored["insight_ids"]) == ([], [], [], [])
    assert stored["market_sentiment"] == "0 insights alive, 0 with a position, 0 to wait"


async def test_it_is_made_once_a_day(make_run: MakeRun) -> None:
    hours = (timedelta(hours=hours) for hours in (0, 1, 10, 11))
    made = [await digest.run(await make_run("digest", NOW + later)) for later in hours]
    assert [one.get("note") for one in made] == [None, "made already", "made already", None]
    assert [one["day"] for one in made] == ["2026-11-22"] * 3 + ["2026-11-23"]


async def test_runs_at_once_make_one_digest_and_only_one_says_so(make_run: MakeRun) -> None:
    many = [await make_run("digest", NOW) for _ in range(4)]
    made = await asyncio.gather(*(digest.run(run) for run in many))
    assert sorted("note" in one for one in made) == [False, True, True, True]
    assert len(await rows(many[0], "SELECT FROM digests")) == 1


@pytest.mark.usefixtures("collected")
async def test_it_carries_what_is_alive_and_drops_the_caches(
    make_run: MakeRun, outside: Outside, valkey_url: str
) -> None:
    analyze = await make_run("analyze", NOW, **outside.settings())
    published = (await pipeline.run(analyze))["insights"]["published"]
    run = await make_run("digest", NOW + timedelta(minutes=5), redis_url=valkey_url)
    await run.cache.put_many({(group, "x"): b"old" for group in digest.CACHE_GROUPS}, 600)
    assert (await digest.run(run))["insights"] == 5
    (stored,) = await rows(run, "SELECT * FROM digests")
    assert len(set(stored["insight_ids"])) == 5
    alive = {row["id"] for row in await rows(run, "SELECT id FROM ai_insights WHERE status = 'active'")}
    assert set(stored["insight_ids"]) <= alive
    assert stored["market_sentiment"].startswith(f"{published} insights alive")
    assert (stored["model"], stored["without_ai"]) == ("rules (no AI)", "the analyst was away")  # it has no key
    for market in (*stored["top_picks"], *stored["avoid_list"], *stored["watchlist"]):
        assert is_market_url(market["url"]), market
    legs = [leg for told in stored["arbitrage_opportunities"] for leg in told["legs"]]
    assert {leg["platform"] for leg in legs} == {"kalshi", "polymarket"}
    assert all(is_market_url(leg["url"]) and f"https://{leg['platform']}.com/" in leg["url"] for leg in legs)
    assert await run.cache.get_many([(group, "x") for group in digest.CACHE_GROUPS]) == [None] * 3


@pytest.mark.usefixtures("collected")
async def test_it_tells_first_what_came_of_yesterdays_picks(make_run: MakeRun, outside: Outside) -> None:
    analyze = await make_run("analyze", NOW, **outside.settings())
    await pipeline.run(analyze)
    await digest.run(await make_run("digest", NOW + timedelta(minutes=5)))
    (made,) = await rows(analyze, "SELECT * FROM digests")
    assert made["yesterday"] == []
    won, lost, waited, *others = made["top_picks"]
    for pick, side, payout in ((won, "YES", 1), (lost, "YES", 0), (waited, "WAIT", 1)):
        await rows(
            analyze,
            "WITH i AS (UPDATE ai_insights SET suggested_position = $2, yes_price_at_emission = 0.4, "
            "inputs = jsonb_set(jsonb_set(inputs, '{candidate,fee_rate}', '\"0.07\"'), '{candidate,fee_exponent}', "
            "'\"1\"') WHERE market_id = $1 RETURNING platform, market_id) "
            "UPDATE markets m SET status = 'final', result = 'yes', payout = $3, settled_at = $4 "
            "FROM i WHERE (i.platform, i.market_id) = (m.platform, m.market_id)",
            pick["market_id"],
            side,
            payout,
            NOW + timedelta(hours=3),
        )
    await digest.run(await make_run("digest", NOW + timedelta(days=1)))
    (told,) = await rows(analyze, "SELECT yesterday FROM digests WHERE day = $1", NOW.date() + timedelta(days=1))
    assert [one["market_id"] for one in told["yesterday"]] == [pick["market_id"] for pick in made["top_picks"]]
    came = {one["market_id"]: (one["position"], one["by"], one["payout"]) for one in told["yesterday"]}
    assert came[won["market_id"]] == ("YES", "outcome", 1.0)
    assert came[lost["market_id"]] == ("YES", "outcome", 0.0)
    assert came[waited["market_id"]] == ("WAIT", "outcome", 1.0)
    assert all(came[pick["market_id"]][1] != "outcome" for pick in others)
    net = {one["market_id"]: one["net_cents"] for one in told["yesterday"]}
    assert net[won["market_id"]] == pytest.approx(58.32)  # 100 - 40 - 7 * 0.4 * 0.6
    assert net[lost["market_id"]] == pytest.approx(-41.68)
    assert net[waited["market_id"]] is None


@pytest.mark.usefixtures("collected")
async def test_of_picks_that_ended_before_their_time_it_tells_what_is_known(
    make_run: MakeRun, outside: Outside
) -> None:
    analyze = await make_run("analyze", NOW, **outside.settings())
    await pipeline.run(analyze)
    await digest.run(await make_run("digest", NOW + timedelta(minutes=5)))
    (made,) = await rows(analyze, "SELECT * FROM digests")
    ended_at, now = NOW + timedelta(hours=2), NOW + timedelta(days=1)
    picks = [pick["market_id"] for pick in made["top_picks"]]
    for market_id, status in zip(picks, ("superseded", "superseded", "closed", "active"), strict=False):
        await rows(
            analyze,
            "UPDATE ai_insights SET suggested_position = 'YES', yes_price_at_emission = 0.4, status = $2, "
            "ended_at = $3, expires_at = $4, inputs = jsonb_set(jsonb_set(inputs, '{candidate,fee_rate}', '\"0.07\"'), "
            "'{candidate,fee_exponent}', '\"1\"') WHERE market_id = $1",
            market_id,
            status,
            None if status == "active" else ended_at,
            now + timedelta(days=1),
        )
    await rows(analyze, "UPDATE markets SET close_time = NULL")
    await rows(analyze, "DELETE FROM market_snapshots WHERE market_id = ANY($1)", picks)
    await rows(
        analyze,
        "INSERT INTO market_snapshots (time, market_id, platform, yes_price, no_price) "
        "SELECT $2, market_id, platform, 0.56, 0.45 FROM ai_insights WHERE market_id = $1",
        picks[0],
        ended_at,
    )
    await digest.run(await make_run("digest", now))
    (told,) = await rows(analyze, "SELECT yesterday FROM digests WHERE day = $1", now.date())
    came = [(one["by"], one["ended"], one["ended_at"]) for one in told["yesterday"]]
    at = ended_at.strftime("%Y-%m-%dT%H:%M:%SZ")
    assert came[:4] == [("sale", "withdrawn", at), (None, "withdrawn", at), (None, "closed", at), (None, None, None)]
    assert told["yesterday"][0]["net_cents"] == pytest.approx(
        100 * (0.55 - 0.4) - 7 * 0.4 * 0.6 - 7 * 0.55 * 0.45, abs=0.01
    )


@pytest.mark.usefixtures("collected")
async def test_what_expired_is_not_told(make_run: MakeRun, outside: Outside) -> None:
    await pipeline.run(await make_run("analyze", NOW, **outside.settings()))
    run = await make_run("digest", NOW + timedelta(days=30))
    assert (await digest.run(run))["insights"] == 0
