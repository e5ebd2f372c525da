"""`make rates`: detectors over stored history, their base rates as a table and a chart. Nothing is stored.

With DATABASE_URL, over the history of that database; else over a fresh one that one collect and one backfill of the
generated world have filled.
"""

from __future__ import annotations

if __name__ == "__main__":  # before the slow imports: Ctrl-C among them is no traceback's worth
    import os
    import signal

    signal.signal(signal.SIGINT, lambda *_: os._exit(130))

import argparse
import asyncio
import os
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
from pydantic import SecretStr
from rich.console import Console
from rich.table import Table

from analyze.base_rates import CHUNK_H, WARM_H, replay_hours
from core import db
from core.cache import make_cache
from core.detect.rates import MIN_COUNT, Rate, measure
from core.detect.rates_moments import CONTROL, Moments, joined
from core.detect.rates_replay import LATEST_H, hours_since_1970
from core.queries import rates as rate_queries
from core.runtime import JOBS, Run
from core.settings import AnalyzeSettings
from local.kit import DATA, Kit, KitError, reset_folder, supervise
from local.rates_chart import chart
from local.smoke import last_digest_time, standing
from local.terminal import say, step, uninterrupted

DEFAULT_CHART = DATA / "base_rates.svg"


def rates() -> None:
    parser = argparse.ArgumentParser(prog="make rates")
    parser.add_argument("--days", type=int, default=29, help="of history, at most")
    parser.add_argument("--chart", type=Path, default=DEFAULT_CHART, help="where the SVG is written")
    parser.add_argument("--all", action="store_true", help="cells of fewer than 30 setups, too")
    given = parser.parse_args()
    if url := os.environ.get("DATABASE_URL"):
        measured, moments = asyncio.run(replayed(url, datetime.now(UTC), given.days))
    else:
        measured, moments = of_generated_world(given.days)
    show(measured, moments, everything=given.all)
    given.chart.parent.mkdir(parents=True, exist_ok=True)
    given.chart.write_text(chart(measured))
    say(f"chart: {given.chart}")


def of_generated_world(days: int) -> tuple[list[Rate], Moments]:
    folder = DATA / f"rates-{os.getpid()}"
    now = last_digest_time(datetime.now(UTC))
    clock = standing(now)
    try:
        with Kit(folder) as kit:
            with step("start PostgreSQL, migrate"):
                kit.start_storage()
            with step("replay venues: the generated world"):
                kit.start_replay("generated", clock)
            with step("collect, and fetch the past"):
                kit.job("collect", clock.environment())
                kit.job("backfill", clock.environment())
            with step("replay detectors, measure"):
                return asyncio.run(replayed(kit.environment["DATABASE_URL"], now, days))
    finally:
        with uninterrupted():
            reset_folder(folder)


async def replayed(url: str, now: datetime, days: int) -> tuple[list[Rate], Moments]:
    """All rates as of now, and the moments that they were measured from."""
    settings = AnalyzeSettings(database_url=SecretStr(url), database_timeout_s=600, database_bulk_timeout_s=600)
    pool = await db.make_pool(settings)
    run = Run(JOBS["base-rates"], settings, pool, make_cache(settings), lambda: now, now)
    try:
        async with run.transaction() as connection:
            oldest = await rate_queries.first_column(connection)
        if oldest is None:
            raise KitError("there is no history in this database yet: it begins with the first collect run")
        last = int(hours_since_1970(now)) - LATEST_H
        first = max(int(hours_since_1970(oldest)) + 1 + WARM_H, last - 24 * days)
        parts, state = [], np.zeros(0, dtype=np.int32)
        for hour in range(first, last + 1, CHUNK_H):
            found = await replay_hours(run, hour, min(hour + CHUNK_H - 1, last), state)
            parts.append(found.moments)
            state = found.state
    finally:
        await run.cache.close()
        await pool.close()
    if not any(len(part) for part in parts):
        raise KitError(
            f"history of {max(last - first, 0)} hours is too short to replay: {WARM_H + LATEST_H} are needed"
        )
    moments = joined(parts)
    return measure(moments, hours_since_1970(now)), moments


def show(measured: Sequence[Rate], moments: Moments, *, everything: bool) -> None:
    """The proved first, then by how many setups."""
    told = [rate for rate in measured if everything or rate.effective >= MIN_COUNT]
    table = Table(
        "detector", "category", "price", "horizon", "n", "hit", "95%", "without", "net ¢", "shrunk ¢", "verdict"
    )
    for rate in sorted(told, key=lambda one: (one.verdict == "unproven", -one.n)):
        low, high = rate.bounds
        table.add_row(
            rate.detector,
            rate.category or "–",
            f"{100 * low:.0f}–{100 * high:.0f}¢",
            rate.horizon,
            str(rate.n),
            f"{100 * rate.rate:.0f}%",
            f"{100 * rate.low:.0f}–{100 * rate.high:.0f}",
            _shown(rate.matched_rate, "%"),
            _shown(rate.net),
            _shown(rate.shrunk_net),
            rate.verdict if not rate.why else f"unproven: {rate.why}",
        )
    Console(width=None if sys.stdout.isatty() else 170).print(table)
    setups = int(np.sum(moments.detector != CONTROL))
    say(f"{setups:,} setups and {len(moments) - setups:,} matched moments; {len(measured)} cells, {len(told)} shown")


def _shown(value: float | None, unit: str = "") -> str:
    return "–" if value is None else f"{100 * value:.0f}%" if unit else f"{100 * value:+.1f}"


if __name__ == "__main__":
    sys.exit(supervise(rates))
