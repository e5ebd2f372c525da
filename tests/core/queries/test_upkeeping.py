"""What upkeep deletes, what it must never delete, and how it measures."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import uuid4

import pytest

from core import db
from core.models import PLATFORMS, MarketStatus, Pattern, Platform
from core.queries import analyzing, jobs, matching, upkeeping
from core.queries.snapshot_storage import storage
from core.queries.upkeeping import Aged, Chunk, Over
from tests.api.rows import insert_arbitrage, insert_insight
from tests.conftest import NOW
from tests.core.making import make_market
from tests.core.storing import store

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
FIRST = (datetime(1, 1, 2, tzinfo=UTC), "")


async def settle(pool: db.Pool, *market_ids: str, at: datetime = NOW) -> None:
    await pool.execute(
        "UPDATE markets SET status = 'final', result = 'yes', payout = 1, status_seen_at = $2 "
        "WHERE market_id = ANY($1::text[])",
        list(market_ids),
        at,
    )


async def materialise(pool: db.Pool, now: datetime = NOW + 3 * DAY) -> None:
    async with pool.acquire() as connection, connection.transaction():
        await upkeeping.close_days(connection, now.date(), 5)
        await upkeeping.materialise(connection, 10_000, 5)


async def trim(pool: db.Pool, before: datetime, platform: Platform = "kalshi", most: int = 100) -> Chunk:
    async with pool.acquire() as connection, connection.transaction():
        return await upkeeping.trim_ended(connection, await storage(connection), platform, before, FIRST, most, NOW, 5)


async def forget(pool: db.Pool, before: datetime, platform: Platform = "kalshi", how: Over = "final") -> Chunk:
    async with pool.acquire() as connection, connection.transaction():
        return await upkeeping.delete_ended(connection, platform, how, before, FIRST, 100, 5)


async def age(pool: db.Pool, table: Aged, before: datetime, most: int = 100) -> int:
    async with pool.acquire() as connection, connection.transaction():
        return await upkeeping.delete_aged(connection, table, before, most, 5)


async def ids(pool: db.Pool, table: str = "markets") -> list[str]:
    return [row["market_id"] for row in await pool.fetch(f"SELECT DISTINCT market_id FROM {table} ORDER BY 1")]


async def insert_pattern(pool: db.Pool, market_id: str, at: datetime, detector: str = "drift") -> None:
    async with pool.acquire() as connection:
        pattern = Pattern("kalshi", market_id, None, None, detector, 70.0, {})
        await analyzing.insert_patterns(connection, [pattern], at)


async def insert_pair(pool: db.Pool, kalshi: str, polymarket: str) -> None:
    async with pool.acquire() as connection:
        row: tuple[Any, ...] = (
            kalshi,
            polymarket,
            "identity",
            True,
            Decimal(1),
            "CAUTION",
            [],
            True,
            True,
            True,
            "",
            0,
            0,
            NOW,
        )
        await matching.upsert_pairs(connection, [row])


async def insert_needed(pool: db.Pool) -> set[str]:
    """One market for each way in which a market can be needed; and one that nobody needs, K-free and P-free."""
    kalshi = [f"K-{name}" for name in ("free", "pattern", "pair", "arbitrage", "leg")]
    polymarket = [f"P-{name}" for name in ("free", "pair", "arbitrage")]
    await store(pool, *(make_market(name) for name in kalshi), now=NOW)
    await store(pool, *(make_market(name, "polymarket") for name in polymarket), now=NOW)
    async with pool.acquire() as connection:
        await insert_insight(connection, "An insight's market")
        await insert_arbitrage(connection, "An opportunity")
        await connection.execute(
            "UPDATE arbitrage_opportunities SET kalshi_market_id = 'K-arbitrage', "
            "polymarket_market_id = 'P-arbitrage', legs = $1",
            [{"platform": "kalshi", "market_id": "K-arbitrage"}, {"platform": "kalshi", "market_id": "K-leg"}],
        )
    await insert_pattern(pool, "K-pattern", NOW)
    await insert_pair(pool, "K-pair", "P-pair")
    all_ids = await ids(pool)
    await settle(pool, *all_ids)
    await materialise(pool)
    return set(all_ids) - {"K-free", "P-free"}


async def test_what_others_refer_to_is_neither_trimmed_nor_forgotten(pool: db.Pool) -> None:
    needed = await insert_needed(pool)
    assert len(needed) == 7
    for platform in PLATFORMS:
        assert (await trim(pool, NOW + DAY, platform)).markets == 1
    assert {row["market_id"] for row in await pool.fetch("SELECT * FROM markets WHERE trimmed_at IS NULL")} == needed
    for platform in PLATFORMS:
        assert (await forget(pool, NOW + DAY, platform)).markets == 1
    assert set(await ids(pool)) == needed
    assert await pool.fetchval("SELECT count(*) FROM markets WHERE payout = 1") == len(needed)
    assert set(await ids(pool, "market_snapshots")) == {name for name in needed if name[1] == "-"}


async def test_a_trimmed_market_keeps_its_terms_outcome_and_candles(pool: db.Pool) -> None:
    await store(pool, make_market("A"), make_market("B"), now=NOW)
    await settle(pool, "A")
    await materialise(pool)
    before = await pool.fetch("SELECT * FROM candles_hourly ORDER BY market_id")
    assert await trim(pool, NOW + DAY) == Chunk(1, 1, (NOW, "A"))
    assert await ids(pool, "market_snapshots") == await ids(pool, "market_latest") == ["B"]
    kept = await pool.fetchrow(
        "SELECT title, rules, status, payout, raw_data::text AS raw FROM markets WHERE market_id = 'A'"
    )
    assert tuple(kept or ()) == ("Will it rain?", "If it rains, YES.", "final", 1, "{}")
    assert await pool.fetch("SELECT * FROM candles_hourly ORDER BY market_id") == before
    assert await trim(pool, NOW + DAY) == Chunk(0, 0, None)


async def test_nothing_is_trimmed_before_its_time_nor_before_its_candles_are_made(pool: db.Pool) -> None:
    await store(pool, *(make_market(name) for name in ("open", "fresh", "late", "due")), now=NOW)
    await settle(pool, "due", "late", at=NOW - DAY)
    await settle(pool, "fresh", at=NOW + HOUR)
    assert await trim(pool, NOW) == Chunk(0, 0, None)
    await materialise(pool)
    await pool.execute(
        "INSERT INTO market_snapshots (platform, market_id, time) VALUES ('kalshi', 'late', $1)", NOW - HOUR
    )
    assert await trim(pool, NOW) == Chunk(1, 1, (NOW - DAY, "due"))


async def test_chunks_begin_where_the_last_one_ended(pool: db.Pool) -> None:
    await store(pool, *(make_market(f"M-{n}") for n in range(5)), now=NOW)
    await settle(pool, *(f"M-{n}" for n in range(5)))
    await insert_pattern(pool, "M-0", NOW)
    await materialise(pool)
    last: tuple[datetime, str] | None = FIRST
    seen = []
    while last is not None:
        async with pool.acquire() as connection, connection.transaction():
            chunk = await upkeeping.delete_ended(connection, "kalshi", "final", NOW + DAY, last, 2, 5)
        seen.append(chunk.markets)
        last = chunk.last
    assert seen == [2, 2, 0]
    assert await ids(pool) == ["M-0"]


async def test_a_forgotten_market_takes_all_that_is_its_own_along(pool: db.Pool) -> None:
    await store(pool, make_market("A", event_id="E-A"), make_market("B", event_id="E-B"), now=NOW)
    await pool.execute(
        "INSERT INTO events (platform, event_id, title, mutually_exclusive) "
        "SELECT platform, event_id, '', false FROM markets"
    )
    await pool.execute("INSERT INTO backfills (platform, market_id) SELECT platform, market_id FROM markets")
    await settle(pool, "A")
    await materialise(pool)
    assert await forget(pool, NOW + DAY) == Chunk(1, 1, (NOW, "A"))
    async with pool.acquire() as connection:
        assert await upkeeping.delete_empty_events(connection, 10, 5) == 1
    for table in ("markets", "market_snapshots", "market_latest", "backfills", "candles_hourly", "candles_daily"):
        assert await ids(pool, table) == ["B"], table
    for table in ("events", "candle_hours", "candle_days"):
        assert await pool.fetchval(f"SELECT count(*) FROM {table}") == 1, table


async def test_an_outcome_that_was_taken_back_is_waited_for(pool: db.Pool) -> None:
    await store(pool, make_market("A"), now=NOW)
    await settle(pool, "A")
    await pool.execute(
        "INSERT INTO settle_askings (platform, market_id, told, askings, asked_at, ask_after) "
        "VALUES ('kalshi', 'A', 'disputed', 1, $1, $1)",
        NOW,
    )
    assert await forget(pool, NOW + DAY) == Chunk(0, 0, None)


async def test_a_market_that_vanished_without_an_end_is_forgotten_when_it_has_long_been_silent(pool: db.Pool) -> None:
    closed = NOW - 40 * DAY
    for name, at in (("silent", closed), ("quoted", NOW), ("listed", closed)):
        await store(pool, make_market(name, close_time=closed), now=at)
    await store(pool, make_market("later", close_time=NOW + DAY), now=closed)
    await pool.execute("UPDATE markets SET listed = false WHERE market_id <> 'listed'")
    assert (await forget(pool, NOW - 30 * DAY, how="vanished")).markets == 1
    assert await ids(pool) == ["later", "listed", "quoted"]


async def test_snapshots_go_up_to_the_limit_and_never_before_their_candles_are_made(pool: db.Pool) -> None:
    async def release(before: datetime) -> datetime | None:
        async with pool.acquire() as connection, connection.transaction():
            return await upkeeping.release_snapshots(connection, before, 5)

    for hours in (30, 29, 1):
        await store(pool, make_market(), now=NOW - hours * HOUR)
    assert await release(NOW) is None, "no day is materialised yet"
    await materialise(pool, NOW)
    today = NOW.replace(hour=0, minute=0)
    assert await release(NOW) == today
    assert await pool.fetchval("SELECT raw_day FROM candle_progress") == NOW.date()
    assert await release(NOW - 29 * HOUR) == NOW - 29 * HOUR
    async with pool.acquire() as connection:
        assert await upkeeping.oldest_snapshot(connection, NOW - 29.5 * HOUR) == NOW - 29 * HOUR
        assert await upkeeping.delete_old_snapshots(connection, NOW - 40 * HOUR, NOW - 29 * HOUR, 5) == 1
    kept = [row["time"] for row in await pool.fetch("SELECT time FROM market_snapshots ORDER BY time")]
    assert kept == [NOW - 29 * HOUR, NOW - HOUR]
    assert await release(NOW - 29 * HOUR) is None, "nothing is older"


@pytest.mark.parametrize("hours_later", [0, 0.5])
async def test_the_pattern_that_an_insight_was_made_of_is_kept(pool: db.Pool, hours_later: float) -> None:
    async with pool.acquire() as connection:
        await insert_insight(connection, "kept", NOW + hours_later * HOUR)
    (market_id,) = await ids(pool)
    await insert_pattern(pool, market_id, NOW, "volume_surge")
    await insert_pattern(pool, market_id, NOW, "drift")
    await insert_pattern(pool, market_id, NOW - 2 * HOUR, "volume_surge")
    await insert_pattern(pool, "other", NOW, "volume_surge")
    assert await age(pool, "patterns", NOW) == 1, "of that age and less is kept"
    assert await age(pool, "patterns", NOW + HOUR) == 2
    kept = await pool.fetchrow("SELECT market_id, detector, detected_at FROM patterns")
    assert tuple(kept or ()) == (market_id, "volume_surge", NOW)


async def test_of_each_job_the_last_good_run_stays(pool: db.Pool) -> None:
    runs = [("collect", 9, None), ("collect", 8, None), ("collect", 7, "bad"), ("digest", 9, None), ("digest", 1, None)]
    async with pool.acquire() as connection:
        for job, days, error in runs:
            run_id = str(uuid4())
            await jobs.insert_run(connection, run_id, job, "test", NOW - days * DAY)
            await jobs.mark_run_ended(connection, run_id, NOW, 1, {}, error)
    assert await age(pool, "job_runs", NOW - 5 * DAY) == 3
    left = await pool.fetch("SELECT job, started_at, status FROM job_runs ORDER BY job")
    assert [tuple(row) for row in left] == [("collect", NOW - 8 * DAY, "ok"), ("digest", NOW - DAY, "ok")]


async def test_a_living_opportunity_stays_and_so_many_rows_go_at_once(pool: db.Pool) -> None:
    async with pool.acquire() as connection:
        for n in range(4):
            await insert_arbitrage(connection, f"{n}", expires_at=NOW - n * DAY)
    await pool.execute("UPDATE arbitrage_opportunities SET status = 'expired' WHERE description <> '3'")
    counts = [await age(pool, "arbitrage_opportunities", NOW + DAY, most=2) for _ in range(3)]
    assert counts == [2, 1, 0]


async def test_a_verdict_that_forbids_stands_as_long_as_its_markets_may_be_traded(pool: db.Pool) -> None:
    await store(pool, make_market("open"), make_market("over"), now=NOW)
    for number, (market_id, risk) in enumerate([("open", "BLOCK"), ("over", "BLOCK"), ("open", "CAUTION")]):
        await pool.execute(
            """
            WITH prompt AS (
                INSERT INTO ai_prompts (digest, version, system, first_used_at) VALUES ($1, 'v', '', $2)
                RETURNING digest
            )
            INSERT INTO bundle_analyses (rules_digest, bundle_key, prompt_version, prompt_digest, settlement_risk,
                answer, evidence, inputs, model, prompt_tokens, cached_tokens, completion_tokens, cost_usd, created_at)
            SELECT $1, '', 'v', digest, $3, '{}', '[]', $4, 'm', 0, 0, 0, 0, $2 FROM prompt
            """,
            number,
            NOW,
            risk,
            {"bundle": {"legs": [{"platform": "kalshi", "market_id": market_id, "side": "YES"}]}},
        )
    await settle(pool, "over")
    assert await age(pool, "bundle_analyses", NOW + DAY) == 2
    assert [row["rules_digest"] for row in await pool.fetch("SELECT rules_digest FROM bundle_analyses")] == [0]
    await settle(pool, "open")
    assert await age(pool, "bundle_analyses", NOW + DAY) == 1


AGES: dict[Aged, str] = {
    "arbitrage_lives": "INSERT INTO arbitrage_lives (bundle_key, opportunity_type, first_seen_at, last_seen_at, "
    "last_edge_percentage, peak_edge_percentage, peak_net_edge_usd, peak_at, ended_at) "
    "SELECT 'K', 'HEDGE', at, at, 1, 1, 1, at, at FROM unnest(ARRAY['2026-11-20Z', '2026-11-21Z']::timestamptz[]) at",
    "candle_hours": "INSERT INTO candle_hours VALUES (1, '2026-11-20', 1, 1, '{}', '{}'), "
    "(1, '2026-11-21', 1, 1, '{}', '{}')",
    "candle_days": "INSERT INTO candle_days (number, day) VALUES (1, '2026-11-20'), (1, '2026-11-21')",
    "history_columns": "INSERT INTO history_columns VALUES ('kalshi', '2026-11-20Z', '1 h', 0, ''), "
    "('kalshi', '2026-11-21Z', '1 h', 0, '')",
    "withheld_insights": "INSERT INTO withheld_insights (at, platform, market_id, reason, detail, model, cost_usd) "
    "SELECT d, '', '', '', '', '', 0 FROM unnest('{2026-11-20Z, 2026-11-21Z}'::timestamptz[]) d",
    "ai_calls": "INSERT INTO ai_calls (at, run, part, platform, market_id, model, prompt_version, evidence_digest, "
    "reserved_usd, reserved_tokens) "
    "SELECT d, '', 'deep', '', '', '', '', 0, 0, 0 FROM unnest('{2026-11-20Z, 2026-11-21Z}'::timestamptz[]) d",
    "analysis_tasks": "INSERT INTO analysis_tasks (run, platform, market_id, detector, free_at) "
    "SELECT d, '', '', '', d FROM unnest('{2026-11-20Z, 2026-11-21Z}'::timestamptz[]) d",
    "digests": "INSERT INTO digests SELECT d, d, '[]', '[]', '\"\"', '[]', '[]', '{}', '' "
    "FROM unnest('{2026-11-20Z, 2026-11-21Z}'::timestamptz[]) d",
}


@pytest.mark.parametrize("table", AGES)
async def test_what_is_older_goes(pool: db.Pool, table: Aged) -> None:
    await pool.execute(AGES[table])
    limit = datetime(2026, 11, 21, tzinfo=UTC)
    assert [await age(pool, table, limit + later) for later in (-DAY, 0 * DAY, DAY)] == [0, 1, 1]


async def test_live_bytes_follow_the_rows_and_the_files_stay(pool: db.Pool) -> None:
    async def size() -> Any:
        async with pool.acquire() as connection:
            await upkeeping.vacuum(connection, "market_snapshots", 60)
            return next(
                t
                for t in await upkeeping.table_sizes(connection, await storage(connection))
                if t.name == "market_snapshots"
            )

    await pool.execute(
        "INSERT INTO market_snapshots (time, platform, market_id, price, volume, yes_price, no_price) "
        "SELECT timestamptz '2026-11-22Z' + make_interval(mins => n % 100), 'kalshi', 'KXBTC-26NOV22-' || n / 100, "
        "0.5, n, 0.51, 0.5 FROM generate_series(1, 40000) n"
    )
    full = await size()
    assert (full.name, full.rows) == ("market_snapshots", 40_000)
    assert 0.93 * full.bytes < full.live_bytes <= full.bytes
    await pool.execute("DELETE FROM market_snapshots WHERE time < '2026-11-22 00:50Z'")
    half = await size()
    assert half.rows == 20_000
    assert half.bytes > 0.95 * full.bytes
    assert 0.4 * full.live_bytes < half.live_bytes < 0.6 * full.live_bytes


async def test_a_market_whose_status_is_not_final_has_not_ended(pool: db.Pool) -> None:
    for status in MarketStatus:
        await store(pool, make_market(f"M-{status}", status=status, payout="1" if status == "final" else None), now=NOW)
    await materialise(pool)
    assert (await trim(pool, NOW + DAY)).markets == 1
    assert (await forget(pool, NOW + DAY)).markets == 1
    assert len(await ids(pool)) == len(MarketStatus) - 1
