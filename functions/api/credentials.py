"""Access tokens, API keys and the secrets of links: how they are made and what they prove by themselves."""

from __future__ import annotations

import math
import re
import secrets
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256
from uuid import UUID

from core.errors import Unauthorized
from core.settings import ApiSettings

ISSUER = "oddwons"
KEY_PREFIX = "ow_"
_KEY = re.compile(r"ow_[A-Za-z0-9_-]{43}")
_LONGEST = 4_096
SIGN_IN = "send “Authorization: Bearer …” with an API key, or with the access_token that POST /api/v1/auth/login gives"
_NOT_OURS = "this is no access token of ours: sign in with POST /api/v1/auth/login and send its access_token whole"
_EXPIRED = "this access token has expired: get another with POST /api/v1/auth/refresh, or sign in again"
_NO_KEY = "this is no API key of ours: send it whole as it was shown, or make another with POST /api/v1/auth/keys"


@dataclass(frozen=True, slots=True)
class Claims:
    """What a token of ours says: `expires_at` in unix seconds; no session for tokens made on a command line."""

    user_id: str
    session_id: str | None
    issued_at: datetime
    expires_at: float


@dataclass(frozen=True, slots=True)
class Key:
    """An API key, which by itself proves nothing but that somebody knows it."""

    sha256: bytes
    expires_at: float = math.inf


def proof_of(authorization: bytes, settings: ApiSettings) -> Claims | Key:
    """What an Authorization header proves. Raises Unauthorized for everything that is not exactly ours."""
    scheme, _, token = authorization.decode("latin-1").partition(" ")
    token = token.strip()
    if scheme.lower() != "bearer" or not token:
        raise Unauthorized(SIGN_IN)
    if len(token) > _LONGEST:
        raise Unauthorized(_NOT_OURS)
    if token.startswith(KEY_PREFIX):
        if not _KEY.fullmatch(token):
            raise Unauthorized(_NO_KEY)
        return Key(digest(token))
    return _claims(token, settings)


def _claims(token: str, settings: ApiSettings) -> Claims:
    import jwt  # a tenth of a cold start, and keys do without

    try:
        claims = jwt.decode(
            token,
            settings.jwt_secret.get_secret_value(),
            algorithms=[settings.jwt_algorithm],
            issuer=ISSUER,
            options={"require": ["exp", "iat", "sub", "iss"]},
        )
        session = claims.get("sid")
        return Claims(
            str(UUID(claims["sub"])),
            None if session is None else str(UUID(session)),
            datetime.fromtimestamp(claims["iat"], UTC),
            float(claims["exp"]),
        )
    except jwt.ExpiredSignatureError:
        raise Unauthorized(_EXPIRED) from None
    except (jwt.InvalidTokenError, ValueError, TypeError, AttributeError, OverflowError, OSError):
        raise Unauthorized(_NOT_OURS) from None


def make_token(user_id: str, secret: str, now: float, minutes: int, session_id: str | None = None) -> str:
    """A token for `user_id` from unix time `now` on. Its life is real time, whatever clock the data run on."""
    import jwt

    claims = {"sub": user_id, "iss": ISSUER, "iat": int(now), "exp": int(now + 60 * minutes)}
    if session_id is not None:
        claims["sid"] = session_id
    return jwt.encode(claims, secret, algorithm="HS256")


def make_key() -> str:
    """256 random bits, recognisable to people and to scanners for leaked secrets."""
    return KEY_PREFIX + secrets.token_urlsafe(32)


def make_secret() -> str:
    return secrets.token_urlsafe(32)


def digest(secret: str) -> bytes:
    """What is stored of a key or of a link. A plain hash will do: 256 random bits cannot be guessed."""
    return sha256(secret.encode()).digest()
