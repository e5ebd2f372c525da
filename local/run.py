"""`make run`: the live venues and, with GROQ_API_KEY, the real Groq, on embedded storage, until Ctrl-C."""

from __future__ import annotations

import os
import sys
from datetime import UTC, datetime

from core.models import Tier
from local.demo import chosen_port, forget_leases, stop_on_signals
from local.kit import DATA, Kit, KitError
from local.schedule import brief, keep_running
from local.subscribers import make_tokens
from local.terminal import fail, say, step

FOLDER = DATA / "run"
# What may come from the operator's environment; everything else has its default.
PASSED = (
    "GROQ_API_KEY AI_MODEL AI_BUDGET_USD_PER_DAY KALSHI_BASE_URL POLYMARKET_GAMMA_URL POLYMARKET_CLOB_URL "
    "KALSHI_REQUESTS_PER_S POLYMARKET_REQUESTS_PER_S HTTP_TIMEOUT_S HTTP_ATTEMPTS LOG_LEVEL HTTPS_PROXY"
).split()


def main() -> int:
    stop_on_signals()
    passed = {name: os.environ[name] for name in PASSED if os.environ.get(name)}
    if "GROQ_API_KEY" not in passed:
        passed["AI_ANALYSIS_ENABLED"] = "false"
    try:
        port = chosen_port()
        with Kit(FOLDER, passed) as kit:
            show(kit, port)
    except KitError as error:
        return fail(str(error))
    except KeyboardInterrupt:
        say("stopped; `make run` goes on from here")
    return 0


def show(kit: Kit, port: int) -> None:
    if kit.environment.get("AI_ANALYSIS_ENABLED") == "false":
        say("GROQ_API_KEY is not set: markets, patterns and arbitrage are real, but no insights will be written")
    with step("start PostgreSQL and Valkey, migrate"):
        kit.start_storage()
        forget_leases(kit)
    with step("collect every open market of both venues (some minutes at a polite pace)"):
        say("collected", **brief("collect", kit.job("collect", "collect")))
    with step("detect, pair, explain, publish"):
        say("analyzed", **brief("analyze", kit.job("analyze", "analyze")))
    with step("serve"):
        url = kit.start_api(port, {"PREVIEW_TIER": "pro"})
        tokens = make_tokens(kit.environment["DATABASE_URL"], kit.secret("jwt"), datetime.now(UTC))
    sys.stdout.write(f"\nOddWons is running on live data: {url}\n")
    for tier, token in tokens.items():
        sys.stdout.write(f"{tier.value:8}{token}\n")
    sys.stdout.write(f"\nTry: curl -H 'Authorization: Bearer {tokens[Tier.PRO]}' {url}/api/v1/insights/ai\n\n")
    sys.stdout.flush()
    keep_running(kit, lambda: datetime.now(UTC), dict)


if __name__ == "__main__":
    sys.exit(main())
