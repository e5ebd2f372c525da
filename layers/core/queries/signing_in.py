"""Who a credential stands for, sessions with refresh tokens that rotate, and one-time tokens sent by mail."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal

from core.db import Connection
from core.models import Tier

Purpose = Literal["verify", "reset"]


@dataclass(frozen=True, slots=True)
class Standing:
    """A living account as a credential finds it. Tokens without a session older than `tokens_from` are void."""

    user_id: str
    tier: Tier
    tokens_from: datetime | None = None


async def standing_of_session(connection: Connection, user_id: str, session_id: str | None) -> Standing | None:
    """None when the user is gone or the session was ended."""
    row = await connection.fetchrow(
        """
        SELECT u.id::text, tier_at(u, now()) AS tier, u.tokens_from FROM users u
        WHERE u.id = $1::uuid AND u.deleted_at IS NULL AND ($2::uuid IS NULL OR EXISTS (
            SELECT FROM sessions s WHERE s.id = $2::uuid AND s.user_id = u.id AND s.revoked_at IS NULL))
        """,
        user_id,
        session_id,
    )
    return None if row is None else Standing(row["id"], Tier(row["tier"]), row["tokens_from"])


async def standing_of_key(connection: Connection, secret_sha256: bytes) -> Standing | None:
    row = await connection.fetchrow(
        """
        SELECT u.id::text, tier_at(u, now()) AS tier FROM api_keys k JOIN users u ON u.id = k.user_id
        WHERE k.secret_sha256 = $1 AND k.revoked_at IS NULL AND u.deleted_at IS NULL
        """,
        secret_sha256,
    )
    return None if row is None else Standing(row["id"], Tier(row["tier"]))


async def register(connection: Connection, email: str, password_hash: str, now: datetime) -> str | None:
    """The id of a new user, or of one whose address nobody has verified yet, whose password this is from now on.

    None when the address is verified. One statement: a verification at the same time comes before it or after it.
    """
    user_id: str | None = await connection.fetchval(
        """
        INSERT INTO users (email, password_hash, created_at) VALUES (lower($1), $2, $3)
        ON CONFLICT (email) WHERE deleted_at IS NULL DO UPDATE SET password_hash = excluded.password_hash
        WHERE users.email_verified_at IS NULL RETURNING id::text
        """,
        email,
        password_hash,
        now,
    )
    return user_id


async def user_by_email(connection: Connection, email: str) -> dict[str, Any] | None:
    """id, password_hash, email_verified_at of the living account with this address."""
    row = await connection.fetchrow(
        "SELECT id::text, password_hash, email_verified_at FROM users WHERE email = lower($1) AND deleted_at IS NULL",
        email,
    )
    return None if row is None else dict(row)


async def holds_password(connection: Connection, user_id: str, password_hash: str) -> bool:
    """Whether it is still the living user's, and stays so until the transaction ends."""
    row = await connection.fetchrow(
        "SELECT FROM users WHERE id = $1::uuid AND password_hash = $2 AND deleted_at IS NULL FOR UPDATE",
        user_id,
        password_hash,
    )
    return row is not None


async def set_password(connection: Connection, user_id: str, password_hash: str) -> None:
    await connection.execute("UPDATE users SET password_hash = $2 WHERE id = $1::uuid", user_id, password_hash)


async def insert_mail_token(
    connection: Connection, user_id: str, purpose: Purpose, secret_sha256: bytes, expires_at: datetime
) -> None:
    """Earlier ones of the same purpose end: only the newest mail's link works."""
    await connection.execute("DELETE FROM mail_tokens WHERE user_id = $1::uuid AND purpose = $2", user_id, purpose)
    await connection.execute(
        "INSERT INTO mail_tokens (secret_sha256, user_id, purpose, expires_at) VALUES ($1, $2::uuid, $3, $4)",
        secret_sha256,
        user_id,
        purpose,
        expires_at,
    )


async def is_good_mail_token(connection: Connection, secret_sha256: bytes, purpose: Purpose, now: datetime) -> bool:
    good: bool = await connection.fetchval(
        "SELECT EXISTS (SELECT FROM mail_tokens "
        "WHERE secret_sha256 = $1 AND purpose = $2 AND used_at IS NULL AND expires_at > $3)",
        secret_sha256,
        purpose,
        now,
    )
    return good


