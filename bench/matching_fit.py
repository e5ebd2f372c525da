"""Fits the confidence of a match to labelled pairs, and says how it does on events it was not fitted to.

`python -m bench.matching_fit pairs.csv` prints the coefficients of core.match.verdict. The file has the columns of
`make match-report`. What the gate lets through of it is fitted, and beside it what the gate lets through of all other
pairs of its titles, counted as wrong: candidates of two venues are of the same event far more seldom than the file's.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from core.match.report import Labelled, answer, read_labelled, score
from core.match.verdict import Coefficients, Sides, Verdict, features, judge

Floats = NDArray[np.float64]
RIDGE = 0.1
STEPS = 60


@dataclass(frozen=True, slots=True)
class Sample:
    """What the gate let through: each pair's features, whether it is the same bet, and its event."""

    features: Floats
    same: Floats
    events: NDArray[np.str_]


def event_of(ticker: str) -> str:
    return ticker.split("-")[0]


def sample(labelled: Labelled) -> Sample:
    """Of the tickers' own rows, and of every ticker with the other events' questions."""
    own = {(row.ticker, row.polymarket_id): row.same for row in labelled.rows}
    of_event: dict[str, set[str]] = {}
    for row in labelled.rows:
        of_event.setdefault(event_of(row.ticker), set()).add(row.polymarket_id)
    found: list[tuple[tuple[float, float], bool, str]] = []
    for ticker, kalshi in labelled.kalshi.items():
        event = event_of(ticker)
        for other_id, polymarket in labelled.polymarket.items():
            same = own.get((ticker, other_id))
            if same is None and other_id in of_event[event]:
                continue
            verdict = judge(ticker, other_id, kalshi, polymarket, labelled.weights)
            if verdict.relation in ("identity", "complement"):
                found.append((features(Sides(kalshi, polymarket), labelled.weights), bool(same), event))
    return Sample(
        np.array([row[0] for row in found]), np.array([float(row[1]) for row in found]), np.array([r[2] for r in found])
    )


def fit(features: Floats, same: Floats) -> Coefficients:
    """Logistic regression with a ridge on all but the intercept, by Newton's method."""
    design = np.column_stack([np.ones(len(features)), features])
    ridge = RIDGE * np.diag([1e-3, *[1.0] * features.shape[1]])
    weights = np.zeros(design.shape[1])
    for _ in range(STEPS):
        chance = 1 / (1 + np.exp(-design @ weights))
        slope = design.T @ (chance - same) + ridge @ weights
        curve = (design * (chance * (1 - chance))[:, None]).T @ design + ridge
        weights -= np.linalg.solve(curve, slope)
    return Coefficients(*(round(float(weight), 2) for weight in weights))


def left_out(labelled: Labelled, found: Sample) -> dict[str, Any]:
    """The report's figures when every event is answered with coefficients fitted to the others."""
    events = sorted({event_of(ticker) for ticker in labelled.kalshi})
    verdicts: dict[tuple[str, str], Verdict] = {}
    for event in events:
        others = found.events != event
        coefficients = fit(found.features[others], found.same[others])
        tickers = [ticker for ticker in labelled.kalshi if event_of(ticker) == event]
        verdicts |= answer(labelled, coefficients, tickers)
    return score(labelled, verdicts)


def main(arguments: Sequence[str]) -> int:
    labelled = read_labelled(Path(arguments[0]).read_text(encoding="utf-8"))
    found = sample(labelled)
    coefficients = fit(found.features, found.same)
    chance = 1 / (1 + np.exp(-(coefficients.intercept + found.features @ coefficients[1:])))
    sys.stdout.write(
        f"{len(found.same)} pairs pass the gate, {found.same.sum():.0f} of them the same\n"
        f"{coefficients}\nmean log loss {-np.log(np.where(found.same, chance, 1 - chance)).mean():.3f}\n"
        f"fitted to all: {score(labelled, answer(labelled, coefficients))}\n"
        f"events left out: {left_out(labelled, found)}\n"
    )
    return 0 if math.isfinite(sum(coefficients)) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
