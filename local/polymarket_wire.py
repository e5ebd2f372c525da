"""Polymarket's public HTTP (Gamma, CLOB, Data) as it really answers, and the world it is served from."""

import base64
import json
import math
from bisect import bisect_right
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Protocol, TypeVar

import orjson
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

Body = dict[str, Any]
Clock = Callable[[], datetime]

PAGE_CAP = 100
DEFAULT_PAGE = 20
OFFSET_CAP = 2000
BOOKS_CAP = 100
INTERVALS_S = {"1h": 3600, "6h": 6 * 3600, "1d": 86400, "1w": 7 * 86400, "1m": 30 * 86400, "max": 31 * 86400}
MAX_WINDOW_S = 15 * 86400
ALWAYS, NEVER = datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)
ENDED_HISTORY_FIDELITY_MIN = 720


@dataclass(frozen=True, slots=True)
class PolymarketMarketRow:
    """One listed market: what filters look at. Times are unix seconds, `closed_ts` is infinite while unknown."""

    key: int
    id: str
    condition_id: str
    slug: str
    tokens: tuple[str, ...]
    listed_ts: float
    closed_ts: float
    source: Any

    def closed(self, now_ts: float) -> bool:
        return self.closed_ts <= now_ts


@dataclass(frozen=True, slots=True)
class PolymarketEventRow:
    key: int
    id: str
    slug: str
    listed_ts: float
    closed_ts: float
    markets: tuple[PolymarketMarketRow, ...]
    source: Any

    def closed(self, now_ts: float) -> bool:
        return self.closed_ts <= now_ts


class PolymarketWorld(Protocol):
    """Rows come in ascending `key`, which is id order, only those listed at `now`; bodies are as of `now`.

    Answers are bodies, whole or in parts already encoded.
    """

    def event_rows(self, now: datetime) -> Sequence[PolymarketEventRow]: ...
    def market_rows(self, now: datetime) -> Sequence[PolymarketMarketRow]: ...
    def find_event(self, event_id: str, now: datetime) -> PolymarketEventRow | None: ...
    def find_market(self, market_id: str, now: datetime) -> PolymarketMarketRow | None: ...
    def find_markets(self, names: set[str], now: datetime) -> Sequence[PolymarketMarketRow]:
        """Among others perhaps, every row with one of these condition or token ids."""
        ...

    def event_answers(self, rows: Sequence[PolymarketEventRow], now: datetime) -> list[Any]: ...
    def market_answers(self, rows: Sequence[PolymarketMarketRow], now: datetime, with_tags: bool) -> list[Any]: ...
    def book(self, token: str, now: datetime) -> Body | None: ...
    def price_history(self, token: str, start_ts: int, end_ts: int, step_min: int, now: datetime) -> list[Body]: ...
    def clob_market(self, condition_id: str, now: datetime) -> Body | None: ...
    def resolution(self, condition_id: str, now: datetime) -> Body | None: ...


class RefusedError(Exception):
    """A request the venue answers with an error body."""

    def __init__(self, status: int, body: object) -> None:
        super().__init__(str(body))
        self.status = status
        self.body = body


Row = TypeVar("Row", PolymarketEventRow, PolymarketMarketRow)


def answer(body: object, status: int = 200) -> Response:
    return Response(orjson.dumps(body), status, media_type="application/json")


def invalid(message: str) -> RefusedError:
    return RefusedError(422, {"type": "validation error", "error": message})


def encode_cursor(key: int) -> str:
    return base64.urlsafe_b64encode(b"after:%d" % key).decode()


def decode_cursor(cursor: str) -> int:
    try:
        return int(base64.urlsafe_b64decode(cursor).removeprefix(b"after:"))
    except ValueError as error:
        raise invalid("invalid after_cursor") from error


def count(request: Request, name: str, default: int) -> int:
    raw = request.query_params.get(name, "")
    try:
        value = int(raw) if raw else default
    except ValueError as error:
        raise invalid(f"{name} must be an integer") from error
    if value < 0:
        raise invalid(f"{name} must not be negative")
    return value


def page_limit(request: Request) -> int:
    # Above the cap the venue clamps without a word.
    return min(max(count(request, "limit", DEFAULT_PAGE), 1), PAGE_CAP)


def closed_filter(request: Request, omitted: bool) -> bool:
    raw = request.query_params.get("closed", "").lower()
    if raw not in ("", "true", "false"):
        raise invalid("closed must be true or false")
    return raw == "true" if raw else omitted


def many(request: Request, *names: str) -> set[str]:
    return {value for name in names for value in request.query_params.getlist(name) if value}


