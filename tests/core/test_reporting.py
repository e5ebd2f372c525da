"""Errors reach Sentry where a DSN is set, without secrets and without what was in memory."""

from __future__ import annotations

import gzip
import subprocess
import sys
from pathlib import Path

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from tests.conftest import served
from tests.hosts.hosting import clean_environment, run_command

PASSWORD = "hunter2-of-the-tests"
FAILING = """
import logging
from core.runtime import configured
from core.settings import Settings
settings = configured(Settings)
local = "of this frame only"
logging.getLogger("collect").error(f"told with {settings.database_url.get_secret_value()}")
raise RuntimeError("a bug")
"""


def collector() -> tuple[Starlette, list[str]]:
    """A Sentry that keeps what it is sent."""
    bodies: list[str] = []

    async def take(request: Request) -> JSONResponse:
        body = await request.body()
        packed = request.headers.get("content-encoding") == "gzip"
        bodies.append((gzip.decompress(body) if packed else body).decode())
        return JSONResponse({"id": "1"})

    return Starlette(routes=[Route("/api/7/envelope/", take, methods=["POST"])]), bodies


def environment(url: str) -> dict[str, str]:
    database = f"postgresql://someone:{PASSWORD}@127.0.0.1:1/nothing"
    return clean_environment(DATABASE_URL=database, SENTRY_DSN=url.replace("://", "://key@") + "/7")


def test_a_logged_error_and_a_crash_are_reported_without_secrets(tmp_path: Path) -> None:
    app, bodies = collector()
    with served(app) as url:
        command = [sys.executable, "-c", FAILING]
        subprocess.run(command, env=environment(url), cwd=tmp_path, capture_output=True, check=False)
    said = "\n".join(bodies)
    assert "told with" in said
    assert "a bug" in said
    assert PASSWORD not in said
    assert '"vars"' not in said


def test_a_job_that_fails_is_reported(tmp_path: Path) -> None:
    app, bodies = collector()
    with served(app) as url:
        assert run_command(["collect"], environment(url), tmp_path).returncode == 1
    assert "DatabaseDown" in "\n".join(bodies)


def test_without_a_dsn_its_client_is_not_even_loaded(tmp_path: Path) -> None:
    program = (
        "import sys; from core.runtime import configured; from core.settings import Settings; configured(Settings); "
        "print('sentry_sdk' in sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        env=clean_environment(DATABASE_URL="postgresql://x@h/x"),
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == "False\n"
