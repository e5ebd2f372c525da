"""The settle job: outcomes by id, of what ended or vanished."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import httpx
import pytest
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from collect import settle, sweep
from collect.jobs import WORK
from core import db
from core.errors import JobFailed
from core.models import PLATFORMS
from core.queries import collecting
from core.runtime import run_job
from core.settings import CollectSettings
from tests.collect.conftest import MakeRun
from tests.conftest import NOW
from tests.core.making import make_market
from tests.core.wire import Replay, Told, telling


@pytest.fixture
async def collected(make_run: MakeRun, replay: Replay) -> None:
    await sweep.run(await make_run("collect", replay.now, **replay.settings))


@pytest.mark.usefixtures("collected")
async def test_nothing_is_due_right_after_a_sweep_but_what_has_ended(
    make_run: MakeRun, replay: Replay, pool: Any
) -> None:
    summary = await settle.run(await make_run("settle", NOW, **replay.settings))
    for platform in PLATFORMS:
        assert summary[platform]["due"] == summary[platform]["found"]
    assert await pool.fetchval("SELECT count(*) FROM markets WHERE payout IS NOT NULL AND status <> 'final'") == 0


@pytest.mark.usefixtures("collected")
async def test_markets_that_ended_are_settled_by_id_though_no_listing_shows_them(
    make_run: MakeRun, replay: Replay, pool: Any
) -> None:
    replay.now = NOW + timedelta(days=3)
    summary = await settle.run(await make_run("settle", replay.now, **replay.settings))
    for platform in PLATFORMS:
        assert summary[platform]["final"] > 0
        finals = await pool.fetch(
            "SELECT result, payout, settled_at FROM markets WHERE platform = $1 AND status = 'final'", platform
        )
        assert len(finals) >= summary[platform]["final"]
        assert {row["result"] for row in finals} <= {"yes", "no"}
        assert all(row["payout"] == (row["result"] == "yes") for row in finals)
    again = await settle.run(await make_run("settle", replay.now, **replay.settings))
    assert all(again[platform]["changed"] == 0 for platform in PLATFORMS)


@pytest.mark.usefixtures("collected")
async def test_a_market_that_vanished_from_the_listing_is_settled_by_its_id(
    make_run: MakeRun, replay: Replay, pool: Any
) -> None:
    replay.now = NOW + timedelta(days=3)
    await sweep.run(await make_run("collect", replay.now, **replay.settings, control_sweep_every_s=0))
    gone = {r["market_id"] for r in await pool.fetch("SELECT market_id FROM markets WHERE NOT listed")}
    assert gone
    await settle.run(await make_run("settle", replay.now, **replay.settings))
    final = {r["market_id"] for r in await pool.fetch("SELECT market_id FROM markets WHERE status = 'final'")}
    assert gone & final


async def test_a_market_that_the_venue_forgot_is_counted_and_asked_for_again_after_a_pause(
    make_run: MakeRun, replay: Replay, pool: Any
) -> None:
    await sweep.run(await make_run("collect", replay.now, **replay.settings))
    await pool.execute("UPDATE markets SET market_id = market_id || '-GONE', listed = false WHERE status = 'open'")
    gone = {
        row["platform"]: row["count"]
        for row in await pool.fetch("SELECT platform, count(*) FROM markets WHERE NOT listed GROUP BY 1")
    }
    for minutes, asked_again in ((0, True), (5, False), (15, True), (25, False)):
        now = NOW + timedelta(minutes=minutes)
        summary = await settle.run(await make_run("settle", now, **replay.settings))
        for platform in PLATFORMS:
            unknown = summary[platform]["asked"] - summary[platform]["found"]
            assert unknown == (gone[platform] if asked_again else 0)
            assert summary[platform]["unknown"] == gone[platform]


@pytest.mark.usefixtures("collected")
async def test_what_settled_before_the_live_listing_begins_is_found_in_the_archive(
    make_run: MakeRun, replay: Replay, pool: Any
) -> None:
    replay.now = NOW + timedelta(days=3)
    replay.fail("kalshi", live_days=0.25)
    summary = (await settle.run(await make_run("settle", replay.now, **replay.settings)))["kalshi"]
    archived = await pool.fetchval(
        "SELECT count(*) FROM markets WHERE platform = 'kalshi' AND payout IS NOT NULL AND settled_at < $1",
        replay.now - timedelta(days=0.25),
    )
    assert archived > 10
    rows = await pool.fetch("SELECT market_id FROM settle_askings WHERE platform = 'kalshi' AND told = 'unknown'")
    unknown = [row["market_id"] for row in rows]
    assert len(unknown) == summary["unknown"]
    async with httpx.AsyncClient(base_url=f"{replay.address}/kalshi/trade-api/v2") as http:
        for path in ("markets", "historical/markets"):
            answers = [await http.get(f"/{path}/{market_id}") for market_id in unknown]
            assert {answer.status_code for answer in answers} == {404}, "the replay forgets hourly markets after a day"


@pytest.mark.usefixtures("collected")
async def test_one_venue_down_settles_the_other_and_both_down_fail(
    make_run: MakeRun, replay: Replay, pool: Any
) -> None:
    replay.now = NOW + timedelta(days=3)
    replay.fail("kalshi", down=True)
    settings = replay.settings | {"http_attempts": 1}
    summary = await settle.run(await make_run("settle", replay.now, **settings))
    assert "503" in summary["kalshi"]["error"]
    assert summary["polymarket"]["final"] > 0
    replay.fail("polymarket", down=True)
    await pool.execute("UPDATE markets SET status = 'closed', result = NULL, payout = NULL")
    with pytest.raises(JobFailed, match="no venue could be read"):
        await settle.run(await make_run("settle", replay.now, **settings))


def figures(summary: dict[str, Any]) -> dict[str, int]:
    """Kalshi's, those that are not 0."""
    return {name: count for name, count in summary["kalshi"].items() if count}


