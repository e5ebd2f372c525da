"""The wall: what is invented, swapped or contradicted is withheld for its reason; honest paraphrases pass.

The facts (making.py): price 40¢, YES ask 41¢, NO ask 61¢, spread 2¢, move -6¢ an hour, 8.2 usual moves, 12345 contracts
a day, other venue 46¢, fee 1.7¢, net edge 3.3¢ on YES, 48 h to the close, which the title puts by Dec 31.
"""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.agent.answers import OpportunityAnswer
from core.agent.evidence import Candidate, Evidence, gather, pack
from core.agent.grounding import faults
from core.agent.prompt import messages
from local.groq_analyst import analyse
from tests.core.agent.making import NOW, ids_of, make_answer, make_candidate, make_pattern

CANDIDATE = make_candidate()
EVIDENCE = gather(CANDIDATE, NOW)
WAIT: dict[str, Any] = {"recommendation": "CAUTION", "suggested_position": "WAIT", "one_liner": "No real edge."}


def found(evidence: Evidence = EVIDENCE, title: str = CANDIDATE.title, **given: Any) -> list[str]:
    cited = given.pop("evidence_ids", ids_of(evidence))
    return faults(make_answer(cited, **given), evidence, make_candidate(title=title))


def saying(where: str, text: str) -> OpportunityAnswer:
    whole: dict[str, Any] = {"risk_factors": [text, "That may be wrong."], "one_liner": f"{text} That is the market."}
    given: dict[str, Any] = {where: whole.get(where, text)}
    return make_answer(**given)


def test_an_honest_answer_passes() -> None:
    assert found() == []


