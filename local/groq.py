"""Owns the local kit's stand-in for Groq: its wire, its limits and its faults. Rules answer in the model's place.

The `model` of its answers begins with `stand-in:`. `POST /control` plans faults and raw answers, `GET /control/calls`
tells what was asked. Limits and error bodies follow https://console.groq.com/docs (2026-11).
"""

import argparse
import asyncio
import hashlib
import json
import math
import re
import secrets
from collections import OrderedDict, deque
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any

from pydantic import BaseModel, Field, ValidationError
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from local.groq_analyst import analyse, argue, content_text
from local.groq_bundles import explain_bundle
from local.groq_days import write_digest
from local.groq_schema import is_valid, minimal_instance, schema_fault
from local.upstash import serve

Clock = Callable[[], datetime]
Json = dict[str, Any]

MAX_BODY_BYTES = 4 * 1024 * 1024
_CALLS_KEPT = 500
_CACHE_BLOCK_CHARS = 256
_CACHE_BLOCK_TOKENS = 64
_CACHE_IDLE = timedelta(hours=2)
_CACHE_BLOCKS_KEPT = 20_000


@dataclass(frozen=True)
class _Model:
    owner: str
    context_window: int
    max_output: int
    efforts: tuple[str, ...]
    strict: bool = False


_OSS_EFFORTS = ("low", "medium", "high")
MODELS: Mapping[str, _Model] = {
    "openai/gpt-oss-20b": _Model("OpenAI", 131_072, 65_536, _OSS_EFFORTS, strict=True),
    "openai/gpt-oss-120b": _Model("OpenAI", 131_072, 65_536, _OSS_EFFORTS, strict=True),
    "openai/gpt-oss-safeguard-20b": _Model("OpenAI", 131_072, 65_536, _OSS_EFFORTS),
    "qwen/qwen3.6-27b": _Model("Alibaba Cloud", 131_072, 16_384, ("none", "default")),
    "qwen/qwen3.8-27b": _Model("Alibaba Cloud", 131_042, 16_384, ("none", "default", "low", "medium", "high")),
}
_REASONING_TOKENS = {"none": 0, "low": 60, "medium": 250, "default": 250, "high": 900}

# fmt: off
_PARAMETERS = frozenset(
    {
        "model", "messages", "stream", "stream_options", "stop", "temperature", "top_p", "seed",
        "max_completion_tokens", "max_tokens", "n", "response_format", "tools", "tool_choice",
        "parallel_tool_calls", "disable_tool_validation", "reasoning_effort", "reasoning_format",
        "include_reasoning", "service_tier", "user",
    }
)
_NOT_YET_SUPPORTED = frozenset(
    {
        "logprobs", "top_logprobs", "logit_bias", "frequency_penalty", "presence_penalty", "metadata", "store",
        "functions", "function_call",
    }
)
# fmt: on
_MESSAGE_FIELDS = frozenset({"role", "content", "name", "tool_calls", "tool_call_id"})


def utc_now() -> datetime:
    return datetime.now(UTC)


class GroqError(Exception):
    """An answer other than 200, in the shape that Groq gives it."""

    def __init__(
        self, status: int, message: str, kind: str = "invalid_request_error", code: str | None = None, **extra: Any
    ) -> None:
        super().__init__(message)
        self.status = status
        self.error: Json = {"message": message, "type": kind} | ({"code": code} if code else {}) | extra
        self.headers: dict[str, str] = {}


@dataclass
class _Bucket:
    """So many per so long, refilled evenly."""

    limit: int
    period_s: float
    at: datetime
    level: float = field(init=False)

    def __post_init__(self) -> None:
        self.level = float(self.limit)

    def refill(self, now: datetime) -> None:
        elapsed_s = max(0.0, (now - self.at).total_seconds())
        self.level = min(float(self.limit), self.level + elapsed_s * self.limit / self.period_s)
        self.at = now

    def seconds_until(self, level: float) -> float:
        return max(0.0, (level - self.level) * self.period_s / self.limit)


