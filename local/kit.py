"""The local kit's processes: what runs beside the product on one machine, started, found again and stopped."""

from __future__ import annotations

import json
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import psutil

from local import postgres, valkey

ROOT = Path(__file__).resolve().parent.parent
DATA = Path(os.environ.get("ODDWONS_DATA", ROOT / ".local"))
READY_WITHIN_S = 30.0


class KitError(Exception):
    """One line for the person at the terminal."""


@dataclass(frozen=True, slots=True)
class MovingClock:
    """Simulated time: `start` at the unix time `origin`, from there `speed` seconds a second."""

    start: datetime
    origin: float
    speed: float

    def now(self) -> datetime:
        return datetime.fromtimestamp(self.start.timestamp() + (time.time() - self.origin) * self.speed, UTC)

    def environment(self) -> dict[str, str]:
        return {
            "CLOCK_START": self.start.isoformat(),
            "CLOCK_ORIGIN": repr(self.origin),
            "CLOCK_SPEED": repr(self.speed),
        }


@dataclass(slots=True)
class Kit:
    """One set of processes over one data folder. Used as a context: leaving it stops all of them."""

    folder: Path
    environment: dict[str, str] = field(default_factory=dict)
    _children: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)

    def __enter__(self) -> Kit:
        self.folder.mkdir(parents=True, exist_ok=True)
        stop_leftovers(self.folder)
        keep = ("PATH", "HOME", "LANG", "LC_ALL", "TMPDIR", "SSL_CERT_FILE", "SSL_CERT_DIR")
        self.environment = {name: os.environ[name] for name in keep if name in os.environ} | self.environment
        return self

    def __exit__(self, *_: object) -> None:
        for process in self._children.values():
            process.terminate()
        for process in self._children.values():
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
        stop_leftovers(self.folder)

    def start_storage(self) -> None:
        """PostgreSQL, Valkey and the REST server before it, migrated and ready."""
        token, port = self.secret("upstash"), free_port()
        try:
            self.environment["DATABASE_URL"] = postgres.start(self.folder / "postgres")
            redis_url = valkey.start(self.folder / "valkey")
        except (postgres.PostgresError, valkey.ValkeyError) as error:
            raise KitError(str(error).splitlines()[0]) from error
        url = f"http://127.0.0.1:{port}"
        self.serve(
            "upstash",
            ["-m", "local.upstash", "--port", str(port), "--redis-url", redis_url, "--token", token],
            f"{url}/get/ready?_token={token}",
        )
        self.environment |= {"UPSTASH_REDIS_REST_URL": url, "UPSTASH_REDIS_REST_TOKEN": token}
        self.command(["-m", "alembic", "upgrade", "head"])

    def start_replay(self, world: str, clock: MovingClock) -> str:
        """The venues, played back; the functions' settings point at them. Returns its address."""
        port = free_port()
        url = f"http://127.0.0.1:{port}"
        arguments = ["-m", "local.replay", "--port", str(port), "--world", world]
        self.serve("replay", arguments, f"{url}/control/inventory", clock.environment())
        self.environment |= {
            "KALSHI_BASE_URL": f"{url}/kalshi/trade-api/v2",
            "POLYMARKET_GAMMA_URL": f"{url}/polymarket/gamma",
            "POLYMARKET_CLOB_URL": f"{url}/polymarket/clob",
            "KALSHI_REQUESTS_PER_S": "500",
            "POLYMARKET_REQUESTS_PER_S": "500",
        }
        return url

    def start_analyst(self) -> None:
        """The Groq stand-in; what it writes names it in `model`."""
        port = free_port()
        url = f"http://127.0.0.1:{port}"
        self.serve("groq", ["-m", "local.groq", "--port", str(port)], f"{url}/control/calls")
        self.environment |= {"GROQ_BASE_URL": url, "GROQ_API_KEY": "gsk_local_stand_in"}

    def start_api(self, port: int, extra: Mapping[str, str]) -> str:
        if not port_is_free(port):
            raise KitError(f"port {port} is taken; set PORT to another one")
        url = f"http://127.0.0.1:{port}"
        self.environment["JWT_SECRET"] = self.secret("jwt")
        self.serve("api", ["-m", "api"], f"{url}/health", {"PORT": str(port), **extra})
        return url

    def serve(self, name: str, arguments: list[str], ready: str, extra: Mapping[str, str] | None = None) -> None:
        """Starts a server and waits until `ready` answers 200. Its output goes to a file of its own."""
        with (self.folder / f"{name}.log").open("wb") as log:
            process = subprocess.Popen(
                [sys.executable, *arguments],
                cwd=ROOT,
                env=self.environment | dict(extra or {}),
                stdout=log,
                stderr=log,
                start_new_session=True,  # Ctrl-C is for us to hand on, in order
            )
        self._children[name] = process
        self._remember()
        deadline = time.monotonic() + READY_WITHIN_S
        while time.monotonic() < deadline:
            if process.poll() is not None:
                raise KitError(f"{name} stopped at once: {self.last_words(name)}")
            try:
                if httpx.get(ready, timeout=2).status_code == 200:
                    return
            except httpx.TransportError:
                pass
            time.sleep(0.05)
        raise KitError(f"{name} was not ready within {READY_WITHIN_S:.0f} s: {self.last_words(name)}")

    def last_words(self, name: str) -> str:
        lines = (self.folder / f"{name}.log").read_text(errors="replace").strip().splitlines()
        return lines[-1] if lines else "it said nothing"

    def command(self, arguments: list[str], extra: Mapping[str, str] | None = None, timeout_s: float = 900) -> str:
        """Runs to its end and returns its output. Raises KitError with its last line when it fails."""
        done = subprocess.run(
            [sys.executable, *arguments],
            cwd=ROOT,
            env=self.environment | dict(extra or {}),
            capture_output=True,
            timeout=timeout_s,
            check=False,
        )
        with (self.folder / "jobs.log").open("ab") as log:
            log.write(done.stderr)
        if done.returncode != 0:
            said = (done.stderr or done.stdout).decode(errors="replace").strip().splitlines()
            raise KitError(said[-1] if said else f"{' '.join(arguments)}: exit {done.returncode}")
        return done.stdout.decode()

    def job(self, function: str, name: str, extra: Mapping[str, str] | None = None) -> dict[str, Any]:
        """One run of a job as cron would run it; its summary."""
        said = self.command(["-m", function, name], extra)
        summary: dict[str, Any] = json.loads(said.strip().splitlines()[-1]).get("summary", {})
        return summary

    def secret(self, name: str) -> str:
        """Random, kept in the data folder so that tokens outlive a restart."""
        path = self.folder / f"{name}.secret"
        if not path.exists():
            path.touch(mode=0o600)
            path.write_text(secrets.token_hex(32))
        return path.read_text()

    def died(self) -> str | None:
        """The name of a server that stopped by itself, if any."""
        return next((name for name, process in self._children.items() if process.poll() is not None), None)

    def _remember(self) -> None:
        pids = [[process.pid, _born(process.pid)] for process in self._children.values()]
        (self.folder / "processes.json").write_text(json.dumps(pids))


