"""Owns the judgement of the Groq stand-in: rules that turn evidence into an answer, and words for it.

It knows only the evidence in the prompt: every number that it writes is the value of a fact which it cites.
"""

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from string import Formatter
from typing import Any, Literal

Json = dict[str, Any]


def content_text(message: Json) -> str:
    content = message.get("content")
    if isinstance(content, list):
        parts = (part.get("text") for part in content if isinstance(part, dict))
        return "\n".join(part for part in parts if isinstance(part, str))
    return content if isinstance(content, str) else ""


@dataclass(frozen=True)
class _Fact:
    id: str
    name: str
    value: str
    unit: str

    @property
    def number(self) -> Decimal:
        return Decimal(self.value.replace(",", ""))

    @property
    def text(self) -> str:
        """The value exactly as it was given, with its unit."""
        unit = self.unit or ("¢" if self.name.endswith("_cents") else "$" if self.name.endswith("_usd") else "")
        if unit in {"$", "USD"}:
            return f"-${self.value[1:]}" if self.value.startswith("-") else f"${self.value}"
        if unit in {"¢", "%", "×", "x"}:
            return self.value + unit
        if unit == "h":
            unit = "hours"
        if not unit and self.name == "outcomes":
            unit = "outcomes"
        if not unit and self.name.endswith("_ratio"):
            unit = "times"
        return f"{self.value} {unit}".rstrip()


_NUMBER = re.compile(r"[+-]?\d{1,3}(,\d{3})+(\.\d{1,8})?|[+-]?\d{1,15}(\.\d{1,8})?")
_BLOCK = re.compile(r"^<evidence>[ \t]*\r?\n(.*?)^</evidence>[ \t]*\r?$", re.MULTILINE | re.DOTALL)


def _parse_fact(raw: object) -> _Fact | None:
    """A fact that can be quoted safely, or None: a value which is no plain number might be a text that gives orders."""
    if not isinstance(raw, dict):
        return None
    identity, name, unit, value = (raw.get(key) for key in ("id", "name", "unit", "value"))
    if isinstance(value, int | float) and not isinstance(value, bool):
        value = str(value)
    if not (isinstance(identity, str) and re.fullmatch(r"[A-Za-z]{0,8}\d{1,4}", identity)):
        return None
    if not (isinstance(name, str) and isinstance(value, str) and _NUMBER.fullmatch(value)):
        return None
    if unit is not None and not (isinstance(unit, str) and re.fullmatch(r"[$¢%×]|[A-Za-z ]{0,16}", unit)):
        return None
    return _Fact(identity, name, value, unit or "")


Family = Literal["move", "volume", "spread", "bundle", "closing", "general"]
_FAMILY_WORDS: tuple[tuple[Family, tuple[str, ...]], ...] = (
    ("bundle", ("sum", "bundle", "exclusive", "arbitrage", "overround", "dutch")),
    ("volume", ("volume", "turnover", "flow")),
    ("move", ("move", "revers", "momentum", "drift", "jump", "overreact", "price")),
    ("spread", ("spread", "book", "wide")),
    ("closing", ("clos", "expir", "deadline", "late")),
)


def evidence_in(messages: Sequence[Json]) -> Json | None:
    """What the last user message with evidence lines holds between them; None if missing, broken or twofold.

    After it only faults of an answer may have been told.
    """
    users = [message for message in messages if message.get("role") == "user"]
    found = [blocks for message in users if (blocks := _BLOCK.findall(content_text(message)))]
    blocks = found[-1] if found else []
    if len(blocks) != 1:
        return None
    try:
        raw = json.loads(blocks[0])
    except (ValueError, RecursionError):
        return None
    return raw if isinstance(raw, dict) and raw else None


