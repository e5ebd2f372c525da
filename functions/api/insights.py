"""Bodies of what is sold: insights, arbitrage and digests by tier, encoded once and joined as bytes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, datetime, timedelta
from typing import Any

import orjson

from api import kept
from api.access import View
from api.cursors import make_cursor
from api.ready import Answer
from api.resources import Resources
from core.db import Connection
from core.errors import NotFound
from core.models import Tier
from core.queries import arbitrage, asking, serving

DISCLAIMER = "Information, not financial advice."
DIGEST_PICKS = 5
PAGE = 100  # as long as those are that nobody asked for otherwise
ARBITRAGE_MOST = 200
_PRICES_BEFORE = timedelta(days=3)
_DEEP_SINCE = timedelta(days=1)
_DEEP_MOST = 20

Rows = list[dict[str, Any]]


async def insights_body(
    resources: Resources, view: View, category: str | None, after: str | None, limit: int
) -> Answer:
    """The whole answer for one tier. Its keys depend on the tier: what is not included is not mentioned."""

    async def insights(connection: Connection) -> kept.Loaded:
        rows = await load_insights(connection, view, category, limit + 1, after)
        next_cursor = _next(resources, insights_list(view, category), rows, limit)
        # Nothing is kept for a category that has nothing, or a page of another length: anyone could think up millions.
        worth_keeping = after is None and limit == PAGE and (bool(rows) or category is None)
        said = {"insights": rows[:limit], "next_cursor": next_cursor}
        return _loaded(resources, view, said, rows, resources.settings.insights_ttl_s, worth_keeping)

    wanted = [kept.Part("insights", f"{view.key}{limit}:{after or ''}:{category or ''}", insights)]
    if view.arbitrage:
        wanted.append(_arbitrage(resources, view, None, ARBITRAGE_MOST, paged=False))
    if view.deep_analysis:
        wanted.append(_deep_analysis(resources, view))
    return _joined(view, await kept.answers(resources, view.as_of, wanted))


async def arbitrage_body(resources: Resources, view: View, after: str | None, limit: int) -> Answer:
    part = _arbitrage(resources, view, after, limit, paged=True)
    return _joined(view, await kept.answers(resources, view.as_of, [part]))


async def near_misses_body(resources: Resources, view: View) -> Answer:
    async def near_misses(connection: Connection) -> kept.Loaded:
        rows = await arbitrage.near_misses(connection, view.as_of, resources.settings.analyze_interval_s)
        return _loaded(resources, view, {"near_misses": rows}, rows, resources.settings.arbitrage_ttl_s)

    part = kept.Part("arbitrage", f"{view.key}near misses", near_misses)
    return _joined(view, await kept.answers(resources, view.as_of, [part]))


async def digest_body(resources: Resources, view: View, day: date | None) -> Answer:
    """The last digest, or a day's. Basic reads it without arbitrage; premium with it from the next full hour on."""
    now = resources.clock()

    async def digest(connection: Connection) -> kept.Loaded:
        found = await load_digest(connection, view, now, day)
        if found is None:
            raise NotFound("there is no digest yet" if day is None else f"there is no digest of {day}")
        return _loaded(resources, view, found, [], resources.settings.insights_ttl_s, day is None)

    part = kept.Part("digest", f"{view.key}{day or ''}", digest)
    return _joined(view, await kept.answers(resources, view.as_of, [part]))


async def load_digest(
    connection: Connection, view: View, now: datetime, day: date | None = None
) -> dict[str, Any] | None:
    """The last one, or a day's, with what the view may see of it. None where there is none."""
    found = await (serving.latest_digest(connection, now) if day is None else serving.digest_of(connection, day, now))
    if found is not None:
        del found["insight_ids"]
        if not view.arbitrage or found["created_at"] > view.as_of:
            del found["arbitrage_opportunities"]
    return found


async def insight_body(resources: Resources, view: View, insight_id: str) -> Answer:
    """One insight with its evidence and its market's hourly prices from three days before it on.

    Raises NotFound for what the tier may not see as for what is not there.
    """

    async def insight(connection: Connection) -> kept.Loaded:
        found = await serving.insight(connection, insight_id, view.as_of)
        if found is not None and view.from_digest and not _is_over(view, found):
            found = await _as_of_the_digest(connection, view, insight_id)
        if found is None:
            raise NotFound("there is no such insight for you")
        since = found["created_at"] - _PRICES_BEFORE
        until = min(view.as_of, found["expires_at"] + _PRICES_BEFORE)
        prices = await serving.prices(connection, found["platform"], found["market_id"], since, until)
        return _loaded(resources, view, {"insight": found, "prices": prices}, [], resources.settings.arbitrage_ttl_s)

    async with resources.connection() as connection:
        read_at = resources.clock()
        loaded = await insight(connection)
    return _joined(view, [Answer(loaded.body, read_at, view.as_of, loaded.until, loaded.void)])


