"""The Groq stand-in's rules for a day's digest: what was published, told again in the same words."""

import re
from collections.abc import Iterator, Sequence
from typing import Any

from local.groq_analyst import evidence_in
from local.groq_bundles import describe_bundle

Json = dict[str, Any]
_MOST = 5
_FACT = re.compile(r"(?P<id>[A-Z]\d+(?:\.[A-Z]\d+)?) (?P<label>[^:]*): (?P<value>[-+\d.,: ]+?)(?: (?P<unit>[^\d ].*))?")
_LABELS = {
    "edge of the bundle after fees, of what it costs": "bundle_edge_pct",
    "what the bundle costs with fees": "bundle_cost_usd",
    "what the bundle pays if its condition holds": "bundle_payout_usd",
}
_BESTS = ("STRONG_BET", "GOOD_BET", "CAUTION")


def write_digest(messages: Sequence[Json]) -> Json | None:
    """The answer to a prompt about a day; None where it holds none."""
    evidence = evidence_in(messages)
    if evidence is None or not {"insights", "opportunities", "day"} <= evidence.keys():
        return None
    insights = [one for one in evidence["insights"] if isinstance(one, dict) and isinstance(one.get("told"), dict)]
    picks = sorted((i for i in insights if i.get("recommendation") in _BESTS), key=_rank)
    avoided = [i for i in insights if i.get("recommendation") == "AVOID"]
    waiting = [i for i in insights if i.get("position") == "WAIT" and i not in picks[:_MOST]]
    return {
        "top_picks": [
            _named(i)
            | {
                "recommendation": i["recommendation"],
                "one_liner": _retold(i, "one_liner"),
                "confidence": i.get("confidence"),
            }
            for i in picks[:_MOST]
        ],
        "avoid_list": [_named(i) | {"reason": _retold(i, "one_liner")} for i in avoided[:_MOST]],
        "market_sentiment": _sentiment(evidence["day"]),
        "arbitrage_opportunities": [told for one in evidence["opportunities"][:_MOST] if (told := _opportunity(one))],
        "watchlist": [_named(i) | {"trigger": _retold(i, "one_liner")} for i in waiting[:_MOST]],
    }


def _rank(insight: Json) -> tuple[int, float]:
    return _BESTS.index(insight["recommendation"]), -float(insight.get("confidence") or 0)


def _named(insight: Json) -> Json:
    return {"market_id": insight.get("market_id"), "market_title": insight.get("market_title")}


def _retold(insight: Json, name: str) -> Json:
    """The insight's own words, with all its facts: which of them carry these words was not told."""
    ids = [fact["id"] for fact in _facts(insight.get("facts"))]
    return {"text": str(insight["told"].get(name)), "evidence_ids": ids[:40]}


def _sentiment(day: object) -> Json:
    facts = list(_facts(day))
    if len(facts) < 2:
        return {"text": "No edge is shown.", "evidence_ids": [fact["id"] for fact in facts]}
    text = f"{facts[0]['value']} insights are alive, and {facts[1]['value']} take a position."
    return {"text": text, "evidence_ids": [fact["id"] for fact in facts[:2]]}


def _opportunity(one: Json) -> Json | None:
    facts = {_LABELS[fact["label"]]: fact for fact in _facts(one.get("facts")) if fact["label"] in _LABELS}
    if "bundle_edge_pct" not in facts:
        return None
    text, names = describe_bundle(facts)
    return {
        "opportunity_id": one.get("opportunity_id"),
        "description": {"text": text, "evidence_ids": [facts[name]["id"] for name in names]},
        "potential_edge": float(facts["bundle_edge_pct"]["value"]),
    }


def _facts(listed: object) -> Iterator[dict[str, str]]:
    for line in listed if isinstance(listed, list) else []:
        found = _FACT.fullmatch(line) if isinstance(line, str) else None
        if found is not None:
            yield {name: found[name] or "" for name in ("id", "label", "value", "unit")}
