"""A monitor outside is told when jobs stop."""

from __future__ import annotations

from api.app import make_app
from core import db
from core.settings import ApiSettings
from tests.conftest import ClientOf

SECRET = "a-secret-of-the-tests-that-is-long-enough"


async def test_jobs_that_did_not_run_are_a_503_that_names_them(
    client_of: ClientOf, database_url: str, connection: db.Connection
) -> None:
    app = make_app(ApiSettings(database_url=database_url, jwt_secret=SECRET))
    http = await client_of(app)
    answer = await http.get("/health/jobs")
    assert answer.status_code == 503
    assert "collect" in answer.json()["missed"]
    await connection.execute(
        "INSERT INTO job_runs (id, job, holder, started_at, status) "
        "VALUES (gen_random_uuid(), 'collect', 'x', now(), 'ok')"
    )
    answer = await http.get("/health/jobs")
    assert (answer.status_code, answer.json()) == (200, {"status": "ok"})
