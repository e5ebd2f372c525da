"""Accounts from the first mail to deletion, with a real mail server."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import jwt
import pytest

from core import db
from core.models import Tier
from core.queries import accounts
from local.mail import catching, mails
from tests.api.conftest import INSIGHTS, SECRET, Api, MakeApi
from tests.conftest import NOW

AUTH = "/api/v1/auth"
ADA, PASSWORD, OTHER = "ada@example.com", "correct horse battery", "another horse battery"


@pytest.fixture
def mailbox(tmp_path: Path) -> Iterator[tuple[int, Path]]:
    with catching(tmp_path / "mail") as port:
        yield port, tmp_path / "mail"


class Desk:
    """The account routes of one replica, and the mail that it sent."""

    def __init__(self, api: Api, folder: Path) -> None:
        self.api, self.folder = api, folder

    async def post(self, path: str, by: str | None = None, /, **body: Any) -> httpx.Response:
        headers = {} if by is None else {"authorization": f"Bearer {by}"}
        return await self.api.http.post(f"{AUTH}/{path}", json=body, headers=headers)

    async def ask(self, method: str, path: str, by: str, /, **body: Any) -> httpx.Response:
        headers = {"authorization": f"Bearer {by}"}
        return await self.api.http.request(method, f"{AUTH}/{path}", json=body or None, headers=headers)

    def links(self, purpose: str) -> list[str]:
        """The tokens of the mailed links, the oldest first."""
        texts = [message.get_content() for message in mails(self.folder)]
        return [found for text in texts for found in re.findall(rf"/{purpose}\?token=(\S+)", text)]

    async def opened(self, email: str = ADA, password: str = PASSWORD) -> dict[str, Any]:
        """Registered, verified, signed in: the tokens."""
        assert (await self.post("register", email=email, password=password)).status_code == 202
        assert (await self.post("verify", token=self.links("verify")[-1])).status_code == 204
        return await self.signed_in(email, password)

    async def signed_in(self, email: str = ADA, password: str = PASSWORD) -> dict[str, Any]:
        answer = await self.post("login", email=email, password=password)
        assert answer.status_code == 200, answer.text
        tokens: dict[str, Any] = answer.json()
        return tokens


@pytest.fixture
async def desk(make_api: MakeApi, mailbox: tuple[int, Path]) -> Desk:
    port, folder = mailbox
    mail = {"smtp_host": "127.0.0.1", "smtp_port": port, "smtp_security": "none", "login_attempts": 100}
    return Desk(await make_api(tier_fresh_s=0, **mail), folder)


async def test_an_account_is_opened_by_a_mailed_link_and_is_free(desk: Desk) -> None:
    tokens = await desk.opened()
    assert (tokens["token_type"], tokens["expires_in"]) == ("bearer", 1_800)
    me = await desk.ask("GET", "me", tokens["access_token"])
    assert (me.json()["email"], me.json()["tier"], me.json()["requests_per_minute"]) == (ADA, "free", 30)
    assert me.json()["email_verified_at"]
    claims = jwt.decode(tokens["access_token"], SECRET, algorithms=["HS256"], issuer="oddwons")
    assert claims["exp"] - claims["iat"] == 1_800
    assert "tier" not in claims


async def test_without_the_link_nobody_is_signed_in(desk: Desk) -> None:
    await desk.post("register", email=ADA, password=PASSWORD)
    answer = await desk.post("login", email=ADA, password=PASSWORD)
    assert (answer.status_code, "verified" in answer.text) == (403, True)
    assert (await desk.post("login", email=ADA, password=OTHER)).status_code == 401


async def test_a_link_is_good_once_and_only_the_newest_is(desk: Desk) -> None:
    await desk.post("register", email=ADA, password=PASSWORD)
    await desk.post("register", email=ADA, password=OTHER)
    first, second = desk.links("verify")
    assert (await desk.post("verify", token=first)).status_code == 400
    assert (await desk.post("verify", token=second)).status_code == 204
    assert (await desk.post("verify", token=second)).status_code == 400
    assert (await desk.post("login", email=ADA, password=PASSWORD)).status_code == 401
    await desk.signed_in(password=OTHER)


async def test_a_link_ends_after_its_time(desk: Desk) -> None:
    await desk.post("register", email=ADA, password=PASSWORD)
    desk.api.app.state.resources.wall = lambda: time.time() + 86_401
    assert (await desk.post("verify", token=desk.links("verify")[0])).status_code == 400


async def test_registering_a_known_address_says_nothing_and_changes_nothing(desk: Desk) -> None:
    fresh = await desk.post("register", email="new@example.com", password=PASSWORD)
    await desk.opened()
    again = await desk.post("register", email="ADA@example.com", password=OTHER)
    assert (again.status_code, again.content) == (fresh.status_code, fresh.content)
    assert mails(desk.folder)[-1]["Subject"] == "You have an account already"
    await desk.signed_in(password=PASSWORD)


async def test_an_unknown_address_is_answered_as_a_wrong_password_is(desk: Desk) -> None:
    await desk.opened()
    unknown = await desk.post("login", email="nobody@example.com", password=PASSWORD)
    wrong = await desk.post("login", email=ADA, password=OTHER)
    assert (unknown.status_code, unknown.content) == (wrong.status_code, wrong.content) == (401, wrong.content)


async def test_an_unknown_address_costs_a_hash_too(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """Counted, not timed: what takes the time is the hash."""
    passwords = desk.api.app.state.accounts.passwords
    await desk.opened()
    verified = []
    hasher = passwords._get()

    def counted(self: object, known_hash: str, password: str) -> bool:
        verified.append(known_hash)
        return True

    monkeypatch.setattr(type(hasher), "verify", counted)
    await desk.post("login", email="nobody@example.com", password=PASSWORD)
    await desk.post("login", email=ADA, password=PASSWORD)
    assert len(verified) == 2


async def test_a_refresh_token_is_used_up_and_a_second_use_ends_the_session(desk: Desk) -> None:
    tokens = await desk.opened()
    first = (await desk.post("refresh", refresh_token=tokens["refresh_token"])).json()
    assert (await desk.ask("GET", "me", first["access_token"])).status_code == 200
    second = (await desk.post("refresh", refresh_token=first["refresh_token"])).json()
    stolen = await desk.post("refresh", refresh_token=first["refresh_token"])
    assert stolen.status_code == 401
    assert (await desk.post("refresh", refresh_token=second["refresh_token"])).status_code == 401
    for token in (tokens, first, second):
        assert (await desk.ask("GET", "me", token["access_token"])).status_code == 401


async def test_signing_out_ends_this_session_and_no_other(desk: Desk) -> None:
    one, other = await desk.opened(), await desk.signed_in()
    assert (await desk.post("logout", refresh_token=one["refresh_token"])).status_code == 204
    assert (await desk.ask("GET", "me", one["access_token"])).status_code == 401
    assert (await desk.ask("GET", "me", other["access_token"])).status_code == 200


async def test_a_new_password_ends_every_session(desk: Desk) -> None:
    tokens = await desk.opened()
    known = await desk.post("password/forgot", email=ADA)
    unknown = await desk.post("password/forgot", email="nobody@example.com")
    assert (known.status_code, known.content) == (unknown.status_code, unknown.content)
    (link,) = desk.links("reset")
    assert (await desk.post("password/reset", token=link, password="short")).status_code == 422
    assert (await desk.post("password/reset", token=link, password=OTHER)).status_code == 204
    assert (await desk.post("password/reset", token=link, password=OTHER)).status_code == 400
    assert (await desk.ask("GET", "me", tokens["access_token"])).status_code == 401
    assert (await desk.post("refresh", refresh_token=tokens["refresh_token"])).status_code == 401
    assert (await desk.post("login", email=ADA, password=PASSWORD)).status_code == 401
    await desk.signed_in(password=OTHER)


async def test_a_new_password_takes_back_the_keys_that_a_thief_may_have_made(desk: Desk) -> None:
    token = (await desk.opened())["access_token"]
    key = (await desk.post("keys", token, name="bot")).json()["key"]
    assert (await desk.ask("GET", "me", key)).status_code == 200
    await desk.post("password/forgot", email=ADA)
    assert (await desk.post("password/reset", token=desk.links("reset")[-1], password=OTHER)).status_code == 204
    assert (await desk.ask("GET", "me", key)).status_code == 401


async def test_who_signs_in_while_the_password_changes_gets_no_session(desk: Desk, connection: db.Connection) -> None:
    """The old password was the right one when it was looked up."""
    await desk.opened()
    passwords = desk.api.app.state.accounts.passwords
    await passwords._permits.acquire()
    login = asyncio.ensure_future(desk.post("login", email=ADA, password=PASSWORD))
    while not passwords._waiting:  # noqa: ASYNC110
        await asyncio.sleep(0.01)
    await connection.execute("UPDATE users SET password_hash = $1", passwords._get().hash(OTHER))
    passwords._permits.release()
    assert (await login).status_code == 401
    assert await connection.fetchval("SELECT count(*) FROM sessions") == 1, "the one from before"
    await desk.signed_in(password=OTHER)


async def test_registering_in_the_moment_of_the_verification_changes_no_password(
    desk: Desk, connection: db.Connection
) -> None:
    """A stranger registers the address over and over, and one try meets its owner's click."""
    await desk.post("register", email=ADA, password=PASSWORD)
    async with connection.transaction():
        await connection.execute("UPDATE users SET email_verified_at = now()")
        late = asyncio.ensure_future(desk.post("register", email=ADA, password=OTHER))
        while not await connection.fetchval(  # noqa: ASYNC110
            "SELECT count(*) FROM pg_locks WHERE NOT granted AND pg_backend_pid() = ANY(pg_blocking_pids(pid))"
        ):
            await asyncio.sleep(0.01)
    assert (await late).status_code == 202
    assert (await desk.post("login", email=ADA, password=OTHER)).status_code == 401
    await desk.signed_in(password=PASSWORD)


