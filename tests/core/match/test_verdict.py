"""Two markets are called the same bet only when every stated fact agrees; rules that pay differently block."""

from __future__ import annotations

import csv
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import orjson
import pytest

from core.match.verdict import Verdict, judge_all, with_rules
from core.models import OpenMarket, Platform
from core.venues import kalshi, polymarket
from tests.conftest import NOW, RECORDED, ROOT, needs_recorded

BENCHMARKS = ROOT.parent / "shared" / "benchmarks" / "matching"
CLOSE = datetime(2026, 12, 4, 5, tzinfo=UTC)


def market(platform: Platform, market_id: str, title: str, close_time: datetime | None = CLOSE) -> OpenMarket:
    unknown = dict.fromkeys(("event_id", "category", "yes_token", "price", "yes_price", "no_price", "volume"))
    more = {"volume_24h": None, "fee_rate": None, "mutually_exclusive": False, "fee_exponent": Decimal(1)}
    return OpenMarket(
        platform=platform,
        market_id=market_id,
        title=title,
        close_time=close_time,
        quoted_at=NOW,
        **unknown,  # type: ignore[arg-type]
        **more,  # type: ignore[arg-type]
    )


def verdict(kalshi_title: str, polymarket_title: str, polymarket_close: datetime | None = CLOSE) -> Verdict | None:
    found = judge_all(
        [market("kalshi", "K", kalshi_title)], [market("polymarket", "P", polymarket_title, polymarket_close)]
    )
    return found[0] if found else None


def is_same(kalshi_title: str, polymarket_title: str, polymarket_close: datetime | None = CLOSE) -> bool:
    found = verdict(kalshi_title, polymarket_title, polymarket_close)
    return found is not None and found.relation == "identity"


def test_the_same_bet_in_each_venues_words_is_found() -> None:
    assert is_same("Will Bitcoin reach $150,000 before Dec 4, 2026?", "Bitcoin hits $150k by December 3?")


@pytest.mark.parametrize(
    ("kalshi_title", "polymarket_title", "why"),
    [
        ("Will Bitcoin reach $150,000 before Dec 4, 2026?", "Bitcoin hits $160k by December 3?", "numbers differ"),
        ("Will Bitcoin reach $150,000 before Dec 4, 2026?", "Bitcoin hits $150k by December 4?", "dates differ"),
        ("Will gold be above $3,000 by Dec 3?", "Will gold be below $3,000 by Dec 3?", "directions differ"),
        ("Will the bill pass by Dec 3?", "Will the bill not pass by Dec 3?", "one is negated"),
        ("S&P 500 closes above 8,000 by Dec 3?", "S&P 500 above 8,000 by Dec 3?", "must hold at the close"),
        ("Villa in the Champions League semifinal?", "Villa in the Champions League final?", "stages differ"),
        ("Rate cut in 2026?", "Rate cut in 2027?", "years differ"),
    ],
)
def test_a_fact_that_disagrees_is_a_refusal_with_its_reason(kalshi_title: str, polymarket_title: str, why: str) -> None:
    found = verdict(kalshi_title, polymarket_title)
    assert found is not None
    assert found.relation == "none"
    assert any(why in reason for reason in found.reasons), found.reasons


def test_without_a_common_date_the_closing_times_must_agree() -> None:
    assert is_same("Will Pope Leo visit Peru?", "Pope Leo visits Peru?", CLOSE)
    assert not is_same("Will Pope Leo visit Peru?", "Pope Leo visits Peru?", CLOSE + timedelta(days=30))
    assert not is_same("Will Pope Leo visit Peru?", "Pope Leo visits Peru?", None)


def test_a_market_is_the_same_bet_as_one_other_at_most() -> None:
    left = [market("kalshi", "K1", "Bitcoin hits $150k by December 3?")]
    right = [market("polymarket", f"P{n}", "Bitcoin hits $150k by December 3?") for n in range(3)]
    assert sum(found.relation == "identity" for found in judge_all(left, right)) == 1


def test_equal_rules_are_still_no_better_than_caution() -> None:
    found = verdict("Bitcoin hits $150k by December 3?", "Bitcoin hits $150k by December 3?")
    assert found is not None
    assert with_rules(found, "Resolves by CoinDesk.", "Resolves by CoinDesk.").risk == "CAUTION"
    assert with_rules(found, "", "Resolves by CoinDesk.").risk == "CAUTION"


@needs_recorded
def test_the_khamenei_pair_is_blocked_with_its_death_clause_quoted() -> None:
    events = orjson.loads((RECORDED / "kalshi" / "events_nested_2026-03-01.json").read_bytes())
    theirs = orjson.loads((RECORDED / "polymarket" / "events_2026-03-02.json").read_bytes())
    left = [m for m in kalshi.parse_page(events).markets if m.terms.market_id.startswith("KXKHAMENEIOUT-AKHA-")]
    right = [m for m in polymarket.parse_page(theirs).markets if "khamenei out" in m.terms.title.lower()]
    assert left
    assert right
    for ours in left:
        for other in right:
            found = Verdict(ours.terms.market_id, other.terms.market_id, "identity", True, 1.0, "CAUTION", ())
            judged = with_rules(found, ours.terms.rules, other.terms.rules)
            assert judged.risk == "BLOCK"
            assert any("only Kalshi has a death clause" in reason for reason in judged.reasons)


@pytest.mark.skipif(not BENCHMARKS.is_dir(), reason="the labelled pairs are not here")
def test_no_crypto_look_alike_is_called_the_same() -> None:
    with (BENCHMARKS / "crypto_lookalikes.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 160
    for row in rows:
        assert not is_same(row["kalshi_title"], row["polymarket_question"]), row


def test_a_title_that_two_outcomes_share_is_no_bet_by_itself() -> None:
    title = "Lakers vs Celtics on Dec 3?"
    left = [market("kalshi", "LAL", title), market("kalshi", "BOS", title)]
    assert judge_all(left, [market("polymarket", "P", title)]) == []


def test_a_yes_that_is_a_name_is_not_paired() -> None:
    title = "Lakers vs Celtics on Dec 3?"
    named = replace(market("polymarket", "P", title), yes_label="Lakers")
    assert judge_all([market("kalshi", "BOS", title)], [named]) == []
