"""The compact history after collect runs: complete, merged with age, healed where a run was cut off."""

from __future__ import annotations

from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import numpy as np
import pytest

from analyze.detecting import HOURS, read_history
from collect import backfill, history, sweep
from core.detect.columns import Column, merge
from core.models import PLATFORMS
from core.queries.history import columns_between as read
from core.queries.open_markets import open_markets
from core.runtime import Run
from core.settings import CollectSettings
from tests.collect.conftest import QUARTER, MakeRun
from tests.conftest import NOW
from tests.core.wire import Replay

START = NOW.replace(minute=0)


async def collect(make_run: MakeRun, replay: Replay, at: datetime) -> Run[CollectSettings]:
    replay.now = at
    run = await make_run("collect", at, **replay.settings)
    await sweep.run(run)
    return run


async def truth(run: Run[CollectSettings], number: int) -> dict[datetime, tuple[Decimal | None, Decimal | None]]:
    rows = await run.pool.fetch(
        "SELECT s.time, s.price, s.volume FROM market_snapshots s JOIN markets USING (platform, market_id) "
        "WHERE number = $1 ORDER BY time",
        number,
    )
    return {row["time"]: (row["price"], row["volume"]) for row in rows}


async def check_against_snapshots(run: Run[CollectSettings], quarters: int) -> None:
    """Hour by hour, as far as the runs of the last `quarters` quarters reach, for every open market."""
    async with run.transaction() as connection:
        markets = await open_markets(connection, run.now, 3_600)
        past = await read_history(connection, markets, run.now, 10)
    moved = 0
    for row, market in enumerate(markets):
        stored = await truth(run, market.number)
        for age in range(quarters // 4):
            end = run.now - timedelta(hours=age)
            known = [values for time, values in stored.items() if time <= end]
            before = [values for time, values in stored.items() if time <= end - timedelta(hours=1)]
            expected = known[-1][0] if known else None
            said = past.price[row, HOURS - 1 - age]
            assert (np.isnan(said) and expected is None) or said == pytest.approx(float(expected or 0))
            if expected is None:
                assert np.isnan(past.traded[row, HOURS - 1 - age]), "a market without a price may not have been there"
            elif known and before and None not in (known[-1][1], before[-1][1]):
                gained = float((known[-1][1] or 0) - (before[-1][1] or 0))
                assert past.traded[row, HOURS - 1 - age] == pytest.approx(gained, rel=1 / 4_096)
                moved += gained > 0
    assert len(markets) > 50
    assert moved > 50


async def test_hours_rebuilt_from_columns_are_those_of_the_snapshots(make_run: MakeRun, replay: Replay) -> None:
    for quarter in range(13):
        run = await collect(make_run, replay, START + quarter * QUARTER)
    await check_against_snapshots(run, 12)


async def test_hours_that_are_over_for_long_are_one_column_each(make_run: MakeRun, replay: Replay, pool: Any) -> None:
    for quarter in range(1, 19):  # 13:15 to 17:30
        await collect(make_run, replay, START + quarter * QUARTER)
    rows = await pool.fetch("SELECT ended_at, span FROM history_columns WHERE platform = 'kalshi' ORDER BY 1")
    hour = timedelta(hours=1)
    assert [(row["ended_at"] - START, row["span"]) for row in rows] == [
        (1 * hour, hour),
        (2 * hour, hour),
        *((2 * hour + quarter * QUARTER, QUARTER) for quarter in range(1, 11)),
    ]


async def test_a_run_that_was_cut_off_before_its_column_is_made_up_for_by_the_next(
    make_run: MakeRun, replay: Replay, pool: Any
) -> None:
    for quarter in range(9):
        run = await collect(make_run, replay, START + quarter * QUARTER)
        if quarter in (3, 4, 7):
            await pool.execute("DELETE FROM history_columns WHERE ended_at = $1", run.now)
    await check_against_snapshots(run, 8)


async def test_backfilled_hours_are_in_the_history_and_a_second_time_changes_nothing(
    make_run: MakeRun, replay: Replay, pool: Any
) -> None:
    run = await collect(make_run, replay, START + QUARTER)

    async def prices() -> Any:
        async with run.transaction() as connection:
            markets = await open_markets(connection, run.now, 3_600)
            return (await read_history(connection, markets, run.now, 10)).price

    assert np.isfinite(await prices()).sum(axis=1).max() == 1
    past = await make_run("backfill", run.now, **replay.settings)
    await backfill.run(past)
    filled = await prices()
    assert np.median(np.isfinite(filled).sum(axis=1)) > 48
    columns = await pool.fetch("SELECT * FROM history_columns ORDER BY 1, 2")
    for platform in PLATFORMS:
        await history.rebuild(past, platform, run.now - timedelta(days=past.settings.backfill_days))
    again = await pool.fetch("SELECT * FROM history_columns ORDER BY 1, 2")
    assert [tuple(row)[:4] for row in again] == [tuple(row)[:4] for row in columns]
    assert again == columns
    assert np.array_equal(await prices(), filled, equal_nan=True)


async def test_columns_of_a_time_whose_snapshots_are_deleted_stay(make_run: MakeRun, replay: Replay, pool: Any) -> None:
    run = await collect(make_run, replay, START - timedelta(days=3))
    later = await collect(make_run, replay, START)
    await pool.execute("DELETE FROM market_snapshots WHERE time = $1", run.now)
    await pool.execute("UPDATE candle_progress SET raw_day = $1", START.date())
    before = await pool.fetch("SELECT * FROM history_columns WHERE ended_at = $1", run.now)
    for platform in PLATFORMS:
        await history.rebuild(later, platform, run.now - timedelta(days=1))
    assert await pool.fetch("SELECT * FROM history_columns WHERE ended_at = $1", run.now) == before
    assert len(before) == 2


async def test_what_columns_tell_of_markets_that_were_trimmed_stays_when_they_are_made_anew(
    make_run: MakeRun, replay: Replay, pool: Any
) -> None:
    first = await collect(make_run, replay, START - timedelta(days=3, minutes=15))
    await collect(make_run, replay, START - timedelta(days=3))
    run = await collect(make_run, replay, START)
    before = await pool.fetch("SELECT platform, ended_at, markets FROM history_columns ORDER BY 1, 2")
    trimmed = [row["number"] for row in await pool.fetch("SELECT number FROM markets WHERE number % 3 = 0")]
    forgotten = [row["number"] for row in await pool.fetch("SELECT number FROM markets WHERE number % 3 = 1")]
    await pool.execute(
        "DELETE FROM market_snapshots s USING markets m WHERE m.number = ANY($1) AND "
        "(s.platform, s.market_id) = (m.platform, m.market_id)",
        trimmed + forgotten,
    )
    await pool.execute("UPDATE markets SET trimmed_at = $2 WHERE number = ANY($1)", trimmed, run.now)
    await pool.execute(
        "DELETE FROM market_latest l USING markets m WHERE m.number = ANY($1) AND "
        "(l.platform, l.market_id) = (m.platform, m.market_id)",
        forgotten,
    )
    await pool.execute("DELETE FROM markets WHERE number = ANY($1)", forgotten)
    told = {}
    for platform in PLATFORMS:
        async with run.transaction() as connection:
            told[platform] = await read(connection, platform, first.now - QUARTER, run.now, 10)
        for _ in range(2):
            await history.rebuild(run, platform, first.now - timedelta(hours=1))
        async with run.transaction() as connection:
            again = await read(connection, platform, first.now - QUARTER, run.now, 10)
        assert changes(merge(again)) == changes(merge(told[platform]))
        assert set(trimmed + forgotten) & set(merge(again).numbers.tolist())
    assert len(before) == 6


def changes(column: Column) -> list[tuple[int, int, int]]:
    return list(zip(column.numbers.tolist(), column.before.tolist(), column.after.tolist(), strict=True))
