"""The wall held against many sentences at once: what it lets through and what it does not, in varied English."""

from __future__ import annotations

import pytest

from core.agent.evidence import gather
from core.agent.grounding import faults
from tests.core.agent.making import NOW, ids_of, make_answer
from tests.core.agent.sentences import MARKETS, TRUE, UNTRUE


def lines(sentences: dict[str, str]) -> list[tuple[str, str]]:
    return [(market, line.strip()) for market, text in sentences.items() for line in text.splitlines() if line.strip()]


def judge(market: str, sentence: str) -> list[str]:
    candidate, position = MARKETS[market]
    evidence = gather(candidate, NOW)
    answer = make_answer(
        recommendation="CAUTION" if position == "WAIT" else "GOOD_BET",
        suggested_position=position,
        one_liner="There is no more to it than the facts show.",
        reasoning=sentence,
        edge_explanation="The market may be late.",
        risk_factors=["That may be wrong."],
        evidence_ids=ids_of(evidence),
    )
    return faults(answer, evidence, candidate)


@pytest.mark.parametrize(("market", "sentence"), lines(TRUE))
def test_what_is_true_passes(market: str, sentence: str) -> None:
    assert judge(market, sentence) == []


@pytest.mark.parametrize(("market", "sentence"), lines(UNTRUE))
def test_what_is_not_true_or_no_analysts_to_say_is_withheld(market: str, sentence: str) -> None:
    assert judge(market, sentence) != []
