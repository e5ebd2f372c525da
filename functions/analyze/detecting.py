"""From stored rows to the detectors' arrays, and through them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

import numpy as np

from core.db import Connection
from core.detect.detectors import MIN_HOURS, detect
from core.detect.history import History
from core.models import OpenMarket, Pattern
from core.queries import analyzing

HOURS = 72


async def read_history(
    connection: Connection, markets: Sequence[OpenMarket], now: datetime, timeout_s: float
) -> History:
    """(N, HOURS) arrays, one row a market in the order given; each hour holds its last snapshot, the newest last."""
    keys = [(market.platform, market.market_id) for market in markets]
    rows: dict[tuple[str, str], int] = {key: row for row, key in enumerate(keys)}
    price, volume = np.full((len(keys), HOURS), np.nan), np.full((len(keys), HOURS), np.nan)
    since = now - timedelta(hours=HOURS)
    async for platform, market_id, ages, prices, volumes in analyzing.snapshots_by_market(
        connection, since, now, timeout_s
    ):
        row = rows.get((platform, market_id))
        if row is None:
            continue
        age = np.array(ages)
        oldest_first = np.argsort(-age, kind="stable")  # of several in one hour the newest is written last, and stays
        columns = HOURS - 1 - age[oldest_first] // 3_600
        price[row, columns] = np.array(prices, dtype=np.float64)[oldest_first]
        volume[row, columns] = np.array(volumes, dtype=np.float64)[oldest_first]
    return History(
        keys=[(platform, market_id) for platform, market_id in keys],
        events=[market.event_id for market in markets],
        categories=[market.category for market in markets],
        exclusive=np.array([market.mutually_exclusive for market in markets], dtype=bool),
        price=price,
        volume=volume,
        bid=np.array([np.nan if m.no_price is None else 1 - float(m.no_price) for m in markets]),
        ask=np.array([np.nan if m.yes_price is None else float(m.yes_price) for m in markets]),
    )


def find(history: History) -> list[Pattern]:
    return detect(history) if len(history) else []


def says(history: History) -> str:
    """How much past there is to compare with: an empty result is explained, not just shown."""
    if not len(history):
        return "no open markets"
    hours = np.isfinite(history.price).sum(axis=1)
    enough = int((hours > MIN_HOURS).sum())
    if enough == 0:
        return f"no market has {MIN_HOURS} hours of history yet: only detectors that need none ran"
    return f"{enough} of {len(history)} markets have more than {MIN_HOURS} hours of history"
