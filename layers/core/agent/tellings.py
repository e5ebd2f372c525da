"""How each fact may be told.

A number tells a cited fact when it has the fact's value and unit, words of the fact's kind stand in its clause, and no
word of the clause speaks of another side, venue, period or kind, or of anything that no fact is.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal

from core.agent import amounts
from core.agent.labels import MOVES
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

    def earlier(self) -> Iterator[Spoken]:
        """The numbers before it in its sentence, the nearest first."""
        one = self.before
        while one is not None:
            yield one
            one = one.before


@dataclass(frozen=True, slots=True)
class Telling:
    """`needs`: of each group one must be said. `allows`: what may be said."""

    needs: tuple[frozenset[str], ...]
    allows: frozenset[str]


def _telling(*needs: str, also: str = "") -> Telling:
    groups = tuple(frozenset(group.split("|")) for group in needs)
    return Telling(groups, frozenset(also.split()).union(*groups))


_MOVE = "up|down|move"
TELLINGS = {
    "price_cents": _telling("price|chance|level|here", also="yes sees worth"),
    "yes_ask_cents": _telling("yes", also="modal limit pay offer buyer price level quote here if"),
    "no_ask_cents": _telling("no", also="modal limit pay offer buyer price level quote here if"),
    "spread_cents": _telling("spread", also="yes no here modal if"),
    "spread_typical_cents": _telling("spread", "usual", also="yes no here"),
    "move_1h_cents": _telling(_MOVE, also="hour price yes here"),
    "move_3h_cents": _telling(_MOVE, also="3h price yes here"),
    "move_6h_cents": _telling(_MOVE, also="6h price yes here"),
    "move_12h_cents": _telling(_MOVE, also="12h price yes here"),
    "move_12h_before_cents": _telling(_MOVE, also="12h price yes here"),
    "move_24h_cents": _telling(_MOVE, also="day price yes here"),
    "jump_cents": _telling(_MOVE, also="quarter hour price yes here"),
    "implied_move_cents": _telling("siblings", f"chance|{_MOVE}", also="fair price yes here modal hour 3h"),
    "predicted_move_cents": _telling("siblings|follow", f"follow|{_MOVE}", also="usual price yes here modal hour"),
    "move_sigmas": _telling("usual|sigma", f"{_MOVE}|sigma", also="hour 3h 6h 12h day quarter price here yes"),
    "volatility_ratio": _telling("noise", "usual", also="6h price here move"),
    "shared_variance_pct": _telling("siblings", "accounts", also="move noise price here hour"),
    "lag_t": _telling("t", also="follow siblings here"),
    "volume_1h": _telling("hour", "volume", also="here sum level sees"),
    "volume_typical_1h": _telling("usual", "volume|sees", also="hour hourly here level up down"),
    "volume_ratio": _telling("usual", "volume", also="hour here up down"),
    "volume_sigmas": _telling("volume", "deviation|sigma", also="usual hour here up down"),
    "volume_24h": _telling("day", "volume", also="here sum level sees"),
    "sum_bids_cents": _telling("bids", "sum|comes", also="yes here outcomes"),
    "outcomes": _telling("outcomes", also="bids sum yes here"),
    "ladder_edge_cents": _telling("ladder", also="yes offer bids price here each left"),
    "settled_rate_pct": _telling("settled", also="here yes"),
    "settled_events": _telling("settled", also="here yes setups"),
    "fair_cents": _telling("other|fair", also="buyer price chance level quote sees worth yes if"),
    "other_yes_ask_cents": _telling("other", "yes", "pay|offer|buyer", also="price quote level if"),
    "other_no_ask_cents": _telling("other", "no", also="pay offer buyer price quote level if"),
    "taker_fee_cents": _telling("fee", also="offer buyer pays each here modal yes no"),
    "net_edge_cents": _telling("edge|left|keeps", also="each modal worth loss buyer here yes no"),
    "fillable_contracts": _telling("fill", also="limit yes no edge offer buyer price here volume left each"),
    "fillable_usd": _telling("fill", also="limit yes no edge offer buyer price here worth left"),
    "setups": _telling("setups", also="here hitrate"),
    "setup_hit_pct": _telling("hit|hitrate", "setups", also="here sees"),
    "setup_low_pct": _telling("low", also="hit hitrate setups"),
    "setup_high_pct": _telling("high", also="hit hitrate setups"),
    "matched_hit_pct": _telling("hit|hitrate", "matched", also="here sees setups"),
    "setup_net_cents": _telling("edge", "setups", also="each loss"),
    "hours_to_close": _telling("close|left", also="will here"),
    "quote_age_minutes": _telling("age", also="quote price here"),
    "bundle_edge_pct": _telling("edge", also="offer here other each both leg"),
    "bundle_net_usd": _telling("edge|left", also="offer here other each both leg"),
    "bundle_cost_usd": _telling("offer", also="fee sum here other each both leg yes no edge"),
    "bundle_payout_usd": _telling("payout|pays|pay", also="sum each both leg if here other offer"),
    "bundle_shares": _telling("offer|each|both|leg", also="volume yes no here other left edge limit fill"),
    "kalshi_yes_limit_cents": _telling("yes", "here", also="offer limit price leg"),
    "kalshi_no_limit_cents": _telling("no", "here", also="offer limit price leg"),
    "polymarket_yes_limit_cents": _telling("yes", "other", also="offer limit price leg"),
    "polymarket_no_limit_cents": _telling("no", "other", also="offer limit price leg"),
    "day_insights": _telling("insights", also="each"),
    "day_positions": _telling("positions", also="insights each"),
    "day_waiting": _telling("waiting", also="insights each"),
}
# What may be said of a number beside words that leave no doubt of its kind; prices have no such words.
_WEAK = frozenset("comes keeps quote level offer pay price sees each if modal worth buyer pays both leg".split())
_PRICES = ("price_cents", "yes_ask_cents", "no_ask_cents", "fair_cents", "other_yes_ask_cents", "other_no_ask_cents")
_CHANCES = frozenset(("chance", "level", "price"))
_OF_ONE_SIDE = ("taker_fee_cents", "net_edge_cents", "fillable_contracts", "fillable_usd")
_OF_PROBABILITY = ("price_cents", "fair_cents")
_COMPARED_ALWAYS = (
    "outcomes",
    "ladder_edge_cents",
    "fillable_contracts",
    "fillable_usd",
    "bundle_payout_usd",
    "volume_sigmas",
)
_LEADS_TO = re.compile(
    r"(?<!\bup )(?<!\brelative )(?<!\bnext )(?<!\bcompared )\bto (?:(?:the|a|its|only|just|about|some|roughly) )*#",
    re.I,
)
_COMES_FROM = re.compile(r"\bfrom (?:(?:the|a|its|only|just) )*#", re.I)
_NEARLY = re.compile(r"\b(?:nearly|almost|just (?:under|below)|close to|a (?:little|bit|touch) under) #", re.I)
_JUST_OVER = re.compile(r"\b(?:just|slightly|a (?:little|bit|touch)) (?:over|above|more than) #", re.I)
_MORE = re.compile(
    r"\b(?:above|over|beyond|exceed\w*|(?:dearer|higher|more|greater|better|larger|wider|bigger) than)\b", re.I
)
_LESS = re.compile(r"\b(?:below|under|beneath|undercuts?|(?:cheaper|lower|less|fewer|worse|smaller) than)\b", re.I)


def fault(spoken: Spoken, fact: Fact, edge_side: str | None, cited: Sequence[Fact]) -> str | None:
    """Why the words do not tell this fact; None when they do."""
    moves = [one for one in cited if one.name in MOVES]
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
        tags -= {"up", "down", "move", *MOVES.values()}
    elif (
        leads_to
        and not tags & {"sum", "fill", "comes"}
        and not _rose_to(fact, tags, cited)
        and fact.name not in ("volume_ratio", "volatility_ratio")
    ):
        return "a way to it is told"
    if _COMES_FROM.search(words):
        return "a way from it is told"
    if _NEARLY.search(words) or _JUST_OVER.search(words):
        if not _is_nearly(spoken, fact):
            return "a rounding that is not so"
    elif "compare" in tags and fact.name not in _COMPARED_ALWAYS and not _compares_truly(spoken, fact):
        return "a comparison that is not so"
    allows = telling.allows if fact.name in _PRICES else telling.allows | _WEAK
    if _rose_to(fact, tags, cited) and leads_to:
        tags -= {"up", "down"}
    if others := tags - allows - {"compare"}:
        return f"the {fact.label} is told as {', '.join(sorted(others))}"
    if spoken.quantity.unit == "%" and fact.name in _OF_PROBABILITY and not tags & _CHANCES:
        return "a percentage of nothing"
    if fact.name in _OF_ONE_SIDE and tags & SIDES and tags & SIDES != {(edge_side or "").lower()}:
        return f"the {fact.label} is one of {edge_side}"
    return None if _direction_fits(spoken.quantity, fact, tags, moves) else "told in the wrong direction"


def _with_what_is_needed(spoken: Spoken, telling: Telling) -> frozenset[str]:
    """The clause's own words; what it leaves out is taken from the clauses beside it, else from the number before."""
    tags = spoken.tags
    needed = [_CHANCES] if spoken.quantity.unit == "%" and telling in map(TELLINGS.get, _OF_PROBABILITY) else []
    for need in (*telling.needs, *needed):
        if tags & need:
            continue
        earlier = [one.tags - {"compare"} for one in spoken.earlier()]
        lender: frozenset[str] = next((lent for lent in (*spoken.lent, *earlier) if lent & need), frozenset())
        tags |= lender & need
        if need - SIDES - VENUES - PERIODS:  # a kind comes with all that was said of it
            tags |= lender - SIDES - VENUES - PERIODS
    return tags


