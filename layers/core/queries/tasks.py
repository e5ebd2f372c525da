"""Candidates that came out of a queue: each is one worker's at a time, and is ended once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from core.db import Connection
from core.models import Platform


@dataclass(frozen=True, slots=True)
class Task:
    """A candidate of the run that selected it."""

    run: datetime
    platform: Platform
    market_id: str
    detector: str


async def insert_tasks(connection: Connection, tasks: Sequence[Task]) -> None:
    """Before they are handed over: whoever gets one first may begin at once."""
    await connection.executemany(
        """
        INSERT INTO analysis_tasks (run, platform, market_id, detector, free_at, times)
        VALUES ($1, $2, $3, $4, now(), 0) ON CONFLICT DO NOTHING
        """,
        [(task.run, task.platform, task.market_id, task.detector) for task in tasks],
    )


async def waiting_markets(connection: Connection, since: datetime) -> set[tuple[str, str]]:
    """(platform, market_id) of what was handed over by runs after `since` and has not ended."""
    rows = await connection.fetch(
        "SELECT DISTINCT platform, market_id FROM analysis_tasks WHERE run > $1 AND ended_at IS NULL", since
    )
    return {(row["platform"], row["market_id"]) for row in rows}


async def give_up_tasks(connection: Connection, run: datetime, outcome: str) -> int:
    """Ends what the run handed over and nobody is at. Returns how many."""
    status = await connection.execute(
        """
        UPDATE analysis_tasks SET ended_at = now(), outcome = $2
        WHERE run = $1 AND ended_at IS NULL AND free_at <= now()
        """,
        run,
        outcome,
    )
    return int(status.split()[-1])


async def outcomes(connection: Connection, run: datetime) -> dict[str | None, int]:
    """How many of the run's tasks came to what; None counts those that have not ended."""
    rows = await connection.fetch(
        "SELECT outcome, count(*) AS tasks FROM analysis_tasks WHERE run = $1 GROUP BY outcome", run
    )
    return {row["outcome"]: row["tasks"] for row in rows}


async def take_task(connection: Connection, task: Task, held_s: float) -> int | None:
    """How many times it has been begun with, this time included; None where it has ended or is another worker's.

    Held by the database's clock: after `held_s` its worker counts as dead.
    """
    times: int | None = await connection.fetchval(
        """
        INSERT INTO analysis_tasks AS t (run, platform, market_id, detector, free_at)
        VALUES ($1, $2, $3, $4, now() + make_interval(secs => $5))
        ON CONFLICT (run, platform, market_id, detector) DO UPDATE SET free_at = excluded.free_at, times = t.times + 1
        WHERE t.ended_at IS NULL AND t.free_at <= now()
        RETURNING times
        """,
        task.run,
        task.platform,
        task.market_id,
        task.detector,
        held_s,
    )
    return times


async def has_ended(connection: Connection, task: Task) -> bool:
    ended: bool = await connection.fetchval(
        """
        SELECT EXISTS (SELECT FROM analysis_tasks
            WHERE run = $1 AND platform = $2 AND market_id = $3 AND detector = $4 AND ended_at IS NOT NULL)
        """,
        task.run,
        task.platform,
        task.market_id,
        task.detector,
    )
    return ended


async def end_task(connection: Connection, task: Task, outcome: str) -> None:
    """Also of one that nobody had to begin with."""
    await connection.execute(
        """
        INSERT INTO analysis_tasks AS t (run, platform, market_id, detector, free_at, times, ended_at, outcome)
        VALUES ($1, $2, $3, $4, now(), 0, now(), $5)
        ON CONFLICT (run, platform, market_id, detector) DO UPDATE SET ended_at = now(), outcome = excluded.outcome
        WHERE t.ended_at IS NULL
        """,
        task.run,
        task.platform,
        task.market_id,
        task.detector,
        outcome,
    )


async def free_task(connection: Connection, task: Task) -> None:
    """It could not be done now; whoever gets it next may begin at once."""
    await connection.execute(
        """
        UPDATE analysis_tasks SET free_at = now()
        WHERE run = $1 AND platform = $2 AND market_id = $3 AND detector = $4 AND ended_at IS NULL
        """,
        task.run,
        task.platform,
        task.market_id,
        task.detector,
    )
