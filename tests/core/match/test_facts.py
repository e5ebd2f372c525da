"""A title's facts are read the same however they are worded."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.match.facts import read_facts

CLOSE = datetime(2026, 12, 4, 5, tzinfo=UTC)


def numbers(title: str) -> set[Decimal]:
    return set(read_facts(title, CLOSE).numbers)


@pytest.mark.parametrize("title", ["Bitcoin above $150,000?", "Bitcoin above 150k?", "BTC above $150K", "over 0.15m"])
def test_a_number_is_one_number_in_every_spelling(title: str) -> None:
    assert numbers(title) == {Decimal(150_000)}


def test_before_a_date_is_by_the_day_before() -> None:
    before, by = read_facts("Cut before Dec 4, 2026?", CLOSE), read_facts("Cut by December 3, 2026?", CLOSE)
    assert before.dates == by.dates == {(2026, 12, 3)}


def test_before_the_first_of_a_month_is_the_last_of_the_one_before() -> None:
    assert read_facts("Signed before Mar 1, 2028?", CLOSE).dates == {(2028, 2, 29)}
    assert read_facts("Signed before January 1, 2027?", CLOSE).dates == {(2026, 12, 31)}


def test_may_the_verb_is_no_month() -> None:
    assert read_facts("Will Theresa may resign?", CLOSE).dates == frozenset()
    assert read_facts("Cut by May 5?", CLOSE).dates == {(0, 5, 5)}


def test_dates_and_years_are_not_numbers() -> None:
    assert numbers("Rate cut by December 9, 2026?") == set()
    assert numbers("Above 3.5% on 2026-12-09?") == {Decimal("3.5")}


def test_directions_and_negations_are_read() -> None:
    assert read_facts("Gold above $3,000?", CLOSE).direction == 1
    assert read_facts("Gold falls below $3,000?", CLOSE).direction == -1
    assert read_facts("No shutdown by June 1?", CLOSE).negated
    assert read_facts("Won’t it rain?", CLOSE).negated


def test_look_alike_letters_and_accents_compare_equal() -> None:
    assert read_facts("Viktor Orbán out?", CLOSE).words == read_facts("Viktor Orban out?", CLOSE).words
    assert read_facts("Ｂｉｔｃｏｉｎ ETF?", CLOSE).words == read_facts("Bitcoin ETF?", CLOSE).words


@given(st.text(max_size=300))
def test_any_text_at_all_can_be_read(title: str) -> None:
    read_facts(title, None)
    read_facts(title, CLOSE)


def test_impossible_days_are_kept_as_said() -> None:
    assert read_facts("before February 30, 2027?", CLOSE).dates == {(2027, 2, 30)}
