"""What a text would have its reader do, held against the position that the answer takes.

A clause that names a side must not speak for another side than the position's, nor against that. The side that is not
the position's may be named only where its price is told, where it is denied, or where settlement is the subject.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from core.agent.clauses import clauses
from core.agent.phrases import any_of
from core.agent.promises import is_denied
from core.agent.quantities import quantities
from core.agent.vocabulary import NO, YES, Vocabulary

ORDER = any_of(r"""
    buy, buying, purchas(?:e|ing), tak(?:e|ing), back, backing, bet(?! that), betting, wager\w*, enter, entering,
    long, go,
    going,
    grab\w*, get, getting, pick\w*, load\w*, hold, holding, own, owning, prefer\w*, favou?r, favou?rs, favou?ring,
    choos(?:e|es|ing), play, playing, accumulat\w+, add(?! up), adding, lean\w*, stak(?:e|ing), scoop\w*, snap\w*,
    side with, siding, want, like, collect, acquir\w+, build\w*, stack, invest\w*, root\w*, trust\w*, ride, order,
    secure,
    target, put (?:your|my|some|more|all), pil(?:e|ing), jump in\w*, recommend\w*, suggest\w*, consider\w*, stick,
    stay in,
    chas(?:e|ing), touch, swap into, switch to
""")
SALE = any_of(r"""
    sell, selling, short, shorting, fad(?:e|ing), dump\w*, lay, laying, oppos(?:e|ing), unload\w*,
    (?:bet|betting|go|going|wager\w*) against
""")
_SHUN = any_of(r"""
    avoid\w*, skip\w*, bail\w*, get out, get rid, cut (?:your|their|the) loss\w*,
    (?:stay|keep) (?:away from|out of|clear of),
    steer clear, leave, pass on, ditch\w*, exit, forget, ignore
""")
_PRAISE = any_of(r"""
    play, pick, value, bargain, choice, call, answer, cheap(?:er|est)?, under(?:priced|valued|rated), better, best,
    attractive, favou?red, favou?rite, winner, winning, steal, gift, right side, smart, good, great, obvious,
    compelling,
    interesting, the (?:trade|bet|buy|move|way), a (?:buy|bet|punt), edge, opportunity, upside, discount\w*, mispriced,
    pays off, deserves, worth (?:buying|taking|a \w+|having|owning|considering)
""")
_BLAME = any_of(r"""
    rich, over(?:priced|valued|rated), expensive, dear, dearer, pricey, too high, bad, poor, worse, worst, wrong side,
    unattractive, trap
""")
_SETTLEMENT = any_of(r"""
    resolv\w+, settl\w+, resolution, outcome, happens?, neither, nor, holders?, both, either, wins?, means, stands for,
    rules, whether
""")
_DENIAL = any_of(r"not, never, nothing, none, neither, nor, hardly, without, nobody, cannot, no, \w+n't")
_OPEN_QUESTION = any_of(r"whether")
_RHETORIC = any_of(r"rather than, instead of, why would (?:any\w+|you)")
_SIDELESS = any_of(r"""
    (?:bet|betting|go|going|wager\w*) against, (?:lean|leaning|bet|betting) the other way,
    (?:tak(?:e|ing)|play(?:ing)?|buy(?:ing)?|back(?:ing)?|on) the (?:other|opposite) side,
    (?:short(?:ing)?|sell(?:ing)?|fad(?:e|ing)|dump(?:ing)?|lay(?:ing)?)
        (?:it|this|that|the|these|into|here|now|every|at)
""")
_URGE = any_of(
    r"""
    buy, get in, load up, grab, jump in, pile in, scoop, act now, enter, go long, bet, pull the trigger,
    take (?:it|this|that|the trade|a position)
    """,
    before=r"(?:^|\b(?:should|must|to|can|now|time to|simply|just) )",
)
_CHOICE = any_of(r"rather than, instead of, over, or, nor, than, versus, vs")
_ADVISED = any_of(r"""
    deserves?, better, best, worth, smart, right side, obvious, compelling, winner, winning, pays off, play, pick, call,
    answer, the (?:trade|bet|buy|move|way), a (?:buy|bet|punt), opportunity, steal, gift, great, good
