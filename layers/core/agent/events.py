"""What a text states as a fact beyond its numbers: what happened in the world, or anything but plain analysis.

No fact of ours tells such a thing, so it may only be told as a possibility.
"""

from __future__ import annotations

from core.agent.clauses import clauses
from core.agent.dates import date_spans
from core.agent.lexicon import is_plain
from core.agent.phrases import POSSIBLE, any_of
from core.agent.quantities import quantities
from core.agent.vocabulary import Vocabulary

_POSSIBLE = any_of(f"{POSSIBLE}, asks?")
_EVENTS = any_of(r"""
    won, lost the, beat, beaten, quit, died, shot, fled, spoke, spoken, wrote, written, sued, stole, stolen, fought,
    sworn, resign\w*, withdr[ea]w\w*, announced, agreed, approved, rejected, vetoed, injured, hurt, arrested, indicted,
    convicted, acquitted, elected, appointed, nominated, dismissed, fired, hired, suspended, banned, sanctioned,
    invaded,
    attacked, bombed, crashed, exploded, erupted, scored, qualified, eliminated, cancelled, canceled, postponed,
    ratified, passed, voted, ruled, ordered, pledged, promised, threatened, warned, denied, admitted, revealed, leaked,
    met, negotiated, struck, launched, released, delivered, acquired, merged, bankrupt, defaulted, testified, endorsed,
    conceded, retired, hospitalised, hospitalized, diagnosed, confirmed, signed, sealed, called off, stepped down,
    (?:has|have|had|already) happened, took place, dropped out, pulled out, walked away, broke down, fell apart,
    went through, told, said, has said, have said
""")
_QUESTIONS = ("Will ", "Who ", "Which ", "Does ", "When ")
_CHANCE = any_of("probability, chances?, likelihood, risk, bet, possibility, case")
_MEASURED = frozenset(("up", "down", "move", "volume", "offer", "spread", "chance", "price", "level", "follow", "t"))


def event_faults(text: str, words: Vocabulary) -> list[str]:
    """A line for each clause that tells as a fact what happened, or anything in words that are no analysis'."""
    found, before = [], ""
    for clause in clauses(_without_numbers(text), []):
        said = clause.text
        is_possible = (
            _POSSIBLE.search(said)
            or said.startswith(_QUESTIONS)
            or (said.startswith("that ") and _CHANCE.search(before))
        )
        before = said
        if is_possible:
            continue
        reading = words.read(said)
        told = [match[0] for match in _EVENTS.finditer(said)]
        if any(not words.read(one).tags & _MEASURED for one in told):
            found.append(f"an event that no fact tells: {said}")
        strange = [word for word in reading.strange if not is_plain(word.lower())]
        found += [f"told as a fact, in the word {word}" for word in strange[:1]]
    return found


def _without_numbers(text: str) -> str:
    """Numbers and dates are judged elsewhere."""
    spans = [(start, end) for start, end, _ in date_spans(text)]
    spans += [(one.start, one.end) for one in quantities(text) if not one.is_figure_of_speech]
    kept = list(text)
    for start, end in spans:
        kept[start:end] = [" "] * (end - start)
    return "".join(kept)
