"""The generated world: families of markets whose rounds follow each other for ever, all a function of (seed, time).

A round's prices are probabilities that a latent random walk ends beyond a threshold, so they are martingales that
settle as the walk ends; ladders on one walk are consistent, and the two sides of a cross-venue pair share one walk.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import cached_property
from typing import Any

import numpy as np

from local import world_texts as texts
from local.noise import Floats, Ints, cdf, key_of, normal, one_uniform, ppf, uniform

EPOCH = datetime(2026, 1, 1, 5, tzinfo=UTC)  # midnight in New York
SLOT_S = 900
EPOCH_SLOT = int(EPOCH.timestamp()) // SLOT_S
DAY = 96
HOUR = 4
WINDOW = 8
KEPT_SLOTS = 10 * DAY
KEPT_HOURLY_SLOTS = DAY
VENUES = ("kalshi", "polymarket")

NO_BID, NO_ASK = 0, 1000  # quotes are in thousandths of a dollar
CROSSED_AT_ONCE = 16
MISFIT_EVERY = 4
SPIKES_PER_SLOT = 1.5
JUMPS_PER_SLOT = 2.0
JUMP_SQUARE = 32.3  # mean square of a size drawn evenly from 3 to 8
PAIR_SIZE = 600

# Salts keep the draws of one key apart.
START_P, HALF_SPREAD, TICK, SCALE, THIN, ONE_SIDED, STEP, HEAVY, JUMP, JUMP_SIZE = range(10)
FLOW, SPIKE, SPIKE_SIZE, ENDING, BOUNCE, GAP, LEVEL, WEIGHT, CROSS, MISFIT = range(10, 20)
TRADE, SHUFFLE, ORDER, JITTER, QUIET = range(20, 25)


@dataclass(frozen=True, slots=True)
class Coin:
    symbol: str
    name: str
    price: float
    step: float
    daily_volatility: float


COINS = (
    Coin("BTC", "Bitcoin", 91_000.0, 250.0, 0.024),
    Coin("ETH", "Ethereum", 3_100.0, 20.0, 0.033),
    Coin("SOL", "Solana", 142.0, 1.0, 0.04),
    Coin("XRP", "XRP", 2.1, 0.01, 0.04),
)


@dataclass(frozen=True, slots=True)
class Family:
    """One recurring event of one venue. `life` and `phase` are in slots of 15 minutes."""

    venue: str
    index: int
    name: str
    kind: str  # binary, exclusive, threshold, deadline, spot
    driver: str
    size: int
    life: int
    phase: int
    residual: float
    category: str
    topic: texts.Topic | None = None
    bet: texts.Bet | None = None
    coin: Coin | None = None
    pair: int | None = None
    offset: float = 0.0
    place: int = 0  # among the venue's exclusive families

    @property
    def inverted(self) -> bool:
        return self.venue == "polymarket" and self.bet is not None and self.bet.inverted

    @property
    def settles_after_s(self) -> int:
        return 300 if self.kind == "spot" else 3 * 3600

    @property
    def kept(self) -> int:
        return KEPT_HOURLY_SLOTS if self.kind == "spot" else KEPT_SLOTS


@dataclass(frozen=True, slots=True)
class Anomaly:
    venue: str
    kind: str
    slot: int
    markets: tuple[int, ...]
    size: float


class Spot:
    """An endless log-price path of one coin since EPOCH, extended as time passes."""

    def __init__(self, seed: int, coin: Coin) -> None:
        self.coin = coin
        self.key = key_of(seed, "spot", coin.symbol)
        self.step = coin.daily_volatility / DAY**0.5
        self._path: Floats = np.zeros(1)

    def log_prices(self, start: int, end: int) -> Floats:
        """For slots start..end, both included."""
        needed = end - EPOCH_SLOT + 1
        if needed > len(self._path):
            steps = heavy_steps(self.key, np.arange(1, needed + 30 * DAY)) * self.step
            self._path = np.concatenate(([0.0], np.cumsum(steps)))
        return np.asarray(np.log(self.coin.price) + self._path[start - EPOCH_SLOT : end - EPOCH_SLOT + 1])


def heavy_steps(key: int, index: Ints) -> Floats:
    """Unit-variance steps, one in fifty of them three times as large."""
    tails = 1.0 + 2.0 * (uniform(key, index, HEAVY) < 0.02)
    return np.asarray(normal(key, index, STEP) * tails / (0.98 + 0.02 * 9) ** 0.5)


class Round:
    """One generation of a family: its markets' prices, volumes, closing times and outcomes for its whole life."""

    def __init__(self, world: "GeneratedWorld", family: Family, number: int) -> None:
        self.world = world
        self.family = family
        self.number = number
        self.start = EPOCH_SLOT + family.phase + number * family.life
        self.end = self.start + family.life
        self.slots: Ints = np.arange(self.start, self.end, dtype=np.int64)
        self.driver_key = key_of(world.seed, "driver", family.driver, number)
        self.keys = np.array(
            [key_of(world.seed, family.venue, family.name, number, j) for j in range(family.size)], dtype=np.uint64
        )
        self.seats = np.array(
            [key_of(world.seed, family.venue, family.name, "seat", j) for j in range(family.size)], dtype=np.uint64
        )
        self.closes: Ints = np.full(family.size, self.end, dtype=np.int64)
        self.strikes: tuple[float, ...] = ()
        self.jumps: Floats = np.zeros(family.life)
        getattr(self, f"_price_{family.kind}")()
        self.prices = np.clip(self.prices, 0.001, 0.999)
        if family.inverted:
            self.prices, self.outcomes = 1.0 - self.prices, ~self.outcomes
        # Kept for the round's life, where half the memory matters more than the eighth digit.
        self.prices = self.prices.astype(np.float32)

    prices: Any
    outcomes: Any

    # Prices per kind. `x` is the walk at the start of each slot, of unit variance over the round's life.

    def _walk(self) -> tuple[Floats, Floats, float]:
        life = self.family.life
        steps = heavy_steps(self.driver_key, self.slots) / life**0.5
        if life >= 5 * DAY:
            self.jumps = self.world.jumps_of(self.family.driver, self.slots, self.start)
            # Jumps are in units of the walk's own step; the sum keeps unit variance, so prices stay fair.
            steps = (steps + self.jumps / life**0.5) / (1 + self.world.jump_chance * JUMP_SQUARE) ** 0.5
        x = np.concatenate(([0.0], np.cumsum(steps)))
        remaining = 1.0 - np.arange(life) / life
        ending = float(normal(self.driver_key, [0], ENDING)[0]) * self.family.residual
        return x[:-1], remaining, float(x[-1]) + ending

    def _price_binary(self) -> None:
        x, remaining, final = self._walk()
        residual = self.family.residual
        k = -float(ppf(0.2 + 0.6 * one_uniform(self.driver_key, 0, START_P))) * (1 + residual**2) ** 0.5
        k -= self.family.offset
        self.prices = cdf((x - k) / np.sqrt(remaining + residual**2))[None, :]
        if self.family.pair is not None and self.family.venue == "polymarket":
            self.prices = shifted(self.prices, self._gap())
        self.outcomes = np.array([final > k])

    def _gap(self) -> Floats:
        """A small mean-reverting difference in log-odds between the two venues of a pair."""
        decay = 0.9 ** np.arange(48)
        noise = normal(self.driver_key, np.arange(self.start - 47, self.end), GAP)
        return np.asarray(np.convolve(noise, decay, mode="valid") * 0.015)

    def _price_threshold(self) -> None:
        x, remaining, final = self._walk()
        spread = (1 + self.family.residual**2) ** 0.5
        middle = 0.6 * (one_uniform(self.driver_key, 0, JITTER) - 0.5)
        k = (np.linspace(-1.1, 1.1, self.family.size) + middle) * spread
        self.prices = cdf((x[None, :] - k[:, None]) / np.sqrt(remaining + self.family.residual**2))
        self.outcomes = final > k

    def _price_exclusive(self) -> None:
        x, remaining, final = self._walk()
        size, residual = self.family.size, self.family.residual
        weights = 0.5 + uniform(self.driver_key, np.arange(size), WEIGHT)
        cuts = ppf(np.cumsum(weights)[:-1] / weights.sum()) * (1 + residual**2) ** 0.5
        below = cdf((cuts[:, None] - x[None, :]) / np.sqrt(remaining + residual**2))
        edges = np.vstack((np.zeros(len(x)), below, np.ones(len(x))))
        self.prices = np.diff(edges, axis=0)
        self.outcomes = np.arange(size) == np.searchsorted(cuts, final)
        if self.family.category != "Climate and Weather":
            order = np.argsort(uniform(self.driver_key, np.arange(size), SHUFFLE))
            self.prices, self.outcomes = self.prices[order], self.outcomes[order]

    def _price_deadline(self) -> None:
        x, _, _ = self._walk()
        life, size = self.family.life, self.family.size
        k = 0.7 + 0.5 * one_uniform(self.driver_key, 0, START_P)
        hits = np.flatnonzero(x >= k)
        hit = int(hits[0]) if len(hits) else life
        prices, outcomes = np.empty((size, life)), np.zeros(size, dtype=bool)
        for j in range(size):
            deadline = (life * (j + 1) // size) // DAY * DAY or life
            remaining = np.maximum(deadline - np.arange(life), 1) / life
            outcomes[j] = hit < deadline
            prices[j] = np.minimum(2.0 * cdf((x - k) / np.sqrt(remaining)), 1.0)
            self.closes[j] = self.start + max(min(deadline, hit), 1)
        self.prices, self.outcomes = prices, outcomes

    def _price_spot(self) -> None:
        assert self.family.coin is not None
        coin, size, life = self.family.coin, self.family.size, self.family.life
        spot = self.world.spots[coin.symbol]
        x = spot.log_prices(self.start, self.end)
        if size == 1:
            k = x[:1]
        else:
            middle = round(float(np.exp(x[0])) / coin.step)
            self.strikes = tuple(round((middle + j - size // 2) * coin.step, 4) for j in range(size))
            k = np.log(np.array(self.strikes))
        remaining = spot.step * np.sqrt(life - np.arange(life))
        self.prices = cdf((x[None, :-1] - k[:, None]) / remaining)
        self.outcomes = x[-1] > k

    # Volume

    @property
    def spikes(self) -> Floats:
        """Factors on the flow, 1 where nothing is planted."""
        factors = np.ones((self.family.size, self.family.life))
        if self.family.life < 2 * DAY:
            return factors
        chance = SPIKES_PER_SLOT / self.world.spike_seats[self.family.venue]
        hit = (uniform(self.seats[:, None], self.slots[None, :], SPIKE) < chance) & ~self.thin[:, None]
        # A spike is against a baseline: none on the first day, none after closing.
        hit[:, :DAY] = False
        hit &= self.slots[None, :] < self.closes[:, None]
        size = 3.0 + 7.0 * uniform(self.seats[:, None], self.slots[None, :], SPIKE_SIZE)
        return np.where(hit, size, factors)

    @cached_property
    def thin(self) -> Any:
        return np.zeros(self.family.size, bool) if self.is_bet else uniform(self.keys, 0, THIN) < 0.15

    @property
    def is_bet(self) -> bool:
        return self.family.bet is not None

    @cached_property
    def volumes(self) -> Ints:
        """Cumulative, in hundredths of the venue's unit, at the start of each slot and at the end."""
        scale = np.exp(4.0 + 1.5 * normal(self.keys, 0, SCALE)) * (3.0 if self.is_bet else 1.0)
        hour = (self.slots % DAY) / HOUR
        shape = 0.35 + np.exp(-(((hour - 18.5) / 4.5) ** 2)) + 0.4 * np.exp(-(((hour - 2.0) / 3.0) ** 2))
        flow = scale[:, None] * shape * np.exp(0.35 * normal(self.keys[:, None], self.slots[None, :], FLOW))
        quiet = uniform(self.keys[:, None], self.slots[None, :], QUIET) < np.where(self.thin, 0.9, 0.02)[:, None]
        spikes = self.spikes
        flow = np.where(quiet & (spikes == 1.0), 0.0, flow * spikes)
        flow *= self.slots[None, :] < self.closes[:, None]
        cents = np.floor(flow * 100).astype(np.int64)
        return np.concatenate((np.zeros((self.family.size, 1), np.int64), np.cumsum(cents, axis=1)), axis=1)

    def volume_at(self, j: int, ts: Ints) -> Ints:
        """Cumulative volume at unix times, to the minute: a slot's flow is spread evenly over its minutes."""
        minutes = np.clip(ts // 60, self.start * 15, self.end * 15) - self.start * 15
        slot, minute = np.minimum(minutes // 15, self.family.life - 1), minutes % 15
        minute = np.where(minutes == self.family.life * 15, 15, minute)
        before = self.volumes[j, slot]
        return np.asarray(before + (self.volumes[j, slot + 1] - before) * minute // 15)

    # Quotes

    @cached_property
    def ticks(self) -> Ints:
        """Per market: 10 or 1 thousandths, 0 for the tapered kind (1 below 0.10 and above 0.90)."""
        draw = uniform(self.keys, 0, TICK)
        if self.is_bet:
            return np.full(self.family.size, 10, np.int64)
        if self.family.venue == "polymarket":
            return np.full(self.family.size, 10 if draw[0] < 0.6 else 1, np.int64)
        kinds = (0.7, 0.85)
        return np.where(draw < kinds[0], 10, np.where(draw < kinds[1], 0, 1)).astype(np.int64)

    @cached_property
    def half_spreads(self) -> Floats:
        draw = uniform(self.keys, 0, HALF_SPREAD)
        return np.asarray(3.0 + 3.0 * draw if self.is_bet else np.where(self.thin, 25.0, 3.0 + 14.0 * draw**2))

    def quotes(self, slots: Ints) -> tuple[Ints, Ints]:
        """Best bid and ask of every market at `slots` in thousandths; NO_BID and NO_ASK where a side is empty."""
        at = np.clip(slots, self.start, self.end - 1)
        fair = self.prices[:, at - self.start].astype(np.float64) * 1000.0
        half = self.half_spreads[:, None]
        centre = fair + 0.3 * half * normal(self.keys[:, None], at[None, :], BOUNCE)
        ticks = self.ticks[:, None]
        step = np.where(ticks == 0, np.where((fair < 100) | (fair > 900), 1, 10), ticks)
        bid = (np.floor((centre - half) / step) * step).astype(np.int64)
        ask = (np.ceil((centre + half) / step) * step).astype(np.int64)
        if self.family.kind == "exclusive":
            bid, ask = self._misfitted(at, fair, step.astype(np.int64), bid, ask)
        if not self.is_bet:
            empty = uniform(self.keys[:, None], at[None, :] // DAY, ONE_SIDED)
            bid = np.where((empty < 0.03) & self.thin[:, None], NO_BID, bid)
            ask = np.where(((empty < 0.015) | (empty > 0.97)) & self.thin[:, None], NO_ASK, ask)
        if self.family.pair is not None:
            bid, ask = self._crossed(at, bid, ask)
        return np.clip(bid, NO_BID, 999), np.clip(ask, 1, NO_ASK)

    def misfit_at(self, slots: Ints) -> tuple[Any, Floats, Any]:
        """Which slots lie in a window whose sum does not fit, by how much, and whether asks (not bids) are off."""
        window = (slots + 3 * self.family.place) // WINDOW
        turn = (uniform(self.world.window_key, window, MISFIT) * MISFIT_EVERY).astype(np.int64)
        active = (self.family.place + turn) % MISFIT_EVERY == 0
        draw = uniform(self.driver_key, window, MISFIT)
        return active, 0.04 + 0.04 * draw, uniform(self.driver_key, window, ORDER) < 0.5

    def _misfitted(self, at: Ints, fair: Floats, step: Ints, bid: Ints, ask: Ints) -> tuple[Ints, Ints]:
        active, size, low = self.misfit_at(at)
        if not active.any():
            return bid, ask
        low_ask = np.maximum(np.floor(fair * (1 - size) / step) * step, step).astype(np.int64)
        high_bid = (np.ceil(fair * (1 + size) / step) * step).astype(np.int64)
        low_on = active & low & (low_ask.sum(axis=0) <= 985)
        high_on = active & ~low & (high_bid.sum(axis=0) >= 1015) & (high_bid.max(axis=0) < 990)
        ask = np.where(low_on, low_ask, np.where(high_on, high_bid + step, ask))
        bid = np.where(low_on, low_ask - step, np.where(high_on, high_bid, bid))
        return bid, ask

    def _crossed(self, at: Ints, bid: Ints, ask: Ints) -> tuple[Ints, Ints]:
        """In the pair's crossing windows the two venues' books leave 5 to 8 cents between them."""
        windows, where = np.unique(at // WINDOW, return_inverse=True)
        plans = [self.world.crossing(int(window)).get(self.family.pair or 0) for window in windows]
        bid, ask = bid.copy(), ask.copy()
        for column, plan in enumerate(plans[i] for i in where):
            if plan is None:
                continue
            kalshi_cheap, price, edge = plan
            low, high = (price - 10, price), (price + edge, price + edge + 10)
            mine = low if kalshi_cheap == (self.family.venue == "kalshi") else high
            bid[0, column], ask[0, column] = (1000 - mine[1], 1000 - mine[0]) if self.family.inverted else mine
        return bid, ask

    def sizes(self, j: int, slot: int, side: int, levels: int) -> Floats:
        """Of the best levels of one side (0 bids, 1 asks), in contracts with two decimals."""
        index = np.arange(levels) + 64 * (2 * slot + side)
        base = np.exp(5.0 + 0.6 * float(normal(int(self.keys[j]), [0], SCALE)[0]))
        sizes = base * (1.0 + 0.5 * np.arange(levels)) * np.exp(0.8 * normal(int(self.keys[j]), index, LEVEL))
        if self.family.pair is not None:
            sizes = sizes + PAIR_SIZE
        return np.asarray(np.round(np.maximum(sizes, 1.0), 2))

    def side(self, j: int, slot: int, best: int, side: int) -> list[tuple[int, float]]:
        """(price in thousandths, size), best first; empty when there is no quote."""
        if best in (NO_BID, NO_ASK):
            return []
        levels = 3 + int(one_uniform(int(self.keys[j]), slot * 2 + side, ORDER) * 7)
        step = max(int(self.ticks[j]), 1 if best < 100 or best > 900 or self.ticks[j] == 1 else 10)
        gaps = 1 + (uniform(int(self.keys[j]), np.arange(levels) + 64 * (2 * slot + side), JITTER) * 3).astype(np.int64)
        gaps[0] = 0
        direction = -1 if side == 0 else 1
        prices = best + direction * step * np.cumsum(gaps)
        sizes = self.sizes(j, slot, side, levels)
        return [(int(p), float(s)) for p, s in zip(prices, sizes, strict=True) if 0 < p < 1000]

    def trade_prices(self, slots: Ints) -> Ints:
        """What a trade in each slot is done at, in thousandths: now the bid, now the ask."""
        bid, ask = self.quotes(slots)
        buy = uniform(self.keys[:, None], slots[None, :], TRADE) < 0.5
        price = np.where(buy & (ask < NO_ASK) | (bid <= NO_BID), ask, bid)
        return np.asarray(np.clip(price, 1, 999))

    @property
    def end_time(self) -> datetime:
        return texts.utc(self.end * SLOT_S)

    def rung_times(self) -> tuple[datetime, ...]:
        life, size = self.family.life, self.family.size
        rungs = ((life * (j + 1) // size) // DAY * DAY or life for j in range(size))
        return tuple(texts.utc((self.start + rung) * SLOT_S) for rung in rungs)


def shifted(prices: Floats, log_odds: Floats) -> Floats:
    odds = np.log(np.clip(prices, 1e-6, 1 - 1e-6) / (1 - np.clip(prices, 1e-6, 1 - 1e-6)))
    return np.asarray(1.0 / (1.0 + np.exp(-(odds + log_odds))))


class GeneratedWorld:
    """All families of both venues and their rounds so far. Anything asked at one time has one answer, in any order."""

    def __init__(self, seed: int = 1, markets: int = 400) -> None:
        from local.world_kalshi import GeneratedKalshi
        from local.world_polymarket import GeneratedPolymarket

        self.seed = seed
        self.spots = {coin.symbol: Spot(seed, coin) for coin in COINS}
        self.families = {venue: make_families(seed, venue, markets // 2) for venue in VENUES}
        self.spike_seats = {v: max(sum(f.size for f in fs if f.life >= 2 * DAY), 1) for v, fs in self.families.items()}
        drivers = {f.driver for fs in self.families.values() for f in fs if f.life >= 5 * DAY}
        self.jump_chance = JUMPS_PER_SLOT / max(len(drivers), 1)
        self.window_key = key_of(seed, "windows")
        self._rounds: dict[tuple[str, int, int], Round] = {}
        self._crossings: dict[int, dict[int, tuple[bool, int, int]]] = {}
        self.kalshi = GeneratedKalshi(self)
        self.polymarket = GeneratedPolymarket(self)

    def jumps_of(self, driver: str, slots: Ints, start: int) -> Floats:
        """Planted jumps in units of the walk's own step, 0 where there is none."""
        key = key_of(self.seed, "jumps", driver)
        hit = (uniform(key, slots, JUMP) < self.jump_chance) & (slots >= start + DAY)
        size = 3.0 + 5.0 * uniform(key, slots, JUMP_SIZE)
        return np.asarray(np.where(hit, np.where(uniform(key, slots, ORDER) < 0.5, -size, size), 0.0))

    def round(self, family: Family, number: int) -> Round:
        key = (family.venue, family.index, number)
        if key not in self._rounds:
            self._rounds[key] = Round(self, family, number)
        return self._rounds[key]

    def round_at(self, family: Family, slot: int) -> Round:
        return self.round(family, (slot - EPOCH_SLOT - family.phase) // family.life)

    def rounds(self, venue: str, slot: int) -> list[Round]:
        """Listed at `slot` or ended not long ago, oldest listing first."""
        if slot < EPOCH_SLOT + KEPT_SLOTS:
            raise ValueError(f"the generated world begins on {EPOCH + timedelta(days=10):%Y-%m-%d}")
        found: list[Round] = []
        for family in self.families[venue]:
            since = slot - EPOCH_SLOT - family.phase
            oldest = max((since - family.kept) // family.life, 0)
            found.extend(self.round(family, number) for number in range(oldest, since // family.life + 1))
        found.sort(key=lambda rnd: (rnd.start, rnd.family.index))
        return found

    def forget_before(self, slot: int) -> None:
        """Drops rounds that no listing shows any more; they come back, the same, if somebody asks."""
        for key in [key for key, rnd in self._rounds.items() if rnd.end < slot - 2 * KEPT_SLOTS]:
            del self._rounds[key]
        for window in [window for window in self._crossings if window < (slot - 100 * DAY) // WINDOW]:
            del self._crossings[window]

    def crossing(self, window: int) -> dict[int, tuple[bool, int, int]]:
        """Pair -> (Kalshi's YES is the cheap one, its ask in thousandths, edge in thousandths) in this window."""
        if window not in self._crossings:
            self._crossings[window] = dict(self._plan_crossing(window))
        return self._crossings[window]

    def _plan_crossing(self, window: int) -> Iterator[tuple[int, tuple[bool, int, int]]]:
        pairs = [f for f in self.families["kalshi"] if f.pair is not None]
        order = np.argsort(uniform(self.window_key, np.arange(len(pairs)) + 1000 * window, CROSS))
        first, last = window * WINDOW, (window + 1) * WINDOW - 1
        chosen = 0
        for place in order:
            family = pairs[int(place)]
            rnd = self.round_at(family, first)
            if first < rnd.start + DAY or last >= rnd.end - DAY:
                continue
            span = rnd.prices[0, first - rnd.start : last - rnd.start + 1]
            if span.min() < 0.15 or span.max() > 0.85:
                continue
            draws = uniform(rnd.driver_key, [window, window + 1], CROSS)
            edge = 50 + 10 * int(draws[0] * 4)
            ask = round((float(span.mean()) * 1000 - edge / 2) / 10) * 10
            yield family.pair or 0, (bool(draws[1] < 0.5), ask, edge)
            chosen += 1
            if chosen == CROSSED_AT_ONCE:
                return

    # What was planted

    def truth(self, start: datetime, end: datetime) -> dict[str, Any]:
        """Pairs and look-alikes whose rounds touch [start, end), anomalies that begin in it, as JSON values."""
        first, last = int(start.timestamp()) // SLOT_S, int(end.timestamp()) // SLOT_S
        return {
            "seed": self.seed,
            "from": start.isoformat(),
            "until": end.isoformat(),
            "pairs": [p for p in self._bets(first, last) if p["difference"] == ""],
            "look_alikes": [p for p in self._bets(first, last) if p["difference"]],
            "crossings": list(self._crossing_truth(first, last)),
            "anomalies": sorted(
                (anomaly for venue in VENUES for anomaly in self._anomalies(venue, first, last)),
                key=lambda anomaly: (anomaly["time"], anomaly["kind"]),
            ),
        }

    def _bets(self, first: int, last: int) -> Iterator[dict[str, Any]]:
        others = {f.name: f for f in self.families["polymarket"] if f.bet}
        for family in self.families["kalshi"]:
            if family.bet is None:
                continue
            for rnd in self._rounds_between(family, first, last):
                other = self.round(others[family.name], rnd.number)
                inverted = family.bet.inverted
                yield {
                    "kalshi": self.kalshi.market_id(rnd, 0),
                    "polymarket": self.polymarket.market_id(other, 0),
                    "relation": "related" if family.bet.difference else "complement" if inverted else "identity",
                    "polarity": "inverted" if inverted else "same",
                    "difference": family.bet.difference,
                    "listed": moment(rnd.start),
                    "closes": moment(rnd.end),
                }

    def _crossing_truth(self, first: int, last: int) -> Iterator[dict[str, Any]]:
        sides = {(f.venue, f.pair): f for fs in self.families.values() for f in fs if f.pair is not None}
        for window in range(first // WINDOW, last // WINDOW + 1):
            for pair, (kalshi_cheap, ask, edge) in self.crossing(window).items():
                kalshi = self.round_at(sides["kalshi", pair], window * WINDOW)
                polymarket = self.round_at(sides["polymarket", pair], window * WINDOW)
                yield {
                    "kalshi": self.kalshi.market_id(kalshi, 0),
                    "polymarket": self.polymarket.market_id(polymarket, 0),
                    "buy_yes_on": "kalshi" if kalshi_cheap else "polymarket",
                    "yes_ask": ask / 1000,
                    "edge_before_fees": edge / 1000,
                    "from": moment(window * WINDOW),
                    "until": moment((window + 1) * WINDOW),
                }

    def _rounds_between(self, family: Family, first: int, last: int) -> Iterator[Round]:
        low = max((first - EPOCH_SLOT - family.phase) // family.life, 0)
        for number in range(low, (last - EPOCH_SLOT - family.phase) // family.life + 1):
            yield self.round(family, number)

    def _anomalies(self, venue: str, first: int, last: int) -> Iterator[dict[str, Any]]:
        listing = self.kalshi if venue == "kalshi" else self.polymarket
        for family in self.families[venue]:
            for rnd in self._rounds_between(family, first, last):
                for found in round_anomalies(rnd, first, last):
                    yield {
                        "venue": venue,
                        "kind": found.kind,
                        "time": moment(found.slot),
                        "markets": [listing.market_id(rnd, j) for j in found.markets],
                        "size": round(found.size, 4),
                    }


def moment(slot: int) -> str:
    return texts.utc(slot * SLOT_S).isoformat()


def round_anomalies(rnd: Round, first: int, last: int) -> Iterator[Anomaly]:
    venue, inside = rnd.family.venue, (rnd.slots >= first) & (rnd.slots < last)
    spikes = rnd.spikes
    for j, column in np.argwhere((spikes > 1.0) & inside):
        yield Anomaly(venue, "volume_spike", int(rnd.slots[column]), (int(j),), float(spikes[j, column]))
    for column in np.flatnonzero((rnd.jumps != 0.0) & inside):
        # The jump is in the step that leads to the next slot.
        slot = int(rnd.slots[column]) + 1
        tradable = (rnd.closes > slot) & (np.abs(rnd.prices[:, column] - 0.5) < 0.45)
        if tradable.any() and slot < rnd.end:
            sign = -1.0 if rnd.family.inverted else 1.0
            markets = tuple(int(j) for j in np.flatnonzero(tradable))
            yield Anomaly(venue, "price_jump", slot, markets, sign * float(rnd.jumps[column]))
    if rnd.family.kind == "exclusive":
        yield from misfits(rnd, rnd.slots[inside])


def misfits(rnd: Round, slots: Ints) -> Iterator[Anomaly]:
    """One per window, at its first slot in which the served quotes really do not fit."""
    active, _, low = rnd.misfit_at(slots)
    slots, low = slots[active], low[active]
    if not len(slots):
        return
    bid, ask = rnd.quotes(slots)
    seen: set[int] = set()
    for column, slot in enumerate(slots):
        window = (int(slot) + 3 * rnd.family.place) // WINDOW
        asks, bids = int(ask[:, column].sum()), int(bid[:, column].sum())
        off = (asks - 1000 if asks < 985 else 0) if low[column] else (bids - 1000 if bids > 1015 else 0)
        if off and window not in seen:
            seen.add(window)
            kind = "asks_below_one" if low[column] else "bids_above_one"
            yield Anomaly(rnd.family.venue, kind, int(slot), tuple(range(rnd.family.size)), off / 1000)


# Families


def make_families(seed: int, venue: str, markets: int) -> list[Family]:
    """Both venues' lists begin with the shared bets, in the same order; the rest differs by venue."""
    families = [*bet_families(seed, venue), *spot_families(venue)]
    count = sum(family.size for family in families)
    places = 0
    for number, family in enumerate(own_families(seed, venue)):
        if count + family.size > markets and number >= 12:
            break
        if family.kind == "exclusive":
            family, places = replace(family, place=places), places + 1
        families.append(family)
        count += family.size
    return [replace(family, index=index) for index, family in enumerate(families)]


def bet_families(seed: int, venue: str) -> Iterator[Family]:
    for number, bet in enumerate((*texts.BETS, *texts.LOOK_ALIKES)):
        pair = number if number < len(texts.BETS) else None
        draw = one_uniform(key_of(seed, "bet"), number, SCALE)
        life = (20 + 5 * (number % 5)) * DAY
        yield Family(
            venue=venue,
            index=0,
            name=bet.series,
            kind="binary",
            driver=bet.series,
            size=1,
            life=life,
            phase=-((number * 7) % (life // DAY)) * DAY,
            residual=1.2 + 0.6 * draw,
            category=bet.category,
            bet=bet,
            pair=pair,
            offset=0.25 if bet.difference and venue == "polymarket" else 0.0,
        )


def spot_families(venue: str) -> Iterator[Family]:
    """Hourly ladders on Kalshi, two hours at once; hourly up-or-down on Polymarket, of other coins."""
    if venue == "kalshi":
        plans = [(coin, 8, 2 * HOUR, start * HOUR) for coin in COINS[:2] for start in range(2)]
    else:
        plans = [(coin, 1, 2 * HOUR, start * HOUR) for coin in COINS[2:] for start in range(2)]
    for coin, size, life, phase in plans:
        name = f"spot-{coin.symbol}-{phase}"
        yield Family(venue, 0, name, "spot", name, size, life, phase, 0.0, "Crypto", coin=coin)


def own_families(seed: int, venue: str) -> Iterator[Family]:
    """For ever: four exclusive events, two threshold ladders, two deadline ladders, four singles, and again."""
    kinds = ("exclusive", "binary", "threshold", "exclusive", "binary", "deadline") * 2
    counts = dict.fromkeys(kinds, 0)
    turn = 0
    while True:
        kind = kinds[turn % len(kinds)]
        # Even numbers are Kalshi's topics and odd ones Polymarket's, so that only the shared bets are the same.
        number = counts[kind] * 2 + VENUES.index(venue)
        counts[kind] += 1
        key = key_of(seed, venue, kind, number)
        draws = uniform(key, np.arange(4), ORDER)
        size = {"exclusive": 3 + int(draws[0] * 4), "threshold": 5, "deadline": 3, "binary": 1}[kind]
        topic = topic_of(kind, number, size)
        daily = kind == "exclusive" and topic.category == "Climate and Weather"
        # Deadline rungs fall on midnights, other rounds may end at any hour.
        life = DAY if daily else (6 + 3 * int(draws[1] * 9)) * DAY
        phase = -int(draws[2] * life / DAY) * DAY + (0 if kind in ("deadline", "binary") else int(draws[3] * 24) * HOUR)
        yield Family(
            venue, 0, topic.series, kind, f"{venue}-{topic.series}", size, life, phase, 0.8 * float(draws[3]),
            topic.category, topic=topic,
        )  # fmt: skip
        turn += 1


def topic_of(kind: str, number: int, size: int) -> texts.Topic:
    if kind == "exclusive":
        return texts.exclusive_topic(number, size)
    if kind == "threshold":
        return texts.threshold_topic(number, size)
    return texts.deadline_topic(number) if kind == "deadline" else texts.single_topic(number)
