"""Markets put into a test's database as the collect job stores them."""

from __future__ import annotations

from datetime import datetime

from core import db
from core.models import Market
from core.queries import collecting
from tests.conftest import NOW


async def store(pool: db.Pool, *markets: Market, now: datetime = NOW) -> None:
    async with db.acquire(pool, 5) as connection, connection.transaction():
        await collecting.stage(connection, markets)
        fresh = await collecting.staged_with_new_terms(connection)
        await collecting.upsert_terms(connection, [m for m in markets if m.market_id in fresh], now)
        await collecting.mark_staged_statuses(connection, now, listed=True)
        await collecting.insert_changed_snapshots(connection, now, 3_600)
