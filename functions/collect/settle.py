"""The settle job: outcomes of markets that ended or vanished, asked for by id until the venue calls them final."""

from __future__ import annotations

import logging
from collections import Counter
from typing import Any

from collect.venues import each_venue
from core.errors import VenueAnswerError
from core.models import Market, Platform
from core.queries import collecting
from core.runtime import Run
from core.settings import CollectSettings
from core.venues.contract import VENUES
from core.venues.lines import Lines

log = logging.getLogger(__name__)

MOST_PER_RUN = 20_000
CHUNK = 100
MOST_REFUSED = 50


async def run(run: Run[CollectSettings]) -> dict[str, Any]:
    return await each_venue(run, _settle)


async def _settle(run: Run[CollectSettings], platform: Platform, lines: Lines) -> dict[str, Any]:
    """Chunk by chunk, each stored before the next is asked for: a run that is cut off has done what it had done."""
    async with run.transaction() as connection:
        due = await collecting.unsettled_ids(connection, platform, run.now, MOST_PER_RUN)
    counts = Counter[str](due=len(due))
    waiting = [due[first : first + CHUNK] for first in reversed(range(0, len(due), CHUNK))]
    while waiting:
        ids = waiting.pop()
        try:
            markets = await _fetch(platform, lines, ids)
        except VenueAnswerError as error:
            if len(ids) > 1:  # one id that the venue chokes on must not cost the others their outcome
                waiting += [ids[len(ids) // 2 :], ids[: len(ids) // 2]]
                continue
            counts["refused"] += 1
            log.error("market not settled", extra={"platform": platform, "market_id": ids[0], "error": str(error)})
            if counts["refused"] > MOST_REFUSED:
                raise
            markets = []
        counts["found"] += len(markets)
        counts["final"] += sum(market.status == "final" for market in markets)
        async with run.transaction() as connection:
            await collecting.stage(connection, markets)
            counts["changed"] += await collecting.mark_staged_statuses(connection, run.now, listed=False)
            await collecting.mark_visited(connection, platform, ids, run.now)
    return {name: counts[name] for name in ("due", "found", "final", "changed")} | (
        {"refused": counts["refused"]} if counts["refused"] else {}
    )


async def _fetch(platform: Platform, lines: Lines, ids: list[str]) -> list[Market]:
    """Those that the venue knows; of one that it tells twice, the first."""
    markets: dict[str, Market] = {}
    async for page in VENUES[platform].fetch_by_ids(lines.listing, ids):
        for market in page.markets:
            markets.setdefault(market.terms.market_id, market)
    return list(markets.values())
