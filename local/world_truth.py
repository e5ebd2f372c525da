"""What was planted in a generated world, as JSON values for the file that only tests and benches read."""

from collections.abc import Iterator
from datetime import datetime
from typing import TYPE_CHECKING, Any

import numpy as np

from local import world_texts as texts
from local.noise import Ints
from local.world_columns import DEADLINE, EXCLUSIVE, THRESHOLD, WINDOW, Columns
from local.world_families import EPOCH_SLOT, SLOT_S, VENUES
from local.world_walks import Effects

if TYPE_CHECKING:
    from local.world import GeneratedWorld, Round

SEARCHED_AT_ONCE = 512


def truth(world: "GeneratedWorld", start: datetime, end: datetime) -> dict[str, Any]:
    """Pairs and look-alikes whose rounds touch [start, end), anomalies that begin in it."""
    first, last = int(start.timestamp()) // SLOT_S, int(end.timestamp()) // SLOT_S
    bets = list(shared_bets(world, first, last))
    return {
        "seed": world.seed,
        "from": start.isoformat(),
        "until": end.isoformat(),
        "pairs": [bet for bet in bets if not bet["difference"]],
        "look_alikes": [bet for bet in bets if bet["difference"]],
        "crossings": list(crossings(world, first, last)),
        "anomalies": sorted(
            (anomaly for venue in VENUES for anomaly in anomalies(world, venue, first, last)),
            key=lambda anomaly: (anomaly["time"], anomaly["kind"]),
        ),
    }


def moment(slot: int) -> str:
    return texts.utc(slot * SLOT_S).isoformat()


