"""Who is asking: credentials verified once, kept for seconds, their tier always from the database."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from typing import TypeVar

from api.credentials import Claims, Key, proof_of
from api.flights import Flights
from api.resources import Resources
from core.db import Connection
from core.errors import DatabaseDown, Unauthorized
from core.models import Tier
from core.queries import signing_in
from core.queries.signing_in import Standing

_MOST = 10_000

Who = bytes | tuple[str, str | None]
K = TypeVar("K")
V = TypeVar("V")


@dataclass(frozen=True, slots=True)
class Caller:
    """`by_key`: with an API key, which may read but not manage the account."""

    user_id: str
    tier: Tier
    by_key: bool


@dataclass(frozen=True, slots=True)
class _Known:
    standing: Standing
    caller: Caller
    checked_at: float


class Callers:
    """Bounded, the oldest first out. What is known counts for `tier_fresh_s` from before the database was asked.

    So whatever ends a session or key or moves a tier counts everywhere within that time, and nobody need be told. With
    the database away the last standing is honoured for `tier_grace_s`.
    """

    def __init__(self, resources: Resources) -> None:
        self._resources = resources
        self._proofs: OrderedDict[bytes, Claims | Key] = OrderedDict()
        self._known: OrderedDict[Who, _Known] = OrderedDict()
        self._flights: Flights[Who, _Known] = Flights()

    def known(self, authorization: bytes) -> Caller | None:
        """The caller when no question is open: no wait, no network."""
        proof = self._proofs.get(authorization)
        if proof is None or self._resources.wall() >= proof.expires_at:
            return None
        known = self._known.get(_who(proof))
        if known is None or self._resources.monotonic() - known.checked_at >= self._resources.settings.tier_fresh_s:
            return None
        return None if _is_void(proof, known.standing) else known.caller

    def proved(self, authorization: bytes) -> bool:
        """Whether it was good before, though what it stands for may have changed since."""
        return authorization in self._proofs

    async def find(self, authorization: bytes) -> Caller:
        """Asks the database, once for all who ask at the same time. Raises Unauthorized, DatabaseDown."""
        proof = self._proofs.get(authorization)
        if proof is None or self._resources.wall() >= proof.expires_at:
            self._proofs.pop(authorization, None)
            proof = proof_of(authorization, self._resources.settings)
        known = await self._flights.of(_who(proof), lambda: self._check(proof))
        if _is_void(proof, known.standing):
            raise Unauthorized("this token was called back: sign in again")
        _keep(self._proofs, authorization, proof)
        return known.caller

    async def _check(self, proof: Claims | Key) -> _Known:
        now, who = self._resources.monotonic(), _who(proof)
        try:
            async with self._resources.connection() as connection:
                standing = await _standing(connection, proof)
        except DatabaseDown:
            known = self._known.get(who)
            if known is None or now - known.checked_at > self._resources.settings.tier_grace_s:
                raise
            return known
        if standing is None:
            self._known.pop(who, None)
            raise Unauthorized("this account, session or key does not exist any more: sign in again, or make a new key")
        known = _Known(standing, Caller(standing.user_id, standing.tier, isinstance(proof, Key)), now)
        _keep(self._known, who, known)
        return known

    def forget(self, user_id: str) -> None:
        """At once here; elsewhere within `tier_fresh_s`."""
        for who in [who for who, known in self._known.items() if known.caller.user_id == user_id]:
            del self._known[who]


def _who(proof: Claims | Key) -> Who:
    return proof.sha256 if isinstance(proof, Key) else (proof.user_id, proof.session_id)


def _is_void(proof: Claims | Key, standing: Standing) -> bool:
    if standing.tokens_from is None or isinstance(proof, Key) or proof.session_id is not None:
        return False
    return proof.issued_at < standing.tokens_from


def _keep(book: OrderedDict[K, V], key: K, value: V) -> None:
    book[key] = value
    book.move_to_end(key)
    while len(book) > _MOST:
        book.popitem(last=False)


async def _standing(connection: Connection, proof: Claims | Key) -> Standing | None:
    if isinstance(proof, Key):
        return await signing_in.standing_of_key(connection, proof.sha256)
    return await signing_in.standing_of_session(connection, proof.user_id, proof.session_id)
