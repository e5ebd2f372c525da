"""Ladders: what titles propose and rule texts must confirm, word by word."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.arbitrage.rungs import Rung, implications, ladders, read_rung, read_rungs, refusal
from core.arbitrage.wording import Wording
from core.models import Market, OpenMarket, Platform
from core.venues import kalshi, polymarket
from tests.conftest import RECORDED, needs_recorded

NOW = datetime(2026, 11, 22, 13, 5, tzinfo=UTC)
CLOSE = datetime(2026, 12, 31, tzinfo=UTC)


def market(
    title: str, *, yes_label: str = "Yes", market_id: str = "", ask: str | None = "0.5",
    platform: Platform = "kalshi", close_time: datetime | None = CLOSE,
) -> OpenMarket:  # fmt: skip
    price = None if ask is None else Decimal(ask)
    return OpenMarket(
        platform, market_id or title, "E", title, None, close_time, None, False, None, price, Decimal("0.6"), None,
        None, NOW, Decimal(0), Decimal(1), 0, yes_label,
    )  # fmt: skip


def rung(title: str, **given: Any) -> Rung:
    found = read_rung(market(title, **given))
    assert found is not None, title
    return found


@pytest.mark.parametrize(
    ("title", "label", "value", "grows"),
    [
        ("Bitcoin price on Jul 25, 2026?", "$74,300 or above", Decimal(74_300), False),
        ("Will inflation be above 2.1%?", "Above 2.1%", Decimal("2.1"), False),
        ("Will the album sell at least 400k copies?", "At least 400,000 copies", Decimal(400_000), False),
        ("Will the rate fall below 4%?", "Yes", Decimal(4), True),
        ("Oliver Moore: 2+ goals", "Oliver Moore: 2+", Decimal(2), False),
    ],
)
def test_a_threshold_is_read_with_the_side_that_counts(title: str, label: str, value: Decimal, grows: bool) -> None:
    found = rung(title, yes_label=label)
    assert (found.kind, found.value, found.grows) == ("threshold", value, grows)


@pytest.mark.parametrize(
    ("title", "last_day"),
    [
        ("Will Iran close the strait before Jan 1, 2027?", date(2026, 12, 31)),
        ("Iran names a successor by December 15?", date(2026, 12, 15)),
        ("Will he leave office before 2026-12-01T15:00:00.000Z?", date(2026, 11, 30)),
        ("Will a deal be signed before 2027?", date(2026, 12, 31)),
    ],
)
def test_a_deadline_is_the_last_day_that_counts(title: str, last_day: date) -> None:
    found = rung(title)
    assert (found.kind, found.value, found.grows) == ("deadline", last_day, True)


@pytest.mark.parametrize(
    "title",
    [
        "Will it rain?",
        "Will it rain on Dec 3, 2026?",
        "Will the rate be between 3% and 4%?",
        "Will exactly 3 or more ships pass?",
        "Will more than 3 of over 5 ships pass?",
        "Will there be no ceasefire before Jan 1, 2027?",
        "Will he still be minister by Dec 31, 2026?",
        "Who will be the first to leave before Jan 1, 2027?",
        "Will the truce last until Dec 31, 2026?",
        "Will it happen by Dec 3, 2026 or by Dec 9, 2026?",
        "Highest temperature in Oslo? — 31° to 32°",
        "Will gold not be above $3,000?",
        "Will gold never trade over $3,000?",
        "Will gold fail to close above $3,000?",
        "Will no candidate get above 40%?",
        "Will only Acme be above $3,000?",
        "Will Acme be first above $3,000?",
        "Will Ana place above number 5?",
        "Will exactly 5 acts be signed before Jan 1, 2027?",
        "Will the average by Dec 31, 2026 be 3?",
        "Will rates be unchanged by Dec 31, 2026?",
    ],
)
def test_what_is_not_plainly_a_rung_is_none(title: str) -> None:
    assert read_rung(market(title)) is None


def test_a_year_that_the_closing_time_does_not_tell_is_unknown() -> None:
    assert read_rung(market("Signed by March 3?", close_time=None)) is None
    assert read_rung(market("Signed by June 30?", close_time=datetime(2026, 12, 31, tzinfo=UTC))) is None


def test_only_what_says_the_same_beside_its_rung_is_on_one_ladder() -> None:
    titles = ["Rain above 10 mm?", "Rain above 20 mm?", "Snow above 10 mm?", "Rain below 10 mm?"]
    found = ladders([rung(title) for title in titles])
    assert sorted(len(ladder) for ladder in found.values()) == [1, 1, 2]


def test_a_market_that_none_resembles_is_not_read() -> None:
    titles = ["Rain above 10 mm?", "Rain above 2,000 mm?", "Signed before Dec 1, 2026?", "Signed before Jan 2027?"]
    assert len(read_rungs(market(title) for title in titles)) == 4
    assert len(read_rungs(market(title) for title in [*titles[1:], "Snow above 10 mm?"])) == 2
    assert read_rungs([market(titles[0]), market(titles[0], platform="polymarket")]) == []


def test_of_each_narrow_bet_the_wider_one_with_the_cheapest_yes_is_proposed() -> None:
    steps = [("10", "0.50"), ("20", "0.45"), ("30", "0.47"), ("40", None)]
    found = implications([rung(f"Rain above {mm} mm?", ask=ask) for mm, ask in steps])
    told = {(narrow.value, wide.value) for narrow, wide in found}
    assert told == {(Decimal(a), Decimal(b)) for a, b in ((20, 10), (30, 20), (40, 20))}


@given(st.lists(st.integers(1, 50), min_size=2, max_size=8, unique=True), st.sampled_from(["above", "below"]))
def test_on_every_proposed_step_no_value_makes_the_narrow_bet_win_and_the_wide_one_lose(
    steps: list[int], side: str
) -> None:
    for narrow, wide in implications([rung(f"Rain {side} {mm} mm?", ask=f"0.{mm:02}") for mm in steps]):
        assert wide.is_wider_than(narrow)
        assert not narrow.is_wider_than(wide)
        for value in range(52):
            comes = [value > r.value if side == "above" else value < r.value for r in (narrow, wide)]  # type: ignore[operator]
            assert comes[1] or not comes[0]


# Proofs

DEADLINES = ("Signed before Dec 1, 2026?", "Signed before Jan 1, 2027?")
THRESHOLDS = ("Rain above 20 mm?", "Rain above 10 mm?")


def refused(titles: tuple[str, str], *rules: str, opened: tuple[int, int] = (0, 0), **numbers: Any) -> str | None:
    """Why not, of a narrow and a wide bet; `opened`: days after NOW."""
    wordings = [Wording(text, NOW + timedelta(days=day)) for text, day in zip(rules, opened, strict=True)]
    return refusal(rung(titles[0]), rung(titles[1]), wordings[0], wordings[1])


def test_rules_that_differ_in_the_deadline_only_prove_the_ladder() -> None:
    text = "If the deal is signed before {}, the market resolves to Yes."
    assert refused(DEADLINES, text.format("Dec 1, 2026"), text.format("the Jan 1, 2027")) is None


def test_rules_that_differ_in_the_threshold_only_prove_the_ladder() -> None:
    text = "If rainfall is above {} mm, the market resolves to Yes."
    assert refused(THRESHOLDS, text.format(20), text.format(10)) is None


def test_one_text_for_a_whole_ladder_must_point_at_the_titles_date_as_an_end() -> None:
    by = "If a deal is signed by the specified date, this resolves to Yes."
    assert refused(DEADLINES, by, by) is None
    for text in ("If a deal is signed, this resolves to Yes.", "If a deal is signed on the listed date, Yes."):
        assert refused(DEADLINES, text, text) == "the rules do not state the deadline"
    assert refused(THRESHOLDS, by, by) == "the rules do not state the threshold"


@pytest.mark.parametrize(
    ("titles", "rules", "reason"),
    [
        (DEADLINES, ("", "If signed before Jan 1, 2027, Yes."), "one of them gives no rules text"),
        (
            DEADLINES,
            ("If signed before Dec 1, 2026, Yes.", "If signed and ratified before Jan 1, 2027, Yes."),
            "the rules differ in more than the deadline",
        ),
        (
            DEADLINES,
            ("If signed by Ann before Dec 1, 2026, Yes.", "If signed by Bob before Jan 1, 2027, Yes."),
            "the rules differ in more than the deadline",
        ),
        (
            DEADLINES,
            ("If signed before Jan 1, 2027, Yes.", "If signed before Dec 1, 2026, Yes."),
            "the rules name other deadlines than the titles",
        ),
        (
            DEADLINES,
            ("If in force on Dec 1, 2026, Yes.", "If in force on Jan 1, 2027, Yes."),
            "the rules do not say that it may happen at any time before the deadline",
        ),
        (
            THRESHOLDS,
            ("If above 10 mm, Yes.", "If above 20 mm, Yes."),
            "the rules name other thresholds than the titles",
        ),
        (THRESHOLDS, ("If it is 20 mm, Yes.", "If it is 10 mm, Yes."),
         "the rules do not say which side of the threshold counts"),
        (THRESHOLDS, ("If below 20 mm, Yes.", "If below 10 mm, Yes."), "the rules and the titles name different sides"),
        (
            THRESHOLDS,
            ("If above 20 mm at 2 AM, Yes.", "If above 10 mm at 3 AM, Yes."),
            "the rules differ in more than the threshold",
        ),
    ],
)  # fmt: skip
def test_anything_else_is_refused(titles: tuple[str, str], rules: tuple[str, str], reason: str) -> None:
    assert refused(titles, *rules) == reason


def test_settlement_by_a_price_of_the_moment_is_refused_with_the_clause() -> None:
    text = "If he leaves before {}, Yes. If he dies, it settles at the last traded price. Else No."
    said = refused(DEADLINES, text.format("Dec 1, 2026"), text.format("Jan 1, 2027"))
    assert said == "may be settled by a price of the moment: “If he dies, it settles at the last traded price.”"


def test_where_only_what_happens_after_the_opening_counts_the_later_deadline_must_have_opened_first() -> None:
    text = "If a strike happens between market creation and {}, Yes."
    rules = text.format("Dec 1, 2026"), text.format("Jan 1, 2027")
    assert refused(DEADLINES, *rules, opened=(3, 3)) is None
    assert refused(DEADLINES, *rules, opened=(3, 1)) is None
    assert refused(DEADLINES, *rules, opened=(1, 3)) is not None


def test_strikes_that_the_venue_gives_otherwise_than_the_titles_refuse() -> None:
    text = "If rainfall is above {} mm, the market resolves to Yes."
    narrow, wide = (rung(title) for title in THRESHOLDS)
    low, high = Wording(text.format(20), floor=Decimal(20)), Wording(text.format(10), floor=Decimal(10))
    assert refusal(narrow, wide, low, high) is None
    swapped = Wording(low.rules, floor=Decimal(10)), Wording(high.rules, floor=Decimal(20))
    assert refusal(narrow, wide, *swapped) == "the rules name other thresholds than the titles"


def recorded() -> Iterator[tuple[Market, OpenMarket]]:
    for path, venue in (
        ("kalshi/events_nested_2026-03-01.json", kalshi),
        ("polymarket/events_2026-03-02.json", polymarket),
        ("kalshi/markets_2026-07-25.json", kalshi),
    ):
        page = venue.parse_page(json.loads((RECORDED / path).read_text()))
        for each in page.markets:
            terms = each.terms
            yield (
                each,
                market(
                    terms.title, yes_label=terms.yes_label, market_id=terms.market_id, platform=terms.platform,
                    close_time=terms.close_time,
                ),
            )  # fmt: skip


@needs_recorded
def test_no_proved_step_of_the_recorded_answers_was_settled_against_us() -> None:
    rows = {known.market_id: row for row, known in recorded()}
    steps = implications([found for _, known in recorded() if (found := read_rung(known)) is not None])
    proved = 0
    for narrow, wide in steps:
        a, b = rows[narrow.market.market_id], rows[wide.market.market_id]
        ours, other = (Wording(row.terms.rules, row.terms.open_time) for row in (a, b))
        if refusal(narrow, wide, ours, other) is None:
            proved += 1
            if a.outcome.payout is not None and b.outcome.payout is not None:
                assert 1 - a.outcome.payout + b.outcome.payout >= 1, (narrow.market.title, wide.market.title)
    assert proved > 20


@needs_recorded
def test_the_leader_whose_death_is_settled_by_the_last_price_is_on_no_proved_ladder() -> None:
    rows = {known.market_id: row for row, known in recorded()}
    found = [found for _, known in recorded() if "KHAMENEIOUT" in known.market_id and (found := read_rung(known))]
    steps = implications(found)
    assert steps
    for narrow, wide in steps:
        ours, other = (Wording(rows[r.market.market_id].terms.rules) for r in (narrow, wide))
        assert "last traded price" in (refusal(narrow, wide, ours, other) or "")


def test_what_must_stay_few_is_no_easier_later() -> None:
    found = read_rung(market("Will fewer than 5 acts be signed before Jan 1, 2027?"))
    assert found is not None
    assert found.kind == "threshold"


def test_rules_that_say_what_it_takes_for_no_prove_no_ladder() -> None:
    narrow, wide = (read_rung(market(f"Will gold be above ${price}?")) for price in ("3,000", "2,000"))
    assert narrow is not None
    assert wide is not None
    rules = [Wording(f"If gold is above ${price}, this resolves to No.") for price in ("3,000", "2,000")]
    assert refusal(narrow, wide, *rules) == "the rules say what it takes for NO"
