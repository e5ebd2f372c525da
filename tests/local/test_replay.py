"""The replay over HTTP: strict where the venues are strict, silently wrong where they are silently wrong."""

import asyncio
import os
import signal
import socket
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import orjson
import pytest

from local.replay import clock_from_env
from tests.local.replayed import GAMMA, KALSHI, NOW, body

CLOB, DATA = "/polymarket/clob", "/polymarket/data"


async def every(http: httpx.AsyncClient, path: str, name: str, next_name: str, cursor_name: str) -> list[Any]:
    rows: list[Any] = []
    cursor = ""
    while True:
        page = await body(http, f"{path}&{cursor_name}={cursor}" if cursor else path)
        rows += page[name]
        cursor = page.get(next_name, "")
        if not cursor:
            return rows


async def test_the_open_sweeps_give_what_the_inventory_lists(http: httpx.AsyncClient) -> None:
    listed = await body(http, "/control/inventory")
    events = await every(
        http, f"{KALSHI}/events?status=open&with_nested_markets=true&limit=20", "events", "cursor", "cursor"
    )
    loose = await every(
        http, f"{KALSHI}/markets?status=open&mve_filter=exclude&limit=50", "markets", "cursor", "cursor"
    )
    tickers = {m["ticker"] for e in events for m in e["markets"]} | {m["ticker"] for m in loose}
    gamma = await every(http, f"{GAMMA}/events/keyset?closed=false&limit=9", "events", "next_cursor", "after_cursor")
    control = await every(
        http, f"{GAMMA}/markets/keyset?closed=false&limit=9", "markets", "next_cursor", "after_cursor"
    )
    ids = {m["id"] for e in gamma for m in e["markets"]} | {m["id"] for m in control}
    assert len(tickers) == listed["kalshi"]["listed"]
    assert len(ids) == listed["polymarket"]["listed"]


async def test_an_invalid_kalshi_cursor_is_page_one(http: httpx.AsyncClient) -> None:
    first = await body(http, f"{KALSHI}/events?limit=3")
    assert await body(http, f"{KALSHI}/events?limit=3&cursor=rubbish!") == first
    assert (await body(http, f"{KALSHI}/events?limit=200&status=unopened"))["cursor"] == ""


@pytest.mark.parametrize(
    "query",
    ["status=active", "status=open,closed", "limit=1001", "limit=0", "mve_filter=none", "status=open&min_close_ts=1",
     "status=closed&min_settled_ts=1", "min_close_ts=1&min_settled_ts=1", "min_updated_ts=1",
     "status=open&max_settled_ts=9"],
)  # fmt: skip
async def test_kalshi_refuses_markets_filters_that_exclude_each_other(http: httpx.AsyncClient, query: str) -> None:
    assert (await http.get(f"{KALSHI}/markets?{query}")).status_code == 400


async def test_kalshi_refuses_more_than_200_events_a_page(http: httpx.AsyncClient) -> None:
    assert (await http.get(f"{KALSHI}/events?limit=201")).status_code == 400
    assert (await http.get(f"{KALSHI}/events?status=paused")).status_code == 400


async def test_kalshi_markets_are_found_by_ticker_event_series_and_settlement(http: httpx.AsyncClient) -> None:
    markets = (await body(http, f"{KALSHI}/markets?limit=1000&status=open"))["markets"]
    one, other = markets[0], markets[-1]
    by_ticker = (await body(http, f"{KALSHI}/markets?tickers={one['ticker']},{other['ticker']}"))["markets"]
    by_event = (await body(http, f"{KALSHI}/markets?event_ticker={other['event_ticker']}"))["markets"]
    since = int((NOW - timedelta(hours=3)).timestamp())
    settled = (await body(http, f"{KALSHI}/markets?status=settled&min_settled_ts={since}&mve_filter=exclude"))[
        "markets"
    ]
    assert [m["ticker"] for m in by_ticker] == [one["ticker"], other["ticker"]]
    assert {m["event_ticker"] for m in by_event} == {other["event_ticker"]}
    assert settled
    assert all(
        m["status"] == "finalized" and datetime.fromisoformat(m["settlement_ts"]).timestamp() >= since for m in settled
    )
    assert (await http.get(f"{KALSHI}/markets/NOPE")).status_code == 404
    assert (await body(http, f"{KALSHI}/markets/{one['ticker']}"))["market"] == one


