"""The two venues in one process: routes of both, faults on demand, what a sweep must find, the server."""

import argparse
import asyncio
import os
import random
import signal
import sys
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Protocol

import orjson
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Mount, Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from local.kalshi_wire import KalshiRoutes, KalshiWorld, filter_word
from local.polymarket_wire import PolymarketRoutes, PolymarketWorld
from local.recorded import WorldError, load_recorded
from local.world import GeneratedWorld

Clock = Callable[[], datetime]
VENUES = ("kalshi", "polymarket")
TRUTH_BEFORE, TRUTH_AFTER = timedelta(days=10), timedelta(days=7)


class World(Protocol):
    @property
    def kalshi(self) -> KalshiWorld: ...
    @property
    def polymarket(self) -> PolymarketWorld: ...


@dataclass
class Faults:
    """What one venue does wrong now. The fractions are chances per request, drawn from the venue's own seeded rng."""

    down: bool = False
    rate_429: float = 0.0
    latency_s: float = 0.0
    garbage: float = 0.0
    truncate: float = 0.0
    hang: float = 0.0
    rng: random.Random = field(default_factory=lambda: random.Random(0))

    def set(self, wanted: dict[str, Any]) -> None:
        for name in ("down", "rate_429", "latency_s", "garbage", "truncate", "hang"):
            if name in wanted:
                setattr(self, name, bool(wanted[name]) if name == "down" else float(wanted[name]))
        self.rng = random.Random(int(wanted.get("seed", 0)))

    def happens(self, chance: float) -> bool:
        return chance > 0 and self.rng.random() < chance

    def shown(self) -> dict[str, Any]:
        return {name: value for name, value in vars(self).items() if name != "rng"}


class FaultyVenue:
    """Wraps one venue's routes with its faults."""

    def __init__(self, app: ASGIApp, faults: Faults, too_many: Callable[[], Response]) -> None:
        self.app = app
        self.faults = faults
        self.too_many = too_many

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        faults = self.faults
        if faults.latency_s:
            await asyncio.sleep(faults.latency_s)
        if faults.happens(faults.hang):
            await until_disconnected(receive)
        elif faults.down:
            await Response("upstream connect error", 503, media_type="text/plain")(scope, receive, send)
        elif faults.happens(faults.rate_429):
            await self.too_many()(scope, receive, send)
        elif faults.happens(faults.garbage):
            await Response("<html><body>Bad gateway</body></html>", 200, media_type="text/html")(scope, receive, send)
        elif faults.happens(faults.truncate):
            await self.app(scope, receive, halved(send))
        else:
            await self.app(scope, receive, send)


