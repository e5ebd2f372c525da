"""No secret that a function is configured with gets out: each is tried by every way that ends in a log line."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from urllib.parse import quote

import pytest

from aws.secrets import secret_names
from core.secrecy import HIDDEN, hide, redacted, secrets_of
from core.settings import Settings
from tests.hosts import hosting
from tests.hosts.hosting import clean_environment
from tests.hosts.schedule import SETTINGS

ODD = 'p@ss/w"ö\\rd'
VALUES = {
    "DATABASE_URL": f"postgresql://user:{quote(ODD, safe='')}@127.0.0.1:1/nothing",
    "REDIS_URL": "redis://:redis-password-of-the-tests@127.0.0.1:1",
    "UPSTASH_REDIS_REST_TOKEN": "token-of-the-tests-for-upstash",
    "SENTRY_DSN": "http://dsn-key-of-the-tests@127.0.0.1:1/7",
    "GROQ_API_KEY": "groq-key-of-the-tests",
    "JWT_SECRET": 'jwt-secret-of-the-tests-with-a-"quote"-in-it',
    "SMTP_PASSWORD": "smtp-password-of-the-tests",
    "STRIPE_SECRET_KEY": "stripe-key-of-the-tests",
    "STRIPE_WEBHOOK_SECRET": "webhook-secret-one,webhook-secret-two",
}
# What must not be seen of each.
PARTS = {name: [value] for name, value in VALUES.items()} | {
    "DATABASE_URL": [ODD, quote(ODD, safe="")],
    "REDIS_URL": ["redis-password-of-the-tests"],
    "STRIPE_WEBHOOK_SECRET": ["webhook-secret-one", "webhook-secret-two"],
}
LEAK = """
import logging, os, sys
from core.runtime import configured
from core import settings
configured(getattr(settings, sys.argv[1]))
log = logging.getLogger("collect.leaks")
for part in sys.argv[2:]:
    log.warning(f"in the message {part}")
    log.warning("as an argument %s", part)
    log.warning("as an extra", extra={"told": part, "nested": {"deep": [part, part.encode()]}})
    log.warning("as a repr %r", {"url": part})
    try:
        raise ValueError(f"in an error {part}")
    except ValueError:
        log.exception("caught")
"""


def environment() -> dict[str, str]:
    rest = {"UPSTASH_REDIS_REST_URL": "http://127.0.0.1:1"}
    return clean_environment() | hosting.API | hosting.STRIPE | rest | VALUES | {"SENTRY_DSN": ""}


def test_every_secret_of_every_function_is_tried_here() -> None:
    assert set(VALUES) == {name for settings in SETTINGS.values() for name in secret_names(settings)}


@pytest.mark.parametrize("function", SETTINGS)
def test_no_secret_reaches_the_log_by_any_way(function: str, tmp_path: Path) -> None:
    settings = SETTINGS[function]
    parts = [part for name in secret_names(settings) for part in PARTS[name] if name != "SENTRY_DSN"]
    command = [sys.executable, "-c", LEAK, settings.__name__, *parts]
    done = subprocess.run(command, env=environment(), cwd=tmp_path, capture_output=True, text=True, check=True)
    lines = [json.loads(line) for line in done.stderr.splitlines()]
    assert len(lines) == 5 * len(parts)
    for part in parts:
        for form in (part, quote(part, safe=""), json.dumps(part)[1:-1], ascii(part)[1:-1]):
            assert form not in done.stderr
    assert all(HIDDEN in json.dumps(line) for line in lines)


@pytest.mark.parametrize(
    "text",
    [
        "postgresql://someone:hunter2-else@host/db",
        "redis://:hunter2-else@host",
        "Authorization: Bearer hunter2-else-0123456789",
        "eyJhbGciOiJIUzI1NiJ9.hunter2-else-eyJzdWIi.c2lnbmF0dXJl",
        "sk_live_hunter2else0123",
        "whsec_hunter2else0123",
        "gsk_hunter2else0123",
    ],
)
def test_what_looks_like_a_secret_of_another_is_hidden_too(text: str) -> None:
    assert "hunter2" not in redacted(f"said {text} again")
    assert redacted(f"said {text} again").endswith("again")


@pytest.mark.parametrize(
    "text", ["https://example.com/a?b=c@d", "at 12:05:00 user@example.com", "KXFED-26DEC: 41¢", "a://b"]
)
def test_what_is_no_secret_is_left_as_it_is(text: str) -> None:
    assert redacted(text) == text


def test_a_password_is_hidden_as_it_is_written_and_as_it_is_meant() -> None:
    settings = Settings(database_url=VALUES["DATABASE_URL"])
    assert {ODD, quote(ODD, safe="")} <= set(secrets_of(settings))
    hide(secrets_of(settings))
    try:
        assert ODD not in redacted(f"login with {ODD} refused")
    finally:
        hide(())
