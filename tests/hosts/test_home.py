"""A home server: its timers agree with the code, its role can do its jobs' work and nothing else."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import psycopg
import pytest
from filelock import FileLock
from psycopg import errors

from core.runtime import JOBS, Job
from local import postgres
from tests.conftest import ROOT, servers
from tests.hosts import hosting
from tests.hosts.hosting import run_command
from tests.hosts.schedule import SETTINGS, implemented, required, variables

HOME = ROOT / "home"
FUNCTIONS = ("collect", "analyze")
ROLE = "oddwons_jobs"


def at_home() -> list[Job]:
    return [job for job in implemented() if job.function in FUNCTIONS]


def settings_of(file: Path) -> dict[str, str]:
    """An environment file's assignments."""
    lines = [line for line in file.read_text().splitlines() if line and not line.startswith("#")]
    return {name: shlex.split(value)[0] if value else "" for name, _, value in (line.partition("=") for line in lines)}


def as_cron(calendar: str) -> str:
    """`*-*-* *:00/15:00 UTC` -> `*/15 * * * *`."""
    _, clock, zone = calendar.split()
    hour, minute, second = clock.split(":")
    assert (zone, second) == ("UTC", "00")
    parts = [part if "/" in part else str(int(part)) for part in minute.split(",")]
    return f"{','.join(parts).replace('00/', '*/')} {hour if hour == '*' else int(hour)} * * *"


def test_every_job_has_a_timer_at_its_time() -> None:
    timers = {}
    for file in (HOME / "systemd").glob("*.timer"):
        (calendar,) = re.findall(r"^OnCalendar=(.*)$", file.read_text(), re.MULTILINE)
        function, job = file.stem.removeprefix("oddwons-").split("@")
        assert (HOME / "systemd" / f"oddwons-{function}@.service").is_file()
        timers[job] = (function, as_cron(calendar))
    assert timers == {job.name: (job.function, job.cron) for job in at_home()}


def test_the_crontab_says_the_same() -> None:
    lines = [line for line in (HOME / "crontab").read_text().splitlines() if line[0] in "*0123456789"]
    found = {line.split()[-1]: (line.split()[-2], " ".join(line.split()[:5])) for line in lines}
    assert found == {job.name: (job.function, job.cron) for job in at_home()}
    assert "CRON_TZ=UTC" in (HOME / "crontab").read_text()


def test_no_unit_stops_a_job_before_its_own_deadline() -> None:
    longest_s = max(job.deadline_s for job in JOBS.values() if job.deadline_s and job.function in FUNCTIONS)
    for function in FUNCTIONS:
        unit = (HOME / "systemd" / f"oddwons-{function}@.service").read_text()
        assert 60 * int(re.findall(r"TimeoutStartSec=(\d+)min", unit)[0]) > longest_s + 30


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="no systemd here")
def test_systemd_reads_every_unit_without_a_complaint_of_its_own(tmp_path: Path) -> None:
    units = [str(path) for path in (HOME / "systemd").iterdir()]
    done = subprocess.run(["systemd-analyze", "verify", *units], capture_output=True, text=True, check=False)
    said = [line for line in done.stderr.splitlines() if str(HOME) in line or "oddwons-" in line]
    assert [line for line in said if "is not executable" not in line] == []  # installed later


def test_the_environment_file_names_only_what_is_read_and_all_that_is_needed() -> None:
    given = set(settings_of(HOME / "oddwons.env.example"))
    assert given <= variables(SETTINGS["analyze"])
    assert given >= required(SETTINGS["analyze"])


def test_the_database_is_reached_with_its_certificate_verified() -> None:
    assert "sslmode=verify-full" in settings_of(HOME / "oddwons.env.example")["DATABASE_URL"]


@pytest.fixture
def role_url(database_url: str) -> str:
    """The test's database as the home server's role."""
    psql = Path(postgres._bin()) / "psql"
    command = [str(psql), "--no-psqlrc", "--quiet", database_url, "-v", "password=x", "-f", str(HOME / "role.sql")]
    for _ in range(2):  # again after each migration
        with FileLock(servers() / "role.lock"):  # a role is the server's, not a database's
            done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert (done.returncode, done.stderr) == (0, "")
    parts = urlsplit(database_url)
    return urlunsplit(parts._replace(netloc=f"{ROLE}@"))


@pytest.mark.long
def test_the_role_does_all_of_the_jobs_work(
    job_environment: dict[str, str], role_url: str, database_url: str, tmp_path: Path
) -> None:
    for job in sorted(at_home(), key=lambda job: (job.name != "collect", job.name)):
        done = run_command([job.function, job.name], job_environment | {"DATABASE_URL": role_url}, tmp_path)
        assert done.returncode == 0, done.stderr
        assert "permission denied" not in done.stderr
    assert {status for _, status in hosting.runs(database_url)} == {"ok"}


CLOSED = ("users", "api_keys", "sessions", "refresh_tokens", "mail_tokens", "subscriptions", "stripe_events",
          "tier_changes", "alembic_version")  # fmt: skip


def test_every_table_is_open_to_the_role_or_closed_to_it_by_decision(role_url: str) -> None:
    tables = hosting.rows(role_url, "SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
    may = "has_table_privilege(format('%I.%I', schemaname, tablename), 'SELECT')"
    readable = hosting.rows(role_url, f"SELECT tablename FROM pg_tables WHERE schemaname = 'public' AND {may}")
    assert {name for (name,) in tables} - {name for (name,) in readable} == set(CLOSED)


@pytest.mark.parametrize(
    "statement",
    [
        *(f"SELECT * FROM {table}" for table in CLOSED),
        *(f"DELETE FROM {table}" for table in CLOSED),
        "UPDATE users SET tier = 'pro'",
        "INSERT INTO api_keys (user_id) VALUES (NULL)",
        "CREATE TABLE mine (x integer)",
        "DROP TABLE markets",
        "ALTER TABLE markets ADD COLUMN x integer",
        "TRUNCATE markets",
        "CREATE ROLE other",
        f"ALTER ROLE {ROLE} SUPERUSER",
        "SET ROLE postgres",
        "CREATE DATABASE other",
        "COPY markets TO PROGRAM 'cat'",
        "SELECT pg_read_file('/etc/passwd')",
        "SELECT rolpassword FROM pg_authid",
    ],
)
def test_the_role_may_do_nothing_else(role_url: str, statement: str) -> None:
    with psycopg.connect(role_url, autocommit=True) as connection, pytest.raises(errors.InsufficientPrivilege):
        connection.execute(statement.encode())
