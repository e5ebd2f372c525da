"""The generated world: the same at any time however one gets there, consistent with itself, with true planted facts."""

from collections import Counter
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import cache
from itertools import pairwise
from typing import Any

import numpy as np
import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from local.noise import ppf
from local.world import SLOT_S, VENUES, Effects, GeneratedWorld
from local.world_families import DAY
from local.world_grammar import PATTERNS, bets
from local.world_topics import topic_of
from local.world_walks import GRADES, HOURLY_NOISE

NOW = datetime(2026, 11, 22, 12, 7, tzinfo=UTC)
MOMENTS = st.integers(0, 60 * 24 * 60).map(lambda minutes: NOW + timedelta(minutes=minutes))


@cache
def world(seed: int = 1) -> GeneratedWorld:
    return GeneratedWorld(seed, 400)


def everything(source: GeneratedWorld, now: datetime) -> bytes:
    kalshi, polymarket = source.kalshi, source.polymarket
    events = [kalshi.event_body(row, now, nested=True) for row in kalshi.event_rows(now)]
    markets = polymarket.market_bodies(polymarket.market_rows(now), now, with_tags=True)
    books = [polymarket.book(row.tokens[0], now) for row in polymarket.market_rows(now)]
    return orjson.dumps([events, markets, books, [kalshi.book(row.ticker, now, 0) for row in kalshi.market_rows(now)]])


def kalshi_markets(now: datetime) -> list[dict[str, Any]]:
    return world().kalshi.market_bodies(world().kalshi.market_rows(now), now)


def test_the_same_seed_and_time_give_the_same_bytes() -> None:
    assert everything(GeneratedWorld(3, 400), NOW) == everything(GeneratedWorld(3, 400), NOW)


def test_another_seed_gives_another_world() -> None:
    assert everything(GeneratedWorld(3, 400), NOW) != everything(GeneratedWorld(4, 400), NOW)


def test_a_world_started_later_is_the_world_that_ran_until_then() -> None:
    later = NOW + timedelta(days=3, hours=5)
    ran = GeneratedWorld(5, 400)
    for step in range(4):
        everything(ran, NOW + timedelta(days=step))
    assert everything(ran, later) == everything(GeneratedWorld(5, 400), later)


def test_looking_back_shows_what_was_there_before() -> None:
    source = GeneratedWorld(6, 400)
    before = everything(source, NOW)
    everything(source, NOW + timedelta(days=2))
    assert everything(source, NOW) == before


@settings(max_examples=15, deadline=None)
@given(MOMENTS)
def test_the_world_never_runs_empty(now: datetime) -> None:
    trading = [row for row in world().kalshi.market_rows(now) if row.status(now.timestamp()) == "active"]
    still_open = [row for row in world().polymarket.market_rows(now) if not row.closed(now.timestamp())]
    assert len(trading) > 120
    assert len(still_open) > 120


@settings(max_examples=15, deadline=None)
@given(MOMENTS)
def test_ids_are_unique_and_polymarket_ids_ascend(now: datetime) -> None:
    tickers = [row.ticker for row in world().kalshi.market_rows(now)]
    ids = [int(row.id) for row in world().polymarket.market_rows(now)]
    conditions = [row.condition_id for row in world().polymarket.market_rows(now)]
    assert len(set(tickers)) == len(tickers)
    assert ids == sorted(set(ids))
    assert len(set(conditions)) == len(conditions)


@settings(max_examples=40, deadline=None)
@given(MOMENTS, st.integers(0, 10**6), st.sampled_from([60, 1440]))
def test_candle_volumes_sum_to_the_listed_volume(now: datetime, pick: int, period_min: int) -> None:
    kalshi = world().kalshi
    rows = kalshi.market_rows(now)
    row = rows[pick % len(rows)]
    far = int(now.timestamp()) + 3 * 86_400
    candles = kalshi.candles(row.ticker, 0, far, period_min, now)
    listed = Decimal(kalshi.market_bodies([row], now)[0]["volume_fp"])
    assert candles is not None
    assert sum((Decimal(candle["volume_fp"]) for candle in candles), Decimal(0)) == listed


