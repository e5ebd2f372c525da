"""Candidates that came out of a queue: each is one worker's at a time, and is ended once."""

from __future__ import annotations

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
