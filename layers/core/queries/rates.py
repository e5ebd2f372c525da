"""Base rates in the database: what history is replayed from, the moments found in it, the rates measured from them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import astuple, fields
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import numpy as np
import numpy.typing as npt

from core.arbitrage.fees import kalshi_rate
from core.db import Connection
from core.detect.columns import UNKNOWN, Column, Ints, pack, unpack
from core.detect.history import Floats
from core.detect.rates import VERSION, Rate
from core.detect.rates_moments import BANDS, Moments, Texts
from core.detect.rates_replay import Markets, Replayed, hours_since_1970, moment_of
from core.detect.selection import Funnel
from core.models import PLATFORMS, Platform

# As of when, and the cells of each detector, category and price band by horizon.
Measured = tuple[datetime, dict[tuple[str, str, int], tuple[Rate, ...]]]

_AT_ONCE = 20_000
_MIN_QUOTES = 30  # of a venue and price band, or its usual spread is not known
_HOUR = timedelta(hours=1)


async def first_column(connection: Connection) -> datetime | None:
    end: datetime | None = await connection.fetchval("SELECT min(ended_at) FROM history_columns")
    return end


async def markets_between(connection: Connection, since: datetime, until: datetime, timeout_s: float) -> Markets:
    """Every market that may have traded in (since, until], with its outcome and its fee as they are known today."""
    rows = await connection.fetch(
        """
        SELECT m.platform, m.market_id, m.number, m.event_id,
               coalesce(e.category, m.category, f.category, '') AS category,
               coalesce(e.mutually_exclusive, false) AS exclusive,
               m.open_time, m.first_seen_at, m.close_time, m.payout::float8 AS payout,
               CASE WHEN m.payout IS NOT NULL THEN coalesce(m.settled_at, m.status_seen_at) END AS settled_at,
               m.fee_rate, m.fee_exponent, coalesce(e.fee_type, f.fee_type) AS fee_type,
               coalesce(e.fee_multiplier, f.fee_multiplier) AS fee_multiplier
        FROM markets m LEFT JOIN events e USING (platform, event_id)
        LEFT JOIN series_fees f ON m.platform = 'kalshi' AND f.series = e.series
        WHERE (m.payout IS NULL OR coalesce(m.settled_at, m.status_seen_at) > $1)
          AND (m.open_time IS NULL OR m.open_time <= $2) ORDER BY m.number
        """,
        since,
        until,
        timeout=timeout_s,
    )
    place = {row["number"]: place for place, row in enumerate(rows)}
    earlier = await connection.fetch(
        """
        SELECT m.number, h.told_until, h.close_time
        FROM market_terms_history h JOIN markets m USING (platform, market_id)
        WHERE h.told_until > $1 AND h.close_time IS DISTINCT FROM m.close_time ORDER BY h.told_until
        """,
        since,
        timeout=timeout_s,
    )
    return Markets(
        platform=_texts([row["platform"] for row in rows]),
        market_id=[row["market_id"] for row in rows],
        number=np.array([row["number"] for row in rows], dtype=np.int64),
        event=_texts([row["event_id"] for row in rows]),
        category=_texts([row["category"] for row in rows]),
        exclusive=np.array([row["exclusive"] for row in rows], dtype=bool),
        opened=_times([row["open_time"] for row in rows]),
        seen=_times([row["first_seen_at"] for row in rows]),
        closes=_times([row["close_time"] for row in rows]),
        settled=_times([row["settled_at"] for row in rows]),
        payout=_numbers([row["payout"] for row in rows]),
        fee_rate=_numbers([_fee_rate(dict(row)) for row in rows]),
        fee_exponent=np.array([float(row["fee_exponent"] or 1) for row in rows]),
        earlier=[
            (place[row["number"]], hours_since_1970(row["told_until"]), _time(row["close_time"]))
            for row in earlier
            if row["number"] in place
        ],
    )


def _fee_rate(row: Mapping[str, Any]) -> Decimal | None:
    if row["platform"] == "kalshi":
        return kalshi_rate(row["fee_type"], row["fee_multiplier"])
    rate: Decimal | None = row["fee_rate"]
    return rate


async def typical_spreads(connection: Connection, timeout_s: float) -> dict[Platform, Floats]:
    """By venue, (bands,) the median spread in dollars of today's open markets; NaN where few are quoted."""
    spreads: dict[Platform, Floats] = {platform: np.full(len(BANDS) - 1, np.nan) for platform in PLATFORMS}
    rows = await connection.fetch(
        """
        SELECT l.platform, width_bucket(l.price::float8, $1::float8[]) AS band, count(*) AS quotes,
               percentile_cont(0.5) WITHIN GROUP (ORDER BY (l.yes_price + l.no_price - 1)::float8) AS spread
        FROM market_latest l JOIN markets m USING (platform, market_id)
        WHERE m.status = 'open' AND m.listed AND l.price IS NOT NULL AND l.yes_price + l.no_price >= 1
        GROUP BY l.platform, band
        """,
        list(BANDS[1:-1]),
        timeout=timeout_s,
    )
    for row in rows:
        if row["quotes"] >= _MIN_QUOTES:
            spreads[row["platform"]][row["band"]] = row["spread"]
    return spreads


