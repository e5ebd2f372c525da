"""The commands a newcomer runs first do what they say."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import httpx
import pytest

from local.kit import free_port
from tests.conftest import RECORDED, ROOT, needs_recorded, servers

pytestmark = [pytest.mark.long, pytest.mark.timeout(300)]


def smoke(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "local.smoke", *arguments], cwd=ROOT, capture_output=True, text=True, check=False
    )


def account(*arguments: str) -> dict[str, Any]:
    done = smoke(*arguments)
    assert done.returncode == 0, done.stderr
    last: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return last


def test_on_the_generated_world_every_stage_has_something_to_show() -> None:
    said = account()
    for count in ("snapshots", "patterns", "insights", "arbitrage"):
        assert said[count] > 0, count
    assert min(said["markets"].values()) > 0
    assert said["served"]["free"] == 403
    assert 0 < said["served"]["basic"] <= 5
    assert said["served"]["premium"] > 0
    assert said["served"]["pro"] > 0
    assert said["nothing_to_do"] == {}


@needs_recorded
def test_on_recorded_answers_every_listed_row_is_stored_or_counted() -> None:
    said = account("--world", str(RECORDED))
    for venue in ("kalshi", "polymarket"):
        world = said["world"][venue]
        assert world["listed"] + sum(world["not_listed"].values()) == world["rows"]
    stored = sum(said["markets"].values()) + sum(said["rows_skipped"].values())
    assert stored >= 607 + 162
    assert "history" in said["nothing_to_do"]


def test_a_world_that_is_not_there_is_one_clear_line() -> None:
    done = smoke("--world", "/nowhere/at/all")
    assert done.returncode == 1
    assert "is not a folder" in done.stderr
    assert "Traceback" not in done.stderr


def test_an_empty_world_fails_and_says_which_stage(tmp_path: Path) -> None:
    done = smoke("--world", str(tmp_path))
    assert done.returncode == 1
    assert "Traceback" not in done.stderr


class Demo:
    """`make demo` on a port and a data folder of its own."""

    def __init__(self, folder: Path) -> None:
        self.port = free_port()
        self.environment = os.environ | {"PORT": str(self.port), "ODDWONS_DATA": str(folder)}
        self.process = self.start()

    def start(self) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-m", "local.demo"],
            cwd=ROOT,
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
            # as a shell starts background jobs: Ctrl-C must work all the same
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_IGN),
        )

    def tokens(self) -> dict[str, str]:
        """Waits for the greeting."""
        assert self.process.stdout is not None
        found: dict[str, str] = {}
        for line in self.process.stdout:
            if match := re.match(r"(free|basic|premium|pro)\s+(\S+)$", line):
                found[match[1]] = match[2]
            if line.startswith("Stop with"):
                return found
        raise AssertionError(self.process.stderr.read() if self.process.stderr else "no greeting")

    def get(self, path: str, token: str | None = None) -> httpx.Response:
        headers = {"authorization": f"Bearer {token}"} if token else {}
        return httpx.get(f"http://127.0.0.1:{self.port}{path}", headers=headers, timeout=10)

    def end(self, number: int) -> int:
        os.killpg(self.process.pid, number)
        self.process.communicate(timeout=60)
        return self.process.returncode


def test_the_demo_serves_every_tier_stops_cleanly_and_survives_kill_9() -> None:
    demo = Demo(Path(tempfile.mkdtemp(prefix="demo-", dir=servers())))
    try:
        tokens = demo.tokens()
        assert set(tokens) == {"free", "basic", "premium", "pro"}
        assert demo.get("/api/v1/insights/ai", tokens["free"]).status_code == 403
        insights = demo.get("/api/v1/insights/ai", tokens["pro"]).json()["insights"]
        assert insights
        assert all(insight["model"].startswith("stand-in:") for insight in insights)
        page = demo.get("/").text
        assert "Demonstration" in page
        assert page.count("<article>") > 3
        demo.end(signal.SIGKILL)

        demo.process = demo.start()
        again = demo.tokens()
        assert demo.get("/api/v1/insights/ai", again["pro"]).status_code == 200
        assert demo.get("/api/v1/insights/ai", tokens["pro"]).status_code == 200, "tokens outlive a restart"
        assert demo.end(signal.SIGINT) == 0
        with pytest.raises(httpx.ConnectError):
            demo.get("/health")
    finally:
        if demo.process.poll() is None:
            demo.end(signal.SIGTERM)
        demo.process.communicate()
        subprocess.run([sys.executable, "-m", "local.kit", "reset"], cwd=ROOT, env=demo.environment, check=True)
