"""The settle job: outcomes of markets that ended or vanished, asked for by id until the venue calls them final."""

from __future__ import annotations

from typing import Any

from collect.venues import each_venue
from core.models import Platform
from core.queries import collecting
from core.runtime import Run
from core.settings import CollectSettings
from core.venues.contract import VENUES
from core.venues.lines import Lines

MOST_PER_RUN = 20_000


async def run(run: Run[CollectSettings]) -> dict[str, Any]:
    return await each_venue(run, _settle)


async def _settle(run: Run[CollectSettings], platform: Platform, lines: Lines) -> dict[str, Any]:
    async with run.transaction() as connection:
        due = await collecting.unsettled_ids(connection, platform, run.now, MOST_PER_RUN)
    found: set[str] = set()
    final = changed = 0
    async for page in VENUES[platform].fetch_by_ids(lines.listing, due):
        markets = {m.terms.market_id: m for m in page.markets if m.terms.market_id not in found}
        found |= markets.keys()
        final += sum(m.status == "final" for m in markets.values())
        async with run.transaction() as connection:
            await collecting.stage(connection, list(markets.values()))
            changed += await collecting.mark_staged_statuses(connection, run.now, listed=False)
    async with run.transaction() as connection:
        await collecting.mark_visited(connection, platform, due, run.now)
    return {"due": len(due), "found": len(found), "final": final, "changed": changed}
