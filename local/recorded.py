"""A world made of a folder of recorded venue answers: every market and event is served as it was recorded."""

import csv
import gzip
import io
import json
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from typing import Any

from local.kalshi_wire import Body, KalshiEventRow, KalshiMarketRow
from local.polymarket_wire import PolymarketEventRow, PolymarketMarketRow

ALWAYS = float("-inf")
NEVER = float("inf")
CANDLE_FIELDS = "end_period_ts"
LAUNCH = datetime(2021, 7, 1, tzinfo=UTC)


class WorldError(Exception):
    """The folder cannot be replayed; the message says why in one line."""


@dataclass(frozen=True, slots=True)
class Files:
    """A folder's JSON files: how many are replayed, why the others are not, and rows of the former that are not."""

    replayed: int
    not_replayed: dict[str, int]
    rows_not_replayed: int


@dataclass(frozen=True, slots=True)
class RecordedWorld:
    kalshi: "RecordedKalshi"
    polymarket: "RecordedPolymarket"
    files: Files


def load_recorded(folder: Path) -> RecordedWorld:
    """Reads `folder`/kalshi and `folder`/polymarket; raises WorldError when there is nothing to serve."""
    if not folder.is_dir():
        raise WorldError(f"no such folder: {folder}")
    kalshi, polymarket = RecordedKalshi(), RecordedPolymarket()
    reasons = Counter(
        "not directly in kalshi/ or polymarket/"
        for path in folder.rglob("*.json")
        if path.parent not in (folder / "kalshi", folder / "polymarket")
    )
    replayed = rows_not_replayed = 0
    for venue, name in ((kalshi, "kalshi"), (polymarket, "polymarket")):
        for _, body in json_files(folder / name):
            if any(known := venue.add(body)):
                replayed += 1
                rows_not_replayed += known.count(False)
            else:
                reasons[f"no answer of {name} that is replayed"] += 1
    for path in sorted((folder / "kalshi").glob("*.csv.gz")):
        kalshi.add_series_table(path)
    if not (kalshi.markets or polymarket.markets or kalshi.events or polymarket.events):
        raise WorldError(f"no recorded markets in {folder} (looked for kalshi/*.json and polymarket/*.json)")
    return RecordedWorld(kalshi, polymarket, Files(replayed, dict(reasons), rows_not_replayed))


def json_files(folder: Path) -> Iterator[tuple[Path, Any]]:
    # Newest first, by the date in the name: the venue repeats a market across pages, its newest state first.
    for path in sorted(folder.glob("*.json"), key=lambda path: (file_date(path), path.name), reverse=True):
        try:
            body = json.loads(read_text(path))
        except ValueError as error:
            raise WorldError(f"{path}: not JSON ({error})") from error
        yield path, body["response"] if isinstance(body, dict) and "response" in body else body


def read_text(path: Path) -> str:
    raw = path.read_bytes()
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError:
        return raw.decode("cp1252")


def file_date(path: Path) -> str:
    return "".join(ch for ch in path.stem if ch.isdigit())[:8].ljust(8, "0")


def timestamp(text: object) -> float:
    """Unix seconds of a venue's time text, or -inf where there is none that makes sense."""
    if not isinstance(text, str) or not text:
        return ALWAYS
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return ALWAYS
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()


def objects(value: object) -> list[Body]:
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def taken(rows: Sequence[Any], add: Callable[[Body], bool]) -> list[bool]:
    """Whether `add` knew each row. A page without rows is known as one."""
    return [isinstance(row, dict) and add(row) for row in rows] or [True]


def has_id(row: Body) -> bool:
    """Polymarket's are numbers, as text."""
    return str(row.get("id")).isdecimal()


def is_combo(market: Body) -> bool:
    return bool(market.get("mve_collection_ticker")) or str(market.get("ticker", "")).startswith("KXMVE")


