"""What the generated markets say: titles and rules in each venue's own style, and the bets both venues list."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

NEW_YORK = ZoneInfo("America/New_York")
MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
MONTH_NAMES = (
    "January", "February", "March", "April", "May", "June",
    "July", "August", "September", "October", "November", "December",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class KalshiWords:
    suffix: str
    title: str
    yes_sub_title: str
    rules_primary: str
    rules_secondary: str = ""
    strike_type: str = ""
    floor_strike: float | None = None
    cap_strike: float | None = None


@dataclass(frozen=True, slots=True)
class KalshiEventWords:
    series: str
    series_title: str
    suffix: str
    title: str
    sub_title: str
    source: str
    markets: tuple[KalshiWords, ...]


@dataclass(frozen=True, slots=True)
class PolymarketWords:
    question: str
    group_title: str
    description: str


@dataclass(frozen=True, slots=True)
class PolymarketEventWords:
    title: str
    description: str
    markets: tuple[PolymarketWords, ...]


@dataclass(frozen=True, slots=True)
class Bet:
    """One real-world claim in both venues' wording. `other_*` replaces Polymarket's half in a look-alike."""

    series: str
    category: str
    title: str
    clause: str
    question: str
    claim: str
    detail: str
    source: str
    inverted: bool = False
    difference: str = ""
    shift_days: int = 0
    fine_print: str = ""


BETS = (
    Bet("KXFEMAHEAD", "Politics", "Will the Senate confirm a new FEMA Administrator",
        "the United States Senate votes to confirm a nominee as FEMA Administrator",
        "New FEMA chief confirmed", "the U.S. Senate confirms a nominee for Administrator of FEMA",
        "Acting appointments do not count.", "Congress.gov"),
    Bet("KXSHUTFULL", "Politics", "Will there be a federal government shutdown",
        "a lapse in federal appropriations begins, as announced by the Office of Personnel Management",
        "US government shutdown", "a federal government shutdown begins, as shown by the OPM operating status",
        "A lapse that is ended on the same day still counts.", "the website of the Office of Personnel Management"),
    Bet("KXUKELECTCALL", "Politics", "Will a United Kingdom general election be called",
        "a general election of the United Kingdom is formally called",
        "UK election called", "the dissolution of the UK Parliament for a general election is officially announced",
        "By-elections and local elections do not count.", "the UK Government"),
    Bet("KXFRPM", "Politics", "Will France get a new Prime Minister",
        "a person other than the holder at Issuance is appointed Prime Minister of France",
        "France names new Prime Minister", "the President of France appoints somebody else as Prime Minister",
        "A reappointment of the incumbent does not count.", "the Elysee Palace"),
    Bet("KXSCOTUSVAC", "Politics", "Will a Supreme Court seat become vacant",
        "a seat of the Supreme Court of the United States becomes vacant",
        "No Supreme Court vacancy", "every seat of the U.S. Supreme Court stays filled",
        "An announced future retirement is not a vacancy.", "the Supreme Court", inverted=True),
    Bet("KXFEDCUT50", "Economics", "Will the Fed cut its target rate by 50 basis points in one meeting",
        "the Federal Reserve lowers the upper bound of its target federal funds rate by at least 0.50 in one meeting",
        "Fed cuts 50+ bps in a single meeting", "the FOMC lowers the upper bound of the target range by 50 bps or more",
        "Inter-meeting decisions count as meetings.", "the FOMC's statements"),
    Bet("KXUNRATE5", "Economics", "Will US unemployment reach 5.0%",
        "the seasonally adjusted U-3 rate published by the BLS is at least 5.0%",
        "US unemployment hits 5%", "the BLS publishes a seasonally adjusted unemployment rate of 5.0% or higher",
        "Later revisions do not matter.", "the Bureau of Labor Statistics"),
    Bet("KXGASAVG", "Economics", "Will US gas prices average $3.75 or more",
        "the AAA national average of regular gasoline is at least $3.750",
        "US gas hits $3.75", "AAA's national average price of regular gasoline is $3.75 or higher on any day",
        "The published daily figure is used.", "AAA Gas Prices"),
    Bet("KXMORTG6", "Economics", "Will the 30-year mortgage rate fall below 6%",
        "the 30-year fixed rate in Freddie Mac's weekly survey is below 6.00%",
        "30-year mortgage stays at 6% or above", "no weekly Freddie Mac survey shows a 30-year rate below 6.00%",
        "Only the weekly survey counts.", "Freddie Mac", inverted=True),
    Bet("KXBTC150", "Crypto", "Will Bitcoin reach $150,000",
        "the CF Benchmarks BRTI is at least 150000.00",
        "Bitcoin hits $150k", "the CF Benchmarks BRTI is at least $150,000.00 at any time",
        "One reading at or above the threshold is enough.", "CF Benchmarks"),
    Bet("KXLTCETF", "Crypto", "Will a spot Litecoin ETF hold $1 billion",
        "a spot Litecoin exchange-traded fund in the US reports net assets of at least $1 billion",
        "Litecoin ETF reaches $1B AUM", "any US spot LTC ETF reports $1,000,000,000 or more in net assets",
        "Funds of several coins do not count.", "the issuers' daily reports"),
    Bet("KXSTABLELAW", "Crypto", "Will the Senate pass the market structure bill",
        "the United States Senate passes a digital asset market structure bill",
        "Senate passes crypto market structure bill", "a digital-asset market structure bill passes the U.S. Senate",
        "Committee votes do not count.", "Congress.gov"),
    Bet("KXCOINLIST", "Crypto", "Will Kraken begin trading on a stock exchange",
        "shares of Kraken's parent begin trading on a US exchange",
        "Kraken goes public", "shares of Kraken's parent company begin trading on any US exchange",
        "A direct listing counts.", "the exchanges"),
    Bet("KXPORCOACH", "Sports", "Will the Portland NBA team change its head coach",
        "the Portland professional basketball team announces a different head coach than at Issuance",
        "Portland replaces head coach", "the Trail Blazers announce that the current head coach leaves the post",
        "Interim coaches count as different.", "the team's official site"),
    Bet("KXMARATHON", "Sports", "Will the men's marathon world record be broken",
        "World Athletics lists a faster men's marathon record than at Issuance",
        "Men's marathon world record broken", "World Athletics lists a faster official men's marathon record",
        "Record-ineligible courses do not count.", "World Athletics"),
    Bet("KXFIDECHAMP", "Sports", "Will the classical chess world title change hands",
        "FIDE recognises a different classical world champion than at Issuance",
        "World chess champion keeps the title", "the reigning classical world chess champion remains champion",
        "Rapid and blitz titles do not matter.", "FIDE", inverted=True),
    Bet("KXHURLAND", "Climate and Weather", "Will a major hurricane make landfall in the US",
        "a hurricane of category 3 or higher makes landfall in the contiguous United States",
        "Major hurricane makes landfall in the US", "the NHC reports a Category 3+ landfall in the contiguous US",
        "Puerto Rico is not part of the contiguous US.", "the National Hurricane Center"),
    Bet("KXQUAKE8", "Climate and Weather", "Will there be a magnitude 8.0 earthquake",
        "the USGS reports an earthquake of magnitude 8.0 or higher anywhere",
        "8.0+ earthquake", "the USGS lists an earthquake with a magnitude of at least 8.0",
        "The magnitude 48 hours after the event is used.", "the USGS earthquake catalog"),
    Bet("KXARCTICMIN", "Climate and Weather", "Will Arctic sea ice set a daily record low",
        "NSIDC reports a daily Arctic extent lower than in any earlier year on that date",
        "Arctic sea ice sets daily record low", "the NSIDC's daily Arctic extent is a record low for its calendar day",
        "Five-day averages are used.", "NSIDC"),
    Bet("KXAVATARGROSS", "Entertainment", "Will a film gross $200 million in its US opening weekend",
        "a film's domestic opening weekend is at least $200,000,000",
        "$200M opening weekend", "any film opens to $200 million or more domestically",
        "Previews are included.", "Box Office Mojo"),
    Bet("KXALBUMDROP", "Entertainment", "Will Rihanna release a new studio album",
        "Rihanna releases a new studio album",
        "Rihanna releases new studio album",
        "a new full-length studio album by Rihanna is released on streaming services",
        "Soundtracks and EPs do not count.", "official announcements"),
    Bet("KXSTARSHIPORB", "Science and Technology", "Will Starship deliver a payload to orbit",
        "a SpaceX Starship deploys an operational payload into orbit",
        "Starship orbital payload", "a Starship vehicle releases a working payload into a stable orbit",
        "Simulated payloads do not count.", "SpaceX"),
    Bet("KXGPTSIX", "Science and Technology", "Will OpenAI release a model named GPT-6",
        "OpenAI makes a model named GPT-6 available to the public",
        "GPT-6 released", "OpenAI publicly releases a model called GPT-6, in beta or in full",
        "An announcement without access does not count.", "OpenAI"),
    Bet("KXISRSAUDI", "World", "Will Israel and Saudi Arabia normalise relations",
        "Israel and Saudi Arabia announce an agreement to establish diplomatic relations",
        "Israel x Saudi normalization", "both governments announce the establishment of diplomatic relations",
        "Overflight and trade accords alone do not count.", "official statements of both governments"),
    Bet("KXSUEZCLOSE", "World", "Will the Suez Canal close for three days",
        "the Suez Canal is closed to all transit for at least 72 consecutive hours",
        "Suez Canal stays open", "the canal is never closed to all traffic for 72 hours in a row",
        "Closures of one lane do not matter.", "the Suez Canal Authority", inverted=True),
)  # fmt: skip

LOOK_ALIKES = (
    Bet("KXIRDEAL", "World", "Will Armenia and Azerbaijan sign a peace treaty",
        "Armenia and Azerbaijan sign a peace treaty",
        "Armenia x Azerbaijan peace treaty signed", "a peace treaty is signed by both states",
        "Initialling does not count.", "both governments", difference="date", shift_days=-10),
    Bet("KXCANREF", "Politics", "Will Alberta hold an independence referendum",
        "Alberta holds a referendum on independence", "Alberta independence referendum held",
        "a binding or non-binding referendum on independence takes place in Alberta",
        "", "Elections Alberta", difference="date", shift_days=-7),
    Bet("KXRBACUT", "Economics", "Will the Reserve Bank of Australia cut rates",
        "the RBA lowers its cash rate target", "RBA rate cut", "the RBA lowers its cash rate target",
        "", "the RBA", difference="date", shift_days=-14),
    Bet("KXEGGS", "Economics", "Will US egg prices exceed $4.00",
        "the BLS average price of a dozen eggs is above $4.00", "US eggs above $4.50",
        "the BLS publishes an average price of a dozen large eggs above $4.50", "", "the BLS", difference="threshold"),
    Bet("KXSOL300", "Crypto", "Will Solana reach $300", "the price of Solana is at least 300",
        "Solana hits $350", "any SOL/USDT one-minute candle has a high of 350 or more", "", "Binance",
        difference="threshold"),
    Bet("KXSPX8000", "Economics", "Will the S&P 500 close above 8,000",
        "the S&P 500 closes above 8000", "S&P 500 touches 8,000",
        "the S&P 500 trades at or above 8,000 at any time, intraday included", "", "S&P Dow Jones Indices",
        difference="threshold"),
    Bet("KXHEATREC", "Climate and Weather", "Will Death Valley reach 130 degrees Fahrenheit",
        "the NWS reports at least 130 F in Death Valley", "Death Valley hits 132°F",
        "the NWS reports a temperature of 132°F or more at Furnace Creek", "", "the NWS", difference="threshold"),
    Bet("KXCHAMPSEMI", "Sports", "Will Aston Villa qualify for the Champions League Semifinals",
        "Aston Villa qualifies for the Semifinals of the Champions League",
        "Aston Villa reach the Champions League final", "Aston Villa plays in the final of the Champions League",
        "", "UEFA", difference="stage"),
    Bet("KXNBACONF", "Sports", "Will Detroit win the Eastern Conference",
        "Detroit wins the Eastern Conference Finals", "Detroit win the NBA Finals",
        "Detroit wins the NBA championship", "", "the NBA", difference="stage"),
    Bet("KXBILLHOUSE", "Politics", "Will the permitting reform bill pass the House",
        "the House of Representatives passes a permitting reform bill", "Permitting reform signed into law",
        "the President signs a permitting reform bill", "", "Congress.gov", difference="stage"),
    Bet("KXOSCARNOM", "Entertainment", "Will a streaming film be nominated for Best Picture",
        "a film first released on streaming is nominated for Best Picture", "Streaming film wins Best Picture",
        "a film first released on streaming wins Best Picture", "", "the Academy", difference="stage"),
    Bet("KXPMOUT", "World", "Will the Prime Minister of Thailand leave office",
        "the Prime Minister of Thailand leaves office", "Prime Minister of Thailand out",
        "the incumbent ceases to be Prime Minister of Thailand for any reason, death included", "",
        "the Government of Thailand", difference="carve-out",
        fine_print="If the Prime Minister leaves solely because of death, the market resolves to its last fair price."),
    Bet("KXCEOOUT", "Science and Technology", "Will the Intel CEO leave",
        "the chief executive of Intel leaves the post", "Intel CEO out",
        "the chief executive of Intel announces leaving or leaves the post", "", "Intel", difference="carve-out",
        fine_print="An announcement of a departure that takes effect later does not count as leaving."),
    Bet("KXCEASESUD", "World", "Will there be a ceasefire in Sudan",
        "a ceasefire between the army and the RSF takes effect", "Sudan ceasefire",
        "both parties announce a ceasefire, whether or not it takes effect", "", "both parties",
        difference="carve-out", fine_print="A humanitarian truce of a named duration is not a ceasefire."),
    Bet("KXTIKTOKSTORE", "Science and Technology", "Will TikTok be unavailable in the US",
        "TikTok is removed from the US Apple App Store", "TikTok banned in the US",
        "a legal ban of TikTok takes effect in the U.S., even if the app stays available", "", "Apple",
        difference="carve-out", fine_print="A removal of less than 24 hours does not count."),
)  # fmt: skip


def eastern(moment: datetime) -> datetime:
    return moment.astimezone(NEW_YORK)


def short_date(moment: datetime) -> str:
    return f"{MONTHS[moment.month - 1]} {moment.day}, {moment.year}"


def long_date(moment: datetime) -> str:
    return f"{MONTH_NAMES[moment.month - 1]} {moment.day}, {moment.year}"


def ticker_date(moment: datetime) -> str:
    return f"{moment:%y}{MONTHS[moment.month - 1].upper()}{moment:%d}"


def last_day(end: datetime) -> datetime:
    """The last full day (in New York) of a round that ends at midnight or during the next day."""
    return eastern(end - timedelta(minutes=1))


def kalshi_bet(bet: Bet, end: datetime) -> KalshiEventWords:
    day_after = last_day(end) + timedelta(days=1)
    until = short_date(day_after)
    rules = f"If {bet.clause} before {until}, then the market resolves to Yes."
    secondary = " ".join(part for part in (bet.detail, bet.fine_print) if part)
    words = KalshiWords("T", f"{bet.title} before {until}?", f"Before {until}", rules, secondary)
    suffix = ticker_date(day_after)
    return KalshiEventWords(bet.series, bet.title, suffix, f"{bet.title}?", f"Before {until}", bet.source, (words,))


def polymarket_bet(bet: Bet, end: datetime) -> PolymarketEventWords:
    day = last_day(end) + timedelta(days=bet.shift_days)
    question = f"{bet.question} {'through' if bet.inverted else 'by'} {MONTH_NAMES[day.month - 1]} {day.day}?"
    description = resolves_yes(f"{bet.claim} {'through' if bet.inverted else 'by'}", day, bet.detail, bet.source)
    return PolymarketEventWords(question, description, (PolymarketWords(question, "", description),))


def resolves_yes(claim: str, day: datetime, detail: str, source: str) -> str:
    parts = [
        f'This market will resolve to "Yes" if {claim} {long_date(day)}, 11:59 PM ET. '
        'Otherwise, this market will resolve to "No".',
        detail,
        f"The primary resolution source for this market will be {source}; however, a consensus of credible reporting "
        "may also be used.",
    ]
    return "\n\n".join(part for part in parts if part)


@dataclass(frozen=True, slots=True)
class Topic:
    """What a family of one venue only is about; `labels` names its outcomes, in the order of the latent line."""

    series: str
    category: str
    title: str
    subject: str
    labels: tuple[str, ...]
    source: str


def kalshi_single(topic: Topic, end: datetime) -> KalshiEventWords:
    until = last_day(end) + timedelta(days=1)
    rules = f"If {topic.subject} before {short_date(until)}, then the market resolves to Yes."
    title = f"{topic.title} before {short_date(until)}?"
    words = KalshiWords("Y", title, f"Before {short_date(until)}", rules)
    return kalshi_event(topic, until, f"{topic.title}?", f"Before {short_date(until)}", (words,))


def kalshi_event(
    topic: Topic, day: datetime, title: str, sub_title: str, markets: tuple[KalshiWords, ...]
) -> KalshiEventWords:
    suffix = f"{ticker_date(day)}{day:%H}"
    return KalshiEventWords(topic.series, topic.title, suffix, title, sub_title, topic.source, markets)


def kalshi_exclusive(topic: Topic, end: datetime) -> KalshiEventWords:
    day = last_day(end)
    markets = tuple(
        KalshiWords(
            f"{i}{''.join(ch for ch in label if ch.isalnum())[:4].upper()}",
            f"Will {label} {topic.subject} on {short_date(day)}?",
            label,
            f"If the answer to '{topic.title}' is {label} on {short_date(day)}, then the market resolves to Yes.",
            "Exactly one outcome of this event resolves to Yes.",
            "custom",
        )
        for i, label in enumerate(topic.labels)
    )
    return kalshi_event(topic, day, topic.title, f"On {short_date(day)}", markets)


def kalshi_threshold(topic: Topic, end: datetime) -> KalshiEventWords:
    day = last_day(end)
    markets = tuple(
        KalshiWords(
            f"T{label.split()[0].rstrip('%')}",
            f"Will {topic.subject} be above {label}?",
            f"Above {label}",
            f"If {topic.subject} reported for {short_date(day)} is above {label}, then the market resolves to Yes.",
            "",
            "greater",
            float(label.split()[0].rstrip("%")),
        )
        for label in topic.labels
    )
    return kalshi_event(topic, day, f"{topic.title} on {short_date(day)}?", f"On {short_date(day)}", markets)


def kalshi_deadlines(topic: Topic, end: datetime, rungs: tuple[datetime, ...]) -> KalshiEventWords:
    markets = []
    for rung in rungs:
        until = last_day(rung) + timedelta(days=1)
        rules = f"If {topic.subject} before {short_date(until)}, then the market resolves to Yes."
        title = f"{topic.title} before {short_date(until)}?"
        markets.append(KalshiWords(ticker_date(until), title, f"Before {short_date(until)}", rules))
    return kalshi_event(topic, last_day(end), f"{topic.title}?", "By date", tuple(markets))


def kalshi_spot(coin: str, name: str, end: datetime, strikes: tuple[float, ...]) -> KalshiEventWords:
    at = eastern(end)
    when = f"{short_date(at)} at {at:%I%p}".replace(" 0", " ").lower().capitalize() + f" {at:%Z}"
    markets = tuple(
        KalshiWords(
            f"T{strike - 0.01:.2f}",
            f"{name} price on {when}?",
            f"${strike:,.0f} or above",
            f"If the simple average of the sixty seconds of CF Benchmarks' {name} real-time index before {when} is "
            f"above {strike - 0.01:.2f}, then the market resolves to Yes.",
            "Not all cryptocurrency price data is the same. While checking other sources may help, the price used to "
            "determine this market is the index named above.",
            "greater",
            strike - 0.01,
        )
        for strike in strikes
    )
    title = f"{name} price on {when}?"
    suffix = f"{ticker_date(at)}{at:%H}"
    return KalshiEventWords(f"KX{coin}H", f"{name} price above", suffix, title, when, "CF Benchmarks", markets)


def polymarket_single(topic: Topic, end: datetime) -> PolymarketEventWords:
    day = last_day(end)
    question = f"{topic.title} by {MONTH_NAMES[day.month - 1]} {day.day}?"
    description = resolves_yes(f"{topic.subject} by", day, "", topic.source)
    return PolymarketEventWords(question, description, (PolymarketWords(question, "", description),))


def polymarket_exclusive(topic: Topic, end: datetime) -> PolymarketEventWords:
    day = last_day(end)
    title = f"{topic.title.rstrip('?')} - {MONTH_NAMES[day.month - 1]} {day.day}?"
    rules = (
        f"This market will resolve to the outcome that will {topic.subject}, decided by {long_date(day)}, 11:59 PM ET. "
        f"If no listed outcome applies, it will resolve to the last one listed.\n\n"
        f"The resolution source is {topic.source}."
    )
    markets = tuple(
        PolymarketWords(f"Will {label} {topic.subject} ({MONTH_NAMES[day.month - 1]} {day.day})?", label, rules)
        for label in topic.labels
    )
    return PolymarketEventWords(title, rules, markets)


def polymarket_threshold(topic: Topic, end: datetime) -> PolymarketEventWords:
    day = last_day(end)
    when = f"{MONTH_NAMES[day.month - 1]} {day.day}"
    markets = tuple(
        PolymarketWords(
            f"{topic.title} above {label} on {when}?",
            f"↑ {label}",
            resolves_yes(f"{topic.subject} is higher than {label} in the figure for", day, "", topic.source),
        )
        for label in topic.labels
    )
    return PolymarketEventWords(f"{topic.title} above ___ on {when}?", markets[0].description, markets)


def polymarket_deadlines(topic: Topic, rungs: tuple[datetime, ...]) -> PolymarketEventWords:
    markets = []
    for rung in rungs:
        day = last_day(rung)
        when = f"{MONTH_NAMES[day.month - 1]} {day.day}"
        description = resolves_yes(f"{topic.subject} by", day, "", topic.source)
        markets.append(PolymarketWords(f"{topic.title} by {when}?", when, description))
    return PolymarketEventWords(f"{topic.title} by...?", markets[-1].description, tuple(markets))


def polymarket_spot(name: str, end: datetime, hours: int) -> PolymarketEventWords:
    start, at = eastern(end - timedelta(hours=hours)), eastern(end)
    day = f"{MONTH_NAMES[start.month - 1]} {start.day}"
    title = f"{name} Up or Down - {day}, {start:%-I%p}-{at:%-I%p} ET"
    description = (
        f'This market will resolve to "Up" if the close of the {name}/USDT candle ending at {at:%-I %p} ET is higher '
        f'than the open of the candle that begins at {start:%-I %p} ET. Otherwise, this market will resolve to "Down".'
        "\n\nThe resolution source is the exchange's own candle chart."
    )
    return PolymarketEventWords(title, description, (PolymarketWords(title, "", description),))


def utc(ts: float) -> datetime:
    return datetime.fromtimestamp(ts, UTC)
