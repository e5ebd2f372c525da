"""Prices, volumes and quotes of many markets at once, every one a function of (seed, market, time)."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from local.noise import Floats, Ints, bits, cdf, key_of, normal, ppf, uniform
from local.world_families import COINS, DAY, EPOCH_SLOT, HOUR, KINDS, SLOT_S, Family
from local.world_walks import (
    HOURLY_NOISE,
    QUARTER,
    SPIKE,
    SPIKE_SIGN,
    SPIKE_SIZE,
    SPIKE_SLOT,
    SPIKING_LIFE,
    Keys,
    Moves,
    Planted,
    Walks,
    padded,
    planted,
)

if TYPE_CHECKING:
    from local.world import GeneratedWorld

BINARY, EXCLUSIVE, THRESHOLD, DEADLINE, SPOT = range(5)
assert KINDS == ("binary", "exclusive", "threshold", "deadline", "spot")
NO_BID, NO_ASK = 0, 1000  # quotes are in thousandths of a dollar
WINDOW = 8
PAIR_SIZE = 600
MINUTES = 15
FLOW_NOISE = 0.4
SPIKE_SLOTS = HOUR
QUIET, QUIET_THIN = 0.02, 0.9

# Salts keep the draws of one key apart.
ROUND, SEAT, START_P, HALF_SPREAD, TICK, SCALE, THIN, ONE_SIDED, FLOW, DAY_FLOW = range(30, 40)
ENDING, BOUNCE, GAP, LEVEL, WEIGHT, CROSS, MISFIT, TRADE, SHUFFLE, ORDER, JITTER, IDLE = range(40, 52)

_HOURS = np.arange(DAY) / HOUR
SHAPE = 0.35 + np.exp(-(((_HOURS - 18.5) / 4.5) ** 2)) + 0.4 * np.exp(-(((_HOURS - 2.0) / 3.0) ** 2))


class FamilyTable:
    """One venue's families as arrays."""

    def __init__(self, seed: int, families: Sequence[Family]) -> None:
        self.families = families
        venue = families[0].venue
        self.key: Keys = np.array([key_of(seed, venue, f.name) for f in families], dtype=np.uint64)
        self.driver: Keys = np.array([key_of(seed, "driver", f.driver) for f in families], dtype=np.uint64)
        self.kind = integers(KINDS.index(f.kind) for f in families)
        self.size = integers(f.size for f in families)
        self.life = integers(f.life for f in families)
        self.phase = integers(f.phase for f in families)
        self.kept = integers(f.kept for f in families)
        self.place = integers(f.place for f in families)
        self.pair = integers(-1 if f.pair is None else f.pair for f in families)
        self.bet = np.array([f.bet is not None for f in families])
        self.inverted = np.array([f.inverted for f in families])
        self.ordered = np.array([f.category == "Climate and Weather" for f in families])
        self.residual = np.array([f.residual for f in families])
        self.offset = np.array([f.offset for f in families])
        # Ids go by this order, which says nothing about the other venue's.
        self.rank = np.argsort(np.argsort(uniform(self.key, 0, ORDER))).astype(np.int64)


def integers(values: Any) -> Ints:
    return np.fromiter(values, dtype=np.int64)


@dataclass(frozen=True, slots=True)
class Flow:
    """What is planted in volumes: per market, the slot of its life, the factor on the flow of an hour."""

    spikes: Planted
    factor: Floats


