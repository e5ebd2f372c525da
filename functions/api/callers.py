"""Who is asking: credentials verified once, kept for seconds, their tier always from the database."""

from __future__ import annotations

import math
from collections import OrderedDict
from dataclasses import dataclass

from api.credentials import Claims, Key, proof_of
from api.flights import Flights
from api.resources import Resources
from core.db import Connection
from core.errors import DatabaseDown, Unauthorized
from core.models import Tier
from core.queries import signing_in
from core.queries.signing_in import Standing

_MOST = 10_000


@dataclass(frozen=True, slots=True)
class Caller:
    """`by_key`: with an API key, which may read but not manage the account."""

    user_id: str
    tier: Tier
    by_key: bool
    session_id: str | None = None


@dataclass(slots=True)
class _Known:
    proof: Claims | Key
    caller: Caller
    checked_at: float
    expires_at: float


class Callers:
    """Bounded, the least used first out. An entry counts for `tier_fresh_s` from before the database was asked.

    So whatever ends a credential or moves a tier counts everywhere within that time, and nobody need be told. With
    the database away the last standing is honoured for `tier_grace_s`.
    """

    def __init__(self, resources: Resources) -> None:
        self._resources = resources
        self._known: OrderedDict[bytes, _Known] = OrderedDict()
        self._flights: Flights[bytes, Caller] = Flights()

    def known(self, authorization: bytes) -> Caller | None:
        """The caller when no question is open: no wait, no network."""
        known = self._known.get(authorization)
        if known is None or self._resources.wall() >= known.expires_at:
            return None
        if self._resources.monotonic() - known.checked_at >= self._resources.settings.tier_fresh_s:
            return None
        return known.caller

    async def find(self, authorization: bytes) -> Caller:
        """Asks the database, once for all who ask at the same time. Raises Unauthorized, DatabaseDown."""
        return await self._flights.of(authorization, lambda: self._find(authorization))

    async def _find(self, authorization: bytes) -> Caller:
        now = self._resources.monotonic()
        known = self._known.get(authorization)
        if known is None or self._resources.wall() >= known.expires_at:
            self._known.pop(authorization, None)
            known = None
        proof = proof_of(authorization, self._resources.settings) if known is None else known.proof
        try:
            async with self._resources.connection() as connection:
                standing = await _standing(connection, proof)
        except DatabaseDown:
            if known is None or now - known.checked_at > self._resources.settings.tier_grace_s:
                raise
            return known.caller
        if standing is None:
            self._known.pop(authorization, None)
            raise Unauthorized("this account, session or key does not exist any more")
        session_id = None if isinstance(proof, Key) else proof.session_id
        caller = Caller(standing.user_id, standing.tier, isinstance(proof, Key), session_id)
        expires_at = math.inf if isinstance(proof, Key) else proof.expires_at
        self._keep(authorization, _Known(proof, caller, now, expires_at))
        return caller

    def forget(self, user_id: str) -> None:
        """At once here; elsewhere within `tier_fresh_s`."""
        for authorization in [key for key, known in self._known.items() if known.caller.user_id == user_id]:
            del self._known[authorization]

    def _keep(self, authorization: bytes, known: _Known) -> None:
        self._known[authorization] = known
        self._known.move_to_end(authorization)
        while len(self._known) > _MOST:
            self._known.popitem(last=False)


async def _standing(connection: Connection, proof: Claims | Key) -> Standing | None:
    if isinstance(proof, Key):
        return await signing_in.standing_of_key(connection, proof.sha256)
    return await signing_in.standing_of_token(connection, proof.user_id, proof.session_id, proof.issued_at)