class Choosy:
    """A Kalshi that refuses every request with BAD in it, and a Polymarket that knows nothing."""

    def __init__(self) -> None:
        self.asked: list[int] = []
        self.down_after = 10**6

    def __call__(self, request: Request) -> Response:
        tickers = [name for name in request.query_params.get("tickers", "").split(",") if name]
        self.asked.append(len(tickers))
        if "BAD" in tickers:
            return JSONResponse({"error": "no"}, 400)
        if len(self.asked) > self.down_after:
            return JSONResponse({}, 503)
        rows = [{"ticker": t, "status": "finalized", "result": "yes", "settlement_value_dollars": "1"} for t in tickers]
        return JSONResponse({"markets": rows, "cursor": ""})


async def end(pool: Any, *market_ids: str) -> None:
    async with db.acquire(pool, 5) as connection, connection.transaction():
        markets = [make_market(market_id, close_time=NOW - timedelta(hours=1)) for market_id in market_ids]
        await collecting.stage(connection, markets)
        await collecting.upsert_terms(connection, markets, NOW - timedelta(hours=2))


async def test_an_id_that_the_venue_chokes_on_costs_no_other_market_its_outcome(make_run: MakeRun, pool: Any) -> None:
    await end(pool, *(f"M{number}" for number in range(30)), "BAD")
    with telling(Choosy()) as told:
        summary = await settle.run(await make_run("settle", NOW, **told.settings))
        assert figures(summary) == {"due": 31, "asked": 31, "found": 30, "final": 30, "changed": 30, "refused": 1}
        later = NOW + timedelta(hours=1)
        again = await settle.run(await make_run("settle", later, **told.settings))
        assert figures(again) == {"due": 1, "asked": 1, "refused": 1}


async def test_what_was_settled_before_the_venue_went_away_stays_settled(make_run: MakeRun, pool: Any) -> None:
    await end(pool, *(f"M{number:03}" for number in range(250)))
    venue = Choosy()
    venue.down_after = 2
    with telling(venue) as told:
        summary = await settle.run(await make_run("settle", NOW, **(told.settings | {"http_attempts": 1})))
        assert "503" in summary["kalshi"]["error"]
        assert await pool.fetchval("SELECT count(*) FROM markets WHERE status = 'final'") == 200
        venue.down_after = 10**6
        summary = await settle.run(await make_run("settle", NOW, **told.settings))
    assert summary["kalshi"]["due"] == 50


