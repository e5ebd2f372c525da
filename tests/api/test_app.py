"""Answers that are not lists of insights: health, errors, the schema, the page's way there, the start."""

from __future__ import annotations

from typing import Any

import pytest

from core import db
from core.errors import ConfigError, JobFailed
from core.models import Tier
from core.settings import ApiSettings, load
from tests.api.conftest import INSIGHTS, SECRET, Api, MakeApi, database_away

NOWHERE = "postgresql://nobody:hidden@127.0.0.1:1/nothing"


def is_problem(answer: Any, status: int) -> None:
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"
    body = answer.json()
    assert body["status"] == status
    assert body["type"] == "about:blank"
    assert body["title"]
    assert body["detail"]


async def test_health_is_200_with_the_database(api: Api) -> None:
    answer = await api.http.get("/health")
    assert (answer.status_code, answer.json()) == (200, {"status": "ok"})


async def test_health_is_503_without_the_database_and_says_nothing_of_it(make_api: MakeApi) -> None:
    api = await make_api(database_url=NOWHERE)
    answer = await api.http.get("/health")
    is_problem(answer, 503)
    assert not any(word in answer.text for word in ("hidden", "127.0.0.1", "nobody", "Refused"))


async def test_health_recovers_with_the_database(api: Api, postgres_dsn: str, database_url: str) -> None:
    assert (await api.http.get("/health")).status_code == 200
    with database_away(postgres_dsn, database_url):
        is_problem(await api.http.get("/health"), 503)
    assert (await api.http.get("/health")).status_code == 200


async def test_a_monitor_may_ask_for_the_status_alone(api: Api, postgres_dsn: str, database_url: str) -> None:
    """With HEAD, as many do unless told otherwise."""
    assert (await api.http.head("/health/jobs")).status_code == 503
    for path in ("/health", "/health/live"):
        assert (await api.http.head(path)).status_code == 200
    with database_away(postgres_dsn, database_url):
        assert (await api.http.head("/health")).status_code == 503


async def test_health_does_not_ask_the_cache(make_api: MakeApi) -> None:
    api = await make_api(upstash_redis_rest_url="http://127.0.0.1:1")
    assert (await api.http.get("/health")).status_code == 200


@pytest.mark.parametrize("path", ["/nothing", "/api/v1", "/api/v2/insights/ai", "/redoc", "/.env", "/%00"])
async def test_an_unknown_route_is_a_404(api: Api, path: str) -> None:
    is_problem(await api.http.get(path), 404)


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH"])
async def test_another_method_is_a_405_that_names_the_right_one(api: Api, method: str) -> None:
    for path in ("/health", INSIGHTS):
        headers = await api.signed_in(Tier.PRO)
        answer = await api.http.request(method, path, headers=headers)
        is_problem(answer, 405)
        assert answer.headers["allow"] == "GET"


@pytest.mark.parametrize("path", ["/api/v1/nothing", "/api/v1/admin", "/api/v1/auth/", "/api/v1/auth/login/x"])
async def test_what_does_not_exist_is_not_told_to_strangers(api: Api, path: str) -> None:
    is_problem(await api.http.get(path), 401)
    is_problem(await api.get(Tier.FREE, path), 404)


@pytest.mark.parametrize("category", ["x" * 101, "a\x00b", "\x00", "a\nb", "\x7f"])
async def test_a_category_that_none_can_have_is_a_422(api: Api, category: str) -> None:
    answer = await api.get(Tier.PRO, category=category)
    is_problem(answer, 422)
    assert answer.json()["faults"][0]["at"] == "query.category"


async def test_a_bad_query_of_nobody_is_a_401_before_anything_else(api: Api) -> None:
    is_problem(await api.http.get(INSIGHTS, params={"category": "x" * 101}), 401)


async def test_bytes_that_are_no_text_in_a_query_find_nothing(api: Api) -> None:
    await api.get(Tier.PRO)
    answer = await api.get(Tier.PRO, f"{INSIGHTS}?category=%ff%fe%ed%a0%80")
    assert (answer.status_code, answer.json()["insights"]) == (200, [])


@pytest.mark.parametrize("error", [RuntimeError("password=hidden"), JobFailed("hidden path /etc/secret")])
async def test_a_bug_is_a_500_that_tells_nothing(api: Api, error: Exception) -> None:
    async def broken() -> None:
        raise error

    api.app.add_api_route("/broken", broken)
    answer = await api.http.get("/broken")
    is_problem(answer, 500)
    assert not any(word in answer.text for word in ("hidden", "RuntimeError", "JobFailed", "Traceback"))


async def test_a_broken_database_is_a_500_that_tells_nothing(api: Api, connection: db.Connection) -> None:
    await api.user(Tier.PRO)
    await connection.execute("ALTER TABLE ai_insights RENAME TO elsewhere")
    answer = await api.get(Tier.PRO)
    is_problem(answer, 500)
    assert "ai_insights" not in answer.text


@pytest.mark.parametrize(
    ("environment", "names"),
    [
        ({}, ["DATABASE_URL", "JWT_SECRET"]),
        ({"DATABASE_URL": "mysql://x", "JWT_SECRET": "short"}, ["DATABASE_URL", "JWT_SECRET"]),
        ({"DATABASE_URL": NOWHERE, "JWT_SECRET": ""}, ["JWT_SECRET"]),
        ({"DATABASE_URL": NOWHERE, "JWT_SECRET": SECRET, "JWT_ALGORITHM": "none"}, ["JWT_ALGORITHM"]),
        ({"DATABASE_URL": NOWHERE, "JWT_SECRET": SECRET, "PREVIEW_TIER": "free"}, ["PREVIEW_TIER"]),
        ({"DATABASE_URL": NOWHERE, "JWT_SECRET": SECRET, "PORT": "many"}, ["PORT"]),
        ({"DATABASE_URL": NOWHERE, "JWT_SECRET": SECRET, "CLOCK_START": "2026-11-22T13:00"}, ["CLOCK_START"]),
        (
            {"DATABASE_URL": NOWHERE, "JWT_SECRET": SECRET, "UPSTASH_REDIS_REST_URL": "https://x.upstash.io"},
            ["UPSTASH_REDIS_REST_TOKEN"],
        ),
    ],
)
def test_what_is_missing_or_wrong_is_named_in_one_line(
    monkeypatch: pytest.MonkeyPatch, environment: dict[str, str], names: list[str]
) -> None:
    for name in ("DATABASE_URL", "JWT_SECRET"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(ConfigError) as told:
        load(ApiSettings)
    said = str(told.value)
    assert "\n" not in said
    assert all(name in said for name in names)
    assert not any(value in said for value in ("hidden", "short", SECRET, "mysql"))


@pytest.mark.parametrize(("name", "value"), [("PREVIEW_TIER", "pro"), ("CLOCK_START", "2026-11-22T13:00:00Z")])
def test_what_is_for_the_local_kit_is_refused_in_production(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    monkeypatch.setenv("DATABASE_URL", NOWHERE)
    monkeypatch.setenv("JWT_SECRET", SECRET)
    monkeypatch.setenv(name, value)
    for environment in ("development", "staging"):
        monkeypatch.setenv("ENVIRONMENT", environment)
        load(ApiSettings)
    monkeypatch.setenv("ENVIRONMENT", "production")
    with pytest.raises(ConfigError, match=rf"{name} .* is refused when ENVIRONMENT=production"):
        load(ApiSettings)
