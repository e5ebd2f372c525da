"""What a subscription gives, for any subscription."""

from __future__ import annotations

from datetime import timedelta
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.billing.access import Access, Subscription, access_of, best, unknown_prices
from core.billing.stripe_api import parse_subscription
from core.models import TIER_RANK, Tier
from tests.conftest import NOW

TIERS = {"p1": Tier.BASIC, "p2": Tier.PREMIUM, "p3": Tier.PRO, "p3_old": Tier.PRO}
GRACE = timedelta(days=7)
STATUSES = ["trialing", "active", "past_due", "unpaid", "paused", "incomplete", "incomplete_expired", "canceled", "new"]
TIMES = st.integers(-100, 100).map(lambda hours: NOW + timedelta(hours=hours))
SUBSCRIPTIONS = st.builds(
    Subscription,
    id=st.just("sub_1"),
    customer_id=st.just("cus_1"),
    status=st.sampled_from(STATUSES),
    price_ids=st.lists(st.sampled_from([*TIERS, "unknown"]), min_size=1, max_size=3).map(tuple),
    period_end=TIMES,
    cancel_at=st.none() | TIMES,
    unpaid_since=TIMES,
)


@pytest.mark.parametrize(
    ("status", "until"),
    [
        ("trialing", NOW + GRACE),
        ("active", NOW + GRACE),
        ("past_due", NOW - timedelta(days=2) + GRACE),
        *((status, None) for status in STATUSES[3:]),
    ],
)
def test_a_status_gives_access_or_takes_it(status: str, until: object) -> None:
    subscription = Subscription("s", "c", status, ("p2",), NOW, None, NOW - timedelta(days=2))
    assert access_of(subscription, TIERS, GRACE) == Access(Tier.PREMIUM, until)  # type: ignore[arg-type]


@given(SUBSCRIPTIONS)
def test_access_never_outlasts_the_cancel_nor_what_is_owed_and_the_grace(subscription: Subscription) -> None:
    until = access_of(subscription, TIERS, GRACE).until
    if until is not None:
        assert subscription.cancel_at is None or until <= subscription.cancel_at
        owed_from = subscription.unpaid_since if subscription.status == "past_due" else subscription.period_end
        assert owed_from is not None
        assert until <= owed_from + GRACE


@given(SUBSCRIPTIONS)
def test_what_is_paid_is_never_lost(subscription: Subscription) -> None:
    until = access_of(subscription, TIERS, GRACE).until
    if subscription.status in ("trialing", "active"):
        assert until is not None
        assert until >= min(subscription.period_end, subscription.cancel_at or subscription.period_end)


@given(st.lists(st.builds(Access, st.sampled_from(Tier), st.none() | TIMES), max_size=5), TIMES)
def test_the_best_is_the_highest_tier_that_counts_and_its_longest(accesses: list[Access], now: object) -> None:
    chosen = best(accesses, now)  # type: ignore[arg-type]
    counting = [a for a in accesses if a.until is not None and a.until > now]  # type: ignore[operator]
    assert chosen in counting or (chosen == Access(Tier.FREE, None) and not counting)
    for access in counting:
        assert TIER_RANK[access.tier] <= TIER_RANK[chosen.tier]
        assert access.tier is not chosen.tier or access.until <= chosen.until  # type: ignore[operator]


@pytest.mark.parametrize(
    ("status", "prices", "unknown"),
    [
        ("active", ("mug",), ["mug"]),
        ("active", ("mug", "p1"), []),
        ("active", ("p3_old",), []),
        ("past_due", ("mug",), ["mug"]),
        ("canceled", ("mug",), []),
        ("incomplete", ("mug",), []),
        ("active", (), ["none"]),
    ],
)
def test_a_price_is_unknown_when_somebody_pays_it_and_nothing_says_for_what(
    status: str, prices: tuple[str, ...], unknown: list[str]
) -> None:
    assert unknown_prices(Subscription("s", "c", status, prices, NOW, None, None), TIERS) == unknown


class Raw(SimpleNamespace):
    """As the client gives objects: fields are attributes, and a field named items is only found by its key."""

    def __getitem__(self, name: str) -> object:
        return getattr(self, f"_{name}")


def raw(items: list[object], **changed: object) -> Raw:
    plain = {"id": "sub_1", "customer": "cus_1", "status": "active", "cancel_at": None, "cancel_at_period_end": False}
    return Raw(**(plain | changed), _items=SimpleNamespace(data=items))


def item(price: object = "p1", end: object = 1_800_000_000) -> SimpleNamespace:
    return SimpleNamespace(price=price, current_period_end=end, current_period_start=1)


def test_the_period_is_the_latest_of_the_items() -> None:
    found = parse_subscription(raw([item(end=5), item(SimpleNamespace(id="p2"), end=7)]), None)
    assert found.period_end.timestamp() == 7
    assert found.price_ids == ("p1", "p2")


def test_a_cancel_for_the_periods_end_has_its_day_even_when_stripe_does_not_name_it() -> None:
    found = parse_subscription(raw([item()], cancel_at_period_end=True), None)
    assert found.cancel_at == found.period_end


@pytest.mark.parametrize(
    "broken",
    [
        raw([]),
        raw([item(price=None)]),
        raw([item(end=None)]),
        raw([item(end="soon")]),
        raw([item(end=True)]),
        raw([item()], status=None),
        raw([item()], customer=None),
        raw([item()], id=""),
    ],
    ids=str,
)
def test_what_is_no_subscription_is_refused(broken: Raw) -> None:
    with pytest.raises((ValueError, AttributeError)):
        parse_subscription(broken, None)
