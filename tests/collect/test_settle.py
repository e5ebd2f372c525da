"""The settle job: outcomes by id, of what ended or vanished."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any

import pytest
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from collect import settle, sweep
from core import db
from core.errors import JobFailed
from core.models import PLATFORMS
from core.queries import collecting
from core.runtime import Run
from core.settings import CollectSettings
from tests.conftest import NOW
from tests.core.making import make_market
from tests.core.wire import Replay, telling

MakeRun = Callable[..., Awaitable[Run[CollectSettings]]]


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


async def test_a_market_that_the_venue_forgot_is_asked_for_again_last(
    make_run: MakeRun, replay: Replay, pool: Any
) -> None:
    await sweep.run(await make_run("collect", replay.now, **replay.settings))
    await pool.execute("UPDATE markets SET market_id = market_id || '-GONE', listed = false WHERE status = 'open'")
    run = await make_run("settle", replay.now, **replay.settings)
    summary = await settle.run(run)
    assert all(summary[platform]["found"] < summary[platform]["due"] for platform in PLATFORMS)
    assert await pool.fetchval("SELECT count(*) FROM markets WHERE NOT listed AND status_seen_at <> $1", run.now) == 0


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
        assert summary["kalshi"] == {"due": 31, "found": 30, "final": 30, "changed": 30, "refused": 1}
        again = await settle.run(await make_run("settle", NOW, **told.settings))
        assert again["kalshi"] == {"due": 1, "found": 0, "final": 0, "changed": 0, "refused": 1}


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
