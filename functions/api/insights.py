"""Bodies of the insight lists: from the cache, else from the database, encoded once and joined as bytes."""

from __future__ import annotations

from typing import Any

import orjson

from api.access import View
from api.resources import Resources
from core.queries import serving

DISCLAIMER = "Information, not financial advice."


async def insights_body(resources: Resources, view: View, category: str | None) -> bytes:
    """The whole answer for one tier. Its keys depend on the tier: what is not included is not mentioned."""
    insights_key = ("insights", _entry(view, category))
    arbitrage_key = ("arbitrage", _entry(view, None))
    keys = [insights_key, arbitrage_key] if view.arbitrage else [insights_key]
    cached = await resources.cache.get_many(keys)
    insights = cached[0]
    if insights is None:
        insights = _encode(await _load_insights(resources, view, category))
        await resources.cache.put(*insights_key, insights, resources.settings.insights_ttl_s)
    parts = {"insights": insights}
    if view.arbitrage:
        arbitrage = cached[1]
        if arbitrage is None:
            async with resources.connection() as connection:
                arbitrage = _encode(await serving.arbitrage_alive(connection, view.as_of))
            await resources.cache.put(*arbitrage_key, arbitrage, resources.settings.arbitrage_ttl_s)
        parts["arbitrage"] = arbitrage
    if view.deep_analysis:
        parts["deep_analysis"] = b"[]"
    parts |= {"refresh": _encode(view.refresh), "disclaimer": _encode(DISCLAIMER)}
    if view.upgrade_prompt:
        parts["upgrade_prompt"] = _encode(view.upgrade_prompt)
    return b"{" + b",".join(b'"' + name.encode() + b'":' + part for name, part in parts.items()) + b"}"


def _entry(view: View, category: str | None) -> str:
    """Never shared between tiers; premium's changes with the hour, the others' when analysis invalidates them."""
    hour = view.as_of.isoformat(timespec="hours") if view.tier == "premium" else ""
    return f"{view.tier}:{hour}:{category or ''}"


async def _load_insights(resources: Resources, view: View, category: str | None) -> list[dict[str, Any]]:
    async with resources.connection() as connection:
        if not view.from_digest:
            return await serving.insights_alive(connection, view.as_of, category)
        digest = await serving.latest_digest(connection, view.as_of)
        return [] if digest is None else await serving.insights_by_id(connection, digest["insight_ids"], category)


def _encode(value: Any) -> bytes:
    return orjson.dumps(value, option=orjson.OPT_UTC_Z)
