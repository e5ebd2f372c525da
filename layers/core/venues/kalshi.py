"""Kalshi's public reads (OpenAPI 3.30): listings, books, candles, fees of series and their announced changes.

Oddities that bite, each handled where it is met:
- The object's status words (active, finalized, …) are not the filter's (open, settled, …).
- An invalid cursor silently gives page 1 again, so a repeated first ticker or cursor ends a sweep with an error.
- `/events` leaves out multivariate combos; `/markets` floods with them unless mve_filter=exclude.
- Before 2026-03-12 prices also, and before that only, came as integer cents; volumes as integers.
- An empty side is 0 for a bid, 0 or 1 for an ask; a last price of 0 means never traded.
- Books hold bids of both sides only: a YES ask is one minus a NO bid. Recorded books ascend; the doc says otherwise.
- Books need a key by the specification and none in practice: a 401 is said as VenueForbids.
- Several tickers are a comma list on /markets, but repeated on /markets/orderbooks (there a list is one bogus ticker).
- What settled before /historical/cutoff (some two months ago) is only in /historical/…, whose candles name their
  fields otherwise (`close` is dollars there, `close_dollars` in the live ones) and whose time filters do nothing.
- Volumes are contracts; `liquidity_dollars` is always 0 and means nothing.
- Anonymous limits are undocumented and a 429 carries no Retry-After: pace well below the keyed 20 reads a second.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from functools import partial
from typing import Any, Literal
from urllib.parse import quote

from core.errors import VenueAnswerError
from core.http import Params, VenueHttp
from core.models import (
    Book,
    BookPage,
    Candle,
    Event,
    FeeChange,
    Level,
    Market,
    MarketStatus,
    Outcome,
    Page,
    Platform,
    Quote,
    Terms,
)
from core.venues import books, fields
from core.venues.links import kalshi_url
from core.venues.paging import Listing, walk

PLATFORM: Platform = "kalshi"
_ZERO, _ONE, _CENT = Decimal(0), Decimal(1), Decimal("0.01")

_WORD = re.compile(r"[^\W_]+(?:\.[0-9]+)?")
_NOT_TELLING = frozenset("a an the of in on at by to and or".split())
_MONTHS = frozenset("jan feb mar apr may jun jul aug sep oct nov dec".split())
# Titles that name several outcomes, or none: "Egypt vs Iran Winner?", "Who will win?"
_OPEN_QUESTION = re.compile(r"^(?!will\b).*(?:\b(?:vs?|versus|winner|who|what|which|how|when|where)\b|@)", re.I)

_EVENTS = Listing("/events", "events", lambda row: fields.identifier(row.get("event_ticker")), "cursor", "cursor")
_MARKETS = Listing("/markets", "markets", lambda row: fields.identifier(row.get("ticker")), "cursor", "cursor")
HISTORY_LACKS: tuple[str, ...] = ("books",)
ARCHIVE_LACKS: tuple[str, ...] = ()
CANDLE_MARKETS = 50
SETTLED_DAYS = 1
_EVENT_FEES = Listing(
    "/events/fee_changes", "event_fee_changes", lambda row: fields.identifier(row.get("id")), "cursor", "cursor"
)
# What the terms are read from, besides the times and the event.
_TOLD = (
    "title", "subtitle", "yes_sub_title", "no_sub_title", "rules_primary", "rules_secondary", "early_close_condition",
)  # fmt: skip
_TIMES = ("open_time", "close_time", "fee_waiver_expiration_time")
_STATUS = {
    "initialized": MarketStatus.UNOPENED,
    "inactive": MarketStatus.PAUSED,
    "active": MarketStatus.OPEN,
    "closed": MarketStatus.CLOSED,
    "determined": MarketStatus.DETERMINED,
    "disputed": MarketStatus.DISPUTED,
    "amended": MarketStatus.DISPUTED,
    "finalized": MarketStatus.FINAL,
    "settled": MarketStatus.FINAL,
}


async def sweep(http: VenueHttp, max_pages: int) -> AsyncIterator[Page]:
    """All open events with their markets nested. Raises VenueError; the pages before it are good."""
    params: Params = {"status": "open", "with_nested_markets": "true", "limit": 200}
    async for body in walk(http, _EVENTS, params, max_pages):
        yield parse_page(body)


async def control_sweep(http: VenueHttp, max_pages: int) -> AsyncIterator[Page]:
    """All open markets that are no combos, for those that no event nested."""
    params: Params = {"status": "open", "mve_filter": "exclude", "limit": 1000}
    async for body in walk(http, _MARKETS, params, max_pages):
        yield parse_page(body)


async def fetch_by_ids(http: VenueHttp, market_ids: Sequence[str]) -> AsyncIterator[Page]:
    """Markets by ticker, 100 a request, whatever their status; unknown tickers are left out."""
    for start in range(0, len(market_ids), 100):
        chunk = market_ids[start : start + 100]
        body = await http.get_json("/markets", {"tickers": ",".join(chunk), "limit": 1000, "mve_filter": "exclude"})
        if not isinstance(body, dict) or not isinstance(body.get("markets"), list):
            raise VenueAnswerError("kalshi /markets: no list of markets")
        yield parse_page(body)


async def fetch_archived(http: VenueHttp, market_ids: Sequence[str]) -> AsyncIterator[Page]:
    """Markets by ticker, 100 a request, of those that settled before the live listing begins."""
    for start in range(0, len(market_ids), 100):
        tickers = ",".join(market_ids[start : start + 100])
        body = await http.get_json("/historical/markets", {"tickers": tickers, "limit": 1000, "mve_filter": "exclude"})
        if not isinstance(body, dict) or not isinstance(body.get("markets"), list):
            raise VenueAnswerError("kalshi /historical/markets: no list of markets")
        yield parse_page(body)


async def fetch_settled(
    http: VenueHttp, start: datetime, end: datetime, min_volume: Decimal | int, max_pages: int
) -> AsyncIterator[Page]:
    """All markets that settled in the time, by its whole seconds. Kalshi cannot choose by volume: that is the caller's.

    Nothing is listed from before `fetch_settled_since`.
    """
    params: Params = {
        "status": "settled",
        "min_settled_ts": int(start.timestamp()),
        "max_settled_ts": int(end.timestamp()),
        "mve_filter": "exclude",
        "limit": 1000,
    }
    async for body in walk(http, _MARKETS, params, max_pages):
        yield parse_page(body)


async def fetch_settled_since(http: VenueHttp) -> datetime | None:
    """The beginning of the live listing: what settled before is in the archive, which cannot be asked by time."""
    body = await http.get_json("/historical/cutoff")
    said = body.get("market_settled_ts") if isinstance(body, dict) else None
    return fields.time_or_none(said)


async def fetch_series_fees(http: VenueHttp) -> list[tuple[str, str | None, str | None, Decimal | None]]:
    """(series, category, fee_type, fee_multiplier) of every series; the endpoint has no paging."""
    body = await http.get_json("/series")
    rows = body.get("series") if isinstance(body, dict) else None
    if not isinstance(rows, list):
        raise VenueAnswerError("kalshi /series: no list of series")
    return [fees for row in rows if isinstance(row, dict) and (fees := parse_series_fee(row)) is not None]


async def fetch_fee_changes(http: VenueHttp, max_pages: int) -> tuple[list[FeeChange], Counter[str]]:
    """What is announced for series, and for events (there past changes too), and why the rest could not be read."""
    found: list[FeeChange] = []
    skipped: Counter[str] = Counter()
    body = await http.get_json("/series/fee_changes", {"show_historical": "false"})
    rows = body.get("series_fee_change_arr") if isinstance(body, dict) else None
    if not isinstance(rows, list):
        raise VenueAnswerError("kalshi /series/fee_changes: no list of changes")
    pages = [rows, *[page[_EVENT_FEES.rows] async for page in walk(http, _EVENT_FEES, {"limit": 1000}, max_pages)]]
    for row in (row for page in pages for row in page):
        change = parse_fee_change(row)
        if change is None:
            skipped["fee change without subject or time"] += 1
        else:
            found.append(change)
    return found, skipped


async def fetch_book(http: VenueHttp, market_id: str, yes_token: str | None, now: datetime) -> Book | None:
    """The book, or None where the venue refuses it without a key or has none."""
    try:
        body = await http.get_json(f"/markets/{quote(market_id, safe='')}/orderbook", {"depth": 0})
    except VenueAnswerError:
        return None
    return parse_book(body, market_id, now)


async def fetch_books(http: VenueHttp, tokens: Mapping[str, str | None], clock: books.Clock) -> AsyncIterator[BookPage]:
    """The books of the tickers in `tokens`' keys. Raises VenueForbids where the venue wants a key for them."""

    async def ask(tickers: Sequence[str]) -> Any:
        return await http.get_json("/markets/orderbooks", {"tickers": list(tickers)})

    async for answer in books.ask_in_batches(list(tokens), ask, clock):
        yield parse_books(answer.body, answer.ids, answer.asked_at)


