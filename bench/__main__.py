"""`make bench [ONLY=name]`: runs the measurements, prints a table, writes bench/results.json."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Callable, Coroutine
from dataclasses import asdict
from pathlib import Path

from rich.console import Console
from rich.table import Table

from bench import detection, storage
from bench.result import Result

RESULTS = Path(__file__).parent / "results.json"
BENCHES: dict[tuple[str, ...], Callable[[], Coroutine[None, None, list[Result]]]] = {
    ("insert_1000_ms", "latest_price_ms", "history_24h_ms"): storage.run,
    ("detect_kernel_ms_50k",): detection.run,
}


def main(arguments: list[str]) -> int:
    only = arguments[0] if arguments else None
    known = sorted(name for names in BENCHES for name in names)
    if only is not None and only not in known:
        sys.stderr.write(f"no bench {only!r}; there are {', '.join(known)}\n")
        return 2
    results: list[Result] = []
    for names, run in BENCHES.items():
        if only is None or only in names:
            results += [result for result in asyncio.run(run()) if only in (None, result.name)]
    RESULTS.write_text(json.dumps([asdict(result) for result in results], indent=1) + "\n")
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
