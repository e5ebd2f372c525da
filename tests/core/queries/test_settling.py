"""When markets are asked for again, and what is kept of outcomes that changed."""

from __future__ import annotations

from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from core import db
from core.models import Market, MarketStatus
from core.queries import collecting, settling
from tests.conftest import NOW
from tests.core.making import make_market
from tests.core.storing import store

MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
QUARTER = HOUR / 4


def final(market_id: str = "M-1", result: str = "yes", payout: str = "1") -> Market:
    return make_market(market_id, status=MarketStatus.FINAL, result=result, payout=payout)


async def due(pool: db.Pool, now: datetime = NOW, limit: int = 100) -> list[str]:
    async with db.acquire(pool, 5) as connection:
        return await settling.unsettled_ids(connection, "kalshi", now, limit)


async def ask(pool: db.Pool, now: datetime, **told: str) -> None:
    async with db.acquire(pool, 5) as connection:
        said = {name.replace("_", "-"): word for name, word in told.items()}
        await settling.mark_asked(connection, "kalshi", said, now)


async def pause(pool: db.Pool) -> timedelta:
    row = await pool.fetchrow("SELECT ask_after - asked_at AS pause FROM settle_askings WHERE market_id = 'M-1'")
    assert row is not None
    pause: timedelta = row["pause"]
    return pause


async def test_due_is_what_ended_closed_or_vanished_longest_unasked_first(pool: db.Pool) -> None:
    past = NOW - HOUR
    await store(pool, make_market("M-open"), final("M-final"), now=past)
    for minutes, market in enumerate((
        make_market("M-ended", close_time=past),
        make_market("M-closed", status=MarketStatus.CLOSED),
        make_market("M-determined", status=MarketStatus.DETERMINED),
        make_market("M-disputed", status=MarketStatus.DISPUTED),
        make_market("M-gone"),
    )):  # fmt: skip
        await store(pool, market, now=past + minutes * MINUTE)
    await pool.execute("UPDATE markets SET listed = false WHERE market_id = 'M-gone'")
    everything = ["M-ended", "M-closed", "M-determined", "M-disputed", "M-gone"]
    assert await due(pool) == everything
    await ask(pool, NOW - QUARTER, M_determined="determined", M_ended="closed")
    assert await due(pool) == ["M-closed", "M-disputed", "M-gone", "M-determined", "M-ended"]
    assert await due(pool, limit=2) == ["M-closed", "M-disputed"]
    async with db.acquire(pool, 5) as connection:
        assert await settling.unsettled_ids(connection, "polymarket", NOW, 10) == []


async def test_what_the_venue_does_not_know_is_asked_for_ever_with_pauses_that_double_up_to_a_day(
    pool: db.Pool,
) -> None:
    await store(pool, make_market(close_time=NOW - DAY), now=NOW - DAY)
    now, pauses = NOW, []
    for _ in range(40):
        assert await due(pool, now) == ["M-1"]
        await ask(pool, now, M_1="unknown")
        pauses.append(await pause(pool))
        assert await due(pool, now + pauses[-1] - 6 * MINUTE) == []
        now += pauses[-1] - 5 * MINUTE  # a run that comes a little early
    assert pauses[:8] == [QUARTER * 2**n for n in range(7)] + [DAY]
    assert set(pauses[8:]) == {DAY}


@pytest.mark.parametrize(("told", "longest"), [("refused", DAY), ("closed", 6 * HOUR), ("open", DAY), ("paused", DAY)])
async def test_the_longest_pause_depends_on_what_was_told(pool: db.Pool, told: str, longest: timedelta) -> None:
    await store(pool, make_market(close_time=NOW - DAY), now=NOW - DAY)
    for n in range(30):
        await ask(pool, NOW + n * MINUTE, M_1=told)
    assert await pause(pool) == longest


async def test_a_market_that_left_the_listing_is_never_left_alone_for_a_day(pool: db.Pool) -> None:
    await store(pool, make_market(), now=NOW - DAY)
    await pool.execute("UPDATE markets SET listed = false")
    for n in range(30):
        await ask(pool, NOW + n * MINUTE, M_1="open")
    assert await pause(pool) == 6 * HOUR


