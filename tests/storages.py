"""The servers that tests can run on: plain PostgreSQL, TimescaleDB under either of its licences.

`TIMESCALE_BIN` names the folder of a PostgreSQL's programs with TimescaleDB installed, `TIMESCALE_APACHE_BIN` of one
built with APACHE_ONLY (without it the first one's licence is set to that). `TEST_STORAGE` chooses the server of all
tests that don't choose their own.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Literal

import psycopg
import pytest

from local import postgres

# As core.queries.snapshot_storage names what the migrations make of them.
Storage = Literal["table", "hypertable", "aggregates"]
ALL: tuple[Storage, ...] = ("table", "hypertable", "aggregates")
CHOSEN: Storage = os.environ.get("TEST_STORAGE", "table")  # type: ignore[assignment]
assert CHOSEN in ALL, f"TEST_STORAGE is one of {ALL}"

_BIN = os.environ.get("TIMESCALE_BIN")
_PROGRAMS = {"hypertable": os.environ.get("TIMESCALE_APACHE_BIN", _BIN), "aggregates": _BIN}
_LICENCES = {"hypertable": "apache", "aggregates": "timescale"}


def on(*chosen: Storage) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("storage", chosen, indirect=True, scope="session")


def start(folder: Path, storage: Storage) -> str:
    """The DSN of this storage's server; skips the test where there is none."""
    if storage == "table":
        return postgres.start(folder / storage, durable=False)
    programs = _PROGRAMS[storage]
    if programs is None:
        pytest.skip("no TimescaleDB is found: TIMESCALE_BIN names no server's programs")
    more = {
        "shared_preload_libraries": "timescaledb",
        "timescaledb.license": _LICENCES[storage],
        "timescaledb.telemetry_level": "off",
        # Policies run when a test runs them: their workers would keep databases from being copied.
        "timescaledb.max_background_workers": "0",
    }
    return postgres.start(folder / storage, durable=False, programs=Path(programs), more=more)


def prepare(url: str, storage: Storage) -> None:
    """Installs the extension in a new database."""
    if storage != "table":
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute("CREATE EXTENSION timescaledb")
