"""The latent walks that prices follow: any moment of any round without the moments before it, for many rounds at once.

A round's walk has unit variance over its life. Days are drawn first, each slot of a day is bridged between them, so a
price needs the draws of some days, not of thousands of slots. Rare large steps and planted moves are added on top.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from local.noise import Floats, Ints, key_of, normal, uniform
from local.world_families import COINS, DAY, EPOCH_SLOT, HOUR, Coin

Keys = NDArray[np.uint64]

STEP, DAY_STEP, RARE_SLOT, RARE_SIZE, JUMP, JUMP_SLOT, JUMP_SIZE, JUMP_SIGN = range(10, 18)
SPIKE, SPIKE_SLOT, SPIKE_SIZE, SPIKE_SIGN = range(20, 24)

RARE_A_DAY = 2
RARE_SQUARE = 8.0  # of the steps' own variance
QUARTERS = 4  # planted moves: at most one in each quarter of a day
QUARTER = DAY // QUARTERS
GRADES = np.array([0.5, 1.0, 2.0, 3.0, 4.0, 5.0])
HOURLY_NOISE = 2.0  # of a walk's hour, in steps of a slot
JUMP_SQUARE = float(np.mean((GRADES * HOURLY_NOISE) ** 2))
MOVING_LIFE = 5 * DAY
SPIKING_LIFE = 2 * DAY


@dataclass(frozen=True, slots=True)
class Effects:
    """What follows planted anomalies, spread evenly over `hours`: nothing, unless asked for."""

    jump_reversion: float = 0.0  # the share of a jump that is taken back
    spike_drift: float = 0.0  # a move of this many times the spike's grade, in hourly noises, either way
    hours: int = 6


@dataclass(frozen=True, slots=True)
class Planted:
    """Sparse moves: which round (or market), in which slot of its life, of which grade, up or down."""

    row: Ints
    slot: Ints
    grade: Floats
    sign: Floats


@dataclass(frozen=True, slots=True)
class Moves:
    """Per round, padded: a move of `now` in `slot` and of `later` over the effect's hours after it."""

    slot: Ints
    now: Floats
    later: Floats


