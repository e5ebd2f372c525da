"""Routes that read: insights, arbitrage, digests by tier; markets and prices for everyone who is signed in."""

from __future__ import annotations

from datetime import date
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Path, Query, Request, Response
from pydantic import AwareDatetime

from api import access, insights, markets, shapes
from api.cursors import LONGEST, read_cursor
from api.needs import Needs, Sees, problems, ready
from core.errors import BadRequest
from core.queries.search import Interval

router = APIRouter(prefix="/api/v1")

_TEXT = r"^[^\x00-\x1f\x7f]*$"
Category = Annotated[str | None, Query(max_length=100, pattern=_TEXT, examples=["Politics"])]
Cursor = Annotated[str | None, Query(max_length=LONGEST, description="`next_cursor` of the page before")]
Limit = Annotated[int, Query(ge=1, le=500, description="of a page")]
MarketId = Annotated[str, Path(min_length=1, max_length=200, pattern=_TEXT)]
_YEARS = range(2000, 2101)


@router.get(
    "/insights/ai",
    tags=["insights"],
    responses=problems(400, 401, 403),
)
async def get_insights(
    request: Request,
    resources: Needs,
    view: Sees,
    category: Category = None,
    cursor: Cursor = None,
    limit: Limit = insights.PAGE,
) -> Response:
    """AI insights as your tier sees them, the best first.

    **free**: 403. **basic**: the five best of the latest daily digest (`"refresh": "daily"`). **premium**: all that
    stood at the top of the hour, with arbitrage (`"hourly"`). **pro**: all that stands now, with arbitrage and deep
    analyses (`"real-time"`).
    """
    access.need_insights(view)
    of = insights.insights_list(view, category or None)
    after = read_cursor(resources.settings, of, cursor)
    return await ready(
        request,
        view,
        lambda: insights.insights_body(resources, view, category or None, after[0] if after else None, limit),
    )


@router.get("/insights/ai/{insight_id}", tags=["insights"], responses=problems(401, 403, 404))
async def get_insight(request: Request, resources: Needs, view: Sees, insight_id: UUID) -> Response:
    """One insight with its evidence and its market's hourly prices.

    **basic**: those of the latest digest, and any that is over. **premium**: as known at the top of the hour.
    **pro**: now.
    """
    access.need_insights(view)
    return await ready(request, view, lambda: insights.insight_body(resources, view, str(insight_id)))


@router.get("/arbitrage", tags=["insights"], responses=problems(400, 401, 403))
async def get_arbitrage(
    request: Request, resources: Needs, view: Sees, cursor: Cursor = None, limit: Limit = insights.PAGE
) -> Response:
    """Where the two venues disagree about the same bet, net of fees, with the time its books were read.

    **premium**: as of the top of the hour. **pro**: now. Others: 403.
    """
    access.need_arbitrage(view)
    after = read_cursor(resources.settings, insights.arbitrage_list(view), cursor)
    return await ready(
        request, view, lambda: insights.arbitrage_body(resources, view, after[0] if after else None, limit)
    )


@router.get("/near-misses", tags=["insights"], responses=problems(401, 403))
async def get_near_misses(request: Request, resources: Needs, view: Sees) -> Response:
    """The best bundles that do not clear: what each lacks, and each leg's price at which it alone would clear it.

    **premium**: as of the top of the hour. **pro**: now. Others: 403.
    """
    access.need_arbitrage(view)
    return await ready(request, view, lambda: insights.near_misses_body(resources, view))


@router.get("/digest", tags=["insights"], responses=problems(401, 403, 404))
async def get_latest_digest(request: Request, resources: Needs, view: Sees) -> Response:
    """The latest daily digest, made at 13:00 UTC. **basic**: without its arbitrage section. **free**: 403."""
    access.need_insights(view)
    return await ready(request, view, lambda: insights.digest_body(resources, view, None))


@router.get("/digest/{day}", tags=["insights"], responses=problems(401, 403, 404))
async def get_digest(request: Request, resources: Needs, view: Sees, day: date) -> Response:
    """The digest of one day, as the latest one."""
    access.need_insights(view)
    return await ready(request, view, lambda: insights.digest_body(resources, view, day))


@router.get("/markets", tags=["markets"], responses=problems(400, 401))
async def get_markets(
    request: Request,
    resources: Needs,
    view: Sees,
    q: Annotated[
        str | None,
        Query(max_length=200, pattern=_TEXT, description='words of the title; "exact words", or, -without'),
    ] = None,
    platform: Annotated[shapes.Platform | None, Query()] = None,
    category: Category = None,
    state: Annotated[shapes.MarketState, Query(description="open for bets, or over")] = "open",
    cursor: Cursor = None,
    limit: Limit = 50,
) -> Response:
    """Markets of both venues: the best matches of `q` first (of a common word the first thousand), else the newest.

    For every tier.
    """
    wanted = markets.Wanted(q or None, platform, category or None, state == "ended")
    return await ready(request, view, lambda: markets.markets_body(resources, wanted, cursor, limit))


@router.get("/markets/{platform}/{market_id}", tags=["markets"], responses=problems(401, 404))
async def get_market(
    request: Request, resources: Needs, view: Sees, platform: shapes.Platform, market_id: MarketId
) -> Response:
    """One market with its rules and what a buyer pays now. For every tier."""
    return await ready(request, view, lambda: markets.market_body(resources, platform, market_id))


@router.get(
    "/markets/{platform}/{market_id}/history",
    tags=["markets"],
    responses=problems(400, 401, 404),
)
async def get_history(
    request: Request,
    resources: Needs,
    view: Sees,
    platform: shapes.Platform,
    market_id: MarketId,
    interval: Interval = "hour",
    since: AwareDatetime | None = None,
    until: AwareDatetime | None = None,
    cursor: Cursor = None,
    limit: Annotated[int, Query(ge=1, le=2_000)] = 500,
) -> Response:
    """Prices over time: snapshots, or candles of an hour or a day, that begin in [since, until). For every tier.

    Without `since`: the last day of snapshots, week of hours, or quarter of days.
    """
    for bound in (since, until):
        if bound is not None and bound.year not in _YEARS:
            raise BadRequest("since and until must be of this century")
    return await ready(
        request,
        view,
        lambda: markets.history_body(resources, platform, market_id, interval, since, until, cursor, limit),
    )
