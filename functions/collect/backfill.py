"""The backfill job: past hourly candles for open markets that have none, by hand for a new installation."""

from __future__ import annotations

import logging
from datetime import timedelta
from typing import Any

from core.errors import JobFailed, VenueError
from core.models import PLATFORMS, Platform
from core.queries import collecting
from core.runtime import Run
from core.settings import CollectSettings
from core.venues.contract import VENUES
from core.venues.lines import Lines, open_lines

log = logging.getLogger(__name__)

CHUNK = 50


async def run(run: Run[CollectSettings]) -> dict[str, Any]:
    """Each chunk of markets is stored by itself, so a run that is cut off goes on where it was."""
    summary: dict[str, Any] = {}
    async with open_lines(run.settings) as lines:
        for platform in PLATFORMS:
            try:
                summary[platform] = await _backfill(run, platform, lines[platform])
            except VenueError as error:
                log.error("venue failed", extra={"platform": platform, "error": str(error)})
                summary[platform] = {"error": str(error)}
    if all("error" in said for said in summary.values()):
        raise JobFailed("no venue could be read: " + "; ".join(said["error"] for said in summary.values()))
    return summary


async def _backfill(run: Run[CollectSettings], platform: Platform, lines: Lines) -> dict[str, int]:
    async with run.transaction() as connection:
        missing = await collecting.backfillable(connection, platform)
    start, stored, ids = run.now - timedelta(days=run.settings.backfill_days), 0, sorted(missing)
    for first in range(0, len(ids), CHUNK):
        tokens = {market_id: missing[market_id] for market_id in ids[first : first + CHUNK]}
        fetched = VENUES[platform].fetch_candles(lines.books, tokens, start, run.now)
        candles = [candle async for candle in fetched]
        async with run.transaction() as connection:
            stored += await collecting.insert_candles(connection, platform, candles)
    return {"markets": len(ids), "candles": stored}
