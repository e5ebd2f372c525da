"""The job table on one machine: what cron would do, in order, one job at a time."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any

from cronsim import CronSim

from core.runtime import JOBS
from local.kit import Kit, KitError
from local.terminal import say

BUILT = ("collect", "settle", "upkeep", "analyze", "digest")
ORDER = {name: number for number, name in enumerate(BUILT)}


class Schedule:
    """When each built job is next due; a late start runs a job once, not once for each time missed."""

    def __init__(self, now: datetime, jobs: Sequence[str] = BUILT) -> None:
        self._crons = {name: cron for name in jobs if (cron := JOBS[name].cron) is not None}
        self._due = {name: next(CronSim(cron, now)) for name, cron in self._crons.items()}

    def take_due(self, now: datetime) -> list[str]:
        ripe = (name for name, at in self._due.items() if at <= now)
        due = sorted(ripe, key=lambda name: (self._due[name], ORDER[name]))
        for name in due:
            self._due[name] = next(CronSim(self._crons[name], now))
        return due


def keep_running(kit: Kit, now: Callable[[], datetime], environment: Callable[[], dict[str, str]]) -> None:
    """Runs until interrupted. A failed job is said and tried again when next due; a dead server ends it."""
    schedule = Schedule(now())
    while True:
        if name := kit.died():
            raise KitError(f"{name} stopped: {kit.last_words(name)}")
        for name in schedule.take_due(now()):
            try:
                summary = kit.job(JOBS[name].function, name, environment())
                say(f"{now():%H:%M} {name}", **brief(name, summary))
            except KitError as error:
                say(f"{now():%H:%M} {name} failed: {error}")
        time.sleep(0.2)


def brief(name: str, summary: dict[str, Any]) -> dict[str, Any]:
    """The two or three figures of a run that a watching person wants."""
    if name == "collect":
        return {venue: summary[venue]["error"] if "error" in summary[venue] else summary[venue]["snapshots"]
                for venue in ("kalshi", "polymarket")}  # fmt: skip
    if name == "analyze":
        return {
            "patterns": summary["patterns"],
            "insights": summary["insights"]["published"],
            "arbitrage": summary["arbitrage"]["published"],
        }
    return {key: value for key, value in summary.items() if not isinstance(value, dict)}