def duration_text(seconds: float) -> str:
    """A duration as Groq's headers write it: 172ms, 7.66s, 2m59.56s, 1h0m3s."""
    if seconds < 1:
        return f"{math.ceil(seconds * 1000)}ms"
    minutes, rest = divmod(round(seconds, 3), 60)
    hours, minutes = divmod(int(minutes), 60)
    prefix = f"{hours}h{minutes}m" if hours else f"{minutes}m" if minutes else ""
    return f"{prefix}{rest:.3f}".rstrip("0").rstrip(".") + "s"


@dataclass(frozen=True)
class Limits:
    """What an organisation may use of a model; the defaults are Groq's developer tier for gpt-oss."""

    requests_per_minute: int = 1_000
    requests_per_day: int = 500_000
    tokens_per_minute: int = 250_000


class _Meter:
    """One model's use in one service tier."""

    def __init__(self, limits: Limits, factor: int, now: datetime) -> None:
        self.minute = _Bucket(limits.requests_per_minute * factor, 60, now)
        self.day = _Bucket(limits.requests_per_day * factor, 86_400, now)
        self.tokens = _Bucket(limits.tokens_per_minute * factor, 60, now)

    def charge(self, model: str, tier: str, tokens: int, now: datetime) -> None:
        for bucket in (self.minute, self.day, self.tokens):
            bucket.refill(now)
        if tokens > self.tokens.limit:
            raise GroqError(
                413,
                f"Request too large for model `{model}` in organization `org_local` service tier `{tier}` on "
                f"tokens per minute (TPM): Limit {self.tokens.limit}, Requested {tokens}, "
                "please reduce your message size and try again.",
                "tokens",
                "rate_limit_exceeded",
            )
        wanted = (
            (self.minute, 1, "requests per minute (RPM)", "requests"),
            (self.day, 1, "requests per day (RPD)", "requests"),
            (self.tokens, tokens, "tokens per minute (TPM)", "tokens"),
        )
        for bucket, amount, name, kind in wanted:
            if bucket.level < amount:
                raise self._exceeded(bucket, amount, name, kind, model, tier)
        for bucket, amount, _, _ in wanted:
            bucket.level -= amount

    @staticmethod
    def _exceeded(bucket: _Bucket, amount: int, name: str, kind: str, model: str, tier: str) -> GroqError:
        wait_s = bucket.seconds_until(amount)
        error = GroqError(
            429,
            f"Rate limit reached for model `{model}` in organization `org_local` service tier `{tier}` on {name}: "
            f"Limit {bucket.limit}, Used {bucket.limit - math.floor(bucket.level)}, Requested {amount}. "
            f"Please try again in {duration_text(wait_s)}.",
            kind,
            "rate_limit_exceeded",
        )
        error.headers["retry-after"] = str(max(1, math.ceil(wait_s)))
        return error

    def headers(self, now: datetime) -> dict[str, str]:
        """Requests are counted by the day and tokens by the minute, as in Groq's headers."""
        found = {}
        for name, bucket in (("requests", self.day), ("tokens", self.tokens)):
            bucket.refill(now)
            found[f"x-ratelimit-limit-{name}"] = str(bucket.limit)
            found[f"x-ratelimit-remaining-{name}"] = str(math.floor(bucket.level))
            found[f"x-ratelimit-reset-{name}"] = duration_text(bucket.seconds_until(bucket.limit))
        return found


class _PromptCache:
    """Which beginnings of prompts were seen in the last two hours, in blocks."""

    def __init__(self) -> None:
        self._seen: OrderedDict[bytes, datetime] = OrderedDict()

    def cached_tokens(self, model: str, prompt: str, now: datetime) -> int:
        """How many tokens at the prompt's beginning were there before; remembers the prompt."""
        digest, hits, unbroken = hashlib.sha256(model.encode()), 0, True
        for start in range(0, len(prompt) - _CACHE_BLOCK_CHARS + 1, _CACHE_BLOCK_CHARS):
            digest.update(prompt[start : start + _CACHE_BLOCK_CHARS].encode("utf-8", "replace"))
            key = digest.digest()
            seen = self._seen.pop(key, None)
            unbroken = unbroken and seen is not None and now - seen <= _CACHE_IDLE
            hits += unbroken
            self._seen[key] = now
        while len(self._seen) > _CACHE_BLOCKS_KEPT:
            self._seen.popitem(last=False)
        return hits * _CACHE_BLOCK_TOKENS


