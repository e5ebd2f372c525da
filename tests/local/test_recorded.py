"""A folder of recorded answers is served row by row as it was recorded."""

import gzip
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest

from local.recorded import WorldError, load_recorded
from local.replay import inventory, main, make_app

RECORDED = Path(__file__).parents[2].parent / "shared" / "recorded"
NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
needs_recorded = pytest.mark.skipif(not RECORDED.is_dir(), reason="no folder of recorded answers beside the checkout")


def client(folder: Path) -> httpx.AsyncClient:
    transport = httpx.ASGITransport(app=make_app(load_recorded(folder), lambda: NOW))
    return httpx.AsyncClient(transport=transport, base_url="http://venues")


def small_folder(folder: Path) -> Path:
    (folder / "kalshi").mkdir(parents=True)
    (folder / "polymarket").mkdir()
    active = {"ticker": "A-1", "event_ticker": "A", "status": "active", "yes_bid": 41, "unknown_field": [1.5, None]}
    done = {"ticker": "A-2", "event_ticker": "A", "status": "finalized", "result": "scalar"}
    old = {"ticker": "A-1", "event_ticker": "A", "status": "active", "yes_bid": 17}
    combo = {"ticker": "KXMVE-1", "event_ticker": "KXMVE", "status": "active", "mve_collection_ticker": "KXMVE-R"}
    write(
        folder / "kalshi" / "events_2026-03-01.json",
        [{"event_ticker": "A", "series_ticker": "A", "markets": [active, done]}],
    )
    write(
        folder / "kalshi" / "markets_2026-01-01.json",
        {"_metadata": {}, "response": {"cursor": "x", "markets": [old, combo]}},
    )
    write(
        folder / "kalshi" / "orderbook_2026-03-01.json",
        {"ticker": "A-1", "orderbook_fp": {"no_dollars": [], "yes_dollars": []}},
    )
    with gzip.open(folder / "kalshi" / "series_fees.csv.gz", "wt") as table:
        table.write("ticker,title,category,frequency,fee_type,fee_multiplier\nA,Ä title,World,custom,quadratic,0.5\n")
    open_one = {"id": "7", "question": "Open?", "conditionId": "", "closed": False, "clobTokenIds": '["11", "12"]'}
    shut = {"id": "9", "question": "Shut?", "conditionId": "0x9", "closed": True, "outcomePrices": '["1", "0"]',
            "umaResolutionStatus": "resolved"}  # fmt: skip
    write(
        folder / "polymarket" / "events_2026-03-02.json",
        [{"id": "5", "title": "E", "closed": True, "markets": [shut, open_one]}],
    )
    return folder


def write(path: Path, body: object) -> None:
    path.write_text(json.dumps(body), encoding="utf-8")


async def sweep(
    http: httpx.AsyncClient, path: str, name: str, next_name: str, cursor_name: str
) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = []
    cursor = ""
    while True:
        parameters = {cursor_name: cursor} if cursor else {}
        body = (await http.get(path, params=parameters | {"limit": "7"} | dict(httpx.URL(path).params))).json()
        rows += body[name]
        cursor = body.get(next_name, "")
        if not cursor:
            return rows


async def test_bodies_pass_through_untouched(tmp_path: Path) -> None:
    async with client(small_folder(tmp_path)) as http:
        body = (await http.get("/kalshi/trade-api/v2/events?with_nested_markets=true&status=open")).json()
    recorded = json.loads((tmp_path / "kalshi" / "events_2026-03-01.json").read_text())
    assert body["events"] == recorded


async def test_repeats_of_a_market_are_served_newest_first(tmp_path: Path) -> None:
    async with client(small_folder(tmp_path)) as http:
        body = (await http.get("/kalshi/trade-api/v2/markets?status=open&mve_filter=exclude")).json()
        one = (await http.get("/kalshi/trade-api/v2/markets/A-1")).json()
    assert [market["yes_bid"] for market in body["markets"]] == [41, 17]
    assert one["market"]["yes_bid"] == 41


async def test_status_words_are_read_from_the_recorded_object(tmp_path: Path) -> None:
    async with client(small_folder(tmp_path)) as http:
        settled = (await http.get("/kalshi/trade-api/v2/markets?status=settled")).json()["markets"]
        combos = (await http.get("/kalshi/trade-api/v2/markets?mve_filter=only")).json()["markets"]
    assert [market["ticker"] for market in settled] == ["A-2"]
    assert [market["ticker"] for market in combos] == ["KXMVE-1"]


