"""Where a page ended, sealed: a cursor is of use only for the list and the tier that gave it."""

from __future__ import annotations

import hmac
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Sequence
from hashlib import blake2b
from typing import Any

import orjson

from core.errors import BadRequest
from core.settings import ApiSettings

_MARK = 12
LONGEST = 500


def make_cursor(settings: ApiSettings, of: str, last: Sequence[Any]) -> str:
    """`of` names the list and all that narrows it; `last` is what the next page begins behind."""
    body = orjson.dumps(last)
    return urlsafe_b64encode(_mark(settings, of, body) + body).rstrip(b"=").decode()


def read_cursor(settings: ApiSettings, of: str, cursor: str | None) -> list[Any] | None:
    """What make_cursor was given. Raises BadRequest for everything else."""
    if not cursor:
        return None
    try:
        whole = urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4))
    except ValueError:
        whole = b""
    mark, body = whole[:_MARK], whole[_MARK:]
    if not hmac.compare_digest(mark, _mark(settings, of, body)):
        raise BadRequest("this cursor is not one of this list: begin without one")
    last: list[Any] = orjson.loads(body)
    return last


def _mark(settings: ApiSettings, of: str, body: bytes) -> bytes:
    key = settings.jwt_secret.get_secret_value().encode()[:64]
    return blake2b(of.encode() + b"\n" + body, key=key, digest_size=_MARK, person=b"cursor").digest()