class Kalshi:
    """A Kalshi with these rows (a ticker and what differs), which counts its requests by path."""

    def __init__(self, **rows: dict[str, str]) -> None:
        self.rows = rows
        self.archive: dict[str, dict[str, str]] = {}
        self.asked = Counter[str]()
        self.refuses: set[str] = set()

    def __call__(self, request: Request) -> Response:
        path = request.url.path.removeprefix("/kalshi")
        kind = "settled" if request.query_params.get("status") == "settled" else path
        self.asked[kind] += 1
        if kind in self.refuses:
            return JSONResponse({"error": {"code": "bad_request"}}, 400)
        if not path.endswith("/markets"):
            return JSONResponse({"markets": []})
        rows = [{"ticker": ticker, **row} for ticker, row in (self.archive if "hist" in path else self.rows).items()]
        if kind == "settled":
            return self.settled(request, [row for row in rows if row["status"] == "finalized"])
        tickers = set(request.query_params.get("tickers", "").split(","))
        return JSONResponse({"markets": [row for row in rows if row["ticker"] in tickers], "cursor": ""})

    @staticmethod
    def settled(request: Request, rows: list[dict[str, str]]) -> Response:
        since = int(request.query_params["min_settled_ts"])
        rows = [row for row in rows if datetime.fromisoformat(row["settlement_ts"]).timestamp() >= since]
        start = int(request.query_params.get("cursor") or 0)
        more = start + 1_000 < len(rows)
        return JSONResponse({"markets": rows[start : start + 1_000], "cursor": str(start + 1_000) if more else ""})


def finalized(result: str = "yes", value: str = "1.0000", at: datetime = NOW) -> dict[str, str]:
    return {
        "status": "finalized",
        "result": result,
        "settlement_value_dollars": value,
        "settlement_ts": at.isoformat(),
    }


async def recorded_run(database_url: str, now: datetime, told: Told) -> dict[str, Any]:
    """As a host runs the job: what it logged is known to the next."""
    settings = CollectSettings(database_url=database_url, clock_start=now, clock_speed=0, **told.settings)
    return await run_job("settle", WORK, settings)


async def outcome(pool: Any, market_id: str = "M") -> tuple[Any, ...]:
    return tuple(await pool.fetchrow("SELECT status, result, payout FROM markets WHERE market_id = $1", market_id))


async def test_an_outcome_amended_after_it_was_final_is_stored_logged_and_the_earlier_one_kept(
    database_url: str, pool: Any, caplog: pytest.LogCaptureFixture
) -> None:
    await end(pool, "M", "N")
    venue = Kalshi(M=finalized(), N=finalized())
    with telling(venue) as told:

        async def settled(hours: float) -> dict[str, int]:
            return figures(await recorded_run(database_url, NOW + timedelta(hours=hours), told))

        assert (await settled(0))["final"] == 2
        venue.rows["M"] = finalized("scalar", "0.4500")
        assert await settled(5) == {}
        assert await settled(6) == {"reread": 2, "changed": 1, "amended": 1}
        assert await outcome(pool) == ("final", "scalar", Decimal("0.45"))
        (kept,) = await pool.fetch("SELECT market_id, changed_at, result, payout, settled_at FROM outcome_changes")
        assert tuple(kept) == ("M", NOW + timedelta(hours=6), "yes", 1, NOW)
        assert [record.getMessage() for record in caplog.records].count("outcome changed") == 1
        reread = [(await settled(hours)).get("reread", 0) for hours in (7, 12, 23, 24, 30, 72, 78, 79, 1_000)]
        assert reread == [0, 1, 0, 1, 1, 1, 1, 0, 0], "three times, and what changed three times more"
    assert await pool.fetchval("SELECT count(*) FROM outcome_changes") == 1


@pytest.mark.parametrize("status", ["disputed", "amended"])
async def test_an_outcome_that_is_open_again_is_asked_for_every_hour_until_it_is_final(
    database_url: str, pool: Any, status: str
) -> None:
    await end(pool, "M")
    venue = Kalshi(M=finalized())
    with telling(venue) as told:

        async def settled(hours: float) -> dict[str, int]:
            return figures(await recorded_run(database_url, NOW + timedelta(hours=hours), told))

        await settled(0)
        venue.rows["M"] = {"status": status, "result": "no"}
        assert await settled(6) == {"reread": 1, "reopened": 1}
        for hours in range(7, 20):
            assert await settled(hours) == {"due": 1, "asked": 1, "found": 1}
            assert await outcome(pool) == ("final", "yes", 1)
        venue.rows["M"] = finalized("no", "0.0000")
        assert await settled(20) == {"due": 1, "asked": 1, "found": 1, "final": 1, "changed": 1, "amended": 1}
        assert await settled(21) == {}
    assert await outcome(pool) == ("final", "no", 0)


