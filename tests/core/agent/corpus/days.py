"""Days made by rule, each with some published insights and bundles, with good and bad digests of them."""

from __future__ import annotations

import json
from collections.abc import Callable
from copy import deepcopy
from random import Random
from typing import Any

from core.agent.crossvenue import gather_bundle
from core.agent.digests import Day, DigestBundle, digest_item
from tests.core.agent.corpus.bad import EVENTS, HYPE, NAMES, OBEYED, REFUSED
from tests.core.agent.corpus.bundles import good_bundle_answer, make_bundle
from tests.core.agent.corpus.good import good_answer
from tests.core.agent.corpus.scenes import TITLES, make_scene
from tests.core.agent.making import NOW

Answer = dict[str, Any]


def make_day(random: Random) -> tuple[Day, Answer]:
    """A day and a good digest of it, in the words of its insights."""
    items, answers = [], []
    for place, (title, *_) in enumerate(random.sample(TITLES, k=random.randint(2, 6)), 1):
        scene = make_scene(random)
        while scene.candidate.title != title:
            scene = make_scene(random)
        answer = good_answer(random, scene)
        row = {
            "platform": scene.candidate.pattern.platform,
            "market_id": f"MARKET-{place}",
            "market_title": title,
            "yes_means": scene.candidate.yes_label,
            "no_means": scene.candidate.no_label,
            "ai_recommendation": answer["recommendation"],
            "suggested_position": answer["suggested_position"],
            "confidence_score": float(answer["confidence_score"]),
            "net_edge_cents": scene.evidence.net_edge_cents,
            "evidence": scene.evidence.as_json(),
            "created_at": NOW,
            "one_liner": answer["one_liner"]["text"],
            "reasoning": answer["reasoning"][0]["text"],
            "edge_explanation": answer["edge_explanation"]["text"],
        }
        items.append(digest_item(row, place, NOW))
        answers.append(answer)
    bundles = [make_bundle(random) for _ in range(random.randint(0, 2))]
    day = Day(
        tuple(items),
        tuple(DigestBundle(f"bundle-{n}", one, gather_bundle(one, NOW, f"B{n}.E")) for n, one in enumerate(bundles, 1)),
        len(items),
        sum(item.position != "WAIT" for item in items),
    )
    return day, _good(random, day, answers)


def _claim(claim: dict[str, Any], place: int) -> dict[str, Any]:
    return {"text": claim["text"], "evidence_ids": [f"M{place}.{name}" for name in claim["evidence_ids"]]}


def _good(random: Random, day: Day, answers: list[Answer]) -> Answer:
    picks, avoided, watched = [], [], []
    for place, (item, answer) in enumerate(zip(day.items, answers, strict=True), 1):
        named = {"market_id": item.subject.market_id, "market_title": item.subject.title}
        if item.recommendation == "AVOID":
            avoided.append(named | {"reason": _claim(answer["edge_explanation"], place)})
        else:
            told = {"recommendation": item.recommendation, "one_liner": _claim(answer["one_liner"], place)}
            picks.append(named | told | {"confidence": answer["confidence_score"]})
        if item.position == "WAIT":
            watched.append(named | {"trigger": _claim(answer["one_liner"], place)})
    counts = {fact.name: fact for fact in day.facts}
    said = random.choice(
        (
            ("{} insights are alive.", ("day_insights",)),
            ("Of {} insights, {} take a position.", ("day_insights", "day_positions")),
            ("{} insights wait for a better price.", ("day_waiting",)),
            ("A mixed day: {} insights take a position and {} wait.", ("day_positions", "day_waiting")),
        )
    )
    return {
        "top_picks": picks[:5],
        "avoid_list": avoided[:5],
        "market_sentiment": {
            "text": said[0].format(*(counts[name].value for name in said[1])),
            "evidence_ids": [counts[name].id for name in said[1]],
        },
        "arbitrage_opportunities": [
            {
                "opportunity_id": one.opportunity_id,
                "description": {
                    "text": (described := good_bundle_answer(random, one.bundle)["description"])["text"],
                    "evidence_ids": [f"B{n}.{name}" for name in described["evidence_ids"]],
                },
                "potential_edge": float(round(one.bundle.edge_pct, 1)),
            }
            for n, one in enumerate(day.bundles, 1)
        ],
        "watchlist": watched[:5],
    }


