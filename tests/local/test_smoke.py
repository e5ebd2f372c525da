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

from local import postgres
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
    for count in ("snapshots", "patterns", "insights", "arbitrage", "arbitrage_analysed"):
        assert said[count] > 0, count
    assert min(said["markets"].values()) > 0
    assert said["served"]["free"] == 403
    assert 0 < said["served"]["basic"] <= 5
    assert said["served"]["premium"] > 0
    assert said["served"]["pro"] > 0
    assert said["digest_by"].startswith("stand-in:")
    assert said["arbitrage_not_analysed"].keys() <= {"too many for one run"}
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

    def end(self, number: int) -> tuple[int, str]:
        """Its exit code and what it said beside the greeting."""
        self.process.send_signal(number)
        return self.ended()

    def ended(self) -> tuple[int, str]:
        _, said = self.process.communicate(timeout=60)
        return self.process.returncode, said


def test_the_demo_serves_every_tier_stops_cleanly_and_survives_kill_9_and_a_dead_server() -> None:
    folder = Path(tempfile.mkdtemp(prefix="demo-", dir=servers()))
    demo = Demo(folder)
    try:
        tokens = demo.tokens()
        assert set(tokens) == {"free", "basic", "premium", "pro"}
        assert demo.get("/api/v1/insights/ai", tokens["free"]).status_code == 403
        assert len(demo.get("/api/v1/billing/plans", tokens["free"]).json()["plans"]) == 3
        insights = demo.get("/api/v1/insights/ai", tokens["pro"]).json()["insights"]
        assert insights
        assert all(insight["model"].startswith("stand-in:") for insight in insights)
        page = demo.get("/").text
        assert "Demonstration" in page
        assert page.count("<article>") > 3
        demo.end(signal.SIGKILL)
        assert demo.get("/health").status_code == 200, "its server outlives it"

        demo.process = demo.start()
        again = demo.tokens()
        assert demo.get("/api/v1/insights/ai", again["pro"]).status_code == 200
        assert demo.get("/api/v1/insights/ai", tokens["pro"]).status_code == 200, "tokens outlive a restart"
        database = postgres.process(folder / "demo" / "postgres")
        assert database is not None
        database.kill()
        code, said = demo.ended()
        assert code == 1
        last = json.loads(said.splitlines()[-1])
        assert last["message"].startswith("PostgreSQL stopped by itself: ")
        assert str(postgres.log_of(folder / "demo" / "postgres")) in last["message"]
        assert "Traceback" not in said

        demo.process = demo.start()
        demo.tokens()
        code, said = demo.end(signal.SIGINT)
        assert code == 0
        assert "Traceback" not in said
        with pytest.raises(httpx.ConnectError):
            demo.get("/health")
    finally:
        if demo.process.poll() is None:
            demo.end(signal.SIGTERM)
        demo.process.communicate()
        subprocess.run([sys.executable, "-m", "local.kit", "reset"], cwd=ROOT, env=demo.environment, check=True)
    assert not folder.exists()


def test_the_live_run_fetches_history_once_beside_its_schedule() -> None:
    """Its venues are replayed, in real time."""
    folder = Path(tempfile.mkdtemp(prefix="run-", dir=servers()))
    port = free_port()
    with subprocess.Popen([sys.executable, "-m", "local.replay", "--port", str(port)], cwd=ROOT) as replay:
        venues = f"http://127.0.0.1:{port}"
        environment = os.environ | {
            "PORT": str(free_port()),
            "ODDWONS_DATA": str(folder),
            "KALSHI_BASE_URL": f"{venues}/kalshi/trade-api/v2",
            "POLYMARKET_GAMMA_URL": f"{venues}/polymarket/gamma",
            "POLYMARKET_CLOB_URL": f"{venues}/polymarket/clob",
            "KALSHI_REQUESTS_PER_S": "500",
            "POLYMARKET_REQUESTS_PER_S": "500",
        }
        with httpx.Client(transport=httpx.HTTPTransport(retries=20)) as http:
            http.get(f"{venues}/control/inventory", timeout=60).raise_for_status()
        try:
            first = lines_of_run(environment, until="backfill")
            history = json.loads(first[-1])
            assert history["kalshi"] > 0
            assert history["polymarket"] > 0
            served = next(number for number, line in enumerate(first) if '"serve"' in line)
            said = next(number for number, line in enumerate(first) if "fetching past prices of" in line)
            assert served < said, "the first page does not wait for it"
            assert not any("backfill" in line for line in lines_of_run(environment, until="serve"))
        finally:
            replay.terminate()
            subprocess.run([sys.executable, "-m", "local.kit", "reset"], cwd=ROOT, env=environment, check=True)


def lines_of_run(environment: dict[str, str], until: str) -> list[str]:
    """What `make run` says until a line has the word; then it is stopped, and must stop well."""
    command = [sys.executable, "-m", "local.run"]
    with subprocess.Popen(
        command, cwd=ROOT, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stderr is not None
        lines = []
        for line in process.stderr:
            lines.append(line)
            if until in line:
                break
        process.send_signal(signal.SIGINT)
        rest = process.stderr.read()
    assert "Traceback" not in rest
    assert process.returncode in {0, 130}
    return lines