def check_request(body: Json) -> _Model:
    """The model that is asked for; raises what Groq answers to a request that breaks a rule of its."""
    name = body.get("model")
    if not isinstance(name, str):
        raise GroqError(400, "'model' : property 'model' is missing")
    model = MODELS.get(name)
    if model is None:
        message = f"The model `{name}` does not exist or you do not have access to it."
        raise GroqError(404, message, code="model_not_found")
    for key, value in body.items():
        if key in _NOT_YET_SUPPORTED and value is not None:
            raise GroqError(400, f"`{key}` is not supported with this model")
        if key not in _PARAMETERS | _NOT_YET_SUPPORTED:
            raise GroqError(400, f"property '{key}' is unsupported")
    _check_messages(body.get("messages"))
    _check_numbers(body, model)
    _check_reasoning(body, name, model)
    _check_response_format(body, name, model)
    if body.get("service_tier") not in {None, "auto", "on_demand", "flex", "performance"}:
        raise GroqError(400, "'service_tier' : value must be one of `auto`, `on_demand`, `flex`, `performance`")
    return model


def _check_messages(messages: object) -> None:
    if not isinstance(messages, list) or not messages:
        raise GroqError(400, "'messages' : minimum number of items is 1")
    for index, message in enumerate(messages):
        place = f"'messages.{index}'"
        if not isinstance(message, dict) or message.get("role") not in {"system", "user", "assistant", "tool"}:
            raise GroqError(400, f"{place} : discriminator property 'role' has invalid value")
        for key in message.keys() - _MESSAGE_FIELDS:
            raise GroqError(400, f"{place} : for 'role:{message['role']}' property '{key}' is unsupported")
        content = message.get("content")
        if not isinstance(content, str | list) and not (content is None and message["role"] == "assistant"):
            raise GroqError(400, f"{place} : for 'role:{message['role']}' property 'content' must be a string")


def _check_numbers(body: Json, model: _Model) -> None:
    if body.get("n") not in {None, 1}:
        raise GroqError(400, "'n' : number must be at most 1")
    for key in ("max_completion_tokens", "max_tokens"):
        value = body.get(key)
        if value is None:
            continue
        if isinstance(value, bool) or not isinstance(value, int) or value < 1:
            raise GroqError(400, f"'{key}' : number must be at least 1")
        if value > model.max_output:
            raise GroqError(
                400,
                f"`{key}` must be less than or equal to `{model.max_output}`, the maximum value for `{key}` is less "
                "than the `context_window` for this model",
            )
    for key, top in (("temperature", 2), ("top_p", 1)):
        value = body.get(key)
        if value is not None and (
            isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= top
        ):
            raise GroqError(400, f"'{key}' : number must be between 0 and {top}")


def _check_reasoning(body: Json, name: str, model: _Model) -> None:
    effort, form = body.get("reasoning_effort"), body.get("reasoning_format")
    if effort is not None and effort not in model.efforts:
        allowed = ", ".join(f"`{word}`" for word in model.efforts)
        raise GroqError(400, f"`reasoning_effort` must be one of {allowed} for model `{name}`")
    if form is not None and body.get("include_reasoning") is not None:
        raise GroqError(400, "cannot specify both `include_reasoning` and `reasoning_format`")
    if form not in {None, "hidden", "raw", "parsed"}:
        raise GroqError(400, "'reasoning_format' : value must be one of `hidden`, `raw`, `parsed`")
    if form == "raw" and (_wants_json(body) or body.get("tools")):
        raise GroqError(400, "`reasoning_format` must be `hidden` or `parsed` when using JSON mode or tool calling")


def _format_type(body: Json) -> object:
    form = body.get("response_format")
    return form.get("type") if isinstance(form, dict) else None


def _wants_json(body: Json) -> bool:
    return _format_type(body) in {"json_schema", "json_object"}


