"""The one gate that every request passes: who asks, how often, as of when. What is ready is sent from here.

Below the framework, because routing, dependencies and responses of a framework cost ten times what a ready answer
does. Everything that is not ready goes on to the routes, with the same `Asked` that was let in here.
"""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import Awaitable, Callable, MutableMapping
from dataclasses import dataclass
from secrets import token_hex
from typing import Any

from fastapi.responses import JSONResponse

from api.access import View, upgrade_from, view_of
from api.callers import Caller, Callers
from api.credentials import SIGN_IN
from api.limits import Limits, Permits, limits_by_tier, network_of, reset_s
from api.problems import bug, problem, problem_of
from api.ready import Shelf
from api.resources import Resources
from core import log as logs
from core.errors import OddWonsError, TooLarge, TooMany, Unauthorized

log = logging.getLogger(__name__)

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

PREFIX = "/api/v1/"
# For those who have no token yet. Everything else under PREFIX needs one, also what does not exist.
OPEN = frozenset(
    PREFIX + "auth/" + name
    for name in ("register", "verify", "login", "refresh", "logout", "password/forgot", "password/reset")
) | {"/verify", "/reset"}
_WITH_BODY = frozenset(("POST", "PUT", "PATCH", "DELETE"))
_REQUEST_ID = re.compile(rb"[A-Za-z0-9_.:-]{1,64}")
_SLOW_S = 1.0


class Asked:
    """What the gate knows of a request; routes find it in the scope."""

    __slots__ = ("accepts", "authorization", "caller", "client", "headers", "known", "length", "request_id", "view")

    def __init__(self, scope: Scope, hops: int) -> None:
        self.authorization = self.accepts = self.known = self.length = b""
        self.caller: Caller | None = None
        self.view: View | None = None
        forwarded = given_id = b""
        for name, value in scope["headers"]:
            if name == b"authorization":
                # Two of them are none: whose request would it be?
                self.authorization = value if not self.authorization else b"twice"
            elif name == b"accept-encoding":
                self.accepts = value
            elif name == b"if-none-match":
                self.known = value
            elif name == b"x-request-id":
                given_id = value
            elif name == b"content-length":
                self.length = value
            elif name == b"x-forwarded-for":
                forwarded = forwarded + b"," + value if forwarded else value
        self.request_id = given_id if given_id and _REQUEST_ID.fullmatch(given_id) else token_hex(8).encode()
        self.headers = [(b"x-request-id", self.request_id)]
        self.client = _client(scope, forwarded, hops)


def _client(scope: Scope, forwarded: bytes, hops: int) -> str:
    """The caller's address: the one that the outermost of our own proxies saw."""
    if hops and forwarded:
        seen = forwarded.split(b",")
        return seen[max(0, len(seen) - hops)].strip().decode("latin-1")[:64]
    client = scope.get("client")
    return str(client[0]) if client else "unknown"


@dataclass(slots=True)
class Doorway:
    """What the gate and the routes share."""

    resources: Resources
    callers: Callers
    limits: Limits
    shelf: Shelf


