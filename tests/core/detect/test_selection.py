"""Selection takes the best of the expected, one a market, few an event, and says why it left the rest."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from hypothesis import given
from hypothesis import strategies as st

from core.detect.rates import Rate
from core.detect.selection import MOST_PER_EVENT, Scored, expected, scored, select, standing
from core.models import Pattern
from tests.core.agent.making import make_rate


def pattern(market: str, score: float, event: str | None = None) -> Pattern:
    return Pattern("kalshi", market, event, None, "price_jump", score, {})


def plain(*patterns: Pattern) -> list[Scored]:
    return scored(patterns, {})


def markets(found: Iterable[Scored]) -> list[str]:
    return [one.pattern.market_id for one in found]


def test_below_the_threshold_nothing_stands() -> None:
    found = plain(pattern("A", 49.9), pattern("B", 50))
    assert markets(standing(found, threshold=50, margin=10, before=set())) == ["B"]


def test_a_pattern_at_the_threshold_does_not_come_and_go() -> None:
    stood: set[tuple[str, str, str]] = set()
    seen = []
    for score in (48, 52, 48, 52, 45, 39, 45, 48, 51):
        found = standing(plain(pattern("A", score)), threshold=50, margin=10, before=stood)
        stood = {one.key for one in found}
        seen.append(bool(found))
    assert seen == [False, True, True, True, True, False, False, False, True]


def test_a_market_with_a_living_insight_is_not_told_again() -> None:
    selected, dropped = select(plain(pattern("A", 90)), most=10, alive={("kalshi", "A")})
    assert selected == []
    assert dropped == {"insight still alive": 1}


def test_ten_contracts_of_one_event_do_not_fill_the_page() -> None:
    found = plain(*(pattern(f"M{number}", 90 - number, "E") for number in range(10)))
    selected, dropped = select(found, most=10, alive=set())
    assert [one.market_id for one in selected] == ["M0", "M1"]
    assert dropped == {"event already selected": 8}


def test_insights_that_are_still_told_count_for_their_event() -> None:
    found = plain(*(pattern(f"M{number}", 90 - number, "E") for number in range(3)))
    selected, _ = select(found, most=10, alive=set(), told={("kalshi", "E"): MOST_PER_EVENT - 1})
    assert [one.market_id for one in selected] == ["M0"]


def test_a_proved_edge_comes_before_a_higher_score_without_one() -> None:
    edge = (make_rate(verdict="edge", shrunk_net=0.04),)
    found = scored([pattern("A", 70), pattern("B", 55)], {("kalshi", "B", "price_jump"): edge})
    assert markets(found) == ["B", "A"]
    assert found[0].expected == 100 - 45 * 0.5


def test_a_proved_disadvantage_takes_a_pattern_below_the_threshold() -> None:
    worse = (make_rate(verdict="adverse", lift_move=-0.04),)
    found = scored([pattern("A", 70)], {("kalshi", "A", "price_jump"): worse})
    assert standing(found, threshold=50, margin=10, before=set()) == []


@given(st.floats(0, 100), st.sampled_from([None, -0.2, -0.01, 0.0, 0.01, 0.2]))
def test_what_is_unproven_changes_no_score(score: float, value: float | None) -> None:
    unproven: tuple[Rate, ...] = (make_rate(shrunk_net=value, lift_move=value), make_rate(verdict="lift"))
    assert expected(score, unproven) == score


@given(st.floats(0, 100), st.floats(0.001, 0.5), st.floats(0.001, 0.5))
def test_more_edge_is_never_worth_less(score: float, one: float, more: float) -> None:
    low, high = sorted((one, more))
    worths = [expected(score, [make_rate(verdict="edge", shrunk_net=net)]) for net in (low, high)]
    assert score <= worths[0] <= worths[1] <= 100
    costs = [expected(score, [make_rate(verdict="adverse", lift_move=-loss)]) for loss in (low, high)]
    assert score >= costs[0] >= costs[1] >= 0


patterns = st.lists(
    st.builds(
        pattern,
        st.sampled_from("ABCDEFGH"),
        st.floats(0, 100),
        st.one_of(st.none(), st.sampled_from(["E1", "E2"])),
    )
)


@given(patterns, st.integers(0, 5))
def test_every_pattern_is_selected_or_counted(found: list[Pattern], most: int) -> None:
    selected, dropped = select(plain(*found), most=most, alive=set())
    assert len(selected) + dropped.total() == len(found)
    assert len(selected) <= most
    assert max(Counter(one.market_id for one in selected).values(), default=0) <= 1
    assert max(Counter(one.event_id for one in selected if one.event_id).values(), default=0) <= MOST_PER_EVENT
