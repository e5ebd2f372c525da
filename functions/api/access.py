"""The one gate: who is asking, what the tier includes, and as of when. Every read of insights goes through `View`."""

from __future__ import annotations

import time
from collections import OrderedDict
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import jwt

from api.resources import Resources
from core.errors import DatabaseDown, Forbidden, Unauthorized
from core.models import TIER_RANK, Tier
from core.queries import accounts

ISSUER = "oddwons"
_MOST_KNOWN = 10_000
_REFRESH = {Tier.BASIC: "daily", Tier.PREMIUM: "hourly", Tier.PRO: "real-time"}
_NEXT = {Tier.FREE: "basic", Tier.BASIC: "premium", Tier.PREMIUM: "pro"}


@dataclass(frozen=True, slots=True)
class View:
    """What one tier may see at one moment: everything as it stood at `as_of`."""

    tier: Tier
    as_of: datetime

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
        if self.tier is Tier.BASIC:
            return "Premium shows every insight and the arbitrage between venues, refreshed hourly."
        return None


def view_of(tier: Tier, now: datetime) -> View:
    """Raises Forbidden for free accounts. Premium sees the top of the hour, basic the last digest, pro now."""
    if tier is Tier.FREE:
        raise Forbidden("insights are part of the paid tiers; basic has the five best of each day", _NEXT[tier])
    if tier is Tier.PREMIUM:
        return View(tier, now.replace(minute=0, second=0, microsecond=0))
    return View(tier, now)


class TierBook:
    """Tiers by user, from the database; for a while from memory when the database is away."""

    def __init__(self) -> None:
        self._known: OrderedDict[str, tuple[Tier | None, float]] = OrderedDict()

    async def tier_of(self, resources: Resources, user_id: str) -> Tier:
        settings, now = resources.settings, time.monotonic()
        known = self._known.get(user_id)
        if known is None or now - known[1] > settings.tier_fresh_s:
            try:
                async with resources.connection() as connection:
                    known = (await accounts.tier_of(connection, user_id), now)
                self._keep(user_id, known)
            except DatabaseDown:
                if known is None or now - known[1] > settings.tier_grace_s:
                    raise
        if known[0] is None:
            raise Unauthorized("this account does not exist any more")
        return known[0]

    def _keep(self, user_id: str, known: tuple[Tier | None, float]) -> None:
        self._known[user_id] = known
        self._known.move_to_end(user_id)
        while len(self._known) > _MOST_KNOWN:
            self._known.popitem(last=False)


def user_of(authorization: str | None, resources: Resources) -> str:
    """The user id in a Bearer token. Raises Unauthorized for every token that is not exactly ours."""
    scheme, _, token = (authorization or "").partition(" ")
    if scheme.lower() != "bearer" or not token:
        raise Unauthorized("a Bearer token is needed")
    settings = resources.settings
    try:
        claims = jwt.decode(
            token.strip(),
            settings.jwt_secret.get_secret_value(),
            algorithms=[settings.jwt_algorithm],
            issuer=ISSUER,
            options={"require": ["exp", "iat", "sub", "iss"]},
        )
        return str(UUID(claims["sub"]))
    except (jwt.InvalidTokenError, ValueError) as error:
        raise Unauthorized(f"the token is not valid: {type(error).__name__}") from None


def make_token(user_id: str, secret: str, now: float, minutes: int) -> str:
    """A token for `user_id` from unix time `now` on. Its life is real time, whatever clock the data run on."""
    claims = {"sub": user_id, "iss": ISSUER, "iat": int(now), "exp": int(now + 60 * minutes)}
    return jwt.encode(claims, secret, algorithm="HS256")
