"""Polymarket's public reads: Gamma listings, CLOB books and price history.

Oddities that bite, each handled where it is met:
- Paging: send `after_cursor`; any other name is ignored and gives page 1 for ever. Limits are silently clamped to 100,
  so a short page is not the last: only an absent `next_cursor` is.
- `outcomes`, `outcomePrices`, `clobTokenIds` are JSON inside strings, or lists, or missing.
- active stays true after closing: open is closed=false and active and acceptingOrders, and no outcome proposed yet
  (from then on its price is a bet on the resolution, not on the question, though it trades on).
- near-1 prices of a proposed or disputed market are no result; only closed and `resolved` is.
- bestBid, bestAsk, lastTradePrice belong to outcome[0]; 0 and 1 are how an empty side is said.
- Prices of a closed market are told at 12 hours or coarser only; below that its history is empty, not refused.
- Volumes are dollars. Fees: `feeSchedule` per market; takerBaseFee and base_fee are legacy and mean nothing.
- How many books a request may ask for is not documented; tokens without a book are left out of the answer.
- Some open events lack markets, so the market listing is swept as a control.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from functools import partial
from typing import Any, Literal
from urllib.parse import quote

import orjson

from core.errors import VenueAnswerError
from core.http import Params, VenueHttp
from core.models import (
    Book,
    BookPage,
    Candle,
    Event,
    FeeFacts,
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
from core.venues.links import polymarket_url
from core.venues.paging import Listing, walk

PLATFORM: Platform = "polymarket"
_ZERO, _ONE = Decimal(0), Decimal(1)
_HISTORY_WINDOW = timedelta(days=15)
_ARCHIVE_STEP_MIN = 720
_LATE = timedelta(days=30)
HISTORY_LACKS: tuple[str, ...] = ("books", "quotes", "volume")
ARCHIVE_LACKS: tuple[str, ...] = ("hours",)
CANDLE_MARKETS = 1
SETTLED_DAYS = 366
_EVENTS = Listing("/events/keyset", "events", lambda row: _gamma_id(row.get("id")), "after_cursor", "next_cursor")
_MARKETS = Listing("/markets/keyset", "markets", lambda row: _gamma_id(row.get("id")), "after_cursor", "next_cursor")
# What the terms are read from, besides the times, the outcomes, the fee and the event.
_TOLD = ("description", "resolutionSource", "clobTokenIds", "feeType")
_UNRESOLVED = {"disputed": MarketStatus.DISPUTED, "proposed": MarketStatus.DETERMINED}


async def sweep(http: VenueHttp, max_pages: int) -> AsyncIterator[Page]:
    """All open events with their markets nested. Raises VenueError; the pages before it are good."""
    async for body in walk(http, _EVENTS, {"closed": "false", "limit": 100}, max_pages):
        yield parse_page(body)


async def control_sweep(http: VenueHttp, max_pages: int) -> AsyncIterator[Page]:
    """All open markets, for those that no event nested."""
    params: Params = {"closed": "false", "limit": 100, "include_tag": "true"}
    async for body in walk(http, _MARKETS, params, max_pages):
        yield parse_page(body)


async def fetch_by_ids(http: VenueHttp, market_ids: Sequence[str]) -> AsyncIterator[Page]:
    """Markets by conditionId (or `gamma-<id>`), open and closed; unknown ids are left out."""
    conditions = [market_id for market_id in market_ids if not market_id.startswith("gamma-")]
    for start in range(0, len(conditions), 50):
        for closed in ("true", "false"):  # one answer holds only one kind
            params: Params = {"condition_ids": conditions[start : start + 50], "closed": closed, "limit": 100}
            async for body in walk(http, _MARKETS, params, 10):
                yield parse_page(body)
    for market_id in market_ids:
        if market_id.startswith("gamma-"):
            try:
                row = await http.get_json(f"/markets/{quote(market_id.removeprefix('gamma-'), safe='')}")
            except VenueAnswerError:
                continue
            yield parse_page({"markets": [row]})


async def fetch_archived(http: VenueHttp, market_ids: Sequence[str]) -> AsyncIterator[Page]:
    """Nothing: `fetch_by_ids` knows every market that there ever was."""
    nothing: tuple[Page, ...] = ()
    for page in nothing:
        yield page


async def fetch_settled(
    http: VenueHttp, start: datetime, end: datetime, min_volume: Decimal | int, max_pages: int
) -> AsyncIterator[Page]:
    """Closed markets among which are those that settled in the time; the others are the caller's to leave out.

    The listing can be asked by end dates, not by settling. What settled early has an end date after `end`, so there is
    no upper bound; what settled more than a month after its end date is not found.
    """
    params: Params = {
        "closed": "true",
        "limit": 100,
        "end_date_min": f"{start - _LATE:%Y-%m-%dT%H:%M:%SZ}",
        "volume_num_min": str(min_volume),
        "include_tag": "true",
    }
    async for body in walk(http, _MARKETS, params, max_pages):
        yield parse_page(body)


async def fetch_settled_since(http: VenueHttp) -> datetime | None:
    """None: nothing leaves the listing."""
    return None


async def fetch_book(http: VenueHttp, market_id: str, yes_token: str | None, now: datetime) -> Book | None:
    """The YES token's book (NO is its mirror), or None where there is none."""
    if yes_token is None:
        return None
    try:
        body = await http.get_json("/book", {"token_id": yes_token})
    except VenueAnswerError:
        return None
    return parse_book(body, market_id, now)