class Evidence:
    """The facts of a prompt, and a record of those which the answer used."""

    def __init__(self, raw: Mapping[str, Any]) -> None:
        market, detector = raw.get("market"), raw.get("detector")
        self.market_id = str(market.get("id", "")) if isinstance(market, dict) else ""
        self.detector = str(detector.get("name", "")).lower() if isinstance(detector, dict) else ""
        listed = raw.get("facts")
        parsed = [_parse_fact(item) for item in listed] if isinstance(listed, list) else []
        self.facts: dict[str, _Fact] = {}
        for fact in parsed:
            if fact is not None:
                self.facts.setdefault(fact.name, fact)
        self._cited: dict[str, None] = {}

    def claim(self, text: str) -> Json:
        """The text with the facts that were used since the last one; where none was, with the first there is."""
        used = [fact.id for fact in self.facts.values() if fact.id in self._cited]
        self._cited.clear()
        return {"text": text, "evidence_ids": used or [fact.id for fact in list(self.facts.values())[:1]]}

    @classmethod
    def parse(cls, messages: Sequence[Json]) -> "Evidence | None":
        raw = evidence_in(messages)
        return None if raw is None else cls(raw)

    @property
    def family(self) -> Family:
        return next((family for family, words in _FAMILY_WORDS if any(w in self.detector for w in words)), "general")

    def number(self, name: str) -> Decimal | None:
        """The fact's value, to weigh: only what is said counts as used."""
        fact = self.facts.get(name)
        return None if fact is None else fact.number

    def say(self, topic: str, *templates: str) -> str | None:
        """One of the templates whose facts are all there, chosen by the market so that it stays the same."""
        possible = [template for template in templates if _names(template) <= self.facts.keys()]
        if not possible:
            return None
        seed = hashlib.sha256(f"{self.market_id}\0{topic}".encode("utf-8", "replace")).digest()
        template = possible[seed[0] % len(possible)]
        names = _names(template)
        self._cited.update(dict.fromkeys(self.facts[name].id for name in names))
        return template.format_map({name: self.facts[name].text for name in names})


def _names(template: str) -> set[str]:
    return {name for _, name, _, _ in Formatter().parse(template) if name}


@dataclass(frozen=True)
class _View:
    """What the analyst makes of the evidence before it finds words for it."""

    side: Literal["YES", "NO", "WAIT"]
    recommendation: Literal["STRONG_BET", "GOOD_BET", "CAUTION", "AVOID"]
    confidence: int
    why_not: Literal["", "no edge", "unknown", "contradiction", "too late", "no fill", "unlikely"] = ""


def _weigh(evidence: Evidence) -> _View:
    edge = evidence.number("net_edge_cents")
    hours, fillable = evidence.number("hours_to_close"), evidence.number("fillable_usd")
    if hours is not None and hours <= 0:
        return _View("WAIT", "AVOID", 10, "too late")
    if edge is None:
        return _View("WAIT", "CAUTION", 30, "unknown")
    if edge <= 0:
        return _View("WAIT", "AVOID" if edge < 0 else "CAUTION", 15 if edge < 0 else 30, "no edge")
    if fillable is not None and fillable <= 0:
        return _View("WAIT", "CAUTION", 25, "no fill")
    side, confidence = _side(evidence, edge)
    if side == "WAIT":
        return _View("WAIT", "CAUTION", 25, "contradiction")
    if confidence <= 60:
        return _View("WAIT", "CAUTION", confidence, "unlikely")
    spread = evidence.number("spread_cents")
    strong = edge >= 4 and confidence >= 70 and spread is not None and spread <= 3
    return _View(side, "STRONG_BET" if strong else "GOOD_BET", confidence)


def _side(evidence: Evidence, edge: Decimal) -> tuple[Literal["YES", "NO", "WAIT"], int]:
    """Which side the prices favour, and the probability in percent that it pays."""
    fair = evidence.number("fair_cents")
    yes, no = _buyable(evidence.number("yes_ask_cents")), _buyable(evidence.number("no_ask_cents"))
    if fair is not None:
        gains: dict[str, Decimal] = {
            "YES": fair - yes if yes is not None else Decimal(0),
            "NO": 100 - fair - no if no is not None else Decimal(0),
        }
        if gains["YES"] > max(gains["NO"], Decimal(0)):
            return "YES", _percent(fair)
        return ("NO", _percent(100 - fair)) if gains["NO"] > 0 else ("WAIT", 0)
    move = evidence.number("move_24h_cents") or evidence.number("move_1h_cents") or Decimal(0)
    if evidence.family == "move" and move:
        confidence = 50 + int(min(edge * 2, Decimal(14)))
        if move > 0 and no is not None:
            return "NO", confidence
        if move < 0 and yes is not None:
            return "YES", confidence
    return "WAIT", 0


