"""Routes of analyses that pro users ask for: stored as rows, worked off by the requests job."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from fastapi import APIRouter, Response

from api import access, shapes
from api.cursors import make_cursor, read_cursor
from api.needs import Needs, Sees, Who, problems
from api.reading import Cursor, Limit
from api.signing_in import told
from core.db import Connection
from core.errors import Conflict, NotFound, TooMany
from core.queries import asking

router = APIRouter(prefix="/api/v1/analyses", tags=["analyses"])

_DAY_S = 86_400


@router.post("", status_code=202, responses=problems(401, 403, 404, 409))
async def ask(resources: Needs, view: Sees, caller: Who, body: shapes.Request) -> Response:
    """Asks for an analysis of an open market; read the result at `Location` some minutes later. **pro**."""
    access.need_analyses(view)
    most = resources.settings.analyses_per_day
    async with resources.transaction() as connection:
        is_open = await asking.is_open_market(connection, body.platform, body.market_id)
        if is_open is None:
            raise NotFound(f"there is no market {body.market_id!r} of {body.platform}")
        if not is_open:
            raise Conflict("this market is not open (any more)")
        analysis_id = await asking.insert_analysis(
            connection, caller.user_id, body.platform, body.market_id, body.question, resources.clock(), most
        )
        if analysis_id is None:
            raise TooMany(f"{most} analyses a day are included", _DAY_S)
        found = await _found(connection, caller.user_id, analysis_id)
    answer = told(found, 202)
    answer.headers["location"] = f"/api/v1/analyses/{analysis_id}"
    return answer


@router.get("", responses=problems(400, 401, 403))
async def get_analyses(resources: Needs, view: Sees, caller: Who, cursor: Cursor = None, limit: Limit = 50) -> Response:
    """What you asked for, the newest first. **pro**."""
    access.need_analyses(view)
    of = f"analyses:{caller.user_id}"
    after = read_cursor(resources.settings, of, cursor)
    last = None if after is None else (datetime.fromisoformat(after[0]), after[1])
    async with resources.connection() as connection:
        rows = await asking.analyses_of(connection, caller.user_id, last, limit + 1)
    next_cursor = None
    if len(rows) > limit:
        end = rows[limit - 1]
        next_cursor = make_cursor(resources.settings, of, [end["requested_at"].isoformat(), end["id"]])
    return told({"analyses": rows[:limit], "next_cursor": next_cursor})


@router.get("/{analysis_id}", responses=problems(401, 403, 404))
async def get_analysis(resources: Needs, view: Sees, caller: Who, analysis_id: UUID) -> Response:
    """One of your own, and how far it is. **pro**."""
    access.need_analyses(view)
    async with resources.connection() as connection:
        return told(await _found(connection, caller.user_id, str(analysis_id)))


async def _found(connection: Connection, user_id: str, analysis_id: str) -> dict[str, Any]:
    found = await asking.analysis_of(connection, user_id, analysis_id)
    if found is None:
        raise NotFound("you asked for no such analysis")
    return found
