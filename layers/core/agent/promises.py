"""What no evidence can carry: certainty, urging, confidence in words, and what is known from elsewhere.

Lists of words: they catch the usual phrases, not every paraphrase.
"""

from __future__ import annotations

import re

from core.agent.phrases import POSSIBLE, any_of
from core.agent.quoting import is_quoted

_CERTAINTY = any_of(r"""
    guarantee[sd]?, certain(?:ly|ty)?, definite(?:ly)?, undoubtedly, unquestionabl[ey], indisputabl[ey], inevitabl[ey],
    assured(?:ly)?, surely, surefire, for sure, sure (?:thing|bet|win|to),
    (?:never )?(?:been|was|am|are) (?:more )?sure[rd]?,
    no (?:doubt|question|way(?! to (?:tell|know|say|judge))), without (?:a |any )?(?:doubt|question),
    beyond (?:a |any |all )?doubt,
    bound to, destined to, (?:has|have) to (?:win|come back|pay), must win, a lock, lock(?:s|ed|ing)? in, in the bag,
    as good as (?:done|over|won), done deal, all but (?:over|settled|done), foregone, dead cert, home and dry,
    (?:practically|virtually|basically|essentially) (?:done|over|signed|settled|won|decided|there),
    already (?:won|decided), (?:the outcome|it) is settled, zero chance, no chance,
    nothing (?:can|will|could) (?:stop|go),
    every (?:single )?time, always (?:win|pay|revert|come)s?, mark my words
""")
_RISKLESSNESS = any_of(r"""
    risk[- ]?free, riskless, zero risk, (?:there is|there's|with|at|carries|has) (?:no|zero|little to no) risk,
    no[- ]lose, nothing to lose, (?:nobody|no one) (?:ever )?los(?:es|t),
    (?:can't|cant|cannot|can not|won't|never)[- ](?:lose[sd]?|miss(?:es)?|fails?|go(?:es)? wrong),
    impossible (?:for \w+ )?to (?:lose|fail|miss), foolproof, bullet-?proof, iron-?clad, rock[- ]solid, safe bet,
    (?:is|are|be|looks) safe,
    (?:perfectly|completely|totally|absolutely|100%) (?:safe|certain|sure)
""")
_URGING = any_of(r"""
    free (?:money|lunch|lunches|cash), easy money, print(?:s|ing)? (?:money|cash), jackpot,
    (?:get|gets|getting|got) rich, gold ?mine,
    no[- ]brainer, slam[- ]dunk, lay-?up, only a fool, unbeatable, unstoppable, must[- ](?:buy|have), screaming,
    too good to, once[- ]in[- ]a, all[- ]in, bet the (?:house|farm), mortgage, yolo, to the moon, moonshot,
    don't miss, hurry, last chance, before (?:it's|it is) too late, wake up,
    massive(?:ly)?, huge(?:ly)?, enormous(?:ly)?, gigantic, incredibl[ey], amazing(?:ly)?, unbelievabl[ey],
    insane(?:ly)?,
    explo(?:de|des|ding|sive)\w*, sky-?rocket\w*, rocket\w*, life-?changing, generational, epic, legendary, golden,
    perfect (?:storm|setup|trade|bet|play|entry), crush(?:es|ing)?, crazy, juicy, bonkers, monster, gem, windfall,
    fortune, millions, rich quick, easy (?:win|profit|trade|bet|play|call), easiest, (?:can't|cannot) (?:lose|miss),
    sure(?:fire)? (?:win|winner|profit)\w*, (?:double|triple|multiply) your, profit (?:now|today|guaranteed), buy now,
    act (?:now|fast|immediately|quickly), right now, immediately, time is running out, smash, back up the truck,
    of a lifetime, can only (?:go|rise|win|fall)\w*, infallibl[ye], (?:only )?(?:a|an) fool, fool to,
    never (?:been )?(?:better|cheaper|easier), dream, wow, fomo, whales?, insiders? (?:know|are)
""")
_PREDICTION = any_of(
    r"""
    w[io]n\w*, los[et]\w*, pay\w*, rise\w*, fall\w*, drop\w*, jump\w*, climb\w*, revert\w*, reverse\w*, return\w*,
    recover\w*, bounce\w*, correct\w*, converge\w*, come, happen\w*, pass, resolve\w*, settle\w*, close the, reach\w*,
    hit, trade, go, profit\w*, signed, approved, elected, confirmed
    """,
    before=r"(?<!\bif )\b(?:will|won['’]t|(?:is|are) going to|is set to|is about to)(?: \w+ly| soon| not| be| have)* ",
)
_VICTORY = any_of(
    r"(?-i:YES|NO|Yes|No) (?:wins|pays off), (?:it|this|that) (?:wins|pays off)",
    before=r"(?<!\bif )(?<!\bunless )(?<!\bwhen )(?<!\bonce )(?<!\bwhether )",
)
_CONFIDENCE = any_of(r"confiden\w+, conviction, (?:we|i) (?:am|are|feel) (?:\w+ )?(?:sure|certain)")
_HISTORY = any_of(r"""
    historical(?:ly)?, history (?:shows|says|suggests), on average, statistic(?:s|al|ally), back-?test\w*, track record,
    in the past(?! (?:hour|day|24|three|six|twelve|3|6|12)), precedents?,
    past (?:cases|patterns|episodes|moves|examples),
    (?:usually|typically|normally|often|mostly|generally|almost always|tends? to|frequently|regularly|rarely|seldom)
        (?:revert|come|fade|reverse|pay|win|bounce|correct|return|recover|persist|continue|hold|last|overshoot)\w*,
    (?:most|many|majority of|few) (?:such|similar|of these|of those|setups|moves|spikes|jumps|markets),
    (?:such|similar|these) (?:setups|moves|patterns|spikes|jumps|drops) (?:are|have|were|usually|tend|often|mostly)
""")
_ELSEWHERE = any_of(r"""
    stud(?:y|ies) (?:show|find|say)\w*, according to (?!the (?:facts|rules|evidence|market|other))\w+, polls?,
    polling, experts?, analysts?, insiders?, pundits?, rumou?rs?, whales?, smart money, reportedly,
    sources (?:say|tell|close)\w*, (?:news|reports?|media) (?:broke|say|show|suggest|confirm|indicate)\w*,
    yesterday, tonight, tomorrow, (?:last|next|this|past) (?:week|month|year|night|weekend|quarter|few)\w*,
    (?:mon|tues|wednes|thurs|fri|satur|sun)day
""")
# What only a longer history, a book or the news could tell, and no fact of ours does.
_UNTOLD = any_of(r"""
    all[- ]time, on record, record (?:high|low|level|price|volume|move|drop|fall|rise|jump)s?, unprecedented,
    (?:\w+est|most|than|since) (?:\w+ )*ever, ever (?:seen|before|recorded), never before, first time (?:in|since|that),
    (?:\w+est|most \w+) (?:\w+ )*(?:in|for|since|of the) (?:\w+ )?(?:days|weeks?|months?|years?),
    (?:for|in|within|over|since|after) (?:(?:many|several|some|the past|recent) )?(?:days|weeks|months|years),
    (?:all|this|the whole|the entire) (?:day|week|month|year)(?: long)?,
    (?:day|week|month|year)s?[- ](?:long|old|high|low), (?:daily|weekly|monthly|yearly|multi-\w+) (?:high|low)s?,
    (?:is|are|looks?|seems?|appears?|remains?) (?:\w+ )?(?:\w+ )?(?<!percent )(?:un)?likely(?! to (?:move|matter|fill)),
    (?:im)?probable,
    (?:knows?|knew|know) (?:more|better|something|best), better informed,
    (?:been|was|were|is|are|proved|proven|turned out) (?:\w+ )?(?:right|correct) (?:before|so far|in the past|about),
    (?:no|without|without any|absent) (?:(?:fresh|new|public|clear) )?(?:news|headlines?|announcements?|catalysts?),
    (?:book|side|bids|offers|asks) (?:is|are|looks?|stands?|ran|went) (?:empty|gone|dry|one-sided),
    no (?:bids|bidders|offers|buyers|sellers|takers) (?:are|is|left|remain|stand)
""")
_POSSIBLY = any_of(POSSIBLE)
_HEDGE = any_of(r"may, might, could, if, whether, perhaps, possibly, unless, no, not, nothing, without, \w+n't")
_DENIAL = any_of(
    r"not, no, never, nothing, none, neither, nor, hardly, without, far from, nobody, \w+n't",
    after=r"\W+(?:\w+\W+){0,2}$",
)
# "Do not hesitate to", "you would be mad not to", "no better time to" deny nothing.
_MOCK_DENIAL = any_of(r"""
    hesitat\w+, miss, overlook, ignore, forget, wait, doubt\w*, fail, only, just, better, beats?, question, argu\w+,
    mistake, sooner, worr\w+, be shy, afraid, crazy, mad, fool\w*, stupid, silly, insane, regret\w*, sorry, wrong,
    los[et]\w*
""")


