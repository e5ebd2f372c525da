"""Links lead to the market's own page, are built of names only, and are unknown rather than wrong."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from core.models import Market
from core.venues import kalshi, polymarket
from core.venues.links import is_market_url, kalshi_url, polymarket_url
from tests.conftest import needs_recorded
from tests.core.venues.test_recorded_answers import bodies

HOSTILE = [
    "",
    ".",
    "..",
    "a/b",
    "a?b",
    "a#b",
    "a b",
    "a%2e",
    "@evil.example",
    "a\n",
    "é",
    '"onmouseover="x',
    "<b>",
    "javascript:x",
    "a" * 1_001,
]


def rows(
    body: Any, key: str, event: dict[str, Any] | None = None
) -> list[tuple[dict[str, Any], dict[str, Any] | None]]:
    """Every market in the body with the event around it or in it."""
    if isinstance(body, list):
        return [found for part in body for found in rows(part, key, event)]
    if not isinstance(body, dict):
        return []
    if key in body and ("outcomes" in body or "status" in body):
        inner = body.get("events") or [event]
        return [(body, inner[0])]
    around = body if "markets" in body and ("slug" in body or "series_ticker" in body) else None
    return [found for part in body.values() for found in rows(part, key, around)]


def linked(market: Market) -> str:
    assert market.terms.url is not None
    assert is_market_url(market.terms.url)
    return urlsplit(market.terms.url).path


@needs_recorded
def test_a_link_to_polymarket_names_the_event_and_ends_with_what_the_venue_finds_the_market_by() -> None:
    """As the venue's own SDK reads such an address: the last name is the market's slug, or its event's."""
    checked = 0
    for path, body in bodies("polymarket"):
        told = {row["conditionId"]: (row, event) for row, event in rows(body, "conditionId") if row["conditionId"]}
        for market in polymarket.parse_page(body).markets:
            row, event = told.get(market.market_id, (None, None))
            if row is None:
                continue
            if event is None or not event.get("slug"):
                assert market.terms.url is None, path.name
                continue
            names = linked(market).split("/")[2:]
            assert names == list(dict.fromkeys([event["slug"], row["slug"]])), path.name
            checked += 1
    assert checked > 300


@needs_recorded
def test_a_link_to_kalshi_names_the_series_and_the_event_of_the_market() -> None:
    checked = 0
    for path, body in bodies("kalshi"):
        told = {row["ticker"]: (row, event) for row, event in rows(body, "ticker")}
        for market in kalshi.parse_page(body).markets:
            row, event = told[market.market_id]
            if event is None:  # whose series is not told, and cannot be read off a ticker: some have a dash in them
                assert market.terms.url is None, path.name
                continue
            series, event_id = event["series_ticker"].lower(), row["event_ticker"].lower()
            assert linked(market) == f"/markets/{series}/event/{event_id}", path.name
            checked += 1
    assert checked > 700


@pytest.mark.parametrize("text", HOSTILE)
def test_what_is_no_name_makes_no_link(text: str) -> None:
    assert kalshi_url(text, "KXFED-26DEC") is None
    assert kalshi_url("KXFED", text) is None
    assert polymarket_url(text, "fed") is None
    assert polymarket_url("fed-decision", text) == "https://polymarket.com/event/fed-decision"


def test_what_is_unknown_makes_no_link() -> None:
    assert kalshi_url(None, "KXFED-26DEC") is None
    assert kalshi_url("KXFED", None) is None
    assert polymarket_url(None, "fed") is None
    assert polymarket_url("fed", None) == "https://polymarket.com/event/fed"


@given(st.text(max_size=30), st.text(max_size=30))
@example("KXFED", "KXFED-26DEC")
def test_whatever_is_made_stays_on_the_venue_and_is_known_again(first: str, second: str) -> None:
    for url, host in ((kalshi_url(first, second), "kalshi.com"), (polymarket_url(first, second), "polymarket.com")):
        if url is not None:
            parts = urlsplit(url)
            assert (parts.scheme, parts.netloc, parts.query, parts.fragment) == ("https", host, "", "")
            assert is_market_url(url)


@pytest.mark.parametrize(
    "url",
    [
        "http://kalshi.com/markets/kxfed/event/kxfed-26dec",
        "https://kalshi.com.evil.example/markets/kxfed/event/kxfed-26dec",
        "https://kalshi.com@evil.example/markets/kxfed/event/kxfed-26dec",
        "https://evil.example/https://kalshi.com/markets/kxfed/event/kxfed-26dec",
        "https://kalshi.com:444/markets/kxfed/event/kxfed-26dec",
        "https://kalshi.com/markets/kxfed",
        "https://kalshi.com/markets/kxfed/event/../../account",
        "https://polymarket.com/market/fed",
        "https://polymarket.com",
        "https://polymarket.com/event/fed?next=//evil.example",
        "https://polymarket.com/event/fed\n",
        " https://polymarket.com/event/fed",
        "javascript:alert(1)//https://polymarket.com/event/fed",
        "//polymarket.com/event/fed",
        "https://example.com",
        "",
    ],
)
def test_what_is_not_made_here_is_no_link(url: str) -> None:
    assert not is_market_url(url)
