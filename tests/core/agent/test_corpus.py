"""The wall before answers made by rule: of bad ones none is published, of good ones at least 98%.

The rules are in `corpus/`; what they say is drawn anew from each seed. The guards were written on the seeds 0 to 9;
these are others.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from random import Random
from typing import Any, TypeVar

import pytest
from pydantic import BaseModel, ValidationError

from core.agent.answers import CrossVenueAnswer, DigestAnswer, OpportunityAnswer
from core.agent.crossvenue import cross_venue_faults, gather_bundle
from core.agent.digests import digest_faults
from core.agent.grounding import faults
from tests.core.agent.corpus.bad import KINDS, bad_answer
from tests.core.agent.corpus.bundles import BUNDLE_KINDS, good_bundle_answer, make_bundle
from tests.core.agent.corpus.days import DAY_KINDS, make_day
from tests.core.agent.corpus.good import good_answer
from tests.core.agent.corpus.scenes import make_scene
from tests.core.agent.making import NOW

SEED = "an evening in November"
BAD, GOOD = 20, 300
LEAST = 0.98

Kind = TypeVar("Kind", bound=BaseModel)


def is_published(kind: type[Kind], raw: str, faults_of: Callable[[Kind], list[str]]) -> bool:
    try:
        return not faults_of(kind.model_validate_json(raw))
    except ValidationError:
        return False


@pytest.mark.parametrize("kind", KINDS)
def test_no_bad_answer_about_a_market_is_published(kind: str) -> None:
    random = Random(f"{SEED} {kind}")
    for _ in range(BAD):
        scene, raw = bad_answer(random, kind)
        told: Callable[[OpportunityAnswer], list[str]] = partial(
            faults, evidence=scene.evidence, candidate=scene.candidate
        )
        assert not is_published(OpportunityAnswer, raw, told), raw[:3_000]


def test_good_answers_about_markets_are_published() -> None:
    random, refused = Random(f"{SEED} good"), []
    for _ in range(GOOD):
        scene = make_scene(random)
        answer = OpportunityAnswer.model_validate(good_answer(random, scene))
        if found := faults(answer, scene.evidence, scene.candidate):
            refused.append((found, answer.texts()))
    assert len(refused) <= GOOD * (1 - LEAST), refused


@pytest.mark.parametrize("kind", BUNDLE_KINDS)
def test_no_bad_answer_about_a_bundle_is_published(kind: str) -> None:
    random = Random(f"{SEED} bundle {kind}")
    for _ in range(BAD):
        bundle = make_bundle(random)
        facts = gather_bundle(bundle, NOW)
        raw = BUNDLE_KINDS[kind](random, bundle, good_bundle_answer(random, bundle))
        told: Callable[[CrossVenueAnswer], list[str]] = partial(cross_venue_faults, facts=facts, bundle=bundle)
        assert not is_published(CrossVenueAnswer, raw, told), raw[:3_000]


def test_good_answers_about_bundles_are_published() -> None:
    random, refused = Random(f"{SEED} good bundles"), []
    for _ in range(GOOD):
        bundle = make_bundle(random)
        answer = CrossVenueAnswer.model_validate(good_bundle_answer(random, bundle))
        if found := cross_venue_faults(answer, gather_bundle(bundle, NOW), bundle):
            refused.append((found, answer))
    assert len(refused) <= GOOD * (1 - LEAST), refused


def days(random: Random) -> Iterator[tuple[Any, Any]]:
    while True:
        yield make_day(random)


@pytest.mark.parametrize("kind", DAY_KINDS)
def test_no_bad_digest_is_published(kind: str) -> None:
    random, judged = Random(f"{SEED} day {kind}"), 0
    for day, good in days(random):
        raw = DAY_KINDS[kind](random, day, good)
        if raw is None:
            continue
        told: Callable[[DigestAnswer], list[str]] = partial(digest_faults, day=day)
        assert not is_published(DigestAnswer, raw, told), raw[:3_000]
        judged += 1
        if judged == BAD // 2:
            return


def test_good_digests_are_published() -> None:
    random, refused = Random(f"{SEED} good days"), []
    for _ in range(100):
        day, good = make_day(random)
        if found := digest_faults(DigestAnswer.model_validate(good), day):
            refused.append((found, good))
    assert len(refused) <= 100 * (1 - LEAST), refused
