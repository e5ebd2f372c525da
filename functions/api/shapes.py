"""Shapes of what callers send."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

Text = Annotated[str, StringConstraints(pattern=r"^[^\x00-\x1f\x7f]*$")]
Email = Annotated[
    str,
    StringConstraints(
        max_length=254, pattern=r"^[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}@[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)+$"
    ),
    Field(examples=["ada@example.com"]),
]
Password = Annotated[str, Field(min_length=10, max_length=200, examples=["correct horse battery staple"])]
# Whatever was given at the door is checked there; a login must not tell which rules a password obeys.
AnyPassword = Annotated[str, Field(min_length=1, max_length=200, examples=["correct horse battery staple"])]
Secret = Annotated[str, Field(min_length=1, max_length=200, examples=["kD0v2c8Zq1xJm3…"])]
Platform = Literal["kalshi", "polymarket"]
MarketState = Literal["open", "ended"]


class Sent(BaseModel):
    """What callers send: nothing that is not named."""

    model_config = ConfigDict(extra="forbid")


class Credentials(Sent):
    email: Email
    password: Password


class Login(Sent):
    email: Email
    password: AnyPassword


class Address(Sent):
    email: Email


class MailedToken(Sent):
    token: Secret


class NewPassword(Sent):
    token: Secret
    password: Password


class Renewal(Sent):
    refresh_token: Secret


class Confirmation(Sent):
    password: AnyPassword


class NewKey(Sent):
    name: Annotated[Text, Field(max_length=100, examples=["my bot"])] = ""


class Request(Sent):
    """A market to be analysed, and what in particular is asked, if anything."""

    platform: Platform
    market_id: Annotated[Text, Field(min_length=1, max_length=200, examples=["KXFED-26DEC-T3.75"])]
    question: Annotated[Text, Field(max_length=500)] | None = None
