"""A title's facts are read the same however they are worded, and never the same where they say something else."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.match.facts import Day, read_facts

CLOSE = datetime(2026, 12, 4, 5, tzinfo=UTC)


def words(title: str) -> tuple[str, ...]:
    return read_facts(title, CLOSE).words


def dates(title: str) -> tuple[Day, ...]:
    return read_facts(title, CLOSE).dates


# Amounts


@pytest.mark.parametrize(
    "said",
    [
        ("above $150,000", "above $150k", "over $150K", "more than $0.15m", "exceeds US$150 thousand"),
        ("at least 3", "3 or more", "3+", "≥3", "no fewer than 3", "3 or higher"),
        ("at most 3", "3 or fewer", "≤ 3", "3 or below", "no more than 3"),
        ("50 basis points", "50 bps", "50bps", "50.0 bps"),
        ("5%", "5.0 percent", "5 per cent", "5.00%"),
        ("-3°F", "−3 °F", "minus 3 degrees Fahrenheit", "negative 3°F"),
        ("-$3", "$-3", "−$3.00"),
        ("25-50 bps", "25–50 bps", "25 to 50 bps", "25bps-50bps"),
        ("$3-5 billion", "$3B to $5B", "$3bn–$5bn"),
        ("reaches $5", "hits $5", "touches $5"),
    ],
    ids=lambda said: said[0],
)
def test_an_amount_is_one_amount_in_every_spelling(said: tuple[str, ...]) -> None:
    assert len({words(f"US {spelling} gap") for spelling in said}) == 1, [words(spelling) for spelling in said]


@pytest.mark.parametrize(
    "said",
    [
        ("3", "-3", "3%", "-3%", "$3", "€3", "3°", "3°F", "3°C", "3 bps", "3 pp", "3¢", "3k", "3m", "3bn"),
        ("3", "at least 3", "more than 3", "at most 3", "less than 3", "exactly 3"),
        ("25-50 bps", "25 bps", "50 bps", "25-50", "25-75 bps", "-25 to 50 bps"),
        ("1.5", "15", "1,500", "1 500", "1,50"),
        ("10²", "102", "10^2"),
        ("9007199254740993000000000000000000001", "9007199254740993000000000000000000002"),
        ("hits 3", "reaches 3"),  # a ship hits three others, or reaches them
    ],
    ids=lambda said: said[0],
)
def test_sign_value_unit_scale_and_bound_each_make_another_amount(said: tuple[str, ...]) -> None:
    assert len({words(f"gap {spelling}") for spelling in said}) == len(said), [words(spelling) for spelling in said]


def test_digits_in_a_name_are_part_of_it() -> None:
    assert words("Q3 G7 76ers 4th GPT-6") == ("q3", "g7", "76ers", "4th", "gpt", "6")


# Words


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Viktor Orbán out?", "Viktor Orban out?"),
        ("Ｂｉｔｃｏｉｎ ETF?", "BTC ETF"),
        ("Will Trump pardon Maxwell?", "Trump pardons Maxwell"),
        ("Will the U.S. strike Iran?", "United States strikes Iran"),
        ("Will Ocasio‑Cortez run?", "\u202aOcasio-Cortez runs"),
        ("Will A’ja win?", "A'ja wins"),
        ("Netanyahu won’t resign", "Netanyahu will not resign"),
        ("Will Vance be the Republican nominee?", "Will Vance win the Republican nomination?"),
    ],
)
def test_what_only_looks_different_is_the_same(one: str, other: str) -> None:
    assert words(one) == words(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Will Maxwell be pardoned?", "Will Maxwell pardon?"),
        ("Will Browns win?", "Will Brown win?"),
        ("Who wins Group A?", "Who wins group?"),
        ("Путин уйдёт?", "Трамп уйдёт?"),
        ("C++ or not?", "C# or not?"),
        ("#1 hit?", "1 hit?"),
    ],
)
def test_what_only_looks_the_same_is_different(one: str, other: str) -> None:
    assert words(one) != words(other)


# Dates and times


def test_before_a_date_is_by_the_day_before() -> None:
    assert dates("Cut before Dec 4, 2026?") == dates("Cut by December 3, 2026?") == (Day("by", 2026, 12, 3),)
    assert dates("Cut before 2027?") == dates("Cut by the end of 2026?") == dates("Cut before January 1, 2027?")
    assert dates("Cut before 1 March 2028?") == (Day("by", 2028, 2, 29),)


def test_by_on_after_and_through_a_date_are_four_bets() -> None:
    said = {dates(f"Rain {when} Dec 3?") for when in ("by", "on", "after", "through", "before", "since")}
    assert len(said) == 6


def test_a_range_has_a_start_and_an_end() -> None:
    whole = (Day("from", 2026, 12, 1), Day("through", 2026, 12, 7))
    for title in ("Rain from Dec 1 to Dec 7?", "Rain Dec 1–7, 2026?", "Rain between December 1st and 7 December?"):
        assert dates(title) == whole, title


def test_a_year_that_is_not_said_is_the_closing_times_where_they_are_near() -> None:
    assert dates("Cut by January 2?") == (Day("by", 2027, 1, 2),)
    assert dates("Cut by May 5?") == (Day("by", 0, 5, 5),)
    assert read_facts("Cut by December 3?", None).dates == (Day("by", 0, 12, 3),)
    assert dates("Cut by May 5, 2031?") == (Day("by", 2031, 5, 5),)


def test_a_month_is_a_date_only_where_it_must_be_one() -> None:
    assert dates("Will Theresa may resign, or protesters march on Mar-a-Lago?") == ()
    assert dates("Cut in May 2027?") == (Day("on", 2027, 5, 0),)
    assert dates("before February 30, 2027?") == (Day("before", 2027, 2, 30),)


def test_a_year_that_stands_alone_is_kept_apart_and_once() -> None:
    assert read_facts("Who wins the 2028 election?", CLOSE).years == (2028,)
    assert read_facts("Who wins the 2026 election by Dec 3, 2026?", CLOSE).years == ()
    assert words("Above 3.5% on 2026-12-09?") == words("Above 3.5% on Dec 9?")


def test_times_of_day_keep_their_zone() -> None:
    assert words("Up at 4pm EDT?") == words("Up at 4:00 PM EDT?") != words("Up at 4pm?")
    assert len({words(f"Up at {time}?") for time in ("5pm EDT", "5pm ET", "5am ET", "11am ET", "17:30 ET")}) == 5


# Labels


def test_a_label_is_read_where_the_title_does_not_hold_it() -> None:
    named = read_facts("Who will be the next Pope?", CLOSE, "Pietro Parolin")
    assert named.words[-2:] == ("pietro", "parolin")
    assert read_facts("Bitcoin on Dec 3?", CLOSE, "$150,000 or above").words[-1] == ">=150000$"
    held = "Will Pietro Parolin be Pope before Dec 4, 2026?"
    assert read_facts(held, CLOSE, "Pietro Parolin") == read_facts(held, CLOSE, "Before Dec 4, 2026")
    assert read_facts(held, CLOSE, "Before Jan 1, 2027") != read_facts(held, CLOSE)


@given(st.text(max_size=300), st.text(max_size=40))
def test_any_text_at_all_can_be_read(title: str, label: str) -> None:
    for close_time in (None, CLOSE, datetime(9999, 12, 31, tzinfo=UTC), datetime(1, 1, 1, tzinfo=UTC)):
        facts = read_facts(title, close_time, label)
        assert len(facts.words) == len(facts.links)


@given(st.text("−-+$%°.,:/()0123456789 kmbt–tofrgep'maye20", max_size=60))
def test_any_amounts_and_dates_can_be_read(title: str) -> None:
    read_facts(title, CLOSE)
