"""From stored markets that settled, through the base-rates job and the database, to what is said of open ones."""

from __future__ import annotations

import pytest

from bench.effects_settled import NAMES, found

pytestmark = [pytest.mark.long, pytest.mark.timeout(600)]


async def test_the_job_proves_bent_prices_by_their_sign_and_the_detector_speaks_of_that_category_only(
    database_url: str,
) -> None:
    told = await found(database_url, 2_026_112_341)
    bent, fair = NAMES
    assert told.right == told.proved[bent] >= 4
    assert told.proved[fair] == told.spoken[fair] == 0
    assert told.spoken[bent] >= 50
    assert told.towards >= 0.95 * told.spoken[bent]
