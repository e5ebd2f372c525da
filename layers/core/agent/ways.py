"""What a text says of the market without a number: where the price went, what traded, whether there is an edge."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

from core.agent.clauses import clauses
from core.agent.labels import MOVES
from core.agent.phrases import any_of
from core.agent.promises import is_denied
from core.agent.quantities import quantities
from core.agent.vocabulary import PERIOD, Vocabulary
from core.models import Fact

_POSSIBLE = any_of(r"""
    may, might, could, can, would, should, if, whether, unless, until, when, once, perhaps, possibly, maybe, will,
    likely, unlikely, before, further, to
""")
_ROSE = any_of(
    "rose, risen, rising, climbed, climbing, rallied, rallying, surged, surging, gained, jumped, spiked, soared"
)
_FELL = any_of(
    "fell, fallen, falling, dropped, dropping, slid, sliding, slumped, sank, declined, plunged, tumbled, dipped, lost"
)
_PRICE = any_of("price, market, probability, YES, contract, quote, it")
_BUSY = any_of("heavy, high, strong, elevated, unusual, unusually, surging, brisk, busy, spike, spiked, surged, jumped")
_QUIET = any_of("thin, light, low, weak, little, quiet, no, dry, dried")
_VOLUME = any_of("volume, trading, turnover, activity")
_EDGE = any_of(
    "an? (?:\\w+ )?edge, the edge (?:is|remains|stays|holds), edge (?:remains|is left|survives), leaves an edge"
)
_NONE = any_of("no, not, nothing, none, never, without, hardly, neither, \\w+n't")
_COIN = any_of("an? (?:dollar|buck|dime|nickel|penny|fortune)(?! that can be paid)")


def way_faults(text: str, cited: Sequence[Fact], edge_cents: Decimal | None, words: Vocabulary) -> list[str]:
    """A line for each clause whose direction is not that of a cited fact. Clauses with numbers are judged elsewhere."""
    found = []
    values = {fact.name: fact.number for fact in cited if fact.unit != "UTC"}
    periods = [match.span() for match in PERIOD.finditer(text)]
    numbers = [
        one
        for one in quantities(text)
        if not one.is_figure_of_speech and not any(start <= one.start < end for start, end in periods)
    ]
    found += [f"a sum that no fact tells: {match[0]}" for match in _COIN.finditer(text)]
    for clause in clauses(text, numbers, periods):
        said = clause.text
        if clause.quantity is not None or _POSSIBLE.search(said):
            continue
        tags = words.read(said).tags
        if _PRICE.search(said) and not tags & {"other", "siblings", "volume", "spread"}:
            found += [f"no cited fact says so: {said}"] if not _went(said, values, tags) else []
        if _VOLUME.search(said):
            found += [f"no cited fact says so: {said}"] if not _traded(said, values) else []
        if (match := _EDGE.search(said)) and not _NONE.search(said[: match.start()]):
            found += [] if edge_cents is not None and edge_cents > 0 else [f"an edge that code did not find: {said}"]
    return found


def _went(said: str, values: dict[str, Decimal], tags: frozenset[str]) -> bool:
    ways = [
        match for match in (_ROSE.search(said), _FELL.search(said)) if match and not is_denied(said[: match.start()])
    ]
    if len(ways) != 1:
        return True
    wanted = 1 if _ROSE.search(said) else -1
    told = tags & frozenset(MOVES.values())
    moves = {name: value for name, value in values.items() if name in MOVES and (not told or MOVES[name] in told)}
    return any(wanted * value > 0 for value in moves.values())


def _traded(said: str, values: dict[str, Decimal]) -> bool:
    busy, quiet = _BUSY.search(said), _QUIET.search(said)
    if bool(busy) == bool(quiet):
        return True
    ratio, sigmas = values.get("volume_ratio"), values.get("volume_sigmas")
    known = [value for value in (None if ratio is None else ratio - 1, sigmas) if value is not None]
    return any(value > 0 if busy else value < 0 for value in known)
