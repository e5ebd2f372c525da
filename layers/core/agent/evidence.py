"""The numbered evidence of one candidate: the only numbers that an insight may speak."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any, Literal

from core.arbitrage.fees import taker_fee_usd
from core.detect.rates import Rate
from core.models import Fact, Pattern, Platform

_ONE = Decimal(1)

LABELS: dict[str, tuple[str, str]] = {
    "price_cents": ("best estimate of probability", "¢"),
    "yes_ask_cents": ("YES ask", "¢"),
    "no_ask_cents": ("NO ask", "¢"),
    "spread_cents": ("spread", "¢"),
    "move_1h_cents": ("price move in the last hour", "¢"),
    "move_24h_cents": ("price move in the last day", "¢"),
    "move_sigmas": ("size of the move in the market's own usual moves", "times"),
    "volume_1h": ("volume in the last hour", "volume"),
    "volume_typical_1h": ("volume in a usual hour", "volume"),
    "volume_ratio": ("last hour's volume against a usual hour", "times"),
    "volume_24h": ("volume in the last day", "volume"),
    "sum_bids_cents": ("YES bids of all outcomes together", "¢"),
    "outcomes": ("outcomes with a bid", ""),
    "fair_cents": ("price of the same bet on the other venue", "¢"),
    "taker_fee_cents": ("taker fee a contract", "¢"),
    "net_edge_cents": ("edge a contract after the fee, against the other venue's price", "¢"),
    "setups": ("earlier setups like this one that were measured", ""),
    "setup_hit_pct": ("share of those setups that hit", "%"),
    "setup_low_pct": ("lower end of the 95% interval of that share", "%"),
    "setup_high_pct": ("upper end of the 95% interval of that share", "%"),
    "matched_hit_pct": ("share of matched moments without the pattern that hit", "%"),
    "setup_net_cents": ("what those setups earned a contract after spread and fees, on average", "¢"),
    "hours_to_close": ("hours until the market closes", "h"),
    "quote_age_minutes": ("age of these prices", "minutes"),
}
_VOLUME_UNITS: dict[Platform, str] = {"kalshi": "contracts", "polymarket": "USD"}
RULES_CHARS = 1_500
_LABEL_CHARS = 100
_LARGEST = 10**15  # beyond it a number is a fault of its source


@dataclass(frozen=True, slots=True)
class Candidate:
    """A pattern with what is stored about its market. Prices are dollars; `fee_rate` None means unknown.

    `quoted_at`: when the venue last showed these prices. The labels are what the venue calls its sides. `rates`: what
    was measured of earlier setups like it, by horizon.
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


@dataclass(frozen=True, slots=True)
class Evidence:
    """`edge_side` and `net_edge_cents` are computed by code: None where no fair price or fee is known."""

    facts: tuple[Fact, ...]
    edge_side: Literal["YES", "NO"] | None
    net_edge_cents: Decimal | None

    def as_json(self) -> list[dict[str, str]]:
        return [{"id": f.id, "name": f.name, "label": f.label, "value": f.value, "unit": f.unit} for f in self.facts]


def gather(candidate: Candidate, now: datetime) -> Evidence:
    """Everything known about the candidate, one fact a line, in a stable order."""
    values: dict[str, Decimal] = {}
    cents = {"price_cents": candidate.price, "yes_ask_cents": candidate.yes_price, "no_ask_cents": candidate.no_price}
    values |= {name: 100 * price for name, price in cents.items() if price is not None}
    if candidate.yes_price is not None and candidate.no_price is not None:
        values["spread_cents"] = 100 * (candidate.yes_price + candidate.no_price - _ONE)
    found = candidate.pattern.numbers.items()
    values |= {name: Decimal(repr(float(n))) for name, n in found if name in LABELS and abs(n) < _LARGEST}
    if candidate.volume_24h is not None:
        values["volume_24h"] = candidate.volume_24h
    if candidate.close_time is not None and candidate.close_time > now:
        values["hours_to_close"] = Decimal(int((candidate.close_time - now).total_seconds() // 360)) / 10
    values |= _rate_values(candidate.rates)
    values["quote_age_minutes"] = Decimal(max(int((now - candidate.quoted_at).total_seconds() // 60), 0))
    side, edge, fee = net_edge(candidate)
    if side is not None and edge is not None and fee is not None and candidate.fair is not None:
        values["fair_cents"] = 100 * candidate.fair
        values["taker_fee_cents"] = 100 * fee
        values["net_edge_cents"] = 100 * edge
    facts = tuple(
        Fact(f"E{number}", name, LABELS[name][0], _shown(values[name]), _unit(name, candidate.pattern.platform))
        for number, name in enumerate((name for name in LABELS if name in values), 1)
    )
    return Evidence(facts, side, None if edge is None else 100 * edge)


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


def net_edge(candidate: Candidate) -> tuple[Literal["YES", "NO"] | None, Decimal | None, Decimal | None]:
    """(side, dollars a contract after the fee, the fee) of the better side against the fair price; Nones if unknown."""
    if candidate.fair is None or candidate.fee_rate is None:
        return None, None, None
    offers: tuple[tuple[Literal["YES", "NO"], Decimal | None, Decimal], ...] = (
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


def _shown(value: Decimal) -> str:
    """At most one decimal below 1,000, none above; no exponent, no trailing zero."""
    step = Decimal("0.1") if abs(value) < 1_000 else Decimal(1)
    text = f"{value.quantize(step):f}"
    text = text.rstrip("0").rstrip(".") if "." in text else text
    return "0" if text == "-0" else text


def _no_means(candidate: Candidate) -> str:
    """Kalshi calls both sides after the outcome: NO is then whatever is not that."""
    same = candidate.no_label.strip().lower() == candidate.yes_label.strip().lower()
    return f"not: {candidate.yes_label}" if same else candidate.no_label


def pack(candidate: Candidate, evidence: Evidence) -> Mapping[str, Any]:
    """What the model is sent, as one JSON object."""
    pattern = candidate.pattern
    close = candidate.close_time.isoformat() if candidate.close_time else None
    market = {
        "id": pattern.market_id,
        "platform": pattern.platform,
        "title": candidate.title[:500],
        "yes_means": candidate.yes_label[:_LABEL_CHARS],
        "no_means": _no_means(candidate)[:_LABEL_CHARS],
        "rules": candidate.rules[:RULES_CHARS],
        "close_time": close,
    }
    earlier = _rate_said(candidate.rates)
    detector = {"name": pattern.detector, "score": round(pattern.score), "earlier_setups": earlier}
    return {"market": market, "detector": detector, "facts": evidence.as_json()}