def rounds_between(world: "GeneratedWorld", venue: str, first: int, last: int) -> tuple[Ints, Ints]:
    table = world.tables[venue]
    low = np.maximum((first - EPOCH_SLOT - table.phase) // table.life, 0)
    counts = np.maximum((last - EPOCH_SLOT - table.phase) // table.life - low + 1, 0)
    family = np.repeat(np.arange(len(counts)), counts)
    return family, np.arange(len(family)) - np.repeat(np.cumsum(counts) - counts, counts) + low[family]


def shared_bets(world: "GeneratedWorld", first: int, last: int) -> Iterator[dict[str, Any]]:
    others = {family.name: family for family in world.families["polymarket"] if family.bet}
    for index, number in zip(*rounds_between(world, "kalshi", first, last), strict=True):
        family = world.families["kalshi"][int(index)]
        if family.bet is None:
            break
        mine, other = world.round(family, int(number)), world.round(others[family.name], int(number))
        inverted, difference = family.bet.inverted, family.bet.difference
        related = "implies" if difference == "subset" else "related"
        yield {
            "kalshi": world.kalshi.market_id(mine, 0),
            "polymarket": world.polymarket.market_id(other, 0),
            "relation": related if difference else "complement" if inverted else "identity",
            "polarity": "inverted" if inverted else "same",
            "difference": difference,
            "listed": moment(mine.start),
            "closes": moment(mine.end),
        }


def crossings(world: "GeneratedWorld", first: int, last: int) -> Iterator[dict[str, Any]]:
    others = {family.pair: family for family in world.families["polymarket"] if family.pair is not None}
    for window in range(first // WINDOW, last // WINDOW + 1):
        plan = world.crossing(window)
        for pair in np.flatnonzero(plan.edge).tolist():
            yield {
                "kalshi": world.kalshi.market_id(world.round_at(world.pairs[pair], window * WINDOW), 0),
                "polymarket": world.polymarket.market_id(world.round_at(others[pair], window * WINDOW), 0),
                "buy_yes_on": "kalshi" if plan.kalshi_cheap[pair] else "polymarket",
                "yes_ask": int(plan.ask[pair]) / 1000,
                "edge_before_fees": int(plan.edge[pair]) / 1000,
                "from": moment(window * WINDOW),
                "until": moment((window + 1) * WINDOW),
            }


def anomalies(world: "GeneratedWorld", venue: str, first: int, last: int) -> Iterator[dict[str, Any]]:
    """`size` is a factor for spikes, a multiple of an hour's own noise for jumps, dollars for sums and ladders."""
    listing = world.kalshi if venue == "kalshi" else world.polymarket
    family, number = rounds_between(world, venue, first, last)
    for start in range(0, len(family), SEARCHED_AT_ONCE):
        part = slice(start, start + SEARCHED_AT_ONCE)
        columns = Columns(world, world.tables[venue], family[part], number[part])
        for kind, slot, markets, size, facts in found_in(columns, first, last):
            rounds = [round_of(world, columns, int(columns.rnd[m])) for m in markets]
            seats = columns.seat[list(markets)].tolist()
            ids = [listing.market_id(rnd, j) for rnd, j in zip(rounds, seats, strict=True)]
            yield {
                "venue": venue, "kind": kind, "time": moment(slot), "markets": ids, "size": round(size, 4), **facts
            }  # fmt: skip


def round_of(world: "GeneratedWorld", columns: Columns, r: int) -> "Round":
    return world.round(world.families[columns.venue][int(columns.family[r])], int(columns.number[r]))


Found = tuple[str, int, tuple[int, ...], float, dict[str, Any]]


def found_in(columns: Columns, first: int, last: int) -> Iterator[Found]:
    yield from spikes(columns, first, last)
    yield from jumps(columns, first, last)
    for kind in (EXCLUSIVE, THRESHOLD, DEADLINE):
        for r in np.flatnonzero(columns.kind == kind).tolist():
            slots = np.arange(max(first, int(columns.start[r])), min(last, int(columns.end[r])))
            if len(slots):
                yield from misfits(columns, r, slots) if kind == EXCLUSIVE else ladders(columns, r, slots)


def spikes(columns: Columns, first: int, last: int) -> Iterator[Found]:
    spikes, factors, effects = columns.flow.spikes, columns.flow.factor, columns.world.effects
    slots = columns.start[columns.rnd[spikes.row]] + spikes.slot
    for n in np.flatnonzero((slots >= first) & (slots < last) & (slots < columns.closes[spikes.row])).tolist():
        facts: dict[str, Any] = {"grade": float(spikes.grade[n]), "lasts_min": 60}
        if effects.spike_drift:
            drift = effects.spike_drift * float(spikes.sign[n] * spikes.grade[n]) * direction(columns, spikes.row[n])
            facts["effect"] = {"kind": "drift", "hourly_noises": round(drift, 4), "hours": effects.hours}
        yield "volume_spike", int(slots[n]), (int(spikes.row[n]),), float(factors[n]), facts


def direction(columns: Columns, market: int) -> float:
    return -1.0 if columns.table.inverted[columns.family[columns.rnd[market]]] else 1.0


def jumps(columns: Columns, first: int, last: int) -> Iterator[Found]:
    jumps = columns.walks.jumps
    # The jump is in the step that leads to the next slot.
    slots = columns.start[jumps.row] + jumps.slot + 1
    inside = np.flatnonzero((slots >= first) & (slots < last) & (slots < columns.end[jumps.row]))
    if not len(inside):
        return
    rows, member = columns.members(jumps.row[inside])
    at = slots[inside][member]
    before = columns.prices(rows, at[:, None] - 1)[:, 0]
    tradable = (columns.closes[rows] > at) & (np.abs(before - 0.5) < 0.45)
    edges = np.searchsorted(member, np.arange(len(inside) + 1)).tolist()
    for n, jump in enumerate(inside.tolist()):
        part = slice(edges[n], edges[n + 1])
        markets = rows[part][tradable[part]].tolist()
        if markets:
            grade = float(jumps.sign[jump] * jumps.grade[jump]) * direction(columns, markets[0])
            facts = jump_facts(columns.world.effects, grade)
            yield "price_jump", int(slots[jump]), tuple(markets), grade, facts


def jump_facts(effects: Effects, grade: float) -> dict[str, Any]:
    facts: dict[str, Any] = {"grade": abs(grade)}
    if effects.jump_reversion:
        share = effects.jump_reversion
        facts["effect"] = {"kind": "reversion", "share": share, "hours": effects.hours}
    return facts


def misfits(columns: Columns, r: int, slots: Ints) -> Iterator[Found]:
    """One per window, at its first slot in which the served quotes really do not fit."""
    active, _, low = (part[0] for part in columns.misfit_at(np.array([r]), slots))
    slots, low = slots[active], low[active]
    if not len(slots):
        return
    markets = tuple(range(int(columns.first[r]), int(columns.first[r + 1])))
    bid, ask = round_of(columns.world, columns, r).quotes(slots)
    place = int(columns.table.place[columns.family[r]])
    seen: set[int] = set()
    for column, slot in enumerate(slots.tolist()):
        window = (slot + 3 * place) // WINDOW
        asks, bids = int(ask[:, column].sum()), int(bid[:, column].sum())
        off = (asks - 1000 if asks < 985 else 0) if low[column] else (bids - 1000 if bids > 1015 else 0)
        if off and window not in seen:
            seen.add(window)
            yield "asks_below_one" if low[column] else "bids_above_one", slot, markets, off / 1000, {}


def ladders(columns: Columns, r: int, slots: Ints) -> Iterator[Found]:
    """One per window: the first market's YES costs less than the second's fetches, though it must be worth more."""
    active, cheap, dear, _ = (part[0] for part in columns.broken_at(np.array([r]), slots))
    slots, cheap, dear = slots[active], cheap[active], dear[active]
    if not len(slots):
        return
    bid, ask = round_of(columns.world, columns, r).quotes(slots)
    first, place = int(columns.first[r]), int(columns.table.place[columns.family[r]])
    seen: set[int] = set()
    for column, slot in enumerate(slots.tolist()):
        window = (slot + 3 * place) // WINDOW
        edge = int(bid[dear[column] - first, column] - ask[cheap[column] - first, column])
        trading = min(columns.closes[cheap[column]], columns.closes[dear[column]]) > slot
        if edge > 0 and trading and window not in seen:
            seen.add(window)
            yield "ladder_broken", slot, (int(cheap[column]), int(dear[column])), edge / 1000, {}
