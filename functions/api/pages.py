"""The page a person sees. Outside text reaches it only through the template's escaping."""

from __future__ import annotations

from datetime import datetime
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from api.access import view_of
from api.insights import DISCLAIMER
from api.resources import Resources
from core.models import Tier
from core.queries import serving

if TYPE_CHECKING:
    from jinja2 import Template

MOST = 30


async def front_page(resources: Resources) -> str:
    """To the public: what is over. With PREVIEW_TIER: what that tier sees now, and the page says so."""
    now, preview = resources.clock(), resources.settings.preview_tier
    insights: list[dict[str, Any]] = []
    arbitrage: list[dict[str, Any]] = []
    async with resources.connection() as connection:
        if preview is not None:
            view = view_of(Tier(preview), now)
            insights = await serving.insights_alive(connection, view.as_of, limit=MOST)
            arbitrage = await serving.arbitrage_alive(connection, view.as_of, limit=MOST) if view.arbitrage else []
        past = await serving.settled_or_expired(connection, now, MOST)
        fresh = await serving.freshness(connection)
    return _template().render(
        now=now,
        simulated=resources.settings.clock_start is not None,
        preview=preview,
        insights=insights,
        arbitrage=arbitrage,
        past=past,
        jobs=[(job, at, _ago(now, at)) for job, at in sorted(fresh["jobs"].items())],
        open_markets=fresh["open_markets"],
        disclaimer=DISCLAIMER,
    )


def _ago(now: datetime, then: datetime) -> str:
    minutes = max(0, int((now - then).total_seconds() // 60))
    return f"{minutes} min" if minutes < 120 else f"{minutes // 60} h"


@cache
def _template() -> Template:
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    folder = Path(__file__).parent / "templates"
    environment = Environment(
        loader=FileSystemLoader(folder), autoescape=True, undefined=StrictUndefined, trim_blocks=True
    )
    environment.filters["cents"] = lambda dollars: "–" if dollars is None else f"{100 * dollars:.1f}¢"
    return environment.get_template("page.html")
