"""The local job table: what is due when, and what a job beside it says of its progress."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from datetime import UTC, datetime, timedelta

import pytest

from local import schedule
from local.kit import Command
from local.schedule import Progress, Schedule, last_said
from tests.hosts.schedule import implemented

NOON = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)


def test_a_job_that_is_late_by_several_times_runs_once() -> None:
    jobs = Schedule(NOON, ["collect"])
    assert jobs.take_due(NOON + timedelta(hours=2)) == ["collect"]
    assert jobs.take_due(NOON + timedelta(hours=2)) == []


def test_what_is_built_and_due_by_the_clock_is_what_the_demo_runs() -> None:
    assert {job.name for job in implemented()} - {*schedule.BUILT} == {"reconcile"}
    jobs = Schedule(NOON, (*schedule.BUILT, "reconcile"))
    assert "reconcile" not in jobs.take_due(NOON + timedelta(hours=13))
    assert "reconcile" in jobs.take_due(NOON + timedelta(hours=17))


def test_the_last_word_of_each_venue_counts_and_other_lines_do_not() -> None:
    lines = b"""Traceback of nothing
{"message": "candles", "platform": "kalshi", "done": 1, "total": 9}
{"message": "candles", "platform": "kalshi", "done": 4, "total": 9}
{"message": "candles", "platform": "polymarket", "done": 0, "total": 5}
{"message": "another"}
[1]
"""
    assert {venue: said["done"] for venue, said in last_said(lines).items()} == {"kalshi": 4, "polymarket": 0}


def test_progress_is_told_while_the_job_writes_on(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(schedule, "PROGRESS_EVERY_S", 0.0)
    line = '{"message": "candles", "platform": "kalshi", "done": %d, "total": 9}'
    with tempfile.TemporaryFile() as output, tempfile.TemporaryFile() as errors:

        def write(text: str) -> None:
            command = [sys.executable, "-c", "import sys; sys.stderr.write(sys.argv[1])", text]
            subprocess.run(command, stderr=errors, check=True)

        job = Command("backfill", subprocess.Popen([sys.executable, "-c", ""]), output, errors)
        job.process.wait()
        progress = Progress(job)
        write(line % 3 + "\n" + (line % 4)[:20])
        progress.tell()
        assert '"done": "3 of 9"' in capsys.readouterr().err
        write((line % 4)[20:] + "\n")
        progress.tell()
        assert '"done": "4 of 9"' in capsys.readouterr().err
        progress.tell()
        assert capsys.readouterr().err == ""
