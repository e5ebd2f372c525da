"""API keys: stored as a hash and a prefix to tell them apart by."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from core.db import Connection


async def insert_key(
    connection: Connection, user_id: str, name: str, prefix: str, secret_sha256: bytes, now: datetime, most: int
) -> str | None:
    """The new key's id; None when the user has `most` living ones."""
    await connection.execute("SELECT FROM users WHERE id = $1::uuid FOR UPDATE", user_id)
    key_id: str | None = await connection.fetchval(
        """
        INSERT INTO api_keys (user_id, name, prefix, secret_sha256, created_at)
        SELECT $1::uuid, $2, $3, $4, $5
        WHERE (SELECT count(*) FROM api_keys WHERE user_id = $1::uuid AND revoked_at IS NULL) < $6
        RETURNING id::text
        """,
        user_id,
        name,
        prefix,
        secret_sha256,
        now,
        most,
    )
    return key_id


async def keys_of(connection: Connection, user_id: str) -> list[dict[str, Any]]:
    """The living ones, the newest first."""
    rows = await connection.fetch(
        """
        SELECT id::text, name, prefix, created_at FROM api_keys
        WHERE user_id = $1::uuid AND revoked_at IS NULL ORDER BY created_at DESC, id
        """,
        user_id,
    )
    return [dict(row) for row in rows]


async def revoke_key(connection: Connection, user_id: str, key_id: str, now: datetime) -> bool:
    """False when the user has no such living key."""
    row = await connection.fetchrow(
        "UPDATE api_keys SET revoked_at = $3 WHERE id = $2::uuid AND user_id = $1::uuid AND revoked_at IS NULL "
        "RETURNING 1",
        user_id,
        key_id,
        now,
    )
    return row is not None
