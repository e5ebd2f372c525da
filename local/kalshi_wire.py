"""Kalshi's public HTTP as it really answers: what a replay world must offer (`KalshiWorld`) and the routes over it."""

import base64
import math
from bisect import bisect_right
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any, Protocol, TypeVar

import orjson
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

Body = dict[str, Any]
Clock = Callable[[], datetime]

# The filter's words are not the object's words.
STATUS_WORDS: dict[str, frozenset[str]] = {
    "unopened": frozenset({"initialized", "unopened"}),
    "open": frozenset({"active", "inactive", "open"}),
    "paused": frozenset({"inactive", "paused"}),
    "closed": frozenset({"closed", "determined", "disputed", "amended"}),
    "settled": frozenset({"finalized", "settled"}),
}
EVENT_STATUS_WORDS = ("unopened", "open", "closed", "settled")
TIME_FILTERS = {
    "created": ("unopened", "open", ""),
    "close": ("closed", ""),
    "settled": ("settled", ""),
}
CANDLE_PERIODS_MIN = (1, 60, 1440)
MAX_CANDLES = 10_000
FOREVER = math.inf


@dataclass(frozen=True, slots=True)
class KalshiMarketRow:
    """One listed market: what filters look at. Times are unix seconds, `phases` is (since, object status)."""

    key: int
    ticker: str
    event_ticker: str
    series_ticker: str
    combo: bool
    listed_ts: float
    close_ts: float
    settled_ts: float
    phases: tuple[tuple[float, str], ...]
    source: Any

    def status(self, now_ts: float) -> str:
        word = self.phases[0][1]
        for since, status in self.phases:
            if since <= now_ts:
                word = status
        return word


@dataclass(frozen=True, slots=True)
class KalshiEventRow:
    key: int
    ticker: str
    series_ticker: str
    combo: bool
    listed_ts: float
    markets: tuple[KalshiMarketRow, ...]
    source: Any

    def status(self, now_ts: float) -> str:
        words = {filter_word(m.status(now_ts)) for m in self.markets if m.listed_ts <= now_ts}
        for word in ("open", "closed", "unopened"):
            if word in words:
                return word
        # An event page recorded without its markets was recorded from the open listing.
        return "settled" if words else "open"


def filter_word(status: str) -> str:
    for word in ("open", "closed", "settled", "unopened"):
        if status in STATUS_WORDS[word]:
            return word
    return status


class KalshiWorld(Protocol):
    """Rows come in ascending `key`, and only those already listed at `now`.

    Bodies are JSON objects as of `now`; answers are bodies, whole or in parts already encoded.
    """

    unique_tickers: bool  # whether finding a ticker finds every row of it

    def event_rows(self, now: datetime) -> Sequence[KalshiEventRow]: ...
    def market_rows(self, now: datetime) -> Sequence[KalshiMarketRow]: ...
    def find_event(self, ticker: str, now: datetime) -> KalshiEventRow | None: ...
    def find_market(self, ticker: str, now: datetime) -> KalshiMarketRow | None: ...
    def event_answers(self, rows: Sequence[KalshiEventRow], now: datetime, nested: bool) -> list[Any]: ...
    def market_answers(self, rows: Sequence[KalshiMarketRow], now: datetime) -> list[Any]: ...
    def book(self, ticker: str, now: datetime, depth: int) -> Body | None: ...
    def series(self, now: datetime) -> list[Body]: ...
    def candles(self, ticker: str, start_ts: int, end_ts: int, period_min: int, now: datetime) -> list[Body] | None: ...
    def trades(self, ticker: str | None, min_ts: int, max_ts: int, now: datetime) -> list[Body]: ...
    def series_fee_changes(self, now: datetime) -> list[Body]: ...
    def exchange_status(self, now: datetime) -> Body: ...
    def historical_cutoff(self, now: datetime) -> datetime: ...


class BadRequestError(Exception):
    """A parameter the venue refuses."""


def answer(body: object, status: int = 200) -> Response:
    return Response(orjson.dumps(body), status, media_type="application/json")


def refusal(code: str, details: str, status: int) -> Response:
    message = code.replace("_", " ")
    return answer({"error": {"code": code, "message": message, "details": details, "service": "exchange"}}, status)


def encode_cursor(key: int) -> str:
    return base64.urlsafe_b64encode(b"k%d" % key).decode().rstrip("=")


def decode_cursor(cursor: str) -> int | None:
    """None for anything that is not ours: the venue then silently answers with page 1."""
    try:
        raw = base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4))
        return int(raw[1:]) if raw[:1] == b"k" else None
    except ValueError:
        return None


