"""The words of the business as types: what a venue lists, what we detect, what we publish. No behaviour beyond them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any, Literal

Platform = Literal["kalshi", "polymarket"]
PLATFORMS: tuple[Platform, ...] = ("kalshi", "polymarket")


class MarketStatus(StrEnum):
    """Where a market is in its life. Only OPEN is worth a bet; only FINAL has an outcome that will not change."""

    UNOPENED = "unopened"
    OPEN = "open"
    PAUSED = "paused"
    CLOSED = "closed"
    DETERMINED = "determined"
    DISPUTED = "disputed"
    FINAL = "final"


class Tier(StrEnum):
    FREE = "free"
    BASIC = "basic"
    PREMIUM = "premium"
    PRO = "pro"


TIER_RANK = {Tier.FREE: 0, Tier.BASIC: 1, Tier.PREMIUM: 2, Tier.PRO: 3}


@dataclass(frozen=True, slots=True)
class Event:
    """A venue's group of markets. `exhaustive` is None unless the venue proves that one outcome must win.

    `fee_type` and `fee_multiplier` override the series' (Kalshi); None where the series' hold. `slug` names its page on
    Polymarket.
    """

    platform: Platform
    event_id: str
    title: str
    category: str | None
    series: str | None
    mutually_exclusive: bool
    exhaustive: bool | None
    fee_type: str | None = None
    fee_multiplier: Decimal | None = None
    slug: str | None = None


@dataclass(frozen=True, slots=True)
class FeeFacts:
    """What the venue says a taker pays: `rate` * (p(1-p))^`exponent` dollars a contract. None where it says nothing."""

    rate: Decimal
    exponent: Decimal
    kind: str


@dataclass(frozen=True, slots=True)
class Terms:
    """What a market promises. Changes seldom. `url`: its page on the venue's site; None where that is unknown."""

    platform: Platform
    market_id: str
    event_id: str | None
    title: str
    rules: str
    category: str | None
    yes_label: str
    no_label: str
    url: str | None
    open_time: datetime | None
    close_time: datetime | None
    yes_token: str | None
    no_token: str | None
    fee: FeeFacts | None
    raw: dict[str, Any] = field(repr=False)
    fee_waiver_until: datetime | None = None


@dataclass(frozen=True, slots=True)
class FeeChange:
    """A fee announced for a series or an event of Kalshi. An event's without type and multiplier ends its override."""

    scope: Literal["series", "event"]
    subject: str
    effective_at: datetime
    fee_type: str | None
    fee_multiplier: Decimal | None


@dataclass(frozen=True, slots=True)
class Quote:
    """What a buyer sees now. Prices are dollars in [0, 1] a contract; None is unknown, never 0 or 0.5.

    `volume` is cumulative in the venue's own unit (Kalshi: contracts, Polymarket: dollars).
    """

    price: Decimal | None
    yes_price: Decimal | None
    no_price: Decimal | None
    last_price: Decimal | None
    volume: Decimal | None
    volume_24h: Decimal | None
    open_interest: Decimal | None
    liquidity: Decimal | None
    yes_size: Decimal | None = None
    no_size: Decimal | None = None


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a market ended: `payout` dollars a YES contract, None until the venue's authoritative field says so."""

    result: Literal["yes", "no", "scalar"] | None
    payout: Decimal | None
    settled_at: datetime | None


@dataclass(frozen=True, slots=True)
class Market:
    """One row of a venue's listing. Its quote is read at once; its terms, which change seldom, when they are wanted.

    `terms_digest` changes whenever any of the terms but `category` and `url` does: a venue's two listings name the
    category differently, which must not make a market's terms change forth and back.
    """

    platform: Platform
    market_id: str
    terms_digest: int
    status: MarketStatus
    quote: Quote
    outcome: Outcome
    read_terms: Callable[[], Terms] = field(repr=False, compare=False)

    @property
    def terms(self) -> Terms:
        return self.read_terms()


@dataclass(slots=True)
class Page:
    """What one answer of a venue held: every row is in `markets` or counted in `skipped` under a reason.

    `doubts` counts single fields that were unusable and are stored as unknown.
    """

    events: list[Event] = field(default_factory=list)
    markets: list[Market] = field(default_factory=list)
    skipped: Counter[str] = field(default_factory=Counter)
    doubts: Counter[str] = field(default_factory=Counter)


@dataclass(frozen=True, slots=True)
class OpenMarket:
    """A tradable market as analysis sees it. `fee_rate` None means that its taker fee is unknown.

    `quoted_at` is when the venue last showed these prices, changed or not, `fee_read_at` when it last said the fee;
    `number` is the market's in the compact history.
    """

    platform: Platform
    market_id: str
    event_id: str | None
    title: str
    category: str | None
    close_time: datetime | None
    yes_token: str | None
    mutually_exclusive: bool
    price: Decimal | None
    yes_price: Decimal | None
    no_price: Decimal | None
    volume: Decimal | None
    volume_24h: Decimal | None
    quoted_at: datetime
    fee_rate: Decimal | None
    fee_exponent: Decimal
    number: int = 0
    yes_label: str = "Yes"
    no_label: str = "No"
    fee_read_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Level:
    """One step of a book: `size` contracts at `price` dollars."""

    price: Decimal
    size: Decimal


@dataclass(frozen=True, slots=True)
class Book:
    """What can be bought now, best first. Buying NO at 1-p is selling YES to a bid at p."""

    platform: Platform
    market_id: str
    yes_asks: tuple[Level, ...]
    no_asks: tuple[Level, ...]
    read_at: datetime
    top_only: bool = False
    least_shares: Decimal | None = None  # of an order, where the book says it


@dataclass(slots=True)
class BookPage:
    """What one answer held of the books asked for; the rest is in `skipped` under a reason, bad levels in `doubts`."""

    books: list[Book] = field(default_factory=list)
    skipped: Counter[str] = field(default_factory=Counter)
    doubts: Counter[str] = field(default_factory=Counter)


@dataclass(frozen=True, slots=True)
class Candle:
    """One period of a venue's own history. `volume` is what traded in it, None where the venue does not say."""

    market_id: str
    end: datetime
    price: Decimal | None
    yes_price: Decimal | None
    no_price: Decimal | None
    volume: Decimal | None


@dataclass(frozen=True, slots=True)
class Pattern:
    """One detector's find. `numbers` is what made the score, by the names the evidence uses."""

    platform: Platform
    market_id: str
    event_id: str | None
    category: str | None
    detector: str
    score: float
    numbers: dict[str, float]


@dataclass(frozen=True, slots=True)
class Fact:
    """One numbered line of evidence: the only numbers an insight may speak. `value` as a reader is to read it."""

    id: str
    name: str
    label: str
    value: str
    unit: str

    @property
    def number(self) -> Decimal:
        """Of any fact but a time."""
        return Decimal(self.value.replace(",", ""))

    def as_json(self) -> dict[str, str]:
        return {"id": self.id, "name": self.name, "label": self.label, "value": self.value, "unit": self.unit}