def _check_response_format(body: Json, name: str, model: _Model) -> None:
    kind = _format_type(body)
    if body.get("response_format") is not None and kind not in {"text", "json_object", "json_schema"}:
        raise GroqError(400, "'response_format.type' : value must be one of `text`, `json_object`, `json_schema`")
    if not _wants_json(body):
        return
    if body.get("tools"):
        raise GroqError(400, "json mode cannot be combined with tool/function calling")
    if body.get("stream"):
        raise GroqError(400, "response_format: streaming is not supported with structured outputs")
    if kind == "json_object":
        if not any("json" in content_text(message).lower() for message in body["messages"]):
            message = (
                "'messages' must contain the word 'json' in some form, to use 'response_format' of type 'json_object'."
            )
            raise GroqError(400, message)
        return
    form = body["response_format"].get("json_schema")
    if not isinstance(form, dict) or not isinstance(form.get("schema"), dict):
        raise GroqError(400, "'response_format.json_schema.schema' : property 'schema' is missing")
    if not isinstance(form.get("name"), str) or not re.fullmatch(r"[A-Za-z0-9_-]{1,64}", form["name"]):
        raise GroqError(400, "'response_format.json_schema.name' : must match the pattern ^[a-zA-Z0-9_-]{1,64}$")
    if form.get("strict") and not model.strict:
        raise GroqError(400, f"This model does not support `strict: true` in `json_schema`: `{name}`")
    if fault := schema_fault(form["schema"], strict=bool(form.get("strict"))):
        raise GroqError(400, f"invalid JSON schema for response_format: '{form['name']}': {fault}")


def compose(body: Json) -> str | None:
    """The content of the answer to a checked request; None where no answer fits the schema."""
    kind = _format_type(body)
    if kind == "json_object":
        return json.dumps(analyse(body["messages"]), ensure_ascii=False)
    if kind != "json_schema":
        answer = analyse(body["messages"])
        return " ".join(claim["text"] for claim in (answer["one_liner"], *answer["reasoning"]))
    schema: Json = body["response_format"]["json_schema"]["schema"]
    try:
        instance = minimal_instance(schema, schema)
    except RecursionError:
        return None
    properties = schema.get("properties", {})
    for about, names in (
        (explain_bundle, {"execution_steps", "settlement_risk"}),
        (write_digest, {"market_sentiment"}),
    ):
        if isinstance(instance, dict) and names <= properties.keys() and (said := about(body["messages"])) is not None:
            instance |= said
    if isinstance(instance, dict) and {"argument", "points"} == properties.keys():
        instance |= argue(body["messages"])
    if isinstance(instance, dict) and {"recommendation", "one_liner", "suggested_position"} <= properties.keys():
        for name, value in analyse(body["messages"]).items():
            rule = properties.get(name)
            if isinstance(rule, dict) and (fitting := _fitting(value, rule, schema)) is not None:
                instance[name] = fitting
    return json.dumps(instance, ensure_ascii=False) if is_valid(instance, schema) else None


def _fitting(value: object, schema: Json, root: Json) -> object | None:
    """The value if its schema allows it, cut where it is a list too long; None where another has to do."""
    whole = {key: root[key] for key in ("$defs", "definitions") if key in root} | schema
    for candidate in (value, value[: schema.get("maxItems", len(value))] if isinstance(value, list) else value):
        if is_valid(candidate, whole):
            return candidate
    # An unknown probability that has to be a number is the one that says least.
    return 0.5 if value is None and is_valid(0.5, whole) else None


Status = Annotated[int, Field(ge=400, le=599)]


class PlannedError(BaseModel, extra="forbid"):
    status: Status
    retry_after: float = 1


class Plan(BaseModel, extra="forbid", strict=True):
    """The body of `POST /control`; what it does not name stays as it is."""

    reset: bool = False
    fail: list[Status | PlannedError] = []
    answers: list[str] = []
    json_validate_failed: Annotated[int, Field(ge=0)] = 0
    latency_ms: Annotated[float, Field(ge=0)] = 0
    flex_capacity: bool = True


