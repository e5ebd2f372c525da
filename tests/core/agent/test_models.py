"""Which models can be asked, and what a call costs to the last digit."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.agent.models import PRICES, cost_usd, resolve_model
from core.errors import ConfigError

SMALL, LARGE = "openai/gpt-oss-20b", "openai/gpt-oss-120b"


@pytest.mark.parametrize(
    ("name", "model"),
    [
        (SMALL, SMALL),
        ("gpt-oss-20b", SMALL),
        ("gpt-oss-20b-128k", SMALL),
        (LARGE, LARGE),
        ("gpt-oss-120b", LARGE),
        ("gpt-oss-120b-128k", LARGE),
    ],
)
def test_a_friendly_name_is_the_venues_model(name: str, model: str) -> None:
    assert resolve_model(name) == model


@pytest.mark.parametrize(
    "name", ["qwen3-32b-131k", "qwen/qwen3-32b", "llama-4-scout-17bx16e-128k", "llama-3.3-70b-versatile"]
)
def test_a_retired_model_is_refused_in_one_line_that_names_another(name: str) -> None:
    with pytest.raises(ConfigError) as refusal:
        resolve_model(name)
    said = str(refusal.value)
    assert said == f"environment: AI_MODEL: {name} was shut down by Groq in 2026; use {LARGE}"
    assert resolve_model(LARGE) == LARGE


@pytest.mark.parametrize("name", ["gpt-5", "", "OPENAI/GPT-OSS-20B", "qwen/qwen3.6-27b"])
def test_an_unknown_model_is_refused_with_the_known_ones(name: str) -> None:
    with pytest.raises(ConfigError) as refusal:
        resolve_model(name)
    said = str(refusal.value)
    assert said == f"environment: AI_MODEL: {name} is not known here; use one of {LARGE}, {SMALL}"


@pytest.mark.parametrize(
    ("model", "tokens", "usd"),
    [
        (SMALL, (1_000_000, 0, 0), "0.075"),
        (SMALL, (1_000_000, 1_000_000, 0), "0.0375"),
        (SMALL, (0, 0, 1_000_000), "0.30"),
        (SMALL, (1_201, 768, 347), "0.000165375"),
        (SMALL, (1, 0, 0), "0.000000075"),
        (SMALL, (0, 0, 0), "0"),
        (LARGE, (1_201, 768, 347), "0.00033075"),
    ],
)
def test_a_call_costs_what_the_table_says_to_the_last_digit(model: str, tokens: tuple[int, int, int], usd: str) -> None:
    assert cost_usd(model, *tokens) == Decimal(usd)


@given(
    model=st.sampled_from(sorted(PRICES)),
    prompt=st.integers(0, 200_000),
    share=st.fractions(0, 1),
    completion=st.integers(0, 70_000),
)
def test_cached_tokens_save_exactly_half_of_their_price(model: str, prompt: int, share: float, completion: int) -> None:
    cached = int(prompt * share)
    saved = cost_usd(model, prompt, 0, completion) - cost_usd(model, prompt, cached, completion)
    assert saved == cached * PRICES[model].prompt / 2 / 1_000_000