class RecordedKalshi:
    """Keys are reading order. The clock changes nothing here: a recorded market keeps its recorded state."""

    unique_tickers = False

    def __init__(self) -> None:
        self.events: list[KalshiEventRow] = []
        self.markets: list[KalshiMarketRow] = []
        self._books: dict[str, Body] = {}
        self._candles: dict[str, list[Body]] = {}
        self._trades: list[Body] = []
        self._series: dict[str, Body] = {}
        self._fee_changes: list[Body] = []
        self._status: Body = {"exchange_active": True, "trading_active": True}
        self._books_without_ticker: list[Body] = []

    def add(self, body: Any) -> list[bool]:
        """Sorts one recorded answer by what it holds. For each row of it: whether it is of a kind that is replayed."""
        if isinstance(body, list):
            return taken(body, self._add_row)
        if not isinstance(body, dict):
            return []
        kinds = {
            "events": self._add_row, "markets": self._add_row, "event": self._add_row, "market": self._add_row,
            "orderbooks": self._add_book, "trades": self._add_trade, "series": self._add_series,
            "series_fee_change_arr": self._add_fee_change,
        }  # fmt: skip
        known: list[bool] = []
        for kind, add in kinds.items():
            found = body.get(kind)
            if isinstance(found, list):
                known += taken(found, add)
            elif isinstance(found, dict):
                known.append(add(found))
        return known + ([True] if self._add_whole(body) else [])

    def _add_whole(self, body: Body) -> bool:
        """What comes as one object."""
        if "exchange_active" in body:
            self._status = body
            return True
        if "orderbook_fp" in body or "orderbook" in body:
            return self._add_book(body)
        return ("candlesticks" in body or "ticker" in body) and self._add_row(body)

    def _add_row(self, row: Body) -> bool:
        if "candlesticks" in row:
            return self._add_candles(row)
        if "trade_id" in row:
            return self._add_trade(row)
        if "event_ticker" not in row:
            return False
        if "ticker" in row:
            self._add_market(row, "")
        else:
            self._add_event(row)
        return True

    def _add_candles(self, row: Body) -> bool:
        ticker = row.get("market_ticker", row.get("ticker"))
        candles = [candle for candle in objects(row["candlesticks"]) if isinstance(candle.get(CANDLE_FIELDS), int)]
        if ticker is None:
            return False
        self._candles.setdefault(ticker, candles)
        return True

    def _add_trade(self, trade: Body) -> bool:
        if not trade.keys() >= {"ticker", "created_time"}:
            return False
        self._trades.append(trade)
        return True

    def _add_series(self, series: Body) -> bool:
        if "ticker" not in series:
            return False
        self._series.setdefault(series["ticker"], series)
        return True

    def _add_fee_change(self, change: Body) -> bool:
        self._fee_changes.append(change)
        return True

    def _add_event(self, event: Body) -> None:
        # A market without its ticker is served inside its event all the same, for the product to refuse.
        series = event.get("series_ticker") or ""
        rows = tuple(self._add_market(market, series) for market in objects(event.get("markets")) if "ticker" in market)
        combo = bool(rows) and all(row.combo for row in rows)
        row = KalshiEventRow(len(self.events), event["event_ticker"], series, combo, ALWAYS, rows, event)
        self.events.append(row)

    def _add_market(self, market: Body, series: str) -> KalshiMarketRow:
        settled = timestamp(market.get("settlement_ts") or market.get("close_time"))
        row = KalshiMarketRow(
            key=len(self.markets),
            ticker=market["ticker"],
            event_ticker=market.get("event_ticker", ""),
            series_ticker=series or str(market.get("event_ticker", "")).split("-")[0],
            combo=is_combo(market),
            listed_ts=ALWAYS,
            close_ts=timestamp(market.get("close_time")),
            settled_ts=NEVER if settled == ALWAYS else settled,
            phases=((ALWAYS, market.get("status", "")),),
            source=market,
        )
        self.markets.append(row)
        return row

    def _add_book(self, body: Body) -> bool:
        if "ticker" in body:
            self._books.setdefault(body["ticker"], body)
        else:
            self._books_without_ticker.append(body)
        return True

    def add_series_table(self, path: Path) -> None:
        with io.TextIOWrapper(gzip.open(path), encoding="utf-8", newline="") as table:
            for row in csv.DictReader(table):
                multiplier = float(row["fee_multiplier"] or 1)
                whole = int(multiplier) if multiplier.is_integer() else multiplier
                self._series.setdefault(row["ticker"], {**row, "fee_multiplier": whole})

    def event_rows(self, now: datetime) -> Sequence[KalshiEventRow]:
        return self.events

    def market_rows(self, now: datetime) -> Sequence[KalshiMarketRow]:
        return self.markets

    def find_event(self, ticker: str, now: datetime) -> KalshiEventRow | None:
        return next((row for row in self.events if row.ticker == ticker), None)

    def find_market(self, ticker: str, now: datetime) -> KalshiMarketRow | None:
        return next((row for row in self.markets if row.ticker == ticker), None)

    def event_answers(self, rows: Sequence[KalshiEventRow], now: datetime, nested: bool) -> list[Body]:
        if nested:
            return [row.source for row in rows]
        return [{name: value for name, value in row.source.items() if name != "markets"} for row in rows]

    def market_answers(self, rows: Sequence[KalshiMarketRow], now: datetime) -> list[Body]:
        return [row.source for row in rows]

    def book(self, ticker: str, now: datetime, depth: int) -> Body | None:
        book = self._books.get(ticker) or self._book_by_quotes(ticker, now)
        if book is None or not depth:
            return book
        # Ascending sides: the best bids are the last ones.
        sides = {name: side[-depth:] for name, side in book["orderbook_fp"].items()} if "orderbook_fp" in book else {}
        return {**book, "orderbook_fp": sides} if sides else book

    def _book_by_quotes(self, ticker: str, now: datetime) -> Body | None:
        """A book recorded without its ticker belongs to the market whose best bids are its tops, sizes included."""
        market = self.find_market(ticker, now)
        if market is None:
            return None
        for book in self._books_without_ticker:
            sides = book.get("orderbook_fp") or {}
            yes, no = sides.get("yes_dollars") or [], sides.get("no_dollars") or []
            quote = market.source
            if yes and no and yes[-1] == [quote.get("yes_bid_dollars"), quote.get("yes_bid_size_fp")]:
                return book
        return {"orderbook_fp": {"no_dollars": [], "yes_dollars": []}}

    def series(self, now: datetime) -> list[Body]:
        return list(self._series.values())

    def candles(self, ticker: str, start_ts: int, end_ts: int, period_min: int, now: datetime) -> list[Body] | None:
        if ticker not in self._candles and self.find_market(ticker, now) is None:
            return None
        rows = self._candles.get(ticker, [])
        return [row for row in rows if start_ts <= row[CANDLE_FIELDS] <= end_ts and row_period(rows) == period_min]

    def trades(self, ticker: str | None, min_ts: int, max_ts: int, now: datetime) -> list[Body]:
        found = [
            trade
            for trade in self._trades
            if (ticker is None or trade["ticker"] == ticker) and min_ts <= timestamp(trade["created_time"]) <= max_ts
        ]
        return sorted(found, key=lambda trade: timestamp(trade["created_time"]), reverse=True)

    def series_fee_changes(self, now: datetime) -> list[Body]:
        return self._fee_changes

    def exchange_status(self, now: datetime) -> Body:
        return self._status

    def historical_cutoff(self, now: datetime) -> datetime:
        return LAUNCH  # all of it was recorded from the live listings


