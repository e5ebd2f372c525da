"""The compact history kept up: a column a run, what a killed run left out made good, finished hours merged."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from core.db import Connection
from core.detect.columns import Change, Column, joined, make_column, merge, without
from core.models import Platform
from core.queries import history
from core.runtime import Run
from core.settings import CollectSettings

# Hours older than this are one column each: a run looks at its last hour in quarters, at the others as hours.
_FINE = timedelta(hours=2)
_HOUR = timedelta(hours=1)
_LONGEST_GAP = timedelta(days=1)
_MOMENT = timedelta(microseconds=1)


async def append(run: Run[CollectSettings], platform: Platform, changes: Sequence[Change]) -> None:
    """This run's column, after those of runs before it that stored snapshots and were cut off."""
    async with run.transaction() as connection:
        last = await history.last_column(connection, platform)
    since = max(last or run.now - _LONGEST_GAP, run.now - _LONGEST_GAP)
    lost = await _from_snapshots(run, platform, since, run.now - _MOMENT, last)
    before = lost[-1].end if lost else last
    span = run.now - before if before else _interval(run)
    async with run.transaction() as connection:
        await history.insert_columns(connection, platform, [*lost, make_column(run.now, span, changes)])
    await _merge_hours(run, platform)


async def rebuild(run: Run[CollectSettings], platform: Platform, since: datetime) -> None:
    """Makes the columns from `since` to now anew from stored snapshots: the past was filled in between them.

    What retention has deleted, of days or of markets that ended, stays as it was told when it was there.
    """
    async with run.transaction() as connection:
        raw_since = await history.raw_since(connection)
    since = max(since, raw_since) if raw_since else since
    at: datetime | None = None
    end = since.replace(minute=0, second=0, microsecond=0)
    while end < run.now:
        start, end = end, min(end + _HOUR, run.now)
        columns = await _from_snapshots(run, platform, start, end, at)
        async with run.transaction() as connection:
            old = await history.columns_between(connection, platform, start, end, _timeout_s(run))
            columns = await _with_trimmed(connection, old, columns)
            await history.delete_columns(connection, platform, [column.end for column in old])
            await history.insert_columns(connection, platform, columns)
        at = columns[-1].end if columns else at
    await _merge_hours(run, platform, since)


async def _with_trimmed(connection: Connection, old: Sequence[Column], new: list[Column]) -> list[Column]:
    """New columns of an hour, with what the old ones told of markets whose snapshots are gone."""
    if not old:
        return new
    before = merge(old)
    lost = without(before, await history.untrimmed(connection, before.numbers))
    if not len(lost):
        return new
    return [joined(merge(new), lost) if new else lost]


async def _from_snapshots(
    run: Run[CollectSettings], platform: Platform, since: datetime, until: datetime, last: datetime | None
) -> list[Column]:
    """A column for each time in (since, until] that snapshots were taken at; `last` is the end of the one before."""
    columns: list[Column] = []
    async with run.transaction() as connection:
        for at in await history.snapshot_times(connection, platform, since, until, _timeout_s(run)):
            changes, volumes = await history.changes_at(connection, platform, at, _timeout_s(run))
            columns.append(make_column(at, at - last if last else _interval(run), changes, volumes=volumes))
            last = at
    return columns


async def _merge_hours(run: Run[CollectSettings], platform: Platform, since: datetime | None = None) -> None:
    """Whole clock hours that ended two hours ago or more, each its columns as one."""
    until = (run.now - _FINE).replace(minute=0, second=0, microsecond=0)
    async with run.transaction() as connection:
        for end in await history.unmerged_hours(connection, platform, since or until - _LONGEST_GAP, until):
            columns = await history.columns_between(connection, platform, end - _HOUR, end, _timeout_s(run))
            await history.delete_columns(connection, platform, [column.end for column in columns])
            await history.insert_columns(connection, platform, [merge(columns)])


def _interval(run: Run[CollectSettings]) -> timedelta:
    return timedelta(seconds=run.settings.collect_interval_s)


def _timeout_s(run: Run[CollectSettings]) -> float:
    return run.settings.database_bulk_timeout_s
