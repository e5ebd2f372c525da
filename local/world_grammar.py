"""Shared bets and hard look-alikes without end: what both venues list, put into each venue's words from parts.

Each pattern states one claim twice. A look-alike changes exactly one part of Polymarket's half: the date, the number,
the stage, the person or place, the unit, the period, a carve-out in the fine print, or the width of a bucket.
"""

from collections.abc import Callable, Iterator
from dataclasses import replace

import numpy as np

from local import world_names as names
from local.noise import key_of, uniform
from local.world_texts import Bet

LOOK_ALIKE_SHARE = 0.375
DRAWS = 8
STAGES = (("group stage", "knockout round"), ("round of 16", "quarterfinals"), ("quarterfinals", "semifinals"),
          ("semifinals", "final"))  # fmt: skip
CHAMBERS = ("lower house", "upper house", "full parliament")
OFFICES = ("finance minister", "central bank governor", "mayor", "defence minister", "chief justice")
MOVES = (("cut", "lower", "Rate cut"), ("raise", "raise", "Rate hike"))
PERIODS = ("first", "second", "third", "fourth")

Pattern = Callable[[int, list[float], str], Bet]


def bets(seed: int, wanted: int) -> Iterator[Bet]:
    """Each has its own entity, whatever the pattern, so that no two ask the same."""
    key = key_of(seed, "grammar")
    for number in range(max(wanted, 0)):
        draws = uniform(key, np.arange(DRAWS) + DRAWS * number, 0).tolist()
        pattern, differences = PATTERNS[number % len(PATTERNS)]
        difference = differences[int(draws[0] * len(differences))] if draws[1] < LOOK_ALIKE_SHARE else ""
        bet = pattern(number + 20, draws[2:], difference)
        # A pair's words may disagree in polarity; where something else differs, that alone does.
        if bet.inverted and difference:
            raise AssertionError(f"{pattern.__name__}: a look-alike must not be inverted too")
        series = f"KX{names.letters(key_of(seed, 'series', number))}"
        shift = -3 - int(draws[3] * 18) if difference == "date" else 0
        yield replace(bet, series=series, difference=difference, shift_days=shift)


def chosen(pool: tuple[str, ...], draw: float) -> str:
    return pool[int(draw * len(pool))]


def revenue(number: int, draws: list[float], difference: str) -> Bet:
    firm, amount = names.company(number), 2 + int(draws[0] * 60)
    other = amount + 1 if difference == "threshold" else amount
    quarter = int(draws[1] * 4)
    period, other_period = PERIODS[quarter], PERIODS[(quarter + (difference == "period")) % 4]
    if difference == "subset":
        title = f"Will {firm} report {period} quarter revenue between ${amount} billion and ${amount + 5} billion"
        clause = f"{firm}'s {period} quarter revenue is at least {amount} and below {amount + 5} billion dollars"
    else:
        title = f"Will {firm} report {period} quarter revenue of ${amount} billion or more"
        clause = f"{firm} reports revenue of at least {amount},000,000,000 dollars for its {period} fiscal quarter"
    return Bet("", "Economics", title, clause, f"{firm} Q{PERIODS.index(other_period) + 1} revenue ${other}B+",
               f"{firm} reports {other_period} quarter revenue of ${other} billion or higher",
               "The first published figure counts; restatements do not.", f"{firm}'s earnings release")  # fmt: skip


def heat(number: int, draws: list[float], difference: str) -> Bet:
    place, celsius = names.place(number), 20 + 5 * int(draws[0] * 5)
    fahrenheit = celsius * 9 // 5 + 32
    said = f"{fahrenheit}°F"
    if difference == "unit":  # the same digits on the other scale
        said = f"{celsius}°F"
    elif difference == "threshold":
        said = f"{fahrenheit + 2}°F"
    town = names.place(number + 1) if difference == "entity" else place
    return Bet("", "Climate and Weather", f"Will {place} reach {celsius} degrees Celsius",
               f"the weather service reports at least {celsius}.0 C at {place}'s main station",
               f"{town} hits {said}", f"the official station of {town} records a temperature of {said} or higher",
               "Preliminary readings that are later withdrawn do not count.", "the national weather service",
               )  # fmt: skip


