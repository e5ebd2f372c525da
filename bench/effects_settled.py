"""`python -m bench.effects_settled [markets]`: a stored history of markets that settled, the prices of one category
bent, and what the detector says of open ones by the rates that the base-rates job has stored of it.

Each market is an event of its own. `BENT` is beyond what any venue shows: some hundred markets must prove it.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from decimal import Decimal
from typing import Any

import numpy as np
from pydantic import SecretStr

from analyze import base_rates
from bench.database import HOUR, NOW, connected, database_url, make_market, store
from bench.effects import CATEGORIES, QUARTERS, make_columns
from bench.martingales import Floats
from bench.recall import THRESHOLD
from bench.worlds_of_moments import normal
from bench.worlds_settled import FAR_H, Bent, open_markets, priced, walk
from core import db
from core.cache import make_cache
from core.detect.detectors import signals
from core.models import Event, Market, MarketStatus, Outcome
from core.queries import collecting, history
from core.queries.settled_rates import latest_settled_rates
from core.runtime import JOBS, Run
from core.settings import AnalyzeSettings

NAMES = CATEGORIES[:2]  # the first is bent
MARKETS, DAYS = 2_400, 12
BENT = 4.0
_KNOWN_H = 60  # hours before now by which all have closed: outcomes count two days later


@dataclass(frozen=True, slots=True)
class Found:
    """`proved` cells by category, `right` how many of the bent one's have the planted sign; of open markets of either
    category how many score 50, `towards` the favourite's side how many of the bent one's do."""

    proved: dict[str, int]
    right: int
    spoken: dict[str, int]
    towards: int


async def found(url: str, seed: int, markets: int = MARKETS) -> Found:
    """In an empty database."""
    bent = {NAMES[0]: BENT}
    rng = np.random.default_rng(seed)
    async with connected(url) as connection:
        await _fill(connection, rng, bent, markets)
    settings = AnalyzeSettings(database_url=SecretStr(url), ended_market_days=DAYS + 2)
    pool = await db.make_pool(settings)
    await base_rates.run(Run(JOBS["base-rates"], settings, pool, make_cache(settings), lambda: NOW, NOW))
    async with pool.acquire() as connection:
        rates = await latest_settled_rates(connection, NOW)
    await pool.close()
    if rates is None:
        return Found({}, 0, {}, 0)
    proved = {name: rates.proved[place] for place, name in enumerate(rates.categories)}
    gap = rates.gap[rates.categories.index(NAMES[0])]
    long_shot = rates.bands[1:] <= 0.5
    history_now = open_markets(rng, bent, markets, NAMES).at(0)
    (signal,) = [one for one in signals(history_now, rates) if one.detector == "favourite_longshot"]
    of = np.array(history_now.categories)
    spoken = signal.score >= THRESHOLD
    favoured = np.where(history_now.price[:, -1] > 0.5, 1, -1)
    return Found(
        {name: int(cells.sum()) for name, cells in proved.items()},
        int((proved[NAMES[0]] & ((gap < 0) == long_shot)).sum()),
        {name: int(spoken[of == name].sum()) for name in NAMES},
        int((spoken & (of == NAMES[0]) & (signal.side == favoured)).sum()),
    )


async def _fill(connection: db.Connection, rng: np.random.Generator, bent: Bent, markets: int) -> None:
    start = NOW - timedelta(days=DAYS)
    closes = np.sort(rng.integers(36, DAYS * 24 - _KNOWN_H, markets))
    price, paid = _prices(rng, bent, closes)
    opened = [_market(row, price[row, 0], int(close)) for row, close in enumerate(closes.tolist())]
    await collecting.upsert_events(connection, [_event(market) for market in opened])
    await store(connection, opened, start, new=True)
    rows = await connection.fetch("SELECT number, market_id FROM markets")
    number_of = {row["market_id"]: row["number"] for row in rows}
    numbers = np.array([number_of[market.market_id] for market in opened], dtype=np.int32)
    await history.insert_columns(connection, "kalshi", make_columns(price, numbers, start))
    ended = [
        replace(
            market,
            status=MarketStatus.FINAL,
            outcome=Outcome("yes" if yes else "no", Decimal(int(yes)), start + (close + 1) * HOUR),
        )
        for market, yes, close in zip(opened, paid.tolist(), closes.tolist(), strict=True)
    ]
    async with connection.transaction():
        await collecting.stage(connection, ended)
        await collecting.mark_staged_statuses(connection, NOW, listed=False)


def _prices(rng: np.random.Generator, bent: Bent, closes: Any) -> tuple[Floats, Floats]:
    """((N, Q) in tenths of a cent, (N,) whether YES paid), standing still once closed."""
    ends = (1 + np.arange(DAYS * 24 * QUARTERS)) / QUARTERS
    path, variance = walk(rng, np.clip(closes[:, None] - ends, 0, FAR_H))
    threshold = rng.standard_normal(len(closes))[:, None]
    names = np.array([NAMES[row % 2] for row in range(len(closes))], dtype=object)
    price = np.clip(np.round(priced(normal((path - threshold) / np.sqrt(variance)), names, bent), 3), 0.005, 0.995)
    end = path[:, -1] + np.sqrt(variance[:, -1]) * rng.standard_normal(len(closes))
    return price, end > threshold[:, 0]


def _market(number: int, price: float, close: int) -> Market:
    market = make_market(number, Decimal(str(round(price, 3))))
    terms = replace(market.terms, event_id=f"E{number}", close_time=NOW - timedelta(days=DAYS) + close * HOUR)
    return replace(market, read_terms=lambda: terms)


def _event(market: Market) -> Event:
    name = str(market.terms.event_id)
    return Event("kalshi", name, name, NAMES[int(name[1:]) % 2], "KX", False, None)


def main(arguments: Sequence[str]) -> None:
    with database_url() as url:
        print(asyncio.run(found(url, 103, int(arguments[0]) if arguments else MARKETS)))


if __name__ == "__main__":
    main(sys.argv[1:])
