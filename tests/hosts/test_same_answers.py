"""The api function answers the same requests alike on a server and on Lambda."""

from __future__ import annotations

import base64
import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import httpx

from core.models import Tier
from local.mail import catching
from tests.hosts import hosting
from tests.hosts.hosting import clean_environment, hosted
from tests.hosts.on_lambda import Deploy, needs_emulator

pytestmark = needs_emulator

LOGIN, INSIGHTS, ANALYSES = "/api/v1/auth/login", "/api/v1/insights/ai", "/api/v1/analyses"
JSON = {"content-type": "application/json"}
# (method, path, query, headers, tier, body): what a client may ask, well and badly.
REQUESTS: list[tuple[str, str, str, Mapping[str, str], Tier | None, bytes]] = [
    ("GET", "/health", "", {}, None, b""),
    ("GET", "/health/live", "", {}, None, b""),
    ("GET", "/", "", {}, None, b""),
    ("GET", "/docs", "", {}, None, b""),
    ("GET", "/openapi.json", "", {}, None, b""),
    ("GET", "/verify", "token=x", {}, None, b""),
    ("GET", "/nothing", "", {}, None, b""),
    ("GET", INSIGHTS, "", {}, None, b""),
    *(("GET", INSIGHTS, "", {}, tier, b"") for tier in Tier),
    ("GET", INSIGHTS, "", {"accept-encoding": "gzip"}, Tier.PRO, b""),
    ("GET", INSIGHTS, "", {"if-none-match": "*"}, Tier.PRO, b""),
    ("GET", INSIGHTS, "category=%00", {}, Tier.PRO, b""),
    ("GET", INSIGHTS, "cursor=x", {}, Tier.PRO, b""),
    ("GET", INSIGHTS + "/0b1f6f0e-7c1a-4f2a-9a56-6c1d6f6f0d11", "", {}, Tier.PRO, b""),
    ("GET", "/api/v1/arbitrage", "limit=1", {}, Tier.PREMIUM, b""),
    ("GET", "/api/v1/digest", "", {}, Tier.BASIC, b""),
    ("GET", "/api/v1/markets", "q=rain&platform=kalshi", {}, Tier.FREE, b""),
    ("GET", "/api/v1/markets/kalshi/X/history", "interval=day", {}, Tier.FREE, b""),
    ("POST", INSIGHTS, "", {}, Tier.PRO, b""),
    ("POST", ANALYSES, "", JSON, Tier.PRO, b'{"platform":"kalshi","market_id":"X"}'),
    ("POST", ANALYSES, "", JSON, Tier.BASIC, b'{"platform":"kalshi","market_id":"X"}'),
    ("POST", LOGIN, "", JSON, None, b'{"email":"a@example.com","password":"x"}'),
    ("POST", LOGIN, "", JSON, None, b"{"),
    ("POST", LOGIN, "", JSON, None, b"\xff\xfe"),
    ("POST", LOGIN, "", JSON, None, b"x" * 100_000),
    ("POST", "/api/v1/auth/register", "", JSON, None, b'{"email":"b@example.com","password":"long enough it is"}'),
    ("DELETE", "/api/v1/auth/keys/0b1f6f0e-7c1a-4f2a-9a56-6c1d6f6f0d11", "", {}, Tier.PRO, b""),
    ("GET", "/api/v1/auth/export", "", {"x-request-id": "of-ours"}, Tier.FREE, b""),
]
# Each time another: the second of the minute, the counter, a random id; and what a proxy adds.
COMPARED = ("content-type", "etag", "cache-control", "vary", "allow", "www-authenticate", "content-encoding",
            "retry-after", "ratelimit-policy", "content-security-policy", "location")  # fmt: skip


def told(status: int, headers: Mapping[str, str], body: bytes) -> tuple[int, dict[str, str], bytes]:
    # Mangum gives an answer without a body a type.
    compared = COMPARED if body else [name for name in COMPARED if name != "content-type"]
    return status, {name: headers[name] for name in compared if name in headers}, body


def over_http(http: httpx.Client, tokens: Mapping[Tier, str]) -> list[Any]:
    answers = []
    for method, path, query, headers, tier, body in REQUESTS:
        sent = {"accept-encoding": "identity", **headers} | ({} if tier is None else {"authorization": tokens[tier]})
        request = http.build_request(method, f"{path}?{query}" if query else path, headers=sent, content=body or None)
        answer = http.send(request, stream=True)
        answers.append(told(answer.status_code, answer.headers, b"".join(answer.iter_raw())))
        answer.close()
    return answers


def through_lambda(container: Any, tokens: Mapping[Tier, str]) -> list[Any]:
    answers = []
    for method, path, query, headers, tier, body in REQUESTS:
        sent = {"accept-encoding": "identity", **headers} | ({} if tier is None else {"authorization": tokens[tier]})
        answer = container.request(
            method, path, headers=sent, query=query, body=base64.b64encode(body).decode() or None, is_base64=True
        )
        content = answer.get("body") or ""
        raw = base64.b64decode(content) if answer.get("isBase64Encoded") else content.encode()
        answers.append(told(answer["statusCode"], answer["headers"], raw))
    return answers


def test_lambda_and_a_server_give_the_same_answers(deploy: Deploy, database_url: str, tmp_path: Path) -> None:
    tokens = hosting.tokens(database_url)
    with catching(tmp_path / "mail") as port:
        mail = {"SMTP_HOST": "127.0.0.1", "SMTP_PORT": str(port), "SMTP_SECURITY": "none"}
        clock = {"CLOCK_START": "2026-11-22T13:05:00Z", "CLOCK_SPEED": "0"}
        environment = clean_environment(DATABASE_URL=database_url) | hosting.API | mail | clock
        with hosted(lambda *_: [sys.executable, "-m", "api"], environment, tmp_path) as server:
            with httpx.Client(base_url=server.url, timeout=60) as http:
                served = over_http(http, tokens)
        with deploy("api", environment) as container:
            invoked = through_lambda(container, tokens)
    for request, one, other in zip(REQUESTS, served, invoked, strict=True):
        assert one == other, request[:3]
    statuses = {status for status, _, _ in served}
    assert statuses >= {200, 202, 304, 400, 401, 403, 404, 405, 413, 422}, json.dumps(sorted(statuses))
