"""Single fields of the venues' answers, read with care: unusable means None and a counted doubt, never a guess."""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from functools import lru_cache
from typing import Any

import orjson

TITLE_CHARS = 1_000
RULES_CHARS = 20_000
ID_CHARS = 200
MICRO = Decimal("0.000001")
_VOLUME_STEP = Decimal("0.0001")
_VOLUME_MAX = Decimal(10) ** 15
_ONE = Decimal(1)
_NUMBER_CHARS = 64
_NO_NUMBER = "not a number"
_UNWANTED = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ud800-\udfff]")


def decimal(value: Any, doubts: Counter[str], name: str) -> Decimal | None:
    """A finite number from a string, int or float (floats by their shortest repr). Absent is None without a doubt."""
    return _read(value, _finite, doubts, name)


def rows(value: Any, skipped: Counter[str], name: str) -> list[Any]:
    """A list, empty where absent. Anything else is none, and counted."""
    if isinstance(value, list):
        return value
    if value is not None:
        skipped[f"{name}: not a list"] += 1
    return []


def price(value: Any, doubts: Counter[str], name: str) -> Decimal | None:
    """A price in [0, 1] to six decimals, the finest tick either venue has."""
    return _read(value, _probability, doubts, name)


def amount(value: Any, doubts: Counter[str], name: str) -> Decimal | None:
    """A volume, size or interest: not negative, below 10^15, to four decimals."""
    return _read(value, _quantity, doubts, name)


def _read(value: Any, read: Callable[[str], Decimal | str], doubts: Counter[str], name: str) -> Decimal | None:
    if value is None or value == "":
        return None
    kind = type(value)
    try:
        text = value if kind is str else repr(value) if kind is float or kind is int else ""
    except ValueError:  # an int of thousands of digits
        text = ""
    number = read(text) if len(text) <= _NUMBER_CHARS else _NO_NUMBER
    if isinstance(number, str):
        doubts[f"{name}: {number}"] += 1
        return None
    return number


def _finite(text: str) -> Decimal | str:
    try:
        number = Decimal(text)
    except InvalidOperation:
        return _NO_NUMBER
    # Beyond these exponents arithmetic overflows, and nothing a venue says is that large or small.
    return number if number.is_finite() and abs(number.adjusted()) <= 400 else _NO_NUMBER


# A listing repeats its prices many times over.
@lru_cache(maxsize=16_384)
def _probability(text: str) -> Decimal | str:
    number = _finite(text)
    if isinstance(number, str):
        return number
    return number.quantize(MICRO) if 0 <= number <= _ONE else "outside 0 to 1"


def _quantity(text: str) -> Decimal | str:
    number = _finite(text)
    if isinstance(number, str):
        return number
    return number.quantize(_VOLUME_STEP) if 0 <= number < _VOLUME_MAX else "out of range"


def moment(value: Any, doubts: Counter[str], name: str) -> datetime | None:
    """An aware UTC time. Year 1 is how Kalshi says unknown."""
    parsed = time_or_none(value)
    unsaid = value is None or (isinstance(value, str) and (not value or value.startswith("0001-")))
    if parsed is None and not unsaid:
        doubts[f"{name}: not a time"] += 1
    return parsed


def time_or_none(value: Any) -> datetime | None:
    """As `moment`, where a time that cannot be read is how rows are and not a fault."""
    if not isinstance(value, str) or len(value) > 40:
        return None
    try:
        parsed = datetime.fromisoformat(value)
        parsed = parsed.replace(tzinfo=UTC) if parsed.tzinfo is None else parsed.astimezone(UTC)
    except (ValueError, OverflowError):
        return None
    return parsed if parsed.year > 1 else None


def unix_moment(value: Any) -> datetime | None:
    """An aware UTC time from whole unix seconds."""
    if isinstance(value, bool) or not isinstance(value, int):
        return None
    try:
        return datetime.fromtimestamp(value, UTC)
    except (ValueError, OverflowError, OSError):
        return None


def text(value: Any, limit: int) -> str:
    """Text without control characters or lone surrogates, at most `limit` characters; anything else is empty."""
    if not isinstance(value, str):
        return ""
    return _UNWANTED.sub("", value[: limit * 2])[:limit].strip()


def identifier(value: Any) -> str | None:
    """An id fit for a key: non-empty, bounded, printable; None otherwise."""
    if not isinstance(value, str) or not 0 < len(value) <= ID_CHARS or not value.isprintable():
        return None
    return value


def truth(value: Any) -> bool | None:
    return value if isinstance(value, bool) else None


def digest_of(*parts: object) -> int:
    """A signed 64-bit fingerprint of the parts, as PostgreSQL's bigint holds it."""
    try:
        packed = orjson.dumps(parts, default=str)
    except TypeError:  # half of an emoji, a number beyond 64 bits, lists in lists without end
        packed = b"\n".join(map(_told, parts))
    return int.from_bytes(hashlib.blake2b(packed, digest_size=8).digest(), "big", signed=True)


def _told(part: object) -> bytes:
    try:
        return repr(part).encode(errors="backslashreplace")
    except RecursionError:
        return b"too deep"


def traded(probability: Decimal | None) -> Decimal | None:
    """A price that somebody can ask, bid or pay: 0 and 1 are how venues say that there is none."""
    return probability if probability is not None and 0 < probability < _ONE else None


def best_price(bid: Decimal | None, ask: Decimal | None, last: Decimal | None) -> Decimal | None:
    """The best estimate of probability: the middle of a book at most 10 cents wide, else the last trade, else None.

    Polymarket displays the same rule (docs: how prices are calculated).
    """
    if bid is not None and ask is not None and bid <= ask and ask - bid <= Decimal("0.10"):
        return ((bid + ask) / 2).quantize(MICRO)
    return last


def complement(probability: Decimal | None) -> Decimal | None:
    return None if probability is None else _ONE - probability
