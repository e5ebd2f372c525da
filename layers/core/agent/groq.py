"""One call to Groq: strict schema in, a validated answer and its cost out. The SDK's errors stop here."""

from __future__ import annotations

import asyncio
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
    """`timeout_s` is for one analysis with all its retries."""

    def __init__(self, client: AsyncGroq, model: str, max_completion_tokens: int, timeout_s: float) -> None:
        self._client = client
        self.model = model
        self._max_completion_tokens = max_completion_tokens
        self._timeout_s = timeout_s

    async def explain(self, pack: Mapping[str, Any]) -> Reply:
        """Raises AnalystUnavailable (nothing was answered) or AnswerRejected (no answer in the schema)."""
        import groq

        response_format = {
            "type": "json_schema",
            "json_schema": {"name": "opportunity", "strict": True, "schema": _SCHEMA},
        }
        try:
            async with asyncio.timeout(self._timeout_s):
                completion: Any = await self._client.chat.completions.create(
                    model=self.model,
                    messages=cast("Any", prompt.messages(pack)),
                    response_format=cast("Any", response_format),
                    reasoning_effort="low",
                    include_reasoning=False,
                    max_completion_tokens=self._max_completion_tokens,
                )
        except TimeoutError as error:
            raise AnalystUnavailable(f"groq: no answer in {self._timeout_s:g} s") from error
        except groq.APIStatusError as error:
            # What is refused for itself must not stop the others: it would come first again in the next run.
            refused = error.status_code in (400, 413, 422)
            raise (AnswerRejected if refused else AnalystUnavailable)(self._said(error)) from error
        except (groq.GroqError, ValueError) as error:  # ValueError: a body that is not JSON
            raise AnalystUnavailable(self._said(error)) from error
        try:
            usage, choices = completion.usage, completion.choices
            details = getattr(usage, "prompt_tokens_details", None)
            prompt_tokens, completion_tokens = int(usage.prompt_tokens), int(usage.completion_tokens)
            cached = min(int(details.cached_tokens), prompt_tokens) if details else 0
            content = choices[0].message.content if choices else None
        except (AttributeError, TypeError, ValueError) as error:  # the SDK hands over whatever came with a 200
            raise AnalystUnavailable("groq: the answer is no completion") from error
        cost = cost_usd(self.model, prompt_tokens, cached, completion_tokens)
        try:
            answer = OpportunityAnswer.model_validate_json(content or "")
        except ValidationError as error:
            faults = f"{error.error_count()} faults, the first in {error.errors()[0]['loc']}"
            raise AnswerRejected(f"groq: answer outside the schema ({faults})", cost) from error
        return Reply(answer, completion.model, prompt_tokens, cached, completion_tokens, cost)

    def _said(self, error: Exception) -> str:
        """One line, without the key wherever it may have been echoed."""
        words = " ".join(f"groq: {type(error).__name__} {error}".split())
        return words.replace(self._client.api_key, "***")[:300]


@asynccontextmanager
async def open_analyst(settings: AnalyzeSettings) -> AsyncIterator[Analyst]:
    """Raises ConfigError without a key or with a model that cannot be used."""
    model = resolve_model(settings.ai_model)
    key = settings.groq_api_key.get_secret_value().strip() if settings.groq_api_key else ""
    if not key:
        raise ConfigError("environment: GROQ_API_KEY: needed while AI_ANALYSIS_ENABLED is true")
    from groq import AsyncGroq

    # One retry: at a rate limit the SDK waits no longer than a minute, and beyond that it would hammer.
    async with AsyncGroq(
        api_key=key, base_url=settings.groq_base_url, timeout=settings.ai_timeout_s, max_retries=1
    ) as client:
        yield Analyst(client, model, settings.ai_max_completion_tokens, settings.ai_timeout_s)
