"""`make match-report` scores a file, lists what is wrong and ends with the figures as JSON."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from local.match_report import main

FILE = """kalshi_ticker,kalshi_title,polymarket_id,polymarket_question,same
A,Will Lee win Oslo?,1,Will Lee win Oslo?,1
B,Will it rain?,2,Will comets fall?,1
"""


def test_the_wrong_ones_are_listed_and_the_last_line_is_the_score(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "pairs.csv"
    file.write_text(FILE)
    assert main([str(file)]) == 0
    first, last = capsys.readouterr().out.splitlines()
    assert first.startswith("missed: B ")
    assert json.loads(last) == {"precision": 1.0, "recall": 0.5, "whole": 0.5, "tickers": 2}


def test_a_file_that_cannot_be_scored_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 2
    assert main([str(tmp_path / "none.csv")]) == 2
    (tmp_path / "other.csv").write_text("a,b\n1,2\n")
    assert main([str(tmp_path / "other.csv")]) == 2
    told = capsys.readouterr().err.splitlines()
    assert "PAIRS=file.csv" in told[0]
    assert "none.csv cannot be scored" in told[1]
    assert "no column kalshi_ticker" in told[2]
