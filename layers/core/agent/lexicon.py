"""The plain words of an analysis. A sentence that states something as a fact may use no others.

What is told as a possibility may use any word. Words are listed in their base form; plurals and regular endings follow.
"""

from __future__ import annotations

from functools import lru_cache

_WORDS = frozenset(
    """
    a an the this that these those it its they them their there here where what which who whose why how when while as at
    by for from in into of off on onto out over per than then through to toward towards under until up upon via with
    within without about above across after against along alongside among around before behind below beneath beside
    besides between beyond despite during except inside like near outside past since throughout and or but nor so yet
    either neither both each every any all some most more less least many much few several none no not nothing only just
    even still already also too very quite rather almost nearly enough again always ever never now today currently
    recently lately soon later early earlier late once else instead however therefore thus hence meanwhile otherwise
    because although though if unless whether is are was were be been being am do does did done doing have has had
    having can could may might must shall should will would cannot let get got go come came keep kept make made take
    taken took give given gave put set see seen saw say tell told show shown find found know known think thought look
    seem appear remain stay become became turn run ran hold held stand stood sit sat lie lay lead led leave left bring
    brought fall fell fallen rise rose risen grow grew grown pay paid buy bought sell sold cost spend spent lose lost
    gain add subtract take deduct need want wait act use own hold try help allow let mean meant reflect suggest imply
    indicate point hint signal support back favour favor justify warrant deserve explain describe define measure count
    compare match fit differ vary change move shift drift climb drop slide slip jump surge spike dip decline retreat
    recover rally reverse revert retrace fade stall pause settle widen narrow tighten loosen thin thicken collapse swell
    soften firm cool ease accelerate slow react overreact underreact respond adjust correct follow lag trail converge
    diverge exceed reach touch cross approach happen occur start begin began begun stop end continue persist last
    require offer ask bid list quote charge cover exit enter open close fill execute place order trade hedge risk earn
    miss overlook catch caught cause drive driven drove trigger prompt fuel push pull press lift lower raise concentrate
    crowd stretch skew tilt bias discount price misprice value undervalue overvalue underprice overprice delay mark
    sustain repeat isolate elevate heighten depress mute compress inflate extend overextend exaggerate contain balance
    mix resolve decide determine tend align flag detect spot notice observe record register store size scale round
    incorporate absorb digest build expect estimate judge rate weigh consider view treat base rest rely depend link
    relate tie connect compound combine total sum share carry bear offset outweigh attribute limit bound restrict cap
    attract disappear vanish evaporate normalise normalize stabilise stabilize express perceive confirm check verify
    test prove proved proven disprove trust doubt question assume suppose rule apply read word state mention note name
    call cite cut eat ate erode shrink shrank save get lock tie free avoid skip pass leave step sidestep steer

    market venue exchange platform contract share position side bet wager trade stake money capital cash cent dollar
    price quote ask bid offer spread book depth liquidity volume turnover activity flow level range band tick gap
    difference discrepancy divergence convergence distance premium discount edge advantage value worth cost fee charge
    commission expense slippage payout probability chance likelihood odds estimate forecast consensus view opinion
    belief expectation sentiment momentum trend pattern setup signal detector drift jump spike move swing burst run leg
    reversal overreaction reaction underreaction response noise volatility variance deviation average mean median norm
    outlier extreme size magnitude direction pace speed rate ratio multiple fraction portion part half rest remainder
    hour day week minute moment time period window session horizon close closing expiry deadline settlement resolution
    outcome result event list ladder rung bundle arbitrage opportunity setup case reason cause explanation evidence fact
    data figure number record history sample interval proof base basis ground argument thesis logic idea point detail
    information news catalyst trigger headline announcement surprise shock development update rumour crowd trader buyer
    seller taker maker holder participant participants player bettor bettors order fill entry exit execution limit stop
    risk danger threat downside upside caveat concern uncertainty ambiguity mistake error fault problem issue question
    answer doubt patience caution care attention room space scope margin buffer cushion protection reward return
    analysis analyst reader insight conclusion judgement judgment decision choice option alternative recommendation call
    plan action step approach rule rules wording term condition criterion criteria source definition title label name
    thing something anything nothing everything someone anyone one ones other others another same own
    way sign hint clue trace lack absence presence balance mix state status situation condition environment context
    background start beginning end middle top bottom peak trough front line place base matter sense effect impact
    influence pressure force strength weakness support resistance demand supply interest appetite conviction commitment

    good better best bad worse worst right wrong true false fair unfair real actual apparent clear unclear obvious plain
    simple complex easy hard difficult possible impossible likely unlikely probable certain uncertain sure unsure
    high higher highest low lower lowest large larger largest big bigger biggest small smaller smallest great little
    tiny slight modest moderate considerable significant substantial material meaningful notable remarkable noticeable
    negligible trivial minor major main key core central important relevant irrelevant critical decisive wide wider
    narrow narrower tight tighter loose thin thinner thick deep deeper shallow heavy light strong stronger weak weaker
    sharp steep sudden abrupt gradual steady stable unstable calm quiet busy active inactive brisk fast faster quick
    slow slower long longer short shorter recent new old fresh stale current latest previous prior former next first
    second third final last single double whole full empty half partial complete incomplete total entire usual unusual
    normal abnormal typical atypical ordinary common rare frequent regular irregular exceptional extraordinary standard
    average mean cheap cheaper cheapest dear dearer expensive rich attractive unattractive interesting compelling
    reasonable unreasonable sensible justified unjustified warranted unwarranted sufficient insufficient adequate ample
    scarce available unavailable open public private known unknown visible invisible hidden exact precise approximate
    rough net gross extra additional further spare remaining left available consistent inconsistent similar different
    identical equal unequal comparable opposite related unrelated separate independent dependent joint mutual relative
    absolute positive negative neutral mixed balanced unbalanced one-sided two-sided overdone overstretched stretched
    temporary lasting permanent brief immediate prompt timely late early premature ready willing able unable careful
    cautious patient aggressive conservative tentative modest honest safe exposed vulnerable sensitive insensitive
    liquid illiquid informed uninformed rational irrational efficient inefficient slow-moving thinly broadly
    alone apart together ahead behind aside away back down forward through instead above below
    yes no caution strong_bet good_bet avoid kalshi polymarket cross-venue taker's market's venue's
    cannot don't doesn't didn't isn't aren't wasn't weren't won't hasn't haven't hadn't can't couldn't shouldn't
    wouldn't that's there's it's nothing's what's
    fold worthwhile meantime ultimately mispricing misread misjudge mismatch imbalance inconsistency timing sizing
    tail body hurdle threshold bar minimum maximum target benchmark anchor reference midpoint mid
    contradict conflict agree disagree agreement disagreement differ overlap repeat echo mirror
    well refresh prefer confirmation dwarf preserve amount account contain identical enter mirror work available
    total totals justify economic priced pricier mistaken dry gone void alive living lot often sometimes usually you
    your we our us reader guarantee assure ignore refer mention utc percent cents
    catch-up follow-through pullback rebound bounce squeeze thinness tightness dryness weekend overnight
    two three four five six seven eight nine ten eleven twelve zero hundred thousand
    who's i.e e.g vs versus minus plus times
    """.split()
)
_ENDINGS = (
    "'s",
    "s'",
    "s",
    "es",
    "ed",
    "d",
    "ing",
    "ly",
    "er",
    "est",
    "r",
    "st",
    "n't",
    "ness",
    "y",
    "ies",
    "ied",
    "al",
)


@lru_cache(maxsize=8_192)
def is_plain(word: str) -> bool:
    """Whether the word, in lower case, or what it is a form of, is listed."""
    word = word.replace("’", "'")
    if word in _WORDS or word.isdigit():
        return True
    for ending in _ENDINGS:
        if not word.endswith(ending) or len(word) - len(ending) < 3:
            continue
        stem = word[: -len(ending)]
        forms = {stem, f"{stem}e", f"{stem}y"} | ({stem[:-1]} if stem[-1:] == stem[-2:-1] else set())
        if forms & _WORDS:
            return True
    return word.startswith("un") and len(word) > 5 and is_plain(word[2:])
