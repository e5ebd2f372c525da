"""The one gate's rule: what a tier includes, and as of when. Every read of what is sold goes through a `View`."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from core.errors import Forbidden
from core.models import TIER_RANK, Tier

_REFRESH = {Tier.BASIC: "daily", Tier.PREMIUM: "hourly", Tier.PRO: "real-time"}
_NEXT = {Tier.FREE: "basic", Tier.BASIC: "premium", Tier.PREMIUM: "pro"}
_UPGRADE_PROMPT = "Premium shows every insight and the arbitrage between venues, refreshed hourly."


@dataclass(frozen=True, slots=True)
class View:
    """What one tier may see at one moment: everything as it stood at `as_of`. `key` is shared by no two tiers."""

    tier: Tier
    as_of: datetime
    key: str

    @property
    def refresh(self) -> str:
        return _REFRESH[self.tier]

    @property
    def from_digest(self) -> bool:
        return self.tier is Tier.BASIC

    @property
    def arbitrage(self) -> bool:
        return TIER_RANK[self.tier] >= TIER_RANK[Tier.PREMIUM]

    @property
    def deep_analysis(self) -> bool:
        return self.tier is Tier.PRO

    @property
    def upgrade_prompt(self) -> str | None:
        return _UPGRADE_PROMPT if self.tier is Tier.BASIC else None


def view_of(tier: Tier, now: datetime) -> View:
    """Premium sees the top of the hour, basic the last digest, pro (and free, where it sees anything) now."""
    if tier is Tier.PREMIUM:
        hour = now.replace(minute=0, second=0, microsecond=0)
        return View(tier, hour, f"premium:{hour.isoformat(timespec='hours')}:")
    return View(tier, now, f"{tier}::")


def need_insights(view: View) -> View:
    """Raises Forbidden for free accounts."""
    if view.tier is Tier.FREE:
        raise Forbidden("insights are part of the paid tiers; basic has the five best of each day", _NEXT[view.tier])
    return view


def need_arbitrage(view: View) -> View:
    if not view.arbitrage:
        raise Forbidden("arbitrage between the venues is part of premium and pro", "premium")
    return view


def need_analyses(view: View) -> View:
    if not view.deep_analysis:
        raise Forbidden("analyses of your own choice are part of pro", "pro")
    return view


def upgrade_from(tier: Tier) -> str | None:
    """The next tier, None for the highest."""
    return _NEXT.get(tier)