async def test_a_market_that_is_determined_is_asked_for_every_hour(make_run: MakeRun, pool: Any) -> None:
    await end(pool, "M")
    venue = Kalshi(M={"status": "determined", "result": "yes"})
    with telling(venue) as told:
        for hours in range(30):
            run = await make_run("settle", NOW + timedelta(hours=hours), **told.settings)
            assert (await settle.run(run))["kalshi"]["asked"] == 1
            assert await outcome(pool) == ("determined", None, None)


async def test_thousands_that_settled_are_read_from_the_listing_and_only_the_rest_by_id(
    make_run: MakeRun, pool: Any
) -> None:
    ours = [f"M{number:04}" for number in range(1_500)]
    await end(pool, *ours)
    others = [f"X{number}" for number in range(900)]
    venue = Kalshi(**{name: finalized(at=NOW - timedelta(minutes=30)) for name in (*ours, *others)})
    venue.rows["M0007"] = {"status": "closed", "result": ""}
    venue.rows["M0008"] = finalized(at=NOW - timedelta(days=2))
    await pool.execute("INSERT INTO settled_reads VALUES ('kalshi', $1)", NOW - timedelta(hours=1))
    with telling(venue) as told:
        summary = await settle.run(await make_run("settle", NOW, **told.settings))
    assert figures(summary) == {
        "due": 1_500, "listed": 2_398, "asked": 2, "found": 2, "final": 1_499, "changed": 1_500,
    }  # fmt: skip
    assert venue.asked == {"settled": 3, "/markets": 1}
    assert await pool.fetchval("SELECT count(*) FROM markets") == 1_500, "only ours are stored"
    assert await pool.fetchval("SELECT read_through FROM settled_reads WHERE platform = 'kalshi'") == NOW


async def test_where_the_listing_of_the_settled_is_refused_they_are_found_by_id(make_run: MakeRun, pool: Any) -> None:
    ours = [f"M{number:03}" for number in range(900)]
    await end(pool, *ours)
    venue = Kalshi(**{name: finalized() for name in ours})
    venue.refuses = {"settled"}
    await pool.execute("INSERT INTO settled_reads VALUES ('kalshi', $1)", NOW - timedelta(hours=1))
    with telling(venue) as told:
        summary = await settle.run(await make_run("settle", NOW, **told.settings))
    assert figures(summary) == {"due": 900, "asked": 900, "found": 900, "final": 900, "changed": 900}
    assert venue.asked == {"settled": 1, "/markets": 9}


async def test_a_few_that_are_due_are_not_worth_reading_all_that_settled(make_run: MakeRun, pool: Any) -> None:
    await end(pool, *(f"M{number}" for number in range(50)))
    venue = Kalshi(**{f"M{number}": finalized() for number in range(50)})
    with telling(venue) as told:
        await settle.run(await make_run("settle", NOW, **told.settings))
    assert venue.asked == {"/markets": 1}


async def test_an_archive_that_cannot_be_read_costs_no_other_market_its_outcome(make_run: MakeRun, pool: Any) -> None:
    await end(pool, *(f"M{number}" for number in range(150)))
    venue = Kalshi(**{f"M{number}": finalized() for number in range(80)})
    venue.archive = {f"M{number}": finalized("no", "0.0000") for number in range(80, 150)}
    venue.refuses = {"/historical/markets"}
    with telling(venue) as told:
        summary = figures(await settle.run(await make_run("settle", NOW, **told.settings)))
        assert (summary["final"], summary["refused"]) == (80, 2)
        venue.refuses = set()
        later = await make_run("settle", NOW + timedelta(hours=1), **told.settings)
        assert figures(await settle.run(later))["final"] == 70
    assert await outcome(pool, "M80") == ("final", "no", 0)


async def test_a_run_stops_in_time_and_the_next_goes_on_with_the_others(make_run: MakeRun, pool: Any) -> None:
    await end(pool, *(f"M{number:03}" for number in range(250)))
    venue = Kalshi(**{f"M{number:03}": finalized() for number in range(250)})
    with telling(venue) as told:
        run = await make_run("settle", NOW, **told.settings)
        hurried = replace(run, job=replace(run.job, deadline_s=-1))
        assert figures(await settle.run(hurried)) == {"due": 250, "left": 250}
        assert await pool.fetchval("SELECT count(*) FROM settled_reads WHERE platform = 'kalshi'") == 0
        assert figures(await settle.run(run))["final"] == 250
