"""The two pages that mailed links lead to. Mail scanners follow links, so it takes a button to do what one is for."""

from __future__ import annotations

from typing import Literal
from urllib.parse import parse_qs

from fastapi import FastAPI, Request
from fastapi.responses import HTMLResponse

from api.accounts import Accounts
from api.pages import HEADERS, template
from core.errors import RequestError

_HEADERS = HEADERS | {
    "content-security-policy": HEADERS["content-security-policy"].replace("form-action 'none'", "form-action 'self'"),
    "cache-control": "no-store",
}
Asks = Literal["verify", "reset"]
_QUESTION: dict[Asks, str] = {"verify": "Is this address yours?", "reset": "Choose a new password."}


def install(app: FastAPI) -> None:
    app.add_api_route("/verify", ask_verify, methods=["GET"], include_in_schema=False)
    app.add_api_route("/reset", ask_reset, methods=["GET"], include_in_schema=False)
    app.add_api_route("/verify", verify, methods=["POST"], include_in_schema=False)
    app.add_api_route("/reset", reset, methods=["POST"], include_in_schema=False)


async def ask_verify(token: str = "") -> HTMLResponse:
    return _page(_QUESTION["verify"], asks="verify", token=token)


async def ask_reset(token: str = "") -> HTMLResponse:
    return _page(_QUESTION["reset"], asks="reset", token=token)


async def verify(request: Request) -> HTMLResponse:
    form = await _form(request)
    try:
        await _accounts(request).verify(form.get("token", ""))
    except RequestError as error:
        return _page(f"This did not work: {error}.", error.status)
    return _page("Your address is confirmed. You can sign in now.")


async def reset(request: Request) -> HTMLResponse:
    form = await _form(request)
    token, password = form.get("token", ""), form.get("password", "")
    if not 10 <= len(password) <= 200:
        return _page("A password needs ten characters or more.", 422, asks="reset", token=token)
    try:
        await _accounts(request).reset(token, password)
    except RequestError as error:
        return _page(f"This did not work: {error}.", error.status)
    return _page("The new password is set. You can sign in with it now.")


def _accounts(request: Request) -> Accounts:
    accounts: Accounts = request.app.state.accounts
    return accounts


async def _form(request: Request) -> dict[str, str]:
    """The first value of each field of a plain form; of one that is none of ours nothing."""
    try:
        fields = parse_qs((await request.body()).decode(errors="replace"), max_num_fields=10)
    except ValueError:
        return {}
    return {name: values[0] for name, values in fields.items()}


def _page(said: str, status: int = 200, asks: Asks | None = None, token: str = "") -> HTMLResponse:
    page = template("account.html").render(said=said, asks=asks, token=token[:200])
    return HTMLResponse(page, status, headers=_HEADERS)