async def progress(connection: Connection) -> tuple[datetime, Ints] | None:
    """Up to when history was replayed, and every number's price WINDOW_H hours before; None before the first."""
    row = await connection.fetchrow("SELECT replayed_to, state FROM rate_progress WHERE version = $1", VERSION)
    if row is None:
        return None
    packed = unpack(row["state"], row["replayed_to"], _HOUR)
    state = np.full(int(packed.numbers.max(initial=-1)) + 1, UNKNOWN, dtype=np.int32)
    state[packed.numbers] = packed.after
    return row["replayed_to"], state


async def insert_replayed(connection: Connection, replayed: Replayed, to: datetime, timeout_s: float) -> None:
    """The moments of some hours and how far history is replayed with them: in one transaction, so that none is lost or
    told twice."""
    moments = replayed.moments
    columns: list[list[Any]] = [
        [VERSION] * len(moments),
        [moment_of(at) for at in moments.at.tolist()],
        replayed.numbers.tolist(),
        *(getattr(moments, name).tolist() for name in ("detector", "category", "cluster", "side")),
        *(getattr(moments, name).tolist() for name in ("score", "price", "closeness", "activity")),
        _moments_of(moments.due),
        *(_known(values) for values in (moments.cost_trade, moments.cost_hold, *moments.moved.T)),
    ]
    await connection.copy_records_to_table(
        "rate_moments", columns=_COLUMNS[:-2], records=list(zip(*columns, strict=True)), timeout=timeout_s
    )
    state = replayed.state
    numbers = np.flatnonzero(state != UNKNOWN).astype(np.int32)
    told, none, nothing = state[numbers], np.zeros(len(numbers), np.float32), np.zeros(len(numbers), np.int32)
    packed = pack(Column(to, _HOUR, numbers, told, told, none, none, nothing, nothing, False))
    await connection.execute(
        """
        INSERT INTO rate_progress (version, replayed_to, state) VALUES ($1, $2, $3)
        ON CONFLICT (version) DO UPDATE SET replayed_to = excluded.replayed_to, state = excluded.state
        """,
        VERSION,
        to,
        packed,
    )


_COLUMNS = (
    "version at number detector category cluster side score price closeness activity due "
    "cost_trade cost_hold moved_1h moved_6h moved_24h payout settled_at"
).split()


async def settle_moments(connection: Connection, timeout_s: float) -> int:
    """What markets paid, and what a venue took back, for the moments of markets that are still stored."""
    status = await connection.execute(
        """
        UPDATE rate_moments r SET payout = m.payout, settled_at = coalesce(m.settled_at, m.status_seen_at)
        FROM markets m WHERE m.number = r.number AND m.payout IS NOT NULL
          AND r.payout IS DISTINCT FROM m.payout::real
        """,
        timeout=timeout_s,
    )
    return int(status.split()[-1])


async def read_moments(connection: Connection, since: datetime, timeout_s: float) -> Moments:
    """Those of the present version from `since` on; read piece by piece, so that only arrays are held."""
    pieces: list[list[npt.NDArray[Any]]] = []
    rows: list[Any] = []
    query = f"SELECT {', '.join(_COLUMNS[1:])} FROM rate_moments WHERE version = $1 AND at >= $2"  # noqa: S608
    async for row in connection.cursor(query, VERSION, since, prefetch=_AT_ONCE, timeout=timeout_s):
        rows.append(row)
        if len(rows) == _AT_ONCE:
            pieces.append(_arrays(rows))
            rows = []
    pieces.append(_arrays(rows))
    whole = [np.concatenate(parts) for parts in zip(*pieces, strict=True)]
    (at, _, detector, category, cluster, side, score, price, closeness, activity, due,
     trade, hold, moved_1h, moved_6h, moved_24h, payout, settled) = whole  # fmt: skip
    moved = np.stack([moved_1h, moved_6h, moved_24h], axis=1)
    return Moments(
        at, detector, category, cluster, side.astype(np.int8), score, price, closeness.astype(np.int8),
        activity.astype(np.int8), due, trade, hold, moved, payout, settled,
    )  # fmt: skip


def _arrays(rows: list[Any]) -> list[npt.NDArray[Any]]:
    names = _COLUMNS[1:]
    columns = list(zip(*rows, strict=True)) if rows else [()] * len(names)
    found: list[npt.NDArray[Any]] = []
    for name, column in zip(names, columns, strict=True):
        if name in ("at", "due", "settled_at"):
            found.append(_times(column))
        elif name in ("detector", "category", "cluster"):
            found.append(_texts(column))
        else:
            found.append(_numbers(column))
    return found


