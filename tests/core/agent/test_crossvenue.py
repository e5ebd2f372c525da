"""What a bundle's own titles can make of a text: they are names where they are quoted, and nothing else."""

from __future__ import annotations

from dataclasses import replace
from random import Random

import pytest

from core.agent.answers import Claim
from core.agent.crossvenue import bundle_text_faults, gather_bundle
from tests.core.agent.corpus.bundles import make_bundle
from tests.core.agent.making import NOW


@pytest.mark.parametrize(
    ("title", "text", "fault"),
    [
        ("15", "The bundle earns 15% after fees.", "ungrounded number 15%"),
        ("5", "Both legs cost $55 with fees.", "ungrounded number $55"),
        ("guaranteed profit", "This is a guaranteed profit.", "hype: guaranteed"),
    ],
)
def test_a_markets_title_hides_no_statement(title: str, text: str, fault: str) -> None:
    bundle = make_bundle(Random("a title"))
    bundle = replace(bundle, legs=(replace(bundle.legs[0], title=title), *bundle.legs[1:]))
    facts = gather_bundle(bundle, NOW)
    found = bundle_text_faults([Claim(text=text, evidence_ids=[facts[0].id])], facts, bundle)
    assert fault in found


def test_a_quoted_title_is_a_name_whatever_it_says() -> None:
    bundle = make_bundle(Random("a title"))
    bundle = replace(bundle, legs=(replace(bundle.legs[0], title="Above 1,234.5 by May 7?"), *bundle.legs[1:]))
    facts = gather_bundle(bundle, NOW)
    said = Claim(text="Both legs of “Above 1,234.5 by May 7?” may fail to fill.", evidence_ids=[facts[0].id])
    assert bundle_text_faults([said], facts, bundle) == []
