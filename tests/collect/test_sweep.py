"""The collect job against both venues over HTTP and a real database."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from datetime import timedelta
from decimal import Decimal
from typing import Any
from uuid import uuid4

import orjson
import pytest
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from collect import prices, sweep
from core.cache import make_cache
from core.errors import JobFailed
from core.models import PLATFORMS
from core.queries import jobs
from core.runtime import Run
from core.settings import CollectSettings
from local.upstash import make_app as make_rest
from tests.collect.conftest import QUARTER, Collect, MakeRun
from tests.conftest import NOW, served
from tests.core.wire import Replay, collect_settings, telling


@pytest.fixture
def collect(make_run: MakeRun, replay: Replay) -> Callable[..., Awaitable[dict[str, Any]]]:
    """One run of the job at `replay.now`, recorded as a good one as the runtime does."""

    async def once(**settings: Any) -> dict[str, Any]:
        run = await make_run("collect", replay.now, **(replay.settings | settings))
        summary = await sweep.run(run)
        await record_ok(run)
        return summary

    return once


async def record_ok(run: Run[CollectSettings]) -> None:
    async with run.transaction() as connection:
        run_id = str(uuid4())
        await jobs.insert_run(connection, run_id, "collect", "test", run.now)
        await jobs.mark_run_ended(connection, run_id, run.now, 1, {}, None)


async def test_the_first_run_stores_all_that_is_listed(collect: Collect, replay: Replay, pool: Any) -> None:
    summary = await collect()
    listed = replay.inventory()
    for platform in PLATFORMS:
        said = summary[platform]
        stored = await pool.fetchval("SELECT count(*) FROM markets WHERE platform = $1", platform)
        assert stored == said["markets"] == said["new_terms"] == listed[platform]["listed"]
        assert said["open"] == said["snapshots"] > 0
        assert said["skipped"] == {}
        assert "error" not in said
    assert await pool.fetchval("SELECT count(*) FROM events") > 0
    assert await pool.fetchval("SELECT count(*) FROM series_fees") > 0


async def test_a_second_run_over_unchanged_venues_stores_nothing(collect: Collect, replay: Replay, pool: Any) -> None:
    await collect()
    before = await pool.fetchval("SELECT count(*) FROM market_snapshots")
    summary = await collect()
    for platform in PLATFORMS:
        said = summary[platform]
        assert (said["new_terms"], said["snapshots"], said["changed_status"], said["unlisted"]) == (0, 0, 0, 0)
    assert await pool.fetchval("SELECT count(*) FROM market_snapshots") == before


async def test_the_control_listing_does_not_spoil_what_events_said_of_themselves(
    collect: Collect, replay: Replay, pool: Any
) -> None:
    await collect()
    full = {(e["platform"], e["event_id"]): tuple(e) for e in await pool.fetch("SELECT * FROM events")}
    assert await pool.fetchval("SELECT count(*) FROM events WHERE mutually_exclusive AND platform = 'polymarket'") > 0
    replay.now += QUARTER
    await collect(control_sweep_every_s=0)
    again = {(e["platform"], e["event_id"]): tuple(e) for e in await pool.fetch("SELECT * FROM events")}
    assert {key: again[key] for key in full} == full


async def test_the_control_sweep_runs_once_an_hour(collect: Collect, replay: Replay) -> None:
    unlisted = []
    for _ in range(5):
        summary = await collect()
        unlisted.append(summary["kalshi"]["unlisted"] > 0)
        replay.now += QUARTER
    # 13:05, 13:20, 13:35, 13:50, 14:05: only the last is in a new hour, and by then markets have ended.
    assert unlisted == [False, False, False, False, True]


async def test_runs_that_start_seconds_early_still_leave_a_snapshot_each_hour(
    collect: Collect, replay: Replay, pool: Any
) -> None:
    for _ in range(2):
        await collect()
        replay.now += timedelta(minutes=59, seconds=57)
    silent = await pool.fetchval(
        "SELECT count(*) FROM market_latest l JOIN markets m USING (platform, market_id) "
        "WHERE m.status = 'open' AND m.listed AND l.time = $1",
        NOW,
    )
    assert silent == 0


async def test_a_vanished_market_is_unlisted_only_after_both_listings_were_read_whole(
    make_run: MakeRun, pool: Any
) -> None:
    listing = Listing(["A", "B"])
    with telling(listing) as told:
        await sweep.run(await make_run("collect", NOW, **told.settings))
        listing.names, listing.fail_markets = ["A"], True
        summary = await sweep.run(await make_run("collect", NOW + 4 * QUARTER, **told.settings))
        assert "400" in summary["kalshi"]["control_error"]
        assert (summary["kalshi"]["missing"], await unlisted(pool)) == (1, [])
        listing.fail_markets = False
        summary = await sweep.run(await make_run("collect", NOW + 5 * QUARTER, **told.settings))
        assert summary["kalshi"]["unlisted"] == 1, "the control sweep that failed is made up for by the next run"
        assert await unlisted(pool) == ["B"]


async def unlisted(pool: Any) -> list[str]:
    return [row["market_id"] for row in await pool.fetch("SELECT market_id FROM markets WHERE NOT listed ORDER BY 1")]


class Listing:
    """A Kalshi of few markets, one event a page; Polymarket is empty."""

    def __init__(self, names: list[str]) -> None:
        self.names = names
        self.fail_markets = False
        self.fail_from_page = 10**6

    def __call__(self, request: Request) -> Response:
        path, cursor = request.url.path, int(request.query_params.get("cursor", "0"))
        if path == "/kalshi/events":
            if cursor >= self.fail_from_page:
                return JSONResponse({"error": "gone"}, 400)
            if not self.names:
                return JSONResponse({"events": [], "cursor": ""})
            name = self.names[cursor]
            market = {"ticker": name, "status": "active", "yes_ask_dollars": "0.5", "title": name}
            more = str(cursor + 1) if cursor + 1 < len(self.names) else ""
            event = {"event_ticker": f"E-{name}", "title": name, "markets": [market, market]}
            return JSONResponse({"events": [event], "cursor": more})
        if path == "/kalshi/markets" and self.fail_markets:
            return JSONResponse({"error": "no"}, 400)
        return JSONResponse({"events": [], "markets": [], "series": [], "cursor": ""})


async def test_a_venue_that_fails_half_way_keeps_the_pages_before_and_unlists_nothing(
    make_run: MakeRun, pool: Any
) -> None:
    listing = Listing(["A", "B", "C", "D"])
    with telling(listing) as told:
        await sweep.run(await make_run("collect", NOW, **told.settings))
        listing.names, listing.fail_from_page = ["N1", "N2", "N3", "N4"], 2
        summary = await sweep.run(await make_run("collect", NOW + QUARTER, **told.settings))
    assert "400" in summary["kalshi"]["error"]
    assert summary["kalshi"]["markets"] == 2
    stored = await pool.fetch("SELECT market_id FROM markets WHERE first_seen_at > $1 ORDER BY 1", NOW)
    assert [row["market_id"] for row in stored] == ["N1", "N2"]
    assert await unlisted(pool) == []


async def test_a_market_listed_twice_is_stored_once_and_counted(make_run: MakeRun, pool: Any) -> None:
    with telling(Listing(["A", "B"])) as told:
        summary = await sweep.run(await make_run("collect", NOW, **told.settings))
    assert summary["kalshi"]["skipped"] == {"listed twice": 2}
    assert await pool.fetchval("SELECT count(*) FROM market_snapshots") == 2


@pytest.mark.parametrize("left", [0, 4])
async def test_a_listing_that_holds_a_fraction_of_the_last_one_proves_no_absence(
    make_run: MakeRun, pool: Any, left: int
) -> None:
    listing = Listing([f"M{number}" for number in range(10)])
    with telling(listing) as told:
        await sweep.run(await make_run("collect", NOW, **told.settings))
        listing.names = listing.names[:left]
        summary = await sweep.run(await make_run("collect", NOW + QUARTER, **told.settings, control_sweep_every_s=0))
    assert summary["kalshi"]["error"] == f"the listing held {left} markets, the last one 10"
    assert await unlisted(pool) == []
    assert await pool.fetchval("SELECT count(*) FROM markets WHERE missing_since IS NOT NULL") == 0
    assert await pool.fetchval("SELECT swept_at FROM venue_sweeps WHERE platform = 'kalshi'") == NOW


async def test_a_listing_that_stays_shrunken_is_believed_unless_it_is_empty(make_run: MakeRun, pool: Any) -> None:
    listing = Listing([f"M{number}" for number in range(10)])
    with telling(listing) as told:
        await sweep.run(await make_run("collect", NOW, **told.settings))
        listing.names = ["M0"]
        summary = await sweep.run(await make_run("collect", NOW + 4 * QUARTER, **told.settings))
        assert (summary["kalshi"]["missing"], summary["kalshi"]["unlisted"]) == (9, 9)
        listing.names = []
        summary = await sweep.run(await make_run("collect", NOW + 99 * QUARTER, **told.settings))
        assert "0 markets" in summary["kalshi"]["error"]


@pytest.mark.parametrize(("down", "up"), [("kalshi", "polymarket"), ("polymarket", "kalshi")])
async def test_one_venue_down_is_said_and_the_other_is_stored(
    collect: Collect, replay: Replay, pool: Any, down: str, up: str
) -> None:
    replay.fail(down, down=True)
    summary = await collect(http_attempts=1)
    assert "503" in summary[down]["error"]
    assert "error" not in summary[up]
    stored = await pool.fetch("SELECT DISTINCT platform FROM markets")
    assert [row["platform"] for row in stored] == [up]


async def test_both_venues_down_is_a_failed_job_that_names_both(collect: Collect, replay: Replay) -> None:
    replay.fail(down=True)
    with pytest.raises(JobFailed, match=r"kalshi: .*503.*polymarket: .*503"):
        await collect(http_attempts=1)


async def test_a_venue_that_stumbles_now_and_then_is_read_whole(collect: Collect, replay: Replay) -> None:
    replay.fail(rate_429=0.1, garbage=0.1, truncate=0.1, seed=7)
    summary = await collect(http_attempts=6)
    for platform in PLATFORMS:
        assert "error" not in summary[platform]
        assert summary[platform]["markets"] == replay.inventory()[platform]["listed"]


async def test_prices_are_cached_in_blobs_and_found_by_their_shard(
    collect: Collect, replay: Replay, pool: Any, valkey_url: str
) -> None:
    """And those of a venue that was not read whole stay as they were."""
    with served(make_rest(valkey_url, "token")) as address:
        cache = {"upstash_redis_rest_url": address, "upstash_redis_rest_token": "token", "cache_timeout_s": 10}
        assert (await collect(**cache))["prices_cached"] is True
        reader = make_cache(collect_settings(**cache))
        rows = await pool.fetch(
            "SELECT * FROM market_latest JOIN markets USING (platform, market_id) WHERE status = 'open' AND listed"
        )
        names = [f"{platform}:{number}" for platform in PLATFORMS for number in range(prices.SHARDS)]

        async def read() -> dict[str, Any]:
            blobs = await reader.get_many([("prices", name) for name in names])
            return {name: orjson.loads(blob or b"null") for name, blob in zip(names, blobs, strict=True)}

        blobs = await read()
        assert {blob["read_at"] for blob in blobs.values()} == {NOW.isoformat()}
        assert sum(len(blob["prices"]) for blob in blobs.values()) == len(rows) > 0
        for row in rows:
            blob = blobs[f"{row['platform']}:{prices.shard_of(row['market_id'])}"]
            told = [None if value is None else Decimal(value) for value in blob["prices"][row["market_id"]]]
            assert told == [row["price"], row["yes_price"], row["no_price"]]
        replay.now += QUARTER
        replay.fail("kalshi", down=True)
        await collect(**cache, http_attempts=1)
        again = await read()
        assert {name: again[name] for name in names if name.startswith("kalshi")} == {
            name: blobs[name] for name in names if name.startswith("kalshi")
        }
        assert {again[name]["read_at"] for name in names if name.startswith("poly")} == {(NOW + QUARTER).isoformat()}
        await reader.drop("prices")
        await reader.close()


async def test_a_cache_that_is_down_costs_a_log_line(
    collect: Collect, replay: Replay, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        summary = await collect(redis_url="redis://127.0.0.1:1/0")
    assert summary["prices_cached"] is False
    assert all("error" not in summary[platform] for platform in PLATFORMS)
    said = [record.getMessage() for record in caplog.records if record.name == "core.cache"]
    assert said[:1] == ["cache unavailable"]


async def test_a_market_of_hostile_text_costs_no_other_market(make_run: MakeRun, pool: Any) -> None:
    def answer(request: Request) -> Response:
        if request.url.path != "/kalshi/events":
            return JSONResponse({"events": [], "markets": [], "series": []})
        title = '"title": "cut emoji \\ud83d, NUL \\u0000 and \xff"'
        bad = f'{{"ticker": "BAD", "status": "active", {title}, "volume_fp": 1e400}}'
        good = '{"ticker": "GOOD", "status": "active"}'
        event = f'{{"event_ticker": "E", {title}, "markets": [{bad}, {good}]}}'
        return Response(f'{{"events": [{event}]}}'.encode("latin-1"))

    with telling(answer) as told:
        summary = await sweep.run(await make_run("collect", NOW, **told.settings))
    assert summary["kalshi"]["markets"] == 2, summary
    rows = await pool.fetch("SELECT market_id, title, raw_data ->> 'title' AS raw FROM markets ORDER BY 1")
    assert [row["market_id"] for row in rows] == ["BAD", "GOOD"]
    assert rows[0]["title"] == "cut emoji , NUL  and \ufffd"
    assert rows[0]["raw"] == "cut emoji \ufffd, NUL \ufffd and \ufffd"


async def test_markets_that_move_between_the_two_listings_have_one_set_of_terms(make_run: MakeRun, pool: Any) -> None:
    listings = TwoListings()
    with telling(listings) as told:
        for quarter, nested in enumerate((True, False, True, False)):
            listings.nested = nested
            settings = told.settings | {"control_sweep_every_s": 0}
            summary = await sweep.run(await make_run("collect", NOW + quarter * QUARTER, **settings))
            for platform in PLATFORMS:
                assert summary[platform]["markets"] == 2, summary
                assert summary[platform]["new_terms"] == (2 if quarter == 0 else 0)
    assert await pool.fetchval("SELECT count(*) FROM market_terms_history") == 0
    events = await pool.fetch("SELECT title, category, mutually_exclusive, exhaustive FROM events ORDER BY platform")
    assert [tuple(event) for event in events] == 2 * [("Event", "World", True, None)] + 2 * [
        ("Event", "Politics", True, False)
    ]


class TwoListings:
    """Two markets a venue, one of them told within its event only while it is `nested`; the control tells both."""

    nested = True

    def __call__(self, request: Request) -> Response:
        path, kalshi = request.url.path, request.url.path.startswith("/kalshi")
        rows = [kalshi_row(name) if kalshi else gamma_row(name) for name in ("A", "B")]
        events = [kalshi_event(row) if kalshi else gamma_event(row) for row in rows]
        if path.endswith(("/events", "/events/keyset")):
            return JSONResponse({"events": events if self.nested else events[1:], "cursor": ""})
        short = [
            {"events": [{"id": f"E-{row.get('conditionId')}", "title": "E"}], "tags": [{"label": "X"}]} for row in rows
        ]
        told = rows if kalshi else [row | event for row, event in zip(rows, short, strict=True)]
        return JSONResponse({"markets": told, "series": [], "cursor": ""})


def kalshi_row(name: str) -> dict[str, Any]:
    return {"ticker": name, "event_ticker": f"E-{name}", "status": "active", "title": "T", "yes_sub_title": "Y"}


def kalshi_event(row: dict[str, Any]) -> dict[str, Any]:
    said = {"event_ticker": row["event_ticker"], "title": "Event", "category": "World", "mutually_exclusive": True}
    return said | {"markets": [row]}


def gamma_row(name: str) -> dict[str, Any]:
    said = {"conditionId": name, "question": "Q?", "outcomes": '["Yes", "No"]'}
    return said | {"active": True, "acceptingOrders": True, "closed": False}


def gamma_event(row: dict[str, Any]) -> dict[str, Any]:
    said = {"id": f"E-{row['conditionId']}", "title": "Event", "tags": [{"label": "Politics"}], "markets": [row]}
    return said | {"negRisk": True, "negRiskAugmented": True, "enableNegRisk": True}


async def test_two_full_runs_with_control_sweeps_find_no_new_terms(collect: Collect, replay: Replay, pool: Any) -> None:
    await collect(control_sweep_every_s=0)
    raw = await pool.fetch("SELECT market_id, terms_seen_at, raw_data FROM markets ORDER BY 1")
    replay.now += QUARTER
    summary = await collect(control_sweep_every_s=0)
    new = await pool.fetchval("SELECT count(*) FROM markets WHERE first_seen_at > $1", NOW)
    assert sum(summary[platform]["new_terms"] for platform in PLATFORMS) == new, "only of markets that are new"
    again = await pool.fetch(
        "SELECT market_id, terms_seen_at, raw_data FROM markets WHERE first_seen_at = $1 ORDER BY 1", NOW
    )
    assert again == raw, "prices moved, and no raw answer was written again"
    assert await pool.fetchval("SELECT count(*) FROM market_terms_history") == 0
