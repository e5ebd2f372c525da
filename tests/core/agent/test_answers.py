"""The answer's schema: what Groq's strict mode takes, and what is checked once the answer is here."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from jsonschema import Draft202012Validator
from pydantic import BaseModel, ValidationError

from core.agent.answers import CrossVenueAnswer, DigestAnswer, OpportunityAnswer, strict_schema
from local.groq_schema import schema_fault
from tests.core.agent.making import make_answer

SCHEMA = strict_schema(OpportunityAnswer)
BOUNDS = {"minLength", "maxLength", "minItems", "maxItems", "minimum", "maximum", "pattern", "format", "default"}


def nodes(value: Any) -> Iterator[dict[str, Any]]:
    if isinstance(value, dict):
        yield value
    for child in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from nodes(child)


def test_the_schema_is_a_schema_and_obeys_the_strict_rules() -> None:
    Draft202012Validator.check_schema(SCHEMA)
    assert schema_fault(SCHEMA, strict=True) is None
    objects = [node for node in nodes(SCHEMA) if node.get("type") == "object"]
    assert objects
    assert all(node["required"] == list(node["properties"]) for node in objects)
    assert all(node["additionalProperties"] is False for node in objects)


@pytest.mark.parametrize("kind", [CrossVenueAnswer, DigestAnswer])
def test_the_other_analyses_obey_the_strict_rules_too(kind: type[BaseModel]) -> None:
    schema = strict_schema(kind)
    Draft202012Validator.check_schema(schema)
    assert schema_fault(schema, strict=True) is None
    assert not [key for node in nodes(schema) for key in node if key in BOUNDS]


def test_the_schema_has_no_bounds() -> None:
    assert not [key for node in nodes(SCHEMA) for key in node if key in BOUNDS]


def test_the_schema_asks_for_every_field_of_the_answer() -> None:
    assert SCHEMA["required"] == list(OpportunityAnswer.model_fields)


@pytest.mark.parametrize("probability", [None, 0, 0.5, 1])
def test_an_answer_in_the_schema_is_valid_and_its_win_probability_may_be_null(probability: float | None) -> None:
    answer = make_answer(win_probability=probability).model_dump()
    Draft202012Validator(SCHEMA).validate(answer)
    assert OpportunityAnswer.model_validate(answer).win_probability == probability


@pytest.mark.parametrize("left_out", list(OpportunityAnswer.model_fields))
def test_no_field_may_be_left_out(left_out: str) -> None:
    answer = {name: value for name, value in make_answer().model_dump().items() if name != left_out}
    assert not Draft202012Validator(SCHEMA).is_valid(answer)
    with pytest.raises(ValidationError):
        OpportunityAnswer.model_validate(answer)


@pytest.mark.parametrize(
    "change",
    [
        {"recommendation": "BUY"},
        {"suggested_position": "MAYBE"},
        {"time_sensitivity": "SOON"},
        {"confidence_score": 101},
        {"confidence_score": -1},
        {"confidence_score": 60.5},
        {"confidence_score": None},
        {"win_probability": 1.01},
        {"win_probability": -0.01},
        {"win_probability": float("nan")},
        {"one_liner": {"text": "", "evidence_ids": []}},
        {"one_liner": {"text": " \n ", "evidence_ids": []}},
        {"one_liner": {"text": "x" * 401, "evidence_ids": []}},
        {"one_liner": {"text": "x", "evidence_ids": ["E1"] * 41}},
        {"one_liner": "x"},
        {"reasoning": []},
        {"reasoning": [{"text": "x", "evidence_ids": []}] * 6},
        {"edge_explanation": {"text": "", "evidence_ids": []}},
        {"risk_factors": []},
        {"risk_factors": [{"text": "x", "evidence_ids": []}] * 9},
        {"risk_factors": [{"text": ""}]},
        {"something": "else"},
    ],
    ids=str,
)
def test_an_answer_out_of_its_bounds_is_refused_here(change: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        OpportunityAnswer.model_validate(make_answer().model_dump() | change)
