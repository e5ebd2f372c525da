"""The generated world: families of markets whose rounds follow each other for ever, all a function of (seed, time).

A round's prices are probabilities that a latent random walk ends beyond a threshold, so they are martingales that
settle as the walk ends; ladders on one walk are consistent, and the two sides of a cross-venue pair share one walk.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property
from typing import Any

import numpy as np

from local import world_texts as texts
from local.noise import Floats, Ints, key_of, uniform
from local.world_columns import CROSS, NO_ASK, NO_BID, WINDOW, Columns, FamilyTable, Readings
from local.world_families import DAY, EPOCH, EPOCH_SLOT, KEPT_SLOTS, SLOT_S, VENUES, Family, make_families
from local.world_walks import MOVING_LIFE, QUARTER, SPIKING_LIFE, Effects, spots_of

__all__ = ["NO_ASK", "NO_BID", "SLOT_S", "VENUES", "Effects", "GeneratedWorld", "Listed", "Round"]

CROSSED_AT_ONCE, CROSSED_SHARE = 16, 0.05
# Per slot and venue: at least so many at once, and so many per market and day in a large world.
SPIKES_PER_SLOT, SPIKES_PER_MARKET_DAY = 3.0, 0.1
JUMPS_PER_SLOT, JUMPS_PER_DRIVER_DAY = 4.0, 0.05
AT_ONCE = {"exclusive": 5, "threshold": 2, "deadline": 1}  # planted faults of quotes
RAREST, MOST_OFTEN = 50, 4
ROUNDS_REMEMBERED = 512


class Round:
    """One generation of a family: its markets' prices, volumes, closing times and outcomes for its whole life."""

    def __init__(self, world: "GeneratedWorld", family: Family, number: int) -> None:
        self.world = world
        self.family = family
        self.number = number
        self.start = EPOCH_SLOT + family.phase + number * family.life
        self.end = self.start + family.life

    @cached_property
    def columns(self) -> Columns:
        family, number = np.array([self.family.index]), np.array([self.number])
        lanes = self.family.life // DAY + 1
        return Columns(self.world, self.world.tables[self.family.venue], family, number, lanes)

    @property
    def slots(self) -> Ints:
        return np.arange(self.start, self.end, dtype=np.int64)

    @cached_property
    def prices(self) -> Floats:
        slots = np.broadcast_to(self.slots, (self.family.size, self.family.life))
        return self.columns.prices(np.arange(self.family.size), slots)

    @cached_property
    def volumes(self) -> Ints:
        """Cumulative, at the start of each slot and at the end."""
        edges = np.arange(self.start, self.end + 1, dtype=np.int64) * SLOT_S
        return np.stack([self.volume_at(j, edges) for j in range(self.family.size)])

    def volume_at(self, j: int, ts: Ints) -> Ints:
        return self.columns.volume_at(np.full(len(ts), j), np.asarray(ts, dtype=np.int64))

    def quotes(self, slots: Ints) -> tuple[Ints, Ints]:
        return self.columns.quotes(slots)

    def trade_prices(self, slots: Ints) -> Ints:
        rows = np.arange(self.family.size)
        return self.columns.trade_prices(rows, np.broadcast_to(slots, (len(rows), len(slots))))

    @property
    def closes(self) -> Ints:
        return self.columns.closes

    @property
    def outcomes(self) -> Any:
        return self.columns.outcomes

    @property
    def end_time(self) -> datetime:
        return texts.utc(self.end * SLOT_S)

    def rung_times(self) -> tuple[datetime, ...]:
        life, size = self.family.life, self.family.size
        rungs = ((life * (j + 1) // size) // DAY * DAY or life for j in range(size))
        return tuple(texts.utc((self.start + rung) * SLOT_S) for rung in rungs)


@dataclass(frozen=True, slots=True)
class Crossing:
    """Per pair, in one window: whether Kalshi's YES is the cheap one, its ask and the edge (0: none) in thousandths."""

    kalshi_cheap: Any
    ask: Ints
    edge: Ints


@dataclass(slots=True)
class Listed:
    """One venue's rounds at a moment, oldest listing first, and the columns of those that have not ended."""

    slot: int
    family: Ints
    number: Ints
    live: Columns
    first: dict[tuple[int, int], int]  # (family, number) of a live round -> its first market in `live`


class GeneratedWorld:
    """All families of both venues and their rounds. Anything asked at one time has one answer, in any order."""

    def __init__(self, seed: int = 1, markets: int = 400, effects: Effects | None = None) -> None:
        from local.world_kalshi import GeneratedKalshi
        from local.world_polymarket import GeneratedPolymarket

        self.seed = seed
        self.effects = effects or Effects()
        self.spots = spots_of(seed)
        self.families = {venue: make_families(seed, venue, markets // 2) for venue in VENUES}
        self.tables = {venue: FamilyTable(seed, families) for venue, families in self.families.items()}
        self.window_key = key_of(seed, "windows")
        self.spike_chance = {venue: spike_chance(families) for venue, families in self.families.items()}
        self.jump_chance = jump_chance([f for families in self.families.values() for f in families])
        self.every = {
            (venue, kind): turns(sum(family.kind == kind for family in self.families[venue]), at_once)
            for venue in VENUES
            for kind, at_once in AT_ONCE.items()
        }
        self.hits: dict[tuple[str, int, int], int] = {}
        self._rounds: dict[tuple[str, int, int], Round] = {}
        self._listed: dict[str, Listed] = {}
        self._crossings: dict[int, Crossing] = {}
        self.kalshi = GeneratedKalshi(self)
        self.polymarket = GeneratedPolymarket(self)

    def round(self, family: Family, number: int) -> Round:
        """The same object while it is among those last asked for."""
        key = (family.venue, family.index, number)
        found = self._rounds.pop(key, None) or Round(self, family, number)
        self._rounds[key] = found
        if len(self._rounds) > ROUNDS_REMEMBERED:
            del self._rounds[next(iter(self._rounds))]
        return found

    def round_at(self, family: Family, slot: int) -> Round:
        return self.round(family, (slot - EPOCH_SLOT - family.phase) // family.life)

    def numbers_at(self, venue: str, slot: int) -> tuple[Ints, Ints]:
        """(family, number) of every round listed at `slot` or ended not long ago, oldest listing first."""
        if slot < EPOCH_SLOT + KEPT_SLOTS:
            raise ValueError(f"the generated world begins on {EPOCH + timedelta(days=10):%Y-%m-%d}")
        table = self.tables[venue]
        since = slot - EPOCH_SLOT - table.phase
        oldest = np.maximum((since - table.kept) // table.life, 0)
        counts = since // table.life - oldest + 1
        family = np.repeat(np.arange(len(counts)), counts)
        number = np.arange(len(family)) - np.repeat(np.cumsum(counts) - counts, counts) + oldest[family]
        order = np.lexsort((table.rank[family], table.phase[family] + number * table.life[family]))
        return family[order], number[order]

    def listed(self, venue: str, slot: int) -> Listed:
        """The same object until a round begins, ends or is forgotten."""
        old = self._listed.get(venue)
        if old is not None and old.slot == slot:
            return old
        family, number = self.numbers_at(venue, slot)
        table = self.tables[venue]
        living = EPOCH_SLOT + table.phase[family] + (number + 1) * table.life[family] > slot
        same = ((family, old.family), (number, old.number), (family[living], old.live.family)) if old else ()
        if old and all(np.array_equal(new, known) for new, known in same):
            old.slot = slot
            return old
        live = Columns(self, table, family[living], number[living])
        names = zip(live.family.tolist(), live.number.tolist(), strict=True)
        first = dict(zip(names, live.first.tolist(), strict=False))
        self._listed[venue] = Listed(slot, family, number, live, first)
        return self._listed[venue]

    def columns_of(self, rnd: Round, slot: int) -> tuple[Columns, int]:
        """Columns that hold a round's markets now, and where the first of them is."""
        listed = self.listed(rnd.family.venue, slot)
        first = listed.first.get((rnd.family.index, rnd.number))
        return (self.round(rnd.family, rnd.number).columns, 0) if first is None else (listed.live, first)

    def read(self, venue: str, seats: Sequence[tuple[int, int, int]], now_ts: int) -> Readings:
        """Of markets given as (family, number, seat)."""
        listed = self.listed(venue, now_ts // SLOT_S)
        if all(seat[:2] in listed.first for seat in seats):
            rows = [listed.first[family, number] + j for family, number, j in seats]
            return listed.live.read(np.array(rows, dtype=np.int64), now_ts)
        rounds = dict.fromkeys(seat[:2] for seat in seats)
        named = np.array(list(rounds), dtype=np.int64).reshape(-1, 2)
        columns = Columns(self, self.tables[venue], named[:, 0], named[:, 1])
        first = dict(zip(rounds, columns.first.tolist(), strict=False))
        rows = [first[family, number] + j for family, number, j in seats]
        return columns.read(np.array(rows, dtype=np.int64), now_ts)

    def forget_before(self, slot: int) -> None:
        """Drops what no listing needs any more; it comes back, the same, if somebody asks."""
        for window in [window for window in self._crossings if window < (slot - 100 * DAY) // WINDOW]:
            del self._crossings[window]

    # The pairs' crossings

    @cached_property
    def pairs(self) -> list[Family]:
        """Kalshi's side, in order of their numbers."""
        return [family for family in self.families["kalshi"] if family.pair is not None]

    def crossing(self, window: int) -> Crossing:
        if window not in self._crossings:
            self._crossings[window] = self._plan_crossing(window)
        return self._crossings[window]

    def _plan_crossing(self, window: int) -> Crossing:
        """In random order, those pairs whose price stays in the middle all along, a day from either end."""
        table = self.tables["kalshi"]
        family = np.array([pair.index for pair in self.pairs])
        first = window * WINDOW
        number = (first - EPOCH_SLOT - table.phase[family]) // table.life[family]
        columns = Columns(self, table, family, number)
        slots = np.broadcast_to(np.arange(first, first + WINDOW), (len(family), WINDOW))
        span = columns.prices(np.arange(len(family)), slots)
        fits = (first >= columns.start + DAY) & (first + WINDOW - 1 < columns.end - DAY)
        fits &= (span.min(axis=1) >= 0.15) & (span.max(axis=1) <= 0.85)
        order = np.argsort(uniform(self.window_key, np.arange(len(family)) + 100_000 * window, CROSS))
        wanted = max(CROSSED_AT_ONCE, int(CROSSED_SHARE * len(family)))
        chosen = order[fits[order]][:wanted]
        draws = uniform(columns.driver[:, None], np.array([[window, -1 - window]]), CROSS)
        edge = 50 + 10 * (draws[:, 0] * 4).astype(np.int64)
        ask = np.round((span.mean(axis=1) * 1000 - edge / 2) / 10).astype(np.int64) * 10
        on = np.zeros(len(family), dtype=bool)
        on[chosen] = True
        return Crossing(draws[:, 1] < 0.5, ask, np.where(on, edge, 0))

    def truth(self, start: datetime, end: datetime) -> dict[str, Any]:
        """What was planted between two times; see `world_truth`."""
        from local.world_truth import truth

        return truth(self, start, end)


def spike_chance(families: Sequence[Family]) -> float:
    """Of a market, in a quarter of a day."""
    seats = max(sum(family.size for family in families if family.life >= SPIKING_LIFE), 1)
    return min(max(SPIKES_PER_SLOT / seats * QUARTER, SPIKES_PER_MARKET_DAY / 4), 0.9)


def jump_chance(families: Sequence[Family]) -> float:
    """Of a walk, in a quarter of a day."""
    drivers = {family.driver for family in families if family.life >= MOVING_LIFE}
    return min(max(JUMPS_PER_SLOT / max(len(drivers), 1) * QUARTER, JUMPS_PER_DRIVER_DAY / 4), 0.9)


def turns(families: int, at_once: int) -> int:
    """One in so many families is at fault at a time."""
    return min(max(families // at_once, MOST_OFTEN), RAREST)
