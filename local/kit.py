"""The local kit's processes: what runs beside the product on one machine, started, found again and stopped."""

from __future__ import annotations

import fcntl
import json
import math
import os
import re
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Any

import httpx
import psutil

from core.runtime import JOBS
from local import postgres, valkey
from local.terminal import fail, interrupt, on_stop, say, uninterrupted

ROOT = Path(__file__).resolve().parent.parent
DATA = Path(os.environ.get("ODDWONS_DATA", ROOT / ".local"))
READY_WITHIN_S = 30.0
ENDS_WITHIN_S = 5.0
MARK = "ODDWONS_KIT"  # in the environment of all that a kit starts; a remembered pid may be another's by now


class KitError(Exception):
    """One line for the person at the terminal."""


class CommandFailed(KitError):
    """A command or job that did not do its work; the kit itself is sound."""


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


@dataclass(frozen=True, slots=True)
class Server:
    """What must live as long as its kit."""

    process: psutil.Process
    log: Path


@dataclass(frozen=True, slots=True)
class Command:
    """What runs to its end by itself."""

    name: str
    process: subprocess.Popen[bytes]
    output: IO[bytes]
    errors: IO[bytes]


@dataclass(slots=True)
class Kit:
    """One set of processes over one data folder. Used as a context: leaving it stops all of them."""

    folder: Path
    environment: dict[str, str] = field(default_factory=dict)
    _servers: dict[str, Server] = field(default_factory=dict)
    _children: list[subprocess.Popen[bytes]] = field(default_factory=list)
    _held: ExitStack = field(default_factory=ExitStack)

    def __enter__(self) -> Kit:
        self._held.enter_context(hold(self.folder))
        stop_leftovers(self.folder)
        keep = ("PATH", "HOME", "LANG", "LC_ALL", "TMPDIR", "SSL_CERT_FILE", "SSL_CERT_DIR")
        self.environment = {name: os.environ[name] for name in keep if name in os.environ} | self.environment
        self.environment[MARK] = str(self.folder.resolve())
        return self

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        with uninterrupted(), self._held:
            try:
                if isinstance(error, Exception):
                    self.check()  # a server's death explains whatever came of it
            finally:
                stop_leftovers(self.folder)
                self._reap()

    def _reap(self) -> None:
        self._children = [child for child in self._children if child.poll() is None]

    def start_storage(self) -> None:
        """PostgreSQL, Valkey and the REST server before it, migrated and ready."""
        token, port = self.secret("upstash"), free_port()
        data, cache = self.folder / "postgres", self.folder / "valkey"
        self.environment["DATABASE_URL"] = postgres.start(data)
        self._watch("PostgreSQL", postgres.process(data), postgres.log_of(data))
        redis_url = valkey.start(cache)
        self._watch("Valkey", valkey.process(cache), valkey.log_of(cache))
        url = f"http://127.0.0.1:{port}"
        self.serve(
            "upstash",
            ["-m", "local.upstash", "--port", str(port), "--redis-url", redis_url, "--token", token],
            f"{url}/get/ready?_token={token}",
        )
        self.environment |= {"UPSTASH_REDIS_REST_URL": url, "UPSTASH_REDIS_REST_TOKEN": token}
        self.command(["-m", "alembic", "upgrade", "head"])

    def _watch(self, name: str, process: psutil.Process | None, log: Path) -> None:
        if process is None:
            raise KitError(f"{name} stopped at once; its log: {log}")
        self._servers[name] = Server(process, log)

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
        check_port(port)
        url = f"http://127.0.0.1:{port}"
        self.environment["JWT_SECRET"] = self.secret("jwt")
        self.serve("api", ["-m", "api"], f"{url}/health", {"PORT": str(port), **extra})
        return url

    def serve(self, name: str, arguments: list[str], ready: str, extra: Mapping[str, str] | None = None) -> None:
        """Starts a server and waits until `ready` answers 200. Its output goes to a file of its own."""
        log = self.folder / f"{name}.log"
        with log.open("wb") as said:
            process = self._spawn(arguments, extra, said, said)
        self._watch(name, psutil.Process(process.pid), log)
        deadline = time.monotonic() + READY_WITHIN_S
        while time.monotonic() < deadline:
            if process.poll() is not None:
                raise KitError(f"{name} stopped at once: {last_words(log)}")
            with suppress(httpx.TransportError):
                if httpx.get(ready, timeout=2).status_code == 200:
                    return
            time.sleep(0.05)
        raise KitError(f"{name} was not ready within {READY_WITHIN_S:.0f} s: {last_words(log)}")

    def _spawn(
        self, arguments: list[str], extra: Mapping[str, str] | None, output: IO[bytes], errors: IO[bytes]
    ) -> subprocess.Popen[bytes]:
        process = subprocess.Popen(
            [sys.executable, *arguments],
            cwd=ROOT,
            env=self.environment | dict(extra or {}),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=errors,
            start_new_session=True,  # Ctrl-C is for us to hand on, in order
        )
        self._reap()
        self._children.append(process)
        return process

    def check(self) -> None:
        """Raises KitError when a server stopped by itself."""
        for name, server in self._servers.items():
            if not postgres.lives(server.process):
                raise KitError(f"{name} stopped by itself: {last_words(server.log)} (its log: {server.log})")

    def command(self, arguments: list[str], extra: Mapping[str, str] | None = None, timeout_s: float = 900) -> str:
        """Runs to its end and returns its output. Raises CommandFailed with its last line when it fails."""
        return self._finish(self._begin(" ".join(arguments), arguments, extra), timeout_s)

    def job(self, name: str, extra: Mapping[str, str] | None = None) -> dict[str, Any]:
        """One run of a job as cron would run it; its summary. Raises CommandFailed."""
        return self.summary(self.begin_job(name, extra))

    def begin_job(self, name: str, extra: Mapping[str, str] | None = None) -> Command:
        return self._begin(name, ["-m", JOBS[name].function, name], extra)

    def summary(self, job: Command) -> dict[str, Any]:
        """Waits for the job's end."""
        deadline_s = JOBS[job.name].deadline_s
        said = self._finish(job, None if deadline_s is None else deadline_s + 60)
        try:
            outcome = json.loads(said.strip().splitlines()[-1])
            if outcome["status"] == "overlap":
                raise CommandFailed(outcome["detail"])
            summary: dict[str, Any] = outcome["summary"]
        except (ValueError, LookupError, TypeError) as error:
            raise CommandFailed(f"{job.name}: ended without its summary") from error
        return summary

    def _begin(self, name: str, arguments: list[str], extra: Mapping[str, str] | None) -> Command:
        # No pipes, which could fill up.
        output, errors = tempfile.TemporaryFile(), tempfile.TemporaryFile()  # noqa: SIM115  closed by _finish
        return Command(name, self._spawn(arguments, extra, output, errors), output, errors)

    def _finish(self, command: Command, timeout_s: float | None) -> str:
        with command.output, command.errors, (self.folder / "jobs.log").open("ab") as log:
            try:
                self._wait(command, timeout_s)
            finally:
                command.errors.seek(0)
                log.write(errors := command.errors.read())
            command.output.seek(0)
            output = command.output.read()
        code = command.process.returncode
        if code < 0:
            raise CommandFailed(f"{command.name}: killed by {signal.Signals(-code).name}")
        if code > 0:
            said = (errors or output).decode(errors="replace").strip().splitlines()
            raise CommandFailed(said[-1] if said else f"{command.name}: exit {code}")
        return output.decode()

    def _wait(self, command: Command, timeout_s: float | None) -> None:
        """Until the command has ended, by itself or because it must; then none of its processes is left."""
        process, until = command.process, time.monotonic() + (timeout_s or math.inf)
        try:
            while process.poll() is None:
                self.check()
                if time.monotonic() > until:
                    raise CommandFailed(f"{command.name}: not done after {timeout_s} s, so it was stopped")
                with suppress(subprocess.TimeoutExpired):
                    process.wait(0.2)
        finally:
            _end(lambda: _marked(self.environment[MARK], session=process.pid))
            process.kill()  # where the environment of others cannot be read
            process.wait()

    def secret(self, name: str) -> str:
        """Random, kept in the data folder so that tokens outlive a restart."""
        path = self.folder / f"{name}.secret"
        with suppress(FileNotFoundError):
            known = path.read_bytes()
            if re.fullmatch(rb"[0-9a-f]{64}", known):
                return known.decode()
            say(f"{path} was damaged and is made anew: tokens made with the old one no longer work")
        write(path, secrets.token_hex(32))
        return path.read_text()


