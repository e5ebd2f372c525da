"""The upkeep job: what is older than it must be kept goes."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from core.queries import collecting
from core.runtime import Run
from core.settings import CollectSettings


async def run(run: Run[CollectSettings]) -> dict[str, Any]:
    before = run.now - timedelta(days=run.settings.retention_days)
    async with run.transaction() as connection:
        deleted = await collecting.delete_old_snapshots(connection, before, run.settings.database_bulk_timeout_s)
    return {"snapshots_deleted": deleted, "before": before.isoformat()}