async def test_repeated_tickers_give_books_and_a_comma_list_one_empty_book(http: httpx.AsyncClient) -> None:
    markets = (await body(http, f"{KALSHI}/markets?status=open&limit=3"))["markets"]
    tickers = [m["ticker"] for m in markets]
    books = (await body(http, f"{KALSHI}/markets/orderbooks?" + "&".join(f"tickers={t}" for t in tickers)))[
        "orderbooks"
    ]
    bogus = (await body(http, f"{KALSHI}/markets/orderbooks?tickers={','.join(tickers)}"))["orderbooks"]
    single = await body(http, f"{KALSHI}/markets/{tickers[0]}/orderbook")
    assert [b["ticker"] for b in books] == tickers
    assert books[0]["orderbook_fp"] == single["orderbook_fp"]
    assert [b["orderbook_fp"] for b in bogus] == [{"no_dollars": [], "yes_dollars": []}]


async def test_books_can_be_made_to_need_a_key(http: httpx.AsyncClient) -> None:
    await http.post("/control", json={"venue": "kalshi", "orderbook_401": True})
    assert (await http.get(f"{KALSHI}/markets/ANY/orderbook")).status_code == 401
    assert (await http.get(f"{KALSHI}/markets/orderbooks?tickers=ANY")).status_code == 401
    await http.post("/control", json={"venue": "kalshi", "orderbook_401": False})
    assert (await http.get(f"{KALSHI}/markets/ANY/orderbook")).status_code == 404


async def test_candles_beyond_the_caps_are_refused(http: httpx.AsyncClient) -> None:
    end = int(NOW.timestamp())
    window = f"start_ts={end - 9 * 86400}&end_ts={end}"
    many = ",".join(f"T{i}" for i in range(101))
    assert (
        await http.get(f"{KALSHI}/markets/candlesticks?market_tickers={many}&{window}&period_interval=60")
    ).status_code == 400
    assert (
        await http.get(f"{KALSHI}/markets/candlesticks?market_tickers=A&{window}&period_interval=1")
    ).status_code == 400
    assert (
        await http.get(f"{KALSHI}/markets/candlesticks?market_tickers=A&{window}&period_interval=5")
    ).status_code == 400


async def test_one_market_and_many_give_the_same_candles(http: httpx.AsyncClient) -> None:
    event = (await body(http, f"{KALSHI}/events?status=open&limit=1&with_nested_markets=true"))["events"][0]
    ticker, end = event["markets"][0]["ticker"], int(NOW.timestamp())
    query = f"start_ts={end - 86400}&end_ts={end}&period_interval=60"
    single = await body(http, f"{KALSHI}/series/{event['series_ticker']}/markets/{ticker}/candlesticks?{query}")
    batch = await body(http, f"{KALSHI}/markets/candlesticks?market_tickers={ticker}&{query}")
    assert batch["markets"] == [{"market_ticker": ticker, "candlesticks": single["candlesticks"]}]
    assert len(single["candlesticks"]) == 24


async def test_trades_page_to_the_end_without_repeats(http: httpx.AsyncClient) -> None:
    market = (await body(http, f"{KALSHI}/markets?status=open&limit=1"))["markets"][0]
    since = int(NOW.timestamp()) - 7200
    path = f"{KALSHI}/markets/trades?ticker={market['ticker']}&min_ts={since}&limit=25"
    trades = await every(http, path, "trades", "cursor", "cursor")
    assert len({t["trade_id"] for t in trades}) == len(trades)
    assert trades == sorted(trades, key=lambda t: t["created_time"], reverse=True)


async def test_series_carry_all_kinds_of_fees(http: httpx.AsyncClient) -> None:
    rows = (await body(http, f"{KALSHI}/series"))["series"]
    assert {row["fee_type"] for row in rows} == {"quadratic", "quadratic_with_maker_fees"}
    assert [row["fee_multiplier"] for row in rows].count(0.5) == 1
    crypto = (await body(http, f"{KALSHI}/series?category=Crypto"))["series"]
    assert {row["category"] for row in crypto} == {"Crypto"}
    assert (await body(http, f"{KALSHI}/series/{rows[0]['ticker']}"))["series"] == rows[0]
    for path in ("series/fee_changes", "events/fee_changes", "historical/cutoff", "exchange/status"):
        await body(http, f"{KALSHI}/{path}")


