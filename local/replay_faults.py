"""What a replayed venue can be told to do wrong: to whole answers, and to single rows of its listings."""

import asyncio
import random
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl, urlencode

import orjson
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from local.noise import key_of

Row = dict[str, Any]

# Chances per answer, drawn from one generator for each fault, in the order of arrival.
ANSWER_FAULTS = ("hang", "rate_500", "rate_429", "garbage", "truncate", "repeat_page")
SECONDS = ("latency_s", "latency_jitter_s", "hang_s")
HANG_S = 600.0
CURSORS = ("cursor", "after_cursor", "offset")
IDS_SHOWN = 10_000

# Per venue: the fields that a fault may take.
TAKEN = {
    "kalshi": ("ticker", "status", "yes_ask_dollars", "close_time", "title"),
    "polymarket": ("conditionId", "closed", "bestAsk", "endDate", "question"),
}
PRICE = {"kalshi": ("yes_ask_dollars", "yes_bid_dollars"), "polymarket": ("bestAsk", "lastTradePrice")}
AMOUNT = {"kalshi": ("volume_fp", "volume_24h_fp"), "polymarket": ("volumeNum", "volume24hr")}
TITLE = {"kalshi": "title", "polymarket": "question"}
TIMES = {"kalshi": ("open_time", "close_time"), "polymarket": ("startDate", "endDate")}
LIST = {"kalshi": "price_ranges", "polymarket": "clobTokenIds"}
MEGABYTE = 1_000_000
BAD_PRICES = (-0.2, 1.7, 53.0, -1e-9)
WRONG = (7, {"text": "no"}, ["no"], None)


def pick(options: tuple[Any, ...], draw: float) -> Any:
    return options[int(draw * len(options))]


def present(row: Row, venue: str) -> tuple[str, ...]:
    return tuple(name for name in TAKEN[venue] if name in row)


def renamed(row: Row, venue: str, draw: float) -> None:
    name = pick(present(row, venue), draw)
    row[f"{name}_v2"] = row.pop(name)


def missing(row: Row, venue: str, draw: float) -> None:
    row.pop(pick(present(row, venue), draw))


def null_list(row: Row, venue: str, draw: float) -> None:
    row[LIST[venue]] = None


def number_for_string(row: Row, venue: str, draw: float) -> None:
    for name in (*PRICE[venue], *AMOUNT[venue], "volume", "liquidity"):
        if isinstance(row.get(name), str):
            row[name] = float(row[name])


def string_for_number(row: Row, venue: str, draw: float) -> None:
    for name in (*PRICE[venue], *AMOUNT[venue], "orderPriceMinTickSize", "settlement_timer_seconds"):
        if isinstance(row.get(name), (int, float)):
            row[name] = str(row[name])


def price_out_of_range(row: Row, venue: str, draw: float) -> None:
    value = pick(BAD_PRICES, draw)
    for name in PRICE[venue]:
        row[name] = f"{value:.4f}" if venue == "kalshi" else value


def token(text: str) -> Callable[[Row, str, float], None]:
    """A bare word that is no JSON number, though some encoders write it."""

    def fault(row: Row, venue: str, draw: float) -> None:
        row[pick((*PRICE[venue], *AMOUNT[venue]), draw)] = orjson.Fragment(text)

    return fault


def forty_digits(row: Row, venue: str, draw: float) -> None:
    digits = "9" * 40
    row[AMOUNT[venue][0]] = digits if venue == "kalshi" else orjson.Fragment(digits)