""")
_OTHER = {"YES": "NO", "NO": "YES"}


def advice_faults(text: str, position: str, edge_side: str | None, words: Vocabulary) -> list[str]:
    """A line for each clause that says something else than the position."""
    found = []
    for clause in clauses(text, []):
        named = list(_named(clause.text, words))
        if not named:
            found += _sideless(clause.text, position)
        for part, side, outright in named:
            wanted, against = _stance(_unsided(part), side)
            if wanted is not None and wanted != position and not _is_told_value(part, wanted, position, edge_side):
                found.append(f"speaks for {wanted}, the position is {position}: {part}")
            elif position == "WAIT" and against is not None and _BLAME.search(part) and not is_denied(part):
                found.append(f"speaks against {against}, the position is WAIT: {part}")
            elif against is not None and against == position:
                found.append(f"speaks against {against}, the position: {part}")
            elif outright and side != position and wanted is None and against is None and not _is_neutral(part):
                found.append(f"brings up {side}, the position is {position}: {part}")
    return found


def _named(clause: str, words: Vocabulary) -> Iterator[tuple[str, str, bool]]:
    """(part of the clause, the side it names, whether by YES or NO): where both are named, each with its own part."""
    sides = {"YES": YES, "NO": NO}
    outright = [
        (m.start(), side)
        for side, told in sides.items()
        for m in re.finditer(rf"(?<!\w)(?:{told})(?!\w)", clause, re.I)
    ]
    labels = [
        (m.start(), side.upper())
        for side, label in words.labels.items()
        for m in re.finditer(rf"(?<!\w){re.escape(label)}(?!\w)", clause)
    ]
    places = sorted(outright or labels)
    if len({side for _, side in places}) < 2:
        yield from ((clause, side, bool(outright)) for _, side in places[:1])
        return
    start = 0
    for (at, side), following in zip(places, [*places[1:], (len(clause), "")], strict=True):
        cut = _CHOICE.search(clause, at, following[0])
        end = cut.start() if cut else following[0]
        yield clause[start:end], side, bool(outright)
        start = end


def _unsided(part: str) -> str:
    """NO as a side denies nothing; a bet that is named and what is like another are no orders."""
    part = re.sub(
        r"\b(?:a|the|same|this|that|another) bet\b(?= (?:that|on|trades|is|here|at|there))", "that", part, flags=re.I
    )
    part = re.sub(r"\b(markets|setups|moves|moments) like\b", r"\1 as", part, flags=re.I)
    return re.sub(rf"(?<!\w)(?:{YES}|{NO})(?!\w)", "it", part, flags=re.I)


def _stance(part: str, side: str) -> tuple[str | None, str | None]:
    """(the side it speaks for, the side it speaks against); Nones where it only tells something."""
    if _OPEN_QUESTION.search(part):
        return None, None
    for pattern, meant, speaks_for in (
        (_SHUN, side, False),
        (SALE, _OTHER[side], True),
        (ORDER, side, True),
        (_PRAISE, side, True),
        (_BLAME, side, False),
    ):
        if match := pattern.search(part):
            return (meant, None) if speaks_for != _is_refused(part, match.start()) else (None, meant)
    return None, None


def _is_refused(part: str, at: int) -> bool:
    return is_denied(part[:at]) or bool(
        re.search(r"\b(?:rather than|instead of|why would (?:any\w+|you))\b", part[:at], re.I)
    )


def _is_told_value(part: str, side: str, position: str, edge_side: str | None) -> bool:
    """Waiting allows to say which side is the cheaper one, where code found the better edge there."""
    ordered = ORDER.search(part) or SALE.search(part) or _ADVISED.search(part)
    return position == "WAIT" and not ordered and side == edge_side


def _is_neutral(part: str) -> bool:
    part = _unsided(part)
    counted = any(not quantity.is_figure_of_speech for quantity in quantities(part))
    return bool(
        counted
        or _SETTLEMENT.search(part)
        or _OPEN_QUESTION.search(part)
        or _DENIAL.search(part)
        or _CHOICE.match(part)
    )


def _sideless(part: str, position: str) -> list[str]:
    if (match := _SIDELESS.search(part)) and not is_denied(part[: match.start()]):
        return [f"a side that is not named: {part}"]
    if position == "WAIT" and (match := _URGE.search(part)) and not is_denied(part[: match.start()]):
        return [f"urges to act, the position is WAIT: {part}"]
    return []
