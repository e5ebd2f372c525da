"""`make demo`: the whole product on this machine, on a generated world and a fast clock, until Ctrl-C."""

from __future__ import annotations

if __name__ == "__main__":  # before the slow imports: Ctrl-C among them is no traceback's worth
    import os
    import signal

    signal.signal(signal.SIGINT, lambda *_: os._exit(130))

import json
import os
import sys
import time
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

from core.models import Tier
from local.kit import DATA, CommandFailed, Kit, KitError, MovingClock, check_port, supervise, write
from local.mail import catching
from local.schedule import BUILT, keep_running
from local.shop import start_sales, start_shop
from local.smoke import last_digest_time
from local.subscribers import make_tokens
from local.terminal import fail, say, step

SPEED = 60.0  # an hour a minute
FOLDER = DATA / "demo"


def demo() -> None:
    port = chosen_port()
    with Kit(FOLDER) as kit, catching(FOLDER / "mail") as smtp_port:
        show(kit, port, smtp_port)
    say("stopped; `make demo` goes on from here, `make reset` forgets everything")


def chosen_port() -> int:
    said = os.environ.get("PORT", "8000")
    if not said.isdigit() or not 0 < int(said) < 65_536:
        raise KitError(f"PORT={said} is not a port")
    return int(said)


def show(kit: Kit, port: int, smtp_port: int) -> None:
    """Until it is stopped."""
    check_port(port)
    with step("start PostgreSQL and Valkey, migrate"):
        kit.start_storage()
        forget_leases(kit)
    clock = resumed_clock(FOLDER / "clock.json")
    with step("replay Kalshi and Polymarket (a generated world), start the analyst's stand-in"):
        kit.start_replay("generated", clock)
        kit.start_analyst()
    attempt(kit, "collect every open market, and a week of its history", ("collect", "backfill"), clock)
    attempt(kit, "detect, pair, explain, publish", ("analyze", "digest"), clock)
    with step("serve, with a stand-in for Stripe"):
        sales = start_sales(kit)
        mail = {"SMTP_HOST": "127.0.0.1", "SMTP_PORT": str(smtp_port), "SMTP_SECURITY": "none"}
        served = {"PREVIEW_TIER": "pro", "PUBLIC_URL": f"http://127.0.0.1:{port}"}
        url = kit.start_api(port, clock.environment() | served | mail | sales)
        tokens = make_tokens(kit.environment["DATABASE_URL"], kit.secret("jwt"), clock.now())
        shop = start_shop(kit, url, tokens[Tier.FREE])

    def now() -> datetime:
        remember_clock(FOLDER / "clock.json", clock)
        return clock.now()

    with suppress(KeyboardInterrupt):  # from here on that is how it ends well
        greet(url, tokens, shop)
        # Money moves by real time, also where markets move on a fast clock.
        keep_running(kit, now, lambda job: sales if job == "reconcile" else clock.environment(), (*BUILT, "reconcile"))


def attempt(kit: Kit, what: str, jobs: tuple[str, ...], clock: MovingClock) -> None:
    """What fails is said, and tried again when it is next due."""
    try:
        with step(what):
            for name in jobs:
                kit.job(name, clock.environment())
    except CommandFailed as error:
        fail(f"{what}: {error}")


def resumed_clock(path: Path) -> MovingClock:
    """From shortly before today's digest, or from where the clock was stopped."""
    start = last_digest_time(datetime.now(UTC)) - timedelta(minutes=5)
    try:
        start = max(start, datetime.fromisoformat(json.loads(path.read_text())["now"]))
    except FileNotFoundError:
        pass
    except (OSError, ValueError, LookupError, TypeError):
        say(f"{path} could not be read: the clock starts anew")
    return MovingClock(start, time.time(), SPEED)


def remember_clock(path: Path, clock: MovingClock) -> None:
    write(path, json.dumps({"now": clock.now().isoformat()}))


def forget_leases(kit: Kit) -> None:
    """Nobody else works on this database: a lease in it belongs to a job that was killed with its kit."""
    import psycopg

    with psycopg.connect(kit.environment["DATABASE_URL"]) as connection:
        connection.execute("DELETE FROM job_leases")


def greet(url: str, tokens: dict[Tier, str], shop: str) -> None:
    """The addresses and one token per tier, for a person on a terminal or a script reading standard output."""
    out = sys.stdout
    out.write(f"\nOddWons is running: {url}\n")
    out.write("Simulated clock: an hour a minute. Data: generated. Texts: a local stand-in's, not an AI analyst's.\n\n")
    for tier, token in tokens.items():
        out.write(f"{tier.value:8}{token}\n")
    out.write(f"\nTry: curl -H 'Authorization: Bearer {tokens[Tier.PRO]}' {url}/api/v1/insights/ai\n")
    out.write(f"Upgrade the free user in a browser: {shop}\n")
    out.write(f"The API: {url}/docs. Mails of new accounts: {FOLDER / 'mail'}\n")
    out.write("Stop with Ctrl-C.\n\n")
    out.flush()


if __name__ == "__main__":
    sys.exit(supervise(demo))
