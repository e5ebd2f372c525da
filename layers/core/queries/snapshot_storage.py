"""How the database stores snapshots, and what TimescaleDB asks for where it does: ages of policies, whole chunks.

Migration 0021 and its `use_timescale()` choose; the candle views tell the same on all of them (decisions/0020).
"""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from core.db import Connection

# A table of plain PostgreSQL, or a hypertable; with TimescaleDB's community licence candles are its aggregates.
Storage = Literal["table", "hypertable", "aggregates"]

# Daily aggregates are refreshed over three days at least, which their snapshots must outlive.
AGGREGATED_DAYS = 4


def least_days(storage: Storage, days: int) -> int:
    """For how many days snapshots are kept where so many are asked for."""
    return max(days, AGGREGATED_DAYS) if storage == "aggregates" else days


async def storage(connection: Connection) -> Storage:
    kind: Storage = await connection.fetchval("SELECT storage FROM candle_progress")
    return kind


async def set_ages(
    connection: Connection, snapshot_days: int, columnstore_days: int, hourly_days: int, daily_days: int
) -> None:
    """Sets the policies of `aggregates` to these ages: of retention, of columns, of how far refreshing looks back."""
    await connection.execute(
        "SELECT set_snapshot_ages($1, $2, $3, $4)", snapshot_days, columnstore_days, hourly_days, daily_days
    )


async def drop_snapshots(connection: Connection, before: datetime, timeout_s: float) -> int:
    """Drops a hypertable's chunks that are wholly older, after `release_snapshots`. Returns how many rows they had."""
    count: int = await connection.fetchval("SELECT drop_snapshots($1)", before, timeout=timeout_s)
    return count


async def hypertable_sizes(connection: Connection) -> dict[str, tuple[int, int]]:
    """(rows, an estimate; bytes on disk) of the snapshots and of the aggregates made of them, with all their chunks."""
    rows = await connection.fetch(
        """
        SELECT coalesce(a.view_name, h.hypertable_name)::text AS name,
               approximate_row_count(t.id) AS rows, hypertable_size(t.id) AS bytes
        FROM timescaledb_information.hypertables h
        LEFT JOIN timescaledb_information.continuous_aggregates a
            ON a.materialization_hypertable_schema = h.hypertable_schema
            AND a.materialization_hypertable_name = h.hypertable_name
        CROSS JOIN LATERAL (SELECT format('%I.%I', h.hypertable_schema, h.hypertable_name)::regclass AS id) AS t
        """
    )
    return {row["name"]: (row["rows"], row["bytes"]) for row in rows}
