"""Scores the verdicts by titles alone against pairs that people labelled."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from core.match.claims import Claim, read_claim
from core.match.verdict import FITTED, Coefficients, Verdict, judge_group
from core.match.weights import Weights, weigh

COLUMNS = ("kalshi_ticker", "kalshi_title", "polymarket_id", "polymarket_question", "same")

Key = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Row:
    ticker: str
    polymarket_id: str
    kalshi: str
    polymarket: str
    same: bool


@dataclass(frozen=True, slots=True)
class Labelled:
    """The rows, and what their titles claim by ticker and by Polymarket id, weighed by the file's own words."""

    rows: tuple[Row, ...]
    kalshi: Mapping[str, Claim]
    polymarket: Mapping[str, Claim]
    weights: Weights


def read_labelled(text: str) -> Labelled:
    """Of a CSV with COLUMNS and, where the labels name whose YES it is, kalshi_yes_sub_title. Raises ValueError."""
    table = csv.DictReader(io.StringIO(text))
    lacking = [name for name in COLUMNS if name not in (table.fieldnames or ())]
    if lacking:
        raise ValueError(f"the file has no column {', '.join(lacking)}")
    rows, kalshi, polymarket = list[Row](), dict[str, Claim](), dict[str, Claim]()
    for line in table:
        label = line.get("kalshi_yes_sub_title") or "Yes"
        ticker, other = line["kalshi_ticker"], line["polymarket_id"]
        told = line["kalshi_title"] if label == "Yes" else f"{line['kalshi_title']} [{label}]"
        rows.append(Row(ticker, other, told, line["polymarket_question"], line["same"] == "1"))
        kalshi[ticker] = read_claim(line["kalshi_title"], None, label)
        polymarket[other] = read_claim(line["polymarket_question"], None)
    return Labelled(tuple(rows), kalshi, polymarket, weigh([*kalshi.values(), *polymarket.values()]))


def answer(
    labelled: Labelled, coefficients: Coefficients = FITTED, tickers: Iterable[str] | None = None
) -> dict[Key, Verdict]:
    """Every row's verdict, judged with the other rows of its ticker; of `tickers` only, where given."""
    groups: dict[str, list[tuple[str, Claim]]] = {}
    for row in labelled.rows:
        groups.setdefault(row.ticker, []).append((row.polymarket_id, labelled.polymarket[row.polymarket_id]))
    return {
        (ticker, verdict.polymarket_id): verdict
        for ticker in (groups if tickers is None else tickers)
        for verdict in judge_group(ticker, labelled.kalshi[ticker], groups[ticker], labelled.weights, coefficients)
    }


def score(labelled: Labelled, verdicts: Mapping[Key, Verdict]) -> dict[str, Any]:
    """precision and recall of pairs, and the share of tickers of which all pairs are right; None where undefined."""
    said = {key for key, verdict in verdicts.items() if verdict.is_match}
    same = {(row.ticker, row.polymarket_id) for row in labelled.rows if row.same}
    wrong = {ticker for ticker, _ in said ^ same}
    tickers = len(labelled.kalshi)
    return {
        "precision": round(len(said & same) / len(said), 4) if said else None,
        "recall": round(len(said & same) / len(same), 4) if same else None,
        "whole": round(1 - len(wrong) / tickers, 4) if tickers else None,
        "tickers": tickers,
    }


def wrong(labelled: Labelled, verdicts: Mapping[Key, Verdict]) -> list[str]:
    """A line for each pair that was called otherwise than its label."""
    found = []
    for row in labelled.rows:
        verdict = verdicts[row.ticker, row.polymarket_id]
        if verdict.is_match != row.same:
            called = "called the same" if verdict.is_match else "missed"
            why = "; ".join(verdict.reasons) or f"confidence {verdict.confidence:.2f}"
            found.append(
                f"{called}: {row.ticker} “{row.kalshi}” and {row.polymarket_id} “{row.polymarket}” "
                f"({verdict.relation}: {why})"
            )
    return found
