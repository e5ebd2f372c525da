"""The whole step with an analyst that answers badly: nothing is stored as an insight, every answer is accounted for."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from random import Random

from analyze import explaining
from core.models import OpenMarket
from core.runtime import Run
from core.settings import AnalyzeSettings
from tests.analyze.conftest import NOW, MakeRun, Outside, rows
from tests.api.rows import insert_market
from tests.core.agent.corpus.bad import KINDS
from tests.core.agent.corpus.good import good_answer
from tests.core.agent.corpus.scenes import Scene, make_scene

SEED = "an evening in November"
OF_A_KIND = 3


def scene_of(random: Random, number: int) -> Scene:
    """Its market alone: no pair is stored here, so none is known."""
    candidate = make_scene(random).candidate
    pattern = replace(candidate.pattern, market_id=f"KX-{number}")
    return Scene(replace(candidate, pattern=pattern, others=()))


async def explain(run: Run[AnalyzeSettings], scenes: Sequence[Scene]) -> dict[str, object]:
    candidates = [scene.candidate for scene in scenes]
    async with run.transaction() as connection:
        for one in candidates:
            key = (one.pattern.platform, one.pattern.market_id)
            told = {"rules": one.rules, "yes_label": one.yes_label, "no_label": one.no_label}
            await insert_market(connection, key[1], one.title, platform=key[0], **told)
            assert one.book is not None
            asks = ([[str(a.price), str(a.size)] for a in side] for side in (one.book.yes_asks, one.book.no_asks))
            await connection.execute(
                "INSERT INTO market_books (platform, market_id, read_at, top_only, yes_asks, no_asks) "
                "VALUES ($1, $2, $3, false, $4, $5)",
                *key,
                NOW,
                *asks,
            )
    markets = [
        OpenMarket(
            platform=one.pattern.platform,
            market_id=one.pattern.market_id,
            event_id=None,
            title=one.title,
            category=None,
            close_time=one.close_time,
            yes_token=None,
            mutually_exclusive=False,
            price=one.price,
            yes_price=one.yes_price,
            no_price=one.no_price,
            volume=None,
            volume_24h=one.volume_24h,
            quoted_at=one.quoted_at,
            fee_rate=one.fee_rate,
            fee_exponent=one.fee_exponent,
            yes_label=one.yes_label,
            no_label=one.no_label,
        )
        for one in candidates
    ]
    keys = [(str(one.pattern.platform), one.pattern.market_id) for one in candidates]
    fair = {key: one.fair for key, one in zip(keys, candidates, strict=True) if one.fair is not None}
    rates = {(*key, one.pattern.detector): one.rates for key, one in zip(keys, candidates, strict=True)}
    return await explaining.explain(run, [one.pattern for one in candidates], markets, fair, rates)


async def test_of_a_hostile_analysts_answers_none_is_published(make_run: MakeRun, outside: Outside) -> None:
    random, scenes, answers = Random(SEED), list[Scene](), list[str]()
    for kind in sorted(KINDS.keys() - {"huge"}):  # more than the stand-in's own door lets in
        wanted = len(scenes) + OF_A_KIND
        while len(scenes) < wanted:
            scene = scene_of(random, len(scenes))
            raw = KINDS[kind](random, scene, good_answer(random, scene))
            if raw is not None and raw.strip():
                scenes.append(scene)
                answers += [raw, raw]  # what is asked to mend it says it again
    outside.plan_groq(answers=answers)
    run = await make_run("analyze", NOW, **outside.settings(), ai_concurrency=1)
    said = await explain(run, scenes)
    assert said["published"] == 0
    assert await rows(run, "SELECT FROM ai_insights") == []
    withheld = await rows(run, "SELECT reason, detail, cost_usd FROM withheld_insights")
    assert len(withheld) >= len(scenes)
    assert {row["reason"] for row in withheld} == {"not grounded", "no valid answer"}
    assert all(row["detail"] for row in withheld)


async def test_a_good_analysts_answers_are_published_as_they_were_written(make_run: MakeRun, outside: Outside) -> None:
    random = Random(f"{SEED} good")
    scenes = [scene_of(random, number) for number in range(30)]
    answers = [good_answer(random, scene) for scene in scenes]
    outside.plan_groq(answers=[json.dumps(answer) for answer in answers])
    run = await make_run("analyze", NOW, **outside.settings(), ai_concurrency=1)
    said = await explain(run, scenes)
    assert said["published"] == len(scenes), await rows(run, "SELECT detail FROM withheld_insights")
    stored = {row["market_id"]: row for row in await rows(run, "SELECT * FROM ai_insights")}
    for scene, answer in zip(scenes, answers, strict=True):
        insight = stored[scene.candidate.pattern.market_id]
        assert insight["one_liner"] == answer["one_liner"]["text"]
        assert insight["risk_factors"] == [risk["text"] for risk in answer["risk_factors"]]
        assert insight["evidence"] == scene.evidence.as_json()
