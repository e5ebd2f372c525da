"""What the analyst must answer, as types; the JSON schema that Groq enforces is made from them."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

Recommendation = Literal["STRONG_BET", "GOOD_BET", "CAUTION", "AVOID"]
Position = Literal["YES", "NO", "WAIT"]
TimeSensitivity = Literal["ACT_NOW", "HOURS", "DAYS", "WEEKS"]


SettlementRisk = Literal["SAFE", "CAUTION", "BLOCK"]
ArbitrageType = Literal["CROSS_PLATFORM", "RELATED_MARKET", "TEMPORAL", "HEDGE"]
Id = Annotated[str, Field(max_length=200)]
Confidence = Annotated[int, Field(ge=0, le=100)]


class _Strict(BaseModel):
    """Lengths and bounds are checked here: the service's strict mode does not enforce them. "80" is no number."""

    model_config = ConfigDict(extra="forbid", str_strip_whitespace=True, strict=True)


class Claim(_Strict):
    """One or a few sentences, with the facts that carry every number and statement in them."""

    text: str = Field(min_length=1, max_length=400)
    evidence_ids: list[Annotated[str, Field(max_length=40)]] = Field(max_length=40)


class OpportunityAnswer(_Strict):
    """One market explained."""

    recommendation: Recommendation
    confidence_score: Confidence = Field(description="100 x probability that the position earns more than 0")
    win_probability: float | None = Field(ge=0, le=1, description="probability that YES wins; null when unknown")
    one_liner: Claim
    reasoning: list[Claim] = Field(min_length=1, max_length=5)
    risk_factors: list[Claim] = Field(min_length=1, max_length=8, description="what would make this wrong")
    suggested_position: Position
    edge_explanation: Claim
    time_sensitivity: TimeSensitivity

    def claims(self) -> list[Claim]:
        return [self.one_liner, *self.reasoning, self.edge_explanation, *self.risk_factors]

    def texts(self) -> dict[str, str | list[str]]:
        """What is shown of the claims, by the insight's columns."""
        return {
            "one_liner": self.one_liner.text,
            "reasoning": " ".join(claim.text for claim in self.reasoning),
            "edge_explanation": self.edge_explanation.text,
            "risk_factors": [claim.text for claim in self.risk_factors],
        }


class CrossVenueAnswer(_Strict):
    """A bundle that code found and priced, explained; its rules judged."""

    type: ArbitrageType
    description: Claim
    kalshi_market: Id | None
    polymarket_market: Id | None
    edge_percentage: float = Field(allow_inf_nan=False)
    execution_steps: list[Claim] = Field(min_length=1, max_length=14)
    risks: list[Claim] = Field(min_length=1, max_length=8)
    settlement_risk: SettlementRisk
    confidence: Confidence


class DigestPick(_Strict):
    market_id: Id
    market_title: str = Field(max_length=500)
    recommendation: Recommendation
    one_liner: Claim
    confidence: Confidence | None


class DigestAvoid(_Strict):
    market_id: Id
    market_title: str = Field(max_length=500)
    reason: Claim


class DigestWatch(_Strict):
    market_id: Id
    market_title: str = Field(max_length=500)
    trigger: Claim


class DigestArbitrage(_Strict):
    opportunity_id: Id
    description: Claim
    potential_edge: float = Field(allow_inf_nan=False, description="percent, as the opportunity says")


class DigestAnswer(_Strict):
    """The day, chosen from insights and opportunities that were published."""

    top_picks: list[DigestPick] = Field(max_length=5)
    avoid_list: list[DigestAvoid] = Field(max_length=5)
    market_sentiment: Claim
    arbitrage_opportunities: list[DigestArbitrage] = Field(max_length=5)
    watchlist: list[DigestWatch] = Field(max_length=5)


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