async def test_a_table_of_series_is_served_as_series(tmp_path: Path) -> None:
    async with client(small_folder(tmp_path)) as http:
        body = (await http.get("/kalshi/trade-api/v2/series")).json()
    assert body["series"][0] | {"title": ""} == {
        "ticker": "A", "title": "", "category": "World", "frequency": "custom", "fee_type": "quadratic",
        "fee_multiplier": 0.5,
    }  # fmt: skip


async def test_an_open_market_of_a_closed_event_comes_with_the_market_sweep(tmp_path: Path) -> None:
    async with client(small_folder(tmp_path)) as http:
        events = (await http.get("/polymarket/gamma/events/keyset?closed=false")).json()["events"]
        markets = (await http.get("/polymarket/gamma/markets/keyset?closed=false")).json()["markets"]
    assert events == []
    assert [market["id"] for market in markets] == ["7"]


async def test_a_resolution_is_read_from_the_recorded_market(tmp_path: Path) -> None:
    async with client(small_folder(tmp_path)) as http:
        body = (await http.get("/polymarket/data/v2/resolutions?condition_id=0x9")).json()
    assert body["data"][0]["payouts"] == ["1", "0"]


def test_the_inventory_accounts_for_every_row(tmp_path: Path) -> None:
    assert inventory(load_recorded(small_folder(tmp_path)), NOW) == {
        "kalshi": {"rows": 4, "listed": 3, "not_listed": {"combo": 1}},
        "polymarket": {"rows": 2, "listed": 1, "not_listed": {"event closed": 1}},
        "files": {"replayed": 4, "not_replayed": {}, "rows_not_replayed": 0},
    }


NOT_REPLAYED: list[Any] = [
    {}, {"a": 1}, 7, "text", None, True, [1, "x", None], [[]], [{}], [{"a": 1}], {"markets": [{"a": 1}]},
    {"markets": "none", "events": 7, "data": {}, "series": None}, {"series": [{"title": "no ticker"}]},
    {"trades": [{"trade_id": "t"}]}, [{"id": "x1", "question": "An id that is no number?"}], {"slug": "alone"},
]  # fmt: skip


async def test_files_that_are_no_answers_are_counted_under_a_reason_and_change_nothing_else(tmp_path: Path) -> None:
    before = inventory(load_recorded(small_folder(tmp_path)), NOW)
    for number, body in enumerate(NOT_REPLAYED):
        write(tmp_path / "kalshi" / f"notes_{number}.json", body)
        write(tmp_path / "polymarket" / f"notes_{number}.json", body)
    (tmp_path / "kalshi" / "older").mkdir()
    for place in (tmp_path / "summary.json", tmp_path / "kalshi" / "older" / "events.json"):
        place.write_text("not even JSON")
    async with client(tmp_path) as http:
        after = (await http.get("/control/inventory")).json()
    assert after.pop("files") == {
        "replayed": 4,
        "not_replayed": {
            "not directly in kalshi/ or polymarket/": 2,
            "no answer of kalshi that is replayed": len(NOT_REPLAYED),
            "no answer of polymarket that is replayed": len(NOT_REPLAYED),
        },
        "rows_not_replayed": 0,
    }
    assert after == {venue: before[venue] for venue in ("kalshi", "polymarket")}


def test_rows_among_others_that_are_not_replayed_are_counted(tmp_path: Path) -> None:
    small_folder(tmp_path)
    market = {"ticker": "B-1", "event_ticker": "B", "status": "active"}
    write(tmp_path / "kalshi" / "page.json", {"markets": [market, {"status": "active"}, None, 3], "cursor": ""})
    write(tmp_path / "polymarket" / "page.json", [{"id": "12", "question": "Known?"}, {"id": None, "question": "No?"}])
    counted = inventory(load_recorded(tmp_path), NOW)
    assert counted["files"] == {"replayed": 6, "not_replayed": {}, "rows_not_replayed": 4}
    assert (counted["kalshi"]["rows"], counted["polymarket"]["rows"]) == (5, 3)


def test_a_page_without_rows_is_an_answer(tmp_path: Path) -> None:
    small_folder(tmp_path)
    write(tmp_path / "kalshi" / "last_page.json", {"markets": [], "cursor": ""})
    write(tmp_path / "polymarket" / "last_page.json", [])
    assert inventory(load_recorded(tmp_path), NOW)["files"]["replayed"] == 6


