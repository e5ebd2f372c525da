"""The backfill job: past hourly candles for open markets that have none, by hand for a new installation."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from collect.venues import each_venue
from core.models import Platform
from core.queries import collecting
from core.runtime import Run
from core.settings import CollectSettings
from core.venues.contract import VENUES
from core.venues.lines import Lines

CHUNK = 50


async def run(run: Run[CollectSettings]) -> dict[str, Any]:
    """Each chunk of markets is stored by itself, so a run that is cut off goes on where it was."""
    return await each_venue(run, _backfill)


async def _backfill(run: Run[CollectSettings], platform: Platform, lines: Lines) -> dict[str, Any]:
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