def _moved(tags: frozenset[str], moves: Sequence[Fact]) -> bool:
    """Whether some cited move went the way that is told, in the period that is told."""
    periods = tags & frozenset(MOVES.values())
    for move in moves:
        way = "up" if move.number > 0 else "down"
        own = {MOVES[move.name], "hour"} if move.name == "jump_cents" else {MOVES[move.name]}
        if tags & {"up", "down", "move"} and tags & {"up", "down"} <= {way} and periods <= own:
            return True
    return False


def _rose_to(fact: Fact, tags: frozenset[str], cited: Sequence[Fact]) -> bool:
    """ "Volume surged to 900 contracts", where the last hour's is above a usual one's."""
    ratio = next((one.number for one in cited if one.name == "volume_ratio"), Decimal(1))
    return fact.name == "volume_1h" and (tags & {"up", "down"} == ({"up"} if ratio > 1 else {"down"})) and ratio != 1


def _is_nearly(spoken: Spoken, fact: Fact) -> bool:
    """ "Nearly 5¢" of 4.8, "just over 5¢" of 5.2."""
    above, below = amounts.is_rounded(spoken.quantity, fact)
    return above if _NEARLY.search(spoken.words) else below


def _compares_truly(spoken: Spoken, fact: Fact) -> bool:
    """ "41¢ is below 46¢": both numbers are there, in one unit, and it is so; or "more than 8 times" of 8.2."""
    ahead = spoken.words.partition("#")[0]
    more, less = _MORE.search(ahead), _LESS.search(ahead)
    above, below = amounts.is_rounded(spoken.quantity, fact)
    if (more and not less and below) or (less and not more and above):
        return True
    before = spoken.before
    if before is None or before.quantity.unit != spoken.quantity.unit or (more is None) == (less is None):
        return False
    return before.quantity.value > spoken.quantity.value if more else before.quantity.value < spoken.quantity.value


def _direction_fits(quantity: Quantity, fact: Fact, tags: frozenset[str], moves: Sequence[Fact]) -> bool:
    value, said, sign = fact.number, tags & {"up", "down"}, amounts.sign(quantity, fact)
    if fact.name in ("volume_ratio", "volume_sigmas"):
        least = 1 if fact.name == "volume_ratio" else 0
        return sign == 1 and not ("up" in said and value <= least) and not ("down" in said and value >= least)
    if fact.name == "move_sigmas":
        return sign == 1 and (not said or _moved(tags, moves))
    if fact.name.endswith("move_cents") or fact.name in MOVES:
        way = {"up"} if value > 0 else {"down"}
        return said <= way and (not quantity.signed or sign == 1)
    if sign == -1:
        return "loss" in tags and value < 0
    return "loss" not in tags or value < 0