async def test_a_link_that_is_not_good_costs_no_hash(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """Else strangers who make links up would keep those who sign in waiting."""
    made: list[str] = []
    hasher = desk.api.app.state.accounts.passwords._get()

    def counted(self: object, password: str) -> str:
        made.append(password)
        return ""

    monkeypatch.setattr(type(hasher), "hash", counted)
    assert (await desk.post("password/reset", token="made up", password=OTHER)).status_code == 400
    answer = await desk.api.http.post("/reset", data={"token": "made up", "password": OTHER})
    assert (answer.status_code, made) == (400, [])


async def test_the_addresses_of_one_network_are_one_caller(make_api: MakeApi, mailbox: tuple[int, Path]) -> None:
    """Whoever has one IPv6 address has 2^64 of them."""
    desk = Desk(await make_api(login_attempts=3, forwarded_hops=1, upstash_redis_rest_url=None), mailbox[1])
    codes = []
    for n, network in enumerate(("2001:db8:1:2", "2001:db8:1:2", "2001:db8:1:2", "2001:db8:1:2", "2001:db8:1:3")):
        headers = {"x-forwarded-for": f"{network}::{n:x}"}
        body = {"email": f"{n}@example.com", "password": OTHER}
        codes.append((await desk.api.http.post(f"{AUTH}/login", json=body, headers=headers)).status_code)
    assert codes == [401, 401, 401, 429, 401]


async def test_the_pages_of_links_do_nothing_until_their_button_is_pressed(desk: Desk) -> None:
    await desk.post("register", email=ADA, password=PASSWORD)
    (link,) = desk.links("verify")
    http = desk.api.http
    for _ in range(2):
        page = await http.get("/verify", params={"token": link})
        assert (page.status_code, link in page.text) == (200, True)
    assert (await http.post("/verify", data={"token": "wrong"})).status_code == 400
    assert "confirmed" in (await http.post("/verify", data={"token": link})).text
    await desk.post("password/forgot", email=ADA)
    (link,) = desk.links("reset")
    assert (await http.post("/reset", data={"token": link, "password": "short"})).status_code == 422
    assert "is set" in (await http.post("/reset", data={"token": link, "password": OTHER})).text
    await desk.signed_in(password=OTHER)


@pytest.mark.parametrize("page", ["verify", "reset"])
@pytest.mark.parametrize("form", ["a=1&" * 50, "%ff=%00&token=%ff", "token", "", "\x00"], ids=lambda form: form[:6])
async def test_a_form_of_another_making_is_refused(api: Api, page: str, form: str) -> None:
    answer = await api.http.post(f"/{page}", content=form)
    assert answer.status_code in (400, 422), answer.text


@pytest.mark.parametrize("token", ["<script>alert(1)</script>", '"><img src=x>', "{{ 7 * 7 }}"])
async def test_what_a_link_says_stays_text(desk: Desk, token: str) -> None:
    page = await desk.api.http.get("/reset", params={"token": token})
    assert not any(markup in page.text for markup in ("<script", "<img", "49"))
    assert "form-action 'self'" in page.headers["content-security-policy"]


async def test_without_a_mail_server_no_account_is_opened(api: Api) -> None:
    for path, body in (("register", {"email": ADA, "password": PASSWORD}), ("password/forgot", {"email": ADA})):
        answer = await api.http.post(f"{AUTH}/{path}", json=body)
        assert (answer.status_code, "Mail cannot be sent" in answer.text) == (503, True)


async def test_a_mail_server_that_is_away_is_no_error_to_the_caller(make_api: MakeApi) -> None:
    api = await make_api(smtp_host="127.0.0.1", smtp_port=1, smtp_security="none")
    answer = await api.http.post(f"{AUTH}/register", json={"email": ADA, "password": PASSWORD})
    assert answer.status_code == 202


@pytest.mark.parametrize(
    "email", ["", "ada", "a@b", "a b@example.com", "a@example.com\r\nBcc: x@y.de", "a@b.de\x00", "x" * 65 + "@b.de"]
)
async def test_what_is_no_address_is_refused(desk: Desk, email: str) -> None:
    answer = await desk.post("register", email=email, password=PASSWORD)
    assert answer.status_code == 422
    assert PASSWORD not in answer.text


async def test_a_key_reads_as_its_owners_tier_and_manages_nothing(desk: Desk, connection: db.Connection) -> None:
    tokens = await desk.opened()
    made = await desk.post("keys", tokens["access_token"], name="bot")
    assert made.status_code == 201
    key = made.json()["key"]
    assert re.fullmatch(r"ow_[A-Za-z0-9_-]{43}", key)
    listed = (await desk.ask("GET", "keys", tokens["access_token"])).json()["keys"]
    assert [(each["name"], each["prefix"]) for each in listed] == [("bot", key[:10])]
    assert key not in str(listed)
    headers = {"authorization": f"Bearer {key}"}
    assert (await desk.api.http.get(INSIGHTS, headers=headers)).status_code == 403
    await accounts.upsert_user(connection, ADA, Tier.PRO, NOW)
    assert (await desk.api.http.get(INSIGHTS, headers=headers)).json()["refresh"] == "real-time"
    for method, path in (("GET", "keys"), ("POST", "keys"), ("GET", "export"), ("DELETE", "me")):
        refused = await desk.ask(method, path, key, **({"name": "x"} if method == "POST" else {}))
        assert refused.status_code in (403, 422), (method, path)
    stored = await connection.fetchrow("SELECT * FROM api_keys")
    assert stored is not None
    assert key.encode() not in bytes(str(dict(stored)), "utf-8")


async def test_a_revoked_key_is_refused_and_others_are_not(desk: Desk) -> None:
    token = (await desk.opened())["access_token"]
    one, other = [(await desk.post("keys", token)).json() for _ in range(2)]
    assert (await desk.ask("DELETE", f"keys/{one['id']}", token)).status_code == 204
    assert (await desk.ask("DELETE", f"keys/{one['id']}", token)).status_code == 404
    assert (await desk.ask("GET", "me", one["key"])).status_code == 401
    assert (await desk.ask("GET", "me", other["key"])).status_code == 200


async def test_there_are_ten_keys_at_most_and_nobody_revokes_anothers(desk: Desk) -> None:
    ada = (await desk.opened())["access_token"]
    bob = (await desk.opened("bob@example.com"))["access_token"]
    made = [await desk.post("keys", ada) for _ in range(11)]
    assert [answer.status_code for answer in made] == [201] * 10 + [409]
    assert (await desk.ask("DELETE", f"keys/{made[0].json()['id']}", bob)).status_code == 404


async def test_a_user_takes_everything_along_and_leaves_nothing(desk: Desk, connection: db.Connection) -> None:
    token = (await desk.opened())["access_token"]
    await desk.post("keys", token, name="bot")
    export = (await desk.ask("GET", "export", token)).json()
    assert export["account"]["email"] == ADA
    assert [key["name"] for key in export["api_keys"]] == ["bot"]
    assert len(export["sessions"]) == 1
    assert "argon2" not in str(export)
    assert (await desk.ask("DELETE", "me", token, password=OTHER)).status_code == 403
    assert (await desk.ask("DELETE", "me", token, password=PASSWORD)).status_code == 204
    assert (await desk.ask("GET", "me", token)).status_code == 401
    assert (await desk.post("login", email=ADA, password=PASSWORD)).status_code == 401
    for table in ("users", "sessions", "api_keys", "mail_tokens", "refresh_tokens", "analyses"):
        rows = await connection.fetch(f"SELECT * FROM {table}")
        assert ADA not in str([dict(row) for row in rows]), table
        assert table == "users" or not rows
    await desk.opened()


async def test_an_account_is_not_deleted_while_its_subscription_runs(desk: Desk, connection: db.Connection) -> None:
    token = (await desk.opened())["access_token"]
    user = (await desk.ask("GET", "me", token)).json()["id"]
    await connection.execute(
        "INSERT INTO subscriptions (stripe_subscription_id, user_id, status, tier, told_at) "
        "VALUES ('sub_1', $1::uuid, 'active', 'pro', $2)",
        user,
        NOW,
    )
    assert (await desk.ask("DELETE", "me", token, password=PASSWORD)).status_code == 409
    await connection.execute("UPDATE subscriptions SET status = 'canceled'")
    assert (await desk.ask("DELETE", "me", token, password=PASSWORD)).status_code == 204


async def test_an_account_that_is_deleted_leaves_no_words_of_its_in_stripes_events(
    desk: Desk, connection: db.Connection
) -> None:
    token = (await desk.opened())["access_token"]
    await connection.execute("UPDATE users SET stripe_customer_id = 'cus_1'")
    await connection.execute(
        "INSERT INTO stripe_events (id, type, customer_id, created_at, received_at, handled_at, body) "
        "VALUES ('evt_1', 'customer.created', 'cus_1', $1, $1, $1, $2), ('evt_2', 'x', 'cus_2', $1, $1, $1, $2)",
        NOW,
        {"email": ADA},
    )
    export = (await desk.ask("GET", "export", token)).json()
    assert [(event["id"], event["body"]) for event in export["stripe_events"]] == [("evt_1", {"email": ADA})]
    assert (await desk.ask("DELETE", "me", token, password=PASSWORD)).status_code == 204
    rows = await connection.fetch("SELECT id, body FROM stripe_events ORDER BY id")
    assert [tuple(row) for row in rows] == [("evt_1", {}), ("evt_2", {"email": ADA})]


async def test_tries_to_sign_in_are_few_a_minute_and_no_more_on_another_replica(
    make_api: MakeApi, mailbox: tuple[int, Path]
) -> None:
    replicas = [Desk(await make_api(login_attempts=3), mailbox[1]) for _ in range(2)]
    for replica in replicas:
        replica.api.app.state.resources.wall = lambda: 1_800_000_000.0
    tries = [await replicas[n % 2].post("login", email=ADA, password=OTHER) for n in range(5)]
    assert [answer.status_code for answer in tries] == [401, 401, 401, 429, 429]
    assert tries[-1].headers["retry-after"] == "60"
