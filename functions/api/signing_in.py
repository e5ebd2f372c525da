"""Routes of accounts, sessions and API keys."""

from __future__ import annotations

from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Depends, Request, Response
from starlette.background import BackgroundTask

from api import shapes
from api.accounts import Accounts, Later
from api.gate import Asked
from api.insights import encode
from api.limits import limits_by_tier
from api.needs import Needs, Person, Who, asked_of, problems

router = APIRouter(prefix="/api/v1/auth", tags=["accounts"])


def accounts_of(request: Request) -> Accounts:
    accounts: Accounts = request.app.state.accounts
    return accounts


Desk = Annotated[Accounts, Depends(accounts_of)]
Asks = Annotated[Asked, Depends(asked_of)]
_MAILED = "If the address is right, a mail is on its way."


def told(value: Any, status: int = 200) -> Response:
    return Response(encode(value), status, {"cache-control": "no-store"}, "application/json")


def mailed(later: Later) -> Response:
    """The same for everyone, before the mail is sent."""
    answer = told({"detail": _MAILED}, 202)
    answer.background = BackgroundTask(later)
    return answer


@router.post("/register", status_code=202, responses=problems())
async def register(desk: Desk, asked: Asks, body: shapes.Credentials) -> Response:
    """Opens an account (**free**) once the address is verified by the link that is mailed to it.

    The answer is the same whether the address has an account already or not.
    """
    return mailed(await desk.register(body.email, body.password, asked.client))


@router.post("/verify", status_code=204, responses=problems(400))
async def verify(desk: Desk, body: shapes.MailedToken) -> None:
    """Verifies an address by the `token` of the mailed link."""
    await desk.verify(body.token)


@router.post("/login", responses=problems(401, 403))
async def login(desk: Desk, asked: Asks, body: shapes.Login) -> Response:
    """An access token (a JWT, half an hour) and a refresh token. Few tries a minute."""
    return told(await desk.login(body.email, body.password, asked.client))


@router.post("/refresh", responses=problems(401))
async def refresh(desk: Desk, body: shapes.Renewal) -> Response:
    """New tokens for a refresh token, which is thereby used up. One that comes twice ends its session."""
    return told(await desk.refresh(body.refresh_token))


@router.post("/logout", status_code=204, responses=problems())
async def logout(desk: Desk, body: shapes.Renewal) -> None:
    """Ends the session of a refresh token, its access tokens within seconds."""
    await desk.logout(body.refresh_token)


@router.post("/password/forgot", status_code=202, responses=problems())
async def forgot(desk: Desk, asked: Asks, body: shapes.Address) -> Response:
    """Mails a link to set a new password, if the address has an account; the answer does not tell."""
    return mailed(await desk.forgot(body.email, asked.client))


@router.post("/password/reset", status_code=204, responses=problems(400))
async def reset(desk: Desk, body: shapes.NewPassword) -> None:
    """Sets a new password by the `token` of the mailed link; every session ends, and every API key."""
    await desk.reset(body.token, body.password)


@router.get("/me", responses=problems(401))
async def me(desk: Desk, resources: Needs, caller: Who) -> Response:
    """Your account and tier."""
    found = await desk.me(caller)
    return told(found | {"requests_per_minute": limits_by_tier(resources.settings)[caller.tier]})


@router.delete("/me", status_code=204, responses=problems(401, 403, 409, 502))
async def delete(desk: Desk, asked: Asks, person: Person, body: shapes.Confirmation) -> None:
    """Deletes the account and all that is personal; the password confirms it. 409 while a subscription runs."""
    await desk.delete(person, body.password, asked.client)


@router.get("/export", responses=problems(401, 403))
async def export(desk: Desk, person: Person) -> Response:
    """All that is stored of you."""
    return told(await desk.export(person))


@router.get("/keys", responses=problems(401, 403))
async def get_keys(desk: Desk, person: Person) -> Response:
    """Your API keys, without the keys themselves. There are at most ten."""
    return told(await desk.keys(person))


@router.post("/keys", status_code=201, responses=problems(401, 403, 409))
async def make_key(desk: Desk, person: Person, body: shapes.NewKey) -> Response:
    """A new API key, shown this once. Send it as a Bearer token; it reads as your tier does."""
    return told(await desk.make_key(person, body.name), 201)


@router.delete("/keys/{key_id}", status_code=204, responses=problems(401, 403, 404))
async def revoke_key(desk: Desk, person: Person, key_id: UUID) -> None:
    """Revokes a key, within seconds everywhere."""
    await desk.revoke_key(person, str(key_id))
