"""The drill of docs/operations.md: a backup is taken while writers write, restored elsewhere, and is whole."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path
from uuid import uuid4

import pytest

from local import postgres
from tests.conftest import ROOT
from tests.hosts import hosting
from tests.hosts.hosting import run_command

COUNTED = ("markets", "market_snapshots", "market_latest", "history_columns", "job_runs", "users")


def run(program: str, **variables: str) -> None:
    """The page's own line, in a shell."""
    (line,) = re.findall(rf"^{program} .*$", (ROOT / "docs" / "operations.md").read_text(), re.MULTILINE)
    environment = {"PATH": f"{postgres._bin()}:/usr/bin:/bin"} | variables
    done = subprocess.run(["sh", "-ec", line], env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def counts(url: str) -> dict[str, int]:
    return {table: hosting.rows(url, f"SELECT count(*) FROM {table}")[0][0] for table in COUNTED}


@pytest.mark.long
def test_a_backup_restored_into_an_empty_database_is_whole_and_the_jobs_go_on_from_it(
    job_environment: dict[str, str], database_url: str, postgres_dsn: str, tmp_path: Path
) -> None:
    hosting.tokens(database_url)
    assert run_command(["collect"], job_environment, tmp_path).returncode == 0
    before = counts(database_url)
    assert before["market_snapshots"] > 0
    backup = str(tmp_path / "oddwons.dump")
    run("pg_dump", DATABASE_URL=database_url, BACKUP=backup)
    restored = postgres.create_database(postgres_dsn, f"restored_{uuid4().hex[:8]}")
    run("pg_restore", RESTORED_URL=restored, BACKUP=backup)
    assert counts(restored) == before
    indexes = "SELECT count(*) FROM pg_indexes WHERE schemaname = 'public'"
    assert hosting.rows(restored, indexes) == hosting.rows(database_url, indexes)
    done = run_command(["collect"], job_environment | {"DATABASE_URL": restored}, tmp_path)
    assert done.returncode == 0, done.stderr
    assert hosting.rows(restored, "SELECT count(*) FROM markets") == [(before["markets"],)]
    postgres.drop_database(postgres_dsn, restored.split("?")[0].rsplit("/", 1)[1])
