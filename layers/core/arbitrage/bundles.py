"""Equal shares of several legs that together pay a known sum whatever happens, walked through all their books."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal
from functools import lru_cache

from core.arbitrage.fees import FeeRule, rounded_up
from core.models import Level

_ZERO, _ONE = Decimal(0), Decimal(1)
# A share that adds less a leg is not worth its order, and Kalshi counts no finer.
LEAST_GAIN_USD = Decimal("0.0001")

_per_contract_usd = lru_cache(maxsize=65_536)(FeeRule.per_contract_usd)


@dataclass(frozen=True, slots=True)
class Leg:
    """What can be bought, cheapest first, and what its taker pays."""

    asks: tuple[Level, ...]
    fee: FeeRule


@dataclass(frozen=True, slots=True)
class Fill:
    """One order that buys a leg's shares: `cost_usd` without its fee, the dearest price paid."""

    cost_usd: Decimal
    fee_usd: Decimal
    worst_price: Decimal


@dataclass(frozen=True, slots=True)
class Bundle:
    """`shares` of every leg. Each share of the whole bundle pays at least `pays` dollars at settlement."""

    shares: Decimal
    pays: Decimal
    fills: tuple[Fill, ...]
    cost_usd: Decimal

    @property
    def payout_usd(self) -> Decimal:
        return self.shares * self.pays

    @property
    def fees_usd(self) -> Decimal:
        return sum((fill.fee_usd for fill in self.fills), _ZERO)

    @property
    def net_edge_usd(self) -> Decimal:
        return self.payout_usd - self.cost_usd

    @property
    def edge_percentage(self) -> Decimal:
        return 100 * self.net_edge_usd / self.cost_usd


@dataclass(frozen=True, slots=True)
class _Stretch:
    """Shares `since` to `until` at one price a leg. `spent`: each leg's dollars for the shares before them; `entry`:
    what the first share of the stretch costs besides, as a trade of its own level."""

    since: Decimal
    until: Decimal
    spent: tuple[Decimal, ...]
    entry: tuple[Decimal, ...]
    each: tuple[Decimal, ...]


def best_bundle(legs: Sequence[Leg], pays: Decimal = _ONE) -> Bundle | None:
    """The most whole shares that still pay, after fees and rounding: no smaller order earns more. None: nothing does.

    Equal shares, not equal dollars: only then is the payout the same in every outcome. The walk ends at the first
    share that adds nothing, so with a fee exponent below 1 (none is known) a better one further down is left.
    """
    stretches = _walk(legs, pays)
    steps = [leg.fee.rounding.order_step for leg in legs]
    best, shares = _ZERO, _ZERO
    for stretch in reversed(stretches):
        whole = stretch.until.to_integral_value(rounding=ROUND_FLOOR)
        least = max(stretch.since.to_integral_value(rounding=ROUND_CEILING), _ONE)
        gain = pays - sum(stretch.each)
        # Unrounded, a bound of what rounding leaves: where it is not above the best, no smaller order is better.
        unrounded = whole * pays - sum(stretch.spent) - (whole - stretch.since) * sum(stretch.each)
        while whole >= least and unrounded > best:
            taken = [
                rounded_up(spent + entry + (whole - stretch.since) * each, step)
                for spent, entry, each, step in zip(stretch.spent, stretch.entry, stretch.each, steps, strict=True)
            ]
            net = whole * pays - sum(taken)
            if net > best:
                best, shares = net, whole
            whole, unrounded = whole - 1, unrounded - gain
        if stretch.since * pays - sum(stretch.spent) <= best:
            break
    bundle = priced(legs, shares, pays) if shares > 0 else None
    # Sizes may be fractions: the share in which the last level that pays meets the first that does not may still pay.
    end = stretches[-1].until if stretches else _ZERO
    over = priced(legs, end.to_integral_value(rounding=ROUND_CEILING), pays) if end % 1 else None
    return over if over is not None and over.net_edge_usd > best else bundle


