"""The report scores labelled pairs by titles alone, and names the wrong ones."""

from __future__ import annotations

import pytest

from core.match.report import answer, read_labelled, score, wrong
from tests.conftest import ROOT

BENCHMARKS = ROOT.parent / "shared" / "benchmarks" / "matching"
HEAD = "kalshi_ticker,kalshi_title,kalshi_yes_sub_title,polymarket_id,polymarket_question,same\n"
ROWS = """A-1,Will Lee win Oslo?,Lee,1,Will Lee win Oslo?,1
A-1,Will Lee win Oslo?,Lee,2,Will Ruiz win Oslo?,0
B-1,Will Ruiz win Rome?,Ruiz,3,Will Ruiz win Rome?,0
C-1,Will it rain?,Yes,4,Will comets fall?,1
"""


def test_pairs_and_whole_answers_are_counted_and_wrong_ones_named() -> None:
    labelled = read_labelled(HEAD + ROWS)
    verdicts = answer(labelled)
    assert score(labelled, verdicts) == {"precision": 0.5, "recall": 0.5, "whole": 0.3333, "tickers": 3}
    lines = wrong(labelled, verdicts)
    assert [line.split(":")[0] for line in lines] == ["called the same", "missed"]
    assert "B-1 “Will Ruiz win Rome? [Ruiz]” and 3" in lines[0]


def test_what_cannot_be_told_is_none() -> None:
    labelled = read_labelled(HEAD)
    assert score(labelled, answer(labelled)) == {"precision": None, "recall": None, "whole": None, "tickers": 0}


def test_the_labels_column_is_optional_and_the_others_are_not() -> None:
    labelled = read_labelled("kalshi_ticker,kalshi_title,polymarket_id,polymarket_question,same\nA,Rain?,1,Rain?,1\n")
    assert score(labelled, answer(labelled))["recall"] == 1
    with pytest.raises(ValueError, match="no column polymarket_id, same"):
        read_labelled("kalshi_ticker,kalshi_title,polymarket_question\n")


@pytest.mark.skipif(not BENCHMARKS.is_dir(), reason="the labelled pairs are not here")
def test_the_labelled_pairs_are_told_well_enough_and_no_look_alike_is_called_the_same() -> None:
    by_hand = read_labelled((BENCHMARKS / "pairs_hand_labelled.csv").read_text())
    found = score(by_hand, answer(by_hand))
    assert found["precision"] >= 0.90
    assert found["recall"] >= 0.55
    assert found["whole"] >= 0.75
    crypto = read_labelled((BENCHMARKS / "crypto_lookalikes.csv").read_text())
    assert not any(verdict.is_match for verdict in answer(crypto).values())
