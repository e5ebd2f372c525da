"""The upkeep job: candles of finished days, rows that nobody needs any more, the disk budget.

Everything is done in chunks of a transaction each. A run that is cut off anywhere leaves whole chunks, and the next one
goes on from there.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from core import db
from core.models import PLATFORMS
from core.queries import forgetting, snapshot_storage, upkeeping
from core.queries.forgetting import Forgotten
from core.queries.snapshot_storage import Storage
from core.queries.upkeeping import OVER, Aged, TableSize
from core.runtime import Run
from core.settings import CollectSettings

log = logging.getLogger(__name__)

# A day's last collect run may take its deadline of ten minutes to store what it saw.
SETTLED = timedelta(minutes=30)
MARKETS, LATE_MARKETS, ENDED_MARKETS, ROWS = 1_000, 200, 500, 20_000
SHOWN_TABLES = 8
_HOUR, _DAY = timedelta(hours=1), timedelta(days=1)
_START = (datetime(1, 1, 2, tzinfo=UTC), "")

Step = Callable[[db.Connection], Awaitable[int]]


@dataclass(frozen=True, slots=True)
class Size:
    """The database in bytes: its files, what of them holds rows (an estimate), a snapshot, what a day of them adds."""

    files: int
    live: int
    snapshot: float
    day: float
    tables: list[TableSize]

    @property
    def needed(self) -> float:
        """What must fit at the end of the day: deleted space is used again and not given back."""
        return self.live + self.day

    def summary(self) -> dict[str, Any]:
        return {
            "database_mb": _mb(self.files),
            "live_mb": _mb(self.live),
            "day_mb": _mb(self.day),
            "tables": {
                table.name: {"rows": table.rows, "mb": _mb(table.bytes), "live_mb": _mb(table.live_bytes)}
                for table in self.tables[:SHOWN_TABLES]
            },
        }


def _mb(size: float) -> float:
    return round(size / 1e6, 3)


async def run(run: Run[CollectSettings]) -> dict[str, Any]:
    settings = run.settings
    async with run.transaction() as connection:
        storage = await snapshot_storage.storage(connection)
    candles = await _make_candles(run, storage)
    aged = await _delete_aged(run) + await _forget(run)
    ended = await _trim_ended(run, storage, run.now - settings.ended_retention_days * _DAY)
    ended += await _delete_ended(run, run.now - settings.ended_market_days * _DAY)
    snapshots = await _delete_snapshots(run, storage, settings.retention_days)
    await _vacuum(run)
    size, budget = await _hold_budget(run, storage, await _measure(run, storage))
    return {
        "storage": storage,
        "candles": candles,
        "snapshots_deleted": snapshots,
        "ended": dict(ended),
        "aged": dict(aged),
        "size": size.summary(),
        "budget": budget,
    }


async def _repeat(run: Run[CollectSettings], step: Step, most: int) -> int:
    """Takes chunks of `most`, each its own transaction, until one is not full. Returns the sum."""
    total, count = 0, most
    while count == most:
        async with run.transaction() as connection:
            count = await step(connection)
        total += count
    return total


async def _make_candles(run: Run[CollectSettings], storage: Storage) -> dict[str, int]:
    """First what a run that was cut off left to do: the days that it closed. Aggregates make candles by themselves."""
    timeout_s = _timeout_s(run)
    today = (run.now - SETTLED).astimezone(UTC).date()

    async def next_markets(connection: db.Connection) -> int:
        return await upkeeping.materialise(connection, MARKETS, timeout_s)

    async def next_late(connection: db.Connection) -> int:
        return await upkeeping.materialise_late(connection, storage, LATE_MARKETS, timeout_s)

    async with run.transaction() as connection:
        await upkeeping.analyze(connection, "candle_late", timeout_s)  # a backfill may just have filled it
    left = await _repeat(run, next_markets, MARKETS)
    if storage != "aggregates":
        async with run.transaction() as connection:
            await upkeeping.close_days(connection, today, timeout_s)
    markets = await _repeat(run, next_markets, MARKETS)
    return {"left": left, "markets": markets, "late": await _repeat(run, next_late, LATE_MARKETS)}


async def _delete_aged(run: Run[CollectSettings]) -> Counter[str]:
    settings = run.settings
    ages: dict[Aged, int] = {
        "candle_hours": settings.hourly_candle_days,
        "candle_days": settings.daily_candle_days,
        "history_columns": settings.history_days,
        "patterns": settings.pattern_days,
        "withheld_insights": settings.withheld_days,
        "ai_calls": settings.ai_call_days,
        "analysis_tasks": settings.withheld_days,
        "arbitrage_opportunities": settings.arbitrage_days,
        "arbitrage_lives": settings.arbitrage_days,
        "bundle_analyses": settings.arbitrage_days,
        "digests": settings.digest_days,
        "job_runs": settings.job_run_days,
    }
    counts = Counter[str]()
    for table, days in ages.items():
        before = run.now - days * _DAY

        async def delete(connection: db.Connection, table: Aged = table, before: datetime = before) -> int:
            return await upkeeping.delete_aged(connection, table, before, ROWS, _timeout_s(run))

        counts[table] = await _repeat(run, delete, ROWS)
    return +counts


async def _forget(run: Run[CollectSettings]) -> Counter[str]:
    """What is left of accounts and of Stripe's events when its time is over."""
    ages: dict[Forgotten, int] = {
        "stripe_events": run.settings.stripe_event_days,
        "sessions": 0,
        "mail_tokens": 0,
        "users": run.settings.unverified_days,
    }
    counts = Counter[str]()
    for table, days in ages.items():

        async def forget(connection: db.Connection, table: Forgotten = table, days: int = days) -> int:
            return await forgetting.forget(connection, table, days, ROWS, _timeout_s(run))

        counts[table] = await _repeat(run, forget, ROWS)
    return +counts


