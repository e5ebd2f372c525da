"""Whether a number that is said is a fact's, in whatever unit, within the rounding that is allowed.

A number may leave out digits: what is said must be the fact's value rounded at the last digit said (trailing zeros of
whole numbers are left out digits, for volumes and sizes only), and be off by no more than 5% of a volume or size, 10%
of anything else. Counts are exact.
"""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import Literal

from core.agent.quantities import Quantity
from core.models import Fact

_PROBABILITIES = ("price_cents", "fair_cents")
_HOURS = {"h": Decimal(1), "day": Decimal(24), "week": Decimal(168), "minutes": 1 / Decimal(60)}
_SIZES = ("contracts", "USD")
_ONE = Decimal(1)


def sign(quantity: Quantity, fact: Fact) -> Literal[1, -1, 0]:
    """1 when the fact's value is said, -1 when it is said without its minus (a loss, a fall), 0 when it is not said."""
    if fact.unit == "UTC":
        return 0
    value = fact.number
    for said, step in _in_the_facts_unit(quantity, fact):
        if _is_rounding(said, step, value, fact.unit):
            return 1
        if not quantity.signed and _is_rounding(-said, step, value, fact.unit):
            return -1
    return 0


def is_rounded(quantity: Quantity, fact: Fact) -> tuple[bool, bool]:
    """Whether the number said is (above, below) the fact's own size."""
    value = abs(fact.number)
    said = [abs(number) for number, _ in _in_the_facts_unit(quantity, fact)]
    return any(number > value for number in said), any(number < value for number in said)


def _in_the_facts_unit(quantity: Quantity, fact: Fact) -> Iterator[tuple[Decimal, Decimal]]:
    """(value, step): what is said and its last digit's worth, as the fact's unit counts."""
    said, step, unit = quantity.value, quantity.step, quantity.unit or ""
    is_probability = fact.name in _PROBABILITIES
    if unit == fact.unit or (unit == "%" and is_probability) or (not unit and fact.unit == "contracts"):
        yield said, step
    elif (fact.unit == "¢" and unit == "USD") or (
        is_probability and not unit and 0 < said < 1 and step <= Decimal("0.01")
    ):
        yield 100 * said, 100 * step
    elif fact.unit in ("h", "minutes") and unit in _HOURS:
        factor = _HOURS[unit] / _HOURS[fact.unit]
        yield factor * said, factor * step


def _is_rounding(said: Decimal, step: Decimal, value: Decimal, unit: str) -> bool:
    if said == value:
        return True
    if unit == "":
        return False
    if unit in ("¢", "%", "times"):
        step = min(step, _ONE)
    off = abs(said - value)
    return off <= step / 2 and off <= abs(value) / (20 if unit in _SIZES else 10)
