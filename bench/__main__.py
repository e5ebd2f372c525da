"""`make bench [ONLY=name]`: runs the measurements, prints a table, updates bench/results.json."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Callable, Coroutine
from dataclasses import asdict
from pathlib import Path

from rich.console import Console
from rich.table import Table

from bench import analyst, api, bundles, cold, collecting, detection, disk, history, matching, rates, storage, traffic
from bench.result import Result

RESULTS = Path(__file__).parent / "results.json"
BENCHES: dict[tuple[str, ...], Callable[[], Coroutine[None, None, list[Result]]]] = {
    ("insert_1000_ms", "latest_price_ms", "history_24h_ms", "history_90d_ms", "search_ms"): storage.run,
    ("detect_kernel_ms_50k",): detection.run,
    ("detect_cpu_s_per_10k", "detect_wire_mb", "detect_peak_mb", "detect_growth"): detection.whole,
    ("bundles_per_s",): bundles.run,
    ("history_read_ms_100k", "history_read_mb_100k"): history.run,
    ("collect_vs_floor", "collect_peak_mb", "collect_wire_mb"): collecting.against_floor,
    ("collect_growth",): collecting.growth,
    (
        "disk_bytes_per_market_day",
        "disk_bytes_per_market",
        "disk_bytes_per_ended_market",
        "disk_wal_bytes_per_market_day",
        "disk_gb_100k",
    ): disk.run,
    ("api_cached_vs_bare", "api_p99_vs_bare", "api_cached_vs_naive"): api.speed,
    ("api_memory_growth_mb",): api.memory,
    ("api_uncached_vs_sql",): api.uncached,
    (
        "cold_vs_floor_collect",
        "cold_vs_floor_analyze",
        "cold_vs_floor_api",
        "cold_vs_floor_stripe_webhook",
    ): cold.run,
    (
        "rates_coverage",
        "rates_false_proofs_clean",
        "rates_false_proofs_planted",
        "rates_planted_signs",
    ): rates.run,
    (
        "match_scratch_s",
        "match_scratch_times_faster",
        "match_growth",
        "match_candidate_recall",
        "match_increment_s",
        "match_increment_mb",
    ): matching.run,
    ("analyst_vs_serial", "cost_per_500_usd"): analyst.speed,
    ("analyst_limit_use",): analyst.limit_use,
    ("traffic_usd_month_20k", "traffic_usd_month_100k"): traffic.run,
}


def main(arguments: list[str], file: Path = RESULTS) -> int:
    only = arguments[0] if arguments else None
    known = [name for names in BENCHES for name in names]
    if only is not None and only not in known:
        sys.stderr.write(f"no bench {only!r}; there are {', '.join(sorted(known))}\n")
        return 2
    results: list[Result] = []
    for names, run in BENCHES.items():
        if only is None or only in names:
            results += [result for result in asyncio.run(run()) if only in (None, result.name)]
    entries = {entry["name"]: entry for entry in json.loads(file.read_text())} if file.exists() else {}
    entries |= {result.name: asdict(result) for result in results}
    file.write_text(json.dumps([entries[name] for name in known if name in entries], indent=1) + "\n")
    show(results)
    return 0


def show(results: list[Result]) -> None:
    table = Table("name", "value", "unit", "bar", "met", "against")
    for result in results:
        met = "–" if result.met is None else "yes" if result.met else "NO"
        bar = "–" if result.bar is None else str(result.bar)
        table.add_row(result.name, f"{result.value:g}", result.unit, bar, met, result.against)
    Console(width=None if sys.stdout.isatty() else 140).print(table)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
