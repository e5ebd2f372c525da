"""The facts of a candidate: stable, rounded as shown, absent where unknown; the edge on the better side."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.agent.evidence import dollars, gather, net_edge, pack
from core.detect.rates import Rate
from core.models import Platform
from tests.core.agent.making import NOW, make_candidate, make_pattern, make_rate

CENTS = st.integers(1, 999).map(lambda tenths: Decimal(tenths) / 1000)


def test_the_facts_have_stable_ids_in_a_stable_order() -> None:
    shown = [(fact.id, fact.name, fact.value, fact.unit) for fact in gather(make_candidate(), NOW).facts]
    assert shown == [
        ("E1", "price_cents", "40", "¢"),
        ("E2", "yes_ask_cents", "41", "¢"),
        ("E3", "no_ask_cents", "61", "¢"),
        ("E4", "spread_cents", "2", "¢"),
        ("E5", "move_1h_cents", "-6", "¢"),
        ("E6", "move_sigmas", "8.2", "times"),
        ("E7", "volume_24h", "12345", "contracts"),
        ("E8", "fair_cents", "46", "¢"),
        ("E9", "taker_fee_cents", "1.7", "¢"),
        ("E10", "net_edge_cents", "3.3", "¢"),
        ("E11", "fillable_contracts", "1500", "contracts"),
        ("E12", "fillable_usd", "635.00", "USD"),
        ("E13", "hours_to_close", "48", "h"),
        ("E14", "closes_at", "2026-11-24 13:05", "UTC"),
        ("E15", "quote_age_minutes", "4", "minutes"),
    ]


def test_the_order_of_a_detectors_numbers_does_not_matter() -> None:
    numbers = {"volume_1h": 900.0, "volume_typical_1h": 100.0, "volume_ratio": 9.0}
    turned = dict(reversed(numbers.items()))
    first, second = (gather(make_candidate(pattern=make_pattern(numbers=n)), NOW) for n in (numbers, turned))
    assert first == second


def test_what_is_unknown_is_absent() -> None:
    unknown = make_candidate(
        pattern=make_pattern(numbers={}),
        close_time=None,
        price=None,
        yes_price=None,
        no_price=None,
        volume_24h=None,
        fair=None,
    )
    evidence = gather(unknown, NOW)
    assert [fact.name for fact in evidence.facts] == ["quote_age_minutes"]
    assert (evidence.edge_side, evidence.net_edge_cents) == (None, None)


def test_a_number_that_nobody_named_is_no_fact() -> None:
    evidence = gather(make_candidate(pattern=make_pattern(numbers={"secret_sauce": 5.0})), NOW)
    assert "secret_sauce" not in {fact.name for fact in evidence.facts}


@pytest.mark.parametrize("number", [float("nan"), float("inf"), float("-inf"), 1e300, -1e300])
def test_a_number_that_is_none_never_appears(number: float) -> None:
    evidence = gather(make_candidate(pattern=make_pattern(numbers={"volume_ratio": number})), NOW)
    assert "volume_ratio" not in {fact.name for fact in evidence.facts}


@given(st.floats(), st.floats())
def test_any_float_is_shown_as_a_plain_number_or_not_at_all(move: float, volume: float) -> None:
    pattern = make_pattern(numbers={"move_1h_cents": move, "volume_1h": volume})
    for fact in gather(make_candidate(pattern=pattern, close_time=None), NOW).facts:
        assert fact.number.is_finite()
        assert set(fact.value) <= set("-0123456789.")
        assert fact.value == "0" or not fact.value.startswith("-0") or "." in fact.value


@pytest.mark.parametrize(
    ("number", "shown"),
    [
        (0.04, "0"),
        (-0.04, "0"),
        (3.14159, "3.1"),
        (2.0, "2"),
        (999.96, "1000"),
        (1234.56, "1235"),
        (1e7, "10000000"),
        (100.0, "100"),
    ],
)
def test_values_are_rounded_to_a_tenth_and_above_a_thousand_to_one(number: float, shown: str) -> None:
    facts = gather(make_candidate(pattern=make_pattern(numbers={"volume_ratio": number})), NOW).facts
    assert {fact.name: fact.value for fact in facts}["volume_ratio"] == shown


@pytest.mark.parametrize(("platform", "unit"), [("kalshi", "contracts"), ("polymarket", "USD")])
def test_volume_is_in_the_venues_own_unit(platform: Platform, unit: str) -> None:
    pattern = make_pattern(platform=platform, numbers={"volume_1h": 5.0, "volume_typical_1h": 1.0})
    units = {fact.name: fact.unit for fact in gather(make_candidate(pattern=pattern), NOW).facts}
    assert {units[name] for name in ("volume_1h", "volume_typical_1h", "volume_24h")} == {unit}


@pytest.mark.parametrize(("minutes", "shown"), [(45, "0.7"), (59, "0.9"), (60, "1"), (2880, "48")])
def test_the_last_hour_is_not_shown_as_none(minutes: int, shown: str) -> None:
    facts = gather(make_candidate(close_time=NOW + timedelta(minutes=minutes)), NOW).facts
    assert {fact.name: fact.value for fact in facts}["hours_to_close"] == shown


@pytest.mark.parametrize("minutes", [0, -1, -10_000])
def test_a_market_past_its_close_has_no_hours_left_to_tell(minutes: int) -> None:
    facts = gather(make_candidate(close_time=NOW + timedelta(minutes=minutes)), NOW).facts
    assert "hours_to_close" not in {fact.name for fact in facts}


@pytest.mark.parametrize(("seconds", "shown"), [(-5, "0"), (0, "0"), (59, "0"), (60, "1"), (86_400, "1440")])
def test_the_quotes_age_is_told_in_whole_minutes(seconds: int, shown: str) -> None:
    facts = gather(make_candidate(quoted_at=NOW - timedelta(seconds=seconds)), NOW).facts
    assert {fact.name: fact.value for fact in facts}["quote_age_minutes"] == shown


@pytest.mark.parametrize(
    ("labels", "meant"),
    [
        (("Chiefs", "Bills"), ("Chiefs", "Bills")),
        (("Yes", "No"), ("Yes", "No")),
        (("Smith", "Smith"), ("Smith", "not: Smith")),
        (("Smith", " smith "), ("Smith", "not: Smith")),
        (("<" * 3_000, "\x00"), ("<" * 100, "")),
    ],
)
def test_what_the_sides_mean_is_sent_bounded(labels: tuple[str, str], meant: tuple[str, str]) -> None:
    candidate = make_candidate(yes_label=labels[0], no_label=labels[1])
    market = pack(candidate, gather(candidate, NOW))["market"]
    assert (market["yes_means"], market["no_means"]) == meant


@pytest.mark.parametrize("unknown", [{"fee_rate": None}, {"fair": None}, {"yes_price": None, "no_price": None}])
def test_without_a_fee_a_fair_price_or_an_offer_there_is_no_edge(unknown: dict[str, None]) -> None:
    evidence = gather(make_candidate(**unknown), NOW)
    assert (evidence.edge_side, evidence.net_edge_cents) == (None, None)
    assert not {"net_edge_cents", "taker_fee_cents"} & {fact.name for fact in evidence.facts}


@given(
    yes=st.none() | CENTS,
    no=st.none() | CENTS,
    fair=CENTS,
    rate=st.sampled_from(("0", "0.03", "0.07", "0.14")).map(Decimal),
)
def test_the_edge_is_the_best_of_both_sides_after_a_fee_that_is_never_negative(
    yes: Decimal | None, no: Decimal | None, fair: Decimal, rate: Decimal
) -> None:
    side, edge, fee = net_edge(make_candidate(yes_price=yes, no_price=no, fair=fair, fee_rate=rate))
    every = {
        name: worth - ask - rate * ask * (1 - ask)
        for name, ask, worth in (("YES", yes, fair), ("NO", no, 1 - fair))
        if ask is not None
    }
    if not every:
        assert (side, edge, fee) == (None, None, None)
        return
    assert edge == max(every.values())
    assert side is not None
    assert every[side] == edge
    assert fee is not None
    assert fee >= 0


def test_what_is_sent_names_the_market_the_detector_and_the_facts() -> None:
    candidate = make_candidate()
    evidence = gather(candidate, NOW)
    sent = pack(candidate, evidence)
    assert sent["market"]["id"] == "KXTEST-26DEC31"
    earlier = {"verdict": "unproven", "why": "no setup like it was measured"}
    assert sent["detector"] == {"name": "price_jump", "score": 72, "earlier_setups": earlier}
    assert sent["facts"] == evidence.as_json()


def shown(*rates: Rate) -> tuple[dict[str, str], dict[str, str]]:
    candidate = make_candidate(rates=rates)
    evidence = gather(candidate, NOW)
    facts = {fact.name: fact.value for fact in evidence.facts if fact.name.startswith(("setup", "matched"))}
    return facts, pack(candidate, evidence)["detector"]["earlier_setups"]


def test_what_was_measured_of_earlier_setups_is_told_with_its_interval_and_called_unproven_where_it_is() -> None:
    facts, said = shown(make_rate(n=12, effective=12.0, why="fewer than 30 independent setups"))
    assert facts == {
        "setups": "12",
        "setup_hit_pct": "54",
        "setup_low_pct": "44",
        "setup_high_pct": "63",
        "matched_hit_pct": "53",
    }
    assert (said["verdict"], said["why"]) == ("unproven", "fewer than 30 independent setups")


def test_what_setups_earn_is_a_fact_only_when_it_is_proved_to_pay() -> None:
    proved = make_rate(verdict="edge", why="", shrunk_net=0.031)
    facts, said = shown(make_rate(horizon="1h", n=900), proved, make_rate(horizon="6h", verdict="adverse", why=""))
    assert facts["setup_net_cents"] == "3.1"
    assert (said["verdict"], said["horizon"]) == ("proved to pay after costs", "24h")
    assert "setup_net_cents" not in shown(make_rate(verdict="lift", why="", shrunk_net=0.031))[0]


@pytest.mark.parametrize(
    ("amount", "text"),
    [
        ("878.9", "878.90"),
        ("2167.17", "2,167.17"),
        ("1000", "1,000.00"),
        ("0", "0.00"),
        ("1234567.891", "1,234,567.89"),
    ],
)
def test_money_is_written_to_the_cent_with_a_comma_at_each_thousand(amount: str, text: str) -> None:
    assert dollars(Decimal(amount)) == text


def test_a_volume_in_dollars_is_money_and_one_in_contracts_is_none() -> None:
    told = {}
    for platform in ("kalshi", "polymarket"):
        candidate = make_candidate(pattern=make_pattern(platform=platform))
        told[platform] = next(fact.value for fact in gather(candidate, NOW).facts if fact.name == "volume_24h")
    assert told == {"kalshi": "12345", "polymarket": "12,345.00"}
