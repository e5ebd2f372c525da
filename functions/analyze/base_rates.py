"""The base-rates job: hours of history that were not replayed yet, then all rates as of now."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from datetime import timedelta
from typing import Any

import numpy as np

from core.detect.columns import Ints
from core.detect.rates import VERSION, measure
from core.detect.rates_replay import LATEST_H, WINDOW_H, Replayed, hours_since_1970, moment_of, replay
from core.detect.rates_settled import settled_rates
from core.models import PLATFORMS
from core.queries import history, rates
from core.queries.settled_rates import insert_settled_rates
from core.runtime import Run
from core.settings import AnalyzeSettings

CHUNK_H = 24
_MARGIN_H = 1  # a run that was cut off is made up for by the next one
WARM_H = 24  # before it no detector has anything to compare with
_REPLAYING = 0.6  # of the time that the job has
_DAY = timedelta(days=1)


async def run(run: Run[AnalyzeSettings]) -> dict[str, Any]:
    """Stops replaying while there is time to measure; what is left is the next run's."""
    settings = run.settings
    timeout_s = settings.database_bulk_timeout_s
    began = time.monotonic()
    last = int(hours_since_1970(run.now)) - LATEST_H - _MARGIN_H
    hours = found = 0
    first, state = await _where_to_begin(run)
    while first <= last and _has_time(run, began):
        until = min(first + CHUNK_H - 1, last)
        replayed = await replay_hours(run, first, until, state)
        async with run.transaction() as connection:
            await rates.insert_replayed(connection, replayed, moment_of(until), timeout_s)
        hours, found = hours + until - first + 1, found + len(replayed.moments)
        first, state = until + 1, replayed.state
    async with run.transaction() as connection:
        settled = await rates.settle_moments(connection, timeout_s)
        deleted = await rates.delete_aged(
            connection,
            run.now - settings.rate_moment_days * _DAY,
            run.now - settings.base_rate_days * _DAY,
            timeout_s,
        )
    async with run.transaction() as connection:
        moments = await rates.read_moments(connection, run.now - settings.rate_moment_days * _DAY, timeout_s)
    as_of = hours_since_1970(run.now)
    measured = await asyncio.to_thread(measure, moments, as_of)
    settled_at = await asyncio.to_thread(settled_rates, moments, as_of)
    async with run.transaction() as connection:
        await rates.insert_rates(connection, measured, run.now)
        await insert_settled_rates(connection, settled_at, run.now)
    return {
        "version": VERSION,
        "hours_replayed": hours,
        "hours_left": max(last - first + 1, 0),
        "moments": {"found": found, "settled": settled, "kept": len(moments)},
        "cells": dict(Counter(rate.verdict for rate in measured)),
        "settled_cells": {"seen": int((settled_at.count > 0).sum()), "proved": int(settled_at.proved.sum())},
        "unproven": dict(Counter(rate.why for rate in measured if rate.why).most_common(5)),
        "deleted": deleted,
    }


def _has_time(run: Run[AnalyzeSettings], began: float) -> bool:
    limit = run.job.deadline_s
    return limit is None or time.monotonic() - began < _REPLAYING * limit


async def _where_to_begin(run: Run[AnalyzeSettings]) -> tuple[int, Ints]:
    """(the first hour to replay, prices 73 hours before it).

    No further back than rows of ended markets are kept: beyond that, those that are left are not like those that were.
    """
    settings = run.settings
    async with run.transaction() as connection:
        known = await rates.progress(connection)
        oldest = await rates.first_column(connection)
    if known is not None:
        return int(hours_since_1970(known[0])) + 1, known[1]
    nothing = np.zeros(0, dtype=np.int32)
    if oldest is None:
        return int(hours_since_1970(run.now)) + 1, nothing
    days = min(settings.rate_moment_days, settings.ended_market_days - 1)
    earliest = hours_since_1970(max(oldest, run.now - days * _DAY))
    return int(earliest) + 1 + WARM_H, nothing


async def replay_hours(run: Run[AnalyzeSettings], first: int, last: int, state: Ints) -> Replayed:
    """The moments of the hours that ended at `first` to `last`. Reads, then works in a thread without a connection."""
    timeout_s = run.settings.database_bulk_timeout_s
    since, until = moment_of(first - WINDOW_H - 1), moment_of(last + LATEST_H)
    async with run.transaction() as connection:
        markets = await rates.markets_between(connection, moment_of(first), moment_of(last), timeout_s)
        spreads = await rates.typical_spreads(connection, timeout_s)
        columns = {
            platform: await history.columns_between(connection, platform, since, until, timeout_s)
            for platform in PLATFORMS
        }
    return await asyncio.to_thread(replay, markets, columns, state, first, last, spreads)
