"""Priced by titles alone is only what says the same words in the same order: any one thing said otherwise refuses."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.match.facts import read_facts
from core.match.gate import exact_refusals

CLOSE = datetime(2026, 12, 4, 5, tzinfo=UTC)


def refusals(
    kalshi_title: str,
    polymarket_title: str,
    closes: tuple[datetime | None, datetime | None] = (CLOSE, CLOSE),
    yes_label: str = "Yes",
) -> list[str]:
    return exact_refusals(read_facts(kalshi_title, closes[0], yes_label), read_facts(polymarket_title, closes[1]))


def is_same(kalshi_title: str, polymarket_title: str) -> bool:
    found = not refusals(kalshi_title, polymarket_title)
    assert found == (not refusals(polymarket_title, kalshi_title))
    return found


@pytest.mark.parametrize(
    ("kalshi_title", "polymarket_title"),
    [
        ("Will Bitcoin reach $150,000 before Dec 4, 2026?", "Bitcoin hits $150k by December 3?"),
        ("Will the Fed cut rates by 25 basis points before 2027?", "Fed cuts rates by 25 bps by end of 2026?"),
        ("Will it rain in Oslo from Dec 1 to Dec 7?", "Will it rain in Oslo Dec 1–7, 2026?"),
        ("Will Vance be the Republican nominee in 2028?", "Will Vance win the 2028 Republican nomination?"),
        ("Will Flow win at the 2025 Oscars?", "Will 'Flow' win at the Oscars?"),
    ],
)
def test_the_same_bet_in_each_venues_words_is_found(kalshi_title: str, polymarket_title: str) -> None:
    assert is_same(kalshi_title, polymarket_title)


@pytest.mark.parametrize(
    ("kalshi_title", "polymarket_title", "why"),
    [
        (
            "Will gold be above $3,000 by Dec 3?",
            "Will gold be above $3,100 by Dec 3?",
            "words differ: >3000$ and >3100$",
        ),
        ("Will Bitcoin reach $150,000 before Dec 4, 2026?", "Bitcoin hits $150k by December 4?", "dates differ"),
        ("Will the Lakers beat the Celtics?", "Will the Celtics beat the Lakers?", "in another order"),
        ("Will Trump speak in Russia?", "Will Trump speak to Russia?", "linked differently"),
        ("Rate cut by May 5?", "Rate cut by May 5?", "year of a date is unknown"),
        ("Rate cut in 2026?", "Rate cut in 2027?", "years differ"),
        ("by Dec 3?", "by Dec 3?", "no words"),
    ],
)
def test_a_refusal_says_why(kalshi_title: str, polymarket_title: str, why: str) -> None:
    found = refusals(kalshi_title, polymarket_title)
    assert any(why in reason for reason in found), found


@pytest.mark.parametrize(
    ("kalshi_title", "polymarket_title"),
    [
        # who does it to whom
        ("Will A beat B by Dec 3?", "Will B beat A by Dec 3?"),
        ("Trump pardons Maxwell by Dec 3?", "Maxwell pardons Trump by Dec 3?"),
        ("Will Trump pardon Maxwell?", "Will Trump be pardoned by Maxwell?"),
        ("Will Israel be attacked by Dec 3?", "Will Israel attack by Dec 3?"),
        ("Will the Lakers trade James from Miami to Boston?", "Will the Lakers trade James to Miami from Boston?"),
        # what else is said on one side only
        (
            "Will core inflation in the euro area excluding Malta be above 3% on Dec 3?",
            "Will inflation in the euro area excluding Malta be above 3% on Dec 3?",
        ),
        ("Will Bitcoin hit $150k by Dec 3?", "Will Bitcoin Cash hit $150k by Dec 3?"),
        ("Will the bill pass by Dec 3?", "Will the bill not pass by Dec 3?"),
        ("Will gold close above $3,000 on Dec 3?", "Will gold be above $3,000 on Dec 3?"),
        ("Will Villa reach the final?", "Will Villa reach the semifinal?"),
        # how much
        ("Will it be below -3° on Dec 3?", "Will it be below 3° on Dec 3?"),
        ("Will growth be -0.5% by Dec 3?", "Will growth be 0.5% by Dec 3?"),
        ("Will it be above 3% on Dec 3?", "Will it be above 3 on Dec 3?"),
        ("Will it be above $3 on Dec 3?", "Will it be above 3% on Dec 3?"),
        ("Will it be above 30°F on Dec 3?", "Will it be above 30°C on Dec 3?"),
        ("Will rates be cut 25-50 bps?", "Will rates be cut 25 bps?"),
        ("Will there be between 3 and 4 cuts?", "Will there be between 3 and 5 cuts?"),
        ("Will there be at least 3 cuts?", "Will there be more than 3 cuts?"),
        ("Will there be 3 or more cuts?", "Will there be more than 3 cuts?"),
        # when
        ("Will it rain from Mar 1 to Mar 31, 2026?", "Will it rain from Mar 31 to Apr 30, 2026?"),
        ("Will it rain from Dec 1 to Dec 7?", "Will it rain by Dec 7?"),
        ("Will gold be above $3,000 on Dec 3?", "Will gold be above $3,000 by Dec 3?"),
        ("Will gold be above $3,000 on Dec 3?", "Will gold be above $3,000?"),
        ("Will gold rise after Dec 3?", "Will gold rise before Dec 3?"),
        ("Will gold be up on Dec 3 at 5pm EDT?", "Will gold be up on Dec 3 at 11am ET?"),
        ("Will gold be up on Dec 3 at 5pm EDT?", "Will gold be up on Dec 3?"),
        ("Will gold be higher on Dec 3 than on Dec 2?", "Will gold be higher on Dec 2 than on Dec 3?"),
        ("Will 2026 be hotter than 2025?", "Will 2025 be hotter than 2026?"),
        ("Will the bill brought on Dec 3 pass?", "Will the bill brought pass on Dec 3?"),
        ("Will Flow win at the 2025 Oscars by Dec 3?", "Will Flow win at the Oscars by Dec 3?"),
    ],
)
def test_what_is_not_said_alike_is_refused(kalshi_title: str, polymarket_title: str) -> None:
    assert not is_same(kalshi_title, polymarket_title)


OPPOSITES = (
    ("increase", "decrease"), ("rise", "decline"), ("rise", "fall"), ("raise", "cut"), ("win", "lose"),
    ("approve", "reject"), ("pass", "fail"), ("confirm", "withdraw"), ("enter", "leave"), ("start", "end"),
    ("gain", "lose"), ("open", "close"), ("join", "quit"), ("buy", "sell"), ("extend", "shorten"),
)  # fmt: skip


@pytest.mark.parametrize("opposites", OPPOSITES, ids=" ".join)
def test_opposites_are_refused_and_so_is_one_of_them_alone(opposites: tuple[str, str]) -> None:
    title = "Will Acme Widget Holdings of Springfield {} its stake in Northwind Robotics Partners Limited by Dec 3?"
    one, other, neither = (title.format(word) for word in (*opposites, ""))
    assert is_same(one, one)
    assert not is_same(one, other)
    assert not is_same(one, neither)
    assert not is_same(other, neither)


# Any bet at all: two parties, a verb, an amount with its bound and unit, a deadline

PARTIES = st.sampled_from(
    "Trump Maxwell Israel Iran Lakers Celtics Apple OpenAI Bitcoin Ethereum Labour Senate".split()
)
VERBS = st.sampled_from(["beat", "pardon", "strike", "outsell", "sue", "exceed", "endorse", "not strike"])
BOUNDS = st.sampled_from(["by at least", "by more than", "by", "by at most", "by less than"])
UNITS = st.sampled_from(["{}", "{}%", "${}", "${} million", "{} bps", "{}°F", "{}k"])
DEADLINES = st.dates(date(2026, 1, 1), date(2028, 12, 31))
Bet = tuple[str, str, str, str, int, str, date]
BETS = st.tuples(PARTIES, VERBS, PARTIES, BOUNDS, st.integers(1, 10**6), UNITS, DEADLINES).filter(
    lambda bet: bet[0] != bet[2]
)


def title_of(bet: Bet) -> str:
    one, verb, other, bound, number, unit, deadline = bet
    return (
        f"Will {one} {verb} {other} {bound} {unit.format(number)} before {deadline:%B} {deadline.day}, {deadline.year}?"
    )


def other_than(value: str, choice: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    return choice.filter(lambda other: other != value)


def changed(bet: Bet) -> dict[str, st.SearchStrategy[str]]:
    """The bet with one thing said otherwise."""
    one, verb, other, bound, number, unit, deadline = bet
    title = title_of(bet)
    amount = unit.format(number)
    month = deadline.replace(day=1) + timedelta(days=32)
    return {
        "parties swapped": st.just(title_of((other, verb, one, bound, number, unit, deadline))),
        "another party": other_than(one, PARTIES).map(lambda new: title_of((new, verb, other, *bet[3:]))),
        "another verb": other_than(verb, VERBS).map(lambda new: title_of((one, new, *bet[2:]))),
        "negated number": st.sampled_from([title.replace(amount, f"{sign}{amount}") for sign in ("-", "−", "minus ")]),
        "another number": st.just(title.replace(amount, unit.format(number + 1))),
        "another unit": other_than(unit, UNITS).map(lambda new: title_of((*bet[:5], new, deadline))),
        "another bound": other_than(bound, BOUNDS).map(lambda new: title_of((*bet[:3], new, *bet[4:]))),
        "a month later": st.just(title_of((*bet[:6], month.replace(day=min(deadline.day, 28))))),
        "another year": st.just(title_of((*bet[:6], deadline.replace(day=1, year=deadline.year + 1)))),
        "on the day": st.just(title.replace(" before ", " on ")),
        "after the day": st.just(title.replace(" before ", " after ")),
        "one more word": st.sampled_from(
            [title.replace(other, f"{other} {more}") for more in ("Cash", "reserve", "1")]
        ),
    }


CHANGES = tuple(changed(("Apple", "sue", "Iran", "by", 1, "{}", date(2026, 12, 3))))


@given(BETS)
def test_a_bet_is_itself(bet: Bet) -> None:
    assert is_same(title_of(bet), title_of(bet))


@pytest.mark.parametrize("what", CHANGES)
@given(data=st.data(), bet=BETS)
def test_a_bet_with_one_thing_said_otherwise_is_another(what: str, data: st.DataObject, bet: Bet) -> None:
    other = data.draw(changed(bet)[what])
    assert not is_same(title_of(bet), other), (title_of(bet), other)


# Closing times and labels


def test_without_a_stated_day_the_closing_times_must_agree() -> None:
    for closes, same in (
        ((CLOSE, CLOSE + timedelta(hours=12)), True),
        ((CLOSE, CLOSE + timedelta(hours=13)), False),  # the next day's bet of a daily series says the same
        ((CLOSE, None), False),
        ((None, None), False),
    ):
        assert (not refusals("Will Pope Leo visit Peru?", "Pope Leo visits Peru?", closes)) == same
        assert (not refusals("Will Pope Leo visit Peru in 2026?", "Pope Leo visits Peru?", closes)) == same


def test_a_stated_day_needs_no_closing_time_but_its_year() -> None:
    said = "Rate cut by December 31, 2026?"
    assert not refusals(said, said, (None, None))
    assert refusals("Rate cut by December 31?", said, (None, CLOSE))
    assert not refusals("Rate cut by December 31?", said, (CLOSE, None))
    assert refusals("Rate cut by December 31?", said, (CLOSE + timedelta(days=365), CLOSE))


def test_a_label_that_the_title_does_not_hold_is_part_of_the_bet() -> None:
    title = "Who will be the next Pope?"
    assert refusals(title, title, yes_label="Pietro Parolin")
    assert not refusals(title, f"{title} Pietro Parolin", yes_label="Pietro Parolin")
    assert refusals("Rate cut this year?", "Rate cut this year?", yes_label="Before 2027")
    assert refusals("Will the bill pass?", "Will the bill pass?", yes_label="No")
