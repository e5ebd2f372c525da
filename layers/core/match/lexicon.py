"""Names of one thing in both venues' mouths, and words of which one excludes the other. Data only.

General knowledge of the fields that both venues list; whatever is missing here keeps a pair apart, never together.
"""

from __future__ import annotations

from collections.abc import Iterator

# Country or region: its other names and its people's, by the name that stands for all of them.
COUNTRIES = """
argentina: argentine, argentinian; armenia: armenian; australia: australian; austria: austrian; azerbaijan:
azerbaijani; belarus: belarusian; belgium: belgian; bolivia: bolivian; brazil: brazilian; bulgaria: bulgarian; canada:
canadian; chile: chilean; china: chinese; colombia: colombian; croatia: croatian; cuba: cuban; cyprus: cypriot;
czechia: czech, czech republic; denmark: danish; ecuador: ecuadorian; egypt: egyptian; estonia: estonian; finland:
finnish; france: french; georgia: georgian; germany: german; ghana: ghanaian; greece: greek; honduras: honduran;
hungary: hungarian; iceland: icelandic; india: indian; indonesia: indonesian; iran: iranian; iraq: iraqi; ireland:
irish; israel: israeli; italy: italian; japan: japanese; kazakhstan: kazakh; kenya: kenyan; kosovo: kosovan; latvia:
latvian; lebanon: lebanese; lithuania: lithuanian; malaysia: malaysian; mexico: mexican; moldova: moldovan; mongolia:
mongolian; morocco: moroccan; nepal: nepalese, nepali; netherlands: dutch, the netherlands, holland; nigeria:
nigerian; norway: norwegian; pakistan: pakistani; peru: peruvian; philippines: philippine, filipino; poland: polish;
portugal: portuguese; romania: romanian; russia: russian; serbia: serbian; slovakia: slovak; slovenia: slovenian;
spain: spanish; sweden: swedish; switzerland: swiss; syria: syrian; taiwan: taiwanese; thailand: thai; tunisia:
tunisian; turkey: turkish, turkiye; ukraine: ukrainian; venezuela: venezuelan; vietnam: vietnamese; yemen: yemeni;
north korea: north korean, dprk; south korea: south korean, korea republic; south africa: south african; saudi arabia:
saudi; new zealand: new zealander; ivory coast: cote d'ivoire, ivorian; bosnia: bosnia and herzegovina,
bosnia-herzegovina; uk: united kingdom, british, britain, great britain; us: united states, usa, america, american;
eu: european union
"""

STATES = """
alabama alaska arizona arkansas california colorado connecticut delaware florida hawaii idaho illinois indiana iowa
kansas kentucky louisiana maine maryland massachusetts michigan minnesota mississippi missouri montana nebraska nevada
ohio oklahoma oregon pennsylvania tennessee texas utah vermont virginia wisconsin wyoming
""".split()
STATES += ["new hampshire", "new jersey", "new mexico", "new york", "north carolina", "north dakota", "rhode island",
           "south carolina", "south dakota", "west virginia"]  # fmt: skip

# What else has two names. Kalshi says leagues and prizes without their trade marks.
ALIASES = """
democrat: democratic party, democratic, democrats, dems, dem; republican: republican party, gop, republicans; another
party: other party, candidate from another party; someone else: another person, another candidate, another, somebody
else, anyone else, other person, other candidate, field, no one, nobody, none, none of these; labour: labour party;
greens: green party, the greens; conservative: conservative party, conservatives, tories; liberal: liberal party,
liberals; ndp: new democratic party; afd: alternative for germany; oscar: oscars, academy award, academy awards;
grammy: grammys, grammy award, grammy awards; emmy: emmys, emmy award, emmy awards; golden globe: golden globes,
golden globe award, golden globe awards; tony: tonys, tony award, tony awards; espy: espys, espy award, espy awards;
bafta: baftas, bafta award, bafta awards; critics choice: critics' choice award, critics' choice awards, critics
choice award, critics choice awards, critics' choice; nobel: nobel prize; game award: game awards; super bowl: pro
football championship, pro football champion, football championship; nfl: pro football; nba final: pro basketball
final, pro basketball championship, pro basketball finals, nba finals, nba championship, nba champion; nba: pro
basketball; world series: pro baseball championship, pro baseball champion; mlb: pro baseball; stanley cup: pro hockey
championship, stanley cup final, stanley cup finals, nhl stanley cup; nhl: pro hockey; world cup: fifa world cup,
men's world cup, fifa men's world cup; premier league: english premier league, epl; champions league: uefa champions
league, ucl; ncaa: college; bitcoin: btc; ethereum: eth, ether; solana: sol; dogecoin: doge; ripple: xrp; litecoin:
ltc; cardano: ada; fed: federal reserve, fomc; ecb: european central bank; boe: bank of england; boj: bank of japan;
rba: reserve bank of australia; gdp: gross domestic product; cpi: consumer price index, consumer price inflation;
rotten tomatoes score: rotten tomatoes, tomatometer; metascore: metacritic score, metacritic; attorney general: ag;
hud: housing and urban development; hhs: health and human services; dhs: homeland security; va: veterans affairs; rnc:
republican national committee; dnc: democratic national committee; aoc: alexandria ocasio-cortez, ocasio-cortez; rfk:
robert f. kennedy jr., robert f kennedy jr, rfk jr., rfk jr, robert kennedy; nyc: new york city; la: los angeles; dc:
washington dc, washington d.c.; pm: prime minister; scotus: supreme court; potus: president of us; mayor: mayoral,
mayorship; governor: gubernatorial, governorship; president: presidential, presidency; senate: senatorial; senator:
senators; parliament: parliamentary; speaker: speaker of house, house speaker, speakership; secretary: secretaries;
nominee: nomination, nominees, nominations, nominate, nominated, nominates; ceo: chief executive, chief executive
officer; vp: vice president, vice presidential; chair: chairman, chairwoman, chairperson; ipo: go public, goes public,
initial public offering, public listing; airdrop: air drop; vote: ballot, votes, ballots; film: movie, picture;
mrbeast: mr. beast, mr beast; man city: manchester city; man united: manchester united, man utd; first round: round
one, 1st round; runoff: run-off, second round, 2nd round; popular vote: share of vote, vote share; state of union:
sotu; inauguration: inauguration day; deal: agreement, treaty; film festival: film fest; leave: out, leaves, depart,
departs, ousted; ceasefire: cease-fire; qualify: advance, qualifies, advances; shutdown: government shutdown, shut
down; recession: recessions; hike: raise, raises, hikes, increase, increases; cut: cuts, lower, lowers, decrease,
decreases; announce: announces, announced; normalize: normalise, normalization, normalisation; norm: norms; first:
first place, most votes; second: second place, second most, runner-up, runner up, finish second, get second; third:
third place, third most, finish third; fourth: fourth place, fourth most, finish fourth; fifth: fifth place, fifth
most, finish fifth; q1: first quarter; q2: second quarter; q3: third quarter; q4: fourth quarter; best: greatest; win:
won, winner, winners, winning
"""