def _buyable(ask: Decimal | None) -> Decimal | None:
    return ask if ask is not None and 0 < ask < 100 else None


def _percent(value: Decimal) -> int:
    return int(min(max(value, Decimal(1)), Decimal(99)))


def _win_probability(evidence: Evidence) -> float | None:
    for names in (("fair_cents",), ("price_cents",), ("yes_bid_cents", "yes_ask_cents"), ("yes_ask_cents",)):
        values = [number for name in names if (number := evidence.number(name)) is not None]
        if len(values) == len(names):
            middle = sum(values, Decimal(0)) / len(values) / 100
            return float(min(max(middle, Decimal(0)), Decimal(1)))
    return None


_SIGNS: Mapping[Family, tuple[str, ...]] = {
    "move": (
        "the price moved {move_1h_cents} in the last hour on {volume_ratio} the usual volume",
        "the price moved {move_24h_cents} over the last day",
        "the price moved {move_1h_cents} in the last hour",
    ),
    "volume": (
        "trading runs at {volume_ratio} the usual volume while the price moved {move_1h_cents} in the last hour",
        "trading runs at {volume_ratio} the usual volume",
        "{volume_24h} changed hands over the last day",
    ),
    "spread": (
        "YES is bid at {yes_bid_cents} and offered at {yes_ask_cents}",
        "bid and ask stand {spread_cents} apart",
    ),
    "bundle": (
        "YES on all {outcomes} costs {sum_asks_cents} together",
        "the bids for all {outcomes} add up to {sum_bids_cents}",
        "the asks add up to {sum_asks_cents}",
        "the bids add up to {sum_bids_cents}",
    ),
    "closing": (
        "the market closes in {hours_to_close} with YES offered at {yes_ask_cents}",
        "the market closes in {hours_to_close}",
    ),
    "general": (
        "YES is offered at {yes_ask_cents} and NO at {no_ask_cents}",
        "the price stands at {price_cents}",
        "YES is offered at {yes_ask_cents}",
        "NO is offered at {no_ask_cents}",
    ),
}


def _sign(evidence: Evidence, topic: str) -> str | None:
    """What was noticed, as half a sentence."""
    return evidence.say(topic, *_SIGNS[evidence.family]) or evidence.say(topic, *_SIGNS["general"])


def _why(evidence: Evidence) -> str:
    """The reason in a bet's first line: what was noticed, and what the other venue says YES is worth."""
    worth = evidence.say("worth", "the other venue puts YES at {fair_cents}")
    noticed = None if worth and evidence.family == "general" else _sign(evidence, "why")
    return " and ".join(part for part in (noticed, worth) if part)


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def _one_liner(evidence: Evidence, view: _View) -> str:
    if view.side == "WAIT":
        return _wait_line(evidence, view)
    ask = "{yes_ask_cents}" if view.side == "YES" else "{no_ask_cents}"
    order = evidence.say("order", f"Buy {view.side} at {ask}") or f"Buy {view.side}"
    left = evidence.say(
        "left",
        "and {net_edge_cents} is left after fees",
        "which leaves {net_edge_cents} after fees",
        "worth {net_edge_cents} after fees",
    )
    fill = evidence.say("fill", "; the fill is good to {fillable_usd}", "; up to {fillable_usd} can be filled") or ""
    return f"{order}: {_why(evidence)}, {left}{fill}."


