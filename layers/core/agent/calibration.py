"""What the model's probabilities are worth, by the outcomes of what was published. Arrays in, numbers out.

The market's price and the model's number are pooled in log-odds (Genest and Zidek 1986, Statist. Sci. 1:114):

    logit(p) = (1 - w) logit(price) + w logit(model),  0 <= w <= 1

One weight, as in the one-parameter recalibration of Cox (1958, Biometrika 45:562) with the price as offset: an
overconfident, wavering or parroting model has a small one. It treats YES and NO alike and never leaves the span
between price and model.

The weight has a prior that leans to the price, and its posterior is summed over a grid. That a model adds anything to
the price is proved by the Bayes factor of the pool against the price alone: where the price is the truth, it is a
betting martingale whose chance of ever passing 1/a is a, however often one looks (Ville 1939; Robbins 1970, Ann. Math.
Statist. 41:1397; Shafer 2021, JRSS A 184:407). Until then the price stands.

Insights of one event are no independent witnesses: each of k counts as a k-th, by which the bound holds whatever they
have in common (Hoelder's inequality).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from core.detect.history import Floats

# No price is nearer to 0 or 1 than half a tick of the finest market; no model is believed to be surer than its prompt
# can make it.
MOST_CERTAIN_PRICE, MOST_CERTAIN_MODEL = 0.9995, 0.99
_WEIGHTS: Floats = (np.arange(200) + 0.5) / 200
_PRIOR: Floats = np.log((1 - _WEIGHTS) ** 3 / np.sum((1 - _WEIGHTS) ** 3))  # Beta(1, 4)
_TAIL = 0.025


@dataclass(frozen=True, slots=True)
class Calibration:
    """Of one model. `weight` is the posterior's mean; `low` and `high` hold the central 95% of the likelihood alone,
    for the prior's caution would make the interval too narrow and too low; `events` are independent ones.

    `log_evidence`: natural log of the Bayes factor for the pool against the price alone. `proved`: both it and the
    events suffice. What is not proved changes no number.
    """

    insights: int
    events: int
    weight: float
    low: float
    high: float
    log_evidence: float
    proved: bool

    def probability(self, baseline: float, model: float) -> tuple[float, float, float]:
        """(of YES, and the 95% interval that the weight's leaves it); the baseline thrice where nothing is proved."""
        if not self.proved:
            return baseline, baseline, baseline
        one, lowest, highest = (
            float(pooled(np.array([baseline]), np.array([model]), weight)[0])
            for weight in (self.weight, self.low, self.high)
        )
        return one, min(lowest, highest), max(lowest, highest)


def pooled(baseline: Floats, model: Floats, weight: float) -> Floats:
    """Probabilities of YES; the baseline where the weight is 0."""
    odds, beside = _odds(baseline, model)
    mixed: Floats = 1 / (1 + np.exp(-(odds + weight * beside)))
    return mixed


def calibrate(
    baseline: Floats, model: Floats, payout: Floats, event: Floats, *, least_events: int, least_evidence: float
) -> Calibration:
    """All (n,): what was known without the model, what it said, what YES paid (0 to 1), and a number for each event.

    `least_evidence` is the Bayes factor that proves: 1 / the tolerated chance of ever being wrong where the model knows
    nothing.
    """
    _, place, size = np.unique(event, return_inverse=True, return_counts=True)
    odds, beside = _odds(baseline, model)
    share = 1 / size[place.ravel()]
    gain = (share * payout) @ (_log_p(odds, beside) - _log_p(odds, 0 * beside))
    gain += (share * (1 - payout)) @ (_log_p(-odds, -beside) - _log_p(-odds, 0 * beside))
    log_evidence, posterior = _posterior(gain + _PRIOR)
    weight = float(np.sum(posterior * _WEIGHTS))
    reached = np.cumsum(_posterior(gain - np.log(len(_WEIGHTS)))[1])
    low, high = (float(_WEIGHTS[np.searchsorted(reached, tail)]) for tail in (_TAIL, 1 - _TAIL))
    return Calibration(
        insights=len(baseline),
        events=len(size),
        weight=weight,
        low=min(low, weight),
        high=max(high, weight),
        log_evidence=log_evidence,
        proved=len(size) >= least_events and log_evidence >= math.log(least_evidence),
    )


def _posterior(gain: Floats) -> tuple[float, Floats]:
    """(log of the sum, shares of it) of likelihoods times prior, given as logs."""
    top = float(gain.max())
    log_sum = top + float(np.log(np.sum(np.exp(gain - top))))
    return log_sum, np.exp(gain - log_sum)


def brier(probability: Floats, payout: Floats, event: Floats) -> float | None:
    """The mean over events of the mean squared error of each one's insights (Brier 1950); None without any."""
    if not len(payout):
        return None
    _, place, size = np.unique(event, return_inverse=True, return_counts=True)
    squares = (probability - payout) ** 2
    return float(np.mean(np.bincount(place.ravel(), weights=squares) / size))


def _odds(baseline: Floats, model: Floats) -> tuple[Floats, Floats]:
    """(the baseline's log-odds, by how much the model's are larger)."""
    price = np.clip(baseline, 1 - MOST_CERTAIN_PRICE, MOST_CERTAIN_PRICE)
    said = np.clip(model, 1 - MOST_CERTAIN_MODEL, MOST_CERTAIN_MODEL)
    odds: Floats = np.log(price / (1 - price))
    beside: Floats = np.log(said / (1 - said)) - odds
    return odds, beside


def _log_p(odds: Floats, beside: Floats) -> Floats:
    """(n, weights): the log of the probability that each weight gives."""
    logs: Floats = -np.logaddexp(0.0, -(odds[:, None] + beside[:, None] * _WEIGHTS))
    return logs