def event_filter(request: Request, now_ts: float) -> Callable[[PolymarketEventRow], bool]:
    # Asked without `closed`, the event listings give closed ones only.
    closed = closed_filter(request, omitted=True)
    ids, slugs = many(request, "id"), many(request, "slug")

    def wanted(row: PolymarketEventRow) -> bool:
        return row.closed(now_ts) == closed and (not ids or row.id in ids) and (not slugs or row.slug in slugs)

    return wanted


def market_filter(request: Request, now_ts: float) -> Callable[[PolymarketMarketRow], bool]:
    closed = closed_filter(request, omitted=False)
    ids, slugs = many(request, "id"), many(request, "slug")
    conditions, tokens = many(request, "condition_ids"), many(request, "clob_token_ids")
    if len(conditions) > PAGE_CAP:
        raise invalid(f"condition_ids: at most {PAGE_CAP}")

    def wanted(row: PolymarketMarketRow) -> bool:
        return (
            row.closed(now_ts) == closed
            and (not ids or row.id in ids)
            and (not slugs or row.slug in slugs)
            and (not conditions or row.condition_id in conditions)
            and (not tokens or not tokens.isdisjoint(row.tokens))
        )

    return wanted


def body_filter(request: Request) -> Callable[[Body], bool] | None:
    """Filters that look at what a market's body says; None without one. A body that does not say it does not fit."""
    query = request.query_params
    ends = {"end_date_min": ALWAYS, "end_date_max": NEVER}
    amounts = {"volume_num_min": -math.inf, "volume_num_max": math.inf}
    if not any(query.get(name) for name in (*ends, *amounts)):
        return None
    try:
        low, high = (datetime.fromisoformat(query[n]) if query.get(n) else bound for n, bound in ends.items())
        least, most = (float(query[n]) if query.get(n) else bound for n, bound in amounts.items())
    except ValueError as error:
        raise invalid(str(error)) from error

    def fits(body: Body) -> bool:
        try:
            ended = (low == ALWAYS and high == NEVER) or low <= datetime.fromisoformat(body["endDate"]) <= high
            return ended and least <= float(body.get("volumeNum") or 0) <= most
        except (KeyError, TypeError, ValueError):
            return False

    return fits


def keyset_page(request: Request, rows: Sequence[Row], wanted: Callable[[Row], bool]) -> tuple[list[Row], str | None]:
    """One page and the next cursor. `cursor=` and `next_cursor=` are not parameters: whoever sends them gets page 1."""
    if "offset" in request.query_params:
        raise invalid("offset is not supported on keyset endpoints, use after_cursor")
    if request.query_params.get("ascending", "true").lower() == "false":
        raise invalid("this replay pages by id, ascending")
    limit = page_limit(request)
    after = request.query_params.get("after_cursor", "")
    start = bisect_right(rows, decode_cursor(after), key=lambda row: row.key) if after else 0
    page: list[Row] = []
    for row in rows[start:]:
        if not wanted(row):
            continue
        if len(page) == limit:
            return page, encode_cursor(page[-1].key)
        page.append(row)
    return page, None


def offset_page(request: Request, rows: Sequence[Row], wanted: Callable[[Row], bool]) -> list[Row]:
    offset = count(request, "offset", 0)
    if offset > OFFSET_CAP:
        raise invalid("offset too large, use /markets/keyset for deeper pagination")
    return [row for row in rows if wanted(row)][offset : offset + page_limit(request)]