@pytest.mark.parametrize("told", ["determined", "disputed"])
async def test_what_is_determined_or_disputed_is_asked_for_by_every_run(pool: db.Pool, told: str) -> None:
    await store(pool, make_market(status=MarketStatus(told)), now=NOW - DAY)
    for hours in range(100):
        assert await due(pool, NOW + hours * HOUR) == ["M-1"]
        await ask(pool, NOW + hours * HOUR, M_1=told)


async def test_any_change_ends_the_pause_and_begins_the_count_anew(pool: db.Pool) -> None:
    await store(pool, make_market(close_time=NOW - DAY), now=NOW - DAY)

    async def asked_often(now: datetime) -> None:
        for n in range(10):
            await ask(pool, now + n * MINUTE, M_1="unknown")
        assert await due(pool, now + HOUR) == []

    await asked_often(NOW)
    await store(pool, make_market(close_time=NOW - DAY, status=MarketStatus.CLOSED), now=NOW + HOUR)
    assert await due(pool, NOW + HOUR) == ["M-1"], "its status changed"
    await ask(pool, NOW + HOUR, M_1="unknown")
    assert await pause(pool) == QUARTER
    await asked_often(NOW + 2 * HOUR)
    await pool.execute("UPDATE markets SET missing_since = $1", NOW + 3 * HOUR)
    assert await due(pool, NOW + 3 * HOUR) == ["M-1"], "a listing lost it"
    await ask(pool, NOW + 3 * HOUR, M_1="unknown")
    assert await pause(pool) == QUARTER
    await asked_often(NOW + 4 * HOUR)
    await ask(pool, NOW + 5 * HOUR, M_1="closed")
    assert await pause(pool) == QUARTER, "the venue knows it again"


async def test_what_is_final_is_asked_for_no_more_and_forgotten(pool: db.Pool) -> None:
    await store(pool, make_market("M-1", close_time=NOW), make_market("M-2", close_time=NOW), now=NOW - HOUR)
    await ask(pool, NOW, M_1="closed", M_2="closed")
    await store(pool, final("M-1"), final("M-2"), now=NOW + HOUR)
    await ask(pool, NOW + HOUR, M_1="final")
    assert [r["market_id"] for r in await pool.fetch("SELECT market_id FROM settle_askings")] == ["M-2"]
    async with db.acquire(pool, 5) as connection:
        await settling.forget_settled(connection, "kalshi")
    assert await pool.fetchval("SELECT count(*) FROM settle_askings") == 0
    assert await due(pool, NOW + DAY) == []


async def test_a_final_market_that_the_venue_reopened_is_asked_for_until_it_is_final_again(pool: db.Pool) -> None:
    await store(pool, final(), now=NOW - DAY)
    await ask(pool, NOW, M_1="disputed")
    async with db.acquire(pool, 5) as connection:
        await settling.forget_settled(connection, "kalshi")
    assert await due(pool, NOW + HOUR) == ["M-1"]
    await ask(pool, NOW + HOUR, M_1="disputed")
    assert await due(pool, NOW + 2 * HOUR) == ["M-1"]
    await ask(pool, NOW + 2 * HOUR, M_1="final")
    assert await due(pool, NOW + 3 * HOUR) == []


async def test_unknown_are_those_that_the_venue_did_not_know_when_asked_last(pool: db.Pool) -> None:
    names = [f"M-{n}" for n in range(1, 5)]
    await store(pool, *(make_market(name, close_time=NOW) for name in names), now=NOW - HOUR)
    await ask(pool, NOW, M_1="unknown", M_2="unknown", M_3="closed", M_4="unknown")
    await ask(pool, NOW + HOUR, M_2="closed")
    await store(pool, make_market("M-4", status=MarketStatus.CLOSED), now=NOW + HOUR)
    async with db.acquire(pool, 5) as connection:
        assert await settling.unknown_markets(connection, "kalshi") == 1
        assert await settling.unknown_markets(connection, "polymarket") == 0


