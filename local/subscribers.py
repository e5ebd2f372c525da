"""One user and one ready token per tier, for trying the API by hand."""

from __future__ import annotations

import asyncio
import time
from datetime import datetime

import asyncpg

from api.credentials import make_token
from core.models import Tier
from core.queries import accounts

MINUTES = 7 * 24 * 60


def make_tokens(database_url: str, secret: str, now: datetime) -> dict[Tier, str]:
    """Tier -> token, valid for a week; the users are `<tier>@example.com`."""

    async def users() -> dict[Tier, str]:
        pool = await asyncpg.create_pool(database_url, min_size=1, max_size=1)
        try:
            async with pool.acquire() as connection:
                return {tier: await accounts.upsert_user(connection, f"{tier}@example.com", tier, now) for tier in Tier}
        finally:
            await pool.close()

    return {tier: make_token(user, secret, time.time(), MINUTES) for tier, user in asyncio.run(users()).items()}