def promise_faults(text: str, title: str) -> list[str]:
    """Promises unless denied, confidence, and knowledge from elsewhere unless hedged. Quoted from the title is
    neither."""
    found = []
    for promise in (_CERTAINTY, _RISKLESSNESS, _URGING, _PREDICTION, _VICTORY):
        found += [f"hype: {m[0]}" for m in _own(promise, text, title) if not is_denied(text[: m.start()])]
    found += [f"confidence in words: {m[0]}" for m in _own(_CONFIDENCE, text, title)]
    found += [f"known from elsewhere: {m[0]}" for m in _own(_ELSEWHERE, text, title) if not _is_hedged(text, m)]
    found += [f"no fact tells: {m[0]}" for m in _own(_UNTOLD, text, title) if not _is_hedged(text, m, _POSSIBLY)]
    return found


def history_claims(text: str, title: str) -> list[str]:
    """What is told of how such things went before, unless hedged."""
    return [match[0] for match in _own(_HISTORY, text, title) if not _is_hedged(text, match)]


def is_denied(before: str) -> bool:
    """Whether what follows these words is denied by them."""
    clause = re.split(r"[.,;:!?\n]", before)[-1]
    return bool(_DENIAL.search(clause)) and not _MOCK_DENIAL.search(clause)


def _own(pattern: re.Pattern[str], text: str, title: str) -> list[re.Match[str]]:
    return [match for match in pattern.finditer(text) if not is_quoted(match, title)]


def _is_hedged(text: str, match: re.Match[str], hedge: re.Pattern[str] = _HEDGE) -> bool:
    begin = max(text.rfind(mark, 0, match.start()) for mark in ".;:\n") + 1
    end = min((at for mark in ".;\n" if (at := text.find(mark, match.end())) >= 0), default=len(text))
    return bool(hedge.search(text[begin:end]))
