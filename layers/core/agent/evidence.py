"""The numbered evidence of one candidate: the only numbers that an insight may speak."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, Literal

from core.agent.labels import DETECTORS_CALL, LABELS
from core.agent.outside import TITLE_CHARS, Subject, clean, subject_of
from core.arbitrage.fees import taker_fee_usd
from core.detect.rates import Rate
from core.models import Book, Fact, Level, Pattern, Platform

_ZERO, _ONE, _CENT = Decimal(0), Decimal(1), Decimal("0.01")
Side = Literal["YES", "NO"]

_VOLUME_UNITS: dict[Platform, str] = {"kalshi": "contracts", "polymarket": "USD"}
_MOST_RELATED = 5
_LARGEST = 10**15  # beyond it a number is a fault of its source


@dataclass(frozen=True, slots=True)
class Other:
    """The same bet on the other venue, with what was judged of both rules. Of a complement its NO is this YES; the
    asks are those of this market's sides."""

    platform: Platform
    market_id: str
    title: str
    relation: str
    settlement_risk: str
    yes_price: Decimal | None = None
    no_price: Decimal | None = None


@dataclass(frozen=True, slots=True)
class Candidate:
    """A pattern with what is stored about its market. Prices are dollars; `fee_rate` None means unknown.

    `quoted_at`: when the venue last showed these prices. The labels are what the venue calls its sides. `rates`: what
    was measured of earlier setups like it, by horizon. `book`: what could be bought when it was last read; without one
    nothing is known to be fillable, and no bet is published.
    """

    pattern: Pattern
    title: str
    rules: str
    close_time: datetime | None
    price: Decimal | None
    yes_price: Decimal | None
    no_price: Decimal | None
    volume_24h: Decimal | None
    fee_rate: Decimal | None
    fee_exponent: Decimal
    quoted_at: datetime
    yes_label: str = "Yes"
    no_label: str = "No"
    fair: Decimal | None = None
    rates: tuple[Rate, ...] = ()
    book: Book | None = None
    others: tuple[Other, ...] = ()

    @property
    def subject(self) -> Subject:
        """The market in its venue's words, cleaned."""
        pattern = self.pattern
        return subject_of(pattern.platform, pattern.market_id, self.title, self.rules, self.yes_label, self.no_label)


@dataclass(frozen=True, slots=True)
class Evidence:
    """`edge_side` and `net_edge_cents` are computed by code: None where no fair price or fee is known. `fillable_usd`
    is
    what the contracts cost that the book offers with that edge, None without a book. `history`: what the facts
    of earlier setups are worth; "unproven" ones carry no claim."""

    facts: tuple[Fact, ...]
    edge_side: Side | None
    net_edge_cents: Decimal | None
    fillable_usd: Decimal | None = None
    history: str = "unproven"

    def as_json(self) -> list[dict[str, str]]:
        return [fact.as_json() for fact in self.facts]


