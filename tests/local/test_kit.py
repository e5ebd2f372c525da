"""The kit's processes: what is started is found again and stopped, and what cannot be is one clear line."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

import psutil
import psycopg
import pytest

from local import postgres, valkey
from local.demo import resumed_clock
from local.kit import CommandFailed, Kit, KitError, check_port, free_port, hold, reset_folder
from local.schedule import tell
from local.smoke import last_digest_time

ROOT = Path(__file__).parents[2]
# A server that ignores a polite end and has a child, as granian has just after its start.
STUBBORN = """
import http.server, signal, subprocess, sys
signal.signal(signal.SIGTERM, signal.SIG_IGN)
subprocess.Popen([sys.executable, "-c", "import signal, time; signal.signal(15, signal.SIG_IGN); time.sleep(600)"])
http.server.test(http.server.SimpleHTTPRequestHandler, port=int(sys.argv[1]), bind="127.0.0.1")
"""
KIT = """
import sys, time
from pathlib import Path
from local.kit import Kit
with Kit(Path(sys.argv[1])) as kit:
    kit.serve("stubborn", ["-c", sys.argv[3], sys.argv[2]], f"http://127.0.0.1:{sys.argv[2]}/README.md")
    print("ready", flush=True)
    time.sleep(600)
"""


@pytest.fixture
def folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="oddwons-kit-") as parent:
        yield Path(parent) / "demo"
        reset_folder(Path(parent) / "demo")


@pytest.fixture
def kit(folder: Path) -> Iterator[Kit]:
    with Kit(folder) as kit:
        yield kit


@pytest.fixture
def mute() -> Iterator[socket.socket]:
    """Both venues: they take a call and never answer."""
    with socket.create_server(("127.0.0.1", 0)) as venues:
        venues.settimeout(120)
        yield venues


def at(venues: socket.socket) -> dict[str, str]:
    url = f"http://127.0.0.1:{venues.getsockname()[1]}"
    return {"KALSHI_BASE_URL": url, "POLYMARKET_GAMMA_URL": url, "POLYMARKET_CLOB_URL": url}


def local(module: str, folder: Path, **environment: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", *module.split()],
        cwd=ROOT,
        env=os.environ | {"ODDWONS_DATA": str(folder), **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def eventually(what: Callable[[], object]) -> None:
    deadline = time.monotonic() + 120
    while not what():
        assert time.monotonic() < deadline, "it did not come to pass"
        time.sleep(0.02)


def started_over(folder: Path) -> list[psutil.Process]:
    """Every living process that names the folder in its command or its environment."""
    found = []
    for process in psutil.process_iter():
        with suppress(psutil.Error):
            words = [*process.cmdline(), *process.environ().values()]
            if process.pid != os.getpid() and postgres.lives(process) and any(str(folder) in word for word in words):
                found.append(process)
    return found


def test_a_job_that_runs_elsewhere_is_told_in_one_line(kit: Kit, capsys: pytest.CaptureFixture[str]) -> None:
    kit.start_storage()
    with psycopg.connect(kit.environment["DATABASE_URL"]) as connection:
        connection.execute("INSERT INTO job_leases (job, holder, expires_at) VALUES ('settle', 'x', now() + '1 hour')")
    capsys.readouterr()
    tell(kit, kit.begin_job("settle"), datetime(2026, 11, 22, 13, 10, tzinfo=UTC))
    assert json.loads(capsys.readouterr().err)["message"] == "13:10 settle failed: another run is under way"


def test_a_killed_job_is_told_in_one_line(kit: Kit, mute: socket.socket, capsys: pytest.CaptureFixture[str]) -> None:
    kit.start_storage()
    job = kit.begin_job("collect", at(mute))
    with mute.accept()[0]:
        job.process.kill()
    capsys.readouterr()
    tell(kit, job, datetime(2026, 11, 22, 13, 15, tzinfo=UTC))
    assert json.loads(capsys.readouterr().err)["message"] == "13:15 collect failed: killed by SIGKILL"


def test_a_job_that_says_nothing_is_a_failed_one(kit: Kit) -> None:
    for said in ("", "[]", "{}", "nonsense"):
        job = kit._begin("collect", ["-c", f"print({said!r})"], {})
        with pytest.raises(CommandFailed, match="collect: ended without its summary"):
            kit.summary(job)


def test_what_takes_too_long_is_stopped_with_its_children_and_told(kit: Kit, folder: Path) -> None:
    nap = "import subprocess, sys; subprocess.run([sys.executable, '-c', 'import time; time.sleep(600)'])"
    with pytest.raises(CommandFailed, match="not done after 1 s, so it was stopped"):
        kit.command(["-c", nap], timeout_s=1)
    assert started_over(folder) == []


@pytest.mark.parametrize("name", ["PostgreSQL", "Valkey"])
def test_the_death_of_storage_is_noticed_and_named(kit: Kit, folder: Path, name: str, mute: socket.socket) -> None:
    kit.start_storage()
    kit.check()
    server = {"PostgreSQL": postgres.process(folder / "postgres"), "Valkey": valkey.process(folder / "valkey")}[name]
    assert server is not None
    server.kill()
    with pytest.raises(KitError, match=rf"{name} stopped by itself: .*its log: {folder}|/var/tmp") as death:
        kit.job("collect", at(mute))
    assert not isinstance(death.value, CommandFailed)
    assert Path(str(death.value).rpartition("its log: ")[2].removesuffix(")")).is_file()


def test_the_death_of_a_server_explains_what_came_of_it(folder: Path) -> None:
    def lose_the_cache() -> None:
        with Kit(folder) as kit:
            kit.start_storage()
            server = valkey.process(folder / "valkey")
            assert server is not None
            server.kill()
            eventually(lambda: not postgres.lives(server))
            raise RuntimeError("connection refused")

    with pytest.raises(KitError, match="Valkey stopped by itself"):
        lose_the_cache()
    assert started_over(folder) == []


@pytest.mark.parametrize("orphan", [False, True], ids=["with its leader", "without its leader"])
def test_what_a_killed_kit_left_is_stopped_by_the_next(folder: Path, orphan: bool) -> None:
    port = free_port()
    command = [sys.executable, "-c", KIT, str(folder), str(port), STUBBORN]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as first:
        assert first.stdout is not None
        assert first.stdout.readline() == "ready\n"
        first.kill()
    left = started_over(folder)
    assert len(left) == 2
    if orphan:
        next(process for process in left if process.ppid() not in {other.pid for other in left}).kill()
    with Kit(folder):
        assert started_over(folder) == []
        check_port(port)


def test_a_stranger_is_left_alone_whatever_a_file_says(folder: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as stranger:
        folder.mkdir()
        born = psutil.Process(stranger.pid).create_time()
        (folder / "processes.json").write_text(json.dumps([[stranger.pid, born]]))
        with Kit(folder):
            assert stranger.poll() is None


@pytest.mark.parametrize("module", ["local.demo", "local.kit reset"])
def test_a_folder_in_use_is_told_with_its_holder_and_not_touched(folder: Path, module: str) -> None:
    (folder.parent / "other").mkdir()
    with hold(folder):
        (folder / "kept").touch()
        second = local(module, folder.parent)
        said = second.communicate(timeout=120)[1]
        assert second.returncode == 1
        (line,) = said.splitlines()
        assert f"process {os.getpid()}" in line
        assert {path.name for path in folder.iterdir()} == {"kept", "holder"}
        assert (folder.parent / "other").is_dir()


@pytest.mark.parametrize("module", ["local.demo", "local.run"])
def test_a_taken_port_is_told_before_anything_is_set_up(folder: Path, module: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        done = local(module, folder.parent, PORT=str(port))
        said = done.communicate(timeout=120)[1]
    assert done.returncode == 1
    (line,) = said.splitlines()
    assert f"port {port}: Address already in use; set PORT to another one" in line
    assert not list(folder.parent.glob("*/postgres"))


def test_a_folder_of_somebody_else_is_one_clear_line(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    done = local("local.demo", tmp_path / "file")
    said = done.communicate(timeout=120)[1]
    assert done.returncode == 1
    (line,) = said.splitlines()
    assert str(tmp_path / "file") in line


@pytest.mark.parametrize("damage", [b"", b"\xff\xfe", b"short"])
def test_a_damaged_secret_is_made_anew_and_said(kit: Kit, damage: bytes, capsys: pytest.CaptureFixture[str]) -> None:
    first = kit.secret("jwt")
    assert kit.secret("jwt") == first
    assert capsys.readouterr().err == ""
    (kit.folder / "jwt.secret").write_bytes(damage)
    second = kit.secret("jwt")
    assert "made anew" in capsys.readouterr().err
    assert len(second) == 64
    assert second not in {first, ""}
    assert kit.secret("jwt") == second
    assert (kit.folder / "jwt.secret").stat().st_mode & 0o077 == 0


@pytest.mark.parametrize(
    "damage", [b"", b"[]", b"{}", b"\xff", b"nonsense", b"3", b'{"now": 3}', b'{"now": "2026-11-22"}']
)
def test_a_damaged_clock_starts_anew_and_says_so(
    tmp_path: Path, damage: bytes, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "clock.json").write_bytes(damage)
    start = resumed_clock(tmp_path / "clock.json").start
    assert start < last_digest_time(datetime.now(UTC))
    assert "the clock starts anew" in capsys.readouterr().err


@pytest.mark.parametrize("module", ["local.demo", "local.run", "local.smoke"])
@pytest.mark.parametrize("imported", ["argparse", "pydantic_core", "httpx", "rich.console"])
def test_an_interrupt_among_the_imports_is_quiet(tmp_path: Path, module: str, imported: str) -> None:
    command = [sys.executable, "-X", "importtime", "-m", module]
    environment = os.environ | {"ODDWONS_DATA": str(tmp_path)}
    with subprocess.Popen(command, cwd=ROOT, env=environment, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        for line in process.stderr:
            if line.rpartition("|")[2].strip() == imported:
                break
        process.send_signal(signal.SIGINT)
        said = [line for line in process.stderr if not line.startswith("import time:")]
    assert said == []
    assert process.returncode == 130


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_smoke_that_is_told_to_stop_leaves_nothing(folder: Path, number: signal.Signals) -> None:
    process = local("local.smoke", folder)
    eventually(lambda: list(folder.glob("smoke-*/jobs.log")))  # its database is up and migrated
    process.send_signal(number)
    said = process.communicate(timeout=120)[1]
    assert process.returncode == 130
    assert "Traceback" not in said
    assert started_over(folder) == []
    assert list(folder.iterdir()) == []


def test_the_next_smoke_clears_what_a_killed_one_left(folder: Path) -> None:
    killed = local("local.smoke", folder)
    eventually(lambda: list(folder.glob("smoke-*/jobs.log")))
    killed.kill()
    killed.communicate()
    (left,) = folder.glob("smoke-*")
    assert started_over(left) != []
    following = local("local.smoke", folder)
    eventually(lambda: not left.exists())
    following.send_signal(signal.SIGTERM)
    following.communicate(timeout=120)
    assert started_over(folder) == []
