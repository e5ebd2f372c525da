"""Whatever a venue says, a page is parsed: each row is a market or counted, and nothing impossible comes out."""

from __future__ import annotations

import math
from collections.abc import Iterator
from functools import cache
from typing import Any

import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from core.models import PLATFORMS, Market, Page, Platform
from core.venues import fields, kalshi, polymarket
from core.venues.contract import VENUES
from tests.conftest import NOW
from tests.core.wire import small_world

SURROGATES = st.sampled_from(["\ud800", "a\udfffb", "\x00", "x\x00y", "\ud83d", "‮", "é\u0301"])
SCALARS = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=20), SURROGATES,
    st.sampled_from([
        -1, 2, 1e300, 5e-324, math.nan, math.inf, "NaN", "sNaN", "Infinity", "1e400", "1e9999999", "1e-9999999",
        "0e-99999", "-0", "-0.0", "9" * 40, "0." + "3" * 60, 10**40, "0001-01-01T00:00:00Z", "2099-01-01T00:00:00Z",
        "99999-01-01T00:00:00Z", "9999-12-31T23:59:59-14:00", "0001-01-01T00:00:00+14:00", "T" * 1_000_000,
        "[", "[[", '["Yes"]', '["No", "Yes"]', '["1", "0"]', '["NaN", "0"]', "resolved", "finalized", "active",
    ]),
)  # fmt: skip
ANYTHING = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(st.text(max_size=5) | SURROGATES, inner, max_size=5),
    max_leaves=20,
)
HUGE = st.sampled_from("lsd").map(
    lambda kind: {"l": list(range(5_000)), "s": ["x"] * 5_000, "d": {str(n): n for n in range(5_000)}}[kind]
)


def nested(depth: int) -> Any:
    value: Any = []
    for _ in range(depth):
        value = [value]
    return value


ODD = ANYTHING | HUGE | st.sampled_from([5, 500, 900]).map(nested)


@cache
def real_rows(platform: Platform) -> tuple[bytes, ...]:
    """Listed events of the generated world, final markets among them, as JSON."""
    world = small_world()
    if platform == "kalshi":
        rows = [world.kalshi.event_body(row, NOW, nested=True) for row in world.kalshi.event_rows(NOW)]
    else:
        rows = [world.polymarket.event_body(row, NOW) for row in world.polymarket.event_rows(NOW)]
    return tuple(orjson.dumps(row) for row in rows)


def check(page: Page) -> None:
    for market in page.markets:
        check_market(market)
    for event in page.events:
        assert 0 < len(event.event_id) <= fields.ID_CHARS
        assert len(event.title) <= fields.TITLE_CHARS
        check_text(event.title, event.category, event.series)


def check_market(market: Market) -> None:
    terms, quote, outcome = market.terms, market.quote, market.outcome
    for price in (quote.price, quote.yes_price, quote.no_price, quote.last_price):
        assert price is None or 0 < price < 1
    assert outcome.payout is None or 0 <= outcome.payout <= 1
    for amount in (quote.volume, quote.volume_24h, quote.open_interest, quote.liquidity, quote.yes_size, quote.no_size):
        assert amount is None or 0 <= amount < 10**16
    if quote.yes_price is not None and quote.no_price is not None:
        assert quote.yes_price + quote.no_price >= 1
    assert 0 < len(market.market_id) <= fields.ID_CHARS + len("gamma-")
    assert len(terms.title) <= fields.TITLE_CHARS + 310
    assert len(terms.rules) <= fields.RULES_CHARS + 1_100
    assert -(2**63) <= market.terms_digest < 2**63
    check_text(terms.title, terms.rules, terms.category, terms.yes_label, terms.no_label, terms.url, terms.event_id)
    check_text(terms.yes_token, terms.no_token, terms.fee.kind if terms.fee else None)
    for time in (terms.open_time, terms.close_time, outcome.settled_at):
        assert time is None or time.tzinfo is not None
    if terms.fee:
        assert 0 <= terms.fee.rate <= 1
        assert terms.fee.rate == round(terms.fee.rate, 6)


def check_text(*texts: str | None) -> None:
    for text in texts:
        if text is not None:
            assert "\x00" not in text
            text.encode()  # no lone surrogate


@pytest.mark.parametrize("platform", PLATFORMS)
@given(body=ODD)
def test_no_body_is_too_odd_to_be_read(platform: Platform, body: Any) -> None:
    check(VENUES[platform].parse_page(body))


@pytest.mark.parametrize("platform", PLATFORMS)
@given(lists=st.dictionaries(st.sampled_from(["events", "markets", "market", "data", "id", "title", "cursor"]), ODD))
def test_no_list_of_a_body_is_too_odd_to_be_read(platform: Platform, lists: dict[str, Any]) -> None:
    check(VENUES[platform].parse_page(lists))


def places(value: Any, depth: int = 6) -> Iterator[tuple[Any, Any]]:
    """Every (container, key) in a JSON value, down to `depth`."""
    entries = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in list(entries)[:100]:
        yield value, key
        if depth:
            yield from places(inner, depth - 1)


@pytest.mark.parametrize("platform", PLATFORMS)
@settings(suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(data=st.data())
def test_each_row_of_a_broken_event_is_a_market_or_counted(platform: Platform, data: st.DataObject) -> None:
    rows = real_rows(platform)
    event = orjson.loads(rows[data.draw(st.integers(0, len(rows) - 1))])
    for _ in range(data.draw(st.integers(1, 6))):
        found = list(places(event))
        container, key = found[data.draw(st.integers(0, len(found) - 1))]
        container[key] = data.draw(ODD)
    page = VENUES[platform].parse_page({"events": [event]})
    check(page)
    markets = event.get("markets")
    listed = len(markets) if isinstance(markets, list) else 0
    assert len(page.markets) + page.skipped.total() >= listed
    assert len(page.markets) <= max(listed, 1)


@pytest.mark.parametrize("platform", PLATFORMS)
@settings(suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(data=st.data())
def test_fields_that_no_row_has_yet_change_nothing(platform: Platform, data: st.DataObject) -> None:
    rows = real_rows(platform)
    event = orjson.loads(rows[data.draw(st.integers(0, len(rows) - 1))])
    plain = VENUES[platform].parse_page({"events": [event]})
    for row in (event, *event["markets"]):
        row["brand_new"] = data.draw(ANYTHING)
    page = VENUES[platform].parse_page({"events": [event]})
    assert [m.terms_digest for m in page.markets] == [m.terms_digest for m in plain.markets]
    assert page.skipped == plain.skipped


@given(body=ODD | st.fixed_dictionaries({"orderbook": ODD}) | st.fixed_dictionaries({"bids": ODD, "asks": ODD}))
def test_no_book_is_too_odd_to_be_read(body: Any) -> None:
    for parse in (kalshi.parse_book, polymarket.parse_book):
        book = parse(body, "A", NOW)
        for level in (*book.yes_asks, *book.no_asks) if book else ():
            assert 0 < level.price < 1
            assert level.size > 0


ROWS = st.lists(st.fixed_dictionaries({}, optional=dict.fromkeys(("t", "p", "end_period_ts", "price", "volume"), ODD)))


@given(rows=ROWS | ODD)
def test_no_history_is_too_odd_to_be_read(rows: Any) -> None:
    candles = kalshi.parse_candles({"markets": [{"market_ticker": "A", "candlesticks": rows}]})
    for candle in candles + kalshi.parse_candles(rows) + polymarket.parse_candles({"history": rows}, "A"):
        assert candle.price is None or 0 < candle.price < 1
        assert candle.volume is None or candle.volume >= 0
