"""`python -m bench.effects [markets days]`: a stored history in which jumps of one category are taken back, or come
twice, and what the base-rates job proves of it. Prints the share of cells with the planted sign, and every proof.

Log-odds walk by quarter-hours with the drift that makes the probability a martingale. Each market jumps about once in
three days by eight of its hourly noises; of `CATEGORY`'s jumps a share follows over the next six hours.
"""

from __future__ import annotations

import asyncio
import sys
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import numpy as np
from pydantic import SecretStr

from analyze import base_rates
from bench.database import NOW, connected, database_url, make_market, store
from bench.martingales import Floats
from core import db
from core.cache import make_cache
from core.detect.columns import MICRO, UNKNOWN, Column, merge, one_step
from core.detect.rates import MIN_COUNT
from core.models import Event, Market
from core.queries import collecting, history
from core.runtime import JOBS, Run
from core.settings import AnalyzeSettings

CATEGORIES = ("Politics", "Sports", "Weather", "Economics")
CATEGORY = CATEGORIES[0]
QUARTER, QUARTERS = timedelta(minutes=15), 4
MARKETS, DAYS = 400, 14
AN_EVENT = 2
_NOISE, _JUMP, _JUMPS_A_DAY, _AFTER_H = 0.04, 8.0, 0.3, 6
_SPREAD = 0.02
_BATCH = 500


@dataclass(frozen=True, slots=True)
class Found:
    """Of price_jump's cells of 30 setups and more at 6 and 24 hours: how many are of the planted category, and of them
    how many have the planted sign and are proved; how many others there are, and of them are proved."""

    planted: int
    signs: int
    proved: int
    others: int
    false: int


async def found(url: str, seed: int, share: float, markets: int, days: int) -> Found:
    """In an empty database. `share` of each jump is taken back; negative, it comes again."""
    async with connected(url) as connection:
        await _fill(connection, np.random.default_rng(seed), share, markets, days)
    settings = AnalyzeSettings(database_url=SecretStr(url), ended_market_days=days + 2)
    pool = await db.make_pool(settings)
    await base_rates.run(Run(JOBS["base-rates"], settings, pool, make_cache(settings), lambda: NOW, NOW))
    async with pool.acquire() as connection:
        rows = await connection.fetch(
            "SELECT * FROM base_rates WHERE detector = 'price_jump' AND horizon IN ('6h', '24h') "
            "AND effective >= $1 AND lift_move IS NOT NULL",
            MIN_COUNT,
        )
    await pool.close()
    planted = [row for row in rows if row["category"] == CATEGORY]
    others = [row for row in rows if row["category"] not in (CATEGORY, "")]
    wanted = ("edge", "lift") if share > 0 else ("adverse",)
    return Found(
        len(planted),
        sum(row["lift_move"] * share > 0 for row in planted),
        sum(row["verdict"] in wanted for row in planted),
        len(others),
        sum(row["verdict"] != "unproven" for row in others),
    )


async def _fill(connection: db.Connection, rng: np.random.Generator, share: float, markets: int, days: int) -> None:
    start = NOW - timedelta(days=days)
    price = _prices(rng, share, markets, days)
    for first in range(0, markets, _BATCH):
        batch = [_market(number, float(price[number, -1])) for number in range(first, min(first + _BATCH, markets))]
        events = {market.terms.event_id: _event(market) for market in batch}
        await collecting.upsert_events(connection, events.values())
        await store(connection, batch, start, new=True)
    rows = await connection.fetch("SELECT number, market_id FROM markets")
    number_of = {row["market_id"]: row["number"] for row in rows}
    numbers = np.array([number_of[f"M{row}"] for row in range(markets)], dtype=np.int32)
    await collecting.mark_swept(connection, "kalshi", list(number_of), NOW)
    await history.insert_columns(connection, "kalshi", make_columns(price, numbers, start))


def _prices(rng: np.random.Generator, share: float, markets: int, days: int) -> Floats:
    """(N, Q) in tenths of a cent."""
    quarters = days * 24 * QUARTERS
    noise = _NOISE / QUARTERS**0.5
    steps = noise * rng.standard_normal((markets, quarters))
    jumps = np.where(rng.random(steps.shape) < _JUMPS_A_DAY / (24 * QUARTERS), _JUMP * _NOISE, 0.0)
    jumps *= np.where(rng.random(steps.shape) < 0.5, -1, 1)
    after = _AFTER_H * QUARTERS
    has_effect = np.arange(markets) // AN_EVENT % len(CATEGORIES) == CATEGORIES.index(CATEGORY)
    total = np.cumsum(jumps, axis=1)
    lately = total.copy()
    lately[:, after:] -= total[:, :-after]
    back = np.zeros_like(steps)
    back[:, 1:] = -share * lately[:, :-1] / after * has_effect[:, None]
    odds = np.empty_like(steps)
    at = rng.uniform(-1.2, 1.2, markets)
    for quarter in range(quarters):
        variance = noise**2 + np.square(jumps[:, quarter])
        chance = 1 / (1 + np.exp(-at))
        at = at + steps[:, quarter] + jumps[:, quarter] + back[:, quarter] + (chance - 0.5) * variance
        odds[:, quarter] = at
    priced: Floats = np.clip(np.round(1 / (1 + np.exp(-odds)), 3), 0.005, 0.995)
    return priced


def make_columns(price: Floats, numbers: Any, start: datetime) -> list[Column]:
    """As collecting leaves them: an hour in one, of what changed."""
    micro = np.round(price * MICRO).astype(np.int32)
    before = np.full(len(price), UNKNOWN, dtype=np.int32)
    hours, quarters = [], []
    for quarter in range(price.shape[1]):
        after = micro[:, quarter]
        moved = np.flatnonzero(after != before)
        spread = np.full(len(moved), round(_SPREAD * MICRO), dtype=np.int32)
        gained = np.full(len(moved), 10, dtype=np.float32)
        end = start + (quarter + 1) * QUARTER
        quarters.append(one_step(end, QUARTER, numbers[moved], before[moved], after[moved], gained, spread))
        before = after
        if len(quarters) == QUARTERS:
            hours.append(merge(quarters))
            quarters = []
    return hours


def _market(number: int, price: float) -> Market:

    half = Decimal(str(_SPREAD)) / 2
    middle = Decimal(str(round(min(max(price, _SPREAD), 1 - _SPREAD), 3)))
    market = make_market(number, middle)
    terms = replace(market.terms, event_id=f"E{number // AN_EVENT}", close_time=NOW + timedelta(days=30))
    quote = replace(market.quote, yes_price=middle + half, no_price=1 - middle + half)
    return replace(market, quote=quote, read_terms=lambda: terms)


def _event(market: Market) -> Event:
    name = str(market.terms.event_id)
    return Event("kalshi", name, name, CATEGORIES[int(name[1:]) % len(CATEGORIES)], "KX", False, None)


def main(arguments: list[str]) -> None:
    markets, days = (int(each) for each in arguments) if arguments else (MARKETS, DAYS)
    for seed, share in ((101, 1.0), (102, -1.0)):
        with database_url() as url:
            print(f"{share:+g}:", asyncio.run(found(url, seed, share, markets, days)), flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
