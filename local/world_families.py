"""What the generated world is made of: recurring events ("families") of both venues and what they are about."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from itertools import chain

import numpy as np

from local import world_grammar, world_topics
from local import world_texts as texts
from local.noise import key_of, one_uniform, uniform

EPOCH = datetime(2026, 1, 1, 5, tzinfo=UTC)  # midnight in New York
SLOT_S = 900
EPOCH_SLOT = int(EPOCH.timestamp()) // SLOT_S
DAY = 96
HOUR = 4
KEPT_SLOTS = 10 * DAY
KEPT_HOURLY_SLOTS = DAY
VENUES = ("kalshi", "polymarket")
KINDS = ("binary", "exclusive", "threshold", "deadline", "spot")
BET_SHARE = 0.05

# Salts keep the draws of one key apart; the walks and columns have theirs from 10 on.
RESIDUAL, PLAN, MAKE_UP = range(3)


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
    kind: str  # one of KINDS
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
    place: int = 0  # among the venue's families of the same kind

    @property
    def inverted(self) -> bool:
        return self.venue == "polymarket" and self.bet is not None and self.bet.inverted

    @property
    def settles_after_s(self) -> int:
        return 300 if self.kind == "spot" else 3 * 3600

    @property
    def kept(self) -> int:
        return KEPT_HOURLY_SLOTS if self.kind == "spot" else KEPT_SLOTS


def make_families(seed: int, venue: str, markets: int) -> list[Family]:
    """Both venues' lists begin with the shared bets, in the same order; the rest differs by venue."""
    families = [*bet_families(seed, venue, int(markets * BET_SHARE)), *spot_families(venue, markets)]
    count = sum(family.size for family in families)
    places = dict.fromkeys(KINDS, 0)
    for number, family in enumerate(own_families(seed, venue)):
        if count + family.size > markets and number >= 12:
            break
        families.append(replace(family, place=places[family.kind]))
        places[family.kind] += 1
        count += family.size
    return [replace(family, index=index) for index, family in enumerate(families)]


def bet_families(seed: int, venue: str, wanted: int) -> Iterator[Family]:
    """The written bets, then generated ones up to `wanted`; those without a difference are numbered pairs."""
    written = (*texts.BETS, *texts.LOOK_ALIKES)
    pairs = 0
    for number, bet in enumerate(chain(written, world_grammar.bets(seed, wanted - len(written)))):
        draw = one_uniform(key_of(seed, "bet"), number, RESIDUAL)
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
            pair=None if bet.difference else pairs,
            offset=0.25 if bet.difference and venue == "polymarket" else 0.0,
        )
        pairs += not bet.difference


def spot_families(venue: str, markets: int) -> Iterator[Family]:
    """Hourly ladders on Kalshi, two hours at once; hourly up-or-down on Polymarket, of other coins."""
    if venue == "kalshi":
        rungs = 8 if markets < 2_000 else 40
        plans = [(coin, rungs, 2 * HOUR, start * HOUR) for coin in COINS[:2] for start in range(2)]
    else:
        plans = [(coin, 1, 2 * HOUR, start * HOUR) for coin in COINS[2:] for start in range(2)]
    for coin, size, life, phase in plans:
        name = f"spot-{coin.symbol}-{phase}"
        yield Family(venue, 0, name, "spot", name, size, life, phase, 0.0, "Crypto", coin=coin)


def own_families(seed: int, venue: str) -> Iterator[Family]:
    """For ever: four exclusive events, two threshold ladders, two deadline ladders, four singles, and again."""
    kinds = ("exclusive", "binary", "threshold", "exclusive", "binary", "deadline") * 2
    counts = dict.fromkeys(kinds, 0)
    key = key_of(seed, venue, "plan")
    turn = 0
    while True:
        draws = uniform(key, np.arange(4 * 1024).reshape(1024, 4) + 4 * turn, PLAN)
        for a, b, c, d in draws.tolist():
            kind = kinds[turn % len(kinds)]
            # Even numbers are Kalshi's topics and odd ones Polymarket's, so that only the shared bets are the same.
            number = counts[kind] * 2 + VENUES.index(venue)
            counts[kind] += 1
            turn += 1
            size = {"exclusive": 3 + int(a * 4), "threshold": 5, "deadline": 3, "binary": 1}[kind]
            topic = world_topics.topic_of(kind, number, size)
            daily = kind == "exclusive" and topic.category == "Climate and Weather"
            # Deadline rungs fall on midnights, other rounds may end at any hour.
            life = DAY if daily else (6 + 3 * int(b * 9)) * DAY
            phase = -int(c * life / DAY) * DAY + (0 if kind in ("deadline", "binary") else int(d * 24) * HOUR)
            yield Family(
                venue, 0, topic.series, kind, f"{venue}-{topic.series}", size, life, phase, 0.8 * d,
                topic.category, topic=topic,
            )  # fmt: skip
