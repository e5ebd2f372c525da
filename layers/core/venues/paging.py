"""Walking a venue's listing by cursor, and noticing when it walks in a circle."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import Any

from core.errors import VenueAnswerError
from core.http import Params, VenueHttp


@dataclass(frozen=True, slots=True)
class Listing:
    """Where the rows stand in a body, what tells a row apart, and the names of the cursor asked with and answered."""

    path: str
    rows: str
    row_id: Callable[[dict[str, Any]], str | None]
    cursor_asked: str
    cursor_answered: str


async def walk(http: VenueHttp, listing: Listing, params: Params, max_pages: int) -> AsyncIterator[dict[str, Any]]:
    """Each page's body. Raises VenueAnswerError when a page or cursor comes again: both venues silently answer an
    unknown cursor with page 1."""
    cursor, seen, first_ids = "", {""}, set[str | None]()
    for _ in range(max_pages):
        body = await http.get_json(listing.path, params | ({listing.cursor_asked: cursor} if cursor else {}))
        rows = body.get(listing.rows) if isinstance(body, dict) else None
        if not isinstance(rows, list):
            raise VenueAnswerError(f"{listing.path}: no list of {listing.rows}")
        first = listing.row_id(rows[0]) if rows and isinstance(rows[0], dict) else None
        if cursor and first is not None and first in first_ids:
            raise VenueAnswerError(f"{listing.path}: the page from {first} was given again")
        first_ids.add(first)
        yield body
        cursor = body.get(listing.cursor_answered) or ""
        if not cursor:
            return
        if not isinstance(cursor, str) or cursor in seen:
            raise VenueAnswerError(f"{listing.path}: a cursor was given again")
        seen.add(cursor)
    raise VenueAnswerError(f"{listing.path}: more than {max_pages} pages")
