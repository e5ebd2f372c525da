"""Titles tell which markets are rungs of one ladder, and in which order; what they do not tell is no ladder."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import numpy as np
import pytest

from core.detect.ladders import Ladders, ladders

CLOSE = datetime(2026, 12, 31, tzinfo=UTC)


def found(*titles: str, exclusive: bool = False, close: datetime | None = CLOSE, events: Any = None) -> Ladders:
    numbers = np.zeros(len(titles), dtype=np.int64) if events is None else np.array(events)
    return ladders(titles, numbers, np.full(len(titles), exclusive), [close] * len(titles))


@pytest.mark.parametrize(
    "titles",
    [
        ("Will inflation be above 1.8%?", "Will inflation be above 2.0%?"),
        ("Bitcoin price on Nov 22? — $91,000 or above", "Bitcoin price on Nov 22? — $91,250 or above"),
        ("Deliveries above 20 thousand on Dec 31?", "Deliveries above 25 thousand on Dec 31?"),
        ("Market cap above $900 billion?", "Market cap above $1.1 trillion?"),
        ("Will it fall below 30?", "Will it fall below 20?"),
    ],
)
def test_the_harder_amount_is_the_higher_rung(titles: tuple[str, str]) -> None:
    told = found(*titles)
    assert told.ladder[0] == told.ladder[1] >= 0
    assert told.rung[0] < told.rung[1]
    assert not told.dated.any()


def test_the_earlier_date_is_the_harder_rung() -> None:
    told = found("Out as minister before Jan 4, 2027?", "Out as minister before Dec 4, 2026?")
    assert told.ladder[0] == told.ladder[1] >= 0
    assert told.rung[0] < told.rung[1]
    assert told.dated.all()


def test_a_date_without_its_year_is_the_one_nearest_to_the_close() -> None:
    told = found("Released by January 15?", "Released by December 15?")
    assert told.rung[0] < told.rung[1], "January comes after this December"
    assert (found("Released by January 15?", "Released by December 15?", close=None).ladder == -1).all()


@pytest.mark.parametrize(
    "titles",
    [
        ("Will A win?", "Will B win?"),
        ("Inflation above 2%?", "Unemployment above 4%?"),
        ("Inflation above 2%?", "Inflation below 1%?"),
        ("Inflation above 2%?", "Inflation above 2%?"),
        ("Between 10 and 20?", "Between 20 and 30?"),
        ("Above 10 but below 20?", "Above 20 but below 30?"),
        ("Out by Feb 30, 2027?", "Out by Feb 31, 2027?"),
    ],
)
def test_titles_that_differ_in_more_or_tell_no_order_are_no_ladder(titles: tuple[str, str]) -> None:
    assert (found(*titles).ladder == -1).all()


def test_outcomes_that_exclude_each_other_and_markets_of_other_events_are_no_ladder() -> None:
    titles = ("Will inflation be above 1.8%?", "Will inflation be above 2.0%?")
    assert (found(*titles, exclusive=True).ladder == -1).all()
    assert (found(*titles, events=[0, 1]).ladder == -1).all()
    assert found().ladder.shape == (0,)