_PLACES = [entry.partition(":")[0].strip().replace(" ", "_") for entry in COUNTRIES.split(";")]

# Within a group, to say one is to deny the others.
EXCLUSIVE = {
    name: frozenset(words.split())
    for name, words in {
        "party": "democrat republican another_party independent labour conservative liberal greens",
        "who": "someone_else another_party",
        "stage of a race": "nominee primary runoff first_round ticket",
        "how far": "win qualify",
        "stage of an office": "nominee confirm",
        "stage of a contest": "group_stage knockout round_of_16 quarterfinal semifinal final",
        "chamber": "house senate lower upper full",
        "rank": "second third fourth fifth sixth",
        "period": "q1 q2 q3 q4",
        "nature of the quote": "touch close",
        "kind of act": "announce release",
        "kind of signature": "sign ratify veto",
        "way of a figure": "rise fall",
        "which figure": "approval disapproval",
        "end of a range": "highest lowest",
        "direction of a rate": "cut hike",
        "place": " ".join((*_PLACES, *(state.replace(" ", "_") for state in STATES))),
    }.items()
}
# Said on one side only, these are another bet: to win is not to be nominated, to be second is not to win.
TELLING = frozenset(
    """nominee primary runoff first_round ticket announce ratify second third fourth fifth sixth another_party
    someone_else semifinal quarterfinal""".split()
)

# Stems of words that say that the other venue's event does not come about.
ENDURING = frozenset("remain stay keep retain fail reject block survive avoid lose lapse".split())
# Said on one side only, these are another bet, or the opposite one, whatever else the rules mention.
TURNING = ENDURING | frozenset(
    """end stop halt pause suspend resume extend delay postpone cancel decline refuse deny oppose withdraw veto repeal
    overturn reverse lift revoke drop miss prevent disapprove""".split()
)
NEGATORS = frozenset("not no never without neither nobody".split())
LIGHT = frozenset(
    """a an the will be is are was were been do does did has have had there and or of to in on at by for from with as
    it its their his her this that which who what when how many any other get gets next first new during after say
    before between than exactly ever again yes over under x v vs versus make makes made become becomes happen
    happens official officially whether take takes least most us""".split()
)
# Light words that turn a bet nevertheless, by one name each: before is not after, and "or" is not "and".
LITTLE = {
    word: word
    for word in """or before after between during over under most least exactly first next new again ever any other than
    from by with say us""".split()
} | dict.fromkeys(("and", "x"), "and") | dict.fromkeys(("v", "vs"), "vs")  # fmt: skip
OPPOSED = (frozenset(("before", "after")), frozenset(("over", "under")), frozenset(("most", "least")))
# Who stands before these and who behind them is not the same.
DIRECTED = frozenset("before after than from by over under vs between".split())
NUMBER_WORDS = {
    word: str(number)
    for number, word in enumerate(
        "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen".split()
    )
}
ORDINALS = {
    str(number): word
    for number, word in enumerate("first second third fourth fifth sixth seventh eighth ninth tenth".split(), 1)
}


def names() -> Iterator[tuple[str, tuple[str, ...]]]:
    """Each thing's one name and its others."""
    for table in (COUNTRIES, ALIASES):
        for entry in " ".join(table.split()).split(";"):
            name, _, others = entry.partition(":")
            yield name.strip(), tuple(other.strip() for other in others.split(",") if other.strip())
    for state in STATES:
        yield state, ()
