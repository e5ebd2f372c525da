"""Jobs started at their times by a process of ours."""

from __future__ import annotations

import asyncio
import signal
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from core import crond
from core.runtime import JOBS
from tests.hosts.hosting import clean_environment


async def test_a_job_that_becomes_due_is_started_and_told_to_stop_with_us(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Due at once: as if the scheduler had stood still since the turn before."""
    (tmp_path / "turn.py").write_text(
        "import pathlib, signal, sys, time\n"
        "signal.signal(signal.SIGTERM, lambda *_: (pathlib.Path('ended').touch(), sys.exit(1)))\n"
        "pathlib.Path('begun-' + sys.argv[1]).touch()\ntime.sleep(600)\n"
    )
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    stopped = asyncio.Event()
    every_minute = replace(JOBS["collect"], cron="* * * * *", function="turn")
    loop = asyncio.ensure_future(crond.keep_running([every_minute], stopped))
    async with asyncio.timeout(120):
        while not (tmp_path / "begun-collect").exists():  # noqa: ASYNC110
            await asyncio.sleep(0.05)
    stopped.set()
    await loop
    assert (tmp_path / "ended").exists()


def test_an_unknown_job_is_refused_with_those_that_there_are(capsys: pytest.CaptureFixture[str]) -> None:
    assert asyncio.run(crond.main(["collect", "backfill"])) == 2
    assert capsys.readouterr().err.startswith("no job backfill; there are ")


async def test_told_to_stop_it_exits_with_0(tmp_path: Path) -> None:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "core.crond", "digest", cwd=tmp_path, env=clean_environment()
    )
    await asyncio.sleep(2)
    process.send_signal(signal.SIGTERM)
    assert await process.wait() == 0
