"""What an analyze run reads and writes, on a real database."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from core import db
from core.models import PLATFORMS, Pattern
from core.queries import analyzing, collecting, serving
from tests.api.rows import insert_insight
from tests.core.making import make_market

NOW = datetime(2026, 11, 22, 13, 5, tzinfo=UTC)


async def store(connection: db.Connection, *markets: Any, at: datetime = NOW) -> None:
    await collecting.stage(connection, list(markets))
    await collecting.upsert_terms(connection, list(markets), at)
    await collecting.mark_staged_statuses(connection, at, listed=True)
    await collecting.insert_changed_snapshots(connection, at, 3_600)


async def sweep(connection: db.Connection, *market_ids: str, at: datetime = NOW) -> None:
    for platform in PLATFORMS:
        await collecting.mark_swept(connection, platform, market_ids, at)


def pattern(**given: Any) -> Pattern:
    values: dict[str, Any] = {
        "platform": "kalshi",
        "market_id": "M-1",
        "event_id": None,
        "category": None,
        "detector": "price_jump",
        "score": 71.5,
        "numbers": {"move_1h_cents": -6.0},
    }
    return Pattern(**values | given)


async def test_a_pattern_with_numbers_that_json_lacks_is_stored(connection: db.Connection) -> None:
    odd = pattern(numbers={"move_sigmas": float("nan"), "volume_1h": float("inf"), "volume_ratio": 2.0})
    await analyzing.insert_patterns(connection, [odd, odd], NOW)
    (stored,) = await connection.fetch("SELECT * FROM patterns")
    assert stored["numbers"] == {"move_sigmas": None, "volume_1h": None, "volume_ratio": 2.0}


async def test_a_withheld_answers_detail_is_kept_whatever_is_in_it(connection: db.Connection) -> None:
    await analyzing.insert_withheld(
        connection, NOW, "kalshi", "KX", "not grounded", "a\x00b\ud800" * 2_000, "m", Decimal("0.1")
    )
    (stored,) = await connection.fetch("SELECT * FROM withheld_insights")
    assert stored["detail"].startswith("a\ufffdb\ufffd")
    assert len(stored["detail"]) == 2_000


@pytest.mark.parametrize("end", ["status = 'closed'", "status = 'disputed'", "listed = false"])
async def test_an_insight_ends_with_its_market(connection: db.Connection, end: str) -> None:
    for title in ("over", "open"):
        await insert_insight(connection, title, NOW - timedelta(hours=1), expires_at=NOW + timedelta(hours=1))
    await connection.execute(f"UPDATE markets SET {end} WHERE title = 'over'")
    assert await analyzing.end_insights(connection, NOW) == 1
    assert len(await analyzing.alive_insights(connection)) == 1
    alive = await serving.insights_alive(connection, NOW)
    assert [insight["market_title"] for insight in alive] == ["open"]
    before = await serving.insights_alive(connection, NOW - timedelta(minutes=1))
    assert len(before) == 2, "premium's hour still has it"
    assert await analyzing.end_insights(connection, NOW) == 0


async def test_rules_are_read_for_the_markets_asked_for_only(connection: db.Connection) -> None:
    async with connection.transaction():
        await store(connection, make_market("A"), make_market("B"))
    assert await analyzing.rules_of(connection, "kalshi", ["A", "Z"]) == {"A": "If it rains, YES."}
    assert await analyzing.rules_of(connection, "kalshi", []) == {}