async def insert_rates(connection: Connection, rates: list[Rate], as_of: datetime) -> None:
    names = [field.name for field in fields(Rate)]
    await connection.execute("DELETE FROM base_rates WHERE as_of = $1 AND version = $2", as_of, VERSION)
    await connection.copy_records_to_table(
        "base_rates",
        columns=["version", "as_of", *names],
        records=[(VERSION, as_of, *astuple(rate)) for rate in rates],
    )


async def latest_rates(connection: Connection, now: datetime) -> Measured | None:
    """The newest at `now`; None before any were measured."""
    as_of: datetime | None = await connection.fetchval(
        "SELECT max(as_of) FROM base_rates WHERE version = $1 AND as_of <= $2", VERSION, now
    )
    if as_of is None:
        return None
    names = [field.name for field in fields(Rate)]
    rows = await connection.fetch(
        f"SELECT {', '.join(names)} FROM base_rates WHERE version = $1 AND as_of = $2 ORDER BY horizon",  # noqa: S608
        VERSION,
        as_of,
    )
    cells: dict[tuple[str, str, int], tuple[Rate, ...]] = {}
    for row in rows:
        rate = Rate(**dict(row))
        key = rate.detector, rate.category, rate.band
        cells[key] = (*cells.get(key, ()), rate)
    return as_of, cells


async def standing_before(connection: Connection, since: datetime, now: datetime) -> set[tuple[str, str, str]]:
    """(platform, market_id, detector) of the patterns that stood in the last run before `now`, if it was lately."""
    rows = await connection.fetch(
        """
        SELECT platform, market_id, detector FROM patterns
        WHERE detected_at = (SELECT max(at) FROM analysis_funnels WHERE at >= $1 AND at < $2)
        """,
        since,
        now,
    )
    return {(row["platform"], row["market_id"], row["detector"]) for row in rows}


async def insert_funnel(connection: Connection, at: datetime, funnel: Funnel, delete_before: datetime) -> None:
    """What became of a run's markets; what is too old goes with it."""
    await connection.execute(
        """
        INSERT INTO analysis_funnels (at, markets, detected, scored, selected, analyzed, published, dropped)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT (at) DO NOTHING
        """,
        at,
        *astuple(funnel),
    )
    await connection.execute("DELETE FROM analysis_funnels WHERE at < $1", delete_before)


async def open_funnels(connection: Connection, reason: str) -> list[datetime]:
    """Of the runs of which `reason` stands for candidates whose end is not known yet, the oldest first."""
    rows = await connection.fetch("SELECT at FROM analysis_funnels WHERE dropped ? $1 ORDER BY at", reason)
    return [row["at"] for row in rows]


async def take_open_funnel(connection: Connection, at: datetime, reason: str) -> Funnel | None:
    """The run's, if `reason` still stands in it; until the transaction's end nobody else has it."""
    row = await connection.fetchrow(
        """
        SELECT markets, detected, scored, selected, analyzed, published, dropped FROM analysis_funnels
        WHERE at = $1 AND dropped ? $2 FOR UPDATE
        """,
        at,
        reason,
    )
    return None if row is None else Funnel(**dict(row))


async def update_funnel(connection: Connection, at: datetime, funnel: Funnel) -> None:
    await connection.execute(
        "UPDATE analysis_funnels SET analyzed = $2, published = $3, dropped = $4 WHERE at = $1",
        at,
        funnel.analyzed,
        funnel.published,
        funnel.dropped,
    )


async def delete_aged(
    connection: Connection, moments_before: datetime, rates_before: datetime, timeout_s: float
) -> dict[str, int]:
    """What is too old, and moments of versions before this one."""
    deleted = {}
    for table, query, before in (
        ("moments", "DELETE FROM rate_moments WHERE at < $1 OR version < $2", moments_before),
        ("rates", "DELETE FROM base_rates WHERE as_of < $1 AND version <= $2", rates_before),
        ("settled rates", "DELETE FROM settled_rates WHERE as_of < $1 AND version <= $2", rates_before),
    ):
        status = await connection.execute(query, before, VERSION, timeout=timeout_s)
        deleted[table] = int(status.split()[-1])
    return deleted


def _texts(values: Any) -> Texts:
    texts = np.empty(len(values), dtype=object)
    texts[:] = values
    return texts


def _numbers(values: Any) -> Floats:
    return np.array([np.nan if value is None else float(value) for value in values], dtype=np.float64)


def _time(at: datetime | None) -> float:
    return np.nan if at is None else hours_since_1970(at)


def _times(values: Any) -> Floats:
    return np.array([_time(value) for value in values], dtype=np.float64)


def _known(values: Floats) -> list[float | None]:
    return [None if np.isnan(value) else value for value in values.tolist()]


def _moments_of(hours: Floats) -> list[datetime | None]:
    return [None if np.isnan(value) else moment_of(value) for value in hours.tolist()]
