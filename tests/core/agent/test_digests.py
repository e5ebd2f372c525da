"""A digest is read hours after its insights were written, and by some who may not read of opportunities."""

from __future__ import annotations

from datetime import timedelta
from random import Random
from typing import Any

import pytest

from core.agent.answers import DigestAnswer
from core.agent.digests import DigestItem, digest_faults, digest_item
from tests.core.agent.corpus.days import make_day
from tests.core.agent.making import NOW


def item_after(elapsed: timedelta) -> DigestItem:
    facts = [("E1", "hours_to_close", "48.5"), ("E2", "quote_age_minutes", "4"), ("E3", "no_ask_cents", "41")]
    insight: dict[str, Any] = {
        "platform": "kalshi",
        "market_id": "M",
        "market_title": "Will it rain?",
        "yes_means": "Yes",
        "no_means": "No",
        "ai_recommendation": "CAUTION",
        "suggested_position": "WAIT",
        "confidence_score": None,
        "net_edge_cents": None,
        "evidence": [
            {"id": fact_id, "name": name, "label": name, "value": value, "unit": ""} for fact_id, name, value in facts
        ],
        "one_liner": "",
        "reasoning": "",
        "edge_explanation": "",
        "created_at": NOW - elapsed,
    }
    return digest_item(insight, 1, NOW)


@pytest.mark.parametrize(
    ("hours", "told"),
    [
        (0, {"M1.E1": "48.5", "M1.E2": "4", "M1.E3": "41"}),
        (20, {"M1.E1": "28.5", "M1.E2": "1204", "M1.E3": "41"}),
        (49, {"M1.E2": "2944", "M1.E3": "41"}),
    ],
)
def test_what_passes_with_time_is_told_as_it_is_when_the_digest_is_made(hours: int, told: dict[str, str]) -> None:
    assert {fact.id: fact.value for fact in item_after(timedelta(hours=hours)).facts} == told


@pytest.mark.parametrize("section", ["top_picks", "avoid_list", "watchlist"])
@pytest.mark.parametrize("said", ["An arbitrage opportunity stands here.", "A bundle may be bought across venues."])
def test_only_their_own_section_speaks_of_opportunities(section: str, said: str) -> None:
    day, good = make_day(random := Random("a day"))
    while not good[section]:
        day, good = make_day(random)
    assert digest_faults(DigestAnswer.model_validate(good), day) == []
    key = {"top_picks": "one_liner", "avoid_list": "reason", "watchlist": "trigger"}[section]
    good[section][0][key]["text"] = said
    assert "speaks of opportunities outside their section" in digest_faults(DigestAnswer.model_validate(good), day)
