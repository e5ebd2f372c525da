"""What a market's words state: its bet as one normalised sequence of words and numbers, its dates, its times of day.

Only words that never tell two bets apart are dropped, so that whatever is not understood here keeps a pair apart.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Context, Decimal
from typing import NamedTuple

# A date without its year is of the year that puts it nearest to the close; further away it could be of either year.
YEAR_HINT = timedelta(days=120)

_DROPPED = frozenset("a an the will be is are was were been do does did there".split())
# Left out where only one title has them; where both have one, it must be the same: to speak in, on or to Russia.
_LINKS = {"in": "in", "at": "in", "on": "on", "to": "to", "of": "of"}

_EXACT = Context(prec=2_000)  # a title has 1,000 characters at most
_AMOUNT = r"-?(?:us\$|[$€£¥])?-?(?:[0-9]|\.[0-9])"
_SCALES = {"k": 3, "thousand": 3, "m": 6, "mn": 6, "million": 6, "b": 9, "bn": 9, "billion": 9, "t": 12, "tn": 12,
           "trillion": 12}  # fmt: skip
_UNITS = {
    "%": r"%|percent\b|per cent\b|pct\b",
    "pp": r"pp\b|percentage points?\b",
    "bps": r"bps?\b|basis points?\b",
    "°f": r"°\s?f\b|degrees? (?:f|fahrenheit)\b|fahrenheit\b",
    "°c": r"°\s?c\b|degrees? (?:c|celsius)\b|celsius\b",
    "°": r"°|degrees?\b",
    "¢": r"¢|cents?\b",
    "$": r"dollars?\b|usd\b",
}
AMOUNT_UNITS = tuple(_UNITS)
_UNIT = "|".join(_UNITS.values())
_ONE = (
    r"(?P<sign{n}>(?<![\w%°)])-)?(?P<currency{n}>(?:us)?[$€£¥])?(?P<minus{n}>-)?"
    r"(?P<digits{n}>(?:[0-9]{{1,3}}(?:,[0-9]{{3}})+|[0-9]+)(?:\.[0-9]+)?|\.[0-9]+)"
    rf"(?:\s?(?P<scale{{n}}>{'|'.join(sorted(_SCALES, key=len, reverse=True))})\b)?(?P<plus{{n}}>\+)?"
    rf"(?:\s?(?P<unit{{n}}>{_UNIT}))?"
)
_TOKEN = re.compile(
    rf"(?P<number>(?P<bound>[<>]=?)?\s?(?<![\w.]){_ONE.format(n=1)}(?:\s?(?:-|to)\s?{_ONE.format(n=2)})?"
    r"(?P<after>\+|\s(?:or|and)\s(?:more|higher|above|greater|over|up|less|fewer|lower|below|under)\b)?(?!\w))"
    r"|(?P<word>(?:[^\W_]|[^\x00-\x7f])+(?:'(?:[^\W_]|[^\x00-\x7f])+)*)|(?P<symbol>[#@&+$%<>=/*~^|\\])",
    re.I,
)
_AT_MOST = frozenset("less fewer lower below under".split())
_SYNONYMS = (
    (r"\bu\.s\.(?:a\.)?|\bunited states(?: of america)?\b", "US"),
    (r"\bu\.k\.|\bunited kingdom\b", "UK"),
    (r"\bfederal reserve\b", "Fed"),
    (r"\b(?:ca|wo|is|are|was|were|do|does|did|has|have|had|would|could|should)n't\b", "not"),
    (r"\bwins?\s+(?:the\s+)?((?:[\w'.-]+\s+){0,5}?)nomination\b", r"\1nominee"),
)
_BEFORE_A_NUMBER = (
    (r"\b(?:minus|negative)\s+", "-"),
    (r"\b(?:reach|reaches|hits?|touch|touches)\s+(?=(?:us)?[$€£¥]|-?[0-9.,]+\s?(?:%|°|percent|degree))", "reach "),
    (r"(?:\b(?:at least|no (?:less|fewer|lower) than|at or above)\s|≥)\s*", ">="),
    (r"(?:\b(?:at most|no (?:more|greater|higher) than|at or below)\s|≤)\s*", "<="),
    (r"\b(?:(?:more|greater|higher) than|over|above|exceeds?|exceeding)\s+", ">"),
    (r"\b(?:(?:less|fewer|lower) than|under|below)\s+", "<"),
)
_REWORDED = tuple((re.compile(pattern, re.I), said) for pattern, said in _SYNONYMS)
_BOUNDED = tuple((re.compile(rf"{pattern}(?={_AMOUNT})", re.I), said) for pattern, said in _BEFORE_A_NUMBER)
_SAME = {"btc": "bitcoin", "eth": "ethereum", "&": "and", "usa": "us"}

_TYPOGRAPHY = str.maketrans(
    {"’": "'", "‘": "'", "ʼ": "'", "`": "'", "–": "-", "−": "-", "‒": "-", "‐": "-", "‑": "-"}
    | dict.fromkeys("“”„«»—―…·•", " ")
)

MARK, CLOCK = "\ue000", "\ue001"  # private characters: plain lets none through
_GLUED = ("<super>", "<sub>", "<fraction>", "<circle>")  # 10² is not 102
_UNTIL = frozenset(("through", "thru", "until", "till"))
_MONTHS = {
    name: number
    for number, names in enumerate(
        ("january jan", "february feb", "march mar", "april apr", "may", "june jun", "july jul", "august aug",
         "september sept sep", "october oct", "november nov", "december dec"), 1)
    for name in names.split()
}  # fmt: skip
_MONTH = "|".join(sorted(_MONTHS, key=len, reverse=True))
_TH = r"(?:st|nd|rd|th)?(?![0-9])"
_DATE = re.compile(
    r"(?:\b(?P<when>on or before|by or before|no later than|prior to|earlier than|as of|before|by|until|till|through"
    r"|thru|after|since|from|between|in|on|at|during|of|for)\s+)?(?:\bthe\s+)?(?P<end>\bend\s+of\s+)?(?:\bthe\s+)?(?:"
    r"\b(?P<iso>20[0-9]{2}-[0-9]{2}-[0-9]{2})(?:T(?P<clock>[0-9]{2}:[0-9]{2})[0-9:.]*Z?)?"
    rf"|\b(?P<month>{_MONTH})\b(?!-[a-z])\.?(?: (?P<day>[0-9]{{1,2}}){_TH})?(?:,? (?P<year>20[0-9]{{2}})\b)?"
    rf"|\b(?P<day2>[0-9]{{1,2}}){_TH} (?:of )?(?P<month2>{_MONTH})\b\.?(?:,? (?P<year2>20[0-9]{{2}})\b)?"
    r"|(?<![\w$€£¥.,#+<>=/-])(?P<bare>20[0-9]{2})\b(?![%°/-]|[.,][0-9]))",
    re.I,
)
_DAYS_OF_A_MONTH = re.compile(
    rf"\b({_MONTH})\b\.? ([0-9]{{1,2}}){_TH}\s?(?:-|to|through)\s?([0-9]{{1,2}}){_TH}(?! ?(?:{_MONTH})\b)", re.I
)
_KINDS = dict.fromkeys(("on or before", "by or before", "no later than", "by"), "by")
_KINDS |= dict.fromkeys(("", "as of", "in", "on", "at", "during", "of", "for"), "on")
_KINDS |= dict.fromkeys(("prior to", "earlier than", "before"), "before")
_KINDS |= {"thru": "through", "till": "until", "between": "from"}
_TIME = re.compile(
    r"(?:\bat\s+)?(?<![\w:.])(?P<hour>[0-9]{1,2})(?::(?P<minute>[0-9]{2}))?(?:(?<=:[0-9]{2})|(?=\s?[ap]\.?m\b))\s?(?P<half>[ap]\.?m\b\.?)?"
    r"(?:\s?(?P<zone>[ecmp][sd]?t|utc|gmt|bst|cest|cet|eastern(?: time)?)\b)?",
    re.I,
)


class Day(NamedTuple):
    """A stated date: by (the last day that counts), on, after, from, through … Zero is what the title leaves open."""

    kind: str
    year: int
    month: int
    day: int

    def __str__(self) -> str:
        return f"{self.kind} {self.year or '?'}-{self.month or '?'}-{self.day or '?'}"


@dataclass(frozen=True, slots=True)
class Facts:
    """`words` are all that is said, in order: words, amounts, times of day, and a mark for each of `dates`.

    `links` holds, for each of `words`, the little word before it; `years` are those that stand alone, wherever.
    """

    words: tuple[str, ...]
    links: tuple[str, ...]
    dates: tuple[Day, ...]
    years: tuple[int, ...]
    close_time: datetime | None


def read_facts(title: str, close_time: datetime | None, yes_label: str = "Yes") -> Facts:
    """The facts of a title and of the label that names its YES where the title's own words do not hold it."""
    facts = _read(title, close_time)
    if yes_label.strip().casefold() in ("", "yes"):
        return facts
    label = _read(yes_label, close_time)
    told = {*label.words} <= {*facts.words} and {*label.dates} <= {*facts.dates} and {*label.years} <= {*facts.years}
    return facts if told else _read(f"{title}; {yes_label}", close_time)


