"""Polymarket's side of the generated world: Gamma events and markets, CLOB books, histories and resolutions."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property, lru_cache
from hashlib import sha1, sha256
from typing import TYPE_CHECKING, Any

import numpy as np
import orjson

from local import world_texts as texts
from local.kalshi_wire import wire_time
from local.polymarket_wire import ENDED_HISTORY_FIDELITY_MIN, Body, PolymarketEventRow, PolymarketMarketRow
from local.world_columns import NO_ASK, NO_BID, Readings
from local.world_families import EPOCH_SLOT, SLOT_S
from local.world_listing import GeneratedVenue, Listing, Seat

if TYPE_CHECKING:
    from local.world import Listed, Round

PINNED_YES, PINNED_NO = (990, NO_ASK), (NO_BID, 10)
PRICES = [f"{thousandths / 1000:g}" for thousandths in range(1001)]
CHANCES = [f"{half / 2000:.10g}" for half in range(2001)]
MOVING = (
    ',"acceptingOrders":%s,"bestAsk":%s,"closed":%s,"liquidity":"%s","liquidityNum":%s'
    ',"outcomePrices":"[\\"%s\\", \\"%s\\"]","spread":%s,"updatedAt":"%s"'
    ',"volume":"%s","volumeClob":%s,"volumeNum":%s,"volume1wk":%s%s}'
)

# Category -> Gamma tag (id, label, slug), fee type, rate, maker rebate; None where trading is free.
CATEGORIES: dict[str, tuple[tuple[str, str, str], tuple[str, float, float] | None]] = {
    "Politics": (("2", "Politics", "politics"), ("politics_fees", 0.04, 0.25)),
    "Economics": (("100328", "Economy", "economy"), ("economics_fees", 0.05, 0.25)),
    "Crypto": (("21", "Crypto", "crypto"), ("crypto_fees", 0.07, 0.2)),
    "Sports": (("1", "Sports", "sports"), ("sports_fees_v2", 0.05, 0.15)),
    "Climate and Weather": (("84", "Weather", "weather"), ("weather_fees", 0.05, 0.25)),
    "Entertainment": (("596", "Culture", "pop-culture"), ("culture_fees", 0.05, 0.25)),
    "Science and Technology": (("1401", "Tech", "tech"), ("tech_fees", 0.04, 0.25)),
    "World": (("100265", "Geopolitics", "geopolitics"), None),
}


class PolymarketListing(Listing[PolymarketEventRow, PolymarketMarketRow]):
    @cached_property
    def of_condition(self) -> dict[str, PolymarketMarketRow]:
        return {market.condition_id: market for market in self.markets}

    @cached_property
    def of_token(self) -> dict[str, tuple[PolymarketMarketRow, int]]:
        return {token: (market, outcome) for market in self.markets for outcome, token in enumerate(market.tokens)}


@dataclass(frozen=True, slots=True)
class PolymarketSeat(Seat):
    event_id: str
    ends_ts: float


@dataclass(frozen=True, slots=True)
class Now:
    """What the changing part of one market's body is made of."""

    bid: int
    ask: int
    last: int | None
    volume: int
    closed: bool
    ended: bool
    liquidity: float


