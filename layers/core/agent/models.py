"""Which models can be asked, by their friendly names, and what a token costs. Prices as of November 2026."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from core.errors import ConfigError


@dataclass(frozen=True, slots=True)
class Price:
    """Dollars per million tokens."""

    prompt: Decimal
    cached: Decimal
    completion: Decimal


PRICES = {
    "openai/gpt-oss-20b": Price(Decimal("0.075"), Decimal("0.0375"), Decimal("0.30")),
    "openai/gpt-oss-120b": Price(Decimal("0.15"), Decimal("0.075"), Decimal("0.60")),
}
_ALIASES = {
    "gpt-oss-20b": "openai/gpt-oss-20b",
    "gpt-oss-20b-128k": "openai/gpt-oss-20b",
    "gpt-oss-120b": "openai/gpt-oss-120b",
    "gpt-oss-120b-128k": "openai/gpt-oss-120b",
}
_RETIRED = {
    "qwen3-32b-131k": "openai/gpt-oss-120b",
    "qwen/qwen3-32b": "openai/gpt-oss-120b",
    "llama-4-scout-17bx16e-128k": "openai/gpt-oss-120b",
    "meta-llama/llama-4-scout-17b-16e-instruct": "openai/gpt-oss-120b",
    "llama-3.3-70b-versatile": "openai/gpt-oss-120b",
    "llama-3.1-8b-instant": "openai/gpt-oss-20b",
}


def resolve_model(name: str, setting: str = "AI_MODEL") -> str:
    """The venue's id of a model. Raises ConfigError that names a replacement for retired and unknown ones.

    Only models with strict structured output are accepted: without it an answer is a guess at our schema.
    """
    model = _ALIASES.get(name, name)
    if model in PRICES:
        return model
    if model in _RETIRED:
        raise ConfigError(f"environment: {setting}: {name} was shut down by Groq in 2026; use {_RETIRED[model]}")
    raise ConfigError(f"environment: {setting}: {name} is not known here; use one of {', '.join(sorted(PRICES))}")


def cost_usd(model: str, prompt_tokens: int, cached_tokens: int, completion_tokens: int) -> Decimal:
    """What one call cost at list price; `cached_tokens` are part of `prompt_tokens`."""
    price = PRICES[model]
    fresh = prompt_tokens - cached_tokens
    return (fresh * price.prompt + cached_tokens * price.cached + completion_tokens * price.completion) / 1_000_000
