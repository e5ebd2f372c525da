"""The backfill job: candles of open markets, settled markets with theirs, resumable and honest about what lacks."""

from __future__ import annotations

from collections import Counter
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import httpx
import pytest
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from collect import backfill, sweep, upkeep
from core.errors import JobFailed
from core.models import PLATFORMS, Market
from core.queries.snapshot_storage import AGGREGATED_DAYS
from tests import storages
from tests.collect.conftest import MakeRun
from tests.conftest import NOW
from tests.core.making import make_market
from tests.core.storing import store
from tests.core.wire import Replay, telling

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
OPEN_ONLY = {"backfill_settled_days": 0}
SETTLED = {"backfill_settled_days": 3, "backfill_settled_per_day": 6, "backfill_settled_min_volume": 100}


@pytest.fixture
async def collected(make_run: MakeRun, replay: Replay) -> None:
    await sweep.run(await make_run("collect", replay.now, **replay.settings))


# Open markets


@pytest.mark.usefixtures("collected")
async def test_history_is_as_long_as_asked_and_a_second_run_asks_for_nothing(
    make_run: MakeRun, replay: Replay, pool: Any
) -> None:
    settings = replay.settings | OPEN_ONLY | {"backfill_days": 20}
    summary = await backfill.run(await make_run("backfill", NOW, **settings))
    markets = await pool.fetch("SELECT platform, count(*) FROM markets WHERE status = 'open' GROUP BY 1")
    assert {row["platform"]: row["count"] for row in markets} == {p: summary[p]["markets"] for p in PLATFORMS}
    assert all(summary[platform]["candles"] > 0 for platform in PLATFORMS)
    oldest = await pool.fetchval("SELECT min(time) FROM market_snapshots")
    assert NOW - 20 * DAY - HOUR <= oldest < NOW - 16 * DAY
    stored = await pool.fetchval("SELECT count(*) FROM market_snapshots")
    again = await backfill.run(await make_run("backfill", NOW + DAY, **settings))
    assert [(again[p]["markets"], again[p]["candles"]) for p in PLATFORMS] == [(0, 0), (0, 0)]
    assert await pool.fetchval("SELECT count(*) FROM market_snapshots") == stored


@pytest.mark.usefixtures("collected")
async def test_a_longer_history_is_asked_for_where_there_can_be_more(
    make_run: MakeRun, replay: Replay, pool: Any
) -> None:
    first = await backfill.run(await make_run("backfill", NOW, **replay.settings, **OPEN_ONLY, backfill_days=2))
    rows = await pool.fetch("SELECT platform, market_id, time, volume FROM market_snapshots")
    longer = await backfill.run(await make_run("backfill", NOW, **replay.settings, **OPEN_ONLY, backfill_days=4))
    for platform in PLATFORMS:
        assert 0 < longer[platform]["markets"] < first[platform]["markets"], "some opened within the two days"
        assert longer[platform]["candles"] > 0
    now = {tuple(row) for row in await pool.fetch("SELECT platform, market_id, time, volume FROM market_snapshots")}
    assert {tuple(row) for row in rows} < now, "what was there stays as it was"


@pytest.mark.usefixtures("collected")
async def test_kalshi_volumes_grow_and_are_the_venues_own_candles(make_run: MakeRun, replay: Replay, pool: Any) -> None:
    await backfill.run(await make_run("backfill", NOW, **replay.settings))
    fell = await pool.fetchval(
        "SELECT count(*) FROM (SELECT volume - lag(volume) OVER (PARTITION BY market_id ORDER BY time) AS gained "
        "FROM market_snapshots WHERE platform = 'kalshi') AS steps WHERE gained < 0"
    )
    assert fell == 0
    market_id = await pool.fetchval(
        "SELECT market_id FROM market_snapshots WHERE platform = 'kalshi' AND volume > 0 "
        "GROUP BY market_id HAVING count(*) > 50 ORDER BY max(volume) DESC LIMIT 1"
    )
    compared = await hours_of_both(pool, replay, market_id)
    assert len(compared) > 50
    assert all(ours == theirs for ours, theirs in compared.values())


