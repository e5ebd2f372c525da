"""`make run`: the live venues and, with GROQ_API_KEY, the real Groq, on embedded storage, until Ctrl-C."""

from __future__ import annotations

if __name__ == "__main__":  # before the slow imports: Ctrl-C among them is no traceback's worth
    import os
    import signal

    signal.signal(signal.SIGINT, lambda *_: os._exit(130))

import os
import sys
from contextlib import suppress
from datetime import UTC, datetime

import psycopg

from core.models import Tier
from local.demo import chosen_port, forget_leases
from local.kit import DATA, CommandFailed, Kit, check_port, supervise
from local.schedule import brief, keep_running
from local.subscribers import make_tokens
from local.terminal import fail, say, step

FOLDER = DATA / "run"
# What may come from the operator's environment; everything else has its default.
PASSED = """
    GROQ_API_KEY AI_MODEL AI_BUDGET_USD_PER_DAY KALSHI_BASE_URL POLYMARKET_GAMMA_URL POLYMARKET_CLOB_URL
    KALSHI_REQUESTS_PER_S POLYMARKET_REQUESTS_PER_S HTTP_TIMEOUT_S HTTP_ATTEMPTS BACKFILL_DAYS BACKFILL_SETTLED_DAYS
    BACKFILL_SETTLED_PER_DAY BACKFILL_SETTLED_MIN_VOLUME LOG_LEVEL HTTPS_PROXY
""".split()


def run() -> None:
    passed = {name: os.environ[name] for name in PASSED if os.environ.get(name)}
    if "GROQ_API_KEY" not in passed:
        passed["AI_ANALYSIS_ENABLED"] = "false"
    port = chosen_port()
    with Kit(FOLDER, passed) as kit:
        show(kit, port)
    say("stopped; `make run` goes on from here")


def show(kit: Kit, port: int) -> None:
    """Until it is stopped."""
    check_port(port)
    if kit.environment.get("AI_ANALYSIS_ENABLED") == "false":
        say("GROQ_API_KEY is not set: markets, patterns and arbitrage are real, but no insights will be written")
    with step("start PostgreSQL and Valkey, migrate"):
        kit.start_storage()
        forget_leases(kit)
    with step("collect every open market of both venues (some minutes at a polite pace)"):
        say("collected", **brief("collect", kit.job("collect")))
    try:
        with step("detect, pair, explain, publish"):
            say("analyzed", **brief("analyze", kit.job("analyze")))
    except CommandFailed as error:
        fail(str(error))
    with step("serve"):
        url = kit.start_api(port, {"PREVIEW_TIER": "pro"})
        tokens = make_tokens(kit.environment["DATABASE_URL"], kit.secret("jwt"), datetime.now(UTC))
    with suppress(KeyboardInterrupt):
        greet(url, tokens)
        backfill = None
        if lacking := markets_without_history(kit):
            say(f"no history yet: fetching past prices of {lacking} markets in the background")
            backfill = kit.begin_job("backfill")
        keep_running(kit, lambda: datetime.now(UTC), lambda _: {}, beside=backfill)


def greet(url: str, tokens: dict[Tier, str]) -> None:
    sys.stdout.write(f"\nOddWons is running on live data: {url}\n")
    for tier, token in tokens.items():
        sys.stdout.write(f"{tier.value:8}{token}\n")
    sys.stdout.write(f"\nTry: curl -H 'Authorization: Bearer {tokens[Tier.PRO]}' {url}/api/v1/insights/ai\n\n")
    sys.stdout.flush()


def markets_without_history(kit: Kit) -> int:
    """Open ones of the venues that no backfill has been through yet; what is new since has no past to fetch."""
    with psycopg.connect(kit.environment["DATABASE_URL"]) as connection:
        row = connection.execute(
            """
            SELECT count(*) FROM markets m WHERE status = 'open' AND NOT EXISTS (
                SELECT FROM job_runs r WHERE job = 'backfill' AND r.status = 'ok'
                AND (r.summary -> platform ->> 'markets')::int > 0)
            """
        ).fetchone()
    return row[0] if row else 0


if __name__ == "__main__":
    sys.exit(supervise(run))