class PolymarketRoutes:
    """The endpoints of the three hosts, each under its own prefix."""

    def __init__(self, world: PolymarketWorld, clock: Clock) -> None:
        self.world = world
        self.clock = clock

    def gamma_routes(self) -> list[Route]:
        return [
            Route("/events/keyset", refusing(self.events_keyset)),
            Route("/markets/keyset", refusing(self.markets_keyset)),
            Route("/events", refusing(self.events)),
            Route("/markets", refusing(self.markets)),
            Route("/events/{id}", refusing(self.event)),
            Route("/markets/{id}", refusing(self.market)),
        ]

    def clob_routes(self) -> list[Route]:
        return [
            Route("/book", refusing(self.book)),
            Route("/books", self.books, methods=["POST"]),
            Route("/prices-history", refusing(self.prices_history)),
            Route("/markets/{condition_id}", refusing(self.clob_market)),
        ]

    def data_routes(self) -> list[Route]:
        return [Route("/v2/resolutions", refusing(self.resolutions))]

    def events_keyset(self, request: Request) -> Response:
        now = self.clock()
        wanted = event_filter(request, now.timestamp())
        page, cursor = keyset_page(request, self.world.event_rows(now), wanted)
        return answer(keyset_body("events", self.world.event_answers(page, now), cursor))

    def markets_keyset(self, request: Request) -> Response:
        now = self.clock()
        wanted = market_filter(request, now.timestamp())
        page, cursor = keyset_page(request, self._rows(request, now, wanted), wanted)
        return answer(keyset_body("markets", self.world.market_answers(page, now, wants_tags(request)), cursor))

    def events(self, request: Request) -> Response:
        now = self.clock()
        page = offset_page(request, self.world.event_rows(now), event_filter(request, now.timestamp()))
        return answer(self.world.event_answers(page, now))

    def markets(self, request: Request) -> Response:
        now = self.clock()
        wanted = market_filter(request, now.timestamp())
        page = offset_page(request, self._rows(request, now, wanted), wanted)
        return answer(self.world.market_answers(page, now, wants_tags(request)))

    def _rows(
        self, request: Request, now: datetime, wanted: Callable[[PolymarketMarketRow], bool]
    ) -> Sequence[PolymarketMarketRow]:
        names = many(request, "condition_ids") or many(request, "clob_token_ids")
        rows = self.world.find_markets(names, now) if names else self.world.market_rows(now)
        fits = body_filter(request)
        if fits is None:
            return rows
        rows = [row for row in rows if wanted(row)]
        bodies = orjson.loads(orjson.dumps(self.world.market_answers(rows, now, with_tags=False)))
        return [row for row, body in zip(rows, bodies, strict=True) if fits(body)]

    def event(self, request: Request) -> Response:
        now = self.clock()
        row = self.world.find_event(request.path_params["id"], now)
        return id_not_found() if row is None else answer(self.world.event_answers([row], now)[0])

    def market(self, request: Request) -> Response:
        now = self.clock()
        row = self.world.find_market(request.path_params["id"], now)
        return id_not_found() if row is None else answer(self.world.market_answers([row], now, wants_tags(request))[0])

    def book(self, request: Request) -> Response:
        token = request.query_params.get("token_id", "")
        if not token:
            raise RefusedError(400, {"error": "Invalid token id"})
        book = self.world.book(token, self.clock())
        if book is None:
            raise RefusedError(404, {"error": "No orderbook exists for the requested token id"})
        return answer(book)

    async def books(self, request: Request) -> Response:
        try:
            tokens = [str(item["token_id"]) for item in json.loads(await request.body())]
        except (ValueError, TypeError, KeyError):
            return answer({"error": "Invalid payload"}, 400)
        if len(tokens) > BOOKS_CAP:
            return answer({"error": "Payload exceeds the limit"}, 400)
        now = self.clock()
        found = (self.world.book(token, now) for token in tokens)
        return answer([book for book in found if book is not None])

    def prices_history(self, request: Request) -> Response:
        token = request.query_params.get("market", "")
        if not token:
            raise RefusedError(400, {"error": "market is required"})
        now = self.clock()
        start, end = history_window(request, int(now.timestamp()))
        fidelity = max(count(request, "fidelity", 1), 1)
        return answer({"history": self.world.price_history(token, start, end, fidelity, now)})

    def clob_market(self, request: Request) -> Response:
        body = self.world.clob_market(request.path_params["condition_id"], self.clock())
        if body is None:
            raise RefusedError(404, {"error": "market not found"})
        return answer(body)

    def resolutions(self, request: Request) -> Response:
        now = self.clock()
        found = [self.world.resolution(c, now) for c in request.query_params.getlist("condition_id")]
        rows = [row for row in found if row is not None]
        return answer({"data": rows, "pagination": {"has_more": False, "next_cursor": None}})


def keyset_body(name: str, rows: list[Body], cursor: str | None) -> Body:
    return {name: rows} if cursor is None else {name: rows, "next_cursor": cursor}


def wants_tags(request: Request) -> bool:
    return request.query_params.get("include_tag", "").lower() == "true"


def id_not_found() -> Response:
    return answer({"type": "not found error", "error": "id not found"}, 404)


def history_window(request: Request, now_ts: int) -> tuple[int, int]:
    query = request.query_params
    if "interval" in query:
        if query["interval"] not in INTERVALS_S:
            raise RefusedError(400, {"error": "invalid interval"})
        return now_ts - INTERVALS_S[query["interval"]], now_ts
    if "startTs" not in query:
        raise RefusedError(400, {"error": "interval or startTs is required"})
    start, end = count(request, "startTs", 0), count(request, "endTs", now_ts)
    if end < start or end - start > MAX_WINDOW_S:
        raise RefusedError(400, {"error": "invalid filters: 'startTs' and 'endTs' interval is too long"})
    return start, end


def refusing(work: Callable[[Request], Response]) -> Callable[[Request], Any]:
    async def endpoint(request: Request) -> Response:
        try:
            return work(request)
        except RefusedError as error:
            return answer(error.body, error.status)

    return endpoint
