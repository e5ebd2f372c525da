"""From stored rows to the detectors' arrays, and through them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

import numpy as np

from core.db import Connection
from core.detect.columns import hours_of
from core.detect.detectors import MIN_HOURS, detect
from core.detect.history import History
from core.models import PLATFORMS, OpenMarket, Pattern
from core.queries import history

HOURS = 72


async def read_history(
    connection: Connection, markets: Sequence[OpenMarket], now: datetime, timeout_s: float
) -> History:
    """(N, HOURS) arrays, one row a market in the order given, rebuilt from the compact history and today's prices."""
    keys = [(market.platform, market.market_id) for market in markets]
    price, traded = np.full((len(keys), HOURS), np.nan), np.full((len(keys), HOURS), np.nan)
    for platform in PLATFORMS:
        rows = np.array([row for row, market in enumerate(markets) if market.platform == platform], dtype=np.intp)
        since = now - timedelta(hours=HOURS + 1)
        columns = await history.columns_between(connection, platform, since, now, timeout_s)
        if not len(rows) or not columns:
            continue
        ours = [markets[row] for row in rows]
        numbers = np.array([market.number for market in ours])
        latest = np.array([np.nan if market.price is None else float(market.price) for market in ours])
        price[rows], traded[rows] = hours_of(columns, numbers, latest, now, HOURS)
        # A counter that says nothing is no quiet market.
        traded[rows[[market.volume is None for market in ours]]] = np.nan
    return History(
        keys=[(platform, market_id) for platform, market_id in keys],
        events=[market.event_id for market in markets],
        categories=[market.category for market in markets],
        exclusive=np.array([market.mutually_exclusive for market in markets], dtype=bool),
        price=price,
        traded=traded,
        bid=np.array([np.nan if m.no_price is None else 1 - float(m.no_price) for m in markets]),
        ask=np.array([np.nan if m.yes_price is None else float(m.yes_price) for m in markets]),
    )


def find(past: History) -> list[Pattern]:
    return detect(past) if len(past) else []


def says(past: History) -> str:
    """How much past there is to compare with: an empty result is explained, not just shown."""
    if not len(past):
        return "no open markets"
    hours = np.isfinite(past.price).sum(axis=1)
    enough = int((hours > MIN_HOURS).sum())
    if enough == 0:
        return f"no market has {MIN_HOURS} hours of history yet: only detectors that need none ran"
    return f"{enough} of {len(past)} markets have more than {MIN_HOURS} hours of history"
