"""Leases and the record of runs."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from uuid import uuid4

from core import db
from core.queries import jobs
from tests.conftest import NOW


async def test_a_lease_has_one_holder_until_it_is_released(connection: db.Connection) -> None:
    assert await jobs.take_lease(connection, "collect", "a", 60)
    assert not await jobs.take_lease(connection, "collect", "b", 60)
    assert await jobs.take_lease(connection, "settle", "b", 60), "another job is another lease"
    await jobs.release_lease(connection, "collect", "b")
    assert not await jobs.take_lease(connection, "collect", "b", 60), "only its holder releases it"
    await jobs.release_lease(connection, "collect", "a")
    assert await jobs.take_lease(connection, "collect", "b", 60)


async def test_a_lease_whose_time_is_up_is_taken_over_and_cannot_be_renewed(connection: db.Connection) -> None:
    assert await jobs.take_lease(connection, "collect", "a", 60)
    await connection.execute("UPDATE job_leases SET expires_at = clock_timestamp() - interval '1 s'")
    assert await jobs.take_lease(connection, "collect", "b", 60)
    assert not await jobs.renew_lease(connection, "collect", "a", 60)
    assert await jobs.renew_lease(connection, "collect", "b", 60)


async def test_of_many_who_ask_at_once_one_gets_the_lease(pool: db.Pool) -> None:
    async def take(holder: str) -> bool:
        async with db.acquire(pool, 5) as connection:
            return await jobs.take_lease(connection, "collect", holder, 60)

    taken = await asyncio.gather(*(take(str(n)) for n in range(12)))
    assert sum(taken) == 1


async def test_the_last_good_run_is_the_last_that_ended_well(connection: db.Connection) -> None:
    assert await jobs.last_ok(connection, "collect") is None
    for hours, error in ((3, None), (2, None), (1, "venue down")):
        run_id = str(uuid4())
        await jobs.insert_run(connection, run_id, "collect", "me", NOW - timedelta(hours=hours))
        await jobs.mark_run_ended(connection, run_id, NOW, 1.5, {"n": hours}, error)
    await jobs.insert_run(connection, str(uuid4()), "collect", "me", NOW)
    assert await jobs.last_ok(connection, "collect") == NOW - timedelta(hours=2)
    assert await jobs.last_ok(connection, "settle") is None


async def test_a_summary_with_hostile_text_is_recorded(connection: db.Connection) -> None:
    run_id = str(uuid4())
    await jobs.insert_run(connection, run_id, "collect", "me", NOW)
    await jobs.mark_run_ended(connection, run_id, NOW, 1.5, {"error": "said \x00 and \ud800"}, None)
    assert await connection.fetchval("SELECT summary FROM job_runs") == {"error": "said \ufffd and \ufffd"}


async def test_a_run_that_was_killed_is_called_failed_by_the_next_one(connection: db.Connection) -> None:
    killed, following = str(uuid4()), str(uuid4())
    await jobs.insert_run(connection, killed, "collect", "host:1", NOW)
    await jobs.insert_run(connection, following, "collect", "host:2", NOW + timedelta(minutes=15))
    found = {str(row["id"]): row["status"] for row in await connection.fetch("SELECT id, status FROM job_runs")}
    assert found == {killed: "failed", following: "running"}
