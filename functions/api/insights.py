"""Bodies of the insight lists: from the cache, else from the database, encoded once and joined as bytes."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

import orjson

from api import kept
from api.access import View
from api.resources import Resources
from core.db import Connection
from core.models import Tier
from core.queries import serving

DISCLAIMER = "Information, not financial advice."
DIGEST_PICKS = 5

Rows = list[dict[str, Any]]


async def insights_body(resources: Resources, view: View, category: str | None) -> bytes:
    """The whole answer for one tier. Its keys depend on the tier: what is not included is not mentioned."""
    settings = resources.settings

    async def insights(connection: Connection) -> tuple[bytes, datetime | None]:
        rows = await load_insights(connection, view, category)
        # Nothing is kept for a category that has nothing: anyone could think up a million of them.
        until = _until(view, rows, settings.insights_ttl_s) if rows or category is None else None
        return _encode(rows), until

    async def arbitrage(connection: Connection) -> tuple[bytes, datetime | None]:
        rows = await serving.arbitrage_alive(connection, view.as_of)
        return _encode(rows), _until(view, rows, settings.arbitrage_ttl_s)

    wanted = [kept.Part("insights", _entry(view, category), insights)]
    if view.arbitrage:
        wanted.append(kept.Part("arbitrage", _entry(view, None), arbitrage))
    bodies = await kept.bodies(resources, view.as_of, wanted)
    parts = {part.group: body for part, body in zip(wanted, bodies, strict=True)}
    if view.deep_analysis:
        parts["deep_analysis"] = b"[]"
    parts |= {"refresh": _encode(view.refresh), "disclaimer": _encode(DISCLAIMER)}
    if view.upgrade_prompt:
        parts["upgrade_prompt"] = _encode(view.upgrade_prompt)
    return b"{" + b",".join(b'"' + name.encode() + b'":' + part for name, part in parts.items()) + b"}"


async def load_insights(connection: Connection, view: View, category: str | None = None, limit: int = 500) -> Rows:
    """What the view includes: basic the picks of the last digest, published by then; the others what stood."""
    if not view.from_digest:
        return await serving.insights_alive(connection, view.as_of, category, limit)
    digest = await serving.latest_digest(connection, view.as_of)
    if digest is None:
        return []
    picks = digest["insight_ids"][:DIGEST_PICKS]
    return await serving.insights_by_id(connection, picks, digest["created_at"], category)


def _entry(view: View, category: str | None) -> str:
    """Never shared between tiers; premium's changes with the hour, the others' when analysis invalidates them."""
    hour = view.as_of.isoformat(timespec="hours") if view.tier is Tier.PREMIUM else ""
    return f"{view.tier}:{hour}:{category or ''}"


def _until(view: View, rows: Sequence[dict[str, Any]], ttl_s: int) -> datetime:
    """Premium's hour does not change any more; pro's list is void as soon as one of its items expires."""
    if view.tier is Tier.PREMIUM:
        return view.as_of + timedelta(hours=1)
    ends: list[datetime] = [] if view.from_digest else [row["expires_at"] for row in rows]
    return min([*ends, view.as_of + timedelta(seconds=ttl_s)])


def _encode(value: Any) -> bytes:
    return orjson.dumps(value, option=orjson.OPT_UTC_Z)
