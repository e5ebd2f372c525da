"""From stored rows to the detectors' arrays, and through them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from core.detect.detectors import MIN_HOURS, detect
from core.detect.history import History
from core.models import OpenMarket, Pattern

HOURS = 72


def build_history(markets: Sequence[OpenMarket], closes: Iterable[tuple[str, str, int, float, float]]) -> History:
    """(N, HOURS) arrays, one row a market in the order given; the newest hour is the last column."""
    keys = [(market.platform, market.market_id) for market in markets]
    rows: dict[tuple[str, str], int] = {key: row for row, key in enumerate(keys)}
    price, volume = np.full((len(keys), HOURS), np.nan), np.full((len(keys), HOURS), np.nan)
    for platform, market_id, age, close, counter in closes:
        row = rows.get((platform, market_id))
        if row is not None and 0 <= age < HOURS:
            price[row, HOURS - 1 - age] = np.nan if close is None else close
            volume[row, HOURS - 1 - age] = np.nan if counter is None else counter
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
