"""Whatever a detector counts can be told: all its numbers are facts with a label, a unit and a telling."""

from __future__ import annotations

import numpy as np

from bench.martingales import clean, shown
from bench.plants import NOW
from core.agent.evidence import gather
from core.agent.labels import DETECTORS_CALL, LABELS
from core.agent.tellings import TELLINGS
from core.detect.detectors import signals
from core.detect.signals import Signal
from tests.core.agent.making import NOW as NOON
from tests.core.agent.making import make_candidate, make_pattern
from tests.core.detect.test_detectors import history, longshots


def every_signal() -> list[Signal]:
    """What all detectors say, each of some market about which it can say its numbers."""
    martingales = signals(shown(np.random.default_rng(5), clean(np.random.default_rng(5), 400))(NOW))
    rungs = {"ladder": np.array([0, 0]), "rung": np.array([1.0, 2.0])}
    quotes = {"bid": [0.4, 0.6], "ask": [0.45, 0.65]}
    dated, undated = (
        signals(history(np.full((2, 9), 0.5), **quotes, **rungs, dated=np.full(2, is_dated)))
        for is_dated in (True, False)
    )
    one_sided = signals(
        history(np.full((2, 9), 0.5), bid=[0.6, 0.6], ask=[0.7, 0.7], exclusive=np.ones(2, bool), events=["E", "E"])
    )
    return [*martingales, *dated, *undated, *one_sided, longshots()]


def test_every_number_of_every_detector_has_a_label_and_a_telling() -> None:
    found = every_signal()
    silent = {signal.detector for signal in found} - {signal.detector for signal in found if signal.numbers}
    assert not silent, "a detector that is not walked over"
    for signal in found:
        for number in signal.numbers:
            name, _ = DETECTORS_CALL.get(number, (number, 1))
            assert name in LABELS, f"{signal.detector} counts {number}, which nobody can tell"
            assert name in TELLINGS


def test_what_a_detector_counts_is_in_the_evidence() -> None:
    for signal in every_signal():
        pattern = make_pattern(detector=signal.detector, numbers=dict.fromkeys(signal.numbers, 3.0))
        facts = {fact.name for fact in gather(make_candidate(pattern=pattern), NOON).facts}
        assert {DETECTORS_CALL.get(number, (number, 1))[0] for number in signal.numbers} <= facts
