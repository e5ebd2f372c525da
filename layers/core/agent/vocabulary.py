"""What a word beside a number says about it: its side, venue, period or kind, nothing at all, or nothing we know."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache

from core.agent.lexicon import is_plain
from core.agent.outside import Subject
from core.agent.phrases import one_of

SIDES = frozenset(("yes", "no"))
VENUES = frozenset(("here", "other"))
PERIODS = frozenset(("hour", "3h", "6h", "12h", "day", "quarter", "usual"))

_WITHIN = r"(?:(?:in|over|on|within|during|for|through) )?(?:(?:the|its|a|an|one|this|any) )?"
_LAST = "(?:last|past|previous|latest) "
_HOUR = rf"""
    {_WITHIN}(?:{_LAST})?(?:(?:one|1|single|whole|full)[- ])?hour(?:'s)?, (?:1|one)[- ]?hr?, hourly
"""
_DAY = rf"""
    {_WITHIN}(?:{_LAST})?(?:24|twenty-four)[- ]?h(?:(?:ou)?rs?)?, {_WITHIN}{_LAST}(?:(?:one|full|whole) )?day(?:'s)?,
    (?:on|over|in|within|during|for) (?:the|a|one) day, daily, (?:one|1)-day, (?:the )?day's
"""
_SPAN = f"(?:(?:in|over|within|during|for|through) (?:the )?(?:{_LAST})?|(?:the )?{_LAST})"
_HOURS = {
    f"{count}h": f"{_SPAN}(?:{count}|{word})[- ]?h(?:(?:ou)?rs?)?, (?:{count}|{word})-hour"
    for count, word in ((3, "three"), (6, "six"), (12, "twelve"))
}
_HOURS["12h"] = f"(?:in |over )?(?:the )?(?:12|twelve) hours before (?:that|it|then|the last three), {_HOURS['12h']}"
_QUARTER = rf"""
    (?:in|within|inside|over|during) (?:(?:the|a|one|its) )?(?:{_LAST})?(?:single )?quarter[- ](?:of an )?hour,
    (?:in|within|inside|over) (?:(?:the|just) )?(?:{_LAST})?(?:15|fifteen) minutes, quarter[- ]hour(?:ly)?
"""
PERIOD = re.compile(rf"(?<!\w)(?:{'|'.join(map(one_of, (_QUARTER, *_HOURS.values(), _HOUR, _DAY)))})(?!\w)", re.I)
# In the order in which they are tried: phrases before the words in them.
_WORDS_OF_FACTS = (
    ("hourly", "(?:per|an|each|every) hour"),
    ("none", "(?:per|each|every|a) day"),
    ("matched", "(?:matched )?moments without the pattern, matched moments"),
    ("setups", "(?:earlier )?setups(?: like (?:this|it)(?: one)?)?(?: (?:was|were) measured)?"),
    ("hitrate", "hit rate"),
    ("hit", "hit, worked out, came off"),
    ("neutral", "worth (?:buying|taking|a (?:bet|look|try)|having|owning|considering)"),
    ("low", "(?:its |the )?interval (?:starts|begins)"),
    ("high", "(?:its |the )?interval ends"),
    (
        "neutral",
        "nothing (?:here |in the facts |in the evidence )?(?:justifies|supports|warrants), net of (?:the |a |its )?#",
    ),
    ("neutral", "next to, relative to, compared (?:to|with)"),
    ("fill", "available at prices"),
    (
        "edge",
        "(?:gap|discrepancy|difference|divergence)(?: (?:to|with) the other venue)? (?:that |which )?"
        "(?:leaves|amounts to an edge)",
    ),
    ("left", "(?:open |there )?for another"),
    (
        "usual",
        "(?:larger|bigger|greater|higher|more|wider) than (?:is )?(?:its |the )?(?:usual|normal|typical|ordinary)",
    ),
    ("limit", "up to(?= (?:about |roughly |around |some )?#), no more than, or better, or less, at or below"),
    ("comes", "(?:comes?|amounts?|adds) to, totals?, totalling"),
    ("neutral", "together with, (?:a|per|each|every) (?:contract|share), asks (?:about|whether|if)"),
    ("neutral", "on paper, leav(?:e|ing) (?:early|before|again), (?:tied|locked) up"),
    ("edge", "(?:after|net of|beyond|survive[sd]?) (?:(?:all|the|its|any|a) )*(?:taker )?(?:fees?|costs)(?! of)"),
    *((f"p_{period}", listed) for period, listed in (("quarter", _QUARTER), *_HOURS.items())),
    ("hour", _HOUR),
    ("day", _DAY),
    ("payout", "pay(?:s|ing)? (?:out|back|at least), payouts?"),
    ("limit", "limit(?: price| order)?(?: of| at)?, at most"),
    ("both", "both(?: legs| sides| together)?, the (?:pair|bundle|two legs)"),
    ("leg", "legs?"),
    ("positions", "(?:with|take|takes|taking|carry|have|has|hold) (?:a|an?) (?:position|side)s?, positions"),
    ("waiting", "wait(?:s|ing)?, without a position, no position"),
    ("insights", "insights?"),
    ("bundles", "arbitrage(?: opportunit(?:y|ies))?, opportunit(?:y|ies), bundles?"),
    ("settled", "(?:have |had )?(?:settled|resolved) (?:as )?yes, came true"),
    ("neutral", "markets (?:of this kind|like (?:it|this)), (?:of )?this kind"),
    ("siblings", "(?:the )?event's other markets, siblings?, sister markets?"),
    ("siblings", "(?:the )?(?:other|related|neighbou?ring) markets(?: (?:of|in) (?:its|the|this|the same) event)?"),
    ("ladder", "(?:the |a |another )?(?:(?:harder|narrower|stricter) )?bet that implies (?:it|this one|this)"),
    ("ladder", "(?:the )?(?:harder|narrower|stricter) (?:rung|bet|one), rungs?"),
    ("accounts", "account(?:s|ed)? for, explain(?:s|ed)?(?= (?:(?:about|some|roughly|around|nearly) )?#), share of"),
    ("t", "t[- ]stat(?:istic)?, t[- ]value, t of"),
    ("fill", "good (?:to|for|up to), holds (?:for|up to), fills?, filled, fillable, depth, liquidity, book"),
    ("deviation", "(?:(?:its|usual|standard|typical|own|normal) )*deviations?"),
    ("noise", "nois(?:e|y|ier), volatil(?:e|ity), restless(?:ness)?, choppy, choppi(?:er|ness)"),
    ("follow", "follow(?:s|ed|ing)?, lag(?:s|ged|ging)?, trail(?:s|ed|ing)?, leads?"),
    ("other", "(?:the )?other (?:venue|platform|exchange|market|one)(?:'s)?, cross[- ]venue, counterpart, elsewhere"),
    ("here", "(?:this|the) market(?:'s)?, this (?:venue|platform|exchange|one)(?:'s)?, here"),
    ("usual", "usual(?:ly)?, typical(?:ly)?, normal(?:ly)?, ordinar(?:y|ily)"),
    ("spread", "bid[-–/ ]ask, bids? and (?:the )?asks?, spread, apart"),
    ("sum", "add(?:s|ed)? up(?: to)?, sum(?:s|med)?(?: to)?, together, combined"),
    (
        "compare",
        "(?:cheaper|lower|less|dearer|higher|more|fewer|greater|better|worse|larger|wider|bigger|smaller) than",
    ),
    ("compare", "at least, below, above, undercuts?, under, over, beneath, beyond, exceed(?:s|ing)?"),
    ("compare", "than, nearly, almost"),
    ("level", r"(?:trad(?:es|ed|ing)|remains?|remaining)(?= (?:at|for|around)\b)"),
    ("down", "sell-?off, fell, fall(?:s|en|ing)?, drop(?:s|ped|ping)?, down, slid(?:e|es|ing)?, slip(?:s|ped|ping)?"),
    (
        "down",
        "lost, sank, shed, lower, declin(?:e[sd]?|ing), slump(?:ed)?, dip(?:ped)?, plunged?, tumbled?, retreat(?:ed)?",
    ),
    (
        "up",
        "rose, ris(?:e|es|en|ing), up, gain(?:s|ed|ing)?, climb(?:s|ed|ing)?, rall(?:y|ied), surg(?:e|ed|ing), added",
    ),
    ("up", "higher, jump(?:s|ed|ing)?, increas(?:e|ed|ing), advanced?, spik(?:e|ed)"),
    ("move", "mov(?:e|es|ed|ing), changed?(?! hands), swing, swung, shift(?:ed)?, drift(?:ed)?"),
    ("volume", "changed hands, volume, turnover, trad(?:ed|ing|es), activity"),
    ("fee", "(?:takers? )?pays? (?:(?:a|the|its) )?(?:taker )?fee, (?:taker )?fees?, taker"),
    ("pay", "pay"),
    (
        "offer",
        "buys?, bought, paid, paying, offer(?:ed|s)?, ask(?:s|ed|ing)?, costs?, costing, purchas(?:e|ed|ing)",
    ),
    ("offer", "take, taking, enter, grab, available"),
    ("pays", "pays"),
    ("buyer", "buyers?, buying"),
    ("price", "price[sd]?, pricing"),
    ("quote", "quot(?:e|es|ed)"),
    (
        "chance",
        "probability, chances?, likelihood, likely, impl(?:y|ies|ied), estimate[sd]?, puts?, gives?, value[sd]?, "
        "assigns?",
    ),
    ("level", "stand(?:s|ing)?, says?, sits?"),
    ("fair", "fair(?: value)?, reference"),
    ("sees", "sees?"),
    ("worth", "worth"),
    ("keeps", "keeps?"),
    ("edge", "edge, nets?, leav(?:es|e|ing), advantage"),
    ("left", "left, to go, remain(?:s|ed|ing)?"),
    ("loss", "los(?:s|es|e|ing), negative, minus, deficit"),
    ("close", "clos(?:e|es|ing), expir(?:es?|y), until"),
    ("age", "old, ago, age"),
    ("bids", "bids?"),
    ("outcomes", "outcomes, candidates, options"),
    ("each", "each, every, apiece"),
    ("will", "will"),
    ("if", "if, when, once, unless, whether"),
    ("modal", "may, might, could, should, would"),
)
# What no fact is, even where the market's own title speaks of it.
_WORDS_OF_NO_FACT = r"""
    profits?, returns?, earns?, wins?, roi, yields?, risk(?:s|ed|ing)?, odds, sure, certain\w*, confiden\w+,
    stops?, target(?:s|ed)?, settle\w*, resolve[sd]?, maker, midpoint, average, gap,
    (?<=# )traders?, by (?:(?:one|an?|single|few|some|large|small|big) )*traders?, people, users, accounts, wallets,
    bets, sell(?:s|ing|er|ers)?, sold, short, receives?,
    since, days?, hours?, minutes?, seconds?, moments?, weeks?, months?, years?, weekly, monthly, yearly, annual(?:ly)?,
    another, further, next, first, coming, expect\w*, future, soon, later, forecast\w*, threshold, hurdle, minimum,
    maximum,
    benchmark, premium, discount\w*, interest, distance, slippage, commission, expense, consensus, sentiment, upside,
    downside, reward, history, sample, discrepanc(?:y|ies), differences?, divergence, tick, band, session, weekend,
    overnight, worst, highest, lowest, largest, biggest, record, exceed\w*, double\w*, half, dozens?, shock, earlier,
    target\w*, hedge\w*, slow, someone, anyone, crowd, holder\w*, participants?, players?,
    yesterday, today, tomorrow, not, never, no, nothing, none, neither, nor, hardly, without, \w+n't
"""
# What may stand beside any number. Adverbs in -ly may, too.
_NEUTRAL = frozenset(
    """a an the this that these those it its them they him her you your there where what which who why one all any some
    same even only just still now already alone also too quite much so yet and but or against versus vs because despite
    is are was were be been being has have had can does do did of on in at for with by to as into per out off from until
    about around before after during while within then across case plus giving given compared
    bet contract contracts share shares market trade money capital order orders news side level levels rate size pace
    figure number amount outlier charge exit crossing
    real full small large thin tight narrow broad modest clear plain cheap cheaper dear expensive attractive steep sharp
    sudden quick current best single whole exact recent known early late past previous last unusual own far overdone
    right wrong true heavy light strong weak position happened happens occurred stay stays stayed
    came comes bring brings brought show shows shown saw seen run runs running ran look looks looked seems reach reached
    reaches mean means explain explains explained reflect reflects takes taken charged deduct deducted deducting
    subtracting missing listed computed again
    alive living place placed how detector detectors noted notable striking steady little bit touch some more very
    most least such second third
    main key important relevant useful evidence fact facts data reading readings point points sign signs hint hints
    indicates indicating suggests suggesting signals signal implying meaning making make made giving given keeping
    kept room space time holds hold held sitting standing lies lying feels seems seeming goes gone putting put set
    sets setting total totals totalling overall net gross entire complete combined wider narrower tighter thinner
    deeper bigger smaller larger faster slower longer shorter better worse extra additional spare good fine decent
    fair reasonable sizeable sizable considerable meaningful material significant substantial moderate minor slight
    negligible trivial tiny low high elevated busy brisk quiet calm active enough sufficient insufficient ample scarce
    currently lately yet once said tell tells telling told notes report reports reads one-sided alongside beside
    besides near nearby toward towards onto upon via through throughout therefore thus hence however meanwhile though
    although behind ahead together alike our we us whichever opening open opened end ends ending execution entry
    carries carry carrying adds add bring needs need needed requires required likely unlikely possible potential
    counts count counting measured measure known stored recorded unusual abnormal exceptional remarkable like similar
    kind sort type quotes
    """.split()
)
_WORD = re.compile(r"[^\W_]+(?:['’][^\W_]+)?")
YES = r"yes(?:['’]s)?"
# "NO" is the side; "No" and "no" are it only before what a side does, else they deny something.
NO = (
    r"(?-i:NO)(?:['’]s)?"
    r"|no(?= (?:at|for|is|costs?|asks?|side|leg|trades|stands|looks|contracts? (?:at|for|costs?))\b)"
    r"|(?<=the )no|(?<=buy )no|(?<=of )no"
)
_GENERIC_LABELS = ("yes", "no")


@dataclass(frozen=True, slots=True)
class Reading:
    """`tags` are what the words say of a number, `unknown` the words that say something no fact is, `strange` those of
    them that are on no list at all."""

    tags: frozenset[str]
    unknown: tuple[str, ...]
    strange: tuple[str, ...]


class Vocabulary:
    """The words above with those of one market: its sides by name, its venue, its subject.

    Labels only ever bind a number to a side, and the words of title and rules only count as neutral: none of them can
    make a sentence true.
    """

    def __init__(self, subject: Subject) -> None:
        other = "kalshi" if subject.platform == "polymarket" else "polymarket"
        self.labels = _labels(subject)
        self._pattern = _compiled(tuple(self.labels.items()), subject.platform, other)
        self.names = f"{subject.title} {' '.join(self.labels.values())}"
        own = f"{self.names} {subject.rules}"
        self._own_words = {word.lower() for word in _WORD.findall(own)}
        self._readings: dict[str, Reading] = {}
        self._own_stems = {word[:4] for word in self._own_words if len(word) > 3 and word.isalpha()}

    def read(self, text: str) -> Reading:
        """Kept: the judges of one answer ask about the same clauses."""
        if text not in self._readings:
            self._readings[text] = self._read(text)
        return self._readings[text]

    def _read(self, text: str) -> Reading:
        tags: set[str] = set()
        unknown: list[str] = []
        strange: list[str] = []
        labelled: set[str] = set()
        position = 0
        while word := _WORD.search(text, position):
            if found := self._pattern.match(text, word.start()):
                tag = str(found.lastgroup).rpartition("_")[0].removeprefix("p_")
                if tag == "none":
                    unknown.append(found[0])
                else:
                    (labelled if tag.startswith("label_") else tags).add(tag.removeprefix("label_"))
                position = max(found.end(), word.end())
                continue
            lower = word[0].lower().replace("’", "'")
            is_own = lower.removesuffix("'s") in self._own_words or (len(lower) > 4 and lower[:4] in self._own_stems)
            if not (lower in _NEUTRAL or is_plain(lower) or is_own or lower.isdigit() or lower.endswith("ly")):
                unknown.append(word[0])
                strange.append(word[0])
            position = word.end()
        if not tags & SIDES:  # "NO on the Chiefs": what names the side outright outweighs the label
            tags |= labelled
        return Reading(frozenset(tags - {"neutral"}), tuple(unknown), tuple(strange))


def _labels(subject: Subject) -> dict[str, str]:
    """What each side is called, where that tells the sides apart (Kalshi names both after the outcome: that is YES)."""
    yes, no = subject.yes_label, subject.no_label
    named = {"yes": yes, "no": "" if no.lower() == yes.lower() else no}
    return {side: label for side, label in named.items() if len(label) > 1 and label.lower() not in _GENERIC_LABELS}


@lru_cache(maxsize=64)
def _compiled(labels: tuple[tuple[str, str], ...], platform: str, other: str) -> re.Pattern[str]:
    words = [
        *((f"label_{side}", rf"(?-i:{re.escape(label)})(?:['’]s)?") for side, label in labels),
        ("yes", YES),
        ("no", NO),
        ("here", rf"{platform}(?:['’]s)?"),
        ("other", rf"{other}(?:['’]s)?"),
        *((tag, one_of(listed)) for tag, listed in _WORDS_OF_FACTS),
        ("none", one_of(_WORDS_OF_NO_FACT)),
    ]
    return re.compile("|".join(rf"(?P<{tag}_{n}>(?:{told})(?!\w))" for n, (tag, told) in enumerate(words)), re.I)