async def hours_of_both(pool: Any, replay: Replay, market_id: str) -> dict[datetime, tuple[Decimal, Decimal]]:
    """What traded in each hour, by our candles and by the venue's."""
    rows = await pool.fetch(
        "SELECT bucket, volume FROM candles_hourly WHERE market_id = $1 AND volume IS NOT NULL", market_id
    )
    window = {"start_ts": int((NOW - 20 * DAY).timestamp()), "end_ts": int((NOW + HOUR).timestamp())}
    url = f"{replay.address}/kalshi/trade-api/v2/markets/candlesticks"
    async with httpx.AsyncClient() as http:
        answer = await http.get(url, params={"market_tickers": market_id, "period_interval": 60, **window})
    (candles,) = [market["candlesticks"] for market in answer.json()["markets"]]
    theirs = {row["end_period_ts"] - 3_600: Decimal(row["volume_fp"]) for row in candles}
    return {
        row["bucket"]: (row["volume"], theirs[int(row["bucket"].timestamp())])
        for row in rows
        if int(row["bucket"].timestamp()) in theirs
    }


@pytest.mark.usefixtures("collected")
async def test_a_venue_that_goes_away_midway_keeps_what_is_stored_and_the_next_run_goes_on(
    make_run: MakeRun, replay: Replay, pool: Any
) -> None:
    settings = replay.settings | OPEN_ONLY | {"http_attempts": 1}
    replay.fail("polymarket", rate_500=0.01, seed=3)
    first = await backfill.run(await make_run("backfill", NOW, **settings))
    assert "500" in first["polymarket"]["error"]
    asked = await pool.fetchval("SELECT count(*) FROM backfills WHERE platform = 'polymarket'")
    stored = await pool.fetchval("SELECT count(*) FROM market_snapshots WHERE platform = 'polymarket' AND backfilled")
    wanted = await pool.fetchval("SELECT count(*) FROM markets WHERE platform = 'polymarket' AND status = 'open'")
    assert 0 < asked < wanted
    assert stored > 0
    assert await pool.fetchval("SELECT count(*) FROM backfills WHERE NOT in_history") == 0
    replay.fail("polymarket", rate_500=0)
    second = await backfill.run(await make_run("backfill", NOW, **settings))
    assert second["polymarket"]["markets"] == wanted - asked
    assert second["kalshi"]["markets"] == 0


@pytest.mark.usefixtures("collected")
async def test_one_venue_down_is_said_and_both_down_fail(make_run: MakeRun, replay: Replay) -> None:
    settings = replay.settings | {"http_attempts": 1}
    replay.fail("kalshi", down=True)
    summary = await backfill.run(await make_run("backfill", NOW, **settings))
    assert "503" in summary["kalshi"]["error"]
    assert summary["polymarket"]["candles"] > 0


@pytest.mark.usefixtures("collected")
async def test_with_both_venues_down_the_backfill_has_failed(make_run: MakeRun, replay: Replay) -> None:
    replay.fail(down=True)
    with pytest.raises(JobFailed, match="no venue could be read"):
        await backfill.run(await make_run("backfill", NOW, **(replay.settings | {"http_attempts": 1})))


