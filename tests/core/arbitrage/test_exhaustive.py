"""All YES pays only where one of the outcomes must win: what proves that, and what only looks like it."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.arbitrage.exhaustive import Range, gap, halved, proof, range_of
from core.arbitrage.wording import Wording

ONE_WINS = "Exactly one outcome of this event resolves to Yes."


def less(cap: str, rules: str = "") -> Wording:
    return Wording(rules, strike_type="less", cap=Decimal(cap), unsettled=3)


def between(floor: str, cap: str, rules: str = "") -> Wording:
    return Wording(rules, strike_type="between", floor=Decimal(floor), cap=Decimal(cap), unsettled=3)


def greater(floor: str, rules: str = "", *, equal: bool = False) -> Wording:
    kind = "greater_or_equal" if equal else "greater"
    return Wording(rules, strike_type=kind, floor=Decimal(floor), unsettled=3)


def proves(*outcomes: Wording) -> bool:
    because, lacking = proof(outcomes)
    assert (because is None) == bool(lacking)
    return because is not None


def test_a_non_exhaustive_sum_below_one_is_no_bundle() -> None:
    """Two names whose YES cost 30 and 40 cents are no 30 cents of gain: somebody else may win."""
    assert proof([Wording("Resolves to Yes if Ann wins.", unsettled=2)] * 2) == (
        None,
        "nothing proves that one of these outcomes must win",
    )


def test_a_list_that_the_venue_may_add_to_is_never_whole() -> None:
    augmented = Wording(ONE_WINS, exhaustive=False, unsettled=2)
    assert not proves(augmented, augmented)


def test_rules_that_say_that_exactly_one_wins_prove_it_when_none_is_missing() -> None:
    assert proves(Wording(ONE_WINS, unsettled=2), Wording(ONE_WINS, unsettled=2))
    assert not proves(Wording(ONE_WINS, unsettled=3), Wording(ONE_WINS, unsettled=3))
    assert not proves(Wording(ONE_WINS, unsettled=2), Wording("Something else.", unsettled=2))


def test_the_venues_own_word_proves_it_when_none_is_missing() -> None:
    assert proves(Wording("", exhaustive=True, unsettled=2), Wording("", exhaustive=True, unsettled=2))
    assert not proves(Wording("", exhaustive=True, unsettled=3), Wording("", exhaustive=True, unsettled=3))


def test_ranges_prove_it_when_they_leave_no_number_out() -> None:
    assert proves(less("30"), between("30", "32"), greater("32"))
    assert not proves(less("30"), between("30.01", "32"), greater("32"))
    assert not proves(between("30", "32"), greater("32"))
    assert not proves(less("30"), between("30", "32"))
    assert not proves(less("30"), greater("30"))
    assert proves(less("30"), greater("30", equal=True))


def test_between_whole_degrees_there_is_nothing_where_the_rules_say_that_they_are_whole() -> None:
    whole = "The temperature is reported in whole degrees."
    ranges = (between("30", "31"), between("32", "33"))
    assert proof([less("30"), *ranges, greater("33")]) == (None, "nothing pays between 31 and 32")
    assert proves(less("30", whole), between("30", "31", whole), between("32", "33", whole), greater("33", whole))


def test_an_open_end_is_told() -> None:
    assert proof([between("1", "2"), greater("2")])[1] == "nothing pays below the lowest range"
    assert proof([less("1"), between("1", "2")])[1] == "nothing pays above the highest range"


@pytest.mark.parametrize(
    "odd",
    [
        Wording("", strike_type="custom", floor=Decimal(1)),
        Wording("", strike_type="greater"),
        Wording("", strike_type="between", floor=Decimal(2), cap=Decimal(1)),
        Wording("", strike_type="less", floor=Decimal(1), cap=Decimal(2)),
        Wording("", floor=Decimal(1)),
    ],
)
def test_strikes_that_do_not_say_a_range_are_none(odd: Wording) -> None:
    assert range_of(odd) is None


edges = st.integers(0, 12).map(Decimal)
ranges = st.lists(
    st.one_of(
        st.tuples(st.none(), st.just(False), edges, st.booleans()),
        st.tuples(edges, st.booleans(), st.none(), st.just(False)),
        st.tuples(edges, st.just(True), edges, st.just(True)).filter(lambda r: r[0] <= r[2]),
    ),
    min_size=1,
    max_size=6,
)


@given(ranges, st.sampled_from([Decimal(0), Decimal(1)]))
def test_where_no_gap_is_found_every_value_falls_into_a_range(found: list[Range], step: Decimal) -> None:
    if gap(found, step) is not None:
        return
    for value in (Decimal(n) / 4 for n in range(-8, 64, 4 if step else 1)):
        assert any(
            (low is None or value > low or (value == low and low_in))
            and (high is None or value < high or (value == high and high_in))
            for low, low_in, high, high_in in found
        ), value


@given(st.integers(2, 12), st.booleans())
def test_all_no_of_a_list_that_is_paid_half_when_void_is_refused_where_that_is_less(outcomes: int, said: bool) -> None:
    void = " If it is cancelled, the market resolves 50-50." if said else ""
    refused = halved([Wording(f"If {n} wins, Yes.{void}") for n in range(outcomes)])
    pays_when_void = Decimal(outcomes) / 2
    assert (refused is None) == (not said or pays_when_void >= outcomes - 1)
