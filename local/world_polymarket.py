"""Polymarket's side of the generated world: Gamma events and markets, CLOB books, histories and resolutions."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha1, sha256
from typing import TYPE_CHECKING

import numpy as np
import orjson

from local import world_texts as texts
from local.kalshi_wire import wire_time
from local.noise import Ints
from local.polymarket_wire import ENDED_HISTORY_FIDELITY_MIN, Body, PolymarketEventRow, PolymarketMarketRow

if TYPE_CHECKING:
    from local.world import GeneratedWorld, Round

SLOT_S = 900
DAY_S = 86_400
NO_BID, NO_ASK = 0, 1000
PINNED_YES, PINNED_NO = (990, NO_ASK), (NO_BID, 10)

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


@dataclass(frozen=True, slots=True)
class Listing:
    slot: int
    events: list[PolymarketEventRow]
    markets: list[PolymarketMarketRow]
    event_of: dict[str, PolymarketEventRow]
    market_of: dict[str, PolymarketMarketRow]
    of_condition: dict[str, PolymarketMarketRow]
    of_token: dict[str, tuple[PolymarketMarketRow, int]]


@dataclass(frozen=True, slots=True)
class Seat:
    rnd: "Round"
    j: int
    event_id: str


class GeneratedPolymarket:
    def __init__(self, world: "GeneratedWorld") -> None:
        self.world = world
        self.families = world.families["polymarket"]
        self.key_span = 10 ** len(str(len(self.families)))
        self._words: dict[tuple[int, int], texts.PolymarketEventWords] = {}
        self._rows: dict[tuple[int, int], PolymarketEventRow] = {}
        self._listing: Listing | None = None
        self._quotes: dict[tuple[int, int, int], tuple[Ints, Ints]] = {}

    # Rows

    def words(self, rnd: "Round") -> texts.PolymarketEventWords:
        key = (rnd.family.index, rnd.number)
        if key not in self._words:
            self._words[key] = make_words(rnd)
        return self._words[key]

    def market_id(self, rnd: "Round", j: int) -> str:
        """The conditionId."""
        return "0x" + sha256(f"condition {int(rnd.keys[j])}".encode()).hexdigest()

    def _event_row(self, rnd: "Round") -> PolymarketEventRow:
        key = (rnd.family.index, rnd.number)
        if key not in self._rows:
            self._rows[key] = self._make_row(rnd)
        return self._rows[key]

    def _make_row(self, rnd: "Round") -> PolymarketEventRow:
        from local.world import EPOCH_SLOT

        order = (rnd.start - EPOCH_SLOT + 10_000) * self.key_span + rnd.family.index
        words, listed, markets = self.words(rnd), float(rnd.start * SLOT_S), []
        for j, market in enumerate(words.markets):
            tokens = tuple(str(int(sha256(f"token {int(rnd.keys[j])} {o}".encode()).hexdigest(), 16)) for o in (0, 1))
            closed = float(rnd.closes[j]) * SLOT_S + rnd.family.settles_after_s
            markets.append(
                PolymarketMarketRow(
                    key=order * 100 + j,
                    id=str(order * 100 + j),
                    condition_id=self.market_id(rnd, j),
                    slug=f"{slug(market.question)}-{order}",
                    tokens=tokens,
                    listed_ts=listed,
                    closed_ts=closed,
                    source=Seat(rnd, j, str(order)),
                )
            )
        closed = max(market.closed_ts for market in markets)
        title = f"{slug(words.title)}-{order}"
        return PolymarketEventRow(order, str(order), title, listed, closed, tuple(markets), rnd)

    def listing(self, now: datetime) -> Listing:
        slot = int(now.timestamp()) // SLOT_S
        if self._listing is None or self._listing.slot != slot:
            self._quotes.clear()
            rounds = self.world.rounds("polymarket", slot)
            shown = {(rnd.family.index, rnd.number) for rnd in rounds}
            for store in (self._words, self._rows):
                for key in [key for key in store if key not in shown]:
                    store.pop(key)
            events = [self._event_row(rnd) for rnd in rounds]
            markets = [market for event in events for market in event.markets]
            self._listing = Listing(
                slot,
                events,
                markets,
                {e.id: e for e in events},
                {m.id: m for m in markets},
                {m.condition_id: m for m in markets},
                {token: (m, outcome) for m in markets for outcome, token in enumerate(m.tokens)},
            )
        return self._listing

    def event_rows(self, now: datetime) -> Sequence[PolymarketEventRow]:
        return self.listing(now).events

    def market_rows(self, now: datetime) -> Sequence[PolymarketMarketRow]:
        return self.listing(now).markets

    def find_event(self, event_id: str, now: datetime) -> PolymarketEventRow | None:
        return self.listing(now).event_of.get(event_id)

    def find_market(self, market_id: str, now: datetime) -> PolymarketMarketRow | None:
        return self.listing(now).market_of.get(market_id)

    # Bodies

    def event_body(self, row: PolymarketEventRow, now: datetime) -> Body:
        rnd: Round = row.source
        words, now_ts = self.words(rnd), int(now.timestamp())
        markets = [self._market_body(market, now) for market in row.markets]
        body = self._event_head(row, now)
        body |= {
            "description": words.description,
            "enableNegRisk": rnd.family.kind == "exclusive",
            "liquidity": round(sum(m["liquidityNum"] for m in markets), 4),
            "negRisk": rnd.family.kind == "exclusive",
            "negRiskAugmented": False,
            "openInterest": round(sum(m["volumeNum"] for m in markets) * 0.3, 6),
            "tags": [tag_body(rnd.family.category)],
            "volume": round(sum(m["volumeNum"] for m in markets), 6),
            "volume24hr": round(sum(m.get("volume24hr", 0) for m in markets), 6),
            "markets": markets,
        }
        if row.closed(now_ts):
            body["closedTime"] = wire_time(texts.utc(row.closed_ts))
        return body

    def _event_head(self, row: PolymarketEventRow, now: datetime) -> Body:
        rnd: Round = row.source
        return {
            "id": row.id,
            "ticker": row.slug,
            "slug": row.slug,
            "title": self.words(rnd).title,
            "resolutionSource": "",
            "startDate": wire_time(texts.utc(row.listed_ts)),
            "creationDate": wire_time(texts.utc(row.listed_ts)),
            "endDate": wire_time(rnd.end_time),
            "active": True,
            "closed": row.closed(now.timestamp()),
            "archived": False,
            "new": False,
            "featured": False,
            "restricted": True,
            "enableOrderBook": True,
            "cyom": False,
            "updatedAt": wire_time(texts.utc(int(now.timestamp()) // SLOT_S * SLOT_S)),
        }

    def market_bodies(self, rows: Sequence[PolymarketMarketRow], now: datetime, with_tags: bool) -> list[Body]:
        bodies = []
        for row in rows:
            body = self._market_body(row, now)
            event = self.find_event(row.source.event_id, now)
            body["events"] = [] if event is None else [self._event_head(event, now)]
            if with_tags:
                body["tags"] = [tag_body(row.source.rnd.family.category)]
            bodies.append(body)
        return bodies

    def _market_body(self, row: PolymarketMarketRow, now: datetime) -> Body:
        rnd, j = row.source.rnd, row.source.j
        now_ts = int(now.timestamp())
        words, closed, family = self.words(rnd).markets[j], row.closed(now_ts), rnd.family
        ended = now_ts >= rnd.closes[j] * SLOT_S
        dollars = [int(v) / 100 for v in rnd.volume_at(j, np.array([now_ts, now_ts - DAY_S, now_ts - 7 * DAY_S]))]
        end = rnd.rung_times()[j] if family.kind == "deadline" else rnd.end_time
        _, fees = CATEGORIES[family.category]
        updown = family.kind == "spot"
        body: Body = {
            "id": row.id,
            "question": words.question,
            "conditionId": row.condition_id,
            "slug": row.slug,
            "resolutionSource": "",
            "endDate": wire_time(end),
            "startDate": wire_time(texts.utc(row.listed_ts)),
            "description": words.description,
            "outcomes": '["Up", "Down"]' if updown else '["Yes", "No"]',
            "volume": f"{dollars[0]}",
            "active": True,
            "closed": closed,
            "createdAt": wire_time(texts.utc(row.listed_ts)),
            "updatedAt": wire_time(texts.utc(now_ts // SLOT_S * SLOT_S)),
            "new": False,
            "featured": False,
            "archived": False,
            "restricted": True,
            "groupItemTitle": words.group_title,
            "groupItemThreshold": str(j),
            "questionID": "0x" + sha256(f"question {int(rnd.keys[j])}".encode()).hexdigest(),
            "enableOrderBook": True,
            "orderPriceMinTickSize": int(rnd.ticks[j]) / 1000,
            "orderMinSize": 5,
            "volumeNum": dollars[0],
            "endDateIso": f"{end:%Y-%m-%d}",
            "startDateIso": f"{texts.utc(row.listed_ts):%Y-%m-%d}",
            "hasReviewedDates": True,
            "volume1wk": round(dollars[0] - dollars[2], 2),
            "clobTokenIds": orjson.dumps(row.tokens).decode().replace(",", ", "),
            "umaBond": "500",
            "umaReward": "5",
            "volumeClob": dollars[0],
            "acceptingOrders": not closed,
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
        if dollars[0] > dollars[1]:
            body["volume24hr"] = body["volume24hrClob"] = round(dollars[0] - dollars[1], 2)
        return body | self._price_fields(row, now_ts) | self._resolution_fields(row, ended, closed)

    def quote(self, row: PolymarketMarketRow, now_ts: int) -> tuple[int, int]:
        """Best bid and ask of the first outcome; near 0 or 1 while a resolution is proposed, empty when closed."""
        rnd, j, slot = row.source.rnd, row.source.j, now_ts // SLOT_S
        if row.closed(now_ts):
            return NO_BID, NO_ASK
        if slot >= rnd.closes[j]:
            return PINNED_YES if rnd.outcomes[j] else PINNED_NO
        key = (rnd.family.index, rnd.number, slot)
        if key not in self._quotes:
            bid, ask = rnd.quotes(np.array([slot], dtype=np.int64))
            self._quotes[key] = (bid[:, 0], ask[:, 0])
        return int(self._quotes[key][0][j]), int(self._quotes[key][1][j])

    def last_price(self, row: PolymarketMarketRow, now_ts: int) -> int | None:
        rnd, j = row.source.rnd, row.source.j
        volume = int(rnd.volume_at(j, np.array([now_ts]))[0])
        if not volume:
            return None
        traded = rnd.start + int(np.searchsorted(rnd.volumes[j], volume)) - 1
        return int(rnd.trade_prices(np.array([traded]))[j, 0])

    def _price_fields(self, row: PolymarketMarketRow, now_ts: int) -> Body:
        rnd, j = row.source.rnd, row.source.j
        bid, ask = self.quote(row, now_ts)
        last = self.last_price(row, now_ts)
        if row.closed(now_ts):
            price = 1000.0 if rnd.outcomes[j] else 0.0
        elif ask - bid <= 100 or last is None:
            price = (bid + ask) / 2
        else:
            price = float(last)
        liquidity = 0.0 if row.closed(now_ts) else sum(p * s / 1000 for p, s in rnd.side(j, now_ts // SLOT_S, bid, 0))
        fields: Body = {
            "outcomePrices": f'["{price / 1000:.10g}", "{1 - price / 1000:.10g}"]',
            "liquidity": f"{liquidity:.4f}",
            "liquidityNum": round(liquidity, 4),
            "spread": (ask - bid) / 1000,
            "bestAsk": ask / 1000,
        }
        if bid != NO_BID:
            fields["bestBid"] = bid / 1000
        if last is not None:
            fields["lastTradePrice"] = last / 1000
        return fields

    def _resolution_fields(self, row: PolymarketMarketRow, ended: bool, closed: bool) -> Body:
        if not ended:
            return {"umaResolutionStatuses": "[]"}
        fields: Body = {"umaResolutionStatus": "resolved" if closed else "proposed"}
        fields["umaResolutionStatuses"] = '["proposed", "resolved"]' if closed else '["proposed"]'
        if closed:
            moment = texts.utc(row.closed_ts)
            fields |= {"closedTime": f"{moment:%Y-%m-%d %H:%M:%S}+00", "umaEndDate": wire_time(moment)}
        return fields

    # CLOB and Data

    def book(self, token: str, now: datetime) -> Body | None:
        row, outcome = self.listing(now).of_token.get(token, (None, 0))
        now_ts = int(now.timestamp())
        if row is None or row.closed(now_ts):
            return None
        rnd, j, slot = row.source.rnd, row.source.j, now_ts // SLOT_S
        bid, ask = self.quote(row, now_ts)
        bids, asks = rnd.side(j, slot, bid, 0), rnd.side(j, slot, ask, 1)
        if outcome == 1:
            bids, asks = [(1000 - p, s) for p, s in asks], [(1000 - p, s) for p, s in bids]
        last = self.last_price(row, now_ts)
        levels = {"bids": level_bodies(bids), "asks": level_bodies(asks)}
        return {
            "market": row.condition_id,
            "asset_id": token,
            "timestamp": str(now_ts * 1000),
            "hash": sha1(orjson.dumps([token, now_ts, levels]), usedforsecurity=False).hexdigest(),
            **levels,
            "min_order_size": "5",
            "tick_size": price_text(int(rnd.ticks[j])),
            "neg_risk": rnd.family.kind == "exclusive",
            "last_trade_price": "" if last is None else price_text(last if outcome == 0 else 1000 - last),
        }

    def price_history(self, token: str, start_ts: int, end_ts: int, step_min: int, now: datetime) -> list[Body]:
        row, outcome = self.listing(now).of_token.get(token, (None, 0))
        now_ts = int(now.timestamp())
        if row is None or (row.closed(now_ts) and step_min < ENDED_HISTORY_FIDELITY_MIN):
            return []
        rnd, j, step = row.source.rnd, row.source.j, step_min * 60
        last = min(end_ts, now_ts, int(rnd.closes[j]) * SLOT_S - 1)
        times = np.arange(-(-max(start_ts, rnd.start * SLOT_S) // step) * step, last + 1, step)
        if not len(times):
            return []
        unique, where = np.unique(times // SLOT_S, return_inverse=True)
        bid, ask = (side[j] for side in rnd.quotes(unique))
        middle = ((bid + ask) / 2)[where]
        prices = middle if outcome == 0 else 1000 - middle
        return [{"t": int(t), "p": round(float(p) / 1000, 4)} for t, p in zip(times, prices, strict=True)]

    def clob_market(self, condition_id: str, now: datetime) -> Body | None:
        row = self.listing(now).of_condition.get(condition_id)
        if row is None:
            return None
        body = self._market_body(row, now)
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
        yes = bool(row.source.rnd.outcomes[row.source.j])
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


def tag_body(category: str) -> Body:
    (tag_id, label, tag_slug), _ = CATEGORIES[category]
    return {"id": tag_id, "label": label, "slug": tag_slug, "forceShow": False, "requiresTranslation": False}


def level_bodies(levels: list[tuple[int, float]]) -> list[Body]:
    """Best last, as the venue sends both sides."""
    return [{"price": price_text(price), "size": f"{size:.10g}"} for price, size in reversed(levels)]


def price_text(thousandths: int) -> str:
    return f"{thousandths / 1000:g}"


def slug(text: str) -> str:
    words = "".join(ch.lower() if ch.isascii() and ch.isalnum() else " " for ch in text).split()
    return "-".join(words)[:90]