@pytest.mark.usefixtures("collected")
async def test_progress_is_logged_from_the_first_market_to_the_last(
    make_run: MakeRun, replay: Replay, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", "collect.backfill")
    summary = await backfill.run(await make_run("backfill", NOW, **replay.settings, **OPEN_ONLY))
    said = [vars(record) for record in caplog.records if record.getMessage() == "backfill: markets"]
    for platform in PLATFORMS:
        mine = [(line["done"], line["total"], line["candles"]) for line in said if line["platform"] == platform]
        markets, candles = summary[platform]["markets"], summary[platform]["candles"]
        assert (mine[0], mine[-1]) == ((0, markets, 0), (markets, markets, candles))


class Past:
    """Venues whose history is what `answer` says of a market; every request's market is counted."""

    def __init__(self, **answers: Any) -> None:
        self.answers = answers
        self.asked = Counter[str]()

    def __call__(self, request: Request) -> Response:
        query = request.query_params
        if "/prices-history" in request.url.path:
            self.asked[query["market"]] += 1
            return self.said({"history": self.answers[query["market"]]}, query["market"])
        if not request.url.path.endswith("/candlesticks"):
            return JSONResponse({"markets": []})
        tickers = query["market_tickers"].split(",")
        self.asked.update(tickers)
        refused = next((ticker for ticker in tickers if self.answers[ticker] is None), "")
        rows = [{"market_ticker": ticker, "candlesticks": self.answers[ticker]} for ticker in tickers]
        return self.said({"markets": rows}, refused or tickers[0])

    def said(self, body: dict[str, Any], name: str) -> Response:
        return JSONResponse({"error": "no"}, 400) if self.answers[name] is None else JSONResponse(body)


def candles(*hours_ago: int) -> list[dict[str, Any]]:
    end = int(NOW.replace(minute=0).timestamp())
    return [{"end_period_ts": end - 3_600 * ago, "price": {"close_dollars": "0.4000"}, "volume_fp": "1.00"}
            for ago in hours_ago]  # fmt: skip


async def test_refused_and_empty_are_told_apart_and_neither_is_asked_again_nor_costs_another_its_past(
    make_run: MakeRun, pool: Any
) -> None:
    names = [f"K{number}" for number in range(60)]
    await store(pool, *(make_market(name) for name in names))
    past = Past(**{name: candles(5, 4, 3) for name in names} | {"K7": None, "K9": [], "K11": None})
    with telling(past) as told:
        first = await backfill.run(await make_run("backfill", NOW, **told.settings, **OPEN_ONLY))
        past.asked.clear()
        again = await backfill.run(await make_run("backfill", NOW + DAY, **told.settings, **OPEN_ONLY))
        assert not past.asked
        farther = await backfill.run(await make_run("backfill", NOW, **told.settings, **OPEN_ONLY, backfill_days=9))
        assert set(past.asked) == set(names)
    kalshi = first["kalshi"]
    assert (kalshi["markets"], kalshi["candles"], kalshi["refused"], kalshi["empty"]) == (60, 57 * 3, 2, 1)
    assert (again["kalshi"]["markets"], farther["kalshi"]["candles"]) == (0, 0)
    rows = await pool.fetch("SELECT market_id, given, first_at, last_at FROM backfills ORDER BY given, market_id")
    by_given = {given: [r["market_id"] for r in rows if r["given"] == given] for given in ("nothing", "refusal")}
    assert by_given == {"nothing": ["K9"], "refusal": ["K11", "K7"]}
    hour = NOW.replace(minute=0)
    assert (rows[0]["first_at"], rows[0]["last_at"]) == (hour - 5 * HOUR, hour - 3 * HOUR)


async def test_a_polymarket_market_that_is_refused_costs_no_other_its_past(make_run: MakeRun, pool: Any) -> None:
    markets = [make_market(name, "polymarket") for name in ("A", "B", "C")]
    await store(pool, *markets)
    await pool.execute("UPDATE markets SET yes_token = market_id WHERE market_id <> 'C'")
    await pool.execute("UPDATE markets SET yes_token = NULL WHERE market_id = 'C'")
    at = int((NOW - 2 * HOUR).timestamp())
    past = Past(A=None, B=[{"t": at, "p": 0.4}, {"t": at, "p": 0.5}])
    with telling(past) as told:
        summary = (await backfill.run(await make_run("backfill", NOW, **told.settings, **OPEN_ONLY)))["polymarket"]
    assert (summary["candles"], summary["refused"], summary["empty"]) == (1, 1, 1)
    assert summary["lacks"] == ["books", "quotes", "volume"]
    assert past.asked == {"A": 1, "B": 1}
    assert await pool.fetchval("SELECT price FROM market_snapshots WHERE backfilled") == Decimal("0.4")


async def test_a_venue_that_refuses_everything_is_not_taken_at_its_word(make_run: MakeRun, pool: Any) -> None:
    await store(pool, *(make_market(f"K{number}") for number in range(60)))
    with telling(Past(**dict.fromkeys(f"K{number}" for number in range(60)))) as told:
        summary = await backfill.run(await make_run("backfill", NOW, **told.settings, **OPEN_ONLY))
    assert "status 400" in summary["kalshi"]["error"]
    assert await pool.fetchval("SELECT count(*) FROM backfills") == 0


# Settled markets


async def settled_rows(pool: Any, platform: str) -> list[Any]:
    rows: list[Any] = await pool.fetch(
        "SELECT m.market_id, m.status, m.listed, m.payout, m.settled_at, b.total, b.given, b.candles, b.lacks, "
        "b.first_at, b.last_at, b.asked_from, b.asked_to FROM markets m JOIN backfills b USING (platform, market_id) "
        "WHERE platform = $1 AND b.total IS NOT NULL ORDER BY m.market_id",
        platform,
    )
    return rows


async def test_the_largest_settled_markets_of_each_day_come_with_outcomes_and_candles(
    make_run: MakeRun, replay: Replay, pool: Any
) -> None:
    await sweep.run(await make_run("collect", replay.now, **replay.settings))
    known = {row["market_id"] for row in await pool.fetch("SELECT market_id FROM markets")}
    summary = await backfill.run(await make_run("backfill", NOW, **replay.settings, **SETTLED))
    for platform in PLATFORMS:
        rows = await settled_rows(pool, platform)
        new = [row for row in rows if row["market_id"] not in known]
        assert summary[platform]["settled"] == len(rows) > 5
        assert summary[platform]["listed"] >= len(rows)
        assert new
        assert all(row["status"] == "final" and row["payout"] in (0, 1) for row in rows)
        assert not any(row["listed"] for row in new)
        days = Counter(row["settled_at"].date() for row in rows)
        assert max(days.values()) == 6
        assert all(NOW - 4 * DAY < row["settled_at"] < NOW and row["total"] >= 100 for row in rows)
        given = [row for row in rows if row["given"] == "candles"]
        assert len(given) >= len(rows) / 2
        for row in given:
            assert row["asked_from"] == row["settled_at"] - 7 * DAY <= row["first_at"] <= row["last_at"]
            assert row["last_at"] < row["asked_to"] + HOUR == row["settled_at"] + HOUR
    assert {tuple(row["lacks"]) for row in await settled_rows(pool, "kalshi")} == {("books",)}
    coarse = {tuple(row["lacks"]) for row in await settled_rows(pool, "polymarket") if row["candles"]}
    assert coarse == {("books", "quotes", "volume", "hours")}
    again = await backfill.run(await make_run("backfill", NOW + DAY, **replay.settings, **SETTLED))
    assert all(again[platform]["days"] == again[platform]["markets"] == 0 for platform in PLATFORMS)


async def test_volumes_of_a_settled_market_count_back_from_its_total(
    make_run: MakeRun, replay: Replay, pool: Any
) -> None:
    await backfill.run(await make_run("backfill", NOW, **replay.settings, **SETTLED))
    rows = [row for row in await settled_rows(pool, "kalshi") if row["candles"] > 20]
    assert rows
    for row in rows:
        last = await pool.fetchval(
            "SELECT volume FROM market_snapshots WHERE market_id = $1 ORDER BY time DESC LIMIT 1", row["market_id"]
        )
        assert last == row["total"]
        compared = await hours_of_both(pool, replay, row["market_id"])
        assert len(compared) >= row["candles"] - 1
        assert all(ours == theirs for ours, theirs in compared.values())


async def test_before_the_first_collect_all_days_up_to_now_are_listed_and_later_only_what_is_missing(
    make_run: MakeRun, replay: Replay, pool: Any
) -> None:
    async def days(**settings: int) -> tuple[int, int]:
        run = await make_run("backfill", NOW, **replay.settings, **SETTLED | settings)
        summary = await backfill.run(run)
        return summary["kalshi"]["days"], summary["polymarket"]["days"]

    assert await days() == (4, 4)
    assert await days() == (0, 0)
    assert await days(backfill_settled_days=5) == (2, 2)
    assert await days(backfill_settled_per_day=3) == (0, 0)
    assert await days(backfill_settled_min_volume=50) == (4, 4)
    assert await days(backfill_settled_per_day=7, backfill_settled_min_volume=50) == (4, 4)
    assert await days(backfill_settled_days=0) == (0, 0)
    rows = await pool.fetch("SELECT platform, max(most) AS most, sum(kept) AS kept FROM backfilled_days GROUP BY 1")
    assert all(row["kept"] <= 4 * 7 + 2 * 6 for row in rows)


async def test_what_settled_before_kalshis_archive_begins_is_not_listed_and_that_is_said(
    make_run: MakeRun, replay: Replay, pool: Any
) -> None:
    replay.fail("kalshi", live_days=1.5)
    summary = await backfill.run(await make_run("backfill", NOW, **replay.settings, **SETTLED))
    assert summary["kalshi"]["settled_since"] == (NOW - 1.5 * DAY).isoformat()
    assert (summary["kalshi"]["days"], summary["polymarket"]["days"]) == (2, 4)
    assert "settled_since" not in summary["polymarket"]
    rows = await settled_rows(pool, "kalshi")
    assert rows
    assert all(row["settled_at"] >= NOW - 1.5 * DAY for row in rows)


async def test_candles_of_what_went_to_the_archive_meanwhile_are_read_there(
    make_run: MakeRun, replay: Replay, pool: Any
) -> None:
    replay.fail("polymarket", down=True)
    settings = replay.settings | SETTLED | {"http_attempts": 1}
    await backfill.run(await make_run("backfill", NOW, **settings))
    live = {row["market_id"]: (row["candles"], row["first_at"]) for row in await settled_rows(pool, "kalshi")}
    stored = await pool.fetch("SELECT * FROM market_snapshots ORDER BY market_id, time")
    assert stored
    await pool.execute("DELETE FROM market_snapshots")
    await pool.execute("UPDATE backfills SET done_at = NULL, asked_from = NULL")
    replay.fail("kalshi", live_days=0)
    await backfill.run(await make_run("backfill", NOW, **settings))
    rows = await settled_rows(pool, "kalshi")
    assert {row["market_id"]: (row["candles"], row["first_at"]) for row in rows} == live
    assert await pool.fetch("SELECT * FROM market_snapshots ORDER BY market_id, time") == stored


async def test_a_listing_of_the_settled_that_is_broken_costs_the_open_markets_nothing(
    make_run: MakeRun, pool: Any
) -> None:
    market: Market = make_market("K1")
    await store(pool, market)
    past = Past(K1=candles(3, 2))

    def answer(request: Request) -> Response:
        if request.query_params.get("status") == "settled":
            return JSONResponse({"error": "no such filter"}, 400)
        return past(request)

    with telling(answer) as told:
        summary = (await backfill.run(await make_run("backfill", NOW, **told.settings)))["kalshi"]
    assert summary["candles"] == 2
    assert "status 400" in summary["settled_error"]
    assert await pool.fetchval("SELECT count(*) FROM backfilled_days WHERE platform = 'kalshi'") == 0


# Upkeep


@pytest.mark.usefixtures("collected")
async def test_upkeep_drops_what_is_older_than_is_kept(
    make_run: MakeRun, replay: Replay, pool: Any, storage: storages.Storage
) -> None:
    await backfill.run(await make_run("backfill", NOW, **replay.settings))
    kept_since, midnight = NOW - timedelta(days=2), NOW.replace(hour=0, minute=0)
    if storage != "table":  # whole days; of aggregates four at least
        kept_since = midnight - timedelta(days=AGGREGATED_DAYS if storage == "aggregates" else 2)
    await storages.aggregate(pool, storage, midnight - timedelta(days=40), midnight)
    old = await pool.fetchval("SELECT count(*) FROM market_snapshots WHERE time < $1", kept_since)
    run = await make_run("upkeep", NOW, retention_days=2)
    assert (await upkeep.run(run))["snapshots_deleted"] == old > 0
    assert (await upkeep.run(run))["snapshots_deleted"] == 0
    assert await pool.fetchval("SELECT min(time) FROM market_snapshots") >= kept_since
