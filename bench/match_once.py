"""One cold run of the step that matches what changed: `python -m bench.match_once URL` says what it found."""

from __future__ import annotations

import asyncio
import sys
from datetime import UTC, datetime

import orjson
from pydantic import SecretStr

from analyze.matching import match_changed
from core import db
from core.cache import make_cache
from core.runtime import JOBS, Run
from core.settings import AnalyzeSettings


async def main(url: str) -> None:
    now = datetime.now(UTC)
    settings = AnalyzeSettings(database_url=SecretStr(url), database_bulk_timeout_s=600)
    pool, cache = await db.make_pool(settings), make_cache(settings)
    said = await match_changed(Run(JOBS["analyze"], settings, pool, cache, lambda: now, now))
    await cache.close()
    await pool.close()
    sys.stdout.buffer.write(orjson.dumps(said))


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))