def supervise(work: Callable[[], None]) -> int:
    """Does a command's work and returns its exit code: one line for what cannot be, no word when it is stopped."""
    on_stop(interrupt)
    try:
        work()
    except (KitError, postgres.PostgresError, valkey.ValkeyError, OSError) as error:
        return fail(str(error).splitlines()[0])
    except KeyboardInterrupt:
        return 130
    finally:
        on_stop(signal.SIG_IGN)  # nothing is left to stop
    return 0


def hold(folder: Path) -> IO[str]:
    """Keeps other kits out of the folder until it is closed or we die. Raises KitError that says who has it."""
    folder.mkdir(parents=True, exist_ok=True)
    lock = (folder / "holder").open("a+")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        with lock:
            lock.seek(0)
            holder = lock.read() or "another process"
        raise KitError(
            f"{folder} is in use by {holder}: stop it first, or set ODDWONS_DATA to another folder"
        ) from None
    lock.truncate(0)
    lock.write(f"{Path(sys.argv[0]).stem} (process {os.getpid()})")
    lock.flush()
    return lock


def write(path: Path, text: str) -> None:
    """Whole or not at all, and for our eyes only."""
    draft = path.with_name(f"{path.name}.new")
    draft.unlink(missing_ok=True)
    draft.touch(mode=0o600)
    draft.write_text(text)
    draft.replace(path)


