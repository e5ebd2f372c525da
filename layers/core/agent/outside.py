"""What venues say of a market, as text that can do no harm: bounded, in plain characters, in one line of sight.

Nothing in it is believed or obeyed. Source of the look-alikes: Unicode's confusables.txt (UTS 39), the letters of
Cyrillic and Greek that look like one Latin letter.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass

from core.models import Platform

TITLE_CHARS = 300
RULES_CHARS = 1_500
LABEL_CHARS = 100
_MOST_MARKS = 2  # on one letter: more are drawn over what stands around it
_LOOK_ALIKES = str.maketrans(
    "АВЕЅІЈКМНОРСТУХЬаеѕіјорсухԁԛԝһӏɡΑΒΕΖΗΙΚΜΝΟΡΤΥΧονıＬ",
    "ABESIJKMHOPCTYXbaesijopcyxdqwhlgABEZHIKMNOPTYXoviL",
)
_WORD = re.compile(r"\w+")
_LATIN = re.compile(r"[A-Za-z]")
_LOOKS_LATIN = frozenset(_LOOK_ALIKES)


def clean(text: str, most: int) -> str:
    """At most `most` characters: compatible forms made plain (NFKC), what is invisible or turns the writing direction
    left out, look-alikes read as the Latin letters that they pass for, all white space a single space."""
    plain = text[: most * 4]
    if plain.isascii() and (spaced := " ".join(plain.split())).isprintable():
        return spaced[:most].strip()  # nothing of the rest can be in it
    plain = unicodedata.normalize("NFKC", plain)
    kept, marks = [], 0
    for char in plain:
        kind = unicodedata.category(char)
        marks = marks + 1 if kind in ("Mn", "Me") else 0
        if char.isspace():
            kept.append(" ")
        elif kind not in ("Cc", "Cf", "Co", "Cn", "Cs") and marks <= _MOST_MARKS:
            kept.append(char)
    joined = "".join(kept)
    if _LATIN.search(joined):
        joined = _WORD.sub(_unmasked, joined)
    return " ".join(joined.split())[:most].strip()


def _unmasked(word: re.Match[str]) -> str:
    """A word that mixes scripts, or has only letters that pass for Latin ones, is read as it looks."""
    letters = [char for char in word[0] if char.isalpha()]
    foreign = [char for char in letters if not char.isascii()]
    if not foreign or not any(ord(char) in _LOOKS_LATIN for char in foreign):
        return word[0]
    looks = all(char.isascii() or ord(char) in _LOOKS_LATIN for char in letters)
    mixed = any(char.isascii() for char in letters)
    return word[0].translate(_LOOK_ALIKES) if looks or mixed else word[0]


@dataclass(frozen=True, slots=True)
class Subject:
    """The market that a text is about, in its venue's words, cleaned."""

    platform: Platform
    market_id: str
    title: str
    rules: str
    yes_label: str
    no_label: str

    @property
    def words(self) -> str:
        return " ".join((self.title, self.rules, self.yes_label, self.no_label))


def subject_of(
    platform: Platform, market_id: str, title: str, rules: str, yes_label: str = "Yes", no_label: str = "No"
) -> Subject:
    return Subject(
        platform,
        clean(market_id, LABEL_CHARS),
        clean(title, TITLE_CHARS),
        clean(rules, RULES_CHARS),
        clean(yes_label, LABEL_CHARS),
        clean(no_label, LABEL_CHARS),
    )