async def test_a_market_that_cannot_be_named_is_served_inside_its_event(tmp_path: Path) -> None:
    small_folder(tmp_path)
    event = {
        "event_ticker": "B",
        "series_ticker": "B",
        "markets": [{"status": "active"}, {"ticker": "B-1", "status": "active"}],
    }
    write(tmp_path / "kalshi" / "page.json", [event])
    async with client(tmp_path) as http:
        body = (await http.get("/kalshi/trade-api/v2/events?with_nested_markets=true&status=open")).json()
        counted = (await http.get("/control/inventory")).json()
    assert event in body["events"]
    assert counted["kalshi"]["rows"] == 5


def test_a_folder_that_is_missing_or_empty_ends_with_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "empty").mkdir()
    for folder in (tmp_path / "none", tmp_path / "empty"):
        assert main(["--port", "1", "--world", str(folder)]) == 2
        line = capsys.readouterr().err
        assert str(folder) in line
        assert line.count("\n") == 1


def test_a_broken_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "kalshi").mkdir()
    (tmp_path / "kalshi" / "events.json").write_text("{")
    with pytest.raises(WorldError, match=r"events\.json: not JSON"):
        load_recorded(tmp_path)


@needs_recorded
async def test_the_open_sweeps_of_the_recorded_folder_give_what_the_inventory_lists() -> None:
    world = load_recorded(RECORDED)
    counted = inventory(world, NOW)
    async with client(RECORDED) as http:
        base = "/kalshi/trade-api/v2"
        events = await sweep(http, f"{base}/events?status=open&with_nested_markets=true", "events", "cursor", "cursor")
        loose = await sweep(http, f"{base}/markets?status=open&mve_filter=exclude", "markets", "cursor", "cursor")
        after = "after_cursor"
        gamma = "/polymarket/gamma"
        pm_events = await sweep(http, f"{gamma}/events/keyset?closed=false", "events", "next_cursor", after)
        pm_loose = await sweep(http, f"{gamma}/markets/keyset?closed=false", "markets", "next_cursor", after)
    kalshi = [json.dumps(m) for e in events for m in e.get("markets", [])] + [json.dumps(m) for m in loose]
    polymarket = [json.dumps(m) for e in pm_events for m in e.get("markets", [])] + [json.dumps(m) for m in pm_loose]
    assert len(set(kalshi)) == counted["kalshi"]["listed"]
    assert len(set(polymarket)) == counted["polymarket"]["listed"]
    assert counted["files"] == {
        "replayed": sum(1 for _ in RECORDED.rglob("*.json")) - 1,
        "not_replayed": {"no answer of polymarket that is replayed": 1},  # the trades of the Data API
        "rows_not_replayed": 0,
    }
    for name in ("kalshi", "polymarket"):
        venue = counted[name]
        assert venue["rows"] == venue["listed"] + sum(venue["not_listed"].values())


@needs_recorded
async def test_recorded_books_candles_and_trades_are_served_by_their_market() -> None:
    async with client(RECORDED) as http:
        base = "/kalshi/trade-api/v2"
        book = (await http.get(f"{base}/markets/KXMLBGAME-26AUG092020HOUSD-SD/orderbook")).json()["orderbook_fp"]
        top = (await http.get(f"{base}/markets/KXMLBGAME-26AUG092020HOUSD-SD")).json()["market"]
        one_sided = (await http.get(f"{base}/markets/KXBTCD-26JUL2502-T74299.99/orderbook")).json()["orderbook_fp"]
        window = "market_tickers=KXELONMARS-99&start_ts=1760479690&end_ts=1768255690&period_interval=1440"
        candles = (await http.get(f"{base}/markets/candlesticks?{window}")).json()["markets"][0]["candlesticks"]
        trades = (await http.get(f"{base}/markets/trades?ticker=KXELONMARS-99&limit=2")).json()
    assert book["yes_dollars"][-1] == [top["yes_bid_dollars"], top["yes_bid_size_fp"]]
    assert one_sided["yes_dollars"] == []
    assert len(candles) == 90
    assert len(trades["trades"]) == 2
    assert trades["cursor"]


@needs_recorded
async def test_all_recorded_series_are_served_in_one_answer() -> None:
    async with client(RECORDED) as http:
        rows = (await http.get("/kalshi/trade-api/v2/series")).json()["series"]
    assert len(rows) >= 8215
    assert {0, 0.5, 1} <= {row["fee_multiplier"] for row in rows}
