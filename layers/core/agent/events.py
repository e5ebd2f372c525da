"""What a text says to have happened in the world. No fact of ours tells such a thing, so it may only be a possibility."""

from __future__ import annotations

import re

from core.agent.clauses import clauses
from core.agent.phrases import any_of
from core.agent.vocabulary import Vocabulary

_POSSIBLE = any_of(r"""
    may, might, could, can, would, should, if, whether, unless, until, when, once, perhaps, possibly, maybe, in case,
    or else, asks?, cannot, unlikely, likely, will
""")
_PAST = re.compile(r"\b[a-z]{2,}ed\b")
_EVENTS = any_of(r"""
    won, lost the, beat, beaten, quit, died, shot, fled, spoke, spoken, wrote, written, sued, stole, stolen, fought,
    sworn, resign\w*, withdr[ea]w\w*, announced, agreed, approved, rejected, vetoed, injured, hurt, arrested, indicted,
    convicted, acquitted, elected, appointed, nominated, dismissed, fired, hired, suspended, banned, sanctioned, invaded,
    attacked, bombed, crashed, exploded, erupted, scored, qualified, eliminated, cancelled, canceled, postponed,
    ratified, passed, voted, ruled, ordered, pledged, promised, threatened, warned, denied, admitted, revealed, leaked,
    met, negotiated, struck, launched, released, delivered, acquired, merged, bankrupt, defaulted, testified, endorsed,
    conceded, retired, hospitalised, hospitalized, diagnosed, confirmed, signed, sealed, called off, stepped down,
    dropped out, pulled out, walked away, broke down, fell apart, went through, told, said, has said, have said
""")
_OF_A_MARKET = any_of(r"""
    price[sd]?, pricing, markets?, venues?, quotes?, volumes?, spreads?, trading, traders?, trades?, book, asks?, bids?,
    edge, moves?, gaps?, yes, no, it, this, that, buyers?, sellers?, orders?, kalshi, polymarket, depth, liquidity,
    contracts?, estimate, probability, chance, fees?, costs?, facts?, evidence, setups?, position, drop, fall, rise, jump,
    slide, rally, spike, drift, noise, rate, side, sides, one, both
""")
_CHANCE = any_of("probability, chances?, likelihood, risk, bet, possibility, case")
# Past forms that speak of prices, trades, facts or the analysis itself.
_OF_MARKETS = frozenset(
    """moved priced quoted traded dropped jumped slipped climbed gained surged spiked dipped plunged tumbled slumped
    declined retreated advanced increased decreased reduced shifted drifted changed rallied recovered reversed reverted
    retraced faded stalled paused settled widened narrowed tightened collapsed doubled tripled peaked bottomed swelled
    softened firmed cooled heated eased accelerated slowed reacted overreacted underreacted responded adjusted corrected
    followed lagged trailed converged diverged matched exceeded reached touched crossed approached remained stayed
    happened occurred appeared seemed looked turned started stopped ended continued persisted lasted needed wanted
    required offered asked listed charged deducted subtracted added summed combined shared computed calculated measured
    counted compared based linked related tied connected implied suggested indicated supported backed justified
    explained reflected shown mentioned stated named called described defined given noted said cited proved unproved
    tested confirmed checked verified reviewed published updated refreshed cited informed limited bounded expected
    anticipated assumed estimated judged rated weighed considered viewed treated used left filled unfilled bought
    absorbed executed placed opened closed held owned locked exposed risked covered hedged paid overpaid earned missed
    overlooked ignored caused driven triggered sparked led fuelled fueled concentrated crowded stretched skewed tilted
    biased favoured favored discounted mispriced undervalued overvalued underpriced overpriced justified warranted
    deserved merited wasted delayed staled detailed marked pronounced sustained repeated isolated elevated heightened
    depressed subdued muted compressed inflated extended overextended exaggerated contained balanced mixed inverted
    resolved decided determined tended aligned anchored flagged detected spotted observed recorded registered stored
    sized scaled rounded unexplained unchanged undecided unresolved unjustified unproven untested untouched uninformed
    unrelated unsupported unwarranted incorporated built digested hundred indeed speed exceed need proceed succeed
    ended expired cleared lowered raised lifted pushed pulled pressed knocked driven cheapened richened bounced rebounded
    slid outpaced outweighed offset attributed committed interested skilled seasoned crowded involved attached included
    excluded omitted provided received obtained gathered assembled collected supplied captured derived inferred
    accompanied preceded signalled signaled highlighted underlined emphasised emphasized restricted capped attracted
    prompted motivated vanished disappeared evaporated narrowed equalised equalized normalised normalized stabilised
    stabilized expressed embedded nested perceived seed weed feed breed supposed
    unaffected guaranteed assured unmoved unreflected undisclosed unmatched""".split()
)
_MEASURED = frozenset(("up", "down", "move", "volume", "offer", "spread", "chance", "price", "level", "follow", "t"))


def event_faults(text: str, words: Vocabulary) -> list[str]:
    """A line for each clause that tells an event as a fact."""
    found, before = [], ""
    for clause in clauses(text, []):
        is_possible = _POSSIBLE.search(clause.text) or (clause.text.startswith("that ") and _CHANCE.search(before))
        before = clause.text
        if is_possible:
            continue
        said = clause.text
        told = [match[0] for match in _EVENTS.finditer(said)]
        if not _OF_A_MARKET.search(said):
            told += [match[0] for match in _PAST.finditer(said) if match[0] not in _OF_MARKETS]
        if any(not words.read(one).tags & _MEASURED for one in told):
            found.append(f"an event that no fact tells: {said}")
    return found
