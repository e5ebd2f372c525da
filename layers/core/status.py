"""`python -m core.status`: last runs, lags, rows, spend and the cache, as JSON. Exit 1 when a job was missed."""

from __future__ import annotations

import asyncio
import json
import sys
import time
from datetime import datetime, timedelta
from typing import Any

from core import db
from core.cache import make_cache
from core.errors import DatabaseDown
from core.queries import status
from core.runtime import JOBS, configured
from core.schedule import waits_for_us
from core.secrecy import redacted
from core.settings import AnalyzeSettings, Settings


async def missed_jobs(connection: db.Connection, settings: Settings) -> list[str]:
    """The watched jobs that did not begin well at their last time but those not over yet, by the database's clock.

    One that never ran counts from the first run of any; before that, all of them.
    """
    now, first = await status.installed(connection)
    runs = await status.last_runs(connection)
    return [name for name in settings.jobs_watched if _is_missed(name, runs.get(name), now, first, settings)]


def _is_missed(
    name: str, run: dict[str, Any] | None, now: datetime, first: datetime | None, settings: Settings
) -> bool:
    job = JOBS[name]
    assert job.cron is not None
    ok_at = run["ok_at"] if run else None
    grace = timedelta(seconds=settings.missed_after_s + (job.deadline_s or 0))
    return waits_for_us(job.cron, now, ok_at or first, grace, timedelta(seconds=settings.max_clock_skew_s))


async def read_status(settings: AnalyzeSettings) -> dict[str, Any]:
    """Raises DatabaseDown."""
    pool, cache = await db.make_pool(settings), make_cache(settings)
    try:
        async with db.acquire(pool, settings.database_connect_timeout_s) as connection:
            now, _ = await status.installed(connection)
            midnight = now.replace(hour=0, minute=0, second=0, microsecond=0)
            fresh = await status.freshness(connection)
            told: dict[str, Any] = {
                "now": now,
                "missed": await missed_jobs(connection, settings),
                "jobs": await status.last_runs(connection),
                "lag_s": {
                    name: None if at is None else round((now - at).total_seconds()) for name, at in fresh.items()
                },
                "funnel": await status.last_funnel(connection),
                "spent_usd_today": await status.spent_since(connection, midnight),
                "budget_usd_a_day": settings.ai_budget_usd_per_day,
                "tables": await status.stored(connection),
            }
        began = time.perf_counter()
        written = await cache.put_many({("status", "now"): b"1"}, 60)
        answered = written and await cache.get("status", "now") == b"1"
        told["cache"] = {"answers": answered, "ms": round(1_000 * (time.perf_counter() - began), 1)}
        return told
    finally:
        await cache.close()
        await pool.close()


def main() -> int:
    settings = configured(AnalyzeSettings)
    try:
        told = asyncio.run(read_status(settings))
    except DatabaseDown as error:
        sys.stderr.write(redacted(f"status: {error}") + "\n")
        return 1
    sys.stdout.write(redacted(json.dumps(told, default=str, indent=1)) + "\n")
    return 1 if told["missed"] else 0


if __name__ == "__main__":
    sys.exit(main())