async def until_disconnected(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


def halved(send: Send) -> Send:
    """Sends the first half of each body under a fitting length: the JSON breaks off, the connection stays sound."""
    start: list[Message] = []

    async def send_half(message: Message) -> None:
        if message["type"] == "http.response.start":
            start.append(message)
            return
        body = message.get("body", b"")
        half = body[: len(body) // 2]
        headers = [(name, value) for name, value in start[0]["headers"] if name != b"content-length"]
        await send({**start[0], "headers": [*headers, (b"content-length", b"%d" % len(half))]})
        await send({**message, "body": half})

    return send_half


def kalshi_too_many() -> Response:
    return Response(b'{"error":"too many requests"}', 429, media_type="application/json")


def polymarket_too_many() -> Response:
    return Response("error code: 1015", 429, media_type="text/plain")


def make_app(world: World, clock: Clock) -> Starlette:
    kalshi = KalshiRoutes(world.kalshi, clock)
    polymarket = PolymarketRoutes(world.polymarket, clock)
    faults = {venue: Faults() for venue in VENUES}

    async def control(request: Request) -> Response:
        try:
            wanted = orjson.loads(await request.body())
            chosen = VENUES if wanted.get("venue", "all") == "all" else (wanted["venue"],)
            for venue in chosen:
                faults[venue].set(wanted)
        except (ValueError, KeyError, AttributeError, TypeError) as error:
            return Response(orjson.dumps({"error": f"unknown setting: {error}"}), 400, media_type="application/json")
        kalshi.orderbooks_need_key = bool(wanted.get("orderbook_401", kalshi.orderbooks_need_key))
        shown = {venue: faults[venue].shown() for venue in VENUES} | {"orderbook_401": kalshi.orderbooks_need_key}
        return Response(orjson.dumps(shown), media_type="application/json")

    async def show_inventory(request: Request) -> Response:
        return Response(orjson.dumps(inventory(world, clock())), media_type="application/json")

    def venue(name: str, routes: Sequence[Route], too_many: Callable[[], Response]) -> ASGIApp:
        return FaultyVenue(Starlette(routes=routes), faults[name], too_many)

    return Starlette(
        routes=[
            Route("/control", control, methods=["POST"]),
            Route("/control/inventory", show_inventory),
            Mount("/kalshi/trade-api/v2", venue("kalshi", kalshi.routes(), kalshi_too_many)),
            Mount("/polymarket/gamma", venue("polymarket", polymarket.gamma_routes(), polymarket_too_many)),
            Mount("/polymarket/clob", venue("polymarket", polymarket.clob_routes(), polymarket_too_many)),
            Mount("/polymarket/data", venue("polymarket", polymarket.data_routes(), polymarket_too_many)),
        ]
    )


def inventory(world: World, now: datetime) -> dict[str, Any]:
    """Per venue: rows there are, rows that the open sweeps (events, then markets) give, and why not the rest."""
    return {"kalshi": kalshi_inventory(world.kalshi, now), "polymarket": polymarket_inventory(world.polymarket, now)}


def kalshi_inventory(world: KalshiWorld, now: datetime) -> dict[str, Any]:
    now_ts = now.timestamp()
    events = world.event_rows(now)
    in_open = {m.key for e in events if not e.combo and e.status(now_ts) == "open" for m in e.markets}
    nested = {m.key for e in events for m in e.markets}
    reasons: Counter[str] = Counter()
    rows = world.market_rows(now)
    for row in rows:
        if row.key in in_open:
            continue
        if row.combo:
            reasons["combo"] += 1
        elif row.key in nested:
            reasons["event closed"] += 1
        elif filter_word(row.status(now_ts)) != "open":
            reasons[f"market {filter_word(row.status(now_ts))}"] += 1
    return tally(len(rows), reasons)


def polymarket_inventory(world: PolymarketWorld, now: datetime) -> dict[str, Any]:
    now_ts = now.timestamp()
    events = world.event_rows(now)
    in_open = {m.key for e in events if not e.closed(now_ts) for m in e.markets}
    nested = {m.key for e in events for m in e.markets}
    reasons: Counter[str] = Counter()
    rows = world.market_rows(now)
    for row in rows:
        if row.key not in in_open and row.closed(now_ts):
            reasons["event closed" if row.key in nested else "market closed"] += 1
    return tally(len(rows), reasons)


def tally(rows: int, reasons: Counter[str]) -> dict[str, Any]:
    return {"rows": rows, "listed": rows - reasons.total(), "not_listed": dict(reasons)}


def clock_from_env() -> Clock:
    """The moving clock that CLOCK_START, CLOCK_ORIGIN and CLOCK_SPEED describe; system time without CLOCK_START."""
    text = os.environ.get("CLOCK_START", "")
    if not text:
        return lambda: datetime.now(UTC)
    start = datetime.fromisoformat(text)
    if start.tzinfo is None:
        raise WorldError("CLOCK_START must carry an offset, such as 2026-11-22T12:00:00+00:00")
    origin = float(os.environ.get("CLOCK_ORIGIN") or time.time())
    speed = float(os.environ.get("CLOCK_SPEED") or 1)
    return lambda: (start + timedelta(seconds=(time.time() - origin) * speed)).astimezone(UTC)


def serve(app: ASGIApp, port: int) -> None:
    """Until SIGTERM or SIGINT, which end it with an orderly return."""
    for stop_signal in (signal.SIGTERM, signal.SIGINT):
        # uvicorn raises the signal again once it has stopped; by then it has nothing left to say.
        signal.signal(stop_signal, signal.SIG_IGN)
    uvicorn.run(app, host="127.0.0.1", port=port, log_level="warning", lifespan="off", timeout_graceful_shutdown=1)


def parse_arguments(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m local.replay", description=__doc__)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--world", default="generated", help='"generated", or a folder of recorded answers')
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--markets", type=int, default=400)
    parser.add_argument("--truth", type=Path, help="write what was planted in the generated world to this JSON file")
    return parser.parse_args(arguments)


def make_world(options: argparse.Namespace, clock: Clock) -> World:
    if options.world != "generated":
        return load_recorded(Path(options.world))
    world = GeneratedWorld(options.seed, options.markets)
    now = clock()
    if options.truth:
        planted = world.truth(now - TRUTH_BEFORE, now + TRUTH_AFTER)
        options.truth.write_bytes(orjson.dumps(planted, option=orjson.OPT_INDENT_2))
    return world


def main(arguments: Sequence[str] | None = None) -> int:
    options = parse_arguments(arguments)
    try:
        clock = clock_from_env()
        world = make_world(options, clock)
    except (WorldError, ValueError) as error:
        print(f"replay: {error}", file=sys.stderr)
        return 2
    serve(make_app(world, clock), options.port)
    return 0


if __name__ == "__main__":
    sys.exit(main())