@pytest.mark.parametrize(
    "text",
    [
        "YES at 41¢ is below the 46¢ of the other venue.",
        "YES costs 41 cents where the other venue says 46 cents.",
        "The other venue gives it a 46% chance, this one 40%.",
        "The other venue gives it 46 percent.",
        "Buy YES at 41¢, worth 3.3¢ after a fee of 1.7¢ (E9, E10).",
        "The price fell 6¢ in the last hour.",
        "The price dropped by 6 cents within one hour.",
        "A move of -6¢ in the last hour.",
        "A move of −6¢ in the last hour.",
        "A 6¢ move is 8.2 times the usual.",
        "An 8.2-sigma move.",
        "It fell by 8.2 times the usual.",
        "8.2× the usual move.",
        "12,345 contracts changed hands in the last 24 hours.",
        "12345 contracts over one day.",
        "It closes in 48 hours (48h).",
        "It closes in forty-eight hours.",
        "Void if nothing is signed by December 31.",
        "Void if nothing is signed by 31 December.",
        "The spread is 2¢, so leaving early means crossing two cents of spread.",
        "One of the two venues is late; the other one is not.",
        "Double-check the rules, and the second half of them.",
        "A fill at this price is not guaranteed.",
        "The rules name no risk beyond that.",
        "Nothing here is guaranteed, and no position is risk-free.",
        "There is no reason to buy NO at this price.",
        "Do not buy NO, and never short YES.",
        "YES rather than NO is what the facts favour.",
        "The contract settles as NO if the parties do not sign.",
        "Nothing is certain, and this is not a lock.",
        "These prices are 4 minutes old.",
        "The title asks: Will the treaty be signed by Dec 31?",
        "No numbers at all, only an opinion.",
        "Overreaction — it may well come back… “soon”.",
    ],
)
@pytest.mark.parametrize("where", ["one_liner", "reasoning", "edge_explanation", "risk_factors"])
def test_a_true_sentence_passes_wherever_it_stands(text: str, where: str) -> None:
    assert faults(saying(where, text), EVIDENCE, CANDIDATE) == []


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("It is worth 47¢.", "ungrounded number 47¢"),
        ("62% of such moves revert.", "ungrounded number 62%"),
        ("A twenty percent edge.", "ungrounded number twenty percent"),
        ("Twenty-five setups like it.", "ungrounded number Twenty-five"),
        ("One in three of these reverts.", "ungrounded number three"),
        ("One percent is left.", "ungrounded number One percent"),
        ("More than half of these revert.", "ungrounded number half"),
        ("Two thirds of these revert.", "ungrounded number Two thirds"),
        ("Volume doubled.", "ungrounded number doubled"),
        ("A dozen traders.", "ungrounded number dozen"),
        ("Worth 3.3% after fees.", "ungrounded number 3.3%"),
        ("Between 41¢ and 46¢ there is room.", "ungrounded number 41¢"),
        ("A 61% chance.", "ungrounded number 61%"),
        ("The price of NO is 41¢.", "ungrounded number 41¢: nothing says that it is the YES ask"),
        ("Buy YES at 40¢.", "ungrounded number 40¢: nothing says that it is the best estimate"),
        ("The price fell 41 percent.", "ungrounded number 41 percent"),
        ("The price fell 41¢.", "ungrounded number 41¢"),
        ("12,345 contracts in the last hour.", "ungrounded number 12,345 contracts"),
        ("The price fell 6¢ in the last day.", "ungrounded number 6¢: the price move in the last hour is told as day"),
        ("The price moved 2¢ in the last hour.", "ungrounded number 2¢"),
        ("An edge of 1.7¢.", "ungrounded number 1.7¢"),
        ("A fee of 3.3¢.", "ungrounded number 3.3¢"),
        ("8.2 times the usual volume.", "ungrounded number 8.2 times"),
        ("YES at 41¢ is above the 46¢ of the other venue.", "ungrounded number 46¢: a comparison that is not so"),
        ("The edge on NO is 3.3¢ after fees.", "ungrounded number 3.3¢"),
        ("The edge will be 3.3¢ after fees.", "ungrounded number 3.3¢"),
        ("It closes within the hour.", "a time to the close that is no fact"),
        ("We are 46% confident.", "ungrounded number 46%"),
        ("We are highly confident.", "confidence in words: confident"),
        ("The odds are two to one.", "ungrounded number two"),
        ("A quarter of these revert.", "ungrounded number A quarter of"),
        ("Zero doubt.", "ungrounded number Zero"),
        ("The Senate may object, says Trump.", "a name that the market does not hold: Trump"),
        ("Buy \u0423ES.", "a letter of another script"),
        ("A return of 41x.", "ungrounded number 41x"),
        ("3x the usual volume.", "ungrounded number 3x"),
        ("46 times the usual volume.", "ungrounded number 46 times"),
        ("Worth 3 to 5¢.", "ungrounded number 5¢"),
        ("Between 50-60¢.", "ungrounded number 50"),
        ("About ½ of it.", "ungrounded number ½"),
        ("About ４１ of it.", "ungrounded number ４"),
        ("About ٤١ of it.", "ungrounded number ٤"),
        ("A² is enough.", "ungrounded number ²"),
        ("Reason ⑤ of it.", "ungrounded number ⑤"),
        ("Chapter Ⅻ of it.", "ungrounded number Ⅻ"),
        ("五 of it.", "ungrounded number 五"),
        ("4\u200b1¢ is the price.", "hidden character U+200B"),
        ("\u202eYES\u202c is cheap.", "hidden character U+202E"),
        ("YES\x00 is cheap.", "hidden character U+0000"),
        ("1,234 contracts.", "ungrounded number 1,234 contracts"),
        ("4,1¢ is the price.", "ungrounded number 4"),
        ("12.345 contracts.", "ungrounded number 12.345 contracts"),
        ("12 345 contracts.", "ungrounded number 12"),
        (".41 is the price.", "ungrounded number .41"),
        ("41k contracts.", "ungrounded number 41k contracts"),
        ("41 million contracts.", "ungrounded number 41 million contracts"),
        ("6e1 is the price.", "ungrounded number 6e1"),
        ("1e400 is the price.", "ungrounded number 1e400"),
        ("The price rose 6¢.", "ungrounded number 6¢"),
        ("The price moved +6¢.", "ungrounded number +6¢"),
        ("An edge of -3.3¢.", "ungrounded number -3.3¢"),
        ("A fee of $1.70.", "ungrounded number $1.70"),
        ("$12345 changed hands.", "ungrounded number $12345"),
        ("It closes in 46 hours.", "ungrounded number 46 hours"),
        ("It closes in 48 days.", "ungrounded number 48 days"),
        ("It closes at 12:41.", "ungrounded number 12:41"),
        ("It closes at 6 pm.", "ungrounded number 6 pm"),
        ("It closes on Dec 6.", "ungrounded number Dec 6"),
        ("It closes on 31 January.", "ungrounded number 31 January"),
        ("It closes in 2026.", "ungrounded number 2026"),
        ("A 31% chance.", "ungrounded number 31%"),
        ("E99 says so.", "ungrounded number 99"),
        ("Guaranteed to come back.", "hype: Guaranteed"),
        ("You can’t lose.", "hype: can’t lose"),
        ("You cannot lose.", "hype: cannot lose"),
        ("A risk-free trade.", "hype: risk-free"),
        ("Free money.", "hype: Free money"),
        ("There is no risk in it.", "hype: There is no risk"),
        ("It is certain to pass.", "hype: certain"),
        ("See https://example.test for more.", "a link"),
        ("See [this](x).", "a link"),
        ("It will definitely pass.", "hype: definitely"),
        ("It will win.", "hype: will win"),
        ("It can't miss.", "hype: can't miss"),
        ("No way it loses.", "hype: No way"),
        ("This is a lock.", "hype: a lock"),
        ("Buy NO.", "speaks for NO, the position is YES"),
        ("Buy no at 61¢.", "speaks for NO, the position is YES"),
        ("Purchase NO.", "speaks for NO, the position is YES"),
        ("Sell YES.", "speaks for NO, the position is YES"),
        ("Short YES here.", "speaks for NO, the position is YES"),
        ("Fade YES.", "speaks for NO, the position is YES"),
        ("Go long NO.", "speaks for NO, the position is YES"),
        ("Grab NO.", "speaks for NO, the position is YES"),
        ("Load up on NO.", "speaks for NO, the position is YES"),
        ("NO is the play.", "speaks for NO, the position is YES"),
        ("Don't hesitate to buy NO.", "speaks for NO, the position is YES"),
        ("Do not buy YES.", "speaks against YES, the position"),
        ("Stay away from YES.", "speaks against YES, the position"),
        ("NO all day.", "brings up NO, the position is YES"),
        ("Bet against the treaty.", "a side that is not named"),
        ("Buy YES at 61¢.", "ungrounded number 61¢: nothing says that it is the NO ask"),
    ],
)
@pytest.mark.parametrize("where", ["one_liner", "reasoning", "edge_explanation", "risk_factors"])
def test_a_sentence_that_is_not_true_is_withheld_for_its_reason(text: str, reason: str, where: str) -> None:
    said = faults(saying(where, text), EVIDENCE, CANDIDATE)
    assert [fault for fault in said if fault.startswith(reason)], said


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"evidence_ids": ["E1"]}, "ungrounded number 41¢"),
        ({"evidence_ids": []}, "ungrounded number 46¢"),
        ({"evidence_ids": []}, "a claim that cites no evidence"),
        ({"evidence_ids": ["E2", "E8", "E5", "E99"]}, "cites E99, which is no evidence"),
        ({"evidence_ids": ["E2", "E8", "E5", "e2"]}, "cites e2, which is no evidence"),
        (WAIT | {"recommendation": "GOOD_BET"}, "a bet that waits"),
        (WAIT | {"recommendation": "STRONG_BET"}, "a bet that waits"),
        ({"confidence_score": 60}, "a bet that its own confidence does not carry"),
        ({"recommendation": "AVOID"}, "a position in what it says to avoid"),
        ({"recommendation": "CAUTION"}, "a position without a bet"),
        ({"suggested_position": "NO"}, "the position is NO, the edge is on YES"),
    ],
)
def test_an_answer_that_contradicts_its_evidence_is_withheld_for_its_reason(
    change: dict[str, Any], reason: str
) -> None:
    assert reason in found(**change)


