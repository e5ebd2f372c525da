"""Who gets in: exactly those who hold a living token of ours."""

from __future__ import annotations

import base64
import json
import re
import time
from collections.abc import Mapping
from typing import Any
from uuid import uuid4

import jwt
import pytest

from api.credentials import ISSUER
from core import db
from core.models import Tier
from tests.api.conftest import INSIGHTS, SECRET, Api, MakeApi

ANOTHER = "another secret of thirty-two characters"
LONG_AGO, FAR_AHEAD = 1_500_000_000, 4_000_000_000


def claims(**changed: Any) -> dict[str, Any]:
    now = int(time.time())
    whole = {"sub": str(uuid4()), "iss": ISSUER, "iat": now, "exp": now + 600} | changed
    return {name: value for name, value in whole.items() if value is not None}


def signed(values: Mapping[str, Any], secret: str = SECRET, algorithm: str = "HS256") -> str:
    return jwt.PyJWS().encode(json.dumps(values).encode(), secret, algorithm)


def part(value: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()


def unsigned(user: str) -> str:
    return f"{part({'alg': 'none', 'typ': 'JWT'})}.{part(claims(sub=user))}."


WHAT_TO_DO = re.compile(r"POST /api/v1/auth/(login|refresh|keys)|sign in again")


async def refused(api: Api, authorization: bytes | str | None) -> str:
    """What is said of it."""
    value = authorization.encode() if isinstance(authorization, str) else authorization
    answer = await api.http.get(INSIGHTS, headers=[] if value is None else [(b"authorization", value)])
    assert answer.status_code == 401, answer.text
    assert answer.headers["www-authenticate"] == "Bearer"
    assert answer.headers["content-type"] == "application/problem+json"
    body = answer.json()
    assert (body["status"], body["title"]) == (401, "Not signed in")
    assert SECRET not in answer.text
    detail: str = body["detail"]
    assert WHAT_TO_DO.search(detail), detail
    assert not re.search(r"[A-Z][a-z]+[A-Z]\w*|Error\b|jwt|JWT", detail), "a name that says nothing to a caller"
    return detail


async def test_a_token_of_ours_gets_in(api: Api) -> None:
    user = await api.user(Tier.PRO)
    for scheme in ("Bearer", "bearer", "BEARER"):
        answer = await api.http.get(INSIGHTS, headers={"authorization": f"{scheme} {signed(claims(sub=user))}"})
        assert answer.status_code == 200


@pytest.mark.parametrize(
    "changed",
    [
        {"exp": 1},
        {"exp": LONG_AGO},
        {"iat": FAR_AHEAD},
        {"nbf": FAR_AHEAD},
        {"iss": "somebody else"},
        {"iss": ["oddwons"]},
        {"exp": None},
        {"iat": None},
        {"sub": None},
        {"iss": None},
        {"exp": "never"},
        {"iat": "now"},
        {"sub": "admin"},
        {"sub": ""},
        {"sub": "1"},
        {"sub": "' OR 1=1 --"},
        {"aud": "another service"},
    ],
    ids=str,
)
async def test_a_token_with_one_wrong_claim_is_refused(api: Api, changed: dict[str, Any]) -> None:
    user = await api.user(Tier.PRO)
    await refused(api, f"Bearer {signed(claims(**({'sub': user} | changed)))}")


async def test_what_to_do_instead_is_said_of_each_kind(api: Api) -> None:
    user = await api.user(Tier.PRO)
    said = {
        "nothing": await refused(api, None),
        "expired": await refused(api, f"Bearer {signed(claims(sub=user, exp=LONG_AGO))}"),
        "garbage": await refused(api, "Bearer a.b.c"),
        "key": await refused(api, "Bearer ow_short"),
        "gone": await refused(api, f"Bearer {signed(claims())}"),
    }
    told = {kind: WHAT_TO_DO.findall(detail) for kind, detail in said.items()}
    assert told == {
        "nothing": ["login"],
        "expired": ["refresh", ""],
        "garbage": ["login"],
        "key": ["keys"],
        "gone": [""],
    }
    assert "expired" in said["expired"]


async def test_who_forged_a_token_is_not_told_that_it_expired(api: Api) -> None:
    user = await api.user(Tier.PRO)
    assert "expired" not in await refused(api, f"Bearer {signed(claims(sub=user, exp=LONG_AGO), ANOTHER)}")


async def test_a_token_that_somebody_else_signed_is_refused(api: Api) -> None:
    user = await api.user(Tier.PRO)
    await refused(api, f"Bearer {signed(claims(sub=user), ANOTHER)}")
    await refused(api, f"Bearer {signed(claims(sub=user), SECRET * 2, 'HS512')}")
    await refused(api, f"Bearer {signed(claims(sub=user), SECRET * 2, 'HS384')}")
    await refused(api, f"Bearer {unsigned(user)}")
    head, body, _ = signed(claims(sub=user)).split(".")
    await refused(api, f"Bearer {head}.{body}.")
    await refused(api, f"Bearer {part({'alg': 'none'})}.{body}.{part('')}")
    other = signed(claims(sub=str(uuid4()))).split(".")
    await refused(api, f"Bearer {head}.{body}.{other[2]}")


async def test_a_token_whose_subject_is_a_number_is_refused(api: Api) -> None:
    await refused(api, f"Bearer {signed(claims(sub=7))}")


@pytest.mark.parametrize(
    "authorization",
    [
        None,
        "",
        "Bearer",
        "Bearer ",
        "Bearer null",
        "Bearer a.b.c",
        "Bearer ...",
        "Bearer []",
        "Bearer " + "x" * 60_000,
        "Bearer \u00e9\u00e8.x.y".encode("latin-1"),
        b"Bearer \xff\xfe\x00",
        "Basic dXNlcjpwYXNzd29yZA==",
        "Digest username=x",
        "Token {}",
        "{}",
        "Bearer Bearer {}",
        "Bearer {}, Bearer {}",
    ],
    ids=lambda value: repr(value)[:30],
)
async def test_what_is_no_token_is_refused(api: Api, authorization: bytes | str | None) -> None:
    """{} stands for a token that is good by itself."""
    if isinstance(authorization, str):
        authorization = authorization.replace("{}", signed(claims(sub=await api.user(Tier.PRO))))
    await refused(api, authorization)


async def test_a_user_who_never_was_is_refused(api: Api) -> None:
    await refused(api, f"Bearer {signed(claims())}")


async def test_a_deleted_user_is_refused_at_once(make_api: MakeApi, connection: db.Connection) -> None:
    api = await make_api(tier_fresh_s=0)
    user = await api.user(Tier.PRO)
    assert (await api.get(Tier.PRO)).status_code == 200
    await connection.execute("UPDATE users SET deleted_at = now() WHERE id = $1::uuid", user)
    await refused(api, f"Bearer {signed(claims(sub=user))}")


async def test_the_tier_in_a_token_is_not_believed(api: Api) -> None:
    user = await api.user(Tier.FREE)
    token = signed(claims(sub=user, tier="pro", scope="pro"))
    assert (await api.http.get(INSIGHTS, headers={"authorization": f"Bearer {token}"})).status_code == 403


async def test_a_token_in_the_address_does_not_count(api: Api) -> None:
    user = await api.user(Tier.PRO)
    token = signed(claims(sub=user))
    for name in ("token", "access_token", "authorization"):
        assert (await api.http.get(INSIGHTS, params={name: token})).status_code == 401
    assert (await api.http.get(INSIGHTS, headers={"cookie": f"authorization={token}"})).status_code == 401
