"""Selection takes the best, one a market, few an event, and says why it left the rest."""

from __future__ import annotations

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from core.detect.selection import MOST_PER_EVENT, select
from core.models import Pattern


def pattern(market: str, score: float, event: str | None = None) -> Pattern:
    return Pattern("kalshi", market, event, None, "price_jump", score, {})


def test_below_the_threshold_nothing_is_selected() -> None:
    selected, dropped = select([pattern("A", 49.9)], threshold=50, most=10, alive=set())
    assert selected == []
    assert dropped == {"score below threshold": 1}


def test_a_market_with_a_living_insight_is_not_told_again() -> None:
    selected, dropped = select([pattern("A", 90)], threshold=50, most=10, alive={("kalshi", "A")})
    assert selected == []
    assert dropped == {"insight still alive": 1}


def test_ten_contracts_of_one_event_do_not_fill_the_page() -> None:
    found = [pattern(f"M{number}", 90 - number, "E") for number in range(10)]
    selected, dropped = select(found, threshold=50, most=10, alive=set())
    assert [one.market_id for one in selected] == ["M0", "M1"]
    assert dropped == {"event already selected": 8}


patterns = st.lists(
    st.builds(
        pattern,
        st.sampled_from("ABCDEFGH"),
        st.floats(0, 100),
        st.one_of(st.none(), st.sampled_from(["E1", "E2"])),
    )
)


@given(patterns, st.floats(0, 100), st.integers(0, 5))
def test_every_pattern_is_selected_or_counted(found: list[Pattern], threshold: float, most: int) -> None:
    found.sort(key=lambda one: -one.score)
    selected, dropped = select(found, threshold=threshold, most=most, alive=set())
    assert len(selected) + dropped.total() == len(found)
    assert len(selected) <= most
    assert all(one.score >= threshold for one in selected)
    assert max(Counter(one.market_id for one in selected).values(), default=0) <= 1
    assert max(Counter(one.event_id for one in selected if one.event_id).values(), default=0) <= MOST_PER_EVENT
