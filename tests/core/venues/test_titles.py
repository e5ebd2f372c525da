"""A Kalshi title tells its market apart from its siblings, and is the same whichever listing showed the row."""

from __future__ import annotations

from collections import Counter
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.venues import fields, kalshi
from tests.conftest import RECORDED, needs_recorded


def row_of(title: Any, label: Any, **more: Any) -> dict[str, Any]:
    return {"ticker": "KX-1", "event_ticker": "KX", "status": "active", "title": title, "yes_sub_title": label} | more


def titles(row: dict[str, Any], event_title: str) -> tuple[str, str]:
    """As /events shows the row, nested, and as /markets does."""
    nested = kalshi.parse_page({"events": [{"event_ticker": "KX", "title": event_title, "markets": [row]}]})
    alone = kalshi.parse_page({"markets": [row]})
    return nested.markets[0].terms.title, alone.markets[0].terms.title


@pytest.mark.parametrize(
    ("title", "label", "expected"),
    [
        ("Egypt vs IR Iran Winner?", "Tie", "Egypt vs IR Iran Winner? — Tie"),
        ("Egypt vs IR Iran Winner?", "Egypt", "Egypt vs IR Iran Winner? — Egypt"),
        ("Los Angeles at Boston Winner?", "Boston", "Los Angeles at Boston Winner? — Boston"),
        ("Who will lead Iran?", "Reza Pahlavi", "Who will lead Iran? — Reza Pahlavi"),
        ("Bitcoin price on Jul 25, 2026?", "$74,300 or above", "Bitcoin price on Jul 25, 2026? — $74,300 or above"),
        ("A deal this year?", "Before 2027", "A deal this year? — Before 2027"),
        ("Will Jordan win the Cup?", "Jordan", "Will Jordan win the Cup?"),
        ("Will the winner be Jordan?", "Jordan", "Will the winner be Jordan?"),
        ("Cut before Aug 1, 2026?", "Before August 1, 2026", "Cut before Aug 1, 2026?"),
        ("At least 400000 album sales?", "At least 400,000 albums", "At least 400000 album sales?"),
        ("Will it rain?", "Yes", "Will it rain?"),
        ("Will it rain?", "", "Will it rain?"),
        ("", "Jordan", "Jordan"),
        ("", "", "KX-1"),
    ],
)
def test_the_label_is_in_the_title_where_the_title_does_not_tell_what_yes_means(
    title: str, label: str, expected: str
) -> None:
    assert titles(row_of(title, label), "Something else") == (expected, expected)
    assert titles(row_of(title, label), title) == (expected, expected)


def test_a_row_without_a_title_is_called_by_its_rules() -> None:
    row = row_of(None, "Egypt", rules_primary="If Egypt beats Iran, then the market resolves to Yes.")
    assert titles(row, "Egypt vs Iran") == (row["rules_primary"], row["rules_primary"])


@given(
    st.text("abvs WwilhoABC?0129—@", max_size=30) | st.text(max_size=1_200), st.text("abAB 01", max_size=8), st.text()
)
def test_a_row_has_one_title_in_either_listing(title: str, label: str, event_title: str) -> None:
    nested, alone = titles(row_of(title, label), event_title)
    assert nested == alone
    assert len(nested) <= fields.TITLE_CHARS


@needs_recorded
def test_no_two_recorded_markets_of_one_event_share_a_title() -> None:
    seen: dict[str, tuple[str | None, str]] = {}
    for path in sorted((RECORDED / "kalshi").glob("*.json")):
        body = orjson.loads(path.read_bytes())
        body = body["response"] if isinstance(body, dict) and "_metadata" in body else body
        for market in kalshi.parse_page(body).markets:
            seen[market.market_id] = (market.terms.event_id, market.terms.title.casefold())
            alone = kalshi.parse_page({"markets": [market.terms.raw]}).markets[0]
            assert alone.terms.title == market.terms.title
    assert len(seen) == 776
    assert max(Counter(seen.values()).values()) == 1