def _is_over(view: View, insight: Mapping[str, Any]) -> bool:
    """What is over is public."""
    return insight["settled"] is True or insight["expires_at"] <= view.as_of


async def _as_of_the_digest(connection: Connection, view: View, insight_id: str) -> dict[str, Any] | None:
    """One of the five of the latest digest as it was known then: what became of it since is for those who pay more."""
    digest = await serving.latest_digest(connection, view.as_of)
    if digest is None or insight_id not in digest["insight_ids"][:DIGEST_PICKS]:
        return None
    return await serving.insight(connection, insight_id, digest["created_at"])


async def load_insights(
    connection: Connection, view: View, category: str | None = None, limit: int = 500, after: str | None = None
) -> Rows:
    """What the view includes: basic the picks of the last digest, published by then; the others what stood."""
    if not view.from_digest:
        return await serving.insights_alive(connection, view.as_of, category, limit, after)
    digest = await serving.latest_digest(connection, view.as_of)
    if digest is None:
        return []
    picks = digest["insight_ids"][:DIGEST_PICKS]
    found = await serving.insights_by_id(connection, picks, digest["created_at"], category)
    behind = next((place + 1 for place, row in enumerate(found) if row["id"] == after), 0)
    return found[behind : behind + limit]


def insights_list(view: View, category: str | None) -> str:
    return f"insights:{view.tier}:{category or ''}"


def arbitrage_list(view: View) -> str:
    return f"arbitrage:{view.tier}"


def _arbitrage(resources: Resources, view: View, after: str | None, limit: int, *, paged: bool) -> kept.Part:
    async def alive(connection: Connection) -> kept.Loaded:
        rows = await serving.arbitrage_alive(connection, view.as_of, limit + 1, after)
        usual = not paged or limit == PAGE
        said: dict[str, Any] = {"arbitrage": rows[:limit]}
        if paged:
            said["next_cursor"] = _next(resources, arbitrage_list(view), rows, limit)
        return _loaded(resources, view, said, rows, resources.settings.arbitrage_ttl_s, after is None and usual)

    return kept.Part("arbitrage", f"{view.key}{limit}:{after or ''}:{'paged' if paged else ''}", alive)


def _deep_analysis(resources: Resources, view: View) -> kept.Part:
    async def analyses(connection: Connection) -> kept.Loaded:
        rows = await asking.done_since(connection, view.as_of - _DEEP_SINCE, view.as_of, _DEEP_MOST)
        return _loaded(resources, view, {"deep_analysis": rows}, [], resources.settings.arbitrage_ttl_s)

    return kept.Part("insights", f"{view.key}deep", analyses)


def _loaded(
    resources: Resources,
    view: View,
    said: Mapping[str, Any],
    rows: Sequence[Mapping[str, Any]],
    ttl_s: int,
    worth_keeping: bool = True,
) -> kept.Loaded:
    """Premium's hour does not change any more; pro's list is void as soon as one of its items expires."""
    body = encode(said)[1:-1]
    if view.tier is Tier.PREMIUM:
        until = view.as_of + timedelta(hours=1)
        return kept.Loaded(body, until, until, worth_keeping)
    ends: list[datetime] = [] if view.from_digest else [row["expires_at"] for row in rows]
    until = min([*ends, view.as_of + timedelta(seconds=ttl_s)])
    void = min([*ends, until + timedelta(seconds=resources.settings.stale_s)])
    return kept.Loaded(body, until, void, worth_keeping)


def _joined(view: View, parts: Sequence[Answer]) -> Answer:
    """The parts' fields and those of every answer, true as long as all of the parts are."""
    common = {"refresh": view.refresh, "disclaimer": DISCLAIMER}
    if view.upgrade_prompt:
        common["upgrade_prompt"] = view.upgrade_prompt
    body = b"{" + b",".join([*(part.body for part in parts), encode(common)[1:]])
    return Answer(
        body,
        min(part.read_at for part in parts),
        max(part.since for part in parts),
        min(part.until for part in parts),
        min(part.void for part in parts),
    )


def _next(resources: Resources, of: str, rows: Rows, limit: int) -> str | None:
    return make_cursor(resources.settings, of, [rows[limit - 1]["id"]]) if len(rows) > limit else None


def encode(value: Any) -> bytes:
    return orjson.dumps(value, option=orjson.OPT_UTC_Z)
