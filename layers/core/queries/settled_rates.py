"""What prices came to, in the database: written by the base-rates job, read by each run of analysis."""

from __future__ import annotations

from datetime import datetime

import numpy as np

from core.db import Connection
from core.detect.longshots import SettledRates
from core.detect.rates import VERSION
from core.detect.rates_settled import BANDS, HORIZONS_H


async def insert_settled_rates(connection: Connection, rates: SettledRates, as_of: datetime) -> None:
    """The cells in which anything settled."""
    cells = np.argwhere(rates.count > 0).tolist()
    rows = [
        (VERSION, as_of, rates.categories[at[0]], at[1], at[2], *(float(part[tuple(at)]) for part in parts), proved)
        for at in cells
        for parts, proved in [((rates.gap, rates.error, rates.count), bool(rates.proved[tuple(at)]))]
    ]
    await connection.execute("DELETE FROM settled_rates WHERE as_of = $1 AND version = $2", as_of, VERSION)
    names = ("version", "as_of", "category", "horizon", "band", "gap", "error", "count", "proved")
    await connection.copy_records_to_table("settled_rates", columns=names, records=rows)


async def latest_settled_rates(connection: Connection, now: datetime) -> SettledRates | None:
    """The newest at `now`; None before any market settled under observation."""
    as_of = await connection.fetchval(
        "SELECT max(as_of) FROM settled_rates WHERE version = $1 AND as_of <= $2", VERSION, now
    )
    if as_of is None:
        return None
    rows = await connection.fetch(
        "SELECT category, horizon, band, gap, error, count, proved FROM settled_rates "
        "WHERE version = $1 AND as_of = $2",
        VERSION,
        as_of,
    )
    names = tuple(sorted({row["category"] for row in rows}))
    shape = (len(names), len(HORIZONS_H) - 1, len(BANDS) - 1)
    gap, error, count = np.full(shape, np.nan), np.full(shape, np.nan), np.zeros(shape)
    proved = np.zeros(shape, dtype=bool)
    for row in rows:
        cell = names.index(row["category"]), row["horizon"], row["band"]
        gap[cell], error[cell], count[cell] = row["gap"], row["error"], row["count"]
        proved[cell] = row["proved"]
    return SettledRates(names, np.array(HORIZONS_H), np.array(BANDS), gap, error, count, proved)
