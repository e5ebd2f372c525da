"""How work runs on every host: the job table, the lease that keeps a job single, its record, deadline and clock."""

from __future__ import annotations

import asyncio
import gc
import json
import logging
import os
import signal
import socket
import sys
import threading
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any, Generic, TypeVar
from uuid import uuid4

from core import db, log, reporting, secrecy
from core.cache import Cache, make_cache
from core.errors import ConfigError, DatabaseDown, JobFailed, JobNotDue, JobOverlap, OddWonsError, UnknownJob
from core.queries import jobs as job_queries
from core.schedule import waits_for_us
from core.settings import ServerSettings, Settings, load, simulated_now

logger = logging.getLogger(__name__)

Clock = Callable[[], datetime]
Summary = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Job:
    """One entry of the schedule: `cron` in UTC (None: by hand), `function` the folder its work lives in."""

    name: str
    cron: str | None
    function: str
    deadline_s: int | None


JOBS: Mapping[str, Job] = {
    job.name: job
    for job in (
        Job("collect", "*/15 * * * *", "collect", 600),
        Job("settle", "10 * * * *", "collect", 600),
        Job("upkeep", "10 3 * * *", "collect", 1_800),
        Job("backfill", None, "collect", None),
        Job("analyze", "5,20,35,50 * * * *", "analyze", 600),
        Job("requests", "*/5 * * * *", "analyze", 240),
        Job("digest", "0 13 * * *", "analyze", 600),
        Job("base-rates", "10 2 * * *", "analyze", 3_600),
        Job("grade", "25 * * * *", "analyze", 600),
        Job("reconcile", "10 4 * * *", "stripe_webhook", 1_800),
    )
}

RECORDING_S = 10
_AGAIN_S = 2.0
_HELD = 0.9  # of a lease's time: who cannot renew it stops before another may take it
_COLLECTED_AFTER = 100_000, 20, 100  # objects that were made and live, passes of the young, of the middle-aged
_STOP_WITHIN_S = 30  # after which hosts kill anyway

S = TypeVar("S", bound=Settings)


@dataclass(frozen=True, slots=True)
class Run(Generic[S]):
    """What a job's work is given. `now` is when the run began; `clock` is for what must be stamped later.

    `until`: the time of time.monotonic at which the run will be stopped; None where nothing stops it.
    """

    job: Job
    settings: S
    pool: db.Pool
    cache: Cache
    clock: Clock
    now: datetime
    until: float | None = None

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[db.Connection]:
        async with db.acquire(self.pool, self.settings.database_connect_timeout_s) as connection:
            async with connection.transaction():
                yield connection


Work = Callable[[Run[S]], Coroutine[Any, Any, Summary]]


def make_clock(settings: Settings) -> Clock:
    def now() -> datetime:
        return simulated_now(settings, time.time()) or datetime.now(UTC)

    return now


async def run_job(
    name: str, work: Mapping[str, Work[S]], settings: S, limit_s: float | None = None, clock: Clock | None = None
) -> Summary:
    """Runs one job under its lease and deadline and records it. Raises what the work raised, JobOverlap and JobNotDue.

    `limit_s`: when the host will stop us; the job gives up before that, while its end can still be recorded.
    """
    job = JOBS.get(name)
    if job is None or name not in work:
        known = ", ".join(sorted(work))
        raise UnknownJob(f"no job {name!r} here; this function runs: {known}")
    if limit_s is not None:
        left_s = max(1, int(limit_s) - RECORDING_S)
        job = replace(job, deadline_s=left_s if job.deadline_s is None else min(left_s, job.deadline_s))
    until = None if job.deadline_s is None else time.monotonic() + job.deadline_s
    async with opened(job, settings, until, clock) as run:
        async with _lease(run.pool, job, settings) as holder:
            run = replace(run, now=run.clock())
            await _is_called_for(run)
            with _rare_collections():
                return await _recorded(run, work[name], holder)


@asynccontextmanager
async def opened(job: Job, settings: S, until: float | None, clock: Clock | None = None) -> AsyncIterator[Run[S]]:
    """What a job's work is given, without a lease and a record: for work that may be done many times at once."""
    clock = clock or make_clock(settings)
    pool, cache = await db.make_pool(settings), make_cache(settings)
    try:
        yield Run(job, settings, pool, cache, clock, clock(), until)
    finally:
        await cache.close()
        with suppress(TimeoutError):
            async with asyncio.timeout(settings.database_connect_timeout_s):
                await pool.close()


