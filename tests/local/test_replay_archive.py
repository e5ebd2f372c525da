"""The replay's past: Kalshi's archive beside its live listings, and Polymarket's filters by what a market says."""

from datetime import datetime, timedelta
from typing import Any

import httpx
import pytest

from tests.local.replayed import GAMMA, KALSHI, NOW, body


async def every(http: httpx.AsyncClient, path: str) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = []
    cursor = ""
    while True:
        page = await body(http, f"{path}&cursor={cursor}")
        rows += page["markets"]
        cursor = page["cursor"]
        if not cursor:
            return rows


async def archive_after(http: httpx.AsyncClient, days: float) -> None:
    (await http.post("/control", json={"venue": "kalshi", "live_days": days})).raise_for_status()


async def test_a_market_is_in_the_listing_or_in_the_archive_by_when_it_settled(http: httpx.AsyncClient) -> None:
    before = await every(http, f"{KALSHI}/markets?limit=1000")
    await archive_after(http, 2)
    live = await every(http, f"{KALSHI}/markets?limit=70")
    archived = await every(http, f"{KALSHI}/historical/markets?limit=70")
    assert len(live) + len(archived) >= len(before)
    assert {row["ticker"] for row in live}.isdisjoint(row["ticker"] for row in archived)
    cutoff = (await body(http, f"{KALSHI}/historical/cutoff"))["market_settled_ts"]
    assert datetime.fromisoformat(cutoff) == NOW - timedelta(days=2)
    assert archived
    assert all(row["settlement_ts"] < cutoff for row in archived)
    assert all(row.get("settlement_ts", cutoff) >= cutoff for row in live)
    created = [row["created_time"] for row in archived]
    assert created == sorted(created, reverse=True)


async def test_what_is_archived_is_in_no_live_answer(http: httpx.AsyncClient) -> None:
    window = f"start_ts={int(NOW.timestamp()) - 5 * 86400}&end_ts={int(NOW.timestamp())}&period_interval=60"
    events = (await body(http, f"{KALSHI}/events?with_nested_markets=true&status=open&limit=200"))["events"]
    event, market = next((e, m) for e in events for m in e["markets"] if m["status"] == "finalized")
    ticker, name = market["ticker"], event["event_ticker"]
    await archive_after(http, 0)
    for path in (f"markets/{ticker}", f"series/{event['series_ticker']}/markets/{ticker}/candlesticks?{window}"):
        assert (await http.get(f"{KALSHI}/{path}")).status_code == 404
    assert (await body(http, f"{KALSHI}/markets?tickers={ticker}"))["markets"] == []
    assert (await body(http, f"{KALSHI}/markets/candlesticks?market_tickers={ticker}&{window}"))["markets"] == []
    for nested in (
        (await body(http, f"{KALSHI}/events?with_nested_markets=true&tickers={name}"))["events"][0]["markets"],
        (await body(http, f"{KALSHI}/events/{name}"))["markets"],
    ):
        assert nested
        assert ticker not in {row["ticker"] for row in nested}
    counted = (await body(http, "/control/inventory"))["kalshi"]
    assert counted["not_listed"]["archived"] > 0
    assert (await body(http, f"{KALSHI}/historical/markets/{ticker}"))["market"] == market
    found = (await body(http, f"{KALSHI}/historical/markets?tickers={ticker},NOPE&mve_filter=exclude"))["markets"]
    assert found == [market]
    assert (await every(http, f"{KALSHI}/historical/markets?event_ticker={name}&min_close_ts=9999999999"))[0]
    await http.post("/control", json={"reset": True})
    assert (await http.get(f"{KALSHI}/historical/markets/{ticker}")).status_code == 404
    assert (await http.get(f"{KALSHI}/historical/markets/{ticker}/candlesticks?{window}")).status_code == 404


async def test_archived_candles_are_the_live_ones_under_other_names(http: httpx.AsyncClient) -> None:
    window = f"start_ts={int(NOW.timestamp()) - 5 * 86400}&end_ts={int(NOW.timestamp())}&period_interval=60"
    settled = (await body(http, f"{KALSHI}/markets?status=settled&limit=1000"))["markets"]
    ticker = max(settled, key=lambda row: float(row["volume_fp"]))["ticker"]
    (live,) = (await body(http, f"{KALSHI}/markets/candlesticks?market_tickers={ticker}&{window}"))["markets"]
    await archive_after(http, 0)
    archived = await body(http, f"{KALSHI}/historical/markets/{ticker}/candlesticks?{window}")
    assert archived["ticker"] == ticker
    assert len(archived["candlesticks"]) == len(live["candlesticks"]) > 0
    for old, new in zip(archived["candlesticks"], live["candlesticks"], strict=True):
        assert old.keys() == {"end_period_ts", "yes_bid", "yes_ask", "price", "volume", "open_interest"}
        assert old["yes_bid"].keys() == {"open", "low", "high", "close"}
        assert old["price"].keys() == {"open", "low", "high", "close", "mean", "previous"}
        assert (old["volume"], old["yes_ask"]["close"]) == (new["volume_fp"], new["yes_ask"]["close_dollars"])


@pytest.mark.parametrize(
    "query", ["limit=1001", "limit=0", "tickers=A&event_ticker=B", "series_ticker=A&tickers=B", "mve_filter=only"]
)
async def test_the_archive_refuses_what_the_venue_refuses(http: httpx.AsyncClient, query: str) -> None:
    assert (await http.get(f"{KALSHI}/historical/markets?{query}")).status_code == 400


async def test_gamma_markets_can_be_asked_by_end_and_volume(http: httpx.AsyncClient) -> None:
    async def closed(query: str = "") -> list[dict[str, Any]]:
        rows: list[dict[str, Any]] = []
        cursor = ""
        while True:
            page = await body(http, f"{GAMMA}/markets/keyset?closed=true&limit=100{query}{cursor}")
            rows += page["markets"]
            if "next_cursor" not in page:
                return rows
            cursor = f"&after_cursor={page['next_cursor']}"

    everything = await closed()
    middle = sorted(row["volumeNum"] for row in everything)[len(everything) // 2]
    assert await closed(f"&volume_num_min={middle}") == [row for row in everything if row["volumeNum"] >= middle]
    assert await closed(f"&volume_num_max={middle}") == [row for row in everything if row["volumeNum"] <= middle]
    end = sorted(row["endDate"] for row in everything)[len(everything) // 3]
    later = [row for row in everything if row["endDate"] >= end]
    assert await closed(f"&end_date_min={end}") == later
    assert await closed(f"&end_date_min={end}&end_date_max={end}") == [row for row in later if row["endDate"] == end]
    assert 0 < len(later) < len(everything)
    assert (await http.get(f"{GAMMA}/markets/keyset?closed=true&end_date_min=soon")).status_code == 422
