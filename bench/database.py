"""A database of the benches' own, filled as the product fills it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from datetime import UTC, datetime, timedelta
from decimal import Decimal

from pydantic import SecretStr

from core import db
from core.detect.columns import Change
from core.models import Market, MarketStatus, Outcome, Quote, Terms
from core.queries import collecting
from core.settings import Settings
from local import postgres
from local.kit import DATA, Kit

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
PRICES = (Decimal("0.4"), Decimal("0.6"))  # in turn, so that every run finds every quote changed


@contextmanager
def database_url() -> Iterator[str]:
    folder = DATA / "bench"
    with Kit(folder) as kit:
        server = postgres.start(folder / "postgres")
        postgres.drop_database(server, "bench")
        kit.environment["DATABASE_URL"] = url = postgres.create_database(server, "bench")
        kit.command(["-m", "alembic", "upgrade", "head"])
        yield url
        postgres.drop_database(server, "bench")


@asynccontextmanager
async def database() -> AsyncIterator[db.Connection]:
    with database_url() as url:
        async with connected(url) as connection:
            yield connection


@asynccontextmanager
async def connected(url: str) -> AsyncIterator[db.Connection]:
    pool = await db.make_pool(Settings(database_url=SecretStr(url), database_timeout_s=600))
    async with pool.acquire() as connection:
        yield connection
    await pool.close()


def make_market(number: int, price: Decimal) -> Market:
    terms = Terms("kalshi", f"M{number}", None, f"Market {number}", "", None, "Yes", "No", "", None, None, None, None,
                  None, {})  # fmt: skip
    quote = Quote(price, price, 1 - price, price, Decimal(1_000_000), None, None, None)
    return Market("kalshi", terms.market_id, number, MarketStatus.OPEN, quote, Outcome(None, None, None), lambda: terms)


async def store(connection: db.Connection, markets: Sequence[Market], at: datetime, *, new: bool) -> list[Change]:
    """What a collect run stores of one batch; `new` markets with their terms. Returns what changed."""
    async with connection.transaction():
        await collecting.stage(connection, markets)
        if new:
            await collecting.upsert_terms(connection, markets, at)
        _, changes = await collecting.insert_changed_snapshots(connection, at, 3_600)
    return changes
