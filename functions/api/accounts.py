"""Accounts: opening with a verified address, signing in, sessions, passwords, keys, export and deletion.

Nothing here tells a stranger whether an address has an account: the answers are the same, and so is the work.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from hashlib import blake2b
from typing import Any

from api import credentials, mail
from api.billing import Desk
from api.callers import Caller
from api.gate import Doorway
from api.limits import network_of, reset_s
from api.passwords import Passwords
from core.db import Connection
from core.errors import BadRequest, Conflict, Forbidden, MailDown, NotFound, TooMany, Unauthorized
from core.queries import accounts, billing, keys, signing_in
from core.queries.signing_in import Purpose
from core.settings import ApiSettings

log = logging.getLogger(__name__)

KEYS_MOST = 10
_VERIFY_LIFE, _RESET_LIFE = timedelta(days=1), timedelta(minutes=30)
_DEAD_LINK = "this link is not good any more: ask for a new one"
Later = Callable[[], Awaitable[None]]


@dataclass(slots=True)
class Accounts:
    doorway: Doorway
    passwords: Passwords
    _desk: Desk
    _mail_took_s: float = 0.0

    def _now(self) -> datetime:
        return datetime.fromtimestamp(self.doorway.resources.wall(), UTC)

    async def register(self, email: str, password: str, client: str) -> Later:
        """Opens an account that needs its address verified; what must be mailed is done by what is returned."""
        await self._strictly("register", email, client)
        self._need_mail()
        hashed = await self.passwords.hash(password)
        link: str | None = None
        async with self.doorway.resources.transaction() as connection:
            user_id = await signing_in.register(connection, email, hashed, self._now())
            if user_id is not None:
                link = await self._link(connection, user_id, "verify", _VERIFY_LIFE)
        return partial(self._send, email, *(_welcome(link) if link else _known_already(self._settings.public_url)))

    async def verify(self, token: str) -> None:
        """Raises BadRequest for a link that is not good (any more)."""
        await self._use(token, "verify")

    async def login(self, email: str, password: str, client: str) -> dict[str, Any]:
        """Tokens of a new session. Raises Unauthorized, the same and as late for an unknown address as for a known."""
        await self._strictly("login", email, client)
        async with self.doorway.resources.connection() as connection:
            known = await signing_in.user_by_email(connection, email)
        stored = None if known is None else known["password_hash"]
        if not await self.passwords.fits(stored, password) or known is None or stored is None:
            raise Unauthorized("address or password is wrong")
        if known["email_verified_at"] is None:
            raise Forbidden(
                "the address is not verified yet: follow the link in the mail, or register again for a new one"
            )
        renewed = await self.passwords.hash(password) if self.passwords.outdated(stored) else None
        secret = credentials.make_secret()
        life = timedelta(days=self._settings.refresh_token_days)
        async with self.doorway.resources.transaction() as connection:
            if not await signing_in.holds_password(connection, known["id"], stored):
                raise Unauthorized("address or password is wrong")  # any more: it was changed meanwhile
            if renewed is not None:
                await signing_in.set_password(connection, known["id"], renewed)
            session_id = await signing_in.insert_session(
                connection, known["id"], credentials.digest(secret), self._now(), life
            )
        return self._tokens(known["id"], session_id, secret)

    async def refresh(self, refresh_token: str) -> dict[str, Any]:
        secret = credentials.make_secret()
        old, new = credentials.digest(refresh_token), credentials.digest(secret)
        async with self.doorway.resources.transaction() as connection:
            found = await signing_in.rotate_refresh_token(connection, old, new, self._now())
        if found is None:
            raise Unauthorized("this refresh token is not good any more: sign in again")
        return self._tokens(*found, secret)

    async def logout(self, refresh_token: str) -> None:
        async with self.doorway.resources.transaction() as connection:
            await signing_in.revoke_session(connection, credentials.digest(refresh_token), self._now())

    async def forgot(self, email: str, client: str) -> Later:
        """A link to set a new password goes to the address, if it has an account: all that differs comes later."""
        await self._strictly("forgot", email, client)
        self._need_mail()
        async with self.doorway.resources.connection() as connection:
            known = await signing_in.user_by_email(connection, email)
        if known is None:
            # As long as a mail takes, on hosts where the answer waits for what comes after it.
            return partial(asyncio.sleep, self._mail_took_s)
        return partial(self._send_reset, email, str(known["id"]))

    async def _send_reset(self, email: str, user_id: str) -> None:
        async with self.doorway.resources.transaction() as connection:
            link = await self._link(connection, user_id, "reset", _RESET_LIFE)
        await self._send(email, *_reset(link))

    async def reset(self, token: str, password: str) -> None:
        """A new password, which ends every session and key. Raises BadRequest for a link that is not good (any more).

        What is made up costs no hash.
        """
        async with self.doorway.resources.connection() as connection:
            digest = credentials.digest(token)
            if not await signing_in.is_good_mail_token(connection, digest, "reset", self._now()):
                raise BadRequest(_DEAD_LINK)
        hashed = await self.passwords.hash(password)
        user_id = await self._use(token, "reset", hashed)
        self.doorway.callers.forget(user_id)

    async def me(self, caller: Caller) -> dict[str, Any]:
        async with self.doorway.resources.connection() as connection:
            found = await accounts.account(connection, caller.user_id)
        if found is None:
            raise Unauthorized("this account does not exist any more")
        return found

    async def export(self, caller: Caller) -> dict[str, Any]:
        async with self.doorway.resources.connection() as connection:
            return await accounts.export(connection, caller.user_id)

    async def delete(self, caller: Caller, password: str, client: str) -> None:
        """Raises Forbidden for a wrong password, Conflict while a subscription runs here or at Stripe, StripeDown."""
        await self._strictly("delete", caller.user_id, client)
        async with self.doorway.resources.connection() as connection:
            email = (await accounts.account(connection, caller.user_id) or {}).get("email", "")
            known = await signing_in.user_by_email(connection, email)
        if not await self.passwords.fits(None if known is None else known["password_hash"], password):
            raise Forbidden("the password is wrong")
        await self._desk.refresh(caller.user_id)
        async with self.doorway.resources.transaction() as connection:
            await billing.lock_user(connection, caller.user_id)  # a subscription may be written at this moment
            if await accounts.has_subscription(connection, caller.user_id):
                raise Conflict("a subscription is running: end it first, or you would go on paying")
            await accounts.delete_user(connection, caller.user_id, self._now())
        self.doorway.callers.forget(caller.user_id)

    async def make_key(self, caller: Caller, name: str) -> dict[str, Any]:
        """The key itself is in the answer and nowhere else. Raises Conflict when there are too many."""
        key, now = credentials.make_key(), self._now()
        prefix = key[:10]
        async with self.doorway.resources.transaction() as connection:
            key_id = await keys.insert_key(
                connection, caller.user_id, name, prefix, credentials.digest(key), now, KEYS_MOST
            )
        if key_id is None:
            raise Conflict(f"there are {KEYS_MOST} keys already: revoke one first")
        return {"id": key_id, "name": name, "prefix": prefix, "created_at": now, "key": key}

    async def keys(self, caller: Caller) -> dict[str, Any]:
        async with self.doorway.resources.connection() as connection:
            return {"keys": await keys.keys_of(connection, caller.user_id)}

    async def revoke_key(self, caller: Caller, key_id: str) -> None:
        async with self.doorway.resources.transaction() as connection:
            if not await keys.revoke_key(connection, caller.user_id, key_id, self._now()):
                raise NotFound("you have no such key")
        self.doorway.callers.forget(caller.user_id)

    @property
    def _settings(self) -> ApiSettings:
        return self.doorway.resources.settings

    def _need_mail(self) -> None:
        if self._settings.smtp_host is None:
            raise MailDown("SMTP_HOST is not set")

    async def _strictly(self, what: str, whom: str, client: str) -> None:
        """Few tries a minute from an address and for an account, over all instances. Raises TooMany."""
        limit, unix_s = self._settings.login_attempts, self.doorway.resources.wall()
        account = blake2b(whom.lower().encode(), digest_size=12).hexdigest()
        for who in (f"{what}:ip:{network_of(client)}", f"{what}:for:{account}"):
            taken, _ = await self.doorway.limits.wait(who, limit, unix_s, batch=1)
            if not taken:
                raise TooMany("too many tries: wait a minute", reset_s(unix_s))

    async def _link(self, connection: Connection, user_id: str, purpose: Purpose, life: timedelta) -> str:
        secret = credentials.make_secret()
        digest = credentials.digest(secret)
        await signing_in.insert_mail_token(connection, user_id, purpose, digest, self._now() + life)
        return f"{self._settings.public_url}/{purpose}?token={secret}"

    async def _use(self, token: str, purpose: Purpose, password_hash: str | None = None) -> str:
        async with self.doorway.resources.transaction() as connection:
            now = self._now()
            user_id = await signing_in.use_mail_token(connection, credentials.digest(token), purpose, now)
            if user_id is None:
                raise BadRequest(_DEAD_LINK)
            if password_hash is not None:
                await signing_in.set_password(connection, user_id, password_hash)
                await signing_in.revoke_all(connection, user_id, now)
            return user_id

    def _tokens(self, user_id: str, session_id: str, secret: str) -> dict[str, Any]:
        minutes = self._settings.access_token_expire_minutes
        key = self._settings.jwt_secret.get_secret_value()
        token = credentials.make_token(user_id, key, self.doorway.resources.wall(), minutes, session_id)
        return {"access_token": token, "token_type": "bearer", "expires_in": 60 * minutes, "refresh_token": secret}

    async def _send(self, to: str, subject: str, text: str) -> None:
        """After the answer: a failure is the operator's to see; whoever waits for the mail asks for another."""
        began = self.doorway.resources.monotonic()
        try:
            await mail.send(self._settings, to, subject, text)
        except MailDown as error:
            log.error("mail not sent", extra={"subject": subject, "error": str(error)})
        self._mail_took_s = self.doorway.resources.monotonic() - began


def _welcome(link: str) -> tuple[str, str]:
    return "Confirm your address", (
        f"Welcome to OddWons.\n\nConfirm that this address is yours, within a day:\n{link}\n\n"
        "If you did not open an account, ignore this mail: without the confirmation there is none.\n"
    )


def _known_already(url: str) -> tuple[str, str]:
    return "You have an account already", (
        f"Somebody, probably you, tried to open an account with this address. There is one already: sign in at\n{url}\n"
        "or ask there for a new password. If it was not you, nothing needs to be done.\n"
    )


def _reset(link: str) -> tuple[str, str]:
    return "Set a new password", (
        f"Set a new password for OddWons, within half an hour:\n{link}\n\n"
        "It ends every session and revokes every API key.\n\n"
        "If you did not ask for it, ignore this mail: your password stays as it is.\n"
    )
