"""`python -m bench.mismatches [judged] [WORLDS]`: what is found of small disagreements, by size: in sums, ladders and
shared bets that a generated world lists, with quotes laid so far apart and then rounded as venues round.

One size is the noise that whole cents make of n quotes, 0.29 cents * sqrt(n), as the detectors count. It is planted
before rounding, bids down and asks up; `quoted` is where any of it is left to be seen.
"""

from __future__ import annotations

import sys
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from decimal import Decimal
from itertools import islice, pairwise

import numpy as np

from analyze.detecting import make_history
from bench.recall import JUDGED, THRESHOLD, TUNED, seeds
from bench.world_together import gap_cents, open_markets
from core.detect.detectors import signals
from core.models import OpenMarket
from local.world import GeneratedWorld
from local.world_families import SLOT_S

START = datetime(2026, 11, 14, tzinfo=UTC)
SIZES = (0.0, 0.5, 1.0, 2.0, 2.5, 3.0, 4.0, 5.0, 6.0, 8.0, 10.0, 12.0, 15.0)
TICKS = (0.001, 0.01)
WORLDS, MARKETS = 20, 1_000
NOISE = 0.0029  # dollars, of a quote
CROSSING = "cross_venue_gap"
_DETECTORS = {"exclusive": "sum_mismatch", "threshold": "ladder_by_threshold", "deadline": "ladder_by_date"}
_CENTS_OF_50 = 4.0  # of a crossing
_DEAREST = (0.25, 0.85)

Quotes = tuple[float, float]  # bid, ask of YES
Found = dict[tuple[str, float, float], list[tuple[bool, bool]]]


@dataclass(frozen=True, slots=True)
class Place:
    """Where a detector's quotes can disagree: a ladder's (easier, harder) rung, every outcome of a sum, a shared bet's
    (Kalshi, Polymarket)."""

    detector: str
    markets: tuple[str, ...]
    same_side: bool = True

    @property
    def size(self) -> float:
        """In dollars. A crossing is told by an ask and the middle of two quotes."""
        return float(NOISE * (1.5 if self.detector == CROSSING else len(self.markets)) ** 0.5)


def found(seed: int, at: datetime = START, markets: int = MARKETS, sizes: Sequence[float] = SIZES) -> Found:
    """By (detector, tick, size), of each place whether anything is quoted of it and whether it scored 50."""
    world = GeneratedWorld(seed, markets)
    places = list(_places(world, at))
    listed = open_markets(world, at, {market for place in places for market in place.markets})
    places = [place for place in places if all(market in listed for market in place.markets)]
    told: Found = defaultdict(list)
    for tick in TICKS:
        for size in sizes:
            rng = np.random.default_rng([seed, round(10 * size)])
            quotes = [_laid(place, rng, size * place.size, tick) for place in places]
            shown = _shown(listed, places, quotes)
            scored = _scored(shown, at)
            for place, laid in zip(places, quotes, strict=True):
                hit = _crosses(place, shown) if place.detector == CROSSING else not scored.isdisjoint(
                    (place.detector, market) for market in place.markets
                )  # fmt: skip
                told[place.detector, tick, size].append((_is_quoted(place, laid), hit))
    return told


def _places(world: GeneratedWorld, at: datetime) -> Iterator[Place]:
    """One of each event with two markets or more, here its first rungs, there its last; and every shared bet."""
    events = [(row.source, [market.ticker for market in row.markets]) for row in world.kalshi.event_rows(at)]
    events += [(row.source, [market.condition_id for market in row.markets]) for row in world.polymarket.event_rows(at)]
    for number, (rnd, ids) in enumerate(events):
        kind = rnd.family.kind
        if kind in _DETECTORS and len(ids) > 1 and rnd.end * SLOT_S > at.timestamp():
            rungs = list(pairwise(ids))[number % (len(ids) - 1)]
            # by threshold the first rung is the easiest, by date the hardest
            chosen = ids if kind == "exclusive" else rungs if kind == "threshold" else rungs[::-1]
            yield Place(_DETECTORS[kind], tuple(chosen))
    for pair in world.truth(at, at)["pairs"]:
        yield Place(CROSSING, (pair["kalshi"], pair["polymarket"]), pair["polarity"] == "same")


