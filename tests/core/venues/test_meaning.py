"""What a venue's fields mean: both shapes of numbers, quotes, outcomes, fees, books, candles."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from core.models import FeeFacts, Market, MarketStatus, Outcome
from core.venues import fields, kalshi, polymarket
from tests.conftest import NOW

CENTS = st.integers(0, 100)


def kalshi_market(**changes: Any) -> Market:
    row = {"ticker": "KX-1", "event_ticker": "KX", "status": "active", "title": "T"} | changes
    market = kalshi.parse_market(row, None, Counter())
    assert isinstance(market, Market), market
    return market


def gamma_market(**changes: Any) -> Market:
    row = {
        "id": "1", "conditionId": "0xa", "question": "Q?", "outcomes": '["Yes", "No"]', "clobTokenIds": '["11", "22"]',
        "closed": False, "active": True, "acceptingOrders": True,
    } | changes  # fmt: skip
    market = polymarket.parse_market(row, None, Counter())
    assert isinstance(market, Market), market
    return market


def dollars(cents: int) -> str:
    return f"{Decimal(cents) / 100:.4f}"


# Kalshi's two shapes


@given(st.fixed_dictionaries(dict.fromkeys(("yes_bid", "yes_ask", "no_bid", "no_ask", "last_price"), CENTS)),
       st.integers(0, 10**9))  # fmt: skip
def test_integer_cents_dollar_strings_and_both_give_the_same_market(cents: dict[str, int], volume: int) -> None:
    old = {**cents, "volume": volume, "open_interest": volume}
    new = {f"{name}_dollars": dollars(value) for name, value in cents.items()}
    new |= {"volume_fp": f"{volume}.00", "open_interest_fp": f"{volume}.00"}
    shapes = [kalshi_market(**shape) for shape in (old, new, old | new)]
    assert shapes[0] == shapes[1] == shapes[2]
    plain = [replace(market.terms, raw={}) for market in shapes]
    assert plain[0] == plain[1] == plain[2]


def test_cents_are_read_only_where_dollars_are_absent() -> None:
    assert kalshi_market(yes_ask=40, yes_ask_dollars="0.4150").quote.yes_price == Decimal("0.415")
    assert kalshi_market(yes_ask=40, yes_ask_dollars="1.0000").quote.yes_price is None
    assert kalshi_market(yes_ask=40, yes_ask_dollars=None).quote.yes_price == Decimal("0.40")
    assert kalshi_market(yes_ask=40, yes_ask_dollars="rubbish").quote.yes_price is None


# Quotes


def test_yes_costs_the_ask_and_no_costs_what_the_bid_leaves() -> None:
    quote = kalshi_market(yes_bid_dollars="0.4000", yes_ask_dollars="0.4300", last_price_dollars="0.3900").quote
    assert (quote.yes_price, quote.no_price, quote.price) == (Decimal("0.43"), Decimal("0.60"), Decimal("0.415"))
    quote = gamma_market(bestBid=0.4, bestAsk=0.43, lastTradePrice=0.39).quote
    assert (quote.yes_price, quote.no_price, quote.price) == (Decimal("0.43"), Decimal("0.60"), Decimal("0.415"))


def test_the_no_side_alone_says_the_same() -> None:
    quote = kalshi_market(no_bid_dollars="0.5700", no_ask_dollars="0.6000").quote
    assert (quote.yes_price, quote.no_price) == (Decimal("0.43"), Decimal("0.60"))
    assert (quote.yes_size, quote.no_size) == (None, None)


def test_a_quote_has_sizes_where_it_has_prices() -> None:
    sizes = {"yes_ask_size_fp": "12.50", "yes_bid_size_fp": "7.00"}
    quote = kalshi_market(yes_bid_dollars="0.4000", yes_ask_dollars="0.4300", **sizes).quote
    assert (quote.yes_size, quote.no_size) == (Decimal("12.5"), Decimal(7))
    quote = kalshi_market(yes_ask_dollars="0.4300", **sizes).quote
    assert (quote.yes_size, quote.no_size) == (Decimal("12.5"), None)
    quote = kalshi_market(yes_ask_dollars="0.4300", yes_ask_size_fp="0.00").quote
    assert quote.yes_size is None


def test_a_crossed_quote_is_no_quote_and_the_last_trade_remains() -> None:
    for quote in (
        kalshi_market(yes_bid_dollars="0.5", yes_ask_dollars="0.4", last_price_dollars="0.45").quote,
        gamma_market(bestBid=0.5, bestAsk=0.4, lastTradePrice=0.45).quote,
    ):
        assert (quote.yes_price, quote.no_price, quote.price) == (None, None, Decimal("0.45"))


def test_a_wide_book_is_no_estimate_but_the_last_trade_is() -> None:
    for quote in (
        kalshi_market(yes_bid_dollars="0.2", yes_ask_dollars="0.7", last_price_dollars="0.6").quote,
        gamma_market(bestBid=0.2, bestAsk=0.7, lastTradePrice=0.6).quote,
    ):
        assert (quote.yes_price, quote.no_price, quote.price) == (Decimal("0.7"), Decimal("0.8"), Decimal("0.6"))


@pytest.mark.parametrize("nothing", [0, "0", "0.0000", 1, "1.0000", None, "", "0.9999999", "0.0000001"], ids=repr)
def test_an_empty_side_is_unknown_never_nothing_and_never_a_dollar(nothing: object) -> None:
    for quote in (
        kalshi_market(yes_bid_dollars=nothing, yes_ask_dollars=nothing, last_price_dollars=nothing).quote,
        kalshi_market(no_bid_dollars=nothing, no_ask_dollars=nothing).quote,
        gamma_market(bestBid=nothing, bestAsk=nothing, lastTradePrice=nothing).quote,
    ):
        assert (quote.price, quote.yes_price, quote.no_price, quote.last_price) == (None, None, None, None)


def test_a_one_sided_book_quotes_one_side() -> None:
    for quote in (kalshi_market(yes_ask_dollars="0.03").quote, gamma_market(bestAsk=0.03, bestBid=0).quote):
        assert (quote.yes_price, quote.no_price, quote.price) == (Decimal("0.03"), None, None)


MILLS = st.integers(1, 999).map(lambda n: Decimal(n) / 1000)


@given(
    st.none() | MILLS, st.none() | MILLS, st.none() | MILLS, st.integers(0, 10**6), st.sampled_from(["0", "1", "0.5"])
)
def test_naming_no_first_mirrors_quote_tokens_and_payout(
    bid: Decimal | None, ask: Decimal | None, last: Decimal | None, volume: int, payout: str
) -> None:
    assume(bid is None or ask is None or bid <= ask)

    def number(value: Decimal | None) -> float | None:
        return None if value is None else float(value)

    def mirror(value: Decimal | None) -> float | None:
        return None if value is None else float(1 - value)

    resolved = {"closed": True, "umaResolutionStatus": "resolved", "volumeNum": volume}
    other = str(1 - Decimal(payout))
    straight = gamma_market(
        bestBid=number(bid), bestAsk=number(ask), lastTradePrice=number(last), outcomePrices=[payout, other], **resolved
    )
    swapped = gamma_market(
        outcomes='["No", "Yes"]', clobTokenIds='["22", "11"]', outcomePrices=[other, payout],
        bestBid=mirror(ask), bestAsk=mirror(bid), lastTradePrice=mirror(last), **resolved,
    )  # fmt: skip
    assert swapped.quote == straight.quote
    assert swapped.outcome == straight.outcome
    assert (swapped.terms.yes_token, swapped.terms.no_token) == ("11", "22")
    assert (swapped.terms.yes_label, swapped.terms.no_label) == ("Yes", "No")


def test_names_that_are_not_yes_and_no_keep_the_venues_order() -> None:
    market = gamma_market(outcomes=["Lakers", "Celtics"], bestAsk=0.3, bestBid=0.2)
    assert (market.terms.yes_label, market.terms.no_label) == ("Lakers", "Celtics")
    assert market.quote.yes_price == Decimal("0.3")


# Outcomes


@pytest.mark.parametrize(
    ("row", "expected"),
    [
        ({"status": "finalized", "result": "yes"}, ("yes", Decimal(1))),
        ({"status": "finalized", "result": "no", "settlement_value_dollars": "0.0000"}, ("no", Decimal(0))),
        ({"status": "settled", "result": "yes", "settlement_value": 100}, ("yes", Decimal(1))),
        ({"status": "finalized", "result": "scalar", "settlement_value_dollars": "0.2"}, ("scalar", Decimal("0.2"))),
        ({"status": "finalized", "result": "scalar"}, ("scalar", None)),
        ({"status": "finalized", "result": ""}, (None, None)),
        ({"status": "determined", "result": "yes", "settlement_value_dollars": "1.0000"}, (None, None)),
        ({"status": "disputed", "result": "yes"}, (None, None)),
        ({"status": "amended", "result": "yes"}, (None, None)),
        ({"status": "active", "result": "yes"}, (None, None)),
    ],
)  # fmt: skip
def test_a_kalshi_market_has_an_outcome_only_once_finalized(row: dict[str, Any], expected: object) -> None:
    outcome = kalshi_market(**row).outcome
    assert (outcome.result, outcome.payout) == expected


@pytest.mark.parametrize(
    ("row", "expected"),
    [
        ({"umaResolutionStatus": "resolved", "outcomePrices": '["1", "0"]'}, ("yes", Decimal(1))),
        ({"umaResolutionStatus": "resolved", "outcomePrices": ["0", "1"]}, ("no", Decimal(0))),
        ({"resolutionStatus": "resolved", "outcomePrices": ["0.5", "0.5"]}, ("scalar", Decimal("0.5"))),
        ({"umaResolutionStatus": "resolved", "outcomePrices": '["0", "0"]'}, (None, None)),
        ({"umaResolutionStatus": "resolved", "outcomePrices": ["1", None]}, (None, None)),
        ({"umaResolutionStatus": "resolved", "outcomePrices": [None, "1", "0"]}, (None, None)),
        ({"umaResolutionStatus": "resolved"}, (None, None)),
        ({"umaResolutionStatus": "disputed", "outcomePrices": ["0.9995", "0.0005"]}, (None, None)),
        ({"umaResolutionStatus": "proposed", "outcomePrices": ["1", "0"]}, (None, None)),
        ({"umaResolutionStatus": "resolved", "outcomePrices": ["1", "0"], "closed": False}, (None, None)),
    ],
)
def test_a_polymarket_market_has_an_outcome_only_once_resolved(row: dict[str, Any], expected: object) -> None:
    outcome = gamma_market(**({"closed": True} | row)).outcome
    assert (outcome.result, outcome.payout) == expected


@pytest.mark.parametrize(
    ("flags", "status"),
    [
        ({}, MarketStatus.OPEN),
        ({"acceptingOrders": False}, MarketStatus.PAUSED),
        ({"umaResolutionStatus": "proposed"}, MarketStatus.DETERMINED),
        ({"umaResolutionStatus": "disputed"}, MarketStatus.DISPUTED),
        ({"active": False}, MarketStatus.UNOPENED),
        ({"closed": True}, MarketStatus.CLOSED),
        ({"closed": True, "umaResolutionStatus": "proposed"}, MarketStatus.DETERMINED),
        ({"closed": True, "umaResolutionStatus": "disputed"}, MarketStatus.DISPUTED),
        ({"closed": True, "umaResolutionStatus": "resolved"}, MarketStatus.FINAL),
        ({"closed": True, "umaResolutionStatus": ["resolved"]}, MarketStatus.CLOSED),
    ],
)
def test_a_polymarket_market_is_open_only_when_all_its_flags_say_so(flags: dict[str, Any], status: str) -> None:
    assert gamma_market(**flags).status == status


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ({"ticker": "KXMVE-1", "status": "active"}, "combo"),
        ({"ticker": "A", "status": "active", "mve_collection_ticker": "X"}, "combo"),
        ({"ticker": "A", "status": "sleeping"}, "unknown status"),
        ({"ticker": "A"}, "unknown status"),
        ({"ticker": "", "status": "active"}, "no ticker"),
        ({"ticker": "a\x00b", "status": "active"}, "no ticker"),
        ([], "not an object"),
    ],
)
def test_what_is_no_market_of_ours_is_counted_under_its_reason(row: object, reason: str) -> None:
    assert kalshi.parse_page({"markets": [row]}).skipped == {reason: 1}


def test_a_polymarket_market_without_a_condition_goes_by_its_number() -> None:
    assert gamma_market(conditionId="").market_id == "gamma-1"
    assert gamma_market(conditionId=None, id=17).market_id == "gamma-17"
    page = polymarket.parse_page(
        {"markets": [{"question": "?", "id": True}, {"question": "?", "id": "1", "outcomes": ["A"]}]}
    )
    assert page.skipped == {"no id": 1, "not two outcomes": 1}


# Fees


def test_a_polymarket_fee_is_known_free_or_unknown() -> None:
    schedule = {"rate": 0.05, "exponent": 1, "takerOnly": True}
    assert gamma_market(feeType="sports_fees_v2", feeSchedule=schedule).terms.fee == FeeFacts(
        Decimal("0.05"), Decimal(1), "sports_fees_v2"
    )
    assert gamma_market(feesEnabled=False, feeSchedule=None).terms.fee == FeeFacts(Decimal(0), Decimal(1), "free")
    assert gamma_market().terms.fee is None
    assert gamma_market(feesEnabled=True).terms.fee is None
    assert gamma_market(takerBaseFee=1000, feesEnabled=True).terms.fee is None, "legacy fields mean nothing"
    for broken in (
        {"rate": 0.05},
        {"rate": "NaN", "exponent": 1},
        {"rate": 2, "exponent": 1},
        {"rate": -0.1, "exponent": 1},
    ):
        assert gamma_market(feeSchedule=broken, feesEnabled=True).terms.fee is None


def test_kalshis_fee_is_not_on_the_market() -> None:
    assert kalshi_market().terms.fee is None


@pytest.mark.parametrize(
    ("said", "meant"),
    [
        ({}, (None, None)),
        ({"fee_type_override": None, "fee_multiplier_override": None}, (None, None)),
        ({"fee_type_override": "", "fee_multiplier_override": 0.5}, (None, Decimal("0.5"))),
        ({"fee_type_override": "flat", "fee_multiplier_override": "2"}, ("flat", Decimal(2))),
        ({"fee_type_override": 7}, ("unreadable", None)),
        ({"fee_multiplier_override": "NaN"}, ("unreadable", None)),
        ({"fee_type_override": "quadratic", "fee_multiplier_override": -1}, ("unreadable", None)),
    ],
)
def test_an_override_that_cannot_be_read_is_unknown_and_not_the_series_fee(said: dict[str, Any], meant: object) -> None:
    event = kalshi.parse_event({"event_ticker": "E"} | said)
    change = kalshi.parse_fee_change({"event_ticker": "E", "scheduled_ts": "2026-12-01T00:00:00Z"} | said)
    assert event is not None
    assert change is not None
    assert (event.fee_type, event.fee_multiplier) == (change.fee_type, change.fee_multiplier) == meant


def test_a_waiver_is_a_time_or_unknown() -> None:
    assert kalshi_market().terms.fee_waiver_until is None
    waived = kalshi_market(fee_waiver_expiration_time="2026-12-01T00:00:00Z")
    assert waived.terms.fee_waiver_until is not None
    assert waived.terms.fee_waiver_until.month == 12
    assert waived.terms_digest != kalshi_market().terms_digest


# Events


@pytest.mark.parametrize(
    ("row", "exclusive", "exhaustive"),
    [
        ({}, False, None),
        ({"negRisk": True, "negRiskAugmented": False, "enableNegRisk": True}, True, None),
        ({"negRisk": True, "negRiskAugmented": True, "enableNegRisk": True}, True, False),
        ({"negRisk": True}, True, None),
        ({"negRisk": False, "negRiskAugmented": True}, False, None),
        ({"negRisk": "true", "negRiskAugmented": "true"}, False, None),
    ],
)
def test_of_a_negrisk_event_at_most_one_outcome_wins_and_none_need_be_listed(
    row: dict[str, Any], exclusive: bool, exhaustive: bool | None
) -> None:
    event = polymarket.parse_event({"id": "1"} | row)
    assert event is not None
    assert (event.mutually_exclusive, event.exhaustive) == (exclusive, exhaustive)


@pytest.mark.parametrize("said", [True, False, None, "true", 1])
def test_kalshi_says_that_at_most_one_wins_and_never_that_one_must(said: object) -> None:
    event = kalshi.parse_event({"event_ticker": "E", "mutually_exclusive": said, "collateral_return_type": "MECNET"})
    assert event is not None
    assert (event.mutually_exclusive, event.exhaustive) == (said is True, None)


# Terms


def test_the_fingerprint_changes_exactly_when_a_term_does() -> None:
    for make in (kalshi_market, gamma_market):
        digest = make().terms_digest
        assert make().terms_digest == digest
        assert make(lastTradePrice=0.3, last_price_dollars="0.3", volume_fp="7").terms_digest == digest
        assert make(rules_primary="R", description="R").terms_digest != digest
        assert make(close_time="2027-01-01T00:00:00Z", endDate="2027-01-01T00:00:00Z").terms_digest != digest


@pytest.mark.parametrize(
    ("said", "year"),
    [
        ("0001-01-01T00:00:00Z", None), ("2099-12-31T00:00:00Z", 2099), ("99999-01-01T00:00:00Z", None), ("", None),
        (None, None), (7, None), ("9999-12-31T23:59:59-05:00", None), ("2026-02-06 07:06:43+00", 2026), ("soon", None),
    ],
)  # fmt: skip
def test_a_time_is_a_time_or_unknown(said: object, year: int | None) -> None:
    for market in (kalshi_market(close_time=said), gamma_market(endDate=said)):
        assert (market.terms.close_time and market.terms.close_time.year) == year


# Books and candles


def test_a_kalshi_book_is_bids_of_both_sides_in_any_order_and_either_unit() -> None:
    fixed = {"orderbook_fp": {"yes_dollars": [["0.40", "5.00"], ["0.42", "1.50"]], "no_dollars": [["0.55", "9"]]}}
    cents = {"orderbook": {"yes": [[42, 1.5], [40, 5]], "no": [[55, 9]]}}
    books = [kalshi.parse_book(body, "A", NOW) for body in (fixed, cents)]
    assert books[0] is not None
    assert books[0] == books[1]
    assert [(level.price, level.size) for level in books[0].no_asks] == [
        (Decimal("0.58"), Decimal("1.5")), (Decimal("0.60"), Decimal(5)),
    ]  # fmt: skip
    assert [level.price for level in books[0].yes_asks] == [Decimal("0.45")]


@pytest.mark.parametrize(
    "sides", [{"yes": None, "no": None}, {}, {"yes": 5, "no": "x"}, {"yes": [[1], 7, [0, 5], [100, 5]]}]
)
def test_empty_and_odd_sides_of_a_book_are_empty(sides: dict[str, Any]) -> None:
    book = kalshi.parse_book({"orderbook": sides or {"yes": []}}, "A", NOW)
    assert book is not None
    assert (book.yes_asks, book.no_asks) == ((), ())


def test_a_polymarket_book_is_sorted_and_no_is_its_mirror() -> None:
    rows = [
        {"price": "0.41", "size": "3"},
        {"price": "0.40", "size": "9"},
        {"price": "0.42", "size": "0"},
        "x",
        {"price": "1"},
    ]
    book = polymarket.parse_book({"bids": rows, "asks": rows}, "A", NOW)
    assert book is not None
    assert [level.price for level in book.yes_asks] == [Decimal("0.40"), Decimal("0.41")]
    assert [level.price for level in book.no_asks] == [Decimal("0.59"), Decimal("0.60")]


def test_candles_without_a_usable_time_are_left_out() -> None:
    odd: list[Any] = [None, 5, {}, {"end_period_ts": 10**30}, {"end_period_ts": True}, {"end_period_ts": "1"}]
    good = {"end_period_ts": 1_700_000_000, "price": {"close": None}, "yes_ask": {"close": 100}, "volume": 3}
    found = kalshi.parse_candles({"markets": [{"market_ticker": "A", "candlesticks": [*odd, good]}, {}, 7]})
    assert [(c.price, c.yes_price, c.no_price, c.volume) for c in found] == [(None, None, None, Decimal(3))]
    history = {
        "history": [*odd, {"t": -(10**20), "p": 0.5}, {"t": 1_700_000_000, "p": 0.5}, {"t": 1_700_003_600, "p": 0}]
    }
    assert [c.price for c in polymarket.parse_candles(history, "A")] == [Decimal("0.5"), None]


def test_an_outcome_is_unknown_until_told() -> None:
    assert kalshi_market().outcome == gamma_market().outcome == Outcome(None, None, None)


def test_numbers_too_large_or_too_small_for_arithmetic_are_no_numbers() -> None:
    doubts: Counter[str] = Counter()
    odd: list[Any] = [
        "1e9999999",
        "-1e9999999",
        "1e-9999999",
        "0e-99999",
        "NaN",
        "Infinity",
        "9" * 65,
        10**5000,
        True,
        [],
        {},
    ]
    for text in odd:
        assert fields.decimal(text, doubts, "n") is None, str(text)[:20]
    assert doubts.total() == 11
