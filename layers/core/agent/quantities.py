"""The numbers in a sentence, in digits or words, each with its unit as the evidence writes it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from decimal import Decimal
from functools import lru_cache

_ONES = (
    "one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen "
    "eighteen nineteen"
)
_TENS = "twenty thirty forty fifty sixty seventy eighty ninety"
_SCALES = {
    "hundred": 2, "thousand": 3, "k": 3, "million": 6, "m": 6, "mn": 6,
    "billion": 9, "b": 9, "bn": 9, "trillion": 12, "t": 12,
}  # fmt: skip
_MULTIPLES: dict[str, Decimal] = {
    **dict.fromkeys(("half", "halved", "halves"), Decimal("0.5")),
    **dict.fromkeys(("twice", "double", "doubled", "doubles", "doubling", "twofold"), Decimal(2)),
    **dict.fromkeys(("thrice", "triple", "tripled", "triples", "threefold"), Decimal(3)),
    **{"quadruple": Decimal(4), "quadrupled": Decimal(4), "fivefold": Decimal(5), "tenfold": Decimal(10)},
    **dict.fromkeys(("thirds", "quarters", "fifths", "tenths"), Decimal("0.1")),
}
_WORDS: dict[str, Decimal] = {
    "zero": Decimal(0),
    **{word: Decimal(value) for value, word in enumerate(_ONES.split(), 1)},
    **{word: Decimal(10 * value) for value, word in enumerate(_TENS.split(), 2)},
    **{word: Decimal(10) ** power for word, power in _SCALES.items() if len(word) > 2},
    "dozen": Decimal(12),
    **_MULTIPLES,
}
_WORD = rf"\b(?:{'|'.join(sorted(_WORDS, key=len, reverse=True))})\b"
_FRACTION = r"\b(?:a|one)\s(?:third|quarter|fifth|tenth)\sof\b"
_MONTH = (
    r"(?-i:Jan(?:uary)?|Feb(?:ruary)?|Mar(?:ch)?|Apr(?:il)?|May|June?|July?|Aug(?:ust)?|Sept?(?:ember)?|Oct(?:ober)?"
    r"|Nov(?:ember)?|Dec(?:ember)?)\b"
)
_UNITS = {
    "¢": r"¢|cents?\b|c\b|(?:percentage[\s-])?points?\b|pp\b|pts\b",
    "%": r"%|per[\s-]?cent\b",
    "times": r"×|x\b|times\b|fold\b|sigmas?\b|σ",
    "h": r"h\b|hrs?\b|hours?\b",
    "minutes": r"minutes?\b|mins?\b",
    "contracts": r"contracts?\b|shares?\b",
    "USD": r"usd\b|dollars?\b|\$",
}
_OTHER_UNIT = rf"days?\b|weeks?\b|months?\b|years?\b|seconds?\b|[ap]\.?m\b|:\d\d|/\d+|(?:of\s)?{_MONTH}"
_UNIT = "|".join([*_UNITS.values(), _OTHER_UNIT])
_QUANTITY = re.compile(
    rf"(?P<fraction>{_FRACTION})|"
    rf"(?:\b(?P<month>{_MONTH})\.?\s)?(?P<sign>(?<![\w¢%$.,)])[-−+])?\s?(?P<dollar>\$)?"
    rf"(?:(?P<digits>(?:(?:\d{{1,3}}(?:,\d{{3}})+(?!\d)|\d+)(?:\.\d+)?|\.\d+)(?:e[+-]?\d{{1,3}}\b)?)"
    rf"(?P<scale>\s?(?:hundred|thousand|million|billion|trillion)\b|(?:k|mn?|bn?|t)\b)?"
    rf"|(?P<words>(?<!first\s)(?<!second\s){_WORD}(?:[\s-]+(?:and\s)?{_WORD})*)(?!-check))"
    rf"(?:[\s-]?(?P<unit>{_UNIT}))?",
    re.I | re.ASCII,
)
_RATIO = re.compile(
    rf"\W+(?:(?:in|out of) (?:every )?(?:\d|{_WORD})|to (?:\d|{_WORD})|third|quarter|fifth|tenth)\b", re.I
)


@dataclass(frozen=True, slots=True)
class Quantity:
    """`unit` as facts write it, in its own letters where no fact has such a unit, None where none is said. `step`: what
    the last digit said is worth, trailing zeros of whole numbers not being said."""

    text: str
    value: Decimal
    step: Decimal
    unit: str | None
    signed: bool
    start: int
    end: int
    is_figure_of_speech: bool


@lru_cache(maxsize=256)  # each judge of a text asks
def quantities(text: str) -> tuple[Quantity, ...]:
    return tuple(_quantity(match) for match in _QUANTITY.finditer(text))


def _quantity(match: re.Match[str]) -> Quantity:
    if match["digits"]:
        value = Decimal(match["digits"].replace(",", "")) * Decimal(10) ** _SCALES.get(
            (match["scale"] or "").strip().lower(), 0
        )
    else:
        value = _spelled(match["words"] or "tenths")
    unit = _unit_of(match)
    start = match.start() + len(match[0]) - len(match[0].lstrip())
    return Quantity(
        text=match[0].strip(),
        value=-value if match["sign"] in ("-", "−") else value,
        step=_step(match, value),
        unit=unit,
        signed=match["sign"] is not None,
        start=start,
        end=match.end(),
        # "one of them", "the two venues": words, not figures; "one in three", "two to one": figures
        is_figure_of_speech=match["words"] is not None
        and unit is None
        and value in (1, 2)
        and not _RATIO.match(match.string, match.end())
        and match.string[:start].split()[-1:] != ["to"],
    )


def _step(match: re.Match[str], value: Decimal) -> Decimal:
    digits = match["digits"] or ""
    if "." in digits and "e" not in digits.lower():
        scale = _SCALES.get((match["scale"] or "").strip().lower(), 0)
        return Decimal(10) ** (scale - len(digits.partition(".")[2]))
    whole = value.normalize()
    exponent = whole.as_tuple().exponent
    return Decimal(10) ** exponent if value and isinstance(exponent, int) else Decimal(1)


def _unit_of(match: re.Match[str]) -> str | None:
    if match["fraction"]:
        return "times"
    if match["month"]:
        return match["month"][:3]
    if match["dollar"]:
        return "USD"
    said = match["unit"]
    if said is None:
        return "times" if set((match["words"] or "").lower().split()) & _MULTIPLES.keys() else None
    for unit, pattern in _UNITS.items():
        if re.fullmatch(pattern, said, re.I):
            return unit
    month = re.fullmatch(rf"(?:of\s)?({_MONTH})", said)
    return month[1][:3] if month else said.lower().rstrip("s")


def _spelled(words: str) -> Decimal:
    """twenty-five -> 25, two hundred and ten -> 210, three million -> 3,000,000."""
    total, part = Decimal(0), Decimal(0)
    for word in re.split(r"[\s-]+", words.lower()):
        value = _WORDS.get(word, Decimal(0))
        if value >= 1_000:
            total, part = total + (part or 1) * value, Decimal(0)
        elif value == 100:
            part = (part or 1) * value
        else:
            part += value
    return total + part
