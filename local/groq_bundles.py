"""The Groq stand-in's rules for a bundle of bets: what they are, what each leg needs, how it may lose."""

from collections.abc import Mapping, Sequence
from decimal import Decimal, InvalidOperation
from typing import Any

from local.groq_analyst import evidence_in

Json = dict[str, Any]
_VENUES = {"kalshi": "Kalshi", "polymarket": "Polymarket"}
_RISKS = ("SAFE", "CAUTION", "BLOCK")


def explain_bundle(messages: Sequence[Json]) -> Json | None:
    """The answer to a prompt about a bundle; None where it holds none. Every number is a fact that it cites."""
    evidence = evidence_in(messages)
    legs = evidence.get("legs") if evidence else None
    if evidence is None or not isinstance(legs, list) or not all(isinstance(leg, dict) for leg in legs):
        return None
    facts = {str(f["name"]): f for f in evidence.get("facts", []) if isinstance(f, dict) and {"id", "name"} <= f.keys()}
    edge = _number(facts.get("bundle_edge_pct"))
    if edge is None:
        return None
    risk = evidence.get("settlement_risk")
    cut = not all(leg.get("rules_are_whole", True) for leg in legs)
    return {
        "type": evidence.get("type"),
        "description": _description(facts),
        "kalshi_market": _first(legs, "kalshi"),
        "polymarket_market": _first(legs, "polymarket"),
        "edge_percentage": float(edge),
        "execution_steps": [*(_step(leg, facts) for leg in legs), _claim("Hold all legs to settlement.", [])],
        "risks": _risks(legs, cut=cut),
        "settlement_risk": risk if risk in _RISKS[1:] or not cut else "CAUTION",
        "confidence": 70 if risk == "SAFE" else 50,
    }


def describe_bundle(facts: Mapping[str, Json]) -> tuple[str, list[str]]:
    """(text, the facts' names) of what a bundle costs and pays, as far as the facts tell."""
    cost, payout = _number(facts.get("bundle_cost_usd")), _number(facts.get("bundle_payout_usd"))
    if cost is not None and payout is not None:
        said = f"The bundle costs ${cost:,.2f} with fees and pays ${payout:,.2f} if its condition holds."
        return said, ["bundle_cost_usd", "bundle_payout_usd"]
    edge = _number(facts.get("bundle_edge_pct"))
    return f"The edge is {edge}% of what the bundle costs.", ["bundle_edge_pct"]


def _description(facts: Mapping[str, Json]) -> Json:
    text, names = describe_bundle(facts)
    return _claim(text, [str(facts[name]["id"]) for name in names])


def _step(leg: Json, facts: Mapping[str, Json]) -> Json:
    platform, side = leg.get("platform"), leg.get("side")
    venue = _VENUES.get(str(platform), "")
    limit = facts.get(f"{platform}_{str(side).lower()}_limit_cents")
    if (cents := _number(limit)) is None or limit is None:
        return _claim(f"Buy {side} on {venue}.", [])
    return _claim(f"Buy {side} on {venue}, limit {cents}¢.", [str(limit["id"])])


def _risks(legs: Sequence[Json], *, cut: bool) -> list[Json]:
    said = ["One leg might not fill, and one leg alone is a bet."]
    said += ["The two venues may settle differently."] if len({leg.get("platform") for leg in legs}) > 1 else []
    said += ["The rules could say more than was read."] if cut else []
    return [_claim(text, []) for text in said]


def _first(legs: Sequence[Json], platform: str) -> object:
    return next((leg.get("market_id") for leg in legs if leg.get("platform") == platform), None)


def _claim(text: str, ids: list[str]) -> Json:
    return {"text": text, "evidence_ids": ids}


def _number(fact: Mapping[str, Any] | None) -> Decimal | None:
    """A plain number, or None: what is none might be a text that gives orders."""
    try:
        number = Decimal(str((fact or {}).get("value")).replace(",", ""))
    except InvalidOperation:
        return None
    return number if number.is_finite() else None
