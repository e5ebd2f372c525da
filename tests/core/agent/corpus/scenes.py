"""Markets made by rule, each with what is known of it, to write good and bad answers about."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from functools import cached_property
from random import Random
from typing import Any

from core.agent.evidence import Candidate, Evidence, Other, gather
from core.models import Book, Level, Platform
from tests.core.agent.making import NOW, make_candidate, make_pattern, make_rate

TITLES = (
    ("Will the treaty be signed by Dec 31?", "Resolves to Yes if both parties sign.", "Yes", "No"),
    ("Will the Fed cut rates by 25 bps in December?", "Resolves to Yes if the target range falls.", "Yes", "No"),
    ("Chiefs vs. Bills", "Resolves to the winner of the game.", "Chiefs", "Bills"),
    ("Who wins the primary? — Smith", "Resolves to Yes if Smith wins.", "Smith", "Smith"),
    ("Will Bitcoin be above $100,000 on December 31?", "Uses the closing price of the index.", "Yes", "No"),
    ("Will inflation be above 3% in November?", "Settled by the first release of the statistics office.", "Yes", "No"),
    ("Will it snow in Boston on Christmas Day?", "Measured at the airport, any trace counts.", "Yes", "No"),
    ("Will the Senate confirm the nominee?", "Resolves to Yes on a majority vote.", "Yes", "No"),
    ("Will SpaceX launch Starship before Jan 15?", "A launch is a liftoff of the whole stack.", "Yes", "No"),
    ("Will the film gross over $50 million on its opening weekend?", "By the studio's estimates.", "Yes", "No"),
    ("Will Norway win the most gold medals?", "Shared first place counts as No.", "Norway", "Not Norway"),
    ("Will unemployment stay under 5%?", "By the monthly report.", "Yes", "No"),
)
DETECTORS = (
    "price_jump", "price_drift", "momentum", "reversal", "convergence", "volume_spike", "volume_without_price",
    "price_without_volume", "volatility_regime", "spread_collapse", "stale_quote", "lead_lag", "sum_mismatch",
    "ladder_by_threshold", "favourite_longshot", "cross_venue_gap",
)  # fmt: skip


@dataclass(frozen=True)
class Scene:
    candidate: Candidate

    @cached_property
    def evidence(self) -> Evidence:
        return gather(self.candidate, NOW)

    @cached_property
    def values(self) -> dict[str, Decimal]:
        return {fact.name: fact.number for fact in self.evidence.facts if fact.unit != "UTC"}

    @cached_property
    def ids(self) -> dict[str, str]:
        return {fact.name: fact.id for fact in self.evidence.facts}

    @property
    def other_venue(self) -> str:
        return "Polymarket" if self.candidate.pattern.platform == "kalshi" else "Kalshi"

    @property
    def venue(self) -> str:
        return "Kalshi" if self.candidate.pattern.platform == "kalshi" else "Polymarket"

    @property
    def may_bet(self) -> bool:
        edge, fill = self.evidence.net_edge_cents, self.evidence.fillable_usd
        return edge is not None and edge > 0 and fill is not None and fill > 0


def make_scene(random: Random) -> Scene:
    title, rules, yes_label, no_label = random.choice(TITLES)
    platform: Platform = random.choice(("kalshi", "polymarket"))
    price = random.randint(6, 94)
    yes, no = price + random.randint(0, 2), 100 - price + random.randint(0, 3)
    has_other = random.random() < 0.7
    fair = Decimal(min(max(price + random.choice((-1, 1)) * random.randint(2, 14), 2), 98)) / 100
    detector = random.choice(DETECTORS)
    others = (
        Other(
            "polymarket" if platform == "kalshi" else "kalshi",
            "0xabc",
            title,
            "identity",
            random.choice(("SAFE", "CAUTION")),
            fair + Decimal("0.01"),
            1 - fair + Decimal("0.01"),
        ),
    )
    rate = make_rate(
        n=random.randint(31, 900),
        low=0.5,
        rate=random.randint(55, 60) / 100,
        high=0.67,
        matched_rate=0.46,
        shrunk_net=random.randint(11, 60) / 1000,
        **random.choice(({}, {"verdict": "edge", "why": ""}, {"verdict": "lift", "why": ""})),
    )
    return Scene(
        make_candidate(
            pattern=make_pattern(
                platform=platform, detector=detector, numbers=_numbers(random, detector), market_id="KXA-26DEC31"
            ),
            title=title,
            rules=rules,
            yes_label=yes_label,
            no_label=no_label,
            price=Decimal(price) / 100,
            yes_price=Decimal(min(yes, 99)) / 100,
            no_price=Decimal(min(no, 99)) / 100,
            volume_24h=Decimal(random.randint(2_000, 400_000)),
            fair=fair if has_other else None,
            others=others if has_other else (),
            close_time=NOW + timedelta(hours=random.choice((5, 20, 30, 48, 72, 100, 240, 500))),
            quoted_at=NOW - timedelta(minutes=random.randint(1, 25)),
            rates=(rate,) if random.random() < 0.6 else (),
            book=_book(random, platform, yes, no),
        )
    )


def _book(random: Random, platform: Platform, yes: int, no: int) -> Book:
    def side(best: int) -> tuple[Level, ...]:
        prices = [Decimal(min(best + step, 99)) / 100 for step in range(3)]
        return tuple(Level(price, Decimal(random.randint(40, 4_000))) for price in prices)

    return Book(platform, "KXA-26DEC31", side(yes), side(no), NOW)


def _move(random: Random, least: int = 2, most: int = 19) -> float:
    return float(random.choice((-1, 1)) * random.randint(least * 10, most * 10)) / 10


def _numbers(random: Random, detector: str) -> dict[str, float]:
    """What such a detector gives: names as in core.detect."""
    sigmas = random.randint(30, 190) / 10
    typical = random.randint(30, 900)
    ratio = random.randint(21, 150) / 10
    volume = {"volume_1h": round(typical * ratio), "volume_typical_1h": float(typical), "volume_ratio": ratio}
    hour = _move(random)
    return {
        "price_jump": {"move_1h_cents": hour, "move_sigmas": sigmas, "jump_cents": hour},
        "price_drift": {"move_24h_cents": _move(random, 4, 30), "move_sigmas": sigmas},
        "momentum": {"move_6h_cents": _move(random, 3, 20), "move_sigmas": sigmas},
        "reversal": {"move_3h_cents": hour, "move_12h_before_cents": -1.5 * hour, "move_sigmas": sigmas},
        "convergence": {"move_12h_cents": _move(random), "hours_left": 20.0, "move_sigmas": sigmas},
        "volume_spike": volume | {"volume_sigmas": sigmas},
        "volume_without_price": volume | {"move_1h_cents": 0.5, "move_sigmas": 0.6},
        "price_without_volume": {"move_1h_cents": hour, "move_sigmas": sigmas, "volume_1h": 12.0},
        "volatility_regime": {"volatility_ratio": random.randint(22, 80) / 10},
        "spread_collapse": {"spread_typical_cents": 1.2, "spread_now_cents": 3.0},
        "stale_quote": {"implied_move_cents": _move(random), "shared_variance": random.randint(26, 80) / 100},
        "lead_lag": {"predicted_move_cents": _move(random), "lag_t": sigmas},
        "sum_mismatch": {"sum_bids_cents": float(random.randint(103, 118)), "outcomes": float(random.randint(3, 14))},
        "ladder_by_threshold": {"ladder_edge_cents": float(random.randint(2, 9))},
        "favourite_longshot": {"settled_rate_cents": float(random.randint(4, 96))},
        "cross_venue_gap": {},
    }[detector] | ({"move_24h_cents": _move(random, 4, 30)} if random.random() < 0.3 else {})


def some(random: Random, **given: Any) -> Scene:
    """A scene on which a bet may be published."""
    while not (scene := make_scene(random)).may_bet:
        pass
    return scene
