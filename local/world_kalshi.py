"""Kalshi's side of the generated world: tickers, bodies, books, candles and trades in the venue's newest shape."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any
from uuid import UUID

import numpy as np

from local import world_texts as texts
from local.kalshi_wire import Body, KalshiEventRow, KalshiMarketRow, wire_time
from local.noise import Ints, bits, one_uniform

if TYPE_CHECKING:
    from local.world import Family, GeneratedWorld, Round

SLOT_S = 900
DAY_S = 86_400
NO_BID, NO_ASK = 0, 1000
STRUCTURES = {
    10: ("linear_cent", [("0.0000", "1.0000", "0.0100")]),
    0: (
        "tapered_deci_cent",
        [("0.0000", "0.1000", "0.0010"), ("0.1000", "0.9000", "0.0100"), ("0.9000", "1.0000", "0.0010")],
    ),
    1: ("deci_cent", [("0.0000", "1.0000", "0.0010")]),
}
QUIET_SALT = 77


@dataclass(frozen=True, slots=True)
class Listing:
    slot: int
    events: list[KalshiEventRow]
    markets: list[KalshiMarketRow]
    event_of: dict[str, KalshiEventRow]
    market_of: dict[str, KalshiMarketRow]


@dataclass(frozen=True, slots=True)
class Seat:
    rnd: "Round"
    j: int


class GeneratedKalshi:
    def __init__(self, world: "GeneratedWorld") -> None:
        self.world = world
        self.families = world.families["kalshi"]
        self.key_span = 10 ** len(str(len(self.families)))
        self._words: dict[tuple[int, int], texts.KalshiEventWords] = {}
        self._rows: dict[tuple[int, int], KalshiEventRow] = {}
        self._listing: Listing | None = None
        self._quotes: dict[tuple[int, int, int], tuple[Ints, Ints]] = {}

    # Rows

    def words(self, rnd: "Round") -> texts.KalshiEventWords:
        key = (rnd.family.index, rnd.number)
        if key not in self._words:
            self._words[key] = make_words(rnd)
        return self._words[key]

    def event_ticker(self, rnd: "Round") -> str:
        words = self.words(rnd)
        return f"{words.series}-{words.suffix}"

    def market_id(self, rnd: "Round", j: int) -> str:
        event = self.event_ticker(rnd)
        return event if rnd.family.size == 1 else f"{event}-{self.words(rnd).markets[j].suffix}"

    def _event_row(self, rnd: "Round") -> KalshiEventRow:
        key = (rnd.family.index, rnd.number)
        if key not in self._rows:
            self._rows[key] = self._make_row(rnd)
        return self._rows[key]

    def _make_row(self, rnd: "Round") -> KalshiEventRow:
        order = (rnd.start + 10_000) * self.key_span + rnd.family.index
        series, event = self.words(rnd).series, self.event_ticker(rnd)
        listed, after = float(rnd.start * SLOT_S), rnd.family.settles_after_s
        markets = []
        for j in range(rnd.family.size):
            close = float(rnd.closes[j]) * SLOT_S
            phases = (
                (listed, "active"),
                (close, "closed"),
                (close + after / 5, "determined"),
                (close + after, "finalized"),
            )
            ticker = self.market_id(rnd, j)
            source = Seat(rnd, j)
            markets.append(
                KalshiMarketRow(
                    order * 100 + j, ticker, event, series, False, listed, close, close + after, phases, source
                )
            )
        return KalshiEventRow(order, event, series, False, listed, tuple(markets), rnd)

    def listing(self, now: datetime) -> Listing:
        slot = int(now.timestamp()) // SLOT_S
        if self._listing is None or self._listing.slot != slot:
            self._quotes.clear()
            rounds = self.world.rounds("kalshi", slot)
            shown = {(rnd.family.index, rnd.number) for rnd in rounds}
            for store in (self._words, self._rows):
                for key in [key for key in store if key not in shown]:
                    store.pop(key)
            self.world.forget_before(slot)
            events = [self._event_row(rnd) for rnd in rounds]
            markets = [market for event in events for market in event.markets]
            self._listing = Listing(
                slot, events, markets, {e.ticker: e for e in events}, {m.ticker: m for m in markets}
            )
        return self._listing

    def event_rows(self, now: datetime) -> Sequence[KalshiEventRow]:
        return self.listing(now).events

    def market_rows(self, now: datetime) -> Sequence[KalshiMarketRow]:
        return self.listing(now).markets

    def find_event(self, ticker: str, now: datetime) -> KalshiEventRow | None:
        return self.listing(now).event_of.get(ticker)

    def find_market(self, ticker: str, now: datetime) -> KalshiMarketRow | None:
        return self.listing(now).market_of.get(ticker)

    # Bodies

    def event_body(self, row: KalshiEventRow, now: datetime, nested: bool) -> Body:
        rnd: Round = row.source
        words = self.words(rnd)
        exclusive = rnd.family.kind == "exclusive"
        body: Body = {
            "collateral_return_type": "MECNET" if exclusive else "",
            "event_ticker": row.ticker,
            "exchange_index": 0,
            "fee_multiplier_override": None,
            "fee_type_override": None,
            "last_updated_ts": wire_time(texts.utc(row.listed_ts)),
            "mutually_exclusive": exclusive,
            "product_metadata": None,
            "series_ticker": row.series_ticker,
            "settlement_sources": [{"name": words.source, "url": "https://example.org/source"}],
            "strike_period": "",
            "sub_title": words.sub_title,
            "title": words.title,
        }
        if nested:
            body["markets"] = self.market_bodies(row.markets, now)
        return body

    def market_bodies(self, rows: Sequence[KalshiMarketRow], now: datetime) -> list[Body]:
        return [self._market_body(row, now) for row in rows]

    def quotes(self, rnd: "Round", slot: int) -> tuple[Ints, Ints]:
        key = (rnd.family.index, rnd.number, slot)
        if key not in self._quotes:
            bid, ask = rnd.quotes(np.array([slot], dtype=np.int64))
            self._quotes[key] = (bid[:, 0], ask[:, 0])
        return self._quotes[key]

    def _market_body(self, row: KalshiMarketRow, now: datetime) -> Body:
        rnd, j = row.source.rnd, row.source.j
        words = self.words(rnd).markets[j]
        now_ts = int(now.timestamp())
        slot = now_ts // SLOT_S
        status = row.status(now_ts)
        volume, volume_day_ago = (int(v) for v in rnd.volume_at(j, np.array([now_ts, now_ts - DAY_S])))
        expiry = wire_time(texts.utc(rnd.end * SLOT_S) + timedelta(days=7))
        structure, ranges = STRUCTURES[int(rnd.ticks[j])]
        body: Body = {
            "can_close_early": rnd.family.kind != "spot",
            "close_time": wire_time(texts.utc(row.close_ts if status != "active" else rnd.end * SLOT_S)),
            "created_time": wire_time(texts.utc(row.listed_ts)),
            "early_close_condition": "This market will close and expire early if the event occurs.",
            "event_ticker": row.event_ticker,
            "exchange_index": 0,
            "expected_expiration_time": wire_time(texts.utc(rnd.end * SLOT_S)),
            "expiration_time": expiry,
            "expiration_value": "",
            "latest_expiration_time": expiry,
            "liquidity_dollars": "0.0000",
            "market_type": "binary",
            "no_sub_title": words.yes_sub_title,
            "notional_value_dollars": "1.0000",
            "open_interest_fp": hundredths(volume * 2 // 5),
            "open_time": wire_time(texts.utc(row.listed_ts)),
            "price_level_structure": structure,
            "price_ranges": [{"end": end, "start": start, "step": step} for start, end, step in ranges],
            "result": "",
            "rules_primary": words.rules_primary,
            "rules_secondary": words.rules_secondary,
            "settlement_timer_seconds": rnd.family.settles_after_s,
            "status": status,
            "ticker": row.ticker,
            "title": words.title,
            "updated_time": wire_time(texts.utc(row.listed_ts)),
            "volume_24h_fp": hundredths(volume - volume_day_ago),
            "volume_fp": hundredths(volume),
            "yes_sub_title": words.yes_sub_title,
        }
        body |= self._quote_fields(rnd, j, slot, status == "active", volume)
        body |= strike_fields(words)
        if rnd.family.kind == "deadline":
            rung = wire_time(rnd.rung_times()[j])
            body |= {"expected_expiration_time": rung}
            if status == "active":
                body["close_time"] = rung
        if status in ("determined", "finalized"):
            body |= {"result": "yes" if rnd.outcomes[j] else "no", "expiration_value": ""}
            body["settlement_value_dollars"] = "1.0000" if rnd.outcomes[j] else "0.0000"
        if status == "finalized":
            body["settlement_ts"] = wire_time(texts.utc(row.settled_ts))
        return body

    def _quote_fields(self, rnd: "Round", j: int, slot: int, trading: bool, volume: int) -> Body:
        bids, asks = self.quotes(rnd, slot)
        bid, ask = (int(bids[j]), int(asks[j])) if trading else (NO_BID, NO_ASK)
        day_ago = slot - 96
        earlier = self.quotes(rnd, day_ago) if day_ago >= rnd.start else None
        old_bid, old_ask = (int(earlier[0][j]), int(earlier[1][j])) if earlier else (0, 0)
        ask_shown, no_bid = ask, 1000 - ask
        if ask == NO_ASK and one_uniform(int(rnd.keys[j]), 0, QUIET_SALT) < 0.5:
            ask_shown = 0
        if bid == NO_BID and ask == NO_ASK:
            no_bid = 1000
        return {
            "last_price_dollars": dollars(self.last_price(rnd, j, volume)),
            "no_ask_dollars": dollars(1000 - bid),
            "no_bid_dollars": dollars(no_bid),
            "previous_price_dollars": dollars((old_bid + old_ask) // 2 if earlier else 0),
            "previous_yes_ask_dollars": dollars(old_ask),
            "previous_yes_bid_dollars": dollars(old_bid),
            "yes_ask_dollars": dollars(ask_shown),
            "yes_ask_size_fp": top_size(rnd, j, slot, ask, 1),
            "yes_bid_dollars": dollars(bid),
            "yes_bid_size_fp": top_size(rnd, j, slot, bid, 0),
        }

    def last_price(self, rnd: "Round", j: int, volume: int) -> int:
        """Of the slot that brought the volume to where it is, 0 when nothing was ever traded."""
        if volume == 0:
            return 0
        traded = rnd.start + int(np.searchsorted(rnd.volumes[j], volume)) - 1
        return int(rnd.trade_prices(np.array([traded]))[j, 0])

    def book(self, ticker: str, now: datetime, depth: int) -> Body | None:
        row = self.find_market(ticker, now)
        if row is None:
            return None
        rnd, j, slot = row.source.rnd, row.source.j, int(now.timestamp()) // SLOT_S
        sides: dict[str, list[list[str]]] = {"no_dollars": [], "yes_dollars": []}
        if row.status(now.timestamp()) == "active":
            bids, asks = self.quotes(rnd, slot)
            yes = rnd.side(j, slot, int(bids[j]), 0)
            no = [(1000 - price, size) for price, size in rnd.side(j, slot, int(asks[j]), 1)]
            for name, levels in (("yes_dollars", yes), ("no_dollars", no)):
                kept = levels[:depth] if depth else levels
                sides[name] = [[dollars(price), f"{size:.2f}"] for price, size in reversed(kept)]
        return {"orderbook_fp": sides}

    # History

    def candles(self, ticker: str, start_ts: int, end_ts: int, period_min: int, now: datetime) -> list[Body] | None:
        row = self.find_market(ticker, now)
        if row is None:
            return None
        rnd, j = row.source.rnd, row.source.j
        period, now_ts = period_min * 60, int(now.timestamp())
        last_traded = min(now_ts, int(row.close_ts) - 1)
        first = max(-(-start_ts // period), rnd.start * SLOT_S // period + 1)
        last = min(end_ts // period, last_traded // period + 1)
        if last < first:
            return []
        ends = np.arange(first, last + 1) * period
        slots = np.arange(max((ends[0] - period) // SLOT_S, rnd.start), last_traded // SLOT_S + 1)
        bid, ask = (side[j] for side in rnd.quotes(slots))
        price = rnd.trade_prices(slots)[j]
        volumes = rnd.volume_at(j, np.minimum(ends, now_ts)) - rnd.volume_at(j, ends - period)
        return [
            self._candle(rnd, j, int(end), period, slots, bid, ask, price, int(volume))
            for end, volume in zip(ends, volumes, strict=True)
        ]

    @staticmethod
    def _candle(
        rnd: "Round", j: int, end: int, period: int, slots: Ints, bid: Ints, ask: Ints, price: Ints, volume: int
    ) -> Body:
        low = max((end - period) // SLOT_S - int(slots[0]), 0)
        high = max(-(-end // SLOT_S) - int(slots[0]), low + 1)
        traded = price[low:high]
        total = int(rnd.volume_at(j, np.array([end]))[0])
        previous = price[low - 1] if low else None
        prices: Body = dict.fromkeys(f"{n}_dollars" for n in ("open", "low", "high", "close", "mean", "min", "max"))
        if volume:
            prices |= ohlc(traded) | {"mean_dollars": f"{float(traded.mean()) / 1000:.4f}"}
            prices |= {"min_dollars": dollars(int(traded.min())), "max_dollars": dollars(int(traded.max()))}
        prices["previous_dollars"] = None if previous is None else dollars(int(previous))
        return {
            "end_period_ts": end,
            "open_interest_fp": hundredths(total * 2 // 5),
            "price": prices,
            "volume_fp": hundredths(volume),
            "yes_ask": ohlc(ask[low:high]),
            "yes_bid": ohlc(bid[low:high]),
        }

    def trades(self, ticker: str | None, min_ts: int, max_ts: int, now: datetime) -> list[Body]:
        """One trade a minute in each market that had any flow in it, newest first."""
        newest = min(max_ts, int(now.timestamp()))
        if ticker is None:
            rows = [row for row in self.market_rows(now) if row.close_ts > newest - SLOT_S]
            min_ts = max(min_ts, newest - SLOT_S)
        else:
            found = self.find_market(ticker, now)
            rows = [] if found is None else [found]
        trades = [trade for row in rows for trade in row_trades(row, min_ts, newest)]
        trades.sort(key=lambda trade: (trade["created_time"], trade["trade_id"]), reverse=True)
        return trades

    # Reference data

    def series(self, now: datetime) -> list[Body]:
        slot = int(now.timestamp()) // SLOT_S
        halved = next((f.name for f in self.families if f.kind == "threshold"), "")
        rows: dict[str, Body] = {}
        for family in self.families:
            words = self.words(self.world.round_at(family, slot))
            rows.setdefault(words.series, series_body(family, words, family.name == halved))
        return list(rows.values())

    def series_fee_changes(self, now: datetime) -> list[Body]:
        return []

    def exchange_status(self, now: datetime) -> Body:
        return {"exchange_active": True, "exchange_estimated_resume_time": None, "trading_active": True}

    def historical_cutoff(self, now: datetime) -> datetime:
        return now - timedelta(days=10)


def make_words(rnd: "Round") -> texts.KalshiEventWords:
    family, end = rnd.family, rnd.end_time
    if family.bet is not None:
        return texts.kalshi_bet(family.bet, end)
    if family.coin is not None:
        return texts.kalshi_spot(family.coin.symbol, family.coin.name, end, rnd.strikes)
    assert family.topic is not None
    if family.kind == "exclusive":
        return texts.kalshi_exclusive(family.topic, end)
    if family.kind == "threshold":
        return texts.kalshi_threshold(family.topic, end)
    if family.kind == "deadline":
        return texts.kalshi_deadlines(family.topic, end, rnd.rung_times())
    return texts.kalshi_single(family.topic, end)


def series_body(family: "Family", words: texts.KalshiEventWords, halved: bool) -> Body:
    return {
        "additional_prohibitions": None,
        "categories": [family.category],
        "category": family.category,
        "contract_terms_url": "https://example.org/terms.pdf",
        "contract_url": "https://example.org/contract.pdf",
        "exchange_index": 0,
        "fee_multiplier": 0.5 if halved else 1,
        "fee_type": "quadratic_with_maker_fees" if family.index % 6 == 1 else "quadratic",
        "frequency": "hourly" if family.kind == "spot" else "custom",
        "last_updated_ts": "2026-05-19T00:00:19Z",
        "product_metadata": None,
        "settlement_sources": [{"name": words.source, "url": "https://example.org/source"}],
        "tags": None,
        "ticker": words.series,
        "title": words.series_title,
    }


def row_trades(row: KalshiMarketRow, min_ts: int, max_ts: int) -> list[Body]:
    rnd, j = row.source.rnd, row.source.j
    first, last = max(-(-min_ts // 60), rnd.start * 15 + 1), min(max_ts // 60, int(row.close_ts) // 60)
    if last < first:
        return []
    minutes = np.arange(first, last + 1)
    counts = rnd.volume_at(j, minutes * 60) - rnd.volume_at(j, (minutes - 1) * 60)
    minutes, counts = minutes[counts > 0], counts[counts > 0]
    if not len(minutes):
        return []
    slots = (minutes - 1) // 15
    unique, where = np.unique(slots, return_inverse=True)
    prices = rnd.trade_prices(unique)[j][where]
    asks = rnd.quotes(unique)[1][j][where]
    high, low = bits(int(rnd.keys[j]), minutes, 91), bits(int(rnd.keys[j]), minutes, 92)
    return [
        trade_body(row.ticker, int(minutes[i]), int(counts[i]), int(prices[i]), bool(prices[i] == asks[i]),
                   UUID(int=int(high[i]) << 64 | int(low[i])))
        for i in range(len(minutes))
    ]  # fmt: skip


def trade_body(ticker: str, minute: int, count: int, price: int, buys_yes: bool, trade_id: UUID) -> Body:
    return {
        "count_fp": hundredths(count),
        "created_time": wire_time(texts.utc(minute * 60)),
        "is_block_trade": False,
        "no_price_dollars": dollars(1000 - price),
        "taker_book_side": "bid" if buys_yes else "ask",
        "taker_outcome_side": "yes" if buys_yes else "no",
        "taker_side": "yes" if buys_yes else "no",
        "ticker": ticker,
        "trade_id": str(trade_id),
        "yes_price_dollars": dollars(price),
    }


def ohlc(values: Ints) -> Body:
    return {
        "open_dollars": dollars(int(values[0])),
        "low_dollars": dollars(int(values.min())),
        "high_dollars": dollars(int(values.max())),
        "close_dollars": dollars(int(values[-1])),
    }


def strike_fields(words: texts.KalshiWords) -> dict[str, Any]:
    fields: dict[str, Any] = {}
    if words.strike_type:
        fields["strike_type"] = words.strike_type
    if words.strike_type == "custom":
        fields["custom_strike"] = {"Outcome": words.yes_sub_title}
    if words.floor_strike is not None:
        fields["floor_strike"] = words.floor_strike
    return fields


def top_size(rnd: "Round", j: int, slot: int, best: int, side: int) -> str:
    return "0.00" if best in (NO_BID, NO_ASK) else f"{float(rnd.sizes(j, slot, side, 1)[0]):.2f}"


def dollars(thousandths: int) -> str:
    return f"{thousandths // 1000}.{thousandths % 1000:03d}0"


def hundredths(value: int) -> str:
    return f"{value // 100}.{value % 100:02d}"
