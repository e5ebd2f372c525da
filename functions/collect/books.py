"""The order books of the markets that matter, read after the listings were: what analysis may speak of in depth."""

from __future__ import annotations

import asyncio
from collections import Counter
from datetime import timedelta
from typing import Any

from collect.venues import each_venue
from core.errors import JobFailed, VenueDown, VenueForbids
from core.models import Platform
from core.queries import books
from core.runtime import Run
from core.settings import CollectSettings
from core.venues.contract import VENUES
from core.venues.lines import Lines

LEVELS = 50
KEPT = timedelta(days=1)
MOST_S = 60  # a venue: the listings are stored by now, and the run must end well before its deadline


async def read_books(run: Run[CollectSettings], most_s: float = MOST_S) -> dict[str, Any]:
    """What became of the books, by venue. No venue's books fail the run: what went wrong is said here."""
    async with run.transaction() as connection:
        deleted = await books.delete_unread(connection, run.now - KEPT)
        wanted = await books.wanted(connection, run.now, run.settings.collect_books_most)
    if not any(wanted.values()):
        return {"deleted": deleted}

    async def one(run: Run[CollectSettings], platform: Platform, lines: Lines) -> dict[str, Any]:
        return await _read(run, platform, lines, wanted[platform], most_s)

    try:
        return await each_venue(run, one) | {"deleted": deleted}
    except JobFailed as failure:
        return {"error": str(failure), "deleted": deleted}


async def _read(
    run: Run[CollectSettings], platform: Platform, lines: Lines, tokens: dict[str, str | None], most_s: float
) -> dict[str, Any]:
    """Stores answer by answer. Where books are kept from us, the listing's best prices and sizes stand in."""
    counts, skipped, doubts = Counter[str](wanted=len(tokens)), Counter[str](), Counter[str]()
    try:
        async with asyncio.timeout(most_s):
            async for page in VENUES[platform].fetch_books(lines.books, tokens, run.clock):
                async with run.transaction() as connection:
                    await books.upsert(connection, page.books, LEVELS)
                counts["read"] += len(page.books)
                skipped, doubts = skipped + page.skipped, doubts + page.doubts
    except TimeoutError:
        raise VenueDown(f"{platform} books: not read within {most_s} s") from None
    except VenueForbids:
        async with run.transaction() as connection:
            tops = await books.listed_tops(connection, platform, list(tokens))
            await books.upsert(connection, tops, LEVELS)
        counts["top_only"] = len(tops)
    return {"wanted": counts["wanted"], "read": counts["read"], "top_only": counts["top_only"]} | {
        name: dict(counted) for name, counted in (("skipped", skipped), ("doubts", doubts)) if counted
    }
