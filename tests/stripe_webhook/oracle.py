"""What users are owed, told from who paid and when. Shares no code with the product."""

from __future__ import annotations

from dataclasses import dataclass

from local.stripe_book import PERIOD, Book, Subscription

RANKS = ("free", "basic", "premium", "pro")
GRACE_S = 7 * 86_400


@dataclass(frozen=True, slots=True)
class Owed:
    """What is known at a moment. `paid`: (rank, until when money or a running trial stands behind it).

    `most`: the highest that may be served at that moment: what is paid, or waited for within the grace. No access can
    be right past `covered_until` and the grace, if nothing more is paid.
    """

    paid: tuple[tuple[int, int], ...] = ()
    most: int = 0
    covered_until: int = 0


def owed(book: Book, customer: str, tiers: dict[str, str], now: int) -> Owed:
    found = [_of_one(book, s, RANKS.index(tiers[s.price]), now) for s in book.of(customer)]
    return Owed(
        tuple(paid for one in found for paid in one.paid),
        max((one.most for one in found), default=0),
        max((one.covered_until for one in found), default=0),
    )


def _of_one(book: Book, s: Subscription, rank: int, now: int) -> Owed:
    invoices = book.invoices_of(s.id)
    covered = max([i.created + PERIOD for i in invoices if i.status == "paid"] + [s.trial_end or 0])
    if s.status in ("canceled", "incomplete_expired", "incomplete", "paused", "unpaid"):
        return Owed((), 0, covered)
    if s.cancel_at is not None and s.cancel_at <= now:
        return Owed((), 0, covered)
    owing = [i.created for i in invoices if i.status == "open"]
    waits = now < min(owing) + GRACE_S if owing else True
    paid = ((rank, min(covered, s.cancel_at or covered)),) if covered > now else ()
    return Owed(paid, rank if paid or waits else 0, covered)


def expected(book: Book, customer: str, tiers: dict[str, str]) -> list[tuple[int, int]]:
    """(rank, until) of each subscription as it stands: what must be served if nothing more is heard."""
    found = []
    for s in book.of(customer):
        until = 0
        if s.status in ("trialing", "active"):
            until = s.period_end + GRACE_S
        elif s.status == "past_due":
            until = GRACE_S + min(i.created for i in book.invoices_of(s.id) if i.status == "open")
        found.append((RANKS.index(tiers[s.price]), min(until, s.cancel_at or until)))
    return found


def rank_at(subscriptions: list[tuple[int, int]], now: int) -> int:
    return max((rank for rank, until in subscriptions if until > now), default=0)
