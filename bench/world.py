"""`python -m bench.world [seed markets]`: what is found of what is planted in a generated world; `together [worlds]`:
of the sums, ladders and crossings of many.

The sizes are the truth file's grades: of a jump in hourly noises of the walk behind the price, of a spike in the noise
of a quarter-hour's log volume. Anomalies of markets that are quoted on both sides and at 5 to 95 cents, by grade.
"""

from __future__ import annotations

import sys
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np

from bench.martingales import A_DAY, HOURS, QUARTERS, Floats, told
from bench.recall import JUDGED, THRESHOLD, seeds
from bench.world_together import false_alarms, found_together
from core.detect.detectors import signals
from core.detect.history import History
from local.world import GeneratedWorld
from local.world_columns import NO_ASK, NO_BID, Columns
from local.world_families import SLOT_S

START = datetime(2026, 11, 14, tzinfo=UTC)
_BEFORE = QUARTERS * (HOURS + 1)
_TOGETHER, _LISTINGS = 1_000, 2  # markets of a world; how often all of them are listed


def recall(seed: int, markets: int) -> dict[str, dict[float, list[bool]]]:
    """By kind and grade, whether each of a day's anomalies scored 50 or more within its hour."""
    world = GeneratedWorld(seed, markets)
    found: dict[str, dict[float, list[bool]]] = {kind: defaultdict(list) for kind in ("price_jump", "volume_spike")}
    anomalies = world.truth(START, START + timedelta(days=1))["anomalies"]
    for venue in world.families:
        history, ids, price = _shown(world, venue)
        scores: dict[str, list[Floats]] = {kind: [] for kind in found}
        for at in range(_BEFORE, _BEFORE + A_DAY):
            for signal in signals(history(at)):
                if signal.detector in scores:
                    scores[signal.detector].append(signal.score)
        whole = {kind: np.array(runs) for kind, runs in scores.items()}
        for planted in anomalies:
            if planted["kind"] not in found or planted["venue"] != venue:
                continue
            # a jump is in the quarter-hour that ends at its time, a spike in the hour that begins at it
            slot = int((datetime.fromisoformat(planted["time"]) - START).total_seconds()) // SLOT_S
            runs = (
                range(slot + QUARTERS, slot + QUARTERS + 1)
                if planted["kind"] == "volume_spike"
                else range(slot, slot + 4)
            )
            runs = range(runs.start, min(runs.stop, A_DAY))
            rows = [ids[market] for market in planted["markets"] if market in ids]
            rows = [row for row in rows if np.isfinite(price[row, : _BEFORE + slot]).all()]
            rows = [row for row in rows if 0.05 < price[row, _BEFORE + slot - 1] < 0.95]
            if rows and runs:
                told_of = whole[planted["kind"]][runs.start : runs.stop][:, rows]
                found[planted["kind"]][planted["grade"]].append(bool((told_of >= THRESHOLD).any()))
    return found


def _shown(world: GeneratedWorld, venue: str) -> tuple[Callable[[int], History], dict[str, int], Floats]:
    first = int(START.timestamp()) // SLOT_S - _BEFORE
    slots = first + np.arange(_BEFORE + A_DAY)
    family, number = world.numbers_at(venue, first + _BEFORE)
    table = world.tables[venue]
    begin = table.phase[family] * 0 + Columns(world, table, family, number).start
    long = (begin <= first - QUARTERS * 24) & (begin + table.life[family] > slots[-1])
    columns = Columns(world, table, family[long], number[long], lanes=10)
    bid, ask = columns.quotes(slots)
    whole = (bid > NO_BID) & (ask < NO_ASK) & (ask - bid <= 100)
    open_still = columns.closes[:, None] > slots
    price = np.where(whole & open_still, (bid + ask) / 2000, np.nan).astype(np.float32)
    rows = np.arange(len(columns))
    volume = np.stack(
        [columns.volume_at(rows, np.full(len(rows), (slot + 1) * SLOT_S)) for slot in (first - 1, *slots)]
    )
    traded = np.diff(volume.T / 100, axis=1).astype(np.float32)
    # what is read at a slot's start was traded before it
    traded = np.concatenate([traded[:, :1] * 0, traded[:, :-1]], axis=1)
    events: list[str | None] = [str(number) for number in columns.rnd]
    venues: Any = {"kalshi": world.kalshi, "polymarket": world.polymarket}
    ids = {}
    for row in rows.tolist():
        r = int(columns.rnd[row])
        family_of = world.families[venue][int(columns.family[r])]
        ids[venues[venue].market_id(world.round(family_of, int(columns.number[r])), int(columns.seat[row]))] = row
    left = (columns.closes - (first + _BEFORE + A_DAY)) / QUARTERS
    half = (ask - bid) / 2000
    history = told(price, price - half.astype(np.float32), price + half.astype(np.float32), traded, events, left)
    return history, ids, price


def together(worlds: int) -> None:
    found: dict[str, dict[int, list[bool]]] = defaultdict(lambda: defaultdict(list))
    alarms: Counter[str] = Counter()
    seen = 0
    for number, _ in zip(seeds(JUDGED), range(worlds), strict=False):
        for name, sizes in found_together(number % 2**31, _TOGETHER, START).items():
            for size, hits in sizes.items():
                found[name][size] += hits
        false, looked_at = false_alarms(number % 2**31, _TOGETHER, START, _LISTINGS)
        alarms.update(false)
        seen += looked_at
    for name, sizes in found.items():
        print(f"{name:20}", _curve(sizes, "c"))
    print(f"not planted, of {seen:,} markets looked at:", dict(alarms))


def _curve(sizes: Mapping[Any, list[bool]], unit: str = "") -> str:
    return "  ".join(f"{size:g}{unit}: {np.mean(hits):.2f} ({len(hits)})" for size, hits in sorted(sizes.items()))


def main(arguments: list[str]) -> None:
    if arguments[:1] == ["together"]:
        together(int(arguments[1]) if len(arguments) > 1 else 20)
        return
    seed = int(arguments[0]) if arguments else next(seeds(JUDGED)) % 2**31
    for kind, grades in recall(seed, int(arguments[1]) if arguments else 4_000).items():
        print(f"{kind:20}", _curve(grades))


if __name__ == "__main__":
    main(sys.argv[1:])