async def fetch_candles(
    http: VenueHttp, tokens: Mapping[str, str | None], start: datetime, end: datetime
) -> AsyncIterator[Candle]:
    """Hourly candles. A request may hold 100 tickers and 10,000 candles; Kalshi has no tokens, only the keys count."""
    market_ids = list(tokens)
    hours = max(1, int((end - start).total_seconds() // 3600) + 1)
    size = max(1, min(100, 10_000 // hours))
    for first in range(0, len(market_ids), size):
        params: Params = {
            "market_tickers": ",".join(market_ids[first : first + size]),
            "start_ts": int(start.timestamp()),
            "end_ts": int(end.timestamp()),
            "period_interval": 60,
        }
        body = await http.get_json("/markets/candlesticks", params)
        if not _holds(body, "markets"):
            raise VenueAnswerError("kalshi /markets/candlesticks: no list of markets")
        for candle in parse_candles(body):
            yield candle


async def fetch_archived_candles(
    http: VenueHttp, market_id: str, yes_token: str | None, start: datetime, end: datetime
) -> AsyncIterator[Candle]:
    """Hourly candles of one market that settled before the live listing begins."""
    params: Params = {"start_ts": int(start.timestamp()), "end_ts": int(end.timestamp()), "period_interval": 60}
    body = await http.get_json(f"/historical/markets/{quote(market_id, safe='')}/candlesticks", params)
    if not _holds(body, "candlesticks"):
        raise VenueAnswerError("kalshi /historical/markets/…/candlesticks: no list of candlesticks")
    for candle in parse_archived_candles(body, market_id):
        yield candle


def _holds(body: Any, name: str) -> bool:
    """Whether there is a list, which may be written as null when it is empty."""
    return isinstance(body, dict) and name in body and isinstance(body[name], list | None)


def parse_page(body: Any) -> Page:
    """A body of /events, /markets or /markets/{t}, or a bare list of events; every market in it parsed or counted."""
    page = Page()
    if isinstance(body, list):
        body = {"events": body}
    if not isinstance(body, dict):
        page.skipped["not an object"] += 1
        return page
    for row in fields.rows(body.get("events"), page.skipped, "events"):
        _parse_event_row(row, page)
    rows = fields.rows(body.get("markets"), page.skipped, "markets")
    rows = [*rows, body["market"]] if "market" in body else rows
    for row in rows:
        _parse_into(row, None, page)
    return page


def _parse_event_row(row: Any, page: Page) -> None:
    event = parse_event(row) if isinstance(row, dict) else None
    if event is None:
        page.skipped["event without an id"] += 1
    else:
        page.events.append(event)
    for market in fields.rows(row.get("markets") if isinstance(row, dict) else None, page.skipped, "markets"):
        _parse_into(market, event, page)


def _parse_into(row: Any, event: Event | None, page: Page) -> None:
    parsed = parse_market(row, event, page.doubts)
    if isinstance(parsed, str):
        page.skipped[parsed] += 1
    else:
        page.markets.append(parsed)


def parse_event(row: dict[str, Any]) -> Event | None:
    event_id = fields.identifier(row.get("event_ticker"))
    if event_id is None:
        return None
    fee_type, multiplier = _override(row)
    return Event(
        platform=PLATFORM,
        event_id=event_id,
        title=fields.text(row.get("title"), fields.TITLE_CHARS),
        category=fields.text(row.get("category"), 100) or None,
        series=fields.identifier(row.get("series_ticker")),
        mutually_exclusive=row.get("mutually_exclusive") is True,
        # Kalshi says that at most one outcome wins, never that one of those listed must.
        exhaustive=None,
        fee_type=fee_type,
        fee_multiplier=multiplier,
    )


def parse_market(row: Any, event: Event | None, doubts: Counter[str]) -> Market | str:
    """The market, or the reason why it is none of ours."""
    if not isinstance(row, dict):
        return "not an object"
    ticker = fields.identifier(row.get("ticker"))
    if ticker is None:
        return "no ticker"
    if row.get("mve_collection_ticker") or ticker.startswith("KXMVE"):
        return "combo"
    status = _STATUS.get(row["status"]) if isinstance(row.get("status"), str) else None
    if status is None:
        return "unknown status"
    outcome = _parse_outcome(row, status, doubts)
    event_id = fields.identifier(row.get("event_ticker")) or (event.event_id if event else None)
    return Market(
        platform=PLATFORM,
        market_id=ticker,
        terms_digest=fields.digest_of(ticker, event_id, *map(row.get, _TOLD), *_times(row)),
        status=status,
        quote=_parse_quote(row, doubts),
        outcome=outcome,
        read_terms=partial(_parse_terms, row, ticker, event_id, event),
    )


def _times(row: dict[str, Any]) -> list[datetime | None]:
    """Opening, close, end of a fee waiver. Unknown on a whole page is how nested markets are, not a fault."""
    return [fields.time_or_none(row.get(name)) for name in _TIMES]


def _parse_terms(row: dict[str, Any], ticker: str, event_id: str | None, event: Event | None) -> Terms:
    yes_label = fields.text(row.get("yes_sub_title") or row.get("subtitle"), 300).removeprefix("::").strip()
    primary = fields.text(row.get("rules_primary"), fields.RULES_CHARS)
    # `title` is deprecated; the rules are what else a row says of itself.
    title = _title(fields.text(row.get("title"), fields.TITLE_CHARS) or primary[:200], yes_label)
    secondary = fields.text(row.get("rules_secondary"), fields.RULES_CHARS)
    early = fields.text(row.get("early_close_condition"), 2_000)
    rules = "\n\n".join(part for part in (primary, secondary, early) if part)[: fields.RULES_CHARS]
    category = (event.category if event else None) or (fields.text(row.get("category"), 100) or None)
    open_time, close_time, waiver = _times(row)
    no_label = fields.text(row.get("no_sub_title"), 300).removeprefix("::").strip()
    return Terms(
        platform=PLATFORM,
        market_id=ticker,
        event_id=event_id,
        title=title or ticker,
        rules=rules,
        category=category,
        yes_label=yes_label or "Yes",
        no_label=no_label or "No",
        # Of which series an event is can only be told, not read off its ticker: some series have a dash in theirs.
        url=kalshi_url(event.series if event else None, event_id),
        open_time=open_time,
        close_time=close_time,
        yes_token=None,
        no_token=None,
        fee=None,
        raw=row,
        fee_waiver_until=waiver,
    )


def _title(title: str, yes_label: str) -> str:
    """The row's own title, with the outcome's label where the title does not tell what YES means.

    Never from the event, which only one of the two listings shows: a row has one title wherever it is met.
    """
    told = _words(yes_label) <= _words(title) and not _OPEN_QUESTION.search(title)
    if not yes_label or yes_label.lower() in ("yes", "no") or (told and title):
        return title
    return f"{title[: fields.TITLE_CHARS - 3 - len(yes_label)]} — {yes_label}" if title else yes_label


def _words(text: str) -> set[str]:
    """For telling whether a label adds anything: without case, commas in numbers, endings of months and plurals."""
    words = _WORD.findall(text.replace(",", "").casefold())
    return {word[:3] if word[:3] in _MONTHS else word.removesuffix("s") for word in words} - _NOT_TELLING


def _parse_quote(row: dict[str, Any], doubts: Counter[str]) -> Quote:
    yes_bid, yes_ask = _price(row, "yes_bid", doubts), _price(row, "yes_ask", doubts)
    no_bid, no_ask = _price(row, "no_bid", doubts), _price(row, "no_ask", doubts)
    last = _price(row, "last_price", doubts)
    # The NO side mirrors the YES side; where only it is given it says the same.
    bid = fields.traded(yes_bid) or fields.complement(fields.traded(no_ask))
    ask = fields.traded(yes_ask) or fields.complement(fields.traded(no_bid))
    if bid is not None and ask is not None and bid > ask:
        doubts["quote: bid above ask"] += 1
        bid = ask = None
    last = fields.traded(last)
    return Quote(
        price=fields.best_price(bid, ask, last),
        yes_price=ask,
        no_price=fields.complement(bid),
        last_price=last,
        volume=_amount(row, "volume", doubts),
        volume_24h=_amount(row, "volume_24h", doubts),
        open_interest=_amount(row, "open_interest", doubts),
        liquidity=None,
        # A price comes with a size: 0 beside one (as where only the NO side is given) is unknown.
        yes_size=fields.amount(row.get("yes_ask_size_fp"), doubts, "yes_ask_size") or None if ask else None,
        no_size=fields.amount(row.get("yes_bid_size_fp"), doubts, "yes_bid_size") or None if bid else None,
    )


def _price(row: dict[str, Any], name: str, doubts: Counter[str]) -> Decimal | None:
    """Dollars as strings; before 2026-03 integer cents."""
    dollars = row.get(f"{name}_dollars")
    if dollars is not None:
        return fields.price(dollars, doubts, name)
    cents = fields.decimal(row.get(name), doubts, name)
    return None if cents is None else fields.price(str(cents * _CENT), doubts, name)


def _amount(row: dict[str, Any], name: str, doubts: Counter[str]) -> Decimal | None:
    exact = row.get(f"{name}_fp")
    return fields.amount(row.get(name) if exact is None else exact, doubts, name)


def _parse_outcome(row: dict[str, Any], status: MarketStatus, doubts: Counter[str]) -> Outcome:
    """Only a finalized market has an outcome: determined ones can still be disputed and amended."""
    settled_at = fields.moment(row.get("settlement_ts"), doubts, "settlement_ts")
    if status is not MarketStatus.FINAL:
        return Outcome(None, None, None)
    said = row.get("result")
    payout = _price(row, "settlement_value", doubts)
    result: Literal["yes", "no", "scalar"] | None
    if said == "yes":
        result, payout = "yes", _ONE if payout is None else payout
    elif said == "no":
        result, payout = "no", _ZERO if payout is None else payout
    elif said == "scalar":
        result = "scalar"
    else:
        result, payout = None, None
    return Outcome(result, payout, settled_at)


def parse_series_fee(row: dict[str, Any]) -> tuple[str, str | None, str | None, Decimal | None] | None:
    series = fields.identifier(row.get("ticker"))
    if series is None:
        return None
    return (
        series,
        fields.text(row.get("category"), 100) or None,
        fields.text(row.get("fee_type"), 100) or None,
        _multiplier(row.get("fee_multiplier")),
    )


def parse_fee_change(row: Any) -> FeeChange | None:
    """An announced change of a series' fee, or of an event's override; None without whose it is or from when."""
    if not isinstance(row, dict):
        return None
    effective_at = fields.time_or_none(row.get("scheduled_ts"))
    event, series = fields.identifier(row.get("event_ticker")), fields.identifier(row.get("series_ticker"))
    if effective_at is None or (event is None and series is None):
        return None
    if event is not None:
        return FeeChange("event", event, effective_at, *_override(row))
    kind = fields.text(row.get("fee_type"), 100) or None
    return FeeChange("series", series or "", effective_at, kind, _multiplier(row.get("fee_multiplier")))


def _override(row: dict[str, Any]) -> tuple[str | None, Decimal | None]:
    """An event's own fee type and multiplier, None for what its series says. One that cannot be read is no fee type
    that we know: the event's fee is then unknown, not its series'."""
    said_type, said_multiplier = row.get("fee_type_override"), row.get("fee_multiplier_override")
    kind, multiplier = fields.text(said_type, 100) or None, _multiplier(said_multiplier)
    unreadable = (kind is None and said_type not in (None, "")) or (multiplier is None and said_multiplier is not None)
    return ("unreadable" if unreadable else kind), multiplier


def _multiplier(value: Any) -> Decimal | None:
    multiplier = fields.decimal(value, Counter(), "fee_multiplier")
    return multiplier.quantize(fields.MICRO) if multiplier is not None and 0 <= multiplier <= 100 else None


def parse_books(body: Any, tickers: Sequence[str], asked_at: datetime) -> BookPage:
    """A body of /markets/orderbooks."""
    doubts: Counter[str] = Counter()
    rows = fields.rows(body.get("orderbooks") if isinstance(body, dict) else None, doubts, "orderbooks")
    return books.take_books(rows, "ticker", {ticker: ticker for ticker in tickers}, parse_book, asked_at)


def parse_book(body: Any, market_id: str, now: datetime, doubts: Counter[str] | None = None) -> Book | None:
    """Bids of both sides in dollars (`orderbook_fp`), or the older `orderbook` with dollars or cents."""
    if not isinstance(body, dict):
        return None
    sides = body.get("orderbook_fp") or body.get("orderbook")
    if not isinstance(sides, dict) or books.is_oversized(*sides.values()):
        return None
    doubts = Counter() if doubts is None else doubts
    yes_bids, no_bids = _bids(sides, "yes", doubts), _bids(sides, "no", doubts)
    return Book(PLATFORM, market_id, yes_asks=_mirror(no_bids), no_asks=_mirror(yes_bids), read_at=now)


def _bids(sides: dict[str, Any], side: str, doubts: Counter[str]) -> list[Level]:
    rows, unit = sides.get(f"{side}_dollars"), _ONE
    if rows is None:
        rows, unit = sides.get(side), _CENT
    levels = []
    for row in fields.rows(rows, doubts, side):
        if not isinstance(row, list) or len(row) != 2:
            doubts["level: not a price and a size"] += 1
            continue
        said, size = fields.decimal(row[0], doubts, "price"), fields.amount(row[1], doubts, "size")
        price = None if said is None else fields.traded(fields.price(str(said * unit), doubts, "price"))
        if price is not None and size:
            levels.append(Level(price, size))
    return levels


def _mirror(bids: list[Level]) -> tuple[Level, ...]:
    """What a bid for one side at p offers to a buyer of the other: 1 - p. Best (cheapest) first."""
    return books.best_first([Level(_ONE - bid.price, bid.size) for bid in bids])


def parse_candles(body: Any) -> list[Candle]:
    """Candles of /markets/candlesticks, all markets in one list; OHLC may be null where nothing traded."""
    candles: list[Candle] = []
    doubts: Counter[str] = Counter()
    for market in fields.rows(body.get("markets") if isinstance(body, dict) else None, doubts, "markets"):
        ticker = fields.identifier(market.get("market_ticker")) if isinstance(market, dict) else None
        for row in fields.rows(market.get("candlesticks"), doubts, "candlesticks") if ticker else []:
            end = fields.unix_moment(row.get("end_period_ts")) if isinstance(row, dict) else None
            if ticker is None or end is None:
                continue
            closes = [_close(row.get(name), doubts) for name in ("yes_bid", "yes_ask", "price")]
            candles.append(_candle(ticker, end, closes, _amount(row, "volume", doubts)))
    return candles


def parse_archived_candles(body: Any, market_id: str) -> list[Candle]:
    """Candles of /historical/markets/{ticker}/candlesticks: as the live ones, but `close` is a string of dollars."""
    candles: list[Candle] = []
    doubts: Counter[str] = Counter()
    for row in fields.rows(body.get("candlesticks") if isinstance(body, dict) else None, doubts, "candlesticks"):
        end = fields.unix_moment(row.get("end_period_ts")) if isinstance(row, dict) else None
        if end is not None:
            sides = [row.get(name) for name in ("yes_bid", "yes_ask", "price")]
            said = [side.get("close") if isinstance(side, dict) else None for side in sides]
            closes = [fields.traded(fields.price(close, doubts, "close")) for close in said]
            candles.append(_candle(market_id, end, closes, _amount(row, "volume", doubts)))
    return candles


def _candle(market_id: str, end: datetime, closes: list[Decimal | None], volume: Decimal | None) -> Candle:
    bid, ask, last = closes
    price = fields.best_price(bid, ask, last)
    return Candle(market_id, end, price, yes_price=ask, no_price=fields.complement(bid), volume=volume)


def _close(side: Any, doubts: Counter[str]) -> Decimal | None:
    return fields.traded(_price(side, "close", doubts)) if isinstance(side, dict) else None