@pytest.mark.parametrize("recommendation", ["STRONG_BET", "GOOD_BET"])
@pytest.mark.parametrize("unknown", [{"fair": None}, {"fee_rate": None}])
def test_a_bet_needs_a_computed_edge(recommendation: str, unknown: dict[str, None]) -> None:
    evidence = gather(make_candidate(**unknown), NOW)
    said = faults(make_answer(recommendation=recommendation), evidence, CANDIDATE)
    assert "a bet without a computed edge" in said
    assert "a position without a computed edge" in said


def test_an_edge_that_fees_eat_is_none_and_may_be_told_as_a_loss_only() -> None:
    losing = gather(make_candidate(fair=make_candidate().price), NOW)
    edge = next(fact for fact in losing.facts if fact.name == "net_edge_cents")
    assert edge.value == "-2.7"
    told = {"evidence": losing, **WAIT, "edge_explanation": "It misses nothing.", "reasoning": "No reason."}
    assert found(**told | {"one_liner": "After fees -2.7¢ is left."}) == []
    assert found(**told | {"one_liner": "It loses 2.7¢ after fees."}) == []
    assert found(**told | {"one_liner": "Worth 2.7¢ after fees."}) == [
        "ungrounded number 2.7¢: told in the wrong direction"
    ]
    assert "a position without a computed edge" in found(losing, recommendation="CAUTION")


def test_waiting_is_a_good_answer() -> None:
    assert found(**WAIT) == []


@pytest.mark.parametrize("order", ["Buy YES.", "Get in now.", "Buying NO is right.", "YES is the play.", "Short NO."])
def test_who_waits_recommends_no_side(order: str) -> None:
    assert found(**WAIT, reasoning=order) != []


def test_a_side_may_be_named_by_its_label_and_is_bound_to_it() -> None:
    game = make_candidate(title="Chiefs vs. Bills", yes_label="Chiefs", no_label="Bills")
    said = {
        text: faults(make_answer(one_liner=text), gather(game, NOW), game)
        for text in (
            "The Chiefs are offered at 41¢.",
            "The Bills are offered at 41¢.",
            "Back the Chiefs.",
            "Back the Bills.",
        )
    }
    assert [not fault for fault in said.values()] == [True, False, True, False]