def _wait_line(evidence: Evidence, view: _View) -> str:
    lines: Mapping[str, tuple[str, ...]] = {
        "no edge": (
            "No real edge: {net_edge_cents} remains after fees.",
            "No real edge here: the edge after fees is {net_edge_cents}.",
            "No real edge: the spread is {spread_cents}, and {net_edge_cents} remains after fees.",
        ),
        "unknown": (
            "No real edge is shown: the evidence has no figure for what is left after fees.",
            "Wait: what would be left after fees is not known, so there is nothing to act on.",
        ),
        "contradiction": ("Wait: an edge of {net_edge_cents} is claimed, but no price in the evidence supports it.",),
        "unlikely": ("Wait: {net_edge_cents} remains after fees, but there is no case for a position.",),
        "too late": ("Leave it: the market is at its close, and there is no time left to act.",),
        "no fill": ("Wait: there is an edge of {net_edge_cents} on paper, but nothing can be filled at that price.",),
    }
    return evidence.say("wait", *lines[view.why_not]) or "No real edge."


def _reasoning(evidence: Evidence, view: _View) -> list[Json]:
    sign = _sign(evidence, "reason")
    said = [evidence.claim(f"{_capital(sign)}." if sign else "No fact says why this market was picked.")]
    by_side = {
        "YES": (
            "YES is offered at {yes_ask_cents}, below the {fair_cents} of the other venue.",
            "A buyer of YES pays {yes_ask_cents}, less than the {fair_cents} on the other venue.",
        ),
        "NO": (
            "The other venue puts YES at {fair_cents} only, while NO is offered at {no_ask_cents}.",
            "With YES at {fair_cents} on the other venue, NO costs less than it should: {no_ask_cents}.",
        ),
        "WAIT": ("The other venue puts YES at {fair_cents}, and YES is offered at {yes_ask_cents} here.",),
    }
    against = "The position counts on part of the move being given back."
    if second := evidence.say("value", *by_side[view.side]) or (against if view.side != "WAIT" else ""):
        said.append(evidence.claim(second))
    if costs := _costs(evidence, view):
        said.append(evidence.claim(costs))
    return said


def _costs(evidence: Evidence, view: _View) -> str:
    if view.side == "WAIT":
        by_reason = {
            "no edge": ("After fees {net_edge_cents} remains, so paying for it is not justified.",),
            "unlikely": ("After fees {net_edge_cents} remains, but there is no case for a position.",),
            "contradiction": ("The claimed {net_edge_cents} cannot be traced to a price, so it is not trusted.",),
        }
        out_of_reach = view.why_not in {"too late", "no fill"}
        no_figure = "Without a positive figure after fees there is no case for a position."
        default = "There is no price left at which to act." if out_of_reach else no_figure
        return evidence.say("costs", *by_reason.get(view.why_not, (default,))) or default
    both = "After a taker fee of {taker_fee_cents}, {net_edge_cents} remains."
    return evidence.say("costs", both) or evidence.say("costs", "After fees {net_edge_cents} remains.") or ""


def _edge_explanation(evidence: Evidence, view: _View) -> str:
    if view.side == "WAIT":
        return "Nothing in the evidence shows that the market is missing something."
    by_family: Mapping[Family, tuple[str, ...]] = {
        "move": (
            "The price moved {move_24h_cents} over the last day, and the other venue still says {fair_cents}.",
            "The price moved {move_1h_cents} in the last hour, and the other venue still says {fair_cents}.",
        ),
        "volume": (
            "Trading runs at {volume_ratio} the usual volume, and the two venues have not come together.",
            "Trading runs at {volume_ratio} the usual volume, and the other venue still says {fair_cents}.",
        ),
        "spread": ("Bid and ask are {spread_cents} apart, and the other venue says {fair_cents}.",),
        "closing": ("With {hours_to_close} to go, the other venue still says {fair_cents}.",),
    }
    plain = "The other venue puts YES at {fair_cents}, which is not the price here."
    unexplained = (
        "Nothing in the evidence explains the move of {move_24h_cents}.",
        "Nothing in the evidence explains the move of {move_1h_cents}.",
    )
    said = evidence.say("edge", *by_family.get(evidence.family, ()))
    return said or evidence.say("edge", plain) or evidence.say("edge", *unexplained) or ""


