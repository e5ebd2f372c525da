"""What a hosted database sends to a home server that runs the jobs: only that is billed.

`python -m bench.traffic [markets ...]` prints the table of docs/storage.md.
"""

from __future__ import annotations

import asyncio
import subprocess
import sys
from dataclasses import dataclass

import orjson

from bench.collecting import QUARTER, Bench, venues
from bench.result import Result, at_most
from bench.wire import counted
from local import postgres
from local.kit import ROOT

FEW, MANY = 20_000, 100_000
USD_PER_GB = 0.05
CYCLES = 3
MONTHLY = {"collect": 2_880, "analyze": 2_880, "settle": 720, "upkeep": 30}
BARE = "analyze without a store"  # told for comparison, and not part of the sum


@dataclass(frozen=True, slots=True)
class Passed:
    """Bytes of one run, mean of several: `sent` to the database, `received` from it."""

    sent: float
    received: float

    def usd(self, job: str) -> float:
        return self.received * MONTHLY[job.removesuffix(BARE[7:])] / 1e9 * USD_PER_GB


@dataclass(frozen=True, slots=True)
class Measured:
    markets: int
    snapshots: float
    jobs: dict[str, Passed]

    @property
    def usd(self) -> float:
        return sum(passed.usd(job) for job, passed in self.jobs.items() if job != BARE)

    def says(self) -> str:
        parts = (f"{job} {passed.received / 1e6:.2f} MB a run" for job, passed in self.jobs.items())
        return f"{self.markets:,} markets, {self.snapshots:,.0f} snapshots a cycle; received: {', '.join(parts)}"


async def run() -> list[Result]:
    found = await measure(FEW)
    scaled = found.usd * MANY / found.markets
    return [
        Result("traffic_usd_month_20k", round(found.usd, 2), "$ a month", found.says(), None, None),
        at_most("traffic_usd_month_100k", scaled, "$ a month", f"scaled from {found.markets:,} markets", 3),
    ]


async def measure(markets: int) -> Measured:
    """Ordinary cycles of the schedule's jobs, each a process of its own; of four sweeps one is controlled.

    After a backfill, so that analysis has three days to read. Nearly all of these markets change in a cycle.
    """
    with venues(markets) as bench:
        server = bench.kit.environment["DATABASE_URL"]
        postgres.drop_database(server, "traffic")
        url = postgres.create_database(server, "traffic")
        bench.kit.environment |= {"DATABASE_URL": url, "AI_ANALYSIS_ENABLED": "false", "COLLECT_BOOKS_MOST": "200"}
        bench.kit.command(["-m", "alembic", "upgrade", "head"])
        first, _ = _passed(bench, "collect", "collect")
        _passed(bench, "collect", "backfill", BACKFILL_DAYS="3", BACKFILL_SETTLED_DAYS="0")
        known = sum(said["markets"] for said in first.values() if isinstance(said, dict) and "markets" in said)
        passed: dict[str, list[Passed]] = {}
        snapshots = []
        store = {"BODY_STORE_DIR": str(bench.kit.folder / "bodies")}
        await bench.until(bench.clock.now() + QUARTER)
        _passed(bench, "collect", "collect")
        _passed(bench, "analyze", "analyze", **store)  # what a new host is sent once
        for _ in range(CYCLES):
            await bench.until(bench.clock.now() + QUARTER)
            said, of_run = _passed(bench, "collect", "collect")
            snapshots.append(sum(part.get("snapshots", 0) for part in said.values() if isinstance(part, dict)))
            passed.setdefault("collect", []).append(of_run)
            passed.setdefault("analyze", []).append(_passed(bench, "analyze", "analyze", **store)[1])
            passed.setdefault(BARE, []).append(_passed(bench, "analyze", "analyze")[1])
        passed["collect"].append(_passed(bench, "collect", "collect", CONTROL_SWEEP_EVERY_S="0")[1])
        passed["settle"] = [_passed(bench, "collect", "settle")[1]]
        passed["upkeep"] = [_passed(bench, "collect", "upkeep")[1]]
        bench.kit.environment["DATABASE_URL"] = server
    return Measured(known, sum(snapshots) / CYCLES, {job: _mean(runs) for job, runs in passed.items()})


def _mean(runs: list[Passed]) -> Passed:
    return Passed(sum(run.sent for run in runs) / len(runs), sum(run.received for run in runs) / len(runs))


def _passed(bench: Bench, function: str, job: str, **settings: str) -> tuple[dict[str, object], Passed]:
    """The job's summary, and what went between it and its database."""
    with counted(bench.kit.environment["DATABASE_URL"]) as traffic:
        environment = bench.kit.environment | bench.clock.environment() | {"DATABASE_URL": traffic.url} | settings
        command = [sys.executable, "-m", function, job]
        done = subprocess.run(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, check=True)  # noqa: S603
    return orjson.loads(done.stdout)["summary"], Passed(traffic.sent, traffic.received)


def table(found: Measured) -> str:
    lines = ["| job | runs a month | sent, MB a run | received, MB a run | received, GB a month | $ a month |"]
    lines.append("|---|---:|---:|---:|---:|---:|")
    for job, passed in found.jobs.items():
        runs = MONTHLY[job.removesuffix(BARE[7:])]
        month = passed.received * runs / 1e9
        lines.append(
            f"| {job} | {runs:,} | {passed.sent / 1e6:.2f} | {passed.received / 1e6:.2f} | {month:.1f} "
            f"| {passed.usd(job):.2f} |"
        )
    return "\n".join([f"{found.says()}: ${found.usd:.2f} a month\n", *lines])


async def main(sizes: list[int]) -> None:
    for size in sizes:
        sys.stdout.write(table(await measure(size)) + "\n\n")


if __name__ == "__main__":
    asyncio.run(main([int(size) for size in sys.argv[1:]] or [FEW]))
