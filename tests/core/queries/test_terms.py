"""Earlier terms of a market: kept by the statement that replaces them, and only when a term differs."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from core import db
from core.models import FeeFacts, Market, Terms
from core.queries import collecting
from tests.conftest import NOW
from tests.core.making import make_market

HOUR = timedelta(hours=1)
MARKET = make_market(platform="polymarket", fee=FeeFacts(Decimal("0.04"), Decimal(1), "politics"))


async def store(pool: db.Pool, *markets: Market, now: datetime = NOW) -> None:
    async with db.acquire(pool, 5) as connection, connection.transaction():
        await collecting.upsert_terms(connection, markets, now)


def changed(digest: int = 1, **terms: Any) -> Market:
    told = replace(MARKET.terms, **terms)
    return replace(MARKET, terms_digest=digest, read_terms=lambda: told)


async def history(pool: db.Pool) -> list[dict[str, Any]]:
    rows = await pool.fetch("SELECT * FROM market_terms_history ORDER BY market_id, told_until")
    return [dict(row) for row in rows]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("title", "Will it snow?"), ("rules", "If it snows, YES."), ("yes_label", "Up"), ("no_label", "Down"),
        ("open_time", NOW), ("close_time", NOW), ("close_time", None), ("yes_token", "9"), ("no_token", None),
        ("fee", FeeFacts(Decimal("0.05"), Decimal(1), "politics")), ("fee", None), ("fee_waiver_until", NOW),
        ("event_id", "E-2"),
    ],
)  # fmt: skip
async def test_what_a_change_replaces_is_kept_with_the_time_it_was_told(pool: db.Pool, name: str, value: Any) -> None:
    await store(pool, MARKET)
    await store(pool, changed(**{name: value}), now=NOW + HOUR)
    (kept,) = await history(pool)
    assert (kept["told_from"], kept["told_until"]) == (NOW, NOW + HOUR)
    terms = MARKET.terms
    said = {column: kept[column] for column in Terms.__dataclass_fields__ if column in kept}
    assert said == {column: getattr(terms, column) for column in said}
    assert terms.fee is not None
    assert (kept["fee_kind"], kept["fee_rate"], kept["fee_exponent"]) == ("politics", terms.fee.rate, 1)
    current = await pool.fetchrow("SELECT * FROM markets")
    assert current is not None
    if name != "fee":
        assert current[name] == value


async def test_each_version_lasts_until_the_next(pool: db.Pool) -> None:
    for hours, rules in enumerate(("one", "two", "three")):
        await store(pool, changed(digest=hours, rules=rules), now=NOW + hours * HOUR)
    kept = [(row["rules"], row["told_from"], row["told_until"]) for row in await history(pool)]
    assert kept == [("one", NOW, NOW + HOUR), ("two", NOW + HOUR, NOW + 2 * HOUR)]


async def test_an_unchanged_market_of_another_digest_or_category_has_no_earlier_version(pool: db.Pool) -> None:
    await store(pool, MARKET)
    await store(pool, changed(category="Climate", event_id=None, url="https://example.org"), now=NOW + HOUR)
    assert await history(pool) == []


async def test_a_batch_is_stored_whole_and_the_last_of_two_wins(pool: db.Pool) -> None:
    many = [make_market(f"M-{n}") for n in range(1_200)]
    await store(pool, *many, make_market("M-7", title="Second"))
    assert await pool.fetchval("SELECT count(*) FROM markets") == 1_200
    assert await pool.fetchval("SELECT title FROM markets WHERE market_id = 'M-7'") == "Second"
    assert await history(pool) == []


async def test_a_transaction_that_fails_keeps_neither_the_new_terms_nor_a_history(pool: db.Pool) -> None:
    await store(pool, MARKET)
    async with db.acquire(pool, 5) as connection:
        transaction = connection.transaction()
        await transaction.start()
        await collecting.upsert_terms(connection, [changed(title="Never told")], NOW + HOUR)
        await transaction.rollback()
    assert await history(pool) == []
    assert await pool.fetchval("SELECT title FROM markets") == MARKET.terms.title
