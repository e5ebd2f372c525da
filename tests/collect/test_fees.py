"""Kalshi's fees and their announced changes, from the venue to the fee that analysis charges."""

from __future__ import annotations

from datetime import datetime, timedelta
from decimal import Decimal

from core import db
from core.queries.open_markets import open_markets
from tests.collect.conftest import QUARTER, Collect
from tests.conftest import NOW
from tests.core.wire import Replay


def wire(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


async def rates(pool: db.Pool, now: datetime) -> dict[str, dict[str, Decimal | None]]:
    """Series -> event -> what its markets cost."""
    async with db.acquire(pool, 5) as connection:
        series = {r["event_id"]: r["series"] for r in await connection.fetch("SELECT event_id, series FROM events")}
        found: dict[str, dict[str, Decimal | None]] = {}
        for market in await open_markets(connection, now, 1_800):
            if market.platform == "kalshi" and market.event_id is not None:
                found.setdefault(series[market.event_id], {})[market.event_id] = market.fee_rate
        return found


async def test_a_change_is_charged_from_its_time_on_until_the_fee_itself_was_read_again(
    collect: Collect, replay: Replay, pool: db.Pool
) -> None:
    await collect()
    series, events = max((await rates(pool, NOW)).items(), key=lambda found: len(found[1]))
    event = min(events)
    at = NOW + QUARTER * 2 - timedelta(minutes=1)
    row = {"id": "1", "series_ticker": series, "scheduled_ts": wire(at)}
    changes = [
        row | {"fee_type": "quadratic", "fee_multiplier": 3},
        row | {"event_ticker": event, "fee_type_override": "quadratic", "fee_multiplier_override": "0.5"},
        row | {"scheduled_ts": wire(NOW - QUARTER), "fee_type": "flat", "fee_multiplier": 1},
    ]
    replay.fail("kalshi", fee_changes=changes)
    said = await collect(control_sweep_every_s=0)
    assert said["kalshi"]["fees"]["changes"] == 2, "past ones are not asked for"
    assert await pool.fetchval("SELECT count(*) FROM fee_changes") == 2
    before = await rates(pool, at - timedelta(seconds=1))
    assert before[series] == events, "not yet"
    after = await rates(pool, at)
    assert after.pop(series) == dict.fromkeys(events, Decimal("0.21")) | {event: Decimal("0.035")}
    assert after == {name: rates for name, rates in before.items() if name != series}
    # The replay goes on to say the old fees, and what was read last is true.
    replay.now = at + timedelta(minutes=1)
    await collect(control_sweep_every_s=0)
    again = await rates(pool, replay.now)
    assert again[series] == {name: events[name] for name in again[series] if name in events}


async def test_changes_that_cannot_be_read_are_said_and_unlist_nothing_less(
    collect: Collect, replay: Replay, pool: db.Pool
) -> None:
    replay.fail("kalshi", fee_changes=[{"scheduled_ts": "soon"}, {"event_ticker": "E", "scheduled_ts": None}])
    said = await collect()
    assert said["kalshi"]["fees"] == {
        "series": await pool.fetchval("SELECT count(*) FROM series_fees"),
        "changes": 0,
        "skipped": {"fee change without subject or time": 2},
    }
    assert "control_error" not in said["kalshi"]
