"""The sentence that says what it takes for YES is found, and two of them that contradict each other are told apart."""

from __future__ import annotations

import pytest

from core.match.conditions import condition, contradictions, tells
from core.match.rules import settlement_risk

TITLE = "If {}, then the market resolves to Yes. The resolution source is a consensus of credible reporting."
OTHER = 'This market will resolve to "Yes" if {}. Otherwise, it resolves to "No". The resolution source is a consensus.'


@pytest.mark.parametrize(
    ("rules", "told"),
    [
        ("So. If it snows, then the market resolves to Yes. Sleet counts.",
         "If it snows, then the market resolves to Yes."),
        ('This market will resolve to "Yes" if it snows. Otherwise, "No".',
         'This market will resolve to "Yes" if it snows.'),
        ("If it snows before May. Other words.", "If it snows before May."),
        ("If it snows, this resolves to No.", ""),
        ("This market resolves by the next date of snow.", ""),
        ("", ""),
    ],
)  # fmt: skip
def test_the_condition_is_the_sentence_that_resolves_to_yes(rules: str, told: str) -> None:
    assert condition(rules) == told


@pytest.mark.parametrize(
    ("kalshi", "polymarket", "what"),
    [
        ("Bitcoin is above 100000 at 5 PM EST on Dec 31, 2026",
         "the Binance candle of 12:00 ET on December 31, 2026 has a final close above 100,000", "time of day"),
        ("Acme folds before Dec 31, 2026 at 10:00 AM ET", "Acme folds by December 30, 2026, 11:59 PM ET",
         "time of day"),
        ("gold is above $5,000 at noon UTC on Dec 31, 2026", "gold is above $5,000 at noon ET on December 31, 2026",
         "time of day"),
        ("gold is above $5,000 at 12:00 UTC on Dec 31, 2026", "gold is above $5,000 at 12:00 ET on December 31, 2026",
         "time of day"),
        ("Acme folds after Nov 1, 2026 and before Jan 1, 2027", "Acme folds between November 1, 2026 and June 30, 2027",
         "cut-off"),
        ("gold's closing price is above $5,000 on Dec 31, 2026", "gold hits $5,000 at any time on December 31, 2026",
         "price taken"),
        ("Ana announces an album by Dec 31, 2026", "Ana releases an album by December 31, 2026", "condition"),
        ("Lee is nominated by Dec 31, 2026", "Lee is confirmed by December 31, 2026", "condition"),
        ("a Democrat wins on Nov 3, 2026", "a Republican wins on November 3, 2026", "condition"),
        ("Acme folds before Jan 1, 2027 at 12:00am ET", "Acme folds by December 31, 2026, 11:59 PM ET", None),
        ("Ana releases an album before Jan 1, 2027", "Ana releases an album by December 31, 2026, 11:59 PM ET", None),
    ],
)  # fmt: skip
def test_conditions_that_contradict_each_other_block_with_both_quoted(
    kalshi: str, polymarket: str, what: str | None
) -> None:
    ours, theirs = TITLE.format(kalshi), OTHER.format(polymarket)
    assert what in {found.what for found in contradictions(ours, theirs)} or (
        what is None and not [*contradictions(ours, theirs)]
    )
    risk, notes = settlement_risk(ours, theirs)
    assert (risk == "BLOCK") == (what is not None), notes
    assert what is None or any(what in note and kalshi in note and polymarket in note for note in notes)


def test_rules_that_pay_no_where_the_others_pay_yes_are_of_the_opposite_bet() -> None:
    risk, notes = settlement_risk("If Lee wins, then the market resolves to No.", TITLE.format("Lee wins"))
    assert risk == "BLOCK"
    assert any("polarity" in note and "resolves to No" in note for note in notes)


@pytest.mark.parametrize(
    ("said", "is_told"),
    [
        ("the Senate confirms Lee", True),
        ("Lee is confirmed by the House or the Senate", False),
        ("Lee is confirmed, whether by the Senate alone", False),
        ("Lee takes office without the Senate", False),
        ("Lee is confirmed (a vote of the Senate)", False),
        ("Lee is confirmed", False),
        ("Lee wins the Senate's consent", False),
        ("Lee, who led the Senate, is confirmed", False),
        ("Lee wins the House, the Senate or the White House", False),
        ("Lee wins all chambers including the Senate", False),
        ("the Senate confirms Lee no later than May by 51 or more votes", True),
    ],
)
def test_a_word_is_told_only_where_it_is_plainly_part_of_what_it_takes(said: str, is_told: bool) -> None:
    rules = OTHER.format(said) + " The Senate is the upper chamber."
    assert tells(rules, "senate") == is_told
