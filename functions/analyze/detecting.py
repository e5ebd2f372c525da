"""From stored rows to the detectors' arrays, and through them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

import numpy as np
import numpy.typing as npt

from core.body_store import BodyStore
from core.db import Connection
from core.detect.detectors import MIN_HOURS, detect
from core.detect.history import Floats, History, event_numbers
from core.detect.hours import Hours, Quarters, hours_of
from core.detect.ladders import ladders
from core.detect.longshots import SettledRates
from core.models import PLATFORMS, OpenMarket, Pattern, Platform
from core.queries import history

HOURS = 168


async def read_history(
    connection: Connection,
    markets: Sequence[OpenMarket],
    now: datetime,
    timeout_s: float,
    store: BodyStore | None = None,
) -> History:
    """(N, HOURS) arrays, one row a market in the order given, rebuilt from the compact history and today's prices."""
    told = {}
    for platform in PLATFORMS:
        ours = [market for market in markets if market.platform == platform]
        hours = await _read_hours(connection, platform, ours, now, timeout_s, store) if ours else None
        if hours:
            told[platform] = hours
    return make_history(markets, told, now)


async def _read_hours(
    connection: Connection,
    platform: Platform,
    markets: Sequence[OpenMarket],
    now: datetime,
    timeout_s: float,
    store: BodyStore | None,
) -> Hours | None:
    """Of one platform's markets, in their order; None without any column."""
    columns = await history.columns_between(
        connection, platform, now - timedelta(hours=HOURS + 1), now, timeout_s, store
    )
    if not columns:
        return None
    numbers = np.array([market.number for market in markets])
    latest = np.array([np.nan if market.price is None else float(market.price) for market in markets])
    return hours_of(columns, numbers, latest, now, HOURS)


def make_history(markets: Sequence[OpenMarket], told: Mapping[Platform, Hours], now: datetime) -> History:
    """`told` has the hours of each platform's markets, in the order that these have among `markets`."""
    rows = {name: np.array([row for row, m in enumerate(markets) if m.platform == name], np.intp) for name in told}
    count = len(markets)

    def gathered(parts: Mapping[Platform, npt.NDArray[np.float32]], *shape: int) -> npt.NDArray[np.float32]:
        if len(parts) == 1 and all(len(part) == count for part in parts.values()):
            return next(iter(parts.values()))
        whole = np.full((count, *shape), np.nan, dtype=np.float32)
        for name, part in parts.items():
            whole[rows[name]] = part
        return whole

    traded = gathered({name: hours.traded for name, hours in told.items()}, HOURS)
    traded[[market.volume is None for market in markets]] = np.nan  # a counter that says nothing is no quiet market
    keys = [(str(market.platform), market.market_id) for market in markets]
    events = [market.event_id for market in markets]
    exclusive = np.array([market.mutually_exclusive for market in markets], dtype=bool)
    rungs = ladders(
        [market.title for market in markets],
        event_numbers(keys, events),
        exclusive,
        [market.close_time for market in markets],
    )
    return History(
        keys=keys,
        events=events,
        categories=[market.category for market in markets],
        exclusive=exclusive,
        price=gathered({name: hours.price for name, hours in told.items()}, HOURS),
        traded=traded,
        bid=np.array([np.nan if m.no_price is None else 1 - float(m.no_price) for m in markets]),
        ask=np.array([np.nan if m.yes_price is None else float(m.yes_price) for m in markets]),
        variation=gathered({name: hours.variation for name, hours in told.items()}, HOURS),
        steps=gathered({name: hours.steps for name, hours in told.items()}),
        spread=gathered({name: hours.spread for name, hours in told.items()}, HOURS),
        quarters=Quarters(
            gathered({name: hours.quarters.price for name, hours in told.items()}, 5),
            gathered({name: hours.quarters.traded for name, hours in told.items()}, 4),
            gathered({name: hours.quarters.spread for name, hours in told.items()}, 4),
        ),
        hours_left=_hours_left(markets, now),
        ladder=rungs.ladder,
        rung=rungs.rung,
        dated=rungs.dated,
    )


def _hours_left(markets: Sequence[OpenMarket], now: datetime) -> Floats:
    return np.array(
        [np.nan if m.close_time is None else (m.close_time - now).total_seconds() / 3_600 for m in markets], dtype=float
    )


def find(past: History, settled: SettledRates | None = None) -> list[Pattern]:
    return detect(past, settled) if len(past) else []


def says(past: History) -> str:
    """How much past there is to compare with: an empty result is explained, not just shown."""
    if not len(past):
        return "no open markets"
    hours = np.isfinite(past.price).sum(axis=1)
    enough = int((hours > MIN_HOURS).sum())
    if enough == 0:
        return f"no market has {MIN_HOURS} hours of history yet: only detectors that need none ran"
    return f"{enough} of {len(past)} markets have more than {MIN_HOURS} hours of history"
