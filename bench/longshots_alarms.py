"""`python -m bench.longshots_alarms [judged] [EVENTS]`: how often the favourite-longshot detector must be expected to
raise a market whose price is fair, and beyond what statistic how often, as its table of `Null`s should say.

Where prices are fair a cell's gap is a normal number of its errors, and only that of a few cells in ten thousand says
anything: counting them would take thousands of worlds. So gaps are laid into cells of fair worlds, of every size, and
the rises that each makes are weighed by how probable it is. What is proved depends on the other cells: nowhere below
the bar of a world in which all else is biased, and in one without any bias at least the bar of a first proof.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import islice
from statistics import NormalDist

import numpy as np

from bench.longshots import EVENTS, score
from bench.martingales import A_DAY
from bench.recall import JUDGED, THRESHOLD, TUNED, episodes, seeds
from bench.worlds_settled import AS_OF_H, open_markets, settled_world
from core.detect.history import Floats
from core.detect.longshots import MISPRICED
from core.detect.rates import MIN_COUNT, MOST_FALSE
from core.detect.rates_settled import settled_rates
from core.detect.scores import score_of

WORLDS, MARKETS = 3, 8_000
STATISTICS = np.arange(0.1, 6.0, 0.1)
_STEP = 0.25
_GAPS = np.arange(0.25, 7.0, _STEP)  # in errors
_SHARE = 0.1  # of the cells at once: a market should leave the one for one in which nothing is told


@dataclass(frozen=True, slots=True)
class Rises:
    """`made` (G, S): of each of `_GAPS` how often in a market-day the statistic rises to each of `STATISTICS`, were all
    cells so far off. `tests` is how many cells can be proved."""

    made: Floats
    tests: int

    def expected(self, bar: float) -> Floats:
        """(S,) in a market-day, where what is off by `bar` errors and more is proved."""
        density = 2 * np.exp(-np.square(_GAPS) / 2) / np.sqrt(2 * np.pi)
        weights = np.where(bar - _STEP / 2 <= _GAPS, density * _STEP, 0.0)
        found: Floats = weights @ self.made
        return found


def rises(name: str, worlds: int, events: int, markets: int = MARKETS) -> Rises:
    levels = score_of(STATISTICS, MISPRICED)
    made, market_days, tests = np.zeros((len(_GAPS), len(STATISTICS))), 0.0, []
    for seed in islice(seeds(name), worlds):
        rng = np.random.default_rng(seed)
        rates = settled_rates(settled_world(rng, {}, events).moments, AS_OF_H)
        opened = open_markets(rng, {}, markets)
        history = [opened.at(quarter) for quarter in range(A_DAY)]
        market_days += float(np.isfinite(opened.price).sum() / A_DAY)
        tests.append(int((rates.count >= MIN_COUNT).sum()))
        for number, gap in enumerate(_GAPS.tolist()):
            off = (rng.random(rates.gap.shape) < _SHARE) & (rates.count >= MIN_COUNT)
            sign = rng.choice([-1.0, 1.0], rates.gap.shape)
            laid = replace(rates, gap=np.where(off, sign * gap * rates.error, 0.0), proved=off)
            scores = np.array([score(each, laid) for each in history])
            made[number] += [episodes(scores, level) for level in levels]
    return Rises(made / market_days / _SHARE, round(float(np.mean(tests))))


def bars(tests: int) -> dict[str, float]:
    """In errors: what a first proof among so many tests takes, and what a last one, all others proved."""
    most = MOST_FALSE / float(np.sum(1 / np.arange(1, tests + 1)))
    return {
        "without any bias": NormalDist().inv_cdf(1 - most / tests / 2),
        "beside biased ones": NormalDist().inv_cdf(1 - most / 2),
    }


def table(expected: Floats) -> list[float]:
    """The statistics that are reached in 1, 0.1, … of ten thousand market-days; the least where none is so often."""
    return [float(np.interp(-np.log(rare), -np.log(np.maximum(expected, 1e-12)), STATISTICS)) for rare in _RARE]


_RARE = 10.0 ** -np.arange(5)


def main(arguments: Sequence[str]) -> None:
    events = next((int(each) for each in arguments if each.isdigit()), EVENTS)
    found = rises(f"{JUDGED if 'judged' in arguments else TUNED} alarms", WORLDS, events)
    at = int(np.argmin(np.abs(score_of(STATISTICS, MISPRICED) - THRESHOLD)))
    for where, bar in bars(found.tests).items():
        expected = found.expected(bar)
        print(f"{where}, proved from {bar:.2f} errors of {found.tests} cells: "
              f"{10_000 * expected[at]:.2f} in 10,000 market-days rise to {STATISTICS[at]:.1f};",
              "as a table", " ".join(f"{each:.2f}" for each in table(expected)), flush=True)  # fmt: skip


if __name__ == "__main__":
    main(sys.argv[1:])
