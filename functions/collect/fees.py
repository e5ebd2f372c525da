"""What Kalshi charges, read beside the control sweep: every series' fee, and the changes that are announced."""

from __future__ import annotations

import logging
from datetime import timedelta
from typing import Any

from core.errors import VenueError
from core.queries import collecting
from core.runtime import Run
from core.settings import CollectSettings
from core.venues import kalshi
from core.venues.lines import Lines

log = logging.getLogger(__name__)

MOST_PAGES = 100
PAST_KEPT = timedelta(days=90)


async def read_fees(run: Run[CollectSettings], lines: Lines) -> dict[str, Any]:
    """How many of each. Announced changes that cannot be read are said and no more; series' fees raise VenueError.

    Changes are read first: one that takes effect in between is then in the series' fees.
    """
    said: dict[str, Any] = {}
    changes = None
    try:
        changes, skipped = await kalshi.fetch_fee_changes(lines.listing, MOST_PAGES)
        said = {"changes": len(changes)} | ({"skipped": dict(skipped)} if skipped else {})
    except VenueError as error:
        log.error("fee changes not read", extra={"error": str(error)})
        said = {"changes_error": str(error)}
    series = await kalshi.fetch_series_fees(lines.listing)
    async with run.transaction() as connection:
        await collecting.upsert_series_fees(connection, series, run.now)
        if changes is not None:
            await collecting.replace_fee_changes(connection, changes, run.now, run.now - PAST_KEPT)
    return {"series": len(series)} | said