async def fetch_books(http: VenueHttp, tokens: Mapping[str, str | None], clock: books.Clock) -> AsyncIterator[BookPage]:
    """The books of the YES tokens, by market (NO is their mirror); a market without a token has none."""
    market_ids = {token: market_id for market_id, token in tokens.items() if token is not None}

    async def ask(asked: Sequence[str]) -> Any:
        return await http.post_json("/books", [{"token_id": token} for token in asked])

    async for answer in books.ask_in_batches(list(market_ids), ask, clock):
        yield parse_books(answer.body, {token: market_ids[token] for token in answer.ids}, answer.asked_at)


async def fetch_candles(
    http: VenueHttp, tokens: Mapping[str, str | None], start: datetime, end: datetime
) -> AsyncIterator[Candle]:
    """Hourly prices, a request for each market and 15 days. This history has neither quotes nor volume."""
    for market_id, token in tokens.items():
        since = start
        while token is not None and since < end:
            until = min(since + _HISTORY_WINDOW, end)
            params: Params = {
                "market": token,
                "startTs": int(since.timestamp()),
                "endTs": int(until.timestamp()),
                "fidelity": 60,
            }
            for candle in parse_candles(await _history(http, params), market_id):
                yield candle
            since = until


async def fetch_archived_candles(
    http: VenueHttp, market_id: str, yes_token: str | None, start: datetime, end: datetime
) -> AsyncIterator[Candle]:
    """Prices every 12 hours, which is the finest that is told of a closed market, over as long as is told at all."""
    if yes_token is not None:
        params: Params = {"market": yes_token, "interval": "max", "fidelity": _ARCHIVE_STEP_MIN}
        for candle in parse_candles(await _history(http, params), market_id):
            if start <= candle.end <= end:
                yield candle


async def _history(http: VenueHttp, params: Params) -> dict[str, Any]:
    body = await http.get_json("/prices-history", params)
    if not isinstance(body, dict) or not isinstance(body.get("history", ""), list | None):
        raise VenueAnswerError("polymarket /prices-history: no list of prices")
    return body


def parse_page(body: Any) -> Page:
    """A body of a keyset or legacy listing, or one event or market; every market in it parsed or counted."""
    page = Page()
    if isinstance(body, list):
        rows: list[Any] = body
    elif isinstance(body, dict) and isinstance(body.get("data"), list):
        rows = body["data"]
    elif isinstance(body, dict) and "id" not in body and ("events" in body or "markets" in body):
        rows = [row for key in ("events", "markets") for row in fields.rows(body.get(key), page.skipped, key)]
    else:
        rows = [body]
    for row in rows:
        if isinstance(row, dict) and "question" not in row and ("markets" in row or "title" in row):
            _parse_event_row(row, page)
        else:
            _parse_into(row, None, page)
    return page


