"""The proof that of several outcomes one must win, and that no more than one can. Without the first their YES together
pay nothing for sure, without the second their NO less than all but one.

A list of names is never proved by looking whole. What proves: ranges that leave no number out, the venue's own word
that the list is whole, or the rules' of every outcome that exactly one is settled YES, with none of the list missing.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from decimal import Decimal

from core.arbitrage.wording import Wording

_EXACTLY_ONE = re.compile(
    r"\bexactly one (?:outcome|market|option|strike)\b[^.]{0,60}"
    r"\b(?:resolves?|settles?|resolved|settled) (?:to )?\W?yes",
    re.I,
)
_WHOLE = re.compile(
    r"\b(?:whole|nearest|full) (?:degrees?|numbers?|integers?)\b|\brounded to the nearest (?:degree|integer|whole)\b",
    re.I,
)

_HALVES = re.compile(r"\b50[-/ ]50\b|\b50\s?%\s?/\s?50\s?%|\bhalf (?:of )?(?:a dollar|its value)\b", re.I)

# (low, whether low itself is in, high, whether high is in); None is without end.
Range = tuple[Decimal | None, bool, Decimal | None, bool]


def proof(outcomes: Sequence[Wording]) -> tuple[str | None, str]:
    """(what proves that one of these wins, as the condition of a promise; else None, and what is lacking)."""
    if any(outcome.exhaustive is False for outcome in outcomes):
        return None, "the venue may add outcomes to this list"
    ranges = [found for outcome in outcomes if (found := range_of(outcome)) is not None]
    if len(ranges) == len(outcomes):
        whole = all(_WHOLE.search(outcome.rules) for outcome in outcomes)
        lacking = gap(ranges, Decimal(1) if whole else Decimal(0))
        return (None, lacking) if lacking else ("every value falls into one of these ranges", "")
    if any(outcome.unsettled != len(outcomes) for outcome in outcomes):
        return None, "an outcome of the list cannot be bought"
    if all(outcome.exhaustive for outcome in outcomes):
        return "one of these outcomes is settled YES, as the venue says of the list", ""
    if all(_EXACTLY_ONE.search(outcome.rules) for outcome in outcomes):
        return "exactly one of these outcomes is settled YES, as their rules say", ""
    return None, "nothing proves that one of these outcomes must win"


def halved(outcomes: Sequence[Wording]) -> str | None:
    """Why all NO may pay less than all but one: a void list pays half for each, so n/2, which is n - 1 of two only."""
    if len(outcomes) > 2 and any(_HALVES.search(outcome.rules) for outcome in outcomes):
        return "a void list would pay half for each, less than for all but one"
    return None


def range_of(outcome: Wording) -> Range | None:
    """The values for which the outcome wins, by Kalshi's strikes; None where they do not say."""
    floor, cap = outcome.floor, outcome.cap
    match outcome.strike_type:
        case "greater" | "greater_or_equal" if floor is not None and cap is None:
            return floor, outcome.strike_type == "greater_or_equal", None, False
        case "less" | "less_or_equal" if cap is not None and floor is None:
            return None, False, cap, outcome.strike_type == "less_or_equal"
        case "between" if floor is not None and cap is not None and floor <= cap:
            return floor, True, cap, True
    return None


def gap(ranges: Sequence[Range], step: Decimal) -> str | None:
    """The first values that no range holds, in words; None where there are none. `step`: how far apart values are at
    least (0: any number can be one), so that 31 and 32 leave nothing between them where values are whole."""
    ordered = sorted(ranges, key=lambda r: (r[0] is not None, r[0] or Decimal(0), not r[1]))
    if not ordered or ordered[0][0] is not None:
        return "nothing pays below the lowest range"
    _, _, reached, is_in = ordered[0]
    for low, low_in, high, high_in in ordered[1:]:
        if reached is None:
            return None
        if low is not None:
            touches = low < reached or (low == reached and (is_in or low_in))
            steps_on = step > 0 and is_in and low_in and low - reached <= step
            if not (touches or steps_on):
                return f"nothing pays between {reached:f} and {low:f}"
        if high is None or high > reached or (high == reached and high_in):
            reached, is_in = high, high_in
    return None if reached is None else "nothing pays above the highest range"