def with_live(event: KalshiEventRow, is_live: Callable[[KalshiMarketRow], bool]) -> KalshiEventRow:
    """The event without those of its markets that are in the archive."""
    live = tuple(market for market in event.markets if is_live(market))
    return event if len(live) == len(event.markets) else replace(event, markets=live)


Row = TypeVar("Row", KalshiEventRow, KalshiMarketRow)


def page_of(rows: Sequence[Row], cursor: str, limit: int, wanted: Callable[[Row], bool]) -> tuple[list[Row], str]:
    """One page and the cursor of the next, "" at the end."""
    after = decode_cursor(cursor) if cursor else None
    start = 0 if after is None else bisect_right(rows, after, key=lambda row: row.key)
    page: list[Row] = []
    for row in rows[start:]:
        if not wanted(row):
            continue
        if len(page) == limit:
            return page, encode_cursor(page[-1].key)
        page.append(row)
    return page, ""


def whole_number(request: Request, name: str, default: int, low: int, high: int) -> int:
    raw = request.query_params.get(name, "")
    if raw == "":
        return default
    try:
        value = int(raw)
    except ValueError as error:
        raise BadRequestError(f"{name} must be an integer") from error
    if not low <= value <= high:
        raise BadRequestError(f"{name} must be between {low} and {high}")
    return value


def optional_ts(request: Request, name: str) -> int | None:
    raw = request.query_params.get(name, "")
    try:
        return int(raw) if raw else None
    except ValueError as error:
        raise BadRequestError(f"{name} must be a unix timestamp") from error


def flag(request: Request, name: str) -> bool:
    return request.query_params.get(name, "").lower() in ("true", "1")


def comma_list(request: Request, name: str) -> list[str]:
    return [part for part in request.query_params.get(name, "").split(",") if part]


def event_filter(request: Request, now_ts: float) -> Callable[[KalshiEventRow], bool]:
    status = request.query_params.get("status", "")
    if status and status not in EVENT_STATUS_WORDS:
        raise BadRequestError(f"invalid status: {status}")
    series = request.query_params.get("series_ticker", "")
    tickers = set(comma_list(request, "tickers"))
    min_close = optional_ts(request, "min_close_ts")

    def wanted(row: KalshiEventRow) -> bool:
        return (
            not row.combo
            and (not series or row.series_ticker == series)
            and (not tickers or row.ticker in tickers)
            and (min_close is None or any(m.close_ts >= min_close for m in row.markets))
            and (not status or row.status(now_ts) == status)
        )

    return wanted


def market_filter(request: Request, now_ts: float) -> Callable[[KalshiMarketRow], bool]:
    """The /markets filters; raises BadRequestError for the combinations that the venue refuses."""
    query = request.query_params
    status, mve = query.get("status", ""), query.get("mve_filter", "")
    if status and status not in STATUS_WORDS:
        raise BadRequestError(f"invalid status: {status}")
    if mve not in ("", "only", "exclude"):
        raise BadRequestError(f"invalid mve_filter: {mve}")
    bounds = time_bounds(request, status)
    if optional_ts(request, "min_updated_ts") is not None and (mve != "exclude" or status or bounds):
        raise BadRequestError("min_updated_ts is only supported with mve_filter=exclude and series_ticker")
    event, series = query.get("event_ticker", ""), query.get("series_ticker", "")
    tickers = set(comma_list(request, "tickers"))
    words = STATUS_WORDS.get(status, frozenset())

    def wanted(row: KalshiMarketRow) -> bool:
        return (
            (not tickers or row.ticker in tickers)
            and (not event or row.event_ticker == event)
            and (not series or row.series_ticker == series)
            and (not mve or row.combo == (mve == "only"))
            and (not status or row.status(now_ts) in words)
            and all(low <= row_time(row, kind, now_ts) <= high for kind, low, high in bounds)
        )

    return wanted


def time_bounds(request: Request, status: str) -> list[tuple[str, float, float]]:
    bounds: list[tuple[str, float, float]] = []
    for kind, statuses in TIME_FILTERS.items():
        low, high = optional_ts(request, f"min_{kind}_ts"), optional_ts(request, f"max_{kind}_ts")
        if low is None and high is None:
            continue
        if status not in statuses:
            raise BadRequestError(f"{kind} timestamp filters are not compatible with status={status}")
        bounds.append((kind, -FOREVER if low is None else low, FOREVER if high is None else high))
    if len(bounds) > 1:
        raise BadRequestError("timestamp filters are mutually exclusive")
    return bounds


