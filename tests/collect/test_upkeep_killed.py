"""`python -m collect upkeep`, killed with SIGKILL at any moment: the next run leaves what an undisturbed one would."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Iterator
from datetime import timedelta
from urllib.parse import urlsplit

import psycopg
import pytest

from collect import upkeep
from core import db
from core.cache import make_cache
from core.runtime import JOBS, Run
from core.settings import CollectSettings
from tests import storages
from tests.collect.killing import Copies, content, finished, killed
from tests.conftest import NOW

KILLS = 30
IN_A_ROW = 3
NIGHT = NOW.replace(hour=3, minute=10)
DAY = timedelta(days=1)
MARKETS = 2_500  # more than two chunks

COMPARED = {
    "markets": "SELECT to_jsonb(m) - 'search' FROM markets m",
    "snapshots": "SELECT to_jsonb(s) FROM market_snapshots s",
    "latest": "SELECT to_jsonb(l) FROM market_latest l",
    "days": "SELECT to_jsonb(c) FROM candle_days c",
    "hours": "SELECT to_jsonb(c) FROM candle_hours c",
    "told": "SELECT to_jsonb(c) FROM candles_hourly c",
    "late": "SELECT to_jsonb(c) FROM candle_late c",
    "progress": "SELECT to_jsonb(c) FROM candle_progress c",
    "patterns": "SELECT to_jsonb(p) FROM patterns p",
    "events": "SELECT to_jsonb(e) FROM events e",
}
MARKETS_FILL = f"""
INSERT INTO markets (platform, market_id, event_id, title, rules, yes_label, no_label, url, status, terms_digest,
    raw_data, first_seen_at, terms_seen_at, status_seen_at)
SELECT CASE n % 2 WHEN 0 THEN 'kalshi' ELSE 'polymarket' END, 'M' || n, 'E' || n / 10, '', '', '', '', '',
    CASE WHEN n % 5 = 0 THEN 'final' ELSE 'open' END, 0, '{{"a": 1}}', now(), now(),
    timestamptz '{NIGHT - 20 * DAY}' + make_interval(days => n % 20)
FROM generate_series(1, {MARKETS}) n;
INSERT INTO events (platform, event_id, title, mutually_exclusive)
SELECT DISTINCT platform, event_id, '', false FROM markets;
"""
# Every fourth hour from so many hours ago to so many; final markets have none of the last 30 hours.
SNAPSHOTS_FILL = f"""
INSERT INTO market_snapshots (time, platform, market_id, price, volume)
SELECT timestamptz '{NIGHT}' - make_interval(hours => h), platform, market_id, 0.01 * (h * number %% 50), 1000 - h
FROM markets CROSS JOIN generate_series(%s::int, %s::int, -4) h WHERE status = 'open' OR h > 30
"""
LATEST_FILL = """
INSERT INTO market_latest (platform, market_id, time)
SELECT platform, market_id, max(time) FROM market_snapshots GROUP BY 1, 2
ON CONFLICT (platform, market_id) DO UPDATE SET time = excluded.time
"""
LATE = f"""
INSERT INTO market_snapshots (time, platform, market_id, price, volume)
SELECT timestamptz '{NIGHT}' - make_interval(hours => h, mins => 20), platform, market_id, 0.99, 1000 - h
FROM markets CROSS JOIN generate_series(50, 60) h WHERE number % 6 = 1;
INSERT INTO patterns (detected_at, platform, market_id, detector, score, numbers)
SELECT timestamptz '{NIGHT - 40 * DAY}', platform, market_id, 'drift', 50, '{{}}' FROM markets;
"""
SETTINGS = {
    "retention_days": 2, "retention_min_days": 1, "ended_retention_days": 2, "ended_market_days": 10,
    "disk_budget_gb": 0.001, "clock_start": NIGHT.isoformat(), "clock_speed": 0,
}  # fmt: skip


@pytest.fixture
def filled(database_url: str) -> str:
    """Four days of snapshots, of which a run has been through the first two; then some that are late."""

    async def earlier() -> None:
        settings = CollectSettings(database_url=database_url)
        pool, cache = await db.make_pool(settings), make_cache(settings)
        at = NIGHT - 2 * DAY
        await upkeep.run(Run(JOBS["upkeep"], settings, pool, cache, lambda: at, at))
        await cache.close()
        await pool.close()

    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute(MARKETS_FILL)
        connection.execute(SNAPSHOTS_FILL, [96, 49])
        connection.execute(LATEST_FILL)
    asyncio.run(earlier())
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute(SNAPSHOTS_FILL, [48, 1])
        connection.execute(LATEST_FILL)
        connection.execute(LATE)
        connection.execute("DELETE FROM job_runs")
    return database_url


@pytest.fixture
def copies(postgres_dsn: str, filled: str) -> Iterator[Copies]:
    with Copies(postgres_dsn, urlsplit(filled).path.removeprefix("/")) as copies:
        yield copies


@storages.on("table")  # of aggregates the database makes candles by itself, and drops days in one transaction
@pytest.mark.long
@pytest.mark.timeout(600)
def test_after_kills_at_any_moment_one_whole_run_leaves_what_an_undisturbed_one_would(
    copies: Copies,
) -> None:
    undisturbed = copies.make()
    before = content(undisturbed, COMPARED)
    assert before["late"]
    start = time.monotonic()
    finished("upkeep", undisturbed, SETTINGS)
    lasted_s = time.monotonic() - start
    expected = content(undisturbed, COMPARED)
    assert expected["late"] == []
    for name in ("markets", "snapshots", "latest", "patterns", "events"):
        assert 0 <= len(expected[name]) < len(before[name]), name
    assert len(expected["told"]) > 0.75 * len(before["told"]), "only candles of markets that were forgotten"

    draw = random.Random(1)
    moments = [(number + draw.random()) / KILLS * lasted_s for number in range(KILLS)]
    draw.shuffle(moments)
    midway = 0
    while moments:
        url = copies.make()
        for again in range(IN_A_ROW):
            if not moments or not killed("upkeep", url, SETTINGS, moments[-1]):
                moments = moments if again else [0.8 * moment for moment in moments]  # the machine is faster by now
                break  # it was done before its time
            moments.pop()
            midway += before != content(url, COMPARED) != expected
        assert set(content(url, COMPARED)["told"]) <= set(before["told"]), "no candle is ever told wrong"
        finished("upkeep", url, SETTINGS)
        assert content(url, COMPARED) == expected
    assert midway >= KILLS // 5, "some moments fell between two transactions"
