"""The base-rates job finds the sign of what was planted in a stored history, and proves nothing where nothing was."""

from __future__ import annotations

import pytest

from bench.effects import DAYS, MARKETS, found

pytestmark = [pytest.mark.long, pytest.mark.timeout(600)]


@pytest.mark.parametrize(("seed", "share"), [(2_026_112_401, 1.0), (2_026_112_402, -1.0)])
async def test_jumps_that_are_taken_back_or_come_twice_are_told_apart_by_the_sign(
    database_url: str, seed: int, share: float
) -> None:
    told = await found(database_url, seed, share, MARKETS, DAYS)
    assert told.signs == told.planted >= 4
    assert told.proved >= told.planted / 2
    assert told.others >= 12
    assert told.false <= 1
