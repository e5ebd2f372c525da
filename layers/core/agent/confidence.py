"""The two numbers of an insight: the probability of YES, and that of the stated position earning anything.

A position's horizon is settlement, as its net edge counts one fee and no sale. So both are one judgement: a position
earns more than 0 if its side wins, and then only if its ask and fee leave something of the dollar.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from core.agent.answers import OpportunityAnswer
from core.agent.calibration import MOST_CERTAIN_PRICE, Calibration
from core.agent.evidence import Candidate
from core.agent.grading import Entry
from core.detect.longshots import SettledRates, proved_gap

NO_POSITION = "no position is stated"
_MOST, _STEP = Decimal(str(MOST_CERTAIN_PRICE)), Decimal("0.000001")


@dataclass(frozen=True, slots=True)
class Numbers:
    """Probabilities in (0, 1), `confidence_score` 0 to 100; None where no price is known, or no position stated.

    `win_baseline` is what was known without the model. Raw is what the model said.
    """

    win_probability: Decimal | None
    win_probability_basis: str
    win_baseline: Decimal | None
    confidence_score: Decimal | None
    confidence_basis: str
    raw_win_probability: Decimal | None
    raw_confidence_score: Decimal

    def as_row(self) -> dict[str, Any]:
        return asdict(self)


def numbers_of(
    answer: OpportunityAnswer,
    candidate: Candidate,
    calibration: Calibration | None,
    settled: SettledRates | None,
    now: datetime,
) -> Numbers:
    """`calibration` of the model that answered; None before anything of it was graded."""
    raw = None if answer.win_probability is None else Decimal(str(answer.win_probability)).quantize(_STEP)
    position, score = answer.suggested_position, Decimal(answer.confidence_score)
    if candidate.price is None:
        basis = "unproven: no price is known"
        said = basis if position != "WAIT" else NO_POSITION
        return Numbers(None, basis, None, None, said, raw, score)
    baseline, known_by = _baseline(candidate, settled, now)
    yes, interval, basis = _calibrated(baseline, known_by, raw, calibration)
    return Numbers(
        win_probability=yes,
        win_probability_basis=basis + _told(interval),
        win_baseline=baseline,
        confidence_score=_confidence(candidate, position, yes),
        confidence_basis=NO_POSITION if position == "WAIT" else basis + _told(_of_side(interval, position)),
        raw_win_probability=raw,
        raw_confidence_score=score,
    )


def _baseline(candidate: Candidate, settled: SettledRates | None, now: datetime) -> tuple[Decimal, str]:
    """(probability of YES without the model, what it is): the price, moved by what such prices proved to come to."""
    assert candidate.price is not None
    price, close = candidate.price, candidate.close_time
    hours = None if close is None else (close - now).total_seconds() / 3_600
    found = proved_gap(settled, candidate.pattern.category, hours, float(price))
    if found is None:
        return _inside(price), "the market's price"
    gap, events = found
    return _inside(price + Decimal(str(gap))), f"the base rate of {events} events at such prices"


def _calibrated(
    baseline: Decimal, known_by: str, raw: Decimal | None, calibration: Calibration | None
) -> tuple[Decimal, tuple[float, float] | None, str]:
    """(probability of YES, its 95% interval where it is proved, in words what it stands on)."""
    events = 0 if calibration is None else calibration.events
    if calibration is None or not calibration.proved:
        return (
            baseline,
            None,
            f"unproven: {known_by}; the model's own number is not calibrated yet (n = {events} events)",
        )
    if raw is None:
        return baseline, None, f"unproven: {known_by}; the model gave no number of its own"
    yes, low, high = calibration.probability(float(baseline), float(raw))
    return _inside(Decimal(str(yes))), (low, high), f"calibrated on {events} events"


def _confidence(candidate: Candidate, position: str, yes: Decimal) -> Decimal | None:
    if position == "WAIT":
        return None
    entry = Entry(position, candidate.yes_price, candidate.no_price, candidate.fee_rate, candidate.fee_exponent)
    cost = entry.cost_usd()
    if cost is not None and cost >= 1:
        return Decimal(0)
    return (100 * (yes if position == "YES" else 1 - yes)).quantize(Decimal("0.1"))


def _of_side(interval: tuple[float, float] | None, position: str) -> tuple[float, float] | None:
    if interval is None or position == "YES":
        return interval
    return 1 - interval[1], 1 - interval[0]


def _told(interval: tuple[float, float] | None) -> str:
    return "" if interval is None else f" (95%: {100 * interval[0]:.0f} to {100 * interval[1]:.0f}%)"


def _inside(probability: Decimal) -> Decimal:
    return min(max(probability, 1 - _MOST), _MOST).quantize(_STEP)
