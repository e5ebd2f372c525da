"""The job table on one machine: what cron would do, in order, one job at a time."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any

from cronsim import CronSim

from core.runtime import JOBS
from local.kit import Command, CommandFailed, Kit
from local.terminal import fail, say

BUILT = (
    "collect",
    "settle",
    "upkeep",
    "analyze",
    "requests",
    "digest",
    "base-rates",
    "grade",
)  # reconciling needs a sale
PROGRESS_EVERY_S = 20.0
MOST_READ = 1_000_000
ORDER = {name: number for number, name in enumerate(JOBS)}


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


def keep_running(
    kit: Kit,
    now: Callable[[], datetime],
    environment: Callable[[str], dict[str, str]],
    jobs: Sequence[str] = BUILT,
    beside: Command | None = None,
) -> None:
    """Runs until interrupted. A failed job is said and tried again when next due; a dead server ends it.

    `environment` is what a job is told beside the kit's own; `beside` is one that runs already, whose end is to be
    told.
    """
    schedule = Schedule(now(), jobs)
    progress = Progress(beside) if beside else None
    while True:
        kit.check()
        if progress:
            progress.tell()
        if beside is not None and beside.process.poll() is not None:
            tell(kit, beside, now())
            beside = progress = None
        for name in schedule.take_due(now()):
            tell(kit, kit.begin_job(name, environment(name)), now())
        time.sleep(0.2)


class Progress:
    """What a job that runs beside the others says of how far it is, told now and then."""

    def __init__(self, job: Command) -> None:
        self._job, self._read, self._due = job, 0, time.monotonic() + PROGRESS_EVERY_S

    def tell(self) -> None:
        if time.monotonic() < self._due:
            return
        self._due = time.monotonic() + PROGRESS_EVERY_S
        # By position, apart from the job's own: it goes on writing to the same file.
        said = os.pread(self._job.errors.fileno(), MOST_READ, self._read)
        whole = said[: said.rfind(b"\n") + 1]
        self._read += len(whole)
        for platform, line in last_said(whole).items():
            say(f"{self._job.name}: {line['message']}", platform=platform, done=f"{line['done']} of {line['total']}")


def last_said(lines: bytes) -> dict[str, dict[str, Any]]:
    """The last line of progress of each venue."""
    found: dict[str, dict[str, Any]] = {}
    for line in lines.splitlines():
        try:
            said = json.loads(line)
        except ValueError:
            continue  # the interpreter's own words; they are kept in jobs.log
        if isinstance(said, dict) and said.keys() >= {"message", "platform", "done", "total"}:
            found[said["platform"]] = said
    return found


def tell(kit: Kit, job: Command, at: datetime) -> None:
    """Waits for the job's end and says in a line what became of it."""
    try:
        say(f"{at:%H:%M} {job.name}", **brief(job.name, kit.summary(job)))
    except CommandFailed as error:
        fail(f"{at:%H:%M} {job.name} failed: {str(error).removeprefix(f'{job.name}: ')}")


def brief(name: str, summary: dict[str, Any]) -> dict[str, Any]:
    """The two or three figures of a run that a watching person wants."""
    if name in {"collect", "backfill"}:
        stored = "snapshots" if name == "collect" else "candles"
        return {venue: summary[venue].get("error", summary[venue].get(stored)) for venue in ("kalshi", "polymarket")}
    if name == "analyze":
        return {
            "patterns": summary["patterns"],
            "insights": summary["insights"]["published"],
            "arbitrage": summary["arbitrage"]["published"],
        }
    return {key: value for key, value in summary.items() if not isinstance(value, dict)}
