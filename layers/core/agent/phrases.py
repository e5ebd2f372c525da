"""Lists of phrases as one pattern, so that the lists can be read and added to."""

from __future__ import annotations

import re

POSSIBLE = "may, might, can, could, would, if, whether, unless, perhaps, possibly, maybe, in case"


def one_of(listed: str) -> str:
    """The comma-separated phrases as alternatives; each may use regular expressions, and ' also matches ’."""
    return "|".join(" ".join(phrase.split()) for phrase in listed.split(",") if phrase.strip()).replace("'", "['’]")


def any_of(listed: str, before: str = "", after: str = "") -> re.Pattern[str]:
    """Whole words of any of the phrases, in any case, between what `before` and `after` match."""
    return re.compile(rf"{before}\b(?:{one_of(listed)})\b{after}", re.I)
