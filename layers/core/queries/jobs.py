"""Leases and the record of runs. Leases live by the database's clock, so that skewed hosts agree."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from core.db import Connection


async def take_lease(connection: Connection, job: str, holder: str, ttl_s: float) -> bool:
    """True when `holder` has the lease now: it was free or its time was up."""
    row = await connection.fetchrow(
        """
        INSERT INTO job_leases AS held (job, holder, expires_at)
        VALUES ($1, $2, clock_timestamp() + make_interval(secs => $3))
        ON CONFLICT (job) DO UPDATE SET holder = excluded.holder, expires_at = excluded.expires_at
        WHERE held.expires_at < clock_timestamp()
        RETURNING holder
        """,
        job,
        holder,
        ttl_s,
    )
    return row is not None


async def renew_lease(connection: Connection, job: str, holder: str, ttl_s: float) -> bool:
    row = await connection.fetchrow(
        """
        UPDATE job_leases SET expires_at = clock_timestamp() + make_interval(secs => $3)
        WHERE job = $1 AND holder = $2 RETURNING holder
        """,
        job,
        holder,
        ttl_s,
    )
    return row is not None


async def release_lease(connection: Connection, job: str, holder: str) -> None:
    await connection.execute("DELETE FROM job_leases WHERE job = $1 AND holder = $2", job, holder)


async def standing(connection: Connection, job: str) -> tuple[datetime, datetime | None]:
    """(now, when the job's last good run began), both by the database's clock."""
    row = await connection.fetchrow(
        "SELECT clock_timestamp() AS now, max(began_at) AS began FROM job_runs WHERE job = $1 AND status = 'ok'", job
    )
    assert row is not None
    return row["now"], row["began"]


async def insert_run(connection: Connection, run_id: str, job: str, holder: str, now: datetime) -> None:
    """Under the job's lease: what is still called running then was killed."""
    await connection.execute(
        "UPDATE job_runs SET status = 'failed', error = 'ended without a word: killed' "
        "WHERE job = $1 AND status = 'running'",
        job,
    )
    await connection.execute(
        "INSERT INTO job_runs (id, job, holder, started_at, status) VALUES ($1::uuid, $2, $3, $4, 'running')",
        run_id,
        job,
        holder,
        now,
    )


async def mark_run_ended(
    connection: Connection, run_id: str, now: datetime, seconds: float, summary: dict[str, Any], error: str | None
) -> None:
    await connection.execute(
        """
        UPDATE job_runs SET ended_at = $2, seconds = $3, summary = $4, error = $5,
               status = CASE WHEN $5::text IS NULL THEN 'ok' ELSE 'failed' END
        WHERE id = $1::uuid
        """,
        run_id,
        now,
        seconds,
        summary,
        error,
    )


async def last_ok(connection: Connection, job: str) -> datetime | None:
    """When the last successful run of `job` began, on the clock that the run was given."""
    started: datetime | None = await connection.fetchval(
        "SELECT max(started_at) FROM job_runs WHERE job = $1 AND status = 'ok'", job
    )
    return started
