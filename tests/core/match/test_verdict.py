"""How two bets stand to each other by their titles, and what rules may add: relation, polarity, what may be priced."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.match.claims import Claim, read_claim
from core.match.verdict import Verdict, judge, judge_group, with_rules
from core.match.weights import ALIKE

CLOSE = datetime(2026, 12, 4, 5, tzinfo=UTC)


def claim(title: str, label: str = "Yes") -> Claim:
    return read_claim(title, CLOSE, label)


def verdict(kalshi: str, polymarket: str, label: str = "Yes") -> Verdict:
    return judge("K", "P", claim(kalshi, label), claim(polymarket), ALIKE)


def group(kalshi: str, *others: str, label: str = "Yes") -> list[Verdict]:
    return judge_group("K", claim(kalshi, label), [(other, claim(other)) for other in others], ALIKE)


@pytest.mark.parametrize(
    ("kalshi", "polymarket", "label"),
    [
        ("Will the Labor party win Ruritania?", "Will the Labor party win Ruritania?", "Yes"),
        ("Will the Democratic party win Ohio?", "Will a Democrat win Ohio?", "Yes"),
        ("Will Ana Lee finish 2nd in the Dutch election?", "Will Ana Lee get second place in the Netherlands election?",
         "Ana Lee"),
        ("Who will be the next mayor of Oslo?", "Will Ana Lee be the next mayor of Oslo?", "Ana Lee"),
        ("Will Detroit win the Pro Basketball Finals?", "Will Detroit win the NBA championship?", "Detroit"),
        ("Will it take exactly 2 votes to elect a Speaker?", "Will the Speaker be elected in two ballots?", "2"),
        ("Will Oslo reach 30 degrees Celsius?", "Oslo hits 86°F?", "Yes"),
        ("Will Lee win 15% to 19.9% of the vote?", "Will Lee win 15-20% of the vote?", "15% to 19.9%"),
        ("Will Acme sign a deal before Dec 4, 2026?", "Acme signs a deal by December 3?", "Before Dec 4, 2026"),
        ("Will Sliwinski win the cup?", "Will Silwinski win the cup?", "Yes"),
    ],
)  # fmt: skip
def test_the_same_bet_in_other_words_is_a_match(kalshi: str, polymarket: str, label: str) -> None:
    found = verdict(kalshi, polymarket, label)
    assert (found.relation, found.same_side, found.is_match) == ("identity", True, True), found
    assert found.confidence > 0.5


@pytest.mark.parametrize(
    ("kalshi", "polymarket", "why"),
    [
        ("Will Lee be the Democratic nominee?", "Will Lee win as the Republican nominee?", "party"),
        ("Will Lee be confirmed as Energy Secretary?", "Will Trump nominate Lee for Energy Secretary?", "stage"),
        ("Will Lee win the election?", "Will Lee win second place in the election?", "only one says second"),
        ("Will Lee win the nomination?", "Will Lee win the election?", "nominee"),
        ("Will Villa reach the semifinals?", "Will Villa reach the final?", "stage of a contest"),
        ("Will Villa win the cup?", "Will Villa qualify for the cup?", "how far"),
        ("Will Lee win Ohio?", "Will Lee win Utah?", "place"),
        ("Will Acme report in Q2?", "Will Acme report in Q3?", "period"),
        ("Will gold be above $3,000 on Dec 3?", "Will gold be above $3,000 on Dec 2?", "dates differ"),
        ("Will Lee win in 2026?", "Will Lee win in 2028?", "years differ"),
        ("Will Lee meet Ana Ruiz?", "Will Lee meet Omar Haddad?", "each names what the other does not"),
        ("Best song of the year?", "Will Comet win best song of the year?", "names what|which"),
        ("Will Acme have 3 outages?", "Will Acme have outages?", "amounts differ"),
    ],
)
def test_what_disagrees_is_refused_with_the_reason(kalshi: str, polymarket: str, why: str) -> None:
    found = verdict(kalshi, polymarket)
    if why == "names what|which":
        found = judge("K", "P", claim(kalshi, "Beacon"), claim(polymarket), ALIKE)
        why = "only one is about"
    assert (found.relation, found.is_match, found.confidence) == ("none", False, 0)
    assert any(why in reason for reason in found.reasons), found.reasons


def test_whose_yes_it_is_must_be_said_by_the_other_title() -> None:
    assert verdict("Next Pope?", "Will Ana Lee be the next Pope?", "Ana Lee").is_match
    assert not verdict("Next Pope?", "Will Omar Haddad be the next Pope?", "Ana Lee").is_match


@pytest.mark.parametrize(
    ("kalshi", "polymarket", "relation"),
    [
        ("Will the score be above 80?", "Will the score be 90 or higher?", "subset"),
        ("Will the score be 90 or higher?", "Will the score be above 80?", "superset"),
        ("Will the score be 80 or higher?", "Will the score be below 80?", "complement"),
        ("Will the score be 80 or higher?", "Will the score be above 79?", "identity"),
        ("Will the score be 70-80?", "Will the score be 75-85?", "overlap"),
        ("Will the score be 80 or higher?", "Will the score be 60-70?", "disjoint"),
        ("Will Acme sign a deal before Dec 4, 2026?", "Acme signs a deal by November 20, 2026?", "subset"),
        ("Will Acme sign a deal before Dec 4, 2026?", "Acme signs a deal by December 20, 2026?", "superset"),
        ("Will Acme sign a deal?", "Will Acme not sign a deal?", "complement"),
        ("Will Lee leave the post of mayor?", "Lee remains in the post of mayor?", "none"),
    ],
)
def test_amounts_deadlines_and_negators_tell_the_relation(kalshi: str, polymarket: str, relation: str) -> None:
    found = verdict(kalshi, polymarket)
    if relation == "none":
        relation = "complement"
    assert found.relation == relation
    assert found.same_side == (relation != "complement")


def test_buckets_that_make_up_the_bet_are_it_together() -> None:
    buckets = ["Score 60-69?", "Score 70-79?", "Score 80-89?", "Score 90+?"]
    found = group("Score 70 or greater?", *buckets)
    assert [v.is_match for v in found] == [False, True, True, True]
    assert {v.relation for v in found if v.is_match} == {"subset"}
    assert not any(v.may_be_priced for v in found)


def test_buckets_that_leave_a_gap_or_reach_beyond_are_not_the_bet() -> None:
    assert not any(v.is_match for v in group("Score 70 or greater?", "Score 70-79?", "Score 90+?", "Score 60-69?"))
    assert not any(v.is_match for v in group("Score above 72?", "Score 70-79?", "Score 80-89?", "Score 90+?"))


def test_of_several_that_fit_the_best_is_the_match() -> None:
    one, other = group(
        "Will Lee win the Oslo mayoral race?", "Will Lee win the Oslo mayoral race?", "Will Lee win Oslo?"
    )
    assert (one.is_match, other.is_match) == (True, False)


CLAIMS = st.sampled_from(
    ["sign a trade agreement", "pass the housing bill", "hold a referendum", "reach 150 points", "raise rates"]
)


@settings(deadline=None)
@given(CLAIMS, st.booleans(), st.booleans())
def test_polarity_is_that_of_the_negators(said: str, one_denies: bool, other_denies: bool) -> None:
    kalshi = f"Will Ruritania {'not ' * one_denies}{said} by Dec 3, 2026?"
    polymarket = f"Will Ruritania {'never ' * other_denies}{said} by Dec 3, 2026?"
    found = with_rules(verdict(kalshi, polymarket), claim(kalshi), claim(polymarket), f"{said}.", f"{said}.")
    assert found.same_side == (one_denies == other_denies)
    assert found.relation == ("identity" if found.same_side else "complement")


LOW, HIGH = st.integers(1, 50), st.integers(51, 100)


@settings(deadline=None)
@given(LOW, HIGH, st.integers(-5, 120))
def test_a_relation_of_amounts_holds_for_every_number(low: int, high: int, number: int) -> None:
    """What is priced as one side of the other must never be won and lost by the same number."""
    said = {
        f"Score {low} or higher?": number >= low,
        f"Score below {low}?": number < low,
        f"Score {low}-{high}?": low <= number <= high,
        f"Score above {high}?": number > high,
        f"Score {high} or lower?": number <= high,
        f"Score {high}?": number == high,
    }
    for ours, we_win in said.items():
        for theirs, they_win in said.items():
            relation = verdict(ours, theirs).relation
            if relation == "identity":
                assert we_win == they_win
            elif relation == "complement":
                assert we_win != they_win
            elif relation == "subset":
                assert we_win or not they_win
            elif relation == "superset":
                assert they_win or not we_win
            elif relation == "disjoint":
                assert not (we_win and they_win)


def test_the_same_words_may_be_priced_and_other_words_only_where_the_rules_say_them() -> None:
    same = "Will Rihanna release a new album by Dec 3, 2026?"
    assert verdict(same, same).may_be_priced
    kalshi, polymarket = "Will the Senate confirm a new chief by Dec 3, 2026?", "New chief confirmed by Dec 3, 2026?"
    found = verdict(kalshi, polymarket)
    assert found.is_match
    assert not found.may_be_priced
    told = with_rules(
        found, claim(kalshi), claim(polymarket), "If a chief is confirmed.", "If the Senate confirms one."
    )
    untold = with_rules(
        found, claim(kalshi), claim(polymarket), "If a chief is confirmed.", "If somebody confirms one."
    )
    assert (told.may_be_priced, untold.may_be_priced) == (True, False)


def test_who_does_it_to_whom_is_not_priced_by_rules_that_name_both() -> None:
    kalshi, polymarket = "Will Israel strike Iran by Dec 3, 2026?", "Will Iran strike Israel by Dec 3, 2026?"
    rules = "If Israel strikes Iran or Iran strikes Israel."
    assert not with_rules(verdict(kalshi, polymarket), claim(kalshi), claim(polymarket), rules, rules).may_be_priced
    kalshi, polymarket = "Will Ana pardon Omar by Dec 3, 2026?", "Will Ana be pardoned by Omar by Dec 3, 2026?"
    assert not with_rules(verdict(kalshi, polymarket), claim(kalshi), claim(polymarket), rules, rules).may_be_priced


def test_what_the_rules_block_is_never_priced() -> None:
    same = "Will Lee leave office by Dec 3, 2026?"
    rules = "If Lee leaves office by Dec 3, 2026."
    found = with_rules(verdict(same, same), claim(same), claim(same), f"{rules} If Lee dies, it is void.", rules)
    assert (found.risk, found.may_be_priced, found.passes_titles) == ("BLOCK", False, True)
    other = claim("Lee and the office by Dec 3, 2026?")
    loose = with_rules(
        judge("K", "P", claim(same), other, ALIKE), claim(same), other, f"{rules} Void if Lee dies.", rules
    )
    assert (loose.risk, loose.passes_titles) == ("BLOCK", False)


RULES = (
    "If {} before January 1, 2027, then the market resolves to Yes. The resolution source is credible reporting.{}",
    'This market will resolve to "Yes" if {} by December 31, 2026, 11:59 PM ET. Otherwise, it resolves to "No".{}',
)


@pytest.mark.parametrize(
    ("kalshi", "polymarket", "besides"),
    [
        ("Will Lee pardon Ana before the midterms in 2026?", "Will Lee pardon Ana after the midterms in 2026?", ""),
        ("Will a truce hold before Wonder VI in 2026?", "Wonder VI before a truce holds in 2026?", ""),
        ("Will there be over three hurricanes in 2026?", "Will there be under three hurricanes in 2026?", ""),
        ("Will the Fed cut at least three times in 2026?", "Will the Fed cut exactly three times in 2026?", ""),
        ("Will Brazil get the most medals in 2026?", "Will Brazil get the least medals in 2026?", ""),
        ("Will Trump or Vance visit China in 2026?", "Will Vance visit China in 2026?", "Vance, who serves Trump"),
        ("Will Trump and Putin resign in 2026?", "Will Trump or Putin resign in 2026?", ""),
        ("Will the US strike Iran in 2026?", "Will Israel strike Iran in 2026?", "Israel and the US are told apart."),
        ("Will the US strike Iran in 2026?", "Will the US or Israel strike Iran in 2026?", "Israel may take part."),
        ("Will Trump testify in 2026?", "Will Trump decline to testify in 2026?", "If he declines, it resolves to No."),
        ("Will Lee sign the Oslo Act in 2026?", "Will Lee veto the Oslo Act in 2026?", "A veto or to sign."),
        ("Will the shutdown end in 2026?", "Will there be a shutdown in 2026?", "It counts to the end."),
        ("Will the first Lee nominee be confirmed in 2026?", "Will a Lee nominee be confirmed in 2026?", "The first."),
        ("Will Duke have any pick in 2026?", "Will Duke have the first pick in 2026?", "Any pick."),
        ("Will the Sox win the regular season in 2026?", "Will the Sox win in 2026?", "Not the regular season."),
        ("Will Vance win the popular vote in 2026?", "Will Vance win in 2026?", "The popular vote does not matter."),
        ("Will CPI rise 0.3% month over month in 2026?", "Will CPI rise 0.3% year over year in 2026?", "Month, year."),
        ("Will core CPI be above 3% in 2026?", "Will CPI be above 3% in 2026?", "Core CPI is another."),
        ("Will approval be above 45% in 2026?", "Will disapproval be above 45% in 2026?", "Approval, disapproval."),
        ("Will the highest be above 50° in 2026?", "Will the lowest be above 50° in 2026?", "Highest, lowest."),
        ("Will Ana have a #1 album in 2026?", "Will Ana have a #1 song in 2026?", "An album is a song."),
        ("Will Lee leave as chair in 2026?", "Will Lee leave as governor in 2026?", "The chair is a governor."),
        ("Will charges by Lee be filed in 2026?", "Will charges against Lee be filed in 2026?", "By or against."),
        ("Will Lee be impeached in 2026?", "Will Lee be impeached again in 2026?", "Again."),
        ("Will Lee move from Rome to Oslo in 2026?", "Will Lee move from Oslo to Rome in 2026?", ""),
        ("will foxes beat hares in 2026?", "will hares beat foxes in 2026?", ""),
        ("Will Lee leave with a deal in 2026?", "Will Lee leave without a deal in 2026?", ""),
        ("Will Anders win in 2026?", "Will Andres win in 2026?", "Anders, Andres."),
        ("Will Lee Jr. win in 2026?", "Will Lee win in 2026?", "Lee Jr. is another."),
    ],
)  # fmt: skip
def test_a_look_alike_is_never_priced_whatever_its_rules_mention(kalshi: str, polymarket: str, besides: str) -> None:
    claims = claim(kalshi), claim(polymarket)
    (found,) = judge_group("K", claims[0], [("P", claims[1])], ALIKE)
    rules = (
        form.format(title.removeprefix("Will ").removesuffix(" in 2026?"), f" {besides}")
        for form, title in zip(RULES, (kalshi, polymarket), strict=True)
    )
    assert not with_rules(found, *claims, *rules).may_be_priced


@pytest.mark.parametrize(
    ("kalshi", "polymarket", "is_priced"),
    [
        ("Will Ruritania not sign in 2026?", "Will Ruritania sign in 2026?", True),
        ("Ruritania doesn't sign in 2026?", "Ruritania sign in 2026?", True),
        ("No flood in Oslo in 2026?", "Flood in Oslo in 2026?", True),
        ("Will there be no flood in Oslo in 2026?", "Will there be a flood in Oslo in 2026?", True),
        ("Will Lee be found not guilty in 2026?", "Will Lee be found guilty in 2026?", False),
        ("Will Lee not only sing in 2026?", "Will Lee only sing in 2026?", False),
        ("Will No Other Land win an Oscar in 2026?", "Will Other Land win an Oscar in 2026?", False),
        ("Will 'Never Let Go' win in 2026?", "Will 'Let Go' win in 2026?", False),
        ("Will the No camp win in 2026?", "Will the camp win in 2026?", False),
        ("Will Duke be the No. 1 seed in 2026?", "Will Duke be the 1 seed in 2026?", False),
    ],
)
def test_only_a_sentence_denied_as_a_whole_is_priced_as_the_opposite(
    kalshi: str, polymarket: str, is_priced: bool
) -> None:
    for one, other in ((kalshi, polymarket), (polymarket, kalshi)):
        claims = claim(one), claim(other)
        (found,) = judge_group("K", claims[0], [("P", claims[1])], ALIKE)
        rules = (form.format("it comes about", "") for form in RULES)
        priced = with_rules(found, *claims, *rules)
        assert priced.may_be_priced == is_priced
        assert not priced.may_be_priced or not priced.same_side


@pytest.mark.parametrize(
    ("kalshi", "polymarket"),
    [
        ("Will Trump pardon Maxwell before the midterms?", "Will Trump pardon Maxwell after the midterms?"),
        ("Will there be over three hurricanes?", "Will there be under three hurricanes?"),
        ("Will Brazil get the most medals?", "Will Brazil get the least medals?"),
        ("Will the US strike Iran?", "Will Israel strike Iran?"),
        ("Will Lee sign the act?", "Will Lee veto the act?"),
        ("Will unemployment rise?", "Will unemployment fall?"),
    ],
)
def test_opposites_in_little_words_are_refused_by_their_titles(kalshi: str, polymarket: str) -> None:
    assert verdict(kalshi, polymarket).relation in ("none", "disjoint")


def test_one_of_several_is_part_of_them_and_not_the_same() -> None:
    assert verdict("Will Ana or Omar visit China?", "Will Omar visit China?").relation == "subset"
    assert verdict("Will Omar visit China?", "Will Ana or Omar visit China?").relation == "superset"


def test_amounts_in_words_are_amounts() -> None:
    assert verdict("Will it snow at least three times?", "Will it snow exactly three times?").relation == "subset"
    assert verdict("Will it snow at least three times?", "Will it snow 3 or more times?").relation == "identity"


def test_without_both_rule_texts_nothing_is_priced() -> None:
    same = "Will Lee leave office by Dec 3, 2026?"
    rules = "If Lee leaves office by Dec 3, 2026, this resolves to Yes."
    for texts in ((rules, ""), ("  ", rules), ("", "")):
        assert not with_rules(verdict(same, same), claim(same), claim(same), *texts).may_be_priced
    assert with_rules(verdict(same, same), claim(same), claim(same), rules, rules).may_be_priced
