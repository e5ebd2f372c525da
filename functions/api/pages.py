"""The page a person sees. Outside text reaches it only through the template's escaping."""

from __future__ import annotations

import re
import time
from datetime import datetime, timedelta
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from api.access import need_insights, view_of
from api.flights import Flights
from api.insights import DISCLAIMER, load_digest, load_insights
from api.resources import Resources
from core.models import Tier
from core.queries import serving
from core.runtime import JOBS
from core.settings import ApiSettings
from core.venues.links import is_market_url

if TYPE_CHECKING:
    from jinja2 import Environment, Template
    from markupsafe import Markup

MOST = 30
HEADERS = {
    "content-security-policy": "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'",
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
}
_FRESH_S = 5.0
_NO_WEIGHT = re.compile(r"q=0(\.0*)?")
# Control characters, and those that reorder the text around them.
_UNSEEN = dict.fromkeys(
    [
        *range(9),
        *range(11, 32),
        *range(127, 160),
        0x61C,
        0x200E,
        0x200F,
        *range(0x202A, 0x202F),
        *range(0x2066, 0x206A),
    ],
    "\ufffd",
)


class FrontPage:
    """The rendered page, made anew every few seconds however many look: it counts all markets."""

    def __init__(self) -> None:
        self._html, self._made_at = "", -_FRESH_S
        self._flights: Flights[str, None] = Flights()

    async def html(self, resources: Resources) -> str:
        if not self._html or time.monotonic() - self._made_at >= _FRESH_S:
            await self._flights.of("page", lambda: self._make(resources))
        return self._html

    async def _make(self, resources: Resources) -> None:
        began = time.monotonic()
        self._html, self._made_at = await render(resources), began


async def render(resources: Resources) -> str:
    """To the public: what is over. With PREVIEW_TIER: what that tier sees now, and the page says so."""
    now, preview = resources.clock(), resources.settings.preview_tier
    view = None if preview is None else need_insights(view_of(Tier(preview), now))
    insights: list[dict[str, Any]] = []
    arbitrage: list[dict[str, Any]] = []
    digest: dict[str, Any] | None = None
    async with resources.connection() as connection:
        if view is not None:
            insights = await load_insights(connection, view, limit=MOST)
            arbitrage = await serving.arbitrage_alive(connection, view.as_of, limit=MOST) if view.arbitrage else []
            digest = await load_digest(connection, view, now)
        past = await serving.settled_or_expired(connection, now, MOST)
        fresh = await serving.freshness(connection)
    return template("page.html").render(
        now=now,
        simulated=resources.settings.clock_start is not None,
        view=view,
        insights=insights,
        arbitrage=arbitrage,
        digest=digest,
        past=past,
        jobs=[(job, at, _ago(now, at)) for job, at in sorted(fresh["jobs"].items())],
        venues=[(name, said["open"], _ago(now, said["swept_at"])) for name, said in fresh["venues"].items()],
        late=_late(now, resources.settings, fresh),
        disclaimer=DISCLAIMER,
    )


def _late(now: datetime, settings: ApiSettings, fresh: dict[str, Any]) -> list[str]:
    """What is older than the dead man's check lets the job that renews it be."""

    def is_late(job: str, every_s: int, at: datetime) -> bool:
        return now - at > timedelta(seconds=every_s + (JOBS[job].deadline_s or 0) + settings.missed_after_s)

    intervals_s = {"collect": settings.collect_interval_s, "analyze": settings.analyze_interval_s}
    jobs = {job: at for job, at in fresh["jobs"].items() if job in intervals_s and is_late(job, intervals_s[job], at)}
    swept = {name: said["swept_at"] for name, said in fresh["venues"].items()}
    venues = {name: at for name, at in swept.items() if is_late("collect", settings.collect_interval_s, at)}
    return [
        *(f"{job} last ran well {_ago(now, at)} ago" for job, at in sorted(jobs.items())),
        *(f"{name} was last read whole {_ago(now, at)} ago" for name, at in venues.items()),
    ]


def _ago(now: datetime, then: datetime) -> str:
    minutes = max(0, int((now - then).total_seconds() // 60))
    return f"{minutes} min" if minutes < 120 else f"{minutes // 60} h"


def _link(url: str | None) -> Markup:
    """The only links there are: to a market's page as we build it, in our own words. Anything else is nothing."""
    from markupsafe import Markup

    if url is None or not is_market_url(url):
        return Markup("")
    venue = "Kalshi" if url.startswith("https://kalshi.com/") else "Polymarket"
    return Markup('<a href="{}" rel="noopener noreferrer nofollow">Open on {}</a>').format(url, venue)


def _seen(value: object) -> object:
    return value.translate(_UNSEEN) if isinstance(value, str) else value


def takes_html(accept: str) -> bool:
    """Whether an Accept header names text/html, as browsers do, without refusing it: `*/*` is how programs ask."""
    for media_range in accept.lower().split(","):
        name, *parameters = (part.strip() for part in media_range.split(";"))
        if name == "text/html":
            return not any(_NO_WEIGHT.fullmatch(parameter.replace(" ", "")) for parameter in parameters)
    return False


def template(name: str) -> Template:
    """One of the templates, whose escaping is on."""
    return _environment().get_template(name)


@cache
def _environment() -> Environment:
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        finalize=_seen,
    )
    environment.filters["cents"] = lambda dollars: "–" if dollars is None else f"{100 * dollars:.1f}¢"
    environment.filters["dollars"] = lambda amount: f"${amount:,.2f}"
    environment.filters["link"] = _link
    return environment
