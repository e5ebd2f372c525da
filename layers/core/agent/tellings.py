"""How each fact may be told.

A number tells a cited fact when it has the fact's value and unit, words of the fact's kind stand in its clause, and no
word of the clause speaks of another side, venue, period or kind, or of anything that no fact is.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

from core.agent.quantities import Quantity
from core.agent.vocabulary import PERIODS, SIDES, VENUES
from core.models import Fact


@dataclass(frozen=True, slots=True)
class Spoken:
    """A number with what its clause says, and the side, venue and period that clauses beside it lend to it.

    `lent`: all that those clauses say, the nearest first. `before`: the number before it in its sentence.
    """

    quantity: Quantity
    words: str
    tags: frozenset[str]
    unknown: tuple[str, ...]
    lent: tuple[frozenset[str], ...]
    before: Spoken | None


@dataclass(frozen=True, slots=True)
class Telling:
    """`needs`: of each group one must be said. `allows`: what may be said. `units`: those besides the fact's own."""

    needs: tuple[frozenset[str], ...]
    allows: frozenset[str]
    units: tuple[str, ...]


def _telling(*needs: str, also: str = "", units: tuple[str, ...] = ()) -> Telling:
    groups = tuple(frozenset(group.split("|")) for group in needs)
    return Telling(groups, frozenset(also.split()).union(*groups), units)


TELLINGS = {
    "price_cents": _telling("price|chance|level|here", also="yes sees worth", units=("%",)),
    "yes_ask_cents": _telling("yes", also="offer buyer price level quote here if"),
    "no_ask_cents": _telling("no", also="offer buyer price level quote here if"),
    "spread_cents": _telling("spread", also="yes no here modal if"),
    "move_1h_cents": _telling("up|down|move", also="hour price yes here"),
    "move_24h_cents": _telling("up|down|move", also="day price yes here"),
    "move_sigmas": _telling("usual|sigma", "up|down|move|sigma", also="hour price here yes"),
    "volume_1h": _telling("hour", "volume", also="here sum level sees"),
    "volume_typical_1h": _telling("usual", "volume", also="hour here level sees"),
    "volume_ratio": _telling("usual", "volume", also="hour here up down"),
    "volume_24h": _telling("day", "volume", also="here sum level sees"),
    "sum_bids_cents": _telling("bids", "sum", also="yes here outcomes"),
    "outcomes": _telling("outcomes", also="bids sum yes here"),
    "fair_cents": _telling("other|fair", also="price chance level quote sees worth yes if", units=("%",)),
    "taker_fee_cents": _telling("fee", also="offer buyer pays each here modal yes no"),
    "net_edge_cents": _telling("edge|left", also="each modal worth loss buyer here yes no"),
    "setups": _telling("setups", also="here"),
    "setup_hit_pct": _telling("hit", "setups", also="here sees"),
    "setup_low_pct": _telling("low", also="hit setups"),
    "setup_high_pct": _telling("high", also="hit setups"),
    "matched_hit_pct": _telling("hit", "matched", also="here sees"),
    "setup_net_cents": _telling("edge", "setups", also="each loss"),
    "hours_to_close": _telling("close|left", also="will here"),
    "quote_age_minutes": _telling("age", also="quote price here"),
}
_CHANCES = frozenset(("chance", "level", "price"))
_OF_ONE_SIDE = ("taker_fee_cents", "net_edge_cents")
_LEADS_TO = re.compile(r"\bto (?:(?:the|a|its|only|just) )*#", re.I)
_COMES_FROM = re.compile(r"\bfrom (?:(?:the|a|its|only|just) )*#", re.I)
_MORE = re.compile(
    r"\b(?:above|over|beyond|exceed\w*|(?:dearer|higher|more|greater|better|larger|wider|bigger) than)\b", re.I
)
_LESS = re.compile(r"\b(?:below|under|beneath|undercuts?|(?:cheaper|lower|less|fewer|worse|smaller) than)\b", re.I)


def agrees(quantity: Quantity, fact: Fact) -> bool:
    """Value and unit alone; a loss or a fall may be told without its sign."""
    if (quantity.unit or "") not in (fact.unit, *TELLINGS[fact.name].units):
        return False
    value = Decimal(fact.value)
    return quantity.value == value or (not quantity.signed and quantity.value == -value)


