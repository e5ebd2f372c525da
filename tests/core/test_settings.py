"""The environment, read once: what is wrong is named in one line, and no secret is in it."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

import pytest

from core.errors import ConfigError
from core.settings import AnalyzeSettings, ApiSettings, CollectSettings, Settings, WebhookSettings, load, simulated_now
from tests.conftest import ROOT

SECRET = "hunter2-but-longer-than-thirty-two-characters"
URL = "postgresql://oddwons:pw@db.example:5432/oddwons"


@pytest.fixture(autouse=True)
def _bare_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for kind in (AnalyzeSettings, ApiSettings, WebhookSettings):
        for name in kind.model_fields:
            monkeypatch.delenv(name.upper(), raising=False)


def fault(kind: type[Settings], monkeypatch: pytest.MonkeyPatch, **environment: str) -> str:
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(ConfigError) as caught:
        load(kind)
    said = str(caught.value)
    assert "\n" not in said
    assert caught.value.__cause__ is None
    return said


def test_every_setting_is_read_by_something() -> None:
    code = "".join(path.read_text() for folder in ("functions", "layers") for path in (ROOT / folder).rglob("*.py"))
    names = {name for kind in (AnalyzeSettings, ApiSettings, WebhookSettings) for name in kind.model_fields}
    assert {name for name in names if not re.search(rf"\.{name}\b", code)} == set()


def test_a_missing_variable_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    assert fault(Settings, monkeypatch) == "environment: DATABASE_URL: Field required"
    assert "JWT_SECRET" in fault(ApiSettings, monkeypatch, DATABASE_URL=URL)


def test_every_faulty_variable_is_named_in_the_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    said = fault(
        CollectSettings, monkeypatch,
        DATABASE_URL="mysql://x", LOG_LEVEL="LOUD", HTTP_ATTEMPTS="many", CLOCK_START="noon", RETENTION_DAYS="0",
        REDIS_URL="localhost:6379", KALSHI_BASE_URL="kalshi.com", UPSTASH_REDIS_REST_URL="redis://x",
    )  # fmt: skip
    names = "DATABASE_URL LOG_LEVEL HTTP_ATTEMPTS CLOCK_START RETENTION_DAYS REDIS_URL KALSHI_BASE_URL".split()
    assert all(f"{name}: " in said for name in (*names, "UPSTASH_REDIS_REST_URL"))


def test_an_empty_variable_is_unset(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", URL)
    monkeypatch.setenv("REDIS_URL", "")
    monkeypatch.setenv("HTTP_ATTEMPTS", "")
    settings = load(CollectSettings)
    assert settings.redis_url is None
    assert settings.http_attempts == 4


def test_what_needs_each_other_is_asked_for_together(monkeypatch: pytest.MonkeyPatch) -> None:
    said = fault(Settings, monkeypatch, DATABASE_URL=URL, UPSTASH_REDIS_REST_URL="https://x.upstash.io")
    assert "UPSTASH_REDIS_REST_TOKEN is needed" in said


def test_a_moving_clock_is_refused_in_production(monkeypatch: pytest.MonkeyPatch) -> None:
    said = fault(Settings, monkeypatch, DATABASE_URL=URL, CLOCK_START="2026-11-22T12:00:00Z", ENVIRONMENT="production")
    assert "CLOCK_START" in said


@pytest.mark.parametrize(
    "url",
    [
        f"postgresql://user:pa/{SECRET}@host/db",
        f"postgresql://user:pa#{SECRET}@host/db",
        f"postgresql://user:pa?{SECRET}@host/db",
        f"postgresql://user:{SECRET}@host:port/db",
        f"postgresql://user:{SECRET}@[::1/db",
        f"postgresql://user:{SECRET}\u2100@host/db",
        f"mysql://user:{SECRET}@host/db",
    ],
)
def test_a_database_url_that_is_wrong_is_refused_at_start_and_not_repeated(
    monkeypatch: pytest.MonkeyPatch, url: str
) -> None:
    said = fault(Settings, monkeypatch, DATABASE_URL=url)
    assert "DATABASE_URL" in said
    assert "hunter2" not in said
    assert "user" not in said.replace("user name", "")


@pytest.mark.parametrize(
    "url",
    [
        URL, "postgres://u@localhost/db", "postgresql:///db?host=/run/pg", "postgresql://u:p%40ss%2F@[::1]:5432/db",
        "postgresql://u:p@a:5432,b:5433/db?sslmode=verify-full", "postgresql://u:p@ss@host/db", "postgresql://",
    ],
)  # fmt: skip
def test_database_urls_of_every_usual_form_are_taken(monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    monkeypatch.setenv("DATABASE_URL", url)
    assert load(Settings).database_url.get_secret_value() == url


def test_secrets_are_in_no_representation_and_no_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    stripe = ("STRIPE_SECRET_KEY", "STRIPE_WEBHOOK_SECRET")
    secret_names = ("UPSTASH_REDIS_REST_TOKEN", "GROQ_API_KEY", "JWT_SECRET", *stripe)
    for name in secret_names:
        monkeypatch.setenv(name, SECRET)
    monkeypatch.setenv("DATABASE_URL", f"postgresql://u:{SECRET}@h/db")
    monkeypatch.setenv("REDIS_URL", f"rediss://u:{SECRET}@h:6379")
    for tier in ("BASIC", "PREMIUM", "PRO"):
        monkeypatch.setenv(f"STRIPE_PRICE_{tier}", f"price_{tier}")
    for kind in (Settings, CollectSettings, AnalyzeSettings, ApiSettings, WebhookSettings):
        settings = load(kind)
        for shown in (repr(settings), str(settings), str(settings.model_dump()), settings.model_dump_json()):
            assert SECRET not in shown, kind
    monkeypatch.setenv("LOG_LEVEL", "LOUD")
    for kind in (AnalyzeSettings, ApiSettings, WebhookSettings):
        assert SECRET not in fault(kind, monkeypatch)


def test_a_short_secret_is_refused_without_being_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    said = fault(ApiSettings, monkeypatch, DATABASE_URL=URL, JWT_SECRET="tooshort")
    assert "JWT_SECRET" in said
    assert "tooshort" not in said


@pytest.mark.parametrize(
    ("value", "origins"),
    [
        ("", ()),
        ("*", ("*",)),
        ("https://app.example", ("https://app.example",)),
        ("https://a.example , http://localhost:3000", ("https://a.example", "http://localhost:3000")),
        ("https://xn--bcher-kva.example,https://[::1]:8443", ("https://xn--bcher-kva.example", "https://[::1]:8443")),
    ],
)
def test_origins_of_other_sites_are_read(monkeypatch: pytest.MonkeyPatch, value: str, origins: tuple[str, ...]) -> None:
    for name, given in {"DATABASE_URL": URL, "JWT_SECRET": SECRET, "CORS_ORIGINS": value}.items():
        monkeypatch.setenv(name, given)
    assert load(ApiSettings).cors_origins == origins


@pytest.mark.parametrize(
    "value",
    [
        "app.example", "https://app.example/", "https://app.example/page", "https://app.example?", "https://App.example",
        "https://app.example:443", "http://app.example:80", "https://app.example:", "https://app.example:0", "https://",
        "https://u:p@app.example", "https://*.example", "https://*", "ftp://app.example", "null", " ", ",",
        "https://app.example,", "*,https://app.example", "https://app.example,*", '["https://app.example"]',
        "https://app.example https://b.example", "https://app\n.example", "https://app.example,https://b.example/",
    ],
)  # fmt: skip
def test_what_no_browser_would_send_as_an_origin_is_refused_at_start(
    monkeypatch: pytest.MonkeyPatch, value: str
) -> None:
    said = fault(ApiSettings, monkeypatch, DATABASE_URL=URL, JWT_SECRET=SECRET, CORS_ORIGINS=value)
    assert said.startswith("environment: CORS_ORIGINS: must be origins such as https://example.com")


def test_the_simulated_clock_moves_at_its_speed_from_its_origin() -> None:
    start = datetime(2026, 11, 22, 12, tzinfo=UTC)
    settings = Settings(database_url=URL, clock_start=start, clock_origin=1_000, clock_speed=60)
    assert simulated_now(settings, 1_000) == start
    assert simulated_now(settings, 1_010) == start + timedelta(minutes=10)
    assert simulated_now(settings, 990) == start - timedelta(minutes=10)
    assert simulated_now(settings.model_copy(update={"clock_start": None}), 1_000) is None