@settings(max_examples=10, deadline=None)
@given(MOMENTS, st.integers(0, 10**6))
def test_trade_counts_sum_to_the_listed_volume(now: datetime, pick: int) -> None:
    kalshi = world().kalshi
    rows = kalshi.market_rows(now)
    row = rows[pick % len(rows)]
    trades = kalshi.trades(row.ticker, 0, 2**31, now)
    listed = Decimal(kalshi.market_bodies([row], now)[0]["volume_fp"])
    assert sum((Decimal(trade["count_fp"]) for trade in trades), Decimal(0)) == listed


@settings(max_examples=10, deadline=None)
@given(MOMENTS, st.integers(1, 2000))
def test_volume_never_falls(now: datetime, minutes: int) -> None:
    before = {m["ticker"]: Decimal(m["volume_fp"]) for m in kalshi_markets(now)}
    after = {m["ticker"]: Decimal(m["volume_fp"]) for m in kalshi_markets(now + timedelta(minutes=minutes))}
    assert all(after[ticker] >= volume for ticker, volume in before.items() if ticker in after)


def test_the_listed_quote_is_the_top_of_the_book() -> None:
    seen = 0
    for market in kalshi_markets(NOW):
        book = world().kalshi.book(market["ticker"], NOW, 0)
        assert book is not None
        bids = book["orderbook_fp"]["yes_dollars"]
        assert bids == sorted(bids, key=lambda level: Decimal(level[0]))
        if bids:
            seen += 1
            assert bids[-1] == [market["yes_bid_dollars"], market["yes_bid_size_fp"]]
        else:
            assert market["yes_bid_dollars"] == "0.0000"
    assert seen > 100


def test_some_quotes_are_one_sided_and_none_cross_themselves() -> None:
    active = [m for m in kalshi_markets(NOW) if m["status"] == "active"]
    assert any(m["yes_bid_dollars"] == "0.0000" for m in active)
    assert any(m["yes_ask_dollars"] in ("0.0000", "1.0000") for m in active)
    for market in active:
        ask = Decimal(market["yes_ask_dollars"])
        assert ask == 0 or Decimal(market["yes_bid_dollars"]) < ask