def last_words(log: Path) -> str:
    with suppress(OSError):
        if lines := log.read_text(errors="replace").strip().splitlines():
            return lines[-1]
    return "it said nothing"


def stop_leftovers(folder: Path) -> None:
    """Stops what a kit started over this folder, however that kit ended."""
    _end(lambda: _marked(str(folder.resolve())))
    valkey.stop(folder / "valkey")
    postgres.stop(folder / "postgres")


def _marked(mark: str, session: int | None = None) -> list[psutil.Process]:
    """The living processes with this mark, of every session or of one."""
    found = []
    for process in psutil.process_iter():
        with suppress(psutil.Error, OSError):
            if process.environ().get(MARK) == mark and session in {None, os.getsid(process.pid)}:
                found.append(process)
    return [process for process in found if postgres.lives(process)]


def _end(find: Callable[[], list[psutil.Process]]) -> None:
    """Asks the processes to end, parents before children; kills what does not, and what comes up meanwhile."""
    asked: set[psutil.Process] = set()
    patience = time.monotonic() + ENDS_WITHIN_S
    while left := find():
        if time.monotonic() > patience + ENDS_WITHIN_S:
            raise KitError(f"process {left[0].pid} cannot be ended")
        pids = {process.pid for process in left}
        for process in left:
            with suppress(psutil.Error):
                if time.monotonic() > patience:
                    process.kill()
                elif process not in asked and process.ppid() not in pids:
                    asked.add(process)
                    process.terminate()
        time.sleep(0.05)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def check_port(port: int) -> None:
    """Raises KitError when nobody could listen on the port."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError as error:
            raise KitError(f"port {port}: {error.strerror}; set PORT to another one, such as PORT=8001") from None


def reset_folder(folder: Path) -> None:
    """Stops what runs over this folder and deletes it."""
    with hold(folder):
        _wipe(folder)


def _wipe(folder: Path) -> None:
    stop_leftovers(folder)
    postgres.remove(folder / "postgres")
    shutil.rmtree(folder, ignore_errors=True)


def reset() -> None:
    """Stops everything local and deletes its data; nothing at all while one of its folders is in use."""
    folders = [folder for folder in DATA.iterdir() if folder.is_dir()] if DATA.exists() else []
    with ExitStack() as held:
        for folder in folders:
            held.enter_context(hold(folder))
        for folder in folders:
            _wipe(folder)
    shutil.rmtree(DATA, ignore_errors=True)


if __name__ == "__main__":
    if sys.argv[1:] != ["reset"]:
        sys.exit("usage: python -m local.kit reset")
    sys.exit(supervise(reset))