def _risks(evidence: Evidence, view: _View) -> list[Json]:
    numbers = {name: fact.number for name, fact in evidence.facts.items()}
    spread, hours = numbers.get("spread_cents"), numbers.get("hours_to_close")
    volume, move = numbers.get("volume_ratio"), numbers.get("move_24h_cents")
    is_bet = view.side != "WAIT"
    candidates = [
        ("sum_bids_cents" in numbers, "The listed outcomes may not be all that can happen."),
        (spread is not None and spread >= 3, "Leaving early means crossing a spread of {spread_cents} again."),
        (is_bet, "The price holds for {fillable_usd}; a larger order pays more."),
        (volume is not None and volume < 1, "At {volume_ratio} the usual volume, a lone trader may have moved it."),
        (
            volume is not None and volume >= 2,
            "Volume at {volume_ratio} the usual may come from people who know more.",
        ),
        (move is not None and abs(move) >= 5, "News may justify the move of {move_24h_cents}."),
        (hours is not None and 0 < hours <= 24, "It closes in {hours_to_close}: little time to be proved right."),
        (hours is not None and hours > 720, "The money is tied up for {hours_to_close} until the close."),
        (is_bet and spread is None, "The spread is not in the evidence."),
        (is_bet and "fillable_usd" not in numbers, "How much can be filled is not in the evidence."),
    ]
    found: list[Json] = []
    for applies, text in candidates:
        if applies and len(found) < 4 and (said := evidence.say("risk", text)):
            found.append(evidence.claim(said))
    late = "The other venue may be the one that is late."
    return [*found, evidence.claim(late if is_bet else "News may come that is not in the evidence.")]


def _urgency(evidence: Evidence, view: _View) -> str:
    hours = evidence.number("hours_to_close")
    if hours is None:
        return "HOURS" if view.side != "WAIT" and evidence.family in {"move", "volume"} else "DAYS"
    if hours <= 2 and view.side != "WAIT":
        return "ACT_NOW"
    return "HOURS" if hours <= 24 else "DAYS" if hours <= 168 else "WEEKS"


def analyse(messages: Sequence[Json]) -> Json:
    """The answer that the rules give to a prompt. Every number in its texts is the value of a fact that it cites."""
    evidence = Evidence.parse(messages)
    if evidence is None:
        nothing = {"text": "No evidence was given.", "evidence_ids": list[str]()}
        return {
            "recommendation": "AVOID",
            "confidence_score": 0,
            "win_probability": None,
            "one_liner": nothing,
            "reasoning": [nothing],
            "risk_factors": [nothing],
            "suggested_position": "WAIT",
            "edge_explanation": nothing,
            "time_sensitivity": "WEEKS",
        }
    view = _weigh(evidence)
    return {
        "recommendation": view.recommendation,
        "confidence_score": view.confidence,
        "win_probability": _win_probability(evidence),
        "one_liner": evidence.claim(_one_liner(evidence, view)),
        "reasoning": _reasoning(evidence, view),
        "risk_factors": _risks(evidence, view),
        "suggested_position": view.side,
        "edge_explanation": evidence.claim(_edge_explanation(evidence, view)),
        "time_sensitivity": _urgency(evidence, view),
    }


def argue(messages: Sequence[Json]) -> Json:
    """A case: what the facts are, in words that take no side."""
    evidence = Evidence.parse(messages)
    if evidence is None:
        return {"argument": [{"text": "No evidence was given.", "evidence_ids": []}], "points": []}
    offered = evidence.say("argument", *_SIGNS["general"])
    argument = evidence.claim(f"{_capital(offered)}." if offered else "The facts carry no case.")
    closing = evidence.say("closing", "the market closes in {hours_to_close}")
    return {"argument": [argument], "points": [evidence.claim(f"{_capital(closing)}.")] if closing else []}