def priced(legs: Sequence[Leg], shares: Decimal, pays: Decimal = _ONE) -> Bundle | None:
    """What `shares` of every leg cost with fees, each leg one order; None when a book is too thin for them."""
    fills = [_fill(leg, shares) for leg in legs]
    whole = tuple(fill for fill in fills if fill is not None)
    if len(whole) < len(fills):
        return None
    return Bundle(shares, pays, whole, sum((fill.cost_usd + fill.fee_usd for fill in whole), _ZERO))


def for_budget(legs: Sequence[Leg], most: Bundle, budget_usd: Decimal) -> Bundle | None:
    """The most whole shares that cost at most `budget_usd`, never more than `most`; None when not even one does."""
    if most.cost_usd <= budget_usd:
        return most
    low, high = 0, int(most.shares)  # `low` shares fit, `high` do not
    found = None
    while high - low > 1:
        middle = (low + high) // 2
        bundle = priced(legs, Decimal(middle), most.pays)
        if bundle is not None and bundle.cost_usd <= budget_usd:
            low, found = middle, bundle
        else:
            high = middle
    return found


def cost_of_one(legs: Sequence[Leg]) -> Decimal | None:
    """What the first share takes by the best asks with fees, unrounded; None when a book is empty."""
    if not all(leg.asks for leg in legs):
        return None
    return sum((_each(leg, leg.asks[0].price) for leg in legs), _ZERO)


def clearing_price(leg: Leg, left_usd: Decimal, tick: Decimal) -> Decimal | None:
    """The highest price on the grid of `tick` that costs at most `left_usd` with its fee; None when none does."""
    low, high = 0, int(_ONE / tick)  # a price with its fee grows with the price while rate and exponent are sane
    while high - low > 1:
        middle = (low + high) // 2
        if _each(leg, middle * tick) <= left_usd:
            low = middle
        else:
            high = middle
    return low * tick if low else None


def _each(leg: Leg, price: Decimal) -> Decimal:
    return price + _per_contract_usd(leg.fee, price)


def _walk(legs: Sequence[Leg], pays: Decimal) -> list[_Stretch]:
    """Down all books at once, as long as a share of every leg adds something."""
    stretches: list[_Stretch] = []
    if not all(leg.asks for leg in legs):
        return stretches
    places = [0] * len(legs)
    ends = [leg.asks[0].size for leg in legs]
    each = [_each(leg, leg.asks[0].price) for leg in legs]
    spent = [_ZERO] * len(legs)
    entries = [_entries(leg) for leg in legs]
    entry = [found[0] for found in entries]
    since, least = _ZERO, LEAST_GAIN_USD * len(legs)
    while pays - sum(each) >= least:
        until = min(ends)
        stretches.append(_Stretch(since, until, tuple(spent), tuple(entry), tuple(each)))
        step = until - since
        spent = [before + first + step * price for before, first, price in zip(spent, entry, each, strict=True)]
        since, entry = until, [_ZERO] * len(legs)
        for n, leg in enumerate(legs):
            if ends[n] > until:
                continue
            places[n] += 1
            if places[n] == len(leg.asks):
                return stretches
            level = leg.asks[places[n]]
            ends[n] += level.size
            each[n] = _each(leg, level.price)
            entry[n] = entries[n][places[n]]
    return stretches


def _entries(leg: Leg) -> list[Decimal]:
    """What taking from each level costs beside the fee a contract: where levels hold fractions of contracts, an order
    meets trades of fractions, and each is rounded for itself."""
    found, is_split = list[Decimal](), False
    for level in leg.asks:
        is_split |= level.size % 1 != 0
        found.append(leg.fee.rounding.trade_step if is_split and leg.fee.rate else _ZERO)
    return found


def _fill(leg: Leg, shares: Decimal) -> Fill | None:
    cost, fee, left = _ZERO, _ZERO, shares
    for level, entry in zip(leg.asks, _entries(leg), strict=True):
        taken = min(level.size, left)
        cost += taken * level.price
        fee += entry + taken * _per_contract_usd(leg.fee, level.price)
        left -= taken
        if left == 0:
            taken_usd = rounded_up(cost + fee, leg.fee.rounding.order_step)
            return Fill(cost, taken_usd - cost, level.price)
    return None
