"""Requests a minute, over all instances: permits are leased from Redis in batches, so most requests ask nobody."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Network, ip_address

from api.flights import Flights
from api.resources import Resources
from core.models import Tier
from core.settings import ApiSettings

WINDOW_S = 60
_MOST = 20_000
_BATCH_MOST = 100
_RETRY_S = 5.0
_ABSURD = 1_000  # times the limit: more than all instances together ever lease


def limits_by_tier(settings: ApiSettings) -> dict[Tier, int]:
    return {
        Tier.FREE: settings.requests_free,
        Tier.BASIC: settings.requests_basic,
        Tier.PREMIUM: settings.requests_premium,
        Tier.PRO: settings.requests_pro,
    }


@dataclass(slots=True)
class Permits:
    """One caller's minute here. `taken` is what all instances have leased, as last told, never above `limit`."""

    window: int
    limit: int
    batch: int
    left: int = 0
    taken: int = 0
    leasing: bool = False

    @property
    def remaining(self) -> int:
        """At least this many are left to the caller: here, and not leased by anybody."""
        return self.left + self.limit - self.taken


class Limits:
    """Fixed windows of a minute by real time. Without Redis each instance counts for itself."""

    def __init__(self, resources: Resources) -> None:
        self._resources = resources
        self._held: OrderedDict[str, Permits] = OrderedDict()
        self._flights: Flights[str, None] = Flights()
        self._away_until = 0.0
        self._leases: set[asyncio.Task[None]] = set()

    def take(self, who: str, limit: int, unix_s: float) -> tuple[bool, Permits] | None:
        """(whether one permit was taken, the state after); None when a lease is needed first: no wait, no network."""
        held = self._held.get(who)
        if held is None or held.window != int(unix_s) // WINDOW_S or held.limit != limit:
            return None
        if held.left:
            held.left -= 1
            if held.left < held.batch // 4 and held.taken < limit and not held.leasing:
                self._lease_ahead(who, held)
            return True, held
        return (False, held) if held.taken >= limit else None

    async def wait(self, who: str, limit: int, unix_s: float, batch: int | None = None) -> tuple[bool, Permits]:
        """Leases until one permit can be taken or none is left: (whether it was, the state after)."""
        while True:
            held = self._of(who, limit, int(unix_s) // WINDOW_S, batch)
            if held.left:
                held.left -= 1
                return True, held
            if held.taken >= limit:
                return False, held
            await self._flights.of(who, lambda held=held: self._lease(who, held))  # type: ignore[misc]

    def used_up(self, who: str, limit: int, unix_s: float) -> bool:
        """Whether none is left, as far as is known here; takes none."""
        held = self._held.get(who)
        known = held is not None and held.window == int(unix_s) // WINDOW_S and held.limit == limit
        return held is not None and known and held.remaining <= 0

    def _of(self, who: str, limit: int, window: int, batch: int | None) -> Permits:
        held = self._held.get(who)
        if held is None or held.window != window or held.limit != limit:
            held = Permits(window, limit, batch or max(1, min(_BATCH_MOST, limit // 10)))
            self._held[who] = held
            self._held.move_to_end(who)
            while len(self._held) > _MOST:
                self._held.popitem(last=False)
        return held

    def _lease_ahead(self, who: str, held: Permits) -> None:
        held.leasing = True
        task = asyncio.ensure_future(self._flights.of(who, lambda: self._lease(who, held)))
        self._leases.add(task)
        task.add_done_callback(self._leases.discard)

    async def _lease(self, who: str, held: Permits) -> None:
        total = None
        if self._resources.monotonic() >= self._away_until:
            # By limit: what was leased under another tier is not used up.
            counter = f"permits:{who}:{held.limit}:{held.window}"
            total = await self._resources.cache.add(counter, held.batch, 2 * WINDOW_S)
            if total is not None and not held.batch <= total <= _ABSURD * held.limit:
                total = None  # no count of ours
            if total is None:
                self._away_until = self._resources.monotonic() + _RETRY_S
        if total is None:
            total = held.taken + held.batch
        held.left += max(0, held.batch - max(0, total - held.limit))
        held.taken = min(held.limit, max(held.taken, total))
        held.leasing = False


def network_of(client: str) -> str:
    """What counts as one caller: an IPv4 address, or the /64 of an IPv6 one, of which each line has 2^64."""
    try:
        address = ip_address(client)
    except ValueError:
        return client
    if isinstance(address, IPv4Address):
        return client
    return str(address.ipv4_mapped or IPv6Network((int(address) >> 64 << 64, 64)))


def reset_s(unix_s: float) -> int:
    """Seconds until the minute is over, at least one."""
    return WINDOW_S - int(unix_s) % WINDOW_S
