"""Which pages of other sites may read an answer in a browser: those named in CORS_ORIGINS and no others."""

from __future__ import annotations

import httpx
import pytest

from core.models import Tier
from tests.api.conftest import INSIGHTS, Api, MakeApi

PAGE, ANOTHER = "https://app.example", "http://localhost:3000"
STRANGER = "https://app.example.evil.example"


async def preflight(api: Api, origin: str, method: str = "GET", header: str = "authorization") -> httpx.Response:
    asked = {"origin": origin, "access-control-request-method": method, "access-control-request-headers": header}
    return await api.http.options(INSIGHTS, headers=asked)


def cors(answer: httpx.Response) -> dict[str, str]:
    """What a browser is told, but for the names of headers that a page may read: without an origin they are nothing."""
    told = {name: value for name, value in answer.headers.items() if name.startswith("access-control-")}
    told.pop("access-control-expose-headers", None)
    return told


@pytest.mark.parametrize("origin", [PAGE, ANOTHER])
async def test_a_named_origin_may_ask_with_a_token_and_read_what_it_is_told(make_api: MakeApi, origin: str) -> None:
    api = await make_api(cors_origins=f"{PAGE}, {ANOTHER}")
    before = await preflight(api, origin)
    assert before.status_code == 200
    assert before.headers["access-control-allow-origin"] == origin
    assert before.headers["access-control-allow-methods"] == "GET, POST, DELETE"
    assert "authorization" in before.headers["access-control-allow-headers"].lower()
    assert "origin" in before.headers["vary"].lower()
    api.http.headers["origin"] = origin
    for answer, status in ((await api.get(Tier.PRO), 200), (await api.get(Tier.FREE), 403)):
        assert answer.status_code == status
        assert cors(answer) == {"access-control-allow-origin": origin}
        assert "origin" in answer.headers["vary"].lower()
    assert cors(await api.http.get(INSIGHTS)) == {"access-control-allow-origin": origin}, "401"


@pytest.mark.parametrize(
    "origin", [STRANGER, "https://APP.example", "http://app.example", "https://app.example:8443", "null"]
)
async def test_any_other_origin_is_told_nothing(make_api: MakeApi, origin: str) -> None:
    api = await make_api(cors_origins=PAGE)
    before = await preflight(api, origin)
    assert before.status_code == 400
    assert "access-control-allow-origin" not in before.headers
    api.http.headers["origin"] = origin
    assert cors(await api.get(Tier.PRO)) == {}


@pytest.mark.parametrize(("method", "header"), [("PUT", "authorization"), ("GET", "x-of-its-own")])
async def test_a_named_origin_may_not_ask_for_more_than_there_is(make_api: MakeApi, method: str, header: str) -> None:
    api = await make_api(cors_origins=PAGE)
    assert (await preflight(api, PAGE, method, header)).status_code == 400


async def test_without_the_setting_no_origin_is_named(api: Api) -> None:
    assert (await preflight(api, PAGE)).status_code == 405
    api.http.headers["origin"] = PAGE
    assert cors(await api.get(Tier.PRO)) == {}


@pytest.mark.parametrize("origins", ["*", PAGE])
async def test_a_browsers_own_credentials_are_never_asked_for(make_api: MakeApi, origins: str) -> None:
    api = await make_api(cors_origins=origins)
    api.http.headers["cookie"] = "session=1"
    before = await preflight(api, PAGE)
    api.http.headers["origin"] = PAGE
    answer = await api.get(Tier.PRO)
    for told in (before, answer):
        assert "access-control-allow-credentials" not in told.headers
    if origins == "*":
        assert answer.headers["access-control-allow-origin"] == "*"
        assert (await preflight(api, STRANGER)).status_code == 200
