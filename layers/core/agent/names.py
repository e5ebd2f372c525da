"""Names in a text that its market does not know: another market's, or what the model remembers."""

from __future__ import annotations

import re
from functools import lru_cache

from core.agent.lexicon import is_plain
from core.agent.outside import Subject
from core.agent.vocabulary import Vocabulary

_WORD = re.compile(r"[^\W\d_](?:[^\W_]|['’.-](?=[^\W_]))*")
_OPENS = re.compile(r"(?:^|[.!?:;(\[\"“‘—–]|\s-)\s*$")
# What a sentence of risks may begin with beside the plain words.
_OPENERS = frozenset(
    """voters turnout polls polling regulators officials lawyers courts judges weather injuries injury politicians
    lawmakers
    legislators insiders delays technical legal political economic financial external unforeseen unexpected breaking
    media
    investors institutions hedgers algorithms bots correlated macro seasonal manipulation wash bigger somebody maybe
    perhaps possibly conversely notably importantly finally additionally furthermore moreover overall given
    """.split()
)
_KNOWN = frozenset(
    """i yes no wait caution avoid kalshi polymarket utc usd january february march april may june july august september
    october november december jan feb mar apr jun jul aug sep sept oct nov dec""".split()
)


def name_faults(text: str, subject: Subject, words: Vocabulary) -> list[str]:
    """Capitalised words inside a sentence that the title, the rules and the labels do not hold.

    A word's other forms (Fed, Federal; Democrat, Democratic) and initials (FOMC) count as held.
    """
    held = _held(subject.words)
    initials = "".join(word[0] for word in held)
    unknown = []
    for match in _WORD.finditer(text):
        word = re.sub(r"['’]s$", "", match[0])
        lower = word.lower()
        if not word[0].isupper() or (
            _OPENS.search(text[: match.start()])
            and (is_plain(lower) or lower in _OPENERS or not words.read(word).strange)
        ):
            continue
        is_held = any(lower == other or _same_stem(lower, other) for other in held)
        is_initials = word.isupper() and len(word) > 1 and lower.replace(".", "") in initials
        if not (lower in _KNOWN or is_held or is_initials):
            unknown.append(word)
    return [f"a name that the market does not hold: {word}" for word in dict.fromkeys(unknown)]


@lru_cache(maxsize=64)  # asked with every claim of an answer
def _held(words: str) -> tuple[str, ...]:
    return tuple(word.lower() for word in _WORD.findall(words))


def _same_stem(word: str, other: str) -> bool:
    shorter = min(len(word), len(other))
    return shorter >= 3 and (
        word.startswith(other[:5]) if shorter > 4 else word.startswith(other) or other.startswith(word)
    )
