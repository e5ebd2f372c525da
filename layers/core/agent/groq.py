"""Calls to Groq: strict schema in, a validated answer and its cost out, paced. The SDK's errors stop here."""

from __future__ import annotations

import asyncio
import math
import random
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from functools import cache
from typing import TYPE_CHECKING, Any, Generic, NoReturn, TypeVar, cast

from pydantic import BaseModel, ValidationError

from core.agent import prompt
from core.agent.answers import OpportunityAnswer, strict_schema
from core.agent.models import cost_usd, resolve_model
from core.agent.pacing import Forecast, Pace, retry_after_s
from core.errors import AnalystBusy, AnalystUnavailable, AnswerRejected, ConfigError
from core.settings import AnalyzeSettings

if TYPE_CHECKING:
    from groq import APIStatusError, AsyncGroq

A = TypeVar("A", bound=BaseModel)
Messages = Sequence[Mapping[str, str]]

_FIRST_WAIT_S, _LONGEST_WAIT_S = 0.5, 8.0
_LONGEST_PAUSE_S = 86_400.0  # no limit of Groq's spans more than a day
_LAST_CALL_S = 30.0  # before the end, no call begins that could need longer
_TEMPLATE_TOKENS = 500  # what the service puts around the messages, at most
_REFUSED_FOR_ITSELF = (400, 413, 422)  # must not stop the others: it would come first again in the next run
_ON_DEMAND = "on_demand"


@dataclass(frozen=True, slots=True)
class Reply(Generic[A]):
    """`model` is what answered, as the service names it; a stand-in names itself there. `said` is the answer's text."""

    answer: A
    said: str
    model: str
    prompt_tokens: int
    cached_tokens: int
    completion_tokens: int
    cost_usd: Decimal


@dataclass(frozen=True, slots=True)
class _Call:
    """One answer of the service, not looked into."""

    said: str
    model: str
    prompt_tokens: int
    cached_tokens: int
    completion_tokens: int


class Analyst:
    """One model. `end_by`: the time of time.monotonic by which calls end; None waits for as long as told.

    `leave_by`: when a call must have begun.
    """

    def __init__(self, client: AsyncGroq, model: str, settings: AnalyzeSettings, end_by: float | None) -> None:
        self.model = model
        self._client = client
        self._settings = settings
        self._end_by = end_by
        self.leave_by = None if end_by is None else end_by - min(settings.ai_timeout_s, _LAST_CALL_S)
        self._paces: dict[str, Pace] = defaultdict(lambda: Pace(settings.ai_requests_per_minute))
        self._forecast = Forecast()
        self._away: AnalystUnavailable | None = None

    async def explain(self, pack: Mapping[str, Any]) -> Reply[OpportunityAnswer]:
        """As `ask`, of one market."""
        return await self.ask(OpportunityAnswer, "opportunity", prompt.messages(pack))

    async def ask(self, kind: type[A], name: str, messages: Messages) -> Reply[A]:
        """Raises AnalystUnavailable (nothing was answered) or AnswerRejected (no answer in the schema).

        Who is unavailable once is not asked again: what waits then fails with the same error.
        """
        try:
            call = await self._paced(_schema(kind, name), messages)
        except AnalystUnavailable as error:
            self._away = self._away or error
            raise
        cost = cost_usd(self.model, call.prompt_tokens, call.cached_tokens, call.completion_tokens)
        try:
            answer = kind.model_validate_json(call.said)
        except ValidationError as error:
            faults = f"{error.error_count()} faults, the first in {error.errors()[0]['loc']}"
            raise AnswerRejected(f"groq: answer outside the schema ({faults})", cost, said=call.said) from error
        return Reply(
            answer, call.said, call.model, call.prompt_tokens, call.cached_tokens, call.completion_tokens, cost
        )

    def most(self, kind: type[BaseModel], name: str, messages: Messages) -> tuple[Decimal, int]:
        """(dollars, tokens) that the call takes at most: no token is shorter than a byte."""
        prompt_bytes = sum(len(message["content"].encode()) for message in messages)
        prompt_tokens = prompt_bytes + _schema_bytes(kind, name) + _TEMPLATE_TOKENS
        completion_tokens = self._settings.ai_max_completion_tokens
        return cost_usd(self.model, prompt_tokens, 0, completion_tokens), prompt_tokens + completion_tokens

    async def _paced(self, response_format: Mapping[str, Any], messages: Messages) -> _Call:
        """Tries until it is answered, refused, or out of attempts or time. Each try waits for the limits."""
        import groq

        chars = sum(len(message["content"]) for message in messages)
        tier: str = self._settings.ai_service_tier
        failed = busy = 0
        while True:
            pace, expected = self._paces[tier], self._forecast.tokens(chars)
            await pace.take(expected, self.leave_by)
            used, headers = expected, None  # of a call without an answer we do not know what it used
            timeout_s = self._timeout_s()
            try:
                if self._away is not None:
                    used = 0.0
                    raise self._away
                async with asyncio.timeout(timeout_s):
                    raw = await self._create(response_format, messages, tier)
                    headers = raw.headers
                    call = _read(await raw.parse())
                self._forecast.learn(chars, call.prompt_tokens, call.cached_tokens, call.completion_tokens)
                used = call.prompt_tokens - call.cached_tokens + call.completion_tokens
                return call
            except TimeoutError as error:
                raise AnalystUnavailable(f"groq: no answer in {timeout_s:.3g} s") from error
            except groq.APIStatusError as error:
                used, headers = 0.0, error.response.headers
                if error.status_code == 498 and tier != _ON_DEMAND:
                    tier = _ON_DEMAND  # flex and performance have no capacity left
                elif error.status_code == 429:
                    busy += 1
                    self._wait_as_told(pace, error, busy)
                elif error.status_code in (408, 409, 498) or error.status_code >= 500:
                    failed += 1
                    await self._back_off(error, failed)
                else:
                    self._refuse(error)
            except groq.APIConnectionError as error:
                used, failed = 0.0, failed + 1
                await self._back_off(error, failed)
            except (groq.GroqError, ValueError) as error:  # ValueError: a body that is not JSON
                raise AnalystUnavailable(self._said(error)) from error
            finally:
                pace.give(expected, used, headers)

    async def _create(self, response_format: Mapping[str, Any], messages: Messages, tier: str) -> Any:
        return await self._client.chat.completions.with_raw_response.create(
            model=self.model,
            messages=cast("Any", messages),
            response_format=cast("Any", response_format),
            reasoning_effort="low",
            include_reasoning=False,
            max_completion_tokens=self._settings.ai_max_completion_tokens,
            **cast("Any", {} if tier == _ON_DEMAND else {"service_tier": tier}),
        )

    def _timeout_s(self) -> float:
        left_s = math.inf if self._end_by is None else self._end_by - time.monotonic()
        return min(self._settings.ai_timeout_s, left_s)

    def _wait_as_told(self, pace: Pace, error: APIStatusError, times: int) -> None:
        """All calls of the tier wait, not this one alone: the others would be refused as well."""
        told_s = retry_after_s(error.response.headers, datetime.now(UTC))
        wait_s = min(_wait_s(times) if told_s is None else told_s, _LONGEST_PAUSE_S)
        if times >= self._settings.ai_busy_attempts:
            raise AnalystBusy(self._said(error), wait_s) from error
        pace.pause(wait_s, self._said(error))

    async def _back_off(self, error: Exception, times: int) -> None:
        if times >= self._settings.ai_attempts:
            raise AnalystUnavailable(self._said(error)) from error
        await asyncio.sleep(_wait_s(times))

    def _refuse(self, error: APIStatusError) -> NoReturn:
        if error.status_code not in _REFUSED_FOR_ITSELF:
            raise AnalystUnavailable(self._said(error)) from error
        details = error.body.get("error") if isinstance(error.body, dict) else None
        details = details if isinstance(details, dict) else {}
        was_generated = details.get("code") == "json_validate_failed"
        said = details.get("failed_generation")
        raise AnswerRejected(
            self._said(error), said=said if isinstance(said, str) else None, is_cost_known=not was_generated
        ) from error

    def _said(self, error: Exception) -> str:
        """One line, without the key wherever it may have been echoed."""
        words = " ".join(f"groq: {type(error).__name__} {error}".split())
        return words.replace(self._client.api_key, "***")[:300]