def _parse_event_row(row: dict[str, Any], page: Page) -> None:
    event = parse_event(row)
    if event is None:
        page.skipped["event without an id"] += 1
    else:
        page.events.append(event)
    for market in fields.rows(row.get("markets"), page.skipped, "markets"):
        _parse_into(market, event, page)


def _parse_into(row: Any, event: Event | None, page: Page) -> None:
    if event is None and isinstance(row, dict):
        event = _trimmed_event(row)
        if event is not None:
            page.events.append(event)
    parsed = parse_market(row, event, page.doubts)
    if isinstance(parsed, str):
        page.skipped[parsed] += 1
    else:
        page.markets.append(parsed)


def _trimmed_event(row: dict[str, Any]) -> Event | None:
    """The market listing carries its event in short form; an event's own listing later says the rest."""
    events = row.get("events")
    first = events[0] if isinstance(events, list) and events else None
    return parse_event(first | {"tags": row.get("tags")}) if isinstance(first, dict) else None


def parse_event(row: dict[str, Any]) -> Event | None:
    event_id = fields.identifier(row.get("id"))
    if event_id is None:
        return None
    neg_risk = row.get("negRisk") is True
    # An augmented list grows ("Other" may hold what is not listed yet): it is known not to be whole. Of any other
    # negRisk event at most one outcome wins, and nothing says that one of those listed must.
    augmented = row.get("negRiskAugmented") is True
    return Event(
        platform=PLATFORM,
        event_id=event_id,
        title=fields.text(row.get("title"), fields.TITLE_CHARS),
        category=_category(row),
        series=fields.identifier(row.get("seriesSlug")),
        mutually_exclusive=neg_risk,
        exhaustive=False if neg_risk and augmented else None,
        slug=_slug(row),
    )


def _slug(row: dict[str, Any]) -> str | None:
    """Some are longer than any id."""
    slug = row.get("slug")
    return slug if isinstance(slug, str) else None


def _category(row: dict[str, Any]) -> str | None:
    """`category` is mostly absent; of the tags, the first that is a subject and not a shelf."""
    said = fields.text(row.get("category"), 100)
    if said:
        return said
    shelves = {"all", "featured", "recurring", "hide from new", "trending", "new", "breaking news"}
    tags = row.get("tags")
    for tag in tags if isinstance(tags, list) else []:
        label = fields.text(tag.get("label"), 100) if isinstance(tag, dict) else ""
        if label and label.lower() not in shelves and tag.get("forceShow") is not True:
            return label
    return None


def parse_market(row: Any, event: Event | None, doubts: Counter[str]) -> Market | str:
    """The market, or the reason why it is none of ours."""
    if not isinstance(row, dict):
        return "not an object"
    market_id = fields.identifier(row.get("conditionId")) or _gamma_id(row.get("id"))
    if market_id is None:
        return "no id"
    outcomes = _strings(row.get("outcomes"))
    if len(outcomes) != 2:
        return "not two outcomes"
    # YES is outcome[0], whatever it is called, unless the venue itself lists No first.
    swapped = [outcome.lower() for outcome in outcomes] == ["no", "yes"]
    status = _status(row)
    return Market(
        platform=PLATFORM,
        market_id=market_id,
        terms_digest=_digest(row, market_id, event, outcomes),
        status=status,
        quote=_parse_quote(row, swapped, doubts),
        outcome=_parse_outcome(row, status, swapped, doubts),
        read_terms=partial(_parse_terms, row, market_id, event, outcomes, swapped),
    )


def _digest(row: dict[str, Any], market_id: str, event: Event | None, outcomes: list[str]) -> int:
    event_id, event_title = (event.event_id, event.title) if event else (None, None)
    title = row.get("question") or event_title
    schedule = row.get("feeSchedule")
    fee = (schedule.get("rate"), schedule.get("exponent")) if isinstance(schedule, dict) else row.get("feesEnabled")
    return fields.digest_of(market_id, event_id, title, outcomes, fee, *map(row.get, _TOLD), *_times(row))