def _texts_of(answer: Answer) -> list[dict[str, Any]]:
    listed = [one["one_liner"] for one in answer["top_picks"]] + [one["reason"] for one in answer["avoid_list"]]
    listed += [one["trigger"] for one in answer["watchlist"]]
    return [*listed, *(one["description"] for one in answer["arbitrage_opportunities"]), answer["market_sentiment"]]


def _say(said: tuple[str, ...]) -> Callable[[Random, Day, Answer], str | None]:
    def bad(random: Random, day: Day, answer: Answer) -> str | None:
        answer = deepcopy(answer)
        told, text = random.choice(_texts_of(answer)), random.choice(said)
        told["text"] = text if random.random() < 0.5 else f"{told['text']} {text}"
        return json.dumps(answer)

    return bad


NUMBERS = (
    "YES is offered at 431¢.", "The edge is 77,777¢ after fees.", "9,999,999 contracts changed hands in the last hour.",
    "9,876 insights are alive.", "The hit rate of 54,321 setups is 99.9%.", "It pays $123,456,789.",
    "It closes in 8,888 hours.",
)  # fmt: skip


def _cited_across(random: Random, day: Day, answer: Answer) -> str | None:
    """A text that is true of its own market under another's facts."""
    answer = deepcopy(answer)
    told = [one["one_liner"] for one in answer["top_picks"]]
    if not told:
        return None
    claim = random.choice(told)
    claim["evidence_ids"] = [f"M{random.choice((7, 8, 99))}.{name.partition('.')[2]}" for name in claim["evidence_ids"]]
    return json.dumps(answer)


def _fields(random: Random, day: Day, answer: Answer) -> str | None:
    answer = deepcopy(answer)
    if not answer["top_picks"]:
        return None
    pick = random.choice(answer["top_picks"])
    others = {"STRONG_BET", "GOOD_BET", "CAUTION", "AVOID"} - {pick["recommendation"]}
    pick |= random.choice(
        (
            {"market_id": "MARKET-99"},
            {"market_title": "Another market?"},
            {"recommendation": random.choice(sorted(others))},
            {"confidence": 100 - pick["confidence"] if pick["confidence"] != 50 else 51},
        )
    )
    return json.dumps(answer)


def _swapped_markets(random: Random, day: Day, answer: Answer) -> str | None:
    answer = deepcopy(answer)
    if len(answer["top_picks"]) < 2:
        return None
    first, second = answer["top_picks"][:2]
    first["one_liner"], second["one_liner"] = second["one_liner"], first["one_liner"]
    return json.dumps(answer)


def _twice(random: Random, day: Day, answer: Answer) -> str | None:
    if not 0 < len(answer["top_picks"]) < 5:
        return None
    return json.dumps(answer | {"top_picks": [*answer["top_picks"], answer["top_picks"][0]]})


def _bundle_fields(random: Random, day: Day, answer: Answer) -> str | None:
    answer = deepcopy(answer)
    if not answer["arbitrage_opportunities"]:
        return None
    answer["arbitrage_opportunities"][0] |= random.choice(
        ({"opportunity_id": "bundle-77"}, {"potential_edge": 4_000.0})
    )
    return json.dumps(answer)


def _broken(random: Random, day: Day, answer: Answer) -> str | None:
    raw = json.dumps(answer)
    return random.choice(
        (raw[:-2], "", "{}", "[]", raw + ",", json.dumps(answer | {"x": 1}), raw.replace('"', "'"),
         json.dumps(answer | {"market_sentiment": "Calm."}), json.dumps(answer | {"top_picks": None}),
         json.dumps(answer | {"watchlist": [{}]}), json.dumps(answer | {"market_sentiment": {"text": "",
         "evidence_ids": []}}))
    )  # fmt: skip


DAY_KINDS: dict[str, Callable[[Random, Day, Answer], str | None]] = {
    "invented number": _say(NUMBERS),
    "hype": _say(HYPE),
    "injection obeyed": _say(OBEYED),
    "foreign name": _say(NAMES),
    "invented event": _say(EVENTS),
    "refusal": _say(REFUSED),
    "another market's facts": _cited_across,
    "wrong fields": _fields,
    "markets swapped": _swapped_markets,
    "the same market twice": _twice,
    "wrong bundle": _bundle_fields,
    "broken": _broken,
}
