"""The two venues in one process: routes of both, faults on demand, what a sweep must find, the server."""

import argparse
import os
import signal
import sys
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
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

from local.kalshi_wire import KalshiRoutes, KalshiWorld, answer, filter_word
from local.polymarket_wire import PolymarketRoutes, PolymarketWorld
from local.recorded import RecordedWorld, WorldError, load_recorded
from local.replay_faults import CHANCES, SECONDS, Faults, FaultyVenue
from local.world import Effects, GeneratedWorld

Clock = Callable[[], datetime]
VENUES = ("kalshi", "polymarket")
KNOWN = {"venue", "reset", "seed", "down", "orderbook_401", "fee_changes", "live_days", *CHANCES, *SECONDS}
MOMENT_S = 900  # other rows are spoiled in the next quarter of an hour
TRUTH_BEFORE, TRUTH_AFTER = timedelta(days=10), timedelta(days=7)


class World(Protocol):
    @property
    def kalshi(self) -> KalshiWorld: ...
    @property
    def polymarket(self) -> PolymarketWorld: ...


@dataclass
class Served:
    """What a venue's answers cost: `cpu_s` is the time to make them, without the time to send them."""

    answers: int = 0
    bytes: int = 0
    cpu_s: float = 0.0


class MeasuredVenue:
    """Counts what a venue serves. Its answers are made without a pause, so the thread's time until one is theirs."""

    def __init__(self, app: ASGIApp, served: Served) -> None:
        self.app = app
        self.served = served

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        began = time.thread_time()

        async def counted(message: Message) -> None:
            if message["type"] == "http.response.start":
                self.served.answers += 1
                self.served.cpu_s += time.thread_time() - began
            else:
                self.served.bytes += len(message.get("body", b""))
            await send(message)

        await self.app(scope, receive, counted)


def kalshi_too_many() -> Response:
    return Response(b'{"error":"too many requests"}', 429, media_type="application/json")


def polymarket_too_many() -> Response:
    return Response("error code: 1015", 429, media_type="text/plain")


def make_app(world: World, clock: Clock) -> Starlette:
    kalshi = KalshiRoutes(world.kalshi, clock)
    polymarket = PolymarketRoutes(world.polymarket, clock)
    faults = {venue: Faults(venue) for venue in VENUES}
    served = {venue: Served() for venue in VENUES}

    def shown(with_ids: bool) -> Response:
        body: dict[str, Any] = {venue: faults[venue].shown(with_ids) for venue in VENUES}
        return answer(body | {"orderbook_401": kalshi.orderbooks_need_key, "live_days": kalshi.live_days})

    async def show_control(request: Request) -> Response:
        return shown(request.query_params.get("ids") == "true")

    async def control(request: Request) -> Response:
        try:
            wanted = orjson.loads(await request.body())
            chosen = VENUES if wanted.get("venue", "all") == "all" else (wanted["venue"],)
            if unknown := set(wanted) - KNOWN:
                raise ValueError(", ".join(sorted(unknown)))
            live_days = wanted.get("live_days", None if wanted.get("reset") else kalshi.live_days)
            kalshi.live_days = None if live_days is None else float(live_days)
            announced = wanted.get("fee_changes", [] if wanted.get("reset") else kalshi.fee_changes)
            kalshi.fee_changes = [dict(change) for change in announced]
            for venue in chosen:
                faults[venue].set(wanted)
        except (ValueError, KeyError, AttributeError, TypeError) as error:
            return answer({"error": f"unknown setting: {error}"}, 400)
        kept = False if wanted.get("reset") else kalshi.orderbooks_need_key
        kalshi.orderbooks_need_key = bool(wanted.get("orderbook_401", kept))
        return shown(with_ids=False)

    async def show_inventory(request: Request) -> Response:
        return answer(inventory(world, clock(), kalshi.cutoff_at(clock())))

    async def show_served(request: Request) -> Response:
        # The process's own time holds the sending too, which no venue's has.
        return answer({venue: asdict(served[venue]) for venue in VENUES} | {"process_cpu_s": time.process_time()})

    def venue(name: str, routes: Sequence[Route], too_many: Callable[[], Response]) -> ASGIApp:
        measured = MeasuredVenue(Starlette(routes=routes), served[name])
        return FaultyVenue(measured, faults[name], too_many, lambda: str(int(clock().timestamp()) // MOMENT_S))

    return Starlette(
        routes=[
            Route("/control", show_control, methods=["GET"]),
            Route("/control", control, methods=["POST"]),
            Route("/control/inventory", show_inventory),
            Route("/control/served", show_served),
            Mount("/kalshi/trade-api/v2", venue("kalshi", kalshi.routes(), kalshi_too_many)),
            Mount("/polymarket/gamma", venue("polymarket", polymarket.gamma_routes(), polymarket_too_many)),
            Mount("/polymarket/clob", venue("polymarket", polymarket.clob_routes(), polymarket_too_many)),
            Mount("/polymarket/data", venue("polymarket", polymarket.data_routes(), polymarket_too_many)),
        ]
    )


def inventory(world: World, now: datetime, cutoff: datetime | None = None) -> dict[str, Any]:
    """Per venue: rows there are, rows that the open sweeps (events, then markets) give, and why not the rest.

    Of a recorded world also its JSON files, and why some are not replayed. `cutoff`: of Kalshi's archive, if not the
    world's own.
    """
    kalshi = kalshi_inventory(world.kalshi, now, cutoff or world.kalshi.historical_cutoff(now))
    venues = {"kalshi": kalshi, "polymarket": polymarket_inventory(world.polymarket, now)}
    if isinstance(world, RecordedWorld):
        venues["files"] = asdict(world.files)
    return venues


def kalshi_inventory(world: KalshiWorld, now: datetime, cutoff: datetime) -> dict[str, Any]:
    now_ts, cutoff_ts = now.timestamp(), cutoff.timestamp()
    events = world.event_rows(now)
    in_open = {m.key for e in events if not e.combo and e.status(now_ts) == "open" for m in e.markets}
    nested = {m.key for e in events for m in e.markets}
    reasons: Counter[str] = Counter()
    rows = world.market_rows(now)
    for row in rows:
        is_settled = filter_word(row.status(now_ts)) == "settled"
        if is_settled and row.settled_ts < cutoff_ts:
            reasons["archived"] += 1
        elif row.key in in_open:
            continue
        elif row.combo:
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
    parser.add_argument("--jump-reversion", type=float, default=0.0, help="share of a planted jump that is taken back")
    parser.add_argument("--spike-drift", type=float, default=0.0, help="move after a planted spike, in hourly noises")
    parser.add_argument("--effect-hours", type=int, default=6)
    parser.add_argument("--truth", type=Path, help="write what was planted in the generated world to this JSON file")
    return parser.parse_args(arguments)


def make_world(options: argparse.Namespace, clock: Clock) -> World:
    if options.world != "generated":
        return load_recorded(Path(options.world))
    effects = Effects(options.jump_reversion, options.spike_drift, options.effect_hours)
    world = GeneratedWorld(options.seed, options.markets, effects)
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