async def _trim_ended(run: Run[CollectSettings], storage: Storage, before: datetime) -> Counter[str]:
    counts = Counter[str]()
    for platform in PLATFORMS:
        last: tuple[datetime, str] | None = _START
        while last is not None:
            async with run.transaction() as connection:
                chunk = await upkeeping.trim_ended(
                    connection, storage, platform, before, last, ENDED_MARKETS, run.now, _timeout_s(run)
                )
            counts += Counter(trimmed=chunk.markets, snapshots=chunk.snapshots)
            last = chunk.last
    return counts


async def _delete_ended(run: Run[CollectSettings], before: datetime) -> Counter[str]:
    counts = Counter[str]()
    for platform in PLATFORMS:
        for how in OVER:
            last: tuple[datetime, str] | None = _START
            while last is not None:
                async with run.transaction() as connection:
                    chunk = await upkeeping.delete_ended(
                        connection, platform, how, before, last, ENDED_MARKETS, _timeout_s(run)
                    )
                counts += Counter({"snapshots": chunk.snapshots, how: chunk.markets})
                last = chunk.last

    async def delete_events(connection: db.Connection) -> int:
        return await upkeeping.delete_empty_events(connection, ROWS, _timeout_s(run))

    counts["events"] = await _repeat(run, delete_events, ROWS)
    return +counts


async def _delete_snapshots(run: Run[CollectSettings], storage: Storage, days: int) -> int:
    """Those older than so many days: of a table an hour at a time, the oldest first; of a hypertable whole chunks."""
    days = snapshot_storage.least_days(storage, days)
    async with run.transaction() as connection:
        until = await upkeeping.release_snapshots(connection, run.now - days * _DAY, _timeout_s(run))
    if storage == "aggregates":
        await _set_ages(run, days)
    if storage != "table":
        if until is None:
            return 0
        async with run.transaction() as connection:
            return await snapshot_storage.drop_snapshots(connection, until, _timeout_s(run))
    deleted, since = 0, _START[0]
    while until is not None:
        async with run.transaction() as connection:
            oldest = await upkeeping.oldest_snapshot(connection, since)
            if oldest is None or oldest >= until:
                break
            since = min(oldest + _HOUR, until)
            deleted += await upkeeping.delete_old_snapshots(connection, oldest, since, _timeout_s(run))
    return deleted


async def _set_ages(run: Run[CollectSettings], snapshot_days: int) -> None:
    """Before chunks go, so that no refresh looks where they were."""
    settings = run.settings
    async with run.transaction() as connection:
        await snapshot_storage.set_ages(
            connection,
            snapshot_days,
            settings.columnstore_after_days,
            settings.hourly_candle_days,
            settings.daily_candle_days,
        )


async def _vacuum(run: Run[CollectSettings]) -> None:
    """Where that is refused or takes too long, autovacuum does it in its own time."""
    for table in upkeeping.CHURNED:
        async with db.acquire(run.pool, run.settings.database_connect_timeout_s) as connection:
            try:
                await upkeeping.vacuum(connection, table, _timeout_s(run))
            except TimeoutError:
                log.warning("vacuum left to the server", extra={"table": table})


async def _measure(run: Run[CollectSettings], storage: Storage) -> Size:
    async with run.transaction() as connection:
        files = await upkeeping.database_bytes(connection)
        tables = await upkeeping.table_sizes(connection, storage)
        a_day = await upkeeping.snapshots_since(connection, run.now - _DAY, _timeout_s(run))
    snapshots = next(table for table in tables if table.name == "market_snapshots")
    live = files - sum(table.bytes - table.live_bytes for table in tables)
    each = snapshots.live_bytes / max(1, snapshots.rows)
    return Size(files, live, each, a_day * each, tables)


async def _hold_budget(run: Run[CollectSettings], storage: Storage, size: Size) -> tuple[Size, dict[str, Any]]:
    """Shortens what is kept of snapshots until the estimate fits: of ended markets first, then the oldest days."""
    settings, counts = run.settings, Counter[str]()
    kept_days, least = (
        snapshot_storage.least_days(storage, days) for days in (settings.retention_days, settings.retention_min_days)
    )
    budget = settings.disk_budget_gb * 1e9
    if not budget:
        return size, {}
    if size.needed > budget:
        counts += await _trim_ended(run, storage, run.now)
    while size.needed - counts["snapshots"] * size.snapshot > budget and kept_days > least:
        kept_days -= 1
        counts["snapshots"] += await _delete_snapshots(run, storage, kept_days)
    if counts:
        await _vacuum(run)
        size = await _measure(run, storage)
    said = {"gb": settings.disk_budget_gb, "kept_days": kept_days, **+counts}
    if size.needed > budget:
        log.error("the disk budget cannot be held", extra=said | size.summary())
    elif size.files > budget:
        log.error("the database's files are above the budget: only VACUUM FULL returns their free space", extra=said)
    return size, said | {"held": max(size.needed, size.files) <= budget}


def _timeout_s(run: Run[CollectSettings]) -> float:
    return run.settings.database_bulk_timeout_s