def huge_title(row: Row, venue: str, draw: float) -> None:
    row[TITLE[venue]] = "Will it end? " * (MEGABYTE // 13 + 1)


def wrong_type(row: Row, venue: str, draw: float) -> None:
    names = present(row, venue)
    place = draw * len(names)
    row[names[int(place)]] = pick(WRONG, place % 1)


def year(text: str) -> Callable[[Row, str, float], None]:
    def fault(row: Row, venue: str, draw: float) -> None:
        for name in TIMES[venue]:
            row[name] = f"{text}-01-01T00:00:00Z"

    return fault


def twice(row: Row, venue: str, draw: float) -> None:
    """Nothing to the row itself: `Faults.rows` lists it again."""


# Chances per row of a listing, the same rows at the same moment however often and in whatever order they are asked for.
ROW_FAULTS: dict[str, Callable[[Row, str, float], None]] = {
    "duplicate_id": twice,
    "field_renamed": renamed,
    "field_missing": missing,
    "null_list": null_list,
    "number_for_string": number_for_string,
    "string_for_number": string_for_number,
    "price_out_of_range": price_out_of_range,
    "nan": token("NaN"),
    "infinity": token("-Infinity"),
    "forty_digits": forty_digits,
    "huge_title": huge_title,
    "wrong_type": wrong_type,
    "year_0001": year("0001"),
    "year_2099": year("2099"),
}
# Per event of a listing: its list of markets is null.
EVENT_FAULTS = ("null_markets",)
CHANCES = (*ANSWER_FAULTS, *ROW_FAULTS, *EVENT_FAULTS)


@dataclass
class Faults:
    """What one venue does wrong now, and how often it did since it was told."""

    venue: str
    down: bool = False
    seed: int = 0
    chances: dict[str, float] = field(default_factory=lambda: dict.fromkeys(CHANCES, 0.0))
    seconds: dict[str, float] = field(default_factory=lambda: dict.fromkeys(SECONDS, 0.0) | {"hang_s": HANG_S})
    done: Counter[str] = field(default_factory=Counter)
    hit: dict[str, set[str]] = field(default_factory=dict)
    _draws: dict[str, random.Random] = field(default_factory=dict)

    def set(self, wanted: dict[str, Any]) -> None:
        """Changes what is named, or everything back with `reset`; the counts and the draws begin anew."""
        new = Faults(self.venue) if wanted.get("reset") else Faults(self.venue, self.down)
        if not wanted.get("reset"):
            new.chances, new.seconds = dict(self.chances), dict(self.seconds)
        new.down = bool(wanted.get("down", new.down))
        new.seed = int(wanted.get("seed", 0))
        for name in CHANCES:
            new.chances[name] = chance(name, wanted.get(name, new.chances[name]))
        for name in SECONDS:
            new.seconds[name] = max(float(wanted.get(name, new.seconds[name])), 0.0)
        vars(self).update(vars(new))

    def happens(self, name: str) -> bool:
        if not self.chances[name] or self._draw(name) >= self.chances[name]:
            return False
        self.done[name] += 1
        return True

    def _draw(self, name: str) -> float:
        return self._draws.setdefault(name, random.Random(f"{self.seed} {self.venue} {name}")).random()

    def wait_s(self) -> float:
        fixed, jitter = self.seconds["latency_s"], self.seconds["latency_jitter_s"]
        return fixed + (jitter * self._draw("latency_jitter_s") if jitter else 0.0)

    @property
    def spoils_rows(self) -> bool:
        return any(self.chances[name] for name in (*ROW_FAULTS, *EVENT_FAULTS))

    def spoil(self, answer: Any, moment: str) -> None:
        """Spoils the rows of one answer in place. `moment` varies which rows it are."""
        for holder, name in listings(answer):
            holder[name] = list(self.rows(holder[name], moment))

    def rows(self, rows: list[Any], moment: str) -> Iterator[Any]:
        for row in rows:
            if isinstance(row, dict) and isinstance(row.get("markets"), list):
                identity = str(row.get("event_ticker") or row.get("id"))
                row["markets"] = list(self.rows(row["markets"], moment))
                if self._strikes("null_markets", identity, moment) is not None:
                    row["markets"] = None
                yield row
            elif isinstance(row, dict) and ("question" in row or {"ticker", "event_ticker"} <= row.keys()):
                yield from self.row(row, moment)
            else:
                yield row

    def row(self, row: Row, moment: str) -> Iterator[Row]:
        identity = str(row.get("ticker") or row.get("conditionId") or row.get("id"))
        again = False
        for name, fault in ROW_FAULTS.items():
            draw = self._strikes(name, identity, moment)
            if draw is not None:
                fault(row, self.venue, draw)
                again = again or name == "duplicate_id"
        yield row
        if again:
            yield row

    def _strikes(self, name: str, identity: str, moment: str) -> float | None:
        """A number in [0, 1) to vary the fault by where it strikes."""
        if not self.chances[name]:
            return None
        draw = key_of(self.seed, name, identity, moment) / 2**64
        if draw >= self.chances[name]:
            return None
        self.done[name] += 1
        self.hit.setdefault(name, set()).add(identity)
        return draw / self.chances[name]

    def shown(self, with_ids: bool = False) -> dict[str, Any]:
        """The settings, how often each fault was committed, and on how many different rows."""
        body: dict[str, Any] = {"down": self.down, "seed": self.seed, **self.seconds, **self.chances}
        body |= {"done": dict(self.done), "rows": {name: len(ids) for name, ids in self.hit.items()}}
        if with_ids:
            body["ids"] = {name: sorted(ids)[:IDS_SHOWN] for name, ids in self.hit.items()}
        return body


def chance(name: str, value: object) -> float:
    number = float(value) if isinstance(value, (int, float)) else float("nan")
    if not 0.0 <= number <= 1.0:
        raise ValueError(f"{name} is a chance between 0 and 1")
    return number


def listings(answer: Any) -> Iterator[tuple[Any, Any]]:
    """Where an answer holds lists of events or markets: (holder, key)."""
    if isinstance(answer, dict):
        for name in ("events", "markets"):
            if isinstance(answer.get(name), list):
                yield answer, name


class FaultyVenue:
    """Wraps one venue's routes with its faults."""

    def __init__(
        self, app: ASGIApp, faults: Faults, too_many: Callable[[], Response], moment: Callable[[], str]
    ) -> None:
        self.app = app
        self.faults = faults
        self.too_many = too_many
        self.moment = moment

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        faults = self.faults
        if wait_s := faults.wait_s():
            await asyncio.sleep(wait_s)
        if faults.happens("hang"):
            await until_disconnected(receive, faults.seconds["hang_s"])
            await Response("upstream timeout", 504, media_type="text/plain")(scope, receive, send)
        elif faults.down:
            faults.done["down"] += 1
            await Response("upstream connect error", 503, media_type="text/plain")(scope, receive, send)
        elif faults.happens("rate_500"):
            await Response(b'{"error":"internal server error"}', 500, media_type="application/json")(
                scope, receive, send
            )
        elif faults.happens("rate_429"):
            await self.too_many()(scope, receive, send)
        elif faults.happens("garbage"):
            await Response("<html><body>Bad gateway</body></html>", 200, media_type="text/html")(scope, receive, send)
        else:
            await self._answer(scope, receive, send)

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        faults = self.faults
        if faults.chances["repeat_page"] and has_cursor(scope) and faults.happens("repeat_page"):
            scope = first_page(scope)
        if faults.happens("truncate"):
            send = changed(send, lambda body: body[: len(body) // 2])
        elif faults.spoils_rows:
            send = changed(send, self._spoiled)
        await self.app(scope, receive, send)

    def _spoiled(self, body: bytes) -> bytes:
        answer = orjson.loads(body)
        if isinstance(answer, list):
            return orjson.dumps(list(self.faults.rows(answer, self.moment())))
        self.faults.spoil(answer, self.moment())
        return orjson.dumps(answer)


async def until_disconnected(receive: Receive, longest_s: float) -> None:
    """Nothing at all, up to the bound."""

    async def gone() -> None:
        while (await receive())["type"] != "http.disconnect":
            pass

    try:
        await asyncio.wait_for(gone(), longest_s)
    except TimeoutError:
        return


def has_cursor(scope: Scope) -> bool:
    return any(name in CURSORS and value for name, value in parse_qsl(scope["query_string"].decode()))


def first_page(scope: Scope) -> Scope:
    kept = [(name, value) for name, value in parse_qsl(scope["query_string"].decode()) if name not in CURSORS]
    return {**scope, "query_string": urlencode(kept).encode()}


def changed(send: Send, change: Callable[[bytes], bytes]) -> Send:
    """Sends each good body changed, under a fitting length: the content is wrong, the connection stays sound."""
    start: list[Message] = []

    async def send_changed(message: Message) -> None:
        if message["type"] == "http.response.start":
            start.append(message)
            return
        body = message.get("body", b"")
        if start[0]["status"] == 200:
            body = change(body)
        headers = [(name, value) for name, value in start[0]["headers"] if name != b"content-length"]
        await send({**start[0], "headers": [*headers, (b"content-length", b"%d" % len(body))]})
        await send({**message, "body": body})

    return send_changed
