"""One call to Groq: strict schema in, a validated answer and its cost out. The SDK's errors stop here."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Any, cast

from pydantic import ValidationError

from core.agent import prompt
from core.agent.answers import OpportunityAnswer, strict_schema
from core.agent.models import cost_usd, resolve_model
from core.errors import AnalystUnavailable, AnswerRejected, ConfigError
from core.settings import AnalyzeSettings

if TYPE_CHECKING:
    from groq import AsyncGroq

_SCHEMA = strict_schema(OpportunityAnswer)


@dataclass(frozen=True, slots=True)
class Reply:
    """`model` is what answered, as the service names it; a stand-in names itself there."""

    answer: OpportunityAnswer
    model: str
    prompt_tokens: int
    cached_tokens: int
    completion_tokens: int
    cost_usd: Decimal


class Analyst:
    def __init__(self, client: AsyncGroq, model: str, max_completion_tokens: int) -> None:
        self._client = client
        self.model = model
        self._max_completion_tokens = max_completion_tokens

    async def explain(self, pack: Mapping[str, Any]) -> Reply:
        """Raises AnalystUnavailable (nothing was answered) or AnswerRejected (no answer in the schema)."""
        import groq

        response_format = {
            "type": "json_schema",
            "json_schema": {"name": "opportunity", "strict": True, "schema": _SCHEMA},
        }
        try:
            completion = await self._client.chat.completions.create(
                model=self.model,
                messages=cast("Any", prompt.messages(pack)),
                response_format=cast("Any", response_format),
                reasoning_effort="low",
                include_reasoning=False,
                max_completion_tokens=self._max_completion_tokens,
            )
        except groq.BadRequestError as error:
            raise AnswerRejected(f"groq: {_said(error)}") from error
        except groq.GroqError as error:
            raise AnalystUnavailable(f"groq: {_said(error)}") from error
        content = completion.choices[0].message.content if completion.choices else None
        try:
            answer = OpportunityAnswer.model_validate_json(content or "")
        except ValidationError as error:
            raise AnswerRejected(f"groq: answer outside the schema ({error.error_count()} faults)") from error
        usage = completion.usage
        details = getattr(usage, "prompt_tokens_details", None)
        prompt_tokens = usage.prompt_tokens if usage else 0
        completion_tokens = usage.completion_tokens if usage else 0
        cached = min(getattr(details, "cached_tokens", 0) or 0, prompt_tokens)
        cost = cost_usd(self.model, prompt_tokens, cached, completion_tokens)
        return Reply(answer, completion.model, prompt_tokens, cached, completion_tokens, cost)


@asynccontextmanager
async def open_analyst(settings: AnalyzeSettings) -> AsyncIterator[Analyst]:
    """Raises ConfigError without a key or with a model that cannot be used."""
    model = resolve_model(settings.ai_model)
    if settings.groq_api_key is None:
        raise ConfigError("environment: GROQ_API_KEY: needed while AI_ANALYSIS_ENABLED is true")
    from groq import AsyncGroq

    async with AsyncGroq(
        api_key=settings.groq_api_key.get_secret_value(),
        base_url=settings.groq_base_url,
        timeout=settings.ai_timeout_s,
        max_retries=2,
    ) as client:
        yield Analyst(client, model, settings.ai_max_completion_tokens)


def _said(error: Exception) -> str:
    return f"{type(error).__name__} {error}"[:300]