def fault(spoken: Spoken, fact: Fact, edge_side: str | None, moves: Sequence[Fact]) -> str | None:
    """Why the words do not tell this fact; None when they do. `moves`: the cited facts of how the price moved."""
    telling = TELLINGS[fact.name]
    tags = _with_what_is_needed(spoken, telling)
    tags -= {"pays"} if "buyer" in tags else frozenset()  # what a buyer pays is a price, what the market pays is not
    words = spoken.words
    if spoken.unknown:
        return f"not told by the word {spoken.unknown[0]}"
    if any(not tags & need for need in telling.needs):
        return f"nothing says that it is the {fact.label}"
    leads_to = _LEADS_TO.search(words)
    if leads_to and fact.name == "price_cents" and _moved(tags, moves):
        tags -= {"up", "down", "move", "hour", "day"}
    elif leads_to and "sum" not in tags and fact.name != "volume_ratio":
        return "a way to it is told"
    if _COMES_FROM.search(words):
        return "a way from it is told"
    if "compare" in tags and fact.name != "outcomes" and not _compares_truly(spoken):
        return "a comparison that is not so"
    if others := tags - telling.allows - {"compare"}:
        return f"the {fact.label} is told as {', '.join(sorted(others))}"
    if spoken.quantity.unit == "%" and "%" in telling.units and not tags & _CHANCES:
        return "a percentage of nothing"
    if fact.name in _OF_ONE_SIDE and tags & SIDES and tags & SIDES != {(edge_side or "").lower()}:
        return f"the {fact.label} is one of {edge_side}"
    return None if _direction_fits(spoken.quantity, fact, tags, moves) else "told in the wrong direction"


def _with_what_is_needed(spoken: Spoken, telling: Telling) -> frozenset[str]:
    """The clause's own words; what it leaves out is taken from the clauses beside it, else from the number before."""
    tags = spoken.tags
    for need in (*telling.needs, *([_CHANCES] if spoken.quantity.unit == "%" and "%" in telling.units else [])):
        if tags & need:
            continue
        earlier = [] if spoken.before is None else [spoken.before.tags - {"compare"}]
        lender: frozenset[str] = next((lent for lent in (*spoken.lent, *earlier) if lent & need), frozenset())
        tags |= lender & need
        if need - SIDES - VENUES - PERIODS:  # a kind comes with all that was said of it
            tags |= lender - SIDES - VENUES - PERIODS
    return tags


def _moved(tags: frozenset[str], moves: Sequence[Fact]) -> bool:
    """Whether some cited move went the way that is told, in the period that is told."""
    for move in moves:
        period = "hour" if "_1h" in move.name else "day"
        way = "up" if Decimal(move.value) > 0 else "down"
        if tags & {"up", "down", "move"} and tags & {"up", "down"} <= {way} and tags & {"hour", "day"} <= {period}:
            return True
    return False


def _compares_truly(spoken: Spoken) -> bool:
    """ "41¢ is below 46¢": both numbers are there, in one unit, and it is so."""
    ahead = spoken.words.partition("#")[0]
    more, less = _MORE.search(ahead), _LESS.search(ahead)
    before = spoken.before
    if before is None or before.quantity.unit != spoken.quantity.unit or (more is None) == (less is None):
        return False
    return before.quantity.value > spoken.quantity.value if more else before.quantity.value < spoken.quantity.value


def _direction_fits(quantity: Quantity, fact: Fact, tags: frozenset[str], moves: Sequence[Fact]) -> bool:
    value, said = Decimal(fact.value), tags & {"up", "down"}
    if fact.name == "volume_ratio":
        return quantity.value == value and not ("up" in said and value <= 1) and not ("down" in said and value >= 1)
    if fact.name == "move_sigmas":
        return quantity.value == value and (not said or _moved(tags - {"day"} | {"hour"}, moves))
    if fact.name.startswith("move_"):
        way = {"up"} if value > 0 else {"down"}
        return said <= way and (not quantity.signed or quantity.value == value)
    if quantity.value != value:
        return "loss" in tags and quantity.value == -value > 0
    return "loss" not in tags or value < 0