def test_one_label_for_both_sides_is_that_of_yes() -> None:
    outcome = make_candidate(title="Who wins? — Smith", yes_label="Smith", no_label="Smith")
    evidence = gather(outcome, NOW)
    assert faults(make_answer(one_liner="Smith is offered at 41¢."), evidence, outcome) == []
    assert faults(make_answer(one_liner="NO on Smith costs 61¢."), evidence, outcome) == []
    assert faults(make_answer(one_liner="Smith is offered at 61¢."), evidence, outcome) != []


@pytest.mark.parametrize(
    "label", ["YES", "no", "", "41¢", "(((", "Buy NO at 61¢", "61% chance", "other venue", "\u202e", "x" * 3_000]
)
def test_no_label_makes_an_untrue_sentence_true(label: str) -> None:
    candidate = make_candidate(yes_label=label, no_label="Nobody")
    evidence = gather(candidate, NOW)
    for text in ("A 61% chance.", "Buy NO at 61¢.", "YES is at 61¢.", "It is worth 47¢.", "The price of NO is 41¢."):
        assert faults(make_answer(one_liner=text), evidence, candidate) != []


def test_numbers_of_the_title_may_be_quoted_as_they_stand_there() -> None:
    title = "Will Bitcoin reach $100,000 by December 31, 2026?"
    assert found(title=title, reasoning="It has to reach $100,000 (100k) by Dec 31, 2026.") == []
    assert found(title=title, reasoning="A 31% chance.") == ["ungrounded number 31%"]
    assert found(title=title, reasoning="Worth 100,000¢.") == ["ungrounded number 100,000¢"]
    assert found(title=title, reasoning="$100,000 changed hands in the last day.") == ["ungrounded number $100,000"]
    assert found(title=title, reasoning="2026 insiders know it.") != []
    inflation = "Will inflation be above 3% in December?"
    assert found(title=inflation, reasoning="Inflation above 3% is what it asks about.") == []
    assert found(title=inflation, reasoning="A 3% chance.") == ["ungrounded number 3%"]
    assert found(title=inflation, reasoning="An edge of 3% is left.") == ["ungrounded number 3%"]


def test_the_titles_own_words_are_no_hype() -> None:
    assert found(title="Will the risk-free rate rise?", reasoning="The risk-free rate is what it says.") == []


@pytest.mark.parametrize("title", ["", " ", "4", "5 5 5", "½", "(((", "\\"])
def test_no_title_makes_room_for_invented_numbers(title: str) -> None:
    assert "ungrounded number 47¢" in found(title=title, reasoning="It is worth 47¢.")


@given(st.text(max_size=300), st.text(max_size=300))
def test_any_text_is_judged_and_nothing_raises(text: str, title: str) -> None:
    assert isinstance(found(title=title, reasoning=f"a{text}b"), list)


@given(st.integers(0, 10**12), st.sampled_from(["", "¢", "%", "x", " hours", " contracts", " days", "k"]))
def test_a_number_passes_only_when_a_fact_has_it(number: int, unit: str) -> None:
    passes = not found(**WAIT, reasoning=f"Look: {number}{unit}.")
    known = {int(float(fact.value)) for fact in EVIDENCE.facts if fact.unit != "UTC"} | {31, 24, 1, 6}
    assert number in known or not passes


@given(
    yes=st.integers(1, 99),
    width=st.integers(0, 10),
    fair=st.none() | st.integers(1, 99),
    move=st.floats(-50, 50),
    ratio=st.floats(0, 500),
    hours=st.integers(-2, 2_000),
    detector=st.sampled_from(["price_jump", "volume_spike", "sum_mismatch", "cross_venue_gap"]),
)
def test_an_analyst_that_only_quotes_its_facts_is_never_withheld(
    yes: int, width: int, fair: int | None, move: float, ratio: float, hours: int, detector: str
) -> None:
    numbers = {"move_1h_cents": move, "volume_ratio": ratio, "outcomes": 3.0, "sum_bids_cents": 104.0}
    candidate = quoted(yes, width, fair, hours, detector, numbers if detector != "cross_venue_gap" else {})
    evidence = gather(candidate, NOW)
    answer = OpportunityAnswer.model_validate(analyse(messages(pack(candidate, evidence))))
    if evidence.net_edge_cents is not None and answer.suggested_position in (evidence.edge_side, "WAIT"):
        assert faults(answer, evidence, candidate) == []


def quoted(yes: int, width: int, fair: int | None, hours: int, detector: str, numbers: dict[str, float]) -> Candidate:
    return make_candidate(
        pattern=make_pattern(detector=detector, numbers=numbers),
        yes_price=Decimal(yes) / 100,
        no_price=min(Decimal(100 - yes + width), Decimal(99)) / 100,
        fair=None if fair is None else Decimal(fair) / 100,
        close_time=NOW + timedelta(hours=hours),
    )
