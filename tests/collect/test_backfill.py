"""The backfill and upkeep jobs."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import timedelta
from decimal import Decimal
from typing import Any

import httpx
import pytest

from collect import backfill, sweep, upkeep
from core.errors import JobFailed
from core.runtime import Run
from core.settings import CollectSettings
from tests.conftest import NOW
from tests.core.wire import Replay

MakeRun = Callable[..., Awaitable[Run[CollectSettings]]]


@pytest.fixture
async def collected(make_run: MakeRun, replay: Replay) -> None:
    await sweep.run(await make_run("collect", replay.now, **replay.settings))


@pytest.mark.usefixtures("collected")
async def test_history_is_as_long_as_asked_and_a_second_run_adds_nothing(
    make_run: MakeRun, replay: Replay, pool: Any
) -> None:
    settings = replay.settings | {"backfill_days": 20}
    summary = await backfill.run(await make_run("backfill", NOW, **settings))
    assert summary["kalshi"]["candles"] > 0
    assert summary["polymarket"]["candles"] > 0
    oldest = await pool.fetchval("SELECT min(time) FROM market_snapshots")
    assert NOW - timedelta(days=20) - timedelta(hours=1) <= oldest < NOW - timedelta(days=16)
    stored = await pool.fetchval("SELECT count(*) FROM market_snapshots")
    again = await backfill.run(await make_run("backfill", NOW, **settings))
    assert (again["kalshi"]["candles"], again["polymarket"]["candles"]) == (0, 0)
    assert await pool.fetchval("SELECT count(*) FROM market_snapshots") == stored


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
    ours = {
        row["bucket"]: row["volume"]
        for row in await pool.fetch(
            "SELECT bucket, volume FROM candles_hourly WHERE market_id = $1 AND volume IS NOT NULL", market_id
        )
    }
    window = {"start_ts": int((NOW - timedelta(days=7)).timestamp()), "end_ts": int(NOW.timestamp())}
    url = f"{replay.address}/kalshi/trade-api/v2/markets/candlesticks"
    async with httpx.AsyncClient() as http:
        answer = await http.get(url, params={"market_tickers": market_id, "period_interval": 60, **window})
    (candles,) = [market["candlesticks"] for market in answer.json()["markets"]]
    theirs = {row["end_period_ts"] - 3_600: Decimal(row["volume_fp"]) for row in candles}
    compared = {time: volume for time, volume in ours.items() if time.timestamp() in theirs}
    assert len(compared) > 50
    assert compared == {time: theirs[int(time.timestamp())] for time in compared}


@pytest.mark.usefixtures("collected")
async def test_a_run_that_was_cut_off_goes_on_where_it_was(make_run: MakeRun, replay: Replay, pool: Any) -> None:
    await backfill.run(await make_run("backfill", NOW, **replay.settings))
    whole = await pool.fetchval("SELECT count(*) FROM market_snapshots")
    cut = "SELECT market_id FROM market_snapshots WHERE backfilled GROUP BY 1 ORDER BY 1 DESC LIMIT 10"
    await pool.execute(f"DELETE FROM market_snapshots WHERE backfilled AND market_id IN ({cut})")
    left = await pool.fetchval("SELECT count(*) FROM market_snapshots")
    assert left < whole
    summary = await backfill.run(await make_run("backfill", NOW, **replay.settings))
    assert summary["kalshi"]["candles"] + summary["polymarket"]["candles"] == whole - left


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
async def test_upkeep_drops_what_is_older_than_is_kept(make_run: MakeRun, replay: Replay, pool: Any) -> None:
    await backfill.run(await make_run("backfill", NOW, **replay.settings))
    old = await pool.fetchval("SELECT count(*) FROM market_snapshots WHERE time < $1", NOW - timedelta(days=2))
    run = await make_run("upkeep", NOW, retention_days=2)
    assert (await upkeep.run(run))["snapshots_deleted"] == old > 0
    assert (await upkeep.run(run))["snapshots_deleted"] == 0
    assert await pool.fetchval("SELECT min(time) FROM market_snapshots") >= NOW - timedelta(days=2)