def _read(title: str, close_time: datetime | None) -> Facts:
    text = _TIME.sub(_time_of, _reworded(plain(title), _REWORDED))
    dates, years, text = _take_dates(text, close_time)
    words, links = take_words(_reworded(text, _BOUNDED))
    if len(years) == 1 and years[0] in {day.year for day in dates}:
        years = ()
    return Facts(words, links, dates, years, close_time)


def plain(title: str) -> str:
    """One spelling of what looks alike: widths, accents, dashes, quotes, spaces. Letter case stays."""
    if title.isascii():
        return " ".join(title.replace("`", "'").split())
    apart = "".join(f" {char}" if unicodedata.decomposition(char).startswith(_GLUED) else char for char in title)
    folded = unicodedata.normalize("NFKD", apart.translate(_TYPOGRAPHY))
    kept = (c for c in folded if not "\u0300" <= c <= "\u036f" and unicodedata.category(c) not in ("Cf", "Co"))
    return " ".join("".join(kept).split())


def _reworded(text: str, rules: tuple[tuple[re.Pattern[str], str], ...]) -> str:
    for pattern, said in rules:
        text = pattern.sub(said, text)
    return text


def _time_of(match: re.Match[str]) -> str:
    """One spelling of a time of day with its zone, as a word: ET is not taken for EDT."""
    hour = int(match["hour"])
    if match["half"]:
        hour = hour % 12 + (12 if match["half"][0] in "pP" else 0)
    zone = (match["zone"] or "").lower()
    return f" {CLOCK}{hour}h{match['minute'] or '00'}{'et' if zone.startswith('eastern') else zone} "