def test_outcomes_come_as_often_as_the_prices_said() -> None:
    prices: list[float] = []
    outcomes: list[bool] = []
    for family in (f for f in world().families["kalshi"] if f.kind != "spot"):
        for number in range(8):
            rnd = world().round(family, number)
            prices.extend(rnd.prices[:, family.life // 3])
            outcomes.extend(rnd.outcomes)
    said, happened = np.array(prices), np.array(outcomes)
    for low in (0.1, 0.3, 0.5, 0.7):
        inside = (said >= low) & (said < low + 0.2)
        assert abs(said[inside].mean() - happened[inside].mean()) < 0.08


def test_a_market_goes_through_its_life_and_keeps_its_result() -> None:
    kalshi = world().kalshi
    row = next(r for r in kalshi.market_rows(NOW) if r.ticker.startswith("KXBTCH") and r.close_ts > NOW.timestamp())
    close = datetime.fromtimestamp(row.close_ts, UTC)
    seen = [kalshi.market_bodies([row], close + timedelta(seconds=s))[0] for s in (-1, 1, 100, 299, 301, 20_000)]
    assert [m["status"] for m in seen] == ["active", "closed", "determined", "determined", "finalized", "finalized"]
    assert [m["result"] for m in seen[:2]] == ["", ""]
    assert len({(m["result"], m["settlement_value_dollars"]) for m in seen[2:]}) == 1
    assert "settlement_ts" in seen[-1]


def test_polymarket_proposes_before_it_resolves() -> None:
    polymarket = world().polymarket
    row = next(r for r in polymarket.market_rows(NOW) if r.closed_ts > NOW.timestamp() and r.source.rnd.family.bet)
    closed = datetime.fromtimestamp(row.closed_ts, UTC)
    proposed = polymarket.market_bodies([row], closed - timedelta(minutes=1), with_tags=False)[0]
    resolved = polymarket.market_bodies([row], closed, with_tags=False)[0]
    assert (proposed["closed"], proposed["umaResolutionStatus"]) == (False, "proposed")
    assert (resolved["closed"], resolved["umaResolutionStatus"]) == (True, "resolved")
    assert resolved["outcomePrices"] in ('["1", "0"]', '["0", "1"]')


@settings(max_examples=20, deadline=None)
@given(MOMENTS)
def test_at_any_time_three_pairs_cross_by_five_to_eight_cents_with_size(now: datetime) -> None:
    source = world()
    truth = source.truth(now, now)
    polarity = {(pair["kalshi"], pair["polymarket"]): pair["polarity"] for pair in truth["pairs"]}
    at = now.isoformat()
    crossed = 0
    for plan in (p for p in truth["crossings"] if p["from"] <= at < p["until"]):
        inverted = polarity[plan["kalshi"], plan["polymarket"]] == "inverted"
        token = source.polymarket.listing(now).of_condition[plan["polymarket"]].tokens[inverted]
        kalshi, polymarket = source.kalshi.book(plan["kalshi"], now, 0), source.polymarket.book(token, now)
        assert kalshi is not None
        assert polymarket is not None
        sides = kalshi["orderbook_fp"]
        if plan["buy_yes_on"] == "kalshi":
            ask, ask_size = 1 - Decimal(sides["no_dollars"][-1][0]), Decimal(sides["no_dollars"][-1][1])
            bid, bid_size = Decimal(polymarket["bids"][-1]["price"]), Decimal(polymarket["bids"][-1]["size"])
        else:
            ask, ask_size = Decimal(polymarket["asks"][-1]["price"]), Decimal(polymarket["asks"][-1]["size"])
            bid, bid_size = Decimal(sides["yes_dollars"][-1][0]), Decimal(sides["yes_dollars"][-1][1])
        assert Decimal("0.05") <= bid - ask <= Decimal("0.08")
        assert min(ask_size, bid_size) >= 500
        crossed += 1
    assert crossed >= 3


@pytest.mark.parametrize("kinds", [("volume_spike",), ("price_jump",), ("asks_below_one", "bids_above_one")])
def test_every_two_hours_show_planted_anomalies(kinds: tuple[str, ...]) -> None:
    planted = world().truth(NOW - timedelta(days=3), NOW)["anomalies"]
    times = [datetime.fromisoformat(a["time"]) for a in planted if a["kind"] in kinds]
    for quarter in range(8, 4 * 24 * 3):
        end = NOW - timedelta(days=3) + timedelta(minutes=15 * quarter)
        assert any(end - timedelta(hours=2, minutes=15) <= time < end for time in times)


def test_planted_sums_are_served_as_quotes() -> None:
    planted = world().truth(NOW - timedelta(hours=2), NOW)["anomalies"]
    checked = 0
    for anomaly in (a for a in planted if a["venue"] == "kalshi" and a["kind"] == "asks_below_one"):
        at = datetime.fromisoformat(anomaly["time"])
        rows = [row for ticker in anomaly["markets"] if (row := world().kalshi.find_market(ticker, at))]
        asks = [Decimal(market["yes_ask_dollars"]) for market in world().kalshi.market_bodies(rows, at)]
        assert sum(asks, Decimal(0)) == 1 + Decimal(str(anomaly["size"]))
        checked += 1
    assert checked


def test_a_planted_spike_stands_out_of_its_own_past() -> None:
    planted = world().truth(NOW - timedelta(days=1), NOW)["anomalies"]
    spikes = [a for a in planted if a["kind"] == "volume_spike" and a["venue"] == "kalshi"]
    ratios = []
    for spike in spikes:
        row = world().kalshi.find_market(spike["markets"][0], NOW)
        if row is None:
            continue
        rnd, j = row.source.rnd, row.source.j
        flow = np.diff(rnd.volumes[j])
        at = slot_of(spike) - rnd.start
        ratios.append(flow[at] / spike["size"] / max(np.median(flow[at % 96 : at : 96]), 1))
    assert 0.7 < float(np.median(ratios)) < 1.4


def slot_of(anomaly: dict[str, Any]) -> int:
    return int(datetime.fromisoformat(anomaly["time"]).timestamp()) // SLOT_S


def test_planted_anomalies_come_in_all_grades() -> None:
    planted = world().truth(NOW - timedelta(days=2), NOW)["anomalies"]
    for kind in ("volume_spike", "price_jump"):
        assert {a["grade"] for a in planted if a["kind"] == kind} == set(GRADES.tolist())
    assert not any("effect" in anomaly for anomaly in planted)


def moves_after(effects: Effects | None, kind: str, after_h: int) -> tuple[list[float], list[float]]:
    """For each planted anomaly of Kalshi's single markets: its signed size, and how far its walk went afterwards.

    Both in hourly noises. The walk is read off the price of a market whose rounds end with it.
    """
    source = GeneratedWorld(7, 1600, effects)
    planted = source.truth(NOW - timedelta(days=2), NOW)["anomalies"]
    sizes, moves = [], []
    for anomaly in (a for a in planted if a["venue"] == "kalshi" and a["kind"] == kind and len(a["markets"]) == 1):
        row = source.kalshi.find_market(anomaly["markets"][0], NOW)
        if row is None or row.source.rnd.family.kind != "binary":
            continue
        rnd, slot = row.source.rnd, slot_of(anomaly)
        if slot + after_h * 4 >= rnd.end - DAY:
            continue
        at = np.array([slot, slot + after_h * 4])
        remaining = (rnd.end - at) / rnd.family.life + rnd.family.residual**2
        x = ppf(rnd.columns.prices(np.array([0]), at[None, :])[0]) * np.sqrt(remaining)
        sizes.append(anomaly.get("effect", {}).get("hourly_noises", anomaly["size"]))
        moves.append(float(x[1] - x[0]) / float(rnd.columns.walks.unit[0]) / HOURLY_NOISE)
    return sizes, moves


@pytest.mark.parametrize(
    ("effects", "kind", "slope"),
    [(None, "price_jump", 0.0), (Effects(jump_reversion=0.8, hours=4), "price_jump", -0.8),
     (Effects(spike_drift=1.5, hours=4), "volume_spike", 1.0)],
)  # fmt: skip
def test_after_an_anomaly_prices_go_where_they_were_told_to(effects: Effects | None, kind: str, slope: float) -> None:
    sizes, moves = moves_after(effects, kind, after_h=5)
    assert len(sizes) > 60
    assert abs(np.polyfit(sizes, moves, 1)[0] - slope) < 0.35


def test_planted_ladders_are_served_broken() -> None:
    planted = world().truth(NOW - timedelta(days=3), NOW)["anomalies"]
    broken = [a for a in planted if a["kind"] == "ladder_broken" and a["venue"] == "kalshi"]
    assert len(broken) > 10
    for anomaly in broken:
        at = datetime.fromisoformat(anomaly["time"])
        rows = [world().kalshi.find_market(ticker, at) for ticker in anomaly["markets"]]
        cheap, dear = world().kalshi.market_bodies([row for row in rows if row], at)
        edge = Decimal(dear["yes_bid_dollars"]) - Decimal(cheap["yes_ask_dollars"])
        assert edge == Decimal(str(anomaly["size"])) > 0


def test_unbroken_ladders_are_in_order() -> None:
    found = 0
    for family in (f for f in world().families["kalshi"] if f.kind == "threshold"):
        prices = world().round_at(family, int(NOW.timestamp()) // SLOT_S).prices
        assert (np.diff(prices, axis=0) <= 0).all()
        found += 1
    assert found > 3


def test_both_venues_agree_on_a_pair_and_settle_it_alike() -> None:
    source = GeneratedWorld(2, 3000)
    slot = int(NOW.timestamp()) // SLOT_S
    theirs = [family for family in source.families["polymarket"] if family.pair is not None]
    apart = []
    for mine, their in zip(source.pairs, theirs, strict=True):
        one, other = source.round_at(mine, slot), source.round_at(their, slot)
        assert bool(one.outcomes[0]) == bool(other.outcomes[0]) ^ their.inverted
        fair = other.prices[0, slot - other.start]
        apart.append(abs(one.prices[0, slot - one.start] - (1 - fair if their.inverted else fair)))
    assert len(apart) > 40
    assert max(apart) < 0.05


def test_nothing_served_tells_what_is_planted() -> None:
    served = everything(world(), NOW).decode().lower()
    assert not any(word in served for word in ("planted", "look_alike", "look-alike", "anomaly", "spike", "seed"))


@pytest.mark.parametrize("markets", [200, 3_000])
def test_a_world_has_the_size_it_was_asked_for(markets: int) -> None:
    source = GeneratedWorld(1, markets)
    trading = sum(row.close_ts > NOW.timestamp() for row in source.kalshi.market_rows(NOW))
    trading += sum(row.source.ends_ts > NOW.timestamp() for row in source.polymarket.market_rows(NOW))
    assert abs(trading / markets - 1) < 0.1


@settings(max_examples=15, deadline=None)
@given(MOMENTS, st.integers(0, 10**6))
def test_a_listing_says_what_a_single_market_says(now: datetime, pick: int) -> None:
    """The listing reads all markets at once from arrays, histories read one round."""
    now_ts = int(now.timestamp())
    for venue, rows in (
        ("kalshi", world().kalshi.market_rows(now)),
        ("polymarket", world().polymarket.market_rows(now)),
    ):
        live = [row for row in rows if row.source.rnd.end > now_ts // SLOT_S]
        row = live[pick % len(live)]
        rnd, j = row.source.rnd, row.source.j
        readings = world().read(venue, [row.source.name], now_ts)
        if now_ts // SLOT_S < rnd.closes[j]:
            bid, ask = rnd.quotes(np.array([now_ts // SLOT_S]))
            assert (readings.bid[0], readings.ask[0]) == (bid[j, 0], ask[j, 0])
        assert readings.volume[0] == rnd.volume_at(j, np.array([now_ts]))[0]
        if readings.volume[0]:
            traded = np.searchsorted(rnd.volumes[j], readings.volume[0]) - 1
            assert readings.last[0] == rnd.trade_prices(np.array([rnd.start + traded]))[j, 0]


def test_a_body_does_not_depend_on_what_else_is_asked_for() -> None:
    kalshi, polymarket = world().kalshi, world().polymarket
    together = kalshi.market_bodies(kalshi.market_rows(NOW), NOW)
    assert together[::17] == [kalshi.market_bodies([row], NOW)[0] for row in kalshi.market_rows(NOW)[::17]]
    events = [polymarket.event_body(row, NOW) for row in polymarket.event_rows(NOW)[::9]]
    assert orjson.loads(orjson.dumps(polymarket.event_answers(polymarket.event_rows(NOW)[::9], NOW))) == events


def test_shared_bets_grow_with_the_world_and_never_repeat_themselves() -> None:
    source = GeneratedWorld(1, 10_000)
    counts = Counter(f.bet is not None for f in source.families["kalshi"])
    assert 0.04 < counts[True] / (10_000 / 2) < 0.06
    generated = list(bets(1, 2_500))
    for words in ([b.title for b in generated], [b.question for b in generated], [b.series for b in generated]):
        assert len(set(words)) == len(words)
    assert {b.difference for b in generated} == {""} | {d for _, differences in PATTERNS for d in differences}
    assert 0.5 < sum(not b.difference for b in generated) / len(generated) < 0.75
    assert sum(b.inverted for b in generated) > 100


def test_no_two_topics_are_the_same() -> None:
    for kind in ("exclusive", "threshold", "deadline", "binary"):
        titles = [topic_of(kind, number, 4).title for number in range(16_000)]
        assert len(set(titles)) == len(titles)


def test_the_venues_order_their_markets_differently() -> None:
    """Otherwise pairs could be read off the ids."""
    ranks = [world().tables[venue].rank[: len(world().pairs)] for venue in VENUES]
    assert abs(np.corrcoef(ranks[0], ranks[1])[0, 1]) < 0.5
    series = [bet.series for bet in bets(1, 50)]
    assert any(one > other for one, other in pairwise(series))


def test_pairs_and_look_alikes_are_all_listed() -> None:
    truth = world().truth(NOW, NOW)
    tickers = {row.ticker for row in world().kalshi.market_rows(NOW)}
    conditions = world().polymarket.listing(NOW).of_condition
    for bet in truth["pairs"] + truth["look_alikes"]:
        assert bet["kalshi"] in tickers
        assert bet["polymarket"] in conditions
    assert (len(truth["pairs"]), len(truth["look_alikes"])) == (25, 15)


def test_a_time_before_the_world_is_refused() -> None:
    with pytest.raises(ValueError, match="begins on 2026-01-11"):
        world().listed("kalshi", int(datetime(2025, 6, 1, tzinfo=UTC).timestamp()) // SLOT_S)
