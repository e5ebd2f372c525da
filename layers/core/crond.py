"""`python -m core.crond collect settle …`: starts these jobs at their times, on a host that has no scheduler."""

from __future__ import annotations

import asyncio
import signal
import sys
from asyncio.subprocess import Process
from collections.abc import Sequence
from datetime import UTC, datetime

from core.runtime import JOBS, Job
from core.schedule import last_due

_LOOKS_EVERY_S = 1.0
_STOPS_WITHIN_S = 40.0


async def keep_running(jobs: Sequence[Job], stopped: asyncio.Event) -> None:
    """Until `stopped`: each job as a process of its own, never beside itself; then tells those that run to stop."""
    begun = dict.fromkeys((job.name for job in jobs), datetime.now(UTC))
    running: dict[str, Process] = {}
    while not stopped.is_set():
        now = datetime.now(UTC)
        for job in jobs:
            under_way = job.name in running and running[job.name].returncode is None
            if job.cron and not under_way and last_due(job.cron, now) > begun[job.name]:
                begun[job.name] = now
                running[job.name] = await asyncio.create_subprocess_exec(sys.executable, "-m", job.function, job.name)
        try:
            async with asyncio.timeout(_LOOKS_EVERY_S):
                await stopped.wait()
        except TimeoutError:
            continue
    await _end([process for process in running.values() if process.returncode is None])


async def _end(processes: list[Process]) -> None:
    for process in processes:
        process.terminate()
    if processes:
        _, late = await asyncio.wait([asyncio.ensure_future(p.wait()) for p in processes], timeout=_STOPS_WITHIN_S)
        for process in processes if late else []:
            if process.returncode is None:
                process.kill()


async def main(names: Sequence[str]) -> int:
    unknown = [name for name in names if name not in JOBS or JOBS[name].cron is None]
    if unknown or not names:
        known = ", ".join(sorted(job.name for job in JOBS.values() if job.cron))
        sys.stderr.write(f"no job {' '.join(unknown) or 'named'}; there are {known}\n")
        return 2
    stopped = asyncio.Event()
    for told in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(told, stopped.set)
    await keep_running([JOBS[name] for name in names], stopped)
    return 0


if __name__ == "__main__":
    sys.exit(asyncio.run(main(sys.argv[1:])))