def _times(row: dict[str, Any]) -> tuple[datetime | None, datetime | None]:
    return fields.time_or_none(row.get("startDate")), fields.time_or_none(row.get("endDate") or row.get("endDateIso"))


def _gamma_id(value: Any) -> str | None:
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) < 2**63:
        value = str(value)
    number = fields.identifier(value)
    return None if number is None else f"gamma-{number}"


def _strings(value: Any) -> list[str]:
    """A list of strings, given as one or as JSON in a string; anything else is empty."""
    if isinstance(value, str) and len(value) <= 10_000:
        try:
            value = orjson.loads(value)
        except orjson.JSONDecodeError:
            return []
    if not isinstance(value, list):
        return []
    if not all(isinstance(item, (str, int, float)) for item in value):
        return []  # leaving one out would move the others to places that are not theirs
    return [item if isinstance(item, str) else repr(item) for item in value[:100]]


def _status(row: dict[str, Any]) -> MarketStatus:
    uma = row.get("umaResolutionStatus") or row.get("resolutionStatus")
    if row.get("closed") is True:
        if uma == "resolved":
            return MarketStatus.FINAL
        return _UNRESOLVED.get(uma, MarketStatus.CLOSED) if isinstance(uma, str) else MarketStatus.CLOSED
    if row.get("active") is not True:
        return MarketStatus.UNOPENED
    if isinstance(uma, str) and uma in _UNRESOLVED:
        return _UNRESOLVED[uma]
    if row.get("acceptingOrders") is True:
        return MarketStatus.OPEN
    return MarketStatus.PAUSED


def _parse_terms(row: dict[str, Any], market_id: str, event: Event | None, outcomes: list[str], swapped: bool) -> Terms:
    title = fields.text(row.get("question"), fields.TITLE_CHARS) or (event.title if event else "") or market_id
    rules = fields.text(row.get("description"), fields.RULES_CHARS)
    source = fields.text(row.get("resolutionSource"), 1_000)
    rules = f"{rules}\n\nResolution source: {source}" if source else rules
    labels = [fields.text(outcome, 300) for outcome in outcomes]
    tokens = [token for token in _strings(row.get("clobTokenIds")) if fields.identifier(token)]
    tokens = tokens if len(tokens) == 2 else []
    if swapped:
        labels, tokens = labels[::-1], tokens[::-1]
    category = (event.category if event else None) or _category(row)
    open_time, close_time = _times(row)
    return Terms(
        platform=PLATFORM,
        market_id=market_id,
        event_id=event.event_id if event else None,
        title=title,
        rules=rules,
        category=category,
        yes_label=labels[0] or "Yes",
        no_label=labels[1] or "No",
        url=polymarket_url(event.slug if event else None, _slug(row)),
        open_time=open_time,
        close_time=close_time,
        yes_token=tokens[0] if tokens else None,
        no_token=tokens[1] if tokens else None,
        fee=parse_fee(row),
        raw=row,
    )


def parse_fee(row: dict[str, Any]) -> FeeFacts | None:
    """feesEnabled=false is free; a schedule names rate and exponent; anything less is unknown."""
    schedule = row.get("feeSchedule")
    kind = fields.text(row.get("feeType"), 100)
    doubts: Counter[str] = Counter()
    if isinstance(schedule, dict):
        rate = fields.decimal(schedule.get("rate"), doubts, "rate")
        exponent = fields.decimal(schedule.get("exponent"), doubts, "exponent")
        if rate is None or exponent is None or not 0 <= rate <= 1 or not 0 <= exponent <= 10:
            return None
        return FeeFacts(rate.quantize(fields.MICRO), exponent.quantize(fields.MICRO), kind or "schedule")
    if row.get("feesEnabled") is False:
        return FeeFacts(_ZERO, _ONE, "free")
    return None


