"""What a server imports before its first request: nothing that the request may not need."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.conftest import ROOT
from tests.hosts import hosting

UNWANTED = {"boto3", "granian", "groq", "httpx", "jinja2", "numpy", "redis", "stripe", "upstash_redis"}
CACHE = {"UPSTASH_REDIS_REST_URL": "http://x", "UPSTASH_REDIS_REST_TOKEN": "t"}


@pytest.mark.parametrize("cache", [{}, CACHE], ids=["no cache", "cache"])
@pytest.mark.parametrize("module", ["api.serve", "stripe_webhook.app", "stripe_webhook.serve"])
def test_a_cold_start_loads_only_what_it_serves_with(module: str, cache: dict[str, str]) -> None:
    unwanted = UNWANTED if module.startswith("api") else UNWANTED | {"fastapi"}
    path = {
        "PYTHONPATH": f"{ROOT / 'functions'}:{ROOT / 'layers'}",
        "DATABASE_URL": "postgresql://nobody@127.0.0.1:1/x",
    }
    done = subprocess.run(
        [sys.executable, "-c", f"import sys, {module}; print(sorted({unwanted} & set(sys.modules)))"],
        cwd=ROOT / "functions",
        env=hosting.clean_environment() | path | hosting.API | hosting.STRIPE | cache,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout.strip()) == (0, "[]"), done.stderr