def gather(candidate: Candidate, now: datetime) -> Evidence:
    """Everything known about the candidate, one fact a line, in a stable order."""
    values = _prices(candidate) | _detected(candidate.pattern)
    if candidate.yes_price is not None and candidate.no_price is not None:
        values["spread_cents"] = 100 * (candidate.yes_price + candidate.no_price - _ONE)
    if candidate.volume_24h is not None:
        values["volume_24h"] = candidate.volume_24h
    close = candidate.close_time
    values.pop("hours_to_close", None)  # the detector's is as old as its run
    if close is not None and close > now:
        values["hours_to_close"] = Decimal(int((close - now).total_seconds() // 360)) / 10
    values |= _rate_values(candidate.rates)
    values["quote_age_minutes"] = Decimal(max(int((now - candidate.quoted_at).total_seconds() // 60), 0))
    side, edge, fee = net_edge(candidate)
    spendable = None
    if side is not None and edge is not None and fee is not None and candidate.fair is not None:
        values["fair_cents"] = 100 * candidate.fair
        values["taker_fee_cents"] = 100 * fee
        values["net_edge_cents"] = 100 * edge
        if candidate.book is not None:
            contracts, spendable = fillable(candidate, side)
            values |= {"fillable_contracts": contracts, "fillable_usd": spendable}
    platform = candidate.pattern.platform
    texts = {
        name: dollars(value) if _unit(name, platform) == "USD" else shown(value)
        for name, value in values.items()
        if abs(value) < _LARGEST
    }
    if close is not None and close > now:
        texts["closes_at"] = f"{close.astimezone(UTC):%Y-%m-%d %H:%M}"
    facts = tuple(
        Fact(f"E{number}", name, LABELS[name][0], texts[name], _unit(name, platform))
        for number, name in enumerate((name for name in LABELS if name in texts), 1)
    )
    rate = best_rate(candidate.rates)
    history = "unproven" if rate is None else rate.verdict
    return Evidence(facts, side, None if edge is None else 100 * edge, spendable, history)


def _prices(candidate: Candidate) -> dict[str, Decimal]:
    other = next((one for one in candidate.others if one.relation in ("identity", "complement")), None)
    dollars = {
        "price_cents": candidate.price,
        "yes_ask_cents": candidate.yes_price,
        "no_ask_cents": candidate.no_price,
        "other_yes_ask_cents": other.yes_price if other else None,
        "other_no_ask_cents": other.no_price if other else None,
    }
    return {name: 100 * price for name, price in dollars.items() if price is not None}


def _detected(pattern: Pattern) -> dict[str, Decimal]:
    """The detector's own numbers by the names of facts; what has no name is no fact."""
    found = {}
    for told, number in pattern.numbers.items():
        name, factor = DETECTORS_CALL.get(told, (told, 1))
        if name in LABELS and abs(number) < _LARGEST:
            found[name] = Decimal(repr(float(number))) * factor
    return found


def best_rate(rates: Sequence[Rate]) -> Rate | None:
    """The horizon that is told: what is proved before what is not, then what pays most, else the most setups."""
    verdicts = ("edge", "adverse", "lift", "unproven")
    return min(rates, key=lambda one: (verdicts.index(one.verdict), -(one.shrunk_net or 0), -one.n), default=None)


def _rate_values(rates: Sequence[Rate]) -> dict[str, Decimal]:
    rate = best_rate(rates)
    if rate is None:
        return {}
    told = {
        "setups": float(rate.n),
        "setup_hit_pct": 100 * rate.rate,
        "setup_low_pct": 100 * rate.low,
        "setup_high_pct": 100 * rate.high,
        "matched_hit_pct": None if rate.matched_rate is None else 100 * rate.matched_rate,
        # what is not proved to pay is no number to act on
        "setup_net_cents": 100 * rate.shrunk_net if rate.verdict == "edge" and rate.shrunk_net is not None else None,
    }
    return {name: Decimal(repr(float(value))) for name, value in told.items() if value is not None}


def _rate_said(rates: Sequence[Rate]) -> dict[str, str]:
    """In words what the facts of earlier setups are worth, beside their numbers."""
    rate = best_rate(rates)
    if rate is None:
        return {"verdict": "unproven", "why": "no setup like it was measured"}
    if rate.move is not None:
        meant = "the price went the detector's way"
        proved = {
            "edge": "proved to pay after costs",
            "lift": "proved to hit more often than without the pattern, not proved to pay after costs",
            "adverse": "proved to do worse than without the pattern",
        }
    else:
        meant = "the price moved, either way, by more than matched moments usually do"
        proved = {
            "lift": "proved to move more than without the pattern",
            "adverse": "proved to move less than without it",
        }
    verdict = proved.get(rate.verdict, "unproven")
    said = {"verdict": verdict, "horizon": rate.horizon, "a_hit_means": meant}
    return said | ({"why": rate.why} if rate.why else {})


def fillable(candidate: Candidate, side: Side) -> tuple[Decimal, Decimal]:
    """(contracts, what they cost without fees) that the book offers at prices which keep an edge after the fee."""
    book, fair, rate = candidate.book, candidate.fair, candidate.fee_rate
    if book is None or fair is None or rate is None:
        return _ZERO, _ZERO
    asks: tuple[Level, ...] = book.yes_asks if side == "YES" else book.no_asks
    worth = fair if side == "YES" else _ONE - fair
    kept = [
        level
        for level in asks
        if worth - level.price - taker_fee_usd(_ONE, level.price, rate, candidate.fee_exponent) > 0
    ]
    return sum((level.size for level in kept), _ZERO), sum((level.size * level.price for level in kept), _ZERO)


def net_edge(candidate: Candidate) -> tuple[Side | None, Decimal | None, Decimal | None]:
    """(side, dollars a contract after the fee, the fee) of the better side against the fair price; Nones if unknown."""
    if candidate.fair is None or candidate.fee_rate is None:
        return None, None, None
    offers: tuple[tuple[Side, Decimal | None, Decimal], ...] = (
        ("YES", candidate.yes_price, candidate.fair),
        ("NO", candidate.no_price, _ONE - candidate.fair),
    )
    edges = [
        (worth - ask - fee, side, fee)
        for side, ask, worth in offers
        if ask is not None and (fee := taker_fee_usd(_ONE, ask, candidate.fee_rate, candidate.fee_exponent)) is not None
    ]
    if not edges:
        return None, None, None
    edge, side, fee = max(edges)
    return side, edge, fee


def _unit(name: str, platform: Platform) -> str:
    unit = LABELS[name][1]
    return _VOLUME_UNITS[platform] if unit == "volume" else unit


def shown(value: Decimal) -> str:
    """At most one decimal below 1,000, none above; no exponent, no trailing zero."""
    step = Decimal("0.1") if abs(value) < 1_000 else Decimal(1)
    text = f"{value.quantize(step):f}"
    text = text.rstrip("0").rstrip(".") if "." in text else text
    return "0" if text == "-0" else text


def dollars(value: Decimal) -> str:
    """To the cent, with a comma at each thousand: as an amount of money is written wherever one is."""
    return f"{value.quantize(_CENT):,f}"


def _no_means(subject: Subject) -> str:
    """Kalshi calls both sides after the outcome: NO is then whatever is not that."""
    same = subject.no_label.lower() == subject.yes_label.lower()
    return f"not: {subject.yes_label}" if same else subject.no_label


def pack(candidate: Candidate, evidence: Evidence) -> Mapping[str, Any]:
    """What the model is sent, as one JSON object."""
    subject, pattern = candidate.subject, candidate.pattern
    market = {
        "id": subject.market_id,
        "platform": subject.platform,
        "title": subject.title,
        "yes_means": subject.yes_label,
        "no_means": _no_means(subject),
        "rules": subject.rules,
    }
    related = [
        {
            "id": clean(other.market_id, TITLE_CHARS),
            "platform": other.platform,
            "title": clean(other.title, TITLE_CHARS),
            "relation": other.relation,
            "settlement_risk": other.settlement_risk,
        }
        for other in candidate.others[:_MOST_RELATED]
    ]
    earlier = _rate_said(candidate.rates)
    detector = {"name": pattern.detector, "score": round(pattern.score), "earlier_setups": earlier}
    return {"market": market, "related": related, "detector": detector, "facts": evidence.as_json()}