def stop_leftovers(folder: Path) -> None:
    """Stops what an earlier kit left behind in this folder, however it ended."""
    remembered = folder / "processes.json"
    if remembered.exists():
        try:
            pids = json.loads(remembered.read_text())
        except json.JSONDecodeError:  # killed while writing it; the servers hold no data
            pids = []
        for pid, born in pids:
            if _born(pid) == born:
                _stop(pid)
        remembered.unlink(missing_ok=True)
    valkey.stop(folder / "valkey")
    postgres.stop(folder / "postgres")


def _born(pid: int) -> float | None:
    """When the process began: a pid alone may be another's by now."""
    try:
        return psutil.Process(pid).create_time()
    except psutil.Error:
        return None


def _stop(pid: int) -> None:
    try:
        process = psutil.Process(pid)
        family = [process, *process.children(recursive=True)]
        process.send_signal(signal.SIGTERM)
        _, alive = psutil.wait_procs(family, timeout=5)
        for one in alive:
            one.kill()
    except psutil.NoSuchProcess:
        return


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def port_is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True


def reset_folder(folder: Path) -> None:
    """Stops what runs over this folder and deletes it."""
    if folder.exists():
        stop_leftovers(folder)
        shutil.rmtree(folder, ignore_errors=True)


def reset() -> None:
    """Stops everything local and deletes its data."""
    for folder in DATA.iterdir() if DATA.exists() else ():
        reset_folder(folder)
    shutil.rmtree(DATA, ignore_errors=True)


if __name__ == "__main__":
    if sys.argv[1:] != ["reset"]:
        sys.exit("usage: python -m local.kit reset")
    reset()
