"""What the analyst must answer, as types; the JSON schema that Groq enforces is made from them."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

Recommendation = Literal["STRONG_BET", "GOOD_BET", "CAUTION", "AVOID"]
Position = Literal["YES", "NO", "WAIT"]
TimeSensitivity = Literal["ACT_NOW", "HOURS", "DAYS", "WEEKS"]


class OpportunityAnswer(BaseModel):
    """One market explained. Lengths are checked here: strict mode does not enforce them."""

    model_config = ConfigDict(extra="forbid", str_strip_whitespace=True)

    recommendation: Recommendation
    confidence_score: int = Field(ge=0, le=100, description="100 x probability that the position earns more than 0")
    win_probability: float | None = Field(ge=0, le=1, description="probability that YES wins; null when unknown")
    one_liner: str = Field(min_length=1, max_length=400)
    reasoning: str = Field(min_length=1, max_length=2_000)
    risk_factors: list[Annotated[str, Field(min_length=1, max_length=400)]] = Field(max_length=10)
    suggested_position: Position
    edge_explanation: str = Field(min_length=1, max_length=1_000)
    time_sensitivity: TimeSensitivity
    evidence_ids: list[Annotated[str, Field(max_length=40)]] = Field(max_length=40)

    def texts(self) -> list[str]:
        return [self.one_liner, self.reasoning, self.edge_explanation, *self.risk_factors]


_STRICT_LACKS = ("minLength", "maxLength", "minItems", "maxItems", "minimum", "maximum", "title", "default")


def strict_schema(kind: type[BaseModel]) -> dict[str, Any]:
    """The schema as strict mode takes it: all properties required, nothing additional, no bounds."""

    def tidy(node: Any) -> Any:
        if isinstance(node, list):
            return [tidy(item) for item in node]
        if not isinstance(node, dict):
            return node
        if isinstance(node.get("properties"), dict):
            kept = {name: tidy(child) for name, child in node["properties"].items()}
            rest = {key: tidy(value) for key, value in node.items() if key not in (*_STRICT_LACKS, "properties")}
            return rest | {"properties": kept, "required": list(kept), "additionalProperties": False}
        return {key: tidy(value) for key, value in node.items() if key not in _STRICT_LACKS}

    schema: dict[str, Any] = tidy(kind.model_json_schema())
    return schema
