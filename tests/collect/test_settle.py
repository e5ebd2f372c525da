"""The settle job: outcomes by id, of what ended or vanished."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any

import pytest

from collect import settle, sweep
from core.errors import JobFailed
from core.models import PLATFORMS
from core.runtime import Run
from core.settings import CollectSettings
from tests.conftest import NOW
from tests.core.wire import Replay

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
