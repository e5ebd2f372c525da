"""Names for the generated world: first those in the lists, then coined ones, so that a hundred thousand differ."""

FIRST = ("Avery", "Bruno", "Celia", "Dario", "Edith", "Farid", "Greta", "Hugo", "Ines", "Jonas", "Kemal", "Lena",
         "Milo", "Nadia", "Oscar", "Petra", "Quentin", "Rosa", "Soren", "Tamar", "Ulla", "Viktor", "Wanda", "Xavier",
         "Yusuf", "Zelda", "Amina", "Boris", "Chiara", "Dmitri", "Esme", "Felix", "Gianna", "Hakim", "Iris", "Jorge",
         "Kaya", "Leif", "Mara", "Noel", "Olive")  # fmt: skip
LAST = ("Aldridge", "Brandt", "Castel", "Dumont", "Eriksen", "Falco", "Garrity", "Holm", "Ibarra", "Jansky",
        "Kowal", "Lindqvist", "Moreau", "Novak", "Okafor", "Pelle", "Quist", "Rourke", "Santos", "Toth")  # fmt: skip
PLACES = ("Oslo", "Lisbon", "Prague", "Vienna", "Dublin", "Austin", "Denver", "Chicago", "Miami", "Seattle", "Boston",
          "Phoenix", "Toronto", "Madrid", "Rome", "Athens", "Warsaw", "Helsinki", "Atlanta", "Nashville")  # fmt: skip
STATES = ("Ohio", "Nevada", "Maine", "Georgia", "Arizona", "Iowa", "Oregon", "Kansas", "Utah", "Vermont")
CLUBS = ("Rovers", "Comets", "Harbor", "Pioneers", "Falcons", "Union", "Mariners", "Wolves", "Sentinels", "Athletic")
COMPANIES = ("Northwind Robotics", "Helio Motors", "Quarry Bank", "Blue Fjord", "Cobalt Air", "Lumen Foods",
             "Vector Bio", "Granite Steel", "Orchid Media", "Tidal Energy")  # fmt: skip
AWARDS = ("Golden Lantern", "Critics' Circle", "Harvest Film", "Northern Song", "City Stage", "Open Book")
TRADES = ("Robotics", "Motors", "Bank", "Foods", "Bio", "Steel", "Media", "Energy", "Air", "Software", "Textiles")
FORMS = ("", " Group", " Holdings", " Partners")
HEADS = ("Bar", "Cal", "Dor", "El", "Fen", "Gal", "Hol", "Is", "Jor", "Kel", "Lan", "Mor", "Nor", "Or", "Pel",
         "Quin", "Ros", "Sel", "Tor", "Ul", "Vel", "Wes", "Yar", "Zan", "Bren", "Cor", "Dal", "Ther", "Grav", "Lin",
         "Mar")  # fmt: skip
MIDDLES = ("", "a", "e", "i", "o", "an", "er", "in", "ol", "un", "ar", "es", "is")
TAILS = ("bury", "dale", "ford", "gate", "ham", "haven", "holm", "mere", "mont", "mouth", "port", "stead", "ton",
         "vale", "vik", "ville", "wick", "wood", "worth")  # fmt: skip
SURNAMES = 5_000
SURNAME_TAILS = ("sen", "ski", "berg", "mann", "well", "ley", "man", "son", "strom", "vich", "ez", "ault", "elli")


def parts(number: int, *pools: tuple[str, ...]) -> list[str]:
    """One of each pool; every number below the pools' product has its own combination."""
    found = []
    for pool in pools:
        number, place = divmod(number, len(pool))
        found.append(pool[place])
    return found


def surname(number: int) -> str:
    return LAST[number] if number < len(LAST) else "".join(parts(number - len(LAST), HEADS, MIDDLES, SURNAME_TAILS))


def person(number: int) -> str:
    turn, kind = divmod(number, len(FIRST))
    return f"{FIRST[kind]} {surname((turn + kind * 7) % SURNAMES)}"


def place(number: int) -> str:
    return PLACES[number] if number < len(PLACES) else "".join(parts(number - len(PLACES), HEADS, TAILS, MIDDLES))


def company(number: int) -> str:
    if number < len(COMPANIES):
        return COMPANIES[number]
    trade, head, middle, form = parts(number - len(COMPANIES), TRADES, HEADS, MIDDLES, FORMS)
    return f"{head}{middle}x {trade}{form}"


def club(number: int) -> str:
    return f"{place(number // len(CLUBS))} {CLUBS[number % len(CLUBS)]}"


def award(number: int) -> str:
    turn, kind = divmod(number, len(AWARDS))
    return AWARDS[kind] if not turn else f"{place(turn)} {AWARDS[kind]}"


def state(number: int) -> str:
    turn, kind = divmod(number, len(STATES))
    return STATES[kind] if not turn else f"the {place(turn)} region"


def letters(value: int) -> str:
    """Nine of them, for a ticker that says nothing."""
    return "".join(chr(65 + (value >> (5 * place)) % 26) for place in range(9))