class Gate:
    """ASGI middleware."""

    def __init__(self, app: App, doorway: Doorway) -> None:
        self._app = app
        self._doorway = doorway
        self._settings = doorway.resources.settings
        self._limits = limits_by_tier(self._settings)
        self._policies = {
            limit: (b"ratelimit-policy", b'"minute";q=%d;w=60' % limit)
            for limit in (*self._limits.values(), self._settings.requests_anonymous)
        }

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        asked = Asked(scope, self._settings.forwarded_hops)
        path = scope["path"]
        try:
            if path in OPEN:
                await self._permit(asked, f"ip:{network_of(asked.client)}", self._settings.requests_anonymous, None)
            elif path.startswith(PREFIX) and scope["method"] != "OPTIONS":
                await self._admit(asked)
                if scope["method"] == "GET" and await self._sent_ready(scope, asked, send):
                    return
        except OddWonsError as error:
            await self._refuse(problem_of(error, path), asked, scope, receive, send)
            return
        await self._pass_on(scope, asked, receive, send)

    async def _admit(self, asked: Asked) -> None:
        """Sets who asks and what may be seen; takes a permit. Raises Unauthorized, TooMany, DatabaseDown."""
        callers = self._doorway.callers
        caller = callers.known(asked.authorization)
        if caller is None:
            if not asked.authorization:
                raise Unauthorized(SIGN_IN)
            caller = await self._find(asked)
        asked.caller = caller
        await self._permit(asked, caller.user_id, self._limits[caller.tier], upgrade_from(caller.tier))
        asked.view = view_of(caller.tier, self._doorway.resources.clock())

    async def _find(self, asked: Asked) -> Caller:
        """Of what is not good few a minute and network: a key that is made up costs a question to the database."""
        callers, limits = self._doorway.callers, self._doorway.limits
        if callers.proved(asked.authorization):
            return await callers.find(asked.authorization)
        who, limit = f"refused:{network_of(asked.client)}", self._settings.requests_anonymous
        unix_s = self._doorway.resources.wall()
        if limits.used_up(who, limit, unix_s):
            raise TooMany("too many tokens or keys that are not good: wait a minute", reset_s(unix_s))
        try:
            return await callers.find(asked.authorization)
        except Unauthorized:
            await limits.wait(who, limit, unix_s)
            raise

    async def _permit(self, asked: Asked, who: str, limit: int, upgrade_to: str | None) -> None:
        unix_s = self._doorway.resources.wall()
        limits = self._doorway.limits
        taken, permits = limits.take(who, limit, unix_s) or await limits.wait(who, limit, unix_s)
        reset = reset_s(unix_s)
        asked.headers += (self._policies[limit], (b"ratelimit", _left(permits, reset)))
        if not taken:
            raise TooMany(f"{limit} requests a minute are included", reset, upgrade_to)

    async def _sent_ready(self, scope: Scope, asked: Asked, send: Send) -> bool:
        """Whether the answer was ready, and so was sent."""
        view = asked.view
        assert view is not None
        ready = self._doorway.shelf.fresh((view.key, scope["path"], scope["query_string"]), view.as_of)
        if ready is None:
            return False
        await ready.send(send, asked.headers, asked.accepts, asked.known, self.age_s(ready.answer.read_at))
        return True

    def age_s(self, read_at: Any) -> int | None:
        """Of an answer, while the database is away; else None."""
        resources = self._doorway.resources
        if not resources.database_away:
            return None
        return max(0, int((resources.clock() - read_at).total_seconds()))

    async def _pass_on(self, scope: Scope, asked: Asked, receive: Receive, send: Send) -> None:
        """To the routes, within the deadline, with a body that is whole and not too large."""
        scope["asked"] = asked
        began = self._doorway.resources.monotonic()
        status, arrived = 0, False

        async def send_marked(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = [*message["headers"], *asked.headers]
            await send(message)

        marked = logs.request_id.set(asked.request_id.decode())
        try:
            async with asyncio.timeout(self._settings.request_timeout_s):
                if scope["method"] in _WITH_BODY:
                    receive = await self._whole(receive, asked)
                arrived = True
                await self._app(scope, receive, send_marked)
        except OddWonsError as error:
            await self._refuse(problem_of(error, scope["path"]), asked, scope, receive, send)
        except TimeoutError:
            log.warning("deadline passed", extra={"path": scope["path"], "status": status})
            if not status:
                late = problem(503, "No answer in time; try again soon.")
                slow = problem(408, "The body did not arrive in time.")
                await self._refuse(late if arrived else slow, asked, scope, receive, send)
        except Exception as error:  # noqa: BLE001  a bug: told here, where the request's id is known
            answer = bug(error, scope["path"])
            if not status:
                await self._refuse(answer, asked, scope, receive, send)
        finally:
            seconds = self._doorway.resources.monotonic() - began
            level = logging.INFO if status >= 500 or seconds > _SLOW_S else logging.DEBUG
            log.log(level, "request", extra={"method": scope["method"], "path": scope["path"], "status": status,
                                             "seconds": round(seconds, 4)})  # fmt: skip
            logs.request_id.reset(marked)

    async def _whole(self, receive: Receive, asked: Asked) -> Receive:
        """The body, read here: one that is too large or too slow meets nobody else."""
        most = self._settings.request_max_body_kb * 1_000
        # Longer than any length is: Python makes no number of so many digits.
        if asked.length.isdigit() and (len(asked.length) > 15 or int(asked.length) > most):
            raise TooLarge(f"a body may have {most:,} bytes")
        body, more = b"", True
        while more:
            message = await receive()
            if message["type"] == "http.disconnect":
                break
            body += message.get("body", b"")
            more = message.get("more_body", False)
            if len(body) > most:
                raise TooLarge(f"a body may have {most:,} bytes")
        told = False

        async def replay() -> Message:
            nonlocal told
            if told:
                return await receive()
            told = True
            return {"type": "http.request", "body": body, "more_body": False}

        return replay

    async def _refuse(self, answer: JSONResponse, asked: Asked, scope: Scope, receive: Receive, send: Send) -> None:
        answer.raw_headers += asked.headers
        await answer(scope, receive, send)


def _left(permits: Permits, reset: int) -> bytes:
    return b'"minute";r=%d;t=%d' % (permits.remaining, reset)
