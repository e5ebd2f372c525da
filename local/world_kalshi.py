"""Kalshi's side of the generated world: tickers, bodies, books, candles and trades in the venue's newest shape."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from functools import cached_property
from typing import TYPE_CHECKING, Any
from uuid import UUID

import numpy as np
import orjson

from local import world_texts as texts
from local.kalshi_wire import Body, KalshiEventRow, KalshiMarketRow, wire_time
from local.noise import Ints, bits
from local.world_columns import NO_ASK, NO_BID, Readings
from local.world_families import SLOT_S, Family
from local.world_listing import GeneratedVenue, Listing, Seat

if TYPE_CHECKING:
    from local.world import GeneratedWorld, Listed, Round

STRUCTURES = {
    10: ("linear_cent", [("0.0000", "1.0000", "0.0100")]),
    0: (
        "tapered_deci_cent",
        [("0.0000", "0.1000", "0.0010"), ("0.1000", "0.9000", "0.0100"), ("0.9000", "1.0000", "0.0010")],
    ),
    1: ("deci_cent", [("0.0000", "1.0000", "0.0010")]),
}
DOLLARS = [f"{thousandths // 1000}.{thousandths % 1000:03d}0" for thousandths in range(1001)]
MOVING = (
    ',"last_price_dollars":"%s","no_ask_dollars":"%s","no_bid_dollars":"%s","open_interest_fp":"%d.%02d"'
    ',"previous_price_dollars":"%s","previous_yes_ask_dollars":"%s","previous_yes_bid_dollars":"%s"'
    ',"volume_24h_fp":"%d.%02d","volume_fp":"%d.%02d","yes_ask_dollars":"%s","yes_ask_size_fp":"%.2f"'
    ',"yes_bid_dollars":"%s","yes_bid_size_fp":"%.2f"}'
)
TRADING = ("active", "inactive")


KalshiListing = Listing[KalshiEventRow, KalshiMarketRow]


class GeneratedKalshi(GeneratedVenue[KalshiEventRow, KalshiMarketRow, KalshiListing]):
    venue = "kalshi"
    unique_tickers = True

    # Rows

    def words(self, rnd: "Round") -> texts.KalshiEventWords:
        return make_words(rnd)

    def market_id(self, rnd: "Round", j: int) -> str:
        words = self.words(rnd)
        event = f"{words.series}-{words.suffix}"
        return event if rnd.family.size == 1 else f"{event}-{words.markets[j].suffix}"

    def _make_row(self, rnd: "Round", closes: list[int], keys: list[int]) -> KalshiEventRow:
        rank = int(self.world.tables["kalshi"].rank[rnd.family.index])
        order = (rnd.start + 10_000) * self.key_span + rank
        words = self.words(rnd)
        series, event = words.series, f"{words.series}-{words.suffix}"
        listed, after = float(rnd.start * SLOT_S), rnd.family.settles_after_s
        markets = []
        for j, closing in enumerate(closes):
            close = float(closing) * SLOT_S
            phases = (
                (listed, "active"),
                (close, "closed"),
                (close + after / 5, "determined"),
                (close + after, "finalized"),
            )
            ticker = event if rnd.family.size == 1 else f"{event}-{words.markets[j].suffix}"
            markets.append(
                KalshiMarketRow(
                    order * 100 + j, ticker, event, series, False, listed, close, close + after, phases, Seat(rnd, j)
                )
            )
        return KalshiEventRow(order, event, series, False, listed, tuple(markets), rnd)

    def _make_listing(
        self, listed: "Listed", events: list[KalshiEventRow], markets: list[KalshiMarketRow]
    ) -> KalshiListing:
        return Listing(
            listed.family, listed.number, events, markets,
            {e.ticker: e for e in events}, {m.ticker: m for m in markets},
        )  # fmt: skip

    # Bodies

    def event_body(self, row: KalshiEventRow, now: datetime, nested: bool) -> Body:
        body: Body = orjson.loads(orjson.dumps(self.event_answers([row], now, nested)[0]))
        return body

    def market_bodies(self, rows: Sequence[KalshiMarketRow], now: datetime) -> list[Body]:
        bodies: list[Body] = orjson.loads(orjson.dumps(self.market_answers(rows, now)))
        return bodies

    def event_answers(self, rows: Sequence[KalshiEventRow], now: datetime, nested: bool) -> list[Any]:
        heads = [self._head(row) for row in rows]
        if not nested:
            return heads
        markets = iter(self.market_answers([market for row in rows for market in row.markets], now))
        return [
            {**head, "markets": [next(markets) for _ in row.markets]} for head, row in zip(heads, rows, strict=True)
        ]

    def _head(self, row: KalshiEventRow) -> Body:
        rnd: Round = row.source
        name = (rnd.family.index, rnd.number)
        if name not in self._heads:
            self._heads[name] = event_head(row, rnd, self.words(rnd))
        return self._heads[name]

    def market_answers(self, rows: Sequence[KalshiMarketRow], now: datetime) -> list[Any]:
        """JSON fragments: what does not change is encoded once, what does is written behind it."""
        now_ts = int(now.timestamp())
        readings = self.world.read("kalshi", [row.source.name for row in rows], now_ts)
        return [
            orjson.Fragment(self._still_part(row, row.status(now_ts), readings, n) + moving_part(row, readings, n))
            for n, row in enumerate(rows)
        ]

    def _still_part(self, row: KalshiMarketRow, status: str, readings: Readings, n: int) -> str:
        """The fields that stay while a market trades, as an object left open."""
        rnd, j = row.source.rnd, row.source.j
        if status in TRADING and row.source.name in self._still:
            return self._still[row.source.name]
        body = still_fields(row, rnd, self.words(rnd).markets[j], readings.tick[n])
        body |= closing_fields(row, rnd, j, status, readings.won[n])
        text = orjson.dumps(body)[:-1].decode()
        if status in TRADING:
            self._still[row.source.name] = text
        return text

    def book(self, ticker: str, now: datetime, depth: int) -> Body | None:
        row = self.find_market(ticker, now)
        if row is None:
            return None
        slot = int(now.timestamp()) // SLOT_S
        sides: dict[str, list[list[str]]] = {"no_dollars": [], "yes_dollars": []}
        if row.status(now.timestamp()) == "active":
            columns, first = self.world.columns_of(row.source.rnd, slot)
            m = first + row.source.j
            bids, asks = columns.state(slot)
            yes = columns.side(m, slot, int(bids[m]), 0)
            no = [(1000 - price, size) for price, size in columns.side(m, slot, int(asks[m]), 1)]
            for name, levels in (("yes_dollars", yes), ("no_dollars", no)):
                kept = levels[:depth] if depth else levels
                sides[name] = [[DOLLARS[price], f"{size:.2f}"] for price, size in reversed(kept)]
        return {"orderbook_fp": sides}

    # History

    def candles(self, ticker: str, start_ts: int, end_ts: int, period_min: int, now: datetime) -> list[Body] | None:
        row = self.find_market(ticker, now)
        if row is None:
            return None
        rnd, j = self.world.round(row.source.rnd.family, row.source.rnd.number), row.source.j
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
        totals = rnd.volume_at(j, np.minimum(ends, now_ts))
        volumes = totals - rnd.volume_at(j, ends - period)
        return [
            self._candle(int(end), period, int(slots[0]), bid, ask, price, int(volume), int(total))
            for end, volume, total in zip(ends, volumes, totals, strict=True)
        ]

    @staticmethod
    def _candle(end: int, period: int, first: int, bid: Ints, ask: Ints, price: Ints, volume: int, total: int) -> Body:
        low = max((end - period) // SLOT_S - first, 0)
        high = max(-(-end // SLOT_S) - first, low + 1)
        traded = price[low:high]
        previous = price[low - 1] if low else None
        prices: Body = dict.fromkeys(f"{n}_dollars" for n in ("open", "low", "high", "close", "mean", "min", "max"))
        if volume:
            prices |= ohlc(traded) | {"mean_dollars": f"{float(traded.mean()) / 1000:.4f}"}
            prices |= {"min_dollars": DOLLARS[traded.min()], "max_dollars": DOLLARS[traded.max()]}
        prices["previous_dollars"] = None if previous is None else DOLLARS[previous]
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
        trades = [trade for row in rows for trade in row_trades(self.world, row, min_ts, newest)]
        trades.sort(key=lambda trade: (trade["created_time"], trade["trade_id"]), reverse=True)
        return trades

    # Reference data

    @cached_property
    def _series(self) -> list[Body]:
        halved = next((f.name for f in self.families if f.kind == "threshold"), "")
        rows: dict[str, Body] = {}
        for family in self.families:
            words = self.words(self.world.round(family, 1))
            rows.setdefault(words.series, series_body(family, words, family.name == halved))
        return list(rows.values())

    def series(self, now: datetime) -> list[Body]:
        return self._series

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
        return texts.kalshi_spot(family.coin.symbol, family.coin.name, end, rnd.columns.strikes(0))
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


def row_trades(world: "GeneratedWorld", row: KalshiMarketRow, min_ts: int, max_ts: int) -> list[Body]:
    rnd, j = world.round(row.source.rnd.family, row.source.rnd.number), row.source.j
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
    buys = rnd.columns.buys(np.array([j]), unique[None, :])[0][where]
    key = rnd.columns.key[j]
    high, low = bits(key, minutes, 91), bits(key, minutes, 92)
    return [
        trade_body(row.ticker, int(minutes[i]), int(counts[i]), int(prices[i]), bool(buys[i]),
                   UUID(int=int(high[i]) << 64 | int(low[i])))
        for i in range(len(minutes))
    ]  # fmt: skip


def trade_body(ticker: str, minute: int, count: int, price: int, buys_yes: bool, trade_id: UUID) -> Body:
    return {
        "count_fp": hundredths(count),
        "created_time": wire_time(texts.utc(minute * 60)),
        "is_block_trade": False,
        "no_price_dollars": DOLLARS[1000 - price],
        "taker_book_side": "bid" if buys_yes else "ask",
        "taker_outcome_side": "yes" if buys_yes else "no",
        "taker_side": "yes" if buys_yes else "no",
        "ticker": ticker,
        "trade_id": str(trade_id),
        "yes_price_dollars": DOLLARS[price],
    }


def ohlc(values: Ints) -> Body:
    return {
        "open_dollars": DOLLARS[values[0]],
        "low_dollars": DOLLARS[values.min()],
        "high_dollars": DOLLARS[values.max()],
        "close_dollars": DOLLARS[values[-1]],
    }


def event_head(row: KalshiEventRow, rnd: "Round", words: texts.KalshiEventWords) -> Body:
    exclusive = rnd.family.kind == "exclusive"
    return {
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


def still_fields(row: KalshiMarketRow, rnd: "Round", words: texts.KalshiWords, tick: int) -> Body:
    expiry = wire_time(texts.utc(rnd.end * SLOT_S) + timedelta(days=7))
    structure, ranges = STRUCTURES[tick]
    listed = wire_time(texts.utc(row.listed_ts))
    return {
        "can_close_early": rnd.family.kind != "spot",
        "created_time": listed,
        "early_close_condition": "This market will close and expire early if the event occurs.",
        "event_ticker": row.event_ticker,
        "exchange_index": 0,
        "expiration_time": expiry,
        "latest_expiration_time": expiry,
        "liquidity_dollars": "0.0000",
        "market_type": "binary",
        "no_sub_title": words.yes_sub_title,
        "notional_value_dollars": "1.0000",
        "open_time": listed,
        "price_level_structure": structure,
        "price_ranges": [{"end": end, "start": start, "step": step} for start, end, step in ranges],
        "rules_primary": words.rules_primary,
        "rules_secondary": words.rules_secondary,
        "settlement_timer_seconds": rnd.family.settles_after_s,
        "ticker": row.ticker,
        "title": words.title,
        "updated_time": listed,
        "yes_sub_title": words.yes_sub_title,
    } | strike_fields(words)


def closing_fields(row: KalshiMarketRow, rnd: "Round", j: int, status: str, yes: bool) -> Body:
    due = wire_time(rnd.rung_times()[j] if rnd.family.kind == "deadline" else rnd.end_time)
    fields: Body = {
        "close_time": due if status in TRADING else wire_time(texts.utc(row.close_ts)),
        "expected_expiration_time": due,
        "expiration_value": "",
        "result": "",
        "status": status,
    }
    if status in ("determined", "finalized"):
        fields |= {"result": "yes" if yes else "no", "settlement_value_dollars": "1.0000" if yes else "0.0000"}
    if status == "finalized":
        fields["settlement_ts"] = wire_time(texts.utc(row.settled_ts))
    return fields


def moving_part(row: KalshiMarketRow, readings: Readings, n: int) -> str:
    bid, ask, old_bid, old_ask = readings.bid[n], readings.ask[n], readings.old_bid[n], readings.old_ask[n]
    volume, day = readings.volume[n], readings.volume[n] - readings.day_ago[n]
    ask_shown, no_bid = ask, 1000 - ask
    if ask == NO_ASK and row.key % 2:  # both ways of saying that nobody sells
        ask_shown = 0
    if bid == NO_BID and ask == NO_ASK:
        no_bid = 1000
    interest = volume * 2 // 5
    return MOVING % (
        DOLLARS[readings.last[n]], DOLLARS[1000 - bid], DOLLARS[no_bid], interest // 100, interest % 100,
        DOLLARS[(old_bid + old_ask) // 2], DOLLARS[old_ask], DOLLARS[old_bid],
        day // 100, day % 100, volume // 100, volume % 100,
        DOLLARS[ask_shown], readings.ask_size[n], DOLLARS[bid], readings.bid_size[n],
    )  # fmt: skip


def strike_fields(words: texts.KalshiWords) -> Body:
    fields: Body = {}
    if words.strike_type:
        fields["strike_type"] = words.strike_type
    if words.strike_type == "custom":
        fields["custom_strike"] = {"Outcome": words.yes_sub_title}
    if words.floor_strike is not None:
        fields["floor_strike"] = words.floor_strike
    return fields


def hundredths(value: int) -> str:
    return f"{value // 100}.{value % 100:02d}"