def _parse_quote(row: dict[str, Any], swapped: bool, doubts: Counter[str]) -> Quote:
    bid, ask = fields.price(row.get("bestBid"), doubts, "bestBid"), fields.price(row.get("bestAsk"), doubts, "bestAsk")
    last = fields.traded(fields.price(row.get("lastTradePrice"), doubts, "lastTradePrice"))
    bid, ask = fields.traded(bid), fields.traded(ask)
    if bid is not None and ask is not None and bid > ask:
        doubts["quote: bid above ask"] += 1
        bid = ask = None
    if swapped:
        bid, ask, last = fields.complement(ask), fields.complement(bid), fields.complement(last)
    return Quote(
        price=fields.best_price(bid, ask, last),
        yes_price=ask,
        no_price=fields.complement(bid),
        last_price=last,
        volume=_first_amount(row, ("volumeNum", "volume"), doubts),
        volume_24h=_first_amount(row, ("volume24hr",), doubts),
        open_interest=None,
        liquidity=_first_amount(row, ("liquidityNum", "liquidity"), doubts),
    )


def _first_amount(row: dict[str, Any], names: tuple[str, ...], doubts: Counter[str]) -> Decimal | None:
    for name in names:
        if row.get(name) is not None:
            return fields.amount(row[name], doubts, names[-1])
    return None


def _parse_outcome(row: dict[str, Any], status: MarketStatus, swapped: bool, doubts: Counter[str]) -> Outcome:
    """The payout vector of a resolved market. 0,0 is how very old rows say nothing."""
    if status is not MarketStatus.FINAL:
        return Outcome(None, None, None)
    prices = [fields.price(value, doubts, "outcomePrices") for value in _strings(row.get("outcomePrices"))]
    closed_at = fields.moment(row.get("closedTime") or row.get("umaEndDate"), doubts, "closedTime")
    if len(prices) != 2 or prices[0] is None or prices[1] is None or prices[0] + prices[1] != 1:
        return Outcome(None, None, closed_at)
    payout = prices[1] if swapped else prices[0]
    result: Literal["yes", "no", "scalar"] = "yes" if payout == 1 else "no" if payout == 0 else "scalar"
    return Outcome(result, payout, closed_at)


def parse_books(body: Any, market_ids: Mapping[str, str], asked_at: datetime) -> BookPage:
    """A body of POST /books. `market_ids`: by the tokens asked for."""
    return books.take_books(body if isinstance(body, list) else [], "asset_id", market_ids, parse_book, asked_at)


def parse_book(body: Any, market_id: str, now: datetime, doubts: Counter[str] | None = None) -> Book | None:
    """The YES token's book; both recorded and documented orders occur, so both sides are sorted."""
    if not isinstance(body, dict) or not isinstance(body.get("bids"), list) or not isinstance(body.get("asks"), list):
        return None
    if books.is_oversized(body["bids"], body["asks"]):
        return None
    doubts = Counter() if doubts is None else doubts
    bids = [Level(_ONE - bid.price, bid.size) for bid in _levels(body["bids"], doubts)]
    asks = books.best_first(_levels(body["asks"], doubts))
    least = fields.amount(body.get("min_order_size"), doubts, "min_order_size")
    return Book(
        PLATFORM, market_id, yes_asks=asks, no_asks=books.best_first(bids), read_at=now, least_shares=least or None
    )


def _levels(rows: list[Any], doubts: Counter[str]) -> list[Level]:
    levels = []
    for row in rows:
        if not isinstance(row, dict):
            doubts["level: not a price and a size"] += 1
            continue
        price, size = fields.price(row.get("price"), doubts, "price"), fields.amount(row.get("size"), doubts, "size")
        if size and (price := fields.traded(price)) is not None:
            levels.append(Level(price, size))
    return levels


def parse_candles(body: Any, market_id: str) -> list[Candle]:
    doubts: Counter[str] = Counter()
    candles = []
    for row in fields.rows(body.get("history") if isinstance(body, dict) else None, doubts, "history"):
        end = fields.unix_moment(row.get("t")) if isinstance(row, dict) else None
        if end is not None:
            price = fields.traded(fields.price(row.get("p"), doubts, "p"))
            candles.append(Candle(market_id, end, price, None, None, None))
    return candles
