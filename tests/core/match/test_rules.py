"""Rules that pay differently are told clause by clause, with quotes, and block what hangs on them."""

from __future__ import annotations

import orjson
import pytest

from core.match.claims import read_claim
from core.match.rules import differences, settlement_risk
from core.match.verdict import judge, with_rules
from core.match.weights import ALIKE
from core.venues import kalshi, polymarket
from tests.conftest import RECORDED, needs_recorded

SOURCE = "The resolution source is the National Weather Service."
RULES = f"If it snows in Oslo by December 3, 2026, this resolves to Yes. {SOURCE}"


def test_rules_that_say_the_same_of_source_and_cut_off_are_safe() -> None:
    assert settlement_risk(RULES, RULES) == ("SAFE", [])


@pytest.mark.parametrize("rules", ["", "  ", "If it snows in Oslo."])
def test_rules_that_do_not_say_enough_are_no_better_than_caution(rules: str) -> None:
    risk, notes = settlement_risk(rules, rules)
    assert risk == "CAUTION"
    assert notes


@pytest.mark.parametrize(
    ("clause", "kind"),
    [
        ("If Lee dies, the last traded price is paid.", "death"),
        ("If it is undecided, a fair market value is paid.", "fair price"),
        ("Sleet does not count.", "exclusion"),
        ("Snow cannons will not be considered.", "exclusion"),
    ],
)
def test_a_carve_out_on_one_side_blocks_and_is_quoted(clause: str, kind: str) -> None:
    for sides, venue in (((f"{RULES} {clause}", RULES), "Kalshi"), ((RULES, f"{RULES} {clause}"), "Polymarket")):
        risk, notes = settlement_risk(*sides)
        assert risk == "BLOCK"
        assert any(f"only {venue} has a" in note and kind in note and clause in note for note in notes), notes
    assert settlement_risk(f"{RULES} {clause}", f"{RULES} {clause}")[0] == "SAFE"


def test_a_carve_out_in_other_words_is_the_same_carve_out() -> None:
    assert (
        settlement_risk(f"{RULES} Sleet and hail do not count.", f"{RULES} Hail or sleet will not qualify.")[0]
        == "SAFE"
    )


@pytest.mark.parametrize(
    ("clause", "kind"),
    [
        ("If the event is cancelled, this resolves to No.", "cancellation"),
        ("If it is a draw, this resolves 50-50.", "fifty-fifty"),
        ("The figure is rounded to the nearest inch.", "rounding"),
    ],
)
def test_void_and_rounding_clauses_on_one_side_call_for_caution(clause: str, kind: str) -> None:
    risk, notes = settlement_risk(RULES, f"{RULES} {clause}")
    assert risk == "CAUTION"
    assert any(kind in note and clause in note for note in notes)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("If it is postponed by 48 hours, it is void.", "If it is postponed by 2 weeks, it is void."),
        ("If it is cancelled, it resolves to No.", "Once abandoned, all stakes come back."),
        ("It is rounded to the nearest inch.", "It is rounded to 2 decimal places."),
    ],
)  # fmt: skip
def test_void_and_rounding_clauses_that_differ_call_for_caution_with_both_quoted(one: str, other: str) -> None:
    risk, notes = settlement_risk(f"{RULES} {one}", f"{RULES} {other}")
    assert risk == "CAUTION"
    assert any(one in note and other in note for note in notes)


@pytest.mark.parametrize(
    ("clause", "kind"),
    [
        ("An official announcement that Lee will leave is sufficient.", "announcement"),
        ("Only 90 minutes plus stoppage time decide.", "playing time"),
    ],
)
def test_what_counts_on_one_side_only_blocks(clause: str, kind: str) -> None:
    risk, notes = settlement_risk(RULES, f"{RULES} {clause}")
    assert risk == "BLOCK"
    assert any(kind in note and clause in note for note in notes)
    assert settlement_risk(f"{RULES} {clause}", f"{RULES} {clause}")[0] == "SAFE"


def test_an_early_close_is_told_and_no_reason_for_caution() -> None:
    risk, notes = settlement_risk(f"{RULES} This market will close and expire early if the event occurs.", RULES)
    assert risk == "SAFE"
    assert any("early close" in note for note in notes)


def test_other_sources_call_for_caution_and_other_days_block() -> None:
    risk, notes = settlement_risk(
        RULES, RULES.replace("National Weather Service", "Norwegian Meteorological Institute")
    )
    assert risk == "CAUTION"
    assert any(note.startswith("source differs") and "Meteorological" in note for note in notes)
    risk, notes = settlement_risk(RULES, RULES.replace("December 3", "December 10"))
    assert risk == "BLOCK"
    assert any(note.startswith("cut-off differs") and "December 10" in note for note in notes)
    assert settlement_risk(RULES, RULES.replace("by December 3", "before December 4"))[0] == "SAFE"


def test_time_zones_that_differ_are_told() -> None:
    found = differences(RULES.replace("2026", "2026, 11:59 PM ET"), RULES.replace("2026", "2026, 11:59 PM UTC"))
    assert [str(difference) for difference in found] == ["time zone differs: Kalshi “ET”, Polymarket “UTC”"]


def test_what_it_takes_is_compared_where_the_titles_say_the_same() -> None:
    one, other = RULES.replace("it snows", "the index is above 3%"), RULES.replace("it snows", "the index is above 4%")
    assert settlement_risk(one, other)[0] == "BLOCK"
    assert settlement_risk(one, other, "subset")[0] == "SAFE"


@needs_recorded
def test_the_khamenei_pair_is_blocked_with_its_death_clause_quoted() -> None:
    events = orjson.loads((RECORDED / "kalshi" / "events_nested_2026-03-01.json").read_bytes())
    theirs = orjson.loads((RECORDED / "polymarket" / "events_2026-03-02.json").read_bytes())
    left = [m.terms for m in kalshi.parse_page(events).markets if m.market_id.startswith("KXKHAMENEIOUT-AKHA-")]
    right = [m.terms for m in polymarket.parse_page(theirs).markets if "khamenei out" in m.terms.title.lower()]
    assert left
    assert right
    for ours in left:
        for other in right:
            claims = [read_claim(t.title, t.close_time, t.yes_label) for t in (ours, other)]
            found = judge(ours.market_id, other.market_id, claims[0], claims[1], ALIKE)
            judged = with_rules(found, claims[0], claims[1], ours.rules, other.rules)
            assert judged.risk == "BLOCK"
            assert not judged.may_be_priced
            assert any(
                "only Kalshi has a death clause" in reason and "solely because they have died" in reason
                for reason in judged.reasons
            )