async def test_announced_fee_changes_are_upcoming_ones_unless_history_is_asked_for(http: httpx.AsyncClient) -> None:
    past, ahead = "2026-11-22T12:00:00Z", "2026-11-22T13:00:00Z"
    series = [{"id": str(n), "series_ticker": f"S{n}", "scheduled_ts": ts} for n, ts in enumerate((past, ahead, ahead))]
    events = [{"id": f"e{n}", "event_ticker": f"E{n}", "scheduled_ts": past} for n in range(5)]
    await http.post("/control", json={"venue": "kalshi", "fee_changes": series + events})
    path, name = f"{KALSHI}/series/fee_changes", "series_fee_change_arr"
    assert (await body(http, path))[name] == series[1:]
    assert (await body(http, f"{path}?show_historical=true"))[name] == series
    assert (await body(http, f"{path}?show_historical=false&series_ticker=S2"))[name] == series[2:]
    path, name = f"{KALSHI}/events/fee_changes", "event_fee_changes"
    assert await every(http, f"{path}?limit=2", name, "cursor", "cursor") == events
    assert (await body(http, f"{path}?event_ticker=E3"))[name] == events[3:4]
    await http.post("/control", json={"reset": True})
    assert (await body(http, path))[name] == []


@pytest.mark.parametrize("name", ["cursor", "next_cursor"])
async def test_a_misnamed_gamma_cursor_is_page_one_for_ever(http: httpx.AsyncClient, name: str) -> None:
    first = await body(http, f"{GAMMA}/events/keyset?closed=false&limit=5")
    again = await body(http, f"{GAMMA}/events/keyset?closed=false&limit=5&{name}={first['next_cursor']}")
    assert again == first


async def test_gamma_clamps_limits_and_leaves_out_the_last_cursor(http: httpx.AsyncClient) -> None:
    page = await body(http, f"{GAMMA}/markets/keyset?closed=true&limit=5000")
    assert len(page["markets"]) == 100
    assert len(await body(http, f"{GAMMA}/markets?closed=true&limit=500")) == 100
    last = await body(http, f"{GAMMA}/events/keyset?closed=false&limit=1&id=none")
    assert last == {"events": []}


async def test_gamma_refuses_offsets(http: httpx.AsyncClient) -> None:
    assert (await http.get(f"{GAMMA}/events/keyset?offset=100")).status_code == 422
    deep = await http.get(f"{GAMMA}/markets?offset=2001")
    assert deep.status_code == 422
    assert deep.json() == {
        "type": "validation error",
        "error": "offset too large, use /markets/keyset for deeper pagination",
    }


async def test_gamma_hides_closed_markets_unless_asked(http: httpx.AsyncClient) -> None:
    closed = (await body(http, f"{GAMMA}/markets/keyset?closed=true&limit=1"))["markets"][0]
    condition = closed["conditionId"]
    assert await body(http, f"{GAMMA}/markets?condition_ids={condition}") == []
    assert [m["id"] for m in await body(http, f"{GAMMA}/markets?condition_ids={condition}&closed=true")] == [
        closed["id"]
    ]
    assert (await body(http, f"{GAMMA}/markets/{closed['id']}"))["id"] == closed["id"]
    assert all(event["closed"] for event in await body(http, f"{GAMMA}/events?limit=5"))


async def test_the_books_of_both_outcomes_mirror_each_other(http: httpx.AsyncClient) -> None:
    market = (await body(http, f"{GAMMA}/markets/keyset?closed=false&limit=1"))["markets"][0]
    yes, no = orjson.loads(market["clobTokenIds"])
    book, other = await body(http, f"{CLOB}/book?token_id={yes}"), await body(http, f"{CLOB}/book?token_id={no}")
    assert float(book["bids"][-1]["price"]) == market["bestBid"]
    assert float(book["asks"][-1]["price"]) == market["bestAsk"]
    assert [level["size"] for level in book["bids"]] == [level["size"] for level in other["asks"]]
    assert (await http.get(f"{CLOB}/book?token_id=1")).status_code == 404


async def test_tokens_without_a_book_are_left_out_of_a_batch(http: httpx.AsyncClient) -> None:
    market = (await body(http, f"{GAMMA}/markets/keyset?closed=false&limit=1"))["markets"][0]
    token = orjson.loads(market["clobTokenIds"])[0]
    books = await http.post(f"{CLOB}/books", json=[{"token_id": "1"}, {"token_id": token}])
    assert [book["asset_id"] for book in books.json()] == [token]
    assert (await http.post(f"{CLOB}/books", json=[{"token_id": str(i)} for i in range(101)])).status_code == 400