async def test_what_was_read_of_the_settled_never_goes_back(pool: db.Pool) -> None:
    async with db.acquire(pool, 5) as connection:
        assert await settling.settled_read_through(connection, "kalshi") is None
        for at in (NOW, NOW - HOUR):
            await settling.mark_settled_read(connection, "kalshi", at)
        assert await settling.settled_read_through(connection, "kalshi") == NOW
        assert await settling.settled_read_through(connection, "polymarket") is None


async def test_final_markets_come_up_once_for_each_reread_in_order_and_bounded(pool: db.Pool) -> None:
    for hours, names in ((30, ("M-old",)), (8, ("M-b", "M-a")), (7, ("M-c",)), (1, ("M-new",))):
        await store(pool, *(final(name) for name in names), now=NOW - hours * HOUR)

    async def next_ids(after: timedelta, now: datetime, limit: int = 100) -> list[str]:
        async with db.acquire(pool, 5) as connection:
            finals = await settling.final_ids(connection, "kalshi", after, now, limit)
            if finals:
                await settling.mark_reread(connection, "kalshi", after, finals[-1])
        return [market_id for _, market_id in finals]

    assert await next_ids(6 * HOUR, NOW, limit=2) == ["M-old", "M-a"], "30 hours ago is within a day of 6 hours ago"
    assert await next_ids(6 * HOUR, NOW) == ["M-b", "M-c"]
    assert await next_ids(6 * HOUR, NOW) == []
    assert await next_ids(6 * HOUR, NOW + 5 * HOUR) == ["M-new"]
    assert await next_ids(DAY, NOW) == ["M-old"], "each reread has its own place"
    await store(pool, final("M-a", "no", "0"), now=NOW + 5 * HOUR)
    assert await next_ids(6 * HOUR, NOW + 11 * HOUR) == ["M-a"], "what changed comes up again"


async def test_nothing_older_than_a_day_is_reread_when_it_begins(pool: db.Pool) -> None:
    await store(pool, final(), now=NOW - 31 * HOUR)
    async with db.acquire(pool, 5) as connection:
        assert await settling.final_ids(connection, "kalshi", 6 * HOUR, NOW, 10) == []


async def changes(pool: db.Pool, since: datetime = NOW - DAY) -> list[Any]:
    async with db.acquire(pool, 5) as connection:
        found = await settling.outcome_changes(connection, "kalshi", since)
    return [(c.market_id, c.changed_at, c.result, c.payout, c.new_result, c.new_payout) for c in found]


async def test_an_outcome_that_changes_is_kept_as_it_was_whoever_changes_it(pool: db.Pool) -> None:
    await store(pool, make_market(), now=NOW - HOUR)
    await store(pool, final(), now=NOW)
    assert await changes(pool) == [], "the first outcome replaces none"
    await store(pool, final(), now=NOW + HOUR)
    assert await changes(pool) == [], "the same again is no change"
    await store(pool, final(result="scalar", payout="0.5"), now=NOW + 2 * HOUR)  # as the collect job does
    async with db.acquire(pool, 5) as connection, connection.transaction():
        await collecting.stage(connection, [final(result="no", payout="0")])
        await collecting.mark_staged_statuses(connection, NOW + 3 * HOUR, listed=False)  # as the settle job does
    assert await changes(pool) == [
        ("M-1", NOW + 2 * HOUR, "yes", 1, "scalar", Decimal("0.5")),
        ("M-1", NOW + 3 * HOUR, "scalar", Decimal("0.5"), "no", 0),
    ]
    assert len(await changes(pool, NOW + 2 * HOUR)) == 1


async def test_an_outcome_that_comes_late_replaces_none(pool: db.Pool) -> None:
    await store(pool, make_market(status=MarketStatus.FINAL), now=NOW)
    await store(pool, final(), now=NOW + HOUR)
    assert await changes(pool) == []


async def test_with_a_market_goes_all_that_is_noted_of_it(pool: db.Pool) -> None:
    await store(pool, final(), now=NOW)
    await store(pool, final(result="no", payout="0"), now=NOW + HOUR)
    await ask(pool, NOW + HOUR, M_1="disputed")
    await pool.execute("DELETE FROM market_latest")
    await pool.execute("DELETE FROM markets")
    for table in ("settle_askings", "outcome_changes"):
        assert await pool.fetchval(f"SELECT count(*) FROM {table}") == 0
