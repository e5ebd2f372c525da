"""A text cut into clauses that hold at most one number each."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from core.agent.phrases import any_of
from core.agent.quantities import Quantity

_SENTENCE_ENDS = re.compile(r"(?<=[.!?])(?<!\bvs\.)(?=\s)|\n")
_CUT = re.compile(
    r"[,;:()\[\]/“”\"—]|(?<=\s)[-–]+(?=\s)"
    r"|\b(?=(?:and|but|while|whereas|where|which|who|yet|so|because|if|unless|when|whether|although|though|despite"
    r"|against|versus|vs|compared|leaving|leaves(?! (?:early|before|no|little))|giving"
    r"|that(?= (?:the|this|its|it|yes|no)\b))\b)",
    re.I,
)
# Between two numbers that nothing stronger parts: the second one's phrase begins at the first of these.
_SOFT_CUT = re.compile(
    r"\b(?:adds? up|sums?|comes? to|undercuts?|exceeds?|is|are|was|were|to|on|at|after|with|from|below|above|under|over"
    r"|in|for|by|than)\b|(?<!\bof )\b(?:the|a|an|its)\b(?! (?:contract|share)\b)",
    re.I,
)
# After a number: what the thing that it measures does or suggests is told of the thing, not of the number.
_VERB = re.compile(
    r"\b(?:already |still |alone )*(?:(?:may|might|could) (?:only |well |simply |just )*)?"
    r"(?:reflect|mean|make|look|seem|suggest|show|come from|explain|hint|point|indicate|appear|eat|cut|limit|support"
    r"|(?:offer|leave)(?=s? (?:no|little)\b))s?\b",
    re.I,
)
_UNCUT = any_of(r"""
    bids? and (?:the )?asks?, bid/ask, adds? up to, comes? to, (?:bet|betting|go|going|wager\w*) against,
    (?:times|x) (?:the|its) (?:usual|typical|normal)(?: hourly)?(?: volume)?(?: of)?
""")


@dataclass(frozen=True, slots=True)
class Clause:
    """`text` has the place of its number marked by #. `sentence` counts from 0."""

    text: str
    quantity: Quantity | None
    sentence: int


def clauses(text: str, numbers: Sequence[Quantity], whole: Sequence[tuple[int, int]] = ()) -> list[Clause]:
    """`numbers` are those that part clauses, in order; the spans in `whole` are not cut."""
    kept = [*whole, *((number.start, number.end) for number in numbers), *(m.span() for m in _UNCUT.finditer(text))]
    ends = [m.start() for m in _SENTENCE_ENDS.finditer(text)]
    cuts = {0, len(text), *ends, *(m.start() for m in _CUT.finditer(text) if _is_free(m.start(), kept))}
    for left, right in pairwise(numbers):
        if not any(left.end <= cut <= right.start for cut in cuts):
            soft = (m.start() for m in _SOFT_CUT.finditer(text, left.end, right.start) if _is_free(m.start(), kept))
            phrase = max((end for start, end in kept if left.start < start < end <= right.start), default=left.end)
            cuts.add(next(soft, phrase))
    for told in numbers:
        verb = _VERB.search(text, told.end, min((cut for cut in cuts if cut > told.end), default=len(text)))
        cuts |= {verb.start()} if verb and _is_free(verb.start(), kept) else set()
    found = []
    ordered = sorted(cuts)
    for start, end in pairwise(ordered):
        number = next((n for n in numbers if start <= n.start < end), None)
        words = text[start:end]
        if number is not None:
            words = f"{text[start : number.start]} # {text[number.end : end]}"
        words = " ".join(words.split()).strip(" ,;:()[]/")
        if re.search(r"\w|#", words):
            found.append(Clause(words, number, sum(stop <= start for stop in ends)))
    return found


def _is_free(position: int, kept: Sequence[tuple[int, int]]) -> bool:
    return not any(start < position < end for start, end in kept)
