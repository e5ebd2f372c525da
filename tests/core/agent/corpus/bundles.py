"""Bundles made by rule, with good and bad answers about them."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from copy import deepcopy
from datetime import timedelta
from decimal import Decimal
from random import Random
from typing import Any

from core.agent.crossvenue import Bundle, BundleLeg, gather_bundle
from core.models import Fact
from tests.core.agent.corpus.bad import EVENTS, HYPE, NAMES, OBEYED, REFUSED
from tests.core.agent.corpus.scenes import TITLES
from tests.core.agent.making import NOW

Answer = dict[str, Any]
VENUES = {"kalshi": "Kalshi", "polymarket": "Polymarket"}


def make_bundle(random: Random) -> Bundle:
    title, rules, _, _ = random.choice(TITLES)
    yes = Decimal(random.randint(10, 80)) / 100
    no = Decimal(random.randint(4, int(95 - 100 * yes))) / 100 if 95 - 100 * yes > 4 else Decimal("0.04")
    first, second = random.sample(("kalshi", "polymarket"), 2)
    shares = Decimal(random.randint(20, 900))
    ids = {"kalshi": "KXA-26DEC31", "polymarket": "0xabcdef"}
    return Bundle(
        "CROSS_PLATFORM",
        (
            BundleLeg(first, ids[first], title, "YES", yes, rules),  # type: ignore[arg-type]
            BundleLeg(second, ids[second], title, "NO", no, rules),  # type: ignore[arg-type]
        ),
        shares,
        (shares * (yes + no) * Decimal("1.012")).quantize(Decimal("0.01")),
        shares,
        "both venues settle alike",
        random.choice(("SAFE", "CAUTION")),
        ("the deadline is worded differently",),
        NOW - timedelta(minutes=random.randint(0, 9)),
        NOW + timedelta(days=random.randint(1, 40)),
    )


DESCRIBED = (
    "Both legs cost {cost} with fees and pay {payout} if both venues settle alike.",
    "Buying both sides costs {cost} with fees; together they pay back {payout}.",
    "The edge is {edge} of what both legs cost.",
    "After fees {net} is left on {shares} of each leg.",
    "The same bet is priced apart on the two venues, and the edge after fees is {edge}.",
    "The bundle costs {cost} and pays out {payout} if both venues settle alike.",
)
STEPS = (
    "Buy {shares} {side} on {venue}, limit {limit}.",
    "On {venue}, buy {shares} of {side} at a limit of {limit}.",
    "Buy {side} on {venue} at {limit} or better.",
    "Place a limit order for {side} on {venue} at {limit}.",
    "Buy {shares} {side} of {id} on {venue}, limit {limit}.",
)
LAST = (
    "Hold both legs to settlement.",
    "Hold both to settlement: one of them pays {payout}.",
    "Keep both legs until they settle.",
)
RISKS = (
    "The two venues may settle differently.", "One leg might not fill, and one leg alone is a bet.",
    "The rules could be read in another way on one venue.", "Both legs must fill: one alone is a bet.",
    "The books may have moved since they were read.", "If one venue cancels the market, the other leg is a bet.",
    "Money could be tied up until the later settlement.",
    "The deadline is worded differently, so the venues might not agree.",
)  # fmt: skip


def _ids(facts: tuple[Fact, ...], text: str) -> list[str]:
    slots = {
        "cost": "bundle_cost_usd", "payout": "bundle_payout_usd", "edge": "bundle_edge_pct", "net": "bundle_net_usd",
        "shares": "bundle_shares",
    }  # fmt: skip
    by_name = {fact.name: fact.id for fact in facts}
    return [by_name[name] for slot, name in slots.items() if f"{{{slot}}}" in text] or [facts[0].id]


def _numbers(random: Random, bundle: Bundle) -> dict[str, str]:
    edge = bundle.edge_pct
    return {
        "cost": f"${bundle.cost_usd:,}",
        "payout": f"${bundle.payout_usd:,}",
        "edge": random.choice((f"{edge:.1f}%", f"{edge:.1f} percent", f"{edge:.1f}%")),
        "net": f"${bundle.net_usd:.2f}",
        "shares": random.choice((f"{bundle.shares} shares", f"{bundle.shares} contracts")),
    }


def good_bundle_answer(random: Random, bundle: Bundle) -> Answer:
    facts = gather_bundle(bundle, NOW)
    by_name = {fact.name: fact.id for fact in facts}
    numbers = _numbers(random, bundle)
    steps = []
    for leg in bundle.legs:
        limit = 100 * leg.limit_price
        said = random.choice(STEPS).format(
            shares=bundle.shares,
            side=leg.side,
            venue=VENUES[leg.platform],
            limit=random.choice((f"{limit:f}¢".replace(".00", ""), f"${leg.limit_price:.2f}")),
            id=leg.market_id,
        )
        ids = [by_name["bundle_shares"], by_name[f"{leg.platform}_{leg.side.lower()}_limit_cents"]]
        steps.append({"text": said, "evidence_ids": ids})
    last = random.choice(LAST)
    steps.append({"text": last.format(**numbers), "evidence_ids": _ids(facts, last)})
    described = random.choice(DESCRIBED)
    return {
        "type": bundle.kind,
        "description": {"text": described.format(**numbers), "evidence_ids": _ids(facts, described)},
        "kalshi_market": bundle.market_of("kalshi"),
        "polymarket_market": bundle.market_of("polymarket"),
        "edge_percentage": float(round(bundle.edge_pct, random.choice((1, 2, 3)))),
        "execution_steps": steps,
        "risks": [{"text": text, "evidence_ids": []} for text in random.sample(RISKS, k=random.randint(1, 3))],
        "settlement_risk": random.choice((bundle.settlement_risk, "CAUTION")),
        "confidence": random.randint(20, 95),
    }


def _say(answer: Answer, random: Random, text: str, bundle: Bundle) -> str:
    answer = deepcopy(answer)
    ids = [fact.id for fact in gather_bundle(bundle, NOW)]
    place = random.choice(("description", "execution_steps", "risks"))
    if place == "description":
        answer[place] = {"text": text, "evidence_ids": ids}
    else:
        answer[place].append({"text": text, "evidence_ids": ids})
    return json.dumps(answer)


def _invented(random: Random, bundle: Bundle, answer: Answer) -> str:
    number = random.randint(2_000, 90_000)
    told = ("The edge is {n}%.", "Both legs cost ${n} with fees.", "Buy {n} YES on Kalshi.", "It pays back ${n}.",
            "Limit {n}¢ for YES on Kalshi.", "An annualised {n}% is earned.",
            "About {n} of such bundles paid.")  # fmt: skip
    return _say(answer, random, random.choice(told).format(n=number), bundle)


def _swapped(random: Random, bundle: Bundle, answer: Answer) -> str:
    """The legs the other way round, in the steps: what is bought loses on both venues, or is priced otherwise."""
    turned = deepcopy(answer)
    for step in turned["execution_steps"]:
        step["text"] = re.sub(r"\b(YES|NO)\b", lambda m: "NO" if m[0] == "YES" else "YES", step["text"])
    return json.dumps(turned)


def _venues_swapped(random: Random, bundle: Bundle, answer: Answer) -> str:
    turned = deepcopy(answer)
    for step in turned["execution_steps"]:
        step["text"] = re.sub(
            r"\b(Kalshi|Polymarket)\b", lambda m: "Polymarket" if m[0] == "Kalshi" else "Kalshi", step["text"]
        )
    return json.dumps(turned)


def _one_leg(random: Random, bundle: Bundle, answer: Answer) -> str:
    turned = deepcopy(answer)
    del turned["execution_steps"][random.randrange(2)]
    return json.dumps(turned)


def _fields(random: Random, bundle: Bundle, answer: Answer) -> str:
    milder = {"settlement_risk": "SAFE"} if bundle.settlement_risk == "CAUTION" else {"type": "HEDGE"}
    return json.dumps(
        answer
        | random.choice(
            (
                {"type": random.choice(("HEDGE", "TEMPORAL", "RELATED_MARKET"))},
                {"kalshi_market": "KXOTHER"},
                {"polymarket_market": None},
                {"edge_percentage": answer["edge_percentage"] + random.choice((-1.0, 0.5, 20.0))},
                milder,
                {"risks": [{"text": "None.", "evidence_ids": []}]},
            )
        )
    )


def _unit(random: Random, bundle: Bundle, answer: Answer) -> str:
    told = (f"The edge is ${bundle.edge_pct:.1f}.", f"Both legs cost {bundle.cost_usd}% with fees.",
            f"It pays back {bundle.payout_usd}¢.", f"The edge is {bundle.net_usd:.2f}% after fees.",
            f"Buy ${bundle.shares} of YES.")  # fmt: skip
    return _say(answer, random, random.choice(told), bundle)


def _sale(random: Random, bundle: Bundle, answer: Answer) -> str:
    told = (
        "Sell YES on Kalshi after the fill.",
        "Short NO on Polymarket.",
        "Fade the dearer side.",
        "Dump one leg early.",
    )
    return _say(answer, random, random.choice(told), bundle)


def _stale(random: Random, bundle: Bundle, answer: Answer) -> str:
    told = (
        "Both settle on March 3, 2024.",
        "The close is on Feb 2.",
        "Settlement came on 2023-05-01.",
        "It closes at 03:33 UTC.",
    )
    return _say(answer, random, random.choice(told), bundle)


def _broken(random: Random, bundle: Bundle, answer: Answer) -> str:
    raw = json.dumps(answer)
    return random.choice(
        (raw[:-3], "", "{}", "null", raw + "]", json.dumps(answer | {"extra": 1}), raw.replace('"', "'"),
         json.dumps(answer | {"edge_percentage": "high"}), raw.replace(str(answer["edge_percentage"]), "NaN"),
         json.dumps(answer | {"risks": []}), json.dumps(answer | {"execution_steps": answer["execution_steps"] * 500}))
    )  # fmt: skip


def _texts(said: tuple[str, ...]) -> Callable[[Random, Bundle, Answer], str]:
    return lambda random, bundle, answer: _say(answer, random, random.choice(said), bundle)


def _uncited(random: Random, bundle: Bundle, answer: Answer) -> str:
    turned = deepcopy(answer)
    turned["description"]["evidence_ids"] = random.choice(([], ["E99"], ["E1", "Z"]))
    return json.dumps(turned)


BUNDLE_KINDS: dict[str, Callable[[Random, Bundle, Answer], str]] = {
    "invented number": _invented,
    "sides swapped": _swapped,
    "venues swapped": _venues_swapped,
    "one leg only": _one_leg,
    "wrong fields": _fields,
    "wrong unit": _unit,
    "a sale": _sale,
    "stale date": _stale,
    "broken": _broken,
    "hype": _texts(HYPE),
    "injection obeyed": _texts(OBEYED),
    "foreign name": _texts(NAMES),
    "invented event": _texts(EVENTS),
    "refusal": _texts(REFUSED),
    "not cited": _uncited,
}