async def use_mail_token(connection: Connection, secret_sha256: bytes, purpose: Purpose, now: datetime) -> str | None:
    """The user it was sent to, whose address is thereby verified; None when it is not good (any more)."""
    user_id: str | None = await connection.fetchval(
        """
        UPDATE mail_tokens SET used_at = $3
        WHERE secret_sha256 = $1 AND purpose = $2 AND used_at IS NULL AND expires_at > $3 RETURNING user_id::text
        """,
        secret_sha256,
        purpose,
        now,
    )
    if user_id is not None:
        await connection.execute(
            "UPDATE users SET email_verified_at = coalesce(email_verified_at, $2) WHERE id = $1::uuid", user_id, now
        )
    return user_id


async def insert_session(
    connection: Connection, user_id: str, secret_sha256: bytes, now: datetime, life: timedelta
) -> str:
    """A session and its first refresh token; its id. What ended long ago goes."""
    await connection.execute("DELETE FROM sessions WHERE user_id = $1::uuid AND expires_at < $2", user_id, now)
    session_id: str = await connection.fetchval(
        "INSERT INTO sessions (user_id, created_at, expires_at) VALUES ($1::uuid, $2, $3) RETURNING id::text",
        user_id,
        now,
        now + life,
    )
    await _insert_refresh_token(connection, session_id, secret_sha256)
    return session_id


async def _insert_refresh_token(connection: Connection, session_id: str, secret_sha256: bytes) -> None:
    await connection.execute(
        "INSERT INTO refresh_tokens (secret_sha256, session_id) VALUES ($1, $2::uuid)", secret_sha256, session_id
    )


async def rotate_refresh_token(
    connection: Connection, old_sha256: bytes, new_sha256: bytes, now: datetime
) -> tuple[str, str] | None:
    """(user id, session id) with the new token in place of the old. None when the old one is not good.

    One that was used before ends its session: either it or its successor is in a thief's hands.
    """
    row = await connection.fetchrow(
        """
        SELECT s.id::text AS session_id, s.user_id::text, t.used_at IS NOT NULL AS used
        FROM refresh_tokens t JOIN sessions s ON s.id = t.session_id JOIN users u ON u.id = s.user_id
        WHERE t.secret_sha256 = $1 AND s.revoked_at IS NULL AND s.expires_at > $2 AND u.deleted_at IS NULL
        FOR UPDATE OF s, t
        """,
        old_sha256,
        now,
    )
    if row is None:
        return None
    if row["used"]:
        await connection.execute("UPDATE sessions SET revoked_at = $2 WHERE id = $1::uuid", row["session_id"], now)
        return None
    await connection.execute("UPDATE refresh_tokens SET used_at = $2 WHERE secret_sha256 = $1", old_sha256, now)
    await _insert_refresh_token(connection, row["session_id"], new_sha256)
    return row["user_id"], row["session_id"]


async def revoke_session(connection: Connection, refresh_sha256: bytes, now: datetime) -> None:
    """Ends the session that a refresh token belongs to, if there is one."""
    await connection.execute(
        """
        UPDATE sessions SET revoked_at = $2 FROM refresh_tokens t
        WHERE t.secret_sha256 = $1 AND sessions.id = t.session_id AND sessions.revoked_at IS NULL
        """,
        refresh_sha256,
        now,
    )


async def revoke_all(connection: Connection, user_id: str, now: datetime) -> None:
    """Every session of the user with its access tokens, every key, and every token issued without a session."""
    await connection.execute(
        "UPDATE sessions SET revoked_at = $2 WHERE user_id = $1::uuid AND revoked_at IS NULL", user_id, now
    )
    await connection.execute(
        "UPDATE api_keys SET revoked_at = $2 WHERE user_id = $1::uuid AND revoked_at IS NULL", user_id, now
    )
    await connection.execute("UPDATE users SET tokens_from = $2 WHERE id = $1::uuid", user_id, now)
