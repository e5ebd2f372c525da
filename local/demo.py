"""`make demo`: the whole product on this machine, on a generated world and a fast clock, until Ctrl-C."""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

from core.models import Tier
from local.kit import DATA, Kit, KitError, MovingClock
from local.schedule import keep_running
from local.smoke import last_digest_time
from local.subscribers import make_tokens
from local.terminal import fail, say, step

SPEED = 60.0  # an hour a minute
FOLDER = DATA / "demo"


def main() -> int:
    stop_on_signals()
    try:
        port = chosen_port()
        with Kit(FOLDER) as kit:
            show(kit, port)
    except KitError as error:
        return fail(str(error))
    except KeyboardInterrupt:
        say("stopped; `make demo` goes on from here, `make reset` forgets everything")
    return 0


def stop_on_signals() -> None:
    """Ctrl-C and a polite kill end the same way, also where a shell started us with SIGINT ignored."""

    def interrupt(number: int, frame: object) -> None:
        raise KeyboardInterrupt

    signal.signal(signal.SIGINT, interrupt)
    signal.signal(signal.SIGTERM, interrupt)


def chosen_port() -> int:
    said = os.environ.get("PORT", "8000")
    if not said.isdigit() or not 0 < int(said) < 65_536:
        raise KitError(f"PORT={said} is not a port")
    return int(said)


def show(kit: Kit, port: int) -> None:
    with step("start PostgreSQL and Valkey, migrate"):
        kit.start_storage()
        forget_leases(kit)
    clock = resumed_clock(FOLDER / "clock.json")
    with step("replay Kalshi and Polymarket (a generated world), start the analyst's stand-in"):
        kit.start_replay("generated", clock)
        kit.start_analyst()
    with step("collect every open market, and a week of its history"):
        kit.job("collect", "collect", clock.environment())
        kit.job("collect", "backfill", clock.environment())
    with step("detect, pair, explain, publish"):
        kit.job("analyze", "analyze", clock.environment())
        kit.job("analyze", "digest", clock.environment())
    with step("serve"):
        url = kit.start_api(port, clock.environment() | {"PREVIEW_TIER": "pro"})
        tokens = make_tokens(kit.environment["DATABASE_URL"], kit.secret("jwt"), clock.now())
    greet(url, tokens)

    def now() -> datetime:
        remember_clock(FOLDER / "clock.json", clock)
        return clock.now()

    keep_running(kit, now, clock.environment)


def resumed_clock(path: Path) -> MovingClock:
    """From shortly before today's digest, or from where the clock was stopped."""
    start = last_digest_time(datetime.now(UTC)) - timedelta(minutes=5)
    if path.exists():
        try:
            start = max(start, datetime.fromisoformat(json.loads(path.read_text())["now"]))
        except (ValueError, KeyError):  # killed while writing it: the database still knows better than nothing
            say("the stopped clock could not be read; it starts anew")
    return MovingClock(start, time.time(), SPEED)


def remember_clock(path: Path, clock: MovingClock) -> None:
    draft = path.with_suffix(".new")
    draft.write_text(json.dumps({"now": clock.now().isoformat()}))
    draft.replace(path)


def forget_leases(kit: Kit) -> None:
    """Nobody else works on this database: a lease in it belongs to a job that was killed with its kit."""
    import psycopg

    with psycopg.connect(kit.environment["DATABASE_URL"]) as connection:
        connection.execute("DELETE FROM job_leases")


def greet(url: str, tokens: dict[Tier, str]) -> None:
    """The address and one token per tier, for a person on a terminal or a script reading standard output."""
    out = sys.stdout
    out.write(f"\nOddWons is running: {url}\n")
    out.write("Simulated clock: an hour a minute. Data: generated. Texts: a local stand-in's, not an AI analyst's.\n\n")
    for tier, token in tokens.items():
        out.write(f"{tier.value:8}{token}\n")
    out.write(f"\nTry: curl -H 'Authorization: Bearer {tokens[Tier.PRO]}' {url}/api/v1/insights/ai\n")
    out.write("Stop with Ctrl-C.\n\n")
    out.flush()


if __name__ == "__main__":
    sys.exit(main())