def leaves(number: int, draws: list[float], difference: str) -> Bet:
    who, office, place = names.person(number), chosen(OFFICES, draws[0]), names.place(number)
    stays = draws[1] < 0.4 and not difference
    other = names.person(number + len(names.FIRST)) if difference == "entity" else who
    fine = f"If {who} leaves solely because of death, the market resolves to its last fair price."
    if stays:
        question, claim = f"{who} remains {office} of {place}", f"{who} is {office} of {place} without interruption"
    elif difference == "stage":
        question, claim = f"{who} announces resignation as {office} of {place}", (
            f"{who} announces, effective at any time, a resignation as {office} of {place}")  # fmt: skip
    else:
        question, claim = f"{other} out as {office} of {place}", f"{other} ceases to be {office} of {place}"
    return Bet("", "Politics", f"Will {who} leave the post of {office} of {place}",
               f"{who} no longer holds the post of {office} of {place}", question, claim,
               "Leave of absence does not count.", f"the government of {place}", inverted=stays,
               fine_print=fine if difference == "carve-out" else "")  # fmt: skip


def cup(number: int, draws: list[float], difference: str) -> Bet:
    club, award = names.club(number * 3 + number // 10), names.place(number // 2)
    stage, beyond = STAGES[int(draws[0] * len(STAGES))]
    reached = beyond if difference == "stage" else stage
    team = names.club(number * 3 + number // 10 + 1) if difference == "entity" else club
    return Bet("", "Sports", f"Will the {club} qualify for the {stage} of the {award} Cup",
               f"the {club} qualify for the {stage} of the {award} Cup",
               f"{team} to make the {award} Cup {reached}", f"the {team} advance to the {reached} of the {award} Cup",
               "A walkover counts as advancing.", f"the {award} Cup's organiser")  # fmt: skip


def bill(number: int, draws: list[float], difference: str) -> Bet:
    place, subject = names.place(number), chosen(("housing", "water", "pension", "energy", "data"), draws[0])
    chamber = int(draws[1] * 2)
    fails = draws[2] < 0.35 and not difference
    later = CHAMBERS[chamber + 1] if difference == "stage" else CHAMBERS[chamber]
    if fails:
        question, claim = f"{place} {subject} bill fails in the {later}", (
            f"the {later} of {place} does not pass the {subject} reform bill")  # fmt: skip
    else:
        question, claim = f"{place}'s {later} approves {subject} bill", (
            f"{place}'s {later} votes in favour of the {subject} reform bill on its final reading")  # fmt: skip
    return Bet("", "Politics", f"Will the {place} {subject} reform bill pass the {CHAMBERS[chamber]}",
               f"the {CHAMBERS[chamber]} of {place} passes the {subject} reform bill", question, claim,
               "Votes in committee do not count.", f"the parliament of {place}", inverted=fails,
               fine_print="A bill passed under another title does not count." if difference == "carve-out" else "",
               )  # fmt: skip


def rates(number: int, draws: list[float], difference: str) -> Bet:
    place, points = names.place(number), 25 * (1 + int(draws[0] * 3))
    verb, rule_verb, noun = MOVES[draws[1] < 0.5]
    other = points + 25 if difference == "threshold" else points
    bound = "exactly" if difference == "subset" else "at least"
    return Bet("", "Economics", f"Will the Bank of {place} {verb} its rate by {bound} {points} basis points",
               f"the Bank of {place} decides to {rule_verb} its policy rate by {bound} {points / 100:.2f} points "
               "in one meeting",
               f"{noun} of {other}+ bps at the Bank of {place}",
               f"one decision of the Bank of {place} moves its policy rate {'down' if verb == 'cut' else 'up'} "
               f"by {other} bps or more",
               "Several smaller steps are not added up.", f"the Bank of {place}'s statements")  # fmt: skip


def release(number: int, draws: list[float], difference: str) -> Bet:
    firm, version = names.company(number), 2 + int(draws[0] * 8)
    other = version + 1 if difference == "threshold" else version
    product = chosen(("Atlas", "Beacon", "Comet", "Delta", "Ember"), draws[1])
    announced = difference == "stage"
    verb = "announces" if announced else "releases"
    return Bet("", "Science and Technology", f"Will {firm} make {product} {version} generally available",
               f"{firm} makes its product {product} {version} available to the general public",
               f"{firm} {verb} {product} {other}",
               f"{firm} {'publicly announces' if announced else 'publicly launches'} a product named {product} {other}",
               "" if announced else "Closed betas do not count.", f"{firm}'s announcements",
               fine_print="Availability in one country only does not count." if difference == "carve-out" else "",
               )  # fmt: skip


def deliveries(number: int, draws: list[float], difference: str) -> Bet:
    firm, count = names.company(number), 20 + 5 * int(draws[0] * 60)
    other = count + 10 if difference == "threshold" else count
    below = draws[1] < 0.4 and not difference
    quarter = int(draws[2] * 4)
    later = (quarter + (difference == "period")) % 4
    if below:
        question = f"{firm} Q{quarter + 1} deliveries stay under {count}k"
        claim = f"{firm} reports fewer than {count},000 deliveries for the {PERIODS[quarter]} quarter"
    else:
        question = f"{firm} delivers {other}k+ in Q{later + 1}"
        claim = f"{firm} reports {other},000 or more deliveries for the {PERIODS[later]} quarter"
    return Bet("", "Economics", f"Will {firm} deliver {count} thousand units or more in the {PERIODS[quarter]} quarter",
               f"{firm} reports at least {count},000 units delivered in the {PERIODS[quarter]} quarter",
               question, claim, "Leased units count as delivered.", f"{firm}'s delivery report",
               inverted=below)  # fmt: skip


def opening(number: int, draws: list[float], difference: str) -> Bet:
    film = f"The {names.place(number)} {chosen(('Affair', 'Letters', 'Signal', 'Winter', 'Heist'), draws[0])}"
    amount = 20 + 5 * int(draws[1] * 30)
    other = amount + 10 if difference == "threshold" else amount
    world = difference == "unit"
    return Bet("", "Entertainment", f"Will '{film}' gross at least ${amount} million in its domestic opening weekend",
               f"the three-day domestic opening weekend of '{film}' is at least ${amount},000,000",
               f"'{film}' opens to ${other}M+{' worldwide' if world else ''}",
               f"'{film}' takes ${other} million or more {'worldwide' if world else 'domestically'} on its opening "
               "weekend",
               "Thursday previews are included.", "Box Office Mojo")  # fmt: skip


def treaty(number: int, draws: list[float], difference: str) -> Bet:
    one, two = names.place(number), names.place(number + 7)
    subject = chosen(("trade", "border", "extradition", "fishing"), draws[0])
    lapses = draws[1] < 0.35 and not difference
    third = names.place(number + 8) if difference == "entity" else two
    if lapses:
        question, claim = f"No {one} x {two} {subject} agreement", (
            f"{one} and {two} have signed no {subject} agreement")  # fmt: skip
    else:
        done = "ratified" if difference == "stage" else "signed"
        question = f"{one} x {third} {subject} deal {done}"
        claim = f"a {subject} agreement is {done} by both {one} and {third}"
    return Bet("", "World", f"Will {one} and {two} sign a {subject} agreement",
               f"{one} and {two} sign a {subject} agreement", question, claim,
               "Memoranda of understanding do not count.", "both governments", inverted=lapses)  # fmt: skip


PATTERNS: tuple[tuple[Pattern, tuple[str, ...]], ...] = (
    (revenue, ("threshold", "period", "subset", "date")),
    (heat, ("unit", "threshold", "entity", "date")),
    (leaves, ("entity", "stage", "carve-out", "date")),
    (cup, ("stage", "entity", "date")),
    (bill, ("stage", "carve-out", "date")),
    (rates, ("threshold", "subset", "date")),
    (release, ("threshold", "stage", "carve-out", "date")),
    (deliveries, ("threshold", "period", "date")),
    (opening, ("threshold", "unit", "date")),
    (treaty, ("stage", "entity", "date")),
)