def _laid(place: Place, rng: np.random.Generator, off: float, tick: float) -> list[Quotes]:
    """YES quotes of a place's markets, in ticks; where `off` is 0 they just fit before they are rounded."""
    dearest, half = rng.uniform(*_DEAREST), rng.uniform(0.005, 0.015)
    if place.detector == "sum_mismatch":
        share = rng.dirichlet(np.full(len(place.markets), 5.0)) * (1 + off)
        return [_rounded(bid, bid + 2 * half, tick) for bid in share.tolist()]
    if place.detector == CROSSING:  # what the other's middle is worth, and `off` less asked here
        here = _rounded(dearest - off - 2 * half, dearest - off, tick)
        other = _rounded(dearest - half, dearest + half, tick)
        return [here, other if place.same_side else (1 - other[1], 1 - other[0])]
    cheap = _rounded(dearest - off - 2 * half, dearest - off, tick)
    return [cheap, _rounded(dearest, dearest + 2 * half, tick)]


def _rounded(bid: float, ask: float, tick: float) -> Quotes:
    """Down and up; what is a tick but for the arithmetic stays."""
    low, high = np.floor(bid / tick + 1e-6), np.ceil(ask / tick - 1e-6)
    return round(float(low) * tick, 6), round(float(high) * tick, 6)


def _is_quoted(place: Place, laid: Sequence[Quotes]) -> bool:
    if place.detector == "sum_mismatch":
        return sum(bid for bid, _ in laid) > 1 + 1e-9
    (_, ask), (low, high) = laid
    if place.detector != CROSSING:
        return low - ask > 1e-9
    middle = (low + high) / 2
    return (middle if place.same_side else 1 - middle) - ask > 1e-9


def _shown(
    listed: Mapping[str, OpenMarket], places: Sequence[Place], quotes: Sequence[Sequence[Quotes]]
) -> dict[str, OpenMarket]:
    """The listing with these quotes; of a ladder's other rungs none, so that only what was planted disagrees."""
    shown = {name: replace(market, yes_price=None, no_price=None) for name, market in listed.items()}
    for place, laid in zip(places, quotes, strict=True):
        for name, (bid, ask) in zip(place.markets, laid, strict=True):
            ask_of_yes, ask_of_no = Decimal(str(ask)), 1 - Decimal(str(bid))
            shown[name] = replace(listed[name], yes_price=ask_of_yes, no_price=ask_of_no)
    return shown


def _scored(shown: Mapping[str, OpenMarket], at: datetime) -> set[tuple[str, str]]:
    ids = list(shown)
    return {
        (signal.detector, ids[row])
        for signal in signals(make_history(list(shown.values()), {}, at))
        for row in np.flatnonzero(signal.score >= THRESHOLD)
    }


def _crosses(place: Place, shown: Mapping[str, OpenMarket]) -> bool:
    return gap_cents(*(shown[name] for name in place.markets), same_side=place.same_side) >= _CENTS_OF_50


def main(arguments: list[str]) -> None:
    worlds = next((int(each) for each in arguments if each.isdigit()), WORLDS)
    told: Found = defaultdict(list)
    for seed in islice(seeds(JUDGED if "judged" in arguments else TUNED), worlds):
        for key, hits in found(seed % 2**31).items():
            told[key] += hits
    for detector in (*_DETECTORS.values(), CROSSING):
        for tick in TICKS:
            of = {size: np.array(told[detector, tick, size]) for size in SIZES}
            print(f"{detector}, ticks of {100 * tick:g} cents, {len(of[0.0]):,} of each size")
            for part, title in enumerate(("quoted", "found")):
                print(f"  {title:8}", "  ".join(f"{size:g}: {hits[:, part].mean():.3f}" for size, hits in of.items()))


if __name__ == "__main__":
    main(sys.argv[1:])