class GeneratedPolymarket(GeneratedVenue[PolymarketEventRow, PolymarketMarketRow, PolymarketListing]):
    venue = "polymarket"

    # Rows

    def words(self, rnd: "Round") -> texts.PolymarketEventWords:
        return make_words(rnd)

    def market_id(self, rnd: "Round", j: int) -> str:
        return condition_id(int(rnd.columns.key[j]))

    def _make_row(self, rnd: "Round", closes: list[int], keys: list[int]) -> PolymarketEventRow:
        rank = int(self.world.tables["polymarket"].rank[rnd.family.index])
        order = (rnd.start - EPOCH_SLOT + 10_000) * self.key_span + rank
        words, listed, markets = self.words(rnd), float(rnd.start * SLOT_S), []
        for j, (market, closing, key) in enumerate(zip(words.markets, closes, keys, strict=True)):
            markets.append(
                PolymarketMarketRow(
                    key=order * 100 + j,
                    id=str(order * 100 + j),
                    condition_id=condition_id(key),
                    slug=f"{slug(market.question)}-{order}",
                    tokens=(token_id(key, 0), token_id(key, 1)),
                    listed_ts=listed,
                    closed_ts=float(closing) * SLOT_S + rnd.family.settles_after_s,
                    source=PolymarketSeat(rnd, j, str(order), float(closing) * SLOT_S),
                )
            )
        closed = max(market.closed_ts for market in markets)
        title = f"{slug(words.title)}-{order}"
        return PolymarketEventRow(order, str(order), title, listed, closed, tuple(markets), rnd)

    def _make_listing(
        self, listed: "Listed", events: list[PolymarketEventRow], markets: list[PolymarketMarketRow]
    ) -> PolymarketListing:
        return PolymarketListing(
            listed.family, listed.number, events, markets, {e.id: e for e in events}, {m.id: m for m in markets}
        )

    def find_markets(self, names: set[str], now: datetime) -> Sequence[PolymarketMarketRow]:
        listing = self.listing(now)
        found = {name: listing.of_condition.get(name) or listing.of_token.get(name, (None, 0))[0] for name in names}
        rows = {row.key: row for row in found.values() if row is not None}
        return [rows[key] for key in sorted(rows)]

    # Bodies

    def event_body(self, row: PolymarketEventRow, now: datetime) -> Body:
        body: Body = orjson.loads(orjson.dumps(self.event_answers([row], now)[0]))
        return body

    def market_bodies(self, rows: Sequence[PolymarketMarketRow], now: datetime, with_tags: bool) -> list[Body]:
        bodies: list[Body] = orjson.loads(orjson.dumps(self.market_answers(rows, now, with_tags)))
        return bodies

    def event_answers(self, rows: Sequence[PolymarketEventRow], now: datetime) -> list[Any]:
        markets = [market for row in rows for market in row.markets]
        now_ts = int(now.timestamp())
        readings = self.world.read("polymarket", [market.source.name for market in markets], now_ts)
        answers, first = [], 0
        for row in rows:
            mine = range(first, first + len(row.markets))
            first += len(row.markets)
            states = [self._now(market, readings, n, now_ts) for market, n in zip(row.markets, mine, strict=True)]
            volume = sum(state.volume for state in states) / 100
            body = self._head(row, now_ts) | {
                "liquidity": round(sum(state.liquidity for state in states), 4),
                "openInterest": round(volume * 0.3, 6),
                "volume": volume,
                "volume24hr": sum(readings.volume[n] - readings.day_ago[n] for n in mine) / 100,
                "markets": [
                    orjson.Fragment(self._market_text(market, state, readings, n, now_ts, ""))
                    for market, state, n in zip(row.markets, states, mine, strict=True)
                ],
            }
            if row.closed(now_ts):
                body["closedTime"] = wire_time(texts.utc(row.closed_ts))
            answers.append(body)
        return answers

    def _head(self, row: PolymarketEventRow, now_ts: int) -> Body:
        rnd: Round = row.source
        name = (rnd.family.index, rnd.number)
        if name not in self._heads:
            self._heads[name] = event_head(row, rnd, self.words(rnd))
        return self._heads[name] | {
            "closed": row.closed(now_ts),
            "updatedAt": slot_time(now_ts // SLOT_S),
        }

    def market_answers(self, rows: Sequence[PolymarketMarketRow], now: datetime, with_tags: bool) -> list[Any]:
        now_ts = int(now.timestamp())
        readings = self.world.read("polymarket", [row.source.name for row in rows], now_ts)
        answers = []
        for n, row in enumerate(rows):
            event = self.find_event(row.source.event_id, now)
            more: Body = {"events": [] if event is None else [short(self._head(event, now_ts))]}
            if with_tags:
                more["tags"] = [tag_body(row.source.rnd.family.category)]
            text = "," + orjson.dumps(more)[1:-1].decode()
            state = self._now(row, readings, n, now_ts)
            answers.append(orjson.Fragment(self._market_text(row, state, readings, n, now_ts, text)))
        return answers

    @staticmethod
    def _now(row: PolymarketMarketRow, readings: Readings, n: int, now_ts: int) -> Now:
        """Near 0 or 1 while a resolution is proposed, empty when closed."""
        closed, ended = row.closed(now_ts), now_ts >= row.source.ends_ts
        bid, ask = readings.bid[n], readings.ask[n]
        if ended and not closed:
            bid, ask = PINNED_YES if readings.won[n] else PINNED_NO
        volume = readings.volume[n]
        liquidity = 0.0 if closed else round(6 * readings.bid_size[n] * bid / 1000, 4)
        return Now(bid, ask, readings.last[n] if volume else None, volume, closed, ended, liquidity)

    def _market_text(
        self, row: PolymarketMarketRow, state: Now, readings: Readings, n: int, now_ts: int, more: str
    ) -> str:
        """What does not change is encoded once, what does is written behind it."""
        name = row.source.name
        if name not in self._still:
            rnd, j = row.source.rnd, row.source.j
            body = still_fields(row, rnd, self.words(rnd).markets[j], readings.tick[n])
            text = orjson.dumps(body)[:-1].decode()
            if state.closed:
                return text + self._moving(row, state, readings, n, now_ts, more)
            self._still[name] = text
        return self._still[name] + self._moving(row, state, readings, n, now_ts, more)

    def _moving(self, row: PolymarketMarketRow, state: Now, readings: Readings, n: int, now_ts: int, more: str) -> str:
        if state.closed:
            half = 2000 if readings.won[n] else 0
        elif state.ask - state.bid <= 100 or state.last is None:
            half = state.bid + state.ask
        else:
            half = 2 * state.last
        volume, day = state.volume / 100, (state.volume - readings.day_ago[n]) / 100
        if day:
            more = f',"volume24hr":{day},"volume24hrClob":{day}{more}'
        if state.bid != NO_BID:
            more = f',"bestBid":{PRICES[state.bid]}{more}'
        if state.last is not None:
            more = f',"lastTradePrice":{PRICES[state.last]}{more}'
        return MOVING % (
            "false" if state.closed else "true", PRICES[state.ask], "true" if state.closed else "false",
            state.liquidity, state.liquidity, CHANCES[half], CHANCES[2000 - half], PRICES[state.ask - state.bid],
            slot_time(now_ts // SLOT_S), volume, volume, volume,
            (state.volume - readings.week_ago[n]) / 100, resolution_text(row, state) + more,
        )  # fmt: skip

    # CLOB and Data

    def _alone(self, row: PolymarketMarketRow, now_ts: int) -> tuple[Now, Readings]:
        readings = self.world.read("polymarket", [row.source.name], now_ts)
        return self._now(row, readings, 0, now_ts), readings

    def book(self, token: str, now: datetime) -> Body | None:
        row, outcome = self.listing(now).of_token.get(token, (None, 0))
        now_ts = int(now.timestamp())
        if row is None or row.closed(now_ts):
            return None
        slot = now_ts // SLOT_S
        state, readings = self._alone(row, now_ts)
        columns, first = self.world.columns_of(row.source.rnd, slot)
        m = first + row.source.j
        bids, asks = columns.side(m, slot, state.bid, 0), columns.side(m, slot, state.ask, 1)
        if outcome == 1:
            bids, asks = [(1000 - p, s) for p, s in asks], [(1000 - p, s) for p, s in bids]
        levels = {"bids": level_bodies(bids), "asks": level_bodies(asks)}
        last = state.last
        return {
            "market": row.condition_id,
            "asset_id": token,
            "timestamp": str(now_ts * 1000),
            "hash": sha1(orjson.dumps([token, now_ts, levels]), usedforsecurity=False).hexdigest(),
            **levels,
            "min_order_size": "5",
            "tick_size": PRICES[readings.tick[0]],
            "neg_risk": row.source.rnd.family.kind == "exclusive",
            "last_trade_price": "" if last is None else PRICES[last if outcome == 0 else 1000 - last],
        }

    def price_history(self, token: str, start_ts: int, end_ts: int, step_min: int, now: datetime) -> list[Body]:
        row, outcome = self.listing(now).of_token.get(token, (None, 0))
        now_ts = int(now.timestamp())
        if row is None or (row.closed(now_ts) and step_min < ENDED_HISTORY_FIDELITY_MIN):
            return []
        rnd, j, step = self.world.round(row.source.rnd.family, row.source.rnd.number), row.source.j, step_min * 60
        last = min(end_ts, now_ts, int(row.source.ends_ts) - 1)
        times = np.arange(-(-max(start_ts, rnd.start * SLOT_S) // step) * step, last + 1, step)
        if not len(times):
            return []
        unique, where = np.unique(times // SLOT_S, return_inverse=True)
        bid, ask = (side[j] for side in rnd.quotes(unique))
        middle = ((bid + ask) / 2)[where]
        prices = middle if outcome == 0 else 1000 - middle
        return [{"t": t, "p": p} for t, p in zip(times.tolist(), np.round(prices / 1000, 4).tolist(), strict=True)]

    def clob_market(self, condition_id: str, now: datetime) -> Body | None:
        row = self.listing(now).of_condition.get(condition_id)
        if row is None:
            return None
        body = self.market_bodies([row], now, with_tags=False)[0]
        prices = [float(price) for price in orjson.loads(body["outcomePrices"])]
        won = [body["closed"] and price == 1.0 for price in prices]
        return {
            "accepting_orders": body["acceptingOrders"],
            "active": True,
            "archived": False,
            "closed": body["closed"],
            "condition_id": condition_id,
            "description": body["description"],
            "enable_order_book": not body["closed"],
            "end_date_iso": body["endDate"],
            "is_50_50_outcome": False,
            "maker_base_fee": 0,
            "market_slug": body["slug"],
            "minimum_order_size": 5,
            "minimum_tick_size": body["orderPriceMinTickSize"],
            "neg_risk": body["negRisk"],
            "question": body["question"],
            "question_id": body["questionID"],
            "taker_base_fee": 0,
            "tokens": [
                {"outcome": name, "price": prices[i], "token_id": row.tokens[i], "winner": won[i]}
                for i, name in enumerate(orjson.loads(body["outcomes"]))
            ],
        }

    def resolution(self, condition_id: str, now: datetime) -> Body | None:
        row = self.listing(now).of_condition.get(condition_id)
        if row is None or not row.closed(now.timestamp()):
            return None
        _, readings = self._alone(row, int(now.timestamp()))
        yes = readings.won[0]
        return {
            "condition_id": condition_id,
            "status": "resolved",
            "payouts": ["1", "0"] if yes else ["0", "1"],
            "was_disputed": False,
            "resolved_at": wire_time(texts.utc(row.closed_ts)),
        }


def make_words(rnd: "Round") -> texts.PolymarketEventWords:
    family, end = rnd.family, rnd.end_time
    if family.bet is not None:
        return texts.polymarket_bet(family.bet, end)
    if family.coin is not None:
        return texts.polymarket_spot(family.coin.name, end, family.life // 4)
    assert family.topic is not None
    if family.kind == "exclusive":
        return texts.polymarket_exclusive(family.topic, end)
    if family.kind == "threshold":
        return texts.polymarket_threshold(family.topic, end)
    if family.kind == "deadline":
        return texts.polymarket_deadlines(family.topic, rnd.rung_times())
    return texts.polymarket_single(family.topic, end)


@lru_cache(8)
def slot_time(slot: int) -> str:
    return wire_time(texts.utc(slot * SLOT_S))


def condition_id(key: int) -> str:
    return "0x" + sha256(f"condition {key}".encode()).hexdigest()


def token_id(key: int, outcome: int) -> str:
    return str(int(sha256(f"token {key} {outcome}".encode()).hexdigest(), 16))


def event_head(row: PolymarketEventRow, rnd: "Round", words: texts.PolymarketEventWords) -> Body:
    listed, exclusive = wire_time(texts.utc(row.listed_ts)), rnd.family.kind == "exclusive"
    return {
        "id": row.id,
        "ticker": row.slug,
        "slug": row.slug,
        "title": words.title,
        "resolutionSource": "",
        "startDate": listed,
        "creationDate": listed,
        "endDate": wire_time(rnd.end_time),
        "active": True,
        "archived": False,
        "new": False,
        "featured": False,
        "restricted": True,
        "enableOrderBook": True,
        "cyom": False,
        "description": words.description,
        "enableNegRisk": exclusive,
        "negRisk": exclusive,
        "negRiskAugmented": False,
        "tags": [tag_body(rnd.family.category)],
    }


def short(head: Body) -> Body:
    """An event as a market carries it."""
    left_out = ("description", "enableNegRisk", "negRisk", "negRiskAugmented", "tags")
    return {name: value for name, value in head.items() if name not in left_out}


def still_fields(row: PolymarketMarketRow, rnd: "Round", words: texts.PolymarketWords, tick: int) -> Body:
    family, j, listed = rnd.family, row.source.j, texts.utc(row.listed_ts)
    end = rnd.rung_times()[j] if family.kind == "deadline" else rnd.end_time
    _, fees = CATEGORIES[family.category]
    body: Body = {
        "id": row.id,
        "question": words.question,
        "conditionId": row.condition_id,
        "slug": row.slug,
        "resolutionSource": "",
        "endDate": wire_time(end),
        "startDate": wire_time(listed),
        "description": words.description,
        "outcomes": '["Up", "Down"]' if family.kind == "spot" else '["Yes", "No"]',
        "active": True,
        "createdAt": wire_time(listed),
        "new": False,
        "featured": False,
        "archived": False,
        "restricted": True,
        "groupItemTitle": words.group_title,
        "groupItemThreshold": str(j),
        "questionID": "0x" + sha256(f"question {row.condition_id}".encode()).hexdigest(),
        "enableOrderBook": True,
        "orderPriceMinTickSize": tick / 1000,
        "orderMinSize": 5,
        "endDateIso": f"{end:%Y-%m-%d}",
        "startDateIso": f"{listed:%Y-%m-%d}",
        "hasReviewedDates": True,
        "clobTokenIds": orjson.dumps(row.tokens).decode().replace(",", ", "),
        "umaBond": "500",
        "umaReward": "5",
        "negRisk": family.kind == "exclusive",
        "negRiskOther": False,
        "ready": False,
        "funded": False,
        "cyom": False,
        "approved": True,
        "makerBaseFee": 1000,
        "takerBaseFee": 1000,
        "automaticallyActive": True,
        "pendingDeployment": False,
        "deploying": False,
        "rfqEnabled": False,
        "feesEnabled": fees is not None,
        "feeType": fees[0] if fees else None,
        "version": "v1",
    }
    if fees:
        body["feeSchedule"] = {"exponent": 1, "rate": fees[1], "takerOnly": True, "rebateRate": fees[2]}
    return body


def resolution_text(row: PolymarketMarketRow, state: Now) -> str:
    if not state.ended:
        return ',"umaResolutionStatuses":"[]"'
    fields: Body = {"umaResolutionStatus": "resolved" if state.closed else "proposed"}
    fields["umaResolutionStatuses"] = '["proposed", "resolved"]' if state.closed else '["proposed"]'
    if state.closed:
        moment = texts.utc(row.closed_ts)
        fields |= {"closedTime": f"{moment:%Y-%m-%d %H:%M:%S}+00", "umaEndDate": wire_time(moment)}
    return "," + orjson.dumps(fields)[1:-1].decode()


def tag_body(category: str) -> Body:
    (tag_id, label, tag_slug), _ = CATEGORIES[category]
    return {"id": tag_id, "label": label, "slug": tag_slug, "forceShow": False, "requiresTranslation": False}


def level_bodies(levels: list[tuple[int, float]]) -> list[Body]:
    """Best last, as the venue sends both sides."""
    return [{"price": PRICES[price], "size": f"{size:.10g}"} for price, size in reversed(levels)]


def slug(text: str) -> str:
    words = "".join(ch.lower() if ch.isascii() and ch.isalnum() else " " for ch in text).split()
    return "-".join(words)[:90]
