"""What the snapshots of two simulated days take on disk: as a table, as a hypertable, and in TimescaleDB's columnstore.

`TIMESCALE_BIN=/its/bin python -m bench.columnstore [markets]` prints the figures of docs/storage.md. The days are
those of bench.disk; the very same rows are then stored by a server with TimescaleDB under its community licence.
"""

from __future__ import annotations

import asyncio
import io
import os
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import psycopg
from pydantic import SecretStr

from bench.collecting import collector, venues
from bench.database import connected
from bench.disk import MIDNIGHT, listing, live
from core import db
from core.cache import make_cache
from core.runtime import JOBS, Run
from local import postgres
from local.kit import Kit

MARKETS, DAYS = 20_000, 2
SETTINGS = {
    "shared_preload_libraries": "timescaledb",
    "timescaledb.license": "timescale",
    "timescaledb.telemetry_level": "off",
    "timescaledb.max_background_workers": "0",
}


@dataclass(frozen=True, slots=True)
class Measured:
    """Bytes on disk with all indexes, after VACUUM."""

    markets: int
    snapshots: int
    table: int
    hypertable: int
    columnstore: int

    def __str__(self) -> str:
        sizes = {"table": self.table, "hypertable": self.hypertable, "columnstore": self.columnstore}
        told = (f"{name} {size:,} bytes, {size / self.snapshots:.1f} a snapshot" for name, size in sizes.items())
        share = f"columnstore {self.columnstore / self.table:.3f} of the table"
        return "\n".join([f"{self.markets:,} markets, {self.snapshots:,} snapshots", *told, share]) + "\n"


async def measure(markets: int, programs: Path) -> Measured:
    with venues(markets) as bench, tempfile.TemporaryDirectory(prefix="oddwons-") as folder:
        url = _created(bench.kit, bench.kit.environment["DATABASE_URL"])
        async with collector(bench) as given:
            settings = given.model_copy(update={"database_url": SecretStr(url)})
            pool, cache = await db.make_pool(settings), make_cache(settings)
            one = Run(JOBS["upkeep"], settings, pool, cache, lambda: MIDNIGHT, MIDNIGHT)
            found = await listing(settings)
            await live(one, found, np.random.default_rng(1), DAYS)
            await cache.close()
            await pool.close()
        server = postgres.start(Path(folder), durable=False, programs=programs, more=SETTINGS)
        try:
            return await _compared(url, _created(bench.kit, server, "CREATE EXTENSION timescaledb"))
        finally:
            postgres.stop(Path(folder))
            postgres.drop_database(bench.kit.environment["DATABASE_URL"], "columnstore")


def _created(kit: Kit, server: str, *first: str) -> str:
    postgres.drop_database(server, "columnstore")
    url = postgres.create_database(server, "columnstore")
    with psycopg.connect(url, autocommit=True) as connection:
        for statement in first:
            connection.execute(statement.encode())
    kit.command(["-m", "alembic", "upgrade", "head"], {"DATABASE_URL": url})
    return url


async def _compared(table: str, hypertable: str) -> Measured:
    rows = io.BytesIO()
    async with connected(table) as connection:
        await connection.execute("VACUUM market_snapshots", timeout=600)
        size = await connection.fetchval("SELECT pg_total_relation_size('market_snapshots')")
        (counts,) = await connection.fetch(
            "SELECT count(*) AS snapshots, count(DISTINCT (platform, market_id)) AS markets FROM market_snapshots",
            timeout=600,
        )
        await connection.copy_from_table("market_snapshots", output=rows, format="binary", timeout=600)
    rows.seek(0)
    async with connected(hypertable) as connection:
        await connection.execute("ALTER TABLE market_snapshots DISABLE TRIGGER market_snapshots_late")
        await connection.copy_to_table("market_snapshots", source=rows, format="binary", timeout=600)
        await connection.execute("VACUUM market_snapshots", timeout=600)
        as_rows = await connection.fetchval("SELECT hypertable_size('market_snapshots')")
        for (chunk,) in await connection.fetch("SELECT show_chunks('market_snapshots')::text"):
            await connection.execute(f"CALL convert_to_columnstore('{chunk}')", timeout=600)
        await connection.execute("VACUUM market_snapshots", timeout=600)
        as_columns = await connection.fetchval("SELECT hypertable_size('market_snapshots')")
        kept = await connection.fetchval("SELECT count(*) FROM market_snapshots", timeout=600)
    assert kept == counts["snapshots"], "no row is lost on the way"
    return Measured(counts["markets"], counts["snapshots"], size, as_rows, as_columns)


def main(arguments: list[str]) -> None:
    programs = Path(os.environ["TIMESCALE_BIN"])
    sys.stdout.write(str(asyncio.run(measure(int(arguments[0]) if arguments else MARKETS, programs))))


if __name__ == "__main__":
    main(sys.argv[1:])
