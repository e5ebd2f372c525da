"""Bodies of markets and their prices: the same for every tier, read now."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from api.cursors import make_cursor, read_cursor
from api.insights import DISCLAIMER, Rows, encode
from api.ready import Answer
from api.resources import Resources
from core.errors import BadRequest, NotFound
from core.queries import search
from core.queries.search import Interval

_SPAN: dict[Interval, timedelta] = {
    "snapshot": timedelta(days=1),
    "hour": timedelta(days=7),
    "day": timedelta(days=90),
}


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a list of markets is narrowed to."""

    words: str | None
    platform: str | None
    category: str | None
    ended: bool

    def name(self) -> str:
        return repr(("markets", self.words, self.platform, self.category, self.ended))


async def markets_body(resources: Resources, wanted: Wanted, cursor: str | None, limit: int) -> Answer:
    """Open markets or ended ones; the best matches of `words` first, else the newest."""
    after = read_cursor(resources.settings, wanted.name(), cursor)
    narrowed: dict[str, Any] = {
        "platform": wanted.platform,
        "category": wanted.category,
        "ended": wanted.ended,
        "limit": limit + 1,
    }
    read_at = resources.clock()
    async with resources.connection() as connection:
        if wanted.words is None:
            rows = await search.markets(connection, after=None if after is None else after[0], **narrowed)
            last = [row["number"] for row in rows[:limit][-1:]]
        else:
            rows = await search.markets_matching(connection, wanted.words, after=after, **narrowed)
            last = [part for row in rows[:limit][-1:] for part in (row["rank"], row["number"])]
    next_cursor = make_cursor(resources.settings, wanted.name(), last) if len(rows) > limit else None
    return _answer(resources, {"markets": _told(rows[:limit]), "next_cursor": next_cursor}, read_at)


async def market_body(resources: Resources, platform: str, market_id: str) -> Answer:
    read_at = resources.clock()
    async with resources.connection() as connection:
        found = await search.market(connection, platform, market_id)
    if found is None:
        raise NotFound(f"there is no market {market_id[:100]!r} of {platform}")
    return _answer(resources, {"market": _told([found])[0]}, read_at)


async def history_body(
    resources: Resources,
    platform: str,
    market_id: str,
    interval: Interval,
    since: datetime | None,
    until: datetime | None,
    cursor: str | None,
    limit: int,
) -> Answer:
    """Prices that begin in [since, until), by default of the last day, week or quarter."""
    read_at = resources.clock()
    name = repr(("history", platform, market_id, interval, since, until))
    after = read_cursor(resources.settings, name, cursor)
    try:
        end = until or read_at
        begin = datetime.fromisoformat(after[0]) if after else since or end - _SPAN[interval]
    except OverflowError:
        raise BadRequest("until is too early") from None
    async with resources.connection() as connection:
        if not await search.has_market(connection, platform, market_id):
            raise NotFound(f"there is no market {market_id[:100]!r} of {platform}")
        rows = await search.history(connection, platform, market_id, interval, begin, end, limit + 1)
    next_cursor = None
    if len(rows) > limit:
        next_cursor = make_cursor(resources.settings, name, [rows[limit]["time"].isoformat()])
    said = {"platform": platform, "market_id": market_id, "interval": interval, "points": rows[:limit]}
    return _answer(resources, said | {"next_cursor": next_cursor}, read_at)


def _told(rows: Sequence[dict[str, Any]]) -> Rows:
    """Without what only the order of the list needs."""
    return [{name: value for name, value in row.items() if name not in ("number", "rank")} for row in rows]


def _answer(resources: Resources, said: dict[str, Any], read_at: datetime) -> Answer:
    void = read_at + timedelta(seconds=resources.settings.stale_s)
    return Answer(encode(said | {"disclaimer": DISCLAIMER}), read_at, void=void)