def _wait_s(times: int) -> float:
    return min(_LONGEST_WAIT_S, _FIRST_WAIT_S * 2.0 ** (times - 1)) * random.uniform(0.75, 1.25)  # noqa: S311


@cache
def _schema(kind: type[BaseModel], name: str) -> Mapping[str, Any]:
    return {"type": "json_schema", "json_schema": {"name": name, "strict": True, "schema": strict_schema(kind)}}


@cache
def _schema_bytes(kind: type[BaseModel], name: str) -> int:
    return len(str(_schema(kind, name)).encode())


def _read(completion: Any) -> _Call:
    try:
        usage, choices = completion.usage, completion.choices
        details = getattr(usage, "prompt_tokens_details", None)
        prompt_tokens, completion_tokens = int(usage.prompt_tokens), int(usage.completion_tokens)
        cached = min(int(details.cached_tokens), prompt_tokens) if details else 0
        said = choices[0].message.content if choices else None
        return _Call(said or "", completion.model, prompt_tokens, cached, completion_tokens)
    except (AttributeError, TypeError, ValueError) as error:  # the SDK hands over whatever came with a 200
        raise AnalystUnavailable("groq: the answer is no completion") from error


@asynccontextmanager
async def open_analyst(
    settings: AnalyzeSettings, model: str | None = None, end_by: float | None = None
) -> AsyncIterator[Analyst]:
    """Raises ConfigError without a key or with a model that cannot be used. `model`: AI_DEEP_MODEL's, else AI_MODEL."""
    chosen = resolve_model(settings.ai_model) if model is None else resolve_model(model, "AI_DEEP_MODEL")
    key = settings.groq_api_key.get_secret_value().strip() if settings.groq_api_key else ""
    if not key:
        raise ConfigError("environment: GROQ_API_KEY: needed while AI_ANALYSIS_ENABLED is true")
    from groq import AsyncGroq

    # The SDK must not try again by itself: it knows nothing of the calls beside it, and where the service says to
    # come back after more than a minute it comes back at once.
    async with AsyncGroq(
        api_key=key, base_url=settings.groq_base_url, timeout=settings.ai_timeout_s, max_retries=0
    ) as client:
        yield Analyst(client, chosen, settings, end_by)
