"""`python -m analyze.replay ID [--again]`: what an insight was made from, and whether it comes out the same today.

ID may be an opportunity's, for its analysis, and a day (2026-11-22) for its digest.

Shows inputs, prompt, model, fee facts, evidence and answer. `--again` asks the model once more in the same words, for
money and within the budgets; what it says is shown and not stored. Exit 0 shown, 1 not possible, 2 misconfigured.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
from datetime import date
from typing import Any
from uuid import UUID

import orjson

from analyze.replaying import replayed
from core import db
from core.cache import make_cache
from core.errors import OddWonsError
from core.runtime import JOBS, Run, configured, make_clock
from core.settings import AnalyzeSettings


def _id_or_day(given: str) -> UUID | date:
    return date.fromisoformat(given) if len(given) == len("2026-11-22") else UUID(given)


async def _main(settings: AnalyzeSettings, of: UUID | date, *, again: bool) -> dict[str, Any]:
    clock = make_clock(settings)
    pool, cache = await db.make_pool(settings), make_cache(settings)
    try:
        return await replayed(Run(JOBS["analyze"], settings, pool, cache, clock, clock()), of, again=again)
    finally:
        await cache.close()
        await pool.close()


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m analyze.replay", description=__doc__)
    parser.add_argument("id", type=_id_or_day, help="of an insight or an opportunity, or a digest's day")
    parser.add_argument("--again", action="store_true", help="ask the model once more")
    given = parser.parse_args(argv)
    settings = configured(AnalyzeSettings)
    try:
        shown = asyncio.run(_main(settings, given.id, again=given.again))
    except OddWonsError as error:
        sys.stderr.write(f"replay: {error}\n")
        return 1
    sys.stdout.write(orjson.dumps(shown, option=orjson.OPT_INDENT_2 | orjson.OPT_UTC_Z, default=str).decode() + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
