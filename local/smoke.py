"""`make smoke`: one pass collect, detect, analyze, store, serve over a fresh database; the last line is its account."""

from __future__ import annotations

if __name__ == "__main__":  # before the slow imports: Ctrl-C among them is no traceback's worth
    import os
    import signal

    signal.signal(signal.SIGINT, lambda *_: os._exit(130))

import argparse
import json
import os
import sys
import time
from collections import Counter
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx

from core.models import Tier
from local.kit import DATA, Kit, KitError, MovingClock, free_port, reset_folder, supervise
from local.subscribers import make_tokens
from local.terminal import step, uninterrupted


def smoke() -> None:
    parser = argparse.ArgumentParser(prog="make smoke")
    parser.add_argument(
        "--world", default="generated", help="a folder of recorded answers; default: the generated world"
    )
    world: str = parser.parse_args().world
    if world != "generated":
        world = str(Path(world).resolve())
        if not Path(world).is_dir():
            raise KitError(f"WORLD={world} is not a folder")
    for left in DATA.glob("smoke-*"):
        with suppress(KitError):  # another one is at it
            reset_folder(left)
    folder = DATA / f"smoke-{os.getpid()}"
    try:
        with Kit(folder) as kit:
            account = one_pass(kit, world)
    finally:
        with uninterrupted():
            reset_folder(folder)
    sys.stdout.write(json.dumps(account) + "\n")


def one_pass(kit: Kit, world: str) -> dict[str, Any]:
    """Each step at its time of the day on a standing clock, so that the digest and the top of the hour are real."""
    one_oclock = last_digest_time(datetime.now(UTC))
    collected = standing(one_oclock - timedelta(minutes=10))
    analyzed = standing(one_oclock - timedelta(minutes=5))
    with step("start PostgreSQL and Valkey, migrate"):
        kit.start_storage()
    with step(f"replay venues: {world}"):
        address = kit.start_replay(world, collected)
        kit.start_analyst()
    with step("collect"):
        collect = kit.job("collect", collected.environment())
        backfill = kit.job("backfill", collected.environment())
    with step("detect and analyze"):
        analyze = kit.job("analyze", analyzed.environment())
    with step("digest"):
        digest = kit.job("digest", standing(one_oclock).environment())
    with step("serve"):
        served = serve(kit, standing(one_oclock + timedelta(minutes=1)))
    inventory = httpx.get(f"{address}/control/inventory", timeout=10).json()
    return make_account(collect, backfill, analyze, digest, served, inventory)


def last_digest_time(now: datetime) -> datetime:
    today = now.replace(hour=13, minute=0, second=0, microsecond=0)
    return today if today <= now else today - timedelta(days=1)


def standing(at: datetime) -> MovingClock:
    return MovingClock(at, time.time(), 0.0)


def serve(kit: Kit, clock: MovingClock) -> dict[str, int]:
    """The status for a free account, the number of insights for each paid tier."""
    url = kit.start_api(free_port(), clock.environment())
    tokens = make_tokens(kit.environment["DATABASE_URL"], kit.secret("jwt"), clock.now())
    served: dict[str, int] = {}
    for tier, token in tokens.items():
        response = httpx.get(f"{url}/api/v1/insights/ai", headers={"authorization": f"Bearer {token}"}, timeout=10)
        if tier is Tier.FREE:
            served[tier] = response.status_code
        elif response.status_code != 200:
            raise KitError(f"serve: {tier} was answered {response.status_code}: {response.text[:200]}")
        else:
            served[tier] = len(response.json()["insights"])
    return served


def make_account(
    collect: dict[str, Any],
    backfill: dict[str, Any],
    analyze: dict[str, Any],
    digest: dict[str, Any],
    served: dict[str, int],
    inventory: dict[str, Any],
) -> dict[str, Any]:
    venues = ("kalshi", "polymarket")
    failed = [f"{venue}: {collect[venue]['error']}" for venue in venues if "error" in collect[venue]]
    failed += [f"backfill of {venue}: {backfill[venue]['error']}" for venue in venues if "error" in backfill[venue]]
    failed += [f"analyst: {analyze[of]['error']}" for of in ("insights", "bundles") if "error" in analyze[of]]
    if failed:
        raise KitError("; ".join(failed))
    skipped: Counter[str] = Counter()
    for venue in venues:
        skipped.update(collect[venue]["skipped"])
    candles = sum(backfill[venue]["candles"] for venue in venues)
    notes = {"history": analyze["history"]} if candles == 0 else {}
    if not analyze["insights"]["published"]:
        notes["insights"] = str(analyze["insights"].get("note") or analyze["insights"].get("not_published"))
    if not analyze["arbitrage"]["published"]:
        notes["arbitrage"] = f"pairs {analyze['pairs']}, not shown {analyze['arbitrage']['not_shown']}"
    if without_ai := digest.get("without_ai"):
        notes["digest"] = f"written by rules: {without_ai}"
    return {
        "markets": {venue: collect[venue]["markets"] for venue in venues},
        "rows_skipped": dict(skipped),
        "snapshots": candles + sum(collect[venue]["snapshots"] for venue in venues),
        "patterns": analyze["patterns"],
        "insights": analyze["insights"]["published"],
        "arbitrage": analyze["arbitrage"]["published"],
        "arbitrage_analysed": analyze["bundles"]["analysed"],
        "digest_by": digest["by"],
        "served": served,
        "arbitrage_not_analysed": analyze["bundles"].get("not_analysed", {}),
        "withheld": analyze["insights"].get("not_published", {}),
        "unusable_fields": {venue: collect[venue]["doubts"] for venue in venues},
        "world": inventory,
        "nothing_to_do": notes,
    }


if __name__ == "__main__":
    sys.exit(supervise(smoke))