def _take_dates(text: str, close_time: datetime | None) -> tuple[tuple[Day, ...], tuple[int, ...], str]:
    """(dates in order, years that stand alone, the text with a mark in place of each date)."""
    text = _DAYS_OF_A_MONTH.sub(r"\1 \2 - \1 \3", text)
    dates: list[Day] = []
    years: list[int] = []
    rest, last, between = "", 0, False
    for match in _DATE.finditer(text):
        when = (match["when"] or "").lower()
        if match["month"] and not (when or match["end"] or match["day"] or match["year"]):
            continue  # "protesters march", "inflation in the August report"
        gap = text[last : match.start()]
        joined = gap.strip()
        if dates and (joined in ("-", "to") or (joined == "and" and between) or (not joined and when in _UNTIL)):
            dates[-1] = dates[-1]._replace(kind="from")
            when, gap = "through", " "
        between = when == "between"
        day = _day_of(match, _KINDS.get(when, when), close_time)
        clock = f" {CLOCK}{match['clock'].replace(':', 'h')}utc " if match["clock"] else ""
        if day.month or day.kind != "on":
            dates.append(day)
            clock += f" {MARK} "
        else:
            years.append(day.year)
        rest, last = f"{rest}{gap} {clock}", match.end()
    return tuple(dates), tuple(years), rest + text[last:]


