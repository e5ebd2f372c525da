"""Whether words of a text are quoted from the market's own title."""

from __future__ import annotations

import re

_WORD = re.compile(r"\w+(?:['’-]\w+)*")
_RUN = 3


def is_quoted(match: re.Match[str], title: str) -> bool:
    """Whether the matched words stand in a run of at least three words, or all of the title, copied from it.

    A title alone excuses no word: "guaranteed" in one would otherwise allow every guarantee.
    """
    own = [word.lower() for word in _WORD.findall(title)]
    run = min(_RUN, len(own))
    said = [(word.start(), word.end(), word[0].lower()) for word in _WORD.finditer(match.string)]
    inside = [n for n, (start, end, _) in enumerate(said) if start < match.end() and match.start() < end]
    if not inside or not own:
        return False
    length = max(run, len(inside))
    for first in range(max(0, inside[-1] - length + 1), inside[0] + 1):
        words = [word for _, _, word in said[first : first + length]]
        if len(words) == length and any(own[at : at + length] == words for at in range(len(own) - length + 1)):
            return True
    return False