def row_period(candles: list[Body]) -> int:
    steps = [b[CANDLE_FIELDS] - a[CANDLE_FIELDS] for a, b in pairwise(candles)]
    return min(steps) // 60 if steps else 1440


class RecordedPolymarket:
    """Keys are ids, then reading order, so that sweeps are ascending and repeats come newest first."""

    def __init__(self) -> None:
        self.events: list[PolymarketEventRow] = []
        self.markets: list[PolymarketMarketRow] = []
        self._books: dict[str, Body] = {}
        self._clob: dict[str, Body] = {}

    def add(self, body: Any) -> list[bool]:
        """Sorts one recorded answer by what it holds. For each row of it: whether it is of a kind that is replayed."""
        if isinstance(body, dict) and not body.keys() & {"question", "asset_id", "slug"}:
            pages = [body[kind] for kind in ("events", "markets", "data") if isinstance(body.get(kind), list)]
            known = [known for page in pages for known in taken(page, self._add_row)]
        else:
            known = taken(body if isinstance(body, list) else [body], self._add_row)
        self.events.sort(key=lambda row: row.key)
        self.markets.sort(key=lambda row: row.key)
        return known

    def _add_row(self, row: Body) -> bool:
        if "condition_id" in row and "tokens" in row:
            self._clob.setdefault(row["condition_id"], row)
        elif "asset_id" in row and "bids" in row:
            self._books.setdefault(row["asset_id"], row)
        elif not has_id(row):
            return False
        elif "question" in row:
            self._add_market(row)
        elif "title" in row:
            self._add_event(row)
        else:
            return False
        return True

    def _add_event(self, event: Body) -> None:
        # A market without its id is served inside its event all the same, for the product to refuse.
        rows = tuple(self._add_market(market) for market in objects(event.get("markets")) if has_id(market))
        closed_ts = ALWAYS if event.get("closed") else NEVER
        key = self._key(event["id"], len(self.events))
        row = PolymarketEventRow(key, str(event["id"]), event.get("slug", ""), ALWAYS, closed_ts, rows, event)
        self.events.append(row)

    def _add_market(self, market: Body) -> PolymarketMarketRow:
        row = PolymarketMarketRow(
            key=self._key(market["id"], len(self.markets)),
            id=str(market["id"]),
            condition_id=market.get("conditionId") or "",
            slug=market.get("slug") or "",
            tokens=tuple(str(token) for token in encoded_list(market.get("clobTokenIds"))),
            listed_ts=ALWAYS,
            closed_ts=ALWAYS if market.get("closed") else NEVER,
            source=market,
        )
        self.markets.append(row)
        return row

    @staticmethod
    def _key(venue_id: object, order: int) -> int:
        return int(str(venue_id)) * 1_000_000 + order

    def event_rows(self, now: datetime) -> Sequence[PolymarketEventRow]:
        return self.events

    def market_rows(self, now: datetime) -> Sequence[PolymarketMarketRow]:
        return self.markets

    def find_event(self, event_id: str, now: datetime) -> PolymarketEventRow | None:
        return next((row for row in self.events if row.id == event_id), None)

    def find_market(self, market_id: str, now: datetime) -> PolymarketMarketRow | None:
        return next((row for row in self.markets if row.id == market_id), None)

    def find_markets(self, names: set[str], now: datetime) -> Sequence[PolymarketMarketRow]:
        return self.markets

    def event_answers(self, rows: Sequence[PolymarketEventRow], now: datetime) -> list[Body]:
        return [row.source for row in rows]

    def market_answers(self, rows: Sequence[PolymarketMarketRow], now: datetime, with_tags: bool) -> list[Body]:
        return [row.source for row in rows]

    def book(self, token: str, now: datetime) -> Body | None:
        return self._books.get(token)

    def price_history(self, token: str, start_ts: int, end_ts: int, step_min: int, now: datetime) -> list[Body]:
        return []

    def clob_market(self, condition_id: str, now: datetime) -> Body | None:
        return self._clob.get(condition_id)

    def resolution(self, condition_id: str, now: datetime) -> Body | None:
        market = next((row.source for row in self.markets if condition_id and row.condition_id == condition_id), None)
        if market is None or not market.get("closed") or market.get("umaResolutionStatus") != "resolved":
            return None
        return {
            "condition_id": condition_id,
            "status": "resolved",
            "payouts": [str(price) for price in encoded_list(market.get("outcomePrices"))],
            "was_disputed": "disputed" in encoded_list(market.get("umaResolutionStatuses")),
            "resolved_at": market.get("closedTime"),
        }


def encoded_list(value: object) -> list[Any]:
    """Gamma writes lists as JSON text; older pages as lists."""
    if isinstance(value, str):
        try:
            value = json.loads(value)
        except ValueError:
            return []
    return value if isinstance(value, list) else []