class Walks:
    """Of R rounds. `lanes` is how many days of each are remembered at a time."""

    def __init__(self, keys: Keys, lives: Ints, jump_chance: float, lanes: int) -> None:
        self.keys = keys
        self.lives = lives
        self.days = max(int(lives.max(initial=0)) // DAY, 1)
        self.moving = lives >= MOVING_LIFE
        self.jump_chance = jump_chance
        variance = 1.0 + np.where(self.moving, jump_chance / QUARTER * JUMP_SQUARE, 0.0)
        self.unit = 1.0 / np.sqrt(lives * variance)  # one slot's step
        self._paths: Floats = np.zeros((len(keys), lanes, DAY + 1))
        self._held: Ints = np.full((len(keys), lanes), -1, dtype=np.int64)

    # Days

    def day_steps(self, rows: Ints, days: Ints) -> tuple[Floats, Ints, Floats]:
        """Gaussian part, slots and sizes of the rare steps, in units of a slot's step; rows and days broadcast."""
        keys = self.keys[rows]
        gauss = normal(keys, days, DAY_STEP) * DAY**0.5
        places = days[..., None] * RARE_A_DAY + np.arange(RARE_A_DAY)
        span = DAY // RARE_A_DAY
        slots = np.arange(RARE_A_DAY) * span + (uniform(keys[..., None], places, RARE_SLOT) * span).astype(np.int64)
        sizes = normal(keys[..., None], places, RARE_SIZE) * RARE_SQUARE**0.5
        norm = (1.0 + RARE_A_DAY * RARE_SQUARE / DAY) ** 0.5
        return gauss / norm, slots, sizes / norm

    @cached_property
    def day_starts(self) -> Floats:
        """(R, days + 1), without the planted moves."""
        rows, days = np.arange(len(self.keys))[:, None], np.arange(self.days)[None, :]
        gauss, _, rare = self.day_steps(rows, days)
        total = (gauss + rare.sum(axis=-1)) * self.unit[:, None] * (days * DAY < self.lives[:, None])
        return np.concatenate((np.zeros((len(self.keys), 1)), np.cumsum(total, axis=1)), axis=1)

    def within(self, rows: Ints, days: Ints) -> Floats:
        """(n, 97): the way of each given day from its start, planted moves aside."""
        steps = normal(self.keys[rows][:, None], days[:, None] * DAY + np.arange(DAY), STEP)
        steps /= (1.0 + RARE_A_DAY * RARE_SQUARE / DAY) ** 0.5
        way = np.concatenate((np.zeros((len(rows), 1)), np.cumsum(steps, axis=1)), axis=1)
        gauss, slots, rare = self.day_steps(rows, days)
        ramp = np.arange(DAY + 1) / DAY
        way += ramp * (gauss - way[:, -1])[:, None]
        for n in range(RARE_A_DAY):
            way += rare[:, n, None] * (np.arange(DAY + 1) > slots[:, n, None])
        return np.asarray(way * self.unit[rows][:, None])

    def at(self, rows: Ints, elapsed: Ints, moves: Moves | None, effects: Effects) -> Floats:
        """x of rows (n,) at the start of slots (n, T) of their lives. Needs no more days at once than lanes."""
        day, place = np.divmod(elapsed, DAY)
        lane = day % self._held.shape[1]
        self._remember(rows, day, lane, place)
        column = rows[:, None]
        way = np.where(place > 0, self._paths[column, lane, place], 0.0)
        lost = np.nonzero((self._held[column, lane] != day) & (place > 0))  # two days that share a lane
        if len(lost[0]):
            way[lost] = self.within(rows[lost[0]], day[lost])[np.arange(len(lost[0])), place[lost]]
        x = self.day_starts[column, day] + way
        return x if moves is None else x + moved(moves, rows, elapsed, effects)

    def _remember(self, rows: Ints, day: Ints, lane: Ints, place: Ints) -> None:
        missing = (self._held[rows[:, None], lane] != day) & (place > 0)
        if not missing.any():
            return
        column, _ = np.nonzero(missing)
        pairs = np.unique(rows[column] * 4096 + day[missing])
        which, days = np.divmod(pairs, 4096)
        lanes = days % self._held.shape[1]
        self._paths[which, lanes] = self.within(which, days)
        self._held[which, lanes] = days

    def whole(self, rows: Ints, moves: Moves, effects: Effects) -> Floats:
        """(n, longest life + 1) of a few rounds, from beginning to end."""
        days = np.arange(self.days)
        each = np.repeat(rows, len(days))
        way = self.within(each, np.tile(days, len(rows))).reshape(len(rows), len(days), DAY + 1)
        x = (way[:, :, :DAY] + self.day_starts[rows, : len(days), None]).reshape(len(rows), -1)
        x = np.concatenate((x, self.day_starts[rows, -1:]), axis=1)
        elapsed = np.broadcast_to(np.arange(x.shape[1]), x.shape)
        return np.asarray(x + moved(moves, rows, elapsed, effects))

    def final(self, moves: Moves, effects: Effects) -> Floats:
        rows = np.arange(len(self.keys))
        x = self.day_starts[rows, self.lives // DAY]
        return np.asarray(x + moved(moves, rows, self.lives[:, None], effects)[:, 0])

    # What is planted

    @cached_property
    def jumps(self) -> Planted:
        rows, days = np.arange(len(self.keys))[:, None, None], np.arange(self.days)[None, :, None]
        if not self.moving.any():
            none: Ints = np.zeros(0, dtype=np.int64)
            return Planted(none, none, np.zeros(0), np.zeros(0))
        found = planted(self.keys, rows, days, (JUMP, JUMP_SLOT, JUMP_SIZE, JUMP_SIGN), self.jump_chance, QUARTER)
        keep = self.moving[found.row] & (found.slot >= DAY) & (found.slot < self.lives[found.row])
        return Planted(found.row[keep], found.slot[keep], found.grade[keep], found.sign[keep])


def planted(keys: Keys, rows: Ints, days: Ints, salts: tuple[int, int, int, int], chance: float, span: int) -> Planted:
    """Of every key (rows index them) and day: at most one in each quarter, in its first `span` slots."""
    places = days * QUARTERS + np.arange(QUARTERS)
    hit = np.nonzero(uniform(keys[rows], places, salts[0]) < chance)
    row, place = hit[0], days[0, hit[1], 0] * QUARTERS + hit[2]
    slot = place * QUARTER + (uniform(keys[row], place, salts[1]) * span).astype(np.int64)
    grade = GRADES[(uniform(keys[row], place, salts[2]) * len(GRADES)).astype(np.int64)]
    sign = np.where(uniform(keys[row], place, salts[3]) < 0.5, -1.0, 1.0)
    return Planted(row, slot, grade, sign)


def padded(rounds: int, row: Ints, slot: Ints, now: Floats, later: Floats) -> Moves:
    order = np.lexsort((slot, row))
    row, slot, now, later = row[order], slot[order], now[order], later[order]
    counts = np.bincount(row, minlength=rounds)
    width = int(counts.max(initial=0))
    place = np.arange(len(row)) - np.repeat(np.cumsum(counts) - counts, counts)
    moves = Moves(np.full((rounds, width), 2**31), np.zeros((rounds, width)), np.zeros((rounds, width)))
    moves.slot[row, place], moves.now[row, place], moves.later[row, place] = slot, now, later
    return moves


def moved(moves: Moves, rows: Ints, elapsed: Ints, effects: Effects) -> Floats:
    """The sum of all moves of rows (n,) up to slots (n, T). A move lies in the step that leads to the next slot."""
    total = np.zeros(elapsed.shape)
    slots, now, later = moves.slot[rows], moves.now[rows], moves.later[rows]
    for column in range(slots.shape[1]):
        since = elapsed - slots[:, column, None] - 1
        total += now[:, column, None] * (since >= 0)
        if later.any():
            total += later[:, column, None] * np.clip(since / (effects.hours * HOUR), 0.0, 1.0)
    return total


class Spot:
    """An endless log-price path of one coin since EPOCH, extended as time passes."""

    def __init__(self, seed: int, coin: Coin) -> None:
        self.coin = coin
        self.key = key_of(seed, "spot", coin.symbol)
        self.step = coin.daily_volatility / DAY**0.5
        self._path: Floats = np.zeros(1)

    def log_prices(self, slots: Ints) -> Floats:
        needed = int(slots.max(initial=EPOCH_SLOT)) - EPOCH_SLOT + 1
        if needed > len(self._path):
            index = np.arange(1, needed + 30 * DAY)
            tails = 1.0 + 2.0 * (uniform(self.key, index, RARE_SIZE) < 0.02)
            steps = normal(self.key, index, STEP) * tails / (0.98 + 0.02 * 9) ** 0.5 * self.step
            self._path = np.concatenate(([0.0], np.cumsum(steps)))
        return np.asarray(np.log(self.coin.price) + self._path[np.maximum(slots - EPOCH_SLOT, 0)])


def spots_of(seed: int) -> dict[str, Spot]:
    return {coin.symbol: Spot(seed, coin) for coin in COINS}
