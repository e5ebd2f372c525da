"""`python -m analyze.costs [--days N]`: what calls to the analyst cost, by day, part and model, and what its
numbers proved to be worth.

Exit 0 told, 1 the database is away, 2 misconfigured.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from core import db
from core.errors import OddWonsError
from core.queries import grading, spending
from core.runtime import configured, make_clock
from core.settings import AnalyzeSettings

_COLUMNS = ("day", "part", "model", "calls", "published", "withheld", "failed", "prompt", "cached", "completion", "usd")


def report(rows: Sequence[Mapping[str, Any]]) -> str:
    """A line for each day, part and model, and their sum. Tokens are counted, dollars at list price."""
    lines = ["\t".join(_COLUMNS)]
    lines += ["\t".join(_cells(row)) for row in rows]
    usd = sum((row["usd"] for row in rows), Decimal(0))
    unknown = sum((row["unknown_usd"] for row in rows), Decimal(0))
    published = sum(row["published"] for row in rows)
    each = f", {usd / published:.6f} for each of {published} published" if published else ""
    lines.append(f"{sum(row['calls'] for row in rows)} calls, {usd:.6f} USD{each}")
    if unknown:
        lines.append(f"of it {unknown:.6f} USD as reserved: nobody told what those calls cost")
    return "\n".join(lines) + "\n"


def worth(rows: Sequence[Mapping[str, Any]]) -> str:
    """Of each model how often it repeats the price, and what its number has proved, as last graded; "" before that."""
    return "".join(map(_worth, rows))


def _worth(row: Mapping[str, Any]) -> str:
    spoke = row["published"] - row["silent"]
    share = f" ({row['parroted'] / spoke:.0%})" if spoke else ""
    proof = f"{row['events']} events settled, weight {row['weight']:.2f} ({row['low']:.2f} to {row['high']:.2f})"
    lines = [
        f"{row['model']}: {row['parroted']} of {spoke} numbers repeat the market's price{share}, "
        f"{row['silent']} insights without a number",
        f"  {'calibrated' if row['proved'] else 'unproven'}: {proof}",
    ]
    if row["brier_served"] is not None:
        lines.append(
            f"  Brier: price {row['brier_price']:.4f}, model {row['brier_raw']:.4f}, served {row['brier_served']:.4f}"
        )
    for kind, words in (("held", "held to settlement"), ("sold", "sold when their time was up")):
        if row[kind]:
            won, cents = row[f"{kind}_won"], row[f"{kind}_cents"]
            lines.append(f"  {row[kind]} positions {words}: {won} earned, {cents:+.1f} cents each after fees")
    return "\n".join(lines) + "\n"


def _cells(row: Mapping[str, Any]) -> list[str]:
    names = ("day", "part", "model", "calls", "published", "withheld", "failed")
    tokens = ("prompt_tokens", "cached_tokens", "completion_tokens")
    return [*(str(row[name]) for name in names), *(str(row[name]) for name in tokens), f"{row['usd']:.6f}"]


async def costs(settings: AnalyzeSettings, days: int, now: datetime) -> str:
    """The report on the last `days` UTC days, today among them."""
    since = now.replace(hour=0, minute=0, second=0, microsecond=0) - timedelta(days=days - 1)
    pool = await db.make_pool(settings)
    try:
        async with db.acquire(pool, settings.database_connect_timeout_s) as connection:
            spent = await spending.costs(connection, since, now + timedelta(days=1))
            return report(spent) + worth(await grading.calibration_report(connection, now))
    finally:
        await pool.close()


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m analyze.costs", description=__doc__)
    parser.add_argument("--days", type=int, default=7, help="how many, today among them (7)")
    given = parser.parse_args(argv)
    settings = configured(AnalyzeSettings)
    try:
        told = asyncio.run(costs(settings, max(1, given.days), make_clock(settings)()))
    except OddWonsError as error:
        sys.stderr.write(f"costs: {error}\n")
        return 1
    sys.stdout.write(told)
    return 0


if __name__ == "__main__":
    sys.exit(main())