_FAULT_BODIES: Mapping[int, tuple[str, str, str | None]] = {
    401: ("Invalid API Key", "invalid_request_error", "invalid_api_key"),
    403: ("Forbidden", "permissions_error", None),
    404: ("The model does not exist or you do not have access to it.", "invalid_request_error", "model_not_found"),
    413: ("Request Entity Too Large", "invalid_request_error", "request_too_large"),
    429: ("Rate limit reached. Please try again in 1s.", "tokens", "rate_limit_exceeded"),
    498: ("Flex tier capacity exceeded. Please try again later.", "server_error", "capacity_exceeded"),
    500: ("Internal Server Error", "internal_server_error", None),
    502: ("Bad Gateway", "internal_server_error", None),
    503: ("Service Unavailable", "internal_server_error", "service_unavailable"),
}


def _planned_error(plan: int | PlannedError) -> GroqError:
    planned = plan if isinstance(plan, PlannedError) else PlannedError(status=plan)
    fault = _FAULT_BODIES.get(planned.status, ("Planned fault", "invalid_request_error", None))
    error = GroqError(planned.status, *fault)
    if planned.status == 429:
        error.headers["retry-after"] = f"{planned.retry_after:g}"
    return error


def _json_validate_failed(generation: str = "") -> GroqError:
    return GroqError(
        400,
        "Failed to generate JSON. Please adjust your prompt. See 'failed_generation' for more details.",
        code="json_validate_failed",
        failed_generation=generation,
    )


