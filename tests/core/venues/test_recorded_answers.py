"""Every market of every recorded answer is parsed or counted under a reason."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson
import pytest

from core.models import Market, MarketStatus, Page
from core.venues import kalshi, polymarket
from tests.conftest import RECORDED, needs_recorded

pytestmark = needs_recorded


def bodies(venue: str) -> Iterator[tuple[Path, Any]]:
    for path in sorted((RECORDED / venue).glob("*.json")):
        body = orjson.loads(path.read_bytes())
        yield path, body["response"] if isinstance(body, dict) and "_metadata" in body else body


def market_rows(body: Any, key: str) -> int:
    """Objects anywhere in the body that are markets by the look of their keys."""
    if isinstance(body, list):
        return sum(market_rows(item, key) for item in body)
    if not isinstance(body, dict):
        return 0
    return ((key in body and "status" in body) or (key in body and "outcomes" in body)) + sum(
        market_rows(value, key) for name, value in body.items() if name not in ("events", "trades") or "id" not in body
    )


def parsed(venue: str) -> list[Market]:
    module = {"kalshi": kalshi, "polymarket": polymarket}[venue]
    return [market for _, body in bodies(venue) for market in module.parse_page(body).markets]


@pytest.mark.parametrize(("venue", "key"), [("kalshi", "ticker"), ("polymarket", "conditionId")])
def test_no_market_row_is_lost_without_a_reason(venue: str, key: str) -> None:
    module = {"kalshi": kalshi, "polymarket": polymarket}[venue]
    for path, body in bodies(venue):
        page: Page = module.parse_page(body)
        rows = market_rows(body, key)
        assert len(page.markets) + page.skipped.total() >= rows, path.name
        assert len(page.markets) <= rows, path.name


def test_finalized_kalshi_markets_keep_their_payout() -> None:
    final = [market for market in parsed("kalshi") if market.status is MarketStatus.FINAL]
    assert Counter(market.outcome.result for market in final) == {"no": 154, "yes": 33, "scalar": 11}
    assert all(market.outcome.payout is not None for market in final)


def test_scalar_settlements_keep_their_fraction() -> None:
    payouts = {
        market.market_id: market.outcome.payout for market in parsed("kalshi") if market.outcome.result == "scalar"
    }
    assert len(payouts) == 11
    assert all(payout is not None and 0 < payout < 1 for payout in payouts.values())


def test_active_markets_carry_null_where_there_is_no_quote() -> None:
    raw = {
        row["ticker"]: row
        for _, body in bodies("kalshi")
        for event in (body if isinstance(body, list) else body.get("events") or [])
        for row in event.get("markets") or []
    }
    open_markets = [market for market in parsed("kalshi") if market.status is MarketStatus.OPEN]
    unquoted = 0
    for market in open_markets:
        row = raw.get(market.market_id)
        if row and row["yes_bid_dollars"] == "0.0000":
            assert market.quote.no_price is None, market.market_id
            unquoted += 1
        if row and row["yes_ask_dollars"] in ("0.0000", "1.0000"):
            assert market.quote.yes_price is None, market.market_id
        if row and row["last_price_dollars"] == "0.0000":
            assert market.quote.last_price is None, market.market_id
        for price in (market.quote.price, market.quote.yes_price, market.quote.no_price):
            assert price is None or 0 < price <= 1
    assert unquoted > 0


def test_disputed_polymarket_markets_have_no_outcome() -> None:
    disputed = [m for m in parsed("polymarket") if m.terms.raw.get("umaResolutionStatus") == "disputed"]
    assert len(disputed) == 4
    assert all(m.outcome.result is None and m.outcome.payout is None for m in disputed)


def test_resolved_polymarket_markets_pay_what_the_oracle_said() -> None:
    resolved = [m for m in parsed("polymarket") if m.terms.raw.get("umaResolutionStatus") == "resolved"]
    assert len(resolved) == 224
    for market in resolved:
        said = orjson.loads(market.terms.raw["outcomePrices"])
        assert str(market.outcome.payout.normalize()) == said[0] if market.outcome.payout is not None else False


def test_year_one_is_how_unknown_times_are_said() -> None:
    nested = [m for m in parsed("kalshi") if str(m.terms.raw.get("created_time", "")).startswith("0001")]
    assert len(nested) == 763
    assert all(m.terms.close_time is None or m.terms.close_time.year > 2000 for m in nested)