async def _cancellable(work: Coroutine[Any, Any, Summary]) -> Summary:
    """The work's result. A cancellation is given again until the work has ended: one that comes in the very moment in
    which a connection is made is lost on its way through the HTTP client."""
    task = asyncio.ensure_future(work)
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        while not task.done():
            task.cancel()
            await asyncio.wait([task], timeout=_AGAIN_S)
        if not task.cancelled() and (failure := task.exception()):
            logger.warning("failed while it was stopped", extra={"error": f"{type(failure).__name__}: {failure}"[:300]})
        raise


async def right_clock(run: Run[S]) -> tuple[datetime, datetime | None]:
    """(now, when the job's last good run began), by the database's clock. Raises JobFailed on a host whose own clock is
    wrong."""
    settings = run.settings
    async with run.transaction() as connection:
        now, began = await job_queries.standing(connection, run.job.name)
    if settings.clock_start is None and abs(run.clock() - now) > timedelta(seconds=settings.max_clock_skew_s):
        raise JobFailed(f"this host's clock says {run.clock():%F %T}, the database's {now:%F %T}")
    return now, began


async def _is_called_for(run: Run[S]) -> None:
    """Under the lease. Raises JobFailed on a host whose clock is wrong, and JobNotDue."""
    settings = run.settings
    now, began = await right_clock(run)
    if settings.standby_after_s is None or run.job.cron is None:
        return
    skew, after = timedelta(seconds=settings.max_clock_skew_s), timedelta(seconds=settings.standby_after_s)
    if not waits_for_us(run.job.cron, now, began, after, skew):
        raise JobNotDue(f"{run.job.name}: in time elsewhere, last begun at {began:%F %T}")


async def _recorded(run: Run[S], work: Work[S], holder: str) -> Summary:
    run_id = str(uuid4())
    started = time.monotonic()
    error: str | None = None
    summary: Summary = {}
    deadline = asyncio.timeout(run.job.deadline_s)
    try:
        async with deadline:
            async with run.transaction() as connection:
                await job_queries.insert_run(connection, run_id, run.job.name, holder, run.now)
            summary = await _cancellable(work(run))
            return summary
    except BaseException as failure:
        if isinstance(failure, TimeoutError) and deadline.expired():
            error = f"deadline of {run.job.deadline_s} s passed"
            raise JobFailed(error) from None
        error = db.storable(secrecy.redacted(f"{type(failure).__name__}: {failure}"[:2_000]))
        raise
    finally:
        seconds = time.monotonic() - started
        try:
            async with run.transaction() as connection:
                await job_queries.mark_run_ended(connection, run_id, run.clock(), seconds, summary, error)
        except DatabaseDown as away:
            if error is None:
                raise
            # The work's own failure is what must be told.
            logger.error("the run's end was not recorded", extra={"job": run.job.name, "error": str(away)})


@contextmanager
def _rare_collections() -> Iterator[None]:
    """A job makes millions of objects, hardly one in a cycle: looking for cycles was a fifth of a collect run."""
    before = gc.get_threshold()
    gc.set_threshold(*_COLLECTED_AFTER)
    gc.freeze()
    try:
        yield
    finally:
        gc.unfreeze()
        gc.set_threshold(*before)


@asynccontextmanager
async def _lease(pool: db.Pool, job: Job, settings: Settings) -> AsyncIterator[str]:
    """Holds the job's lease and renews it; the body is cancelled when it is lost to another holder."""
    holder = f"{socket.gethostname()}:{os.getpid()}:{uuid4().hex[:8]}"
    ttl_s, connect_s = settings.lease_ttl_s, settings.database_connect_timeout_s
    asked = time.monotonic()
    async with db.acquire(pool, connect_s) as connection:
        if not await job_queries.take_lease(connection, job.name, holder, ttl_s):
            raise JobOverlap(f"{job.name}: another run is under way")
    body = asyncio.current_task()

    async def renew() -> None:
        """Until the lease is lost, or so nearly over that the work must end, because the database cannot be asked."""
        until = asked + _HELD * ttl_s
        while (left_s := until - time.monotonic()) > 0:
            await asyncio.sleep(min(ttl_s / 3, left_s))
            try:
                async with asyncio.timeout(until - time.monotonic()), db.acquire(pool, connect_s) as connection:
                    began = time.monotonic()
                    if not await job_queries.renew_lease(connection, job.name, holder, ttl_s):
                        break
                    until = began + _HELD * ttl_s
            except Exception as failure:  # noqa: BLE001  whatever it was, the lease must not lapse unnoticed
                logger.warning("lease not renewed", extra={"job": job.name, "error": str(failure)})
        logger.error("lease lost", extra={"job": job.name})
        if body is not None:
            body.cancel("lease lost")

    renewal = asyncio.create_task(renew())
    try:
        yield holder
    except asyncio.CancelledError:
        if body is None or not renewal.done():
            raise
        body.uncancel()
        raise JobFailed("its lease was lost: another run may be under way") from None
    finally:
        renewal.cancel()
        with suppress(asyncio.CancelledError, OddWonsError):
            await renewal
        try:
            async with db.acquire(pool, connect_s) as connection:
                await job_queries.release_lease(connection, job.name, holder)
        except DatabaseDown as away:  # it ends by itself
            logger.warning("lease not released", extra={"job": job.name, "error": str(away)})