def row_time(row: KalshiMarketRow, kind: str, now_ts: float) -> float:
    if kind == "created":
        return row.listed_ts
    if kind == "close":
        return row.close_ts
    # Not settled yet is outside of every range, also of an open one.
    return row.settled_ts if row.settled_ts <= now_ts else math.nan


def archived_body(candle: Body) -> Body:
    """A candle as /historical has it: the same, under the names without `_dollars` and `_fp`."""
    body: Body = {"end_period_ts": candle["end_period_ts"]}
    for name, value in candle.items():
        if isinstance(value, dict):
            prices = {key.removesuffix("_dollars"): price for key, price in value.items()}
            body[name] = {key: price for key, price in prices.items() if key not in ("min", "max")}
        elif name.endswith("_fp"):
            body[name.removesuffix("_fp")] = value
    return body


class KalshiRoutes:
    """The endpoints under /trade-api/v2.

    `orderbooks_need_key` makes the books answer 401, `live_days` sets how long settled markets stay out of /historical,
    `fee_changes` are announced besides the world's own: an event's are those with an `event_ticker`.
    """

    def __init__(self, world: KalshiWorld, clock: Clock) -> None:
        self.world = world
        self.clock = clock
        self.orderbooks_need_key = False
        self.live_days: float | None = None
        self.fee_changes: list[Body] = []

    def cutoff_at(self, now: datetime) -> datetime:
        """Markets that settled before are in the archive and nowhere else."""
        return self.world.historical_cutoff(now) if self.live_days is None else now - timedelta(days=self.live_days)

    def _is_live(self, now: datetime) -> Callable[[KalshiMarketRow], bool]:
        now_ts, cutoff_ts = now.timestamp(), self.cutoff_at(now).timestamp()
        return lambda row: row.settled_ts >= cutoff_ts or filter_word(row.status(now_ts)) != "settled"

    def _live(self, ticker: str, now: datetime) -> KalshiMarketRow | None:
        row = self.world.find_market(ticker, now)
        return row if row is not None and self._is_live(now)(row) else None

    def _archived(self, ticker: str, now: datetime) -> KalshiMarketRow | None:
        row = self.world.find_market(ticker, now)
        return None if row is None or self._is_live(now)(row) else row

    def routes(self) -> list[Route]:
        paths: list[tuple[str, Callable[[Request], Response]]] = [
            ("/events", self.events),
            ("/events/fee_changes", self.event_fee_changes),
            ("/events/{ticker}", self.event),
            ("/markets", self.markets),
            ("/markets/trades", self.trades),
            ("/markets/orderbooks", self.orderbooks),
            ("/markets/candlesticks", self.candles_of_many),
            ("/markets/{ticker}", self.market),
            ("/markets/{ticker}/orderbook", self.orderbook),
            ("/series", self.series_list),
            ("/series/fee_changes", self.series_fee_changes),
            ("/series/{ticker}", self.series),
            ("/series/{series}/markets/{ticker}/candlesticks", self.candles),
            ("/historical/cutoff", self.cutoff),
            ("/historical/markets", self.archived_markets),
            ("/historical/markets/{ticker}", self.archived_market),
            ("/historical/markets/{ticker}/candlesticks", self.archived_candles),
            ("/exchange/status", self.exchange_status),
        ]
        return [Route(path, refusing_bad_requests(work), methods=["GET"]) for path, work in paths]

    def events(self, request: Request) -> Response:
        now = self.clock()
        limit = whole_number(request, "limit", 200, 1, 200)
        wanted = event_filter(request, now.timestamp())
        page, cursor = page_of(self.world.event_rows(now), request.query_params.get("cursor", ""), limit, wanted)
        nested, is_live = flag(request, "with_nested_markets"), self._is_live(now)
        bodies = self.world.event_answers([with_live(row, is_live) for row in page], now, nested)
        return answer({"cursor": cursor, "events": bodies, "milestones": []})

    def event(self, request: Request) -> Response:
        now = self.clock()
        row = self.world.find_event(request.path_params["ticker"], now)
        if row is None:
            return refusal("not_found", "event not found", 404)
        body = self.world.event_answers([row], now, nested=False)[0]
        live = with_live(row, self._is_live(now)).markets
        markets = self.world.market_answers([m for m in live if m.listed_ts <= now.timestamp()], now)
        if flag(request, "with_nested_markets"):
            return answer({"event": {**body, "markets": markets}})
        return answer({"event": body, "markets": markets})

    def markets(self, request: Request) -> Response:
        now = self.clock()
        limit = whole_number(request, "limit", 100, 1, 1000)
        wanted, is_live = market_filter(request, now.timestamp()), self._is_live(now)
        rows, after = self._rows(request, now), request.query_params.get("cursor", "")
        page, cursor = page_of(rows, after, limit, lambda row: wanted(row) and is_live(row))
        return answer({"cursor": cursor, "markets": self.world.market_answers(page, now)})

    def _rows(self, request: Request, now: datetime) -> Sequence[KalshiMarketRow]:
        """All rows, or those that can be found without looking at all."""
        tickers, event = comma_list(request, "tickers"), request.query_params.get("event_ticker", "")
        if tickers and self.world.unique_tickers:
            found = (self.world.find_market(ticker, now) for ticker in dict.fromkeys(tickers))
            return sorted((row for row in found if row is not None), key=lambda row: row.key)
        if event and self.world.unique_tickers:
            row = self.world.find_event(event, now)
            return () if row is None else row.markets
        return self.world.market_rows(now)

    def market(self, request: Request) -> Response:
        now = self.clock()
        row = self._live(request.path_params["ticker"], now)
        if row is None:
            return refusal("not_found", "market not found", 404)
        return answer({"market": self.world.market_answers([row], now)[0]})

    def orderbook(self, request: Request) -> Response:
        if self.orderbooks_need_key:
            return refusal("unauthorized", "missing access key", 401)
        depth = whole_number(request, "depth", 0, 0, 100)
        book = self.world.book(request.path_params["ticker"], self.clock(), depth)
        return refusal("not_found", "market not found", 404) if book is None else answer(book)

    def orderbooks(self, request: Request) -> Response:
        if self.orderbooks_need_key:
            return refusal("unauthorized", "missing access key", 401)
        tickers = request.query_params.getlist("tickers")
        if not 1 <= len(tickers) <= 100:
            raise BadRequestError("tickers must hold between 1 and 100 values")
        now = self.clock()
        books = []
        for ticker in tickers:
            # A ticker nobody knows, such as a comma list, gets an empty book and 200.
            body = self.world.book(ticker, now, 0) or {"orderbook_fp": {"no_dollars": [], "yes_dollars": []}}
            books.append({**body, "ticker": ticker})
        return answer({"orderbooks": books})

    def series_list(self, request: Request) -> Response:
        category, tags = request.query_params.get("category", ""), set(comma_list(request, "tags"))
        rows = [
            row
            for row in self.world.series(self.clock())
            if (not category or category == row.get("category") or category in (row.get("categories") or []))
            and (not tags or tags & set(row.get("tags") or []))
        ]
        return answer({"series": rows})

    def series(self, request: Request) -> Response:
        ticker = request.path_params["ticker"]
        found = next((row for row in self.world.series(self.clock()) if row["ticker"] == ticker), None)
        return refusal("not_found", "series not found", 404) if found is None else answer({"series": found})

    def series_fee_changes(self, request: Request) -> Response:
        now, ticker = self.clock(), request.query_params.get("series_ticker", "")
        rows = [*self.world.series_fee_changes(now), *(row for row in self.fee_changes if "event_ticker" not in row)]
        if not flag(request, "show_historical"):
            rows = [row for row in rows if str(row.get("scheduled_ts")) > wire_time(now)]
        return answer({"series_fee_change_arr": [r for r in rows if not ticker or r.get("series_ticker") == ticker]})

    def event_fee_changes(self, request: Request) -> Response:
        ticker, limit = request.query_params.get("event_ticker", ""), whole_number(request, "limit", 100, 1, 1000)
        first = decode_cursor(request.query_params.get("cursor", "")) or 0
        rows = [r for r in self.fee_changes if "event_ticker" in r and ticker in ("", r["event_ticker"])]
        cursor = encode_cursor(first + limit) if first + limit < len(rows) else ""
        return answer({"cursor": cursor, "event_fee_changes": rows[first : first + limit]})

    def candles(self, request: Request) -> Response:
        now = self.clock()
        ticker = request.path_params["ticker"]
        row = self._live(ticker, now)
        if row is None or row.series_ticker != request.path_params["series"]:
            return refusal("not_found", "market not found", 404)
        start, end, period = candle_window(request)
        if (end - start) // (period * 60) > MAX_CANDLES:
            raise BadRequestError("too many candlesticks requested")
        rows = self.world.candles(ticker, start, end, period, now) or []
        if flag(request, "include_latest_before_start"):
            before = self.world.candles(ticker, 0, start - 1, period, now) or []
            rows = [{**row, "end_period_ts": start} for row in before[-1:]] + rows
        return answer({"ticker": ticker, "candlesticks": rows})

    def candles_of_many(self, request: Request) -> Response:
        now = self.clock()
        tickers = comma_list(request, "market_tickers")
        if not 1 <= len(tickers) <= 100:
            raise BadRequestError("market_tickers must hold between 1 and 100 values")
        start, end, period = candle_window(request)
        if len(tickers) * ((end - start) // (period * 60)) > MAX_CANDLES:
            raise BadRequestError(f"at most {MAX_CANDLES} candlesticks can be requested")
        archived = {ticker for ticker in tickers if self._archived(ticker, now)}
        live = (ticker for ticker in tickers if ticker not in archived)
        found = ((ticker, self.world.candles(ticker, start, end, period, now)) for ticker in live)
        return answer({"markets": [{"market_ticker": t, "candlesticks": c} for t, c in found if c is not None]})

    def trades(self, request: Request) -> Response:
        now = self.clock()
        limit = whole_number(request, "limit", 100, 1, 1000)
        after = decode_cursor(request.query_params.get("cursor", "")) or 0
        low = optional_ts(request, "min_ts") or 0
        # The first page fixes the newest trade, so that later pages count from the same end.
        newest = after >> 32 or min(optional_ts(request, "max_ts") or 2**31, int(now.timestamp()))
        skip = after & 0xFFFFFFFF
        rows = self.world.trades(request.query_params.get("ticker") or None, low, newest, now)
        page = rows[skip : skip + limit]
        more = skip + limit < len(rows)
        return answer({"cursor": encode_cursor(newest << 32 | skip + limit) if more else "", "trades": page})

    def cutoff(self, request: Request) -> Response:
        moment = wire_time(self.cutoff_at(self.clock()))
        return answer({"market_settled_ts": moment, "orders_updated_ts": moment, "trades_created_ts": moment})

    def archived_markets(self, request: Request) -> Response:
        """Newest first, whatever the time filters say."""
        now = self.clock()
        query = request.query_params
        if sum(bool(query.get(name)) for name in ("tickers", "event_ticker", "series_ticker")) > 1:
            raise BadRequestError("tickers, event_ticker and series_ticker are mutually exclusive")
        if query.get("mve_filter", "") not in ("", "exclude"):
            raise BadRequestError(f"invalid mve_filter: {query['mve_filter']}")
        limit, tickers = whole_number(request, "limit", 100, 1, 1000), set(comma_list(request, "tickers"))
        event, series = query.get("event_ticker", ""), query.get("series_ticker", "")
        before, is_live = decode_cursor(query.get("cursor", "")), self._is_live(now)
        rows = [
            row
            for row in reversed(self._rows(request, now))
            if not is_live(row)
            and (before is None or row.key < before)
            and (not tickers or row.ticker in tickers)
            and (not event or row.event_ticker == event)
            and (not series or row.series_ticker == series)
            and not (row.combo and query.get("mve_filter"))
        ]
        page = rows[:limit]
        cursor = encode_cursor(page[-1].key) if len(rows) > limit else ""
        return answer({"cursor": cursor, "markets": self.world.market_answers(page, now)})

    def archived_market(self, request: Request) -> Response:
        now = self.clock()
        row = self._archived(request.path_params["ticker"], now)
        if row is None:
            return refusal("not_found", "market not found", 404)
        return answer({"market": self.world.market_answers([row], now)[0]})

    def archived_candles(self, request: Request) -> Response:
        now, ticker = self.clock(), request.path_params["ticker"]
        start, end, period = candle_window(request)
        if self._archived(ticker, now) is None:
            return refusal("not_found", "market not found", 404)
        candles = self.world.candles(ticker, start, end, period, now) or []
        return answer({"ticker": ticker, "candlesticks": [archived_body(candle) for candle in candles]})

    def exchange_status(self, request: Request) -> Response:
        return answer(self.world.exchange_status(self.clock()))


def candle_window(request: Request) -> tuple[int, int, int]:
    start, end = optional_ts(request, "start_ts"), optional_ts(request, "end_ts")
    period = whole_number(request, "period_interval", 0, 0, 1440)
    if start is None or end is None or end < start:
        raise BadRequestError("start_ts and end_ts are required, start_ts first")
    if period not in CANDLE_PERIODS_MIN:
        raise BadRequestError("period_interval must be one of 1, 60, 1440")
    return start, end, period


def refusing_bad_requests(work: Callable[[Request], Response]) -> Callable[[Request], Any]:
    # Coroutines keep the work off the thread pool: a world is not built for threads.
    async def endpoint(request: Request) -> Response:
        try:
            return work(request)
        except BadRequestError as error:
            return refusal("bad_request", str(error), 400)

    return endpoint


def wire_time(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
