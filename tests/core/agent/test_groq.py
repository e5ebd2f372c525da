"""The official client against the stand-in over HTTP: what is answered, refused, broken or late."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from decimal import Decimal
from typing import Any

import httpx
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from core.agent.answers import OpportunityAnswer
from core.agent.evidence import gather, pack
from core.agent.groq import Analyst, Reply, open_analyst
from core.agent.models import cost_usd
from core.errors import AnalystBusy, AnalystUnavailable, AnswerRejected, ConfigError
from core.settings import AnalyzeSettings
from local.groq import Limits, make_app
from tests.conftest import served
from tests.core.agent.making import NOW, make_answer, make_candidate

KEY = "gsk_a_secret_of_the_operator"
MODEL = "openai/gpt-oss-20b"


@pytest.fixture
def groq() -> Iterator[str]:
    with served(make_app(api_key=KEY)) as url:
        yield url


def control(url: str, **plan: Any) -> None:
    assert httpx.post(f"{url}/control", json=plan).status_code == 200


def calls(url: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = httpx.get(f"{url}/control/calls").json()["calls"]
    return found


@asynccontextmanager
async def analyst(url: str, end_by: float | None = None, **given: Any) -> AsyncIterator[Analyst]:
    values: dict[str, Any] = {"groq_api_key": KEY, "groq_base_url": url, "database_url": "postgresql://unused/x"}
    async with open_analyst(AnalyzeSettings(**values | given), end_by=end_by) as opened:
        yield opened


async def explain(url: str, **given: Any) -> Reply[OpportunityAnswer]:
    candidate = make_candidate()
    async with analyst(url, **given) as opened:
        return await opened.explain(pack(candidate, gather(candidate, NOW)))


def one_line_without_the_key(error: BaseException) -> bool:
    said = str(error)
    return "\n" not in said and KEY not in said and said.startswith("groq: ") and len(said) <= 300


async def test_an_answer_comes_with_its_model_tokens_and_cost(groq: str) -> None:
    reply = await explain(groq)
    assert reply.model == f"stand-in:{MODEL}"
    assert reply.answer.suggested_position == "WAIT", "an edge at 46 in 100 is no bet"
    assert reply.prompt_tokens > 0
    assert reply.completion_tokens > 0
    assert reply.cached_tokens == 0
    assert reply.cost_usd == cost_usd(MODEL, reply.prompt_tokens, 0, reply.completion_tokens)


async def test_the_beginning_of_the_prompt_is_cached_and_costs_half(groq: str) -> None:
    first, second = await explain(groq), await explain(groq)
    assert 0 < second.cached_tokens <= second.prompt_tokens == first.prompt_tokens
    saved = second.cached_tokens * Decimal("0.0375") / 1_000_000
    assert first.cost_usd - second.cost_usd == saved


async def test_strict_schema_low_effort_and_no_reasoning_are_asked_for(groq: str) -> None:
    await explain(groq, ai_max_completion_tokens=2_048)
    (call,) = calls(groq)
    asked = call["params"]
    assert call["model"] == MODEL
    assert asked["response_format"]["json_schema"]["strict"] is True
    assert (asked["reasoning_effort"], asked["include_reasoning"]) == ("low", False)
    assert asked["max_completion_tokens"] == 2_048


async def test_a_friendly_model_name_is_sent_as_the_venues_own(groq: str) -> None:
    await explain(groq, ai_model="gpt-oss-120b-128k")
    assert calls(groq)[0]["model"] == "openai/gpt-oss-120b"


async def test_json_that_could_not_be_generated_is_rejected_and_not_asked_for_again(groq: str) -> None:
    control(groq, json_validate_failed=1)
    with pytest.raises(AnswerRejected) as rejected:
        await explain(groq)
    assert one_line_without_the_key(rejected.value)
    assert rejected.value.cost_usd == 0
    assert len(calls(groq)) == 1


@pytest.mark.parametrize("status", [400, 413, 422])
async def test_what_is_refused_for_itself_is_rejected(groq: str, status: int) -> None:
    control(groq, fail=[status])
    with pytest.raises(AnswerRejected) as rejected:
        await explain(groq)
    assert one_line_without_the_key(rejected.value)
    assert len(calls(groq)) == 1


@pytest.mark.parametrize("status", [401, 403, 404])
async def test_a_refusal_of_the_service_is_unavailable_at_once(groq: str, status: int) -> None:
    control(groq, fail=[status] * 9)
    with pytest.raises(AnalystUnavailable) as away:
        await explain(groq)
    assert one_line_without_the_key(away.value)
    assert len(calls(groq)) == 1


@pytest.mark.parametrize("status", [498, 500, 502, 503])
async def test_a_failing_service_is_asked_twice_and_then_unavailable(groq: str, status: int) -> None:
    control(groq, fail=[status] * 9)
    with pytest.raises(AnalystUnavailable) as away:
        await explain(groq)
    assert one_line_without_the_key(away.value)
    assert len(calls(groq)) == 2


async def test_a_passing_failure_is_survived(groq: str) -> None:
    control(groq, fail=[503])
    assert (await explain(groq)).answer.one_liner.evidence_ids
    assert [call["status"] for call in calls(groq)] == [503, 200]


async def test_who_is_unavailable_is_not_asked_by_those_who_wait(groq: str) -> None:
    control(groq, fail=[401] * 9)
    candidate = make_candidate()
    packed = pack(candidate, gather(candidate, NOW))
    async with analyst(groq) as opened:
        ended = await asyncio.gather(*(opened.explain(packed) for _ in range(5)), return_exceptions=True)
    assert [type(end) for end in ended] == [AnalystUnavailable] * 5
    assert len(calls(groq)) == 1


@pytest.mark.parametrize("tier", ["flex", "auto", "performance"])
async def test_without_capacity_in_another_tier_the_usual_one_is_asked(groq: str, tier: str) -> None:
    control(groq, fail=[498])
    assert (await explain(groq, ai_service_tier=tier)).answer.one_liner.evidence_ids
    assert [call["params"].get("service_tier") for call in calls(groq)] == [tier, None]


async def test_a_rate_limit_is_waited_for_as_long_as_it_says(groq: str) -> None:
    control(groq, fail=[{"status": 429, "retry_after": 1}, {"status": 429, "retry_after": 0.5}])
    started = time.monotonic()
    assert (await explain(groq, ai_timeout_s=0.4)).answer.one_liner.evidence_ids
    assert time.monotonic() - started >= 1.5
    assert [call["status"] for call in calls(groq)] == [429, 429, 200]


async def test_a_limit_that_outlasts_the_run_is_told_at_once(groq: str) -> None:
    control(groq, fail=[{"status": 429, "retry_after": 700}] * 9)
    with pytest.raises(AnalystBusy, match=r"RateLimitError.*next call in 700 s") as busy:
        await explain(groq, end_by=time.monotonic() + 500)
    assert 690 < busy.value.wait_s <= 700
    assert len(calls(groq)) == 1


async def test_a_limit_longer_than_any_is_waited_for_a_day(groq: str) -> None:
    control(groq, fail=[{"status": 429, "retry_after": 500_000}])
    with pytest.raises(AnalystBusy) as busy:
        await explain(groq, end_by=time.monotonic() + 500)
    assert busy.value.wait_s <= 86_400


async def test_a_service_that_is_always_busy_is_left_alone_in_the_end(groq: str) -> None:
    control(groq, fail=[{"status": 429, "retry_after": 0.01}] * 99)
    with pytest.raises(AnalystBusy) as busy:
        await explain(groq, ai_busy_attempts=3)
    assert one_line_without_the_key(busy.value)
    assert len(calls(groq)) == 3


async def test_a_slow_answer_is_not_waited_for_nor_asked_for_again(groq: str) -> None:
    control(groq, latency_ms=30_000)
    with pytest.raises(AnalystUnavailable, match=r"^groq: no answer in 0.3 s$"):
        await explain(groq, ai_timeout_s=0.3)
    assert len(calls(groq)) == 1


async def test_a_real_rate_limit_outlasts_a_short_run() -> None:
    with served(make_app(limits=Limits(requests_per_minute=1))) as url:
        await explain(url)
        with pytest.raises(AnalystBusy):
            await explain(url, end_by=time.monotonic() + 31)


async def test_a_wrong_key_is_unavailable_in_one_line_without_it(groq: str) -> None:
    wrong = "gsk_another_key"
    with pytest.raises(AnalystUnavailable, match="Invalid API Key") as away:
        await explain(groq, groq_api_key=wrong)
    assert wrong not in str(away.value)


@pytest.mark.parametrize("key", [f"{KEY}\n", f" {KEY} ", f"{KEY}\r\n"])
async def test_white_space_around_the_key_does_no_harm(groq: str, key: str) -> None:
    assert (await explain(groq, groq_api_key=key)).model


@pytest.mark.parametrize("key", ["gsk_with\na break", "gsk_“quoted”", "gsk_\x00"])
async def test_a_key_that_no_header_can_hold_is_unavailable_and_not_told(groq: str, key: str) -> None:
    with pytest.raises(AnalystUnavailable) as away:
        await explain(groq, groq_api_key=key)
    assert key not in str(away.value)
    assert "\n" not in str(away.value)
    assert calls(groq) == []


async def test_a_refused_connection_is_unavailable() -> None:
    with pytest.raises(AnalystUnavailable) as away:
        await explain("http://127.0.0.1:9")
    assert one_line_without_the_key(away.value)


@pytest.mark.parametrize("key", [None, "", "  "])
async def test_a_missing_key_is_told_by_its_name(groq: str, key: str | None) -> None:
    with pytest.raises(ConfigError, match=r"^environment: GROQ_API_KEY: needed while AI_ANALYSIS_ENABLED is true$"):
        await explain(groq, groq_api_key=key)


async def test_a_retired_model_is_told_before_anything_is_asked(groq: str) -> None:
    with pytest.raises(ConfigError, match="use openai/gpt-oss-120b"):
        await explain(groq, ai_model="llama-3.3-70b-versatile")
    assert calls(groq) == []


@pytest.mark.parametrize(
    "content",
    [
        "",
        "null",
        "{}",
        "[]",
        "no JSON",
        '{"recommendation": "GOOD_BET"',
        json.dumps(make_answer().model_dump() | {"confidence_score": 150}),
        json.dumps(make_answer().model_dump() | {"edge_explanation": {"text": "x" * 401, "evidence_ids": []}}),
        json.dumps(make_answer(one_liner="?").model_dump()).replace("?", "\\ud800"),
        json.dumps(make_answer().model_dump() | {"more": 1}),
        "[" * 5_000,
    ],
    ids=lambda content: content[:30],
)
async def test_an_answer_outside_the_schema_is_rejected_with_what_it_cost(groq: str, content: str) -> None:
    control(groq, answers=[content])
    with pytest.raises(AnswerRejected) as rejected:
        await explain(groq)
    assert one_line_without_the_key(rejected.value)
    assert rejected.value.cost_usd > 0


async def test_a_huge_answer_is_rejected_and_not_repeated_in_the_line(groq: str) -> None:
    control(groq, answers=[json.dumps(make_answer().model_dump() | {"risk_factors": ["x" * 200_000]})])
    with pytest.raises(AnswerRejected) as rejected:
        await explain(groq, ai_max_completion_tokens=65_536)
    assert one_line_without_the_key(rejected.value)


def completion(**change: Any) -> dict[str, Any]:
    message = {"role": "assistant", "content": make_answer().model_dump_json()}
    return {
        "id": "x",
        "object": "chat.completion",
        "created": 1,
        "model": MODEL,
        "choices": [{"index": 0, "message": message, "finish_reason": "stop", "logprobs": None}],
        "usage": {"prompt_tokens": 1_000, "completion_tokens": 100, "total_tokens": 1_100},
    } | change


def answering(make: Callable[[], Response]) -> Starlette:
    async def complete(_: Request) -> Response:
        return make()

    return Starlette(routes=[Route("/openai/v1/chat/completions", complete, methods=["POST"])])


async def test_usage_without_details_counts_nothing_as_cached() -> None:
    with served(answering(lambda: JSONResponse(completion()))) as url:
        reply = await explain(url)
    assert (reply.prompt_tokens, reply.cached_tokens, reply.completion_tokens) == (1_000, 0, 100)
    assert reply.cost_usd == Decimal("0.000105")


@pytest.mark.parametrize("choices", [[], None])
async def test_no_choices_are_no_answer(choices: list[Any] | None) -> None:
    with served(answering(lambda: JSONResponse(completion(choices=choices)))) as url:
        with pytest.raises(AnswerRejected):
            await explain(url)


@pytest.mark.parametrize(
    "make",
    [
        lambda: Response("<html><body>Log in to this network</body></html>", media_type="text/html"),
        lambda: Response("{broken", media_type="application/json"),
        lambda: Response("", media_type="application/json"),
        lambda: JSONResponse([]),
        lambda: JSONResponse({}),
        lambda: JSONResponse(completion(usage=None)),
        lambda: JSONResponse(completion(choices=[{"index": 0}])),
        lambda: JSONResponse(completion(choices=["?"])),
        lambda: JSONResponse(completion(usage={"prompt_tokens": "many"})),
        lambda: Response(f"<html>\n<h1>502</h1>\n{KEY}\n</html>", 502, media_type="text/html"),
        lambda: JSONResponse({"error": {"message": f"Incorrect key\n{KEY}"}}, 401),
    ],
)
async def test_what_is_no_completion_at_all_is_unavailable_in_one_line(make: Callable[[], Response]) -> None:
    with served(answering(make)) as url:
        with pytest.raises(AnalystUnavailable) as away:
            await explain(url)
    assert one_line_without_the_key(away.value)
