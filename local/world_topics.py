"""What the families of one venue only are about: a topic for every number, none like another."""

from itertools import pairwise

from local import world_names as names
from local.noise import key_of
from local.world_texts import Topic


def topic_of(kind: str, number: int, size: int) -> Topic:
    if kind == "exclusive":
        return exclusive_topic(number, size)
    if kind == "threshold":
        return threshold_topic(number, size)
    return deadline_topic(number) if kind == "deadline" else single_topic(number)


def series_of(kind: str, number: int) -> str:
    return f"KX{names.letters(key_of('topic', kind, number))}"


def single_topic(number: int) -> Topic:
    kind, turn = number % 8, number // 8
    who, place, firm = names.person(number * 3 + 1), names.place(turn), names.company(turn)
    state, club, award = names.state(turn), names.club(turn), names.award(turn)
    choices = (
        ("Politics", f"{who} to enter the {state} governor race", f"{who} files to run for governor of {state}"),
        ("Economics", f"{firm} to announce a share buyback", f"{firm} announces a share repurchase programme"),
        ("Crypto", f"{firm} to hold bitcoin", f"{firm} discloses a bitcoin holding"),
        ("Sports", f"{club} to sign {who}", f"the {club} sign {who}"),
        ("Climate and Weather", f"Snow in {place}", f"measurable snow is reported in {place}"),
        ("Entertainment", f"{who} to host the {award} awards", f"{who} hosts the {award} awards"),
        ("Science and Technology", f"{firm} to launch a satellite", f"{firm} launches a satellite to orbit"),
        ("World", f"{place} summit to end with a joint statement", f"the {place} summit issues a joint statement"),
    )
    category, title, subject = choices[kind]
    return Topic(series_of("single", number), category, title, subject, ("Yes",), "official announcements")


def exclusive_topic(number: int, size: int) -> Topic:
    kind, turn = number % 4, number // 4
    place = names.place(turn)
    people = tuple(names.person(number * 11 + i * 3) for i in range(size - 1))
    series = series_of("exclusive", number)
    if kind == 0:
        title = f"Who will win the {place} mayoral election?"
        return Topic(series, "Politics", title, f"win the {place} mayoral election", (*people, "Other"), "the city")
    if kind == 1:
        title = f"Who will win the {place} Open?"
        return Topic(series, "Sports", title, f"win the {place} Open", (*people, "The field"), "the organiser")
    if kind == 2:
        award = f"{names.AWARDS[turn % len(names.AWARDS)]} {place} award"
        title = f"Who will win the {award}?"
        return Topic(series, "Entertainment", title, f"win the {award}", (*people, "Anyone else"), "the jury")
    low = 30 + (number * 7 + turn) % 50
    cuts = [low + 2 * i for i in range(size - 1)]
    labels = (f"{cuts[0] - 1}° or below", *(f"{a}° to {b - 1}°" for a, b in pairwise(cuts)), f"{cuts[-1]}° or above")
    title = f"Highest temperature in {place}?"
    return Topic(series, "Climate and Weather", title, f"be the highest temperature in {place}", labels, "the NWS")


def threshold_topic(number: int, size: int) -> Topic:
    kind, turn = number % 3, number // 3
    place, firm = names.place(turn), names.company(turn)
    series = series_of("threshold", number)
    if kind == 0:
        labels = tuple(f"{1.8 + 0.1 * ((turn % 20) + i):.1f}%" for i in range(size))
        title = f"{place} consumer price inflation"
        return Topic(series, "Economics", title, f"year-on-year inflation in {place}", labels, "the statistics office")
    if kind == 1:
        labels = tuple(f"{(turn % 30) + 20 + 5 * i} thousand" for i in range(size))
        title = f"{firm} deliveries"
        return Topic(series, "Economics", title, f"quarterly deliveries of {firm}", labels, "the company's report")
    labels = tuple(f"{(turn % 25) + 10 + 10 * i} mm" for i in range(size))
    title = f"Rain in {place}"
    return Topic(series, "Climate and Weather", title, f"total rainfall in {place}", labels, "the weather service")


def deadline_topic(number: int) -> Topic:
    kind, turn = number % 3, number // 3
    who, firm, place = names.person(number * 5 + 2), names.company(turn), names.place(turn)
    choices = (
        ("World", f"{who} out as foreign minister", f"{who} ceases to be foreign minister", "the government"),
        ("Science and Technology", f"{firm} flagship released", f"{firm} releases its next flagship", "the firm"),
        ("Politics", f"{place} transit bill signed", f"the {place} transit bill is signed into law", "the city"),
    )
    category, title, subject, source = choices[kind]
    return Topic(series_of("deadline", number), category, title, subject, (), source)