class _Groq:
    """The state behind the endpoints: meters, prompt cache, planned faults and the record of calls."""

    def __init__(self, clock: Clock, limits: Limits, latency_ms: float, api_key: str | None) -> None:
        self.clock = clock
        self.limits = limits
        self.api_key = api_key
        self.base_latency_ms = latency_ms
        self.reset()

    def reset(self) -> None:
        self.faults = Plan(latency_ms=self.base_latency_ms)
        self.calls: deque[Json] = deque(maxlen=_CALLS_KEPT)
        self.meters: dict[tuple[str, bool], _Meter] = {}
        self.cache = _PromptCache()

    def meter(self, model: str, tier: str) -> _Meter:
        key = (model, tier == "flex")
        if key not in self.meters:
            self.meters[key] = _Meter(self.limits, 10 if tier == "flex" else 1, self.clock())
        return self.meters[key]

    def check_key(self, request: Request) -> None:
        scheme, _, key = request.headers.get("authorization", "").partition(" ")
        accepted = (
            secrets.compare_digest(key.encode(), self.api_key.encode()) if self.api_key else key.startswith("gsk_")
        )
        if scheme.lower() != "bearer" or not accepted:
            raise GroqError(401, *_FAULT_BODIES[401])

    async def complete(self, request: Request) -> Response:
        self.check_key(request)
        body = await _read_json(request)
        call: Json = {
            "at": self.clock().isoformat(),
            "model": body.get("model"),
            "messages": body.get("messages"),
            "params": {key: value for key, value in body.items() if key not in {"model", "messages"}},
            "status": 200,
        }
        self.calls.append(call)
        try:
            if self.faults.latency_ms > 0:
                await asyncio.sleep(self.faults.latency_ms / 1000)
            if self.faults.fail:
                raise _planned_error(self.faults.fail.pop(0))
            return self._answer(body)
        except GroqError as error:
            call["status"] = error.status
            raise

    def _answer(self, body: Json) -> Response:
        model = check_request(body)
        name, tier, now = body["model"], body.get("service_tier") or "on_demand", self.clock()
        if tier == "flex" and not self.faults.flex_capacity:
            raise GroqError(498, *_FAULT_BODIES[498])
        prompt = "\0".join(f"{message['role']}\n{content_text(message)}" for message in body["messages"])
        prompt_tokens = _tokens(prompt)
        if prompt_tokens > model.context_window:
            message = "Please reduce the length of the messages or completion."
            raise GroqError(400, message, code="context_length_exceeded", param="messages")
        meter = self.meter(name, tier)
        cached = min(self.cache.cached_tokens(name, prompt, now), prompt_tokens)
        content, thought_tokens, finish = self._generate(body, model)
        completion_tokens = _tokens(content) + thought_tokens
        try:
            meter.charge(name, tier, prompt_tokens - cached + completion_tokens, now)
        except GroqError as error:
            error.headers |= meter.headers(now)
            raise
        if _wants_json(body) and (finish == "length" or self.faults.json_validate_failed > 0):
            self.faults.json_validate_failed = max(0, self.faults.json_validate_failed - (finish != "length"))
            failure = _json_validate_failed("" if finish == "length" else content[: len(content) // 2])
            failure.headers |= meter.headers(now)
            raise failure
        usage = _usage(prompt_tokens, cached, completion_tokens, thought_tokens)
        completion = _completion(body, content, finish, usage, tier, now)
        headers = meter.headers(now) | {"x-request-id": completion["x_groq"]["id"]}
        if body.get("stream"):
            return StreamingResponse(_chunks(completion), 200, headers, "text/event-stream")
        return JSONResponse(completion, 200, headers)

    def _generate(self, body: Json, model: _Model) -> tuple[str, int, str]:
        """The content, the tokens of thought before it, and how it finished."""
        default_effort = "medium" if "medium" in model.efforts else "default"
        thought_tokens = _REASONING_TOKENS[body.get("reasoning_effort") or default_effort]
        allowed = body.get("max_completion_tokens") or body.get("max_tokens") or model.max_output
        content = self.faults.answers.pop(0) if self.faults.answers else compose(body)
        if content is None:
            raise _json_validate_failed()
        if thought_tokens + _tokens(content) <= allowed:
            return content, thought_tokens, "stop"
        thought_tokens = min(thought_tokens, allowed)
        return content[: (allowed - thought_tokens) * 4], thought_tokens, "length"

    async def control(self, request: Request) -> Response:
        try:
            plan = Plan.model_validate(await _read_json(request))
        except ValidationError as error:
            raise GroqError(400, str(error)) from None
        if plan.reset:
            self.reset()
        self.faults = self.faults.model_copy(update={name: getattr(plan, name) for name in plan.model_fields_set})
        return JSONResponse({"ok": True})

    async def list_calls(self, _: Request) -> Response:
        return JSONResponse({"calls": list(self.calls)})

    async def list_models(self, request: Request) -> Response:
        self.check_key(request)
        return JSONResponse({"object": "list", "data": [_model_card(name) for name in MODELS]})

    async def show_model(self, request: Request) -> Response:
        self.check_key(request)
        name = request.path_params["name"]
        if name not in MODELS:
            raise GroqError(404, f"The model `{name}` does not exist", code="model_not_found")
        return JSONResponse(_model_card(name))


def _model_card(name: str) -> Json:
    model = MODELS[name]
    return {
        "id": name,
        "object": "model",
        "created": 1_754_400_000,
        "owned_by": model.owner,
        "active": True,
        "context_window": model.context_window,
        "max_completion_tokens": model.max_output,
        "public_apps": None,
    }


def _tokens(text: str) -> int:
    return math.ceil(len(text) / 4)


def _usage(prompt_tokens: int, cached: int, completion_tokens: int, thought_tokens: int) -> Json:
    """Counts, and the times which that much takes at the real model's published speed."""
    prompt_s, completion_s = prompt_tokens / 20_000, completion_tokens / 1_000
    return {
        "queue_time": 0.001,
        "prompt_tokens": prompt_tokens,
        "prompt_time": round(prompt_s, 6),
        "completion_tokens": completion_tokens,
        "completion_time": round(completion_s, 6),
        "total_tokens": prompt_tokens + completion_tokens,
        "total_time": round(prompt_s + completion_s, 6),
        "prompt_tokens_details": {"cached_tokens": cached},
        "completion_tokens_details": {"reasoning_tokens": thought_tokens},
    }


def _completion(body: Json, content: str, finish: str, usage: Json, tier: str, now: datetime) -> Json:
    message: Json = {"role": "assistant", "content": content}
    shows_thought = body.get("include_reasoning") is not False and body.get("reasoning_format") != "hidden"
    if shows_thought and usage["completion_tokens_details"]["reasoning_tokens"]:
        message["reasoning"] = "The facts in the evidence were weighed by fixed rules."
    return {
        "id": f"chatcmpl-{secrets.token_hex(16)}",
        "object": "chat.completion",
        "created": int(now.timestamp()),
        "model": f"stand-in:{body['model']}",
        "choices": [{"index": 0, "message": message, "logprobs": None, "finish_reason": finish}],
        "usage": usage,
        "usage_breakdown": None,
        "system_fingerprint": "fp_stand_in",
        "x_groq": {"id": f"req_{secrets.token_hex(13)}"},
        "service_tier": "on_demand" if tier == "auto" else tier,
    }


async def _chunks(completion: Json) -> AsyncIterator[str]:
    common = {key: completion[key] for key in ("id", "created", "model", "system_fingerprint")}
    common["object"] = "chat.completion.chunk"
    choice = completion["choices"][0]
    words = re.findall(r"\s*\S+|\s+$", choice["message"]["content"])
    deltas = [{"role": "assistant", "content": ""}, *({"content": word} for word in words)]
    for delta in deltas:
        yield _event(common | {"choices": [{"index": 0, "delta": delta, "logprobs": None, "finish_reason": None}]})
    last = {"index": 0, "delta": {}, "logprobs": None, "finish_reason": choice["finish_reason"]}
    yield _event(common | {"choices": [last], "x_groq": completion["x_groq"] | {"usage": completion["usage"]}})
    yield "data: [DONE]\n\n"


def _event(chunk: Json) -> str:
    return f"data: {json.dumps(chunk, ensure_ascii=False)}\n\n"


async def _read_json(request: Request) -> Json:
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > MAX_BODY_BYTES:
            raise GroqError(413, *_FAULT_BODIES[413])
    try:
        parsed = json.loads(bytes(body))
    except (ValueError, RecursionError):
        raise GroqError(400, "the request body is not valid JSON", code="json_decode_error") from None
    if not isinstance(parsed, dict):
        raise GroqError(400, "the request body must be a JSON object")
    return parsed


async def _on_error(_: Request, error: Exception) -> Response:
    if isinstance(error, GroqError):
        return JSONResponse({"error": error.error}, error.status, error.headers)
    raise error


async def _on_http_error(request: Request, error: Exception) -> Response:
    status = error.status_code if isinstance(error, HTTPException) else 500
    message = f"Unknown request URL: {request.method} {request.url.path}. Please check the URL for typos."
    failure = GroqError(status, message, code="unknown_url")
    return JSONResponse({"error": failure.error}, status)


def make_app(
    clock: Clock = utc_now, *, limits: Limits | None = None, latency_ms: float = 0, api_key: str | None = None
) -> Starlette:
    """The stand-in as an ASGI application. Any key that begins with `gsk_` is good, unless `api_key` names the one."""
    groq = _Groq(clock, limits or Limits(), latency_ms, api_key)
    return Starlette(
        routes=[
            Route("/openai/v1/chat/completions", groq.complete, methods=["POST"]),
            Route("/openai/v1/models", groq.list_models, methods=["GET"]),
            Route("/openai/v1/models/{name:path}", groq.show_model, methods=["GET"]),
            Route("/control", groq.control, methods=["POST"]),
            Route("/control/calls", groq.list_calls, methods=["GET"]),
        ],
        exception_handlers={GroqError: _on_error, 404: _on_http_error, 405: _on_http_error},
    )


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m local.groq", description=__doc__)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--requests-per-minute", type=int, default=Limits.requests_per_minute)
    parser.add_argument("--requests-per-day", type=int, default=Limits.requests_per_day)
    parser.add_argument("--tokens-per-minute", type=int, default=Limits.tokens_per_minute)
    parser.add_argument("--latency-ms", type=float, default=0)
    parser.add_argument("--api-key", default=None)
    given = parser.parse_args()
    limits = Limits(given.requests_per_minute, given.requests_per_day, given.tokens_per_minute)
    serve(make_app(limits=limits, latency_ms=given.latency_ms, api_key=given.api_key), given.port)


if __name__ == "__main__":
    main()