async def test_history_is_empty_for_closed_markets_and_capped_for_open_ones(http: httpx.AsyncClient) -> None:
    open_one = (await body(http, f"{GAMMA}/markets/keyset?closed=false&limit=1"))["markets"][0]
    closed = (await body(http, f"{GAMMA}/markets/keyset?closed=true&limit=1"))["markets"][0]
    token, gone = orjson.loads(open_one["clobTokenIds"])[0], orjson.loads(closed["clobTokenIds"])[0]
    history = (await body(http, f"{CLOB}/prices-history?market={token}&interval=1d&fidelity=60"))["history"]
    assert len(history) == 24
    assert (await body(http, f"{CLOB}/prices-history?market={gone}&interval=max&fidelity=60"))["history"] == []
    end = int(NOW.timestamp())
    long = await http.get(f"{CLOB}/prices-history?market={token}&startTs={end - 16 * 86400}&endTs={end}")
    assert long.status_code == 400


async def test_the_winner_is_the_same_everywhere(http: httpx.AsyncClient) -> None:
    closed = (await body(http, f"{GAMMA}/markets/keyset?closed=true&limit=1"))["markets"][0]
    clob = await body(http, f"{CLOB}/markets/{closed['conditionId']}")
    data = (await body(http, f"{DATA}/v2/resolutions?condition_id={closed['conditionId']}"))["data"]
    prices = orjson.loads(closed["outcomePrices"])
    assert data[0]["payouts"] == prices
    assert [token["winner"] for token in clob["tokens"]] == [price == "1" for price in prices]


async def test_faults_hit_one_venue_and_repeat_with_their_seed(http: httpx.AsyncClient) -> None:
    async def statuses() -> list[int]:
        await http.post("/control", json={"venue": "kalshi", "rate_429": 0.5, "seed": 4})
        return [(await http.get(f"{KALSHI}/exchange/status")).status_code for _ in range(20)]

    first = await statuses()
    assert set(first) == {200, 429}
    assert await statuses() == first
    await http.post("/control", json={"venue": "kalshi", "rate_429": 1})
    refused = await http.get(f"{KALSHI}/exchange/status")
    assert refused.content == b'{"error":"too many requests"}'
    assert "retry-after" not in refused.headers
    assert (await http.get(f"{GAMMA}/events/keyset?closed=false&limit=1")).status_code == 200


async def test_a_venue_can_be_down_send_rubbish_or_break_off(http: httpx.AsyncClient) -> None:
    path = f"{GAMMA}/events/keyset?closed=false&limit=1"
    await http.post("/control", json={"venue": "polymarket", "down": True})
    assert (await http.get(path)).status_code == 503
    for fault in ("garbage", "truncate"):
        await http.post("/control", json={"venue": "polymarket", "down": False, "garbage": 0, "truncate": 0, fault: 1})
        response = await http.get(path)
        assert response.status_code == 200
        with pytest.raises(orjson.JSONDecodeError):
            orjson.loads(response.content)
    assert (await http.post("/control", json={"venue": "elsewhere"})).status_code == 400


async def test_a_hanging_venue_answers_nothing(http: httpx.AsyncClient) -> None:
    await http.post("/control", json={"venue": "kalshi", "hang": 1})
    asking = asyncio.ensure_future(http.get(f"{KALSHI}/exchange/status"))
    await asyncio.wait([asking], timeout=0.05)
    assert not asking.done()
    asking.cancel()


def test_the_clock_follows_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CLOCK_START", "2026-11-22T13:00:00+01:00")
    monkeypatch.setenv("CLOCK_ORIGIN", "1000")
    monkeypatch.setenv("CLOCK_SPEED", "60")
    monkeypatch.setattr("time.time", lambda: 1001.0)
    assert clock_from_env()() == datetime(2026, 11, 22, 12, 1, tzinfo=UTC)


def test_the_server_serves_and_stops_on_sigterm(tmp_path: Path) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    truth = tmp_path / "truth.json"
    command = [sys.executable, "-m", "local.replay", "--port", str(port), "--truth", str(truth)]
    process = subprocess.Popen(command, env=os.environ | {"CLOCK_START": NOW.isoformat(), "CLOCK_SPEED": "0"})
    try:
        transport = httpx.HTTPTransport(retries=8)
        with httpx.Client(transport=transport, base_url=f"http://127.0.0.1:{port}", timeout=30) as http:
            assert http.get(f"{KALSHI}/exchange/status").json()["trading_active"] is True
        assert len(orjson.loads(truth.read_bytes())["pairs"]) >= 25
    finally:
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) == 0