def _day_of(match: re.Match[str], kind: str, close_time: datetime | None) -> Day:
    if match["iso"]:
        year, month, day = map(int, match["iso"].split("-"))
    else:
        year = int(match["year"] or match["year2"] or match["bare"] or 0)
        month = _MONTHS.get((match["month"] or match["month2"] or "").lower(), 0)
        day = int(match["day"] or match["day2"] or 0)
    year = year or _year_near(close_time, month, day)
    try:
        if match["end"]:
            following = date(year + 1, 1, 1) if month in (0, 12) else date(year, month + 1, 1)
            return _on("by" if kind == "before" else kind, following - timedelta(days=1))
        if kind == "before":  # the same bet as by the day before
            return _on("by", date(year, month or 1, day or 1) - timedelta(days=1))
    except ValueError:  # no such day, or no such year
        pass
    return Day(kind, year, month, day)


def _on(kind: str, day: date) -> Day:
    return Day(kind, day.year, day.month, day.day)


def _year_near(close_time: datetime | None, month: int, day: int) -> int:
    close = close_time.date() if close_time else None
    for year in (close.year - 1, close.year, close.year + 1) if close else ():
        try:
            if close and abs(date(year, month, day or 15) - close) <= YEAR_HINT:
                return year
        except ValueError:
            continue
    return 0


def take_words(text: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    words: list[str] = []
    links: list[str] = []
    link = ""
    for match in _TOKEN.finditer(text):
        raw = match["word"] or ""
        word = raw.casefold()
        is_small = not (raw.isupper() and match.start())  # "Group A" and "IS" are names
        if is_small and word in _LINKS:
            link = _LINKS[word]
        elif not (is_small and word in _DROPPED):
            words.append(_number(match) if match["number"] else _stem(raw) if word else match["symbol"])
            links.append(link)
            link = ""
    return tuple(_SAME.get(word, word) for word in words), tuple(links)


def _number(match: re.Match[str]) -> str:
    """Sign, value, unit and bound in one: only an amount that says the same in all four is the same."""
    bound = match["bound"] or ""
    if match["plus1"] or match["plus2"] or match["after"]:
        bound += "<=" if (match["after"] or "").split(" ")[-1].lower() in _AT_MOST else ">="
    unit, other = _unit(match, 1), _unit(match, 2)
    first = _amount(match, 1, match["scale1"] or match["scale2"])
    if not match["digits2"]:
        return f"{bound}{first}{unit}"
    return f"{bound}{first}{unit or other}..{_amount(match, 2, match['scale2'])}{other or unit}"


def _amount(match: re.Match[str], which: int, scale: str | None) -> str:
    number = Decimal(match[f"digits{which}"].replace(",", ""))
    exact = _EXACT.normalize(_EXACT.scaleb(number, _SCALES.get((scale or "").lower(), 0)))
    negative = bool(match[f"sign{which}"]) != bool(match[f"minus{which}"]) and exact
    return f"{'-' if negative else ''}{exact:f}"


def _unit(match: re.Match[str], which: int) -> str:
    said = (match[f"unit{which}"] or "").lower()
    unit = next((name for name, pattern in _UNITS.items() if said and re.fullmatch(pattern, said)), "")
    currency = (match[f"currency{which}"] or "").lower().removeprefix("us")
    return currency if unit in ("", currency) else f"{currency}{unit}"


def _stem(raw: str) -> str:
    """Without the s of a third person, a plural or a possessive, so "Trump pardons" is "will Trump pardon".

    Names keep theirs (the Browns are not Brown), and so do participles their ending: to pardon is not to be pardoned.
    """
    word = raw.casefold().removesuffix("'s")
    if not raw[0].islower() or len(word) <= 3 or word.endswith(("ss", "us", "is")) or not word.endswith("s"):
        return word
    return word[:-2] if word.endswith(("sses", "xes", "zes", "ches", "shes")) else word[:-1]
