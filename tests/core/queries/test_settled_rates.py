"""What prices came to, stored and read as of a time."""

from __future__ import annotations

from datetime import timedelta

import numpy as np

from core import db
from core.detect.rates_settled import settled_rates
from core.queries.settled_rates import insert_settled_rates, latest_settled_rates
from tests.conftest import NOW
from tests.core.detect.test_rates_settled import LATER, same, world

HOUR = timedelta(hours=1)


async def test_what_was_stored_is_read_whole_and_the_newest_at_its_time(connection: db.Connection) -> None:
    assert await latest_settled_rates(connection, NOW) is None
    older, newer = (settled_rates(world(2_000, seed, bias=-0.03), LATER) for seed in (1, 2))
    async with connection.transaction():
        await insert_settled_rates(connection, older, NOW - HOUR)
        await insert_settled_rates(connection, newer, NOW + HOUR)
    found = await latest_settled_rates(connection, NOW)
    assert found is not None
    same(found, older)
    assert (found.horizons.tolist(), found.bands.tolist()) == (older.horizons.tolist(), older.bands.tolist())
    assert np.isinf(found.horizons[-1])
    later = await latest_settled_rates(connection, NOW + HOUR)
    assert later is not None
    same(later, newer)


async def test_a_run_that_is_repeated_replaces_its_own(connection: db.Connection) -> None:
    rates = settled_rates(world(500, 3), LATER)
    async with connection.transaction():
        await insert_settled_rates(connection, rates, NOW)
        await insert_settled_rates(connection, rates, NOW)
    found = await latest_settled_rates(connection, NOW)
    assert found is not None
    same(found, rates)