def configured(kind: type[S], **known: str) -> S:
    """The environment and what is `known` besides as settings, the log set up by them.

    A fault in it is one line on stderr and exit 2.

    Not an error that is raised: hosts that import a function would bury the line in a traceback, and all of them
    take an exit while they start for what it is.
    """
    try:
        settings = load(kind, **known)
    except ConfigError as error:
        sys.stderr.write(f"{error}\n")
        raise SystemExit(2) from None
    secrecy.hide(secrecy.secrets_of(settings))
    log.configure(settings.log_level)
    reporting.start(settings)
    return settings


def serve(app: str, kind: type[ServerSettings]) -> None:
    """`app` (module:name) over HTTP on PORT until it is told to stop, for a host that runs commands."""
    if sys.argv[1:]:
        raise SystemExit(f"no job {sys.argv[1]!r} here; this function serves HTTP and takes no arguments")
    settings = configured(kind)
    from granian.constants import Interfaces  # installed only where we serve HTTP ourselves
    from granian.server import Server

    Server(app, address=settings.host, port=settings.port, interface=Interfaces.ASGI, log_access=False).serve()


def invoke(name: str, work: Mapping[str, Work[S]], settings: S, limit_s: float | None = None) -> Summary:
    """One job for a host that calls functions (Lambda, Cloud Run): the summary, or the error it raised.

    A fresh event loop is right here: a job opens and closes all it uses.
    """
    try:
        return {"job": name, "status": "ok", "summary": asyncio.run(run_job(name, work, settings, limit_s))}
    except JobOverlap as error:
        logger.info(str(error))
        return {"job": name, "status": "overlap", "detail": str(error)}
    except JobNotDue as error:
        logger.info(str(error))
        return {"job": name, "status": "not due", "detail": str(error)}


def cron_main(default_job: str, work: Mapping[str, Work[S]], kind: type[S], argv: list[str] | None = None) -> int:
    """One job for a host that runs commands: prints the outcome as one JSON line, returns the exit code."""
    arguments = sys.argv[1:] if argv is None else argv
    name = arguments[0] if arguments else default_job
    job = JOBS.get(name)
    settings = configured(kind)
    # A host that stops us gets an orderly end: the lease is given back and the run recorded.
    signal.signal(signal.SIGTERM, _stop)
    try:
        with _hard_exit_after(None if job is None or job.deadline_s is None else job.deadline_s + 30):
            outcome = invoke(name, work, settings)
    except OddWonsError as error:
        sys.stderr.write(secrecy.redacted(f"{name}: {error}") + "\n")
        reporting.report(error)
        return 1
    except KeyboardInterrupt:
        sys.stderr.write(f"{name}: stopped before its end\n")
        return 1
    sys.stdout.write(json.dumps(outcome, default=str) + "\n")
    return 0


def _stop(*_: object) -> None:
    """An orderly end, and a hard one where a library lost the cancellation on its way."""
    timer = threading.Timer(_STOP_WITHIN_S, _give_up, ["told to stop, and did not"])
    timer.daemon = True
    timer.start()
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # as a shell without a terminal starts us beside itself
        signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.raise_signal(signal.SIGINT)


def _give_up(said: str) -> None:
    sys.stderr.write(f"{said}\n")
    sys.stderr.flush()
    os._exit(3)


@contextmanager
def _hard_exit_after(seconds: float | None) -> Iterator[None]:
    """No scheduler we run on kills a stuck run, and a stuck one would block all that follow."""

    if seconds is None:
        yield
        return
    timer = threading.Timer(seconds, _give_up, ["hard deadline passed"])
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