class Columns:
    """The markets of R rounds of one venue, event by event. Times are absolute slots or unix seconds.

    With the default of two `lanes`, ask for moments within a day or so of each other; a single round has all its days.
    """

    def __init__(self, world: "GeneratedWorld", table: FamilyTable, family: Ints, number: Ints, lanes: int = 2) -> None:
        self.world, self.table, self.lanes = world, table, lanes
        self.family, self.number = family, number
        self.venue = table.families[0].venue
        self.kind = table.kind[family]
        self.life = table.life[family]
        self.start = EPOCH_SLOT + table.phase[family] + number * self.life
        self.end = self.start + self.life
        self.driver: Keys = bits(table.driver[family], number, ROUND)
        self.round_key: Keys = bits(table.key[family], number, ROUND)
        size = table.size[family]
        self.first = np.concatenate(([0], np.cumsum(size)))
        self.size = size
        self.rnd = np.repeat(np.arange(len(family)), size)
        self.seat = np.arange(len(self.rnd)) - self.first[self.rnd]
        self.key: Keys = bits(self.round_key[self.rnd], self.seat, SEAT)
        # Both venues of a shared bet hear the same news.
        self.news: Keys = bits(self.driver[self.rnd], self.seat, SEAT)
        self.is_bet = table.bet[family][self.rnd]
        self.pair = table.pair[family][self.rnd]
        self.residual = np.where(self.kind == DEADLINE, 0.0, table.residual[family])
        self._states: dict[int, tuple[Ints, Ints]] = {}

    def __len__(self) -> int:
        return len(self.rnd)

    # The latent line: a market pays when the walk ends within its bounds, or touches `low` before a deadline

    @cached_property
    def walks(self) -> Walks:
        return Walks(self.driver, self.life, self.world.jump_chance, self.lanes)

    @cached_property
    def moves(self) -> Moves:
        effects, jumps, unit = self.world.effects, self.walks.jumps, self.walks.unit
        size = jumps.sign * jumps.grade * HOURLY_NOISE * unit[jumps.row]
        rows, slots, now, later = jumps.row, jumps.slot, size, -effects.jump_reversion * size
        if effects.spike_drift:
            spikes = self.flow.spikes
            rounds = self.rnd[spikes.row]
            drift = effects.spike_drift * spikes.sign * spikes.grade * HOURLY_NOISE * unit[rounds]
            rows, slots = np.concatenate((rows, rounds)), np.concatenate((slots, spikes.slot))
            now, later = np.concatenate((now, np.zeros(len(drift)))), np.concatenate((later, drift))
        return padded(len(self.family), rows, slots, now, later)

    @cached_property
    def bounds(self) -> tuple[Floats, Floats]:
        low, high = np.full(len(self), -np.inf), np.full(len(self), np.inf)
        kind, driver = self.kind[self.rnd], self.driver[self.rnd]
        wide = np.sqrt(1.0 + self.residual**2)[self.rnd]
        start = uniform(driver, 0, START_P)
        middle = 0.6 * (uniform(driver, 0, JITTER) - 0.5)
        offset = self.table.offset[self.family][self.rnd]
        rung = -1.1 + 2.2 * self.seat / np.maximum(self.size[self.rnd] - 1, 1)
        low = np.where(kind == BINARY, -ppf(0.2 + 0.6 * start) * wide - offset, low)
        low = np.where(kind == THRESHOLD, (rung + middle) * wide, low)
        low = np.where(kind == DEADLINE, 0.7 + 0.5 * start, low)
        if (kind == SPOT).any():
            low[kind == SPOT] = self._spot_bounds()
        inside = np.flatnonzero(kind == EXCLUSIVE)
        if len(inside):
            low[inside], high[inside] = self._buckets(inside, wide[inside])
        return low, high

    def _spot_bounds(self) -> Floats:
        found = []
        for r in np.flatnonzero(self.kind == SPOT):
            strikes = self.strikes(int(r))
            found.append(np.log(np.array(strikes)) if strikes else self._spot_path(int(r), self.start[r : r + 1]))
        return np.concatenate(found)

    def _spot_path(self, r: int, slots: Ints) -> Floats:
        coin = self.table.families[int(self.family[r])].coin or COINS[0]
        return self.world.spots[coin.symbol].log_prices(slots)

    def strikes(self, r: int) -> tuple[float, ...]:
        """Of a ladder on a coin's price; empty where one market asks for up or down."""
        coin, size = self.table.families[int(self.family[r])].coin, int(self.size[r])
        if coin is None or size == 1:
            return ()
        middle = round(float(np.exp(self._spot_path(r, self.start[r : r + 1])[0])) / coin.step)
        return tuple(round((middle + j - size // 2) * coin.step, 4) for j in range(size))

    def _buckets(self, inside: Ints, wide: Floats) -> tuple[Floats, Floats]:
        """Bounds that cut the line into one bucket for each outcome; outcomes without an order are shuffled."""
        rnd, driver = self.rnd[inside], self.driver[self.rnd[inside]]
        weight = 0.5 + uniform(driver, self.seat[inside], WEIGHT)
        total = np.bincount(rnd, weights=weight, minlength=len(self.family))
        running = np.cumsum(weight)
        opening = running - weight
        opening_of = np.zeros(len(self.family))
        opening_of[rnd[::-1]] = opening[::-1]
        upper = (running - opening_of[rnd]) / total[rnd]
        lower = (opening - opening_of[rnd]) / total[rnd]
        last = self.seat[inside] == self.size[rnd] - 1
        high = np.where(last, np.inf, ppf(upper) * wide)
        low = np.where(self.seat[inside] == 0, -np.inf, ppf(lower) * wide)
        ordered = self.table.ordered[self.family[rnd]]
        order = np.lexsort((np.where(ordered, self.seat[inside], uniform(driver, self.seat[inside], SHUFFLE)), rnd))
        return low[order], high[order]

    @cached_property
    def due(self) -> Ints:
        """The slot of its life by which a market is decided: a deadline's rung on a midnight, else the end."""
        life = self.life[self.rnd]
        rung = life * (self.seat + 1) // self.size[self.rnd] // DAY * DAY
        return np.where((self.kind[self.rnd] == DEADLINE) & (rung > 0), rung, life)

    @cached_property
    def hits(self) -> Ints:
        """Per round, the slot of its life in which its walk first touches; its life where it never does."""
        found = self.life.copy()
        rows = np.flatnonzero(self.kind == DEADLINE)
        known = self.world.hits
        names = [(self.venue, int(self.family[r]), int(self.number[r])) for r in rows]
        new = np.array([r for r, name in zip(rows, names, strict=True) if name not in known], dtype=np.int64)
        for first in range(0, len(new), 256):
            some = new[first : first + 256]
            line = self.bounds[0][self.first[some], None]
            touched = self.walks.whole(some, self.moves, self.world.effects) >= line
            touched &= np.arange(touched.shape[1]) < self.life[some, None]
            hit = np.where(touched.any(axis=1), touched.argmax(axis=1), self.life[some])
            for r, slot in zip(some, hit, strict=True):
                known[self.venue, int(self.family[r]), int(self.number[r])] = int(slot)
        found[rows] = [known[name] for name in names]
        return found

    @cached_property
    def closes(self) -> Ints:
        return self.start[self.rnd] + np.maximum(np.minimum(self.due, self.hits[self.rnd]), 1)

    @cached_property
    def outcomes(self) -> Any:
        low, high = self.bounds
        x = self.walks.final(self.moves, self.world.effects) + normal(self.driver, 0, ENDING) * self.residual
        for r in np.flatnonzero(self.kind == SPOT):
            x[r] = self._spot_path(int(r), self.end[r : r + 1])[0]
        won = (low < x[self.rnd]) & (x[self.rnd] <= high)
        won = np.where(self.kind[self.rnd] == DEADLINE, self.hits[self.rnd] < self.due, won)
        return won ^ self.table.inverted[self.family][self.rnd]

    def prices(self, rows: Ints, slots: Ints) -> Floats:
        """Fair prices of markets (n,) at slots (n, T) of their rounds' lives, between 0.001 and 0.999."""
        rnd = self.rnd[rows]
        elapsed = np.clip(slots - self.start[rnd, None], 0, self.life[rnd, None] - 1)
        x = self.walks.at(rnd, elapsed, self.moves, self.world.effects)
        low, high = (bound[rows, None] for bound in self.bounds)
        kind = self.kind[rnd]
        unit = 1.0 / self.life[rnd]
        for r in np.unique(rnd[kind == SPOT]):
            mine = rnd == r
            x[mine] = self._spot_path(int(r), self.start[r] + elapsed[mine])
            coin = self.table.families[int(self.family[r])].coin or COINS[0]
            unit[mine] = self.world.spots[coin.symbol].step ** 2
        remaining = np.maximum(self.due[rows, None] - elapsed, 1)
        width = np.sqrt(remaining * unit[:, None] + (self.residual[rnd] ** 2)[:, None])
        above = cdf((x - low) / width)
        bucket = np.flatnonzero(kind == EXCLUSIVE)
        if len(bucket):
            above[bucket] -= cdf((x[bucket] - high[bucket]) / width[bucket])
        prices = np.where((kind == DEADLINE)[:, None], np.minimum(2.0 * above, 1.0), above)
        apart = np.flatnonzero((self.pair[rows] >= 0) & (self.venue == "polymarket"))
        if len(apart):
            prices[apart] = shifted(prices[apart], self._gap(rnd[apart], self.start[rnd[apart], None] + elapsed[apart]))
        prices = np.clip(prices, 0.001, 0.999)
        inverted = self.table.inverted[self.family[rnd]]
        return np.asarray(np.where(inverted[:, None], 1.0 - prices, prices))

    def _gap(self, rnd: Ints, slots: Ints) -> Floats:
        """A small mean-reverting difference in log-odds between the two venues of a pair."""
        back = np.arange(48)
        draws = normal(self.driver[rnd][:, None, None], slots[:, :, None] - back, GAP)
        return np.asarray((draws * 0.9**back).sum(axis=-1) * 0.015)

    # Volume, in hundredths of the venue's unit

    @cached_property
    def thin(self) -> Any:
        return (uniform(self.key, 0, THIN) < 0.15) & ~self.is_bet

    @cached_property
    def scale(self) -> Floats:
        return np.asarray(np.exp(4.0 + 1.5 * normal(self.key, 0, SCALE)) * np.where(self.is_bet, 3.0, 1.0))

    @cached_property
    def flow(self) -> Flow:
        """The planted spikes: an hour each, against a baseline, so none on the first day, none after closing."""
        days = np.arange(int(self.life.max(initial=0)) // DAY)[None, :, None]
        rows = np.arange(len(self))[:, None, None]
        found = self._spikes(rows, days)
        keep = self._spiking[found.row] & (found.slot >= DAY) & (found.slot + SPIKE_SLOTS <= self.due[found.row])
        spikes = Planted(found.row[keep], found.slot[keep], found.grade[keep], found.sign[keep])
        return Flow(spikes, np.exp(FLOW_NOISE * spikes.grade))

    @cached_property
    def _spiking(self) -> Any:
        return (self.life[self.rnd] >= SPIKING_LIFE) & ~self.thin

    def _spikes(self, rows: Ints, days: Ints) -> Planted:
        chance = self.world.spike_chance[self.venue]
        salts = (SPIKE, SPIKE_SLOT, SPIKE_SIZE, SPIKE_SIGN)
        return planted(self.news, rows, days, salts, chance, QUARTER - SPIKE_SLOTS)

    def _daily(self, rows: Ints, days: Ints) -> Floats:
        """The factor of a market's day."""
        return np.asarray(np.exp(FLOW_NOISE * normal(self.key[rows], days, DAY_FLOW)))

    @cached_property
    def _extras(self) -> tuple[Ints, Ints, Ints]:
        """Market, slot of its life and amount of each planted spike's first slot; the others follow its shape."""
        spikes, factor = self.flow.spikes, self.flow.factor
        row = np.repeat(spikes.row, SPIKE_SLOTS)
        slot = (spikes.slot[:, None] + np.arange(SPIKE_SLOTS)).ravel()
        daily = self._daily(row, slot // DAY)
        shape = SHAPE[(self.start[self.rnd[row]] + slot) % DAY]
        amount = (np.repeat(factor, SPIKE_SLOTS) - 1.0) * self.scale[row] * shape * daily * 100
        return row, slot, amount.astype(np.int64)

    @cached_property
    def day_volumes(self) -> Ints:
        """(M, days + 1), cumulative."""
        days = np.arange(self.walks.days)[None, :]
        usual = np.where(self.thin, 1.0 - QUIET_THIN, 1.0 - QUIET) * self.scale * SHAPE.sum() * 100
        totals = (usual[:, None] * self._daily(np.arange(len(self))[:, None], days)).astype(np.int64)
        row, slot, amount = self._extras
        np.add.at(totals, (row, slot // DAY), amount)
        return np.concatenate((np.zeros((len(self), 1), np.int64), np.cumsum(totals, axis=1)), axis=1)

    @cached_property
    def _extras_by_day(self) -> tuple[Ints, Ints, Ints, Ints]:
        row, slot, amount = self._extras
        names = row * 4096 + slot // DAY
        order = np.argsort(names, kind="stable")
        return names[order], row[order], slot[order], amount[order]

    def _ways(self, rows: Ints, days: Ints) -> Ints:
        """(n, 97): cumulative volume within the given days."""
        slots = days[:, None] * DAY + np.arange(DAY)
        weight = SHAPE[(self.start[self.rnd[rows], None] + slots) % DAY]
        weight = weight * np.exp(0.35 * normal(self.key[rows][:, None], slots, FLOW))
        idle = np.where(self.thin[rows], QUIET_THIN, QUIET)[:, None]
        weight = np.where(uniform(self.key[rows][:, None], slots, IDLE) < idle, 0.0, weight)
        weight[:, -1] += weight.sum(axis=1) == 0.0
        share = np.cumsum(weight, axis=1)
        share /= share[:, -1:]
        total = self.day_volumes[rows, days + 1] - self.day_volumes[rows, days]
        names, _, extra_slots, amounts = self._extras_by_day
        planted_here = np.zeros((len(rows), DAY), dtype=np.int64)
        mine = rows * 4096 + days
        first, last = np.searchsorted(names, mine, "left"), np.searchsorted(names, mine, "right")
        for n in np.flatnonzero(last > first):
            part = slice(first[n], last[n])
            planted_here[n, extra_slots[part] % DAY] += amounts[part]
        extra = np.cumsum(planted_here, axis=1)
        way = ((total - extra[:, -1])[:, None] * share).astype(np.int64) + extra
        return np.concatenate((np.zeros((len(rows), 1), np.int64), way), axis=1)

    @cached_property
    def _volume_lanes(self) -> tuple[Ints, Ints]:
        return np.zeros((len(self), self.lanes, DAY + 1), np.int64), np.full((len(self), self.lanes), -1, np.int64)

    def _way(self, rows: Ints, day: Ints) -> Ints:
        """(n, 97) of one day for each market, remembered."""
        ways, held = self._volume_lanes
        lane = day % self.lanes
        missing = held[rows, lane] != day
        if missing.any():
            which, days = np.divmod(np.unique(rows[missing] * 4096 + day[missing]), 4096)
            ways[which, days % self.lanes] = self._ways(which, days)
            held[which, days % self.lanes] = days
        found = ways[rows, lane]
        lost = np.flatnonzero(held[rows, lane] != day)  # two days of one market that share a lane
        if len(lost):
            found[lost] = self._ways(rows[lost], day[lost])
        return np.asarray(found)

    def until_slot(self, rows: Ints, elapsed: Ints) -> Ints:
        """Cumulative volume of markets (n,) at the start of a slot (n,) of their lives."""
        day, place = np.divmod(elapsed, DAY)
        found = self.day_volumes[rows, day]
        inside = np.flatnonzero(place > 0)
        if len(inside):
            way = self._way(rows[inside], day[inside])
            found = found.copy()
            found[inside] += way[np.arange(len(inside)), place[inside]]
        return np.asarray(found)

    def volume_at(self, rows: Ints, ts: Ints) -> Ints:
        """Cumulative volume at unix times (n,), to the minute: a slot's flow is spread evenly over its minutes."""
        start = self.start[self.rnd[rows]]
        minutes = np.clip(ts // 60, start * MINUTES, self.closes[rows] * MINUTES) - start * MINUTES
        slot, minute = np.divmod(minutes, MINUTES)
        before = self.until_slot(rows, slot)
        part = np.flatnonzero(minute > 0)
        if len(part):
            after = self.until_slot(rows[part], slot[part] + 1)
            before[part] += (after - before[part]) * minute[part] // MINUTES
        return before

    def last_traded(self, rows: Ints, volume: Ints) -> Ints:
        """The slot that brought the volume to where it is; meaningless where that is 0."""
        day = np.maximum((self.day_volumes[rows] < volume[:, None]).sum(axis=1) - 1, 0)
        way = self._way(rows, day)
        place = (way < (volume - self.day_volumes[rows, day])[:, None]).sum(axis=1) - 1
        return np.asarray(self.start[self.rnd[rows]] + day * DAY + np.maximum(place, 0))

    # Quotes

    @cached_property
    def ticks(self) -> Ints:
        """Per market: 10 or 1 thousandths, 0 for the tapered kind (1 below 0.10 and above 0.90)."""
        if self.venue == "polymarket":
            found = np.where(uniform(self.round_key[self.rnd], 0, TICK) < 0.6, 10, 1)
        else:
            draw = uniform(self.key, 0, TICK)
            found = np.where(draw < 0.7, 10, np.where(draw < 0.85, 0, 1))
        return np.where(self.is_bet, 10, found).astype(np.int64)

    @cached_property
    def half_spreads(self) -> Floats:
        draw = uniform(self.key, 0, HALF_SPREAD)
        return np.asarray(np.where(self.is_bet, 3.0 + 3.0 * draw, np.where(self.thin, 25.0, 3.0 + 14.0 * draw**2)))

    def _plain(self, rows: Ints, at: Ints) -> tuple[Floats, Ints, Ints, Ints]:
        """Fair price, step, bid and ask in thousandths before anything planted; at is (n, T)."""
        fair = self.prices(rows, at) * 1000.0
        half = self.half_spreads[rows, None]
        centre = fair + 0.3 * half * normal(self.key[rows][:, None], at, BOUNCE)
        ticks = self.ticks[rows, None]
        step = np.where(ticks == 0, np.where((fair < 100) | (fair > 900), 1, 10), ticks)
        bid = (np.floor((centre - half) / step) * step).astype(np.int64)
        ask = (np.ceil((centre + half) / step) * step).astype(np.int64)
        return fair, step, bid, ask

    def quotes(self, slots: Ints) -> tuple[Ints, Ints]:
        """Best bid and ask of every market at `slots` in thousandths; NO_BID and NO_ASK where a side is empty."""
        rows = np.arange(len(self))
        at = np.clip(slots[None, :], self.start[self.rnd, None], self.end[self.rnd, None] - 1)
        fair, step, bid, ask = self._plain(rows, at)
        if (self.kind == EXCLUSIVE).any():
            bid, ask = self._misfitted(slots, fair, step, bid, ask)
        if np.isin(self.kind, (THRESHOLD, DEADLINE)).any():
            bid, ask = self._broken(slots, step, bid, ask)
        empty = uniform(self.key[:, None], at // DAY, ONE_SIDED)
        thin = self.thin[:, None]
        bid = np.where((empty < 0.03) & thin, NO_BID, bid)
        ask = np.where(((empty < 0.015) | (empty > 0.97)) & thin, NO_ASK, ask)
        if (self.pair >= 0).any():
            bid, ask = self._crossed(slots, bid, ask)
        return np.clip(bid, NO_BID, 999), np.clip(ask, 1, NO_ASK)

    def state(self, slot: int) -> tuple[Ints, Ints]:
        """The quotes of one slot, remembered together with those of the day before."""
        if slot not in self._states:
            for old in [s for s in self._states if s not in (slot + DAY, slot - DAY)]:
                del self._states[old]
            bid, ask = self.quotes(np.array([slot]))
            self._states[slot] = (bid[:, 0], ask[:, 0])
        return self._states[slot]

    def _window(self, r: Ints, slots: Ints, every: int) -> tuple[Any, Ints]:
        """Whether rounds (n,) have their turn of a planted fault in slots (T,), and the number of the window."""
        place = self.table.place[self.family[r]][:, None]
        window = (slots[None, :] + 3 * place) // WINDOW
        turn = (uniform(self.world.window_key, window, MISFIT) * every).astype(np.int64)
        return (place + turn) % every == 0, window

    def misfit_at(self, r: Ints, slots: Ints) -> tuple[Any, Floats, Any]:
        """Which slots lie in a window whose sum does not fit, by how much, and whether asks (not bids) are off."""
        active, window = self._window(r, slots, self.world.every[self.venue, "exclusive"])
        draw = uniform(self.driver[r][:, None], window, MISFIT)
        return active, 0.04 + 0.04 * draw, uniform(self.driver[r][:, None], window, ORDER) < 0.5

    def _misfitted(self, slots: Ints, fair: Floats, step: Ints, bid: Ints, ask: Ints) -> tuple[Ints, Ints]:
        rounds = np.flatnonzero(self.kind == EXCLUSIVE)
        active, size, low = self.misfit_at(rounds, slots)
        some = np.flatnonzero(active.any(axis=1))
        rounds, active, size, low = rounds[some], active[some], size[some], low[some]
        if not len(rounds):
            return bid, ask
        rows, member = self.members(rounds)
        fair, step = fair[rows], step[rows]
        low_ask = np.maximum(np.floor(fair * (1 - size[member]) / step) * step, step).astype(np.int64)
        high_bid = (np.ceil(fair * (1 + size[member]) / step) * step).astype(np.int64)
        edges = np.flatnonzero(np.diff(member, prepend=-1))
        low_on = (active & low & (np.add.reduceat(low_ask, edges) <= 985))[member]
        fits = (np.add.reduceat(high_bid, edges) >= 1015) & (np.maximum.reduceat(high_bid, edges) < 990)
        high_on = (active & ~low & fits)[member]
        bid, ask = bid.copy(), ask.copy()
        ask[rows] = np.where(low_on, low_ask, np.where(high_on, high_bid + step, ask[rows]))
        bid[rows] = np.where(low_on, low_ask - step, np.where(high_on, high_bid, bid[rows]))
        return bid, ask

    def members(self, rounds: Ints) -> tuple[Ints, Ints]:
        """The markets of some rounds, and which of the rounds each belongs to."""
        sizes = self.size[rounds]
        member = np.repeat(np.arange(len(rounds)), sizes)
        offset = np.arange(len(member)) - np.repeat(np.cumsum(sizes) - sizes, sizes)
        return self.first[rounds][member] + offset, member

    def broken_at(self, r: Ints, slots: Ints) -> tuple[Any, Ints, Ints, Ints]:
        """Which slots lie in a window with a broken ladder: the rung too cheap, the one too dear, the edge."""
        kind = KINDS[int(self.kind[r[0]])]
        active, window = self._window(r, slots, self.world.every[self.venue, kind])
        draw = uniform(self.driver[r][:, None], window, CROSS)
        lower = (draw * (self.size[r] - 1)[:, None]).astype(np.int64) + self.first[r][:, None]
        cheap, dear = (lower, lower + 1) if kind == "threshold" else (lower + 1, lower)
        edge = 30 + 10 * (uniform(self.driver[r][:, None], window, ORDER) * 4).astype(np.int64)
        return active, cheap, dear, edge

    def _broken(self, slots: Ints, step: Ints, bid: Ints, ask: Ints) -> tuple[Ints, Ints]:
        """In a ladder's turn the rung that must be worth more is offered below the bid of its neighbour."""
        bid, ask = bid.copy(), ask.copy()
        columns = np.arange(len(slots))
        for kind in (THRESHOLD, DEADLINE):
            rounds = np.flatnonzero(self.kind == kind)
            if not len(rounds):
                continue
            active, cheap, dear, edge = self.broken_at(rounds, slots)
            offer = (bid[dear, columns] - edge) // 10 * 10
            trading = (self.closes[cheap] > slots) & (self.closes[dear] > slots) & ~self.thin[dear] & ~self.thin[cheap]
            n, t = np.nonzero(active & (offer >= 100) & (offer <= 900) & trading)
            ask[cheap[n, t], t] = offer[n, t]
            bid[cheap[n, t], t] = offer[n, t] - 10
        return bid, ask

    def _crossed(self, slots: Ints, bid: Ints, ask: Ints) -> tuple[Ints, Ints]:
        """In the pair's crossing windows the two venues' books leave 5 to 8 cents between them."""
        bid, ask = bid.copy(), ask.copy()
        rows = np.flatnonzero(self.pair >= 0)
        inverted = self.table.inverted[self.family[self.rnd[rows]]]
        windows, where = np.unique(slots // WINDOW, return_inverse=True)
        for place, window in enumerate(windows):
            plan = self.world.crossing(int(window))
            price, edge = plan.ask[self.pair[rows]], plan.edge[self.pair[rows]]
            low = plan.kalshi_cheap[self.pair[rows]] == (self.venue == "kalshi")
            mine = np.where(low, price, price + edge + 10)
            new_bid, new_ask = np.where(inverted, 1000 - mine, mine - 10), np.where(inverted, 1010 - mine, mine)
            column = np.flatnonzero(where == place)
            on = (edge > 0)[:, None]
            bid[np.ix_(rows, column)] = np.where(on, new_bid[:, None], bid[np.ix_(rows, column)])
            ask[np.ix_(rows, column)] = np.where(on, new_ask[:, None], ask[np.ix_(rows, column)])
        return bid, ask

    def trade_prices(self, rows: Ints, slots: Ints) -> Ints:
        """What trades of markets (n,) in slots (n, T) are done at, in thousandths: now the bid, now the ask."""
        _, _, bid, ask = self._plain(rows, slots)
        return np.asarray(np.clip(np.where(self.buys(rows, slots), ask, bid), 1, 999))

    def buys(self, rows: Ints, slots: Ints) -> Any:
        """Whether the taker of a slot's trades buys YES."""
        return uniform(self.key[rows][:, None], slots, TRADE) < 0.5

    # Books

    def sizes(self, rows: Ints, slot: int, side: int, levels: int) -> Floats:
        """(n, levels): of the best levels of one side (0 bids, 1 asks), in contracts with two decimals."""
        index = np.arange(levels) + 64 * (2 * slot + side)
        base = np.exp(5.0 + 0.6 * normal(self.key[rows], 1, SCALE))[:, None]
        draws = normal(self.key[rows][:, None], index[None, :], LEVEL)
        sizes = base * (1.0 + 0.5 * np.arange(levels)) * np.exp(0.8 * draws)
        sizes += np.where(self.pair[rows, None] >= 0, PAIR_SIZE, 0)
        return np.asarray(np.round(np.maximum(sizes, 1.0), 2))

    def side(self, row: int, slot: int, best: int, side: int) -> list[tuple[int, float]]:
        """(price in thousandths, size), best first; empty when there is no quote."""
        if best in (NO_BID, NO_ASK):
            return []
        key, tick, rows = self.key[row], int(self.ticks[row]), np.array([row])
        levels = 3 + int(float(uniform(key, slot * 2 + side, ORDER)) * 7)
        step = max(tick, 1 if best < 100 or best > 900 or tick == 1 else 10)
        gaps = 1 + (uniform(key, np.arange(levels) + 64 * (2 * slot + side), JITTER) * 3).astype(np.int64)
        gaps[0] = 0
        prices = best + (-1 if side == 0 else 1) * step * np.cumsum(gaps)
        sizes = self.sizes(rows, slot, side, levels)[0]
        return [(int(p), float(s)) for p, s in zip(prices, sizes, strict=True) if 0 < p < 1000]

    # All that a listing says of some markets

    def read(self, rows: Ints, now_ts: int) -> "Readings":
        slot = now_ts // SLOT_S
        ts = np.full(len(rows), now_ts)
        volume, day_ago = self.volume_at(rows, ts), self.volume_at(rows, ts - DAY * SLOT_S)
        traded = np.flatnonzero(volume > 0)
        last = np.zeros(len(rows), dtype=np.int64)
        if len(traded):
            slots = self.last_traded(rows[traded], volume[traded])
            last[traded] = self.trade_prices(rows[traded], slots[:, None])[:, 0]
        bids, asks = (side[rows] for side in self.state(slot)) if (slot < self.end).any() else (last, last)
        old_bids, old_asks = (side[rows] for side in self.state(slot - DAY))
        trading = (slot < self.closes[rows]) & (slot >= self.start[self.rnd[rows]])
        bids, asks = np.where(trading, bids, NO_BID), np.where(trading, asks, NO_ASK)
        old = slot - DAY >= self.start[self.rnd[rows]]
        return Readings(
            bid=bids.tolist(),
            ask=asks.tolist(),
            old_bid=np.where(old, old_bids, 0).tolist(),
            old_ask=np.where(old, old_asks, 0).tolist(),
            last=last.tolist(),
            volume=volume.tolist(),
            day_ago=day_ago.tolist(),
            week_ago=self._week_ago(rows, slot).tolist(),
            bid_size=np.where(bids == NO_BID, 0.0, self.sizes(rows, slot, 0, 1)[:, 0]).tolist(),
            ask_size=np.where(asks == NO_ASK, 0.0, self.sizes(rows, slot, 1, 1)[:, 0]).tolist(),
            tick=self.ticks[rows].tolist(),
            won=self.outcomes[rows].tolist(),
        )

    def _week_ago(self, rows: Ints, slot: int) -> Ints:
        """To the day, and evenly within it."""
        start = self.start[self.rnd[rows]]
        day, place = np.divmod(np.clip(slot - 7 * DAY, start, self.closes[rows]) - start, DAY)
        before = self.day_volumes[rows, day]
        after = self.day_volumes[rows, np.minimum(day + 1, self.day_volumes.shape[1] - 1)]
        return np.asarray(before + (after - before) * place // DAY)


@dataclass(frozen=True, slots=True)
class Readings:
    """Of n markets at one moment: prices in thousandths, volumes in hundredths, sizes in contracts."""

    bid: list[int]
    ask: list[int]
    old_bid: list[int]
    old_ask: list[int]
    last: list[int]
    volume: list[int]
    day_ago: list[int]
    week_ago: list[int]
    bid_size: list[float]
    ask_size: list[float]
    tick: list[int]
    won: list[bool]


def shifted(prices: Floats, log_odds: Floats) -> Floats:
    odds = np.log(np.clip(prices, 1e-6, 1 - 1e-6) / (1 - np.clip(prices, 1e-6, 1 - 1e-6)))
    return np.asarray(1.0 / (1.0 + np.exp(-(odds + log_odds))))
